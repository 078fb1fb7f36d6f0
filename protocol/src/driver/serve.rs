//! The loop that reads requests and runs them.

use std::{any::Any, fs::File, io, panic::AssertUnwindSafe, process::ExitCode, sync::Arc, time::Duration};

use serde_json::value::RawValue;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{
    CancelParams, Error, ErrorKind,
    envelope::{Envelope, Fault},
    frame::{MAX_FRAME_BYTES, Splitter},
    method,
};

use super::{Context, Driver, connection::Connection, dispatch::dispatch, manual, stdio, wire::Wire};

/// How long running requests may take to roll back at the end of stdin.
const ROLL_BACK: Duration = Duration::from_secs(30);

/// Serves `D` to the host that started this process, until it closes stdin. The whole `main` of a driver.
///
/// Started by hand, it says what it is; `--version` and `--help` work.
pub fn serve<D: Driver>() -> ExitCode {
    if let Some(code) = manual::answer::<D>() {
        return code;
    }
    match run::<D>() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&format!("the connection failed: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run<D: Driver>() -> io::Result<()> {
    let stdio = stdio::claim()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let served = runtime.block_on(async {
        let ended = CancellationToken::new();
        let connection = Arc::new(Connection::<D>::new(Wire::new(stdio.output, ended.clone()), ended));
        read(connection, reader(stdio.input)?).await
    });
    // A read of stdin, or a handler that does not end, may still hold a thread.
    runtime.shutdown_background();
    served
}

/// Reads without a thread where stdin is a pipe, as it is with kdn.
fn reader(input: File) -> io::Result<Box<dyn AsyncRead + Unpin>> {
    #[cfg(unix)]
    if std::os::unix::fs::FileTypeExt::is_fifo(&input.metadata()?.file_type()) {
        return Ok(Box::new(tokio::net::unix::pipe::Receiver::from_file(input)?));
    }
    Ok(Box::new(tokio::fs::File::from_std(input)))
}

async fn read<D: Driver>(
    connection: Arc<Connection<D>>,
    mut input: Box<dyn AsyncRead + Unpin>,
) -> io::Result<()> {
    let mut requests = JoinSet::new();
    let mut splitter = Splitter::new(MAX_FRAME_BYTES);
    let mut buffer = vec![0; 64 * 1024];
    let terminated = terminated();
    tokio::pin!(terminated);
    let outcome = 'connected: loop {
        let read = tokio::select! {
            read = input.read(&mut buffer) => read,
            _ = requests.join_next(), if !requests.is_empty() => continue,
            () = &mut terminated => {
                connection.terminated.cancel();
                break Ok(());
            }
            () = connection.ended.cancelled() => break Ok(()),
        };
        match read {
            Ok(0) => break Ok(()),
            Ok(read) => splitter.push(&buffer[..read]),
            Err(error) => break Err(error),
        }
        loop {
            match splitter.next_frame() {
                Ok(Some(frame)) => take(&connection, frame, &mut requests),
                Ok(None) => break,
                Err(error) => {
                    connection.wire.refuse(None, &Error::new(ErrorKind::FrameTooLarge, error.to_string()));
                    break 'connected Err(io::Error::new(io::ErrorKind::InvalidData, error));
                }
            }
        }
    };
    connection.ended.cancel();
    let roll_back = tokio::time::timeout(ROLL_BACK, async { while requests.join_next().await.is_some() {} });
    tokio::pin!(roll_back);
    tokio::select! {
        _ = &mut roll_back => {}
        () = &mut terminated, if !connection.terminated.is_cancelled() => {
            connection.terminated.cancel();
            let _ = roll_back.await;
        }
    }
    outcome
}

/// Takes one frame: runs a request in a task of its own, or answers what is none.
fn take<D: Driver>(connection: &Arc<Connection<D>>, frame: &[u8], requests: &mut JoinSet<()>) {
    if frame.trim_ascii().is_empty() {
        return;
    }
    let envelope = match Envelope::read(frame) {
        Ok(envelope) => envelope,
        Err(fault) => {
            let (kind, message) = match fault {
                Fault::NotJson(why) => (ErrorKind::ParseError, format!("the frame is no JSON: {why}")),
                Fault::NotAMessage(why) => {
                    (ErrorKind::InvalidRequest, format!("the frame is no request: {why}"))
                }
            };
            return connection.wire.refuse(None, &Error::new(kind, message));
        }
    };
    let id = envelope.id.filter(|id| id.get().starts_with('"') || envelope.integer_id().is_some());
    let invalid = |message: &str| connection.wire.refuse(id, &Error::new(ErrorKind::InvalidRequest, message));
    if !envelope.is_json_rpc() {
        return invalid("the member \"jsonrpc\" is not \"2.0\"");
    }
    let Some(name) = envelope.method() else {
        return invalid("the member \"method\" is not a string");
    };
    if envelope.id.is_none() {
        if name == method::CANCEL_REQUEST
            && let Some(Ok(cancel)) = envelope.params.map(|p| serde_json::from_str::<CancelParams>(p.get()))
        {
            connection.cancel(cancel.id);
        }
        return;
    }
    let Some(id) = id else {
        return invalid("the id is neither a text nor an integer from 0 to 2^53-1");
    };
    let request_id = envelope.integer_id();
    let (connection, id, name, params) =
        (Arc::clone(connection), id.to_owned(), name.into_owned(), envelope.params.map(RawValue::to_owned));
    let cancelled = connection.begin(request_id);
    let terminated = connection.terminated.clone();
    let context = Context::new(Arc::clone(&connection.wire), request_id, cancelled, terminated);
    requests.spawn(async move {
        let handler = AssertUnwindSafe(dispatch(&connection, &name, params.as_deref(), &context));
        let outcome = catch(handler).await.unwrap_or_else(|panic| {
            Err(Error::internal(format!("the driver panicked in {name}: {}", panic_message(&*panic))))
        });
        context.steps().end(&outcome);
        connection.end(request_id);
        connection.wire.respond(&id, &outcome);
    });
}

/// Runs a future to its end or to its panic.
async fn catch<F: Future>(future: AssertUnwindSafe<F>) -> Result<F::Output, Box<dyn Any + Send>> {
    let mut future = std::pin::pin!(future.0);
    std::future::poll_fn(|cx| match std::panic::catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => std::task::Poll::Ready(Err(panic)),
    })
    .await
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("?")
}

#[cfg(unix)]
async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut signal) => drop(signal.recv().await),
        Err(_) => std::future::pending().await,
    }
}

#[cfg(not(unix))]
async fn terminated() {
    std::future::pending().await
}

#[expect(clippy::print_stderr, reason = "stderr is a driver's place for free text")]
fn tell(message: &str) {
    eprintln!("{message}");
}
