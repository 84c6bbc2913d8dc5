//! What of a solution decides whether a body may review it: a few columns, where the whole row has
//! its texts.

use std::collections::BTreeSet;

use diesel::dsl::exists;
use diesel::prelude::*;

use crate::db::schema::{organisations, solution_facets, solutions};
use crate::db::{Db, Id};
use crate::error::{Error, Result};
use crate::organisations::{Organisation, Viewer};
use crate::solutions::model::{Solution, is_seen};
use crate::solutions::routes::refuse_archived;
use crate::solutions::rules::SolutionStatus;
use crate::{natively, text};

/// A solution, as a body that wants to review it finds it.
#[derive(Debug, Clone, Queryable)]
pub struct Offered {
    pub id: Id,
    status: SolutionStatus,
    published_version: Option<i32>,
    vendor: Option<Id>,
    vendor_siren: Option<String>,
    /// Whether the body offers others itself.
    has_own: bool,
}

macro_rules! offered {
    ($db:expr, $body:expr, $which:expr) => {{
        let own = diesel::alias!(solutions as own);
        let of_body = own
            .filter(own.field(solutions::organisation_id).eq($body))
            .filter(own.field(solutions::is_listed).eq(true))
            .filter(own.field(solutions::id).ne(solutions::id));
        let found = solutions::table
            .left_join(organisations::table.on(organisations::id.nullable().eq(solutions::organisation_id)))
            .select((
                solutions::id,
                solutions::status,
                solutions::published_version,
                solutions::organisation_id,
                organisations::siren.nullable(),
                exists(of_body),
            ))
            .filter($which);
        natively!($db, |c| found.first(c)).optional()?.ok_or_else(Error::not_found)
    }};
}

impl Offered {
    pub fn find(db: &mut Db, id: Id, body: &Organisation) -> Result<Self> {
        offered!(db, body.id, solutions::id.eq(id))
    }

    /// As a caller who acts for the body may know of it; anything else is absent.
    pub fn visible(db: &mut Db, key: &str, viewer: &Viewer, body: &Organisation) -> Result<Self> {
        let found: Self = match Id::parse(key) {
            Some(id) => Self::find(db, id, body)?,
            None => offered!(db, body.id, solutions::slug.eq(key))?,
        };
        if is_seen(viewer, found.vendor, found.published_version) { Ok(found) } else { Err(Error::not_found()) }
    }

    /// Refuses the vendor itself and its group.
    pub fn refuse_vendor(&self, body: &Organisation) -> Result<()> {
        if self.vendor.is_some_and(|vendor| body.is_entity(vendor, self.vendor_siren.as_deref())) {
            return Err(Error::forbidden(text!(
                "Le fournisseur d’une solution et son groupe n’en donnent pas d’avis.",
                "The vendor of a solution and its group do not review it."
            )));
        }
        Ok(())
    }

    /// Says of an archived one what remains of it.
    pub fn refuse_archived(&self, db: &mut Db) -> Result<()> {
        match self.status {
            SolutionStatus::Archived => {
                let solution = Solution::find_by_id(db, self.id)?;
                refuse_archived(db, &solution)
            }
            _ => Ok(()),
        }
    }

    /// Checks that the body may review it, and says whether it offers one of the same family.
    ///
    /// # Errors
    /// 403 for the vendor itself and its group; 409 while the solution is not public.
    pub fn refuse_unfit(&self, db: &mut Db, body: &Organisation) -> Result<bool> {
        self.refuse_vendor(body)?;
        if !self.status.is_public() {
            let status = self.status;
            return Err(Error::conflict(text!(
                "La solution est « {status} » ; un avis porte sur une solution publiée.",
                "The solution is `{status}`; a review is about a published solution."
            )));
        }
        // Nearly every public body offers none: what follows is not to be asked, nor its plan left to chance.
        Ok(self.has_own && self.is_of_same_family(db, body.id)?)
    }

    fn is_of_same_family(&self, db: &mut Db, body: Id) -> Result<bool> {
        let own: Vec<Id> = solutions::table
            .filter(
                solutions::organisation_id.eq(body).and(solutions::is_listed.eq(true)).and(solutions::id.ne(self.id)),
            )
            .select(solutions::id)
            .load(db)?;
        let families = |ids: Vec<Id>| {
            solution_facets::table
                .filter(solution_facets::solution_id.eq_any(ids).and(solution_facets::facet.eq("family")))
                .select(solution_facets::value)
        };
        let wanted: BTreeSet<String> = families(vec![self.id]).load(db)?.into_iter().collect();
        for own in own.chunks(500) {
            let offered: Vec<String> = families(own.to_vec()).load(db)?;
            if offered.iter().any(|family| wanted.contains(family)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
