//! How much a feature may be.

use std::io::{self, Read};

use super::{Problem, error::Result};

/// How much of a feature there is so far, and how much there may be.
#[derive(Debug)]
pub(super) struct Tally {
    largest: u64,
    most: u32,
    bytes: u64,
    entries: u32,
}

impl Default for Tally {
    fn default() -> Self {
        Self::limited(256 * 1024 * 1024, 20_000)
    }
}

impl Tally {
    /// At most so many bytes, and so many files and folders.
    pub(super) const fn limited(largest: u64, most: u32) -> Self {
        Self { largest, most, bytes: 0, entries: 0 }
    }

    /// The most that there may be, in bytes.
    pub(super) const fn largest(&self) -> u64 {
        self.largest
    }

    /// One more file or folder.
    pub(super) fn entry(&mut self) -> Result<()> {
        self.entries += 1;
        if self.entries > self.most { Err(Problem::TooMany(self.most)) } else { Ok(()) }
    }

    /// Copies all there is to read, as long as it may be.
    pub(super) fn copy(&mut self, from: impl Read, to: &mut impl io::Write) -> io::Result<Result<u64>> {
        let copied = io::copy(&mut from.take(self.largest - self.bytes + 1), to)?;
        if copied > self.largest - self.bytes {
            return Ok(Err(self.too_large()));
        }
        self.bytes += copied;
        Ok(Ok(copied))
    }

    pub(super) const fn too_large(&self) -> Problem {
        Problem::TooLarge("feature", self.largest)
    }
}
