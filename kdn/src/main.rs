//! The executable `kdn`.

use std::process::ExitCode;

fn main() -> ExitCode {
    kdn::cli::main()
}
