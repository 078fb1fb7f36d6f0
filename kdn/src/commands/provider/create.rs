//! `kdn provider create`

use crate::{
    commands::{
        Context,
        args::OutputArg,
        named,
        value::{self, Value},
    },
    output::CommandError,
    secrets::Provider,
};

/// Make a provider of models
///
/// A token is kept as the secret NAME/token. Without --token it is read from standard input, and at a terminal it is
/// asked for. What is on a command line can be seen by every program on this machine.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  kdn provider create work --type anthropic --token sk-example
  kdn provider create house --type anthropic --token sk-1 --url https://llm.org
  kdn provider create cloud --type vertexai --project mine --region us-east5")]
pub(crate) struct Args {
    /// Name of the provider
    name: String,
    /// Type of the provider: anthropic or vertexai
    #[arg(long, value_name = "TYPE")]
    r#type: Option<String>,
    /// Token; - is standard input (only with --type anthropic)
    #[arg(long, value_name = "TOKEN", value_parser = value::parse, allow_hyphen_values = true, conflicts_with = "token_env")]
    token: Option<Value>,
    /// Environment variable that holds the token (only with --type anthropic)
    #[arg(long, value_name = "VARIABLE")]
    token_env: Option<String>,
    /// URL of the service, if it is not Anthropic's own (only with --type anthropic)
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Project of Google Cloud (only with --type vertexai)
    #[arg(long, value_name = "PROJECT")]
    project: Option<String>,
    /// Region of Google Cloud (only with --type vertexai)
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// File of the credentials, if it is not the usual one (only with --type vertexai)
    #[arg(long, value_name = "FILE")]
    credentials: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArg,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<u8, CommandError> {
    let (name, output) = (args.name.clone(), args.output);
    let provider = provider(args, context).await?;
    let created = context.secrets().create_provider(provider).await;
    named::end(created, "create", "provider", &name, output)
}

async fn provider(args: Args, context: &Context) -> Result<Provider, CommandError> {
    let kind = args.r#type.as_deref().unwrap_or_default();
    check(kind, &args).map_err(|problem| usage(&problem))?;
    let Args { name, token, token_env, url, project, region, credentials, .. } = args;
    // An empty value counts as not given, as scripts pass on variables that may not be set.
    let given = |value: Option<String>| value.filter(|value| !value.is_empty());
    let required = |flag: &str, kind: &str| usage(&format!("{flag} is required when --type={kind}"));
    if let Some((project, region)) = project.zip(region) {
        return Ok(Provider::vertexai(&name, project, region, given(credentials)));
    }
    let token = value::read(token, token_env.as_deref(), format!("Token of {name}"), context).await?;
    let token = token.ok_or_else(|| required("--token", "anthropic"))?;
    let url = given(url);
    let shown = url.clone().unwrap_or_default();
    Provider::anthropic(&name, token, url).ok_or_else(|| {
        usage(&format!("invalid --url {shown:?}: must be an http or https URL with the name of a host"))
    })
}

fn usage(problem: &str) -> CommandError {
    CommandError::usage(problem).with_hint("Run 'kdn provider create --help' for its usage")
}

fn check(kind: &str, args: &Args) -> Result<(), String> {
    let [anthropic, vertexai] = Provider::TYPES;
    let is_set = |value: &Option<String>| value.as_ref().is_some_and(|value| !value.is_empty());
    let flags = [
        (anthropic, "--token", args.token.is_some(), false),
        (anthropic, "--token-env", args.token_env.is_some(), false),
        (anthropic, "--url", args.url.is_some(), false),
        (vertexai, "--project", is_set(&args.project), true),
        (vertexai, "--region", is_set(&args.region), true),
        (vertexai, "--credentials", args.credentials.is_some(), false),
    ];
    if kind.is_empty() {
        return Err("--type is required".to_owned());
    }
    if !Provider::TYPES.contains(&kind) {
        return Err(format!("invalid --type {kind:?}: must be one of {}", Provider::TYPES.join(", ")));
    }
    if args.name.is_empty() {
        return Err("the name of a provider can't be empty".to_owned());
    }
    for (of, flag, is_given, is_required) in flags {
        if of != kind && is_given {
            return Err(format!("{flag} is only valid when --type={of}"));
        }
        if of == kind && is_required && !is_given {
            return Err(format!("{flag} is required when --type={of}"));
        }
    }
    Ok(())
}
