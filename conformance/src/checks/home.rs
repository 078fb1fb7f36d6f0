//! The files of a workspace in its home.

use std::fs;

use serde_json::{Value, json};

use super::{
    instances::{installing, stop, with},
    workspace::{expect, file, inside, run_with},
};
use crate::{
    check::{Check, Need},
    cx::{Cx, id_of, start},
    stop::{Stop, ensure},
};

const TERMINAL: &[Need] = &[Need::Capability("terminal")];

pub(super) const CHECKS: &[Check] = &[
    Check::new("lifecycle/file-content", "files have their content", &["WORK-06"], file_content)
        .needs(TERMINAL),
    Check::new("lifecycle/file-source-copied", "files are copied from the host", &["WORK-06"], file_copied)
        .needs(TERMINAL),
    Check::new("lifecycle/file-modes", "files have their mode", &["WORK-06"], file_modes).needs(TERMINAL),
    Check::new("lifecycle/file-default-mode", "files without a mode have 600", &["WORK-06"], default_mode)
        .needs(TERMINAL),
    Check::new("lifecycle/file-executable", "a file with mode 755 can be run", &["WORK-06"], executable)
        .needs(TERMINAL),
    Check::new("lifecycle/file-folders", "the folders above files are made", &["WORK-06"], file_folders)
        .needs(TERMINAL),
    Check::new("lifecycle/file-writable", "commands can read and write files", &["WORK-07"], file_writable)
        .needs(TERMINAL),
    Check::new(
        "lifecycle/file-through-link",
        "no file is written through a symbolic link that leads out of the home",
        &["WORK-08"],
        through_link,
    ),
    Check::new(
        "lifecycle/file-through-mounted-link",
        "no file is written through a symbolic link in a mount in the home",
        &["WORK-08"],
        through_mounted_link,
    )
    .needs(&[Need::Capability("bindMounts"), Need::Isolated]),
    Check::new(
        "lifecycle/host-files-gone",
        "the host's files are not needed after create",
        &["WORK-10"],
        host_files_gone,
    )
    .slow(),
];

fn file_content(cx: &mut Cx) -> Result<(), Stop> {
    let bytes: Vec<u8> = (0..=255).collect();
    let large = "0123456789abcdef".repeat(4096);
    let files = json!([file("all", &bytes), file("none", b""), file("large", large.as_bytes())]);
    let id = run_with(cx, "files", files)?;
    let output = cx.run(&id, &["/bin/sh", "-c", "cat \"$HOME/all\""])?;
    ensure!(output.stdout == bytes, "a file of all bytes is inside: {output}");
    let sizes = "cd \"$HOME\" && wc -c < none && wc -c < large";
    let sizes = cx.sh(&id, sizes)?.split_whitespace().collect::<Vec<_>>().join(" ");
    expect(&sizes, "0 65536", "the sizes of two files")
}

fn file_copied(cx: &mut Cx) -> Result<(), Stop> {
    let source = cx.write("host/file", "from the host\n")?;
    let id = run_with(cx, "files", json!([{"path": ".config/copied", "source": source}]))?;
    expect(&cx.sh(&id, "cat \"$HOME/.config/copied\"")?, "from the host\n", "a file copied from the host")
}

fn file_modes(cx: &mut Cx) -> Result<(), Stop> {
    // The source's own mode does not count.
    let source = cx.write("host/file", "")?;
    let modes = [0o600, 0o644, 0o640, 0o755, 0o400, 0o666, 0o777];
    let files = modes.map(|mode| with(file(&format!("f{mode:o}"), b""), "mode", json!(mode)));
    let copied = json!({"path": "f700", "source": source, "mode": 0o700});
    let files: Vec<Value> = files.into_iter().chain([copied]).collect();
    let id = run_with(cx, "files", json!(files))?;
    let script = "cd \"$HOME\" && for f in f*; do printf '%s ' \"$f:$(stat -c %a \"$f\")\"; done";
    let due = "f400:400 f600:600 f640:640 f644:644 f666:666 f700:700 f755:755 f777:777 ";
    expect(&cx.sh(&id, script)?, due, "names and modes of files")
}

fn default_mode(cx: &mut Cx) -> Result<(), Stop> {
    let id = run_with(cx, "files", json!([file("plain", b"")]))?;
    expect(&cx.sh(&id, "stat -c %a \"$HOME/plain\"")?, "600\n", "the mode of a file without a mode")
}

fn executable(cx: &mut Cx) -> Result<(), Stop> {
    let tool = with(file(".local/bin/tool", b"#!/bin/sh\necho ran\n"), "mode", json!(0o755));
    let id = run_with(cx, "files", json!([tool]))?;
    expect(&cx.sh(&id, "\"$HOME/.local/bin/tool\"")?, "ran\n", "what a script with mode 755 printed")
}

fn file_folders(cx: &mut Cx) -> Result<(), Stop> {
    let files = json!([file("a/b/c/d", b"1"), file("a/b/e", b"2"), file("a/ f", b"3"), file("größe", b"4")]);
    let id = run_with(cx, "files", files)?;
    let script = "cd \"$HOME\" && cat a/b/c/d a/b/e 'a/ f' größe && echo 5 > a/b/c/new";
    expect(&cx.sh(&id, script)?, "1234", "the content of four files in folders")
}

fn file_writable(cx: &mut Cx) -> Result<(), Stop> {
    let id = run_with(cx, "files", json!([file("plain", b"a\n")]))?;
    expect(&cx.sh(&id, "cd \"$HOME\" && echo b >> plain && cat plain")?, "a\nb\n", "a file after a line more")
}

/// Whatever comes first, the link or the file, nothing may arrive where the link points to.
fn through_link(cx: &mut Cx) -> Result<(), Stop> {
    fs::create_dir(cx.sources().join("outside"))?;
    let outside = format!("{}/outside", inside(cx)?);
    let workspace = with(cx.workspace(), "files", json!([file("link/canary", b"escaped")]));
    let workspace = installing(workspace, &[&format!("ln -s '{outside}' \"$HOME/link\" || true")]);
    let mut driver = cx.open()?;
    // It may also fail, and so refuse the link.
    if let Ok(instance) = driver.call("create", &workspace)? {
        let _ = driver.call("start", &start(&id_of(&instance)))?;
    }
    let found = cx.sources().join("outside/canary");
    ensure!(!found.exists(), "the file link/canary was written to {} through the link", found.display());
    Ok(())
}

#[cfg(unix)]
fn through_mounted_link(cx: &mut Cx) -> Result<(), Stop> {
    let (mounted, outside) = (cx.dir().join("mounted"), cx.dir().join("outside"));
    fs::create_dir(&mounted)?;
    fs::create_dir(&outside)?;
    std::os::unix::fs::symlink("../outside", mounted.join("link"))?;
    let home = cx.manifest()?.workspace_home.clone().unwrap_or_default();
    let mut workspace = with(cx.workspace(), "files", json!([file("mounted/link/canary", b"escaped")]));
    workspace["mounts"] = json!([{"host": mounted, "target": format!("{home}/mounted")}]);
    let mut driver = cx.open()?;
    if let Ok(instance) = driver.call("create", &workspace)? {
        let _ = driver.call("start", &start(&id_of(&instance)))?;
    }
    let found = outside.join("canary");
    ensure!(!found.exists(), "a file was written to {} through a link in a mount", found.display());
    Ok(())
}

#[cfg(not(unix))]
fn through_mounted_link(_: &mut Cx) -> Result<(), Stop> {
    Err(Stop::Skipped("there are other links here".into()))
}

fn host_files_gone(cx: &mut Cx) -> Result<(), Stop> {
    let source = cx.write("host/file", "from the host\n")?;
    let mut workspace = with(cx.workspace(), "files", json!([{"path": "copied", "source": source}]));
    if cx.declares("features") {
        cx.write("host/feature/install.sh", "#!/bin/sh\n")?;
        workspace["features"] = json!([{"id": "local", "directory": cx.dir().join("host/feature")}]);
    }
    let mut driver = cx.open()?;
    let id = id_of(&driver.ok("create", &workspace)?);
    fs::remove_dir_all(cx.dir().join("host"))?;
    for _ in 0..2 {
        driver.ok("start", &start(&id))?;
        if cx.declares("terminal") {
            let is = cx.sh(&id, "cat \"$HOME/copied\"")?;
            expect(&is, "from the host\n", "a file whose source was removed after create")?;
        }
        driver.ok("stop", &stop(&id))?;
    }
    Ok(())
}
