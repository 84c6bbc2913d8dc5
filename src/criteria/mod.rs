//! Criteria sets (*référentiels*): themes, criteria and the rule of the label,
//! as data, in versions.
//!
//! ```text
//!          publish              the day comes            the next one's day
//!  draft ──────────▶ scheduled ──────────────▶ in_force ─────────────────▶ retired
//! ```
//! A published set never changes; the next one starts as its copy and comes
//! into force after a notice. Everything but the draft follows from dates.

pub mod content;
pub mod editing;
pub mod impact;
pub mod model;
pub mod routes;
pub mod rules;
pub mod view;

pub use content::{AnswerType, Criterion, SetContent};
