//! Several tokens, one person: opaque ids that the operator has declared to be the same.
//!
//! Duties that are kept apart between persons are kept apart between all their ids.

use std::collections::BTreeSet;

use diesel::prelude::*;

use crate::db::schema::person_identities;
use crate::db::{Db, Id, Tx};
use crate::error::Result;

/// The id under which all ids of a person are kept together.
fn root(db: &mut Db, actor: Id) -> Result<Id> {
    let found: Option<Id> =
        person_identities::table.find(actor).select(person_identities::person_id).first(db).optional()?;
    Ok(found.unwrap_or(actor))
}

/// Every id of the person behind one of them.
pub fn of(db: &mut Db, actor: Id) -> Result<BTreeSet<Id>> {
    let person = root(db, actor)?;
    let linked: Vec<Id> = person_identities::table
        .filter(person_identities::person_id.eq(person))
        .select(person_identities::actor_id)
        .load(db)?;
    Ok(linked.into_iter().chain([person, actor]).collect())
}

/// Declares two ids to be one person, with all that each was before; whether that is new.
pub fn link(tx: &mut Tx<'_>, one: Id, other: Id) -> Result<bool> {
    let person = root(tx.db, one)?;
    if root(tx.db, other)? == person {
        return Ok(false);
    }
    for id in of(tx.db, other)? {
        diesel::delete(person_identities::table.find(id)).execute(tx.db)?;
        diesel::insert_into(person_identities::table)
            .values((
                person_identities::actor_id.eq(id),
                person_identities::person_id.eq(person),
                person_identities::linked_at.eq(tx.now),
            ))
            .execute(tx.db)?;
    }
    Ok(true)
}
