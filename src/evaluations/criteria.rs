//! Declared and verified side by side, criterion by criterion.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use actix_web::web::Path;
use serde::Serialize;
use utoipa::ToSchema;

use super::model::{AnswerRow, Evaluation};
use super::rules::{ContestationStatus, Score};
use super::view::CriterionSummary;
use crate::auth::guard::Visitor;
use crate::criteria::Criterion;
use crate::criteria::content::NA;
use crate::criteria::model::CriteriaSet;
use crate::criteria::view::CriterionFilter;
use crate::db::{Db, Id, Instant, Resource};
use crate::endpoints;
use crate::error::{Error, Result};
use crate::http::route::Endpoint;
use crate::http::{Page, Query, Reply};
use crate::kept::generations::Shows;
use crate::labels::model::{Application, Finding, Label};
use crate::labels::rules::FindingResult;
use crate::organisations::Viewer;
use crate::persons::accesses::{self, Source};
use crate::solutions::model::Solution;
use crate::solutions::routes::refuse_archived;
use crate::solutions::sheet::{Evidence, Origin};
use crate::solutions::view::may_read;

pub fn endpoints() -> Vec<Endpoint> {
    endpoints![list_criteria_of_solution]
}

crate::codes! {
    /// How what was found differs from what was declared.
    pub enum Divergence {
        /// Both give the same score.
        None = "none",
        /// The auditor found less than declared.
        FoundLower = "found_lower",
        /// The auditor found more than declared.
        FoundHigher = "found_higher",
        /// One holds the criterion not applicable, the other not.
        Applicability = "applicability",
    }
}

/// A criterion of a solution: what was declared, what was found, whether they differ.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SolutionCriterionView {
    /// The criterion.
    pub criterion: CriterionSummary,
    /// Whether it applies to the solution.
    pub applies: bool,
    /// What the vendor declares; null when it answered nothing.
    pub declared: Option<DeclaredView>,
    /// Whether the declaration comes with evidence.
    pub is_evidenced: bool,
    /// What the auditor of the current label found; null without one.
    pub found: Option<FoundView>,
    /// How the two differ; null when there is nothing to compare.
    pub divergence: Option<Divergence>,
    /// Whether the declaration is contested.
    pub is_contested: bool,
}

/// What the vendor declares.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DeclaredView {
    /// Who says so: the vendor.
    pub origin: Origin,
    /// Code of the option, or `na`.
    #[schema(max_length = 40)]
    pub value: String,
    /// Its score; null for `na`.
    pub score: Option<Score>,
    /// Why.
    #[schema(max_length = 8000)]
    pub justification: Option<String>,
    /// What proves it, as far as the caller may read it.
    #[schema(max_items = 20)]
    pub evidence: Vec<Evidence>,
    /// When it was declared.
    pub as_of: Instant,
}

/// What the auditor found.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FoundView {
    /// Who says so: an accredited third party.
    pub origin: Origin,
    /// The result.
    pub result: FindingResult,
    /// Code of the option the auditor holds true.
    #[schema(max_length = 40)]
    pub value: Option<String>,
    /// Its score.
    pub score: Option<Score>,
    /// The label it belongs to.
    #[schema(max_length = 13)]
    pub label_number: String,
    /// The audit body.
    pub audit_body_id: Id,
    /// When it was found.
    pub as_of: Instant,
}

/// Declared and verified, criterion by criterion
///
/// For every criterion of the set that the solution was evaluated against: what
/// its vendor declares, with evidence or without, and what the auditor of its
/// current label found. All on one page.
#[utoipa::path(get, path = "/api/v1/solutions/{id}/criteria", tag = "evaluations", security((), ("bearer" = [])),
    params(("id" = String, Path, description = "Identifier or slug of the solution.", max_length = 100), CriterionFilter),
    responses((status = 200, description = "The criteria.", body = Page<SolutionCriterionView>)))]
async fn list_criteria_of_solution(
    visitor: Visitor,
    reply: Reply,
    id: Path<String>,
    query: Query<CriterionFilter>,
) -> Result<HttpResponse> {
    let today = reply.app.store.clock().now().day();
    let caller = visitor.0.clone();
    let (solution, items, shown) = reply
        .app
        .store
        .read(move |db| {
            let viewer = Viewer::of(db, visitor.0.as_ref())?;
            let solution = Solution::visible(db, &id, &viewer)?;
            refuse_archived(db, &solution)?;
            let items = side_by_side(db, &solution, &query, &viewer, today)?;
            let owner = solution.organisation_id;
            let source = Source { solution: solution.id, owner, resource: Resource::Solution, id: solution.id };
            let declared = items.iter().filter_map(|item| item.declared.as_ref());
            let shown = source.if_restricted(&viewer, declared.flat_map(|declared| &declared.evidence));
            Ok((solution.id, items, shown.into_iter().collect()))
        })
        .await?;
    accesses::record(&reply, caller, shown).await?;
    let total = i64::try_from(items.len()).unwrap_or(i64::MAX);
    reply.shows(Shows::Solution(solution));
    reply.page(&Page { items, next: None, total })
}

fn side_by_side(
    db: &mut Db,
    solution: &Solution,
    filter: &CriterionFilter,
    viewer: &Viewer,
    today: chrono::NaiveDate,
) -> Result<Vec<SolutionCriterionView>> {
    let evaluation = Evaluation::in_force(db, solution.id)?;
    let label = Label::of_solution(db, solution.id)?
        .into_iter()
        .find(|label| label.status.on(today, label.valid_until).is_valid());
    let set = match &evaluation {
        Some(evaluation) => Some(CriteriaSet::find(db, evaluation.set_id)?),
        None => CriteriaSet::in_force(db, today)?,
    };
    let Some(set) = set else { return Ok(Vec::new()) };
    let traits = match &evaluation {
        Some(evaluation) => evaluation.traits.0.clone(),
        None => solution.published_sheet(db)?.map(|sheet| sheet.traits).unwrap_or_default(),
    };
    let (mut answers, contested) = match &evaluation {
        Some(evaluation) => (
            evaluation.answers(db)?.into_iter().map(|row| (row.criterion.clone(), row)).collect(),
            evaluation
                .contestations(db)?
                .into_iter()
                .filter(|one| one.status == ContestationStatus::Accepted)
                .map(|one| one.criterion)
                .collect::<Vec<_>>(),
        ),
        None => (BTreeMap::new(), Vec::new()),
    };
    let mut findings: BTreeMap<String, Finding> = match &label {
        Some(label) => Application::find(db, &label.application_id.to_string())?
            .findings(db)?
            .into_iter()
            .map(|finding| (finding.criterion.clone(), finding))
            .collect(),
        None => BTreeMap::new(),
    };
    let sees_evidence = viewer.sees_drafts()
        || viewer.owns(solution.organisation_id)
        || crate::labels::model::examines(db, viewer, solution.id)?;
    let criteria = set.criteria(db)?;
    criteria
        .iter()
        .filter(|criterion| filter.keeps(criterion))
        .map(|criterion| {
            let answer: Option<AnswerRow> = answers.remove(&criterion.code);
            let found = match (findings.remove(&criterion.code), &label) {
                (Some(finding), Some(label)) => Some(found_view(finding, label)),
                (Some(_), None) => return Err(Error::Internal("findings without a label".to_owned())),
                (None, _) => None,
            };
            let declared = answer.map(|row| declared_view(row, criterion, sees_evidence, viewer));
            Ok(SolutionCriterionView {
                applies: criterion.applies_to(&traits),
                is_evidenced: declared.as_ref().is_some_and(|(_, evidenced)| *evidenced),
                divergence: match (&declared, &found) {
                    (Some((declared, _)), Some(found)) => {
                        Some(divergence((&declared.value, declared.score), (found.result, found.score)))
                    }
                    _ => None,
                },
                declared: declared.map(|(view, _)| view),
                found,
                is_contested: contested.contains(&criterion.code),
                criterion: criterion.into(),
            })
        })
        .collect()
}

/// The declaration as shown, and whether it comes with evidence at all.
fn declared_view(row: AnswerRow, criterion: &Criterion, sees_evidence: bool, viewer: &Viewer) -> (DeclaredView, bool) {
    let mut evidence = row.evidence.0;
    let is_evidenced = !evidence.is_empty();
    evidence.retain(|one| sees_evidence || may_read(one.visibility, viewer));
    let view = DeclaredView {
        origin: Origin::Declared,
        score: criterion.score_of(&row.value),
        value: row.value,
        justification: row.justification,
        evidence,
        as_of: row.updated_at,
    };
    (view, is_evidenced)
}

fn found_view(finding: Finding, label: &Label) -> FoundView {
    FoundView {
        origin: Origin::ThirdParty,
        result: finding.result,
        value: finding.value,
        score: finding.score.and_then(Score::stored),
        label_number: label.number.clone(),
        audit_body_id: label.audit_body_id,
        as_of: finding.recorded_at,
    }
}

/// How an auditor's result and score differ from the declared answer and its score.
pub fn divergence(declared: (&str, Option<Score>), found: (FindingResult, Option<Score>)) -> Divergence {
    let is_na = (declared.0 == NA, found.0 == FindingResult::NotApplicable);
    match (is_na, declared.1, found.1) {
        ((true, true), _, _) => Divergence::None,
        ((true, false) | (false, true), _, _) => Divergence::Applicability,
        (_, declared, found) if found < declared => Divergence::FoundLower,
        (_, declared, found) if found > declared => Divergence::FoundHigher,
        _ => Divergence::None,
    }
}
