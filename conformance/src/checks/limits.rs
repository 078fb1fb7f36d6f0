//! Limits that hold for all processes of an instance together.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    check::{Check, Need},
    cx::Cx,
    plan::Output,
    stop::{Stop, ensure},
};

const NEEDS: &[Need] = &[Need::Capability("limits"), Need::Capability("terminal")];

pub(super) const CHECKS: &[Check] = &[
    Check::new("limits/memory", "a process can't have more memory than the limit", &["CAP-15"], memory)
        .needs(NEEDS),
    Check::new(
        "limits/memory-together",
        "all processes together can't have more memory than the limit",
        &["CAP-15"],
        memory_together,
    )
    .needs(NEEDS),
    Check::new("limits/pids", "there are never more processes than the limit", &["CAP-15"], pids)
        .needs(NEEDS),
    Check::new(
        "limits/cpus",
        "all processes together get no more processor time than the limit",
        &["CAP-15"],
        cpus,
    )
    .needs(NEEDS)
    .slow(),
];

/// Runs a script in an instance with one limit; skipped where that limit is not declared.
fn run(cx: &Cx, declared: &str, name: &str, limit: &Value, script: &str) -> Result<Output, Stop> {
    let capability = serde_json::to_value(cx.manifest()?.capabilities.limits).unwrap_or_default();
    if capability[declared] != true {
        return Err(Stop::Skipped(format!("\"limits\" does not declare {declared:?}")));
    }
    let mut workspace = cx.workspace();
    workspace["limits"] = json!({name: limit});
    let mut driver = cx.open()?;
    let id = cx.running(&mut driver, &workspace)?;
    cx.run(&id, &["/bin/sh", "-c", script])
}

/// `tail` keeps all of a line.
const TAKE: &str = "head -c 150000000 /dev/zero | tail -n 1 | wc -c";

fn memory(cx: &mut Cx) -> Result<(), Stop> {
    let output = run(cx, "memory", "memoryBytes", &json!(64 << 20), TAKE)?;
    let whole = String::from_utf8_lossy(&output.stdout).trim() == "150000000";
    ensure!(!whole, "with a limit of 64 MiB, a process had 150 MB of memory");
    Ok(())
}

fn memory_together(cx: &mut Cx) -> Result<(), Stop> {
    // Each waits for the others, so that all have their memory at the same time. Some may never come, so the wait ends.
    let script = format!(
        "rm -f full-* over; for i in 1 2 3; do (head -c 50000000 /dev/zero; touch full-$i; \
         until [ -e full-1 ] && [ -e full-2 ] && [ -e full-3 ]; do \
         [ -e over ] && echo over >&2 && break; sleep 0.02; done) \
         | tail -n 1 | wc -c & done; (sleep {}; touch over) & wait",
        cx.limit(Duration::from_secs(2)).as_secs()
    );
    for _ in 0..3 {
        let output = run(cx, "memory", "memoryBytes", &json!(100 << 20), &script)?;
        let [stdout, stderr] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
        if stdout.lines().filter(|line| line.trim() == "50000000").count() < 3 {
            return Ok(());
        }
        let is_over = stderr.lines().any(|line| line == "over");
        ensure!(is_over, "with a limit of 100 MiB, three processes had 50 MB each at the same time");
    }
    Err(Stop::Skipped("three processes were too slow to have their memory at the same time".into()))
}

fn pids(cx: &mut Cx) -> Result<(), Stop> {
    let script = "i=0; all=; while [ $i -lt 60 ]; do sleep 20 & all=\"$all $!\"; i=$((i+1)); done 2>/dev/null; \
                  n=0; for p in $all; do kill -0 $p 2>/dev/null && n=$((n+1)); done; \
                  echo alive $n; kill $all 2>/dev/null; :";
    let output = run(cx, "pids", "pids", &json!(30), script)?;
    let seen = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(!seen.contains("alive 60"), "with a limit of 30, there were 60 processes: {seen:?}");
    Ok(())
}

fn cpus(cx: &mut Cx) -> Result<(), Stop> {
    let script = "read -r begin rest </proc/uptime; all=; for i in 1 2; do (while :; do :; done) & all=\"$all $!\"; done; \
                  sleep 2; kill $all; wait; read -r end rest </proc/uptime; times; echo $begin $end";
    let output = run(cx, "cpus", "cpus", &json!(0.2), script)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let Some(used) = text.lines().nth(1).map(|line| line.split_whitespace().filter_map(seconds).sum::<f64>())
    else {
        return Err(Stop::Skipped(format!("the shell inside does not tell times: {output}")));
    };
    let uptimes: Vec<f64> =
        text.lines().nth(2).into_iter().flat_map(str::split_whitespace).flat_map(str::parse).collect();
    // Where there is no /proc, it is the time for which the script sleeps.
    let elapsed = if let [begin, end] = uptimes[..] { end - begin } else { 2.0 };
    ensure!(
        used < 0.4 * elapsed,
        "with a limit of 0.2, two processes had {used} s of processor time in {elapsed:.2} s"
    );
    Ok(())
}

/// Reads `0m1.234000s`.
fn seconds(text: &str) -> Option<f64> {
    let (minutes, seconds) = text.trim_end_matches('s').split_once('m')?;
    Some(minutes.parse::<f64>().ok()? * 60.0 + seconds.parse::<f64>().ok()?)
}
