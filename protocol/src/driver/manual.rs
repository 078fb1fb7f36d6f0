//! A driver that is started by a person and not by a host.

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

use crate::{PROTOCOL_ENV, PROTOCOL_VERSION};

use super::Driver;

/// The exit code of wrong usage (`EX_USAGE`).
const USAGE: u8 = 64;

/// Answers `--version`, `--help`, and a start by hand. `None`: a host is there.
pub(super) fn answer<D: Driver>() -> Option<ExitCode> {
    let manifest = D::manifest();
    let program = format!("kdn-runtime-{}", manifest.r#type);
    let about = format!(
        "{program} {version}: {description}\n\n\
         It is a runtime driver: kdn starts it and speaks protocol version {PROTOCOL_VERSION} with it over stdin and \
         stdout.\nPut it on PATH, and `kdn runtime list` shows it.\n",
        version = manifest.version,
        description =
            if manifest.description.is_empty() { &manifest.display_name } else { &manifest.description },
    );
    match std::env::args().nth(1).as_deref() {
        Some("--version" | "-V") => {
            print(io::stdout(), &format!("{program} {}\n", manifest.version));
            Some(ExitCode::SUCCESS)
        }
        Some("--help" | "-h") => {
            print(io::stdout(), &about);
            Some(ExitCode::SUCCESS)
        }
        Some(other) => {
            print(io::stderr(), &format!("{program}: unknown argument {other:?}\n\n{about}"));
            Some(ExitCode::from(USAGE))
        }
        None if !is_started_by_a_host() || io::stdin().is_terminal() => {
            print(io::stderr(), &about);
            Some(ExitCode::from(USAGE))
        }
        None => None,
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place of this crate that reads the environment")]
fn is_started_by_a_host() -> bool {
    std::env::var_os(PROTOCOL_ENV).is_some()
}

fn print(mut to: impl Write, text: &str) {
    let _ = to.write_all(text.as_bytes());
}
