//! What a sandbox costs from the user's seat, against bubblewrap doing the same once.

#![expect(clippy::disallowed_methods, reason = "benchmarks start processes of their own")]

#[expect(dead_code, reason = "each benchmark uses a part of it")]
mod support;

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Instant,
};

const AT_ONCE: usize = 30;

/// What a sandbox shows of `/etc` on a Debian machine.
const ETC: [&str; 30] = [
    "/etc/alternatives",
    "/etc/bash.bashrc",
    "/etc/ca-certificates",
    "/etc/ca-certificates.conf",
    "/etc/debian_version",
    "/etc/fonts",
    "/etc/gai.conf",
    "/etc/group",
    "/etc/host.conf",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/inputrc",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/locale.alias",
    "/etc/localtime",
    "/etc/login.defs",
    "/etc/networks",
    "/etc/nsswitch.conf",
    "/etc/os-release",
    "/etc/passwd",
    "/etc/perl",
    "/etc/profile",
    "/etc/profile.d",
    "/etc/resolv.conf",
    "/etc/shells",
    "/etc/ssl",
    "/etc/terminfo",
    "/etc/timezone",
];

fn main() {
    if !cfg!(target_os = "linux") {
        support::say!("skipped: sandboxes need Linux");
        return;
    }
    let storage = tempfile::tempdir().expect("a temporary folder");
    let project = tempfile::tempdir().expect("a temporary folder");
    run(kdn(storage.path(), &["init", "--runtime", "sandbox", "--agent", "shell", "--name", "bench"])
        .arg(project.path()));
    start_and_true(storage.path(), project.path());
    at_once(storage.path(), project.path());
}

fn start_and_true(storage: &Path, project: &Path) {
    if Command::new("bwrap").arg("--version").stdout(Stdio::null()).status().is_err() {
        support::say!("skipped: bwrap not found");
        return;
    }
    let subject = || {
        run(&mut kdn(storage, &["start", "bench"]));
        run(&mut kdn(storage, &["terminal", "bench", "--", "true"]));
    };
    let home = tempfile::tempdir().expect("a temporary folder");
    let reference = || run(&mut bubblewrap(home.path(), project));
    // The stop between two rounds belongs to neither side.
    let stopped = || run(&mut kdn(storage, &["stop", "bench"]));
    let pair = support::pair_with(60, subject, reference, stopped);
    pair.report("kdn start + kdn terminal -- true", "bwrap true with the same mounts", 3.0);
}

fn at_once(storage: &Path, project: &Path) {
    let names: Vec<String> = (0..AT_ONCE).map(|number| format!("many-{number}")).collect();
    for name in &names {
        run(kdn(storage, &["init", "--runtime", "sandbox", "--agent", "shell", "--name", name]).arg(project));
    }
    for verb in ["start", "stop"] {
        let start = Instant::now();
        let children: Vec<Child> = names
            .iter()
            .map(|name| kdn(storage, &[verb, name]).stdout(Stdio::null()).spawn().expect("kdn runs"))
            .collect();
        for mut child in children {
            assert!(child.wait().expect("kdn ends").success());
        }
        support::say!("kdn {verb} of {AT_ONCE} sandboxes at once: {:.0?}", start.elapsed());
    }
}

fn kdn(storage: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(support::executable("kdn"));
    command.args(args).args(["--progress", "none"]).env("KDN_STORAGE", storage);
    if let Some(separator) = args.iter().position(|arg| *arg == "--") {
        command = Command::new(support::executable("kdn"));
        command.args(["--storage".as_ref(), storage.as_os_str()]).args(&args[..separator]);
        command.args(["--progress", "none"]).args(&args[separator..]);
    }
    command.stdin(Stdio::null());
    command
}

/// A sandbox of the same namespaces and, as far as they count, the same mounts.
fn bubblewrap(home: &Path, project: &Path) -> Command {
    let mut command = Command::new("bwrap");
    command.args(["--unshare-all", "--share-net", "--uid", "1000", "--gid", "1000", "--cap-drop", "ALL"]);
    command.args(["--ro-bind", "/usr", "/usr", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]);
    for (target, link) in
        [("usr/bin", "/bin"), ("usr/sbin", "/sbin"), ("usr/lib", "/lib"), ("usr/lib64", "/lib64")]
    {
        command.args(["--symlink", target, link]);
    }
    for place in ["/opt"].into_iter().chain(ETC) {
        if Path::new(place).exists() {
            command.args(["--ro-bind", place, place]);
        }
    }
    command.arg("--bind").arg(home).arg("/home/agent");
    command.arg("--bind").arg(project).args(["/workspace/sources", "--chdir", "/workspace/sources", "true"]);
    command.stdin(Stdio::null());
    command
}

fn run(command: &mut Command) {
    let output = command.output().expect("the command starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
