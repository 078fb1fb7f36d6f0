//! The schemas of what kdn prints as JSON. Whether it prints what they say is looked at in every other test, too.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::{
    help::COMMANDS,
    support::{Env, schema},
};

#[test]
fn every_command_with_json_has_a_schema() {
    let env = Env::with_drivers(&[]);
    for command in COMMANDS {
        let words: Vec<&str> = command.split_whitespace().collect();
        let takes_output = env.ok(&[&words[..], &["--help"]].concat()).contains("-o, --output");
        assert_eq!(schema::of(&words).is_some(), takes_output, "kdn {command}");
    }
}

/// The fields that programs for the earlier kdn rely on, and after `+` those that came since. Behind one, `?` says that it
/// may be absent. The parts of several schemas, which have a capital, are the same in all.
const FIELDS: &str = "
Forward: bind port target
Param: name value
Paths: configuration source
Provider: name params type
Runtime: description +hidden? local name +path? +unused?
Secret: description? envs? header? headerTemplate? hosts? name path? type
Service: description envVars headerName headerTemplate? hostPattern name
Timestamps: created started?
Workspace: agent forwards id model? name paths project +reason? runtime +stale? state timestamps
error: error +hints?
id: id
info: agents runtimes version
list: items
name: name
page: +url
provider-list: items
runtime-list: items
runtime-new: +path +type
secret-list: items
service-list: items
workspace: agent forwards id model? name paths project +reason? runtime +stale? state timestamps
workspace-show: +agent +forwards +id +info +instance +model? +name +paths +project +reason? +runtime +secrets +stale? +state +timestamps
";

#[test]
fn fields_keep_their_names_and_their_presence() {
    let mut shown = BTreeSet::new();
    let mut show = |name: &str, schema: &Value| {
        let Some(fields) = schema["properties"].as_object() else { return };
        let required: Vec<_> = schema["required"].as_array().unwrap().iter().map(Value::as_str).collect();
        let mark = |field: &str| if required.contains(&Some(field)) { "" } else { "?" };
        let fields = fields.keys().map(|field| format!(" {field}{}", mark(field)));
        shown.insert(format!("{name}:{}", fields.collect::<String>()));
    };
    for name in schema::names() {
        let schema = schema::schema(&name);
        show(&name, &schema);
        schema["$defs"].as_object().into_iter().flatten().for_each(|(part, schema)| show(part, schema));
    }
    let known: BTreeSet<_> = FIELDS.trim().lines().map(|line| line.replace('+', "")).collect();
    let differ: Vec<_> = shown.symmetric_difference(&known).collect();
    assert!(differ.is_empty(), "{differ:#?}");
}

/// Each field of each schema is in some document of this test: it is neither misspelt nor left over.
#[test]
fn every_field_of_every_schema_is_printed() {
    let printed = documents();
    assert!(printed.keys().eq(&schema::names()));
    for (name, documents) in printed {
        let schema = schema::schema(&name);
        let is_valid =
            |schema: &Value, document| jsonschema::validator_for(schema).unwrap().is_valid(document);
        for document in &documents {
            assert!(is_valid(&schema, document), "{name}: {document:#}");
        }
        for field in fields(&schema, "") {
            let mut without = schema.clone();
            let (parent, field_name) = field.rsplit_once('/').unwrap();
            without.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(field_name);
            let is_missed = documents.iter().any(|document| !is_valid(&without, document));
            assert!(is_missed, "{name}: nothing has {field}");
        }
    }
}

/// Pointers to the fields of all objects in a schema.
fn fields(schema: &Value, place: &str) -> Vec<String> {
    let mut found = Vec::new();
    let parts: Vec<(String, &Value)> = match schema {
        Value::Object(object) => object.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect(),
        _ => Vec::new(),
    };
    for (key, value) in parts {
        let place = format!("{place}/{key}");
        if key == "properties" {
            found.extend(value.as_object().unwrap().keys().map(|field| format!("{place}/{field}")));
        }
        found.extend(fields(value, &place));
    }
    found
}

/// What kdn prints in a world that has something of everything.
fn documents() -> BTreeMap<String, Vec<Value>> {
    let env = Env::new().with_bad("noisy").with_values_file();
    env.configure(&json!({"ports": [8080], "secrets": ["github"]}));
    fs::write(env.bin().join("kdn-runtime-broken"), "").unwrap();

    let mut printed = BTreeMap::<String, Vec<Value>>::new();
    let mut add = |name: &str, text: &str| {
        let document = serde_json::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}: {text}"));
        printed.entry(name.to_owned()).or_default().push(document);
    };
    let run = |line: &str| env.run(&line.split(' ').chain(["-o", "json"]).collect::<Vec<_>>());
    let ok = |line: &str| env.ok(&line.split(' ').chain(["-o", "json"]).collect::<Vec<_>>());

    add("name", &ok("secret create github --type github --value x --description d"));
    let other = "secret create other --type other --value x --host h --path /p --header H --env E";
    ok(&format!("{other} --header-template T${{value}}"));
    add("secret-list", &ok("secret list"));
    ok("provider create work --type anthropic --token x");
    add("provider-list", &ok("provider list"));
    add("service-list", &ok("service list"));
    add("runtime-list", &ok("runtime list --all"));
    add("runtime-new", &ok("runtime new mine --language sh"));
    add("info", &ok("info"));
    add("workspace", &ok("init -r fake -a claude -m opus -v --start"));
    add("list", &ok("list"));
    add("workspace-show", &ok("workspace show app"));
    add("page", &ok("open app"));
    add("id", &ok("stop app"));
    add("error", &run("start nope").stdout);
    for runtime in ["fake", "bad"] {
        let init = ["init", "-r", runtime, "-a", "claude", "--workspace-configuration", "."];
        let events = env.run(&[&init[..], &["--progress", "json", "--show-logs"]].concat()).stderr;
        events.lines().for_each(|line| add("progress", line));
    }
    fs::remove_file(env.bin().join("kdn-runtime-fake")).unwrap();
    add("list", &ok("list"));
    add("workspace-show", &ok("workspace show app"));
    // Of the fields that a workspace has, `init` prints some.
    let items =
        printed["list"].iter().flat_map(|list| list["items"].as_array().unwrap().clone()).collect::<Vec<_>>();
    printed.get_mut("workspace").unwrap().extend(items);
    printed
}

#[test]
fn config_schema() {
    let env = Env::with_drivers(&[]);
    let printed = |file: &[&str]| -> Value {
        serde_json::from_str(&env.ok(&[&["config", "schema"], file].concat())).unwrap()
    };
    assert!(printed(&[])["properties"]["mounts"].is_object());
    assert_eq!(printed(&[]), printed(&["workspace"]));
    assert!(printed(&["projects"])["additionalProperties"]["properties"]["mounts"].is_object());
    assert!(printed(&["agents"])["title"].as_str().unwrap().ends_with("by agent"));
    assert_eq!(printed(&["output/list"]), schema::schema("list"));
    assert_snapshot!(env.run(&["config", "schema", "nope"]), @r#"
    exit code 2
    --- stderr
    Error: invalid value "nope" for NAME (supported: workspace, projects, agents, output/error, output/id, output/info, output/list, output/name, output/page, output/progress, output/provider-list, output/runtime-list, output/runtime-new, output/secret-list, output/service-list, output/workspace, output/workspace-show)
    Run 'kdn config schema --help' for its usage
    "#);
}
