//! Service accounts (*comptes de service*): credentials of the systems of an
//! organisation, which get short-lived tokens for them.
//!
//! ```text
//!            revoke
//!  active ───────────▶ revoked ──▶ (deleted)
//!     │  expires_at
//!     └──────────────▶ expired ──▶ (deleted)
//!            ◀──────── a later expires_at
//! ```
//! A person who may commit the organisation makes one, with no more duties than
//! its own; no service account makes another. What is kept of a secret is a slow
//! hash: it is shown once. Tokens of an account are checked against it at every
//! use, so that revoking it, or narrowing it, counts at once.

pub mod model;
pub mod oauth;
pub mod routes;
pub mod rules;
pub mod secret;
pub mod view;

pub use model::ServiceAccount;
