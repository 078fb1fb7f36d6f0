//! Defects of profile `core`: errors (section 14 of the specification).

use kdn_protocol::ErrorKind::{AlreadyExists, BackendFailed, InstanceNotFound};
use serde_json::Value;

use super::{
    Defect, defect,
    hooks::{ANY, Flow},
    json::{edit, error, forget, json, kind, object, set},
};

pub(super) const TABLE: &[Defect] = &[
    defect("writes-codes-as-text", "ERR-01", |shim| {
        shim.on_error(["info", "start"], |error, _, _| {
            if kind(error) == "instance_not_found" {
                set(error, "code", "1001");
            }
        });
    }),
    defect("fails-without-a-message", "ERR-01", |shim| {
        shim.on_error(ANY, |error, _, _| {
            if kind(error) == "instance_not_found" {
                set(error, "message", "");
            }
        });
    }),
    defect("fails-without-a-kind", "ERR-02", |shim| {
        shim.on_error(ANY, |error, _, _| {
            if kind(error) == "instance_not_found" {
                forget(error, "data");
            }
        });
    }),
    defect("spells-kinds-otherwise", "ERR-02", |shim| {
        shim.on_error(ANY, |error, _, _| {
            if error["code"] == json!(InstanceNotFound.code()) {
                edit(&mut error["data"], "kind", |_| "instanceNotFound".into());
            }
        });
    }),
    defect("gives-codes-another-kind", "ERR-02", |shim| {
        shim.on_error(ANY, |error, _, _| {
            if kind(error) == "instance_not_found" {
                set(error, "code", AlreadyExists.code());
            }
        });
    }),
    defect("gives-plain-json-rpc-errors", "ERR-03", |shim| {
        shim.on_error(ANY, |error, _, _| {
            if error["code"].as_i64().is_some_and(i64::is_negative) {
                forget(error, "data");
            }
        });
    }),
    defect("invents-codes", "ERR-04", |shim| {
        shim.on_error(ANY, |error, _, _| {
            if kind(error) == "instance_not_found" {
                set(error, "code", -32004);
            }
        });
    }),
    defect("takes-a-vendor-code-for-its-own-kind", "ERR-04", |shim| {
        shim.on_error(ANY, |error, _, _| {
            if kind(error) == "instance_not_found" {
                set(error, "code", 2001);
            }
        });
    }),
    defect("writes-field-paths-as-pointers", "ERR-05", |shim| {
        shim.on_error(ANY, |error, _, _| {
            edit(&mut error["data"], "fieldPath", |path| {
                format!("/{}", path.replace(['.', '['], "/").replace(']', ""))
            });
        });
    }),
    defect("writes-indices-behind-dots", "ERR-05", |shim| {
        shim.on_error(ANY, |error, _, _| {
            edit(&mut error["data"], "fieldPath", |path| path.replace('[', ".").replace(']', ""));
        });
    }),
    defect("hides-the-command-that-failed", "ERR-06", |shim| {
        shim.on_answer("dashboard", |frame, _, _| {
            fail(frame, &Value::Null);
            Flow::Pass
        });
    }),
    defect("sends-all-of-stderr", "ERR-07", |shim| {
        shim.on_answer("dashboard", |frame, _, _| {
            fail(frame, &json!({"argv": ["backend"], "exitCode": 1, "stderrTail": "no\n".repeat(3000)}));
            Flow::Pass
        });
    }),
    defect("dies-of-its-own-faults", "ERR-08", |shim| {
        shim.on_error(ANY, |error, _, wire| {
            if kind(error) == "internal" {
                wire.die(101);
            }
        });
    }),
    defect("gives-no-hint-when-unavailable", "ERR-09", |shim| {
        shim.on_error(ANY, |error, _, _| {
            if kind(error) == "unavailable" {
                forget(&mut error["data"], "hints");
            }
        });
    }),
];

/// Makes a success the failure of a command.
fn fail(frame: &mut Value, command: &Value) {
    if forget(frame, "result").is_some() {
        let mut failed = error(BackendFailed, "backend port failed");
        if let Some(data) = object(&mut failed, "data").filter(|_| command.is_object()) {
            data.insert("command".into(), command.clone());
        }
        set(frame, "error", failed);
    }
}
