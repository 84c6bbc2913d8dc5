//! Self-evaluations (*auto-évaluations*): what a vendor declares of a solution
//! against a criteria set. Declared, not verified.
//!
//! ```text
//!          submit             publish              contest
//!  draft ────────▶ submitted ────────▶ published ◀─────────▶ contested
//!    ▲      return     │                 │   resolve            │
//!    └─────────────────┘                 ├──▶ superseded ◀──────┤
//!                                        └──▶ expired    ◀──────┘
//! ```
//! Answers never change once submitted; scores are computed at publication and
//! kept with the formula that made them.

pub mod answers;
pub mod criteria;
pub mod model;
pub mod moderation;
pub mod routes;
pub mod rules;
pub mod view;
