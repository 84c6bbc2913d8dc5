//! What is compared, as it was at its pins, and how it stands today.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::NaiveDate;
use diesel::prelude::*;

use super::rules::{self, Chosen, NONE, Pin, fault};
use super::view::{ComparedEvaluation, ComparedLabel, ComparedSet, ComparedSolution, ComparisonQuery, StandingView};
use super::view::{Missing, WeightedScores};
use crate::criteria::Criterion;
use crate::criteria::model::CriteriaSet;
use crate::db::schema::answers;
use crate::db::{Db, Id, Instant, Json};
use crate::error::{Error, Fault, Result};
use crate::evaluations::model::{Evaluation, ResultRow};
use crate::evaluations::rules::{ContestationStatus, Scores};
use crate::labels::model::{Application, Finding, Label};
use crate::organisations::view::OrganisationSummary;
use crate::organisations::{Organisation, Viewer};
use crate::solutions::model::{Solution, SolutionVersion};
use crate::solutions::rules::{Origins, SolutionStatus};
use crate::solutions::sheet::{Evidence, Origin, SolutionSheet};
use crate::solutions::view::shown_to;
use crate::text;

/// A solution at its pins, with all that is compared of it.
pub struct Side {
    pub solution: Solution,
    pub version: SolutionVersion,
    /// The sheet as the public reads it.
    pub sheet: SolutionSheet,
    pub origins: Origins,
    pub declared: Option<Declared>,
    pub verified: Option<Verified>,
    /// What counts today: the last result of the evaluation in force, and the label that is valid.
    last_result: Option<(Id, i32)>,
    valid_label: Option<String>,
}

/// An evaluation at one of its results.
pub struct Declared {
    pub evaluation: Evaluation,
    pub result: ResultRow,
    pub answers: BTreeMap<String, Said>,
    /// Criteria that had been set to zero by then.
    pub zeroed: BTreeSet<String>,
    /// Criteria under contest today.
    pub contested: Vec<String>,
    pub criteria: Arc<Criteria>,
}

/// What is compared of an answer.
#[derive(Debug, Queryable)]
pub struct Said {
    evaluation_id: Id,
    criterion: String,
    pub value: String,
    pub is_evidenced: bool,
    pub as_of: Instant,
}

/// A label with what its auditor found.
pub struct Verified {
    pub label: Label,
    pub set_id: Option<Id>,
    pub solution_version: Option<i32>,
    pub scores: Option<Scores>,
    pub findings: BTreeMap<String, Finding>,
    pub criteria: Arc<Criteria>,
}

/// The criteria of a set.
#[derive(Debug, Default)]
pub struct Criteria {
    pub in_order: Vec<Criterion>,
    places: BTreeMap<String, usize>,
}

impl Criteria {
    fn of(set: &CriteriaSet, db: &mut Db) -> Result<Self> {
        let in_order = set.criteria(db)?;
        let places = in_order.iter().enumerate().map(|(at, one)| (one.code.clone(), at)).collect();
        Ok(Self { in_order, places })
    }

    pub fn get(&self, code: &str) -> Option<&Criterion> {
        self.in_order.get(*self.places.get(code)?)
    }
}

/// All that a comparison is made of.
pub struct Loaded {
    pub sides: Vec<Side>,
    pub set: Option<CriteriaSet>,
    pub criteria: Arc<Criteria>,
    pub weights: Vec<(String, i32)>,
}

/// Finds what is asked for, with a fixed number of queries and one for each criteria set; every element that is not there is named.
pub fn load(db: &mut Db, query: &ComparisonQuery, today: NaiveDate) -> Result<Loaded> {
    let mut faults = Vec::new();
    let pins: Vec<&Pin> = query.solutions.iter().map(|one| &one.0).collect();
    let evaluations = query.evaluations.iter().map(|one| one.0.clone());
    let evaluations = rules::aligned("evaluations", evaluations, pins.len(), &mut faults);
    let labels = rules::aligned("labels", query.labels.iter().map(|one| one.0.clone()), pins.len(), &mut faults);
    let weights = rules::weights(&query.weights, &mut faults);
    if !faults.is_empty() {
        return Err(Error::invalid(faults));
    }
    let public = published(db, &pins, &mut faults)?;
    let mut chosen = Vec::new();
    let found = Found::read(db, &public, &evaluations)?;
    for ((public, evaluation), label) in public.into_iter().zip(evaluations).zip(labels) {
        let Some((index, solution, version)) = public else { continue };
        let is_this = |one: &Selected| (one.solution.id, one.version.number) == (solution.id, version.number);
        if chosen.iter().any(is_this) {
            let detail = text!("Cette version figure déjà dans la liste.", "This version is on the list already.");
            faults.push(fault("solutions", index, "repeated", detail));
        }
        chosen.push(Selected {
            declared: found.declared(solution.id, evaluation, index, &mut faults),
            verified: found.verified(solution.id, label, index, today, &mut faults),
            last_result: found.last_result(solution.id),
            valid_label: found.valid_label(solution.id, today).map(|label| label.number.clone()),
            solution,
            version,
        });
    }
    let set = chosen_set(db, query.criteria_set.as_deref(), &chosen, today, &mut faults)?;
    let themes = set.iter().flat_map(|set| set.content.0.themes.iter().map(|theme| theme.code.as_str()));
    let themes: BTreeSet<&str> = themes.collect();
    for (index, (theme, _)) in weights.iter().enumerate() {
        if !themes.contains(theme.as_str()) {
            let known = themes.iter().copied().collect::<Vec<_>>().join(", ");
            let detail = text!(
                "Thème inconnu : « {theme} ». Possibles : {known}.",
                "Unknown theme: `{theme}`. Possible: {known}."
            );
            faults.push(fault("weights", index, "unknown_theme", detail));
        }
    }
    if !faults.is_empty() {
        return Err(Error::invalid(faults));
    }
    sides(db, chosen, set, weights)
}

/// A public solution at its version, with its place in the list.
type Public = Option<(usize, Solution, SolutionVersion)>;

/// A solution with what it is compared by, before the answers are read.
struct Selected {
    solution: Solution,
    version: SolutionVersion,
    declared: Option<(Evaluation, ResultRow)>,
    verified: Option<Label>,
    last_result: Option<(Id, i32)>,
    valid_label: Option<String>,
}

/// Solutions that the public reads, at the versions asked for; what never was
/// published is as unknown as what does not exist.
fn published(db: &mut Db, pins: &[&Pin], faults: &mut Vec<Fault>) -> Result<Vec<Public>> {
    let ids: Vec<Id> = pins.iter().filter_map(|pin| Id::parse(&pin.key)).collect();
    let slugs: Vec<String> =
        pins.iter().filter(|pin| Id::parse(&pin.key).is_none()).map(|pin| pin.key.clone()).collect();
    let all = Solution::find_all(db, &ids, &slugs)?;
    let of_pin = |pin: &Pin| {
        let id = Id::parse(&pin.key);
        all.iter().find(|one| id.map_or_else(|| one.slug == pin.key, |id| one.id == id))
    };
    let number = |pin: &Pin, solution: &Solution| pin.number.or(solution.published_version).unwrap_or_default();
    let numbers: Vec<i32> = pins.iter().filter_map(|pin| Some(number(pin, of_pin(pin)?))).collect();
    let ids: Vec<Id> = all.iter().map(|one| one.id).collect();
    let versions = SolutionVersion::find_all(db, &ids, &numbers)?;
    let mut public = Vec::new();
    for (index, pin) in pins.iter().enumerate() {
        let key = &pin.key;
        let mut refuse = |code, detail| {
            faults.push(fault("solutions", index, code, detail));
            None
        };
        let unknown = || text!("Aucune solution publiée « {key} ».", "No published solution `{key}`.");
        let solution = of_pin(pin).filter(|one| one.published_version.is_some());
        public.push(match solution.map(|solution| (solution, solution.status)) {
            Some((solution, SolutionStatus::Published | SolutionStatus::Outdated)) => {
                let number = number(pin, solution);
                match versions.iter().find(|one| (one.solution_id, one.number) == (solution.id, number)) {
                    Some(version) => Some((index, solution.clone(), version.clone())),
                    None => refuse(
                        "unknown_version",
                        text!("« {key} » n’a pas de version {number}.", "`{key}` has no version {number}."),
                    ),
                }
            }
            Some((_, SolutionStatus::Archived)) => {
                refuse("archived", text!("« {key} » a été archivée.", "`{key}` has been archived."))
            }
            Some((_, SolutionStatus::Suspended)) => {
                refuse("suspended", text!("« {key} » est suspendue.", "`{key}` is suspended."))
            }
            _ => refuse("unknown_solution", unknown()),
        });
    }
    Ok(public)
}

/// Evaluations and labels of the solutions, of which some are chosen.
struct Found {
    evaluations: Vec<Evaluation>,
    /// The last of each evaluation first.
    results: Vec<ResultRow>,
    /// The latest of each solution first.
    labels: Vec<Label>,
}

impl Found {
    fn read(db: &mut Db, public: &[Public], chosen: &[Chosen<Pin>]) -> Result<Self> {
        let solutions: Vec<Id> = public.iter().flatten().map(|(_, solution, _)| solution.id).collect();
        let named = chosen.iter().filter_map(|chosen| match chosen {
            Chosen::This(pin) => Id::parse(&pin.key),
            Chosen::Today | Chosen::Absent => None,
        });
        let mut evaluations = Evaluation::in_force_of(db, &solutions)?;
        let mut named: Vec<Id> = named.collect();
        named.retain(|id| evaluations.iter().all(|known| known.id != *id));
        if !named.is_empty() {
            evaluations.extend(Evaluation::find_all(db, &named)?);
        }
        let ids: Vec<Id> = evaluations.iter().map(|one| one.id).collect();
        let results = Evaluation::results_of(db, &ids)?;
        Ok(Self { evaluations, results, labels: Label::of_all(db, &solutions)? })
    }

    fn in_force(&self, solution: Id) -> Option<&Evaluation> {
        self.evaluations.iter().find(|one| one.solution_id == solution && one.status.is_in_force())
    }

    /// A result of an evaluation, the last one without a number.
    fn result(&self, evaluation: Id, number: Option<i32>) -> Option<&ResultRow> {
        let mut results = self.results.iter().filter(|result| result.evaluation_id == evaluation);
        results.find(|result| number.is_none_or(|number| result.number == number))
    }

    fn last_result(&self, solution: Id) -> Option<(Id, i32)> {
        let result = self.result(self.in_force(solution)?.id, None)?;
        Some((result.evaluation_id, result.number))
    }

    fn declared(
        &self,
        solution: Id,
        chosen: Chosen<Pin>,
        index: usize,
        faults: &mut Vec<Fault>,
    ) -> Option<(Evaluation, ResultRow)> {
        let (evaluation, number) = match chosen {
            Chosen::Absent => return None,
            Chosen::Today => (Some(self.in_force(solution)?), None),
            Chosen::This(pin) => {
                let id = Id::parse(&pin.key);
                let is_this = |one: &&Evaluation| Some(one.id) == id && one.solution_id == solution;
                (self.evaluations.iter().find(is_this).filter(|one| one.status.is_public()), pin.number)
            }
        };
        let found = evaluation.and_then(|one| Some((one.clone(), self.result(one.id, number)?.clone())));
        if found.is_none() {
            let detail = text!(
                "La solution n’a pas cette évaluation publiée, ou pas ce résultat.",
                "The solution has no such published evaluation, or no such result."
            );
            faults.push(fault("evaluations", index, "unknown_evaluation", detail));
        }
        found
    }

    fn valid_label(&self, solution: Id, today: NaiveDate) -> Option<&Label> {
        self.labels
            .iter()
            .filter(|label| label.solution_id == solution)
            .find(|label| label.status.on(today, label.valid_until).is_valid())
    }

    fn verified(
        &self,
        solution: Id,
        chosen: Chosen<String>,
        index: usize,
        today: NaiveDate,
        faults: &mut Vec<Fault>,
    ) -> Option<Label> {
        let number = match chosen {
            Chosen::Absent => return None,
            Chosen::Today => return self.valid_label(solution, today).cloned(),
            Chosen::This(number) => number,
        };
        let found = self.labels.iter().find(|label| label.solution_id == solution && label.number == number);
        if found.is_none() {
            let detail = text!("La solution n’a pas ce label.", "The solution has no such label.");
            faults.push(fault("labels", index, "unknown_label", detail));
        }
        found.cloned()
    }
}

/// The set that rows are of.
fn chosen_set(
    db: &mut Db,
    given: Option<&str>,
    chosen: &[Selected],
    today: NaiveDate,
    faults: &mut Vec<Fault>,
) -> Result<Option<CriteriaSet>> {
    match given {
        Some(NONE) => Ok(None),
        Some(id) => {
            let set = Id::parse(id).map(|id| CriteriaSet::published(db, id)).transpose()?.flatten();
            if set.is_none() {
                let detail =
                    text!("Aucun référentiel publié de cet identifiant.", "No published criteria set of this id.");
                faults.push(Fault::parameter("criteria_set", "unknown_criteria_set", detail));
            }
            Ok(set)
        }
        None => {
            let ids: BTreeSet<Id> =
                chosen.iter().filter_map(|one| one.declared.as_ref()).map(|(one, _)| one.set_id).collect();
            let mut sets = CriteriaSet::find_all(db, &ids.into_iter().collect::<Vec<_>>())?;
            sets.sort_by_key(|set| (set.in_force_on, set.id));
            match sets.pop() {
                Some(latest) => Ok(Some(latest)),
                None => CriteriaSet::in_force(db, today),
            }
        }
    }
}

/// Reads what was answered and found of all that is chosen.
fn sides(db: &mut Db, chosen: Vec<Selected>, set: Option<CriteriaSet>, weights: Vec<(String, i32)>) -> Result<Loaded> {
    let evaluations: Vec<Id> =
        chosen.iter().filter_map(|one| one.declared.as_ref()).map(|(evaluation, _)| evaluation.id).collect();
    let mut answers = by(Said::of(db, &evaluations)?, |said| said.evaluation_id);
    let mut contestations = by(Evaluation::contestations_of(db, &evaluations)?, |one| one.evaluation_id);
    let cases: Vec<Id> = chosen.iter().filter_map(|one| one.verified.as_ref()).map(|one| one.application_id).collect();
    let (mut found, mut reports, mut applications) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    if !cases.is_empty() {
        applications = Application::find_all(db, &cases)?;
        found = by(Application::findings_of(db, &cases)?, |one| one.application_id);
        reports = by(Application::reports_of(db, &cases)?, |one| one.application_id);
    }
    let mut sets: BTreeMap<Id, Arc<Criteria>> = BTreeMap::new();
    let of_evaluations = chosen.iter().filter_map(|one| one.declared.as_ref()).map(|(evaluation, _)| evaluation.set_id);
    let wanted: BTreeSet<Id> = of_evaluations
        .chain(applications.iter().filter_map(|case| case.set_id))
        .chain(set.iter().map(|set| set.id))
        .collect();
    for one in CriteriaSet::find_all(db, &wanted.into_iter().collect::<Vec<_>>())? {
        sets.insert(one.id, Arc::new(Criteria::of(&one, db)?));
    }
    let criteria = |set: Option<Id>| set.and_then(|set| sets.get(&set)).cloned().unwrap_or_default();
    let nobody = Viewer::default();
    let sides = chosen.into_iter().map(|one| Side {
        sheet: shown_to(one.version.sheet.0.clone(), one.version.organisation_id, &nobody, false),
        origins: one.version.origins.0.clone(),
        declared: one.declared.map(|(evaluation, result)| {
            let contestations = contestations.remove(&evaluation.id).unwrap_or_default();
            let of = |status| contestations.iter().filter(move |one| one.status == status);
            Declared {
                answers: answers
                    .remove(&evaluation.id)
                    .unwrap_or_default()
                    .into_iter()
                    .map(|said| (said.criterion.clone(), said))
                    .collect(),
                // A contest that ends so makes a result in the same instant.
                zeroed: of(ContestationStatus::Zeroed)
                    .filter(|one| one.resolved_at.is_some_and(|at| at <= result.computed_at))
                    .map(|one| one.criterion.clone())
                    .collect(),
                contested: of(ContestationStatus::Accepted).map(|one| one.criterion.clone()).collect(),
                criteria: criteria(Some(evaluation.set_id)),
                evaluation,
                result,
            }
        }),
        verified: one.verified.map(|label| {
            let case = applications.iter().find(|case| case.id == label.application_id);
            let all = found.remove(&label.application_id).unwrap_or_default();
            let found = case.map(|case| case.latest(all, case.round)).unwrap_or_default();
            let last = reports.remove(&label.application_id).and_then(|mut all| all.pop());
            let set_id = case.and_then(|case| case.set_id);
            Verified {
                set_id,
                solution_version: case.and_then(|case| case.solution_version),
                scores: last.map(|report| report.scores.0),
                findings: found.into_iter().map(|finding| (finding.criterion.clone(), finding)).collect(),
                criteria: criteria(set_id),
                label,
            }
        }),
        solution: one.solution,
        version: one.version,
        last_result: one.last_result,
        valid_label: one.valid_label,
    });
    Ok(Loaded { sides: sides.collect(), criteria: criteria(set.as_ref().map(|set| set.id)), set, weights })
}

/// Rows by what they belong to, in the order they came in.
fn by<T>(rows: Vec<T>, of: impl Fn(&T) -> Id) -> BTreeMap<Id, Vec<T>> {
    let mut by: BTreeMap<Id, Vec<T>> = BTreeMap::new();
    for row in rows {
        by.entry(of(&row)).or_default().push(row);
    }
    by
}

impl Said {
    fn of(db: &mut Db, evaluations: &[Id]) -> Result<Vec<Self>> {
        Ok(answers::table
            .filter(answers::evaluation_id.eq_any(evaluations.to_vec()))
            .select((
                answers::evaluation_id,
                answers::criterion,
                answers::value,
                answers::evidence.ne(Json(Vec::<Evidence>::new())),
                answers::updated_at,
            ))
            .load(db)?)
    }
}

impl Loaded {
    /// The address with everything pinned.
    pub fn pinned(&self, query: &ComparisonQuery) -> String {
        let list = |each: &dyn Fn(&Side) -> String| self.sides.iter().map(each).collect::<Vec<_>>().join(",");
        let solutions = list(&|side| format!("{}@{}", side.solution.slug, side.version.number));
        let evaluations = list(&|side| match &side.declared {
            Some(declared) => format!("{}@{}", declared.evaluation.id, declared.result.number),
            None => NONE.to_owned(),
        });
        let labels = list(&|side| side.verified.as_ref().map_or(NONE.to_owned(), |one| one.label.number.clone()));
        let set = self.set.as_ref().map_or(NONE.to_owned(), |set| set.id.to_string());
        let mut link = format!(
            "/api/v1/comparisons?solutions={solutions}&evaluations={evaluations}&labels={labels}&criteria_set={set}"
        );
        if !self.weights.is_empty() {
            let weights = self.weights.iter().map(|(theme, weight)| format!("{theme}:{weight}"));
            link.push_str(&format!("&weights={}", weights.collect::<Vec<_>>().join(",")));
        }
        if let Some(grouping) = query.group_by {
            link.push_str(&format!("&group_by={grouping}"));
        }
        if query.differences_only == Some(true) {
            link.push_str("&differences_only=true");
        }
        link
    }

    pub fn compared_set(&self) -> Option<ComparedSet> {
        self.set.as_ref().map(|set| ComparedSet { id: set.id, label: set.content.0.label.clone() })
    }
}

impl Side {
    pub fn view(&self, weights: &[(String, i32)]) -> ComparedSolution {
        let declared = self.declared.as_ref();
        let verified = self.verified.as_ref();
        ComparedSolution {
            id: self.solution.id,
            slug: self.solution.slug.clone(),
            name: self.sheet.name.clone(),
            version: self.version.number,
            published_at: self.version.published_at,
            vendor_id: self.version.organisation_id,
            evaluation: declared.map(|one| ComparedEvaluation {
                id: one.evaluation.id,
                result: one.result.number,
                criteria_set_id: one.evaluation.set_id,
                solution_version: one.evaluation.solution_version,
                origin: Origin::Declared,
                overall: one.result.scores.0.overall,
                coverage: one.result.scores.0.coverage,
                published_at: one.evaluation.published_at,
            }),
            label: verified.map(|one| ComparedLabel {
                number: one.label.number.clone(),
                criteria_set_id: one.set_id,
                solution_version: one.solution_version,
                audit_body_id: one.label.audit_body_id,
                origin: Origin::ThirdParty,
                overall: one.scores.as_ref().and_then(|scores| scores.overall),
                granted_at: one.label.granted_at,
            }),
            weighted: (!weights.is_empty()).then(|| WeightedScores {
                declared: rules::weighted(weights, declared.map(|one| &one.result.scores.0), Missing::NotPublished),
                verified: rules::weighted(weights, verified.and_then(|one| one.scores.as_ref()), Missing::NotVerified),
            }),
        }
    }
}

/// How all that is compared stands today.
pub fn standings(db: &mut Db, sides: &[Side], today: NaiveDate) -> Result<Vec<StandingView>> {
    let vendors: Vec<Id> = sides.iter().filter_map(|side| side.solution.organisation_id).collect();
    let vendors: BTreeMap<Id, OrganisationSummary> =
        Organisation::find_all(db, &vendors)?.iter().map(|one| (one.id, OrganisationSummary::from(one))).collect();
    let standing = |side: &Side| {
        let (solution, declared, verified) = (&side.solution, side.declared.as_ref(), side.verified.as_ref());
        let label = verified.map(|one| &one.label);
        StandingView {
            solution_id: solution.id,
            status: solution.status,
            published_version: solution.published_version,
            vendor: solution.organisation_id.and_then(|id| vendors.get(&id)).cloned(),
            evaluation_status: declared.map(|one| one.evaluation.status),
            contested: declared.map(|one| one.contested.clone()).unwrap_or_default(),
            label_status: label.map(|label| label.status.on(today, label.valid_until)),
            label_valid_until: label.map(|label| label.valid_until),
            rating: (solution.rating >= 0).then(|| f64::from(solution.rating) / 100.0),
            is_current: solution.published_version == Some(side.version.number)
                && declared.map(|one| (one.evaluation.id, one.result.number)) == side.last_result
                && label.map(|label| &label.number) == side.valid_label.as_ref(),
        }
    };
    Ok(sides.iter().map(standing).collect())
}
