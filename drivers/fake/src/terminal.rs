//! `terminal`: the command itself on this machine, in the folder of the sources.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use kdn_protocol::{Error, ErrorKind, Plan};

use crate::{env, record::Record};

/// Changes to the user's environment; `None` removes a variable.
type Environment = BTreeMap<String, Option<String>>;

/// The command without a shell around it, with the environment of the workspace in place of the user's own.
pub(crate) fn plan(record: &Record, home: &Path, command: &[String]) -> Result<Plan, Error> {
    let source = &record.source;
    if !source.is_dir() {
        let message = format!("the folder of the sources {} is gone", source.display());
        return Err(
            Error::new(ErrorKind::Unavailable, message).hint("bring it back, or remove the workspace")
        );
    }
    let Some((name, args)) = command.split_first() else {
        return Err(Error::new(ErrorKind::InvalidParams, "the command is empty").field("command"));
    };
    let env = environment(record, home)?;
    let path = env.get("PATH").and_then(Option::as_deref);
    let program = find(name, path, source).ok_or_else(|| {
        Error::new(ErrorKind::Unavailable, format!("command not found: {name:?}"))
            .field("command[0]")
            .hint(format!("install {name}, or add its folder to PATH"))
    })?;
    let mut plan = Plan::program(text(&program)?, args);
    plan.env = env;
    plan.cwd = Some(text(source)?);
    Ok(plan)
}

/// Of the user's variables, `PATH` stays, since it says where this machine has its programs.
///
/// The values of secrets are known only while `start` runs, so the variables that should have them are not set.
fn environment(record: &Record, home: &Path) -> Result<Environment, Error> {
    let mut env: Environment = env::foreign().map(|name| (name, None)).collect();
    env.insert("PATH".into(), env::path());
    if home.is_dir() {
        env.insert("HOME".into(), Some(text(home)?));
    }
    let Some(workspace) = &record.workspace else { return Ok(env) };
    for feature in &workspace.features {
        let expanded =
            feature.container_env.iter().map(|(name, value)| (name.clone(), Some(expand(value, &env))));
        env.extend(expanded.collect::<Vec<_>>());
    }
    for name in workspace.secrets.iter().flat_map(|secret| &secret.env_names) {
        env.insert(name.clone(), Some("placeholder".into()));
    }
    for variable in &workspace.environment {
        env.insert(variable.name.clone(), variable.value.clone());
    }
    Ok(env)
}

/// Puts the values of `env` in place of `${NAME}`.
fn expand(value: &str, env: &Environment) -> String {
    let mut expanded = String::new();
    let mut rest = value;
    while let Some((before, (name, after))) =
        rest.split_once("${").and_then(|(before, after)| Some((before, after.split_once('}')?)))
    {
        expanded.push_str(before);
        expanded.push_str(env.get(name).and_then(Option::as_deref).unwrap_or_default());
        rest = after;
    }
    expanded + rest
}

/// The absolute path of an executable, searched for in `path`; `./x` is relative to `cwd`.
pub(crate) fn find(name: &str, path: Option<&str>, cwd: &Path) -> Option<PathBuf> {
    which::which_in(name, path, cwd).ok().filter(|program| program.is_absolute())
}

fn text(path: &Path) -> Result<String, Error> {
    let not_text = || Error::internal(format!("path {:?} is not UTF-8", path.display().to_string()));
    path.to_str().map(str::to_owned).ok_or_else(not_text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn container_variables_refer_to_what_was_before() {
        let env = Environment::from([("PATH".into(), Some("/bin".into())), ("GONE".into(), None)]);
        assert_eq!(expand("/go/bin:${PATH}:${GONE}${NONE}/x ${PATH", &env), "/go/bin:/bin:/x ${PATH");
    }
}
