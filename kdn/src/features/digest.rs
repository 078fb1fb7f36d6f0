//! The digest by which a registry names content.

use std::fmt;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use super::{Problem, error::Result};

/// The SHA-256 digest of some content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Digest([u8; 32]);

impl Digest {
    pub(super) fn of(content: &[u8]) -> Self {
        Self(Sha256::digest(content).into())
    }

    /// Reads `sha256:` and 64 lower-case hexadecimal digits.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let hex = text.strip_prefix("sha256:").and_then(|hex| HEXLOWER.decode(hex.as_bytes()).ok());
        let bytes = hex.and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(|| Problem::Digest(text.to_owned()))
    }

    /// Accepts content only if it is the one that this digest names.
    pub(super) fn check(self, content: &[u8]) -> Result<()> {
        let found = Self::of(content);
        if found == self {
            Ok(())
        } else {
            Err(Problem::Mismatch { wanted: self.to_string(), found: found.to_string() })
        }
    }

    pub(super) fn hex(self) -> String {
        HEXLOWER.encode(&self.0)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}
