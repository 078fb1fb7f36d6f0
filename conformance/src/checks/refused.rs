//! What `create` and `start` refuse.

use serde_json::{Value, json};

use super::instances::{state, with};
use crate::{
    check::{Check, Need},
    client::Driver,
    cx::{Cx, id_of, start},
    stop::{Stop, ensure},
};

const INVALID: &[&str] = &["invalid_workspace"];
const INVALID_OR_PARAMS: &[&str] = &["invalid_workspace", "invalid_params"];

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "lifecycle/workspace-id-form",
        "a workspace id that is not 64 lower-case hexadecimal digits is refused",
        &["CREATE-03"],
        workspace_id_form,
    ),
    Check::new("lifecycle/name-form", "a name that is not of the form is refused", &["CREATE-03"], name_form),
    Check::new(
        "lifecycle/source-path",
        "a source path that is relative, climbs, or is absent is refused",
        &["CREATE-04"],
        source_path,
    ),
    Check::new(
        "lifecycle/file-path",
        "a file whose path is absolute or climbs is refused",
        &["CREATE-04"],
        file_path,
    ),
    Check::new(
        "lifecycle/file-source",
        "a file whose source is relative, climbs, or is absent is refused",
        &["CREATE-04"],
        file_source,
    ),
    Check::new(
        "lifecycle/mount-host",
        "a mount whose host path is relative, climbs, or is absent is refused",
        &["CREATE-04"],
        mount_host,
    )
    .needs(&[Need::Capability("bindMounts")]),
    Check::new(
        "lifecycle/mount-target",
        "a mount whose target is relative or climbs is refused",
        &["CREATE-04"],
        mount_target,
    )
    .needs(&[Need::Capability("bindMounts")]),
    Check::new(
        "lifecycle/feature-folder",
        "a feature whose folder is relative, climbs, or is absent is refused",
        &["CREATE-04"],
        feature_folder,
    )
    .needs(&[Need::Capability("features")]),
    Check::new(
        "lifecycle/alternatives",
        "a variable or file with both or neither of its alternatives is refused",
        &["CREATE-05"],
        alternatives,
    ),
    Check::new("lifecycle/file-mode-range", "a mode above 777 is refused", &["CREATE-06"], mode_range),
    Check::new("lifecycle/port-range", "a port that is out of range is refused", &["CREATE-06"], port_range)
        .needs(&[Need::Capability("ports")]),
    Check::new("lifecycle/limit-range", "a limit of nothing is refused", &["CREATE-06"], limit_range)
        .needs(&[Need::Capability("limits")]),
    Check::new("lifecycle/twins", "variables and files that come twice are refused", &["CREATE-07"], twins),
    Check::new(
        "lifecycle/variable-names",
        "a variable without a name, or with = in it, is refused",
        &["CREATE-07"],
        variable_names,
    ),
    Check::new("lifecycle/file-encoding", "content that is not base64 is refused", &["CREATE-07"], encoding),
    Check::new(
        "lifecycle/file-parts",
        "a file whose path has an empty part or `.` is refused",
        &["CREATE-07"],
        file_parts,
    ),
    Check::new(
        "lifecycle/file-source-kind",
        "a file whose source is a folder is refused",
        &["CREATE-07"],
        source_kind,
    ),
    Check::new(
        "lifecycle/unknown-option",
        "an option that is no flag is refused by its name",
        &["CREATE-08"],
        unknown_option,
    ),
    Check::new("lifecycle/required-flag", "a missing required flag is named", &["CREATE-09"], required_flag),
    Check::new(
        "lifecycle/network-mode-at-create",
        "a create with an unknown network mode is refused",
        &["WORK-09"],
        network_mode_at_create,
    ),
    Check::new(
        "lifecycle/network-mode-at-start",
        "a start with an unknown network mode is refused",
        &["WORK-09"],
        network_mode_at_start,
    ),
];

/// Creates what has to be refused because of `field`.
fn refuse(driver: &mut Driver, workspace: &Value, kinds: &[&str], field: &str) -> Result<(), Stop> {
    let fault = driver.refused_with("create", workspace, kinds)?;
    // Only invalid_workspace has to name the field.
    let is_named = fault.field_path() == field || fault.kind != "invalid_workspace";
    ensure!(is_named, "create answered {fault}, where the field path {field:?} was due: {workspace}");
    Ok(())
}

/// Creates a workspace with each of these values in a top-level field, all of which have to be refused.
fn refuse_each(cx: &Cx, field: &str, path: &str, values: &[Value]) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    for value in values {
        refuse(&mut driver, &with(cx.workspace(), field, value.clone()), INVALID, path)?;
    }
    driver.shutdown()
}

/// The same for rules that only ask for a refusal.
fn refuse_somehow(cx: &Cx, field: &str, values: &[Value]) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    for value in values {
        let workspace = with(cx.workspace(), field, value.clone());
        driver.refused_with("create", &workspace, INVALID_OR_PARAMS)?;
    }
    driver.shutdown()
}

fn workspace_id_form(cx: &mut Cx) -> Result<(), Stop> {
    let digits = "0123456789abcdef".repeat(4);
    let values = ["", "abc", &digits[1..], &format!("{digits}0"), &digits.to_uppercase(), &"g".repeat(64)];
    refuse_each(cx, "workspaceId", "workspaceId", &values.map(|value| json!(value)))
}

fn name_form(cx: &mut Cx) -> Result<(), Stop> {
    let values = ["", "Shop", "a b", "-shop", "shop.", ".", "..", "../shop", "shop/1", "größe", "shop\n"];
    refuse_each(cx, "name", "name", &values.map(|value| json!(value)))
}

fn source_path(cx: &mut Cx) -> Result<(), Stop> {
    let sources = cx.sources();
    let values =
        [json!("sources"), json!(""), json!(cx.dir().join("absent")), json!(sources.join("../sources"))];
    refuse_each(cx, "sourcePath", "sourcePath", &values)
}

fn file_path(cx: &mut Cx) -> Result<(), Stop> {
    let climbing = ["../escaped", "a/../../escaped", "a/..", "..", "/etc/escaped"];
    let values = climbing.map(|path| json!([{"path": path, "contentBase64": ""}]));
    refuse_each(cx, "files", "files[0].path", &values)
}

fn file_source(cx: &mut Cx) -> Result<(), Stop> {
    let there = cx.write("there", "content")?;
    let climbing = cx.sources().join("../there");
    let values = [json!("there"), json!(cx.dir().join("absent")), json!(climbing)];
    // The wrong file comes behind a right one, so that its index counts.
    let values =
        values.map(|source| json!([{"path": "a", "source": there}, {"path": "b", "source": source}]));
    refuse_each(cx, "files", "files[1].source", &values)
}

fn mount_host(cx: &mut Cx) -> Result<(), Stop> {
    let values = [json!("sources"), json!(cx.dir().join("absent")), json!(cx.sources().join("../sources"))];
    let values = values.map(|host| json!([{"host": host, "target": "/mounted"}]));
    refuse_each(cx, "mounts", "mounts[0].host", &values)
}

fn mount_target(cx: &mut Cx) -> Result<(), Stop> {
    let targets = ["mounted", "../mounted", "/a/../mounted", "/mounted/.."];
    let values = targets.map(|target| json!([{"host": cx.sources(), "target": target}]));
    refuse_each(cx, "mounts", "mounts[0].target", &values)
}

fn feature_folder(cx: &mut Cx) -> Result<(), Stop> {
    cx.write("feature/install.sh", "#!/bin/sh\n")?;
    let climbing = cx.sources().join("../feature");
    let values = [json!("feature"), json!(cx.dir().join("absent")), json!(climbing)];
    let values = values.map(|folder| json!([{"id": "local", "directory": folder}]));
    refuse_each(cx, "features", "features[0].directory", &values)
}

fn alternatives(cx: &mut Cx) -> Result<(), Stop> {
    let there = cx.write("there", "content")?;
    let mut driver = cx.open()?;
    let files = [json!({"path": "a"}), json!({"path": "a", "source": there, "contentBase64": ""})];
    for file in files {
        driver.refused_with("create", &with(cx.workspace(), "files", json!([file])), INVALID)?;
    }
    let neither = json!([{"name": "A"}]);
    driver.refused_with("create", &with(cx.workspace(), "environment", neither), INVALID)?;
    let both = json!([{"name": "A", "value": "b", "secret": "c"}]);
    // The secret alone is reason enough for a driver that knows none.
    let kinds = ["invalid_workspace", "unsupported"];
    let has_secrets = cx.declares("secretEnvironment") || cx.declares("runtimeSecrets");
    let kinds = if has_secrets { &kinds[..1] } else { &kinds[..] };
    driver.refused_with("create", &with(cx.workspace(), "environment", both), kinds)?;
    driver.shutdown()
}

fn mode_range(cx: &mut Cx) -> Result<(), Stop> {
    let values = [512, 4095, 4_294_967_295_u64, 65_535 + 384]
        .map(|mode| json!([{"path": "a", "contentBase64": "", "mode": mode}]));
    refuse_somehow(cx, "files", &values)?;
    refuse_somehow(cx, "files", &[json!([{"path": "a", "contentBase64": "", "mode": -1}])])
}

fn port_range(cx: &mut Cx) -> Result<(), Stop> {
    let values = [0, 65_536, 4_294_967_376_u64].map(|port| json!([{"target": port}]));
    refuse_somehow(cx, "ports", &values)?;
    let values = [0, 65_536].map(|port| json!([{"target": 8080, "host": port}]));
    refuse_somehow(cx, "ports", &values)
}

fn limit_range(cx: &mut Cx) -> Result<(), Stop> {
    let declared = serde_json::to_value(&cx.manifest()?.capabilities).unwrap_or_default();
    for (capability, field) in [("memory", "memoryBytes"), ("cpus", "cpus"), ("pids", "pids")] {
        if declared["limits"][capability] == true {
            refuse_somehow(cx, "limits", &[json!({field: 0}), json!({field: -1})])?;
        }
    }
    Ok(())
}

fn twins(cx: &mut Cx) -> Result<(), Stop> {
    let variable = json!({"name": "A", "value": "b"});
    refuse_somehow(cx, "environment", &[json!([variable, variable])])?;
    let file = json!({"path": "a", "contentBase64": ""});
    refuse_somehow(cx, "files", &[json!([file, file])])
}

fn variable_names(cx: &mut Cx) -> Result<(), Stop> {
    let values = ["", "A=B", "=A"].map(|name| json!([{"name": name, "value": "c"}]));
    refuse_somehow(cx, "environment", &values)
}

fn encoding(cx: &mut Cx) -> Result<(), Stop> {
    let values =
        ["*", "YQ", "YQ=", "YQ==\n", "YW_-"].map(|text| json!([{"path": "a", "contentBase64": text}]));
    refuse_somehow(cx, "files", &values)
}

fn file_parts(cx: &mut Cx) -> Result<(), Stop> {
    let paths = ["", "a//b", "./a", "a/./b", "a/"];
    refuse_somehow(cx, "files", &paths.map(|path| json!([{"path": path, "contentBase64": ""}])))
}

fn source_kind(cx: &mut Cx) -> Result<(), Stop> {
    refuse_somehow(cx, "files", &[json!([{"path": "a", "source": cx.sources()}])])
}

fn unknown_option(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    for name in ["kdn-no-such-flag", "--help", ""] {
        let mut workspace = cx.workspace();
        workspace["options"][name] = json!("1");
        refuse(&mut driver, &workspace, INVALID, &format!("options.{name}"))?;
    }
    driver.shutdown()
}

fn required_flag(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let flags = driver.ok("flags", &json!({}))?["flags"].clone();
    let flags = flags.as_array().into_iter().flatten();
    let mut required = flags.filter(|flag| flag["required"] == true).peekable();
    if required.peek().is_none() {
        return Err(Stop::Skipped("no flag of the driver is required".into()));
    }
    for name in required.filter_map(|flag| flag["name"].as_str()) {
        let mut workspace = cx.workspace();
        if let Some(options) = workspace["options"].as_object_mut() {
            options.remove(name);
        }
        refuse(&mut driver, &workspace, INVALID, &format!("options.{name}"))?;
    }
    driver.shutdown()
}

const UNKNOWN_MODES: [&str; 3] = ["filter", "", "Deny"];
const UNKNOWN_MODE: &[&str] = &["invalid_workspace", "invalid_params", "unsupported"];

fn network_mode_at_create(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    for mode in UNKNOWN_MODES {
        let workspace = with(cx.workspace(), "network", json!({"mode": mode}));
        driver.refused_with("create", &workspace, UNKNOWN_MODE)?;
    }
    driver.shutdown()
}

fn network_mode_at_start(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let id = id_of(&driver.ok("create", &cx.workspace())?);
    for mode in UNKNOWN_MODES {
        driver.refused_with("start", &json!({"id": id, "network": {"mode": mode}}), UNKNOWN_MODE)?;
        let state = state(&mut driver, &id)?;
        ensure!(state == "stopped", "a start that was refused left the state {state:?}");
    }
    driver.ok("start", &start(&id)).map(drop)
}
