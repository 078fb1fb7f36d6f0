//! The JSON-RPC client over a driver's stdin and stdout.

use std::{
    io,
    sync::{Arc, OnceLock},
    time::Duration,
};

use jsonrpsee::core::{
    client::{Client, ClientBuilder, TransportSenderT, async_client::RpcService},
    middleware::{Batch, Notification, Request, RpcServiceBuilder, RpcServiceT},
    traits::ToRpcParams,
};
use serde_json::value::RawValue;
use tokio::{
    io::AsyncWriteExt,
    process::ChildStdin,
    sync::{Mutex, mpsc},
};
use tokio_util::sync::CancellationToken;

use super::{
    inbox::Inbox,
    inflight::{Event, Inflight},
};

pub(super) type DriverClient = Client<NoteId<RpcService>>;

/// The deadlines of the protocol lie above the client; its own must never be first.
const NEVER: Duration = Duration::from_hours(365 * 24);

pub(super) fn build(outbox: Outbox, inbox: Inbox) -> DriverClient {
    // The default middleware writes params, and with them secrets, to the trace.
    ClientBuilder::new()
        .request_timeout(NEVER)
        .set_rpc_middleware(RpcServiceBuilder::new().layer_fn(NoteId))
        .build_with_tokio(outbox, inbox)
}

tokio::task_local! {
    /// The call that is being made; the middleware tells it the id of its request.
    pub(super) static CALL: Call;
}

/// A call that is being made.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) id: Arc<OnceLock<u64>>,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) inflight: Arc<Inflight>,
}

/// Middleware that learns the id which the client gave to a request, before the request is sent.
#[derive(Debug, Clone)]
pub(super) struct NoteId<S>(S);

impl<S: RpcServiceT> RpcServiceT for NoteId<S> {
    type MethodResponse = S::MethodResponse;
    type NotificationResponse = S::NotificationResponse;
    type BatchResponse = S::BatchResponse;

    fn call<'a>(&self, request: Request<'a>) -> impl Future<Output = Self::MethodResponse> + Send + 'a {
        if let Some(&id) = request.id.as_number() {
            let _ = CALL.try_with(|call| {
                call.inflight.insert(id, call.events.clone());
                let _ = call.id.set(id);
            });
        }
        self.0.call(request)
    }

    fn batch<'a>(&self, requests: Batch<'a>) -> impl Future<Output = Self::BatchResponse> + Send + 'a {
        self.0.batch(requests)
    }

    fn notification<'a>(
        &self,
        notification: Notification<'a>,
    ) -> impl Future<Output = Self::NotificationResponse> + Send + 'a {
        self.0.notification(notification)
    }
}

/// Params that are JSON already.
pub(super) struct RawParams(pub(super) Box<RawValue>);

impl ToRpcParams for RawParams {
    fn to_rpc_params(self) -> Result<Option<Box<RawValue>>, serde_json::Error> {
        Ok(Some(self.0))
    }
}

/// The host's end of a driver's stdin.
#[derive(Debug, Clone)]
pub(super) struct Outbox {
    stdin: Arc<Mutex<Option<ChildStdin>>>,
    /// Frees a write that the driver does not read.
    closed: CancellationToken,
}

impl Outbox {
    pub(super) fn new(stdin: ChildStdin, closed: CancellationToken) -> Self {
        Self { stdin: Arc::new(Mutex::new(Some(stdin))), closed }
    }

    /// Closes the driver's stdin.
    pub(super) async fn close(&self) {
        self.closed.cancel();
        self.stdin.lock().await.take();
    }
}

impl TransportSenderT for Outbox {
    type Error = io::Error;

    async fn send(&mut self, mut frame: String) -> Result<(), io::Error> {
        frame.push('\n');
        let mut stdin = self.stdin.lock().await;
        let Some(pipe) = stdin.as_mut() else { return Err(io::ErrorKind::BrokenPipe.into()) };
        tokio::select! {
            written = pipe.write_all(frame.as_bytes()) => written,
            () = self.closed.cancelled() => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}
