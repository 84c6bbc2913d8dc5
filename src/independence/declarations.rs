//! What audit bodies and their persons declare of their interests: dated, kept, never altered.

use chrono::NaiveDate;
use diesel::prelude::*;
use serde::Serialize;
use utoipa::ToSchema;

use super::rules::{Interest, InterestHolder, InterestKind};
use crate::db::schema::interest_declarations;
use crate::db::{Db, Id, Instant, Tx};
use crate::error::{Error, Fault, Result};
use crate::labels::model::Application;
use crate::text;

/// A declaration on a case.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = interest_declarations, treat_none_as_default_value = false)]
pub struct Declaration {
    pub id: Id,
    pub application_id: Id,
    /// The audit body.
    pub organisation_id: Id,
    pub vendor_id: Id,
    pub actor_id: Id,
    pub holder: InterestHolder,
    pub kind: InterestKind,
    pub description: String,
    pub since: NaiveDate,
    pub until: Option<NaiveDate>,
    pub declared_at: Instant,
}

impl Declaration {
    /// Keeps what is declared on a case by who acts, for the body.
    pub fn file(tx: &mut Tx<'_>, case: &Application, body: Id, interests: &[Interest]) -> Result<()> {
        let actor_id = tx.actor_id()?.ok_or_else(|| Error::Internal("a declaration by nobody".to_owned()))?;
        for interest in interests.iter().cloned() {
            let Interest { holder, kind, description, since, until } = interest;
            let row = Self {
                id: Id::new(),
                application_id: case.id,
                organisation_id: body,
                vendor_id: case.organisation_id,
                actor_id,
                holder,
                kind,
                description,
                since,
                until,
                declared_at: tx.now,
            };
            diesel::insert_into(interest_declarations::table).values(row).execute(tx.db)?;
        }
        Ok(())
    }

    /// Those on one case, oldest first.
    pub fn of_case(db: &mut Db, case: Id) -> Result<Vec<Self>> {
        Ok(interest_declarations::table
            .filter(interest_declarations::application_id.eq(case))
            .order(interest_declarations::id)
            .select(Self::as_select())
            .load(db)?)
    }

    /// Those of a body about any of these vendors, on whatever case, oldest first.
    pub fn about(db: &mut Db, body: Id, vendors: &[Id]) -> Result<Vec<Self>> {
        Ok(interest_declarations::table
            .filter(interest_declarations::organisation_id.eq(body))
            .filter(interest_declarations::vendor_id.eq_any(vendors.to_vec()))
            .order(interest_declarations::id)
            .select(Self::as_select())
            .load(db)?)
    }

    /// What was declared.
    pub fn interest(self) -> Interest {
        let Self { holder, kind, description, since, until, .. } = self;
        Interest { holder, kind, description, since, until }
    }
}

/// What is wrong with declarations beyond what their schema says.
pub fn faults(interests: &[Interest], today: NaiveDate) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (index, one) in interests.iter().enumerate() {
        if one.since > today {
            let detail =
                text!("Un intérêt à venir se déclare quand il naît.", "An interest is declared once it is there.");
            faults.push(Fault::body(format!("/interests/{index}/since"), "in_future", detail));
        }
        if one.until.is_some_and(|until| until < one.since) {
            let detail = text!("La fin précède le début.", "It ends before it begins.");
            faults.push(Fault::body(format!("/interests/{index}/until"), "before_start", detail));
        }
    }
    faults
}

/// A declaration, as the audit body and the operator read it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DeclarationView {
    /// Whose the interest is.
    pub holder: InterestHolder,
    /// What it is.
    pub kind: InterestKind,
    /// In words.
    #[schema(max_length = 2000)]
    pub description: String,
    /// First day.
    pub since: NaiveDate,
    /// Last day; null while it lasts.
    pub until: Option<NaiveDate>,
    /// When it was declared.
    pub declared_at: Instant,
}

impl From<Declaration> for DeclarationView {
    fn from(declaration: Declaration) -> Self {
        let Declaration {
            id: _,
            application_id: _,
            organisation_id: _,
            vendor_id: _,
            actor_id: _,
            holder,
            kind,
            description,
            since,
            until,
            declared_at,
        } = declaration;
        Self { holder, kind, description, since, until, declared_at }
    }
}
