//! Rows and queries of labels and applications.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::acts::{LabelAct, Said};
use super::procedure::Procedure;
use super::rules::{ApplicationCommand, ApplicationStatus, DecisionOutcome, FindingResult, Found, LabelStatus, step};
use super::standing::{Cause, LabelCommand, Standing};
use super::view::{
    ApplicationDetails, ApplicationFilter, ApplicationView, DecisionView, LabelFilter, LabelScope, LabelView, Parts,
    Reservation,
};
use crate::auth::Role;
use crate::criteria::Criterion;
use crate::criteria::model::CriteriaSet;
use crate::db::journal::of_solution;
use crate::db::schema::{audit_reports, changes, counters, findings, label_applications, label_decisions, labels};
use crate::db::{Db, Id, Instant, Json, MultiBackend, Resource, Tx};
use crate::error::{Error, Fault, Result};
use crate::evaluations::model::Evaluation;
use crate::evaluations::rules::{Score, Scores};
use crate::http::{After, Key, Page, Slice};
use crate::independence::declarations::Declaration;
use crate::independence::freeze::Freeze;
use crate::independence::rules::{Conflict, Rule};
use crate::organisations::view::OrganisationSummary;
use crate::organisations::{Organisation, Viewer};
use crate::solutions::model::Solution;
use crate::solutions::sheet::Evidence;
use crate::{keyset, notifications, text, versioned};

/// An application for the label.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = label_applications, treat_none_as_default_value = false, treat_none_as_null = true)]
pub struct Application {
    pub id: Id,
    pub version: i32,
    pub solution_id: Id,
    pub organisation_id: Id,
    pub status: ApplicationStatus,
    pub solution_version: Option<i32>,
    pub evaluation_id: Option<Id>,
    pub set_id: Option<Id>,
    pub audit_body_id: Option<Id>,
    /// The person who accepted for the body and declared independence.
    pub evaluator_id: Option<Id>,
    pub details: Json<ApplicationDetails>,
    pub moderation: Option<Json<String>>,
    pub created_at: Instant,
    pub updated_at: Instant,
    pub submitted_at: Option<Instant>,
    pub admission_due_at: Option<Instant>,
    pub decided_at: Option<Instant>,
    /// When the evaluator accepted; what was found before is of an earlier examination.
    pub accepted_at: Option<Instant>,
    /// Why it stands still, if it does.
    pub frozen: Option<Json<Freeze>>,
    /// Interests that do not exclude.
    pub disclosures: Json<Vec<Conflict>>,
    /// What the parties said to each other.
    pub procedure: Json<Procedure>,
    /// Until when one of them has to act.
    pub due_at: Option<Instant>,
    /// 0: the first examination; 1: the one after corrective action.
    pub round: i32,
}

versioned!(Application, label_applications);

/// What the auditor found for a criterion.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = findings, treat_none_as_default_value = false)]
pub struct Finding {
    pub application_id: Id,
    pub criterion: String,
    /// The examination in which it was found.
    pub round: i32,
    pub result: FindingResult,
    pub value: Option<String>,
    pub score: Option<i32>,
    pub comment: String,
    pub evidence: Json<Vec<Evidence>>,
    pub actor_id: Id,
    pub recorded_at: Instant,
}

/// The evaluator's report.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = audit_reports)]
pub struct Report {
    pub application_id: Id,
    /// The examination that it reports.
    pub round: i32,
    pub recommendation: DecisionOutcome,
    pub summary: String,
    pub scores: Json<Scores>,
    pub actor_id: Id,
    pub submitted_at: Instant,
}

/// A decision: only ever added.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = label_decisions, treat_none_as_default_value = false)]
pub struct Decision {
    pub id: Id,
    pub application_id: Id,
    pub organisation_id: Id,
    pub outcome: DecisionOutcome,
    pub content: Json<DecisionContent>,
    pub label_number: Option<String>,
    pub corrects: Option<Id>,
    pub actor_id: Id,
    pub decided_at: Instant,
}

/// What a decision says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DecisionContent {
    pub reasons: String,
    pub reservations: Vec<Reservation>,
    /// The audit body's own signature over it: a compact JWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// A label.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = labels, primary_key(number), treat_none_as_default_value = false, treat_none_as_null = true)]
pub struct Label {
    pub number: String,
    pub id: Id,
    pub version: i32,
    pub solution_id: Id,
    pub application_id: Id,
    pub decision_id: Id,
    pub audit_body_id: Id,
    pub status: LabelStatus,
    pub content: Json<LabelContent>,
    pub valid_from: NaiveDate,
    pub valid_until: NaiveDate,
    pub granted_at: Instant,
    pub updated_at: Instant,
    /// What has come over it beside its status.
    pub standing: Json<Standing>,
    /// Up to and with which day neither its solution nor its vendor applies again.
    pub banned_until: Option<NaiveDate>,
}

versioned!(Label, labels);

/// What a label says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelContent {
    pub scope: LabelScope,
    pub outcome: DecisionOutcome,
    pub reservations: Vec<Reservation>,
    pub summary: String,
    pub scores: Scores,
    /// Interests of who examined and decided that do not exclude.
    #[serde(default)]
    pub disclosures: Vec<Conflict>,
}

impl Application {
    pub fn find(db: &mut Db, id: &str) -> Result<Self> {
        let id = Id::parse(id).ok_or_else(Error::not_found)?;
        label_applications::table.find(id).select(Self::as_select()).first(db).optional()?.ok_or_else(Error::not_found)
    }

    /// As a party of the case: the vendor, the audit body it is assigned to, the
    /// operator. To anybody else it is absent.
    pub fn for_party(db: &mut Db, id: &str, viewer: &Viewer) -> Result<Self> {
        let application = Self::find(db, id)?;
        let is_party = match viewer.role() {
            Some(Role::Operator) => true,
            Some(Role::Vendor) => viewer.owns(Some(application.organisation_id)),
            Some(Role::Auditor) => {
                let body = viewer.acting_as(Role::Auditor);
                body.is_some() && body == application.audit_body_id
            }
            _ => false,
        };
        if is_party { Ok(application) } else { Err(Error::not_found()) }
    }

    pub fn open_for(db: &mut Db, solution: Id) -> Result<Option<Self>> {
        Ok(label_applications::table
            .filter(label_applications::solution_id.eq(solution))
            .filter(label_applications::status.ne_all(ApplicationStatus::CLOSED))
            .select(Self::as_select())
            .first(db)
            .optional()?)
    }

    pub fn advance(&mut self, command: ApplicationCommand) -> Result<()> {
        let at = self.status;
        self.status = step(at, command).ok_or_else(|| {
            Error::conflict(text!(
                "La demande est « {at} » ; « {command} » n’en part pas.",
                "The application is `{at}`; `{command}` does not start there."
            ))
        })?;
        match &self.frozen {
            Some(freeze) if !command.is_possible_when_frozen() => {
                let fault = |rule: &Rule| Fault::body("", rule.code(), rule.explanation());
                Err(Error::conflict_for(freeze.rules.iter().map(fault).collect()))
            }
            _ => Ok(()),
        }
    }

    /// Takes it from its body and its evaluator, with all that holds for them alone.
    pub fn release(&mut self) {
        (self.audit_body_id, self.evaluator_id, self.accepted_at, self.frozen) = (None, None, None, None);
        (self.disclosures, self.due_at) = (Json(Vec::new()), None);
        (self.procedure.0.plan, self.procedure.0.renewal) = (None, None);
    }

    /// Themes of the criteria that are to be examined, by code.
    pub fn themes(&self, db: &mut Db) -> Result<Vec<String>> {
        let themes: BTreeSet<String> = self.criteria(db)?.1.into_iter().map(|criterion| criterion.theme).collect();
        Ok(themes.into_iter().collect())
    }

    /// Who examined it for whatever body: opaque ids.
    pub fn examiners(&self, db: &mut Db) -> Result<BTreeSet<Id>> {
        let examined = ["open_label_application", "record_finding", "submit_report"];
        let journal = changes::table
            .filter(changes::resource_id.eq(self.id).and(changes::resource.eq(Resource::LabelApplication)))
            .filter(changes::action.eq_any(examined).and(changes::actor_id.is_not_null()))
            .select(changes::actor_id.assume_not_null())
            .load::<Id>(db)?;
        let found = findings::table.filter(findings::application_id.eq(self.id));
        let found: Vec<Id> = found.select(findings::actor_id).load(db)?;
        let reported = self.reports(db)?.into_iter().map(|report| report.actor_id);
        Ok(journal.into_iter().chain(found).chain(reported).chain(self.evaluator_id).collect())
    }

    /// Writes a change and its journal entry.
    pub fn store(&mut self, tx: &mut Tx<'_>, action: &str, changed: Value) -> Result<()> {
        self.updated_at = tx.now;
        self.change(tx)?;
        let about_audit_body = changed.get("audit_body").cloned();
        tx.record(action, Resource::LabelApplication, self.id, self.version, of_solution(changed, self.solution_id))?;
        notifications::of_application(tx, self, action, about_audit_body.as_ref())
    }

    /// What was found last for each criterion, since the evaluator accepted.
    pub fn findings(&self, db: &mut Db) -> Result<Vec<Finding>> {
        self.findings_by(db, self.round)
    }

    /// [`Application::findings`] as they were up to and with a round.
    fn findings_by(&self, db: &mut Db, round: i32) -> Result<Vec<Finding>> {
        Ok(self.latest(Self::findings_of(db, &[self.id])?, round))
    }

    /// Everything that was ever found in these cases, the first rounds first.
    pub fn findings_of(db: &mut Db, ids: &[Id]) -> Result<Vec<Finding>> {
        Ok(findings::table
            .filter(findings::application_id.eq_any(ids.to_vec()))
            .order((findings::application_id, findings::criterion, findings::round))
            .select(Finding::as_select())
            .load(db)?)
    }

    /// Of all that was found, what counts by a round.
    pub fn latest(&self, all: Vec<Finding>, round: i32) -> Vec<Finding> {
        let mut last: BTreeMap<String, Finding> = BTreeMap::new();
        let counts = |one: &Finding| one.round <= round && self.accepted_at.is_none_or(|at| one.recorded_at >= at);
        for one in all.into_iter().filter(counts) {
            last.insert(one.criterion.clone(), one);
        }
        last.into_values().collect()
    }

    /// Findings as rules see them.
    pub fn found(&self, db: &mut Db) -> Result<Found> {
        self.found_by(db, self.round)
    }

    /// [`Application::found`] as it was up to and with a round.
    pub fn found_by(&self, db: &mut Db, round: i32) -> Result<Found> {
        Ok(self
            .findings_by(db, round)?
            .into_iter()
            .map(|finding| (finding.criterion, (finding.result, finding.score.and_then(Score::stored))))
            .collect())
    }

    /// Reports, the first one first.
    pub fn reports(&self, db: &mut Db) -> Result<Vec<Report>> {
        Self::reports_of(db, &[self.id])
    }

    /// Reports of these cases, the first round of each first.
    pub fn reports_of(db: &mut Db, ids: &[Id]) -> Result<Vec<Report>> {
        Ok(audit_reports::table
            .filter(audit_reports::application_id.eq_any(ids.to_vec()))
            .order(audit_reports::round)
            .select(Report::as_select())
            .load(db)?)
    }

    pub fn find_all(db: &mut Db, ids: &[Id]) -> Result<Vec<Self>> {
        Ok(label_applications::table
            .filter(label_applications::id.eq_any(ids.to_vec()))
            .select(Self::as_select())
            .load(db)?)
    }

    /// The report that a decision is made on.
    pub fn report(&self, db: &mut Db) -> Result<Option<Report>> {
        Ok(self.reports(db)?.pop())
    }

    pub fn decisions(&self, db: &mut Db) -> Result<Vec<Decision>> {
        Ok(label_decisions::table
            .filter(label_decisions::application_id.eq(self.id))
            .order(label_decisions::id)
            .select(Decision::as_select())
            .load(db)?)
    }

    /// The set and the criteria that the examined evaluation answers.
    pub fn criteria(&self, db: &mut Db) -> Result<(CriteriaSet, Vec<Criterion>)> {
        let (Some(set), Some(evaluation)) = (self.set_id, self.evaluation_id) else {
            return Err(Error::Internal("an application without its evaluation".to_owned()));
        };
        let set = CriteriaSet::find(db, set)?;
        let criteria = Evaluation::find(db, &evaluation.to_string())?.applicable(db)?;
        Ok((set, criteria))
    }

    pub fn view(self, db: &mut Db, viewer: &Viewer) -> Result<ApplicationView> {
        // Interests are for who is to be independent, and for who sees to it.
        let sees_declarations = matches!(viewer.role(), Some(Role::Auditor | Role::Operator));
        let parts = Parts {
            findings: self.findings(db)?,
            reports: self.reports(db)?,
            decisions: self.decisions(db)?,
            declarations: if sees_declarations { Declaration::of_case(db, self.id)? } else { Vec::new() },
        };
        // The vendor reads findings once the report is in, not over the auditor's shoulder.
        let sees_findings = viewer.role() == Some(Role::Auditor)
            || (!parts.reports.is_empty() && self.status != ApplicationStatus::InAudit);
        Ok(ApplicationView::new(self, parts, sees_findings))
    }

    pub fn page(db: &mut Db, filter: &ApplicationFilter, viewer: &Viewer, slice: &Slice) -> Result<Page<Self>> {
        use label_applications as a;
        let (vendor, auditor) = (viewer.acting_as(Role::Vendor), viewer.acting_as(Role::Auditor));
        let matching = || {
            let mut query = a::table.into_boxed::<MultiBackend>();
            query = match (vendor, auditor) {
                _ if viewer.is_operator() => query,
                (Some(own), _) => query.filter(a::organisation_id.eq(own)),
                (_, Some(own)) => query.filter(a::audit_body_id.eq(own)),
                (None, None) => query.filter(a::id.ne(a::id)),
            };
            if !filter.status.is_empty() {
                query = query.filter(a::status.eq_any(filter.status.clone()));
            }
            query
        };
        let total = matching().count().get_result(db)?;
        let rows =
            keyset!(matching(), slice, a::id, a::id, false, |after| after.id).select(Self::as_select()).load(db)?;
        Ok(slice.page(rows, total, |row: &Self| After { key: Key::Number(0), id: row.id }))
    }
}

impl Finding {
    /// Writes it in place of the one before.
    pub fn put(self, db: &mut Db) -> Result<()> {
        diesel::delete(findings::table.find((self.application_id, self.criterion.clone(), self.round))).execute(db)?;
        diesel::insert_into(findings::table).values(self).execute(db)?;
        Ok(())
    }
}

impl Report {
    pub fn insert(self, db: &mut Db) -> Result<()> {
        diesel::insert_into(audit_reports::table).values(self).execute(db)?;
        Ok(())
    }
}

impl Decision {
    pub fn insert(&self, db: &mut Db) -> Result<()> {
        diesel::insert_into(label_decisions::table).values(self.clone()).execute(db)?;
        Ok(())
    }
}

impl Label {
    pub fn find(db: &mut Db, number: &str) -> Result<Self> {
        labels::table.find(number).select(Self::as_select()).first(db).optional()?.ok_or_else(Error::not_found)
    }

    /// The label that an application led to.
    pub fn of_application(db: &mut Db, application: Id) -> Result<Option<Self>> {
        Ok(labels::table
            .filter(labels::application_id.eq(application))
            .order(labels::number.desc())
            .select(Self::as_select())
            .first(db)
            .optional()?)
    }

    /// Labels of a solution, the latest first.
    pub fn of_solution(db: &mut Db, solution: Id) -> Result<Vec<Self>> {
        Self::of_all(db, &[solution])
    }

    /// Labels of these solutions, the latest first.
    pub fn of_all(db: &mut Db, solutions: &[Id]) -> Result<Vec<Self>> {
        Ok(labels::table
            .filter(labels::solution_id.eq_any(solutions.to_vec()))
            .order(labels::number.desc())
            .select(Self::as_select())
            .load(db)?)
    }

    /// What a list shows, without order.
    pub fn matching<'a>(filter: &LabelFilter, today: NaiveDate) -> labels::BoxedQuery<'a, MultiBackend> {
        use labels as l;
        let mut query = l::table.into_boxed::<MultiBackend>();
        if let Some(solution) = filter.solution {
            query = query.filter(l::solution_id.eq(solution));
        }
        if !filter.status.is_empty() {
            // As shown: what is past its last day is expired, whatever the row still says.
            let valid: Vec<LabelStatus> = filter.status.iter().copied().filter(|s| s.is_valid()).collect();
            let others: Vec<LabelStatus> = filter.status.iter().copied().filter(|s| !s.is_valid()).collect();
            let lapsed: Vec<LabelStatus> = match others.contains(&LabelStatus::Expired) {
                true => LabelStatus::ALL.iter().copied().filter(|s| s.is_valid()).collect(),
                false => Vec::new(),
            };
            // What cannot be is left out: SQLite would read the whole table for it.
            let mut any: Vec<Box<dyn BoxableExpression<l::table, MultiBackend, SqlType = Bool>>> = Vec::new();
            if !valid.is_empty() {
                any.push(Box::new(l::status.eq_any(valid).and(l::valid_until.ge(today))));
            }
            if !others.is_empty() {
                any.push(Box::new(l::status.eq_any(others)));
            }
            if !lapsed.is_empty() {
                any.push(Box::new(l::status.eq_any(lapsed).and(l::valid_until.lt(today))));
            }
            if let Some(any) = any.into_iter().reduce(|one, other| Box::new(one.or(other))) {
                query = query.filter(any);
            }
        }
        query
    }

    pub fn page(db: &mut Db, filter: &LabelFilter, today: NaiveDate, slice: &Slice) -> Result<Page<Self>> {
        use labels as l;
        let total = Self::matching(filter, today).count().get_result(db)?;
        let rows =
            keyset!(Self::matching(filter, today), slice, l::number, l::id, true, |after| after.text().to_owned())
                .select(Self::as_select())
                .load(db)?;
        Ok(slice.page(rows, total, |row: &Self| After { key: Key::Text(row.number.clone()), id: row.id }))
    }
}

impl Label {
    /// Those that are valid or suspended, the oldest first.
    pub fn open_page(db: &mut Db, today: NaiveDate, slice: &Slice) -> Result<Page<Self>> {
        use labels as l;
        let open: Vec<LabelStatus> =
            LabelStatus::ALL.iter().copied().filter(|one| one.is_valid() || *one == LabelStatus::Suspended).collect();
        let matching = || {
            let open = l::status.eq_any(open.clone()).and(l::valid_until.ge(today));
            l::table.filter(open).into_boxed::<MultiBackend>()
        };
        let total = matching().count().get_result(db)?;
        let rows = keyset!(matching(), slice, l::number, l::id, false, |after| after.text().to_owned())
            .select(Self::as_select())
            .load(db)?;
        Ok(slice.page(rows, total, |row: &Self| After { key: Key::Text(row.number.clone()), id: row.id }))
    }
}

/// The next number of the year; the row of the counter is locked until the commit.
pub fn next_number(tx: &mut Tx<'_>) -> Result<String> {
    use chrono::Datelike;
    let year = tx.now.0.year();
    let name = format!("label {year}");
    let updated =
        diesel::update(counters::table.find(&name)).set(counters::value.eq(counters::value + 1)).execute(tx.db)?;
    if updated == 0 {
        diesel::insert_into(counters::table)
            .values((counters::name.eq(&name), counters::value.eq(1_i64)))
            .execute(tx.db)?;
    }
    let number: i64 = counters::table.find(&name).select(counters::value).first(tx.db)?;
    Ok(format!("GT-{year}-{number:05}"))
}

/// Views of labels with their bodies and decisions, in a fixed number of queries.
pub fn views(db: &mut Db, rows: Vec<Label>, today: NaiveDate) -> Result<Vec<LabelView>> {
    let bodies: Vec<Id> = rows.iter().map(|label| label.audit_body_id).collect();
    let bodies: BTreeMap<Id, OrganisationSummary> =
        Organisation::find_all(db, &bodies)?.iter().map(|body| (body.id, OrganisationSummary::from(body))).collect();
    let applications: Vec<Id> = rows.iter().map(|label| label.application_id).collect();
    let decisions: Vec<Decision> = label_decisions::table
        .filter(label_decisions::application_id.eq_any(applications))
        .order(label_decisions::id)
        .select(Decision::as_select())
        .load(db)?;
    let numbers: Vec<String> = rows.iter().map(|label| label.number.clone()).collect();
    let acts = LabelAct::of(db, &numbers)?;
    rows.into_iter()
        .map(|label| {
            let own = decisions
                .iter()
                .filter(|one| one.application_id == label.application_id)
                .cloned()
                .map(DecisionView::from);
            let (body, own) = (bodies.get(&label.audit_body_id).cloned(), own.collect());
            let acts = acts.iter().filter(|one| one.label_number == label.number).cloned();
            let acts = acts.map(LabelAct::view).collect::<Result<Vec<_>>>()?;
            Ok(LabelView::new(label, body, own, acts, today))
        })
        .collect()
}

/// Labels of several solutions, the latest first.
pub fn of_solutions(db: &mut Db, solutions: &[Id], today: NaiveDate) -> Result<BTreeMap<Id, Vec<LabelView>>> {
    let rows = Label::of_all(db, solutions)?;
    let mut by_solution: BTreeMap<Id, Vec<LabelView>> = BTreeMap::new();
    for view in views(db, rows, today)? {
        by_solution.entry(view.solution_id).or_default().push(view);
    }
    Ok(by_solution)
}

/// Whether the caller's audit body has accepted a case of this solution that is
/// neither closed nor frozen: then, and only then, it reads restricted evidence.
pub fn examines(db: &mut Db, viewer: &Viewer, solution: Id) -> Result<bool> {
    Ok(examined(db, viewer, &[solution])?.contains(&solution))
}

/// Those of these solutions whose open case the caller's audit body has accepted.
pub fn examined(db: &mut Db, viewer: &Viewer, solutions: &[Id]) -> Result<BTreeSet<Id>> {
    let Some(body) = viewer.acting_as(Role::Auditor) else { return Ok(BTreeSet::new()) };
    Ok(label_applications::table
        .filter(label_applications::solution_id.eq_any(solutions.to_vec()))
        .filter(label_applications::audit_body_id.eq(body))
        .filter(label_applications::evaluator_id.is_not_null().and(label_applications::frozen.is_null()))
        .filter(label_applications::status.ne_all(ApplicationStatus::CLOSED))
        .select(label_applications::solution_id)
        .load::<Id>(db)?
        .into_iter()
        .collect())
}

/// States of the labels of a solution, for filters.
pub fn statuses(db: &mut Db, solution: Id) -> Result<Vec<LabelStatus>> {
    Ok(labels::table.filter(labels::solution_id.eq(solution)).select(labels::status).load(db)?)
}

/// A label is never valid while its solution is not public.
pub fn suspend_of_solution(tx: &mut Tx<'_>, solution: &Solution) -> Result<()> {
    let today = tx.now.day();
    for mut label in Label::of_solution(tx.db, solution.id)?.into_iter().filter(|label| label.shown(today).is_valid()) {
        label.suspend(tx, Cause::Solution, None, Said::default())?;
    }
    Ok(())
}

/// Ends labels past their last day.
pub fn expire(tx: &mut Tx<'_>) -> Result<usize> {
    let valid: Vec<LabelStatus> = LabelStatus::ALL.iter().copied().filter(|status| status.is_valid()).collect();
    let due: Vec<Label> = labels::table
        .filter(labels::status.eq_any(valid).and(labels::valid_until.lt(tx.now.day())))
        .select(Label::as_select())
        .load(tx.db)?;
    let count = due.len();
    for mut label in due {
        label.take(tx, LabelCommand::Expire, Said::default())?;
    }
    Ok(count)
}
