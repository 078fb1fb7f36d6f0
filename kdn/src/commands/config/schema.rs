//! `kdn config schema`

use clap::{ValueEnum, builder::PossibleValue};
use serde_json::Value;

use crate::{
    config::schema,
    output::{CommandError, json, stream},
};

/// Print the JSON Schema of a configuration file, or of what commands print as JSON
///
/// An editor that knows it completes and checks the file. Name it there as "$schema".
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  kdn config schema
  kdn config schema projects
  kdn config schema output/list")]
pub(crate) struct Args {
    /// File to print it of, or output/... for what commands print with --output json
    #[arg(value_name = "NAME", default_value = "workspace")]
    name: Document,
}

/// Something that there is a schema of.
#[derive(Debug, Clone, Copy)]
struct Document {
    name: &'static str,
    about: &'static str,
    schema: Source,
}

#[derive(Debug, Clone, Copy)]
enum Source {
    Workspace,
    Entries(&'static str),
    Output(&'static str),
}

/// All documents. A new one in `schema/output/` begins as `{}`.
macro_rules! documents {
    ($($file:literal: $about:literal $source:expr,)* outputs { $($output:literal: $of:literal,)* }) => {
        &[
            $(Document { name: $file, about: $about, schema: $source },)*
            $(Document {
                name: concat!("output/", $output),
                about: $of,
                schema: Source::Output(include_str!(concat!("../../../schema/output/", $output, ".json"))),
            },)*
        ]
    };
}

const DOCUMENTS: &[Document] = documents! {
    "workspace": ".kaiden/workspace.json in a project directory" Source::Workspace,
    "projects": "config/projects.json in the folder of kdn's state" Source::Entries("project"),
    "agents": "config/agents.json in the folder of kdn's state" Source::Entries("agent"),
    outputs {
        "error": "What a command that fails prints",
        "id": "What init, start, stop and remove print",
        "info": "What info prints",
        "list": "What list prints",
        "name": "What create and remove of secret and provider print",
        "page": "What open and dashboard print",
        "progress": "What each line on stderr is with --progress json",
        "provider-list": "What provider list prints",
        "runtime-list": "What runtime list prints",
        "runtime-new": "What runtime new prints",
        "secret-list": "What secret list prints",
        "service-list": "What service list prints",
        "workspace": "What init --verbose prints, and a workspace in list",
        "workspace-show": "What workspace show prints",
    }
};

impl Document {
    fn schema(self) -> Value {
        match self.schema {
            Source::Workspace => schema::workspace(),
            Source::Entries(of) => schema::entries(of),
            Source::Output(text) => serde_json::from_str(text).expect("the schema is JSON"),
        }
    }
}

impl ValueEnum for Document {
    fn value_variants<'a>() -> &'a [Self] {
        DOCUMENTS
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name).help(self.about))
    }
}

pub(crate) fn run(args: &Args) -> Result<u8, CommandError> {
    stream::raw(&json::pretty(&args.name.schema()))?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs, path::PathBuf};

    use schemars::{
        JsonSchema, Schema,
        generate::SchemaSettings,
        transform::{RecursiveTransform, Transform as _},
    };

    use super::*;
    use crate::{
        commands::{IdResult, WorkspaceResult, info, listing::Items, named, page, provider, runtime},
        commands::{secret, service, workspace},
        output::{self, progress},
    };

    fn folder() -> PathBuf {
        [env!("CARGO_MANIFEST_DIR"), "schema", "output"].iter().collect()
    }

    /// The files of `schema/output/` as the types have them.
    fn files() -> BTreeMap<String, String> {
        let documents = [
            ("error", schema::<output::Document<'_>>()),
            ("id", schema::<IdResult<'_>>()),
            ("info", schema::<info::Info>()),
            ("list", schema::<Items<WorkspaceResult<'_>>>()),
            ("name", schema::<named::NameResult<'_>>()),
            ("page", schema::<page::Page<'_>>()),
            ("progress", schema::<progress::Line<'_>>()),
            ("provider-list", schema::<Items<provider::list::Item<'_>>>()),
            ("runtime-list", schema::<Items<runtime::list::Item>>()),
            ("runtime-new", schema::<runtime::new::Written<'_>>()),
            ("secret-list", schema::<Items<secret::list::Item<'_>>>()),
            ("service-list", schema::<Items<service::list::Item>>()),
            ("workspace", schema::<WorkspaceResult<'_>>()),
            ("workspace-show", schema::<workspace::show::Shown<'_>>()),
        ];
        let complete = |(name, mut schema): (&str, Value)| {
            let path = format!("output/{name}");
            let document = DOCUMENTS.iter().find(|document| document.name == path).unwrap();
            let description = schema["description"].as_str().unwrap();
            schema["description"] = format!("{}. {description}", document.about).into();
            schema["title"] = title(name).into();
            (format!("{name}.json"), format!("{schema:#}\n"))
        };
        documents.map(complete).into()
    }

    /// `RuntimeList`, of which generators make the name of a type.
    fn title(name: &str) -> String {
        let word = |word: &str| word[..1].to_uppercase() + &word[1..];
        name.split('-').map(word).collect()
    }

    fn schema<T: JsonSchema>() -> Value {
        let mut plain = RecursiveTransform(kdn_protocol::schema::plain);
        let mut closed = RecursiveTransform(close);
        let mut schema =
            SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>();
        plain.transform(&mut schema);
        closed.transform(&mut schema);
        schema.to_value()
    }

    /// What is not in the schema is not printed.
    fn close(schema: &mut Schema) {
        if schema.get("properties").is_some() {
            schema.ensure_object().entry("additionalProperties").or_insert(false.into());
        }
    }

    #[test]
    fn the_files_are_those_of_the_types() {
        let is = |entry: fs::DirEntry| {
            (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap())
        };
        let there: BTreeMap<_, _> = fs::read_dir(folder()).unwrap().map(|entry| is(entry.unwrap())).collect();
        assert!(there == files(), "kdn/schema/output is out of date: run `just schema`");
        let named = DOCUMENTS.iter().filter(|document| matches!(document.schema, Source::Output(_)));
        assert_eq!(named.count(), there.len());
    }

    #[test]
    #[ignore = "writes kdn/schema/output"]
    #[expect(clippy::disallowed_methods, reason = "generated files can be generated again")]
    fn write() {
        fs::remove_dir_all(folder()).unwrap();
        fs::create_dir(folder()).unwrap();
        for (name, text) in files() {
            fs::write(folder().join(name), text).unwrap();
        }
    }

    #[test]
    fn each_field_is_described() {
        fn check(schema: &Value, place: &str) {
            for (key, value) in schema.as_object().into_iter().flatten() {
                let fields = value.as_object().filter(|_| key == "properties");
                for (name, field) in fields.into_iter().flatten() {
                    let is_known = field["description"].is_string() || field.get("const").is_some();
                    assert!(is_known, "{place}: {name} has no description");
                }
                check(value, place);
            }
            schema.as_array().into_iter().flatten().for_each(|schema| check(schema, place));
        }
        for document in DOCUMENTS.iter().filter(|document| document.name.starts_with("output/")) {
            let schema = document.schema();
            jsonschema::draft202012::meta::validate(&schema).unwrap();
            assert!(schema["description"].is_string(), "{}", document.name);
            check(&schema, document.name);
        }
    }
}
