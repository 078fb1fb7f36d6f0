//! The services whose secrets kdn knows how to use.

/// A service, and where its requests carry the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    /// Its name, which is the type of its secrets.
    pub name: &'static str,
    /// What it is.
    pub description: &'static str,
    /// Its hosts.
    pub hosts: &'static [&'static str],
    /// The header that carries the secret.
    pub header: &'static str,
    /// The header's value, if it is not the secret alone; `${value}` stands for the secret.
    pub template: Option<&'static str>,
    /// Variables that programs look for the secret in.
    pub variables: &'static [&'static str],
}

/// All services, sorted by name.
pub const SERVICES: [Service; 3] = [
    Service {
        name: "anthropic",
        description: "Anthropic API key for accessing Claude AI models",
        hosts: &["api.anthropic.com"],
        header: "x-api-key",
        template: None,
        variables: &["ANTHROPIC_API_KEY"],
    },
    Service {
        name: "gemini",
        description: "Google Gemini AI API key for accessing Gemini language models",
        hosts: &["generativelanguage.googleapis.com"],
        header: "x-goog-api-key",
        template: Some("${value}"),
        variables: &["GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GENERATIVE_AI_API_KEY"],
    },
    Service {
        name: "github",
        description: "GitHub API token for accessing GitHub repositories and services",
        hosts: &["api.github.com"],
        header: "Authorization",
        template: Some("Bearer ${value}"),
        variables: &["GH_TOKEN", "GITHUB_TOKEN"],
    },
];

/// The type of secrets that belong to no service that is known here.
pub const OTHER: &str = "other";

/// All types of secrets.
pub fn types() -> impl Iterator<Item = &'static str> {
    SERVICES.iter().map(|service| service.name).chain([OTHER])
}

impl Service {
    /// The service of this name.
    pub fn of(name: &str) -> Option<&'static Self> {
        SERVICES.iter().find(|service| service.name == name)
    }
}
