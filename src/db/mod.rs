//! Both databases behind one door: [`Db`] is a connection to either, [`Store`]
//! the only way to one.
//!
//! Everything outside this room speaks Diesel against [`Db`] and does not know
//! which database answers. What has to know stands in [`dialect`], `statements` and
//! [`failure`].

pub mod dialect;
pub mod erased;
pub mod failure;
pub mod feed;
pub mod follower;
pub mod journal;
pub mod limits;
pub mod migrations;
mod pool;
pub mod schema;
pub mod seals;
mod statements;
pub mod store;
mod ticket;
pub mod types;
mod writer;

pub use dialect::Backend;
pub use follower::{Follower, Listener};
pub use journal::{Actor, Bookmark, Change, Keeper, News, Resource};
pub use limits::Limits;
pub use store::{Store, StoreStats, Tx};
pub use types::{Id, Instant, Json};

/// A connection to either database.
#[derive(diesel::MultiConnection)]
pub enum Db {
    Pg(diesel::PgConnection),
    Sqlite(diesel::SqliteConnection),
}
