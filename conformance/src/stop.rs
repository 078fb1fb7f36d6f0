//! Why a check does not go to its end.

/// What ends a check early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stop {
    /// The driver is wrong; what was seen.
    #[error("{0}")]
    Failed(String),
    /// The check does not apply; why.
    #[error("{0}")]
    Skipped(String),
    /// The suite itself can't go on.
    #[error("{0}")]
    Broken(String),
    /// The user gave up.
    #[error("interrupted")]
    Interrupted,
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

/// Ends a check: the driver is wrong.
macro_rules! fail {
    ($($message:tt)*) => { return Err($crate::stop::Stop::Failed(format!($($message)*))) };
}

/// Ends a check unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)*) => { if $condition {} else { $crate::stop::fail!($($message)*) } };
}

pub(crate) use {ensure, fail};
