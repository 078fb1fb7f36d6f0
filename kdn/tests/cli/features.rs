//! Dev container features, from a folder and from a registry to what they leave in a workspace.

use std::{fs, path::Path, process::Stdio};

use flate2::{Compression, write::GzEncoder};
use insta::assert_snapshot;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Answer, Env, Registry, digest, skip_unless, wait_until};

/// A world with a shell, and these features in the configuration.
fn world(features: &Value) -> Option<Env> {
    let env = Env::new();
    for tool in ["sh", "cat"] {
        env.tool(&skip_unless(tool)?);
    }
    configure(&env, features);
    Some(env)
}

fn configure(env: &Env, features: &Value) {
    write(&env.project().join(".kaiden/workspace.json"), &json!({ "features": features }).to_string());
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn local(env: &Env, name: &str, metadata: &Value, script: &str) {
    let folder = env.project().join(".kaiden").join(name);
    write(&folder.join("devcontainer-feature.json"), &metadata.to_string());
    write(&folder.join("install.sh"), script);
}

/// A feature as registries keep it.
fn packed(metadata: &Value, script: &str) -> Vec<u8> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, content) in
        [("./devcontainer-feature.json", metadata.to_string()), ("./install.sh", script.to_owned())]
    {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        archive.append_data(&mut header, name, content.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

fn init(env: &Env) -> crate::support::Run {
    env.run(&["init", "-r", "fake", "-a", "shell"])
}

const SCRIPT: &str = "#!/bin/sh\necho oci $VERSION $DEEP_MODE >>$HOME/order\n";

fn metadata() -> Value {
    json!({
        "id": "b",
        "options": {
            "version": {"type": "string", "default": "latest"},
            "deep-mode": {"type": "boolean", "default": false},
        },
        "containerEnv": {"FROM_OCI": "yes", "BOTH": "${BOTH}oci"},
    })
}

#[test]
fn a_local_one_and_one_of_a_registry_are_installed() {
    let registry = Registry::start();
    let id = format!("{}/a/b:1", registry.address());
    let Some(env) = world(&json!({"./mine": {"greeting": "hello"}, &id: {"deep-mode": true}})) else {
        return;
    };
    let blob = registry.publish("a/b", "1", &packed(&metadata(), SCRIPT));
    let mine = json!({
        "id": "mine", "options": {"greeting": {"type": "string"}}, "privileged": true,
        "containerEnv": {"BOTH": "${BOTH} mine"}, "installsAfter": [format!("{}/a/b", registry.address())],
    });
    local(&env, "mine", &mine, "echo mine $GREETING >>$HOME/order\n");

    assert_snapshot!(init(&env).stderr.replace(&registry.address(), "[REGISTRY]"), @r#"
    Warning: runtime "fake" does not isolate: the agent runs as you, with all your files in reach
    Downloading devcontainer features
    Warning: "privileged" of feature "./mine" has no effect
    Devcontainer features downloaded
    Writing files
    Files written
    Installing feature [REGISTRY]/a/b:1
    Feature [REGISTRY]/a/b:1 installed
    Installing feature ./mine
    Feature ./mine installed
    Creating instance
    Instance created
    "#);
    env.ok(&["start", "app"]);
    assert_snapshot!(env.ok(&["terminal", "app", "--", "sh", "-c", "cd; cat order; echo $FROM_OCI $BOTH"]), @r#"
    oci latest true
    mine hello
    yes oci mine
    "#);
    let asked = registry.asked();
    assert_eq!(asked, ["/v2/a/b/manifests/1", blob.as_str()]);
    let left = Env::tree(&env.storage().join("features"));
    assert_eq!(
        left,
        ["blobs".to_owned(), format!("blobs/{}", &digest(&packed(&metadata(), SCRIPT))[7..]), "lock".into()]
    );

    // Again, out of the cache; and once more with a cache that somebody has damaged.
    env.ok(&["init", "-r", "fake", "-a", "shell", "-n", "two"]);
    assert_eq!(registry.asked(), ["/v2/a/b/manifests/1"]);
    fs::write(env.storage().join("features").join(&left[1]), "half").unwrap();
    env.ok(&["init", "-r", "fake", "-a", "shell", "-n", "three"]);
    assert_eq!(registry.asked(), ["/v2/a/b/manifests/1", blob.as_str()]);
    for name in ["app", "two", "three"] {
        env.ok(&["remove", "--force", name]);
    }
}

#[test]
fn a_token_is_fetched_and_stays_with_the_registry() {
    let (registry, storage) = (Registry::start(), Registry::start());
    let archive = packed(&metadata(), SCRIPT);
    let Some(env) = world(&json!({format!("{}/a/b", registry.address()): {}})) else { return };
    let blob = registry.publish("a/b", "latest", &archive);
    let manifest = json!({"layers": [{"digest": digest(&archive), "size": archive.len()}]}).to_string();
    registry.answer("/v2/a/b/manifests/latest", Answer::Guarded(manifest.into_bytes()));
    registry.answer(&blob, Answer::Redirect(format!("http://{}/elsewhere", storage.address())));
    storage.answer("/elsewhere", Answer::Content(archive));
    let run = init(&env);
    assert_eq!(run.code, Some(0), "{run}");
    assert_eq!(
        registry.asked(),
        [
            "/v2/a/b/manifests/latest".to_owned(),
            "/token".into(),
            "/v2/a/b/manifests/latest with token".into(),
            format!("{blob} with token"),
        ]
    );
    assert_eq!(storage.asked(), ["/elsewhere"]);
    env.ok(&["remove", "--force", "app"]);
}

#[test]
fn what_a_registry_gets_wrong_is_not_used() {
    let registry = Registry::start();
    let address = registry.address();
    let Some(env) = world(&json!({format!("{address}/a/b:1"): {}})) else { return };
    let archive = packed(&metadata(), "touch $HOME/ran");
    let blob = registry.publish("a/b", "1", &archive);
    let mut other = archive.clone();
    other[9] ^= 1;
    let mut said = String::new();
    for answer in [
        Answer::Content(other),
        Answer::Content(archive[1..].to_vec()),
        Answer::Truncated(archive.clone()),
        Answer::Redirect("http://192.0.2.1/x".to_owned()),
        Answer::Redirect(blob.clone()),
    ] {
        registry.answer(&blob, answer);
        let run = init(&env);
        assert_eq!(run.code, Some(1));
        said += run.stderr.lines().filter(|line| line.starts_with("Error")).collect::<String>().as_str();
        said.push('\n');
    }
    let said = said.replace(&address, "[REGISTRY]");
    assert_snapshot!(said, @r#"
    Error: failed to create runtime instance: failed to download feature "[REGISTRY]/a/b:1": digest mismatch: expected sha256:[ID], got sha256:[ID]
    Error: failed to create runtime instance: failed to download feature "[REGISTRY]/a/b:1": size mismatch: expected 288 bytes, got 287
    Error: failed to create runtime instance: failed to download feature "[REGISTRY]/a/b:1": http://[REGISTRY]/v2/a/b/blobs/sha256:[ID]: Peer disconnected
    Error: failed to create runtime instance: failed to download feature "[REGISTRY]/a/b:1": http://192.0.2.1/x: plain http is used on this machine only
    Error: failed to create runtime instance: failed to download feature "[REGISTRY]/a/b:1": http://[REGISTRY]/v2/a/b/blobs/sha256:[ID]: too many redirects
    "#);
    assert!(!env.home().join("ran").exists());
    assert_eq!(env.list().len(), 0);
    assert_eq!(Env::tree(&env.storage().join("features")), ["lock"]);
}

#[test]
fn one_named_by_its_digest_needs_no_registry_the_second_time() {
    let registry = Registry::start();
    let archive = packed(&metadata(), SCRIPT);
    let manifest = json!({"layers": [{"digest": digest(&archive), "size": archive.len()}]}).to_string();
    let name = digest(manifest.as_bytes());
    let Some(env) = world(&json!({format!("{}/a/b@{name}", registry.address()): {}})) else { return };
    registry.publish("a/b", "1", &archive);
    registry.answer(&format!("/v2/a/b/manifests/{name}"), Answer::Content(b"{}".to_vec()));
    let run = init(&env);
    assert!(run.stderr.contains("digest mismatch"), "{run}");
    registry.answer(&format!("/v2/a/b/manifests/{name}"), Answer::Content(manifest.into_bytes()));
    env.ok(&["init", "-r", "fake", "-a", "shell"]);
    registry.asked();
    env.ok(&["init", "-r", "fake", "-a", "shell", "-n", "two"]);
    assert_eq!(registry.asked(), Vec::<String>::new());
    for name in ["app", "two"] {
        env.ok(&["remove", "--force", name]);
    }
}

#[test]
fn what_a_feature_needs_comes_with_it() {
    let Some(env) = world(&json!({"./top": {}, "./user": {"version": "mine"}})) else { return };
    let options = json!({"version": {"type": "string", "default": "latest"}});
    let script = "echo $NAME $VERSION >>$HOME/order\n";
    for (name, needs) in [
        ("top", json!({"./base": "2", "./user": {"version": "theirs"}})),
        ("user", json!({"./base": {"version": "2"}})),
        ("base", json!({})),
    ] {
        let metadata = json!({"dependsOn": needs, "options": options});
        local(&env, name, &metadata, &script.replace("$NAME", name));
    }
    env.ok(&["init", "-r", "fake", "-a", "shell", "--start"]);
    assert_snapshot!(env.ok(&["terminal", "app", "--", "sh", "-c", "cat $HOME/order"]), @r#"
    base 2
    user mine
    top latest
    "#);
    env.ok(&["remove", "--force", "app"]);
}

#[test]
fn what_can_t_be_is_said() {
    let Some(env) = world(&json!({})) else { return };
    let a = json!({"installsAfter": ["./b"], "options": {"on": {"type": "boolean"}}});
    local(&env, "a", &a, "");
    local(&env, "b", &json!({"installsAfter": ["./a"]}), "");
    fs::create_dir_all(env.project().join(".kaiden/empty")).unwrap();
    let mut said = String::new();
    for features in [
        json!({"https://example.com/x.tgz": {}}),
        json!({"/etc": {}}),
        json!({"a/b:1": {}, "ghcr.io/a/b:2": {}}),
        json!({"./a": {}, "./b": {}}),
        json!({"./a": {"k": 1}}),
        json!({"./a": {"on": "yes"}}),
        json!({"./empty": {}}),
        json!({"./none": {}}),
        json!({"127.0.0.1:1/a/b": {}}),
    ] {
        configure(&env, &features);
        let run = init(&env);
        assert_eq!(run.code, Some(1));
        let lines = run.stderr.lines().filter(|line| !line.starts_with(['W', 'D', 'f']));
        said.extend(lines.flat_map(|line| [line, "\n"]));
    }
    assert_snapshot!(said, @r#"
    Error: failed to create runtime instance: failed to parse features: direct HTTP(S) feature sources are not supported: https://example.com/x.tgz
    A feature is named by its folder, such as ./my-feature, or by its place in a registry, such as ghcr.io/devcontainers/features/go:1
    Error: failed to create runtime instance: failed to parse features: "/etc" is not a feature id
    A feature is named by its folder, such as ./my-feature, or by its place in a registry, such as ghcr.io/devcontainers/features/go:1
    Error: failed to create runtime instance: failed to order features: features "a/b:1" and "ghcr.io/a/b:2" share base ID "ghcr.io/a/b"; declare only one variant
    Error: failed to create runtime instance: failed to order features: cycle detected in feature installsAfter dependencies
    These wait for each other: ./a, ./b
    Error: failed to create runtime instance: failed to merge options for feature "./a": unknown option: k
    Correct the options in "features" of the configuration
    Error: failed to create runtime instance: failed to merge options for feature "./a": option on: "yes" is not a boolean
    Correct the options in "features" of the configuration
    Error: failed to create runtime instance: failed to download feature "./empty": install.sh is missing
    Error: failed to create runtime instance: failed to download feature "./none": [ROOT]/home/src/app/.kaiden/none: No such file or directory (os error 2)
    Error: failed to create runtime instance: failed to download feature "127.0.0.1:1/a/b": http://127.0.0.1:1/v2/a/b/manifests/latest: Connection refused (os error 111)
    Check the name of the registry and the way to it
    "#);
    configure(&env, &json!({"./empty": {}}));
    assert_snapshot!(init(&env), @r#"
    exit code 1
    --- stderr
    Warning: runtime "fake" does not isolate: the agent runs as you, with all your files in reach
    Downloading devcontainer features
    failed to download feature "./empty": install.sh is missing
    Error: failed to create runtime instance: failed to download feature "./empty": install.sh is missing
    "#);
    assert_eq!(env.list().len(), 0);
}

#[test]
fn a_driver_that_installs_none_is_not_asked_to() {
    let env = Env::with_drivers(&[]).with_bad("");
    configure(&env, &json!({"./mine": {}}));
    assert_snapshot!(env.run(&["init", "-r", "bad", "-a", "shell"]), @r#"
    exit code 1
    --- stderr
    Error: failed to create runtime instance: runtime "bad": installing features is not supported
    Remove features from the configuration, or use another runtime
    "#);
}

#[test]
fn an_interrupt_ends_a_download() {
    // It takes connections, and never says a word.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let Some(env) = world(&json!({format!("{}/a/b", silent.local_addr().unwrap()): {}})) else { return };
    let mut init = env.start(&["init", "-r", "fake", "-a", "shell", "--progress", "plain"]);
    init.expect("Downloading devcontainer features");
    let _connection = silent.accept().unwrap();
    init.signal(Signal::INT);
    let run = init.finish();
    assert_eq!(run.code, Some(130), "{run}");
    assert!(run.stderr.ends_with("\nError: interrupted\n"), "{run}");
    assert_eq!(Env::tree(&env.storage().join("features")), ["lock"]);
    env.assert_no_processes();
}

/// A registry that others made, gone with the value.
struct RealRegistry(std::process::Child);

impl Drop for RealRegistry {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_real_registry_is_understood() {
    let Some(program) = skip_unless("docker-registry") else { return };
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let Some(env) = world(&json!({format!("{address}/a/b:1"): {"version": "7"}})) else { return };
    let settings = env.root().join("registry.yml");
    let storage = env.root().join("registry");
    let text = format!(
        "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: {address}}}\n",
        storage.display()
    );
    write(&settings, &text);
    let mut command = env.program_at(program.to_str().unwrap());
    command.arg("serve").arg(&settings).stdout(Stdio::null()).stderr(Stdio::null());
    let _registry = RealRegistry(command.spawn().unwrap());
    wait_until("the registry answers", || ureq::get(format!("http://{address}/v2/")).call().ok());

    let archive = packed(&metadata(), SCRIPT);
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let describe = |media: &str, content: &[u8]| json!({"mediaType": media, "digest": digest(content), "size": content.len()});
    let manifest = json!({
        "schemaVersion": 2, "mediaType": kind,
        "config": describe("application/vnd.devcontainers", b"{}"),
        "layers": [describe("application/vnd.devcontainers.layer.v1+tar", &archive)],
    });
    for content in [&b"{}"[..], &archive] {
        let begun = ureq::post(format!("http://{address}/v2/a/b/blobs/uploads/")).send_empty().unwrap();
        let place = begun.headers()["location"].to_str().unwrap();
        ureq::put(format!("{place}&digest={}", digest(content))).send(content).unwrap();
    }
    let url = format!("http://{address}/v2/a/b/manifests/1");
    ureq::put(url).content_type(kind).send(manifest.to_string()).unwrap();

    env.ok(&["init", "-r", "fake", "-a", "shell", "--start"]);
    assert_eq!(env.ok(&["terminal", "app", "--", "sh", "-c", "cat $HOME/order"]), "oci 7 false");
    env.ok(&["remove", "--force", "app"]);
}
