//! Lines as they come out of a pipe, and a pipe that never makes its writer wait.

use std::{
    io::{BufRead, BufReader, Read, Write},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
};

use super::shim::Event;

/// More than a pipe holds, so that what was written at once is read at once.
const CHUNK: usize = 128 * 1024;
/// More than any frame. Longer lines come in several parts, since nobody may wait for their end.
const LONGEST: usize = 16 * 1024 * 1024 + CHUNK;

/// A line with its end.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) bytes: Vec<u8>,
    /// In how many pieces it came.
    pub(super) pieces: usize,
    /// Whether it came behind another line, in one piece.
    pub(super) is_behind: bool,
}

impl Line {
    /// Without its end.
    pub(super) fn text(&self) -> &[u8] {
        self.bytes.strip_suffix(b"\n").unwrap_or(&self.bytes)
    }
}

/// Reads lines in a thread of its own. The last event is `end`.
pub(super) fn read(from: impl Read + Send + 'static, to: Sender<Event>, wrap: fn(Line) -> Event, end: Event) {
    thread::spawn(move || {
        let mut from = BufReader::with_capacity(CHUNK, from);
        let (mut bytes, mut pieces) = (Vec::new(), 0);
        while let Ok(mut chunk) = from.fill_buf() {
            let size = chunk.len();
            if size == 0 {
                break;
            }
            let mut is_behind = false;
            while !chunk.is_empty() {
                pieces += 1;
                let _ = chunk.read_until(b'\n', &mut bytes);
                if bytes.ends_with(b"\n") || bytes.len() > LONGEST {
                    let line = Line { bytes: std::mem::take(&mut bytes), pieces, is_behind };
                    (pieces, is_behind) = (0, true);
                    let _ = to.send(wrap(line));
                }
            }
            from.consume(size);
        }
        if !bytes.is_empty() {
            let _ = to.send(wrap(Line { bytes, pieces, is_behind: false }));
        }
        let _ = to.send(end);
    });
}

/// Writes in a thread of its own until the sender is dropped. The receiver gets to know when all is written.
pub(super) fn write(
    mut to: impl Write + Send + 'static,
    gone: Option<Sender<Event>>,
) -> (Sender<Vec<u8>>, Receiver<()>) {
    let (sender, bytes) = channel::<Vec<u8>>();
    let (done, written) = channel();
    thread::spawn(move || {
        while let Ok(bytes) = bytes.recv() {
            if to.write_all(&bytes).and_then(|()| to.flush()).is_err() {
                if let Some(gone) = gone {
                    let _ = gone.send(Event::Unheard);
                }
                break;
            }
        }
        drop(to);
        let _ = done.send(());
    });
    (sender, written)
}
