//! Folders of the host on their way into a home: the user's settings, and skills.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;

use insta::assert_snapshot;

use super::*;

/// Prepares claude with these skills, which are mounted or copied.
fn with_skills(storage: &Path, skills: &[&str], mounts_at: Option<&str>) -> Result<Prepared, CommandError> {
    let skills: Vec<_> = skills.iter().map(|&path| (path, PathBuf::from(path))).collect();
    let mcp = Mcp::default();
    prepare(&Wanted { skills: &skills, mounts_at, ..wanted("claude", &mcp, storage) })
}

#[test]
fn files_are_taken_with_their_bits_and_links_are_followed() {
    let storage = tempfile::tempdir().unwrap();
    let folder = storage.path().join("config/claude");
    create_folder(&folder.join("a/b"), 0o700).unwrap();
    for (name, mode) in [("a/b/plain", 0o644), ("a/tool", 0o744)] {
        write_atomic(&folder.join(name), b"x", mode).unwrap();
        fs::set_permissions(folder.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    symlink("a/tool", folder.join("link")).unwrap();
    symlink("a", folder.join("folder")).unwrap();
    let prepared = with_skills(storage.path(), &[], None).unwrap();
    let files: Vec<_> = prepared.files.iter().map(|file| format!("{} {:o}", file.path, file.mode)).collect();
    assert_snapshot!(files.join("\n"), @r"
    .claude.json 600
    a/b/plain 600
    a/tool 700
    folder/b/plain 600
    folder/tool 700
    link 700
    ");

    symlink("..", folder.join("a/up")).unwrap();
    let error = with_skills(storage.path(), &[], None).unwrap_err();
    assert!(error.message().ends_with("/up: it is a link to a folder above it"), "{error}");
}

#[test]
fn skills_are_mounted_or_copied() {
    let folder = tempfile::tempdir().unwrap();
    let skill = folder.path().join("review");
    create_folder(&skill, 0o700).unwrap();
    write_atomic(&skill.join("SKILL.md"), b"x", 0o600).unwrap();
    let skills = [skill.to_str().unwrap()];

    let mounted = with_skills(folder.path(), &skills, Some("/home/agent")).unwrap();
    let mount = kdn_protocol::Mount::new(&skill, "/home/agent/.claude/skills/review", true);
    assert_eq!(mounted.mounts, [mount]);
    let copied = with_skills(folder.path(), &skills, None).unwrap();
    assert_eq!(copied.mounts, []);
    assert_eq!(copied.files[1].path, ".claude/skills/review/SKILL.md");
    assert_eq!(copied.files[1].source, Some(skill.join("SKILL.md")));
}

#[test]
fn what_is_no_skill() {
    let error = |skills: &[&str], mounts_at| {
        with_skills(Path::new("/nowhere"), skills, mounts_at).unwrap_err().to_text()
    };
    let same = error(&["/a/x", "/b/x"], Some("/home/agent"));
    assert_snapshot!([same, error(&["/"], None), error(&["/nowhere/x"], None)].concat(), @r#"
    Error: skills "/a/x" and "/b/x" have the same target directory "$HOME/.claude/skills/x"
    Rename one of the two folders
    Error: skills path "/" has no name of its own
    Name the folder of one skill
    Error: failed to walk skills directory /nowhere/x: No such file or directory (os error 2)
    "#);
}
