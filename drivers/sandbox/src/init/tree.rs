//! The sandbox's file tree, made with the new mount calls: every source is a descriptor before the old root goes.

use std::collections::HashMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use linux_raw_sys::general::{MOUNT_ATTR_NODEV, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY};
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, openat2};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, fsconfig_create,
    fsconfig_set_string, fsmount, fsopen, move_mount, open_tree, unmount,
};

use crate::error::{Doing, Result};
use crate::file;
use crate::plan::{Access, Entry};
use crate::sys::{self, MountChange};

/// An [`Entry`] whose host side is already in hand.
#[derive(Debug)]
pub enum Opened {
    Tree { tree: OwnedFd, target: String, directory: bool },
    Link { target: String, to: String },
    File { target: String, bytes: Vec<u8> },
}

/// User namespaces that show files of an owner as the agent's own, by (uid, gid) of the owner.
pub type IdMaps = HashMap<(u32, u32), OwnedFd>;

/// Opens the host's side of all entries. Needs the right to mount, here or in the caller's namespaces.
pub fn open(entries: &[Entry], id_maps: Option<&IdMaps>) -> Result<Vec<Opened>> {
    let mut opened = Vec::with_capacity(entries.len());
    for entry in entries {
        opened.push(match entry {
            Entry::Bind { source, target, access } => {
                let tree = bind(source, *access, id_maps)
                    .doing(format_args!("make {source} visible at {target}"))?;
                let mode = fstat(&tree).doing(format_args!("look at {source}"))?.st_mode;
                let directory = FileType::from_raw_mode(mode) == FileType::Directory;
                Opened::Tree { tree, target: target.clone(), directory }
            }
            Entry::Link { target, to } => Opened::Link { target: target.clone(), to: to.clone() },
            Entry::File { target, text } => {
                Opened::File { target: target.clone(), bytes: text.as_bytes().to_vec() }
            }
            Entry::Copy { source, target } => match fs::read(source) {
                Ok(bytes) => Opened::File { target: target.clone(), bytes },
                Err(_) => continue,
            },
        });
    }
    Ok(opened)
}

/// A path of the user's, in which no part may be a link: an agent may have put it there since the path was chosen, in
/// order to be shown what it leads to.
pub fn find(source: &str) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    match openat2(CWD, source, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS) {
        Err(Errno::LOOP) => Err(io::Error::other("a part of the path has become a symbolic link")),
        found => Ok(found?),
    }
}

/// A detached copy of the mounts at a host path, restricted as `access` says.
pub fn bind(source: &str, access: Access, id_maps: Option<&IdMaps>) -> io::Result<OwnedFd> {
    let flags =
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    let tree = match access {
        Access::System | Access::Device => open_tree(CWD, source, flags)?,
        Access::ReadOnly | Access::ReadWrite => {
            let source = find(source)?;
            open_tree(source, "", flags | OpenTreeFlags::AT_EMPTY_PATH)?
        }
    };
    let mut set = MOUNT_ATTR_NOSUID;
    if access != Access::Device {
        set |= MOUNT_ATTR_NODEV;
    }
    if matches!(access, Access::System | Access::ReadOnly) {
        set |= MOUNT_ATTR_RDONLY;
    }
    sys::mount_setattr(&tree, &MountChange { set: set.into(), private: true, ..MountChange::default() })?;
    if let (Some(maps), Access::ReadOnly | Access::ReadWrite) = (id_maps, access) {
        let status = fstat(&tree)?;
        if let Some(map) = maps.get(&(status.st_uid, status.st_gid)) {
            let mapped =
                sys::mount_setattr(&tree, &MountChange { idmap: Some(map), ..MountChange::default() });
            // What is only read stays as readable as its owner made it for others.
            if access == Access::ReadWrite {
                mapped?;
            }
        }
    }
    Ok(tree)
}

/// Makes the tree, and it alone, the root of this mount namespace.
pub(super) fn build(opened: Vec<Opened>) -> Result<()> {
    // The kernel allows a new /proc only while the old one can be seen.
    let proc = filesystem("proc", &[], MountAttrFlags::MOUNT_ATTR_NOEXEC)?;
    let pts =
        filesystem("devpts", &[("ptmxmode", "0666"), ("mode", "0620")], MountAttrFlags::MOUNT_ATTR_NOEXEC)?;
    let root = filesystem("tmpfs", &[("mode", "0755")], MountAttrFlags::empty())?;
    let tmp = filesystem("tmpfs", &[("mode", "1777")], MountAttrFlags::MOUNT_ATTR_NODEV)?;
    let shm = filesystem("tmpfs", &[("mode", "1777")], MountAttrFlags::MOUNT_ATTR_NODEV)?;
    change_root(&root)?;

    for directory in ["/proc", "/dev", "/dev/pts", "/dev/shm", "/tmp", "/run", "/var", "/home", "/workspace"]
    {
        fs::create_dir(directory).doing(format_args!("make {directory}"))?;
    }
    for (tree, target) in [(&proc, "/proc"), (&pts, "/dev/pts"), (&tmp, "/tmp"), (&shm, "/dev/shm")] {
        attach(tree, target).doing(format_args!("mount {target}"))?;
    }
    let links = [
        ("/dev/ptmx", "pts/ptmx"),
        ("/dev/fd", "/proc/self/fd"),
        ("/dev/stdin", "/proc/self/fd/0"),
        ("/dev/stdout", "/proc/self/fd/1"),
        ("/dev/stderr", "/proc/self/fd/2"),
        ("/var/tmp", "/tmp"),
    ];
    for (target, to) in links {
        symlink(to, target).doing(format_args!("link {target}"))?;
    }
    for entry in opened {
        place(entry)?;
    }
    let root = rustix::fs::open("/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).doing("open /")?;
    let change = MountChange { set: MOUNT_ATTR_RDONLY.into(), alone: true, ..MountChange::default() };
    sys::mount_setattr(&root, &change).doing("make / read-only")
}

fn place(entry: Opened) -> Result<()> {
    match entry {
        Opened::Tree { tree, target, directory } => {
            mount_point(&target, directory).doing(format_args!("make the mount point {target}"))?;
            attach(&tree, &target).doing(format_args!("mount {target}"))
        }
        Opened::Link { target, to } => make_parent(&target)
            .and_then(|()| symlink(&to, &target))
            .or_else(ignore_existing)
            .doing(format_args!("link {target}")),
        Opened::File { target, bytes } => make_parent(&target)
            .and_then(|()| file::write(&target, bytes))
            .and_then(|()| fs::set_permissions(&target, fs::Permissions::from_mode(0o644)))
            .doing(format_args!("write {target}")),
    }
}

fn ignore_existing(error: io::Error) -> io::Result<()> {
    if error.kind() == ErrorKind::AlreadyExists { Ok(()) } else { Err(error) }
}

fn make_parent(target: &str) -> io::Result<()> {
    Path::new(target).parent().map_or(Ok(()), fs::create_dir_all)
}

fn mount_point(target: &str, directory: bool) -> io::Result<()> {
    if directory {
        return fs::create_dir_all(target);
    }
    make_parent(target)?;
    fs::File::options().write(true).create_new(true).open(target).map(drop).or_else(ignore_existing)
}

/// A new filesystem of the kernel's own, not yet in any tree.
fn filesystem(kind: &str, options: &[(&str, &str)], flags: MountAttrFlags) -> Result<OwnedFd> {
    let make = || -> rustix::io::Result<OwnedFd> {
        let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
        for (key, value) in options {
            fsconfig_set_string(context.as_fd(), *key, *value)?;
        }
        fsconfig_create(context.as_fd())?;
        let flags = flags | MountAttrFlags::MOUNT_ATTR_NOSUID;
        fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, flags)
    };
    make().doing(format_args!("make a new {kind}"))
}

fn attach(tree: &OwnedFd, target: &str) -> rustix::io::Result<()> {
    move_mount(tree, "", CWD, target, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
}

/// Puts `root` in the place of the host's tree, and lets go of that for good.
fn change_root(root: &OwnedFd) -> Result<()> {
    // Any directory will do to hang it up; this one is certainly there.
    attach(root, "/proc").doing("mount the new root")?;
    rustix::process::fchdir(root).doing("enter the new root")?;
    rustix::process::pivot_root(".", ".").doing("change the root")?;
    // Now both are at "/", the old one on top.
    unmount(".", UnmountFlags::DETACH).doing("let go of the old root")?;
    std::env::set_current_dir("/").doing("enter /")
}
