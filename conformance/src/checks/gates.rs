//! Values that need a capability: a driver that does not declare it refuses them, and changes nothing.

use serde_json::{Value, json};

use crate::{
    check::Check,
    client::Fault,
    cx::{Cx, id_of, of},
    stop::{Stop, ensure, fail},
};

use super::wire::instances;

pub(super) const CHECKS: &[Check] = &[
    Check::new("core/gate-deny", "deny needs networkPolicy", &["CAP-03", "CAP-04"], |cx| {
        gate(cx, Gate::Deny)
    }),
    Check::new("core/gate-hosts", "deny with hosts needs its capability", &["CAP-03", "CAP-04"], |cx| {
        gate(cx, Gate::Hosts)
    }),
    Check::new("core/gate-start-deny", "start with deny needs networkPolicy", &["CAP-03", "CAP-04"], |cx| {
        gate_start(cx, Gate::Deny)
    }),
    Check::new(
        "core/gate-start-hosts",
        "start with deny and hosts needs its capability",
        &["CAP-03", "CAP-04"],
        |cx| gate_start(cx, Gate::Hosts),
    ),
    Check::new("core/gate-ports", "ports need their capability", &["CAP-03", "CAP-04"], |cx| {
        gate(cx, Gate::Ports)
    }),
    Check::new("core/gate-udp", "no transport but tcp is supported", &["CAP-03", "CAP-04"], |cx| {
        gate(cx, Gate::Udp)
    }),
    Check::new("core/gate-features", "features need their capability", &["CAP-03", "CAP-04"], |cx| {
        gate(cx, Gate::Features)
    }),
    Check::new("core/gate-memory", "a limit of memory needs its capability", &["CAP-03", "CAP-04"], |cx| {
        gate(cx, Gate::Memory)
    }),
    Check::new("core/gate-cpus", "a limit of cpus needs its capability", &["CAP-03", "CAP-04"], |cx| {
        gate(cx, Gate::Cpus)
    }),
    Check::new("core/gate-pids", "a limit of pids needs its capability", &["CAP-03", "CAP-04"], |cx| {
        gate(cx, Gate::Pids)
    }),
    Check::new("core/gate-secrets", "secrets need their capability", &["CAP-03", "CAP-04"], |cx| {
        gate(cx, Gate::Secrets)
    }),
    Check::new(
        "core/gate-secret-environment",
        "variables with secrets need a capability",
        &["CAP-03", "CAP-04"],
        |cx| gate(cx, Gate::SecretEnvironment),
    ),
    Check::new("core/gate-mounts", "mounts need their capability", &["CAP-03", "CAP-04"], |cx| {
        gate(cx, Gate::Mounts)
    }),
    Check::new("core/gate-path", "unsupported names the field in question", &["CAP-05"], gate_path),
];

/// A value that needs a capability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gate {
    Deny,
    Hosts,
    Ports,
    Udp,
    Features,
    Memory,
    Cpus,
    Pids,
    Secrets,
    SecretEnvironment,
    Mounts,
}

impl Gate {
    const ALL: [Self; 11] = [
        Self::Deny,
        Self::Hosts,
        Self::Ports,
        Self::Udp,
        Self::Features,
        Self::Memory,
        Self::Cpus,
        Self::Pids,
        Self::Secrets,
        Self::SecretEnvironment,
        Self::Mounts,
    ];

    /// Whether the driver declares what the value needs.
    fn is_open(self, cx: &Cx) -> Result<bool, Stop> {
        let all = serde_json::to_value(&cx.manifest()?.capabilities).unwrap_or_default();
        let modes = &all["networkPolicy"]["modes"];
        let denies = modes.as_array().is_some_and(|modes| modes.contains(&json!("deny")));
        Ok(match self {
            Self::Deny => denies,
            Self::Hosts => denies && all["networkPolicy"]["hosts"] == true,
            Self::Ports => cx.declares("ports"),
            Self::Udp => false,
            Self::Features => cx.declares("features"),
            Self::Memory => all["limits"]["memory"] == true,
            Self::Cpus => all["limits"]["cpus"] == true,
            Self::Pids => all["limits"]["pids"] == true,
            Self::Secrets => cx.declares("secrets"),
            Self::SecretEnvironment => cx.declares("secretEnvironment") || cx.declares("runtimeSecrets"),
            Self::Mounts => cx.declares("bindMounts"),
        })
    }

    /// The field of a workspace, and the value.
    fn value(self, cx: &Cx) -> Result<(&'static str, Value), Stop> {
        Ok(match self {
            Self::Deny => ("network", json!({"mode": "deny"})),
            Self::Hosts => ("network", json!({"mode": "deny", "hosts": ["example.com"]})),
            Self::Ports => ("ports", json!([{"target": 8080}])),
            Self::Udp => ("ports", json!([{"target": 8080, "protocol": "udp"}])),
            Self::Features => {
                let script = cx.write("feature/install.sh", "#!/bin/sh\ntrue\n")?;
                ("features", json!([{"id": "kdn-check", "directory": script.parent()}]))
            }
            Self::Memory => ("limits", json!({"memoryBytes": 1_u64 << 30})),
            Self::Cpus => ("limits", json!({"cpus": 1})),
            Self::Pids => ("limits", json!({"pids": 500})),
            Self::Secrets => {
                ("secrets", json!([{"name": "s", "hosts": ["example.com"], "header": "Authorization"}]))
            }
            Self::SecretEnvironment => ("environment", json!([{"name": "KDN_SECRET", "secret": "s"}])),
            Self::Mounts => ("mounts", json!([{"host": cx.sources(), "target": "/kdn-mount"}])),
        })
    }

    fn workspace(self, cx: &Cx) -> Result<Value, Stop> {
        let (field, value) = self.value(cx)?;
        let mut workspace = cx.workspace();
        workspace[field] = value;
        Ok(workspace)
    }
}

fn closed(cx: &Cx, gate: Gate) -> Result<(), Stop> {
    if gate.is_open(cx)? { Err(Stop::Skipped("the capability is declared".into())) } else { Ok(()) }
}

/// The error that a gated value is refused with.
fn refused(answer: Result<Value, Fault>, method: &str, value: &Value) -> Result<Fault, Stop> {
    match answer {
        Err(fault) if fault.kind == "unsupported" => Ok(fault),
        Err(fault) => fail!("{method} with {value} answered {fault}, where unsupported was due"),
        Ok(_) => fail!("{method} with {value} succeeded, though its capability is not declared"),
    }
}

fn gate(cx: &Cx, gate: Gate) -> Result<(), Stop> {
    closed(cx, gate)?;
    let (field, value) = gate.value(cx)?;
    let mut driver = cx.open()?;
    let answer = driver.call("create", &gate.workspace(cx)?)?;
    refused(answer, "create", &json!({field: value}))?;
    driver.shutdown()?;
    let left = instances(cx)?;
    ensure!(left.is_empty(), "create answered unsupported to {field} {value}, and left {left:?}");
    Ok(())
}

fn gate_start(cx: &Cx, gate: Gate) -> Result<(), Stop> {
    closed(cx, gate)?;
    let (_, network) = gate.value(cx)?;
    let mut driver = cx.open()?;
    let id = id_of(&driver.ok("create", &cx.workspace())?);
    let answer = driver.call("start", &json!({"id": id, "network": network}))?;
    refused(answer, "start", &json!({"network": network}))?;
    let state = driver.ok("info", &of(&id))?["state"].clone();
    ensure!(state == "stopped", "start answered unsupported, and the instance is {state}");
    driver.shutdown()
}

fn gate_path(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    for gate in Gate::ALL {
        if gate.is_open(cx)? {
            continue;
        }
        let (field, value) = gate.value(cx)?;
        // What else it may answer is looked at by the checks of each gate.
        if let Err(fault) = driver.call("create", &gate.workspace(cx)?)?
            && fault.kind == "unsupported"
        {
            ensure!(
                fault.field_path().starts_with(field),
                "create with {value} in {field} answered {fault}, with the field path {:?}",
                fault.field_path()
            );
        }
    }
    driver.shutdown()
}
