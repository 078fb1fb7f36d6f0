//! What happens when a person starts a driver.

use serde_json::{Value, json};

use crate::{
    check::Check,
    client::Driver,
    cx::Cx,
    plan::{self, Output, Session, code},
    stop::{Stop, ensure},
};

/// The exit code of wrong usage (`EX_USAGE`).
const USAGE: i32 = 64;

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "core/any-host-version",
        "KDN_RUNTIME_PROTOCOL may have any value",
        &["LIFE-06"],
        any_host_version,
    ),
    Check::new(
        "core/without-host",
        "without a host, a driver exits with status 64",
        &["LIFE-07"],
        without_host,
    ),
    #[cfg(unix)]
    Check::new(
        "core/at-a-terminal",
        "at a terminal, a driver exits with status 64",
        &["LIFE-07"],
        at_a_terminal,
    ),
    Check::new("core/introduction", "without a host, a driver says what it is", &["LIFE-08"], introduction),
    Check::new("core/version-argument", "--version tells the version", &["LIFE-09"], version),
    Check::new("core/help-argument", "--help tells the usage", &["LIFE-10"], help),
];

/// Starts the driver as a person does who has no host: with these arguments.
fn by_hand(cx: &Cx, args: &[&str]) -> Result<Output, Stop> {
    plan::run(&cx.launch(), &json!({"args": args, "cwd": "/"}), b"")
}

fn any_host_version(cx: &mut Cx) -> Result<(), Stop> {
    for value in ["2", "999999", "x"] {
        let mut launch = cx.launch();
        launch.env.insert(kdn_protocol::PROTOCOL_ENV.into(), value.into());
        let told = Driver::start(&launch)?.call("type", &json!({}));
        ensure!(
            matches!(told, Ok(Ok(_))),
            "started with KDN_RUNTIME_PROTOCOL={value}, the driver did not answer type: {told:?}"
        );
    }
    Ok(())
}

fn without_host(cx: &mut Cx) -> Result<(), Stop> {
    let output = by_hand(cx, &[])?;
    ensure!(
        code(output.status) == USAGE,
        "started without KDN_RUNTIME_PROTOCOL, the driver ended with {output}, and not with status {USAGE}"
    );
    Ok(())
}

#[cfg(unix)]
fn at_a_terminal(cx: &mut Cx) -> Result<(), Stop> {
    let env = Value::from_iter([(kdn_protocol::PROTOCOL_ENV, "1")]);
    let mut session = Session::start(&cx.launch(), &json!({"env": env, "cwd": "/"}))?;
    let status = session.finish()?;
    ensure!(
        code(status) == USAGE,
        "started at a terminal, the driver ended with {status}, and not with status {USAGE}: {:?}",
        session.screen()
    );
    Ok(())
}

fn introduction(cx: &mut Cx) -> Result<(), Stop> {
    let output = by_hand(cx, &[])?;
    ensure!(!output.stderr.trim_ascii().is_empty(), "the driver wrote nothing to stderr: {output}");
    Ok(())
}

fn version(cx: &mut Cx) -> Result<(), Stop> {
    let manifest = cx.manifest()?;
    let due = format!("kdn-runtime-{} {}", manifest.r#type, manifest.version);
    let output = by_hand(cx, &["--version"])?;
    let line = String::from_utf8_lossy(&output.stdout).into_owned();
    let is_line = line.ends_with('\n') && line.trim_end_matches(['\r', '\n']) == due;
    ensure!(
        output.status.success() && is_line,
        "--version ended with {output}, where status 0 and the line {due:?} on stdout were due"
    );
    Ok(())
}

fn help(cx: &mut Cx) -> Result<(), Stop> {
    let output = by_hand(cx, &["--help"])?;
    ensure!(
        output.status.success() && !output.stdout.trim_ascii().is_empty(),
        "--help ended with {output}, where status 0 and the usage on stdout were due"
    );
    Ok(())
}
