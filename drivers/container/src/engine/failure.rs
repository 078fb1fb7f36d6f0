//! What the failure of an engine's command means to the user.

use std::process::ExitStatus;

use kdn_protocol::{CommandFailure, Error, ErrorKind};

use super::Table;
use crate::process::Output;

/// Something that is wrong with the engine or around it.
#[derive(Debug)]
pub struct Trouble {
    /// What its command prints then, any of these.
    pub signs: &'static [&'static str],
    pub what: &'static str,
    pub remedy: &'static str,
}

/// What befalls every engine.
const COMMON: &[Trouble] = &[
    Trouble {
        signs: &["no space left on device", "disk quota exceeded"],
        what: "the disk is full",
        remedy: "make room on the disk; `{name} system prune` removes images and containers that nobody uses",
    },
    Trouble {
        signs: &[
            "manifest unknown",
            "name unknown",
            "no such image",
            "pull access denied",
            "repository does not exist",
            "image not known",
            "requested access to the resource is denied",
            "failed to resolve reference",
        ],
        what: "the base image is not there",
        remedy: "correct base_image in image.json; for a private image, log in first: {name} login REGISTRY",
    },
    Trouble {
        signs: &["did not resolve to an alias", "short-name resolution enforced"],
        what: "the base image has no registry in its name",
        remedy: "write base_image in image.json with its registry, as in docker.io/library/debian:13",
    },
    Trouble {
        signs: &[
            "dial tcp",
            "no such host",
            "i/o timeout",
            "TLS handshake timeout",
            "connection refused",
            "pinging container registry",
            "network is unreachable",
        ],
        what: "the registry of the base image can't be reached",
        remedy: "see whether the network and the registry are up, and try again",
    },
    Trouble {
        signs: &["unknown flag", "unknown shorthand flag", "unknown command"],
        what: "{name} is too old",
        remedy: "update {name}",
    },
];

/// How much of stderr is in the message, in lines; what came before is beside it.
const LINES: usize = 10;

/// The error of a command that failed.
pub(super) fn error(table: &Table, doing: &str, args: Vec<String>, output: Output) -> Error {
    let stderr = output.stderr;
    let command = std::iter::once(table.name.to_owned()).chain(args).collect();
    let failure = |stderr: &str| CommandFailure::new(command, output.status.code(), stderr);
    let lower = stderr.to_lowercase();
    let is = |trouble: &&Trouble| trouble.signs.iter().any(|sign| lower.contains(&sign.to_lowercase()));
    let told = |text: &str| text.replace("{name}", table.name);
    if let Some(trouble) = table.troubles.iter().chain(COMMON).find(is) {
        let message = format!("{doing}: {}", told(trouble.what));
        return Error::new(ErrorKind::Unavailable, message)
            .hint(told(trouble.remedy))
            .command(failure(&stderr));
    }
    let lines: Vec<&str> = stderr.trim().lines().collect();
    let (before, last) = lines.split_at(lines.len().saturating_sub(LINES));
    let message =
        format!("{doing}: {}\n{} stderr:\n{}", ended(output.status), table.display, last.join("\n"));
    Error::new(ErrorKind::BackendFailed, message).command(failure(&before.join("\n")))
}

/// What a command that failed printed, in lower case; nothing if the error is another one.
pub fn said(error: &Error) -> String {
    let tail =
        error.data.command.as_ref().map(|command| format!("{}\n{}", command.stderr_tail, error.message));
    tail.unwrap_or_default().to_lowercase()
}

fn ended(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("exit status {code}"),
        None => status.to_string(),
    }
}
