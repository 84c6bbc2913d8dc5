//! Reviews (*avis*): what members of public bodies say about a solution they
//! use. Every text is read by a moderator before the public reads it.
//!
//! ```text
//!         submit           publish              report
//!  draft ────────▶ pending ────────▶ published ────────▶ reported ──▶ removed
//!    ▲              │  ▲                │  ▲               │  │  remove
//!    │ edit         │  └───── edit ─────┤  └──── keep ─────┘  │
//!    │              │ reject            │ withdraw            │ withdraw
//!    └── rejected ◀─┘                   └──▶ withdrawn ◀──────┘
//! ```
//! An edit of a published review takes it back to `pending`; the text the
//! public read is kept for moderators alone. What was public can be withdrawn
//! from wherever it stands, what never was is deleted.
//!
//! A usage declaration is not asked for yet: once there are some, to submit
//! will ask for one beside what [`rules::missing`] lists.

pub mod content;
pub mod model;
pub mod offered;
pub mod rating;
pub mod reader;
pub mod replies;
pub mod routes;
pub mod rules;
pub mod traces;
pub mod transitions;
pub mod view;
