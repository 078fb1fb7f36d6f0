//! What is said beside the result of a command, such as warnings, in the middle of whatever progress is shown.

use std::{fmt, sync::Arc};

use super::stream;

/// Takes what is said beside the result of a command. The texts may come from drivers.
#[derive(Clone)]
pub struct Notes(Arc<dyn Fn(&str) + Send + Sync>);

impl Notes {
    /// Gives each text to `take`.
    pub fn new(take: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(take))
    }

    /// Says something.
    pub fn say(&self, text: &str) {
        (self.0)(text);
    }
}

/// Straight to stderr.
impl Default for Notes {
    fn default() -> Self {
        Self::new(stream::note)
    }
}

impl fmt::Debug for Notes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Notes")
    }
}
