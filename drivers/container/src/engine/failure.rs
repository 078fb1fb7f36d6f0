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
        signs: &[
            "unknown flag: -",
            "unknown shorthand flag: '",
            "unknown command",
            "is not a docker command",
        ],
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

/// How much of the end of stderr is in the message, in lines.
const LINES: usize = 10;
/// How much of what the engine says of a trouble is told, in characters.
const SAID: usize = 400;

/// The error of a command that failed.
pub(super) fn error(table: &Table, doing: &str, args: Vec<String>, output: Output) -> Error {
    let stderr = output.stderr;
    let verb = args.first().map_or("", String::as_str);
    // An older builder of docker puts all that commands print there.
    let printed = if verb == "build" { output.stdout + "\n" + &stderr } else { stderr.clone() };
    let told = |text: &str| {
        let flag = format!("--{}", table.base_image_flag);
        text.replace("{name}", table.name).replace("{install}", table.install).replace("{flag}", &flag)
    };
    let of_engine = table.troubles.iter().map(|trouble| (trouble, true));
    let of_request = COMMON.iter().chain(PULL.iter().filter(|_| verb == "pull"));
    for (trouble, of_engine) in of_engine.chain(of_request.map(|trouble| (trouble, false))) {
        let Some(said) = line_of(trouble, verb, &printed) else { continue };
        let what = told(trouble.what);
        let message = if of_engine { what } else { format!("{doing}: {what}") };
        return Error::new(ErrorKind::Unavailable, message)
            .hint(format!("{} says: {said}", table.name))
            .hint(told(trouble.remedy));
    }
    let command = std::iter::once(table.name.to_owned()).chain(args.into_iter().map(without_value)).collect();
    let lines: Vec<&str> = stderr.trim().lines().collect();
    let last = &lines[lines.len().saturating_sub(LINES)..];
    let message =
        format!("{doing}: {}\n{} stderr:\n{}", ended(output.status), table.display, last.join("\n"));
    let failure = CommandFailure::new(command, output.status.code(), stderr.trim_end());
    Error::new(ErrorKind::BackendFailed, message).command(failure)
}

/// An argument that may be shown to everybody: values of the environment may be secrets.
fn without_value(arg: String) -> String {
    match arg.strip_prefix("--env=").and_then(|variable| variable.split_once('=')) {
        Some((name, _)) => format!("--env={name}"),
        None => arg,
    }
}

/// The last line of what a failed command printed that has one of these signs, in small letters.
pub fn says(error: &Error, signs: &[&str]) -> Option<String> {
    let printed = &error.data.command.as_ref()?.stderr_tail;
    let has = |line: &&str| {
        let line = line.to_lowercase();
        signs.iter().any(|sign| line.contains(sign))
    };
    printed.lines().rev().find(has).map(|line| plain(line.trim()))
}

/// The line of stderr that tells of a trouble.
fn line_of(trouble: &Trouble, verb: &str, stderr: &str) -> Option<String> {
    let lines = || stderr.lines().rev().map(str::trim).filter(|line| !line.is_empty());
    let is = |line: &&str| {
        let line = line.to_lowercase();
        trouble.signs.iter().any(|sign| line.contains(sign))
    };
    // Nearly all of a build is from commands that users have it run, and the engine quotes the one that failed. Only where
    // there is no room for what they write, there is none for the engine either.
    let line = if verb == "build" && trouble.what != COMMON[0].what {
        lines().next().filter(|line| is(line) && !is_step(line))
    } else {
        lines().filter(is).find(|line| !line.starts_with("time=")).or_else(|| lines().find(is))
    }?;
    Some(plain(line))
}

/// A line without what engines put before it, and not longer than can be read.
fn plain(line: &str) -> String {
    let line = ["Error response from daemon: ", "Error: ", "ERROR: ", "* "]
        .iter()
        .fold(line, |line, before| line.strip_prefix(before).unwrap_or(line));
    without_request(line).chars().take(SAID).collect()
}

/// A line without the request to the engine's own service that it quotes, as in `Get "http://d/v4/libpod/_ping": `.
fn without_request(line: &str) -> String {
    let quoted = || {
        let (before, rest) = line.split_once(" \"http://")?;
        let (url, after) = rest.split_once("\": ")?;
        let (before, method) = before.rsplit_once(' ')?;
        let of_engine = url.starts_with("d/") || url.starts_with("%2F");
        (of_engine && method.chars().all(char::is_alphabetic)).then(|| format!("{before} {after}"))
    };
    quoted().unwrap_or_else(|| line.to_owned())
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

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use kdn_protocol::ErrorKind;

    use super::*;
    use crate::engine::{Docker, Kind, Podman};

    /// What is told of a failed command.
    fn told<K: Kind>(verb: &str, stderr: &str) -> (ErrorKind, String) {
        let output = Output {
            status: ExitStatus::from_raw(125 << 8),
            stdout: String::new(),
            stderr: stderr.to_owned(),
        };
        let error = error(K::TABLE, "failed", vec![verb.to_owned()], output);
        (error.kind(), error.message)
    }

    /// What this system's engines do not print, from other systems and versions.
    #[test]
    fn engines_elsewhere() {
        let advice = "Cannot connect to Podman. Please verify your connection to the Linux system using `podman system connection list`, or try `podman machine init` and `podman machine start` to manage a new Linux VM\n";
        for stderr in [
            "Error: unable to connect to Podman socket: failed to connect: dial tcp 127.0.0.1:49741: connect: connection refused",
            "Error: unable to connect to Podman socket: failed to connect: dial tcp 127.0.0.1:63733: connectex: No connection could be made because the target machine actively refused it.",
            "Error: unable to connect to Podman. failed to create sshClient: connection to bastion host (ssh://core@localhost:56102/run/user/1000/podman/podman.sock) failed: dial tcp 127.0.0.1:56102: connect: connection refused",
            "Error: unable to connect to Podman socket: Get \"http://d/v5.0.3/libpod/_ping\": ssh: rejected: connect failed (open failed)",
            "Error: unable to connect to Podman socket: failed to read identity \"/Users/me/.local/share/containers/podman/machine/machine\": open /Users/me/.local/share/containers/podman/machine/machine: no such file or directory",
        ] {
            let (kind, message) = told::<Podman>("ps", &format!("{advice}{stderr}"));
            assert_eq!(
                (kind, &*message),
                (ErrorKind::Unavailable, "podman can't be reached: its machine or its service does not run")
            );
        }
        let bare = "Error: failed to connect: dial tcp 127.0.0.1:61425: connectex: No connection could be made because the target machine actively refused it.";
        assert_eq!(
            told::<Podman>("pull", bare).1,
            "podman can't be reached: its machine or its service does not run"
        );
        let old = format!(
            "{advice}Error: unable to connect to Podman socket: server API version is too old. Client \"4.0.0\" server \"3.4.4\""
        );
        assert_eq!(told::<Podman>("ps", &old).1, "podman in its machine is too old");
        for stderr in [
            "error during connect: Get http://%2F%2F.%2Fpipe%2Fdocker_engine/v1.40/containers/json: open //./pipe/docker_engine: The system cannot find the file specified. In the default daemon configuration on Windows, the docker client must be run elevated to connect. This error may also indicate that the docker daemon is not running.",
            "failed to connect to the docker API at unix:///var/run/docker.sock; check if the path is correct and if the daemon is running: dial unix /var/run/docker.sock: connect: no such file or directory",
        ] {
            assert_eq!(told::<Docker>("ps", stderr).1, "the docker daemon can't be reached");
        }
        let refused =
            "permission denied while trying to connect to the docker API at unix:///var/run/docker.sock";
        assert_eq!(told::<Docker>("ps", refused).1, "no permission to talk to the docker daemon");
        let apart = "Error response from daemon: client version 1.22 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version";
        assert_eq!(told::<Docker>("ps", apart).1, "docker and its daemon are too far apart in age");
    }

    #[test]
    fn only_a_pull_speaks_of_registries_and_no_quoted_command_of_anything() {
        let no_host = "Error response from daemon: failed to resolve reference \"docker.io/library/x:1\": dial tcp: lookup registry-1.docker.io: no such host";
        assert_eq!(told::<Docker>("pull", no_host).1, "failed: its registry can't be reached");
        assert_eq!(told::<Docker>("start", no_host).0, ErrorKind::BackendFailed);
        let absent = "Error response from daemon: failed to resolve reference \"docker.io/library/x:1\": docker.io/library/x:1: not found";
        assert_eq!(told::<Docker>("pull", absent).1, "failed: its registry does not have it");
        for step in [
            "Error: unknown flag: --x\nError: building at STEP \"RUN y --x # unknown flag: --x\": while running runtime: exit status 1",
            "unknown flag: --x\nThe command '/bin/sh -c y --x # unknown flag: --x' returned a non-zero code: 1",
            "ERROR: failed to solve: process \"/bin/sh -c y # unknown flag: --x\" did not complete successfully: exit code: 1",
        ] {
            assert_eq!(told::<Podman>("build", step).0, ErrorKind::BackendFailed, "{step}");
        }
        assert_eq!(told::<Podman>("build", "Error: unknown flag: --x\n").1, "failed: podman is too old");
        let full = "dd: error writing 'big': No space left on device\nError: building at STEP \"RUN dd\": while running runtime: exit status 1";
        assert_eq!(told::<Podman>("build", full).1, "failed: the disk of podman is full");
    }
}
