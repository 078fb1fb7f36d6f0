//! What the failure of an engine's command means to the user.

use std::process::ExitStatus;

use kdn_protocol::{CommandFailure, Error, ErrorKind};

use super::Table;
use crate::process::Output;

/// Something that is wrong with the engine or around it, and not with what was asked.
#[derive(Debug)]
pub struct Trouble {
    /// What its command prints then, any of these, in small letters.
    pub signs: &'static [&'static str],
    pub what: &'static str,
    pub remedy: &'static str,
}

/// What befalls every engine, whatever is asked of it.
const COMMON: &[Trouble] = &[
    Trouble {
        signs: &["no space left on device", "disk quota exceeded", "not enough space on the disk"],
        what: "the disk of {name} is full",
        remedy: "make room there; `{name} system prune` removes the containers and images that nobody uses",
    },
    Trouble {
        signs: &["unknown flag: -", "unknown shorthand flag: '", "unknown command", "is not a docker command"],
        what: "{name} is too old",
        remedy: "update {name}: {install}",
    },
];

/// What befalls an image that is pulled, in this order: some texts have signs of several.
const PULL: &[Trouble] = &[
    Trouble {
        signs: &["did not resolve to an alias", "short-name resolution enforced"],
        what: "it has no registry in its name",
        remedy: "write its name with the registry, as in docker.io/library/debian:13",
    },
    Trouble {
        signs: &["invalid reference format", "repository name must be lowercase"],
        what: "that is no name of an image",
        remedy: "correct its name in image.json or {flag}",
    },
    Trouble {
        signs: &["server gave http response to https client"],
        what: "its registry does not encrypt",
        remedy: "let {name} trust it: as insecure in registries.conf of podman, or in insecure-registries of docker's daemon.json",
    },
    Trouble {
        signs: &["x509:", "failed to verify certificate"],
        what: "{name} does not trust the certificate of its registry",
        remedy: "give {name} the certificate of who signed it, in the folder certs.d",
    },
    Trouble {
        signs: &["toomanyrequests", "too many requests"],
        what: "its registry has had enough of requests for now",
        remedy: "try again later, or log in: {name} login REGISTRY",
    },
    Trouble {
        signs: &[
            "dial tcp",
            "no such host",
            "i/o timeout",
            "tls handshake timeout",
            "connection refused",
            "connection reset",
            "network is unreachable",
            "deadline exceeded",
            "client.timeout exceeded",
            "proxyconnect",
            "temporary failure in name resolution",
        ],
        what: "its registry can't be reached",
        remedy: "see whether the network and the registry are up, and try again",
    },
    Trouble {
        // Some registries say so too of what they do not have.
        signs: &[
            "unauthorized",
            "authentication required",
            "no basic auth credentials",
            "invalid username/password",
            "access to the resource is denied",
            "pull access denied",
            "403 forbidden",
        ],
        what: "its registry does not have it, or wants a login",
        remedy: "correct its name in image.json or {flag}, or log in: {name} login REGISTRY",
    },
    Trouble {
        signs: &["manifest unknown", "name unknown", ": not found"],
        what: "its registry does not have it",
        remedy: "correct its name in image.json or {flag}",
    },
    Trouble {
        signs: &["no matching manifest", "no image found in manifest list", "no image found in image index"],
        what: "its registry does not have it for the processors of this machine",
        remedy: "name another one in image.json or {flag}",
    },
];

/// How much of stderr is in the message, in lines; all that was kept is beside it.
const LINES: usize = 10;
/// How much of what the engine says of a trouble is told, in characters.
const SAID: usize = 400;

/// The error of a command that failed.
pub(super) fn error(table: &Table, doing: &str, args: Vec<String>, output: Output) -> Error {
    let stderr = output.stderr;
    let verb = args.first().map_or("", String::as_str);
    let told = |text: &str| {
        let flag = format!("--{}", table.base_image_flag);
        text.replace("{name}", table.name).replace("{install}", table.install).replace("{flag}", &flag)
    };
    let of_engine = table.troubles.iter().map(|trouble| (trouble, true));
    let of_request = COMMON.iter().chain(PULL.iter().filter(|_| verb == "pull"));
    for (trouble, of_engine) in of_engine.chain(of_request.map(|trouble| (trouble, false))) {
        let Some(said) = said(verb, &stderr, trouble) else { continue };
        let what = told(trouble.what);
        let message = if of_engine { what } else { format!("{doing}: {what}") };
        return Error::new(ErrorKind::Unavailable, message)
            .hint(format!("{} says: {said}", table.name))
            .hint(told(trouble.remedy));
    }
    let command = std::iter::once(table.name.to_owned()).chain(args).collect();
    let failure = CommandFailure::new(command, output.status.code(), &stderr);
    let trimmed = stderr.trim();
    let skip = trimmed.lines().count().saturating_sub(LINES);
    let tail: Vec<&str> = trimmed.lines().skip(skip).collect();
    let message =
        format!("{doing}: {}\n{} stderr:\n{}", ended(output.status), table.display, tail.join("\n"));
    Error::new(ErrorKind::BackendFailed, message).command(failure)
}

/// The line of stderr that tells of a trouble, without what engines put before it.
fn said<'a>(verb: &str, stderr: &'a str, trouble: &Trouble) -> Option<&'a str> {
    let lines = || stderr.lines().rev().map(str::trim).filter(|line| !line.is_empty());
    let is = |line: &&str| {
        let line = line.to_lowercase();
        trouble.signs.iter().any(|sign| line.contains(sign))
    };
    // Nearly all of a build is from commands that users have it run, and the engine quotes the one that failed. Only where
    // there is no room for what they write, there is none for the engine either.
    let line = if verb == "build" && !std::ptr::eq(trouble, &COMMON[0]) {
        lines().next().filter(|line| is(line) && !is_step(line))
    } else {
        lines().find(is)
    }?;
    let line = ["Error response from daemon: ", "Error: ", "ERROR: "]
        .iter()
        .fold(line, |line, before| line.strip_prefix(before).unwrap_or(line));
    Some(&line[..line.floor_char_boundary(SAID)])
}

/// Whether a line says that a command of a build failed, which it quotes.
fn is_step(line: &str) -> bool {
    ["while running runtime", "returned a non-zero code", "did not complete successfully"]
        .iter()
        .any(|sign| line.contains(sign))
}

fn ended(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("exit status {code}"),
        None => status.to_string(),
    }
}
