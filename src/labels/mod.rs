//! The third-party label (*label*): a vendor applies, an accredited audit body
//! examines and decides. The operator admits and assigns; it decides nothing.
//!
//! ```text
//!         submit            admit               assign            open
//!  draft ───────▶ submitted ─────▶ admissible ◀───────▶ assigned ─────▶ in_audit ◀──────┐
//!                     │ refuse_admission       recuse,                     │ report     │ deliver
//!                     ▼                        challenge                   ▼            │
//!               inadmissible      (abandoned, any time before)    report_submitted ──▶ corrective_action
//!                                                                   │    ▲    require_correction, once
//!                                                          decision ▼    │ send_back (appeal)
//!                                                                  decided
//! ```
//! Who examines does not decide: the decision is made by another person of the
//! same body. At every stage body and person have to be accredited, qualified and
//! independent ([`crate::independence`]); a case for which they no longer are is
//! frozen, until it is recused, reassigned or abandoned. Decisions are only ever added; a correction names what it corrects.

pub mod applications;
pub mod assignment;
pub mod attested;
pub mod audit;
pub mod badge;
pub mod events;
pub mod exchange;
pub mod model;
pub mod procedure;
pub mod register;
pub mod routes;
pub mod rules;
pub mod view;
