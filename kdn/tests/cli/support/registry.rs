//! A registry on this machine that answers what a test puts into it, and remembers what it was asked.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

const TOKEN: &str = "a-token";

/// An answer to `GET`.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Content(Vec<u8>),
    /// Content for those with the token only, which is at `/token`.
    Guarded(Vec<u8>),
    Redirect(String),
    /// Less content than is announced.
    Truncated(Vec<u8>),
}

#[derive(Default)]
struct Shared {
    answers: BTreeMap<String, Answer>,
    asked: Vec<String>,
}

pub(crate) struct Registry {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

pub(crate) fn digest(content: &[u8]) -> String {
    format!("sha256:{}", HEXLOWER.encode(&Sha256::digest(content)))
}

impl Registry {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Mutex::new(Shared::default()));
        let registry = Self { address, shared: Arc::clone(&shared) };
        // Ends with the process of the tests; each connection has a thread, as a client may keep one open.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || drop(serve(stream.unwrap(), address, &shared)));
            }
        });
        registry
    }

    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn answer(&self, path: &str, answer: Answer) {
        self.shared.lock().unwrap().answers.insert(path.to_owned(), answer);
    }

    /// Publishes a feature that is this archive; the path of its blob.
    pub(crate) fn publish(&self, name: &str, tag: &str, archive: &[u8]) -> String {
        let digest = digest(archive);
        let blob = format!("/v2/{name}/blobs/{digest}");
        self.answer(&blob, Answer::Content(archive.to_vec()));
        self.answer(
            &format!("/v2/{name}/manifests/{tag}"),
            Answer::Content(manifest(&digest, archive.len())),
        );
        blob
    }

    /// What was asked for since the last time, without the query.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.lock().unwrap().asked)
    }
}

fn manifest(digest: &str, size: usize) -> Vec<u8> {
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let layer = serde_json::json!({
        "mediaType": "application/vnd.devcontainers.layer.v1+tar", "digest": digest, "size": size,
    });
    serde_json::json!({"schemaVersion": 2, "mediaType": kind, "layers": [layer]}).to_string().into_bytes()
}

fn serve(stream: TcpStream, address: SocketAddr, shared: &Mutex<Shared>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    loop {
        let (mut path, mut authorized, mut first) = (String::new(), false, true);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if line == "\r\n" {
                break;
            }
            if std::mem::take(&mut first) {
                line.split(' ').nth(1).unwrap_or_default().clone_into(&mut path);
            }
            authorized |= line.to_ascii_lowercase().trim() == format!("authorization: bearer {TOKEN}");
        }
        let (path, query) = path.split_once('?').unwrap_or((&path, ""));
        let answer = {
            let mut shared = shared.lock().unwrap();
            let mark = if authorized { " with token" } else { "" };
            shared.asked.push(format!("{path}{mark}"));
            shared.answers.get(path).cloned()
        };
        let (status, header, body, announced) = match answer {
            _ if path == "/token" && query == "scope=repository%3Aa%2Fb%3Apull&service=test" => {
                ("200 OK", String::new(), format!("{{\"token\": \"{TOKEN}\"}}").into_bytes(), None)
            }
            Some(Answer::Guarded(_)) if !authorized => {
                let realm =
                    format!("www-authenticate: Bearer realm=\"http://{address}/token\",service=\"test\"\r\n");
                ("401 Unauthorized", realm, Vec::new(), None)
            }
            Some(Answer::Content(body) | Answer::Guarded(body)) => ("200 OK", String::new(), body, None),
            Some(Answer::Truncated(body)) => {
                let length = body.len();
                ("200 OK", String::new(), body[..length / 2].to_vec(), Some(length))
            }
            Some(Answer::Redirect(to)) => {
                ("307 Temporary Redirect", format!("location: {to}\r\n"), Vec::new(), None)
            }
            None => ("404 Not Found", String::new(), Vec::new(), None),
        };
        let length = announced.unwrap_or(body.len());
        write!(stream, "HTTP/1.1 {status}\r\n{header}content-length: {length}\r\n\r\n")?;
        stream.write_all(&body)?;
        if announced.is_some() {
            return stream.shutdown(std::net::Shutdown::Both);
        }
    }
}
