//! The outermost object of a frame, read before anything in it is believed.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A frame that is a JSON object, with its members unread. `null` counts as there.
#[derive(Debug, Deserialize)]
pub(crate) struct Envelope<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    pub(crate) jsonrpc: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(crate) id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) method: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(crate) params: Option<&'a RawValue>,
    #[cfg_attr(not(feature = "host"), expect(dead_code, reason = "only a host reads responses"))]
    #[serde(borrow, default, deserialize_with = "present")]
    pub(crate) result: Option<&'a RawValue>,
    #[cfg_attr(not(feature = "host"), expect(dead_code, reason = "only a host reads responses"))]
    #[serde(borrow, default, deserialize_with = "present")]
    pub(crate) error: Option<&'a RawValue>,
}

impl Envelope<'_> {
    /// Whether the frame says that it is JSON-RPC 2.0.
    pub(crate) fn is_json_rpc(&self) -> bool {
        self.jsonrpc.is_some_and(|version| version.get() == r#""2.0""#)
    }

    /// The id, when it is an integer from 0 to 2^53-1.
    pub(crate) fn integer_id(&self) -> Option<u64> {
        self.id?.get().parse().ok().filter(|id| *id < 1 << 53)
    }
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}
