//! What the user's Ctrl-C, and a polite end from outside, do to a running command.

use kdn_protocol::host::{InterruptSender, Interrupts};

/// Turns SIGINT, SIGTERM and SIGHUP into interrupts, from now on and for as long as kdn runs.
pub(super) fn listen() -> Interrupts {
    let (sender, interrupts) = InterruptSender::new();
    forward(sender);
    interrupts
}

#[cfg(unix)]
fn forward(sender: InterruptSender) {
    use tokio::signal::unix::{SignalKind, signal};

    // Not in the task, which runs only when the command first waits: until then a signal would end kdn.
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let [Ok(mut int), Ok(mut term), Ok(mut hup)] = kinds.map(signal) else { return };
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = int.recv() => {}
                _ = term.recv() => {}
                _ = hup.recv() => {}
            }
            sender.interrupt();
        }
    });
}

#[cfg(not(unix))]
fn forward(sender: InterruptSender) {
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            sender.interrupt();
        }
    });
}
