//! The protocol versions that this crate speaks.

/// The version that this crate speaks best.
pub const PROTOCOL_VERSION: u32 = 1;

/// Every version that this crate speaks, highest first.
pub const PROTOCOL_VERSIONS: &[u32] = &[PROTOCOL_VERSION];

/// The environment variable that a host sets for a driver; its value is the highest version that the host speaks.
pub const PROTOCOL_ENV: &str = "KDN_RUNTIME_PROTOCOL";
