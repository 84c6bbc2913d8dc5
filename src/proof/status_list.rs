//! Which attestations still hold, one bit each (W3C Bitstring Status List v1.0): whoever asks for
//! the list does not say about which.

use std::io::{Read, Write};

use flate2::bufread::GzDecoder;
use flate2::{Compression, GzBuilder};
use serde::{Deserialize, Serialize};

use super::attestation::{ContextWord, CredentialWord, word};
use super::{Result, encoding};
use crate::db::Instant;
use crate::labels::rules::LabelStatus;
use crate::text;

/// Bits of a list, at least: among fewer, one would stand out (§3.1).
pub const MIN_BITS: usize = 131_072;
/// Bits of a list, at most: 2 MiB.
pub const MAX_BITS: usize = 1 << 24;

crate::codes! {
    /// What a bit says when it is set.
    pub enum Purpose {
        /// It holds no more, for good.
        Revocation = "revocation",
        /// It does not hold for now.
        Suspension = "suspension",
    }
}

impl Purpose {
    /// Whether the bit of a label that stands so is set. One past its last day has no bit: its
    /// attestation says when it ends.
    pub fn holds(self, status: LabelStatus) -> bool {
        use LabelStatus as S;
        match self {
            Self::Revocation => matches!(status, S::Withdrawn | S::Renounced | S::Superseded),
            Self::Suspension => status == S::Suspended,
        }
    }
}

/// The bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusList(Vec<u8>);

impl StatusList {
    /// As many bits as asked for, within what is allowed and in whole bytes, none of them set.
    pub fn new(bits: usize) -> Self {
        Self(vec![0; bits.clamp(MIN_BITS, MAX_BITS).div_ceil(8)])
    }

    /// Bits it has.
    pub fn bits(&self) -> usize {
        self.0.len() * 8
    }

    /// A bit: index 0 is the leftmost of the first byte (§3.1). None beyond the end.
    pub fn get(&self, index: usize) -> Option<bool> {
        self.0.get(index / 8).map(|byte| byte & mask(index) != 0)
    }

    /// Sets a bit or takes it back; says whether there is such a bit.
    pub fn put(&mut self, index: usize, is_set: bool) -> bool {
        let Some(byte) = self.0.get_mut(index / 8) else { return false };
        *byte = if is_set { *byte | mask(index) } else { *byte & !mask(index) };
        true
    }

    /// As `encodedList`: GZIP (RFC 1952), base64url, after the `u` of Multibase. The same bits give
    /// the same text.
    ///
    /// # Errors
    /// The compressor's.
    pub fn encode(&self) -> Result<String> {
        let flaw = |_| text!("La liste ne se comprime pas.", "The list cannot be compressed.");
        let mut gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
        gzip.write_all(&self.0).map_err(flaw)?;
        Ok(format!("u{}", encoding::base64url(&gzip.finish().map_err(flaw)?)))
    }

    /// Reads `encodedList`. Never takes more memory than [`MAX_BITS`] need, whatever comes.
    ///
    /// # Errors
    /// It is none, or is smaller or larger than allowed.
    pub fn decode(encoded: &str) -> Result<Self> {
        let flaw = || {
            text!(
                "Ce n’est pas une liste d’états (BitstringStatusList).",
                "This is not a status list (BitstringStatusList)."
            )
        };
        let bytes = encoding::of_base64url(encoded.strip_prefix('u').ok_or_else(flaw)?)?;
        let mut gzip = GzDecoder::new(&bytes[..]);
        let mut bits = Vec::new();
        // One more than allowed, to see that there are more.
        (&mut gzip).take(MAX_BITS as u64 / 8 + 1).read_to_end(&mut bits).map_err(|_| flaw())?;
        let is_all = gzip.into_inner().is_empty();
        if is_all && (MIN_BITS..=MAX_BITS).contains(&(bits.len() * 8)) { Ok(Self(bits)) } else { Err(flaw()) }
    }
}

fn mask(index: usize) -> u8 {
    0x80 >> (index % 8)
}

word! {
    /// The type of the credential that holds a list.
    ListCredentialWord = "BitstringStatusListCredential"
}
word! {
    /// The type of the list.
    ListWord = "BitstringStatusList"
}

/// A list, attested: signed as the attestations are, as `vc+jwt` (§2.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StatusListCredential {
    #[serde(rename = "@context")]
    pub context: (ContextWord,),
    /// Address of the list.
    pub id: String,
    #[serde(rename = "type")]
    pub types: (CredentialWord, ListCredentialWord),
    /// Address of the catalogue.
    pub issuer: String,
    /// When it was made: it says how things stood then.
    pub valid_from: Instant,
    /// Until when it may be kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Instant>,
    pub credential_subject: ListSubject,
}

/// The list itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListSubject {
    /// Address of the list, and `#list`.
    pub id: String,
    #[serde(rename = "type")]
    pub types: ListWord,
    pub status_purpose: Purpose,
    pub encoded_list: String,
}

impl StatusListCredential {
    /// # Errors
    /// Those of [`StatusList::encode`].
    pub fn new(id: &str, issuer: &str, at: Instant, purpose: Purpose, list: &StatusList) -> Result<Self> {
        Ok(Self {
            context: Default::default(),
            id: id.to_owned(),
            types: Default::default(),
            issuer: issuer.to_owned(),
            valid_from: at,
            valid_until: None,
            credential_subject: ListSubject {
                id: format!("{id}#list"),
                types: ListWord::Word,
                status_purpose: purpose,
                encoded_list: list.encode()?,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_list_reads_back_and_the_first_bit_is_the_leftmost() {
        let mut list = StatusList::new(0);
        assert_eq!(list.bits(), MIN_BITS);
        assert!(list.put(0, true) && list.put(9, true) && list.put(MIN_BITS - 1, true) && !list.put(MIN_BITS, true));
        assert_eq!((list.0[0], list.0[1], list.0[MIN_BITS / 8 - 1]), (0b1000_0000, 0b0100_0000, 1));
        let again = StatusList::decode(&list.encode().expect("encoded")).expect("decoded");
        assert_eq!(
            (again.get(0), again.get(1), again.get(9), again.get(MIN_BITS)),
            (Some(true), Some(false), Some(true), None)
        );
        assert_eq!(again.encode(), list.encode());
        list.put(0, false);
        assert_eq!(list.get(0), Some(false));
    }

    /// The example of the specification: 131,072 bits, none set.
    #[test]
    fn the_list_of_the_specification_is_read() {
        let known = "uH4sIAAAAAAAAA-3BMQEAAADCoPVPbQwfoAAAAAAAAAAAAAAAAAAAAIC3AYbSVKsAQAAA";
        assert_eq!(StatusList::decode(known), Ok(StatusList::new(0)));
    }

    #[test]
    fn what_is_no_list_or_too_large_is_refused_cheaply() {
        let gzipped = |bytes: &[u8]| {
            let mut gzip = GzBuilder::new().write(Vec::new(), Compression::best());
            gzip.write_all(bytes).expect("written");
            gzip.finish().expect("finished")
        };
        let written = |bytes: &[u8]| format!("u{}", encoding::base64url(bytes));
        let good = gzipped(&vec![0; MIN_BITS / 8]);
        assert!(StatusList::decode(&written(&good)).is_ok());
        assert!(StatusList::decode(&written(&gzipped(&vec![0; MAX_BITS / 8]))).is_ok());
        for bad in [
            String::new(),
            "u".to_owned(),
            written(b"no gzip"),
            written(&good)[1..].to_owned(),
            written(&good).replacen('u', "z", 1),
            format!("{}=", written(&good)),
            written(&good[..good.len() - 1]),
            written(&[&good[..], b"\0"].concat()),
            written(&[&good[..], &good].concat()),
            written(&gzipped(&vec![0; MIN_BITS / 8 - 1])),
            written(&gzipped(&vec![0; MAX_BITS / 8 + 1])),
            written(&gzipped(&vec![0; 1 << 28])),
        ] {
            assert!(StatusList::decode(&bad).is_err(), "{}", &bad[..bad.len().min(40)]);
        }
        for bit in 0..good.len() * 8 {
            let mut altered = good.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            // Time, system and flags of the header mean nothing; no bit of the list changes silently.
            assert!(!StatusList::decode(&written(&altered)).is_ok_and(|list| list != StatusList::new(0)));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn bits_read_back(set in prop::collection::btree_set(0..MIN_BITS, 0..50)) {
            let mut list = StatusList::new(0);
            for index in &set {
                list.put(*index, true);
            }
            let again = StatusList::decode(&list.encode().expect("encoded")).expect("decoded");
            prop_assert!((0..MIN_BITS).all(|index| again.get(index) == Some(set.contains(&index))));
        }
    }
}
