//! Defects of profile `core`: wrong params that are taken, or refused otherwise than they are to be.

use kdn_protocol::ErrorKind::Internal;
use serde_json::{Value, json};

use super::{
    Defect, defect,
    json::{forget, object, set, set_kind},
};

pub(super) const TABLE: &[Defect] = &[
    defect("answers-missing-fields-with-internal", "WIRE-32", |shim| {
        shim.on_error(["create", "start", "stop", "remove", "info", "terminal"], |error, request, _| {
            if error["code"] == json!(-32602) && request.params.is_object() {
                set_kind(error, Internal);
            }
        });
    }),
    defect("takes-numbers-for-ids", "WIRE-32", |shim| {
        shim.on_params(["start", "stop", "remove", "info", "dashboard"], |params, _| {
            if let Some(number) = params.get("id").filter(|id| id.is_number()).map(Value::to_string) {
                set(params, "id", number);
            }
        });
    }),
    defect("takes-text-for-numbers", "WIRE-32", |shim| {
        shim.on_params("stop", |params, _| {
            if params.get("graceSeconds").is_some_and(|grace| !grace.is_u64()) {
                forget(params, "graceSeconds");
            }
        });
    }),
    defect("needs-no-network-to-start", "WIRE-32", |shim| {
        shim.on_params("start", |params, _| {
            object(params, "network");
        });
    }),
    defect("needs-no-name-of-its-host", "WIRE-32", |shim| {
        shim.on_params("initialize", |params, _| {
            if let Some(host) =
                params.get_mut("host").filter(|host| host.is_object() && host.get("name").is_none())
            {
                set(host, "name", "somebody");
            }
        });
    }),
    defect("takes-odd-cursors-for-none", "WIRE-32", |shim| {
        shim.on_params("list", |params, _| {
            if params.get("cursor").is_some_and(|cursor| !cursor.is_string()) {
                forget(params, "cursor");
            }
        });
    }),
];
