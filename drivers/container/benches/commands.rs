//! What kdn's commands cost on an engine, against the same commands of the engine itself.
//!
//! `cargo bench -p kdn-runtime-container`, with the executables of the workspace built in release. An engine takes part where
//! it has the small image that `.ci/engines` makes.

#![expect(clippy::disallowed_methods, reason = "benchmarks start processes of their own")]

#[path = "../../../kdn/benches/support/mod.rs"]
#[expect(dead_code, reason = "each benchmark uses a part of it")]
mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const IMAGE: &str = "localhost/kdn-test:small";
const WORKSPACES: usize = 50;

fn main() {
    for engine in ["podman", "docker"] {
        let mut inspect = Command::new(engine);
        inspect.args(["image", "inspect", IMAGE]).stdout(Stdio::null()).stderr(Stdio::null());
        if inspect.status().is_ok_and(|status| status.success()) {
            measure(&Bench::new(engine));
        } else {
            support::say!("skipped: {engine} not found, or without the image that .ci/engines makes");
        }
    }
}

fn measure(bench: &Bench) {
    let engine = bench.engine;
    bench.init("bench-0");
    let id = bench.containers().remove(0);
    let ours = || {
        bench.kdn(&["start", "bench-0"]);
        bench.kdn(&["stop", "bench-0"]);
    };
    let bare = || {
        bench.call(&["start", &id]);
        bench.call(&["stop", "--time", "10", &id]);
    };
    let (subject, reference) = ("kdn start + kdn stop", "start + stop");
    support::pair(30, ours, bare).report(
        &format!("{subject} ({engine})"),
        &format!("{engine} {reference}"),
        1.15,
    );
    for number in 1..WORKSPACES {
        bench.init(&format!("bench-{number}"));
    }
    let ours = || drop(bench.kdn(&["list"]));
    let bare = || drop(bench.call(&["ps", "--all"]));
    support::pair(60, ours, bare).report(
        &format!("kdn list of {WORKSPACES} workspaces ({engine})"),
        &format!("{engine} ps --all"),
        1.3,
    );
}

/// A storage of kdn on an engine, gone with the value, and with its containers.
struct Bench {
    engine: &'static str,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new(engine: &'static str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let config = folder.path().join("storage/runtimes").join(engine).join("config");
        for folder in [&config, &folder.path().join("project")] {
            std::fs::create_dir_all(folder).expect("a folder");
        }
        std::fs::write(config.join("image.json"), r#"{"version": "latest", "packages": []}"#)
            .expect("a file");
        Self { engine, folder }
    }

    fn storage(&self) -> PathBuf {
        self.folder.path().join("storage")
    }

    fn init(&self, name: &str) {
        let base = format!("--{}-base-image={IMAGE}", self.engine);
        let project = self.folder.path().join("project");
        let project = project.to_str().expect("a path in UTF-8");
        let args = ["init", "--runtime", self.engine, "--agent", "shell", "--name", name, &base, project];
        self.kdn(&args);
    }

    fn kdn(&self, args: &[&str]) -> String {
        let program = support::executable("kdn");
        let drivers = program.parent().map(Path::to_owned).unwrap_or_default();
        let mut command = Command::new(&program);
        command.args(args).env("KDN_STORAGE", self.storage()).env("KDN_DRIVER_PATH", drivers);
        run(&mut command)
    }

    fn call(&self, args: &[&str]) -> String {
        run(Command::new(self.engine).args(args))
    }

    fn containers(&self) -> Vec<String> {
        let filter =
            format!("label=kdn.scope={}", self.storage().join("runtimes").join(self.engine).display());
        let ids = self.call(&["ps", "--all", "--quiet", "--no-trunc", "--filter", &filter]);
        ids.lines().map(str::to_owned).collect()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let containers = self.containers();
        let remove = ["rm", "--force"].into_iter().chain(containers.iter().map(String::as_str));
        self.call(&remove.collect::<Vec<_>>());
        let images: Vec<String> = (0..containers.len()).map(|number| format!("kdn-bench-{number}")).collect();
        let remove = ["rmi"].into_iter().chain(images.iter().map(String::as_str));
        self.call(&remove.collect::<Vec<_>>());
    }
}

fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().expect("the command starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
