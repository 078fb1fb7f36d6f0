//! Reads from registries, over HTTPS; over plain HTTP only where no network is between.

use std::{collections::HashMap, fmt::Display, io::Read as _, net::Ipv4Addr, time::Duration};

use serde::Deserialize;
use ureq::{
    Agent, Body,
    http::{Response, Uri, header, uri::Authority},
    tls::{RootCerts, TlsConfig, TlsProvider},
};

use super::{
    Problem,
    challenge::Challenge,
    error::Result,
    manifest::{Layer, MEDIA_TYPE},
    reference::{Reference, Version},
};

/// The most that a manifest or a token may hold, in bytes.
pub(super) const LARGEST_TEXT: u64 = 4 * 1024 * 1024;
/// The most that one archive may hold as it is sent, in bytes.
pub(super) const LARGEST_LAYER: u64 = 64 * 1024 * 1024;

const CONNECTING: Duration = Duration::from_secs(15);
const SILENCE: Duration = Duration::from_secs(30);
const REDIRECTS: u32 = 5;

/// Reads from registries, as nobody in particular, through the proxy that the environment names.
#[derive(Debug)]
pub(super) struct Client {
    remote: Agent,
    /// Without a proxy.
    loopback: Agent,
    /// By the base of the feature.
    tokens: HashMap<String, String>,
}

impl Client {
    pub(super) fn new() -> Self {
        let config = || {
            Agent::config_builder()
                .http_status_as_error(false)
                // They are followed here, as each has to lead to where it may.
                .max_redirects(0)
                .max_redirects_will_error(false)
                .user_agent(format!("kdn/{}", crate::VERSION))
                .timeout_connect(Some(CONNECTING))
                .timeout_recv_response(Some(SILENCE))
                .timeout_per_read(Some(SILENCE))
        };
        // The TLS of the system where there is one, so that nothing has to be compiled from C.
        let provider = if cfg!(any(windows, target_vendor = "apple")) {
            TlsProvider::NativeTls
        } else {
            TlsProvider::Rustls
        };
        let tls = TlsConfig::builder().provider(provider).root_certs(RootCerts::PlatformVerifier).build();
        Self {
            remote: config().https_only(true).tls_config(tls).build().new_agent(),
            loopback: config().proxy(None).build().new_agent(),
            tokens: HashMap::new(),
        }
    }

    /// The manifest of a feature, whose digest is still to be checked.
    pub(super) fn manifest(&mut self, feature: &Reference) -> Result<Vec<u8>> {
        let version = match &feature.version {
            Version::Tag(tag) => tag.clone(),
            Version::Digest(digest) => digest.to_string(),
        };
        self.read(feature, &format!("manifests/{version}"), LARGEST_TEXT)
    }

    /// An archive of a feature, whose digest is still to be checked.
    pub(super) fn layer(&mut self, feature: &Reference, layer: &Layer) -> Result<Vec<u8>> {
        if layer.size > LARGEST_LAYER {
            return Err(Problem::TooLarge("layer", LARGEST_LAYER));
        }
        let content = self.read(feature, &format!("blobs/{}", layer.digest), layer.size)?;
        let found = content.len() as u64;
        if found == layer.size { Ok(content) } else { Err(Problem::Size { wanted: layer.size, found }) }
    }

    fn read(&mut self, feature: &Reference, what: &str, largest: u64) -> Result<Vec<u8>> {
        let Reference { registry, repository, .. } = feature;
        let scheme = if is_loopback(registry) { "http" } else { "https" };
        let url = format!("{scheme}://{registry}/v2/{repository}/{what}");
        let base = feature.base();
        let mut response = self.get(&url, &[], self.tokens.get(&base))?;
        if response.status() == 401
            && let Some(challenge) = challenge(&response)
        {
            let token = self.token(&challenge, repository)?;
            response = self.get(&url, &[], Some(&token))?;
            self.tokens.insert(base, token);
        }
        read(&url, response, largest)
    }

    /// Asks for the right to read what everybody may.
    fn token(&self, challenge: &Challenge, repository: &str) -> Result<String> {
        #[derive(Deserialize)]
        struct Answer {
            token: Option<String>,
            access_token: Option<String>,
        }
        let Challenge { realm, service, scope } = challenge;
        let scope = scope.clone().unwrap_or_else(|| format!("repository:{repository}:pull"));
        let mut query = vec![("scope", scope)];
        query.extend(service.iter().map(|service| ("service", service.clone())));
        let answer = read(realm, self.get(realm, &query, None)?, LARGEST_TEXT)?;
        let answer: Answer = serde_json::from_slice(&answer).map_err(|error| failed(realm, error))?;
        answer.token.or(answer.access_token).ok_or_else(|| failed(realm, "it gave no token"))
    }

    /// Asks for something, wherever it is now. The token is for the first place only.
    fn get(&self, url: &str, query: &[(&str, String)], token: Option<&String>) -> Result<Response<Body>> {
        let mut url = url.to_owned();
        for hop in 0..=REDIRECTS {
            let mut request = self.agent(&url)?.get(&url).header(header::ACCEPT, MEDIA_TYPE);
            if hop == 0 {
                request = request.query_pairs(query.iter().map(|(name, value)| (*name, value)));
                if let Some(token) = token {
                    request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
                }
            }
            let response = request.call().map_err(|error| said(&url, error))?;
            if !response.status().is_redirection() {
                return Ok(response);
            }
            let place = response.headers().get(header::LOCATION).and_then(|place| place.to_str().ok());
            url = target(&url, place.unwrap_or_default())
                .ok_or_else(|| failed(&url, "it leads to no usable address"))?;
        }
        Err(failed(&url, "too many redirects"))
    }

    fn agent(&self, url: &str) -> Result<&Agent> {
        let uri: Uri = url.parse().map_err(|error| failed(url, error))?;
        match (uri.scheme_str(), uri.authority().map(Authority::as_str)) {
            (Some("https"), Some(_)) => Ok(&self.remote),
            (Some("http"), Some(host)) if is_loopback(host) => Ok(&self.loopback),
            (Some("http"), _) => Err(failed(url, "plain http is used on this machine only")),
            _ => Err(failed(url, "it is no usable address")),
        }
    }
}

fn challenge(response: &Response<Body>) -> Option<Challenge> {
    let headers = response.headers().get_all(header::WWW_AUTHENTICATE);
    headers.iter().find_map(|header| Challenge::parse(header.to_str().ok()?))
}

fn read(url: &str, response: Response<Body>, largest: u64) -> Result<Vec<u8>> {
    if !response.status().is_success() {
        return Err(Problem::Status { url: url.to_owned(), status: response.status().as_u16() });
    }
    // One byte more than there may be tells what is too long from what just fits.
    let mut body = response.into_body().into_with_config().limit(largest.saturating_add(1)).reader();
    let mut content = Vec::new();
    body.read_to_end(&mut content).map_err(|error| failed(url, error))?;
    Ok(content)
}

/// Where a redirect leads.
fn target(from: &str, place: &str) -> Option<String> {
    if place.starts_with("https://") || place.starts_with("http://") {
        return Some(place.to_owned());
    }
    let uri: Uri = from.parse().ok()?;
    let is_path = place.starts_with('/') && !place.starts_with("//");
    is_path.then(|| {
        format!(
            "{}://{}{place}",
            uri.scheme_str().unwrap_or_default(),
            uri.authority().map_or("", Authority::as_str)
        )
    })
}

/// Whether a host, maybe with a port, is this machine.
fn is_loopback(authority: &str) -> bool {
    let Ok(authority) = authority.parse::<Authority>() else { return false };
    let host = authority.host();
    host == "localhost" || host == "[::1]" || host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
}

fn failed(url: &str, reason: impl Display) -> Problem {
    Problem::Request { url: url.to_owned(), reason: reason.to_string() }
}

/// An error of the system in its own words.
fn said(url: &str, error: ureq::Error) -> Problem {
    match error {
        ureq::Error::Io(error) => failed(url, error),
        error => failed(url, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_stays_on_this_machine() {
        for here in ["localhost", "localhost:5000", "127.0.0.1:1", "127.9.9.9", "[::1]:5000"] {
            assert!(is_loopback(here), "{here}");
        }
        for there in
            ["ghcr.io", "localhost.example.com", "127.0.0.1.example.com", "10.0.0.1:5000", "[::2]", ""]
        {
            assert!(!is_loopback(there), "{there}");
        }
        let client = Client::new();
        let error = client.agent("http://ghcr.io/v2/").unwrap_err().to_string();
        assert_eq!(error, "http://ghcr.io/v2/: plain http is used on this machine only");
        assert!(client.agent("file:///etc/passwd").is_err());
        assert!(client.agent("http://localhost@example.com/").is_err());
    }

    #[test]
    fn redirects_lead_to_addresses() {
        let from = "https://a:1/v2/x";
        assert_eq!(target(from, "/y?z").as_deref(), Some("https://a:1/y?z"));
        assert_eq!(target(from, "https://b/y").as_deref(), Some("https://b/y"));
        for nowhere in ["", "y", "//b/y", "ftp://b"] {
            assert_eq!(target(from, nowhere), None, "{nowhere}");
        }
    }
}
