//! What a driver says of itself: `type`, `flags`, and the manifest of `initialize`.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::{
    check::{Check, Need},
    client::Driver,
    cx::{Cx, initialize},
    stop::{Stop, ensure},
};

use super::wire::soon;

/// The capabilities of the protocol.
const CAPABILITIES: [&str; 13] = [
    "status",
    "agents",
    "terminal",
    "dashboard",
    "cancellation",
    "networkPolicy",
    "ports",
    "features",
    "limits",
    "secrets",
    "secretEnvironment",
    "runtimeSecrets",
    "bindMounts",
];

pub(super) const CHECKS: &[Check] = &[
    Check::new("core/type-any-time", "type is answered at any time", &["TYPE-01"], |cx| any_time(cx, "type")),
    Check::new("core/type-soon", "type is answered within a second of the start", &["TYPE-02"], type_soon),
    Check::new("core/type-without-backend", "type is answered without the backend", &["TYPE-03"], |cx| {
        without_backend(cx, "type")
    })
    .needs(&[Need::Fixture("withoutBackend")]),
    Check::new("core/type-constant", "type is answered in the same way every time", &["TYPE-04"], |cx| {
        constant(cx, "type")
    }),
    Check::new("core/flags-any-time", "flags is answered at any time", &["FLAG-01"], |cx| {
        any_time(cx, "flags")
    }),
    Check::new("core/flags-without-backend", "flags is answered without the backend", &["FLAG-02"], |cx| {
        without_backend(cx, "flags")
    })
    .needs(&[Need::Fixture("withoutBackend")]),
    Check::new("core/flags-constant", "flags is answered in the same way every time", &["FLAG-03"], |cx| {
        constant(cx, "flags")
    }),
    Check::new("core/flag-names", "no two flags have the same name", &["FLAG-04"], flag_names),
    Check::new("core/flag-prefix", "the names of flags begin with the type", &["FLAG-05"], flag_prefix),
    Check::new(
        "core/initialize-without-backend",
        "initialize is answered without the backend",
        &["INIT-04"],
        |cx| without_backend(cx, "initialize"),
    )
    .needs(&[Need::Fixture("withoutBackend")]),
    Check::new(
        "core/effective-capabilities",
        "initialize declares nothing that type does not declare",
        &["INIT-05"],
        effective_capabilities,
    ),
    Check::new(
        "core/same-manifest",
        "apart from capabilities, initialize and type tell the same",
        &["INIT-06"],
        same_manifest,
    ),
    Check::new("core/capability-names", "capabilities have the names of the protocol", &["WIRE-44"], names),
    Check::new("core/type-name", "the type is the suffix of the executable's name", &["MAN-01"], type_name),
    Check::new("core/versions", "the driver speaks at least one version", &["MAN-02"], versions),
    Check::new("core/inside-paths", "the paths inside are absolute and plain", &["MAN-03"], inside_paths)
        .needs(&[Need::Isolated]),
    Check::new(
        "core/no-inside-paths",
        "a driver that does not isolate names no paths",
        &["MAN-05"],
        no_paths,
    )
    .needs(&[Need::NotIsolated]),
    Check::new("core/display-name", "the driver has a name and a version", &["MAN-04"], display_name),
];

/// The manifest as `type` tells it.
fn told(cx: &Cx) -> Result<Value, Stop> {
    let mut driver = cx.start()?;
    let manifest = driver.ok("type", &json!({}))?;
    driver.close_stdin();
    Ok(manifest)
}

/// The manifests of `type` and `initialize`.
fn both(cx: &Cx) -> Result<[Value; 2], Stop> {
    let mut driver = cx.start()?;
    let told = driver.ok("type", &json!({}))?;
    let opened = driver.ok("initialize", &initialize(&cx.storage()))?;
    driver.shutdown()?;
    Ok([told, opened["manifest"].clone()])
}

fn any_time(cx: &Cx, method: &str) -> Result<(), Stop> {
    let mut driver = cx.start()?;
    let ask = |driver: &mut Driver, when: &str| {
        let answer = driver.call(method, &json!({}))?;
        answer.map(drop).map_err(|fault| Stop::Failed(format!("{method} {when} answered {fault}")))
    };
    ask(&mut driver, "before initialize")?;
    driver.ok("initialize", &initialize(&cx.storage()))?;
    ask(&mut driver, "after initialize")?;
    driver.ok("shutdown", &json!({}))?;
    ask(&mut driver, "after shutdown")
}

fn constant(cx: &Cx, method: &str) -> Result<(), Stop> {
    let mut answers = Vec::new();
    for _ in 0..2 {
        let mut driver = cx.start()?;
        answers.push(driver.ok(method, &json!({}))?);
        driver.ok("initialize", &initialize(&cx.storage()))?;
        answers.push(driver.ok(method, &json!({}))?);
        driver.shutdown()?;
    }
    let other = answers.iter().find(|answer| **answer != answers[0]);
    ensure!(
        other.is_none(),
        "{method} answered {} first, and then {}",
        answers[0],
        other.unwrap_or(&Value::Null)
    );
    Ok(())
}

fn type_soon(cx: &mut Cx) -> Result<(), Stop> {
    soon(cx, "to start and to answer type", || cx.start()?.ok("type", &json!({})).map(drop))
}

fn without_backend(cx: &Cx, method: &str) -> Result<(), Stop> {
    let mut launch = cx.launch();
    launch.env.extend(cx.suite.fixture.without_backend.clone());
    let mut driver = Driver::start(&launch)?;
    let params = if method == "initialize" { initialize(&cx.storage()) } else { json!({}) };
    driver.ok(method, &params).map(drop)
}

/// The names of the flags, in their order.
fn flags(cx: &Cx) -> Result<Vec<String>, Stop> {
    let mut driver = cx.start()?;
    let flags = driver.ok("flags", &json!({}))?["flags"].clone();
    driver.close_stdin();
    let flags = flags.as_array().into_iter().flatten();
    Ok(flags.filter_map(|flag| flag["name"].as_str().map(str::to_owned)).collect())
}

fn flag_names(cx: &mut Cx) -> Result<(), Stop> {
    let names = flags(cx)?;
    let mut seen = BTreeSet::new();
    let twice = names.iter().find(|name| !seen.insert(*name));
    ensure!(twice.is_none(), "two flags are called {twice:?}");
    Ok(())
}

fn flag_prefix(cx: &mut Cx) -> Result<(), Stop> {
    let told = told(cx)?;
    let prefix = format!("{}-", told["type"].as_str().unwrap_or_default());
    let other = flags(cx)?.into_iter().find(|name| !name.starts_with(&prefix));
    ensure!(other.is_none(), "the flag {other:?} does not begin with {prefix:?}");
    Ok(())
}

/// What is declared: the names, and the members of each that are not `false`.
fn declared(manifest: &Value) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for (name, value) in manifest["capabilities"].as_object().unwrap_or(&Map::new()) {
        all.insert(name.clone());
        for (member, value) in value.as_object().into_iter().flatten() {
            match value {
                Value::Bool(true) => _ = all.insert(format!("{name}.{member}")),
                Value::Array(items) => all.extend(items.iter().map(|item| format!("{name}.{member} {item}"))),
                _ => {}
            }
        }
    }
    all
}

fn effective_capabilities(cx: &mut Cx) -> Result<(), Stop> {
    let [told, opened] = both(cx)?;
    let (told, opened) = (declared(&told), declared(&opened));
    let more: Vec<&String> = opened.difference(&told).collect();
    ensure!(more.is_empty(), "initialize declares {more:?}, which type does not");
    Ok(())
}

fn same_manifest(cx: &mut Cx) -> Result<(), Stop> {
    let defaults = json!({
        "description": "", "local": true, "isolated": true, "experimental": false, "hidden": false,
    });
    let [told, opened] = both(cx)?.map(|manifest| {
        let mut all = defaults.as_object().cloned().unwrap_or_default();
        all.extend(manifest.as_object().cloned().unwrap_or_default());
        all.remove("capabilities");
        all.remove("_meta");
        all
    });
    for (name, value) in &told {
        let other = opened.get(name).unwrap_or(&Value::Null);
        ensure!(other == value, "{name} is {value} in type, and {other} in initialize");
    }
    let more = opened.keys().find(|name| !told.contains_key(*name));
    ensure!(more.is_none(), "initialize tells {more:?}, which type does not");
    Ok(())
}

fn names(cx: &mut Cx) -> Result<(), Stop> {
    for manifest in both(cx)? {
        let capabilities = manifest["capabilities"].as_object().cloned().unwrap_or_default();
        let own = capabilities.keys().find(|name| {
            let vendor = name.strip_prefix("x-").and_then(|name| name.split_once('/'));
            let is_vendors = vendor.is_some_and(|(vendor, name)| !vendor.is_empty() && !name.is_empty());
            !is_vendors && *name != "_meta" && !CAPABILITIES.contains(&name.as_str())
        });
        ensure!(
            own.is_none(),
            "the capability {own:?} is not one of the protocol, and does not begin with x-<vendor>/"
        );
    }
    Ok(())
}

fn type_name(cx: &mut Cx) -> Result<(), Stop> {
    let told = told(cx)?;
    let file = cx.suite.program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let name = file.strip_suffix(".exe").unwrap_or(&file);
    let suffix = name.strip_prefix("kdn-runtime-");
    ensure!(suffix.is_some(), "the executable is called {file:?}, and not kdn-runtime-<type>");
    ensure!(told["type"].as_str() == suffix, "{file} says that its type is {}", told["type"]);
    Ok(())
}

fn versions(cx: &mut Cx) -> Result<(), Stop> {
    let versions = told(cx)?["protocolVersions"].clone();
    ensure!(
        versions.as_array().is_some_and(|all| !all.is_empty() && all.iter().all(Value::is_u64)),
        "protocolVersions are {versions}"
    );
    Ok(())
}

fn inside_paths(cx: &mut Cx) -> Result<(), Stop> {
    let told = told(cx)?;
    for field in ["workspaceSourcesPath", "workspaceHome"] {
        let path = told[field].as_str().unwrap_or_default();
        let is_plain = path.starts_with('/') && path.split('/').all(|part| part != "." && part != "..");
        ensure!(is_plain, "{field} is {}, which is no absolute path without . and ..", told[field]);
    }
    Ok(())
}

fn no_paths(cx: &mut Cx) -> Result<(), Stop> {
    let told = told(cx)?;
    for field in ["workspaceSourcesPath", "workspaceHome"] {
        ensure!(told.get(field).is_none(), "{field} is {}, though isolated is false", told[field]);
    }
    Ok(())
}

fn display_name(cx: &mut Cx) -> Result<(), Stop> {
    let told = told(cx)?;
    for field in ["displayName", "version"] {
        ensure!(told[field].as_str().is_some_and(|text| !text.is_empty()), "{field} is {}", told[field]);
    }
    Ok(())
}
