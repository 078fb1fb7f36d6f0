//! A workspace from `init` to `remove`, at a terminal and over pipes, with drivers that are really there.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{MetadataExt as _, chown},
    path::Path,
    process::{Command, Stdio},
};

use rustix::process::Signal;

use crate::support::{Env, Pty, skip, skip_unless};

/// An ordinary user.
const USER: u32 = 12_345;

/// A git checkout with one file, and the tools that the tests need in it.
fn checkout(env: &Env) -> Option<()> {
    for tool in ["git", "sh", "bash", "cat", "sleep", "stty"] {
        env.tool(&skip_unless(tool)?);
    }
    fs::write(env.project().join("notes.txt"), "first\n").unwrap();
    let me = ["-c", "user.name=me", "-c", "user.email=me@example.com"];
    for args in [&["init", "-q"][..], &["add", "."], &["commit", "-q", "-m", "start"]] {
        let status = Command::new("git").args(me).args(args).current_dir(env.project()).status().unwrap();
        assert!(status.success());
    }
    Some(())
}

pub(crate) fn sandbox() -> Option<Env> {
    if !cfg!(target_os = "linux") {
        skip("sandbox", "is there on Linux only");
        return None;
    }
    let env = Env::with_drivers(&["sandbox"]);
    checkout(&env)?;
    ready(env)
}

/// The same for an ordinary user, where the tests run as root.
fn sandbox_of_a_user() -> Option<Env> {
    let setpriv = skip_unless("setpriv")?;
    if !rustix::process::geteuid().is_root() {
        skip("root", "is needed to become another user");
        return None;
    }
    let mut env = Env::with_drivers(&["sandbox"]);
    checkout(&env)?;
    // Not the executables, which are links to those of the build.
    give(env.root(), &[env.root()]);
    give(&env.home(), &[]);
    let user = USER.to_string();
    env.wrapper = [setpriv.to_str().unwrap(), "--reuid", &user, "--regid", &user, "--clear-groups"]
        .map(Into::into)
        .into();
    ready(env)
}

/// Gives a folder to the ordinary user: only these files of it, or all that is in it.
fn give(folder: &Path, only: &[&Path]) {
    chown(folder, Some(USER), Some(USER)).unwrap();
    if only.is_empty() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { give(&path, &[]) } else { chown(&path, Some(USER), Some(USER)).unwrap() }
        }
    }
}

/// Asks the driver, by way of a command that makes nothing.
fn ready(env: Env) -> Option<Env> {
    let run = env.run(&["init", "--agent", "shell", "--dump-config"]);
    if run.code == Some(0) {
        return Some(env);
    }
    skip("sandbox", &format!("is not ready: {}", run.stderr));
    None
}

// SPEC: TERM-19, TERM-21, TERM-22
#[cfg(target_os = "linux")]
#[test]
fn fake() {
    let env = Env::new();
    if checkout(&env).is_some() {
        at_a_terminal(&env, "fake");
        over_pipes(&env, "fake");
        env.assert_no_processes();
    }
}

#[test]
fn sandbox_as_who_runs_the_tests() {
    if let Some(env) = sandbox() {
        at_a_terminal(&env, "sandbox");
        over_pipes(&env, "sandbox");
        env.assert_no_processes();
    }
}

#[test]
fn sandbox_as_an_ordinary_user() {
    if let Some(env) = sandbox_of_a_user() {
        at_a_terminal(&env, "sandbox");
        over_pipes(&env, "sandbox");
        env.assert_no_processes();
    }
}

fn at_a_terminal(env: &Env, driver: &str) {
    let Some(setsid) = skip_unless("setsid") else { return };
    let start = |args: &[&str]| {
        let mut command = env.command(args);
        command.env("TERM", "xterm");
        Pty::start(&setsid, &command)
    };
    for args in [&["init", "-r", driver, "-a", "shell"][..], &["start", "app"]] {
        let (code, screen) = start(args).finish();
        assert_eq!(code, Some(0), "{screen}");
        assert!(screen.contains("✓"), "{screen:?}");
    }

    let mut shell = start(&["terminal", "app"]);
    shell.expect(&["$ ", "# "]).send("stty size; echo edited >>notes.txt\r").expect(&["24 80"]);
    shell.send("exit 43\r");
    let (code, screen) = shell.finish();
    assert_eq!(code, Some(43), "{screen}");
    check_notes(env, "first\nedited\n");

    // The keys that send signals are the command's.
    let wait = "trap 'echo no' INT; trap 'echo quit; exit 7' QUIT; echo armed; while :; do sleep 0.05; done";
    let mut command = start(&["terminal", "app", "--", "sh", "-c", wait]);
    command.expect(&["armed"]).send("\x03").expect(&["no"]).send("\x1c").expect(&["quit"]);
    let (code, screen) = command.finish();
    assert_eq!(code, Some(7), "{screen}");

    for args in [["stop", "app"], ["remove", "app"]] {
        let (code, screen) = start(&args).finish();
        assert_eq!(code, Some(0), "{screen}");
    }
    assert_eq!(env.list().len(), 0);
}

fn over_pipes(env: &Env, driver: &str) {
    fs::write(env.project().join("notes.txt"), "first\n").unwrap();
    env.ok(&["init", "-r", driver, "-a", "shell"]);
    // It starts by itself.
    let script = "cat >>notes.txt; echo out; echo err >&2; exit 43";
    let mut command = env.command(&["terminal", "app", "--progress", "none", "--", "sh", "-c", script]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"edited\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), &output.stdout[..], &output.stderr[..]),
        (Some(43), &b"out\n"[..], &b"err\n"[..])
    );
    check_notes(env, "first\nedited\n");
    assert_eq!(env.list()[0]["state"], "running");

    let code = |script: &str| env.run(&["terminal", "app", "sh", "-c", script]).code;
    assert_eq!(code("kill -KILL $$"), Some(137));
    assert_eq!(code("exit 0"), Some(0));

    // A polite end from outside is the command's too.
    let wait = "trap 'exit 8' TERM; echo armed >&2; while :; do sleep 0.05; done";
    let mut waiting = env.start(&["terminal", "app", "sh", "-c", wait]);
    waiting.expect("armed").signal(Signal::TERM);
    let run = waiting.finish();
    assert_ne!(run.code, Some(0), "{run}");

    env.ok(&["stop", "app"]);
    assert_eq!(env.list()[0]["state"], "stopped");
    env.ok(&["remove", "app"]);
    assert_eq!(env.list().len(), 0);
    assert!(env.project().join("notes.txt").exists());
}

/// The file is changed for git too, and still belongs to whom the project belongs to.
fn check_notes(env: &Env, content: &str) {
    let notes = env.project().join("notes.txt");
    assert_eq!(fs::read_to_string(&notes).unwrap(), content);
    assert_eq!(notes.metadata().unwrap().uid(), env.project().metadata().unwrap().uid());
    let mut git = Command::new("git");
    git.args(["-c", "safe.directory=*", "status", "--porcelain"]).current_dir(env.project());
    assert_eq!(String::from_utf8(git.output().unwrap().stdout).unwrap(), " M notes.txt\n");
}

#[test]
fn two_sandboxes_do_not_see_each_other() {
    for env in [sandbox(), sandbox_of_a_user()].into_iter().flatten() {
        for name in ["one", "two"] {
            env.ok(&["init", "-r", "sandbox", "-a", "shell", "-n", name, "--start"]);
        }
        let script = "echo mine >~/mark; echo ready >&2; exec sleep 4242";
        let mut one = env.start(&["terminal", "one", "--", "sh", "-c", script]);
        one.expect("ready");
        let look = |name| env.ok(&["terminal", name, "--", "sh", "-c", "cat /proc/[0-9]*/cmdline; ls -A ~"]);
        let (own, other) = (look("one"), look("two"));
        for trace in ["4242", "mark"] {
            assert!(own.contains(trace), "{own:?}");
            assert!(!other.contains(trace), "{other:?}");
        }

        // Stopping one ends what runs in it, and only that; its home stays.
        env.ok(&["stop", "one"]);
        assert_ne!(one.finish().code, Some(0));
        let states: Vec<_> = env.list().iter().map(|workspace| workspace["state"].clone()).collect();
        assert_eq!(states, ["stopped", "running"]);
        assert!(look("one").contains("mark"));
        for name in ["one", "two"] {
            env.ok(&["remove", name, "--force"]);
        }
        env.assert_no_processes();
    }
}
