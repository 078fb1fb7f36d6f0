//! Network policy and forwarded ports.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};

use serde_json::json;

use crate::harness::{Sandbox, eventually, for_each_user};

/// Connects to a port of the loopback interface; prints what comes.
fn dial(port: u16) -> String {
    format!("bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port} && cat <&3' 2>/dev/null || echo refused")
}

#[test]
fn deny_leaves_a_loopback_interface_and_nothing_else() {
    for_each_user(|bench| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || listener.accept().unwrap().0.write_all(b"host").unwrap());
        let sandbox = bench.create(json!({"network": {"mode": "deny"}}));
        sandbox.start("deny").unwrap();
        assert_eq!(sandbox.sh("tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '"), "lo");
        assert_eq!(sandbox.sh(&dial(port)), "refused");
        sandbox.stop(5);
        // The policy of now counts, not that of create.
        sandbox.start("allow").unwrap();
        assert_eq!(sandbox.sh(&dial(port)), "host");
        server.join().unwrap();
    });
}

#[test]
fn ports_are_forwarded_whatever_the_policy() {
    for_each_user(|bench| {
        let sandbox = bench.create(json!({"ports": [{"target": 8080}]}));
        let forwards = sandbox.info()["forwards"].clone();
        let port = u16::try_from(forwards[0]["port"].as_u64().unwrap()).unwrap();
        assert_eq!(forwards, json!([{"bind": "127.0.0.1", "port": port, "target": 8080}]));
        for policy in ["deny", "allow"] {
            sandbox.start(policy).unwrap();
            if !serve_upper_case(&sandbox, 8080) {
                return;
            }
            let answer = || -> std::io::Result<String> {
                let mut stream = TcpStream::connect(("127.0.0.1", port))?;
                stream.write_all(b"hello\n")?;
                stream.shutdown(Shutdown::Write)?;
                let mut answer = String::new();
                stream.read_to_string(&mut answer)?;
                Ok(answer)
            };
            eventually("the port answers", || answer().is_ok_and(|answer| answer == "HELLO\n"));
            assert_eq!(sandbox.stop(0)["forwards"], forwards);
        }
    });
}

/// Starts a server inside; false where there is nothing to write one in.
fn serve_upper_case(sandbox: &Sandbox<'_>, port: u16) -> bool {
    if sandbox.run(&["perl", "-e", "1"]).status.code() != Some(0) {
        println!("skipped: perl not found");
        return false;
    }
    let server = format!(
        "use IO::Socket::INET; my $s = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => {port}, Listen => 5, \
         ReuseAddr => 1) or die; while (my $c = $s->accept) {{ print $c uc while <$c>; close $c }}"
    );
    sandbox.run(&["sh", "-c", "setsid -f perl -e \"$1\" >/dev/null 2>&1 </dev/null", "sh", &server]);
    true
}

#[test]
fn a_port_of_someone_else_is_named() {
    for_each_user(|bench| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let sandbox = bench.create(json!({"ports": [{"target": 8080, "host": port}]}));
        let error = sandbox.start("deny").unwrap_err();
        assert_eq!(error["data"]["kind"], "unavailable");
        assert!(error["message"].as_str().unwrap().contains(&port.to_string()), "{error}");
        drop(listener);
        sandbox.start("deny").unwrap();
    });
}
