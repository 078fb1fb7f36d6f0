//! `image.json`: what is in the image of a workspace.

use serde::{Deserialize, Serialize};

/// Where the default base image comes from.
const FEDORA: &str = "registry.fedoraproject.org/fedora";

/// The content of `image.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// The version of Fedora, where no other image is named.
    #[serde(default = "latest")]
    pub version: String,
    /// The image to build on, with its registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_image: Option<String>,
    /// Packages of the base image's distribution.
    #[serde(default)]
    pub packages: Vec<String>,
    /// Programs that the agent may run as root.
    #[serde(default)]
    pub sudo: Vec<String>,
    /// Shell lines that run as the agent's user while the image is built.
    #[serde(default)]
    pub run_commands: Vec<String>,
}

/// Packages by the distribution's own names, in the order of these: Fedora, Debian and Ubuntu, Alpine.
pub const PACKAGES: [&[&str]; 3] = [
    &[
        "which",
        "procps-ng",
        "wget2",
        "@development-tools",
        "jq",
        "gh",
        "golang",
        "golangci-lint",
        "python3",
        "python3-pip",
    ],
    &[
        "bash",
        "ca-certificates",
        "curl",
        "git",
        "sudo",
        "procps",
        "wget",
        "build-essential",
        "jq",
        "gh",
        "golang",
        "python3",
        "python3-pip",
        "python3-venv",
    ],
    &[
        "bash",
        "ca-certificates",
        "curl",
        "git",
        "sudo",
        "procps",
        "wget",
        "build-base",
        "jq",
        "github-cli",
        "go",
        "python3",
        "py3-pip",
        "libgcc",
        "libstdc++",
    ],
];

/// Programs that the agent may run as root by default, and those that other distributions have in the place of dnf.
const SUDO: [&[&str]; 2] = [
    &["/usr/bin/dnf", "/bin/nice", "/bin/kill", "/usr/bin/kill", "/usr/bin/killall"],
    &["/usr/bin/microdnf", "/usr/bin/apt-get", "/usr/bin/apt", "/sbin/apk"],
];

impl Image {
    /// The image to build on.
    pub fn base(&self) -> String {
        self.base_image.clone().unwrap_or_else(|| format!("{FEDORA}:{}", self.version))
    }

    /// The user's packages, or `None` where the distribution decides.
    pub fn own_packages(&self) -> Option<&[String]> {
        (self.packages != Self::default().packages).then_some(&self.packages)
    }

    /// The programs that the agent may run as root.
    pub fn sudo(&self) -> Vec<String> {
        let more = if self.base_image.is_some() && self.sudo == Self::default().sudo { SUDO[1] } else { &[] };
        self.sudo.iter().cloned().chain(more.iter().map(|&path| path.to_owned())).collect()
    }

    pub fn validate(&self) -> Result<(), String> {
        if self.base().ends_with(':') || self.version.is_empty() {
            return Err("version cannot be empty".into());
        }
        let one_line =
            |text: &str| !text.is_empty() && !text.contains(char::is_whitespace) && !text.starts_with('-');
        if !one_line(&self.base()) {
            return Err(format!("base image is no name of an image: {:?}", self.base()));
        }
        if let Some(package) = self.packages.iter().find(|package| !one_line(package)) {
            return Err(format!("package is no name of a package: {package:?}"));
        }
        match self.sudo.iter().find(|binary| !binary.starts_with('/') || binary.contains(char::is_control)) {
            Some(binary) => Err(format!("sudo binary must be an absolute path: {binary}")),
            None => Ok(()),
        }
    }
}

impl Default for Image {
    fn default() -> Self {
        let own = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        Self {
            version: latest(),
            base_image: None,
            packages: own(PACKAGES[0]),
            sudo: own(SUDO[0]),
            run_commands: Vec::new(),
        }
    }
}

fn latest() -> String {
    "latest".into()
}
