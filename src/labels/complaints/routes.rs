use actix_web::HttpResponse;
use actix_web::web::Path;
use serde_json::json;

use super::model::{Complaint, ComplaintStatus, views};
use super::view::{AnswerComplaint, ComplaintFilter, ComplaintView, CreateComplaint};
use crate::auth::guard::{Complainant, Concerned, DecisionMaker};
use crate::db::{Db, Id, Json};
use crate::error::{Error, Result};
use crate::http::route::Endpoint;
use crate::http::{Body, IfMatch, Page, Query, Reply};
use crate::labels::actors::Who;
use crate::labels::acts::{ActDetails, Said};
use crate::labels::audit::person;
use crate::labels::model::Label;
use crate::labels::rules::LabelStatus;
use crate::labels::standing::LabelCommand;
use crate::organisations::Viewer;
use crate::organisations::rules::url_fault;
use crate::solutions::model::Solution;
use crate::{endpoints, text};

pub fn endpoints() -> Vec<Endpoint> {
    endpoints![create_complaint, list_complaints, find_complaint, answer_complaint]
}

fn shown(db: &mut Db, complaint: Complaint, viewer: &Viewer) -> Result<ComplaintView> {
    views(db, vec![complaint], viewer)?.pop().ok_or_else(Error::not_found)
}

/// Complain of a label
///
/// By anybody but its vendor and its audit body, which answers. One open complaint of an
/// organisation at a time.
#[utoipa::path(post, path = "/api/v1/labels/{number}/complaints", tag = "labels",
    security(("bearer" = ["vendor"]), ("bearer" = ["buyer"]), ("bearer" = ["auditor"])),
    params(("number" = String, Path, description = "Number of the label.", max_length = 13, example = "GT-2026-00001")),
    request_body = CreateComplaint,
    responses((status = 201, description = "Filed; the audit body answers.", body = ComplaintView)))]
async fn create_complaint(
    caller: Complainant,
    reply: Reply,
    number: Path<String>,
    body: Body<CreateComplaint>,
) -> Result<HttpResponse> {
    reply
        .create(
            caller.0,
            move |tx, viewer| {
                let label = Label::find(tx.db, &number)?;
                let organisation = viewer.acting()?;
                let vendor = Solution::find_by_id(tx.db, label.solution_id)?.organisation_id;
                viewer.refuse_party(tx.db, &[vendor, Some(label.audit_body_id)])?;
                let status = label.shown(tx.now.day());
                if !status.is_valid() && status != LabelStatus::Suspended {
                    return Err(Error::conflict(text!(
                        "Le label est « {status} » : il n’y a plus rien à contrôler.",
                        "The label is `{status}`: there is nothing left to check."
                    )));
                }
                if let Some(open) = Complaint::open_of(tx.db, &number, organisation.id)? {
                    return Err(Error::duplicate(text!(
                        "Une réclamation attend sa réponse : /api/v1/complaints/{open}.",
                        "A complaint waits for its answer: /api/v1/complaints/{open}."
                    )));
                }
                let given = body.accept_with(|given| {
                    let urls = given.evidence.iter().enumerate();
                    urls.filter_map(|(n, one)| url_fault(&format!("/evidence/{n}/url"), Some(&one.url))).collect()
                })?;
                let complaint = Complaint {
                    id: Id::new(),
                    version: 1,
                    label_number: label.number.clone(),
                    organisation_id: organisation.id,
                    actor_id: person(tx)?,
                    status: ComplaintStatus::Open,
                    text: given.text,
                    evidence: Json(given.evidence),
                    answer: None,
                    created_at: tx.now,
                    updated_at: tx.now,
                    answered_at: None,
                };
                complaint.file(tx, &label)?;
                shown(tx.db, complaint, &viewer)
            },
            |view| format!("/api/v1/complaints/{}", view.id),
        )
        .await
}

/// Complaints, the latest first
///
/// One's own; those about labels that one's audit body watches over; those about labels of one's
/// solutions, without who complains. Label officers see all.
#[utoipa::path(get, path = "/api/v1/complaints", tag = "labels",
    security(("bearer" = ["vendor"]), ("bearer" = ["buyer"]), ("bearer" = ["auditor"]), ("bearer" = ["operator:label_officer"])),
    params(ComplaintFilter),
    responses((status = 200, description = "A page of complaints.", body = Page<ComplaintView>)))]
async fn list_complaints(caller: Concerned, reply: Reply, query: Query<ComplaintFilter>) -> Result<HttpResponse> {
    let slice = reply.slice(&query, query.cursor.as_deref(), query.limit)?;
    let page = reply
        .app
        .store
        .read(move |db| {
            let viewer = Viewer::of(db, Some(&caller))?;
            viewer.refuse_idle()?;
            let Page { items, next, total } = Complaint::page(db, &query, &viewer, &slice)?;
            Ok(Page { items: views(db, items, &viewer)?, next, total })
        })
        .await?;
    reply.page(&page)
}

/// One complaint
///
/// To who complains, the label's audit body, label officers, and, without who complains, the vendor.
#[utoipa::path(get, path = "/api/v1/complaints/{id}", tag = "labels",
    security(("bearer" = ["vendor"]), ("bearer" = ["buyer"]), ("bearer" = ["auditor"]), ("bearer" = ["operator:label_officer"])),
    params(("id" = Id, Path, description = "Identifier of the complaint.")),
    responses((status = 200, description = "The complaint.", body = ComplaintView)))]
async fn find_complaint(caller: Concerned, reply: Reply, id: Path<String>) -> Result<HttpResponse> {
    let view = reply
        .app
        .store
        .read(move |db| {
            let viewer = Viewer::of(db, Some(&caller))?;
            viewer.refuse_idle()?;
            let (complaint, _) = Complaint::for_party(db, &id, &viewer)?;
            shown(db, complaint, &viewer)
        })
        .await?;
    reply.one(view.version, &view)
}

/// Answer a complaint
///
/// By the label's audit body. One that it finds founded puts a valid label under surveillance.
#[utoipa::path(post, path = "/api/v1/complaints/{id}/answer", tag = "labels", security(("bearer" = ["auditor:decision_maker"])),
    params(("id" = Id, Path, description = "Identifier of the complaint.")),
    request_body = AnswerComplaint,
    responses((status = 200, description = "Answered.", body = ComplaintView)))]
async fn answer_complaint(
    caller: DecisionMaker,
    reply: Reply,
    id: Path<String>,
    if_match: IfMatch,
    body: Body<AnswerComplaint>,
) -> Result<HttpResponse> {
    let periods = reply.app.settings.periods;
    reply
        .change(caller.0, move |tx, viewer| {
            let (mut complaint, mut label) = Complaint::for_party(tx.db, &id, &viewer)?;
            if_match.check(complaint.version)?;
            Who::Decider.check(tx, &mut label, &viewer, periods)?;
            if complaint.status != ComplaintStatus::Open {
                return Err(Error::conflict(text!("La réclamation a sa réponse.", "The complaint has been answered.")));
            }
            let given = body.accept()?;
            let from = complaint.status;
            complaint.status = if given.is_founded { ComplaintStatus::Founded } else { ComplaintStatus::Unfounded };
            complaint.answer = Some(given.answer);
            complaint.answered_at = Some(tx.now);
            let changed = json!({"label": complaint.label_number, "status": [from, complaint.status]});
            complaint.store(tx, &label, changed)?;
            let opens = matches!(label.shown(tx.now.day()), LabelStatus::Active | LabelStatus::ActiveWithReservations);
            if given.is_founded && opens {
                // What was complained of stays between the parties: the register says only why it looks again.
                let details = ActDetails { is_after_complaint: Some(true), ..ActDetails::default() };
                label.take(tx, LabelCommand::OpenSurveillance, Said { reason: None, details })?;
            }
            shown(tx.db, complaint, &viewer)
        })
        .await
}
