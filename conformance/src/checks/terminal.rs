//! Commands inside an instance: piped, and at a terminal.

use std::path::Path;

use rustix::{process::Signal, termios::LocalModes};
use serde_json::json;

use crate::{
    check::{Check, Need},
    cx::{Cx, FOREIGN, id_of, of},
    plan::{self, Running, Session, code},
    processes,
    stop::{Stop, ensure},
};

const TERMINAL: &[Need] = &[Need::Capability("terminal")];
const LOCAL: &[Need] = &[Need::Capability("terminal"), Need::Local, Need::Linux];

pub(super) const CHECKS: &[Check] = &[
    Check::new("terminal/after-exit", "a plan works after the driver has exited", &["TERM-01"], after_exit)
        .needs(TERMINAL),
    Check::new(
        "terminal/program",
        "the plan's program is an absolute path of an executable",
        &["TERM-02"],
        program,
    )
    .needs(TERMINAL),
    Check::new(
        "terminal/not-running",
        "an instance that does not run has no terminal",
        &["TERM-03"],
        not_running,
    )
    .needs(TERMINAL),
    Check::new("terminal/empty-command", "an empty command is refused", &["TERM-04"], empty_command)
        .needs(TERMINAL),
    Check::new(
        "terminal/exact-arguments",
        "the command gets exactly its arguments",
        &["TERM-05", "SEC-09"],
        exact_arguments,
    )
    .needs(TERMINAL),
    Check::new("terminal/folder", "the command runs in the folder of the sources", &["TERM-06"], folder)
        .needs(TERMINAL),
    Check::new("terminal/exit-status", "the plan exits as the command does", &["TERM-07"], exit_status)
        .needs(TERMINAL),
    Check::new(
        "terminal/death-by-signal",
        "a command that dies of a signal is told by its status",
        &["TERM-08"],
        death_by_signal,
    )
    .needs(TERMINAL),
    Check::new(
        "terminal/no-such-command",
        "a command that is not there exits with 127",
        &["TERM-09"],
        no_such_command,
    )
    .needs(TERMINAL),
    Check::new(
        "terminal/not-executable",
        "a file that can't be run exits with 126",
        &["TERM-09"],
        not_executable,
    )
    .needs(TERMINAL),
    Check::new("terminal/stdin", "stdin reaches the command unchanged, with its end", &["TERM-10"], stdin)
        .slow()
        .needs(TERMINAL),
    Check::new(
        "terminal/output-apart",
        "stdout and stderr come unchanged and apart",
        &["TERM-11"],
        output_apart,
    )
    .needs(TERMINAL),
    Check::new("terminal/large-output", "a megabyte of output comes whole", &["TERM-11"], large_output)
        .needs(TERMINAL),
    Check::new(
        "terminal/no-terminal-piped",
        "a piped command has no terminal",
        &["TERM-10"],
        no_terminal_piped,
    )
    .needs(TERMINAL),
    Check::new(
        "terminal/is-a-terminal",
        "the command has a terminal when the user has one",
        &["TERM-12"],
        is_a_terminal,
    )
    .needs(TERMINAL),
    Check::new("terminal/size", "the terminal has the size of the user's", &["TERM-13"], size)
        .needs(TERMINAL),
    Check::new("terminal/resize", "the terminal follows the size of the user's", &["TERM-13"], resize)
        .slow()
        .needs(TERMINAL),
    Check::new(
        "terminal/interrupt-key",
        "Ctrl-C interrupts the command, not the plan",
        &["TERM-14"],
        interrupt_key,
    )
    .needs(TERMINAL),
    Check::new(
        "terminal/settings-restored",
        "the settings of the user's terminal are restored",
        &["TERM-15"],
        settings_restored,
    )
    .needs(TERMINAL),
    Check::new(
        "terminal/settings-restored-after-signal",
        "they are restored also when the command dies",
        &["TERM-15"],
        settings_restored_after_signal,
    )
    .needs(TERMINAL),
    Check::new(
        "terminal/foreign-environment",
        "the user's environment does not reach the command",
        &["TERM-16"],
        foreign_environment,
    )
    .needs(TERMINAL),
    Check::new("terminal/several", "several plans run in an instance at once", &["TERM-17"], several)
        .needs(TERMINAL),
    Check::new(
        "terminal/unknown-instance",
        "an unknown instance has no terminal",
        &["IDEM-06"],
        unknown_instance,
    )
    .needs(TERMINAL),
    Check::new(
        "terminal/ends-with-plan",
        "the command ends when the plan is ended",
        &["TERM-18"],
        ends_with_plan,
    )
    .needs(LOCAL),
    Check::new(
        "terminal/stopped-with-instance",
        "stop ends the commands of plans, and so the plans",
        &["STOP-01"],
        stopped_with_instance,
    )
    .needs(LOCAL),
];

/// A running instance of the usual workspace.
fn running(cx: &Cx) -> Result<String, Stop> {
    let mut driver = cx.open()?;
    let id = cx.running(&mut driver, &cx.workspace())?;
    driver.shutdown()?;
    Ok(id)
}

fn after_exit(cx: &mut Cx) -> Result<(), Stop> {
    let id = running(cx)?;
    let output = cx.run(&id, &["/bin/echo", "here"])?;
    ensure!(output.status.success() && output.stdout == b"here\n", "echo ended with {output}");
    Ok(())
}

fn program(cx: &mut Cx) -> Result<(), Stop> {
    let id = running(cx)?;
    let plan = cx.plan(&id, &["/bin/true"], false)?;
    let Some(program) = plan["program"].as_str() else { return Ok(()) };
    let path = Path::new(program);
    ensure!(path.is_absolute(), "the program {program:?} is not an absolute path");
    let executable = rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok() && path.is_file();
    ensure!(executable, "the program {program:?} is not an executable file");
    Ok(())
}

fn not_running(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let id = id_of(&driver.ok("create", &cx.workspace())?);
    let params = json!({"id": id, "command": ["/bin/true"]});
    driver.refused("terminal", &params, "invalid_state")?;
    Ok(())
}

fn unknown_instance(cx: &mut Cx) -> Result<(), Stop> {
    let params = json!({"id": "no-such-instance", "command": ["/bin/true"]});
    cx.open()?.refused("terminal", &params, "instance_not_found")?;
    Ok(())
}

fn empty_command(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let id = cx.running(&mut driver, &cx.workspace())?;
    driver.refused("terminal", &json!({"id": id, "command": []}), "invalid_params")?;
    Ok(())
}

fn exact_arguments(cx: &mut Cx) -> Result<(), Stop> {
    let id = running(cx)?;
    let odd = [
        "",
        " ",
        "a b",
        "$HOME",
        "`id`",
        "*",
        "\"'\\",
        "-n",
        "--",
        "a\nb",
        "\u{1b}[31m",
        "é\u{202e}x",
        "{}",
        "%s",
    ];
    let script = r#"printf '%s\000' "$@""#;
    let command: Vec<&str> = ["/bin/sh", "-c", script, "sh"].into_iter().chain(odd).collect();
    let output = cx.run(&id, &command)?;
    let got = String::from_utf8_lossy(&output.stdout).into_owned();
    let got: Vec<&str> = got.split_terminator('\0').collect();
    ensure!(got == odd, "the command got {got:?}, where {odd:?} were given; it ended with {}", output.status);
    Ok(())
}

fn folder(cx: &mut Cx) -> Result<(), Stop> {
    let id = running(cx)?;
    let inside = cx.sh(&id, "pwd -P")?;
    let inside = inside.trim_end_matches('\n');
    let manifest = cx.manifest()?;
    let expected = match &manifest.workspace_sources_path {
        Some(path) => path.clone(),
        None => cx.sources().canonicalize()?.to_string_lossy().into_owned(),
    };
    ensure!(inside == expected, "the command ran in {inside:?}, where the sources are at {expected:?}");
    Ok(())
}

fn exit_status(cx: &mut Cx) -> Result<(), Stop> {
    let id = running(cx)?;
    for status in [0, 1, 43, 255] {
        let output = cx.run(&id, &["/bin/sh", "-c", &format!("exit {status}")])?;
        ensure!(
            code(output.status) == status,
            "the command exited with {status}, the plan ended with {output}"
        );
    }
    Ok(())
}

fn death_by_signal(cx: &mut Cx) -> Result<(), Stop> {
    let id = running(cx)?;
    for (name, number) in [("TERM", 15), ("KILL", 9)] {
        let output = cx.run(&id, &["/bin/sh", "-c", &format!("kill -{name} $$")])?;
        let seen = code(output.status);
        ensure!(seen == 128 + number, "the command died of SIG{name}, the plan ended with {output}");
    }
    Ok(())
}

fn no_such_command(cx: &mut Cx) -> Result<(), Stop> {
    let id = running(cx)?;
    let output = cx.run(&id, &["kdn-no-such-command"])?;
    ensure!(code(output.status) == 127, "a command that is not there ended with {output}, where 127 is due");
    Ok(())
}

fn not_executable(cx: &mut Cx) -> Result<(), Stop> {
    let id = running(cx)?;
    cx.sh(&id, "echo text > not-executable; chmod 644 not-executable")?;
    let output = cx.run(&id, &["./not-executable"])?;
    ensure!(code(output.status) == 126, "a file that can't be run ended with {output}, where 126 is due");
    Ok(())
}

/// All bytes, several times over.
fn bytes(count: usize) -> Vec<u8> {
    (0..=u8::MAX).cycle().take(count).collect()
}

fn stdin(cx: &mut Cx) -> Result<(), Stop> {
    let id = running(cx)?;
    let input = bytes(200_000);
    let output = cx.run_with_input(&id, &["/bin/cat"], &input)?;
    ensure!(
        output.stdout == input,
        "cat gave back {} bytes of {}, or others",
        output.stdout.len(),
        input.len()
    );
    Ok(())
}

fn output_apart(cx: &mut Cx) -> Result<(), Stop> {
    let id = running(cx)?;
    let output = cx.run(&id, &["/bin/sh", "-c", r"printf 'out\r\n\001'; printf 'err\r\n' >&2"])?;
    ensure!(
        output.stdout == b"out\r\n\x01" && output.stderr == b"err\r\n",
        "stdout got \"out\\r\\n\\x01\" and stderr \"err\\r\\n\"; the plan ended with {output}"
    );
    Ok(())
}

fn large_output(cx: &mut Cx) -> Result<(), Stop> {
    let id = running(cx)?;
    let output = cx.run(&id, &["/bin/sh", "-c", "head -c 1000000 /dev/zero; echo end >&2"])?;
    ensure!(output.stdout.len() == 1_000_000, "{} bytes came of 1000000", output.stdout.len());
    Ok(())
}

fn no_terminal_piped(cx: &mut Cx) -> Result<(), Stop> {
    let id = running(cx)?;
    let seen = cx.sh(&id, "for n in 0 1 2; do [ -t $n ] && echo $n is a terminal; done; echo done")?;
    ensure!(seen == "done\n", "a piped command found: {seen:?}");
    Ok(())
}

fn is_a_terminal(cx: &mut Cx) -> Result<(), Stop> {
    let id = running(cx)?;
    let script = "for n in 0 1 2; do [ -t $n ] && echo $n is a terminal; done; echo done";
    let session = cx.terminal(&id, &["/bin/sh", "-c", script])?;
    session.wait_for("done")?;
    let screen = session.screen();
    let all = (0..3).all(|n| screen.contains(&format!("{n} is a terminal")));
    ensure!(all, "at a terminal, the command found only: {screen:?}");
    Ok(())
}

fn size(cx: &mut Cx) -> Result<(), Stop> {
    let id = running(cx)?;
    let session = cx.terminal(&id, &["/bin/sh", "-c", "stty size; echo done"])?;
    session.wait_for("done")?;
    let screen = session.screen();
    ensure!(screen.contains("24 80"), "stty size showed {screen:?} at a terminal of 24 lines of 80 columns");
    Ok(())
}

fn resize(cx: &mut Cx) -> Result<(), Stop> {
    let id = running(cx)?;
    let script = "echo ready; until [ \"$(stty size)\" = '30 100' ]; do sleep 0.02; done; echo followed";
    let session = cx.terminal(&id, &["/bin/sh", "-c", script])?;
    session.wait_for("ready")?;
    session.resize(30, 100)?;
    session.wait_for("followed")
}

fn interrupt_key(cx: &mut Cx) -> Result<(), Stop> {
    let id = running(cx)?;
    let script = "trap 'echo caught; exit 7' INT; echo ready; while :; do sleep 0.02; done";
    let mut session = cx.terminal(&id, &["/bin/sh", "-c", script])?;
    session.wait_for("ready")?;
    session.send("\u{3}")?;
    session.wait_for("caught")?;
    let status = session.finish()?;
    ensure!(code(status) == 7, "the command caught Ctrl-C and exited with 7; the plan ended with {status}");
    Ok(())
}

fn same_settings(session: &Session, before: &rustix::termios::Termios) -> Result<(), Stop> {
    let after = session.settings()?;
    let important = LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG | LocalModes::IEXTEN;
    let same = after.local_modes & important == before.local_modes & important
        && after.input_modes == before.input_modes
        && after.output_modes == before.output_modes;
    ensure!(same, "the settings of the terminal were {before:?} and are {after:?} after the plan");
    Ok(())
}

fn settings_restored(cx: &mut Cx) -> Result<(), Stop> {
    let id = running(cx)?;
    let mut session = cx.terminal(&id, &["/bin/sh", "-c", "echo ready; read line; exit 0"])?;
    let before = fresh_settings()?;
    session.wait_for("ready")?;
    session.send("go\r")?;
    session.finish()?;
    same_settings(&session, &before)
}

fn settings_restored_after_signal(cx: &mut Cx) -> Result<(), Stop> {
    let id = running(cx)?;
    let before = fresh_settings()?;
    let mut session = cx.terminal(&id, &["/bin/sh", "-c", "kill -KILL $$"])?;
    session.finish()?;
    same_settings(&session, &before)
}

/// The settings of a terminal that nobody has changed.
fn fresh_settings() -> Result<rustix::termios::Termios, Stop> {
    let broken = |error: &dyn std::fmt::Display| Stop::Broken(format!("no terminal: {error}"));
    let (terminal, _other_end) = pty_process::blocking::open().map_err(|error| broken(&error))?;
    rustix::termios::tcgetattr(&terminal).map_err(|error| broken(&error))
}

fn foreign_environment(cx: &mut Cx) -> Result<(), Stop> {
    let id = running(cx)?;
    let seen = cx.sh(&id, &format!("echo \"<${{{FOREIGN}-none}}>\""))?;
    ensure!(seen == "<none>\n", "a variable of the user's environment reached the command: {seen:?}");
    Ok(())
}

fn several(cx: &mut Cx) -> Result<(), Stop> {
    let id = running(cx)?;
    let wait = "echo ready; until [ -e go ]; do sleep 0.01; done; echo went";
    let plan = cx.plan(&id, &["/bin/sh", "-c", wait], false)?;
    let launch = cx.launch();
    let all: Vec<Running> = (0..3).map(|_| Running::start(&launch, &plan, b"")).collect::<Result<_, _>>()?;
    all.iter().try_for_each(|running| running.wait_for("ready"))?;
    cx.sh(&id, "touch go")?;
    for running in all {
        let output = running.finish()?;
        ensure!(output.stdout == b"ready\nwent\n", "one of three plans at once ended with {output}");
    }
    Ok(())
}

/// Runs a command that sleeps for long; returns its arguments, which no other process on this machine has.
fn sleeper(cx: &Cx, id: &str) -> Result<(String, Running), Stop> {
    let seconds = format!("9{:07}", crate::cx::random() % 10_000_000);
    let plan = cx.plan(id, &["/bin/sh", "-c", &format!("echo ready; exec sleep {seconds}")], false)?;
    let (command, running) = (format!("sleep\0{seconds}"), Running::start(&cx.launch(), &plan, b"")?);
    running.wait_for("ready")?;
    plan::wait(cx.suite.patience, || !processes::with_argument(&command).is_empty());
    Ok((command, running))
}

fn ends_with_plan(cx: &mut Cx) -> Result<(), Stop> {
    let id = running(cx)?;
    let (command, running) = sleeper(cx, &id)?;
    running.signal(Signal::TERM);
    let left = processes::wait(cx.suite.patience, || processes::with_argument(&command));
    ensure!(left.is_empty(), "the plan's process got SIGTERM, and its command runs on: {left:?}");
    Ok(())
}

fn stopped_with_instance(cx: &mut Cx) -> Result<(), Stop> {
    let id = running(cx)?;
    let (command, running) = sleeper(cx, &id)?;
    let mut driver = cx.open()?;
    driver.ok("stop", &json!({"id": id, "graceSeconds": 0}))?;
    let left = processes::with_argument(&command);
    ensure!(left.is_empty(), "stop succeeded while a command of a plan still ran: {left:?}");
    driver.ok("remove", &of(&id))?;
    running.finish().map(drop)
}
