//! Persons (*personnes concernées*): what is held about them, how they read it,
//! how it is erased, and for how long what remains is kept.
//!
//! Who acted is known by an opaque id. Behind it, `actors` names issuer and
//! subject; to erase a person is to cut that one link, and history stands.
//! [`inventory`] lists every column of every table; the export, the answer to an
//! erasure and the table of docs/PERSONAL-DATA.md are made from it.

pub mod accesses;
pub mod erasure;
pub mod export;
pub mod identities;
pub mod inventory;
pub mod retention;
pub mod routes;
pub mod view;
