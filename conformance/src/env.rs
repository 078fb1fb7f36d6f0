//! The environment of the suite: what is read of it, and nowhere else.

use std::collections::BTreeMap;

use crate::fixture::Fixture;

/// What a driver gets of it: what any program needs, and what the fixture names.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub(crate) fn for_drivers(fixture: &Fixture) -> BTreeMap<String, String> {
    let passed = |name: &String| {
        matches!(name.as_str(), "PATH" | "LANG" | "TERM" | "TZ" | "SystemRoot")
            || fixture.pass_environment.contains(name)
    };
    let all = std::env::vars_os();
    let all = all.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    all.filter(|(name, _)| passed(name)).collect()
}

/// The proxy for plain HTTP; only the probe heeds it.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub(crate) fn http_proxy() -> Option<String> {
    std::env::var("http_proxy").or_else(|_| std::env::var("HTTP_PROXY")).ok()
}
