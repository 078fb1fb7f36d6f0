//! Whether the engine that is there can do what is asked of it.

use kdn_protocol::Limits;

use super::{Engine, Table};
use crate::error::{Error, ErrorKind, Result};

impl Engine {
    /// Whether it is there, answers, and is new enough.
    pub async fn check(&self) -> Result<()> {
        let printed = self
            .ask(&format!("{} is not usable", self.table.name), self.table.version.iter().copied())
            .await?;
        let version = printed.split_whitespace().find_map(|word| {
            let mut numbers = word.split(['.', '-', '+', '~']).map(str::parse);
            Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
        });
        let (major, minor) = self.table.oldest;
        match version {
            // Versions that docker never had.
            Some((2..=16, _)) if self.table.name == "docker" => {
                Err(Error::new(ErrorKind::Unavailable, "docker is podman under another name here")
                    .hint(format!("take --runtime podman, or install docker: {}", self.table.install)))
            }
            Some(version) if version < self.table.oldest => {
                let Table { name, install, .. } = self.table;
                let message = format!(
                    "{name} {}.{} is too old: {major}.{minor} or newer is needed",
                    version.0, version.1
                );
                Err(Error::new(ErrorKind::Unavailable, message).hint(format!("update {name}: {install}")))
            }
            // An unknown form is given the benefit of the doubt.
            _ => Ok(()),
        }
    }

    /// Whether root in a container is an ordinary user outside, which only docker has to be asked for.
    pub async fn is_mapped(&self) -> Result<bool> {
        if self.table.name != "docker" {
            return Ok(false);
        }
        let args = ["info", "--format", "{{json .SecurityOptions}}"];
        let options = self.ask("failed to ask docker for its users", args).await?;
        if options.contains("name=userns") {
            let message =
                "docker maps users (userns-remap), so what is inside could not use the project folder";
            return Err(Error::new(ErrorKind::Unavailable, message).hint(
                "turn userns-remap off in the daemon.json of docker, or take a rootless docker or podman",
            ));
        }
        Ok(options.contains("name=rootless"))
    }

    /// Fails if the engine does not enforce one of these limits.
    pub async fn check_limits(&self, limits: &Limits) -> Result<()> {
        let name = self.table.name;
        let refused = |why: String| Err(Error::unsupported(why).field("limits"));
        if !self.host.limits {
            return refused(format!("rootless {name} can't limit anything with control groups of version 1"));
        }
        let asked = [
            (limits.memory_bytes.is_some(), "memory", "{{.MemoryLimit}}"),
            (limits.cpus.is_some(), "cpu", "{{.CPUCfsQuota}}"),
            (limits.pids.is_some(), "pids", "{{.PidsLimit}}"),
        ];
        let asked = asked.into_iter().filter(|(is_asked, ..)| *is_asked);
        if name == "docker" {
            // It discards with a warning what its kernel can't limit.
            let (names, fields): (Vec<_>, Vec<_>) = asked.map(|(_, name, field)| (name, field)).unzip();
            let printed = self
                .ask("failed to ask docker for its limits", ["info", "--format", &fields.join(" ")])
                .await?;
            let can = printed.split_whitespace().map(|word| word == "true");
            return match names.into_iter().zip(can).find(|(_, can)| !can) {
                Some((lacking, _)) => refused(format!("the kernel of docker can't limit {lacking}")),
                None => Ok(()),
            };
        }
        if !self.host.rootless {
            return Ok(());
        }
        let args = ["info", "--format", "{{range .Host.CgroupControllers}}{{.}} {{end}}"];
        let printed = self.ask("failed to ask podman for its limits", args).await?;
        let has = |name: &str| printed.split_whitespace().any(|controller| controller == name);
        match asked.map(|(_, name, _)| name).find(|name| !has(name)) {
            Some(lacking) => Err(Error::unsupported(format!("your user may not limit {lacking}"))
                .field("limits")
                .hint("let systemd delegate it: Delegate=cpu cpuset io memory pids for user@.service")),
            None => Ok(()),
        }
    }
}
