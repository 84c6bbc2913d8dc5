//! Who would lose which label, were a draft set in force: what audits found, held to other
//! criteria, weights and thresholds. Nothing changes by asking.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use actix_web::web::Path;
use serde::Serialize;
use utoipa::ToSchema;

use super::Criterion;
use super::model::CriteriaSet;
use crate::auth::guard::Administrator;
use crate::db::{Db, Id};
use crate::endpoints;
use crate::error::{Error, Result};
use crate::evaluations::model::Evaluation;
use crate::evaluations::rules::Score;
use crate::http::route::Endpoint;
use crate::http::{Page, PageQuery, Query, Reply, Slice};
use crate::labels::model::{Application, Label};
use crate::labels::rules::{FindingResult, Found, LabelStatus, found_scores, obstacles};
use crate::organisations::Viewer;

pub fn endpoints() -> Vec<Endpoint> {
    endpoints![simulate_impact]
}

/// What a set would make of a label.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ImpactView {
    /// Number of the label.
    #[schema(max_length = 13, example = "GT-2026-00001")]
    pub label_number: String,
    /// The solution.
    pub solution_id: Id,
    /// Where the label stands.
    pub status: LabelStatus,
    /// What would become of it.
    pub impact: Impact,
    /// What stands against it: codes of criteria and themes, `overall` for the whole.
    #[schema(max_items = 1000)]
    pub obstacles: Vec<String>,
    /// Criteria of the set that apply and that no auditor has examined: new ones, or those whose
    /// options are others now.
    #[schema(max_items = 1000)]
    pub not_examined: Vec<String>,
    /// The overall score that the audit found.
    pub score: Option<Score>,
    /// The overall score that the same findings would give.
    pub simulated_score: Option<Score>,
}

crate::codes! {
    /// What a set would make of a label.
    pub enum Impact {
        /// All that it needs was found.
        Kept = "kept",
        /// Something new would have to be examined; nothing found stands against it.
        ToExamine = "to_examine",
        /// What was found stands against it.
        Lost = "lost",
    }
}

/// Simulate a set
///
/// Every label that is valid or suspended, the oldest first, with what would become of it were
/// this set in force: kept, lost, or to be examined anew. Of a draft above all, before it is
/// published; nothing changes by asking.
#[utoipa::path(get, path = "/api/v1/criteria-sets/{id}/impact", tag = "criteria", security(("bearer" = ["operator:administrator"])),
    params(("id" = Id, Path, description = "Identifier of the set."), PageQuery),
    responses((status = 200, description = "A page of labels.", body = Page<ImpactView>)))]
async fn simulate_impact(
    caller: Administrator,
    reply: Reply,
    id: Path<String>,
    query: Query<PageQuery>,
) -> Result<HttpResponse> {
    let today = reply.app.store.clock().now().day();
    let slice = reply.slice(&query, query.cursor.as_deref(), query.limit)?;
    let page = reply
        .app
        .store
        .read(move |db| {
            Viewer::of(db, Some(&caller))?.refuse_idle()?;
            let set = CriteriaSet::find(db, Id::parse(&id).ok_or_else(Error::not_found)?)?;
            simulate(db, &set, today, &slice)
        })
        .await?;
    reply.page(&page)
}

fn simulate(db: &mut Db, set: &CriteriaSet, today: chrono::NaiveDate, slice: &Slice) -> Result<Page<ImpactView>> {
    let criteria = set.criteria(db)?;
    let page = Label::open_page(db, today, slice)?;
    let items = page.items.into_iter().map(|label| of_label(db, set, &criteria, label)).collect::<Result<_>>()?;
    Ok(Page { items, next: page.next, total: page.total })
}

fn of_label(db: &mut Db, set: &CriteriaSet, criteria: &[Criterion], label: Label) -> Result<ImpactView> {
    let application = Application::find(db, &label.application_id.to_string())?;
    let evaluation = application.evaluation_id.ok_or_else(|| Error::Internal("a label of no evaluation".to_owned()))?;
    let traits = Evaluation::find(db, &evaluation.to_string())?.traits.0;
    let applicable: Vec<Criterion> = criteria.iter().filter(|one| one.applies_to(&traits)).cloned().collect();
    let mut found = Found::new();
    for finding in application.findings(db)? {
        let criterion = applicable.iter().find(|one| one.code == finding.criterion);
        let again = criterion.and_then(|one| refound(one, finding.result, finding.value.as_deref()));
        found.extend(again.map(|again| (finding.criterion, again)));
    }
    let of_code: BTreeMap<&str, &Criterion> = applicable.iter().map(|one| (one.code.as_str(), one)).collect();
    let not_examined: Vec<String> =
        of_code.keys().filter(|code| !found.contains_key(**code)).map(|code| (*code).to_owned()).collect();
    // What nobody looked at stands neither for nor against.
    let mut against = obstacles(&set.content.label_rule, &applicable, &found);
    against.retain(|code| !not_examined.contains(code));
    let impact = match (against.is_empty(), not_examined.is_empty()) {
        (false, _) => Impact::Lost,
        (true, false) => Impact::ToExamine,
        (true, true) => Impact::Kept,
    };
    Ok(ImpactView {
        label_number: label.number,
        solution_id: label.solution_id,
        status: label.status,
        impact,
        obstacles: against,
        not_examined,
        score: label.content.scores.overall,
        simulated_score: found_scores(&applicable, &found).overall,
    })
}

/// What a finding says of a criterion of another set; none where that set does not know the option.
fn refound(
    criterion: &Criterion,
    result: FindingResult,
    value: Option<&str>,
) -> Option<(FindingResult, Option<Score>)> {
    match (result, value) {
        (FindingResult::NotApplicable, _) => criterion.na_allowed.then_some((result, None)),
        (_, Some(value)) => criterion.score_of(value).map(|score| (result, Some(score))),
        (_, None) => None,
    }
}
