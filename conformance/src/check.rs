//! A check: what it is called, which sentences of the specification it covers, what it needs, and what it does.

use std::fmt;

use kdn_protocol::{
    Manifest,
    text::{Sentence, sentences},
};
use serde::Serialize;

use crate::{cx::Cx, stop::Stop};

/// A group of checks that can be asked for by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// Framing, manifest, `initialize`, errors, the end of a session.
    Core,
    /// `create`, `start`, `stop`, `remove`, `info`, `list`, and what a workspace holds.
    Lifecycle,
    /// Notifications about progress.
    Steps,
    /// Commands inside an instance.
    Terminal,
    /// Requests that are given up.
    Cancellation,
    /// Crashes, floods, concurrency, and what is left behind.
    Robustness,
    /// Secrets, and text that is not what it seems.
    Security,
    /// The method `status`.
    Status,
    /// The method `listAgents`.
    Agents,
    /// The method `dashboard`.
    Dashboard,
    /// The capability `networkPolicy`.
    NetworkPolicy,
    /// The capability `ports`.
    Ports,
    /// The capability `features`.
    Features,
    /// The capability `limits`.
    Limits,
    /// The capability `secrets`.
    Secrets,
    /// The capability `secretEnvironment`.
    SecretEnvironment,
    /// The capability `runtimeSecrets`.
    RuntimeSecrets,
    /// The capability `bindMounts`.
    BindMounts,
}

impl Profile {
    /// All profiles, in the order in which they are reported.
    pub const ALL: [Self; 18] = [
        Self::Core,
        Self::Lifecycle,
        Self::Steps,
        Self::Terminal,
        Self::Cancellation,
        Self::Robustness,
        Self::Security,
        Self::Status,
        Self::Agents,
        Self::Dashboard,
        Self::NetworkPolicy,
        Self::Ports,
        Self::Features,
        Self::Limits,
        Self::Secrets,
        Self::SecretEnvironment,
        Self::RuntimeSecrets,
        Self::BindMounts,
    ];

    /// The name, as it begins the ids of its checks.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Lifecycle => "lifecycle",
            Self::Steps => "steps",
            Self::Terminal => "terminal",
            Self::Cancellation => "cancellation",
            Self::Robustness => "robustness",
            Self::Security => "security",
            Self::Status => "status",
            Self::Agents => "agents",
            Self::Dashboard => "dashboard",
            Self::NetworkPolicy => "network-policy",
            Self::Ports => "ports",
            Self::Features => "features",
            Self::Limits => "limits",
            Self::Secrets => "secrets",
            Self::SecretEnvironment => "secret-environment",
            Self::RuntimeSecrets => "runtime-secrets",
            Self::BindMounts => "bind-mounts",
        }
    }

    /// The profile of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.name() == name)
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What a driver or a machine must have, so that a check says anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The driver declares this capability.
    Capability(&'static str),
    /// The driver does not declare this capability.
    Without(&'static str),
    /// `isolated` of the manifest is `true`.
    Isolated,
    /// `isolated` of the manifest is `false`.
    NotIsolated,
    /// `local` of the manifest is `true`.
    Local,
    /// The suite runs on Linux, where it can look at processes.
    Linux,
    /// This field of the fixture.
    Fixture(&'static str),
}

impl Need {
    /// Why the need is not met by a driver with this manifest, if it is not. The fixture is looked at elsewhere.
    pub fn unmet_by(self, manifest: &Manifest) -> Option<String> {
        let has = |name: &str| {
            serde_json::to_value(&manifest.capabilities).is_ok_and(|all| all.get(name).is_some())
        };
        match self {
            Self::Capability(name) if !has(name) => Some(format!("{name:?} is not declared")),
            Self::Without(name) if has(name) => Some(format!("{name:?} is declared")),
            Self::Isolated if !manifest.isolated => Some("the driver does not isolate".into()),
            Self::NotIsolated if manifest.isolated => Some("the driver isolates".into()),
            Self::Local if !manifest.local => Some("workspaces are not on this machine".into()),
            Self::Linux if !cfg!(target_os = "linux") => {
                Some("the suite can look at processes only on Linux".into())
            }
            _ => None,
        }
    }
}

/// A check.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// Its profile and its name, such as `core/crlf`.
    pub id: &'static str,
    /// What is right, as one sentence: "a line that ends in CRLF is read".
    pub title: &'static str,
    /// The ids of the sentences that it covers. All of them say MUST, or all say SHOULD.
    pub covers: &'static [&'static str],
    /// What it needs.
    pub needs: &'static [Need],
    /// Whether it waits for a deadline or takes long; `--quick` leaves it out.
    pub slow: bool,
    pub(crate) run: fn(&mut Cx) -> Result<(), Stop>,
}

impl Check {
    pub(crate) const fn new(
        id: &'static str,
        title: &'static str,
        covers: &'static [&'static str],
        run: fn(&mut Cx) -> Result<(), Stop>,
    ) -> Self {
        Self { id, title, covers, needs: &[], slow: false, run }
    }

    pub(crate) const fn needs(self, needs: &'static [Need]) -> Self {
        Self { needs, ..self }
    }

    pub(crate) const fn slow(self) -> Self {
        Self { slow: true, ..self }
    }

    /// The profile that the id begins with.
    pub fn profile(&self) -> Profile {
        let name = self.id.split_once('/').map_or(self.id, |(profile, _)| profile);
        Profile::parse(name).expect("the id of a check begins with a profile")
    }

    /// The sentences that it covers.
    pub fn sentences(&self) -> impl Iterator<Item = Sentence> + use<> {
        let covers = self.covers;
        sentences().filter(move |sentence| covers.contains(&sentence.id))
    }

    /// Whether what it finds is a failure, and not only a warning.
    pub fn is_must(&self) -> bool {
        self.sentences().any(|sentence| sentence.is_must())
    }
}
