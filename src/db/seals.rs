//! Seals: the hash of everything that never changes, kept when it comes into being.
//!
//! Triggers refuse to alter these rows. Whoever drops a trigger first leaves a
//! seal that no longer fits, which `doctor` finds. Whoever also writes a new
//! hash, knowing how, is not found: these are hashes without a secret.

#![expect(clippy::type_complexity, reason = "rows are read as tuples, once, to be hashed")]

use std::collections::BTreeMap;

use diesel::dsl::exists;
use diesel::prelude::*;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::schema::{
    answers, audit_reports, criteria, criteria_sets, evaluation_results, evaluations, findings, label_decisions, seals,
    solution_versions,
};
use super::{Db, Id, Instant, Json, Tx};
use crate::error::{Error, Result};
use crate::evaluations::rules::EvaluationStatus;

/// As many as one statement takes on both databases.
const PART: usize = 500;

crate::codes! {
    /// What is sealed.
    pub enum Sealed {
        /// A published version of a solution, under its number.
        SolutionVersion = "solution_version",
        /// The answers of an evaluation, under the version in which it was submitted.
        Answers = "answers",
        /// A result of an evaluation, under its number.
        EvaluationResult = "evaluation_result",
        /// The report of an audit with its findings, under its round.
        AuditReport = "audit_report",
        LabelDecision = "label_decision",
        /// A published criteria set with its criteria.
        CriteriaSet = "criteria_set",
    }
}

/// A seal as it was written.
pub type Seal = (Id, i32, String);

/// SHA-256 in hexadecimal of a value whose members are put in order first: both
/// databases give documents back in an order of their own.
pub fn digest(value: &Value) -> String {
    Sha256::digest(ordered(value).to_string()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn ordered(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let sorted: BTreeMap<&String, &Value> = members.iter().collect();
            Value::Object(sorted.into_iter().map(|(name, value)| (name.clone(), ordered(value))).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.iter().map(ordered).collect()),
        other => other.clone(),
    }
}

impl Tx<'_> {
    /// Seals what has just come into being: each by its id, and its number where it has one.
    pub fn seal(&mut self, kind: Sealed, all: &[(Id, i32)]) -> Result<()> {
        for part in all.chunks(PART) {
            let ids: Vec<Id> = part.iter().map(|(id, _)| *id).collect();
            let found = contents(self.db, kind, &ids)?;
            let mut rows = Vec::with_capacity(part.len());
            for (id, number) in part {
                let hash = found.get(&(*id, kind.place(*number)));
                let hash = hash.ok_or_else(|| Error::Internal(format!("nothing to seal: {kind} {id} {number}")))?;
                rows.push((
                    seals::kind.eq(kind.code()),
                    seals::id.eq(*id),
                    seals::number.eq(*number),
                    seals::hash.eq(hash.clone()),
                    seals::sealed_at.eq(self.now),
                ));
            }
            crate::insert_all!(&mut *self.db, seals::table, &rows);
        }
        Ok(())
    }

    /// Seals what was there before there were seals; once.
    pub fn seal_what_was_there(&mut self) -> Result<usize> {
        if diesel::select(exists(seals::table.select(seals::id))).get_result::<bool>(self.db)? {
            return Ok(0);
        }
        let mut count = 0;
        for kind in Sealed::ALL.iter().copied() {
            let mut after = None;
            loop {
                let ids = subjects(self.db, kind, after)?;
                let Some(last) = ids.last() else { break };
                after = Some(*last);
                let all: Vec<(Id, i32)> = contents(self.db, kind, &ids)?.into_keys().collect();
                self.seal(kind, &all)?;
                count += all.len();
            }
        }
        Ok(count)
    }
}

impl Sealed {
    /// Where [`contents`] has it: answers have no number of their own.
    fn place(self, number: i32) -> i32 {
        match self {
            Self::SolutionVersion | Self::EvaluationResult | Self::AuditReport => number,
            Self::Answers | Self::LabelDecision | Self::CriteriaSet => 0,
        }
    }
}

/// Ids of what has to be sealed, in order, a part at a time.
pub fn subjects(db: &mut Db, kind: Sealed, after: Option<Id>) -> Result<Vec<Id>> {
    let after = after.unwrap_or(Id(uuid::Uuid::nil()));
    macro_rules! ids {
        ($table:ident, $id:ident $(, $filter:expr)?) => {
            $table::table.filter($table::$id.gt(after))$(.filter($filter))?
                .order($table::$id).select($table::$id).distinct().limit(PART as i64).load(db)?
        };
    }
    Ok(match kind {
        Sealed::SolutionVersion => ids!(solution_versions, solution_id),
        Sealed::Answers => ids!(evaluations, id, evaluations::status.ne(EvaluationStatus::Draft)),
        Sealed::EvaluationResult => ids!(evaluation_results, evaluation_id),
        Sealed::AuditReport => ids!(audit_reports, application_id),
        Sealed::LabelDecision => ids!(label_decisions, id),
        Sealed::CriteriaSet => ids!(criteria_sets, id, criteria_sets::published_at.is_not_null()),
    })
}

/// Ids that have a seal, in the same way.
pub fn sealed_subjects(db: &mut Db, kind: Sealed, after: Option<Id>) -> Result<Vec<Id>> {
    let after = after.unwrap_or(Id(uuid::Uuid::nil()));
    Ok(seals::table
        .filter(seals::kind.eq(kind.code()).and(seals::id.gt(after)))
        .order(seals::id)
        .select(seals::id)
        .distinct()
        .limit(PART as i64)
        .load(db)?)
}

/// Seals of these, oldest first.
pub fn written(db: &mut Db, kind: Sealed, ids: &[Id]) -> Result<Vec<Seal>> {
    Ok(seals::table
        .filter(seals::kind.eq(kind.code()).and(seals::id.eq_any(ids.to_vec())))
        .order((seals::id, seals::number))
        .select((seals::id, seals::number, seals::hash))
        .load(db)?)
}

/// The hash of what the tables hold now. Columns are named one by one and
/// documents taken as they are stored: what is added later changes no seal.
pub fn contents(db: &mut Db, kind: Sealed, ids: &[Id]) -> Result<BTreeMap<(Id, i32), String>> {
    type Document = Json<Value>;
    let ids = ids.to_vec();
    let single =
        |rows: Vec<(Id, i32, Value)>| rows.into_iter().map(|(id, number, v)| ((id, number), digest(&v))).collect();
    Ok(match kind {
        Sealed::SolutionVersion => {
            use solution_versions as v;
            let rows: Vec<(Id, i32, Option<Id>, Document, Document, Instant)> = v::table
                .filter(v::solution_id.eq_any(ids))
                .select((v::solution_id, v::number, v::organisation_id, v::sheet, v::origins, v::published_at))
                .load(db)?;
            single(rows.into_iter().map(|row| (row.0, row.1, json!(row))).collect())
        }
        Sealed::EvaluationResult => {
            use evaluation_results as r;
            let rows: Vec<(Id, i32, String, Document, Instant)> = r::table
                .filter(r::evaluation_id.eq_any(ids))
                .select((r::evaluation_id, r::number, r::cause, r::scores, r::computed_at))
                .load(db)?;
            single(rows.into_iter().map(|row| (row.0, row.1, json!(row))).collect())
        }
        Sealed::LabelDecision => {
            use label_decisions as d;
            let rows: Vec<(Id, Id, Id, String, Document, Option<String>, Option<Id>, Id, Instant)> = d::table
                .filter(d::id.eq_any(ids))
                .select((
                    d::id,
                    d::application_id,
                    d::organisation_id,
                    d::outcome,
                    d::content,
                    d::label_number,
                    d::corrects,
                    d::actor_id,
                    d::decided_at,
                ))
                .load(db)?;
            single(rows.into_iter().map(|row| (row.0, 0, json!(row))).collect())
        }
        Sealed::Answers => {
            use answers as a;
            let rows: Vec<(Id, String, String, Option<String>, Document, bool, Instant)> = a::table
                .filter(a::evaluation_id.eq_any(ids.clone()))
                .order((a::evaluation_id, a::criterion))
                .select((
                    a::evaluation_id,
                    a::criterion,
                    a::value,
                    a::justification,
                    a::evidence,
                    a::to_confirm,
                    a::updated_at,
                ))
                .load(db)?;
            // An evaluation without an answer left has a hash too: that of none.
            grouped(unnumbered(ids), rows.into_iter().map(|row| ((row.0, 0), json!(row))))
        }
        Sealed::AuditReport => {
            use {audit_reports as r, findings as f};
            type Reported = (Id, String, String, Document, Id, Instant);
            type Found = (Id, String, String, Option<String>, Option<i32>, String, Document, Id, Instant);
            let reports: Vec<(i32, Reported)> = r::table
                .filter(r::application_id.eq_any(ids.clone()))
                .select((
                    r::round,
                    (r::application_id, r::recommendation, r::summary, r::scores, r::actor_id, r::submitted_at),
                ))
                .load(db)?;
            let found: Vec<(i32, Found)> = f::table
                .filter(f::application_id.eq_any(ids))
                .order((f::application_id, f::criterion))
                .select((
                    f::round,
                    (
                        f::application_id,
                        f::criterion,
                        f::result,
                        f::value,
                        f::score,
                        f::comment,
                        f::evidence,
                        f::actor_id,
                        f::recorded_at,
                    ),
                ))
                .load(db)?;
            let subjects: Vec<(Id, i32)> = reports.iter().map(|(round, row)| (row.0, *round)).collect();
            // What is being found now is not reported yet.
            let found = found.iter().filter(|(round, row)| subjects.contains(&(row.0, *round)));
            let reports = reports.iter().map(|(round, row)| ((row.0, *round), json!(row)));
            let rows: Vec<_> = reports.chain(found.map(|(round, row)| ((row.0, *round), json!(row)))).collect();
            grouped(subjects, rows.into_iter())
        }
        Sealed::CriteriaSet => {
            use {criteria as c, criteria_sets as s};
            let sets: Vec<(Id, Document, Option<Instant>, Option<chrono::NaiveDate>)> = s::table
                .filter(s::id.eq_any(ids.clone()))
                .select((s::id, s::content, s::published_at, s::in_force_on))
                .load(db)?;
            let all: Vec<(Id, String, i32, String, Document)> = c::table
                .filter(c::set_id.eq_any(ids))
                .order((c::set_id, c::code))
                .select((c::set_id, c::code, c::position, c::theme, c::content))
                .load(db)?;
            let ids = sets.iter().map(|row| row.0).collect();
            let sets = sets.iter().map(|row| ((row.0, 0), json!(row)));
            grouped(unnumbered(ids), sets.chain(all.iter().map(|row| ((row.0, 0), json!(row)))))
        }
    })
}

/// One hash for all rows of each of these.
fn grouped(of: Vec<(Id, i32)>, rows: impl Iterator<Item = ((Id, i32), Value)>) -> BTreeMap<(Id, i32), String> {
    let mut groups: BTreeMap<(Id, i32), Vec<Value>> = of.into_iter().map(|one| (one, Vec::new())).collect();
    for (one, row) in rows {
        groups.entry(one).or_default().push(row);
    }
    groups.into_iter().map(|(one, rows)| (one, digest(&Value::Array(rows)))).collect()
}

fn unnumbered(ids: Vec<Id>) -> Vec<(Id, i32)> {
    ids.into_iter().map(|id| (id, 0)).collect()
}
