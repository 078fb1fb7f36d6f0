//! Files and folders of the host inside an instance.

use std::fs;

use serde_json::{Value, json};

use crate::{
    check::{Check, Need},
    cx::Cx,
    stop::{Stop, ensure},
};

use super::files;

const NEEDS: &[Need] = &[Need::Capability("bindMounts"), Need::Capability("terminal"), Need::Local];

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "bind-mounts/folder",
        "a folder is there, and each side sees at once what the other writes",
        &["CAP-21"],
        folder,
    )
    .needs(NEEDS),
    Check::new(
        "bind-mounts/file",
        "a file is there, and each side sees at once what the other writes",
        &["CAP-21"],
        file,
    )
    .needs(NEEDS),
    Check::new(
        "bind-mounts/in-sources",
        "a mount may lie in the sources and in the home",
        &["CAP-21"],
        in_sources,
    )
    .needs(NEEDS),
    Check::new("bind-mounts/read-only", "a read-only mount refuses writes", &["CAP-22"], read_only)
        .needs(NEEDS),
    Check::new(
        "bind-mounts/untouched",
        "removing an instance leaves what was mounted as it is",
        &["REMOVE-04"],
        untouched,
    )
    .needs(NEEDS),
];

fn running(cx: &Cx, mounts: &Value) -> Result<String, Stop> {
    let mut workspace = cx.workspace();
    workspace["mounts"] = mounts.clone();
    cx.running(&mut cx.open()?, &workspace)
}

fn folder(cx: &mut Cx) -> Result<(), Stop> {
    cx.write("shared/from-host", "host")?;
    let shared = cx.dir().join("shared");
    let id = running(cx, &json!([{"host": shared, "target": "/mnt/shared"}]))?;
    let seen = cx.sh(&id, "cat /mnt/shared/from-host; printf inside > /mnt/shared/from-inside")?;
    ensure!(seen == "host", "the file of a mounted folder reads {seen:?} inside");
    let back = fs::read_to_string(shared.join("from-inside")).unwrap_or_default();
    ensure!(back == "inside", "a file that was written inside reads {back:?} on the host");
    cx.write("shared/later", "later")?;
    let seen = cx.sh(&id, "cat /mnt/shared/later")?;
    ensure!(seen == "later", "a file that was written on the host later reads {seen:?} inside");
    Ok(())
}

fn file(cx: &mut Cx) -> Result<(), Stop> {
    let host = cx.write("settings", "old\n")?;
    let id = running(cx, &json!([{"host": host, "target": "/mnt/settings"}]))?;
    let seen = cx.sh(&id, "cat /mnt/settings; echo new >> /mnt/settings")?;
    ensure!(seen == "old\n", "a mounted file reads {seen:?} inside");
    let back = fs::read_to_string(&host).unwrap_or_default();
    ensure!(back == "old\nnew\n", "a mounted file that was written inside reads {back:?} on the host");
    Ok(())
}

fn in_sources(cx: &mut Cx) -> Result<(), Stop> {
    cx.write("shared/from-host", "host")?;
    let manifest = cx.manifest()?;
    let places = [&manifest.workspace_sources_path, &manifest.workspace_home];
    let places: Vec<String> = places.into_iter().flatten().map(|place| format!("{place}/deep/er")).collect();
    let shared = cx.dir().join("shared");
    let mounts: Vec<Value> = places.iter().map(|target| json!({"host": shared, "target": target})).collect();
    let id = running(cx, &json!(mounts))?;
    for place in places {
        let seen = cx.sh(&id, &format!("cat {place}/from-host"))?;
        ensure!(seen == "host", "the file of a folder mounted at {place} reads {seen:?}");
    }
    Ok(())
}

fn read_only(cx: &mut Cx) -> Result<(), Stop> {
    let host = cx.write("shared/from-host", "host")?;
    let shared = cx.dir().join("shared");
    let id = running(
        cx,
        &json!([
            {"host": shared, "target": "/mnt/folder", "readOnly": true},
            {"host": host, "target": "/mnt/file", "readOnly": true},
        ]),
    )?;
    let script = "for f in /mnt/folder/from-host /mnt/folder/new /mnt/file; do \
                  (echo changed > $f) 2>/dev/null && echo wrote $f; done; \
                  rm -f /mnt/folder/from-host 2>/dev/null && echo removed; mkdir /mnt/folder/d 2>/dev/null && echo made; :";
    let seen = cx.sh(&id, script)?;
    let now = files::tree(&shared);
    let same = now.len() == 1 && now.get(&host).is_some_and(|content| content == b"host");
    ensure!(seen.is_empty() && same, "a read-only mount took writes: {seen:?}; on the host now: {now:?}");
    Ok(())
}

fn untouched(cx: &mut Cx) -> Result<(), Stop> {
    cx.write("shared/deep/file", "kept")?;
    let shared = cx.dir().join("shared");
    let before = files::tree(&shared);
    let id = running(cx, &json!([{"host": shared, "target": "/mnt/shared"}]))?;
    let mut driver = cx.open()?;
    driver.ok("stop", &json!({"id": id, "graceSeconds": 0}))?;
    driver.ok("remove", &json!({"id": id}))?;
    ensure!(files::tree(&shared) == before, "removing an instance changed the folder that was mounted in it");
    Ok(())
}
