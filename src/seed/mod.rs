//! What a new catalogue starts with: the criteria set this program carries and,
//! on request, a demonstration.

pub mod demonstration;

use diesel::prelude::*;

use crate::auth::{Duty, Role};
use crate::db::schema::{organisations, solutions};
use crate::db::{Actor, Id, Store};
use crate::error::Result;
use crate::organisations::rules::OrganisationStatus;

/// Loads the criteria set into a catalogue that has none.
pub fn criteria(store: &Store) -> Result<()> {
    store.write_here(&Actor::System, crate::criteria::model::seed)
}

/// A role to try the catalogue in: its duties, and an organisation to act for.
pub type Part = (Role, &'static [Duty], Option<Id>);

/// One part for each role.
pub fn parts(store: &Store) -> Result<Vec<Part>> {
    store.read_here(|db| {
        let active = || organisations::table.filter(organisations::status.eq(OrganisationStatus::Active)).into_boxed();
        let vendor = active()
            .filter(organisations::is_vendor.eq(true))
            // Not the vendors of all solutions, of which there may be a million: whether this one has any.
            .filter(diesel::dsl::exists(
                solutions::table.filter(solutions::organisation_id.eq(organisations::id.nullable())),
            ))
            .order(organisations::id)
            .select(organisations::id)
            .first::<Id>(db)
            .optional()?;
        let buyer = active()
            .filter(organisations::is_public_body.eq(true).and(organisations::is_vendor.eq(false)))
            .order(organisations::id)
            .select(organisations::id)
            .first::<Id>(db)
            .optional()?;
        let auditor = active()
            .filter(organisations::is_audit_body.eq(true))
            .order(organisations::id)
            .select(organisations::id)
            .first::<Id>(db)
            .optional()?;
        let organisation = |role| match role {
            Role::Vendor => vendor,
            Role::Buyer => buyer,
            Role::Auditor => auditor,
            Role::Operator => None,
        };
        Ok(Role::ALL.iter().map(|role| (*role, role.duties(), organisation(*role))).collect())
    })
}
