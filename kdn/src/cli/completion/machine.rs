//! What this machine has to offer. Nothing here fails: a list that can't be read has no candidates.

use std::{collections::BTreeSet, time::Duration};

use clap::Command;
use kdn_protocol::{Manifest, State, host::Stopwatch};

use crate::{
    cli::driver_flags,
    commands::Context,
    workspaces::{Record, find},
};

/// How long drivers may take that nothing is known of yet. The user waits at a prompt.
const PATIENCE: Duration = Duration::from_secs(3);

/// Something to offer.
pub(super) struct Candidate {
    pub(super) word: String,
    /// What the shell shows beside it; may be empty.
    pub(super) help: String,
}

/// Which workspaces a command is for, by their last known states.
#[derive(Clone, Copy)]
pub(super) enum Which {
    All,
    Idle,
    Running,
    /// What does not run; with `--force` all.
    Removable,
}

/// This machine, and the words on the line that matter.
pub(super) struct Machine {
    context: Context,
    force: bool,
    words: Vec<String>,
}

impl Machine {
    pub(super) fn new(context: Context, words: &[&str]) -> Self {
        let force = words.iter().any(|word| matches!(*word, "--force" | "-f"));
        Self { context, force, words: words.iter().map(|&word| word.to_owned()).collect() }
    }

    /// With the flags of the driver that `init` is to use.
    pub(super) fn with_driver_flags(&self, command: Command, words: &[&str]) -> Command {
        let extended = driver_flags::add(command.clone(), words, &self.context);
        match patiently(extended) {
            Some(Ok(Some(extended))) => extended.command,
            _ => command,
        }
    }

    /// Those that run and whose driver has a dashboard.
    pub(super) fn workspaces_with_dashboard(&self, typed: &str) -> Vec<Candidate> {
        let runtimes = self.described();
        let has_dashboard = |record: &Record| {
            let kind = &record.runtime.kind;
            let known =
                runtimes.iter().find(|(driver, _)| driver == kind).and_then(|(_, known)| known.as_ref());
            known.is_none_or(|manifest| manifest.capabilities.dashboard.is_some())
        };
        self.candidates(typed, |record| record.runtime.state == State::Running && has_dashboard(record))
    }

    /// Names, and ids once one is begun: nobody picks an id by its looks.
    pub(super) fn workspaces(&self, which: Which, typed: &str) -> Vec<Candidate> {
        self.candidates(typed, |record| match which {
            Which::All => true,
            Which::Running => record.runtime.state == State::Running,
            Which::Idle => record.runtime.state != State::Running,
            Which::Removable => self.force || record.runtime.state != State::Running,
        })
    }

    fn candidates(&self, typed: &str, wanted: impl Fn(&Record) -> bool) -> Vec<Candidate> {
        let with_ids = !typed.is_empty() && !self.context.env.autocomplete_ignore_ids;
        let records = self.records();
        let mut found = Vec::new();
        for record in records.iter().filter(|record| wanted(record)) {
            if with_ids {
                found.push(Candidate { word: record.id.clone(), help: record.name.clone() });
            }
            let help = format!("{}, {}, {}", record.runtime.state, record.runtime.kind, record.agent);
            found.push(Candidate { word: record.name.clone(), help });
        }
        found
    }

    /// The ports of the workspace that the line names.
    pub(super) fn ports(&self) -> Vec<Candidate> {
        let records = self.records();
        let named = self
            .words
            .iter()
            .rev()
            .filter(|word| !word.is_empty())
            .find_map(|word| find(&records, word).ok());
        let forwards = named.map(Record::forwards).unwrap_or_default();
        let candidate = |forward: kdn_protocol::Forward| Candidate {
            word: forward.target.to_string(),
            help: format!("{}:{}", forward.bind, forward.port),
        };
        forwards.into_iter().map(candidate).collect()
    }

    /// The projects of the workspaces.
    pub(super) fn projects(&self) -> Vec<Candidate> {
        let projects: BTreeSet<String> = self.records().into_iter().map(|record| record.project).collect();
        projects.into_iter().map(|word| Candidate { word, help: String::new() }).collect()
    }

    pub(super) fn secrets(&self) -> Vec<Candidate> {
        let secrets = self.context.secrets().list().unwrap_or_default().into_iter();
        secrets.map(|secret| Candidate { word: secret.name, help: secret.description }).collect()
    }

    pub(super) fn providers(&self) -> Vec<Candidate> {
        let providers = self.context.secrets().providers().unwrap_or_default().into_iter();
        providers.map(|provider| Candidate { word: provider.name, help: provider.r#type }).collect()
    }

    /// The runtimes, apart from hidden ones.
    pub(super) fn runtimes(&self) -> Vec<Candidate> {
        let shown = self.described().into_iter().filter_map(|(word, known)| match known {
            Some(manifest) => (!manifest.hidden).then_some(Candidate { word, help: manifest.description }),
            None => Some(Candidate { word, help: String::new() }),
        });
        shown.collect()
    }

    /// The drivers by their types, with what they are, as far as that can be found out in the time. Only those that
    /// nothing is known of yet are started.
    fn described(&self) -> Vec<(String, Option<Manifest>)> {
        let manager = self.context.manager();
        let drivers = manager.catalog.all().0;
        match patiently(manager.catalog.describe_all(&manager.host, drivers.clone())) {
            Some(all) => {
                let known = all.into_iter().filter_map(|(driver, described)| Some((driver, described.ok()?)));
                known.map(|(driver, described)| (driver.kind, Some(described.manifest))).collect()
            }
            None => drivers.into_iter().map(|driver| (driver.kind, None)).collect(),
        }
    }

    fn records(&self) -> Vec<Record> {
        self.context.manager().store.read().unwrap_or_default()
    }
}

/// What comes of it in the time that a user waits.
fn patiently<T>(future: impl Future<Output = T>) -> Option<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let done = runtime.block_on(async { Stopwatch::start().within(PATIENCE, future).await });
    runtime.shutdown_background();
    done
}
