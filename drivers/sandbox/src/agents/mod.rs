//! Finds the agents that the user has installed, and the little of the home that each needs to run inside.

mod table;

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use crate::env::HostUser;
use crate::layout::is_system;
use crate::plan::{Access, Entry};

/// The agent that needs nothing.
pub const SHELL: &str = "shell";

/// An installed program: what has to be visible, and the folders of its launchers for `PATH`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Installation {
    pub entries: Vec<Entry>,
    pub path: Vec<String>,
}

/// The names of the agents that can run here.
pub fn names(user: &HostUser) -> Vec<&'static str> {
    let installed =
        table::AGENTS.iter().filter(|agent| find(user, agent.name, &[]).is_some()).map(|agent| agent.name);
    installed.chain([SHELL]).collect()
}

/// Looks for an agent. One that the table does not know is looked for by its command.
pub fn find(user: &HostUser, name: &str, command: &[String]) -> Option<Installation> {
    if name == SHELL {
        return Some(Installation::default());
    }
    let (launchers, roots) = match table::AGENTS.iter().find(|agent| agent.name == name) {
        Some(agent) => (agent.launchers.to_vec(), agent.roots),
        None => (vec![command.first()?.as_str()], &[][..]),
    };
    let mut installation = Installation::default();
    let program = launchers.iter().find_map(|launcher| launcher_of(user, launcher))?;
    let file = installation.add(user, &program, roots)?;
    // A script needs its interpreter, which may be in the home as well.
    if let Some(node) = needs_node(&file).then(|| launcher_of(user, "node")).flatten() {
        installation.add(user, &node, &[])?;
    }
    Some(installation)
}

impl Installation {
    /// Makes a launcher visible at its own path: each link on the way, and the folder that holds its file. Returns the file.
    fn add(&mut self, user: &HostUser, launcher: &Path, roots: &[&str]) -> Option<PathBuf> {
        let mut path = launcher.to_owned();
        let mut links = Vec::new();
        while let Ok(to) = fs::read_link(&path) {
            let to = path.parent()?.join(to);
            let to = to.parent()?.canonicalize().ok()?.join(to.file_name()?);
            // The kernel follows no more than 40 links either.
            if links.len() == 40 {
                return None;
            }
            links.push((path, to.clone()));
            path = to;
        }
        if !is_system(&path) {
            let root = root_of(user, &path, roots);
            self.bind(root.as_deref().unwrap_or(&path))?;
        }
        for (link, to) in links {
            if !is_system(&link) && !self.shows(&link) {
                self.entries.push(Entry::Link { target: text(&link)?, to: text(&to)? });
            }
        }
        let folder = launcher.parent()?;
        if !is_system(folder) {
            self.path.push(text(folder)?);
        }
        Some(path)
    }

    fn bind(&mut self, root: &Path) -> Option<()> {
        if !self.shows(root) {
            let path = text(root)?;
            self.entries.push(Entry::Bind { source: path.clone(), target: path, access: Access::ReadOnly });
        }
        Some(())
    }

    fn shows(&self, path: &Path) -> bool {
        self.entries
            .iter()
            .any(|entry| matches!(entry, Entry::Bind { target, .. } if path.starts_with(target)))
    }
}

/// The path of a program, with links resolved in its folder only.
fn launcher_of(user: &HostUser, name: &str) -> Option<PathBuf> {
    let in_home = user
        .home
        .iter()
        .flat_map(|home| table::LAUNCHER_FOLDERS.iter().flat_map(|folder| expand(home, folder)));
    let named = Path::new(name);
    let mut folders = user.path.iter().cloned().chain(in_home);
    let candidate = if named.is_absolute() {
        Some(named.to_owned()).filter(|path| is_program(path))
    } else {
        folders.find_map(|folder| Some(folder.join(name)).filter(|path| is_program(path)))
    }?;
    Some(candidate.parent()?.canonicalize().ok()?.join(candidate.file_name()?))
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// The folders that a pattern stands for; of several versions, the newest first.
fn expand(home: &Path, pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once("/*") else { return vec![home.join(pattern)] };
    let versions = fs::read_dir(home.join(before)).into_iter().flatten().flatten();
    let mut versions: Vec<_> = versions.map(|version| version.path()).collect();
    versions.sort_by_key(|path| std::cmp::Reverse(version_key(path)));
    versions.into_iter().map(|version| version.join(after.trim_start_matches('/'))).collect()
}

fn version_key(path: &Path) -> Vec<u32> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

/// The folder that a file was installed into, if one of the patterns says so.
fn root_of(user: &HostUser, file: &Path, roots: &[&str]) -> Option<PathBuf> {
    let home = user.home.as_deref().unwrap_or(Path::new("/"));
    roots.iter().chain(table::PACKAGE_ROOTS).find_map(|pattern| prefix(&home.join(pattern), file))
}

/// The beginning of `path` that matches `pattern`.
fn prefix(pattern: &Path, path: &Path) -> Option<PathBuf> {
    let mut parts = path.components();
    let matches =
        |wanted: Component<'_>| parts.next().filter(|part| wanted.as_os_str() == "*" || *part == wanted);
    pattern.components().map(matches).collect::<Option<PathBuf>>()
}

fn needs_node(file: &Path) -> bool {
    let mut start = [0; 64];
    let read = File::open(file).and_then(|mut file| file.read(&mut start)).unwrap_or(0);
    let line = start[..read].split(|byte| *byte == b'\n').next().unwrap_or_default();
    line.starts_with(b"#!") && line.windows(4).any(|word| word == b"node")
}

fn text(path: &Path) -> Option<String> {
    path.to_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn program(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        crate::file::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn user() -> (tempfile::TempDir, HostUser) {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().canonicalize().unwrap();
        (folder, HostUser { home: Some(home), path: Vec::new() })
    }

    #[test]
    fn a_native_agent_shows_its_versions_and_its_launcher_only() {
        let (_folder, user) = user();
        let home = user.home.clone().unwrap();
        let version = home.join(".local/share/claude/versions/2.1.0");
        program(&version, "binary");
        fs::create_dir_all(home.join(".local/bin")).unwrap();
        symlink(&version, home.join(".local/bin/claude")).unwrap();

        let found = find(&user, "claude", &[]).unwrap();
        let root = text(&home.join(".local/share/claude")).unwrap();
        let launcher = text(&home.join(".local/bin/claude")).unwrap();
        assert_eq!(found.path, [text(&home.join(".local/bin")).unwrap()]);
        assert_eq!(
            found.entries,
            [
                Entry::Bind { source: root.clone(), target: root, access: Access::ReadOnly },
                Entry::Link { target: launcher, to: text(&version).unwrap() },
            ]
        );
        assert_eq!(names(&user), ["claude", "shell"]);
    }

    #[test]
    fn a_node_agent_shows_its_node_version_the_newest_one() {
        let (_folder, user) = user();
        let nvm = user.home.clone().unwrap().join(".nvm/versions/node");
        for version in ["v9.0.0", "v22.1.0"] {
            let node = nvm.join(version);
            program(&node.join("bin/node"), "binary");
            program(&node.join("lib/node_modules/codex/codex.js"), "#!/usr/bin/env node\n");
            symlink("../lib/node_modules/codex/codex.js", node.join("bin/codex")).unwrap();
        }
        let root = text(&nvm.join("v22.1.0")).unwrap();
        let found = find(&user, "codex", &[]).unwrap();
        assert_eq!(
            found.entries,
            [Entry::Bind { source: root.clone(), target: root, access: Access::ReadOnly }]
        );
        assert_eq!(found.path[0], text(&nvm.join("v22.1.0/bin")).unwrap());
    }
}
