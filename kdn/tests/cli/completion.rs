//! Completion, by the shells themselves.

use std::{fs, path::Path};

use insta::assert_snapshot;
use serde_json::json;

use crate::support::{Env, skip_unless};

/// A stopped workspace `idle`, and a running one `busy`.
/// Two workspaces. A prefix to complete holds a letter that no id has, such as the "u" of "bu".
fn env() -> Env {
    let env = Env::new().set("KDN_DEFAULT_RUNTIME", "fake").set("KDN_DEFAULT_AGENT", "shell");
    env.ok(&["init", "--name", "idle"]);
    env.ok(&["init", "--name", "busy", "--start"]);
    env
}

fn shell(env: &Env, shell: &Path, script: &str) -> String {
    let output = env.program_at(shell.to_str().unwrap()).args(["-c", script]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.is_empty(), "{script}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// What is offered for the last of these words.
fn offered(env: &Env, words: &[&str]) -> Vec<String> {
    let index = words.len().to_string();
    let mut command = env.command(&[&["--", "kdn"], words].concat());
    command.env("KDN_COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", index).env("_CLAP_IFS", "\n");
    let output = command.output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{words:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn bash() {
    let Some(bash) = skip_unless("bash") else { return };
    let script = r#"
        source <(kdn completion bash)
        ask() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _clap_complete_kdn kdn "${!#}"; echo "$* -> ${COMPREPLY[*]}"; }
        ask kdn star; ask kdn start ""; ask kdn workspace stop bu; ask kdn rm -f ""; ask kdn list --no"#;
    assert_snapshot!(shell(&env(), &bash, script), @r"
    kdn star -> start
    kdn start  -> idle
    kdn workspace stop bu -> busy
    kdn rm -f  -> idle busy
    kdn list --no -> --no-refresh
    ");
}

#[test]
fn zsh() {
    let (Some(zsh), Some(expr)) = (skip_unless("zsh"), skip_unless("expr")) else { return };
    let env = env();
    env.tool(&expr);
    let script = r#"
        compdef() { }; _describe() { print -l "${(@P)3}" }
        source <(kdn completion zsh)
        words=(kdn start ""); CURRENT=3; _clap_dynamic_completer_kdn"#;
    assert_snapshot!(shell(&env, &zsh, script), @"idle:stopped, fake, shell");
}

#[test]
fn fish() {
    let Some(fish) = skip_unless("fish") else { return };
    let script = r#"
        kdn completion fish | source
        complete -C "kdn start "; complete -C "kdn workspace stop bu""#;
    assert_snapshot!(shell(&env(), &fish, script), @r"
    idle	stopped, fake, shell
    busy	running, fake, shell
    ");
}

#[test]
fn power_shell_has_a_script() {
    assert!(env().ok(&["completion", "powershell"]).contains("Register-ArgumentCompleter"));
}

#[test]
fn workspaces_by_what_can_be_done_with_them() {
    let env = env();
    assert_eq!(offered(&env, &["start", ""]), ["idle"]);
    assert_eq!(offered(&env, &["stop", ""]), ["busy"]);
    assert_eq!(offered(&env, &["remove", ""]), ["idle"]);
    assert_eq!(offered(&env, &["remove", "--force", ""]), ["idle", "busy"]);
    assert_eq!(offered(&env, &["terminal", ""]), ["idle", "busy"]);
    let id = env.list()[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(offered(&env, &["start", &id[..10]]), [id.as_str()]);
    let env = env.set("KDN_AUTOCOMPLETE_IGNORE_IDS", "1");
    assert_eq!(offered(&env, &["start", &id[..10]]), Vec::<String>::new());
}

#[test]
fn what_can_be_opened() {
    let env = Env::with_drivers(&["fake"]).with_bad("none").set("KDN_DEFAULT_AGENT", "shell");
    env.ok(&["init", "-r", "bad", "--name", "plain", "--start"]);
    env.configure(&json!({"ports": [8080, 9090]}));
    env.ok(&["init", "-r", "fake", "--name", "web", "--start"]);
    assert_eq!(offered(&env, &["dashboard", ""]), ["web"], "the driver bad has none");
    assert_eq!(offered(&env, &["open", ""]), ["plain", "web"]);
    assert_eq!(offered(&env, &["open", "web", ""]), ["8080", "9090"]);
    assert_eq!(offered(&env, &["workspace", "open", "web", "9"]), ["9090"]);
}

#[test]
fn values_of_flags() {
    let env = Env::with_drivers(&["fake"]).with_bad("none");
    assert_eq!(offered(&env, &["list", "--output", ""]), ["json"]);
    assert_eq!(offered(&env, &["init", "--agent", "c"]), ["claude", "codex", "cursor"]);
    assert_eq!(offered(&env, &["secret", "create", "x", "--type", "g"]), ["gemini", "github"]);
    assert_eq!(offered(&env, &["init", "--progress", "p"]), ["plain"]);
    assert_eq!(offered(&env, &["config", "schema", "output/l"]), ["output/list"]);
    assert_eq!(offered(&env, &["init", "--runtime", ""]), ["bad"], "the driver fake is hidden");
    assert!(offered(&env, &["init", "--runtime", "fake", "--fake"]).len() > 1);
    assert!(!env.storage().exists(), "nothing is made");
}

#[test]
fn flags_wait_for_a_dash() {
    let env = Env::with_drivers(&[]);
    assert!(offered(&env, &["start", "--sh"]).contains(&"--show-logs".to_owned()));
    assert!(!offered(&env, &[""]).iter().any(|word| word.starts_with('-') || word == "man"));
    assert!(!offered(&env, &["secret", "create", "--h"]).contains(&"--headerTemplate".to_owned()));
}

#[test]
fn drivers_that_are_known_are_not_started() {
    let env = Env::with_drivers(&[]).with_bad("none");
    fs::create_dir(env.storage()).unwrap();
    assert_eq!(offered(&env, &["init", "--runtime", ""]), ["bad"]);
    // From here on it would hang.
    let env = env.set("BAD", "hang");
    assert_eq!(offered(&env, &["init", "--runtime", ""]), ["bad"]);
}

#[test]
fn what_cannot_be_read_has_no_candidates() {
    let env = env();
    fs::write(env.storage().join("instances.json"), "{").unwrap();
    assert!(offered(&env, &["stop", ""]).iter().all(|word| word.starts_with('-')));
    let env = env.set("KDN_COMPLETE", "tcsh");
    assert_snapshot!(env.run(&[]), @"exit code 1");
}

#[test]
fn manual_pages() {
    let env = Env::with_drivers(&[]);
    assert!(env.ok(&["man"]).contains(".SH EXAMPLES\n.nf\n"));
    let pages = env.home().join("man1");
    env.ok(&["man", pages.to_str().unwrap()]);
    let pages = Env::tree(&pages);
    for page in ["kdn.1", "kdn-init.1", "kdn-workspace-show.1", "kdn-config-schema.1"] {
        assert!(pages.contains(&page.to_owned()), "{page} in {pages:?}");
    }
    assert!(!pages.iter().any(|page| page.contains("help") || page.contains("man")), "{pages:?}");
}
