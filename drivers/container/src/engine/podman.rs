//! Podman.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::failure::Trouble;
use super::{Container, Host, Kind, Status, Table};
use crate::process::Ending;

/// The engine podman.
#[derive(Debug)]
pub struct Podman;

impl Kind for Podman {
    const TABLE: &'static Table = &Table {
        name: "podman",
        display: "Podman",
        description: "Container-based workspaces using Podman",
        places: &["/opt/podman/bin", "/usr/local/bin", "/opt/homebrew/bin"],
        host_address: "host.containers.internal",
        base_image_flag: "podman-base-image",
        base_image_usage: "Image to build the workspace on, in place of the one in image.json",
        secrets: true,
        network: "podman",
        version: &["version", "--format", "{{.Client.Version}}"],
        oldest: (4, 0),
        install: "https://podman.io/docs/installation",
        format: "json",
        parse,
        create,
        detach_keys: "",
        exec: |command| command,
        mount: |bind| Ok(["--mount".to_owned(), bind.mount(Some("relabel=private"))]),
        ends_build: || if cfg!(target_os = "linux") { Ending::Nested } else { Ending::AtOnce },
        troubles: TROUBLES,
    };
}

const TROUBLES: &[Trouble] = &[
    Trouble {
        signs: &["server api version is too old"],
        what: "podman in its machine is too old",
        remedy: "make the machine anew: podman machine rm, then podman machine init",
    },
    Trouble {
        signs: &["podman.sock: connect: permission denied"],
        what: "no permission to talk to podman",
        remedy: "CONTAINER_HOST, or `podman system connection list`, names the socket of another user: name one of your own",
    },
    Trouble {
        signs: &[
            "cannot connect to podman",
            "unable to connect to podman",
            "cannot connect to the podman socket",
            // Of versions that leave out the rest.
            "error: failed to connect: dial tcp",
            "error: failed to connect: ssh",
        ],
        what: "podman can't be reached: its machine or its service does not run",
        remedy: if cfg!(target_os = "linux") {
            "start what CONTAINER_HOST or `podman system connection list` names: systemctl --user start podman.socket, or podman machine start"
        } else {
            "start it: podman machine start; if there is none yet, make it before: podman machine init"
        },
    },
    Trouble {
        signs: &["container-init binary not found", "lookup init binary", "could not find \"catatonit\""],
        what: "podman needs the program catatonit",
        remedy: "install the package catatonit",
    },
    Trouble {
        signs: &["cannot find newuidmap", "newuidmap: executable", "exec: \"newuidmap\""],
        what: "rootless podman needs the programs newuidmap and newgidmap",
        remedy: "install the package uidmap (Debian, Ubuntu) or shadow-utils (Fedora)",
    },
    Trouble {
        signs: &[
            "no subuid ranges found",
            "insufficient uids or gids available",
            "potentially insufficient uids",
        ],
        what: "rootless podman has too few user ids",
        remedy: "give yourself more: sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $USER && podman system migrate",
    },
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    id: String,
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    state: String,
    #[serde(default)]
    exit_code: i32,
    labels: Option<BTreeMap<String, String>>,
    networks: Option<Vec<String>>,
    #[serde(default)]
    pod_name: String,
    #[serde(default)]
    pod: String,
    #[serde(default)]
    image: String,
}

fn parse(printed: &str) -> serde_json::Result<Vec<Container>> {
    let rows: Vec<Row> = serde_json::from_str(printed)?;
    let container = |row: Row| Container {
        id: row.id,
        name: row.names.into_iter().next().unwrap_or_default(),
        status: Status::new(&row.state, Some(row.exit_code)),
        labels: row.labels.unwrap_or_default(),
        networks: row.networks.unwrap_or_default().into_iter().filter(|name| !name.is_empty()).collect(),
        pod: [row.pod_name, row.pod].into_iter().find(|pod| !pod.is_empty()),
        image: row.image,
    };
    Ok(rows.into_iter().map(container).collect())
}

fn create(host: &Host, inside: (u32, u32)) -> Vec<String> {
    let mut args = vec!["--http-proxy=false", "--pull=never"];
    let other = format!("--userns=keep-id:uid={},gid={}", inside.0, inside.1);
    if !cfg!(target_os = "linux") {
        // A container can be taken off a bridge, and put back.
        args.push("--network=bridge");
    }
    if host.rootless {
        args.push(if host.ids == Some(inside) { "--userns=keep-id" } else { &other });
    }
    // For containers inside the container.
    if accessible("/dev/fuse") {
        args.push("--device=/dev/fuse");
    }
    args.into_iter().map(str::to_owned).collect()
}

#[cfg(unix)]
fn accessible(path: &str) -> bool {
    use rustix::fs::{Access, access};
    access(Path::new(path), Access::READ_OK | Access::WRITE_OK).is_ok()
}

#[cfg(not(unix))]
fn accessible(path: &str) -> bool {
    Path::new(path).exists()
}
