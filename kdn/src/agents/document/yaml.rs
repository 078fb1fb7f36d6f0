//! YAML: only the entries at the top that change are written anew, so that comments and layout elsewhere are kept.

use saphyr::{LoadableYamlNode, Mapping, MarkedYaml, Scalar, Yaml as Node, YamlEmitter};
use serde_json::{Map, Value};

use super::{Document, Problem, no_map};

pub(super) struct Yaml(String);

impl Yaml {
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        load(text)?;
        Ok(Self(text.to_owned()))
    }
}

impl Document for Yaml {
    fn get(&self, path: &[&str]) -> Option<Value> {
        let top = Node::Mapping(load(&self.0).ok()?);
        let node = path.iter().try_fold(&top, |node, key| node.as_mapping()?.get(&string(key)));
        output(node?)
    }

    fn set(&mut self, path: &[&str], value: Value) -> Result<(), Problem> {
        let Some(top) = path.first() else { return Ok(()) };
        let old = std::mem::take(&mut self.0);
        let mut whole = load(&old)?;
        insert(&mut whole, path, 0, value)?;
        let key = string(top);
        let entry = whole.get(&key).cloned().unwrap_or(Node::BadValue);
        let entry = emit(&Node::Mapping([(key, entry)].into_iter().collect()))?;
        let spliced = splice(&old, top, &entry);
        // What can't be changed in place, such as a map within braces, is written anew as a whole.
        self.0 = match spliced {
            Some(text) if load(&text).as_ref() == Ok(&whole) => text,
            _ => emit(&Node::Mapping(whole))?,
        };
        Ok(())
    }

    fn text(&self) -> String {
        self.0.clone()
    }
}

fn load(text: &str) -> Result<Mapping<'_>, Problem> {
    let mut documents = Node::load_from_str(text).map_err(|error| error.to_string())?;
    if documents.len() > 1 {
        return Err("it holds more than one document".to_owned());
    }
    match documents.pop() {
        None | Some(Node::Value(Scalar::Null)) => Ok(Mapping::new()),
        Some(Node::Mapping(map)) => Ok(map),
        Some(_) => Err(no_map(&[])),
    }
}

fn insert(map: &mut Mapping<'_>, path: &[&str], depth: usize, value: Value) -> Result<(), Problem> {
    let key = string(path[depth]);
    if depth + 1 == path.len() {
        // The place of an entry that is there stays.
        match map.get_mut(&key) {
            Some(old) => *old = input(value),
            None => drop(map.insert(key, input(value))),
        }
        return Ok(());
    }
    let inner = map.entry(key).or_insert_with(|| Node::Mapping(Mapping::new()));
    if inner.is_null() {
        *inner = Node::Mapping(Mapping::new());
    }
    let inner = inner.as_mapping_mut().ok_or_else(|| no_map(&path[..=depth]))?;
    insert(inner, path, depth + 1, value)
}

/// Puts the lines of an entry in place of those that it had, or at the end. `None`: the file is not made of lines.
fn splice(text: &str, key: &str, entry: &str) -> Option<String> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let documents = MarkedYaml::load_from_str(text).ok()?;
    let keys: Vec<(usize, bool)> = match documents.first().and_then(|top| top.data.as_mapping()) {
        None => Vec::new(),
        Some(map) => {
            let places = map.keys().map(|name| (name.span.start.line() - 1, name.data.as_str() == Some(key)));
            places.collect()
        }
    };
    let found = keys.iter().position(|(_, is_it)| *is_it);
    let (from, to) = match found {
        Some(i) => (keys[i].0, keys.get(i + 1).map_or(lines.len(), |(line, _)| *line)),
        None => (lines.len(), lines.len()),
    };
    let own = lines.get(from..to)?;
    // What is said above the next entry belongs to it.
    let is_between = |line: &&&str| line.trim().is_empty() || line.starts_with(['#', '-', '.']);
    let between = own.iter().rev().take_while(is_between).count();
    let mut new = lines[..from].concat();
    if !new.is_empty() && !new.ends_with('\n') {
        new.push('\n');
    }
    new.push_str(entry);
    new.push_str(&lines[to - between..].concat());
    Some(new)
}

fn emit(node: &Node<'_>) -> Result<String, Problem> {
    let mut text = String::new();
    YamlEmitter::new(&mut text).dump(node).map_err(|error| error.to_string())?;
    let mut text = text.strip_prefix("---\n").unwrap_or(&text).to_owned();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

fn string(text: &str) -> Node<'static> {
    Node::Value(Scalar::String(text.to_owned().into()))
}

fn input(value: Value) -> Node<'static> {
    match value {
        Value::Null => Node::Value(Scalar::Null),
        Value::Bool(value) => Node::Value(Scalar::Boolean(value)),
        Value::Number(value) => match value.as_i64() {
            Some(value) => Node::Value(Scalar::Integer(value)),
            None => Node::Value(Scalar::FloatingPoint(value.as_f64().unwrap_or(f64::NAN).into())),
        },
        Value::String(value) => string(&value),
        Value::Array(values) => Node::Sequence(values.into_iter().map(input).collect()),
        Value::Object(map) => {
            Node::Mapping(map.into_iter().map(|(key, value)| (string(&key), input(value))).collect())
        }
    }
}

fn output(node: &Node<'_>) -> Option<Value> {
    Some(match node {
        Node::Value(Scalar::Null) => Value::Null,
        Node::Value(Scalar::Boolean(value)) => (*value).into(),
        Node::Value(Scalar::Integer(value)) => (*value).into(),
        Node::Value(Scalar::FloatingPoint(value)) => value.into_inner().into(),
        Node::Value(Scalar::String(value)) => value.as_ref().into(),
        Node::Sequence(values) => values.iter().map(output).collect::<Option<_>>()?,
        Node::Mapping(map) => {
            let entries = map.iter().map(|(key, value)| Some((key.as_str()?.to_owned(), output(value)?)));
            Value::Object(entries.collect::<Option<Map<_, _>>>()?)
        }
        Node::Tagged(_, node) => output(node)?,
        Node::Representation(..) | Node::Alias(_) | Node::BadValue => return None,
    })
}
