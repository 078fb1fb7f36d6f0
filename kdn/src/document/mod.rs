//! Files of settings in the formats that kdn and agents use, changed in place: whatever is not set stays as the user
//! wrote it.

mod json;
mod toml;
mod yaml;

use serde_json::Value;

use self::{json::Json, toml::Toml, yaml::Yaml};

/// The format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// JSON, and nothing more.
    Json,
    /// JSON with comments and commas at the end.
    Jsonc,
    /// JSON5.
    Json5,
    /// TOML.
    Toml,
    /// YAML.
    Yaml,
}

/// What is wrong with a file; a fragment that reads after its name.
pub(crate) type Problem = String;

/// A file whose top is a map.
pub(crate) trait Document {
    /// The value at the end of a path of keys.
    fn get(&self, path: &[&str]) -> Option<Value>;

    /// Puts a value at the end of a path of keys, and makes the maps on the way.
    ///
    /// A `null` on the way counts as nothing; everything else that is no map is a problem.
    fn set(&mut self, path: &[&str], value: Value) -> Result<(), Problem>;

    /// The whole text.
    fn text(&self) -> String;
}

/// Reads a file. An empty one is an empty map.
pub(crate) fn parse(format: Format, text: &str) -> Result<Box<dyn Document>, Problem> {
    Ok(match format {
        Format::Json | Format::Jsonc | Format::Json5 => Box::new(Json::parse(format, text)?),
        Format::Toml => Box::new(Toml::parse(text)?),
        Format::Yaml => Box::new(Yaml::parse(text)?),
    })
}

/// Says that something on the way to a value is no map.
fn no_map(path: &[&str]) -> Problem {
    if path.is_empty() {
        "it is not an object".to_owned()
    } else {
        format!("{:?} is not an object", path.join("."))
    }
}

/// The value at the end of a path in a JSON value.
fn look<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, key| value.get(key))
}

#[cfg(test)]
mod tests;
