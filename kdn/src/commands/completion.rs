//! `kdn completion`

use crate::{
    cli::completion::{Shell, script},
    output::{CommandError, stream},
};

/// Print the completion script of a shell
///
/// With it, the shell completes commands, flags, and what this machine has: workspaces, runtimes, secrets, ports.
/// Where it goes:
///
/// bash: add 'source <(kdn completion bash)' to ~/.bashrc
///
/// zsh: add 'source <(kdn completion zsh)' to ~/.zshrc, after compinit
///
/// fish: write it to ~/.config/fish/completions/kdn.fish
///
/// PowerShell: add 'kdn completion powershell | Out-String | Invoke-Expression' to $PROFILE
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  kdn completion bash
  kdn completion fish")]
pub(crate) struct Args {
    /// Shell to write it for
    shell: Shell,
}

pub(crate) fn run(args: &Args) -> Result<u8, CommandError> {
    stream::raw(&script(args.shell)?)?;
    Ok(0)
}
