//! What befalls a label: its row, the journal and the transparency log change
//! together or not at all.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::acts::{LabelAct, Said};
use super::model::{Application, Decision, Label};
use super::rules::{DecisionOutcome, LabelStatus};
use super::view::Reservation;
use crate::accreditations::keys::SigningKey;
use crate::db::journal::of_solution;
use crate::db::schema::{attestations, labels};
use crate::db::{Db, Id, Instant, Resource, Tx};
use crate::error::{Error, Fault, Result};
use crate::log::broken;
use crate::log::identity::Log;
use crate::log::tree::{EntryRow, Tree};
use crate::organisations::Organisation;
use crate::proof::attestation::{self, Attestation, AuditBody, CriteriaSet, Scope, StatusEntry, Subject};
use crate::proof::canonical;
use crate::proof::entry::{DECISION_TYP, EventKind, LabelEvent, LogEntry, Refusal, SignedDecision};
use crate::proof::jws;
use crate::proof::merkle::Hash;
use crate::proof::status_list::Purpose;
use crate::solutions::model::{Solution, SolutionVersion};
use crate::text;

/// What is decided, whole: its canonical JSON (RFC 8785) is what hashes and signatures are over.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    pub application: Id,
    pub audit_body: Id,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrects: Option<Id>,
    pub criteria_set: Option<Id>,
    pub outcome: DecisionOutcome,
    pub reasons: String,
    pub reservations: Vec<Reservation>,
    pub solution: Id,
    pub solution_version: Option<i32>,
}

impl Statement {
    pub fn new(application: &Application, decision: &Decision) -> Self {
        Self {
            application: application.id,
            audit_body: decision.organisation_id,
            corrects: decision.corrects,
            criteria_set: application.set_id,
            outcome: decision.outcome,
            reasons: decision.content.0.reasons.clone(),
            reservations: decision.content.0.reservations.clone(),
            solution: application.solution_id,
            solution_version: application.solution_version,
        }
    }
}

/// Checks the audit body's signature over a decision that is about to be made.
///
/// # Errors
/// 422: it is none, by a key that is not the body's or not in use, or over something else.
pub fn verify_signature(tx: &mut Tx<'_>, application: &Application, decision: &Decision) -> Result<()> {
    let Some(signature) = &decision.content.0.signature else { return Ok(()) };
    let refuse = |code, detail| Error::invalid(vec![Fault::body("/signature", code, detail)]);
    let unverified = jws::Unverified::<SignedDecision>::parse(signature, DECISION_TYP)
        .map_err(|detail| refuse("malformed_signature", detail))?;
    let key = SigningKey::in_use(tx.db, decision.organisation_id, unverified.kid(), tx.now)?;
    let key = key.ok_or_else(|| {
        let detail = text!("L’organisme n’a pas cette clé en service.", "The body has no such key in use.");
        refuse("unknown_key", detail)
    })?;
    let signed = unverified.verify(&key.key()?).map_err(|detail| refuse("wrong_signature", detail))?;
    let expected = SignedDecision {
        application: application.id,
        audit_body: decision.organisation_id,
        outcome: decision.outcome,
        corrects: decision.corrects,
        data: canonical::hash(&Statement::new(application, decision)).map_err(broken)?,
    };
    if signed == expected {
        return Ok(());
    }
    let detail = text!("La signature porte sur une autre décision.", "The signature is over another decision.");
    Err(refuse("wrong_signature", detail))
}

/// An attestation as it was signed.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = attestations)]
pub struct Attested {
    pub hash: String,
    pub label: String,
    /// `vc+jwt`.
    pub credential: String,
    pub issued_at: Instant,
}

impl Attested {
    pub fn find(db: &mut Db, hash: Hash) -> Result<Option<Self>> {
        Ok(attestations::table.find(hash.to_string()).select(Self::as_select()).first(db).optional()?)
    }
}

/// A decision on a label, as the log has it.
struct Decided<'a> {
    decision: &'a Decision,
    data: Hash,
    attestation: Option<Hash>,
}

impl Label {
    /// Writes what befell it beside decisions: the act with its reasons, the journal, and the log,
    /// whose entry holds the hash of the act.
    pub fn befall_because(&mut self, tx: &mut Tx<'_>, kind: EventKind, changed: Value, said: Said) -> Result<()> {
        let act = LabelAct::keep(tx, self, kind, said)?;
        self.store(tx, action(kind), changed)?;
        self.enter(tx, kind, act.hash()?, None)
    }

    /// Makes the row, and attests it.
    pub fn granted(&self, tx: &mut Tx<'_>, log: &Log, application: &Application, decision: &Decision) -> Result<()> {
        self.insert(tx.db)?;
        let changed = json!({"solution": self.solution_id, "number": self.number, "status": self.status});
        tx.record(action(EventKind::Granted), Resource::Label, self.id, 1, changed)?;
        log.register_keys(tx)?;
        let index = tx.next_in_log()?;
        self.decided(tx, log, EventKind::Granted, application, decision, Some(index))
    }

    /// Writes what a correction made of it, and attests that, unless it took the label back.
    pub fn corrected(
        &mut self,
        tx: &mut Tx<'_>,
        log: &Log,
        application: &Application,
        decision: &Decision,
        changed: Value,
    ) -> Result<()> {
        if self.audit_body_id != decision.organisation_id {
            return Err(Error::conflict(text!(
                "Un autre organisme veille désormais sur ce label.",
                "Another body watches over this label by now."
            )));
        }
        // A correction states the reservations anew.
        self.standing.0.lifted.clear();
        self.store(tx, action(EventKind::Corrected), changed)?;
        log.register_keys(tx)?;
        let index = EntryRow::of(tx.db, &self.number)?.first().and_then(|row| u64::try_from(row.position).ok());
        let index = index.filter(|_| decision.outcome != DecisionOutcome::Refused);
        self.decided(tx, log, EventKind::Corrected, application, decision, index)
    }

    fn decided(
        &self,
        tx: &mut Tx<'_>,
        log: &Log,
        kind: EventKind,
        application: &Application,
        decision: &Decision,
        status_index: Option<u64>,
    ) -> Result<()> {
        let attestation = status_index.map(|index| self.attest(tx, log, decision, index)).transpose()?;
        let data = canonical::hash(&Statement::new(application, decision)).map_err(broken)?;
        self.enter(tx, kind, data, Some(Decided { decision, data, attestation }))
    }

    fn enter(&self, tx: &mut Tx<'_>, kind: EventKind, data: Hash, decided: Option<Decided<'_>>) -> Result<()> {
        let last = EntryRow::last_of(tx.db, &self.number)?;
        let (before, at) = last.map_or((0, tx.now), |last| (last.subject_seq, last.logged_at.max(tx.now)));
        let event = LabelEvent {
            label: self.number.clone(),
            label_seq: u32::try_from(before).unwrap_or_default() + 1,
            kind,
            status: self.status,
            at,
            solution: self.solution_id,
            application: self.application_id,
            audit_body: self.audit_body_id,
            decision: decided.as_ref().map(|one| one.decision.id),
            corrects: decided.as_ref().and_then(|one| one.decision.corrects),
            outcome: decided.as_ref().map(|one| one.decision.outcome),
            valid_from: self.valid_from,
            valid_until: self.valid_until,
            data: decided.as_ref().map_or(data, |one| one.data),
            attestation: decided.as_ref().and_then(|one| one.attestation),
            signature: decided.as_ref().and_then(|one| one.decision.content.0.signature.clone()),
        };
        tx.append_to_log(&LogEntry::Label(Box::new(event)), at)?;
        Ok(())
    }

    /// Signs what the label says, and keeps it under its hash.
    fn attest(&self, tx: &mut Tx<'_>, log: &Log, decision: &Decision, status_index: u64) -> Result<Hash> {
        let version = SolutionVersion::find(tx.db, self.solution_id, self.content.0.scope.solution_version)?;
        let vendor = version.organisation_id.map(|id| Organisation::find(tx.db, id)).transpose()?;
        let body = Organisation::find(tx.db, self.audit_body_id)?;
        let base = &log.base;
        let (number, scope) = (&self.number, &self.content.0.scope);
        let subject = Subject {
            id: format!("{base}/api/v1/solutions/{}", self.solution_id),
            label: number.clone(),
            solution: self.solution_id,
            solution_name: version.sheet.0.name,
            vendor_name: vendor.map(|vendor| vendor.details.0.name).unwrap_or_default(),
            scope: Scope {
                solution_version: scope.solution_version,
                software_version: scope.software_version.clone(),
                deployment: scope.deployment.clone(),
            },
            criteria_set: CriteriaSet { id: scope.criteria_set_id, label: scope.criteria_set_label.clone() },
            outcome: decision.outcome,
            reservations: decision
                .content
                .0
                .reservations
                .iter()
                .map(|one| attestation::Reservation {
                    criterion: one.criterion.clone(),
                    text: one.text.clone(),
                    due_on: one.due_on,
                })
                .collect(),
            audit_body: AuditBody { id: body.id, name: body.details.0.name },
            application: self.application_id,
            decision: decision.id,
        };
        let days = (self.valid_from, self.valid_until);
        let address = format!("{base}/api/v1/labels/{number}/attestation");
        let mut credential = Attestation::new(address, base.clone(), days, subject);
        let index = usize::try_from(status_index).unwrap_or(usize::MAX);
        credential.credential_status = Purpose::ALL
            .iter()
            .map(|purpose| StatusEntry::new(*purpose, index, &format!("{base}/api/v1/status-lists/{purpose}")))
            .collect();
        let credential = jws::sign(attestation::TYP, &credential, log.key()?).map_err(broken)?;
        let hash = Hash::of(credential.as_bytes());
        let row = Attested { hash: hash.to_string(), label: number.clone(), credential, issued_at: tx.now };
        diesel::insert_into(attestations::table).values(row).execute(tx.db)?;
        Ok(hash)
    }

    fn store(&mut self, tx: &mut Tx<'_>, action: &str, changed: Value) -> Result<()> {
        self.updated_at = tx.now;
        self.change(tx)?;
        tx.record(action, Resource::Label, self.id, self.version, of_solution(changed, self.solution_id))?;
        crate::notifications::of_label(tx, self, action)?;
        Solution::find_by_id(tx.db, self.solution_id)?.refresh_published_facets(tx.db)
    }
}

/// What the log has of a decision against a label.
pub fn refusal_hash(application: &Application, decision: &Decision) -> Result<Hash> {
    let whole = json!({"decision": decision.id, "statement": Statement::new(application, decision)});
    canonical::hash(&whole).map_err(broken)
}

/// Enters a decision against a label that there is not.
pub fn refused(tx: &mut Tx<'_>, application: &Application, decision: &Decision) -> Result<()> {
    let refusal = Refusal { at: tx.now, data: refusal_hash(application, decision)? };
    tx.append_to_log(&LogEntry::Refusal(Box::new(refusal)), tx.now)?;
    Ok(())
}

/// Labels entered at once.
const PART: i64 = 200;

/// Enters what changed of the keys, and the first time all labels that were granted before there
/// was a log; how many of each.
pub fn enter_what_was_there(tx: &mut Tx<'_>, log: &Log) -> Result<(usize, usize)> {
    // Only the first time, all at once: later, a label that the log lacks is nobody's decision.
    let is_first = Tree::open(tx.db)?.size == 0;
    let keys = log.enter_keys(tx)?;
    let labels = if is_first { enter_labels(tx, log)? } else { 0 };
    Ok((keys, labels))
}

/// All labels as they stand.
fn enter_labels(tx: &mut Tx<'_>, log: &Log) -> Result<usize> {
    let (mut count, mut after) = (0, String::new());
    loop {
        let part: Vec<Label> = labels::table
            .filter(labels::number.gt(after))
            .order(labels::number)
            .limit(PART)
            .select(Label::as_select())
            .load(tx.db)?;
        let Some(last) = part.last() else { return Ok(count) };
        after = last.number.clone();
        count += part.len();
        for label in part {
            label.enter_as_it_stands(tx, log)?;
        }
    }
}

impl Label {
    fn enter_as_it_stands(&self, tx: &mut Tx<'_>, log: &Log) -> Result<()> {
        let application = Application::find(tx.db, &self.application_id.to_string())?;
        let decisions = application.decisions(tx.db)?;
        let granting = decisions.iter().rev().find(|one| one.outcome != DecisionOutcome::Refused);
        let granting = granting.ok_or_else(|| Error::Internal(format!("nothing granted label {}", self.number)))?;
        let status = super::audit::status_of(granting.outcome);
        let as_granted = Self { status, ..self.clone() };
        let index = tx.next_in_log()?;
        as_granted.decided(tx, log, EventKind::Granted, &application, granting, Some(index))?;
        let since = match self.status {
            now if now == status => return Ok(()),
            LabelStatus::UnderSurveillance => EventKind::SurveillanceOpened,
            LabelStatus::Suspended => EventKind::Suspended,
            LabelStatus::Expired => EventKind::Expired,
            LabelStatus::Renounced => EventKind::Renounced,
            LabelStatus::Superseded => EventKind::Superseded,
            LabelStatus::Withdrawn => EventKind::Withdrawn,
            LabelStatus::Active | LabelStatus::ActiveWithReservations => EventKind::ReservationsLifted,
        };
        let data = canonical::hash(&json!({"kind": since, "status": self.status})).map_err(broken)?;
        self.enter(tx, since, data, None)
    }
}

/// How the journal calls it.
fn action(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Granted => "grant_label",
        EventKind::Corrected => "correct_label",
        EventKind::ReservationsLifted => "lift_reservations_of_label",
        EventKind::SurveillanceOpened => "open_surveillance_of_label",
        EventKind::SurveillanceEnded => "end_surveillance_of_label",
        EventKind::Suspended => "suspend_label",
        EventKind::Reinstated => "reinstate_label",
        EventKind::Withdrawn => "withdraw_label",
        EventKind::Renounced => "renounce_label",
        EventKind::Expired => "expire_label",
        EventKind::Superseded => "supersede_label",
        EventKind::Extended => "extend_label",
        EventKind::Transferred => "transfer_label",
        EventKind::ChangeNoted => "note_change_of_label",
        EventKind::ChangeAssessed => "assess_change_of_label",
    }
}
