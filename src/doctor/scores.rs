//! Scores computed again from what they were computed from.

use diesel::prelude::*;

use super::Check;
use crate::db::schema::{audit_reports, evaluation_results, evaluations, label_applications, labels};
use crate::db::{Db, Id};
use crate::error::Result;
use crate::evaluations::model::Evaluation;
use crate::labels::model::{Application, Label, Report};
use crate::labels::rules::found_scores;

/// The last result of every evaluation is what its answers give.
pub fn evaluations(db: &mut Db) -> Result<Check> {
    let mut check = Check::new("evaluation scores");
    let ids: Vec<Id> = evaluation_results::table
        .select(evaluation_results::evaluation_id)
        .distinct()
        .order(evaluation_results::evaluation_id)
        .load(db)?;
    for id in ids {
        let evaluation: Option<Evaluation> =
            evaluations::table.find(id).select(Evaluation::as_select()).first(db).optional()?;
        let Some(evaluation) = evaluation else {
            check.found(format!("evaluation {id} is gone, its results are there"));
            continue;
        };
        check.seen += 1;
        let computed = evaluation.compute(db)?;
        if evaluation.result(db)?.is_none_or(|stored| stored.scores.0 != computed) {
            check.found(format!("the scores of evaluation {id} do not follow from its answers"));
        }
    }
    Ok(check)
}

/// The scores of every report, and of the label it led to, are what was found.
pub fn audits(db: &mut Db) -> Result<Check> {
    let mut check = Check::new("audit scores");
    let reports: Vec<Report> = audit_reports::table
        .order((audit_reports::application_id, audit_reports::round))
        .select(Report::as_select())
        .load(db)?;
    for report in reports {
        check.seen += 1;
        let id = report.application_id;
        let application: Application = label_applications::table.find(id).select(Application::as_select()).first(db)?;
        let (_, criteria) = application.criteria(db)?;
        let computed = found_scores(&criteria, &application.found_by(db, report.round)?);
        if report.scores.0 != computed {
            check.found(format!("the scores of the report on application {id} do not follow from its findings"));
        }
        if report.round < application.round {
            continue;
        }
        let given: Vec<Label> =
            labels::table.filter(labels::application_id.eq(id)).select(Label::as_select()).load(db)?;
        for label in given.iter().filter(|label| label.content.scores != computed) {
            check.found(format!("the scores of label {} do not follow from the findings", label.number));
        }
    }
    Ok(check)
}
