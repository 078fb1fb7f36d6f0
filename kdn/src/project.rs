//! The project identifier of a folder: its place in its git remote, or just its place.

use std::path::Path;

use crate::process::git;

/// Identifies the project that `dir`, an absolute path, belongs to.
///
/// Workspaces with one identifier share the project's configuration, wherever the checkout is:
/// `https://example.com/repo/` for the root of a repository, `https://example.com/repo/sub` inside it. Without a
/// remote named `upstream` or `origin` it is the path of the folder.
pub fn identify(dir: &Path) -> String {
    // The prefix comes from git, as the path that git reports has its symbolic links resolved, and `dir` may not.
    let Some(place) = git(dir, &["rev-parse", "--show-toplevel", "--show-prefix"]) else {
        return dir.display().to_string();
    };
    let mut lines = place.lines();
    let root = lines.next().unwrap_or_default();
    let inside = lines.next().unwrap_or_default().trim_end_matches('/');
    let remote = ["upstream", "origin"].iter().find_map(|name| git(dir, &["remote", "get-url", name]));
    match remote {
        Some(url) => within_remote(&url, inside),
        None => Path::new(root).join(inside).components().as_path().display().to_string(),
    }
}

fn within_remote(url: &str, inside: &str) -> String {
    let url = without_credentials(url.trim_end());
    let url = url.strip_suffix(".git").unwrap_or(&url);
    let slash = if url.ends_with('/') { "" } else { "/" };
    format!("{url}{slash}{inside}")
}

/// Takes the credentials out of a URL: the user and password, but over ssh only the password, as the user names
/// the account there. `git@host:path` is no URL and stays as it is.
fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let Some((login, host)) = authority.rsplit_once('@') else { return url.to_owned() };
    let user = login.split(':').next().unwrap_or_default();
    if scheme.to_ascii_lowercase().contains("ssh") && !user.is_empty() {
        format!("{scheme}://{user}@{host}{path}")
    } else {
        format!("{scheme}://{host}{path}")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    fn repository() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        git(dir.path(), &["init", "-q"]).expect("git is installed");
        fs::create_dir_all(dir.path().join("a/b")).unwrap();
        dir
    }

    #[test]
    fn a_plain_folder_is_its_own_project() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(identify(dir.path()), dir.path().display().to_string());
    }

    #[test]
    fn without_a_remote_the_path_identifies() {
        let repo = repository();
        let root = repo.path().canonicalize().unwrap();
        if cfg!(windows) {
            return; // git prints `C:/...` there, canonicalize `\\?\C:\...`
        }
        assert_eq!(identify(&root), root.display().to_string());
        assert_eq!(identify(&root.join("a/b")), root.join("a/b").display().to_string());
    }

    #[test]
    fn upstream_wins_over_origin_and_other_remotes_are_ignored() {
        let repo = repository();
        let inside = repo.path().join("a/b");
        git(repo.path(), &["remote", "add", "fork", "https://example.com/fork"]).unwrap();
        assert!(!identify(repo.path()).contains("example.com"));
        git(repo.path(), &["remote", "add", "origin", "git@example.com:me/app.git"]).unwrap();
        assert_eq!(identify(repo.path()), "git@example.com:me/app/");
        git(repo.path(), &["remote", "add", "upstream", "https://me:pw@example.com/app.git"]).unwrap();
        assert_eq!(identify(repo.path()), "https://example.com/app/");
        assert_eq!(identify(&inside), "https://example.com/app/a/b");
    }

    #[cfg(unix)]
    #[test]
    fn a_symbolic_link_does_not_change_the_project() {
        let repo = repository();
        git(repo.path(), &["remote", "add", "origin", "https://example.com/app"]).unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let link = elsewhere.path().join("link");
        std::os::unix::fs::symlink(repo.path().join("a"), &link).unwrap();
        assert_eq!(identify(&link), "https://example.com/app/a");
    }

    #[test]
    fn ssh_keeps_the_account_and_loses_the_password() {
        assert_eq!(without_credentials("ssh://git@h:22/p"), "ssh://git@h:22/p");
        assert_eq!(without_credentials("ssh://git:pw@h/p"), "ssh://git@h/p");
        assert_eq!(without_credentials("https://ghp_x@h/p@v"), "https://h/p@v");
        assert_eq!(without_credentials("file:///srv/app"), "file:///srv/app");
    }

    proptest! {
        #[test]
        fn no_password_survives(
            scheme in "https?|ssh|git\\+ssh|ftp", user in "[a-z]{0,5}", host in "[a-z]{1,8}", path in "(/[a-z@:.]{0,6}){0,3}",
        ) {
            let project = within_remote(&format!("{scheme}://{user}:S3CRET@x{host}{path}"), "");
            prop_assert!(!project.contains("S3CRET"), "{}", project);
            prop_assert!(project.ends_with('/') && project.contains(&host));
        }
    }
}
