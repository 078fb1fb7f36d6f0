//! `kdn-conformance explain`

use super::Unusable;
use crate::check::{Check, Need};

/// Say what a check, or a sentence of the specification, is about
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  kdn-conformance explain core/crlf
  kdn-conformance explain WIRE-05")]
pub(super) struct Args {
    /// The id of a check, such as core/crlf, or of a sentence, such as WIRE-05
    id: String,
}

pub(super) fn run(args: &Args) -> Result<u8, Unusable> {
    if let Some(sentence) = kdn_protocol::text::sentences().find(|sentence| sentence.id == args.id) {
        anstream::println!("{} ({}): {}", sentence.id, sentence.tag, sentence.text);
        let covering = crate::checks().filter(|check| check.covers.contains(&sentence.id));
        covering.for_each(|check| anstream::println!("\nChecked by {}: {}", check.id, check.title));
        return Ok(0);
    }
    let Some(check) = crate::checks().find(|check| check.id == args.id) else {
        let message = format!("there is no check and no sentence {:?}", args.id);
        return Err(Unusable::new(message, "List the checks with: kdn-conformance list"));
    };
    anstream::println!("{}: {}", check.id, check.title);
    anstream::println!("\nIt covers:");
    check.sentences().for_each(|sentence| anstream::println!("  {}: {}", sentence.id, sentence.text));
    let level = if check.is_must() { "a failure" } else { "a warning (with --strict: a failure)" };
    anstream::println!("\nA driver that does it otherwise gets {level}.");
    let needs = needs(check);
    if !needs.is_empty() {
        anstream::println!("\nIt is skipped unless {}.", needs.join(" and "));
    }
    if check.slow {
        anstream::println!("\nIt waits for a deadline or takes long; --quick leaves it out.");
    }
    anstream::println!("\nRun it alone: kdn-conformance run --only {} DRIVER", check.id);
    Ok(0)
}

fn needs(check: &Check) -> Vec<String> {
    let text = |need: &Need| match need {
        Need::Capability(name) => format!("the driver declares {name:?}"),
        Need::Without(name) => format!("the driver does not declare {name:?}"),
        Need::Isolated => "the driver isolates".into(),
        Need::NotIsolated => "the driver does not isolate".into(),
        Need::Local => "workspaces are on this machine".into(),
        Need::Linux => "the suite runs on Linux".into(),
        Need::Fixture(field) => format!("the fixture has {field:?}"),
    };
    check.needs.iter().map(text).collect()
}
