//! Appeals (*recours*): a vendor contests what harms it before a panel of three persons who took
//! no part in it. The panel keeps the decision or sends it back to the audit body, where somebody
//! else decides; it decides no label itself. Silence for two months keeps the decision.
//!
//! ```text
//!  filed ──▶ upheld      two opinions to keep it, or the time is over
//!    ├─────▶ sent_back   two opinions to send it back
//!    └─────▶ withdrawn   by the vendor
//! ```

pub mod model;
pub mod routes;
pub mod rules;
pub mod view;

pub use model::Appeal;
