//! Complaints (*réclamations*): what third parties hold against a label. The audit body answers;
//! one that it finds founded puts the label under surveillance.
//!
//! ```text
//!  open ──answer──▶ founded, unfounded
//! ```
//! Known to who complains, to the audit body and to label officers; to the vendor, without who it
//! was. Never public.

pub mod model;
pub mod routes;
pub mod view;

pub use model::Complaint;
