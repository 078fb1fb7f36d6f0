//! The JSON-RPC client over a driver's stdin and stdout.

use std::{
    borrow::Cow,
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use jsonrpsee::{
    core::{
        client::{Client, ClientBuilder, Error, TransportSenderT, async_client::RpcService},
        middleware::{Notification, Request, RpcServiceBuilder, RpcServiceT},
    },
    types::{Id, ResponseSuccess},
};
use serde_json::value::{RawValue, to_raw_value};
use tokio::{io::AsyncWriteExt, process::ChildStdin, sync::Mutex};
use tokio_util::sync::CancellationToken;

use super::inbox::Inbox;
use crate::{CancelParams, method::CANCEL_REQUEST};

/// A JSON-RPC client whose caller knows the id of each request.
///
/// jsonrpsee matches responses with requests, and its service is called without its front: that one hides the ids,
/// writes params, and with them secrets, to the trace, and runs a timer in a thread of its own for each call.
#[derive(Debug)]
pub(super) struct DriverClient {
    service: RpcService,
    next_id: AtomicU64,
    /// The front; the connection lives as long as it does.
    _client: Client<RpcService>,
}

impl DriverClient {
    pub(super) fn new(outbox: Outbox, inbox: Inbox) -> Self {
        let service = Arc::new(OnceLock::new());
        let slot = Arc::clone(&service);
        let keep = move |service: RpcService| {
            let _ = slot.set(service.clone());
            service
        };
        let client = ClientBuilder::new()
            .set_rpc_middleware(RpcServiceBuilder::new().layer_fn(keep))
            .build_with_tokio(outbox, inbox);
        let service = service.get().expect("building a client builds its service").clone();
        Self { service, next_id: AtomicU64::new(0), _client: client }
    }

    /// An id that no request has had.
    pub(super) fn new_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Sends a request, and waits for its response without end.
    pub(super) async fn request(
        &self,
        id: u64,
        method: &str,
        params: &RawValue,
    ) -> Result<Box<RawValue>, Error> {
        let request = Request::borrowed(method, Some(params), Id::Number(id));
        let response = self.service.call(request).await?.into_response().into_inner();
        Ok(ResponseSuccess::try_from(response)?.result)
    }

    /// Asks the driver to give up a request.
    pub(super) async fn cancel(&self, params: CancelParams) {
        let Ok(params) = to_raw_value(&params) else { return };
        let notification = Notification::new(CANCEL_REQUEST.into(), Some(Cow::Owned(params)));
        // A connection that has ended has nothing to cancel.
        let _ = self.service.notification(notification).await;
    }
}

/// The host's end of a driver's stdin.
#[derive(Debug, Clone)]
pub(super) struct Outbox {
    stdin: Arc<Mutex<Option<ChildStdin>>>,
    /// Frees a write that the driver does not read.
    closed: CancellationToken,
    /// Whether a write failed because the driver has closed its end.
    broken: Arc<AtomicBool>,
}

impl Outbox {
    pub(super) fn new(stdin: ChildStdin, closed: CancellationToken) -> Self {
        Self { stdin: Arc::new(Mutex::new(Some(stdin))), closed, broken: Arc::default() }
    }

    /// Whether the driver has closed its stdin.
    pub(super) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
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
            written = pipe.write_all(frame.as_bytes()) => {
                self.broken.fetch_or(written.is_err(), Ordering::Relaxed);
                written
            }
            () = self.closed.cancelled() => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}
