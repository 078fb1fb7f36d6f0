//! Workspace ids: 64 lower-case hexadecimal digits, never decimal ones only.

use super::{Error, Result};

/// How many characters of an id people are shown.
const SHORT: usize = 12;

/// Makes a new id.
pub fn generate() -> Result<String> {
    loop {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(Error::Random)?;
        let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let id: String = digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect();
        // Runtimes take an id of digits only for a number, or for a host name that is an address.
        if !is_decimal(&id) {
            return Ok(id);
        }
    }
}

/// The first characters of an id, as tables show it.
pub fn short(id: &str) -> &str {
    id.char_indices().nth(SHORT).map_or(id, |(end, _)| &id[..end])
}

/// Refuses an id that, taken as the name of a file, could lead anywhere else.
pub(super) fn check(id: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !id.is_empty() && id.chars().all(plain) { Ok(()) } else { Err(Error::InvalidId(id.to_owned())) }
}

fn is_decimal(id: &str) -> bool {
    id.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    // SPEC: IDEM-07
    #[test]
    fn ids_are_64_hexadecimal_digits() {
        let id = generate().unwrap();
        assert_eq!(id.len(), 64);
        assert!(id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) && !is_decimal(&id));
        assert_ne!(id, generate().unwrap());
        assert_eq!(short(&id), &id[..12]);
        assert_eq!(short("ab"), "ab");
    }

    #[test]
    fn an_id_cannot_leave_its_folder() {
        for bad in ["", ".", "..", "a/b", "a\\b", "C:x", ".hidden"] {
            assert!(check(bad).is_err(), "{bad}");
        }
        check("fake-001_A").unwrap();
    }
}
