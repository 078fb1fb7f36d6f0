//! The sandbox driver's executable.

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    kdn_runtime_sandbox::run::main()
}

/// Nothing of it can exist elsewhere: the exit code is that of an unavailable service.
#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "kdn-runtime-sandbox needs Linux");
    ExitCode::from(69)
}
