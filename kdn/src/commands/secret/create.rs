//! `kdn secret create`

use crate::{
    commands::{
        Context,
        args::OutputArg,
        named,
        value::{self, Value},
    },
    output::CommandError,
    secrets::{Definition, OTHER, types},
};

/// Make a secret
///
/// Its value goes to the keychain of the system, or to the file that $KDN_SECRETS_FILE names where that is set.
/// Without --value it is read from standard input, and at a terminal it is asked for. What is on a command line can be
/// seen by every program on this machine.
///
/// A workspace uses the secrets that its configuration names: those in "secrets" are put into requests to the hosts of
/// their service, and their values stay outside; those in "environment" become the values of variables.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  kdn secret create my-token --type github --value ghp_example
  kdn secret create my-key --type anthropic --value-env HOME
  kdn secret create docs --type other --host docs.org --header Key --value 123

A value from another program:
  pass show github | kdn secret create my-token --type github")]
pub(crate) struct Args {
    /// Name of the secret
    name: String,
    /// Service that the secret belongs to: anthropic, gemini, github, or other
    #[arg(long, value_name = "TYPE")]
    r#type: Option<String>,
    /// Value of the secret; - is standard input
    #[arg(long, value_name = "VALUE", value_parser = value::parse, allow_hyphen_values = true, conflicts_with = "value_env")]
    value: Option<Value>,
    /// Environment variable that holds the value
    #[arg(long, value_name = "VARIABLE")]
    value_env: Option<String>,
    /// What the secret is for
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    description: String,
    /// Host whose requests get the secret; may be given several times (only with --type other)
    #[arg(long = "host", value_name = "HOST")]
    hosts: Vec<String>,
    /// Only requests whose path begins so get the secret (only with --type other)
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// Request header that gets the secret (only with --type other)
    #[arg(long, value_name = "HEADER")]
    header: Option<String>,
    /// Value of the header, with ${value} for the secret (only with --type other)
    #[arg(long, alias = "headerTemplate", value_name = "TEMPLATE")]
    header_template: Option<String>,
    /// Variable that programs look for the secret in; may be given several times (only with --type other)
    #[arg(long = "env", value_name = "VARIABLE")]
    envs: Vec<String>,
    #[command(flatten)]
    pub(crate) output: OutputArg,
}

pub(crate) async fn run(mut args: Args, context: &Context) -> Result<u8, CommandError> {
    check(&args).map_err(|problem| usage(&problem))?;
    let question = format!("Value of {}", args.name);
    let value = value::read(args.value.take(), args.value_env.as_deref(), question, context).await?;
    let value = value.ok_or_else(|| usage("--value is required"))?;
    let definition = Definition {
        name: args.name,
        r#type: args.r#type.unwrap_or_default(),
        description: args.description,
        hosts: args.hosts,
        path: args.path.unwrap_or_default(),
        header: args.header.unwrap_or_default(),
        header_template: args.header_template.unwrap_or_default(),
        envs: args.envs,
        ..Definition::default()
    };
    let name = definition.name.clone();
    let created = context.secrets().create(definition, value).await;
    named::end(created, "create", "secret", &name, args.output)
}

fn usage(problem: &str) -> CommandError {
    CommandError::usage(problem).with_hint("Run 'kdn secret create --help' for its usage")
}

fn check(args: &Args) -> Result<(), String> {
    let Some(kind) = args.r#type.as_deref().filter(|kind| !kind.is_empty()) else {
        return Err("--type is required".to_owned());
    };
    if !types().any(|known| known == kind) {
        let all = types().collect::<Vec<_>>().join(", ");
        return Err(format!("invalid --type {kind:?}: must be one of {all}"));
    }
    if args.name.is_empty() {
        return Err("the name of a secret can't be empty".to_owned());
    }
    // An empty value needs no look at the rest.
    if args.value.as_ref().is_some_and(|value| value.expose().is_empty()) {
        return Err("--value is required".to_owned());
    }
    let given = [
        ("--host", !args.hosts.is_empty()),
        ("--path", args.path.is_some()),
        ("--header", args.header.is_some()),
        ("--headerTemplate", args.header_template.is_some()),
        ("--env", !args.envs.is_empty()),
    ];
    let wrong = if kind == OTHER {
        let required = |flag: &&str| ["--host", "--header"].contains(flag);
        let missing =
            given.into_iter().filter(|(_, is_given)| !is_given).map(|(flag, _)| flag).find(required);
        missing.map(|flag| format!("{flag} is required when --type=other"))
    } else {
        let extra = given.into_iter().find(|(_, is_given)| *is_given);
        extra.map(|(flag, _)| format!("{flag} is only valid when --type=other"))
    };
    wrong.map_or(Ok(()), Err)
}
