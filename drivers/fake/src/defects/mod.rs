//! Defects on demand: a man in the middle between a host and a real driver, which breaks one sentence of the protocol.
//!
//! `KDN_FAKE_DEFECT=<name>` makes this executable start the real driver (itself, or the one that `KDN_FAKE_BEHIND`
//! names), pass everything on both ways, and change what the defect says. Without a change it can't be told from the
//! driver behind it. `KDN_FAKE_DEFECT=list` prints all names, `KDN_FAKE_DEFECT=sentences` the names and the sentences
//! that they break; `none` breaks nothing. So the driver itself is free of hooks, and a test can show that each check can fail.
//!
//! # Adding one
//!
//! Each table holds the defects of one profile, in the order of the specification. An entry is
//! `defect(name, sentences, |shim| ...)`:
//!
//! * the name says the misdeed, in kebab-case, and is used once;
//! * the sentences are what it breaks on purpose: ids, with spaces between;
//! * the closure says what to do by calling methods of [`Hooks`], and in them those of [`wire::Wire`] and the small
//!   changes of [`json`]. What must be known later is a variable that the inner closures own, [`wire::shared`] where
//!   several do, and `Wire::remember` where another process of the driver must know it, too;
//! * a test holds the tables to the specification: each sentence that a driver is bound by is broken by a defect;
//! * `conformance/tests/matrix.txt` says which checks each makes fail: add a line.
//!
//! A defect breaks as little else as it can: it leaves alone what another check looks at, and does not make a host
//! wait where a wrong answer does as well.

mod cancellation;
mod capabilities;
mod core;
mod errors;
mod framing;
mod hooks;
mod json;
mod lifecycle;
mod lines;
mod orders;
mod params;
mod robustness;
mod security;
mod shim;
mod stage;
mod steps;
mod terminal;
mod wire;
mod workspace;

use std::{ffi::OsString, process::ExitCode};

use self::hooks::Hooks;

/// The exit code of wrong usage (`EX_USAGE`).
const USAGE: u8 = 64;
/// Names the defect.
const DEFECT: &str = "KDN_FAKE_DEFECT";
/// The executable of the real driver.
const BEHIND: &str = "KDN_FAKE_BEHIND";

/// A way to break the protocol.
struct Defect {
    name: &'static str,
    /// The ids of the sentences of the specification, with spaces between.
    breaks: &'static str,
    set_up: fn(&mut Hooks),
}

/// What shows that the man in the middle himself breaks nothing.
const NONE: Defect = defect("none", "", |_| ());

/// An entry of a table.
const fn defect(name: &'static str, breaks: &'static str, set_up: fn(&mut Hooks)) -> Defect {
    Defect { name, breaks, set_up }
}

fn all() -> impl Iterator<Item = &'static Defect> {
    let tables = [
        framing::TABLE,
        params::TABLE,
        core::TABLE,
        errors::TABLE,
        lifecycle::TABLE,
        workspace::TABLE,
        orders::TABLE,
        steps::TABLE,
        terminal::TABLE,
        cancellation::TABLE,
        robustness::TABLE,
        security::TABLE,
        capabilities::TABLE,
    ];
    tables.into_iter().flatten()
}

/// Takes the place of the driver when the environment names a defect; returns only to end the process.
pub(crate) fn stand_in() -> Option<ExitCode> {
    if let Some(code) = stage::enter() {
        return Some(code);
    }
    let name = variable(DEFECT)?;
    if name == "list" {
        return Some(print(all().map(|defect| defect.name.to_owned())));
    }
    if name == "sentences" {
        return Some(print(all().map(|defect| format!("{}\t{}", defect.name, defect.breaks))));
    }
    if name == NONE.name {
        return Some(shim::run(&NONE));
    }
    if let Some(defect) = all().find(|defect| name == defect.name) {
        return Some(shim::run(defect));
    }
    let names = all().map(|defect| defect.name).collect::<Vec<_>>().join(" ");
    complain(&format!("no defect is named {}; these are: {names}", name.display()));
    Some(ExitCode::from(USAGE))
}

#[expect(clippy::disallowed_methods, reason = "what the reference driver itself reads is none of this")]
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

#[expect(clippy::print_stdout, reason = "asked for by hand")]
fn print(lines: impl Iterator<Item = String>) -> ExitCode {
    lines.for_each(|line| println!("{line}"));
    ExitCode::SUCCESS
}

#[expect(clippy::print_stderr, reason = "stderr is a driver's place for free text")]
fn complain(message: &str) {
    eprintln!("kdn-runtime-fake: {message}");
}

#[cfg(test)]
mod tests;
