//! Docker.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::failure::Trouble;
use super::host::Bind;
use super::{Container, Kind, Status, Table};
use crate::error::{Error, Result};
use crate::process::Ending;

/// The engine docker.
#[derive(Debug)]
pub struct Docker;

impl Kind for Docker {
    const TABLE: &'static Table = &Table {
        name: "docker",
        display: "Docker",
        description: "Container-based workspaces using Docker",
        places: &["/usr/local/bin", "/opt/homebrew/bin", "/Applications/Docker.app/Contents/Resources/bin"],
        host_address: "host.docker.internal",
        base_image_flag: "docker-base-image",
        base_image_usage: "Image to build the workspace on, in place of the one in image.json",
        // Its secrets are those of a swarm, which containers can't use.
        secrets: false,
        network: "bridge",
        version: &["version", "--format", "{{.Server.Version}}"],
        oldest: (20, 10),
        install: "https://docs.docker.com/get-docker/",
        format: FORMAT,
        parse,
        create: |_, _| {
            vec!["--network=bridge".to_owned(), "--add-host=host.docker.internal:host-gateway".to_owned()]
        },
        detach_keys: "ctrl-^,ctrl-@,ctrl-^",
        exec,
        mount,
        // The daemon cleans up.
        ends_build: || Ending::AtOnce,
        troubles: TROUBLES,
    };
}

const TROUBLES: &[Trouble] = &[
    Trouble {
        signs: &["permission denied while trying to connect", "docker.sock: connect: permission denied"],
        what: "no permission to talk to the docker daemon",
        remedy: "join the group docker: sudo usermod -aG docker $USER, and log in again",
    },
    Trouble {
        signs: &["minimum supported api version", "maximum supported api version"],
        what: "docker and its daemon are too far apart in age",
        remedy: "update the older one: `docker version` tells both",
    },
    Trouble {
        signs: &[
            "cannot connect to the docker daemon",
            "error during connect",
            "is the docker daemon running",
            "failed to connect to the docker api",
        ],
        what: "the docker daemon can't be reached",
        remedy: "start it: sudo systemctl start docker, or Docker Desktop; DOCKER_HOST and `docker context ls` tell which one is meant",
    },
];

/// The labels as they are: `ps --format json` joins them with commas, which may be in them.
const FORMAT: &str = r#"{"id":{{json .ID}},"name":{{json .Names}},"state":{{json .State}},"status":{{json .Status}},"image":{{json .Image}},"networks":{{json .Networks}},"kdn.workspace":{{json (.Label "kdn.workspace")}},"kdn.scope":{{json (.Label "kdn.scope")}},"kdn.instance":{{json (.Label "kdn.instance")}}}"#;

#[derive(Deserialize)]
struct Row {
    id: String,
    name: String,
    state: String,
    status: String,
    image: String,
    networks: String,
    #[serde(flatten)]
    labels: BTreeMap<String, String>,
}

fn parse(printed: &str) -> serde_json::Result<Vec<Container>> {
    let list = |text: &str| text.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect();
    let container = |row: Row| Container {
        // "Exited (137) 2 minutes ago"
        status: Status::new(
            &row.state,
            row.status.split_once('(').and_then(|(_, rest)| rest.split_once(')')?.0.parse().ok()),
        ),
        id: row.id,
        // Names that begin with another container's are those of links.
        name: row.name.split(',').find(|name| !name.contains('/')).unwrap_or_default().to_owned(),
        labels: row.labels.into_iter().filter(|(_, value)| !value.is_empty()).collect(),
        networks: list(&row.networks),
        pod: None,
        image: row.image,
    };
    printed
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| Ok(container(serde_json::from_str(line)?)))
        .collect()
}

/// Lets a shell start the command, and become it: older daemons give the terminal its size only after the start, and tell
/// a command that is not there from one that can't be run by nothing but a text.
fn exec(command: Vec<String>) -> Vec<String> {
    let shell = ["/bin/sh", "-c", EXEC, "sh"].map(str::to_owned);
    shell.into_iter().chain(command).collect()
}

const EXEC: &str = "\
if [ -t 0 ] && command -v stty >/dev/null; then
  for n in 1 2 3 4 5 6 7 8 9 10; do
    case $(stty size 2>/dev/null) in '' | '0 0') sleep 0.05 ;; *) break ;; esac
  done
fi
exec \"$@\"";

/// Only `--volume` can make docker label files, and it has no way to name a path with a colon.
fn mount(bind: &Bind<'_>) -> Result<[String; 2]> {
    if !bind.label {
        return Ok(["--mount".to_owned(), bind.mount(None)]);
    }
    if let Some(path) = [bind.host, bind.target].into_iter().find(|path| path.contains(':')) {
        let message =
            format!("{path:?} can't be mounted where SELinux is on: docker takes no path with a colon there");
        return Err(Error::invalid_workspace("mounts", message));
    }
    let mode = if bind.read_only { "ro,Z" } else { "Z" };
    Ok(["--volume".to_owned(), format!("{}:{}:{mode}", bind.host, bind.target)])
}
