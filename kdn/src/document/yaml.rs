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
        put(map, key, input(value));
        return Ok(());
    }
    // Not by way of an entry, which would move it to the end.
    if map.get(&key).is_none_or(Node::is_null) {
        put(map, key.clone(), Node::Mapping(Mapping::new()));
    }
    let inner = map.get_mut(&key).and_then(Node::as_mapping_mut).ok_or_else(|| no_map(&path[..=depth]))?;
    insert(inner, path, depth + 1, value)
}

/// Replaces a value in its place, or adds it at the end.
fn put<'a>(map: &mut Mapping<'a>, key: Node<'a>, value: Node<'a>) {
    match map.get_mut(&key) {
        Some(old) => *old = value,
        None => drop(map.insert(key, value)),
    }
}

/// Puts the lines of an entry in place of those that it had, or at the end. `None`: the file is not made of lines.
fn splice(text: &str, key: &str, entry: &str) -> Option<String> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let documents = MarkedYaml::load_from_str(text).ok()?;
    let map = documents.first().and_then(|top| top.data.as_mapping());
    let entries: Vec<_> = map.into_iter().flatten().collect();
    let starts: Vec<usize> = entries.iter().map(|(key, _)| key.span.start.line() - 1).collect();
    let found = entries.iter().position(|(name, _)| name.data.as_str() == Some(key));
    let end = lines.len();
    let (from, to) = found.map_or((end, end), |i| (starts[i], starts.get(i + 1).copied().unwrap_or(end)));
    let own = lines.get(from..to)?;
    // What is said above the next entry belongs to it.
    let is_between = |line: &&&str| line.starts_with('#') || matches!(line.trim(), "" | "---" | "...");
    let to = to - own.iter().rev().take_while(is_between).count();
    let mut new = lines[..from].concat();
    if !new.is_empty() && !new.ends_with('\n') {
        new.push('\n');
    }
    new.push_str(entry.trim_end());
    // What is said beside a short value stays beside it.
    if let (Some(i), [line]) = (found, lines.get(from..to)?)
        && entry.lines().count() == 1
    {
        let beside: String = line.chars().skip(entries[i].1.span.end.col()).collect();
        if beside.trim_start().starts_with('#') {
            new.push_str(beside.trim_end());
        }
    }
    new.push('\n');
    new.push_str(&lines[to..].concat());
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
