//! Links between organisations (*liens entre organisations*): parent, subsidiary,
//! common control. Declared by a party or recorded by the operator, which alone
//! ends them; a link that never held is ended on its first day.

use std::collections::BTreeSet;

use actix_web::HttpResponse;
use actix_web::web::Path;
use chrono::NaiveDate;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{Organisation, Viewer};
use crate::auth::guard::{Accreditor, LinkDeclarer, LinkParty};
use crate::db::schema::organisation_links;
use crate::db::{Db, Id, Instant, MultiBackend, Resource};
use crate::error::{Error, Fault, Result};
use crate::http::route::Endpoint;
use crate::http::{After, Body, IfMatch, Key, Page, Query, Reply, Slice};
use crate::independence::freeze;
use crate::{endpoints, keyset, query_parameters, text, versioned};

pub fn endpoints() -> Vec<Endpoint> {
    endpoints![list_organisation_links, create_organisation_link, find_organisation_link, end_organisation_link]
}

crate::codes! {
    /// What the other organisation is to the one.
    pub enum LinkKind {
        /// The other controls the one.
        Parent = "parent",
        /// The one controls the other.
        Subsidiary = "subsidiary",
        /// Both are controlled alike.
        CommonControl = "common_control",
    }
}

/// A link between two organisations.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = organisation_links, treat_none_as_default_value = false, treat_none_as_null = true)]
pub struct OrganisationLink {
    pub id: Id,
    pub version: i32,
    pub organisation_id: Id,
    pub other_id: Id,
    pub kind: LinkKind,
    pub since: NaiveDate,
    /// First day on which it holds no more.
    pub until: Option<NaiveDate>,
    /// The party that declared it; none when the operator recorded it.
    pub declarant_id: Option<Id>,
    pub end_reason: Option<String>,
    pub created_at: Instant,
    pub updated_at: Instant,
}

versioned!(OrganisationLink, organisation_links);

/// Adds to a group whom it is linked to; those that are new.
fn grow(group: &mut BTreeSet<Id>, links: &[(Id, Id)]) -> Vec<Id> {
    links.iter().flat_map(|(one, other)| [*one, *other]).filter(|id| group.insert(*id)).collect()
}

impl OrganisationLink {
    /// These organisations and all that are linked to them on a day, through however many others.
    pub fn group(db: &mut Db, of: &[Id], on: NaiveDate) -> Result<BTreeSet<Id>> {
        use organisation_links as l;
        let mut group: BTreeSet<Id> = of.iter().copied().collect();
        let mut edge: Vec<Id> = group.iter().copied().collect();
        while !edge.is_empty() {
            let mut next = Vec::new();
            for part in edge.chunks(500) {
                let holds = l::since.le(on).and(l::until.is_null().or(l::until.assume_not_null().gt(on)));
                let touches = l::organisation_id.eq_any(part.to_vec()).or(l::other_id.eq_any(part.to_vec()));
                let links: Vec<(Id, Id)> =
                    l::table.filter(touches.and(holds)).select((l::organisation_id, l::other_id)).load(db)?;
                next.extend(grow(&mut group, &links));
            }
            edge = next;
        }
        Ok(group)
    }

    fn visible(db: &mut Db, id: &str, viewer: &Viewer) -> Result<Self> {
        let id = Id::parse(id).ok_or_else(Error::not_found)?;
        let found: Option<Self> = organisation_links::table.find(id).select(Self::as_select()).first(db).optional()?;
        let own = viewer.acting().ok().map(|one| one.id);
        found
            .filter(|one| viewer.is_operator() || [Some(one.organisation_id), Some(one.other_id)].contains(&own))
            .ok_or_else(Error::not_found)
    }

    fn page(db: &mut Db, filter: &LinkFilter, viewer: &Viewer, slice: &Slice) -> Result<Page<Self>> {
        use organisation_links as l;
        let own = viewer.acting().ok().map(|one| one.id);
        let matching = || {
            let mut query = l::table.into_boxed::<MultiBackend>();
            query = match own {
                _ if viewer.is_operator() => query,
                Some(own) => query.filter(l::organisation_id.eq(own).or(l::other_id.eq(own))),
                None => query.filter(l::id.ne(l::id)),
            };
            match filter.organisation {
                Some(one) => query.filter(l::organisation_id.eq(one).or(l::other_id.eq(one))),
                None => query,
            }
        };
        let total = matching().count().get_result(db)?;
        let rows =
            keyset!(matching(), slice, l::id, l::id, false, |after| after.id).select(Self::as_select()).load(db)?;
        Ok(slice.page(rows, total, |row: &Self| After { key: Key::Number(0), id: row.id }))
    }
}

/// A link between two organisations.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct OrganisationLinkView {
    /// Identifier.
    pub id: Id,
    /// One organisation.
    pub organisation_id: Id,
    /// The other.
    pub other_id: Id,
    /// What the other is to the one.
    pub kind: LinkKind,
    /// Counts changes; also in the ETag.
    #[schema(minimum = 1)]
    pub version: i32,
    /// First day on which it holds.
    pub since: NaiveDate,
    /// First day on which it holds no more; that of `since` when it never held.
    pub until: Option<NaiveDate>,
    /// The party that declared it; null when the operator recorded it.
    pub declarant_id: Option<Id>,
    /// Why it was ended.
    #[schema(max_length = 5000)]
    pub end_reason: Option<String>,
    /// When it was declared or recorded.
    pub created_at: Instant,
    /// When it last changed.
    pub updated_at: Instant,
}

crate::represented!(OrganisationLinkView);

impl From<OrganisationLink> for OrganisationLinkView {
    fn from(link: OrganisationLink) -> Self {
        let OrganisationLink {
            id,
            version,
            organisation_id,
            other_id,
            kind,
            since,
            until,
            declarant_id,
            end_reason,
            created_at,
            updated_at,
        } = link;
        Self {
            id,
            organisation_id,
            other_id,
            kind,
            version,
            since,
            until,
            declarant_id,
            end_reason,
            created_at,
            updated_at,
        }
    }
}

/// A link to declare or record.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "organisation_id": "01890a5d-ac96-774b-bcce-b302099a8057", "other_id": "01890a5d-ac96-774b-bcce-b302099a8058",
    "kind": "subsidiary", "since": "2026-01-01",
}))]
pub struct CreateLink {
    /// One organisation; one's own, unless the operator records.
    pub organisation_id: Id,
    /// The other.
    pub other_id: Id,
    /// What the other is to the one.
    pub kind: LinkKind,
    /// First day on which it holds, not after today.
    pub since: NaiveDate,
}

/// A link to end.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"until": "2026-06-30", "reason": "Participation cédée."}))]
pub struct EndLink {
    /// First day on which it holds no more, not after today; that of `since` when it never held.
    pub until: NaiveDate,
    /// Why.
    #[schema(min_length = 3, max_length = 5000)]
    pub reason: String,
}

/// Which links to list.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkFilter {
    /// Rows of a page.
    #[schema(minimum = 1, maximum = 100, default = 20)]
    #[serde(default)]
    pub limit: Option<i64>,
    /// Where to go on: `next` of the previous page.
    #[schema(max_length = 4000)]
    #[serde(default)]
    pub cursor: Option<String>,
    /// Is one of this organisation's.
    #[serde(default)]
    pub organisation: Option<Id>,
}

query_parameters!(LinkFilter);

/// Links between organisations
///
/// One's own; accreditors see all.
#[utoipa::path(get, path = "/api/v1/organisation-links", tag = "organisations",
    security(("bearer" = ["vendor"]), ("bearer" = ["auditor"]), ("bearer" = ["operator:accreditor"])),
    params(LinkFilter),
    responses((status = 200, description = "A page of links.", body = Page<OrganisationLinkView>)))]
async fn list_organisation_links(caller: LinkParty, reply: Reply, query: Query<LinkFilter>) -> Result<HttpResponse> {
    let slice = reply.slice(&query, query.cursor.as_deref(), query.limit)?;
    let page = reply
        .app
        .store
        .read(move |db| {
            let viewer = Viewer::of(db, Some(&caller))?;
            viewer.refuse_idle()?;
            Ok(OrganisationLink::page(db, &query, &viewer, &slice)?.map(OrganisationLinkView::from))
        })
        .await?;
    reply.page(&page)
}

/// Declare a link
///
/// By a party for itself, or by the operator. An open case between the two groups is frozen.
#[utoipa::path(post, path = "/api/v1/organisation-links", tag = "organisations",
    security(("bearer" = ["vendor:signatory"]), ("bearer" = ["auditor:decision_maker"]), ("bearer" = ["operator:accreditor"])),
    request_body = CreateLink,
    responses((status = 201, description = "Declared.", body = OrganisationLinkView)))]
async fn create_organisation_link(caller: LinkDeclarer, reply: Reply, body: Body<CreateLink>) -> Result<HttpResponse> {
    let periods = reply.app.settings.periods;
    reply
        .create(
            caller.0,
            move |tx, viewer| {
                let own = if viewer.is_operator() { None } else { Some(viewer.acting()?.id) };
                let today = tx.now.day();
                let given = body.accept_with(|given| faults(given, own, today))?;
                for (id, pointer) in [(given.organisation_id, "/organisation_id"), (given.other_id, "/other_id")] {
                    refuse_unknown(tx.db, id, pointer)?;
                }
                let link = OrganisationLink {
                    id: Id::new(),
                    version: 1,
                    organisation_id: given.organisation_id,
                    other_id: given.other_id,
                    kind: given.kind,
                    since: given.since,
                    until: None,
                    declarant_id: own,
                    end_reason: None,
                    created_at: tx.now,
                    updated_at: tx.now,
                };
                link.insert(tx.db)?;
                let changed = json!({
                    "organisation": link.organisation_id, "other": link.other_id, "kind": link.kind, "since": link.since,
                });
                tx.record("create_organisation_link", Resource::OrganisationLink, link.id, 1, changed)?;
                let group = OrganisationLink::group(tx.db, &[link.organisation_id, link.other_id], today)?;
                freeze::of_bodies(tx, &group, periods)?;
                Ok(OrganisationLinkView::from(link))
            },
            |view| format!("/api/v1/organisation-links/{}", view.id),
        )
        .await
}

/// What is wrong with a link beyond what its schema says; `own` is the party that declares it.
fn faults(given: &CreateLink, own: Option<Id>, today: NaiveDate) -> Vec<Fault> {
    let mut faults = Vec::new();
    if own.is_some_and(|own| own != given.organisation_id && own != given.other_id) {
        let detail = text!("L’une des deux est l’organisation qui déclare.", "One of both is the one that declares.");
        faults.push(Fault::body("/organisation_id", "not_a_party", detail));
    }
    if given.organisation_id == given.other_id {
        let detail = text!("Un lien joint deux organisations.", "A link joins two organisations.");
        faults.push(Fault::body("/other_id", "same_organisation", detail));
    }
    if given.since > today {
        let detail = text!("Un lien se déclare une fois établi.", "A link is declared once it holds.");
        faults.push(Fault::body("/since", "in_future", detail));
    }
    faults
}

/// A registration that nobody confirmed is not to be known of.
fn refuse_unknown(db: &mut Db, id: Id, pointer: &str) -> Result<()> {
    if Organisation::find_all(db, &[id])?.iter().any(|one| one.status != super::rules::OrganisationStatus::Pending) {
        return Ok(());
    }
    let detail = text!("Cette organisation n’existe pas.", "There is no such organisation.");
    Err(Error::rule(pointer, "unknown_organisation", detail))
}

/// One link
///
/// To both parties and to accreditors.
#[utoipa::path(get, path = "/api/v1/organisation-links/{id}", tag = "organisations",
    security(("bearer" = ["vendor"]), ("bearer" = ["auditor"]), ("bearer" = ["operator:accreditor"])),
    params(("id" = Id, Path, description = "Identifier of the link.")),
    responses((status = 200, description = "The link.", body = OrganisationLinkView)))]
async fn find_organisation_link(caller: LinkParty, reply: Reply, id: Path<String>) -> Result<HttpResponse> {
    let found = reply
        .app
        .store
        .read(move |db| {
            let viewer = Viewer::of(db, Some(&caller))?;
            viewer.refuse_idle()?;
            OrganisationLink::visible(db, &id, &viewer)
        })
        .await?;
    reply.one(found.version, &OrganisationLinkView::from(found))
}

/// End a link
///
/// By the operator, once; a case that only this link froze goes on.
#[utoipa::path(post, path = "/api/v1/organisation-links/{id}/end", tag = "organisations", security(("bearer" = ["operator:accreditor"])),
    params(("id" = Id, Path, description = "Identifier of the link.")),
    request_body = EndLink,
    responses((status = 200, description = "Ended.", body = OrganisationLinkView)))]
async fn end_organisation_link(
    caller: Accreditor,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<EndLink>,
) -> Result<HttpResponse> {
    let periods = reply.app.settings.periods;
    reply
        .change(caller.0, move |tx, viewer| {
            let mut link = OrganisationLink::visible(tx.db, &id, &viewer)?;
            viewer.refuse_party(tx.db, &[Some(link.organisation_id), Some(link.other_id)])?;
            if_match.check(link.version)?;
            if link.until.is_some() {
                return Err(Error::conflict(text!("Ce lien a déjà pris fin.", "This link has ended already.")));
            }
            let (since, today) = (link.since, tx.now.day());
            let given = body.accept_with(|given| {
                let detail = text!("Entre le {since} et aujourd’hui.", "Between {since} and today.");
                let is_wrong = given.until < since || given.until > today;
                is_wrong.then(|| Fault::body("/until", "out_of_range", detail)).into_iter().collect()
            })?;
            let group = OrganisationLink::group(tx.db, &[link.organisation_id, link.other_id], today)?;
            (link.until, link.end_reason, link.updated_at) = (Some(given.until), Some(given.reason), tx.now);
            link.change(tx)?;
            let changed = json!({"until": [null, link.until]});
            tx.record("end_organisation_link", Resource::OrganisationLink, link.id, link.version, changed)?;
            freeze::of_bodies(tx, &group, periods)?;
            Ok(OrganisationLinkView::from(link))
        })
        .await
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn group(of: Id, links: &[(Id, Id)]) -> BTreeSet<Id> {
        let mut group = BTreeSet::from([of]);
        let mut edge = vec![of];
        while !edge.is_empty() {
            let near: Vec<(Id, Id)> =
                links.iter().filter(|(one, other)| edge.contains(one) || edge.contains(other)).copied().collect();
            edge = grow(&mut group, &near);
        }
        group
    }

    proptest! {
        #[test]
        fn to_be_of_one_group_is_mutual_and_takes_no_order(pairs in prop::collection::vec((0u128..6, 0u128..6), 0..8), from in 0u128..6, to in 0u128..6) {
            let id = |n: u128| Id(uuid::Uuid::from_u128(n));
            let links: Vec<(Id, Id)> = pairs.iter().map(|(one, other)| (id(*one), id(*other))).collect();
            let turned: Vec<(Id, Id)> = links.iter().rev().map(|(one, other)| (*other, *one)).collect();
            let (from, to) = (id(from), id(to));
            prop_assert_eq!(group(from, &links), group(from, &turned));
            prop_assert_eq!(group(from, &links).contains(&to), group(to, &links).contains(&from));
        }
    }
}
