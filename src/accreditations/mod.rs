//! Accreditations (*accréditations*): which audit bodies may examine what, until
//! when, and with which keys they sign. The operator accredits; it decides no label.
//!
//! ```text
//!            accredit                suspend
//!  candidate ────────▶ accredited ◀─────────▶ suspended
//!      │                 │  ▲  │   reinstate
//!      │        restrict └──┘  │ valid_until
//!      │                       ▼
//!      │                    expired ──▶ accredited (accredit)
//!      └─────── withdraw, from any ───▶ withdrawn
//! ```
//! To restrict narrows the scope, and is no state of its own. Who was withdrawn
//! begins again as a candidate. Every step stays in the register with its reason.

pub mod keys;
pub mod model;
pub mod routes;
pub mod rules;
pub mod view;

pub use model::Accreditation;
pub use rules::Scope;
