//! How the engine is told what a container is to be.

use kdn_protocol::Workspace;

use super::create::unfinished_name;
use super::stop::KEEPER;
use super::{Facts, INSTANCE, Instances, SCOPE, WORKSPACE, ports};
use crate::engine::Bind;
use crate::error::{Error, Result};
use crate::image::{Recipe, SOURCES};

impl Instances {
    /// The arguments of `create`.
    pub(super) fn arguments(
        &self,
        workspace: &Workspace,
        recipe: &Recipe,
        image: &str,
        facts: &Facts,
    ) -> Result<Vec<String>> {
        let table = self.engine().table();
        let label = serde_json::to_string(facts).map_err(|error| Error::internal(error.to_string()))?;
        let mut args = vec![
            "create".to_owned(),
            format!("--name={}", unfinished_name(&facts.container, &workspace.workspace_id)),
            format!("--label={WORKSPACE}={}", workspace.workspace_id),
            format!("--label={SCOPE}={}", self.scope),
            format!("--label={INSTANCE}={label}"),
            "--init".to_owned(),
            "--no-healthcheck".to_owned(),
            // Images may have another one, which what runs here does not know.
            "--stop-signal=TERM".to_owned(),
            format!("--workdir={SOURCES}"),
            "--entrypoint=/bin/sh".to_owned(),
        ];
        args.extend((table.create)(self.engine().host(), (recipe.uid, recipe.gid)));
        args.extend(facts.forwards.iter().map(ports::publish));
        add_limits(workspace, &mut args);
        let set = |name: &str| workspace.environment.iter().any(|variable| variable.name == name);
        let wanted = recipe.agent.env_vars.iter().filter(|(name, _)| !set(name));
        args.extend(wanted.map(|(name, value)| format!("--env={name}={value}")));
        for (index, variable) in workspace.environment.iter().enumerate() {
            match (&variable.value, &variable.secret) {
                (Some(value), _) => args.push(format!("--env={}={value}", variable.name)),
                (None, Some(secret)) if [secret, &variable.name].iter().any(|name| name.contains(',')) => {
                    let message = format!(
                        "secret {secret:?} can't be the variable {:?}: a name has a comma",
                        variable.name
                    );
                    return Err(Error::invalid_workspace(format!("environment[{index}]"), message));
                }
                (None, Some(secret)) => {
                    args.push(format!("--secret={secret},type=env,target={}", variable.name));
                }
                (None, None) => {}
            }
        }
        let label = self.engine().host().labels;
        let host = |path: &std::path::Path| path.to_string_lossy().into_owned();
        let source = host(&workspace.source_path);
        args.extend((table.mount)(&Bind { host: &source, target: SOURCES, read_only: false, label })?);
        for mount in &workspace.mounts {
            let bind =
                Bind { host: &host(&mount.host), target: &mount.target, read_only: mount.read_only, label };
            args.extend((table.mount)(&bind)?);
        }
        args.extend([image, "-c", KEEPER].map(str::to_owned));
        Ok(args)
    }
}

/// The arguments for limits.
fn add_limits(workspace: &Workspace, args: &mut Vec<String>) {
    let limits = &workspace.limits;
    if let Some(bytes) = limits.memory_bytes {
        // Without room for more in the swap.
        args.extend([format!("--memory={bytes}"), format!("--memory-swap={bytes}")]);
    }
    args.extend(limits.cpus.map(|cpus| format!("--cpus={cpus}")));
    args.extend(limits.pids.map(|pids| format!("--pids-limit={pids}")));
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::net::Ipv4Addr;
    use std::path::PathBuf;

    use insta::assert_snapshot;
    use kdn_protocol::{Agent, EnvVar, Forward, Mount};

    use super::*;
    use crate::config;
    use crate::engine::{Docker, Engine, Host, Kind, Podman};

    /// The arguments for a workspace in which there is some of everything.
    fn arguments<K: Kind>(rootless: bool, labels: bool) -> String {
        let host = Host { rootless, limits: true, labels, ids: Some((1000, 1000)) };
        let instances = Instances::new(Engine::on(K::TABLE, host), PathBuf::from("/storage"), 0);
        let mut workspace =
            Workspace::new("1".repeat(64), "app", "/src/app", Agent::new("shell", Vec::new()));
        workspace.environment = vec![EnvVar::value("PLAIN", "a b")];
        workspace.environment.extend(K::TABLE.secrets.then(|| EnvVar::secret("TOKEN", "stored")));
        workspace.mounts = vec![Mount::new("/with, comma", "/workspace/more", true)];
        workspace.limits.memory_bytes = Some(1 << 30);
        workspace.limits.cpus = Some(1.5);
        workspace.limits.pids = Some(100);
        let agent = config::Agent::known("shell");
        let image = config::Image::default();
        let recipe = Recipe { image, agent, features: Vec::new(), uid: 1000, gid: 1000 };
        let facts = Facts {
            name: "app".to_owned(),
            container: "kdn-app-0123".to_owned(),
            image: "kdn-app".to_owned(),
            source: "/src/app".to_owned(),
            agent: "shell".to_owned(),
            command: Vec::new(),
            forwards: vec![Forward::new(Ipv4Addr::LOCALHOST.into(), 40_000, 80)],
            points: Vec::new(),
            mounts: Vec::new(),
            limits_memory: true,
        };
        let mut args = instances.arguments(&workspace, &recipe, "ID", &facts).unwrap();
        // Whether it is there depends on the machine.
        args.retain(|arg| {
            !arg.contains("/dev/fuse") && arg != KEEPER && !arg.starts_with("--label=kdn.instance=")
        });
        args.join("\n")
    }

    #[test]
    fn podman() {
        assert_snapshot!(arguments::<Podman>(false, false), @r#"
        create
        --name=kdn-app-0123-unfinished-11111111
        --label=kdn.workspace=1111111111111111111111111111111111111111111111111111111111111111
        --label=kdn.scope=/storage
        --init
        --no-healthcheck
        --stop-signal=TERM
        --workdir=/workspace/sources
        --entrypoint=/bin/sh
        --http-proxy=false
        --pull=never
        --publish=127.0.0.1:40000:80/tcp
        --memory=1073741824
        --memory-swap=1073741824
        --cpus=1.5
        --pids-limit=100
        --env=PLAIN=a b
        --secret=stored,type=env,target=TOKEN
        --mount
        type=bind,source=/src/app,target=/workspace/sources
        --mount
        type=bind,"source=/with, comma",target=/workspace/more,readonly
        ID
        -c
        "#);
    }

    #[test]
    fn rootless_podman_maps_the_user() {
        let (root, rootless) = (arguments::<Podman>(false, false), arguments::<Podman>(true, false));
        assert_eq!(rootless.replace("--userns=keep-id\n", ""), root);
        assert_ne!(rootless, root);
    }

    #[test]
    fn docker() {
        assert_snapshot!(arguments::<Docker>(false, false), @r#"
        create
        --name=kdn-app-0123-unfinished-11111111
        --label=kdn.workspace=1111111111111111111111111111111111111111111111111111111111111111
        --label=kdn.scope=/storage
        --init
        --no-healthcheck
        --stop-signal=TERM
        --workdir=/workspace/sources
        --entrypoint=/bin/sh
        --network=bridge
        --add-host=host.docker.internal:host-gateway
        --publish=127.0.0.1:40000:80/tcp
        --memory=1073741824
        --memory-swap=1073741824
        --cpus=1.5
        --pids-limit=100
        --env=PLAIN=a b
        --mount
        type=bind,source=/src/app,target=/workspace/sources
        --mount
        type=bind,"source=/with, comma",target=/workspace/more,readonly
        ID
        -c
        "#);
    }

    #[test]
    fn files_are_labelled_only_where_selinux_is_on() {
        let mounts = |args: String| {
            let is = |line: &&str| line.contains("/src/app") || line.contains("comma");
            args.lines().filter(is).map(|line| line.to_owned() + "\n").collect::<String>()
        };
        let all = [
            arguments::<Podman>(true, true),
            arguments::<Podman>(true, false),
            arguments::<Docker>(false, true),
            arguments::<Docker>(false, false),
        ];
        assert_snapshot!(all.map(mounts).join("\n"), @r#"
        type=bind,source=/src/app,target=/workspace/sources,relabel=private
        type=bind,"source=/with, comma",target=/workspace/more,readonly,relabel=private

        type=bind,source=/src/app,target=/workspace/sources
        type=bind,"source=/with, comma",target=/workspace/more,readonly

        /src/app:/workspace/sources:Z
        /with, comma:/workspace/more:ro,Z

        type=bind,source=/src/app,target=/workspace/sources
        type=bind,"source=/with, comma",target=/workspace/more,readonly
        "#);
    }
}
