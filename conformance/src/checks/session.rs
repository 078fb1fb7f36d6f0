//! How a session is opened, what it needs, and what it leaves on disk before anything is made.

use serde_json::{Value, json};

use crate::{
    check::Check,
    client::Driver,
    cx::{Cx, id_of, initialize, of},
    stop::{Stop, ensure, fail},
};

use super::wire::{INVALID_PARAMS, METHOD_NOT_FOUND, coded, methods, soon};

/// A version that no driver speaks.
const FUTURE: u64 = 999_999;

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "core/not-initialized",
        "nothing but type, flags and initialize works before initialize",
        &["LIFE-12"],
        not_initialized,
    ),
    Check::new("core/initialize-twice", "a session is opened once", &["LIFE-13"], initialize_twice),
    Check::new(
        "core/after-shutdown",
        "nothing but type and flags works after shutdown",
        &["LIFE-14"],
        after_shutdown,
    ),
    Check::new("core/highest-version", "the highest common version is chosen", &["INIT-01"], highest_version),
    Check::new("core/future-versions", "unknown versions are no obstacle", &["VER-01"], future_versions),
    Check::new(
        "core/no-common-version",
        "without a common version, the driver names its own",
        &["INIT-02", "VER-02"],
        no_common_version,
    ),
    Check::new(
        "core/initialize-again",
        "after an initialize that failed, another may succeed",
        &["INIT-03"],
        initialize_again,
    ),
    Check::new(
        "core/relative-storage",
        "a relative storage folder is refused",
        &["INIT-07"],
        relative_storage,
    ),
    Check::new("core/declared-methods", "every declared method is there", &["CAP-01"], declared_methods),
    Check::new("core/lazy-storage", "to look makes no storage folder", &["LIFE-18"], lazy_storage),
    #[cfg(unix)]
    Check::new("core/storage-mode", "the storage folder is its owner's alone", &["LIFE-17"], storage_mode),
    Check::new("core/survives-failure", "a failure does not end the driver", &["ERR-08"], survives_failure),
    Check::new(
        "core/answers-soon",
        "what is no change is answered within a second",
        &["DEAD-04"],
        answers_soon,
    ),
];

/// Calls methods that all have to be refused as `not_initialized`.
fn refused(driver: &mut Driver, methods: &[&str], when: &str) -> Result<(), Stop> {
    for method in methods {
        for params in [json!({}), json!({"id": 5, "command": "x", "workspaceIds": 5}), json!([])] {
            match driver.call(method, &params)? {
                Err(fault) if fault.kind == "not_initialized" => {}
                Err(fault) => {
                    fail!("{method} {when} answered {fault} to {params}, where not_initialized was due")
                }
                Ok(_) => fail!("{method} {when} succeeded with {params}, where not_initialized was due"),
            }
        }
    }
    Ok(())
}

fn not_initialized(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.start()?;
    refused(&mut driver, &methods(cx), "before initialize")?;
    driver.ok("initialize", &initialize(&cx.storage()))?;
    driver.shutdown()
}

fn initialize_twice(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let other = cx.other_storage();
    for storage in [&cx.storage(), &other] {
        driver.refused("initialize", &initialize(storage), "not_initialized")?;
    }
    driver.ok("list", &json!({}))?;
    driver.shutdown()
}

fn after_shutdown(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    driver.ok("shutdown", &json!({}))?;
    refused(&mut driver, &methods(cx), "after shutdown")?;
    driver.refused("initialize", &initialize(&cx.storage()), "not_initialized").map(drop)
}

fn with_versions(cx: &Cx, versions: &Value) -> Value {
    let mut params = initialize(&cx.storage());
    params["protocolVersions"] = versions.clone();
    params
}

fn highest_version(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.start()?;
    let own = driver.ok("type", &json!({}))?["protocolVersions"].clone();
    let highest = own.as_array().into_iter().flatten().filter_map(Value::as_u64).max();
    let opened = driver.ok("initialize", &with_versions(cx, &own))?;
    ensure!(
        opened["protocolVersion"].as_u64() == highest,
        "offered {own}, which is all that it speaks, the driver chose version {}",
        opened["protocolVersion"]
    );
    driver.shutdown()
}

fn future_versions(cx: &mut Cx) -> Result<(), Stop> {
    for versions in [json!([1, FUTURE]), json!([FUTURE, 1])] {
        let mut driver = cx.start()?;
        let opened = driver.ok("initialize", &with_versions(cx, &versions))?;
        ensure!(
            opened["protocolVersion"] == 1,
            "offered {versions}, the driver chose version {}",
            opened["protocolVersion"]
        );
        driver.shutdown()?;
    }
    Ok(())
}

fn no_common_version(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.start()?;
    let own = driver.ok("type", &json!({}))?["protocolVersions"].clone();
    let params = with_versions(cx, &json!([FUTURE]));
    let fault = driver.refused("initialize", &params, "version_mismatch")?;
    let sorted = |list: &Value| {
        let mut all: Vec<u64> = list.as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
        all.sort_unstable();
        all
    };
    ensure!(
        sorted(&fault.data["supported"]) == sorted(&own),
        "supported of version_mismatch is {}, though the driver speaks {own}",
        fault.data["supported"]
    );
    Ok(())
}

fn initialize_again(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.start()?;
    for params in [with_versions(cx, &json!([FUTURE])), json!({"protocolVersions": [1]})] {
        let refused = driver.call("initialize", &params)?;
        ensure!(refused.is_err(), "initialize with {params} succeeded");
    }
    driver.ok("initialize", &initialize(&cx.storage()))?;
    driver.ok("list", &json!({}))?;
    driver.shutdown()
}

fn relative_storage(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.start()?;
    for path in ["kdn-check/storage", "./storage", ""] {
        let mut params = initialize(&cx.storage());
        params["storageDir"] = json!(path);
        coded(&mut driver, "initialize", &params, INVALID_PARAMS)?;
    }
    driver.ok("initialize", &initialize(&cx.storage()))?;
    driver.shutdown()
}

fn declared_methods(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let mut all = methods(cx);
    all.retain(|method| *method != "shutdown");
    for method in all {
        if let Err(fault) = driver.call(method, &json!({}))? {
            ensure!(fault.code != METHOD_NOT_FOUND, "{method} is declared, and answered {fault}");
        }
    }
    driver.shutdown()
}

fn lazy_storage(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.start()?;
    let storage = cx.storage();
    let look = |method: &str| {
        ensure!(!storage.exists(), "after {method}, the storage folder is there, though nothing was made");
        Ok(())
    };
    for (method, params) in [
        ("type", json!({})),
        ("flags", json!({})),
        ("initialize", initialize(&storage)),
        ("list", json!({})),
        ("list", json!({"workspaceIds": [crate::cx::random_id()]})),
        ("info", of("no-such-instance")),
    ] {
        let _ = driver.call(method, &params)?;
        look(method)?;
    }
    for (capability, method) in [("status", "status"), ("agents", "listAgents")] {
        if cx.declares(capability) {
            driver.ok(method, &json!({}))?;
            look(method)?;
        }
    }
    driver.shutdown()?;
    look("shutdown")
}

#[cfg(unix)]
fn storage_mode(cx: &mut Cx) -> Result<(), Stop> {
    use std::os::unix::fs::PermissionsExt;

    let mut driver = cx.open()?;
    driver.ok("create", &cx.workspace())?;
    driver.shutdown()?;
    let Ok(metadata) = cx.storage().metadata() else {
        return Err(Stop::Skipped("the driver keeps nothing in its storage folder".into()));
    };
    let mode = metadata.permissions().mode() & 0o7777;
    ensure!(mode == 0o700, "the driver made its storage folder with mode {mode:04o}, and not 0700");
    Ok(())
}

/// With a file in the place of the storage folder, little can work.
fn survives_failure(cx: &mut Cx) -> Result<(), Stop> {
    let storage = cx.write("no-folder", "")?;
    let mut driver = cx.start()?;
    if driver.call("initialize", &initialize(&storage))?.is_ok() {
        let _ = driver.call("list", &json!({}))?;
        let _ = driver.call("create", &cx.workspace())?;
        let _ = driver.call("remove", &of("no-such-instance"))?;
    }
    driver.ok("type", &json!({})).map(drop)
}

fn answers_soon(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let id = id_of(&driver.ok("create", &cx.workspace())?);
    let mut calls = vec![("type", json!({})), ("flags", json!({})), ("list", json!({})), ("info", of(&id))];
    let optional = [
        ("status", "status", json!({})),
        ("agents", "listAgents", json!({})),
        ("terminal", "terminal", json!({"id": id, "command": ["/bin/sh"]})),
        ("dashboard", "dashboard", of(&id)),
    ];
    let declared = optional.into_iter().filter(|(capability, ..)| cx.declares(capability));
    calls.extend(declared.map(|(_, method, params)| (method, params)));
    for (method, params) in calls {
        soon(cx, method, || driver.call(method, &params).map(drop))?;
    }
    driver.shutdown()
}
