//! `kdn-conformance`: says of a runtime driver whether it is right.

fn main() -> std::process::ExitCode {
    kdn_conformance::cli::main()
}
