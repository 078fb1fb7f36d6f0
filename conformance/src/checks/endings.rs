//! How a driver ends: after `shutdown`, at the end of stdin, by a signal, or when nobody listens any more.

use std::time::Duration;

use serde_json::json;

use crate::{
    check::Check,
    cx::{Cx, of},
    stop::{Stop, ensure},
    wait::until,
};

#[cfg(unix)]
use super::crash::TERMINATED;
use super::wire::{END, list};

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "core/silent-without-requests",
        "a driver that is asked nothing says nothing, and exits",
        &["LIFE-11", "LIFE-22"],
        silent,
    ),
    Check::new(
        "core/exit-after-shutdown",
        "after shutdown, the end of stdin is followed by status 0",
        &["LIFE-21"],
        exit_after_shutdown,
    ),
    Check::new(
        "core/exit-without-shutdown",
        "an idle driver exits at the end of stdin",
        &["LIFE-22"],
        exit_without_shutdown,
    ),
    Check::new(
        "core/status-without-shutdown",
        "an idle driver exits with status 0 at the end of stdin",
        &["LIFE-23"],
        status_without_shutdown,
    ),
    #[cfg(unix)]
    Check::new("core/sigterm", "SIGTERM ends an idle driver within 2 s", &["LIFE-25"], sigterm),
    Check::new("core/deaf-host", "a closed stdout ends the driver", &["LIFE-26"], deaf_host),
    Check::new("core/shutdown-keeps", "shutdown keeps instances running", &["SHUT-01"], shutdown_keeps),
    Check::new(
        "core/shutdown-answered",
        "shutdown is answered before the driver exits",
        &["SHUT-02"],
        shutdown_answered,
    ),
];

fn silent(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.start()?;
    driver.close_stdin();
    driver.exit(END)?;
    driver.drain(END)?;
    let (said, strays) = (driver.unasked(), driver.strays());
    ensure!(said.is_empty() && strays.is_empty(), "asked nothing, the driver wrote {said:?} {strays:?}");
    Ok(())
}

fn exit_after_shutdown(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    driver.ok("list", &json!({}))?;
    driver.shutdown()
}

fn exit_without_shutdown(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    driver.ok("list", &json!({}))?;
    driver.close_stdin();
    driver.exit(END).map(drop)
}

fn status_without_shutdown(cx: &mut Cx) -> Result<(), Stop> {
    for driver in [cx.start()?, cx.open()?] {
        let mut driver = driver;
        driver.ok("type", &json!({}))?;
        driver.close_stdin();
        let status = driver.exit(END)?;
        ensure!(status.success(), "the driver exited with {status} at the end of stdin, with nothing to do");
    }
    Ok(())
}

#[cfg(unix)]
fn sigterm(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    driver.ok("list", &json!({}))?;
    driver.signal(rustix::process::Signal::TERM);
    driver.exit(TERMINATED).map(drop)
}

fn deaf_host(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    driver.stop_listening();
    let (mut id, within) = (900, cx.limit(END));
    let exited = until(within, Duration::from_millis(5), || match driver.has_exited() {
        Ok(false) => {
            // It learns of it by writing.
            driver.raw(format!("{}\n", list(id)).as_bytes());
            id += 1;
            None
        }
        other => Some(other),
    });
    ensure!(
        exited.transpose()?.is_some(),
        "the driver was still there {} s after its stdout had been closed at the other end",
        within.as_secs_f64()
    );
    Ok(())
}

fn shutdown_keeps(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let id = cx.running(&mut driver, &cx.workspace())?;
    driver.shutdown()?;
    let mut driver = cx.open()?;
    let state = driver.ok("info", &of(&id))?["state"].clone();
    ensure!(state == "running", "a running instance was {state} after shutdown");
    driver.shutdown()
}

fn shutdown_answered(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let id = driver.request("shutdown", &json!({}));
    driver.close_stdin();
    let answer = driver.answer_within(id, cx.suite.patience)?;
    answer.map(drop).map_err(|fault| Stop::Failed(format!("shutdown answered {fault}")))
}
