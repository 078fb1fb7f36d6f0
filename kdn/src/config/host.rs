//! Names of hosts, in the one form in which drivers get them.

use std::net::IpAddr;

/// The host in the form of the protocol: an IP address, a lower-case DNS name, or `*.` and a name. `None` when it is
/// none of them, a URL for instance.
pub fn normalize(host: &str) -> Option<String> {
    let host = host.trim();
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = address.parse::<IpAddr>() {
        return Some(address.to_string());
    }
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let name = host.strip_prefix("*.").unwrap_or(&host);
    let is_label = |label: &str| {
        let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        (1..=63).contains(&label.len())
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    (name.len() <= 253 && name.split('.').all(is_label)).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::normalize;

    #[test]
    fn names_and_addresses() {
        for (host, normal) in [
            ("API.Example.com", "api.example.com"),
            ("example.com.", "example.com"),
            ("*.Example.com", "*.example.com"),
            ("localhost", "localhost"),
            ("10.0.0.1", "10.0.0.1"),
            ("[2001:DB8::1]", "2001:db8::1"),
        ] {
            assert_eq!(normalize(host).as_deref(), Some(normal), "{host}");
        }
        for host in [
            "",
            "*",
            "*.",
            "https://example.com",
            "example.com:443",
            "example.com/x",
            "a..b",
            "a.*.b",
            "-a.b",
            "é.de",
        ] {
            assert_eq!(normalize(host), None, "{host}");
        }
    }
}
