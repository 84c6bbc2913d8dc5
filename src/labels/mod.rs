//! The third-party label (*label*): a vendor applies, an accredited audit body
//! examines and decides. The operator admits and assigns; it decides nothing.
//!
//! ```text
//!         submit            admit               assign            open
//!  draft ───────▶ submitted ─────▶ admissible ◀───────▶ assigned ─────▶ in_audit
//!                     │ refuse_admission       recuse                      │ report
//!                     ▼                                                    ▼
//!               inadmissible      (abandoned, any time before)    report_submitted ──▶ decided
//!                                                                             decision
//! ```
//! Who examines does not decide: the decision is made by another person of the
//! same body. Decisions are only ever added; a correction names what it corrects.

pub mod applications;
pub mod attested;
pub mod audit;
pub mod badge;
pub mod events;
pub mod model;
pub mod register;
pub mod routes;
pub mod rules;
pub mod view;
