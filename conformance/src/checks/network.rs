//! What an instance may reach.

use std::{
    net::{Ipv4Addr, TcpListener, UdpSocket},
    time::Duration,
};

use serde_json::{Value, json};

use super::ports::{check_through, listen, serve, target, with_ports};
use crate::{
    check::{Check, Need},
    client::Driver,
    cx::{Cx, id_of},
    host_ports,
    http::own_address,
    stop::{Stop, ensure, fail},
};

const POLICY: &[Need] = &[Need::Capability("networkPolicy"), Need::Capability("terminal"), Need::Local];

pub(super) const CHECKS: &[Check] = &[
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

/// Ways from an instance to a listener of this machine.
struct Outside {
    listener: TcpListener,
    addresses: Vec<String>,
}

impl Outside {
    fn new(cx: &Cx) -> Result<Self, Stop> {
        let listener = host_ports::listen(Ipv4Addr::UNSPECIFIED)?;
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
