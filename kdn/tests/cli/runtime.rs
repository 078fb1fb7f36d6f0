//! `kdn runtime new` and `kdn runtime test`.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    sync::{Mutex, PoisonError},
};

use insta::assert_snapshot;

use crate::support::{Env, built, skip_unless};

#[test]
fn a_new_driver_is_written_once() {
    let env = Env::with_drivers(&[]);
    assert_snapshot!(env.run(&["runtime", "new", "mine", "--language", "go"]), @r#"
    exit code 0
    --- stdout
    [ROOT]/home/src/app/kdn-runtime-mine
    --- stderr
    Next:
      cd [ROOT]/home/src/app/kdn-runtime-mine
      go build -o kdn-runtime-mine .
      kdn runtime test ./kdn-runtime-mine
      mkdir -p [ROOT]/home/.kdn/drivers && ln -s "$PWD/kdn-runtime-mine" [ROOT]/home/.kdn/drivers/
      kdn init --runtime mine
    "#);
    assert_eq!(
        Env::tree(&env.project().join("kdn-runtime-mine")).into_iter().find(|name| name == "go.mod"),
        Some("go.mod".to_owned())
    );
    assert_snapshot!(env.run(&["runtime", "new", "mine", "--language", "python"]), @r"
    exit code 1
    --- stderr
    Error: failed to write a new driver: folder is not empty: [ROOT]/home/src/app/kdn-runtime-mine
    Give another folder, or remove what is in it
    ");
    assert_snapshot!(env.run(&["runtime", "new", "Mine", "--language", "go"]), @r#"
    exit code 2
    --- stderr
    Error: invalid type "Mine" (must begin with a-z, and hold at most 63 of a-z, 0-9 and -)
    Run 'kdn runtime new --help' for its usage
    "#);
}

#[test]
fn a_new_script_is_found_as_a_driver() {
    let env = Env::with_drivers(&[]);
    assert_snapshot!(env.run(&["runtime", "new", "mine", "-l", "python", "a b", "-o", "json"]), @r#"
    exit code 0
    --- stdout
    {
      "path": "[ROOT]/home/src/app/a b",
      "type": "mine"
    }
    "#);
    let drivers = env.storage().join("drivers");
    fs::create_dir_all(&drivers).unwrap();
    symlink(env.project().join("a b/kdn-runtime-mine"), drivers.join("kdn-runtime-mine")).unwrap();
    env.program("kdn-conformance");
    env.ok(&["runtime", "test", "mine"]);
}

#[test]
fn the_suite_is_told_the_driver_and_its_exit_code_is_ours() {
    let env = Env::new();
    assert_snapshot!(env.run(&["runtime", "test", "fake"]), @r"
    exit code 2
    --- stderr
    Error: conformance suite not found: kdn-conformance
    Put the executable kdn-conformance beside kdn, or on PATH
    ");
    symlink("/bin/echo", env.bin().join("kdn-conformance")).unwrap();
    assert_snapshot!(env.run(&["runtime", "test", "./x", "--", "--quick", "--format", "tap"]), @r"
    exit code 0
    --- stdout
    run [ROOT]/home/src/app/x --quick --format tap
    ");
    assert_snapshot!(env.run(&["runtime", "test", "fake"]), @r"
    exit code 0
    --- stdout
    run [ROOT]/bin/kdn-runtime-fake
    ");
    assert_snapshot!(env.run(&["runtime", "test", "nope"]), @r"
    exit code 2
    --- stderr
    Error: failed to get runtime: runtime not found: nope
    Put its driver, an executable named kdn-runtime-nope, on PATH; 'kdn runtime list' shows those that are there
    ");
    fs::remove_file(env.bin().join("kdn-conformance")).unwrap();
    symlink("/bin/false", env.bin().join("kdn-conformance")).unwrap();
    assert_eq!(env.run(&["runtime", "test", "fake"]).code, Some(1));
}

/// One driver after the other: some checks hold a driver to a second or two, which it needs a processor for.
static TURN: Mutex<()> = Mutex::new(());

/// Writes a driver in a language, builds it, and has the suite run the checks on it that are quick.
fn a_new_driver_passes(language: &str, tools: &[&str], build: &str) {
    if tools.iter().any(|tool| skip_unless(tool).is_none()) {
        return;
    }
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mine = |name: &str, default: &str| {
        let home = std::env::var_os("HOME").unwrap_or_default();
        std::env::var_os(name).unwrap_or_else(|| Path::new(&home).join(default).into_os_string())
    };
    let env = Env::with_drivers(&[]).set("PATH", std::env::var_os("PATH").unwrap_or_default());
    let env = env.set("CARGO_HOME", mine("CARGO_HOME", ".cargo"));
    let env = env.set("RUSTUP_HOME", mine("RUSTUP_HOME", ".rustup"));
    symlink(built("kdn-conformance"), env.bin().join("kdn-conformance")).unwrap();
    env.ok(&["runtime", "new", "mine", "--language", language, "."]);
    if !build.is_empty() {
        let mut shell = env.program_at("/bin/sh");
        let output = shell.args(["-c", build]).output().unwrap();
        assert!(output.status.success(), "{build}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let run = env.run(&["runtime", "test", "./kdn-runtime-mine", "--", "--quick", "--patience", "30"]);
    assert_eq!(run.code, Some(0), "{run}");
}

#[test]
fn a_new_driver_in_python_passes() {
    a_new_driver_passes("python", &["python3"], "");
}

#[test]
fn a_new_driver_in_typescript_passes() {
    a_new_driver_passes("typescript", &["node"], "ln -s driver.cjs kdn-runtime-mine");
}

#[test]
fn a_new_driver_in_go_passes() {
    a_new_driver_passes("go", &["go"], "GOCACHE=$HOME/go go build -o kdn-runtime-mine .");
}

#[test]
fn a_new_driver_in_sh_passes() {
    a_new_driver_passes("sh", &["jq"], "");
}

#[test]
fn a_new_driver_in_rust_passes() {
    let protocol = concat!(env!("CARGO_MANIFEST_DIR"), "/../protocol");
    // What the workspace was built from is there already.
    let cargo = format!("cargo build --quiet --config 'patch.crates-io.kdn-protocol.path=\"{protocol}\"'");
    let build = format!("{{ {cargo} --offline || {cargo}; }} && ln -s target/debug/kdn-runtime-mine .");
    a_new_driver_passes("rust", &["cargo"], &build);
}
