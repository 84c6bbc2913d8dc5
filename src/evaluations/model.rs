//! Rows and queries of evaluations.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use serde_json::{Value, json};

use super::rules::{
    ContestationStatus, Contribution, EvaluationCommand, EvaluationStatus, Score, Scores, compute, contribution, step,
};
use super::view::{
    Answer, Attestation, EvaluationFilter, EvaluationView, OpenCriterion, OpenReason, Parts, Progress, ScoresView,
};
use crate::criteria::Criterion;
use crate::criteria::model::CriteriaSet;
use crate::db::journal::of_solution;
use crate::db::schema::{answers, contestations, evaluation_results, evaluations, solutions};
use crate::db::seals::Sealed;
use crate::db::{Db, Id, Instant, Json, MultiBackend, Resource, Tx};
use crate::error::{Error, Result};
use crate::http::{After, Key, Page, Slice};
use crate::organisations::Viewer;
use crate::persons::accesses::Source;
use crate::solutions::model::Solution;
use crate::solutions::sheet::Evidence;
use crate::{keyset, text, versioned};

/// An evaluation of a solution against a criteria set.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = evaluations, treat_none_as_default_value = false, treat_none_as_null = true)]
pub struct Evaluation {
    pub id: Id,
    pub version: i32,
    pub solution_id: Id,
    pub organisation_id: Id,
    pub set_id: Id,
    pub solution_version: i32,
    pub status: EvaluationStatus,
    pub traits: Json<Vec<String>>,
    pub attestation: Option<Json<Attestation>>,
    pub moderation: Option<Json<String>>,
    pub created_at: Instant,
    pub updated_at: Instant,
    pub submitted_at: Option<Instant>,
    pub published_at: Option<Instant>,
    pub expires_at: Option<Instant>,
}

versioned!(Evaluation, evaluations);

/// An answer.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = answers, treat_none_as_default_value = false)]
pub struct AnswerRow {
    pub evaluation_id: Id,
    pub criterion: String,
    pub value: String,
    pub justification: Option<String>,
    pub evidence: Json<Vec<Evidence>>,
    pub to_confirm: bool,
    pub updated_at: Instant,
}

impl AnswerRow {
    pub fn new(evaluation_id: Id, criterion: &str, answer: Answer, now: Instant) -> Self {
        Self {
            evaluation_id,
            criterion: criterion.to_owned(),
            value: answer.value,
            justification: answer.justification,
            evidence: Json(answer.evidence),
            to_confirm: false,
            updated_at: now,
        }
    }
}

/// Scores as they were computed once.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = evaluation_results)]
pub struct ResultRow {
    pub evaluation_id: Id,
    pub number: i32,
    pub cause: String,
    pub scores: Json<Scores>,
    pub computed_at: Instant,
}

/// A contest of an answer.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = contestations, treat_none_as_default_value = false)]
pub struct Contestation {
    pub id: Id,
    pub evaluation_id: Id,
    pub criterion: String,
    pub status: ContestationStatus,
    pub reason: String,
    pub resolution: Option<String>,
    pub actor_id: Id,
    pub role: String,
    pub organisation_id: Option<Id>,
    pub created_at: Instant,
    pub resolved_at: Option<Instant>,
}

impl Evaluation {
    /// A new draft, with the answers of the latest evaluation to confirm.
    pub fn begin(tx: &mut Tx<'_>, solution: &Solution, organisation: Id, set: &CriteriaSet) -> Result<Self> {
        let sheet = solution.published_sheet(tx.db)?.ok_or_else(Error::not_found)?;
        let evaluation = Self {
            id: Id::new(),
            version: 1,
            solution_id: solution.id,
            organisation_id: organisation,
            set_id: set.id,
            solution_version: solution.published_version.unwrap_or_default(),
            status: EvaluationStatus::Draft,
            traits: Json(sheet.traits),
            attestation: None,
            moderation: None,
            created_at: tx.now,
            updated_at: tx.now,
            submitted_at: None,
            published_at: None,
            expires_at: None,
        };
        evaluation.insert(tx.db)?;
        let earlier = evaluations::table
            .filter(evaluations::solution_id.eq(solution.id).and(evaluations::published_at.is_not_null()))
            .order(evaluations::published_at.desc())
            .select(Self::as_select())
            .first::<Self>(tx.db)
            .optional()?;
        if let Some(earlier) = earlier {
            let criteria = set.criteria(tx.db)?;
            let copies: Vec<AnswerRow> = earlier
                .answers(tx.db)?
                .into_iter()
                .filter(|answer| criteria.iter().any(|c| c.code == answer.criterion && still_valid(c, answer)))
                .map(|answer| AnswerRow { evaluation_id: evaluation.id, to_confirm: true, ..answer })
                .collect();
            crate::insert_all!(tx.db, answers::table, &copies);
        }
        tx.record("create_evaluation", Resource::Evaluation, evaluation.id, 1, json!({"solution": solution.id}))?;
        Ok(evaluation)
    }

    pub fn find(db: &mut Db, id: &str) -> Result<Self> {
        let id = Id::parse(id).ok_or_else(Error::not_found)?;
        evaluations::table.find(id).select(Self::as_select()).first(db).optional()?.ok_or_else(Error::not_found)
    }

    /// As the caller may know of it.
    pub fn visible(db: &mut Db, id: &str, viewer: &Viewer) -> Result<Self> {
        let evaluation = Self::find(db, id)?;
        if evaluation.status.is_public() || evaluation.is_seen_whole_by(viewer) {
            Ok(evaluation)
        } else {
            Err(Error::not_found())
        }
    }

    /// As its vendor may change it: a foreign one is absent.
    pub fn owned(db: &mut Db, id: &str, viewer: &Viewer) -> Result<Self> {
        let evaluation = Self::find(db, id)?;
        if viewer.owns(Some(evaluation.organisation_id)) { Ok(evaluation) } else { Err(Error::not_found()) }
    }

    pub fn in_force(db: &mut Db, solution: Id) -> Result<Option<Self>> {
        Ok(evaluations::table
            .filter(evaluations::solution_id.eq(solution))
            .filter(evaluations::status.eq_any([EvaluationStatus::Published, EvaluationStatus::Contested]))
            .select(Self::as_select())
            .first(db)
            .optional()?)
    }

    /// Those in force of these solutions.
    pub fn in_force_of(db: &mut Db, solutions: &[Id]) -> Result<Vec<Self>> {
        // By status as well, SQLite would look through all that are in force.
        let mut all: Vec<Self> = evaluations::table
            .filter(evaluations::solution_id.eq_any(solutions.to_vec()))
            .select(Self::as_select())
            .load(db)?;
        all.retain(|one| one.status.is_in_force());
        Ok(all)
    }

    pub fn find_all(db: &mut Db, ids: &[Id]) -> Result<Vec<Self>> {
        Ok(evaluations::table.filter(evaluations::id.eq_any(ids.to_vec())).select(Self::as_select()).load(db)?)
    }

    pub fn open(db: &mut Db, solution: Id, set: Id) -> Result<Option<Self>> {
        Ok(evaluations::table
            .filter(evaluations::solution_id.eq(solution).and(evaluations::set_id.eq(set)))
            .filter(evaluations::status.eq_any([EvaluationStatus::Draft, EvaluationStatus::Submitted]))
            .select(Self::as_select())
            .first(db)
            .optional()?)
    }

    pub fn is_seen_whole_by(&self, viewer: &Viewer) -> bool {
        viewer.sees_drafts() || viewer.owns(Some(self.organisation_id))
    }

    pub fn answers(&self, db: &mut Db) -> Result<Vec<AnswerRow>> {
        Ok(answers::table
            .filter(answers::evaluation_id.eq(self.id))
            .order(answers::criterion)
            .select(AnswerRow::as_select())
            .load(db)?)
    }

    pub fn contestations(&self, db: &mut Db) -> Result<Vec<Contestation>> {
        Self::contestations_of(db, &[self.id])
    }

    /// The result that counts: the last one.
    pub fn result(&self, db: &mut Db) -> Result<Option<ResultRow>> {
        Ok(evaluation_results::table
            .filter(evaluation_results::evaluation_id.eq(self.id))
            .order(evaluation_results::number.desc())
            .select(ResultRow::as_select())
            .first(db)
            .optional()?)
    }

    /// All results of these, the last one of each first.
    pub fn results_of(db: &mut Db, ids: &[Id]) -> Result<Vec<ResultRow>> {
        Ok(evaluation_results::table
            .filter(evaluation_results::evaluation_id.eq_any(ids.to_vec()))
            .order(evaluation_results::number.desc())
            .select(ResultRow::as_select())
            .load(db)?)
    }

    /// Contestations of these, the first one first.
    pub fn contestations_of(db: &mut Db, ids: &[Id]) -> Result<Vec<Contestation>> {
        Ok(contestations::table
            .filter(contestations::evaluation_id.eq_any(ids.to_vec()))
            .order(contestations::id)
            .select(Contestation::as_select())
            .load(db)?)
    }

    /// The criteria that apply, given the traits.
    pub fn applicable(&self, db: &mut Db) -> Result<Vec<Criterion>> {
        let set = CriteriaSet::find(db, self.set_id)?;
        let mut criteria = set.criteria(db)?;
        criteria.retain(|criterion| criterion.applies_to(&self.traits.0));
        Ok(criteria)
    }

    /// Takes the traits of what is published now: a draft follows its solution.
    pub fn follow(&mut self, db: &mut Db) -> Result<()> {
        if self.status == EvaluationStatus::Draft {
            let solution = Solution::find_by_id(db, self.solution_id)?;
            if let (Some(sheet), Some(number)) = (solution.published_sheet(db)?, solution.published_version) {
                self.traits.0 = sheet.traits;
                self.solution_version = number;
            }
        }
        Ok(())
    }

    pub fn progress(&self, db: &mut Db) -> Result<Progress> {
        let applicable = self.applicable(db)?;
        let answers: BTreeMap<String, bool> =
            self.answers(db)?.into_iter().map(|answer| (answer.criterion, answer.to_confirm)).collect();
        let open: Vec<OpenCriterion> = applicable
            .iter()
            .filter_map(|criterion| {
                let reason = match answers.get(&criterion.code) {
                    None => OpenReason::Unanswered,
                    Some(true) => OpenReason::ToConfirm,
                    Some(false) => return None,
                };
                Some(OpenCriterion { criterion: criterion.code.clone(), reason })
            })
            .collect();
        let count = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
        Ok(Progress {
            applicable_count: count(applicable.len()),
            answered_count: count(applicable.len() - open.len()),
            open,
        })
    }

    pub fn advance(&mut self, command: EvaluationCommand) -> Result<()> {
        let at = self.status;
        self.status = step(at, command).ok_or_else(|| {
            Error::conflict(text!(
                "L’évaluation est « {at} » ; « {command} » n’en part pas.",
                "The evaluation is `{at}`; `{command}` does not start there."
            ))
        })?;
        Ok(())
    }

    /// Writes a change and its journal entry.
    pub fn store(&mut self, tx: &mut Tx<'_>, action: &str, changed: Value) -> Result<()> {
        self.updated_at = tx.now;
        self.change(tx)?;
        tx.record(action, Resource::Evaluation, self.id, self.version, of_solution(changed, self.solution_id))
    }

    /// What is submitted or put in force answers the set in force, of a public solution.
    pub fn refuse_untimely(&self, tx: &mut Tx<'_>) -> Result<()> {
        let set = CriteriaSet::in_force(tx.db, tx.now.day())?;
        if set.is_none_or(|set| set.id != self.set_id) {
            return Err(Error::conflict(text!(
                "Son référentiel n’est plus en vigueur ; en commencer une autre.",
                "Its criteria set is no longer in force; begin another."
            )));
        }
        if !Solution::find_by_id(tx.db, self.solution_id)?.status.is_public() {
            return Err(Error::conflict(text!(
                "La solution n’est plus publiée.",
                "The solution is no longer published."
            )));
        }
        Ok(())
    }

    /// Criteria that a contest set to zero.
    pub fn zeroed(&self, db: &mut Db) -> Result<Vec<String>> {
        let all = self.contestations(db)?.into_iter();
        Ok(all.filter(|one| one.status == ContestationStatus::Zeroed).map(|one| one.criterion).collect())
    }

    /// Puts it in force: the one before is superseded, scores are computed once.
    pub fn publish(&mut self, tx: &mut Tx<'_>, validity_days: u32) -> Result<()> {
        self.advance(EvaluationCommand::Publish)?;
        if let Some(mut earlier) = Self::in_force(tx.db, self.solution_id)? {
            earlier.advance(EvaluationCommand::Supersede)?;
            earlier.store(tx, "supersede_evaluation", json!({"by": self.id}))?;
        }
        self.published_at = Some(tx.now);
        self.expires_at = Some(tx.now.plus_days(i64::from(validity_days)));
        self.moderation = None;
        self.store(tx, "publish_evaluation", json!({"status": ["submitted", self.status]}))?;
        self.compute_result(tx, "publication")
    }

    /// Computes and keeps a result, zeroed criteria counting zero, and shows it on the solution.
    pub fn compute_result(&self, tx: &mut Tx<'_>, cause: &str) -> Result<()> {
        let number = self.result(tx.db)?.map_or(0, |result| result.number) + 1;
        let scores = self.compute(tx.db)?;
        let overall = scores.overall;
        diesel::insert_into(evaluation_results::table)
            .values(ResultRow {
                evaluation_id: self.id,
                number,
                cause: cause.to_owned(),
                scores: Json(scores),
                computed_at: tx.now,
            })
            .execute(tx.db)?;
        tx.seal(Sealed::EvaluationResult, &[(self.id, number)])?;
        show_score(tx.db, self.solution_id, overall)
    }

    /// The scores that the stored answers give.
    pub fn compute(&self, db: &mut Db) -> Result<Scores> {
        let applicable = self.applicable(db)?;
        let answers: BTreeMap<String, String> =
            self.answers(db)?.into_iter().map(|answer| (answer.criterion, answer.value)).collect();
        let zeroed = self.zeroed(db)?;
        Ok(compute(applicable.iter(), |criterion| {
            if zeroed.contains(&criterion.code) {
                Contribution::Scored(Score::from_unit(0.0))
            } else {
                contribution(criterion, answers.get(&criterion.code).map(String::as_str))
            }
        }))
    }

    pub fn delete(&self, tx: &mut Tx<'_>) -> Result<()> {
        diesel::delete(answers::table.filter(answers::evaluation_id.eq(self.id))).execute(tx.db)?;
        let rows = diesel::delete(
            evaluations::table.filter(evaluations::id.eq(self.id).and(evaluations::version.eq(self.version))),
        )
        .execute(tx.db)?;
        crate::http::conditional::changed_one(rows, self.version)?;
        tx.record(
            "delete_evaluation",
            Resource::Evaluation,
            self.id,
            self.version,
            json!({"solution": self.solution_id}),
        )
    }

    /// Loads all that its view shows.
    pub fn view(self, db: &mut Db, viewer: &Viewer) -> Result<EvaluationView> {
        let parts = Parts {
            answers: self.answers(db)?,
            result: self.result(db)?,
            contestations: self.contestations(db)?,
            progress: match self.status {
                EvaluationStatus::Draft => Some(self.progress(db)?),
                _ => None,
            },
            is_examiner: crate::labels::model::examines(db, viewer, self.solution_id)?,
        };
        Ok(EvaluationView::new(self, parts, viewer))
    }

    /// Its view with what of it is to be recorded: restricted evidence of others.
    pub fn shown(self, db: &mut Db, viewer: &Viewer) -> Result<(EvaluationView, Vec<Source>)> {
        let owner = Some(self.organisation_id);
        let source = Source { solution: self.solution_id, owner, resource: Resource::Evaluation, id: self.id };
        let view = self.view(db, viewer)?;
        let shown = source.if_restricted(viewer, view.answers.iter().flat_map(|answer| &answer.evidence));
        Ok((view, shown.into_iter().collect()))
    }

    /// A page, newest last; `solution` narrows it to one.
    pub fn page(
        db: &mut Db,
        filter: &EvaluationFilter,
        solution: Option<Id>,
        viewer: &Viewer,
        slice: &Slice,
    ) -> Result<Page<Self>> {
        use evaluations as e;
        let matching = || {
            let mut query = e::table.into_boxed::<MultiBackend>();
            if let Some(solution) = solution {
                query = query.filter(e::solution_id.eq(solution));
            }
            if !filter.status.is_empty() {
                query = query.filter(e::status.eq_any(filter.status.clone()));
            }
            if !viewer.sees_drafts() {
                let public: Vec<EvaluationStatus> =
                    EvaluationStatus::ALL.iter().copied().filter(|s| s.is_public()).collect();
                let own = viewer.acting_as(crate::auth::Role::Vendor);
                query = match own {
                    Some(own) if solution.is_none() => query.filter(e::organisation_id.eq(own)),
                    Some(own) => query.filter(e::status.eq_any(public).or(e::organisation_id.eq(own))),
                    None => query.filter(e::status.eq_any(public)),
                };
            }
            query
        };
        let total = matching().count().get_result(db)?;
        let rows =
            keyset!(matching(), slice, e::id, e::id, false, |after| after.id).select(Self::as_select()).load(db)?;
        Ok(slice.page(rows, total, |row: &Self| After { key: Key::Number(0), id: row.id }))
    }
}

/// Whether an earlier answer is one to the criterion as it is now.
fn still_valid(criterion: &Criterion, answer: &AnswerRow) -> bool {
    match answer.value.as_str() {
        crate::criteria::content::NA => criterion.na_allowed,
        value => criterion.score_of(value).is_some(),
    }
}

/// Writes an answer in place of the one before.
pub fn put_answer(db: &mut Db, row: AnswerRow) -> Result<()> {
    remove_answer(db, row.evaluation_id, &row.criterion)?;
    diesel::insert_into(answers::table).values(row).execute(db)?;
    Ok(())
}

/// Takes an answer back; whether there was one.
pub fn remove_answer(db: &mut Db, evaluation: Id, criterion: &str) -> Result<bool> {
    Ok(diesel::delete(answers::table.find((evaluation, criterion))).execute(db)? > 0)
}

/// Shows an overall score on the solution. Embedded, not its own: its version stays.
pub fn show_score(db: &mut Db, solution: Id, overall: Option<Score>) -> Result<()> {
    diesel::update(solutions::table.find(solution))
        .set(solutions::score.eq(overall.map_or(-1, Score::ten_thousandths)))
        .execute(db)?;
    Ok(())
}

/// Scores of the evaluations in force of several solutions.
pub fn scores_in_force(db: &mut Db, solutions: &[Id]) -> Result<BTreeMap<Id, ScoresView>> {
    // As in `Evaluation::in_force_of`, of which this takes three columns.
    let mut in_force: Vec<(Id, Id, EvaluationStatus)> = evaluations::table
        .filter(evaluations::solution_id.eq_any(solutions.to_vec()))
        .select((evaluations::id, evaluations::solution_id, evaluations::status))
        .load(db)?;
    in_force.retain(|(_, _, status)| status.is_in_force());
    if in_force.is_empty() {
        return Ok(BTreeMap::new());
    }
    let ids: Vec<Id> = in_force.iter().map(|(id, _, _)| *id).collect();
    let results: Vec<ResultRow> = evaluation_results::table
        .filter(evaluation_results::evaluation_id.eq_any(ids))
        .order(evaluation_results::number)
        .select(ResultRow::as_select())
        .load(db)?;
    let by_evaluation: BTreeMap<Id, ResultRow> = results.into_iter().map(|row| (row.evaluation_id, row)).collect();
    Ok(in_force
        .into_iter()
        .filter_map(|(evaluation, solution, _)| {
            Some((solution, ScoresView::from(by_evaluation.get(&evaluation)?.clone())))
        })
        .collect())
}

/// Ends what is too old: past its own day, or six months after its criteria set retired.
pub fn expire(tx: &mut Tx<'_>) -> Result<usize> {
    use crate::db::schema::criteria_sets;
    let in_force = [EvaluationStatus::Published, EvaluationStatus::Contested];
    let long_retired = tx.now.day() - chrono::TimeDelta::days(183);
    let old_sets: Vec<Id> = criteria_sets::table
        .filter(criteria_sets::retired_on.le(long_retired))
        .select(criteria_sets::id)
        .load(tx.db)?;
    let valid = || evaluations::table.filter(evaluations::status.eq_any(in_force)).select(Evaluation::as_select());
    // Asked apart: each has an index that leads to the few that are due, both together have none.
    let mut due: Vec<Evaluation> = valid().filter(evaluations::expires_at.le(tx.now)).load(tx.db)?;
    if !old_sets.is_empty() {
        let known: BTreeSet<Id> = due.iter().map(|evaluation| evaluation.id).collect();
        let more: Vec<Evaluation> = valid().filter(evaluations::set_id.eq_any(old_sets)).load(tx.db)?;
        due.extend(more.into_iter().filter(|evaluation| !known.contains(&evaluation.id)));
    }
    let count = due.len();
    for mut evaluation in due {
        let from = evaluation.status;
        evaluation.advance(EvaluationCommand::Expire)?;
        evaluation.store(tx, "expire_evaluation", json!({"status": [from, evaluation.status]}))?;
        show_score(tx.db, evaluation.solution_id, None)?;
    }
    Ok(count)
}
