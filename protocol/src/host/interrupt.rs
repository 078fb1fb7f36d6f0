//! The user's wish to stop, as often as it was said.

use tokio::sync::watch;

/// Where a host says that the user wants to stop: the first time cancels what runs, the second ends the driver with
/// SIGTERM, the third with SIGKILL.
#[derive(Debug)]
pub struct InterruptSender(watch::Sender<u32>);

/// What calls listen to.
#[derive(Debug, Clone)]
pub struct Interrupts {
    receiver: watch::Receiver<u32>,
    /// How many were there when the listener last looked.
    seen: u32,
}

impl InterruptSender {
    /// A sender and what listens to it.
    pub fn new() -> (Self, Interrupts) {
        let (sender, receiver) = watch::channel(0);
        (Self(sender), Interrupts { receiver, seen: 0 })
    }

    /// One more that listens, from the first interrupt on.
    pub fn listen(&self) -> Interrupts {
        Interrupts { receiver: self.0.subscribe(), seen: 0 }
    }

    /// The user said it once more.
    pub fn interrupt(&self) {
        self.0.send_modify(|count| *count += 1);
    }
}

impl Interrupts {
    /// Interrupts that never come.
    pub fn never() -> Self {
        InterruptSender::new().1
    }

    /// How often the user has said it.
    pub fn count(&self) -> u32 {
        *self.receiver.borrow()
    }

    /// Takes what was said so far as heard: from here on, [`next`](Self::next) waits for more.
    pub fn acknowledge(&mut self) {
        self.seen = self.count();
    }

    /// The next interrupt that this listener has not seen; its number, from 1 on.
    pub async fn next(&mut self) -> u32 {
        let seen = self.seen;
        if self.receiver.wait_for(|count| *count > seen).await.is_err() {
            // Nobody is left who could say it.
            std::future::pending::<()>().await;
        }
        self.seen += 1;
        self.seen
    }
}
