//! The specification and the schemas as text, for tools that check drivers.

/// `SPEC.md`.
pub const SPEC: &str = include_str!("../SPEC.md");

macro_rules! schemas {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../schema/", $name, ".json")))),*]
    };
}

/// The files of `schema/` that describe messages: name without `.json`, and content.
pub const SCHEMAS: &[(&str, &str)] = &schemas!(
    "cancelRequest.params",
    "create.params",
    "create.result",
    "dashboard.params",
    "dashboard.result",
    "error",
    "flags.params",
    "flags.result",
    "info.params",
    "info.result",
    "initialize.params",
    "initialize.result",
    "list.params",
    "list.result",
    "listAgents.params",
    "listAgents.result",
    "log.params",
    "remove.params",
    "remove.result",
    "shutdown.params",
    "shutdown.result",
    "start.params",
    "start.result",
    "status.params",
    "status.result",
    "step.params",
    "stop.params",
    "stop.result",
    "terminal.params",
    "terminal.result",
    "type.params",
    "type.result",
);

/// A sentence of the specification that requires something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sentence {
    /// Its id, such as `WIRE-05`.
    pub id: &'static str,
    /// Who checks it: `driver`, `host` or `advice`.
    pub tag: &'static str,
    /// The sentence.
    pub text: &'static str,
}

impl Sentence {
    /// Reads a list item like `- **LIFE-07** (driver) A driver MUST ...`.
    pub fn read(line: &'static str) -> Option<Self> {
        let (id, rest) = line.strip_prefix("- **")?.split_once("** (")?;
        let (tag, text) = rest.split_once(") ")?;
        is_id(id).then_some(Self { id, tag, text })
    }

    /// Whether it says MUST, and not SHOULD.
    pub fn is_must(&self) -> bool {
        self.text.contains("MUST")
    }
}

/// Whether a word has the form of a sentence's id.
pub fn is_id(text: &str) -> bool {
    text.split_once('-').is_some_and(|(topic, number)| {
        topic.len() >= 3
            && topic.bytes().all(|b| b.is_ascii_uppercase())
            && number.len() >= 2
            && number.bytes().all(|b| b.is_ascii_digit())
    })
}

/// The lines of the specification outside code.
pub fn prose() -> impl Iterator<Item = &'static str> {
    SPEC.split("\n```").step_by(2).flat_map(str::lines)
}

/// All sentences that require something, in their order.
pub fn sentences() -> impl Iterator<Item = Sentence> {
    prose().filter_map(Sentence::read)
}
