//! The transparency log (*journal de transparence*): every decision on a label and
//! every later change of it is a leaf of a Merkle tree that only grows, in the very
//! transaction that makes it. Whoever keeps a signed state of the tree can later be
//! shown that nothing in it was altered or taken away.
//!
//! What is proved and how is [`crate::proof`]; here it is kept and served.

pub mod check;
pub mod identity;
pub mod register;
pub mod routes;
pub mod tree;
pub mod witnesses;

use crate::error::Error;
use crate::http::text::Text;

/// What the proofs' own words mean here: our data or our key are not as they must be.
pub(crate) fn broken(text: Text) -> Error {
    Error::Internal(text.en)
}
