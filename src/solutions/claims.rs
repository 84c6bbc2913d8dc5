//! Claims: a vendor asks for an imported sheet that is its own; a moderator
//! decides.

use actix_web::HttpResponse;
use actix_web::web::Path;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::model::Solution;
use super::routes::refuse_archived;
use crate::auth::guard::{Moderator, Signatory, SignatoryOrModerator};
use crate::auth::{Principal, Role};
use crate::db::schema::solution_claims;
use crate::db::{Db, Id, Instant, MultiBackend, Resource, Tx};
use crate::error::{Error, Result};
use crate::http::route::Endpoint;
use crate::http::{After, Body, IfMatch, Key, Page, Query, Reply, Slice};
use crate::organisations::view::Reason;
use crate::organisations::{Organisation, Viewer};
use crate::{endpoints, keyset, query_parameters, text, versioned};

pub fn endpoints() -> Vec<Endpoint> {
    endpoints![claim_solution, list_claims, find_claim, accept_claim, refuse_claim]
}

crate::codes! {
    /// Where a claim stands.
    pub enum ClaimStatus {
        Pending = "pending",
        Accepted = "accepted",
        Refused = "refused",
    }
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = solution_claims, treat_none_as_default_value = false, treat_none_as_null = true)]
pub struct Claim {
    pub id: Id,
    pub version: i32,
    pub solution_id: Id,
    pub organisation_id: Id,
    pub actor_id: Id,
    pub status: ClaimStatus,
    pub statement: String,
    pub decision_reason: Option<String>,
    pub created_at: Instant,
    pub decided_at: Option<Instant>,
}

versioned!(Claim, solution_claims);

impl Claim {
    fn find(db: &mut Db, id: &str) -> Result<Self> {
        let id = Id::parse(id).ok_or_else(Error::not_found)?;
        solution_claims::table.find(id).select(Self::as_select()).first(db).optional()?.ok_or_else(Error::not_found)
    }
}

/// A vendor's claim to a solution.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ClaimView {
    /// Identifier.
    pub id: Id,
    /// The solution claimed.
    pub solution_id: Id,
    /// Who claims it.
    pub organisation_id: Id,
    /// Where the claim stands.
    pub status: ClaimStatus,
    /// Counts changes; also in the ETag.
    #[schema(minimum = 1)]
    pub version: i32,
    /// Why it should be theirs.
    #[schema(max_length = 5000)]
    pub statement: String,
    /// Why it was refused.
    #[schema(max_length = 5000)]
    pub decision_reason: Option<String>,
    /// When it was filed.
    pub created_at: Instant,
    /// When it was decided.
    pub decided_at: Option<Instant>,
}

crate::represented!(ClaimView);

impl From<Claim> for ClaimView {
    fn from(claim: Claim) -> Self {
        let Claim {
            id,
            version,
            solution_id,
            organisation_id,
            actor_id: _,
            status,
            statement,
            decision_reason,
            created_at,
            decided_at,
        } = claim;
        Self { id, solution_id, organisation_id, status, version, statement, decision_reason, created_at, decided_at }
    }
}

/// A claim to file.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"statement": "Nous éditons cette solution ; nos mentions légales le montrent."}))]
pub struct CreateClaim {
    /// Why it should be theirs.
    #[schema(min_length = 3, max_length = 5000)]
    pub statement: String,
}

/// Which claims to list.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimFilter {
    /// Rows of a page.
    #[schema(minimum = 1, maximum = 100, default = 20)]
    #[serde(default)]
    pub limit: Option<i64>,
    /// Where to go on: `next` of the previous page.
    #[schema(max_length = 4000)]
    #[serde(default)]
    pub cursor: Option<String>,
    /// Stands at one of these.
    #[schema(max_items = 3)]
    #[serde(default)]
    pub status: Vec<ClaimStatus>,
}

query_parameters!(ClaimFilter);

/// Claim an imported solution
///
/// A solution already offered by a registered vendor who can act here cannot be claimed.
#[utoipa::path(post, path = "/api/v1/solutions/{id}/claim", tag = "solutions", security(("bearer" = ["vendor:signatory"])),
    params(("id" = String, Path, description = "Identifier or slug of the solution.", max_length = 100)),
    request_body = CreateClaim,
    responses((status = 201, description = "Filed; a moderator decides.", body = ClaimView)))]
async fn claim_solution(
    caller: Signatory,
    reply: Reply,
    id: Path<String>,
    body: Body<CreateClaim>,
) -> Result<HttpResponse> {
    reply
        .create(
            caller.0,
            move |tx, viewer| {
                let solution = Solution::visible(tx.db, &id, &viewer)?;
                refuse_archived(tx.db, &solution)?;
                let organisation = viewer.acting()?;
                refuse_unclaimable(tx.db, &solution, organisation.id)?;
                let pending = solution_claims::table
                    .filter(solution_claims::solution_id.eq(solution.id))
                    .filter(solution_claims::organisation_id.eq(organisation.id))
                    .filter(solution_claims::status.eq(ClaimStatus::Pending))
                    .count()
                    .get_result::<i64>(tx.db)?;
                if pending > 0 {
                    return Err(Error::duplicate(text!(
                        "Cette revendication attend déjà.",
                        "This claim is waiting already."
                    )));
                }
                let claim = Claim {
                    id: Id::new(),
                    version: 1,
                    solution_id: solution.id,
                    organisation_id: organisation.id,
                    actor_id: tx.actor_id()?.unwrap_or_default(),
                    status: ClaimStatus::Pending,
                    statement: body.accept()?.statement,
                    decision_reason: None,
                    created_at: tx.now,
                    decided_at: None,
                };
                claim.insert(tx.db)?;
                tx.record("claim_solution", Resource::Claim, claim.id, 1, json!({"solution": solution.id}))?;
                Ok(ClaimView::from(claim))
            },
            |view| format!("/api/v1/claims/{}", view.id),
        )
        .await
}

/// Only an imported sheet, whose vendor nobody has verified here, can be claimed.
fn refuse_unclaimable(db: &mut Db, solution: &Solution, claimant: Id) -> Result<()> {
    let vendor = solution.organisation_id.map(|id| Organisation::find(db, id)).transpose()?;
    let is_taken = vendor.is_some_and(|vendor| vendor.id == claimant || vendor.identifier_verified_at.is_some());
    if solution.provenance.is_some() && !is_taken {
        return Ok(());
    }
    Err(Error::conflict(text!(
        "Seule une fiche importée, dont le vendeur n’est pas vérifié ici, se revendique.",
        "Only an imported sheet, whose vendor is not verified here, can be claimed."
    )))
}

/// Claims
///
/// Moderators see all, a vendor its own.
#[utoipa::path(get, path = "/api/v1/claims", tag = "solutions",
    security(("bearer" = ["vendor:signatory"]), ("bearer" = ["operator:moderator"])),
    params(ClaimFilter),
    responses((status = 200, description = "A page of claims.", body = Page<ClaimView>)))]
async fn list_claims(caller: SignatoryOrModerator, reply: Reply, query: Query<ClaimFilter>) -> Result<HttpResponse> {
    let slice = reply.slice(&query, query.cursor.as_deref(), query.limit)?;
    let page = reply
        .app
        .store
        .read(move |db| {
            let viewer = Viewer::of(db, Some(&caller))?;
            viewer.refuse_idle()?;
            let own = viewer.acting_as(Role::Vendor);
            page(db, &query, own, &slice)
        })
        .await?;
    reply.page(&page)
}

fn page(db: &mut Db, filter: &ClaimFilter, own: Option<Id>, slice: &Slice) -> Result<Page<ClaimView>> {
    let matching = || {
        let mut query = solution_claims::table.into_boxed::<MultiBackend>();
        if let Some(own) = own {
            query = query.filter(solution_claims::organisation_id.eq(own));
        }
        if !filter.status.is_empty() {
            query = query.filter(solution_claims::status.eq_any(filter.status.clone()));
        }
        query
    };
    let total = matching().count().get_result(db)?;
    let rows: Vec<Claim> = keyset!(matching(), slice, solution_claims::id, solution_claims::id, false, |after| after
        .id)
    .select(Claim::as_select())
    .load(db)?;
    Ok(slice.page(rows, total, |row| After { key: Key::Number(0), id: row.id }).map(ClaimView::from))
}

/// One claim
///
/// To moderators and to the vendor that filed it.
#[utoipa::path(get, path = "/api/v1/claims/{id}", tag = "solutions",
    security(("bearer" = ["vendor:signatory"]), ("bearer" = ["operator:moderator"])),
    params(("id" = Id, Path, description = "Identifier of the claim.")),
    responses((status = 200, description = "The claim.", body = ClaimView)))]
async fn find_claim(caller: SignatoryOrModerator, reply: Reply, id: Path<String>) -> Result<HttpResponse> {
    let view = reply
        .app
        .store
        .read(move |db| {
            let viewer = Viewer::of(db, Some(&caller))?;
            viewer.refuse_idle()?;
            let claim = Claim::find(db, &id)?;
            if viewer.is_moderator() || viewer.owns(Some(claim.organisation_id)) {
                Ok(ClaimView::from(claim))
            } else {
                Err(Error::not_found())
            }
        })
        .await?;
    reply.one(view.version, &view)
}

/// Accept a claim
///
/// The solution becomes the claimant's.
#[utoipa::path(post, path = "/api/v1/claims/{id}/accept", tag = "solutions", security(("bearer" = ["operator:moderator"])),
    params(("id" = Id, Path, description = "Identifier of the claim.")),
    responses((status = 200, description = "Accepted.", body = ClaimView)))]
async fn accept_claim(caller: Moderator, reply: Reply, id: Path<String>, if_match: IfMatch) -> Result<HttpResponse> {
    decide(&caller, reply, id, if_match, |claim, tx| {
        let mut solution = Solution::find_by_id(tx.db, claim.solution_id)?;
        refuse_archived(tx.db, &solution)?;
        refuse_unclaimable(tx.db, &solution, claim.organisation_id)?;
        if !Organisation::find(tx.db, claim.organisation_id)?.is_active() {
            return Err(Error::conflict(text!("Le demandeur n’est plus actif.", "The claimant is no longer active.")));
        }
        let from = solution.organisation_id;
        solution.organisation_id = Some(claim.organisation_id);
        solution.confirmed_at = Some(tx.now);
        solution.updated_at = tx.now;
        solution.refresh_published_facets(tx.db)?;
        solution.store(tx, "transfer_solution", json!({"organisation": [from, claim.organisation_id]}))?;
        claim.status = ClaimStatus::Accepted;
        Ok(())
    })
    .await
}

/// Refuse a claim
///
/// With a reason for the vendor; the solution stays as it was.
#[utoipa::path(post, path = "/api/v1/claims/{id}/refuse", tag = "solutions", security(("bearer" = ["operator:moderator"])),
    params(("id" = Id, Path, description = "Identifier of the claim.")),
    request_body = Reason,
    responses((status = 200, description = "Refused.", body = ClaimView)))]
async fn refuse_claim(
    caller: Moderator,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<Reason>,
) -> Result<HttpResponse> {
    decide(&caller, reply, id, if_match, move |claim, _| {
        claim.decision_reason = Some(body.accept()?.reason);
        claim.status = ClaimStatus::Refused;
        Ok(())
    })
    .await
}

async fn decide(
    caller: &Principal,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    outcome: impl Fn(&mut Claim, &mut Tx<'_>) -> Result<()> + Send + 'static,
) -> Result<HttpResponse> {
    reply
        .change(caller.clone(), move |tx, viewer| {
            let mut claim = Claim::find(tx.db, &id)?;
            viewer.refuse_party(tx.db, &[Some(claim.organisation_id)])?;
            if_match.check(claim.version)?;
            if claim.status != ClaimStatus::Pending {
                return Err(Error::conflict(text!(
                    "Cette revendication est déjà décidée.",
                    "This claim is decided already."
                )));
            }
            outcome(&mut claim, tx)?;
            claim.decided_at = Some(tx.now);
            claim.change(tx)?;
            tx.record(
                "decide_claim",
                Resource::Claim,
                claim.id,
                claim.version,
                json!({"status": ["pending", claim.status]}),
            )?;
            Ok(ClaimView::from(claim))
        })
        .await
}
