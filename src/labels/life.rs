//! Acts on a label: what its audit body, its vendor and the operator do to it after it was granted.

use actix_web::HttpResponse;
use actix_web::web::Path;
use chrono::{Months, NaiveDate};
use diesel::prelude::*;

use super::actors::Who;
use super::acts::{ActDetails, LabelAct, Said};
use super::changes::ChangeVerdict;
use super::model::{self, Application, Label};
use super::requests::{AssessChange, EndSurveillance, LiftReservation, SuspendLabel, TransferLabel, WithdrawLabel};
use super::rules::LabelStatus;
use super::standing::{Cause, LabelCommand, PRECAUTION_MAX, PRECAUTION_PAUSE};
use super::view::LabelView;
use crate::accreditations::Accreditation;
use crate::accreditations::rules::AccreditationStatus;
use crate::appeals::Appeal;
use crate::auth::guard::{DecisionMaker, LabelOfficer, LabelSuspender, Signatory, Surveyor};
use crate::auth::{Duty, Principal, Role};
use crate::db::schema::{label_applications, labels};
use crate::db::{Db, Instant, Tx};
use crate::error::{Error, Fault, Result};
use crate::http::route::Endpoint;
use crate::http::{Body, IfMatch, Reply};
use crate::independence::check::{Act, Stage, check};
use crate::organisations::view::Reason;
use crate::organisations::{Organisation, Viewer};
use crate::proof::entry::EventKind;
use crate::{endpoints, text};

crate::represented!(LabelView);

pub fn endpoints() -> Vec<Endpoint> {
    endpoints![
        lift_label_reservation,
        open_label_surveillance,
        end_label_surveillance,
        suspend_label,
        reinstate_label,
        withdraw_label,
        renounce_label,
        assess_label_change,
        transfer_label,
    ]
}

/// The label as the register shows it.
fn shown(db: &mut Db, label: Label, now: Instant) -> Result<LabelView> {
    model::views(db, vec![label], now.day())?.pop().ok_or_else(Error::not_found)
}

/// Loads the label, checks the precondition, refuses who may not act on it, checks the state, acts, shows.
async fn act(
    caller: Principal,
    reply: Reply,
    number: Path<String>,
    if_match: IfMatch,
    (who, command): (Who, LabelCommand),
    step: impl Fn(&mut Label, &mut Tx<'_>, &Viewer) -> Result<()> + Send + 'static,
) -> Result<HttpResponse> {
    let periods = reply.app.settings.periods;
    reply
        .change(caller, move |tx, viewer| {
            let mut label = Label::find(tx.db, &number)?;
            if_match.check(label.version)?;
            who.check(tx, &mut label, &viewer, periods)?;
            label.after(command, tx.now)?;
            step(&mut label, tx, &viewer)?;
            shown(tx.db, label, tx.now)
        })
        .await
}

/// What is wrong with what is said of a hearing: what harms is decided after the vendor could answer.
fn hearing_faults(label: &Label, is_urgent: bool, heard_on: Option<NaiveDate>, today: NaiveDate) -> Vec<Fault> {
    match heard_on {
        None if is_urgent => Vec::new(),
        None => vec![Fault::body(
            "/heard_on",
            "not_heard",
            text!(
                "Sauf urgence, le fournisseur est d’abord entendu.",
                "Unless it is urgent, the vendor is heard first."
            ),
        )],
        Some(day) if day > today || day < label.valid_from => {
            let first = label.valid_from;
            let detail = text!("Entre le {first} et aujourd’hui.", "Between {first} and today.");
            vec![Fault::body("/heard_on", "out_of_range", detail)]
        }
        Some(_) => Vec::new(),
    }
}

/// Lift a reservation
///
/// What was to be mended is. With the last one the label is `active`.
#[utoipa::path(post, path = "/api/v1/labels/{number}/lift-reservation", tag = "labels", security(("bearer" = ["auditor:decision_maker"])),
    params(("number" = String, Path, description = "Number of the label.", max_length = 13, example = "GT-2026-00001")),
    request_body = LiftReservation,
    responses((status = 200, description = "Lifted.", body = LabelView)))]
async fn lift_label_reservation(
    caller: DecisionMaker,
    reply: Reply,
    number: Path<String>,
    if_match: IfMatch,
    body: Body<LiftReservation>,
) -> Result<HttpResponse> {
    act(caller.0, reply, number, if_match, (Who::Decider, LabelCommand::LiftReservation), move |label, tx, _| {
        let given = body.accept_with(|given| {
            let is_open = label.open_reservations().any(|one| one.criterion == given.criterion);
            let detail = text!("Ce critère n’a pas de réserve ouverte.", "This criterion has no open reservation.");
            if is_open { Vec::new() } else { vec![Fault::body("/criterion", "no_reservation", detail)] }
        })?;
        label.standing.0.lifted.insert(given.criterion.clone(), tx.now.day());
        let details = ActDetails { criterion: Some(given.criterion), ..ActDetails::default() };
        label.take(tx, LabelCommand::LiftReservation, Said::because(given.reason, details))
    })
    .await
}

/// Put under surveillance
///
/// For the yearly check, or after a serious report: the label stays valid while the body looks again.
#[utoipa::path(post, path = "/api/v1/labels/{number}/surveillance", tag = "labels",
    security(("bearer" = ["auditor:evaluator"]), ("bearer" = ["auditor:decision_maker"])),
    params(("number" = String, Path, description = "Number of the label.", max_length = 13, example = "GT-2026-00001")),
    request_body = Reason,
    responses((status = 200, description = "Under surveillance.", body = LabelView)))]
async fn open_label_surveillance(
    caller: Surveyor,
    reply: Reply,
    number: Path<String>,
    if_match: IfMatch,
    body: Body<Reason>,
) -> Result<HttpResponse> {
    let decides = caller.has(Duty::DecisionMaker);
    act(caller.0, reply, number, if_match, (Who::Surveyor, LabelCommand::OpenSurveillance), move |label, tx, _| {
        let details = ActDetails { is_by_evaluator: (!decides).then_some(true), ..ActDetails::default() };
        label.take(tx, LabelCommand::OpenSurveillance, Said::because(body.accept()?.reason, details))
    })
    .await
}

/// End the surveillance
///
/// The label returns to where it stood: with reservations as long as some are open.
#[utoipa::path(post, path = "/api/v1/labels/{number}/end-surveillance", tag = "labels", security(("bearer" = ["auditor:decision_maker"])),
    params(("number" = String, Path, description = "Number of the label.", max_length = 13, example = "GT-2026-00001")),
    request_body = EndSurveillance,
    responses((status = 200, description = "As before.", body = LabelView)))]
async fn end_label_surveillance(
    caller: DecisionMaker,
    reply: Reply,
    number: Path<String>,
    if_match: IfMatch,
    body: Body<EndSurveillance>,
) -> Result<HttpResponse> {
    act(caller.0, reply, number, if_match, (Who::Decider, LabelCommand::EndSurveillance), move |label, tx, _| {
        let said = Said::because(body.accept()?.outcome, ActDetails::default());
        label.take(tx, LabelCommand::EndSurveillance, said)
    })
    .await
}

/// Suspend
///
/// By the audit body, for six months at most from when it first did: what is not mended by then is
/// withdrawn. By the operator as a precaution, for thirty days at most and not again within six
/// months: the audit body decides what becomes of the label.
#[utoipa::path(post, path = "/api/v1/labels/{number}/suspend", tag = "labels",
    security(("bearer" = ["auditor:decision_maker"]), ("bearer" = ["operator:label_officer"])),
    params(("number" = String, Path, description = "Number of the label.", max_length = 13, example = "GT-2026-00001")),
    request_body = SuspendLabel,
    responses((status = 200, description = "Suspended.", body = LabelView)))]
async fn suspend_label(
    caller: LabelSuspender,
    reply: Reply,
    number: Path<String>,
    if_match: IfMatch,
    body: Body<SuspendLabel>,
) -> Result<HttpResponse> {
    let is_precaution = caller.role == Role::Operator;
    let who = if is_precaution { Who::Officer } else { Who::Decider };
    act(caller.0, reply, number, if_match, (who, LabelCommand::Suspend), move |label, tx, _| {
        let today = tx.now.day();
        if is_precaution {
            refuse_precaution(tx, label)?;
        }
        let latest = if is_precaution { today + PRECAUTION_MAX } else { label.suspension_ends_by(today) };
        let given = body.accept_with(|given| {
            let mut faults = hearing_faults(label, given.is_urgent, given.heard_on, today);
            if latest <= today || given.until.is_some_and(|until| until <= today || until > latest) {
                let detail = text!("Après aujourd’hui, et le {latest} au plus tard.", "After today, and by {latest}.");
                faults.push(Fault::body("/until", "out_of_range", detail));
            }
            faults
        })?;
        let cause = if is_precaution { Cause::Precaution } else { Cause::AuditBody };
        let details =
            ActDetails { is_urgent: Some(given.is_urgent), heard_on: given.heard_on, ..ActDetails::default() };
        label.suspend(tx, cause, Some(given.until.unwrap_or(latest)), Said::because(given.reason, details))
    })
    .await
}

/// A precaution is for what is valid, and none follows another at once.
fn refuse_precaution(tx: &mut Tx<'_>, label: &Label) -> Result<()> {
    if !label.shown(tx.now.day()).is_valid() {
        return Err(Error::conflict(text!("Le label est déjà suspendu.", "The label is suspended already.")));
    }
    for act in LabelAct::of(tx.db, std::slice::from_ref(&label.number))? {
        let is_recent = tx.now.0 - act.acted_at.0 < PRECAUTION_PAUSE;
        if is_recent && act.kind == EventKind::Suspended && act.details()?.cause == Some(Cause::Precaution) {
            return Err(Error::conflict(text!(
                "Une mesure conservatoire a déjà été prise depuis moins de six mois : à l’organisme de décider.",
                "A precaution was taken less than six months ago: it is for the audit body to decide."
            )));
        }
    }
    Ok(())
}

/// Reinstate
///
/// Once the cause is mended: the solution is public, and no reservation is left that was not lifted in time.
#[utoipa::path(post, path = "/api/v1/labels/{number}/reinstate", tag = "labels", security(("bearer" = ["auditor:decision_maker"])),
    params(("number" = String, Path, description = "Number of the label.", max_length = 13, example = "GT-2026-00001")),
    request_body = Reason,
    responses((status = 200, description = "Valid again, as before.", body = LabelView)))]
async fn reinstate_label(
    caller: DecisionMaker,
    reply: Reply,
    number: Path<String>,
    if_match: IfMatch,
    body: Body<Reason>,
) -> Result<HttpResponse> {
    act(caller.0, reply, number, if_match, (Who::Decider, LabelCommand::Reinstate), move |label, tx, _| {
        let today = tx.now.day();
        if label.valid_until < today {
            return Err(Error::conflict(text!("Le label a expiré.", "The label has expired.")));
        }
        let obstacles = label.obstacles(tx.db, today)?;
        let lapsed = label.lapsed(today).join(", ");
        let given = body.accept_with(|_| {
            let fault = |cause: &Cause| match cause {
                Cause::Solution => Fault::body(
                    "/solution",
                    "not_published",
                    text!("La solution n’est pas publiée.", "The solution is not published."),
                ),
                _ => Fault::body(
                    "/reservations",
                    "lapsed",
                    text!("Réserves échues et non levées : {lapsed}.", "Reservations not lifted in time: {lapsed}."),
                ),
            };
            obstacles.iter().map(fault).collect()
        })?;
        label.take(tx, LabelCommand::Reinstate, Said::because(given.reason, ActDetails::default()))
    })
    .await
}

/// Withdraw
///
/// For good, once the vendor was heard. For fraud, with a ban: neither the solution nor any other of
/// its vendor applies again before it is over.
#[utoipa::path(post, path = "/api/v1/labels/{number}/withdraw", tag = "labels", security(("bearer" = ["auditor:decision_maker"])),
    params(("number" = String, Path, description = "Number of the label.", max_length = 13, example = "GT-2026-00001")),
    request_body = WithdrawLabel,
    responses((status = 200, description = "Withdrawn.", body = LabelView)))]
async fn withdraw_label(
    caller: DecisionMaker,
    reply: Reply,
    number: Path<String>,
    if_match: IfMatch,
    body: Body<WithdrawLabel>,
) -> Result<HttpResponse> {
    act(caller.0, reply, number, if_match, (Who::Decider, LabelCommand::Withdraw), move |label, tx, _| {
        let today = tx.now.day();
        let given = body.accept_with(|given| {
            let mut faults = hearing_faults(label, false, Some(given.heard_on), today);
            if given.ban_months.is_some() && !given.is_fraud {
                let detail = text!("Seule la fraude exclut.", "Only fraud bans.");
                faults.push(Fault::body("/ban_months", "fraud_only", detail));
            }
            faults
        })?;
        label.banned_until = given.ban_months.and_then(|months| today.checked_add_months(Months::new(months)));
        let details =
            ActDetails { heard_on: Some(given.heard_on), banned_until: label.banned_until, ..ActDetails::default() };
        label.take(tx, LabelCommand::Withdraw, Said::because(given.reason, details))
    })
    .await
}

/// Renounce
///
/// The vendor gives the label up, for good.
#[utoipa::path(post, path = "/api/v1/labels/{number}/renounce", tag = "labels", security(("bearer" = ["vendor:signatory"])),
    params(("number" = String, Path, description = "Number of the label.", max_length = 13, example = "GT-2026-00001")),
    request_body = Reason,
    responses((status = 200, description = "Given up.", body = LabelView)))]
async fn renounce_label(
    caller: Signatory,
    reply: Reply,
    number: Path<String>,
    if_match: IfMatch,
    body: Body<Reason>,
) -> Result<HttpResponse> {
    act(caller.0, reply, number, if_match, (Who::Vendor, LabelCommand::Renounce), move |label, tx, _| {
        label.take(tx, LabelCommand::Renounce, Said::because(body.accept()?.reason, ActDetails::default()))
    })
    .await
}

/// Assess a change
///
/// Of the solution, noted when a version was published that may change what the label says: it
/// stands, what changed has to be examined, or it does not hold until it is.
#[utoipa::path(post, path = "/api/v1/labels/{number}/assess-change", tag = "labels", security(("bearer" = ["auditor:decision_maker"])),
    params(("number" = String, Path, description = "Number of the label.", max_length = 13, example = "GT-2026-00001")),
    request_body = AssessChange,
    responses((status = 200, description = "Assessed.", body = LabelView)))]
async fn assess_label_change(
    caller: DecisionMaker,
    reply: Reply,
    number: Path<String>,
    if_match: IfMatch,
    body: Body<AssessChange>,
) -> Result<HttpResponse> {
    act(caller.0, reply, number, if_match, (Who::Decider, LabelCommand::AssessChange), move |label, tx, _| {
        let today = tx.now.day();
        let pending =
            label.standing.0.change.take().ok_or_else(|| {
                Error::conflict(text!("Aucun changement à apprécier.", "There is no change to assess."))
            })?;
        let given = body.accept_with(|given| match given.verdict {
            ChangeVerdict::Suspend => hearing_faults(label, given.is_urgent, given.heard_on, today),
            _ => Vec::new(),
        })?;
        let is_suspension = given.verdict == ChangeVerdict::Suspend;
        let details = ActDetails {
            verdict: Some(given.verdict),
            changes: pending.changes,
            solution_version: Some(pending.solution_version),
            is_urgent: is_suspension.then_some(given.is_urgent),
            heard_on: given.heard_on.filter(|_| is_suspension),
            ..ActDetails::default()
        };
        let said = Said::because(given.reason, details);
        let is_watched = label.status == LabelStatus::UnderSurveillance;
        match given.verdict {
            ChangeVerdict::Keep => label.take(tx, LabelCommand::AssessChange, said),
            // Already looked at again.
            ChangeVerdict::PartialAudit if is_watched => label.take(tx, LabelCommand::AssessChange, said),
            ChangeVerdict::PartialAudit => label.take(tx, LabelCommand::OpenSurveillance, said),
            ChangeVerdict::Suspend => {
                let until = label.suspension_ends_by(today);
                label.suspend(tx, Cause::AuditBody, Some(until), said)
            }
        }
    })
    .await
}

/// Transfer to another audit body
///
/// When the one that watches over the label is accredited no more. The other one is accredited for
/// what the label covers and independent of the vendor.
#[utoipa::path(post, path = "/api/v1/labels/{number}/transfer", tag = "labels", security(("bearer" = ["operator:label_officer"])),
    params(("number" = String, Path, description = "Number of the label.", max_length = 13, example = "GT-2026-00001")),
    request_body = TransferLabel,
    responses((status = 200, description = "Watched over by the other body.", body = LabelView)))]
async fn transfer_label(
    caller: LabelOfficer,
    reply: Reply,
    number: Path<String>,
    if_match: IfMatch,
    body: Body<TransferLabel>,
) -> Result<HttpResponse> {
    let periods = reply.app.settings.periods;
    act(caller.0, reply, number, if_match, (Who::Officer, LabelCommand::Transfer), move |label, tx, viewer| {
        let before = label.audit_body_id;
        let latest = Accreditation::latest(tx.db, before)?;
        let status = latest.map(|one| one.status.on(tx.now.day(), one.valid_until));
        if status == Some(AccreditationStatus::Accredited) {
            return Err(Error::conflict(text!(
                "L’organisme est accrédité : il garde le label.",
                "The body is accredited: it keeps the label."
            )));
        }
        let given = body.accept()?;
        let other = Organisation::audit_body(tx.db, given.audit_body_id, "/audit_body_id")?;
        viewer.refuse_party(tx.db, &[Some(other.id)])?;
        let mut case = Application::find(tx.db, &label.application_id.to_string())?;
        check(tx, &mut case, &Act::new(Stage::Assignment, &other, periods))?;
        label.audit_body_id = other.id;
        label.content.0.disclosures = case.disclosures.0;
        let details =
            ActDetails { audit_body_before: Some(before), audit_body: Some(other.id), ..ActDetails::default() };
        label.take(tx, LabelCommand::Transfer, Said::because(given.reason, details))
    })
    .await
}

/// What a ban on the solution or on its vendor holds against an application.
pub fn ban(db: &mut Db, application: &Application, now: Instant) -> Result<Option<Fault>> {
    let bans: Vec<(String, Option<NaiveDate>)> = labels::table
        .inner_join(label_applications::table.on(label_applications::id.eq(labels::application_id)))
        .filter(labels::banned_until.ge(now.day()))
        .filter(
            labels::solution_id
                .eq(application.solution_id)
                .or(label_applications::organisation_id.eq(application.organisation_id)),
        )
        .order(labels::banned_until.desc())
        .select((labels::number, labels::banned_until))
        .load(db)?;
    let numbers: Vec<String> = bans.iter().map(|(number, _)| number.clone()).collect();
    let annulled = Appeal::annulled(db, &numbers)?;
    let until = bans.into_iter().filter(|(number, _)| !annulled.contains(number)).find_map(|(_, until)| until);
    Ok(until.map(|until| {
        let detail = text!(
            "Un label a été retiré pour fraude : aucune demande avant la fin du {until}.",
            "A label was withdrawn for fraud: no application before the end of {until}."
        );
        Fault::body("/solution", "banned", detail)
    }))
}
