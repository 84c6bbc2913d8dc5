//! What every handler speaks: bodies and queries checked against the document,
//! pages, preconditions, languages, and the boundary around it all.

pub mod accept;
pub mod body;
pub mod boundary;
pub mod client;
pub mod conditional;
pub mod contract;
pub mod csv;
pub mod headers;
pub mod idempotency;
pub mod json;
pub mod load;
pub mod outgoing;
pub mod page;
pub mod problem;
pub mod query;
pub mod rates;
pub mod reply;
pub mod route;
pub mod text;

pub use body::{Body, Patch};
pub use conditional::IfMatch;
pub use page::{After, Key, Page, PageQuery, Slice};
pub use query::Query;
pub use reply::Reply;
