//! Params that are missing, or of the wrong type.

use serde_json::{Value, json};

use crate::{
    check::{Check, Need},
    client::Driver,
    cx::{Cx, id_of, initialize, of, start},
    stop::{Stop, ensure, fail},
};

use super::wire::{INVALID_PARAMS, OPTIONAL, coded, methods, short};

pub(super) const CHECKS: &[Check] = &[
    Check::new("core/params-object", "params that are no object are refused", &["WIRE-30"], params_object),
    Check::new("core/absent-params", "absent params are an empty object", &["WIRE-31"], absent_params),
    Check::new("core/initialize-params", "initialize checks its params", &["WIRE-32"], of_initialize),
    Check::new("core/create-fields", "create needs its required fields", &["WIRE-32"], create_fields),
    Check::new("core/create-types", "create checks the types of its fields", &["WIRE-32"], create_types),
    Check::new("core/start-params", "start checks its params", &["WIRE-32"], of_start),
    Check::new("core/stop-params", "stop checks its params", &["WIRE-32"], of_stop),
    Check::new("core/id-params", "remove and info check their params", &["WIRE-32"], of_id),
    Check::new("core/list-params", "list checks its params", &["WIRE-32"], of_list),
    Check::new("terminal/params", "terminal checks its params", &["WIRE-32"], of_terminal)
        .needs(&[Need::Capability("terminal")]),
    Check::new("dashboard/params", "dashboard checks its params", &["WIRE-32"], of_dashboard)
        .needs(&[Need::Capability("dashboard")]),
];

fn params_object(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.start()?;
    for method in ["type", "initialize"] {
        coded(&mut driver, method, &json!([]), INVALID_PARAMS)?;
    }
    driver.ok("initialize", &initialize(&cx.storage()))?;
    for params in [json!([]), json!([{}]), json!("{}"), json!(5), json!(true), json!(null)] {
        coded(&mut driver, "list", &params, INVALID_PARAMS)?;
    }
    for method in methods(cx) {
        coded(&mut driver, method, &json!(["x"]), INVALID_PARAMS)?;
    }
    driver.shutdown()
}

fn absent_params(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let without_params = |driver: &mut Driver, id: u64, method: &str| {
        driver.send(&json!({"jsonrpc": "2.0", "id": id, "method": method}));
        driver.answer_within(id, cx.suite.patience)
    };
    let declared = OPTIONAL[..2].iter().filter(|(capability, _)| cx.declares(capability));
    let methods = ["type", "flags", "list"].into_iter().chain(declared.map(|(_, method)| *method));
    for (id, method) in (900..).zip(methods.chain(["shutdown"])) {
        if let Err(fault) = without_params(&mut driver, id, method)? {
            fail!("{method} without params answered {fault}");
        }
    }
    Ok(())
}

/// A field and what is in its place: nothing where it is required, or a value of the wrong type.
type Case = (&'static str, Option<Value>);

fn missing(field: &'static str) -> Case {
    (field, None)
}

fn wrong(field: &'static str, value: Value) -> Case {
    (field, Some(value))
}

/// Calls a method with params in which one field is wrong each time. All of them have to be refused.
fn refuses(
    driver: &mut Driver,
    method: &str,
    right: &dyn Fn() -> Value,
    cases: impl IntoIterator<Item = Case>,
) -> Result<(), Stop> {
    let mut seen = Vec::new();
    for (field, value) in cases {
        let mut params = right();
        let what = match &value {
            Some(value) => format!("{field} as {value}"),
            None => format!("no {field}"),
        };
        if let Some(members) = params.as_object_mut() {
            match value {
                Some(value) => members.insert(field.into(), value),
                None => members.remove(field),
            };
        }
        match driver.call(method, &params)? {
            Err(fault) if fault.code == INVALID_PARAMS => {}
            Err(fault) => seen.push(format!("{what}: {fault}")),
            Ok(result) => seen.push(format!("{what}: {}", short(&result))),
        }
    }
    ensure!(
        seen.is_empty(),
        "{method} answered otherwise than with {INVALID_PARAMS} to {}",
        seen.join("; to ")
    );
    Ok(())
}

fn of_initialize(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.start()?;
    let right = || initialize(&cx.storage());
    let cases = [
        missing("protocolVersions"),
        missing("host"),
        missing("storageDir"),
        wrong("protocolVersions", json!(1)),
        wrong("protocolVersions", json!(["1"])),
        wrong("host", json!("kdn")),
        wrong("host", json!({"version": "1", "pid": 1})),
        wrong("host", json!({"name": "kdn", "pid": 1})),
        wrong("host", json!({"name": "kdn", "version": "1"})),
        wrong("host", json!({"name": "kdn", "version": 1, "pid": 1})),
        wrong("host", json!({"name": "kdn", "version": "1", "pid": "1"})),
        wrong("storageDir", json!(5)),
        wrong("limits", json!("small")),
        wrong("limits", json!({"maxFrameBytes": "1048576"})),
        wrong("capabilities", json!("all")),
    ];
    refuses(&mut driver, "initialize", &right, cases)?;
    driver.ok("initialize", &right())?;
    driver.shutdown()
}

fn create_fields(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let mut cases = vec![
        missing("workspaceId"),
        missing("name"),
        missing("sourcePath"),
        missing("agent"),
        wrong("agent", json!({"command": ["/bin/sh"]})),
        wrong("environment", json!([{"value": "v"}])),
        wrong("files", json!([{"contentBase64": ""}])),
    ];
    let declared = [
        ("ports", wrong("ports", json!([{"host": 8080}]))),
        ("bindMounts", wrong("mounts", json!([{"host": cx.sources()}]))),
        ("bindMounts", wrong("mounts", json!([{"target": "/kdn-mount"}]))),
        ("features", wrong("features", json!([{"id": "f"}]))),
        ("secrets", wrong("secrets", json!([{"name": "s", "hosts": ["example.com"]}]))),
    ];
    cases
        .extend(declared.into_iter().filter(|(capability, _)| cx.declares(capability)).map(|(_, case)| case));
    refuses(&mut driver, "create", &|| cx.workspace(), cases)?;
    driver.shutdown()
}

fn create_types(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let agent = |field: &str, value: Value| {
        let mut agent = cx.workspace()["agent"].clone();
        agent[field] = value;
        wrong("agent", agent)
    };
    let file = |field: &str, value: Value| {
        let mut file = json!({"path": "kdn-file", "contentBase64": ""});
        file[field] = value;
        wrong("files", json!([file]))
    };
    let mut cases = vec![
        wrong("workspaceId", json!(5)),
        wrong("name", json!(["n"])),
        wrong("sourcePath", json!(5)),
        wrong("projectId", json!(5)),
        wrong("agent", json!("shell")),
        agent("name", json!(5)),
        agent("command", json!("/bin/sh")),
        agent("command", json!([5])),
        agent("install", json!("true")),
        wrong("model", json!(5)),
        wrong("environment", json!("A=b")),
        wrong("environment", json!(["A=b"])),
        wrong("environment", json!([{"name": 5, "value": "v"}])),
        wrong("environment", json!([{"name": "A", "value": 5}])),
        wrong("network", json!("allow")),
        wrong("network", json!({"mode": 5})),
        wrong("network", json!({"mode": "allow", "hosts": "example.com"})),
        wrong("files", json!("kdn-file")),
        file("path", json!(5)),
        file("contentBase64", json!(5)),
        file("mode", json!("384")),
        wrong("limits", json!("none")),
        wrong("options", json!("none")),
    ];
    let declared = [
        ("ports", wrong("ports", json!("8080"))),
        ("ports", wrong("ports", json!([{"target": "8080"}]))),
        ("bindMounts", wrong("mounts", json!([{"host": cx.sources(), "target": 5}]))),
        ("features", wrong("features", json!([{"id": "f", "directory": 5}]))),
        ("secrets", wrong("secrets", json!([{"name": 5, "header": "h"}]))),
        ("limits", wrong("limits", json!({"memoryBytes": "1 GiB"}))),
    ];
    cases
        .extend(declared.into_iter().filter(|(capability, _)| cx.declares(capability)).map(|(_, case)| case));
    refuses(&mut driver, "create", &|| cx.workspace(), cases)?;
    driver.shutdown()
}

fn of_start(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let id = id_of(&driver.ok("create", &cx.workspace())?);
    let cases = [
        missing("id"),
        missing("network"),
        wrong("id", json!(5)),
        wrong("network", json!("allow")),
        wrong("network", json!({"mode": 5})),
        wrong("network", json!({"mode": "allow", "hosts": "example.com"})),
        wrong("secretValues", json!("value")),
        wrong("secretValues", json!({"name": 5})),
    ];
    refuses(&mut driver, "start", &|| start(&id), cases)?;
    driver.shutdown()
}

fn of_stop(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let id = id_of(&driver.ok("create", &cx.workspace())?);
    let cases = [
        missing("id"),
        wrong("id", json!([id])),
        wrong("graceSeconds", json!("10")),
        wrong("graceSeconds", json!(true)),
    ];
    refuses(&mut driver, "stop", &|| of(&id), cases)?;
    driver.shutdown()
}

/// What is wrong with the only param of a method.
fn wrong_ids() -> [Case; 4] {
    [missing("id"), wrong("id", json!(5)), wrong("id", json!(["x"])), wrong("id", json!({"id": "x"}))]
}

fn of_id(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    for method in ["info", "remove"] {
        refuses(&mut driver, method, &|| of("x"), wrong_ids())?;
    }
    driver.shutdown()
}

fn of_list(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let cases = [
        wrong("workspaceIds", json!("all")),
        wrong("workspaceIds", json!([5])),
        wrong("cursor", json!(5)),
        wrong("cursor", json!(["x"])),
    ];
    refuses(&mut driver, "list", &|| json!({}), cases)?;
    driver.shutdown()
}

fn of_terminal(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let id = cx.running(&mut driver, &cx.workspace())?;
    let cases = [
        missing("id"),
        missing("command"),
        wrong("id", json!(5)),
        wrong("command", json!("/bin/sh")),
        wrong("command", json!([5])),
        wrong("tty", json!("yes")),
    ];
    refuses(&mut driver, "terminal", &|| json!({"id": id, "command": ["/bin/sh"]}), cases)?;
    driver.shutdown()
}

fn of_dashboard(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    refuses(&mut driver, "dashboard", &|| of("x"), wrong_ids())?;
    driver.shutdown()
}
