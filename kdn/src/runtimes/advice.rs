//! What a user can do about a driver that fails.

use kdn_protocol::{ErrorKind, host::HostError};

use crate::output::{Advice, CommandError, INTERRUPTED};

/// The error for something that no driver should do.
pub fn at_fault(driver: &str, message: impl Into<String>) -> CommandError {
    CommandError::new(message).with_hint(remedy(driver))
}

fn remedy(driver: &str) -> String {
    format!(
        "If this happens again, update kdn-runtime-{driver}, or tell its author; 'kdn runtime test {driver}' checks it"
    )
}

impl Advice for HostError {
    fn hints(&self) -> Vec<String> {
        let mut hints = HostError::hints(self).to_vec();
        match self {
            Self::Start { path, .. } => {
                hints.push(format!("Check that {} is an executable for this machine", path.display()));
            }
            Self::RequestTooLarge { .. } | Self::Unwritable { .. } => {
                hints.push("Make the configuration of the workspace smaller".to_owned());
            }
            Self::Ended { driver, .. }
            | Self::TimedOut { driver, .. }
            | Self::Malformed { driver, .. }
            | Self::Mismatch { driver, .. } => hints.push(remedy(driver)),
            Self::Refused { driver, error, .. } => {
                if let Some(command) = &error.data.command {
                    let how = command
                        .exit_code
                        .map_or("ended by a signal".to_owned(), |code| format!("exit code {code}"));
                    let tail = command.stderr_tail.trim_end();
                    let is_told = tail.lines().next_back().is_none_or(|last| error.message.contains(last));
                    let tail = if is_told { String::new() } else { format!(": {tail}") };
                    hints.insert(0, format!("The command {} failed ({how}){tail}", command.argv.join(" ")));
                }
                match error.kind() {
                    ErrorKind::Internal => hints.push(remedy(driver)),
                    ErrorKind::Busy if hints.is_empty() => hints.push("Try again in a moment".to_owned()),
                    _ => {}
                }
            }
            _ => {}
        }
        hints
    }

    fn exit_code(&self) -> u8 {
        if matches!(self, Self::Interrupted { .. }) { INTERRUPTED } else { 1 }
    }

    fn is_temporary(&self) -> bool {
        self.refusal().is_some_and(|error| error.kind() == ErrorKind::Busy)
    }
}
