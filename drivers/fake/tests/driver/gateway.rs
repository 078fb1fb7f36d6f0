//! Secrets in requests.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
};

use serde_json::json;

use crate::client::Place;

/// What a server gets when a client sends this through a proxy.
fn heard(proxy: &str, server: &TcpListener, request: &str) -> String {
    let mut client = TcpStream::connect(proxy).unwrap();
    client.write_all(request.as_bytes()).unwrap();
    let (mut connection, _) = server.accept().unwrap();
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        connection.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    connection.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    drop(connection);
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("204 No Content"), "{answer}");
    String::from_utf8(head).unwrap()
}

#[test]
fn the_requests_that_are_meant_get_the_secret_and_no_others() {
    let place = Place::new();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = server.local_addr().unwrap();
    let mut driver = place.open();
    let secret = json!({
        "name": "api", "hosts": ["127.0.0.1"], "path": "/mine/", "header": "Authorization",
        "headerTemplate": "Bearer ${value}", "envNames": ["API_KEY"],
    });
    driver.ok("create", place.workspace(1, json!({"secrets": [secret]})));
    driver.ok("start", json!({"id": "fake-001", "network": {}, "secretValues": {"api": "correct horse"}}));
    let proxy = driver.script("printf '%s %s' $API_KEY ${http_proxy#http://}");
    let proxy = proxy.strip_prefix("placeholder ").unwrap();

    let get = |path: &str| {
        let head =
            format!("GET http://{host}{path} HTTP/1.1\r\nHost: elsewhere\r\nauthorization: mine\r\n\r\n");
        heard(proxy, &server, &head)
    };
    assert_eq!(
        get("/mine/x?y"),
        format!(
            "GET /mine/x?y HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nAuthorization: Bearer correct horse\r\n\r\n"
        )
    );
    for path in ["/other", "/mine/../other"] {
        let head = get(path);
        assert!(head.contains("authorization: mine") && !head.contains("horse"), "{head}");
    }

    let head = heard(
        proxy,
        &server,
        &format!("CONNECT {host} HTTP/1.1\r\n\r\nGET http://{host}/mine/ HTTP/1.1\r\n\r\n"),
    );
    assert_eq!(head, format!("GET http://{host}/mine/ HTTP/1.1\r\n\r\n"), "a tunnel is left alone");
    assert!(!driver.script("env; cat /proc/self/environ").contains("horse"));

    // The dashboard is a page of the gateway.
    let url = driver.ok("dashboard", json!({"id": "fake-001"}))["url"].as_str().unwrap().to_owned();
    let address = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let mut page = String::new();
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    client.read_to_string(&mut page).unwrap();
    assert!(page.starts_with("HTTP/1.1 200 OK") && page.ends_with("workspace app-1 is running\n"), "{page}");
    driver.ok("stop", json!({"id": "fake-001"}));
    assert_eq!(driver.kind("dashboard", json!({"id": "fake-001"})), "invalid_state");
}

#[test]
fn a_value_that_can_not_stand_in_a_header_is_refused_unseen() {
    let place = Place::new();
    let mut driver = place.open();
    let wrong = json!({"name": "api", "header": "No Header"});
    let error = driver.call("create", place.workspace(1, json!({"secrets": [wrong]}))).unwrap_err();
    assert_eq!(error["fieldPath"], "secrets[0].header");
    let secret = json!({"name": "api", "header": "X-Key"});
    driver.ok("create", place.workspace(1, json!({"secrets": [secret]})));
    let start = json!({"id": "fake-001", "network": {}, "secretValues": {"api": "horse\r\nX-Other: y"}});
    let error = driver.call("start", start).unwrap_err();
    assert_eq!(error["fieldPath"], "secretValues.api");
    assert!(!error.to_string().contains("horse"));
}
