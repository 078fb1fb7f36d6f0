//! What the capabilities promise about secrets and features.

use std::{fs, path::PathBuf};

use serde_json::{Value, json};

use crate::{
    check::{Check, Need},
    client::Driver,
    cx::{Cx, MARK, id_of, random, start},
    http::Server,
    stop::{Stop, ensure, fail},
};

use super::security::ODD;

const VARIABLES: &[Need] = &[Need::Capability("secretEnvironment"), Need::Capability("terminal")];
const STORED: &[Need] =
    &[Need::Capability("runtimeSecrets"), Need::Capability("terminal"), Need::Fixture("runtimeSecret")];
const SECRETS: &[Need] = &[Need::Capability("secrets"), Need::Capability("terminal"), Need::Local];
const FEATURES: &[Need] = &[Need::Capability("features"), Need::Capability("terminal")];

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "secret-environment/value",
        "a variable has the value of its secret, for every process",
        &["CAP-19"],
        variable,
    )
    .needs(VARIABLES),
    Check::new(
        "secret-environment/last-start",
        "the values are those of the last start",
        &["CAP-19"],
        last_start,
    )
    .needs(VARIABLES),
    Check::new(
        "secret-environment/odd-values",
        "values of secrets get in unchanged",
        &["CAP-19", "SEC-09"],
        odd_secrets,
    )
    .slow()
    .needs(VARIABLES),
    Check::new(
        "secret-environment/missing-value",
        "a start without a needed value is refused",
        &["START-04"],
        missing_value,
    )
    .needs(&[Need::Capability("secretEnvironment"), Need::Without("runtimeSecrets")]),
    Check::new(
        "runtime-secrets/value",
        "a variable has the value from the backend's own store",
        &["CAP-20"],
        stored,
    )
    .needs(STORED),
    Check::new(
        "runtime-secrets/given-first",
        "a value that came with start goes before the one in the store",
        &["CAP-20"],
        given_first,
    )
    .needs(&[
        Need::Capability("secretEnvironment"),
        Need::Capability("runtimeSecrets"),
        Need::Capability("terminal"),
        Need::Fixture("runtimeSecret"),
    ]),
    Check::new(
        "runtime-secrets/missing-value",
        "a start with a value neither given nor in the store is refused",
        &["START-04"],
        missing_value,
    )
    .needs(&[Need::Capability("runtimeSecrets")]),
    Check::new("secrets/header", "requests to the hosts of a secret get its header", &["CAP-16"], header)
        .needs(SECRETS),
    Check::new(
        "secrets/header-replaced",
        "a header of the same name that a program sets is replaced",
        &["CAP-16"],
        header_replaced,
    )
    .needs(SECRETS),
    Check::new(
        "secrets/below-path",
        "requests that are not below the path do not get the header",
        &["CAP-17"],
        below_path,
    )
    .slow()
    .needs(SECRETS),
    Check::new(
        "secrets/other-hosts",
        "requests to other hosts do not get the header",
        &["CAP-17"],
        other_hosts,
    )
    .needs(SECRETS),
    Check::new(
        "secrets/placeholder",
        "the variables of a secret say \"placeholder\"",
        &["CAP-18"],
        placeholder,
    )
    .needs(SECRETS),
    Check::new(
        "secrets/not-inside",
        "the value of a secret does not get into the workspace",
        &["SEC-06"],
        not_inside,
    )
    .needs(SECRETS),
    Check::new(
        "secrets/missing-value",
        "a start without the value of a secret is refused",
        &["START-04"],
        missing_secret,
    )
    .needs(&[Need::Capability("secrets")]),
    Check::new(
        "features/installed",
        "install.sh runs, with the options as its environment",
        &["CAP-13"],
        installed,
    )
    .needs(FEATURES),
    Check::new("features/order", "features are installed in their order", &["CAP-13"], order)
        .slow()
        .needs(FEATURES),
    Check::new("features/copy", "install.sh runs in a copy of the feature's folder", &["CAP-13"], copy)
        .needs(FEATURES),
    Check::new(
        "features/failing-install",
        "a failing install.sh fails create, and leaves nothing",
        &["CREATE-02"],
        failing_install,
    )
    .needs(&[Need::Capability("features")]),
    Check::new(
        "features/container-env",
        "containerEnv is set for every process, with variables replaced",
        &["CAP-14"],
        container_env,
    )
    .needs(FEATURES),
];

fn with_variable(cx: &Cx, secret: &str) -> Value {
    let mut workspace = cx.workspace();
    workspace["environment"] =
        json!([{"name": MARK, "value": cx.mark()}, {"name": "KDN_SECRET", "secret": secret}]);
    workspace
}

fn start_with(id: &str, name: &str, value: &str) -> Value {
    json!({"id": id, "network": {"mode": "allow"}, "secretValues": {name: value}})
}

fn seen(cx: &Cx, id: &str) -> Result<String, Stop> {
    cx.sh(id, "sh -c 'printf %s \"$KDN_SECRET\"'")
}

fn variable(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let id = id_of(&driver.ok("create", &with_variable(cx, "token"))?);
    driver.ok("start", &start_with(&id, "token", "value-of-it"))?;
    let seen = seen(cx, &id)?;
    ensure!(seen == "value-of-it", "the variable of a secret with the value \"value-of-it\" is {seen:?}");
    Ok(())
}

fn last_start(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let id = id_of(&driver.ok("create", &with_variable(cx, "token"))?);
    for value in ["first", "second"] {
        driver.ok("start", &start_with(&id, "token", value))?;
        let seen = seen(cx, &id)?;
        ensure!(seen == value, "the last start gave {value:?}, and the variable is {seen:?}");
        driver.ok("stop", &json!({"id": id, "graceSeconds": 0}))?;
    }
    Ok(())
}

fn odd_secrets(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let id = id_of(&driver.ok("create", &with_variable(cx, "token"))?);
    for value in ODD {
        driver.ok("start", &start_with(&id, "token", value))?;
        let seen = seen(cx, &id)?;
        ensure!(seen == value, "the value is {value:?}, and the variable {seen:?}");
        driver.ok("stop", &json!({"id": id, "graceSeconds": 0}))?;
    }
    Ok(())
}

fn missing_value(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let workspace = with_variable(cx, "kdn-no-such-secret");
    let id = match driver.call("create", &workspace)? {
        Ok(instance) => id_of(&instance),
        // Where no value can come with the start, it may be missed at once.
        Err(fault) if !cx.declares("secretEnvironment") && fault.kind == "invalid_workspace" => return Ok(()),
        Err(fault) => fail!("create without a value was refused: {fault}"),
    };
    let fault = driver.refused("start", &start(&id), "invalid_workspace")?;
    ensure!(
        !fault.field_path().is_empty(),
        "start without a value was refused without a field path: {fault}"
    );
    let state = driver.ok("info", &json!({"id": id}))?["state"].clone();
    ensure!(state == "stopped", "start was refused, and the state is {state}");
    Ok(())
}

fn stored(cx: &mut Cx) -> Result<(), Stop> {
    let Some(secret) = cx.suite.fixture.runtime_secret.clone() else { return Ok(()) };
    let mut driver = cx.open()?;
    let id = id_of(&driver.ok("create", &with_variable(cx, &secret.name))?);
    driver.ok("start", &start(&id))?;
    let seen = seen(cx, &id)?;
    ensure!(seen == secret.value, "the store has {:?}, and the variable is {seen:?}", secret.value);
    Ok(())
}

fn given_first(cx: &mut Cx) -> Result<(), Stop> {
    let Some(secret) = cx.suite.fixture.runtime_secret.clone() else { return Ok(()) };
    let mut driver = cx.open()?;
    let id = id_of(&driver.ok("create", &with_variable(cx, &secret.name))?);
    driver.ok("start", &start_with(&id, &secret.name, "given"))?;
    let seen = seen(cx, &id)?;
    ensure!(seen == "given", "start gave \"given\", and the variable is {seen:?}");
    Ok(())
}

/// An instance with a secret for the host of a server that keeps the requests.
struct Injected {
    server: Server,
    /// The host's name in a workspace.
    host: String,
    id: String,
    value: String,
}

impl Injected {
    fn start(cx: &Cx, path: Option<&str>) -> Result<Self, Stop> {
        let Some(host) = cx.manifest()?.host_address.clone() else {
            return Err(Stop::Skipped("workspaces can't reach the host: there is no hostAddress".into()));
        };
        let server = Server::start()?;
        let value = format!("canary{:08x}{:08x}", random(), random());
        let mut workspace = cx.workspace();
        let mut secret = json!({
            "name": "api", "hosts": [host], "header": "X-Api-Key",
            "headerTemplate": "Key ${value}", "envNames": ["API_KEY", "API_TOKEN"],
        });
        if let Some(path) = path {
            secret["path"] = json!(path);
        }
        workspace["secrets"] = json!([secret]);
        let mut driver = cx.open()?;
        let id = id_of(&driver.ok("create", &workspace)?);
        driver.ok("start", &start_with(&id, "api", &value))?;
        cx.place_probe()?;
        Ok(Self { server, host, id, value })
    }

    /// The value of the header in a request for this path that a program inside makes.
    fn header_of(&self, cx: &Cx, host: &str, path: &str, own: Option<&str>) -> Result<Option<String>, Stop> {
        let url = format!("http://{host}:{}{path}", self.server.port());
        let mut command = vec!["./kdn-probe", "probe", "get", &url];
        command.extend(own);
        let output = cx.run(&self.id, &command)?;
        let Some(request) = self.server.last(path) else {
            fail!("a request for {url} did not arrive; the program inside ended with {output}");
        };
        let header = request.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("x-api-key").then(|| value.trim().to_owned())
        });
        Ok(header)
    }
}

fn header(cx: &mut Cx) -> Result<(), Stop> {
    let injected = Injected::start(cx, None)?;
    let header = injected.header_of(cx, &injected.host, "/any", None)?;
    let due = format!("Key {}", injected.value);
    ensure!(header.as_ref() == Some(&due), "the request had the header {header:?}, where {due:?} is due");
    Ok(())
}

fn header_replaced(cx: &mut Cx) -> Result<(), Stop> {
    let injected = Injected::start(cx, None)?;
    let header = injected.header_of(cx, &injected.host, "/own", Some("X-Api-Key: Key placeholder"))?;
    let due = format!("Key {}", injected.value);
    ensure!(
        header.as_ref() == Some(&due),
        "a program set the header itself; it arrived as {header:?}, not {due:?}"
    );
    Ok(())
}

fn below_path(cx: &mut Cx) -> Result<(), Stop> {
    let injected = Injected::start(cx, Some("/repos/ana/"))?;
    let below = injected.header_of(cx, &injected.host, "/repos/ana/shop", None)?;
    ensure!(below.is_some(), "a request below the path did not get the header");
    let other = injected.header_of(cx, &injected.host, "/repos/other", None)?;
    ensure!(other.is_none(), "a request outside the path got the header");
    Ok(())
}

fn other_hosts(cx: &mut Cx) -> Result<(), Stop> {
    let injected = Injected::start(cx, None)?;
    let Some(other) = crate::http::another_name_of(&injected.host) else {
        return Err(Stop::Skipped(format!("there is no other name of {:?} to try", injected.host)));
    };
    let header = injected.header_of(cx, &other, "/elsewhere", None)?;
    ensure!(header.is_none(), "a request to {other}, which the secret does not name, got the header");
    Ok(())
}

fn placeholder(cx: &mut Cx) -> Result<(), Stop> {
    let injected = Injected::start(cx, None)?;
    let seen = cx.sh(&injected.id, "echo \"$API_KEY $API_TOKEN\"")?;
    ensure!(seen == "placeholder placeholder\n", "the variables of a secret are {seen:?}");
    Ok(())
}

fn not_inside(cx: &mut Cx) -> Result<(), Stop> {
    let injected = Injected::start(cx, None)?;
    let script = "env; cat /proc/self/environ /proc/self/cmdline 2>/dev/null; \
                  find \"$HOME\" -type f -exec cat {} + 2>/dev/null; :";
    let seen = cx.sh(&injected.id, script)?;
    ensure!(
        !seen.contains(&injected.value),
        "the value of a secret is in the environment or the home inside"
    );
    Ok(())
}

fn missing_secret(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let mut workspace = cx.workspace();
    workspace["secrets"] = json!([{"name": "kdn-no-such-secret", "hosts": ["localhost"], "header": "X-Key"}]);
    let id = id_of(&driver.ok("create", &workspace)?);
    let fault = driver.refused("start", &start(&id), "invalid_workspace")?;
    ensure!(
        !fault.field_path().is_empty(),
        "start without a value was refused without a field path: {fault}"
    );
    Ok(())
}

/// A feature whose `install.sh` is this script.
fn feature(cx: &Cx, name: &str, script: &str) -> Result<Value, Stop> {
    let folder = cx.dir().join(name);
    cx.write(&format!("{name}/install.sh"), format!("#!/bin/sh\nset -e\n{script}\n"))?;
    cx.write(&format!("{name}/data"), "data of the feature\n")?;
    Ok(json!({"id": format!("./{name}"), "directory": folder, "options": {}, "containerEnv": {}}))
}

/// A file that installing a feature leaves, in a folder that outlives the installation and is the user's to see. It
/// is removed on this machine, where a driver that does not isolate wrote it.
struct Trace(PathBuf);

impl Trace {
    fn new(cx: &Cx) -> Self {
        Self(PathBuf::from(format!("/var/tmp/{}-feature", cx.mark())))
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn running_with(cx: &Cx, driver: &mut Driver, features: &Value) -> Result<String, Stop> {
    let mut workspace = cx.workspace();
    workspace["features"] = features.clone();
    cx.running(driver, &workspace)
}

fn installed(cx: &mut Cx) -> Result<(), Stop> {
    let trace = Trace::new(cx);
    let file = trace.0.display();
    let mut one = feature(cx, "one", &format!("echo \"$VERSION $FLAVOUR\" > {file}; cat data >> {file}"))?;
    one["options"] = json!({"VERSION": "1.2", "FLAVOUR": "a b"});
    let mut driver = cx.open()?;
    let id = running_with(cx, &mut driver, &json!([one]))?;
    let seen = cx.sh(&id, &format!("cat {file}"))?;
    ensure!(seen == "1.2 a b\ndata of the feature\n", "install.sh with its options left {seen:?}");
    Ok(())
}

fn order(cx: &mut Cx) -> Result<(), Stop> {
    let trace = Trace::new(cx);
    let names = ["zeta", "alpha", "mid"];
    let all = names.map(|name| feature(cx, name, &format!("echo {name} >> {}", trace.0.display())));
    let [one, two, three] = all;
    let mut driver = cx.open()?;
    let id = running_with(cx, &mut driver, &json!([one?, two?, three?]))?;
    let seen = cx.sh(&id, &format!("cat {}", trace.0.display()))?;
    ensure!(seen == "zeta\nalpha\nmid\n", "features were given as {names:?} and installed as {seen:?}");
    Ok(())
}

fn copy(cx: &mut Cx) -> Result<(), Stop> {
    let one = feature(cx, "one", "echo changed > data; touch new; rm -f install.sh")?;
    let before = super::files::tree(&cx.dir().join("one"));
    running_with(cx, &mut cx.open()?, &json!([one]))?;
    ensure!(
        super::files::tree(&cx.dir().join("one")) == before,
        "install.sh changed the feature's folder on the host"
    );
    Ok(())
}

fn failing_install(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let mut workspace = cx.workspace();
    workspace["features"] = json!([feature(cx, "one", "echo gone wrong >&2; exit 3")?]);
    if driver.call("create", &workspace)?.is_ok() {
        fail!("create succeeded with a feature whose install.sh exits with 3");
    }
    let listed = driver.ok("list", &json!({}))?;
    ensure!(listed["instances"] == json!([]), "create failed, and list has {}", listed["instances"]);
    Ok(())
}

fn container_env(cx: &mut Cx) -> Result<(), Stop> {
    let mut one = feature(cx, "one", ":")?;
    one["containerEnv"] = json!({"TOOL_HOME": "/opt/tool", "PATH": "/opt/tool/bin:${PATH}"});
    let mut driver = cx.open()?;
    let id = running_with(cx, &mut driver, &json!([one]))?;
    let seen = cx.sh(&id, "sh -c 'echo \"$TOOL_HOME $PATH\"'")?;
    let right = seen.starts_with("/opt/tool /opt/tool/bin:/") && !seen.contains("${PATH}");
    ensure!(right, "TOOL_HOME and PATH of containerEnv are {seen:?}");
    Ok(())
}
