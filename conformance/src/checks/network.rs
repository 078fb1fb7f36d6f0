//! Forwarded ports, and what an instance may reach.

use std::{
    net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    check::{Check, Need},
    client::Driver,
    cx::{Cx, id_of, of, start},
    http::own_address,
    plan::{Running, wait},
    probe::ask,
    stop::{Stop, ensure, fail},
};

const PORTS: &[Need] = &[Need::Capability("ports"), Need::Local];
const SERVED: &[Need] = &[Need::Capability("ports"), Need::Capability("terminal"), Need::Local];
const POLICY: &[Need] = &[Need::Capability("networkPolicy"), Need::Capability("terminal"), Need::Local];

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "ports/listed",
        "each port has its forward, while stopped and while running",
        &["INST-07", "INST-02"],
        listed,
    )
    .needs(PORTS),
    Check::new(
        "ports/chosen-apart",
        "two instances never share a host port that the driver chose",
        &["CAP-12"],
        chosen_apart,
    )
    .needs(PORTS),
    Check::new(
        "ports/taken",
        "start refuses a host port that another program holds, and names it",
        &["START-05"],
        taken,
    )
    .needs(PORTS),
    Check::new(
        "ports/forwarded",
        "a connection to the host port reaches the port inside",
        &["CAP-11"],
        forwarded,
    )
    .slow()
    .needs(SERVED),
    Check::new(
        "ports/whole",
        "what goes through a forwarded port comes whole, in both directions",
        &["CAP-11"],
        whole,
    )
    .slow()
    .needs(SERVED),
    Check::new(
        "ports/several",
        "several connections go through a forwarded port at once",
        &["CAP-11"],
        several,
    )
    .slow()
    .needs(SERVED),
    Check::new(
        "ports/free-when-stopped",
        "a stopped instance leaves its host ports to others",
        &["CAP-11"],
        free_when_stopped,
    )
    .needs(PORTS),
    Check::new(
        "ports/again",
        "a port is forwarded again after the next start",
        &["CAP-11", "INST-02"],
        again,
    )
    .slow()
    .needs(SERVED),
    Check::new(
        "network-policy/deny",
        "under deny, the host's own machine can't be reached",
        &["CAP-08"],
        deny,
    )
    .needs(POLICY),
    Check::new("network-policy/deny-udp", "under deny, no datagram gets out", &["CAP-08"], deny_udp)
        .needs(POLICY),
    Check::new(
        "network-policy/deny-every-process",
        "deny holds for processes of all kinds",
        &["CAP-08"],
        deny_every_process,
    )
    .needs(POLICY),
    Check::new("network-policy/loopback", "under deny, loopback works inside", &["CAP-10"], loopback)
        .needs(POLICY),
    Check::new(
        "network-policy/forwarded",
        "under deny, forwarded ports work",
        &["CAP-10"],
        forwarded_under_deny,
    )
    .needs(&[
        Need::Capability("networkPolicy"),
        Need::Capability("ports"),
        Need::Capability("terminal"),
        Need::Local,
    ]),
    Check::new(
        "network-policy/start-decides",
        "the policy of each start replaces the one before",
        &["START-03"],
        start_decides,
    )
    .needs(POLICY),
    Check::new(
        "network-policy/allowed-hosts",
        "under deny, the named hosts can be reached, and no others",
        &["CAP-09"],
        allowed_hosts,
    )
    .needs(POLICY),
];

/// A number that is no port of another check of this run.
fn target() -> u16 {
    20_000 + u16::try_from(crate::cx::random() % 10_000).unwrap_or_default()
}

fn free_port() -> Result<u16, Stop> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn with_ports(cx: &Cx, ports: &Value) -> Value {
    let mut workspace = cx.workspace();
    workspace["ports"] = ports.clone();
    workspace
}

/// The host port of the first forward.
fn host_port(instance: &Value) -> Result<u16, Stop> {
    let port = instance["forwards"][0]["port"].as_u64().and_then(|port| u16::try_from(port).ok());
    port.filter(|port| *port > 0)
        .ok_or_else(|| Stop::Failed(format!("the instance tells no host port: {}", instance["forwards"])))
}

fn listed(cx: &mut Cx) -> Result<(), Stop> {
    let (first, second, host) = (target(), target(), free_port()?);
    let ports = json!([{"target": first}, {"target": second, "host": host, "bind": "127.0.0.1"}]);
    let mut driver = cx.open()?;
    let created = driver.ok("create", &with_ports(cx, &ports))?;
    let id = id_of(&created);
    let forwards = created["forwards"].as_array().cloned().unwrap_or_default();
    ensure!(forwards.len() == 2, "two ports, and the forwards {forwards:?}");
    let given = forwards.iter().find(|forward| forward["target"] == second);
    let due = json!({"bind": "127.0.0.1", "port": host, "target": second});
    ensure!(given == Some(&due), "the forward of a given host port is {given:?}, where {due} is due");
    let chosen = forwards.iter().find(|forward| forward["target"] == first);
    ensure!(
        chosen.is_some_and(|chosen| chosen["bind"] == "127.0.0.1"),
        "without bind, the forward is {chosen:?}"
    );
    let started = driver.ok("start", &start(&id))?;
    ensure!(
        started["forwards"] == created["forwards"],
        "start changed the forwards to {}",
        started["forwards"]
    );
    Ok(())
}

fn chosen_apart(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let one = driver.ok("create", &with_ports(cx, &json!([{"target": 8080}])))?;
    let two = driver.ok("create", &with_ports(cx, &json!([{"target": 8080}])))?;
    let (first, second) = (host_port(&one)?, host_port(&two)?);
    ensure!(first != second, "two instances both got the host port {first}");
    Ok(())
}

fn taken(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let host = free_port()?;
    let created = driver.ok("create", &with_ports(cx, &json!([{"target": target(), "host": host}])))?;
    let id = id_of(&created);
    let _holder = TcpListener::bind((Ipv4Addr::LOCALHOST, host))?;
    let fault = driver.refused("start", &start(&id), "unavailable")?;
    ensure!(
        fault.message.contains(&host.to_string()),
        "the error about the taken port {host} does not name it: {fault}"
    );
    let state = driver.ok("info", &of(&id))?["state"].clone();
    ensure!(state == "stopped", "start was refused, and the state is {state}");
    Ok(())
}

/// A running instance whose port `target` is forwarded, with an echo server at it.
struct Served {
    driver: Driver,
    id: String,
    host: u16,
    server: Running,
}

fn serve(cx: &Cx, network: &Value) -> Result<Served, Stop> {
    cx.place_probe()?;
    let target = target();
    let mut driver = cx.open()?;
    let created = driver.ok("create", &with_ports(cx, &json!([{"target": target}])))?;
    let id = id_of(&created);
    driver.ok("start", &json!({"id": id, "network": network}))?;
    let server = listen(cx, &id, target)?;
    Ok(Served { driver, id, host: host_port(&created)?, server })
}

fn listen(cx: &Cx, id: &str, target: u16) -> Result<Running, Stop> {
    let server = cx.probe(id, &["listen", &target.to_string()])?;
    server.wait_for("listening")?;
    Ok(server)
}

/// What the echo server inside says through the host port.
fn through(port: u16, question: &[u8]) -> Result<String, Stop> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .map_err(|error| Stop::Failed(format!("no connection to the forwarded port {port}: {error}")))?;
    ask(stream, question)
        .map_err(|error| Stop::Failed(format!("nothing came through the forwarded port: {error}")))
}

fn check_through(port: u16) -> Result<(), Stop> {
    let answer = through(port, b"hello")?;
    ensure!(answer == "HELLO", "the server inside answers in capitals; to \"hello\" came {answer:?}");
    Ok(())
}

fn forwarded(cx: &mut Cx) -> Result<(), Stop> {
    let served = serve(cx, &json!({"mode": "allow"}))?;
    check_through(served.host)
}

fn whole(cx: &mut Cx) -> Result<(), Stop> {
    let served = serve(cx, &json!({"mode": "allow"}))?;
    let question: Vec<u8> = (b'a'..=b'z').cycle().take(3_000_000).collect();
    let answer = through(served.host, &question)?;
    ensure!(
        answer.as_bytes() == question.to_ascii_uppercase(),
        "of 3000000 bytes, {} came back, or others",
        answer.len()
    );
    Ok(())
}

fn several(cx: &mut Cx) -> Result<(), Stop> {
    let served = serve(cx, &json!({"mode": "allow"}))?;
    let open = || TcpStream::connect((Ipv4Addr::LOCALHOST, served.host));
    let idle: Vec<TcpStream> = (0..5).map(|_| open()).collect::<Result<_, _>>()?;
    check_through(served.host)?;
    drop(idle);
    check_through(served.host)
}

fn free_when_stopped(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let created = driver.ok("create", &with_ports(cx, &json!([{"target": target()}])))?;
    let (id, port) = (id_of(&created), host_port(&created)?);
    driver.ok("start", &start(&id))?;
    driver.ok("stop", &json!({"id": id, "graceSeconds": 0}))?;
    let free = wait(Duration::from_secs(1), || TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok());
    ensure!(free.is_some(), "the instance is stopped, and its host port {port} is still held");
    Ok(())
}

fn again(cx: &mut Cx) -> Result<(), Stop> {
    let Served { mut driver, id, host, server } = serve(cx, &json!({"mode": "allow"}))?;
    driver.ok("stop", &json!({"id": id, "graceSeconds": 0}))?;
    drop(server);
    let started = driver.ok("start", &start(&id))?;
    let target = started["forwards"][0]["target"].as_u64().and_then(|port| u16::try_from(port).ok());
    ensure!(
        host_port(&started)? == host,
        "the host port was {host}, and is {} after the next start",
        started["forwards"]
    );
    let _server = listen(cx, &id, target.unwrap_or_default())?;
    check_through(host)
}

/// Ways from an instance to a listener of this machine.
struct Outside {
    listener: TcpListener,
    addresses: Vec<String>,
}

impl Outside {
    fn new(cx: &Cx) -> Result<Self, Stop> {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        let port = listener.local_addr()?.port();
        let echo = listener.try_clone()?;
        std::thread::spawn(move || {
            // Ends with the listener's last connection, at the end of the check's process at the latest.
            for stream in echo.incoming().flatten() {
                let _ = std::io::copy(&mut &stream, &mut std::io::sink());
                let _ = std::io::Write::write_all(&mut &stream, b"reached");
            }
        });
        let names = [Some("127.0.0.1".to_owned()), own_address(), cx.manifest()?.host_address.clone()];
        let addresses = names.into_iter().flatten().map(|name| format!("{name}:{port}")).collect();
        Ok(Self { listener, addresses })
    }

    /// The addresses at which a program in the instance reached the listener.
    fn reached(&self, cx: &Cx, id: &str) -> Result<Vec<String>, Stop> {
        let mut reached = Vec::new();
        for address in &self.addresses {
            let output = cx.probe(id, &["connect", address])?.finish()?;
            if String::from_utf8_lossy(&output.stdout).contains("reached") {
                reached.push(address.clone());
            }
        }
        Ok(reached)
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        let _ = self.listener.set_nonblocking(true);
    }
}

fn created(cx: &Cx, driver: &mut Driver) -> Result<String, Stop> {
    cx.place_probe()?;
    Ok(id_of(&driver.ok("create", &cx.workspace())?))
}

fn begin(driver: &mut Driver, id: &str, network: &Value) -> Result<(), Stop> {
    driver.ok("start", &json!({"id": id, "network": network})).map(drop)
}

fn end(driver: &mut Driver, id: &str) -> Result<(), Stop> {
    driver.ok("stop", &json!({"id": id, "graceSeconds": 0})).map(drop)
}

fn denied(cx: &Cx) -> Result<(Driver, String), Stop> {
    let mut driver = cx.open()?;
    let id = created(cx, &mut driver)?;
    begin(&mut driver, &id, &json!({"mode": "deny"}))?;
    Ok((driver, id))
}

fn deny(cx: &mut Cx) -> Result<(), Stop> {
    let outside = Outside::new(cx)?;
    let (_driver, id) = denied(cx)?;
    let reached = outside.reached(cx, &id)?;
    ensure!(reached.is_empty(), "under deny, a program inside reached the host at {reached:?}");
    Ok(())
}

fn deny_udp(cx: &mut Cx) -> Result<(), Stop> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    let port = socket.local_addr()?.port();
    let (_driver, id) = denied(cx)?;
    for host in [Some("127.0.0.1".to_owned()), own_address()].into_iter().flatten() {
        cx.probe(&id, &["send", &format!("{host}:{port}")])?.finish()?;
    }
    socket.set_read_timeout(Some(Duration::from_millis(50)))?;
    let came = socket.recv_from(&mut [0; 16]).is_ok();
    ensure!(!came, "under deny, a datagram from inside came to the host");
    Ok(())
}

fn deny_every_process(cx: &mut Cx) -> Result<(), Stop> {
    let outside = Outside::new(cx)?;
    let (_driver, id) = denied(cx)?;
    let all = outside.addresses.join(" ");
    let script = format!(
        "for a in {all}; do (setsid ./kdn-probe probe connect $a 2>/dev/null || ./kdn-probe probe connect $a) & done; wait"
    );
    let seen = cx.run(&id, &["/bin/sh", "-c", &script])?;
    let seen = String::from_utf8_lossy(&seen.stdout).into_owned();
    ensure!(!seen.contains("reached"), "under deny, a process in a session of its own reached the host");
    Ok(())
}

fn loopback(cx: &mut Cx) -> Result<(), Stop> {
    let (_driver, id) = denied(cx)?;
    let port = target();
    let _server = listen(cx, &id, port)?;
    let output = cx.probe(&id, &["connect", &format!("127.0.0.1:{port}")])?.finish()?;
    ensure!(output.stdout.starts_with(b"PING"), "under deny, loopback inside does not work: {output}");
    Ok(())
}

fn forwarded_under_deny(cx: &mut Cx) -> Result<(), Stop> {
    let deny = json!({"mode": "deny"});
    let mut workspace = with_ports(cx, &json!([{"target": target()}]));
    workspace["network"] = deny.clone();
    if let Err(fault) = cx.open()?.call("create", &workspace)?
        && fault.kind == "unsupported"
    {
        return Err(Stop::Skipped("the driver refuses deny together with ports".into()));
    }
    let served = serve(cx, &deny)?;
    check_through(served.host)
}

fn start_decides(cx: &mut Cx) -> Result<(), Stop> {
    let outside = Outside::new(cx)?;
    let mut driver = cx.open()?;
    let id = created(cx, &mut driver)?;
    begin(&mut driver, &id, &json!({"mode": "allow"}))?;
    if outside.reached(cx, &id)?.is_empty() {
        return Err(Stop::Skipped("under allow, nothing of the host can be reached".into()));
    }
    end(&mut driver, &id)?;
    begin(&mut driver, &id, &json!({"mode": "deny"}))?;
    let reached = outside.reached(cx, &id)?;
    ensure!(
        reached.is_empty(),
        "started with deny after allow, a program inside reached the host at {reached:?}"
    );
    end(&mut driver, &id)?;
    begin(&mut driver, &id, &json!({"mode": "allow"}))?;
    ensure!(!outside.reached(cx, &id)?.is_empty(), "started with allow after deny, nothing can be reached");
    Ok(())
}

fn allowed_hosts(cx: &mut Cx) -> Result<(), Stop> {
    let policy = cx.manifest()?.capabilities.network_policy.clone().unwrap_or_default();
    if !policy.hosts {
        return Err(Stop::Skipped("\"networkPolicy\" does not declare hosts".into()));
    }
    let Some(address) = own_address() else {
        return Err(Stop::Skipped("this machine has no address but the loopback's".into()));
    };
    let outside = Outside::new(cx)?;
    let mut driver = cx.open()?;
    let id = created(cx, &mut driver)?;
    begin(&mut driver, &id, &json!({"mode": "deny", "hosts": [address]}))?;
    let reached = outside.reached(cx, &id)?;
    if !reached.iter().any(|reached| reached.starts_with(&address)) {
        fail!("under deny with the host {address}, a program inside reached only {reached:?}");
    }
    end(&mut driver, &id)?;
    begin(&mut driver, &id, &json!({"mode": "deny", "hosts": ["192.0.2.1"]}))?;
    let reached = outside.reached(cx, &id)?;
    ensure!(reached.is_empty(), "under deny with another host, a program inside reached {reached:?}");
    Ok(())
}
