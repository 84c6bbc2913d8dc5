//! Qualifications (*qualifications*): which persons may examine or decide for an
//! audit body, and on which themes.
//!
//! ```text
//!             suspend              end
//!  qualified ◀────────▶ suspended ─────▶ ended
//!      └──────reinstate────────────────────▲
//! ```
//! A person is known by an opaque id and never named. The operator records; another
//! identity of the same person, at whatever issuer, counts as that person.

pub mod model;
pub mod routes;
pub mod rules;
pub mod view;

pub use model::Qualification;
