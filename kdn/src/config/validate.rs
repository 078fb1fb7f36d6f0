//! What makes a configuration acceptable, level by level.

use std::collections::HashMap;
use std::path::Path;

use super::file::{EnvVar, Limits, Mcp, Mount, Network, WorkspaceConfig};
use super::paths::{Variable, bound, is_within, join_inside};

/// The first thing that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid workspace configuration: {problem}")]
pub struct Invalid {
    /// The key at fault, such as `mounts[1].target`.
    pub field: String,
    /// What is wrong with it.
    pub problem: String,
}

type Result<T = (), E = Invalid> = std::result::Result<T, E>;

/// The error, where `wrong`.
fn refuse(wrong: bool, field: String, problem: impl FnOnce() -> String) -> Result {
    if wrong { Err(Invalid { field, problem: problem() }) } else { Ok(()) }
}

impl WorkspaceConfig {
    /// Checks everything that can be checked without the driver. Whether paths exist is not looked at.
    pub fn validate(&self) -> Result {
        environment(&self.environment)?;
        mcp(&self.mcp)?;
        mounts(&self.mounts)?;
        secrets(&self.secrets)?;
        network(&self.network)?;
        skills(&self.skills)?;
        ports(&self.ports)?;
        limits(&self.limits)
    }
}

fn environment(variables: &[EnvVar]) -> Result {
    let mut seen = HashMap::new();
    for (i, EnvVar { name, secret, value }) in variables.iter().enumerate() {
        let field = |key: &str| format!("environment[{i}]{key}");
        let problem = |what: &str| format!("environment variable {name:?} (index {i}) {what}");
        refuse(name.is_empty(), field(".name"), || {
            format!("environment variable at index {i} has empty name")
        })?;
        if let Some(first) = seen.insert(name, i) {
            let problem = problem(&format!("is a duplicate of index {first}"));
            return Err(Invalid { field: field(".name"), problem });
        }
        refuse(!is_variable_name(name), field(".name"), || {
            problem(
                "has invalid name (must start with letter or underscore, followed by letters, digits, or underscores)",
            )
        })?;
        refuse(secret.as_deref() == Some(""), field(".secret"), || problem("has empty secret reference"))?;
        refuse(value.is_some() && secret.is_some(), field(""), || problem("has both value and secret set"))?;
        refuse(value.is_none() && secret.is_none(), field(""), || {
            problem("must have either value or secret set")
        })?;
    }
    Ok(())
}

fn is_variable_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn mcp(Mcp { commands, servers }: &Mcp) -> Result {
    let commands = commands.iter().enumerate();
    let servers = servers.iter().enumerate();
    let all = commands.map(|(i, it)| ("command", i, &it.name, "command", &it.command));
    let all = all.chain(servers.map(|(i, it)| ("server", i, &it.name, "url", &it.url)));
    let mut seen = HashMap::new();
    for (kind, i, name, key, required) in all {
        let field = |key: &str| format!("mcp.{kind}s[{i}].{key}");
        refuse(name.is_empty(), field("name"), || format!("MCP {kind} at index {i} has empty name"))?;
        if let Some(first) = seen.insert(name, kind) {
            let problem = format!("MCP {kind} {name:?} (index {i}) duplicates a {first} with the same name");
            return Err(Invalid { field: field("name"), problem });
        }
        refuse(required.is_empty(), field(key), || {
            format!("MCP {kind} {name:?} (index {i}) has empty {key}")
        })?;
    }
    Ok(())
}

fn mounts(mounts: &[Mount]) -> Result {
    for (i, Mount { host, target, ro: _ }) in mounts.iter().enumerate() {
        let field = |key: &str| format!("mounts[{i}].{key}");
        refuse(host.is_empty(), field("host"), || format!("mount at index {i} is missing host"))?;
        refuse(target.is_empty(), field("target"), || format!("mount at index {i} is missing target"))?;
        let variable = Variable::split(host);
        refuse(variable.is_none() && !Path::new(host).is_absolute(), field("host"), || {
            format!(
                "mount host {host:?} (index {i}) must be a native absolute path or start with $SOURCES or $HOME"
            )
        })?;
        let variable = Variable::split(target);
        refuse(variable.is_none() && !target.starts_with('/'), field("target"), || {
            format!(
                "mount target {target:?} (index {i}) must be a Unix absolute path or start with $SOURCES or $HOME"
            )
        })?;
        if let Some((variable, rest)) = variable {
            refuse(escapes(variable, rest), field("target"), || {
                format!("mount target {target:?} escapes above {} (index {i})", variable.name())
            })?;
        }
    }
    Ok(())
}

/// The driver, and with it the real place, is not known yet; that place is checked when paths are expanded.
fn escapes(variable: Variable, rest: &str) -> bool {
    let place = match variable {
        Variable::Sources => "/workspace/sources",
        Variable::Home => "/home/agent",
    };
    !is_within(&join_inside(place, rest), &bound(variable, place))
}

fn secrets(names: &[String]) -> Result {
    let mut seen = HashMap::new();
    for (i, name) in names.iter().enumerate() {
        let field = format!("secrets[{i}]");
        refuse(name.is_empty(), field.clone(), || format!("secret at index {i} has empty name"))?;
        if let Some(first) = seen.insert(name, i) {
            let problem = format!("secret {name:?} (index {i}) is a duplicate of index {first}");
            return Err(Invalid { field, problem });
        }
    }
    Ok(())
}

fn network(Network { hosts, mode }: &Network) -> Result {
    if let Some(mode) = mode {
        refuse(!matches!(mode.as_str(), "allow" | "deny"), "network.mode".to_owned(), || {
            format!("network mode {mode:?} is invalid (must be \"allow\" or \"deny\")")
        })?;
    }
    for (i, host) in hosts.iter().enumerate() {
        refuse(host.is_empty(), format!("network.hosts[{i}]"), || {
            format!("network host at index {i} is empty")
        })?;
    }
    Ok(())
}

fn skills(paths: &[String]) -> Result {
    for (i, path) in paths.iter().enumerate() {
        let field = format!("skills[{i}]");
        refuse(path.is_empty(), field.clone(), || format!("skills path at index {i} is empty"))?;
        let from_home = path.starts_with(Variable::Home.name());
        refuse(!from_home && !Path::new(path).is_absolute(), field, || {
            format!("skills path {path:?} (index {i}) must be a native absolute path or start with $HOME")
        })?;
    }
    Ok(())
}

fn ports(ports: &[i64]) -> Result {
    let mut seen = HashMap::new();
    for (i, &port) in ports.iter().enumerate() {
        let field = format!("ports[{i}]");
        refuse(!(1..=65535).contains(&port), field.clone(), || {
            format!("port {port} (index {i}) is invalid (must be from 1 to 65535)")
        })?;
        if let Some(first) = seen.insert(port, i) {
            let problem = format!("port {port} (index {i}) is a duplicate of index {first}");
            return Err(Invalid { field, problem });
        }
    }
    Ok(())
}

fn limits(Limits { cpus, memory, pids }: &Limits) -> Result {
    let wrong = [
        ("cpus", cpus.filter(|&cpus| cpus.is_nan() || cpus <= 0.0).map(|cpus| cpus.to_string())),
        ("memory", memory.filter(|memory| memory.0 == 0).map(|memory| memory.to_string())),
        ("pids", pids.filter(|&pids| pids == 0).map(|pids| pids.to_string())),
    ];
    for (key, value) in wrong {
        if let Some(value) = value {
            let problem = format!("limit {value} of {key} is invalid (must be above 0)");
            return Err(Invalid { field: format!("limits.{key}"), problem });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// The key at fault and the whole text of the error.
    fn error(config: Value) -> (String, String) {
        let config: WorkspaceConfig = serde_json::from_value(config).unwrap();
        let invalid = config.validate().expect_err("the configuration is wrong");
        (invalid.field.clone(), invalid.to_string())
    }

    fn table(rows: &[(Value, &str, &str)]) {
        for (config, field, problem) in rows {
            let wanted = ((*field).to_owned(), format!("invalid workspace configuration: {problem}"));
            assert_eq!(error(config.clone()), wanted);
        }
    }

    #[test]
    fn environment_texts() {
        let env = |vars: Value| json!({ "environment": vars });
        table(&[
            (
                env(json!([{"value": "x"}])),
                "environment[0].name",
                "environment variable at index 0 has empty name",
            ),
            (
                env(json!([{"name": "A", "value": "x"}, {"name": "A", "secret": "y"}])),
                "environment[1].name",
                r#"environment variable "A" (index 1) is a duplicate of index 0"#,
            ),
            (
                env(json!([{"name": "1A", "value": "x"}])),
                "environment[0].name",
                r#"environment variable "1A" (index 0) has invalid name (must start with letter or underscore, followed by letters, digits, or underscores)"#,
            ),
            (
                env(json!([{"name": "A", "value": "x", "secret": ""}])),
                "environment[0].secret",
                r#"environment variable "A" (index 0) has empty secret reference"#,
            ),
            (
                env(json!([{"name": "A", "value": "", "secret": "s"}])),
                "environment[0]",
                r#"environment variable "A" (index 0) has both value and secret set"#,
            ),
            (
                env(json!([{"name": "_a1"}])),
                "environment[0]",
                r#"environment variable "_a1" (index 0) must have either value or secret set"#,
            ),
        ]);
    }

    #[test]
    fn mcp_texts() {
        let mcp =
            |commands: Value, servers: Value| json!({"mcp": {"commands": commands, "servers": servers}});
        let a = || json!([{"name": "a", "command": "c"}]);
        let twice = |item: Value| json!([item, item]);
        table(&[
            (
                mcp(json!([{"command": "c"}]), json!([])),
                "mcp.commands[0].name",
                "MCP command at index 0 has empty name",
            ),
            (
                mcp(twice(json!({"name": "a", "command": "c"})), json!([])),
                "mcp.commands[1].name",
                r#"MCP command "a" (index 1) duplicates a command with the same name"#,
            ),
            (
                mcp(json!([{"name": "a"}]), json!([])),
                "mcp.commands[0].command",
                r#"MCP command "a" (index 0) has empty command"#,
            ),
            (mcp(a(), json!([{"url": "u"}])), "mcp.servers[0].name", "MCP server at index 0 has empty name"),
            (
                mcp(a(), json!([{"name": "a", "url": "u"}])),
                "mcp.servers[0].name",
                r#"MCP server "a" (index 0) duplicates a command with the same name"#,
            ),
            (
                mcp(json!([]), twice(json!({"name": "a", "url": "u"}))),
                "mcp.servers[1].name",
                r#"MCP server "a" (index 1) duplicates a server with the same name"#,
            ),
            (
                mcp(a(), json!([{"name": "b"}])),
                "mcp.servers[0].url",
                r#"MCP server "b" (index 0) has empty url"#,
            ),
        ]);
    }

    #[test]
    fn mount_texts() {
        let mount = |host: &str, target: &str| json!({"mounts": [{"host": host, "target": target}]});
        table(&[
            (mount("", ""), "mounts[0].host", "mount at index 0 is missing host"),
            (mount("x", ""), "mounts[0].target", "mount at index 0 is missing target"),
            (
                mount("~/x", "y"),
                "mounts[0].host",
                r#"mount host "~/x" (index 0) must be a native absolute path or start with $SOURCES or $HOME"#,
            ),
            (
                mount("$HOME", "y"),
                "mounts[0].target",
                r#"mount target "y" (index 0) must be a Unix absolute path or start with $SOURCES or $HOME"#,
            ),
            (
                mount("$HOME", "$SOURCES/../../x"),
                "mounts[0].target",
                r#"mount target "$SOURCES/../../x" escapes above $SOURCES (index 0)"#,
            ),
            (
                mount("$HOME", "$HOME/.."),
                "mounts[0].target",
                r#"mount target "$HOME/.." escapes above $HOME (index 0)"#,
            ),
        ]);
    }

    #[test]
    fn other_texts() {
        table(&[
            (json!({"secrets": [""]}), "secrets[0]", "secret at index 0 has empty name"),
            (
                json!({"secrets": ["s", "s"]}),
                "secrets[1]",
                r#"secret "s" (index 1) is a duplicate of index 0"#,
            ),
            (
                json!({"network": {"mode": "", "hosts": [""]}}),
                "network.mode",
                r#"network mode "" is invalid (must be "allow" or "deny")"#,
            ),
            (
                json!({"network": {"hosts": ["h", ""]}}),
                "network.hosts[1]",
                "network host at index 1 is empty",
            ),
            (json!({"skills": [""]}), "skills[0]", "skills path at index 0 is empty"),
            (
                json!({"skills": ["$SOURCES/s"]}),
                "skills[0]",
                r#"skills path "$SOURCES/s" (index 0) must be a native absolute path or start with $HOME"#,
            ),
            (
                json!({"ports": [1, 65536]}),
                "ports[1]",
                "port 65536 (index 1) is invalid (must be from 1 to 65535)",
            ),
            (json!({"ports": [1, 1]}), "ports[1]", "port 1 (index 1) is a duplicate of index 0"),
            (
                json!({"limits": {"cpus": -0.5}}),
                "limits.cpus",
                "limit -0.5 of cpus is invalid (must be above 0)",
            ),
            (
                json!({"limits": {"memory": 0}}),
                "limits.memory",
                "limit 0 of memory is invalid (must be above 0)",
            ),
            (json!({"limits": {"pids": 0}}), "limits.pids", "limit 0 of pids is invalid (must be above 0)"),
        ]);
    }

    #[test]
    fn the_first_problem_in_order_is_reported() {
        let mut wrong = json!({
            "environment": [{}], "mcp": {"servers": [{}]}, "mounts": [{}], "secrets": [""], "network": {"hosts": [""]},
            "skills": [""], "ports": [0], "limits": {"cpus": 0},
        });
        for field in ["environment", "mcp", "mounts", "secrets", "network", "skills", "ports", "limits"] {
            assert!(error(wrong.clone()).0.starts_with(field), "{field}");
            wrong.as_object_mut().unwrap().remove(field);
        }
    }

    #[cfg(unix)]
    #[test]
    fn accepts_what_it_may() {
        WorkspaceConfig::full().validate().unwrap();
        let targets = ["/x/../y", "$SOURCES/..", "$SOURCES/../main", "$SOURCESfoo", "$HOMEx", "$HOME/a/.."];
        let mounts: Vec<_> =
            targets.iter().map(|target| json!({"host": "/a/../b", "target": target})).collect();
        let config: WorkspaceConfig = serde_json::from_value(json!({ "mounts": mounts })).unwrap();
        config.validate().unwrap();
    }
}
