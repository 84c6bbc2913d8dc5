//! A government catalogue of digital solutions: what exists, what vendors
//! claim, what users say and what an independent third party verified.
//!
//! The map of the house:
//! - one folder per noun ([`organisations`], [`families`], [`solutions`],
//!   [`criteria`], [`evaluations`], [`reviews`], [`labels`], [`appeals`], [`accreditations`], [`qualifications`],
//!   [`service_accounts`], [`persons`]), each with the same
//!   rooms: `routes` (handlers), `rules` (pure domain, no I/O, no clock),
//!   `model` (rows and queries), `view` (what goes over the wire);
//!   [`comparisons`] and [`exports`] show what the others hold;
//! - [`independence`]: who may act on a label case, and who may not;
//! - [`notifications`]: who has to know of what was done, and is reminded of what comes due;
//! - [`search`]: what the public reads, found and counted inside the process;
//! - [`proof`]: what others can check without believing the catalogue: signatures, a log, a file for a label;
//! - [`http`]: what every handler speaks; [`auth`]: who calls; [`db`]: both
//!   databases behind one door;
//! - [`app`]: the one route table; [`openapi`]: the document made from it;
//!   [`kept`]: public answers kept in memory; [`config`]: the settings; [`cli`]: the commands; [`import`]: sheets and
//!   organisations of other catalogues; [`seed`]: what a new catalogue starts
//!   with; [`deadlines`]: what the calendar does; [`doctor`]: whether a database is sound; [`clock`]: the only clock.
//! - `fuzzing`, in tests and fuzz builds only: what must hold of every parser, whatever it is given.
//!
//! Arrows run one way: `routes → model → db`, `routes → view → model`,
//! `model → rules`.

#![recursion_limit = "512"]

pub mod accreditations;
pub mod app;
pub mod appeals;
pub mod auth;
pub mod cli;
pub mod clock;
pub mod comparisons;
pub mod config;
pub mod criteria;
pub mod db;
pub mod deadlines;
pub mod doctor;
pub mod error;
pub mod evaluations;
pub mod exports;
pub mod families;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod http;
pub mod import;
pub mod independence;
pub mod kept;
pub mod labels;
pub mod log;
pub mod metrics;
pub mod notifications;
pub mod openapi;
pub mod organisations;
pub mod persons;
pub mod probes;
pub mod proof;
pub mod qualifications;
pub mod reviews;
pub mod search;
pub mod seed;
pub mod service_accounts;
pub mod solutions;
