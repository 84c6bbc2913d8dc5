//! How the operator makes the next criteria set.

use actix_web::HttpResponse;
use actix_web::web::Path;
use chrono::TimeDelta;
use diesel::prelude::*;
use serde_json::json;

use super::content::{Criterion, SetContent};
use super::model::CriteriaSet;
use super::rules::{self, SetStatus};
use super::view::{CreateCriteriaSet, CriteriaSetView, CriterionView, Publication};
use crate::auth::guard::Administrator;
use crate::db::schema::criteria_sets;
use crate::db::{Id, Tx};
use crate::error::{Error, Fault, Result};
use crate::http::route::Endpoint;
use crate::http::{Body, IfMatch, Patch, Reply};
use crate::{endpoints, text};

pub fn endpoints() -> Vec<Endpoint> {
    endpoints![
        create_criteria_set,
        update_criteria_set,
        delete_criteria_set,
        publish_criteria_set,
        retire_criteria_set,
        create_criterion,
        update_criterion,
        delete_criterion,
    ]
}

/// Loads a set that this caller may edit, at the version the change starts from.
fn load(tx: &mut Tx<'_>, id: &str, if_match: &IfMatch) -> Result<CriteriaSet> {
    let set = CriteriaSet::find(tx.db, Id::parse(id).ok_or_else(Error::not_found)?)?;
    if_match.check(set.version)?;
    Ok(set)
}

/// As [`load`], and still a draft.
fn load_draft(tx: &mut Tx<'_>, id: &str, if_match: &IfMatch) -> Result<CriteriaSet> {
    let set = load(tx, id, if_match)?;
    if set.published_at.is_some() {
        return Err(Error::conflict(text!(
            "Un référentiel publié ne change plus ; en commencer un autre.",
            "A published criteria set never changes; start another."
        )));
    }
    Ok(set)
}

/// Draft the next set
///
/// As a copy of the one in force, or of the one named.
#[utoipa::path(post, path = "/api/v1/criteria-sets", tag = "criteria", security(("bearer" = ["operator:administrator"])),
    request_body = CreateCriteriaSet,
    responses((status = 201, description = "Drafted.", body = CriteriaSetView)))]
async fn create_criteria_set(
    caller: Administrator,
    reply: Reply,
    body: Body<CreateCriteriaSet>,
) -> Result<HttpResponse> {
    reply
        .create(
            caller.0,
            move |tx, _| {
                let CreateCriteriaSet { label, based_on } = body.accept()?;
                let origin = match based_on {
                    Some(id) => CriteriaSet::published(tx.db, id)?.ok_or_else(unknown_origin)?,
                    None => CriteriaSet::in_force(tx.db, tx.now.day())?.ok_or_else(unknown_origin)?,
                };
                let criteria = origin.criteria(tx.db)?;
                let set = CriteriaSet::draft(SetContent { label, ..origin.content.0 }, Some(origin.id), tx.now);
                set.insert(tx.db)?;
                set.insert_criteria(tx.db, criteria)?;
                tx.record(
                    "create_criteria_set",
                    crate::db::Resource::CriteriaSet,
                    set.id,
                    1,
                    json!({"based_on": origin.id}),
                )?;
                Ok(CriteriaSetView::new(set, tx.now.day()))
            },
            |view| format!("/api/v1/criteria-sets/{}", view.id),
        )
        .await
}

fn unknown_origin() -> Error {
    Error::rule("/based_on", "unknown_set", text!("Nommer un référentiel à copier.", "Name a criteria set to copy."))
}

/// Change a draft
///
/// A draft only; its criteria have addresses of their own.
#[utoipa::path(patch, path = "/api/v1/criteria-sets/{id}", tag = "criteria", security(("bearer" = ["operator:administrator"])),
    params(("id" = Id, Path, description = "Identifier of the set.")),
    request_body(content = ref("#/components/schemas/SetContentPatch"), content_type = "application/merge-patch+json"),
    responses((status = 200, description = "Changed.", body = CriteriaSetView)))]
async fn update_criteria_set(
    caller: Administrator,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    patch: Patch<SetContent>,
) -> Result<HttpResponse> {
    let app = reply.app.clone();
    reply
        .change(caller.0, move |tx, _| {
            let mut set = load_draft(tx, &id, &if_match)?;
            let criteria = set.criteria(tx.db)?;
            let content = patch.apply(&app.contract, &set.content.0, |content| {
                let mut faults = rules::set_faults(content);
                // What the criteria refer to must stay.
                faults.extend(criteria.iter().filter(|one| !rules::criterion_faults(content, one).is_empty()).map(
                    |one| {
                        let code = &one.code;
                        Fault::body(
                            "",
                            "criterion_left_alone",
                            text!(
                                "Le critère {code} renvoie à ce qui disparaît.",
                                "The criterion {code} refers to what would go."
                            ),
                        )
                    },
                ));
                faults
            })?;
            set.content.0 = content;
            set.store(tx, "update_criteria_set", json!({}))?;
            Ok(CriteriaSetView::new(set, tx.now.day()))
        })
        .await
}

/// Delete a draft
///
/// A draft only: a published set stays for ever.
#[utoipa::path(delete, path = "/api/v1/criteria-sets/{id}", tag = "criteria", security(("bearer" = ["operator:administrator"])),
    params(("id" = Id, Path, description = "Identifier of the set.")),
    responses((status = 204, description = "Deleted.")))]
async fn delete_criteria_set(
    caller: Administrator,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
) -> Result<HttpResponse> {
    reply
        .remove(caller.0, move |tx, _| {
            load_draft(tx, &id, &if_match)?.delete(tx)?;
            Ok(None)
        })
        .await
}

/// Publish a set
///
/// It never changes from here on, and comes into force on the day named; the
/// one in force retires then.
#[utoipa::path(post, path = "/api/v1/criteria-sets/{id}/publish", tag = "criteria", security(("bearer" = ["operator:administrator"])),
    params(("id" = Id, Path, description = "Identifier of the set.")),
    request_body = Publication,
    responses((status = 200, description = "Published.", body = CriteriaSetView)))]
async fn publish_criteria_set(
    caller: Administrator,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<Publication>,
) -> Result<HttpResponse> {
    let notice = i64::from(reply.app.settings.criteria_notice_days);
    reply
        .change(caller.0, move |tx, _| {
            let mut set = load_draft(tx, &id, &if_match)?;
            let today = tx.now.day();
            let current = CriteriaSet::in_force(tx.db, today)?;
            let scheduled = criteria_sets::table
                .filter(criteria_sets::in_force_on.gt(today))
                .select(CriteriaSet::as_select())
                .load(tx.db)?;
            if scheduled.iter().any(|other| other.status(today) == SetStatus::Scheduled) {
                return Err(Error::conflict(text!(
                    "Un autre référentiel attend déjà son entrée en vigueur.",
                    "Another criteria set is waiting to come into force already."
                )));
            }
            let earliest = if current.is_some() { today + TimeDelta::days(notice) } else { today };
            let Publication { in_force_on } = body.accept_with(|publication| {
                if publication.in_force_on >= earliest {
                    return Vec::new();
                }
                vec![Fault::body(
                    "/in_force_on",
                    "notice_too_short",
                    text!("Au plus tôt le {earliest}.", "At the earliest {earliest}."),
                )]
            })?;
            if set.criteria(tx.db)?.is_empty() {
                return Err(Error::rule(
                    "",
                    "no_criteria",
                    text!("Un référentiel a des critères.", "A criteria set has criteria."),
                ));
            }
            if let Some(mut current) = current {
                current.retired_on = Some(in_force_on);
                current.store(tx, "schedule_retirement", json!({"retired_on": in_force_on}))?;
            }
            set.published_at = Some(tx.now);
            set.in_force_on = Some(in_force_on);
            set.store(tx, "publish_criteria_set", json!({"in_force_on": in_force_on}))?;
            tx.seal(crate::db::seals::Sealed::CriteriaSet, &[(set.id, 0)])?;
            Ok(CriteriaSetView::new(set, today))
        })
        .await
}

/// Take back a set before its day
///
/// The one in force then stays.
#[utoipa::path(post, path = "/api/v1/criteria-sets/{id}/retire", tag = "criteria", security(("bearer" = ["operator:administrator"])),
    params(("id" = Id, Path, description = "Identifier of the set.")),
    responses((status = 200, description = "Retired.", body = CriteriaSetView)))]
async fn retire_criteria_set(
    caller: Administrator,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
) -> Result<HttpResponse> {
    reply
        .change(caller.0, move |tx, _| {
            let mut set = load(tx, &id, &if_match)?;
            let today = tx.now.day();
            if set.status(today) != SetStatus::Scheduled {
                return Err(Error::conflict(text!(
                    "Seul un référentiel qui attend son entrée en vigueur se retire ; celui en vigueur cède la place au suivant.",
                    "Only a set that waits for its day is taken back; the one in force gives way to the next."
                )));
            }
            if let Some(mut current) = CriteriaSet::in_force(tx.db, today)? {
                current.retired_on = None;
                current.store(tx, "cancel_retirement", json!({"retired_on": null}))?;
            }
            set.retired_on = Some(today);
            set.store(tx, "retire_criteria_set", json!({"retired_on": today}))?;
            Ok(CriteriaSetView::new(set, today))
        })
        .await
}

/// Add a criterion to a draft
///
/// If-Match carries the set's ETag; the answer the set's new one.
#[utoipa::path(post, path = "/api/v1/criteria-sets/{id}/criteria", tag = "criteria", security(("bearer" = ["operator:administrator"])),
    params(("id" = Id, Path, description = "Identifier of the set."), ("If-Match" = String, Header, description = "ETag of the set.")),
    request_body = Criterion,
    responses((status = 201, description = "Added.", body = CriterionView)))]
async fn create_criterion(
    caller: Administrator,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<Criterion>,
) -> Result<HttpResponse> {
    reply
        .create(
            caller.0,
            move |tx, _| {
                let mut set = load_draft(tx, &id, &if_match)?;
                let criteria = set.criteria(tx.db)?;
                let criterion = body.accept_with(|one| rules::criterion_faults(&set.content, one))?;
                if criteria.iter().any(|other| other.code == criterion.code) {
                    return Err(Error::duplicate(text!(
                        "Ce code est déjà pris dans ce référentiel.",
                        "This code is taken in this set."
                    )));
                }
                set.insert_criterion(tx.db, criterion.clone())?;
                set.store(tx, "create_criterion", json!({"criterion": criterion.code}))?;
                Ok((set.version, CriterionView::new(set.id, criterion)))
            },
            |view| format!("/api/v1/criteria-sets/{}/criteria/{}", view.criteria_set_id, view.criterion.code),
        )
        .await
}

/// Change a criterion of a draft
///
/// Its code stays. If-Match carries the set's ETag; the answer the set's new one.
#[utoipa::path(patch, path = "/api/v1/criteria-sets/{id}/criteria/{code}", tag = "criteria", security(("bearer" = ["operator:administrator"])),
    params(("id" = Id, Path, description = "Identifier of the set."),
        ("code" = String, Path, description = "Code of the criterion.", max_length = 10, example = "SEC-01")),
    request_body(content = ref("#/components/schemas/CriterionPatch"), content_type = "application/merge-patch+json"),
    responses((status = 200, description = "Changed.", body = CriterionView)))]
async fn update_criterion(
    caller: Administrator,
    reply: Reply,
    path: Path<(String, String)>,
    if_match: IfMatch,
    patch: Patch<Criterion>,
) -> Result<HttpResponse> {
    let (id, code) = path.into_inner();
    let app = reply.app.clone();
    reply
        .change(caller.0, move |tx, _| {
            let found = CriteriaSet::find(tx.db, Id::parse(&id).ok_or_else(Error::not_found)?)?;
            let before = found.criterion(tx.db, &code)?;
            let mut set = load_draft(tx, &id, &if_match)?;
            let after = patch.apply(&app.contract, &before, |after| {
                let mut faults = rules::criterion_faults(&set.content, after);
                if after.code != before.code {
                    faults.push(Fault::body(
                        "/code",
                        "fixed",
                        text!("Le code d’un critère ne change pas.", "A criterion's code does not change."),
                    ));
                }
                faults
            })?;
            set.change_criterion(tx.db, after.clone())?;
            set.store(tx, "update_criterion", json!({"criterion": after.code}))?;
            Ok((set.version, CriterionView::new(set.id, after)))
        })
        .await
}

/// Take a criterion out of a draft
///
/// If-Match carries the set's ETag; the answer the set's new one.
#[utoipa::path(delete, path = "/api/v1/criteria-sets/{id}/criteria/{code}", tag = "criteria", security(("bearer" = ["operator:administrator"])),
    params(("id" = Id, Path, description = "Identifier of the set."),
        ("code" = String, Path, description = "Code of the criterion.", max_length = 10, example = "SEC-01")),
    responses((status = 204, description = "Taken out.")))]
async fn delete_criterion(
    caller: Administrator,
    reply: Reply,
    path: Path<(String, String)>,
    if_match: IfMatch,
) -> Result<HttpResponse> {
    let (id, code) = path.into_inner();
    reply
        .remove(caller.0, move |tx, _| {
            let found = CriteriaSet::find(tx.db, Id::parse(&id).ok_or_else(Error::not_found)?)?;
            found.criterion(tx.db, &code)?;
            let mut set = load_draft(tx, &id, &if_match)?;
            set.delete_criterion(tx.db, &code)?;
            set.store(tx, "delete_criterion", json!({"criterion": code}))?;
            Ok(Some(set.version))
        })
        .await
}
