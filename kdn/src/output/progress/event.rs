//! What happens during an operation.

/// What happens during an operation. All texts may come from a driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A step begins; one that is still open is completed by it.
    Start {
        /// What is being done: `Building container image`.
        in_progress: String,
        /// What will have been done: `Container image built`.
        completed: String,
    },
    /// The open step goes on.
    Update(Update),
    /// The open step is done.
    Complete,
    /// The open step went wrong, or there is none and something else did.
    Fail {
        /// Why.
        error: String,
    },
    /// kdn has something to say that is no step, such as a warning.
    Note {
        /// What, maybe in several lines.
        text: String,
    },
    /// A backend command printed something.
    Log {
        /// Where it printed it.
        stream: Stream,
        /// What, in whole lines.
        text: String,
    },
}

/// How far the open step is. What is absent is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Update {
    /// How much is done.
    pub current: Option<u64>,
    /// How much there is to do.
    pub total: Option<u64>,
    /// Of what: `bytes`, `layers`.
    pub unit: Option<String>,
    /// What is being done just now.
    pub message: Option<String>,
}

/// One of the two output streams of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}
