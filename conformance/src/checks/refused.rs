//! What `create` and `start` refuse, and that nothing is left of what they refused.

use data_encoding::BASE64;
use serde_json::{Value, json};

use super::instances::{all, canaries, stored, traces, with};
use crate::{
    check::{Check, Need},
    client::{Driver, Fault},
    cx::{Cx, id_of, of, start},
    stop::{Stop, ensure, fail},
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
        "lifecycle/alternatives",
        "a variable or file with both or neither of its alternatives is refused",
        &["CREATE-05"],
        alternatives,
    ),
    Check::new("lifecycle/file-mode-range", "a mode above 777 is refused", &["CREATE-06"], mode_range),
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
    Check::new(
        "lifecycle/failed-create-unlisted",
        "what could not be created is not listed",
        &["CREATE-02"],
        failed_create_unlisted,
    ),
    Check::new(
        "lifecycle/failed-create-leaves-nothing",
        "a create that fails leaves nothing in the storage folder",
        &["CREATE-02"],
        failed_create_leaves_nothing,
    ),
    Check::new(
        "lifecycle/failed-create-mended",
        "what failed can be created under the same id and name once it is right",
        &["CREATE-02"],
        failed_create_mended,
    )
    .needs(&[Need::Local]),
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
        let state = super::instances::state(&mut driver, &id)?;
        ensure!(state == "stopped", "a start that was refused left the state {state:?}");
    }
    driver.ok("start", &start(&id)).map(drop)
}

/// Workspaces that can't be made, some of which are found out only while they are made.
fn impossible(cx: &Cx) -> Result<Vec<(&'static str, Value)>, Stop> {
    let content = BASE64.encode(b"content");
    let folder_below_file =
        json!([{"path": "a", "contentBase64": content}, {"path": "a/b", "contentBase64": content}]);
    let absent =
        json!([{"path": "a", "contentBase64": content}, {"path": "b", "source": cx.dir().join("absent")}]);
    let mut failing_install = cx.workspace();
    failing_install["agent"]["install"] = json!(["exit 3"]);
    Ok(vec![
        ("the source path is absent", with(cx.workspace(), "sourcePath", json!(cx.dir().join("absent")))),
        ("the source of a file is absent", with(cx.workspace(), "files", absent)),
        ("a file is below another file", with(cx.workspace(), "files", folder_below_file)),
        ("a line of agent.install exits with 3", failing_install),
        ("the network mode is unknown", with(cx.workspace(), "network", json!({"mode": "filter"}))),
    ])
}

/// The error of a create that may fail. If it does not, the instance is removed.
fn try_create(driver: &mut Driver, workspace: &Value) -> Result<Option<Fault>, Stop> {
    match driver.call("create", workspace)? {
        Err(fault) => Ok(Some(fault)),
        Ok(instance) => driver.ok("remove", &of(&id_of(&instance))).map(|_| None),
    }
}

fn failed_create_unlisted(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    for (why, workspace) in impossible(cx)? {
        let fault = try_create(&mut driver, &workspace)?;
        let left = all(&mut driver)?;
        ensure!(left.is_empty(), "create failed because {why} ({fault:?}), and list has {left:?}");
    }
    driver.shutdown()
}

fn failed_create_leaves_nothing(cx: &mut Cx) -> Result<(), Stop> {
    // After the first life, the driver has made what it keeps for itself.
    let mut driver = cx.open()?;
    let id = id_of(&driver.ok("create", &cx.workspace())?);
    driver.ok("remove", &of(&id))?;
    driver.shutdown()?;
    let before = stored(cx);
    for (why, mut workspace) in impossible(cx)? {
        let files = workspace["files"].take();
        let texts = canaries(cx, &mut workspace);
        if let (Some(all), Value::Array(files)) = (workspace["files"].as_array_mut(), files) {
            all.extend(files);
        }
        let mut driver = cx.open()?;
        let fault = try_create(&mut driver, &workspace)?;
        driver.shutdown()?;
        let left = traces(cx, &texts);
        ensure!(left.is_empty(), "create failed because {why} ({fault:?}), and left its traces in {left:?}");
        let new: Vec<_> = stored(cx).difference(&before).cloned().collect();
        ensure!(new.is_empty(), "create failed because {why} ({fault:?}), and left {new:?}");
    }
    Ok(())
}

fn failed_create_mended(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let source = cx.dir().join("late");
    let files = json!([{"path": "a", "contentBase64": ""}, {"path": "b", "source": source}]);
    let workspace = with(cx.workspace(), "files", files);
    if driver.call("create", &workspace)?.is_ok() {
        fail!("create succeeded with a file whose source is absent");
    }
    cx.write("late", "content")?;
    let instance = driver.ok("create", &workspace)?;
    ensure!(instance["state"] == "stopped", "create answered {instance}");
    driver.ok("start", &start(&id_of(&instance))).map(drop)
}
