//! The outermost object of a frame, read before anything in it is believed.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A frame that is a JSON object, with its members unread. `null` counts as there.
#[derive(Debug, Deserialize)]
pub(crate) struct Envelope<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(crate) id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    method: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(crate) params: Option<&'a RawValue>,
    #[cfg_attr(not(feature = "host"), expect(dead_code, reason = "only a host reads responses"))]
    #[serde(borrow, default, deserialize_with = "present")]
    pub(crate) result: Option<&'a RawValue>,
    #[cfg_attr(not(feature = "host"), expect(dead_code, reason = "only a host reads responses"))]
    #[serde(borrow, default, deserialize_with = "present")]
    pub(crate) error: Option<&'a RawValue>,
}

/// Why a frame is no message.
#[cfg_attr(not(feature = "driver"), expect(dead_code, reason = "only a driver tells why"))]
#[derive(Debug)]
pub(crate) enum Fault {
    NotJson(String),
    /// JSON, but not an object that can be read. A batch is one of these.
    NotAMessage(String),
}

impl<'a> Envelope<'a> {
    /// Reads a frame that is not blank.
    pub(crate) fn read(frame: &'a [u8]) -> Result<Self, Fault> {
        // What is skipped as unknown is not checked below.
        let frame = str::from_utf8(frame).map_err(|error| Fault::NotJson(error.to_string()))?;
        // A struct can also be read from an array, so a batch has to be seen first.
        if frame.trim_ascii().starts_with('[') {
            return Err(match serde_json::from_str::<&RawValue>(frame) {
                Ok(_) => Fault::NotAMessage("batches are not part of the protocol".into()),
                Err(error) => Fault::NotJson(error.to_string()),
            });
        }
        serde_json::from_str(frame).map_err(|error| {
            if error.is_data() {
                Fault::NotAMessage(error.to_string())
            } else {
                Fault::NotJson(error.to_string())
            }
        })
    }

    /// Whether the frame says that it is JSON-RPC 2.0.
    pub(crate) fn is_json_rpc(&self) -> bool {
        self.jsonrpc.is_some_and(|version| version.get() == r#""2.0""#)
    }

    /// Whether the frame names a method, be it rightly or not.
    #[cfg(feature = "host")]
    pub(crate) const fn has_method(&self) -> bool {
        self.method.is_some()
    }

    /// The method, when it is a string.
    pub(crate) fn method(&self) -> Option<Cow<'a, str>> {
        #[derive(Deserialize)]
        struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
        serde_json::from_str(self.method?.get()).ok().map(|Name(name)| name)
    }

    /// The id, when it is an integer from 0 to 2^53-1.
    pub(crate) fn integer_id(&self) -> Option<u64> {
        self.id?.get().parse().ok().filter(|id| *id < 1 << 53)
    }
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}
