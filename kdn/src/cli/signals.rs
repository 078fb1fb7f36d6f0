//! What the user's Ctrl-C, and a polite end from outside, do to a running command.

use kdn_protocol::host::{InterruptSender, Interrupts};

/// Turns SIGINT, SIGTERM and SIGHUP into interrupts from now on, for as long as kdn runs.
#[cfg(unix)]
pub(super) fn listen() -> Interrupts {
    use tokio::signal::unix::{SignalKind, signal};

    let (sender, interrupts) = InterruptSender::new();
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    // Without its handlers, kdn ends by these signals as any program does.
    let [Ok(mut int), Ok(mut term), Ok(mut hup)] = kinds.map(signal) else { return interrupts };
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
    interrupts
}

/// Turns Ctrl-C into interrupts for as long as kdn runs.
#[cfg(not(unix))]
pub(super) fn listen() -> Interrupts {
    let (sender, interrupts) = InterruptSender::new();
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            sender.interrupt();
        }
    });
    interrupts
}
