//! Base64 (RFC 4648) in its one strict form: the right padding or none, no trailing bits, no space.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Result;
use crate::text;

/// Bytes in base64, as C2SP's formats write them (RFC 4648 §4).
pub fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// # Errors
/// It is not base64, or not its canonical form.
pub fn of_base64(text: &str) -> Result<Vec<u8>> {
    STANDARD.decode(text).map_err(|_| text!("Ce n’est pas du base64 canonique.", "This is not canonical base64."))
}

/// Bytes in base64url without padding, as JOSE writes them (RFC 7515 §2).
pub fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// # Errors
/// It is not base64url without padding, or not its canonical form.
pub fn of_base64url(text: &str) -> Result<Vec<u8>> {
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| text!("Ce n’est pas du base64url canonique.", "This is not canonical base64url."))
}

/// Bytes that stand in JSON as base64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(&base64(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        of_base64(&String::deserialize(deserializer)?).map(Self).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_form_is_read() {
        for good in ["", "AA==", "AAA=", "AAAA", "+/+/"] {
            assert_eq!(base64(&of_base64(good).expect("base64")), good);
        }
        for bad in ["AA", "AA=", "AAA", "AB==", "AAB=", "AA==\n", " AA==", "AA==AA==", "-_-_", "A A=", "===="] {
            assert!(of_base64(bad).is_err(), "{bad:?}");
        }
        for bad in ["AA==", "AB", "A", "+/+/", "AA ", "AA\n"] {
            assert!(of_base64url(bad).is_err(), "{bad:?}");
        }
        assert_eq!(of_base64url("-_-_"), of_base64("+/+/"));
    }
}
