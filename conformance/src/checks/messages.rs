//! How frames become requests, and what is none.

use serde_json::{Value, json};

use crate::{
    check::Check,
    client::Driver,
    cx::{Cx, initialize, of, start},
    stop::{Stop, ensure},
};

use super::wire::{
    INVALID_REQUEST, METHOD_NOT_FOUND, OPTIONAL, PARSE_ERROR, coded, instances, list, listed, refuses,
    respond, rest,
};

pub(super) const CHECKS: &[Check] = &[
    Check::new("core/ids", "an id from 0 to 9007199254740991 comes back unchanged", &["WIRE-20"], ids),
    Check::new("core/string-ids", "a string is an id, too", &["WIRE-20", "WIRE-21"], string_ids),
    Check::new("core/garbage", "a line that is not JSON is a parse error", &["WIRE-23"], garbage),
    Check::new("core/invalid-utf8", "JSON that is not UTF-8 is a parse error", &["WIRE-23"], invalid_utf8),
    Check::new(
        "core/deep-garbage",
        "a hundred thousand open brackets are a parse error",
        &["WIRE-23", "WIRE-35"],
        deep_garbage,
    ),
    Check::new("core/scalars", "JSON that is no object is an invalid request", &["WIRE-24"], scalars),
    Check::new("core/batch", "a batch is refused as a whole, with one error", &["WIRE-25"], batch),
    Check::new("core/batch-idle", "no request of a batch is carried out", &["WIRE-25"], batch_idle),
    Check::new("core/jsonrpc", "a request needs the member jsonrpc", &["WIRE-26"], jsonrpc),
    Check::new(
        "core/method-member",
        "a request needs a method that is a string",
        &["WIRE-26"],
        method_member,
    ),
    Check::new("core/null-id", "null is no id", &["WIRE-27"], |cx| bad_id(cx, &[json!(null)])),
    Check::new("core/boolean-id", "a boolean is no id", &["WIRE-27"], |cx| {
        bad_id(cx, &[json!(true), json!(false)])
    }),
    Check::new("core/fraction-id", "a number with a fraction is no id", &["WIRE-27"], |cx| {
        bad_id(cx, &[json!(1.5)])
    }),
    Check::new("core/structured-id", "an array or an object is no id", &["WIRE-27"], |cx| {
        bad_id(cx, &[json!([1]), json!({"id": 1}), json!([])])
    }),
    Check::new("core/unknown-method", "an unknown method is not found", &["WIRE-28"], unknown_method),
    Check::new(
        "core/undeclared-method",
        "a method that is not declared is not found",
        &["WIRE-29"],
        undeclared_method,
    ),
    Check::new(
        "core/unknown-notification",
        "an unknown notification is ignored",
        &["WIRE-33"],
        unknown_notification,
    ),
    Check::new(
        "core/notified-method",
        "a notification with the name of a method changes nothing and is not answered",
        &["WIRE-34"],
        notified_method,
    ),
    Check::new("core/many-errors", "hundreds of errors are no reason to stop", &["WIRE-35"], many_errors),
    Check::new("core/unknown-fields", "unknown fields are ignored", &["WIRE-39"], |cx| {
        extra_fields(cx, &|object| {
            object.insert("x-kdn-conformance/unknown".into(), json!({"deep": [1, "two", null]}));
            object.insert("unknownToAll".into(), json!(true));
        })
    }),
    Check::new("core/meta", "a member _meta is ignored", &["WIRE-39"], |cx| {
        extra_fields(cx, &|object| {
            object.insert("_meta".into(), json!({"x-kdn-conformance/trace": "1", "n": null}));
        })
    }),
];

fn ids(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    // An id may be used again once it is answered.
    for id in [0, 1_u64 << 31, 1 << 32, (1 << 53) - 1, 0] {
        let response = respond(cx, &mut driver, format!("{}\n", list(id)).as_bytes())?;
        ensure!(
            response["id"] == id && response.get("result").is_some(),
            "list with the id {id} was answered with {response}"
        );
    }
    driver.shutdown()
}

fn string_ids(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    for id in ["a", "", "1", "007", "null", "\u{fc} \u{1f600} \" \\ \t \u{202e}"] {
        let request = json!({"jsonrpc": "2.0", "id": id, "method": "list", "params": {}});
        let response = respond(cx, &mut driver, format!("{request}\n").as_bytes())?;
        ensure!(
            response["id"] == id && response.get("result").is_some(),
            "list with the id {id:?} was answered with {response}"
        );
    }
    driver.shutdown()
}

fn garbage(cx: &mut Cx) -> Result<(), Stop> {
    let lines = [r#"{"jsonrpc": "2.0", "id": 1, "method": "list""#, "no JSON at all", "{'id': 1}", "{} {}"];
    refuses(cx, &lines.map(|line| (line.as_bytes(), Value::Null)), PARSE_ERROR)
}

fn invalid_utf8(cx: &mut Cx) -> Result<(), Stop> {
    let inside =
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"list\",\"params\":{\"_meta\":{\"a\":\"\xff\xfe\"}}}";
    let latin1 = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"caf\xe9\"}";
    refuses(cx, &[(inside, Value::Null), (latin1, Value::Null), (b"\xff", Value::Null)], PARSE_ERROR)
}

fn deep_garbage(cx: &mut Cx) -> Result<(), Stop> {
    refuses(cx, &[("[".repeat(100_000).as_bytes(), Value::Null)], PARSE_ERROR)
}

fn scalars(cx: &mut Cx) -> Result<(), Stop> {
    let lines = ["null", "true", "42", "-1.5e3", r#""list""#, "[]", "[1, 2]"];
    refuses(cx, &lines.map(|line| (line.as_bytes(), Value::Null)), INVALID_REQUEST)
}

fn batch(cx: &mut Cx) -> Result<(), Stop> {
    let batch = format!("[{},{}]", list(901), list(902));
    refuses(cx, &[(batch.as_bytes(), Value::Null)], INVALID_REQUEST)
}

fn batch_idle(cx: &mut Cx) -> Result<(), Stop> {
    let create = json!({"jsonrpc": "2.0", "id": 901, "method": "create", "params": cx.workspace()});
    let silent = json!({"jsonrpc": "2.0", "method": "create", "params": cx.workspace()});
    let mut driver = cx.open()?;
    respond(cx, &mut driver, format!("[{create},{silent}]\n").as_bytes())?;
    let _ = rest(driver)?;
    let left = instances(cx)?;
    ensure!(left.is_empty(), "a batch of two creates made {left:?}");
    Ok(())
}

fn jsonrpc(cx: &mut Cx) -> Result<(), Stop> {
    let with = |version: &str| format!(r#"{{{version}"id":7,"method":"list","params":{{}}}}"#);
    let lines = ["", r#""jsonrpc":"1.0","#, r#""jsonrpc":2.0,"#, r#""jsonrpc":null,"#].map(with);
    let mut due: Vec<(&[u8], Value)> = lines.iter().map(|line| (line.as_bytes(), json!(7))).collect();
    due.push((br#"{"id":"seven","method":"list"}"#, json!("seven")));
    due.push((br#"{"method":"list"}"#, Value::Null));
    due.push((b"{}", Value::Null));
    refuses(cx, &due, INVALID_REQUEST)
}

fn method_member(cx: &mut Cx) -> Result<(), Stop> {
    let with = |method: &str| format!(r#"{{"jsonrpc":"2.0","id":7{method},"params":{{}}}}"#);
    let lines = ["", r#","method":null"#, r#","method":5"#, r#","method":["list"]"#].map(with);
    let mut due: Vec<(&[u8], Value)> = lines.iter().map(|line| (line.as_bytes(), json!(7))).collect();
    due.push((br#"{"jsonrpc":"2.0"}"#, Value::Null));
    refuses(cx, &due, INVALID_REQUEST)
}

fn bad_id(cx: &Cx, ids: &[Value]) -> Result<(), Stop> {
    let frame = |id: &Value| json!({"jsonrpc": "2.0", "id": id, "method": "list", "params": {}}).to_string();
    let lines: Vec<String> = ids.iter().map(frame).collect();
    let due: Vec<(&[u8], Value)> = lines.iter().map(|line| (line.as_bytes(), Value::Null)).collect();
    refuses(cx, &due, INVALID_REQUEST)
}

fn unknown_method(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.start()?;
    let unknown = ["no-such-method", "List", "", "x-kdn-conformance/method", "$/unknown", "rpc.discover"];
    coded(&mut driver, unknown[0], &json!({}), METHOD_NOT_FOUND)?;
    driver.ok("initialize", &initialize(&cx.storage()))?;
    for method in unknown {
        coded(&mut driver, method, &json!({}), METHOD_NOT_FOUND)?;
    }
    driver.shutdown()
}

fn undeclared_method(cx: &mut Cx) -> Result<(), Stop> {
    cx.manifest()?;
    let undeclared = OPTIONAL.iter().filter(|(capability, _)| !cx.declares(capability));
    let undeclared: Vec<&str> = undeclared.map(|(_, method)| *method).collect();
    if undeclared.is_empty() {
        return Err(Stop::Skipped("the driver declares every method".into()));
    }
    let mut driver = cx.open()?;
    for method in undeclared {
        coded(&mut driver, method, &json!({"id": "x", "command": ["true"]}), METHOD_NOT_FOUND)?;
    }
    driver.shutdown()
}

fn unknown_notification(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    driver.notify("no-such-notification", &json!({}));
    driver.notify("$/unknown", &json!({"requestId": 1}));
    driver.notify("x-kdn-conformance/notification", &json!({"_meta": {}}));
    driver.notify("notifications/initialized", &json!([1]));
    unanswered(driver, "unknown notifications")
}

/// A request has to be answered as ever, and nothing else.
fn unanswered(mut driver: Driver, what: &str) -> Result<(), Stop> {
    driver.raw(format!("{}\n", list(900)).as_bytes());
    listed(&mut driver, 900)?;
    let answers = rest(driver)?;
    ensure!(answers.is_empty(), "{what} were answered with {answers:?}");
    Ok(())
}

fn notified_method(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let created = driver.ok("create", &cx.workspace())?;
    let id = crate::cx::id_of(&created);
    driver.notify("create", &cx.workspace());
    driver.notify("start", &start(&id));
    driver.notify("remove", &of(&id));
    driver.notify("list", &json!(7));
    driver.notify("type", &json!({}));
    driver.notify("shutdown", &json!({}));
    unanswered(driver, "notifications with the names of methods")?;
    let left = instances(cx)?;
    ensure!(
        left.len() == 1 && left[0]["id"] == id && left[0]["state"] == created["state"],
        "create, start and remove as notifications turned {created} into {left:?}"
    );
    Ok(())
}

fn many_errors(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    for round in 0..100 {
        for line in ["nonsense", "[]", r#"{"jsonrpc":"2.0"}"#] {
            driver.raw(format!("{line}\n").as_bytes());
        }
        let id = driver.request("no-such-method", &json!({}));
        let answer = driver.answer_within(id, cx.suite.patience)?;
        ensure!(answer.is_err(), "an unknown method succeeded after {} errors", round * 4);
    }
    driver.raw(format!("{}\n", list(900)).as_bytes());
    listed(&mut driver, 900)?;
    driver.shutdown()
}

type Members = serde_json::Map<String, Value>;

/// Goes through a session in which every object of every request has further members.
fn extra_fields(cx: &Cx, add: &dyn Fn(&mut Members)) -> Result<(), Stop> {
    let mut driver = cx.start()?;
    let mut call = |method: &str, mut params: Value| {
        widen(&mut params, add);
        let id = driver.new_id();
        let mut frame = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        frame.as_object_mut().into_iter().for_each(add);
        driver.send(&frame);
        let is_change = ["create", "start", "stop", "remove"].contains(&method);
        let answer = if is_change { driver.answer(id) } else { driver.answer_within(id, cx.suite.patience) };
        answer?.map_err(|fault| Stop::Failed(format!("{method} answered {fault}, with {frame}")))
    };
    for method in ["type", "flags"] {
        call(method, json!({}))?;
    }
    let mut session = initialize(&cx.storage());
    session["limits"] = json!({});
    session["capabilities"] = json!({});
    call("initialize", session)?;
    for (_, method) in OPTIONAL.iter().take(2).filter(|(capability, _)| cx.declares(capability)) {
        call(method, json!({}))?;
    }
    let mut workspace = cx.workspace();
    workspace["network"] = json!({"mode": "allow"});
    workspace["limits"] = json!({});
    workspace["files"] = json!([{"path": "file", "contentBase64": ""}]);
    let id = crate::cx::id_of(&call("create", workspace)?);
    call("start", start(&id))?;
    call("info", of(&id))?;
    call("list", json!({"workspaceIds": []}))?;
    if cx.declares("terminal") {
        call("terminal", json!({"id": id, "command": ["true"]}))?;
    }
    call("stop", json!({"id": id, "graceSeconds": 0}))?;
    call("remove", of(&id))?;
    call("shutdown", json!({})).map(|_| ())
}

/// Adds members to every object with fixed fields.
fn widen(value: &mut Value, add: &dyn Fn(&mut Members)) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| widen(item, add)),
        Value::Object(members) => {
            // The members of these are the user's.
            let fixed =
                members.iter_mut().filter(|(name, _)| !["options", "secretValues"].contains(&name.as_str()));
            fixed.for_each(|(_, member)| widen(member, add));
            add(members);
        }
        _ => {}
    }
}
