//! The gateway of an instance: a forward proxy for plain HTTP that puts secrets into requests, one on each connection;
//! and the dashboard, which is what it shows to who asks for a page of its own.

use std::{io, rc::Rc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

use super::{owner, rules::Rule};

/// The largest head of a request, in bytes.
const MAX_HEAD: usize = 64 * 1024;
const MAX_HEADERS: usize = 256;

/// Headers that are between a client and its proxy.
const HOP: [&str; 5] = ["host", "connection", "proxy-connection", "proxy-authorization", "keep-alive"];

pub(super) async fn serve(listener: TcpListener, rules: Rc<Vec<Rule>>, name: String) {
    let name: Rc<str> = name.into();
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                let (rules, name) = (Rc::clone(&rules), Rc::clone(&name));
                tokio::task::spawn_local(async move { converse(client, &rules, &name).await });
            }
            // Out of descriptors, most likely; they come back when connections end.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// What a client wants.
enum Wish {
    /// A page of the gateway itself.
    Page,
    /// Bytes to and from `authority`.
    Tunnel { authority: String },
    /// A request to `authority`, which begins with `head`.
    Request { authority: String, head: Vec<u8> },
}

async fn converse(mut client: TcpStream, rules: &[Rule], name: &str) -> io::Result<()> {
    if !owner::is_own(&client)? {
        return Ok(());
    }
    let mut received = Vec::new();
    let (length, wish) = loop {
        match read(&received, rules) {
            Ok(Some(wish)) => break wish,
            Ok(None) if received.len() < MAX_HEAD => {}
            _ => return answer(&mut client, "400 Bad Request", "this is no request that can be read").await,
        }
        if client.read_buf(&mut received).await? == 0 {
            return Ok(());
        }
    };
    let rest = &received[length..];
    let authority = match &wish {
        Wish::Page => return answer(&mut client, "200 OK", &format!("workspace {name} is running")).await,
        Wish::Tunnel { authority } | Wish::Request { authority, .. } => authority,
    };
    let mut server = match connect(authority).await {
        Ok(server) => server,
        Err(error) => {
            let why = format!("can't connect to {authority}: {error}");
            return answer(&mut client, "502 Bad Gateway", &why).await;
        }
    };
    match &wish {
        Wish::Request { head, .. } => server.write_all(head).await?,
        _ => client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?,
    }
    server.write_all(rest).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

/// Reads the head of a request: its length, and what it asks for. `None`: there is more to come.
fn read(received: &[u8], rules: &[Rule]) -> Result<Option<(usize, Wish)>, httparse::Error> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(length) = request.parse(received)? else { return Ok(None) };
    let (method, target) = (request.method.unwrap_or_default(), request.path.unwrap_or_default());
    if method == "CONNECT" {
        return Ok(Some((length, Wish::Tunnel { authority: target.to_owned() })));
    }
    if target.starts_with('/') {
        return Ok(Some((length, Wish::Page)));
    }
    let Some((scheme, rest)) = target.split_once("://") else { return Err(httparse::Error::Token) };
    if !scheme.eq_ignore_ascii_case("http") {
        return Err(httparse::Error::Token);
    }
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let authority = authority.rsplit('@').next().unwrap_or_default();
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let covering: Vec<&Rule> =
        rules.iter().filter(|rule| rule.covers(split_port(authority).0, &path)).collect();

    let version = request.version.unwrap_or(1);
    // The host that the secret is meant for, whatever the client calls it.
    let mut head = format!("{method} {path} HTTP/1.{version}\r\nHost: {authority}\r\nConnection: close\r\n")
        .into_bytes();
    let mut add = |name: &str, value: &[u8]| {
        head.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    };
    for header in request.headers.iter() {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        if !HOP.into_iter().any(is) && !covering.iter().any(|rule| is(&rule.header)) {
            add(header.name, header.value);
        }
    }
    for (i, rule) in covering.iter().enumerate() {
        // Of two secrets for one header, the first is meant.
        if covering[..i].iter().any(|earlier| earlier.header.eq_ignore_ascii_case(&rule.header)) {
            continue;
        }
        add(&rule.header, rule.value.expose().as_bytes());
    }
    head.extend(b"\r\n");
    Ok(Some((length, Wish::Request { authority: authority.to_owned(), head })))
}

async fn connect(authority: &str) -> io::Result<TcpStream> {
    let (host, port) = split_port(authority);
    let port = port.map_or(Ok(80), str::parse).map_err(io::Error::other)?;
    TcpStream::connect((host.trim_start_matches('[').trim_end_matches(']'), port)).await
}

/// `[::1]:80` is a host and a port, `[::1]` is a host.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

async fn answer(client: &mut TcpStream, status: &str, text: &str) -> io::Result<()> {
    let length = text.len() + 1;
    let head = "Content-Type: text/plain; charset=utf-8\r\nConnection: close\r\n";
    let answer = format!("HTTP/1.1 {status}\r\n{head}Content-Length: {length}\r\n\r\n{text}\n");
    client.write_all(answer.as_bytes()).await?;
    client.shutdown().await
}
