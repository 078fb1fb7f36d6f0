//! Holds all that kdn prints as JSON to the schemas that it ships.

use std::{
    fs,
    process::{Command, Output},
};

use serde_json::Value;

/// The schema of what a command prints with `--output json`, by its words; none for one that has no JSON.
pub(crate) fn of(command: &[&str]) -> Option<&'static str> {
    Some(match command {
        ["workspace", "show"] => "workspace-show",
        ["workspace", verb @ ..] => return of(verb),
        ["init" | "start" | "stop" | "remove" | "rm"] => "id",
        ["list" | "ls"] => "list",
        ["open" | "dashboard"] => "page",
        ["secret" | "provider", "create" | "remove" | "rm"] => "name",
        ["secret", "list"] => "secret-list",
        ["provider", "list"] => "provider-list",
        ["service", "list"] => "service-list",
        ["runtime", "list"] => "runtime-list",
        ["runtime", "new"] => "runtime-new",
        ["info"] => "info",
        _ => return None,
    })
}

/// Fails when a document on stdout, or an event on stderr, is not as the schema has it.
pub(crate) fn check(command: &Command, output: &Output) {
    let words: Vec<&str> = command.get_args().map_while(|word| word.to_str()).collect();
    // Before it, there may be what starts kdn.
    let from = words.iter().position(|word| word.ends_with("/kdn")).map_or(0, |at| at + 1);
    let args: Vec<&str> = words[from..].iter().copied().take_while(|word| *word != "--").collect();
    let has = |flags: &[&str]| args.iter().any(|arg| flags.contains(arg));
    let pair = |flags: &[&str]| args.windows(2).any(|pair| flags.contains(&pair[0]) && pair[1] == "json");
    if has(&["--progress=json"]) || pair(&["--progress"]) {
        let stderr = String::from_utf8_lossy(&output.stderr);
        stderr
            .lines()
            .filter(|line| line.starts_with('{'))
            .for_each(|line| validate("progress", line, &args));
    }
    let wants_json = has(&["-ojson", "-o=json", "--output=json"]) || pair(&["-o", "--output"]);
    let document = match (document(&args), output.status.code()) {
        // It was killed, or its arguments are those of another program.
        (_, None) | (Document::Foreign, _) => return,
        _ if has(&["--help", "-h"]) || !wants_json => return,
        (_, Some(1..)) => "error",
        (Document::None, Some(_)) => panic!("kdn {args:?} took --output and has no schema"),
        (Document::Of("id"), _) if has(&["--dump-config"]) => "../workspace",
        (Document::Of("id"), _) if has(&["--verbose", "-v"]) => "workspace",
        (Document::Of(schema), _) => schema,
    };
    validate(document, &String::from_utf8_lossy(&output.stdout), &args);
}

enum Document {
    Of(&'static str),
    None,
    Foreign,
}

fn document(args: &[&str]) -> Document {
    let is_value = |at: usize| at > 0 && args[at - 1] == "--storage";
    let words = args.iter().enumerate().filter(|(at, arg)| !arg.starts_with('-') && !is_value(*at));
    let words: Vec<&str> = words.map(|(_, arg)| *arg).take(2).collect();
    match words[..] {
        ["terminal", ..] | ["workspace", "terminal"] | ["runtime", "test"] => Document::Foreign,
        [verb, ..] if of(&[verb]).is_some() => of(&[verb]).map_or(Document::None, Document::Of),
        _ => of(&words).map_or(Document::None, Document::Of),
    }
}

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/output");

/// The names of the schemas that kdn ships, sorted.
pub(crate) fn names() -> Vec<String> {
    let files = fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().path());
    let mut names: Vec<_> =
        files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

pub(crate) fn schema(name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(format!("{FOLDER}/{name}.json")).unwrap()).unwrap()
}

fn validate(name: &str, text: &str, args: &[&str]) {
    let document: Value = serde_json::from_str(text)
        .unwrap_or_else(|error| panic!("kdn {args:?} did not print one JSON document: {error}: {text}"));
    let validator = jsonschema::validator_for(&schema(name)).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(&document).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(
        errors.is_empty(),
        "kdn {args:?} printed what schema/output/{name}.json does not have: {errors:#?}\n{text}"
    );
}
