//! Who read restricted evidence: shown to anybody but its own organisation, it
//! leaves a record, committed before the answer is sent. What cannot be recorded
//! is not shown. Other reads write nothing.
//!
//! An answer 304 counts: its reader asks to go on using what it holds. What a
//! change answers is not recorded here, the journal says who made it.

use actix_web::HttpResponse;
use actix_web::web::Path;
use diesel::prelude::*;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::Principal;
use crate::auth::guard::EvidenceParty;
use crate::db::schema::evidence_accesses;
use crate::db::{Db, Id, Instant, MultiBackend, Resource};
use crate::error::{Error, Result};
use crate::http::route::Endpoint;
use crate::http::{After, Key, Page, Query, Reply, Slice};
use crate::organisations::Viewer;
use crate::solutions::model::Solution;
use crate::solutions::sheet::{Evidence, Visibility};
use crate::solutions::versions::Paging;
use crate::{endpoints, keyset};

pub fn endpoints() -> Vec<Endpoint> {
    endpoints![list_evidence_accesses]
}

/// A read of restricted evidence.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = evidence_accesses, treat_none_as_default_value = false)]
pub struct EvidenceAccess {
    pub id: Id,
    pub solution_id: Id,
    /// Whose evidence it is.
    pub organisation_id: Option<Id>,
    pub resource: Resource,
    pub resource_id: Id,
    pub actor_id: Id,
    pub role: String,
    /// For whom it was read.
    pub reader_organisation_id: Option<Id>,
    pub accessed_at: Instant,
}

/// What carries the evidence that an answer shows.
#[derive(Debug, Clone, Copy)]
pub struct Source {
    pub solution: Id,
    /// Whose evidence it is.
    pub owner: Option<Id>,
    pub resource: Resource,
    pub id: Id,
}

impl Source {
    /// The source, when what it shows this caller is to be recorded.
    pub fn if_restricted<'a>(self, viewer: &Viewer, evidence: impl IntoIterator<Item = &'a Evidence>) -> Option<Self> {
        let is_own = self.owner.is_some() && viewer.organisation_id() == self.owner;
        let is_restricted = evidence.into_iter().any(|one| one.visibility == Visibility::Restricted);
        (is_restricted && !is_own).then_some(self)
    }
}

/// Records what an answer is about to show.
///
/// # Errors
/// 503 when it cannot be recorded: the evidence is withheld.
pub async fn record(reply: &Reply, caller: Option<Principal>, shown: Vec<Source>) -> Result<()> {
    let Some(caller) = caller.filter(|_| !shown.is_empty()) else { return Ok(()) };
    let recorded = reply.app.store.write(caller.actor(), move |tx| {
        let actor_id = tx.actor_id()?.ok_or_else(|| Error::Internal("evidence read by nobody".to_owned()))?;
        let reader_organisation_id = Viewer::of(tx.db, Some(&caller))?.organisation_id();
        let rows: Vec<EvidenceAccess> = shown
            .iter()
            .map(|source| EvidenceAccess {
                id: Id::new(),
                solution_id: source.solution,
                organisation_id: source.owner,
                resource: source.resource,
                resource_id: source.id,
                actor_id,
                role: caller.role.to_string(),
                reader_organisation_id,
                accessed_at: tx.now,
            })
            .collect();
        crate::insert_all!(tx.db, evidence_accesses::table, &rows);
        Ok(())
    });
    recorded.await.map_err(|error| Error::unavailable(&format!("an access to evidence cannot be recorded: {error}")))
}

/// A read of restricted evidence by another organisation than its own.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct EvidenceAccessView {
    /// Identifier.
    pub id: Id,
    /// The solution.
    pub solution_id: Id,
    /// Whose evidence it is.
    pub organisation_id: Option<Id>,
    /// Kind of what carried the evidence: `solution`, `evaluation` or `label_application`.
    #[schema(max_length = 40, example = "evaluation")]
    pub resource: String,
    /// Its identifier.
    pub resource_id: Id,
    /// Opaque identifier of the person or service that read it.
    pub actor_id: Id,
    /// The role it was read in.
    #[schema(max_length = 20, example = "auditor")]
    pub role: String,
    /// The organisation it was read for; null for an operator without one.
    pub reader_organisation_id: Option<Id>,
    /// When.
    pub accessed_at: Instant,
}

impl From<EvidenceAccess> for EvidenceAccessView {
    fn from(row: EvidenceAccess) -> Self {
        let EvidenceAccess {
            id,
            solution_id,
            organisation_id,
            resource,
            resource_id,
            actor_id,
            role,
            reader_organisation_id,
            accessed_at,
        } = row;
        Self {
            id,
            solution_id,
            organisation_id,
            resource: resource.to_string(),
            resource_id,
            actor_id,
            role,
            reader_organisation_id,
            accessed_at,
        }
    }
}

fn page(db: &mut Db, solution: Id, owner: Option<Id>, slice: &Slice) -> Result<Page<EvidenceAccess>> {
    use evidence_accesses as e;
    let matching = || {
        let mut query = e::table.filter(e::solution_id.eq(solution)).into_boxed::<MultiBackend>();
        if let Some(owner) = owner {
            query = query.filter(e::organisation_id.eq(owner));
        }
        query
    };
    let total = matching().count().get_result(db)?;
    let rows = keyset!(matching(), slice, e::id, e::id, true, |after| after.id)
        .select(EvidenceAccess::as_select())
        .load(db)?;
    Ok(slice.page(rows, total, |row: &EvidenceAccess| After { key: Key::Number(0), id: row.id }))
}

/// Who read restricted evidence
///
/// Newest first. The vendor reads who was shown its evidence, an audit body who
/// was shown that of its findings, a moderator both.
#[utoipa::path(get, path = "/api/v1/solutions/{id}/evidence-accesses", tag = "solutions",
    security(("bearer" = ["vendor"]), ("bearer" = ["auditor"]), ("bearer" = ["operator:moderator"])),
    params(("id" = String, Path, description = "Identifier or slug of the solution.", max_length = 100), Paging),
    responses((status = 200, description = "A page of accesses.", body = Page<EvidenceAccessView>)))]
async fn list_evidence_accesses(
    caller: EvidenceParty,
    reply: Reply,
    id: Path<String>,
    query: Query<Paging>,
) -> Result<HttpResponse> {
    let slice = reply.slice(&query, query.cursor.as_deref(), query.limit)?;
    let page = reply
        .app
        .store
        .read(move |db| {
            let viewer = Viewer::of(db, Some(&caller))?;
            viewer.refuse_idle()?;
            let solution = Solution::visible(db, &id, &viewer)?;
            let owner = match viewer.is_moderator() {
                true => None,
                false => Some(viewer.organisation_id().ok_or_else(crate::auth::needs_organisation)?),
            };
            Ok(page(db, solution.id, owner, &slice)?.map(EvidenceAccessView::from))
        })
        .await?;
    reply.page(&page)
}
