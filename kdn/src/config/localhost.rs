//! URLs of this machine, as they have to be inside a workspace.

use super::file::Mcp;

/// Puts `address`, by which a workspace reaches this machine, in place of this machine's own names in a URL.
///
/// Every other text stays as it is.
pub fn rewrite(url: &str, address: &str) -> String {
    try_rewrite(url, address).unwrap_or_else(|| url.to_owned())
}

fn try_rewrite(url: &str, address: &str) -> Option<String> {
    let Url { before, host, port, after } = Url::split(url)?;
    let names = ["localhost", "127.0.0.1", "0.0.0.0", "[::1]"];
    let is_here = names.iter().any(|name| name.eq_ignore_ascii_case(host));
    let address = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
    is_here.then(|| format!("{before}{address}{port}{after}"))
}

/// Whether a text is a URL of this machine.
pub fn is_local(url: &str) -> bool {
    try_rewrite(url, "").is_some()
}

/// A URL, in parts that make it up again.
#[derive(Debug, Clone, Copy)]
pub struct Url<'a> {
    before: &'a str,
    /// The name or address in it; an IPv6 address within brackets.
    pub host: &'a str,
    /// The port with a `:` before it, or nothing.
    pub port: &'a str,
    after: &'a str,
}

impl<'a> Url<'a> {
    /// Takes a URL apart. `None`: it is none.
    pub fn split(url: &'a str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
        let (authority, after) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let place = &authority[authority.rfind('@').map_or(0, |at| at + 1)..];
        let host_end = match place.find(']') {
            Some(bracket) => bracket + 1,
            None => place.find(':').unwrap_or(place.len()),
        };
        let (host, port) = place.split_at(host_end);
        let before = &url[..url.len() - after.len() - place.len()];
        is_scheme.then_some(Self { before, host, port, after })
    }
}

impl Mcp {
    /// Rewrites the URLs of this machine in the arguments of commands. Servers' URLs are left as the user wrote them.
    #[must_use]
    pub fn rewrite_localhost(mut self, address: &str) -> Self {
        for argument in self.commands.iter_mut().flat_map(|command| &mut command.args) {
            *argument = rewrite(argument, address);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_host_of_a_url_of_this_machine_changes() {
        for (url, inside) in [
            ("http://localhost:11434/v1", "http://host.test:11434/v1"),
            ("https://LocalHost", "https://host.test"),
            ("http://me:pw@127.0.0.1/x?y=http://localhost/", "http://me:pw@host.test/x?y=http://localhost/"),
            ("http://0.0.0.0:80#a", "http://host.test:80#a"),
            ("ws://[::1]:80", "ws://host.test:80"),
        ] {
            assert_eq!(rewrite(url, "host.test"), inside);
        }
        for other in [
            "localhost:80",
            "http://localhost.example.com",
            "--url=http://localhost",
            "http://[::2]",
            "http://",
            "",
        ] {
            assert_eq!(rewrite(other, "host.test"), other);
        }
        assert_eq!(rewrite("http://localhost:80/", "fd00::1"), "http://[fd00::1]:80/");
    }
}
