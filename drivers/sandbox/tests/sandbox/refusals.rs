//! What can't be enforced or can't be right is refused before anything is done.

use std::os::unix::fs::{PermissionsExt, symlink};

use serde_json::{Value, json};

use crate::harness::{for_each_user, write};

#[test]
fn what_cannot_be_kept_is_refused() {
    for_each_user(|bench| {
        let secret = json!({"name": "s", "header": "Authorization"});
        let sources = bench.sources();
        let cases: [(Value, &str, Option<&str>); 12] = [
            (json!({"secrets": [secret]}), "unsupported", Some("secrets")),
            (
                json!({"network": {"mode": "deny", "hosts": ["example.com"]}}),
                "unsupported",
                Some("network.hosts"),
            ),
            (json!({"features": [{"id": "x", "directory": "/x"}]}), "unsupported", Some("features")),
            (json!({"ports": [{"target": 1, "protocol": "udp"}]}), "unsupported", Some("ports[0].protocol")),
            (json!({"agent": {"name": "nobody"}}), "invalid_workspace", Some("agent.name")),
            (json!({"sourcePath": "/no/such/folder"}), "invalid_workspace", Some("sourcePath")),
            (json!({"sourcePath": bench.folder.path()}), "invalid_workspace", Some("sourcePath")),
            (json!({"mounts": [{"host": "/", "target": "/x"}]}), "invalid_workspace", Some("mounts[0].host")),
            (
                json!({"mounts": [{"host": "/nowhere", "target": "/x"}]}),
                "invalid_workspace",
                Some("mounts[0].host"),
            ),
            (
                json!({"mounts": [{"host": sources, "target": "/usr/local/x"}]}),
                "invalid_workspace",
                Some("mounts[0].target"),
            ),
            (
                json!({"files": [{"path": "a", "contentBase64": "?"}]}),
                "invalid_workspace",
                Some("files[0].contentBase64"),
            ),
            (
                json!({"files": [{"path": "a", "source": "/dev/zero"}]}),
                "invalid_workspace",
                Some("files[0].source"),
            ),
        ];
        for (fields, kind, field) in cases {
            let error = bench.fail("create", bench.workspace(fields.clone()));
            assert_eq!(error["data"]["kind"], kind, "{fields}: {error}");
            assert_eq!(error["data"]["fieldPath"].as_str(), field, "{fields}: {error}");
        }
        assert_eq!(bench.call("list", json!({})).unwrap()["instances"], json!([]));
        let left = std::fs::read_dir(bench.storage().join("instances")).map_or(0, Iterator::count);
        assert_eq!(left, 0, "a refusal left something behind");
    });
}

#[test]
fn deny_with_hosts_is_refused_at_start_too() {
    for_each_user(|bench| {
        let sandbox = bench.create(json!({}));
        let params = json!({"id": sandbox.id, "network": {"mode": "deny", "hosts": ["example.com"]}});
        assert_eq!(bench.fail("start", params)["data"]["kind"], "unsupported");
        assert_eq!(sandbox.info()["state"], "stopped");
    });
}

#[test]
fn an_agent_in_the_home_runs_inside_and_the_home_stays_out() {
    for_each_user(|bench| {
        let home = bench.folder.path().join("home");
        let installed = home.join(".local/share/claude/versions");
        std::fs::create_dir_all(&installed).unwrap();
        std::fs::create_dir(home.join(".local/bin")).unwrap();
        write(&installed.join("1"), "#!/bin/sh\necho agent $1\n");
        std::fs::set_permissions(installed.join("1"), std::fs::Permissions::from_mode(0o755)).unwrap();
        symlink(installed.join("1"), home.join(".local/bin/claude")).unwrap();
        write(&home.join(".local/share/private"), "private");

        let agents = bench.call("listAgents", json!({})).unwrap();
        assert!(agents["agents"].as_array().unwrap().contains(&json!({"name": "claude"})), "{agents}");
        let sandbox = bench.start(json!({"agent": {"name": "claude", "command": ["claude"]}}));
        assert_eq!(sandbox.sh("claude works"), "agent works");
        let visible = sandbox.sh(&format!("cd {}; ls . .local/share .local/bin", home.display()));
        assert_eq!(visible, ".:\n\n.local/bin:\nclaude\n\n.local/share:\nclaude");
    });
}

#[test]
fn agents_that_are_listed_are_there() {
    for_each_user(|bench| {
        let agents = bench.call("listAgents", json!({})).unwrap();
        let names: Vec<_> =
            agents["agents"].as_array().unwrap().iter().map(|agent| agent["name"].clone()).collect();
        assert!(names.contains(&json!("shell")), "{agents}");
        for name in names {
            bench.create(json!({"agent": {"name": name, "command": [name]}}));
        }
    });
}
