//! What the user's Ctrl-C, and a polite end from outside, do to a running command.

use kdn_protocol::host::{InterruptSender, Interrupts};

/// Turns SIGINT, SIGTERM and SIGHUP into interrupts for as long as kdn runs.
pub(super) fn listen() -> Interrupts {
    let (sender, interrupts) = InterruptSender::new();
    tokio::spawn(forward(sender));
    interrupts
}

#[cfg(unix)]
async fn forward(sender: InterruptSender) {
    use tokio::signal::unix::{SignalKind, signal};

    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let [Ok(mut int), Ok(mut term), Ok(mut hup)] = kinds.map(signal) else { return };
    loop {
        tokio::select! {
            _ = int.recv() => {}
            _ = term.recv() => {}
            _ = hup.recv() => {}
        }
        sender.interrupt();
    }
}

#[cfg(not(unix))]
async fn forward(sender: InterruptSender) {
    while tokio::signal::ctrl_c().await.is_ok() {
        sender.interrupt();
    }
}
