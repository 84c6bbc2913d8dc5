//! Labels: an application, its findings, a report, a decision.

use std::collections::BTreeMap;

use chrono::{Datelike, Months};
use diesel::prelude::*;
use gouvtech_catalogue::criteria::Criterion;
use gouvtech_catalogue::db::schema::{audit_reports, counters, findings, label_applications, label_decisions, labels};
use gouvtech_catalogue::db::seals::Sealed;
use gouvtech_catalogue::db::{Actor, Id, Json, Resource, Store, Tx};
use gouvtech_catalogue::error::Result;
use gouvtech_catalogue::evaluations::rules::Score;
use gouvtech_catalogue::evaluations::view::Answer;
use gouvtech_catalogue::insert_all;
use gouvtech_catalogue::labels::model::{Application, Decision, DecisionContent, Finding, Label, LabelContent, Report};
use gouvtech_catalogue::labels::procedure::Procedure;
use gouvtech_catalogue::labels::rules::{
    ADMISSION_DAYS, ApplicationStatus, DecisionOutcome, FindingResult, LabelStatus, found_scores, obstacles,
};
use gouvtech_catalogue::labels::standing::Standing;
use gouvtech_catalogue::labels::view::{ApplicationDetails, LabelScope};
use gouvtech_catalogue::solutions::model::Solution;

use crate::catalogue::{Cast, history};
use crate::content;

const VALID_MONTHS: u32 = 36;
/// One solution in so many is examined.
const LABELLED: usize = 20;

impl Cast {
    /// A label for some of the good ones, found as declared.
    pub fn label(&self, tx: &mut Tx<'_>, first: usize, solutions: &[Solution], evaluated: &[Id]) -> Result<()> {
        let chosen = (first..).zip(solutions.iter().zip(evaluated));
        let (mut cases, mut found, mut reports, mut decisions, mut granted) = (vec![], vec![], vec![], vec![], vec![]);
        for (number, (solution, evaluation)) in chosen.filter(|(number, _)| number % LABELLED == 0) {
            let (id, answers) = (Id::new(), self.answers(number));
            let own: Vec<Finding> =
                self.criteria.iter().filter_map(|one| self.finding(tx, id, one, &answers)).collect();
            let results = own
                .iter()
                .map(|one| (one.criterion.clone(), (one.result, one.score.and_then(Score::stored))))
                .collect();
            if !obstacles(&self.set.content.label_rule, &self.criteria, &results).is_empty() {
                continue;
            }
            let scores = found_scores(&self.criteria, &results);
            found.extend(own);
            cases.push(Application {
                id,
                version: 1,
                solution_id: solution.id,
                organisation_id: solution.organisation_id.unwrap_or_default(),
                status: ApplicationStatus::InAudit,
                solution_version: Some(1),
                evaluation_id: Some(*evaluation),
                set_id: Some(self.set.id),
                audit_body_id: Some(self.audit_body),
                evaluator_id: Some(self.evaluator),
                details: Json(ApplicationDetails { statement: None }),
                moderation: None,
                created_at: tx.now,
                updated_at: tx.now,
                submitted_at: Some(tx.now),
                admission_due_at: Some(tx.now.plus_days(ADMISSION_DAYS)),
                decided_at: None,
                accepted_at: None,
                frozen: None,
                disclosures: Json(vec![]),
                procedure: Json(Procedure::default()),
                due_at: None,
                round: 0,
            });
            reports.push(Report {
                application_id: id,
                round: 0,
                recommendation: DecisionOutcome::Granted,
                summary: "Conforme à la déclaration.".to_owned(),
                scores: Json(scores.clone()),
                actor_id: self.evaluator,
                submitted_at: tx.now,
            });
            let place = i64::try_from(number / LABELLED + 1).unwrap_or_default();
            let numbered = format!("GT-{}-{place:05}", tx.now.0.year());
            let decision = Decision {
                id: Id::new(),
                application_id: id,
                organisation_id: self.audit_body,
                outcome: DecisionOutcome::Granted,
                content: Json(DecisionContent {
                    reasons: "Seuils atteints.".to_owned(),
                    reservations: vec![],
                    signature: None,
                }),
                label_number: Some(numbered.clone()),
                corrects: None,
                actor_id: self.decider,
                decided_at: tx.now,
            };
            let (today, sheet) = (tx.now.day(), content::sheet(number, &self.traits));
            granted.push(Label {
                number: numbered,
                id: Id::new(),
                version: 1,
                solution_id: solution.id,
                application_id: id,
                decision_id: decision.id,
                audit_body_id: self.audit_body,
                status: LabelStatus::Active,
                content: Json(LabelContent {
                    scope: LabelScope {
                        solution_version: 1,
                        software_version: sheet.software_version,
                        deployment: sheet.deployment,
                        criteria_set_id: self.set.id,
                        criteria_set_label: self.set.content.label.clone(),
                    },
                    outcome: DecisionOutcome::Granted,
                    reservations: vec![],
                    summary: "Conforme à la déclaration.".to_owned(),
                    scores,
                    disclosures: vec![],
                }),
                valid_from: today,
                valid_until: today.checked_add_months(Months::new(VALID_MONTHS)).unwrap_or(today),
                granted_at: tx.now,
                updated_at: tx.now,
                standing: Json(Standing::default()),
                banned_until: None,
            });
            decisions.push(decision);
        }
        insert_all!(&mut *tx.db, label_applications::table, &cases);
        insert_all!(&mut *tx.db, findings::table, &found);
        insert_all!(&mut *tx.db, audit_reports::table, &reports);
        let ids: Vec<Id> = cases.iter().map(|one| one.id).collect();
        let unnumbered = |ids: &[Id]| ids.iter().map(|id| (*id, 0)).collect::<Vec<_>>();
        tx.seal(Sealed::AuditReport, &unnumbered(&ids))?;
        insert_all!(&mut *tx.db, label_decisions::table, &decisions);
        let decided: Vec<Id> = decisions.iter().map(|one| one.id).collect();
        tx.seal(Sealed::LabelDecision, &unnumbered(&decided))?;
        insert_all!(&mut *tx.db, labels::table, &granted);
        diesel::update(label_applications::table.filter(label_applications::id.eq_any(ids.clone())))
            .set((
                label_applications::version.eq(9),
                label_applications::status.eq(ApplicationStatus::Decided),
                label_applications::decided_at.eq(Some(tx.now)),
            ))
            .execute(tx.db)?;
        let actions = [
            "create_label_application",
            "submit_label_application",
            "admit_label_application",
            "assign_label_application",
            "accept_label_application",
            "open_audit",
            "record_finding",
            "submit_report",
            "decide_label_application",
        ];
        history(tx, Resource::LabelApplication, &ids, &actions)?;
        history(tx, Resource::Label, &granted.iter().map(|one| one.id).collect::<Vec<_>>(), &["grant_label"])?;
        for label in &granted {
            Solution::find_by_id(tx.db, label.solution_id)?.refresh_published_facets(tx.db)?;
        }
        Ok(())
    }

    fn finding(
        &self,
        tx: &Tx<'_>,
        application_id: Id,
        criterion: &Criterion,
        answers: &BTreeMap<&str, Answer>,
    ) -> Option<Finding> {
        let value = answers.get(criterion.code.as_str())?.value.clone();
        let score = criterion.score_of(&value).map(Score::ten_thousandths);
        Some(Finding {
            application_id,
            criterion: criterion.code.clone(),
            round: 0,
            result: FindingResult::Compliant,
            value: Some(value),
            score,
            comment: "Conforme à la déclaration, vu sur pièces.".to_owned(),
            evidence: Json(vec![]),
            actor_id: self.evaluator,
            recorded_at: tx.now,
        })
    }
}

/// Remembers how many labels of each year were numbered, so that the next number is free.
pub fn count(store: &Store, size: usize) -> Result<()> {
    store.write_here(&Actor::System, |tx| {
        let given: Vec<String> = labels::table.select(labels::number).load(tx.db)?;
        let years: std::collections::BTreeSet<&str> = given.iter().filter_map(|number| number.get(3..7)).collect();
        let value = i64::try_from(size / LABELLED + 1).unwrap_or_default();
        for year in years {
            diesel::insert_into(counters::table)
                .values((counters::name.eq(format!("label {year}")), counters::value.eq(value)))
                .execute(tx.db)?;
        }
        Ok(())
    })
}
