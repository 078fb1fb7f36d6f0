//! What a registry answers to those who bring no token: where to get one.

/// Where to get a token, of a `WWW-Authenticate: Bearer ...` header.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Challenge {
    pub(super) realm: String,
    pub(super) service: Option<String>,
    pub(super) scope: Option<String>,
}

impl Challenge {
    pub(super) fn parse(header: &str) -> Option<Self> {
        let (scheme, mut rest) = header.trim().split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let mut challenge = Self::default();
        while let Some((name, after)) = rest.split_once('=') {
            let value;
            (value, rest) = match after.trim_start().strip_prefix('"') {
                // Neither a URL nor a scope has an escaped quote in it.
                Some(quoted) => quoted.split_once('"')?,
                None => after.split_at(after.find(',').unwrap_or(after.len())),
            };
            rest = rest.trim_start().trim_start_matches(',');
            match name.trim().to_ascii_lowercase().as_str() {
                "realm" => value.clone_into(&mut challenge.realm),
                "service" => challenge.service = Some(value.to_owned()),
                "scope" => challenge.scope = Some(value.to_owned()),
                _ => {}
            }
        }
        (!challenge.realm.is_empty()).then_some(challenge)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_registries_send() {
        let realm = "https://ghcr.io/token".to_owned();
        let service = Some("ghcr.io".to_owned());
        let scope = Some("repository:a/b:pull,push".to_owned());
        let sent = r#"Bearer realm="https://ghcr.io/token",service="ghcr.io", scope="repository:a/b:pull,push", x=y"#;
        assert_eq!(Challenge::parse(sent), Some(Challenge { realm: realm.clone(), service, scope }));
        let bare = Challenge { realm, ..Challenge::default() };
        assert_eq!(Challenge::parse("bearer realm=https://ghcr.io/token"), Some(bare));
        for other in ["", "Bearer", "Basic realm=\"x\"", "Bearer service=\"x\"", "Bearer realm=\"x"] {
            assert_eq!(Challenge::parse(other), None, "{other}");
        }
    }
}
