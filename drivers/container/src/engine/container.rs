//! A container, as `ps` of an engine tells of it.

use std::collections::BTreeMap;

/// A container.
#[derive(Debug, Clone, Default)]
pub struct Container {
    pub id: String,
    pub name: String,
    pub status: Status,
    pub labels: BTreeMap<String, String>,
    /// The networks that it is on.
    pub networks: Vec<String>,
    /// The pod that it belongs to, if any.
    pub pod: Option<String>,
    /// Its image, as it was named.
    pub image: String,
}

/// What a container is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Status {
    Running,
    Paused,
    /// Complete but for the start of its first process.
    Initialized,
    /// Ready to be started; with the exit code of its last run.
    Stopped(Option<i32>),
    /// Broken for good.
    Dead,
    /// In a state that is not known here.
    #[default]
    Unknown,
}

impl Status {
    /// From the engine's word for it.
    pub fn new(word: &str, exit_code: Option<i32>) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "running" | "stopping" | "restarting" => Self::Running,
            "initialized" => Self::Initialized,
            "paused" => Self::Paused,
            "created" | "configured" | "removing" => Self::Stopped(None),
            "exited" | "stopped" => Self::Stopped(exit_code),
            "dead" => Self::Dead,
            _ => Self::Unknown,
        }
    }
}
