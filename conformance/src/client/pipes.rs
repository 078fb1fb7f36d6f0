//! The driver's pipes, each served by a thread, so that nothing that a driver does or leaves undone blocks a check.

use std::{
    io::{Read, Write},
    process::{ChildStderr, ChildStdin, ChildStdout},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

/// The largest line that is kept; of a longer one, the rest is dropped.
const MAX_LINE: usize = 40 * 1024 * 1024;
/// How much of stderr is kept, in bytes.
const MAX_STDERR: usize = 4 * 1024 * 1024;

/// What comes out of a driver's stdout.
#[derive(Debug)]
pub(super) enum Output {
    Line(Vec<u8>),
    /// The end; what came after the last newline.
    End(Vec<u8>),
}

pub(super) fn read_lines(mut stdout: ChildStdout) -> mpsc::Receiver<Output> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        let mut line = Vec::new();
        while let Ok(read @ 1..) = stdout.read(&mut buffer) {
            for piece in buffer[..read].split_inclusive(|byte| *byte == b'\n') {
                let (text, whole) = piece.strip_suffix(b"\n").map_or((piece, false), |text| (text, true));
                let room = MAX_LINE.saturating_sub(line.len());
                line.extend_from_slice(&text[..text.len().min(room)]);
                if whole && sender.send(Output::Line(std::mem::take(&mut line))).is_err() {
                    return;
                }
            }
        }
        let _ = sender.send(Output::End(line));
    });
    receiver
}

/// Takes what is to be written; dropping it closes stdin.
pub(super) fn write(mut stdin: ChildStdin) -> mpsc::Sender<Vec<u8>> {
    let (sender, receiver) = mpsc::channel::<Vec<u8>>();
    thread::spawn(move || {
        for bytes in receiver {
            if stdin.write_all(&bytes).and_then(|()| stdin.flush()).is_err() {
                break;
            }
        }
    });
    sender
}

/// What a stream brought so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Collected(Arc<Mutex<Vec<u8>>>);

impl Collected {
    pub(super) fn from(mut stderr: ChildStderr) -> Self {
        let collected = Self::default();
        let kept = collected.clone();
        thread::spawn(move || {
            let mut buffer = [0; 8 * 1024];
            while let Ok(read @ 1..) = stderr.read(&mut buffer) {
                let mut all = kept.0.lock().unwrap_or_else(PoisonError::into_inner);
                let room = MAX_STDERR.saturating_sub(all.len());
                all.extend_from_slice(&buffer[..read.min(room)]);
            }
        });
        collected
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
