//! What a sandbox shows of the host, in the order in which it is mounted.

use std::fs;
use std::path::{Path, PathBuf};

use kdn_protocol::{Mount, NetworkMode};

use crate::agents::Installation;
use crate::error::{Error, Result};
use crate::plan::{AGENT_ID, Access, Entry, HOME, SOURCES};

/// The system's own folders, read-only.
const SYSTEM: &[&str] = &["usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "opt", "nix/store"];

/// What programs need of `/etc`: folders are bound, files are copied.
const ETC: &[&str] = &[
    "alpine-release",
    "alternatives",
    "bash.bashrc",
    "bash_completion.d",
    "bashrc",
    "ca-certificates",
    "ca-certificates.conf",
    "debian_version",
    "default/locale",
    "fedora-release",
    "fonts",
    "gai.conf",
    "gitconfig",
    "host.conf",
    "inputrc",
    "java-11-openjdk",
    "java-17-openjdk",
    "java-21-openjdk",
    "java-25-openjdk",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "locale.alias",
    "locale.conf",
    "localtime",
    "login.defs",
    "lsb-release",
    "magic",
    "magic.mime",
    "mime.types",
    "nanorc",
    "networks",
    "nsswitch.conf",
    "os-release",
    "perl",
    "pki",
    "profile",
    "profile.d",
    "protocols",
    "python3",
    "python3.11",
    "redhat-release",
    "rpc",
    "services",
    "shells",
    "ssl",
    "static",
    "terminfo",
    "timezone",
    "vim",
    "zsh",
];

const DEVICES: &[&str] = &["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];

/// Top-level names that no mount of the user's may take or go below.
const RESERVED: &[&str] = &["dev", "etc", "home", "nix", "proc", "root", "run", "sys", "tmp", "var"];

const PASSWD: &str = "root:x:0:0:root:/root:/usr/sbin/nologin\n\
    agent:x:1000:1000:agent:/home/agent:/bin/bash\n\
    nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
const GROUP: &str = "root:x:0:\nagent:x:1000:\nnogroup:x:65534:\n";
const _: () = assert!(AGENT_ID == 1000, "the agent's id is written out in passwd and group");

/// Whether a host path is visible in every sandbox.
pub fn is_system(path: &Path) -> bool {
    SYSTEM.iter().any(|tree| path.starts_with(Path::new("/").join(tree)))
}

/// The parts of a sandbox that do not depend on the workspace but its name and network.
pub fn system(hostname: &str, network: NetworkMode) -> Vec<Entry> {
    let mut entries: Vec<Entry> =
        SYSTEM.iter().filter_map(|tree| show(&format!("/{tree}"), Access::System)).collect();
    entries.extend(DEVICES.iter().filter_map(|device| show(device, Access::Device)));
    entries.extend(ETC.iter().filter_map(|name| configuration(&format!("/etc/{name}"))));
    let hosts = format!("127.0.0.1 localhost {hostname}\n::1 localhost {hostname}\n");
    let files =
        [("passwd", PASSWD), ("group", GROUP), ("hosts", &hosts), ("hostname", &format!("{hostname}\n"))];
    entries.extend(
        files.map(|(name, text)| Entry::File { target: format!("/etc/{name}"), text: text.to_owned() }),
    );
    entries.push(Entry::Link { target: "/etc/mtab".to_owned(), to: "/proc/mounts".to_owned() });
    let resolver = "/etc/resolv.conf".to_owned();
    entries.push(if network == NetworkMode::Allow {
        Entry::Copy { source: resolver.clone(), target: resolver }
    } else {
        Entry::File { target: resolver, text: String::new() }
    });
    entries
}

/// The user's part: home, sources, the agent's installation, further mounts.
pub fn of_user(home: &Path, sources: &Path, agent: Installation, mounts: &[Mount]) -> Result<Vec<Entry>> {
    let bind = |source: &Path, target: &str, access| -> Result<Entry> {
        let source =
            source.to_str().ok_or_else(|| Error::internal(format!("{} is not UTF-8", source.display())))?;
        Ok(Entry::Bind { source: source.to_owned(), target: target.to_owned(), access })
    };
    let mut entries = vec![bind(home, HOME, Access::ReadWrite)?, bind(sources, SOURCES, Access::ReadWrite)?];
    entries.extend(agent.entries);
    let mut mounts: Vec<_> = mounts.iter().map(|mount| (normal(&mount.target), mount)).collect();
    mounts.sort_by_key(|(target, _)| target.components().count());
    for (target, mount) in mounts {
        let access = if mount.read_only { Access::ReadOnly } else { Access::ReadWrite };
        entries.push(bind(&mount.host, &target.to_string_lossy(), access)?);
    }
    Ok(entries)
}

/// Refuses mounts that could not be made, or that would cover what the sandbox is made of.
pub fn check_mounts(mounts: &[Mount]) -> Result<()> {
    for (index, mount) in mounts.iter().enumerate() {
        let target = normal(&mount.target);
        let refuse = |why: &str| {
            let message = format!("mount target {:?} {why}", mount.target);
            let hint =
                format!("use a path below {HOME} or /workspace, or a new folder of the root such as /data");
            Err(Error::invalid_workspace(format!("mounts[{index}].target"), message).hint(hint))
        };
        if Path::new(SOURCES).starts_with(&target) || Path::new(HOME).starts_with(&target) {
            return refuse("would cover the workspace's own folders");
        }
        let first = target.components().nth(1).map(|part| part.as_os_str().to_string_lossy().into_owned());
        let first = first.unwrap_or_default();
        if is_system(&target) || (RESERVED.contains(&first.as_str()) && !target.starts_with(HOME)) {
            return refuse("lies in the system's read-only part");
        }
        if let Err(error) = fs::metadata(&mount.host) {
            let message = format!("mount source {}: {}", mount.host.display(), crate::error::text(&error));
            return Err(Error::invalid_workspace(format!("mounts[{index}].host"), message));
        }
    }
    Ok(())
}

/// The path without empty parts and dots.
fn normal(target: &str) -> PathBuf {
    Path::new(target).components().collect()
}

fn show(path: &str, access: Access) -> Option<Entry> {
    let metadata = fs::symlink_metadata(path).ok()?;
    Some(if metadata.is_symlink() {
        Entry::Link { target: path.to_owned(), to: fs::read_link(path).ok()?.to_str()?.to_owned() }
    } else {
        Entry::Bind { source: path.to_owned(), target: path.to_owned(), access }
    })
}

fn configuration(path: &str) -> Option<Entry> {
    let resolved = fs::canonicalize(path).ok()?;
    let source = resolved.to_str()?.to_owned();
    let target = path.to_owned();
    Some(if is_system(&resolved) {
        // Kept a link: programs read the time zone's name from where it leads.
        Entry::Link { target, to: source }
    } else if resolved.is_dir() {
        Entry::Bind { source, target, access: Access::System }
    } else {
        Entry::Copy { source, target }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_stay_out_of_the_system() {
        let allowed =
            ["/home/agent/.gitconfig", "/workspace/other", "/workspace/sources/data", "/data", "/data/x/"];
        let refused = [
            "/usr/local/x",
            "/etc/x",
            "/nix/store/x",
            "/nix",
            "/proc/1",
            "/home/other",
            "/home",
            "/home/agent/",
            "/workspace",
            "/workspace//sources",
            "/tmp/x",
            "/root/x",
            "/lib64",
        ];
        let check = |target: &str| check_mounts(&[Mount::new("/", target, false)]);
        for target in allowed {
            assert_eq!(check(target), Ok(()), "{target}");
        }
        for target in refused {
            assert_eq!(
                check(target).unwrap_err().data.field_path.as_deref(),
                Some("mounts[0].target"),
                "{target}"
            );
        }
    }
}
