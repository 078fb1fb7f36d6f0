//! How much a feature may be.

use std::io::{self, Read};

use super::{Problem, error::Result};

/// The most that a feature may hold, in bytes.
pub(super) const LARGEST: u64 = 256 * 1024 * 1024;
const MOST: u32 = 20_000;

/// How much of a feature there is so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    bytes: u64,
    entries: u32,
}

impl Tally {
    /// One more file or folder.
    pub(super) fn entry(&mut self) -> Result<()> {
        self.entries += 1;
        if self.entries > MOST { Err(Problem::TooMany(MOST)) } else { Ok(()) }
    }

    /// More content.
    pub(super) fn bytes(&mut self, more: u64) -> Result<()> {
        self.bytes = self.bytes.saturating_add(more);
        if self.bytes > LARGEST { Err(too_large()) } else { Ok(()) }
    }

    /// Copies all there is to read, as long as it may be.
    pub(super) fn copy(&mut self, from: impl Read, to: &mut impl io::Write) -> io::Result<Result<u64>> {
        let left = LARGEST - self.bytes.min(LARGEST);
        let copied = io::copy(&mut from.take(left + 1), to)?;
        Ok(self.bytes(copied).map(|()| copied))
    }
}

pub(super) fn too_large() -> Problem {
    Problem::TooLarge("feature", LARGEST)
}
