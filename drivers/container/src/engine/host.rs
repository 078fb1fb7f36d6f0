//! What of this machine decides how containers are made.

use std::path::Path;

use super::Table;

/// This machine, as far as it can be known without asking an engine.
#[derive(Debug, Clone)]
pub struct Host {
    /// Whether the engine runs as an ordinary user, who is mapped into containers.
    pub rootless: bool,
    /// Whether limits are enforced.
    pub limits: bool,
    /// Whether files need labels before containers may touch them.
    pub labels: bool,
    /// The user and the group who call.
    pub ids: Option<(u32, u32)>,
}

impl Host {
    pub fn look(table: &Table) -> Self {
        let local = cfg!(target_os = "linux");
        let rootless = local && table.name == "podman" && !is_root();
        // What ignores a limit is worse than what has none.
        let limits = !rootless || Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
        Self { rootless, limits, labels: local && Path::new("/sys/fs/selinux/enforce").exists(), ids: ids() }
    }
}

/// A file or folder of the host that is bound into a container.
#[derive(Debug)]
pub struct Bind<'a> {
    pub host: &'a str,
    pub target: &'a str,
    pub read_only: bool,
    pub label: bool,
}

impl Bind<'_> {
    /// A value of `--mount`, which is a line of CSV. `label` is what makes the engine label the files.
    pub(super) fn mount(&self, label: Option<&str>) -> String {
        let mut fields =
            vec!["type=bind".to_owned(), format!("source={}", self.host), format!("target={}", self.target)];
        fields.extend(self.read_only.then(|| "readonly".to_owned()));
        fields.extend(label.filter(|_| self.label).map(str::to_owned));
        let quoted = |field: String| {
            if field.contains([',', '"', '\n', '\r']) {
                format!("\"{}\"", field.replace('"', "\"\""))
            } else {
                field
            }
        };
        fields.into_iter().map(quoted).collect::<Vec<_>>().join(",")
    }
}

#[cfg(unix)]
pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[cfg(not(unix))]
pub(super) fn is_root() -> bool {
    false
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "there are no ids elsewhere")]
fn ids() -> Option<(u32, u32)> {
    Some((rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()))
}

#[cfg(not(unix))]
fn ids() -> Option<(u32, u32)> {
    None
}

#[cfg(test)]
mod tests {
    use super::Bind;

    #[test]
    fn every_path_can_be_mounted() {
        let bind = Bind { host: "/a,b\"c", target: "/x:y", read_only: true, label: true };
        assert_eq!(
            bind.mount(Some("relabel=private")),
            "type=bind,\"source=/a,b\"\"c\",target=/x:y,readonly,relabel=private"
        );
    }
}
