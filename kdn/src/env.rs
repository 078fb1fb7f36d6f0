//! The environment variables that kdn reads: all of them, and nowhere else.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The variable by which the completion script of a shell asks for candidates; its value is the shell.
pub const COMPLETE: &str = "KDN_COMPLETE";

/// What the environment says. A variable that is set but empty counts as not set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Env {
    /// `KDN_STORAGE`: where kdn keeps its state.
    pub storage: Option<PathBuf>,
    /// `KDN_DEFAULT_RUNTIME`: the runtime of `init` without `--runtime`.
    pub default_runtime: Option<String>,
    /// `KDN_DEFAULT_AGENT`: the agent of `init` without `--agent`.
    pub default_agent: Option<String>,
    /// `KDN_INIT_AUTO_START`: `init` starts the workspace too.
    pub init_auto_start: bool,
    /// `KDN_AUTOCOMPLETE_IGNORE_IDS`: completion offers names only.
    pub autocomplete_ignore_ids: bool,
    /// `KDN_DRIVER_PATH`: folders that are searched for drivers before `PATH`.
    pub driver_path: Option<OsString>,
    /// `KDN_SECRETS_FILE`: the file that holds the values of secrets in place of the keychain.
    pub secrets_file: Option<PathBuf>,
    /// `GOOGLE_APPLICATION_CREDENTIALS`: the file of the user's credentials for Google Cloud.
    pub google_credentials: Option<PathBuf>,
    /// `APPDATA`: where Windows programs keep what is the user's.
    pub app_data: Option<PathBuf>,
    /// `PATH`.
    pub path: Option<OsString>,
    /// `HOME`, or `USERPROFILE` on Windows.
    pub home: Option<PathBuf>,
    /// `KDN_COMPLETE`: a shell asks for candidates.
    pub completing: Option<Completing>,
    /// `TERM` is `dumb`: the terminal cannot redraw a line.
    pub dumb_terminal: bool,
}

/// What the completion script of a shell says beside the words of the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completing {
    /// The shell.
    pub shell: String,
    /// Which word is to be completed; the last where the shell does not say it.
    pub index: Option<usize>,
}

impl Env {
    /// Reads the environment of this process.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn from_process() -> Self {
        Self::from_lookup(|name| std::env::var_os(name))
    }

    /// The value of a variable that the user names, or a service for its secret, as text.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn named(name: &str) -> Result<String, std::env::VarError> {
        std::env::var(name)
    }

    /// Reads from anything that knows the value of a variable.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<OsString>) -> Self {
        let get = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let text = |name: &str| get(name).map(|value| value.to_string_lossy().into_owned());
        let flag = |name: &str| text(name).is_some_and(|value| is_truthy(&value));
        Self {
            storage: get("KDN_STORAGE").map(PathBuf::from),
            default_runtime: text("KDN_DEFAULT_RUNTIME"),
            default_agent: text("KDN_DEFAULT_AGENT"),
            init_auto_start: flag("KDN_INIT_AUTO_START"),
            autocomplete_ignore_ids: flag("KDN_AUTOCOMPLETE_IGNORE_IDS"),
            driver_path: get("KDN_DRIVER_PATH"),
            secrets_file: get("KDN_SECRETS_FILE").map(PathBuf::from),
            google_credentials: get("GOOGLE_APPLICATION_CREDENTIALS").map(PathBuf::from),
            app_data: get("APPDATA").map(PathBuf::from),
            path: get("PATH"),
            home: get(if cfg!(windows) { "USERPROFILE" } else { "HOME" }).map(PathBuf::from),
            completing: text(COMPLETE).map(|shell| Completing {
                shell,
                index: text("_CLAP_COMPLETE_INDEX").and_then(|index| index.parse().ok()),
            }),
            dumb_terminal: text("TERM").is_some_and(|term| term == "dumb"),
        }
    }

    /// The storage folder when no `--storage` is given: `KDN_STORAGE`, else `~/.kdn`, else `.kdn` here.
    pub fn default_storage(&self) -> PathBuf {
        let home = self.home.as_deref().unwrap_or(Path::new(""));
        self.storage.clone().unwrap_or_else(|| home.join(".kdn"))
    }
}

/// The spellings of "yes"; everything else, `tRuE` and `on` too, is "no".
fn is_truthy(value: &str) -> bool {
    matches!(value, "1" | "true" | "True" | "TRUE" | "yes" | "Yes" | "YES")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(vars: &[(&str, &str)]) -> Env {
        Env::from_lookup(|name| vars.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into()))
    }

    #[cfg(unix)]
    #[test]
    fn storage_falls_back_to_home_and_then_here() {
        assert_eq!(env(&[("KDN_STORAGE", "/s"), ("HOME", "/h")]).default_storage(), Path::new("/s"));
        assert_eq!(env(&[("KDN_STORAGE", ""), ("HOME", "/h")]).default_storage(), Path::new("/h/.kdn"));
        assert_eq!(env(&[("HOME", "")]).default_storage(), Path::new(".kdn"));
    }

    #[test]
    fn only_the_listed_spellings_are_true() {
        for yes in ["1", "true", "True", "TRUE", "yes", "Yes", "YES"] {
            assert!(env(&[("KDN_INIT_AUTO_START", yes)]).init_auto_start, "{yes}");
        }
        for no in ["", "0", "on", "y", "tRue", " true"] {
            assert!(!env(&[("KDN_INIT_AUTO_START", no)]).init_auto_start, "{no}");
        }
    }
}
