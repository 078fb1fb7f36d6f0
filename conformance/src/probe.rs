//! What runs inside a workspace to try its network: small clients and servers, as no tool is in every image.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket},
    process::ExitCode,
    thread,
    time::Duration,
};

use crate::env;

/// How long to try to connect.
const CONNECT: Duration = Duration::from_secs(2);
/// How long to wait for more of an answer.
const READ: Duration = Duration::from_secs(30);

/// `probe listen PORT`, `probe connect HOST:PORT`, `probe send HOST:PORT` (UDP), `probe get URL [HEADER: VALUE]`.
/// Prints what came; exits with 1 when nothing did.
pub(crate) fn main(args: &[String]) -> ExitCode {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args.as_slice() {
        ["listen", port] => listen(port),
        ["connect", address] => connect(address),
        ["send", address] => send(address),
        ["get", url] => get(url, None),
        ["get", url, header] => get(url, Some(header)),
        _ => Err("usage: probe listen PORT | connect ADDRESS | send ADDRESS | get URL [HEADER]".into()),
    };
    match done {
        Ok(text) => {
            anstream::println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            anstream::eprintln!("probe: {error}");
            ExitCode::FAILURE
        }
    }
}

type Done = Result<String, Box<dyn std::error::Error>>;

/// Gives back, in capitals, what each connection brings, when its other half is closed.
fn listen(port: &str) -> Done {
    let listener = TcpListener::bind(("0.0.0.0", port.parse()?))?;
    anstream::println!("listening");
    std::io::stdout().flush()?;
    for stream in listener.incoming() {
        let mut stream = stream?;
        thread::spawn(move || {
            let mut all = Vec::new();
            let read = stream.read_to_end(&mut all);
            all.make_ascii_uppercase();
            let _ = read.and_then(|_| stream.write_all(&all));
        });
    }
    Ok(String::new())
}

fn resolve(address: &str) -> Result<SocketAddr, Box<dyn std::error::Error>> {
    // Listeners of the suite and of the probe are IPv4.
    let all: Vec<SocketAddr> = address.to_socket_addrs()?.collect();
    let chosen = all.iter().find(|address| address.is_ipv4()).or(all.first());
    Ok(*chosen.ok_or("no such address")?)
}

fn connect(address: &str) -> Done {
    let stream = TcpStream::connect_timeout(&resolve(address)?, CONNECT)?;
    ask(stream, b"ping")
}

/// Sends something, closes that half, and returns what comes back.
pub(crate) fn ask(mut stream: TcpStream, question: &[u8]) -> Done {
    stream.set_read_timeout(Some(READ))?;
    stream.write_all(question)?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn send(address: &str) -> Done {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.send_to(b"ping", resolve(address)?)?;
    Ok("sent".into())
}

/// A plain HTTP request, through the proxy that the environment names.
fn get(url: &str, header: Option<&str>) -> Done {
    let rest = url.strip_prefix("http://").ok_or("only http")?;
    let (host, path) =
        rest.split_once('/').map_or((rest, "/".to_owned()), |(host, path)| (host, format!("/{path}")));
    let proxy = env::http_proxy();
    let (address, target) = match proxy.as_deref().filter(|proxy| !proxy.is_empty()) {
        Some(proxy) => (proxy.trim_start_matches("http://").trim_end_matches('/').to_owned(), url.to_owned()),
        None => (host.to_owned(), path),
    };
    let address = if address.contains(':') { address } else { format!("{address}:80") };
    let mut stream = TcpStream::connect_timeout(&resolve(&address)?, CONNECT)?;
    stream.set_read_timeout(Some(READ))?;
    let header = header.map(|header| format!("{header}\r\n")).unwrap_or_default();
    write!(stream, "GET {target} HTTP/1.1\r\nHost: {host}\r\n{header}Connection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
