//! Providers of models: what is needed to use one, its secrets among the others.

use serde::{Deserialize, Serialize};
use serde_json::Map;

use super::list::List;
use super::store::WHAT as SECRET;
use super::values::Value;
use super::{Definition, Error, OTHER, Result, Secrets};

const LIST: &str = "providers";
const WHAT: &str = "provider";

/// A provider, as an entry of `providers.json`.
///
/// Keys that are not known here were written by another version of kdn; they stay when the file is rewritten.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provider {
    /// Its name.
    pub name: String,
    /// `anthropic` or `vertexai`.
    pub r#type: String,
    /// What it takes to use it.
    #[serde(default)]
    pub params: Vec<Param>,
    /// Secrets that are to be made with it.
    #[serde(skip)]
    new: Vec<(Definition, Value)>,
    /// Keys of other versions.
    #[serde(flatten)]
    pub unknown: Map<String, serde_json::Value>,
}

/// Something that it takes to use a provider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Param {
    /// Its name.
    pub name: String,
    /// Its value, or the name of the secret that holds it.
    pub value: String,
    /// Whether `value` is the name of a secret.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub secret: bool,
}

impl Provider {
    /// The types of providers.
    pub const TYPES: [&str; 2] = ["anthropic", "vertexai"];

    fn new(name: &str, kind: &str) -> Self {
        Self {
            name: name.to_owned(),
            r#type: kind.to_owned(),
            params: Vec::new(),
            new: Vec::new(),
            unknown: Map::new(),
        }
    }

    fn param(&mut self, name: &str, value: String) {
        self.params.push(Param { name: name.to_owned(), value, secret: false });
    }

    /// Anthropic, or what speaks as it does at `url`. `None`: `url` is no URL of a host.
    pub fn anthropic(name: &str, token: Value, url: Option<String>) -> Option<Self> {
        let mut provider = Self::new(name, "anthropic");
        let mut secret = Definition {
            name: format!("{name}/token"),
            r#type: "anthropic".to_owned(),
            description: format!("Token of the provider {name}"),
            ..Definition::default()
        };
        provider.params.push(Param { name: "token".to_owned(), value: secret.name.clone(), secret: true });
        if let Some(url) = url {
            // Its token is none for Anthropic's own host.
            secret.hosts = vec![host_of(&url)?];
            OTHER.clone_into(&mut secret.r#type);
            "x-api-key".clone_into(&mut secret.header);
            secret.envs = vec!["ANTHROPIC_API_KEY".to_owned()];
            provider.param("url", url);
        }
        provider.new.push((secret, token));
        Some(provider)
    }

    /// Vertex AI in a project and region of Google Cloud, with the file of its credentials if it is not the usual one.
    pub fn vertexai(name: &str, project: String, region: String, credentials: Option<String>) -> Self {
        let mut provider = Self::new(name, "vertexai");
        provider.param("project", project);
        provider.param("region", region);
        if let Some(credentials) = credentials {
            provider.param("credentials", credentials);
        }
        provider
    }
}

/// The host of an `http` or `https` URL.
fn host_of(url: &str) -> Option<String> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let place = authority.rsplit('@').next()?;
    let host = match place.find(']') {
        Some(bracket) => &place[..=bracket],
        None => place.split(':').next()?,
    };
    crate::config::host::normalize(host)
}

impl Secrets {
    /// All providers, sorted by name. Does not look at secrets.
    pub fn providers(&self) -> Result<Vec<Provider>> {
        let mut all = self.read_providers()?.items;
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    /// Adds a provider with its secrets.
    pub async fn create_provider(&self, mut provider: Provider) -> Result<()> {
        let held = self.hold().await?;
        let mut list = self.read_providers()?;
        if list.items.iter().any(|other| other.name == provider.name) {
            return Err(Error::Exists { what: WHAT, name: provider.name });
        }
        let mut made: Vec<String> = Vec::new();
        let mut done = Ok(());
        for (definition, value) in std::mem::take(&mut provider.new) {
            let name = definition.name.clone();
            done = self.create_held(&held, definition, value).await;
            if done.is_err() {
                break;
            }
            made.push(name);
        }
        list.items.push(provider);
        let Err(failed) = done.and_then(|()| list.write(&held)) else { return Ok(()) };
        for name in made {
            if let Err(undo) = self.remove_held(&held, &name).await {
                return Err(Error::half(failed, undo));
            }
        }
        Err(failed)
    }

    /// Removes a provider and its secrets, as far as they are still there.
    pub async fn remove_provider(&self, name: &str) -> Result<()> {
        let held = self.hold().await?;
        let mut list = self.read_providers()?;
        let Some(at) = list.items.iter().position(|one| one.name == name) else {
            return Err(Error::NotFound { what: WHAT, name: name.to_owned() });
        };
        let provider = list.items.remove(at);
        let mut removed = Vec::new();
        let mut done = Ok(());
        for param in provider.params.iter().filter(|param| param.secret) {
            match self.remove_held(&held, &param.value).await {
                Ok(was) => removed.push(was),
                Err(Error::NotFound { what: SECRET, .. }) => {}
                Err(error) => {
                    done = Err(error);
                    break;
                }
            }
        }
        let Err(failed) = done.and_then(|()| list.write(&held)) else { return Ok(()) };
        for (definition, value) in removed {
            let Some(value) = value else { continue };
            if let Err(undo) = self.create_held(&held, definition, value).await {
                return Err(Error::half(failed, undo));
            }
        }
        Err(failed)
    }

    fn read_providers(&self) -> Result<List<Provider>> {
        List::read(&self.storage, LIST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_a_url() {
        for (url, host) in [
            ("https://llm.Example.com:8443/v1?x#y", Some("llm.example.com")),
            ("http://me:pw@[::1]:80", Some("::1")),
            ("ftp://example.com", None),
            ("https:///v1", None),
            ("example.com", None),
        ] {
            assert_eq!(host_of(url).as_deref(), host, "{url}");
        }
    }
}
