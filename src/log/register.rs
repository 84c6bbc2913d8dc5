//! Whether the register says what the log says: labels, decisions, attestations and keys of audit
//! bodies are shown from rows of their own, which somebody with the database could alter without
//! touching the log.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;

use crate::accreditations::keys::SigningKey;
use crate::db::schema::{accreditations, attestations, label_applications, label_decisions, labels, signing_keys};
use crate::db::{Db, Id, Instant};
use crate::error::Result;
use crate::labels::events::{Attested, Statement, refusal_hash};
use crate::labels::model::{Application, Decision, Label};
use crate::log::broken;
use crate::proof::canonical;
use crate::proof::entry::{KeyChange, KeyEvent, LabelEvent, LogEntry};
use crate::proof::merkle::Hash;

/// Rows read at once.
const PART: i64 = 500;

/// What the entries of a log say, as far as the register says it too.
#[derive(Default)]
pub struct Said {
    /// When the log began: what was before is not in it.
    began_at: Option<Instant>,
    /// The last event of each label.
    labels: BTreeMap<String, LabelEvent>,
    /// The event of each decision.
    decisions: BTreeMap<Id, LabelEvent>,
    refusals: BTreeSet<Hash>,
    /// Which label each attestation is of.
    attestations: BTreeMap<String, String>,
    /// Keys of audit bodies, and whether they may still sign.
    keys: BTreeMap<String, (KeyEvent, bool)>,
}

impl Said {
    /// Takes the next entry in.
    pub fn hear(&mut self, entry: LogEntry, at: Instant) {
        self.began_at.get_or_insert(at);
        match entry {
            LogEntry::Label(event) => {
                if let Some(hash) = event.attestation {
                    self.attestations.insert(hash.to_string(), event.label.clone());
                }
                if let Some(decision) = event.decision {
                    self.decisions.insert(decision, (*event).clone());
                }
                self.labels.insert(event.label.clone(), *event);
            }
            LogEntry::Refusal(refusal) => {
                self.refusals.insert(refusal.data);
            }
            LogEntry::Key(event) => match event.change {
                KeyChange::Registered if event.holder.is_some() => {
                    self.keys.insert(event.kid.clone(), (*event, true));
                }
                KeyChange::Registered => {}
                _ => {
                    if let Some((_, is_open)) = self.keys.get_mut(&event.kid) {
                        *is_open = false;
                    }
                }
            },
        }
    }
}

/// The first thing that the register says otherwise, in words for an operator.
pub fn fault(db: &mut Db, said: &Said) -> Result<Option<String>> {
    // Before the log began nothing can be held against it.
    let Some(began_at) = said.began_at else { return Ok(None) };
    for look in [of_labels, of_decisions, of_attestations, of_keys] {
        if let Some(fault) = look(db, said, began_at)? {
            return Ok(Some(fault));
        }
    }
    Ok(None)
}

fn of_labels(db: &mut Db, said: &Said, _: Instant) -> Result<Option<String>> {
    let (mut after, mut count) = (String::new(), 0);
    loop {
        let part: Vec<Label> = labels::table
            .filter(labels::number.gt(after.clone()))
            .order(labels::number)
            .limit(PART)
            .select(Label::as_select())
            .load(db)?;
        let Some(last) = part.last() else { break };
        after.clone_from(&last.number);
        for label in part {
            count += 1;
            let number = &label.number;
            let Some(event) = said.labels.get(number) else {
                return Ok(Some(format!("label {number} is not in the log")));
            };
            let is_same = label.status == event.status
                && label.valid_from == event.valid_from
                && label.valid_until == event.valid_until
                && label.solution_id == event.solution
                && label.application_id == event.application
                && label.audit_body_id == event.audit_body;
            if !is_same {
                return Ok(Some(format!("label {number} is another in the register than in the log")));
            }
        }
    }
    let is_gone = said.labels.len() != count;
    Ok(is_gone.then(|| format!("the log has {} labels, the register {count}", said.labels.len())))
}

fn of_decisions(db: &mut Db, said: &Said, began_at: Instant) -> Result<Option<String>> {
    let (mut after, mut count) = (Id(uuid::Uuid::nil()), 0);
    let mut refusals = said.refusals.clone();
    loop {
        let part: Vec<(Decision, Application)> = label_decisions::table
            .inner_join(label_applications::table.on(label_applications::id.eq(label_decisions::application_id)))
            .filter(label_decisions::id.gt(after))
            .order(label_decisions::id)
            .limit(PART)
            .select((Decision::as_select(), Application::as_select()))
            .load(db)?;
        let Some((last, _)) = part.last() else { break };
        after = last.id;
        for (decision, application) in part {
            let id = decision.id;
            let is_same = match said.decisions.get(&id) {
                Some(event) => {
                    count += 1;
                    let data = canonical::hash(&Statement::new(&application, &decision)).map_err(broken)?;
                    data == event.data
                        && event.signature == decision.content.0.signature
                        && decision.label_number.as_ref().is_none_or(|number| *number == event.label)
                }
                None => refusals.remove(&refusal_hash(&application, &decision)?) || decision.decided_at < began_at,
            };
            if !is_same {
                return Ok(Some(format!("decision {id} is another in the register than in the log")));
            }
        }
    }
    if !refusals.is_empty() {
        return Ok(Some(format!("{} decisions against a label are in the log alone", refusals.len())));
    }
    let is_gone = said.decisions.len() != count;
    Ok(is_gone.then(|| format!("the log has {} decisions on labels, the register {count}", said.decisions.len())))
}

fn of_attestations(db: &mut Db, said: &Said, _: Instant) -> Result<Option<String>> {
    let (mut after, mut count) = (String::new(), 0);
    loop {
        let part: Vec<Attested> = attestations::table
            .filter(attestations::hash.gt(after.clone()))
            .order(attestations::hash)
            .limit(PART)
            .select(Attested::as_select())
            .load(db)?;
        let Some(last) = part.last() else { break };
        after.clone_from(&last.hash);
        for row in part {
            count += 1;
            let is_same = Hash::of(row.credential.as_bytes()).to_string() == row.hash
                && said.attestations.get(&row.hash) == Some(&row.label);
            if !is_same {
                return Ok(Some(format!("the attestation {} of label {} is not the one logged", row.hash, row.label)));
            }
        }
    }
    let is_gone = said.attestations.len() != count;
    Ok(is_gone.then(|| format!("the log names {} attestations, {count} are kept", said.attestations.len())))
}

fn of_keys(db: &mut Db, said: &Said, began_at: Instant) -> Result<Option<String>> {
    let rows: Vec<(SigningKey, Id)> = signing_keys::table
        .inner_join(accreditations::table.on(accreditations::id.eq(signing_keys::accreditation_id)))
        .select((SigningKey::as_select(), accreditations::organisation_id))
        .load(db)?;
    let mut count = 0;
    for (row, body) in rows {
        let kid = &row.kid;
        let Some((event, is_open)) = said.keys.get(kid) else {
            if row.created_at < began_at {
                continue;
            }
            return Ok(Some(format!("key {kid} is not in the log")));
        };
        count += 1;
        let is_same = event.x.is_some_and(|x| x.to_string() == row.public_key)
            && event.holder == Some(body)
            && *is_open == row.revoked_at.is_none();
        if !is_same {
            return Ok(Some(format!("key {kid} is another in the register than in the log")));
        }
    }
    let is_gone = said.keys.len() != count;
    Ok(is_gone.then(|| format!("the log has {} keys of audit bodies, the register {count}", said.keys.len())))
}
