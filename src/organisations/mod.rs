//! Organisations: vendors, public bodies, audit bodies and the operator; one
//! per SIREN, and one can be several of these.
//!
//! ```text
//!            confirm            suspend
//!  pending ──────────▶ active ◀─────────▶ suspended
//!                              reinstate
//! ```
//! Whoever registers waits as `pending` until the operator confirms, or refuses by
//! deleting it; a suspended organisation's tokens are refused.

pub mod details;
pub mod links;
pub mod model;
pub mod routes;
pub mod rules;
pub mod view;

pub use details::{Control, LegalNature, OrganisationDetails, OrganisationKind, OrganisationSize, Territory};
pub use model::{Organisation, Viewer};
