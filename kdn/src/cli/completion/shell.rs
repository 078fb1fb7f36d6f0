//! The shells, and their scripts.

use std::io;

use clap::ValueEnum;
use clap_complete::env::{Bash, EnvCompleter, Fish, Powershell, Zsh};

use super::VARIABLE;

/// A shell that can complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    /// Bash
    Bash,
    /// Zsh
    Zsh,
    /// Fish
    Fish,
    /// PowerShell
    #[value(name = "powershell")]
    Pwsh,
}

impl Shell {
    /// How it is spoken to.
    pub(super) fn adapter(self) -> &'static dyn EnvCompleter {
        match self {
            Self::Bash => &Bash,
            Self::Zsh => &Zsh,
            Self::Fish => &Fish,
            Self::Pwsh => &Powershell,
        }
    }
}

/// What the shell runs to complete the words of `kdn`.
pub(crate) fn script(shell: Shell) -> io::Result<String> {
    let mut script = Vec::new();
    shell.adapter().write_registration(VARIABLE, "kdn", "kdn", "kdn", &mut script)?;
    String::from_utf8(script).map_err(io::Error::other)
}
