//! `kdn open`

use std::net::SocketAddr;

use kdn_protocol::{Forward, State};

use super::{
    Context,
    args::{NameArg, OutputArg},
    page,
};
use crate::{
    output::{CommandError, stream},
    workspaces::Live,
};

/// Open a forwarded port of a workspace
///
/// Prints the URL at which the port can be reached, and opens it in the browser.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  kdn open my-project
  kdn open my-project 8080
  kdn open my-project 8080 --url")]
pub(crate) struct Args {
    #[command(flatten)]
    workspace: NameArg,
    /// Port inside the workspace; may be left out when only one is forwarded
    #[arg(value_name = "PORT", value_parser = parse_port)]
    port: Option<i64>,
    /// Print the URL only
    #[arg(long)]
    url: bool,
    #[command(flatten)]
    pub(crate) output: OutputArg,
}

fn parse_port(word: &str) -> Result<i64, String> {
    word.parse().map_err(|_| format!("invalid port {word:?}: must be a number"))
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<u8, CommandError> {
    let manager = context.manager();
    let wanted = &args.workspace.name;
    let record = manager.find(wanted)?;
    let (mut live, warnings) = manager.refresh(vec![record.clone()]).await;
    for warning in &warnings {
        stream::stderr(&warning.to_warning("the last known ports are used"));
    }
    let Live { record, fresh, .. } = live.pop().unwrap_or(Live { record, fresh: false, reason: None });
    let forward = choose(&record.forwards(), args.port.filter(|port| *port != 0), wanted)?;
    let state = &record.runtime.state;
    if fresh && *state != State::Running {
        stream::note(&format!("Warning: workspace {wanted:?} is not running (state: {state})"));
    }
    page::show(&format!("http://{}", SocketAddr::new(forward.bind, forward.port)), args.url, args.output)
}

fn choose(forwards: &[Forward], port: Option<i64>, wanted: &str) -> Result<Forward, CommandError> {
    let ports = || forwards.iter().map(|forward| forward.target.to_string()).collect::<Vec<_>>().join(", ");
    let hint = |error: CommandError| error.with_hint(format!("Its ports are {}", ports()));
    let found = match (forwards, port) {
        ([], _) => {
            let error = CommandError::new(format!("no port forwards configured for workspace {wanted:?}"));
            return Err(error.with_hint("Add \"ports\" to its configuration, and make it anew"));
        }
        ([only], None) => Some(only),
        (_, None) => {
            let message = format!("workspace {wanted:?} has multiple port forwards; specify a port");
            return Err(hint(CommandError::new(message)));
        }
        (all, Some(port)) => all.iter().find(|forward| i64::from(forward.target) == port),
    };
    found.copied().ok_or_else(|| {
        let port = port.unwrap_or_default();
        hint(CommandError::new(format!("no port forward found for port {port} in workspace {wanted:?}")))
    })
}
