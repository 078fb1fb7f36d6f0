//! `kdn open` and `kdn dashboard`, with a browser that only notes what it was to open.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use insta::assert_snapshot;

use crate::{
    session::sandbox,
    support::{Env, INIT, skip_unless, wait_until},
};

const OPENER: &str = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };

impl Env {
    /// Puts a browser on `PATH`.
    pub(crate) fn browser(&self) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/support/browser.sh");
        symlink(script, self.bin().join(OPENER)).unwrap();
    }

    /// What the browser was to open last, if anything.
    pub(crate) fn opened(&self) -> Option<String> {
        let path: PathBuf = self.bin().join(format!("{OPENER}.opened"));
        let text = fs::read_to_string(&path).ok()?;
        fs::remove_file(path).unwrap();
        Some(text.trim_end().to_owned())
    }

    fn wait_for_browser(&self) -> String {
        wait_until("the browser is started", || self.opened())
    }
}

/// A running workspace `app` on `fake` with these ports, and a browser.
fn with_ports(ports: &[u16]) -> Env {
    let env = Env::new();
    env.browser();
    env.configure(&serde_json::json!({"ports": ports}));
    env.ok(&[&INIT[..], &["--start"]].concat());
    env
}

/// The host port of a port.
fn host_port(env: &Env, target: u16) -> u64 {
    let list = env.list();
    let forwards = list[0]["forwards"].as_array().unwrap();
    let forward = forwards.iter().find(|forward| forward["target"] == target).unwrap();
    forward["port"].as_u64().unwrap()
}

/// What a page says.
fn fetch(url: &str) -> Option<String> {
    let place = url.strip_prefix("http://").unwrap().trim_end_matches('/');
    let mut stream = TcpStream::connect(place).ok()?;
    write!(stream, "GET / HTTP/1.0\r\nHost: {place}\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text).filter(|text| !text.is_empty())
}

#[test]
fn open() {
    let env = with_ports(&[8080]);
    let url = format!("http://127.0.0.1:{}", host_port(&env, 8080));
    let port_out = |run: crate::support::Run| run.to_string().replace(&url, "[URL]");
    assert_snapshot!(port_out(env.run(&["open", "app"])), @r"
    exit code 0
    --- stdout
    [URL]
    ");
    assert_eq!(env.wait_for_browser(), url);
    for args in [&["open", "app", "8080"][..], &["workspace", "open", "app", "0"]] {
        assert_eq!(env.ok(args), url);
        assert_eq!(env.wait_for_browser(), url);
    }
    assert_eq!(env.ok(&["open", "app", "8080", "--url"]), url);
    assert_snapshot!(port_out(env.run(&["open", "app", "-o", "json"])), @r#"
    exit code 0
    --- stdout
    {
      "url": "[URL]"
    }
    "#);
    env.ok(&["stop", "app"]);
    assert_snapshot!(port_out(env.run(&["open", "app", "--url"])), @r#"
    exit code 0
    --- stdout
    [URL]
    --- stderr
    Warning: workspace "app" is not running (state: stopped)
    "#);
    assert_eq!(env.opened(), None);
    // Without anything that opens it, the URL is what there is.
    fs::remove_file(env.bin().join(OPENER)).unwrap();
    assert_eq!(env.ok(&["open", "app"]), url);
    // What is known goes without the driver.
    fs::remove_file(env.bin().join("kdn-runtime-fake")).unwrap();
    assert_snapshot!(port_out(env.run(&["open", "app"])), @r"
    exit code 0
    --- stdout
    [URL]
    --- stderr
    Warning: the last known ports are used: failed to get runtime: runtime not found: fake
    Put its driver, an executable named kdn-runtime-fake, on PATH; 'kdn runtime list' shows those that are there
    ");
}

#[test]
fn open_what_is_not_there() {
    let env = with_ports(&[8080, 9090]);
    assert_snapshot!(env.run(&["open", "nope"]), @r"
    exit code 1
    --- stderr
    Error: workspace not found: nope
    Use 'workspace list' to see available workspaces
    ");
    assert_snapshot!(env.run(&["open", "app"]), @r#"
    exit code 1
    --- stderr
    Error: workspace "app" has multiple port forwards; specify a port
    Its ports are 8080, 9090
    "#);
    assert_snapshot!(env.run(&["open", "app", "80"]), @r#"
    exit code 1
    --- stderr
    Error: no port forward found for port 80 in workspace "app"
    Its ports are 8080, 9090
    "#);
    assert_snapshot!(env.run(&["open", "app", "80", "-o", "json"]), @r#"
    exit code 1
    --- stdout
    {
      "error": "no port forward found for port 80 in workspace \"app\"",
      "hints": [
        "Its ports are 8080, 9090"
      ]
    }
    "#);
    assert_snapshot!(env.run(&["open", "app", "http"]), @r#"
    exit code 2
    --- stderr
    Error: invalid port "http": must be a number
    Run 'kdn open --help' for its usage
    "#);
    assert_snapshot!(env.run(&["open", "app", "1", "2"]), @r"
    exit code 2
    --- stderr
    Error: accepts between 1 and 2 arg(s), received 3
    Run 'kdn open --help' for its usage
    ");
    assert_snapshot!(with_ports(&[]).run(&["open", "app"]), @r#"
    exit code 1
    --- stderr
    Error: no port forwards configured for workspace "app"
    Add "ports" to its configuration, and make it anew
    "#);
    assert_eq!(env.opened(), None);
}

#[cfg(target_os = "linux")]
#[test]
fn dashboard() {
    let env = with_ports(&[]);
    let url = env.ok(&["dashboard", "app"]);
    assert_eq!(env.wait_for_browser(), url);
    assert!(fetch(&url).unwrap().contains("workspace app is running"));
    assert_eq!(env.ok(&["workspace", "dashboard", "app", "--url"]), url);
    assert_snapshot!(env.run(&["dashboard", "app", "-o", "json"]).to_string().replace(&url, "[URL]"), @r#"
    exit code 0
    --- stdout
    {
      "url": "[URL]"
    }
    "#);
    env.ok(&["stop", "app"]);
    assert_snapshot!(env.run(&["dashboard", "app"]), @r"
    exit code 1
    --- stderr
    Error: workspace is not running (state: stopped)
    Start it with 'kdn start app'
    ");
    assert_snapshot!(env.run(&["dashboard", "nope", "-o", "json"]), @r#"
    exit code 1
    --- stdout
    {
      "error": "workspace not found: nope",
      "hints": [
        "Use 'workspace list' to see available workspaces"
      ]
    }
    "#);
    assert_eq!(env.opened(), None);
}

#[test]
fn a_port_of_a_sandbox() {
    let Some(env) = sandbox() else { return };
    let Some(_) = skip_unless("python3") else { return };
    env.configure(&serde_json::json!({"ports": [8080]}));
    env.ok(&["init", "-r", "sandbox", "-a", "shell", "--start"]);
    let url = env.ok(&["open", "app", "--url"]);
    let serving = env.start(&["terminal", "app", "--", "python3", "-m", "http.server", "8080"]);
    let page = wait_until("the server answers", || fetch(&url));
    assert!(page.contains("notes.txt"), "{page}");
    assert_snapshot!(env.run(&["dashboard", "app"]), @r#"
    exit code 1
    --- stderr
    Error: dashboard not supported for workspace "app"
    "#);
    env.ok(&["remove", "app", "--force"]);
    serving.finish();
    env.assert_no_processes();
}
