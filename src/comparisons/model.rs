//! What is compared, as it was at its pins, and how it stands today.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use diesel::prelude::*;

use super::rules::{self, Chosen, NONE, Pin, fault};
use super::view::{ComparedEvaluation, ComparedLabel, ComparedSet, ComparedSolution, ComparisonQuery, StandingView};
use super::view::{Missing, WeightedScores};
use crate::criteria::Criterion;
use crate::criteria::model::CriteriaSet;
use crate::db::schema::evaluation_results;
use crate::db::{Db, Id};
use crate::error::{Error, Fault, Result};
use crate::evaluations::model::{AnswerRow, Evaluation, ResultRow};
use crate::evaluations::rules::{ContestationStatus, Scores};
use crate::labels::model::{Application, Finding, Label};
use crate::organisations::view::OrganisationSummary;
use crate::organisations::{Organisation, Viewer};
use crate::solutions::model::{Solution, SolutionVersion};
use crate::solutions::rules::{Origins, SolutionStatus};
use crate::solutions::sheet::{Origin, SolutionSheet};
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
}

/// An evaluation at one of its results.
pub struct Declared {
    pub evaluation: Evaluation,
    pub result: ResultRow,
    pub answers: BTreeMap<String, AnswerRow>,
    /// Criteria that had been set to zero by then.
    pub zeroed: BTreeSet<String>,
    /// Criteria under contest today.
    pub contested: Vec<String>,
    pub criteria: BTreeMap<String, Criterion>,
}

/// A label with what its auditor found.
pub struct Verified {
    pub label: Label,
    pub set_id: Option<Id>,
    pub solution_version: Option<i32>,
    pub scores: Option<Scores>,
    pub findings: BTreeMap<String, Finding>,
    pub criteria: BTreeMap<String, Criterion>,
}

/// All that a comparison is made of.
pub struct Loaded {
    pub sides: Vec<Side>,
    pub set: Option<CriteriaSet>,
    pub criteria: Vec<Criterion>,
    pub weights: Vec<(String, i32)>,
}

/// Finds what is asked for; every element that is not there is named.
pub fn load(db: &mut Db, query: &ComparisonQuery, today: NaiveDate) -> Result<Loaded> {
    let mut faults = Vec::new();
    let pins = query.solutions.iter().map(|one| &one.0);
    let evaluations = query.evaluations.iter().map(|one| one.0.clone());
    let evaluations = rules::aligned("evaluations", evaluations, pins.len(), &mut faults);
    let labels = rules::aligned("labels", query.labels.iter().map(|one| one.0.clone()), pins.len(), &mut faults);
    let weights = rules::weights(&query.weights, &mut faults);
    if !faults.is_empty() {
        return Err(Error::invalid(faults));
    }
    let mut sides: Vec<Side> = Vec::new();
    let mut sets = Sets::default();
    for (index, ((pin, evaluation), label)) in pins.zip(evaluations).zip(labels).enumerate() {
        let Some((solution, version)) = published(db, pin, index, &mut faults)? else { continue };
        if sides.iter().any(|side| (side.solution.id, side.version.number) == (solution.id, version.number)) {
            let detail = text!("Cette version figure déjà dans la liste.", "This version is on the list already.");
            faults.push(fault("solutions", index, "repeated", detail));
        }
        let declared = declared(db, &solution, evaluation, index, &mut sets, &mut faults)?;
        let verified = verified(db, &solution, label, index, today, &mut sets, &mut faults)?;
        let nobody = Viewer::default();
        sides.push(Side {
            sheet: shown_to(version.sheet.0.clone(), version.organisation_id, &nobody, false),
            origins: version.origins.0.clone(),
            solution,
            version,
            declared,
            verified,
        });
    }
    let set = chosen_set(db, query.criteria_set.as_deref(), &sides, today, &mut faults)?;
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
    let criteria = set.as_ref().map(|set| set.criteria(db)).transpose()?.unwrap_or_default();
    Ok(Loaded { sides, set, criteria, weights })
}

/// Criteria of sets, each read once.
#[derive(Default)]
struct Sets(BTreeMap<Id, BTreeMap<String, Criterion>>);

impl Sets {
    fn criteria(&mut self, db: &mut Db, set: Id) -> Result<BTreeMap<String, Criterion>> {
        if let Some(known) = self.0.get(&set) {
            return Ok(known.clone());
        }
        let all = CriteriaSet::find(db, set)?.criteria(db)?;
        let all: BTreeMap<_, _> = all.into_iter().map(|one| (one.code.clone(), one)).collect();
        self.0.insert(set, all.clone());
        Ok(all)
    }
}

/// A solution that the public reads, at the version asked for. What never was
/// published is as unknown as what does not exist.
fn published(
    db: &mut Db,
    pin: &Pin,
    index: usize,
    faults: &mut Vec<Fault>,
) -> Result<Option<(Solution, SolutionVersion)>> {
    let key = &pin.key;
    let mut refuse = |code, detail| {
        faults.push(fault("solutions", index, code, detail));
        Ok(None)
    };
    let unknown = || text!("Aucune solution publiée « {key} ».", "No published solution `{key}`.");
    let Some(solution) = absent(Solution::find(db, key))?.filter(|one| one.published_version.is_some()) else {
        return refuse("unknown_solution", unknown());
    };
    match solution.status {
        SolutionStatus::Published | SolutionStatus::Outdated => {}
        SolutionStatus::Archived => {
            return refuse("archived", text!("« {key} » a été archivée.", "`{key}` has been archived."));
        }
        SolutionStatus::Suspended => {
            return refuse("suspended", text!("« {key} » est suspendue.", "`{key}` is suspended."));
        }
        _ => return refuse("unknown_solution", unknown()),
    }
    let number = pin.number.or(solution.published_version).unwrap_or_default();
    match absent(SolutionVersion::find(db, solution.id, number))? {
        Some(version) => Ok(Some((solution, version))),
        None => refuse(
            "unknown_version",
            text!("« {key} » n’a pas de version {number}.", "`{key}` has no version {number}."),
        ),
    }
}

/// An absence as none.
fn absent<T>(found: Result<T>) -> Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(Error::Problem(problem)) if problem.code == crate::error::Code::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn declared(
    db: &mut Db,
    solution: &Solution,
    chosen: Chosen<Pin>,
    index: usize,
    sets: &mut Sets,
    faults: &mut Vec<Fault>,
) -> Result<Option<Declared>> {
    let (evaluation, number) = match chosen {
        Chosen::Absent => return Ok(None),
        Chosen::Today => (Evaluation::in_force(db, solution.id)?, None),
        Chosen::This(pin) => {
            let found = absent(Evaluation::find(db, &pin.key))?
                .filter(|found| found.solution_id == solution.id && found.status.is_public());
            (found.or_else(|| unknown_evaluation(index, faults)), pin.number)
        }
    };
    let Some(evaluation) = evaluation else { return Ok(None) };
    let mut results = evaluation_results::table
        .filter(evaluation_results::evaluation_id.eq(evaluation.id))
        .order(evaluation_results::number.desc())
        .select(ResultRow::as_select())
        .load::<ResultRow>(db)?;
    results.retain(|result| number.is_none_or(|number| result.number == number));
    let Some(result) = results.into_iter().next() else { return Ok(unknown_evaluation(index, faults)) };
    let contestations = evaluation.contestations(db)?;
    let of = |status| contestations.iter().filter(move |one| one.status == status);
    Ok(Some(Declared {
        answers: evaluation.answers(db)?.into_iter().map(|row| (row.criterion.clone(), row)).collect(),
        // A contest that ends so makes a result in the same instant.
        zeroed: of(ContestationStatus::Zeroed)
            .filter(|one| one.resolved_at.is_some_and(|at| at <= result.computed_at))
            .map(|one| one.criterion.clone())
            .collect(),
        contested: of(ContestationStatus::Accepted).map(|one| one.criterion.clone()).collect(),
        criteria: sets.criteria(db, evaluation.set_id)?,
        evaluation,
        result,
    }))
}

fn unknown_evaluation<T>(index: usize, faults: &mut Vec<Fault>) -> Option<T> {
    let detail = text!(
        "La solution n’a pas cette évaluation publiée, ou pas ce résultat.",
        "The solution has no such published evaluation, or no such result."
    );
    faults.push(fault("evaluations", index, "unknown_evaluation", detail));
    None
}

fn verified(
    db: &mut Db,
    solution: &Solution,
    chosen: Chosen<String>,
    index: usize,
    today: NaiveDate,
    sets: &mut Sets,
    faults: &mut Vec<Fault>,
) -> Result<Option<Verified>> {
    let mut labels = Label::of_solution(db, solution.id)?.into_iter();
    let label = match chosen {
        Chosen::Absent => return Ok(None),
        Chosen::Today => labels.find(|label| label.status.on(today, label.valid_until).is_valid()),
        Chosen::This(number) => {
            let found = labels.find(|label| label.number == number);
            if found.is_none() {
                let detail = text!("La solution n’a pas ce label.", "The solution has no such label.");
                faults.push(fault("labels", index, "unknown_label", detail));
            }
            found
        }
    };
    let Some(label) = label else { return Ok(None) };
    let case = Application::find(db, &label.application_id.to_string())?;
    Ok(Some(Verified {
        set_id: case.set_id,
        solution_version: case.solution_version,
        scores: case.report(db)?.map(|report| report.scores.0),
        findings: case.findings(db)?.into_iter().map(|finding| (finding.criterion.clone(), finding)).collect(),
        criteria: case.set_id.map(|set| sets.criteria(db, set)).transpose()?.unwrap_or_default(),
        label,
    }))
}

/// The set that rows are of.
fn chosen_set(
    db: &mut Db,
    given: Option<&str>,
    sides: &[Side],
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
                sides.iter().filter_map(|side| side.declared.as_ref()).map(|one| one.evaluation.set_id).collect();
            let mut sets = ids.into_iter().map(|id| CriteriaSet::find(db, id)).collect::<Result<Vec<_>>>()?;
            sets.sort_by_key(|set| (set.in_force_on, set.id));
            match sets.pop() {
                Some(latest) => Ok(Some(latest)),
                None => CriteriaSet::in_force(db, today),
            }
        }
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
    sides
        .iter()
        .map(|side| {
            let solution = &side.solution;
            let (declared, verified) = (side.declared.as_ref(), side.verified.as_ref());
            let in_force = Evaluation::in_force(db, solution.id)?;
            let last = in_force.as_ref().map(|one| one.result(db)).transpose()?.flatten();
            let valid = Label::of_solution(db, solution.id)?
                .into_iter()
                .find(|label| label.status.on(today, label.valid_until).is_valid());
            Ok(StandingView {
                solution_id: solution.id,
                status: solution.status,
                published_version: solution.published_version,
                vendor: solution.organisation_id.and_then(|id| vendors.get(&id)).cloned(),
                evaluation_status: declared.map(|one| one.evaluation.status),
                contested: declared.map(|one| one.contested.clone()).unwrap_or_default(),
                label_status: verified.map(|one| one.label.status.on(today, one.label.valid_until)),
                label_valid_until: verified.map(|one| one.label.valid_until),
                rating: (solution.rating >= 0).then(|| f64::from(solution.rating) / 100.0),
                is_current: solution.published_version == Some(side.version.number)
                    && declared.map(|one| (one.evaluation.id, one.result.number))
                        == last.map(|result| (result.evaluation_id, result.number))
                    && verified.map(|one| &one.label.number) == valid.as_ref().map(|label| &label.number),
            })
        })
        .collect()
}
