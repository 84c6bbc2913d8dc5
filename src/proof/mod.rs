//! What others can check without believing the catalogue: signatures, a log that only grows, and
//! a file that proves a label offline. Pure functions over bytes and values: no database, no
//! request, no clock.
//!
//! ```text
//!            hash                 leaf of                  root in             line under
//! attestation ───▶ label event ───────────▶ Merkle tree ───────────▶ checkpoint ─────────▶ note
//!   (vc+jwt)        (entry)                                                       log, witnesses
//! ```
//! - [`merkle`] and [`tiles`]: the log as a tree (RFC 9162) and as files (C2SP tlog-tiles);
//!   [`note`] and [`checkpoint`]: how its state is signed, by the log and by witnesses.
//! - [`canonical`], [`jws`], [`key`]: one way to write JSON, one way to sign it.
//! - [`possession`]: that who registers a key has it.
//! - [`entry`]: what the log holds; [`history`]: where a label stood on a date;
//!   [`attestation`] and [`status_list`]: the label as a Verifiable Credential.
//! - [`bundle`]: the file; [`verdict`]: what is found in it; [`monitor`]: what is found in the log itself.
//!
//! Whatever has a signature or a hash has exactly one form: what is read is written again, and
//! must be the same bytes. So no byte of it can be another.

pub mod attestation;
pub mod bundle;
pub mod canonical;
pub mod checkpoint;
mod checks;
pub mod encoding;
pub mod entry;
pub mod history;
pub mod jws;
pub mod key;
pub mod merkle;
pub mod monitor;
pub mod note;
pub mod possession;
mod report;
pub mod status_list;
pub mod tiles;
pub mod verdict;

use crate::http::text::Text;

/// What was refused, and why, in words for who reads a verdict.
pub type Result<T> = std::result::Result<T, Text>;
