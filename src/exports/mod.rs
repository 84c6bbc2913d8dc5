//! Exports (*exports*): everything that the public reads of solutions, labels
//! and organisations, in one answer, to take away.
//!
//! An export shows one snapshot and takes a constant amount of memory, whatever
//! its size: a thread reads chunk after chunk and hands the bytes over as fast as
//! the caller takes them. It has connections and a deadline of its own, so that
//! it holds up nobody else. The rows are those of the lists, by the same filters.
//!
//! Who comes back gets 304 until something changed, and with `since` only what
//! did, with what is gone from the selection.

pub mod columns;
pub mod labels;
pub mod model;
pub mod organisations;
pub mod routes;
pub mod rules;
pub mod solutions;
pub mod stream;
pub mod view;
