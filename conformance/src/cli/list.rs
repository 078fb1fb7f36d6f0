//! `kdn-conformance list`

use serde_json::json;

use super::{Unusable, run::Selection};
use crate::check::Check;

/// List the checks
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Show them as JSON, with the sentences that they cover
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<u8, Unusable> {
    let selected = args.selection.checks()?;
    if args.json {
        let all: Vec<_> = selected.iter().map(|check| entry(check)).collect();
        anstream::println!("{:#}", json!({"items": all}));
        return Ok(0);
    }
    let width = selected.iter().map(|check| check.id.len()).max().unwrap_or_default();
    for check in selected {
        let slow = if check.slow { "  (slow)" } else { "" };
        anstream::println!("{:width$}  {}{slow}", check.id, check.title);
    }
    Ok(0)
}

fn entry(check: &Check) -> serde_json::Value {
    let level = if check.is_must() { "must" } else { "should" };
    json!({
        "id": check.id, "profile": check.profile(), "title": check.title, "covers": check.covers,
        "level": level, "slow": check.slow,
    })
}
