//! The keychain of the system: a real Secret Service on a bus of its own, one that hangs, and none.

use std::{
    fs,
    os::unix::net::UnixListener,
    path::PathBuf,
    process::{Command, Stdio},
};

use insta::assert_snapshot;
use rustix::process::Signal;
use serde_json::json;

use crate::support::{Env, skip_unless, wait_until};

const CREATE: [&str; 5] = ["secret", "create", "gh", "--type", "github"];

/// A Secret Service on a bus of its own.
struct Keyring {
    env: Env,
    secret_tool: PathBuf,
    bus: std::process::Child,
}

impl Keyring {
    fn start() -> Option<Self> {
        let daemon = skip_unless("gnome-keyring-daemon")?;
        let (secret_tool, dbus) = (skip_unless("secret-tool")?, skip_unless("dbus-daemon")?);
        let env = Env::new();
        let folder = env.root().join("run");
        fs::create_dir(&folder).unwrap();
        let address = format!("unix:path={}", folder.join("bus").display());
        let env = env.set("XDG_DATA_HOME", folder.clone()).set("XDG_RUNTIME_DIR", folder);
        let env = env.set("DBUS_SESSION_BUS_ADDRESS", address.clone());
        let mut bus = env.program_at(dbus.to_str().unwrap());
        bus.args([
            "--session",
            "--nofork",
            "--nopidfile",
            &format!("--address={address}"),
            "--print-address",
        ]);
        let mut bus = bus.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        // Its address is its word that it listens.
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(bus.stdout.as_mut().unwrap()), &mut line)
            .unwrap();
        let keyring = Self { env, secret_tool, bus };
        Self::feed(
            keyring.env.program_at(daemon.to_str().unwrap()).args(["--unlock", "--components=secrets"]),
            "pw",
        );
        wait_until("the service answers", || {
            keyring.tool(&["store", "--label=probe", "probe", "1"], "kept");
            (keyring.tool(&["lookup", "probe", "1"], "") == "kept").then_some(())
        });
        Some(keyring)
    }

    fn feed(command: &mut Command, text: &str) -> String {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
    }

    /// Runs the tool that every Secret Service knows.
    fn tool(&self, args: &[&str], text: &str) -> String {
        Self::feed(self.env.program_at(self.secret_tool.to_str().unwrap()).args(args), text)
    }
}

/// The service ends with its bus.
impl Drop for Keyring {
    fn drop(&mut self) {
        let _ = self.bus.kill();
        let _ = self.bus.wait();
    }
}

#[test]
fn values_are_where_every_kdn_looks_for_them() {
    let Some(keyring) = Keyring::start() else { return };
    let env = &keyring.env;
    let lookup = |name| keyring.tool(&["lookup", "service", "kdn", "username", name], "");
    assert_eq!(env.run_with_stdin(&CREATE, "wörd\n").code, Some(0));
    assert_eq!(lookup("gh"), "wörd");
    let found = keyring.tool(&["search", "service", "kdn"], "");
    assert!(found.contains("label = Password for 'gh' on 'kdn'\n"), "{found}");
    env.ok(&["secret", "remove", "gh"]);
    assert_eq!(lookup("gh"), "");

    // One that the Go program made, as it is in its list and its keychain.
    let list = r#"{"secrets": [{"name": "old", "type": "anthropic"}]}"#;
    fs::write(env.storage().join("secrets.json"), list).unwrap();
    let label = "--label=Password for 'old' on 'kdn'";
    keyring.tool(&["store", label, "service", "kdn", "username", "old"], "its value");
    fs::create_dir(env.project().join(".kaiden")).unwrap();
    let config = json!({"secrets": ["old"]}).to_string();
    fs::write(env.project().join(".kaiden/workspace.json"), config).unwrap();
    env.ok(&["init", "-r", "fake", "-a", "shell", "-p", "demo"]);
    env.ok(&["start", "app"]);
    env.ok(&["stop", "app"]);

    env.ok(&["secret", "remove", "old"]);
    assert_eq!(lookup("old"), "");
    // Its value is gone from the keychain, not from the list.
    fs::write(env.storage().join("secrets.json"), list).unwrap();
    assert_snapshot!(env.run(&["start", "app"]), @r#"
    exit code 1
    --- stderr
    Error: failed to get the secrets of the workspace: secret "old" has no value
    Remove it with 'kdn secret remove old', and make it anew with 'kdn secret create old --type ...'
    "#);
    env.ok(&["secret", "remove", "old"]);
    env.ok(&["remove", "app"]);
}

#[test]
fn without_a_keychain() {
    let env = Env::with_drivers(&[]).set("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere/bus");
    assert_snapshot!(env.run(&[&CREATE[..], &["--value", "canary"]].concat()), @r"
    exit code 1
    --- stderr
    Error: failed to create secret: failed to store secret in keychain: no keychain is available: zbus error: Failed to connect to address `unix:path=/nowhere/bus`: No such file or directory (os error 2)
    Secrets are kept by a Secret Service, such as GNOME Keyring, KWallet or KeePassXC, on the D-Bus of your session: install one, and log in to a session that has it
    Where there is none, set KDN_SECRETS_FILE to a file of your own, which will hold the values unencrypted
    ");
    assert_snapshot!(env.run(&["secret", "list"]), @r"
    exit code 0
    --- stdout
    No secrets found
    ");
}

#[test]
fn a_keychain_that_hangs_is_said_and_can_be_interrupted() {
    let env = Env::with_drivers(&[]);
    let path = env.root().join("bus");
    let _never_answers = UnixListener::bind(&path).unwrap();
    let env = env.set("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}", path.display()));
    let mut create = env.start(&[&CREATE[..], &["--value", "canary"]].concat());
    create.expect("Waiting for the keychain, which may ask you to unlock it").signal(Signal::INT);
    assert_snapshot!(create.finish(), @r"
    exit code 130
    --- stderr
    Waiting for the keychain, which may ask you to unlock it
    Error: interrupted
    ");
    assert_eq!(Env::tree(&env.storage()), ["secrets.json.lock"]);
}
