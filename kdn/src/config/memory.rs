//! An amount of memory: a number of bytes, or text with a unit.

use std::fmt;
use std::str::FromStr;

use serde::de::{Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An amount of memory, in bytes.
///
/// In a file it is a number of bytes, or text with a unit of `KiB`, `MiB`, `GiB`, `TiB` (powers of 1024) or `kB`, `MB`,
/// `GB`, `TB` (powers of 1000): `"2GiB"`, `"1.5 GB"`. Upper and lower case are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Memory(pub u64);

const UNITS: [(&str, u64); 8] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
];

/// Text that is no amount of memory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid amount of memory {0:?} (must be a number and a unit such as MiB or GiB)")]
pub struct NoMemory(String);

impl FromStr for Memory {
    type Err = NoMemory;

    fn from_str(text: &str) -> Result<Self, NoMemory> {
        parse(text).map(Self).ok_or_else(|| NoMemory(text.to_owned()))
    }
}

/// Exact, as a float would not be: `number` and `unit` make a whole number of bytes, or nothing.
fn parse(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(end);
    let (_, unit) = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit.trim()))?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let scale = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let digits = whole.parse::<u64>().ok()?;
    let fraction = u128::from(fraction.parse::<u64>().ok()?).checked_mul(u128::from(*unit))?;
    let whole = digits.checked_mul(*unit)?;
    let rest = u64::try_from(fraction / scale).ok()?;
    (fraction % scale == 0).then(|| whole.checked_add(rest))?
}

impl fmt::Display for Memory {
    /// With the largest unit of powers of 1024 that gives a whole number; without one, the bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match UNITS[..4].iter().find(|(_, unit)| self.0 >= *unit && self.0.is_multiple_of(*unit)) {
            Some((name, unit)) => write!(f, "{}{name}", self.0 / unit),
            None => write!(f, "{}", self.0),
        }
    }
}

impl Serialize for Memory {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.to_string();
        if text.ends_with('B') { serializer.serialize_str(&text) } else { serializer.serialize_u64(self.0) }
    }
}

impl<'de> Deserialize<'de> for Memory {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MemoryVisitor;

        impl Visitor<'_> for MemoryVisitor {
            type Value = Memory;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of bytes, or text such as \"2GiB\"")
            }

            fn visit_u64<E: serde::de::Error>(self, bytes: u64) -> Result<Memory, E> {
                Ok(Memory(bytes))
            }

            fn visit_i64<E: serde::de::Error>(self, bytes: i64) -> Result<Memory, E> {
                let bytes = u64::try_from(bytes);
                bytes.map(Memory).map_err(|_| E::invalid_value(Unexpected::Other("a negative number"), &self))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Memory, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_any(MemoryVisitor)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn is_exact_or_nothing() {
        let bytes = |text: &str| text.parse::<Memory>().ok().map(|memory| memory.0);
        assert_eq!(bytes("2GiB"), Some(2 << 30));
        assert_eq!(bytes("1.5 gib"), Some(3 << 29));
        assert_eq!(bytes("1.5GB"), Some(1_500_000_000));
        assert_eq!(bytes("512 MiB"), Some(512 << 20));
        for no in [
            "",
            "2",
            "GiB",
            "2G",
            "-1GiB",
            "+1GiB",
            "1.GiB",
            ".5GiB",
            "1..5GiB",
            "0.1KiB",
            "1e3MiB",
            "99999999TiB",
        ] {
            assert_eq!(bytes(no), None, "{no}");
        }
    }

    proptest! {
        #[test]
        fn reads_back_as_it_was(bytes in any::<u64>(), shift in 0..64_u32) {
            let memory = Memory(bytes << shift);
            let json = serde_json::to_string(&memory).unwrap();
            prop_assert_eq!(serde_json::from_str::<Memory>(&json).unwrap(), memory);
        }
    }
}
