//! What the files of a project say of its languages and ports.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::Read as _,
    path::Path,
};

/// How far below the project's folder files are looked at.
const DEPTH: usize = 3;
/// How many files and folders are looked at.
const LIMIT: usize = 20_000;
/// How much of a file is read.
const MAX_FILE: u64 = 1 << 20;
/// Folders of other people's files.
const OTHERS: [&str; 7] = ["node_modules", "vendor", "target", "dist", "build", "venv", "__pycache__"];

/// A language, and the feature that brings it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Language {
    pub(super) name: &'static str,
    pub(super) feature: &'static str,
    /// The files that tell of it.
    files: &'static [&'static str],
}

const LANGUAGES: [Language; 4] = [
    Language { name: "Go", feature: "ghcr.io/devcontainers/features/go:1", files: &["go.mod"] },
    Language {
        name: "Python",
        feature: "ghcr.io/devcontainers/features/python:1",
        files: &["pyproject.toml", "requirements.txt", "setup.py", "Pipfile"],
    },
    Language {
        name: "JavaScript",
        feature: "ghcr.io/devcontainers/features/node:2",
        files: &["package.json"],
    },
    Language {
        name: "Java",
        feature: "ghcr.io/devcontainers/features/java:1",
        files: &["pom.xml", "build.gradle", "build.gradle.kts"],
    },
];

/// What a project has.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) languages: Vec<&'static Language>,
    pub(super) ports: BTreeSet<u16>,
}

/// Looks at the files of a project. What can't be read tells nothing.
pub(super) fn detect(sources: &Path) -> Found {
    let mut walk = Walk { left: LIMIT, names: BTreeSet::new(), ports: BTreeSet::new() };
    walk.folder(sources, DEPTH);
    let known = |language: &&Language| language.files.iter().any(|file| walk.names.contains(*file));
    Found { languages: LANGUAGES.iter().filter(known).collect(), ports: walk.ports }
}

struct Walk {
    left: usize,
    names: BTreeSet<String>,
    ports: BTreeSet<u16>,
}

impl Walk {
    fn folder(&mut self, folder: &Path, depth: usize) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let Some(left) = self.left.checked_sub(1) else { return };
            self.left = left;
            // Links lead to what is elsewhere, or here already.
            let Ok(kind) = entry.file_type() else { continue };
            let Ok(name) = entry.file_name().into_string() else { continue };
            if kind.is_file() {
                let read = || read(&entry.path());
                if name.starts_with("Dockerfile") || name.starts_with("Containerfile") {
                    self.ports.extend(exposed(&read()));
                } else if name == ".env" {
                    self.ports.extend(read().lines().filter_map(assigned));
                } else if name == "package.json" {
                    self.ports.extend(scripts(&read()));
                }
                self.names.insert(name);
            } else if kind.is_dir() && depth > 0 && !name.starts_with('.') && !OTHERS.contains(&&*name) {
                self.folder(&entry.path(), depth - 1);
            }
        }
    }
}

fn read(path: &Path) -> String {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_FILE).read_to_end(&mut bytes));
    read.map(|_| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

fn port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port != 0)
}

/// The ports of the instructions `EXPOSE 80 443/tcp` of a build file.
fn exposed(text: &str) -> Vec<u16> {
    let instruction = |line: &str| {
        let (word, rest) = line.trim().split_once(char::is_whitespace)?;
        word.eq_ignore_ascii_case("EXPOSE").then(|| rest.to_owned())
    };
    let tcp = |word: &str| port(word.strip_suffix("/tcp").unwrap_or(word));
    text.lines()
        .filter_map(instruction)
        .flat_map(|rest| rest.split_whitespace().filter_map(tcp).collect::<Vec<_>>())
        .collect()
}

/// The port of `PORT=3000`.
fn assigned(line: &str) -> Option<u16> {
    let line = line.trim();
    let value = line.strip_prefix("export ").unwrap_or(line).trim_start().strip_prefix("PORT=")?;
    port(value.trim_matches(['"', '\'']))
}

/// The ports that the scripts of a `package.json` give to the programs that they start.
fn scripts(text: &str) -> Vec<u16> {
    let document: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    let scripts = document["scripts"].as_object().into_iter().flatten();
    let mut ports = Vec::new();
    for script in scripts.filter_map(|(_, script)| script.as_str()) {
        let words: Vec<&str> = script.split_whitespace().collect();
        for pair in words.windows(2).filter(|pair| matches!(pair[0], "--port" | "-p")) {
            ports.extend(port(pair[1]));
        }
        ports.extend(words.iter().filter_map(|word| port(word.strip_prefix("--port=")?)));
        ports.extend(words.iter().filter_map(|word| assigned(word)));
    }
    ports
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_where_they_are_said() {
        let file = "FROM x\n  expose 80 443/tcp 53/udp $PORT 8000-8010 0\nEXPOSED 1\n# EXPOSE 2\nEXPOSE";
        assert_eq!(exposed(file), [80, 443]);
        let lines = ["PORT=1", "export PORT='2'", " PORT=\"3\"", "XPORT=4", "PORT=x", "PORT=70000"];
        assert_eq!(lines.into_iter().filter_map(assigned).collect::<Vec<_>>(), [1, 2, 3]);
        let package = r#"{"scripts": {"a": "PORT=1 next -p 2", "b": "vite --port=3 --port 4 -p", "c": 5}}"#;
        assert_eq!(scripts(package), [2, 1, 4, 3]);
        assert!(scripts("{").is_empty() && scripts("[]").is_empty());
    }

    #[test]
    fn a_project_is_looked_through() {
        let dir = tempfile::tempdir().unwrap();
        for (file, text) in [
            ("api/go.mod", ""),
            ("web/package.json", r#"{"scripts": {"dev": "vite --port 5173"}}"#),
            ("web/node_modules/x/setup.py", ""),
            (".cache/pom.xml", ""),
            ("a/b/c/d/pom.xml", ""),
            ("Dockerfile.dev", "EXPOSE 8080"),
            (".env", "PORT=3000"),
        ] {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            crate::files::write_atomic(&path, text.as_bytes(), 0o600).unwrap();
        }
        let found = detect(dir.path());
        let names: Vec<_> = found.languages.iter().map(|language| language.name).collect();
        assert_eq!(names, ["Go", "JavaScript"]);
        assert_eq!(found.ports.into_iter().collect::<Vec<_>>(), [3000, 5173, 8080]);
    }
}
