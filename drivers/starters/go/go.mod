module kdn-runtime-starter

go 1.19
