//! A command that is brought to an end in its own way when it is not wanted any more, also by a driver that is gone: a process
//! between the two sees to that.

use std::io::{self, Read, Write};
use std::process::Stdio;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_util::sync::CancellationToken;

use super::{Call, LINGER, code, command, end};

/// What is done to a command that is not wanted any more.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// It is told to end, and killed if it does not.
    AtOnce,
    /// What it runs in namespaces of their own is killed until it gives up, and cleans up.
    Nested,
    /// It comes to its end, and is undone then by other commands of its program.
    Undone(Vec<Vec<String>>),
}

/// Runs a command until it has ended; once stdin has ended, it is brought to an end. Returns the status with which this process
/// is to exit: no success where the command was undone.
pub async fn guard(call: Call, ending: Ending) -> io::Result<u8> {
    let unwanted = CancellationToken::new();
    let token = unwanted.clone();
    // Not of the runtime, which would wait for it.
    std::thread::spawn(move || {
        let _ = io::stdin().lock().read_to_end(&mut Vec::new());
        token.cancel();
    });
    let mut running = command(&call);
    let mut child = running.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (id, stdout, stderr) = (child.id(), child.stdout.take(), child.stderr.take());
    let copy = async { tokio::join!(copy(stdout, io::stdout()), copy(stderr, io::stderr())) };
    let end = async {
        unwanted.cancelled().await;
        match (&ending, id) {
            (Ending::AtOnce, Some(id)) => end::end(id).await,
            (Ending::Nested, Some(id)) => end::end_nested(id).await,
            _ => std::future::pending().await,
        }
    };
    let status = {
        tokio::pin!(copy, end);
        let (mut copied, mut ended) = (false, false);
        let status = loop {
            tokio::select! {
                status = child.wait() => break status?,
                _ = &mut copy, if !copied => copied = true,
                () = &mut end, if !ended => ended = true,
            }
        };
        if !copied {
            let _ = tokio::time::timeout(LINGER, copy).await;
        }
        status
    };
    if let (true, Ending::Undone(commands)) = (unwanted.is_cancelled(), ending) {
        for args in commands {
            let _ = command(&Call { program: call.program.clone(), args, ..Call::default() }).output().await;
        }
        return Ok(1);
    }
    Ok(code(status))
}

/// Passes on what a command prints. When nobody reads that any more, the command is not to notice.
async fn copy(from: Option<impl AsyncRead + Unpin>, mut to: impl Write) {
    let Some(mut from) = from else { return };
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let _ = to.write_all(&buffer[..read]).and_then(|()| to.flush());
    }
}
