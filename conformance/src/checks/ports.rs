//! Forwarded ports.

use std::{
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
};

use serde_json::{Value, json};

use crate::{
    check::{Check, Need},
    client::Driver,
    cx::{Cx, id_of, of, start},
    host_ports,
    plan::{Running, wait},
    probe::ask,
    stop::{Stop, ensure},
};

const PORTS: &[Need] = &[Need::Capability("ports"), Need::Local];
const SERVED: &[Need] = &[Need::Capability("ports"), Need::Capability("terminal"), Need::Local];

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
];

/// A number that is no port of another check of this run, nor the next one after it.
pub(super) fn target() -> u16 {
    static NEXT: LazyLock<AtomicU32> = LazyLock::new(|| AtomicU32::new(crate::cx::random()));
    20_000 + u16::try_from(NEXT.fetch_add(7, Ordering::Relaxed) % 10_000).unwrap_or_default()
}

fn free_port() -> Result<u16, Stop> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

pub(super) fn with_ports(cx: &Cx, ports: &Value) -> Value {
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
    let _alone = host_ports::alone();
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
    let alone = host_ports::alone();
    let host = free_port()?;
    let created = driver.ok("create", &with_ports(cx, &json!([{"target": target(), "host": host}])))?;
    let id = id_of(&created);
    let _holder = TcpListener::bind((Ipv4Addr::LOCALHOST, host))?;
    drop(alone);
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
pub(super) struct Served {
    driver: Driver,
    id: String,
    pub(super) host: u16,
    server: Running,
}

pub(super) fn serve(cx: &Cx, network: &Value) -> Result<Served, Stop> {
    cx.place_probe()?;
    let target = target();
    let mut driver = cx.open()?;
    let alone = host_ports::alone();
    let created = driver.ok("create", &with_ports(cx, &json!([{"target": target}])))?;
    let id = id_of(&created);
    driver.ok("start", &json!({"id": id, "network": network}))?;
    drop(alone);
    let server = listen(cx, &id, target)?;
    Ok(Served { driver, id, host: host_port(&created)?, server })
}

pub(super) fn listen(cx: &Cx, id: &str, target: u16) -> Result<Running, Stop> {
    let server = cx.probe(id, &["listen", &target.to_string()])?;
    server.wait_for("listening")?;
    Ok(server)
}

/// What the echo server inside says through the host port.
fn through(port: u16, question: &[u8]) -> Result<String, Stop> {
    let stream = host_ports::connect(port)
        .map_err(|error| Stop::Failed(format!("no connection to the forwarded port {port}: {error}")))?;
    ask(stream, question)
        .map_err(|error| Stop::Failed(format!("nothing came through the forwarded port: {error}")))
}

pub(super) fn check_through(port: u16) -> Result<(), Stop> {
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
    let idle: Vec<TcpStream> = (0..5).map(|_| host_ports::connect(served.host)).collect::<Result<_, _>>()?;
    check_through(served.host)?;
    drop(idle);
    check_through(served.host)
}

fn free_when_stopped(cx: &mut Cx) -> Result<(), Stop> {
    let mut driver = cx.open()?;
    let _alone = host_ports::alone();
    let created = driver.ok("create", &with_ports(cx, &json!([{"target": target()}])))?;
    let (id, port) = (id_of(&created), host_port(&created)?);
    driver.ok("start", &start(&id))?;
    driver.ok("stop", &json!({"id": id, "graceSeconds": 0}))?;
    let free = wait(cx.suite.patience, || TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok());
    ensure!(free.is_some(), "the instance is stopped, and its host port {port} is still held");
    Ok(())
}

fn again(cx: &mut Cx) -> Result<(), Stop> {
    let Served { mut driver, id, host, server } = serve(cx, &json!({"mode": "allow"}))?;
    let alone = host_ports::alone();
    driver.ok("stop", &json!({"id": id, "graceSeconds": 0}))?;
    drop(server);
    let started = driver.ok("start", &start(&id))?;
    drop(alone);
    let target = started["forwards"][0]["target"].as_u64().and_then(|port| u16::try_from(port).ok());
    ensure!(
        host_port(&started)? == host,
        "the host port was {host}, and is {} after the next start",
        started["forwards"]
    );
    let _server = listen(cx, &id, target.unwrap_or_default())?;
    check_through(host)
}
