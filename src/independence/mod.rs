//! Independence of labelling (*indépendance*): who may act on a case, and who may not.
//!
//! [`rules`] are functions from facts to conflicts of interest, without I/O;
//! [`facts`] gathers what is known and what was declared; [`check`] is asked at
//! every stage of a case and refuses; [`freeze`] asks again when a fact changes;
//! [`declarations`] keeps what bodies and persons declare.

pub mod check;
pub mod declarations;
pub mod facts;
pub mod freeze;
pub mod rules;
