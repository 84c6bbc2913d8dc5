//! Comparisons (*comparaisons*): two to six published solutions side by side, by
//! member of the sheet and by criterion, what is declared beside what was
//! verified, and a score by the caller's own weights.
//!
//! There is nothing to store: a comparison is an address. Pinned to versions, to
//! results of evaluations, to labels and to a criteria set, all of which never
//! change, the address answers with the same content for ever.

pub mod model;
pub mod routes;
pub mod rules;
pub mod table;
pub mod view;
