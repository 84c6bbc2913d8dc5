//! Solutions (*solutions*): what exists. What the public reads is the last
//! published version; what the vendor edits is a draft beside it.
//!
//! ```text
//!          submit             publish                 suspend
//!  draft ────────▶ submitted ────────▶ published ◀────────────▶ suspended
//!    ▲ ▲  withdraw  │ │ request_changes   │  ▲ confirm   lift      │
//!    │ └────────────┘ ├──▶ changes_requested  └─────── outdated     │
//!    │ reopen         │ reject            │ 12 months      │        │
//!    └──── rejected ◀─┘                   └──── archive ───┴────────┴──▶ archived
//! ```
//! While published, an edit opens a revision with the states draft, submitted
//! and changes_requested of its own; the public version stays.

pub mod claims;
pub mod listing;
pub mod model;
pub mod publication;
pub mod routes;
pub mod rules;
pub mod sheet;
pub mod thresholds;
pub mod transitions;
pub mod versions;
pub mod view;
