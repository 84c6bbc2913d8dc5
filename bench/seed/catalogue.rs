//! The rows: through the models of the program, many to a statement, with the
//! versions, journal entries, seals, facets and scores that the rules would have made.

use std::collections::BTreeMap;

use chrono::{Datelike, Months};
use diesel::prelude::*;
use gouvtech_catalogue::criteria::Criterion;
use gouvtech_catalogue::criteria::model::CriteriaSet;
use gouvtech_catalogue::db::schema::{
    actors, answers, audit_reports, counters, evaluation_results, evaluations, findings, label_applications,
    label_decisions, labels, reviews,
};
use gouvtech_catalogue::db::seals::Sealed;
use gouvtech_catalogue::db::{Actor, Id, Instant, Json, Resource, Store, Tx};
use gouvtech_catalogue::error::{Error, Result};
use gouvtech_catalogue::evaluations::model::{AnswerRow, Evaluation, ResultRow};
use gouvtech_catalogue::evaluations::rules::{EvaluationStatus, Score, Scores, compute, contribution};
use gouvtech_catalogue::evaluations::view::Attestation;
use gouvtech_catalogue::insert_all;
use gouvtech_catalogue::labels::model::{Application, Decision, DecisionContent, Finding, Label, LabelContent, Report};
use gouvtech_catalogue::labels::rules::{
    ADMISSION_DAYS, ApplicationStatus, DecisionOutcome, FindingResult, LabelStatus, found_scores, obstacles,
};
use gouvtech_catalogue::labels::view::{ApplicationDetails, LabelScope};
use gouvtech_catalogue::organisations::Organisation;
use gouvtech_catalogue::organisations::rules::OrganisationStatus;
use gouvtech_catalogue::reviews::model::Review;
use gouvtech_catalogue::reviews::rating::tally;
use gouvtech_catalogue::reviews::rules::ReviewStatus;
use gouvtech_catalogue::solutions::model::Solution;
use gouvtech_catalogue::solutions::routes::declared;
use gouvtech_catalogue::solutions::rules::{Origins, stamp};
use gouvtech_catalogue::solutions::sheet::SolutionSheet;
use serde_json::{Value, json};

use crate::content;

/// Solutions written in one transaction.
pub const BATCH: usize = 250;
/// The oldest solution was published so many days ago: within a year nothing lapses.
const OLDEST_DAYS: i64 = 300;
const VALID_DAYS: i64 = 365;
const VALID_MONTHS: u32 = 36;
/// One solution in so many bears a label.
const LABELLED: usize = 20;

/// What the whole catalogue shares.
pub struct Cast {
    set: CriteriaSet,
    criteria: Vec<Criterion>,
    traits: Vec<String>,
    /// Who reviews, each for a body.
    readers: Vec<(Id, Id)>,
    audit_body: Id,
    evaluator: Id,
    decider: Id,
    began_at: Instant,
    size: usize,
}

impl Cast {
    /// Enters bodies and persons.
    pub fn enter(store: &Store, size: usize) -> Result<Self> {
        store.write_here(&Actor::System, |tx| {
            let set = CriteriaSet::in_force(tx.db, tx.now.day())?.ok_or_else(Error::not_found)?;
            let criteria = set.criteria(tx.db)?;
            let traits = set.content.traits.iter().map(|one| one.code.clone()).collect();
            let began_at = tx.now.plus_days(-OLDEST_DAYS - 1);
            let body_count = (size / 50).max(20);
            let entered = |tx: &mut Tx<'_>, kind, count, first| {
                tx.on_behalf(&Actor::System, began_at, |tx| organisations(tx, kind, count, first))
            };
            let bodies = entered(tx, "public_body", body_count, 0)?;
            let audit_body = entered(tx, "audit_body", 1, body_count)?.pop().ok_or_else(Error::not_found)?.id;
            let persons: Vec<Id> = (0..(size / 10).max(100) + 2).map(|_| Id::new()).collect();
            let rows: Vec<_> = persons
                .iter()
                .zip(0..)
                .map(|(id, number)| {
                    (
                        actors::id.eq(*id),
                        actors::issuer.eq("gouvtech-catalogue"),
                        actors::subject.eq(format!("seeded-{number}")),
                        actors::created_at.eq(began_at),
                    )
                })
                .collect();
            insert_all!(&mut *tx.db, actors::table, &rows);
            let (examiners, readers) = persons.split_at(2);
            let readers = readers.iter().zip(bodies.iter().cycle()).map(|(reader, body)| (*reader, body.id)).collect();
            let [evaluator, decider] = *examiners else { return Err(Error::not_found()) };
            Ok(Self { set, criteria, traits, readers, audit_body, evaluator, decider, began_at: tx.now, size })
        })
    }

    /// Writes solutions from `first` on, with all that hangs on them.
    pub fn batch(&self, store: &Store, first: usize) -> Result<()> {
        let last = (first + BATCH).min(self.size);
        let share = i64::try_from(first * 290 / self.size.max(1)).unwrap_or_default();
        let at = self.began_at.plus_days(share - OLDEST_DAYS);
        store.write_here(&Actor::System, |tx| {
            tx.on_behalf(&Actor::System, at, |tx| {
                let reviews = self.reviews(first..last);
                let solutions = self.solutions(tx, first..last, &reviews)?;
                let evaluated = self.evaluations(tx, first, &solutions)?;
                self.label(tx, first, &solutions, &evaluated)?;
                self.publish_reviews(tx, &solutions, reviews)
            })
        })
    }

    /// One vendor for ten solutions; each sheet is public at once, as from an import.
    fn solutions(
        &self,
        tx: &mut Tx<'_>,
        numbers: std::ops::Range<usize>,
        reviews: &[Vec<Review>],
    ) -> Result<Vec<Solution>> {
        let (from, to) = (numbers.start / 10, numbers.end.div_ceil(10));
        let vendors = organisations(tx, "vendor", to - from, (self.size / 50).max(20) + 1 + from)?;
        let sheets = numbers
            .clone()
            .map(|number| {
                let sheet = content::sheet(number, &self.traits);
                let origins = stamp(&Origins::new(), &SolutionSheet::default(), &sheet, &declared(tx.now));
                (vendors.get(number / 10 - from).map(|vendor| vendor.id), sheet, origins)
            })
            .collect();
        let mut solutions = Solution::drafts(tx, sheets)?;
        for ((solution, number), reviews) in solutions.iter_mut().zip(numbers).zip(reviews) {
            let rating = tally(reviews.iter().map(|review| (review.rating, &review.ratings.0)));
            solution.rating = rating.overall.map_or(-1, |average| average.hundredths());
            solution.review_summary = Some(Json(serde_json::to_value(rating)?));
            solution.score = self.declared_scores(number).overall.map_or(-1, Score::ten_thousandths);
        }
        let vendors: BTreeMap<Id, Organisation> = vendors.into_iter().map(|vendor| (vendor.id, vendor)).collect();
        Solution::publish_all(tx, &mut solutions, &vendors, "import_solution")?;
        Ok(solutions)
    }

    fn answers(&self, number: usize) -> BTreeMap<&str, gouvtech_catalogue::evaluations::view::Answer> {
        let quality = content::quality(number);
        let answered = self.criteria.iter().enumerate();
        answered.map(|(place, one)| (one.code.as_str(), content::answer(number, place, quality, one))).collect()
    }

    fn declared_scores(&self, number: usize) -> Scores {
        let answers = self.answers(number);
        compute(self.criteria.iter(), |one| {
            contribution(one, answers.get(one.code.as_str()).map(|answer| answer.value.as_str()))
        })
    }

    /// A self-evaluation in force for every solution: drafted, answered, submitted, published.
    fn evaluations(&self, tx: &mut Tx<'_>, first: usize, solutions: &[Solution]) -> Result<Vec<Id>> {
        let drafts: Vec<Evaluation> = solutions
            .iter()
            .filter_map(|solution| {
                Some(Evaluation {
                    id: Id::new(),
                    version: 1,
                    solution_id: solution.id,
                    organisation_id: solution.organisation_id?,
                    set_id: self.set.id,
                    solution_version: 1,
                    status: EvaluationStatus::Draft,
                    traits: Json(self.traits.clone()),
                    attestation: None,
                    moderation: None,
                    created_at: tx.now,
                    updated_at: tx.now,
                    submitted_at: None,
                    published_at: None,
                    expires_at: None,
                })
            })
            .collect();
        insert_all!(&mut *tx.db, evaluations::table, &drafts);
        let mut rows = Vec::new();
        let mut results = Vec::new();
        for (number, draft) in (first..).zip(&drafts) {
            let answered = self.answers(number).into_iter();
            rows.extend(answered.map(|(code, answer)| AnswerRow::new(draft.id, code, answer, tx.now)));
            let (cause, scores) = ("publication".to_owned(), Json(self.declared_scores(number)));
            results.push(ResultRow { evaluation_id: draft.id, number: 1, cause, scores, computed_at: tx.now });
        }
        insert_all!(&mut *tx.db, answers::table, &rows);
        let ids: Vec<Id> = drafts.iter().map(|draft| draft.id).collect();
        // Submitted in the third version.
        let placed = |number: i32| ids.iter().map(|id| (*id, number)).collect::<Vec<_>>();
        tx.seal(Sealed::Answers, &placed(3))?;
        diesel::update(evaluations::table.filter(evaluations::id.eq_any(ids.clone())))
            .set((
                evaluations::version.eq(4),
                evaluations::status.eq(EvaluationStatus::Published),
                evaluations::attestation.eq(Some(Json(Attestation {
                    signatory_name: "Signataire".to_owned(),
                    signatory_function: "Direction".to_owned(),
                    attests: true,
                }))),
                evaluations::submitted_at.eq(Some(tx.now)),
                evaluations::published_at.eq(Some(tx.now)),
                evaluations::expires_at.eq(Some(tx.now.plus_days(VALID_DAYS))),
            ))
            .execute(tx.db)?;
        insert_all!(&mut *tx.db, evaluation_results::table, &results);
        tx.seal(Sealed::EvaluationResult, &placed(1))?;
        let actions = ["create_evaluation", "answer_criteria", "submit_evaluation", "publish_evaluation"];
        history(tx, Resource::Evaluation, &ids, &actions)?;
        Ok(ids)
    }

    /// A label for some of the good ones, found as declared.
    fn label(&self, tx: &mut Tx<'_>, first: usize, solutions: &[Solution], evaluated: &[Id]) -> Result<()> {
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
            });
            reports.push(Report {
                application_id: id,
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
                content: Json(DecisionContent { reasons: "Seuils atteints.".to_owned(), reservations: vec![] }),
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
                }),
                valid_from: today,
                valid_until: today.checked_add_months(Months::new(VALID_MONTHS)).unwrap_or(today),
                granted_at: tx.now,
                updated_at: tx.now,
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
        answers: &BTreeMap<&str, gouvtech_catalogue::evaluations::view::Answer>,
    ) -> Option<Finding> {
        let value = answers.get(criterion.code.as_str())?.value.clone();
        let score = criterion.score_of(&value).map(Score::ten_thousandths);
        Some(Finding {
            application_id,
            criterion: criterion.code.clone(),
            result: FindingResult::Compliant,
            value: Some(value),
            score,
            comment: "Conforme à la déclaration, vu sur pièces.".to_owned(),
            evidence: Json(vec![]),
            actor_id: self.evaluator,
            recorded_at: tx.now,
        })
    }

    /// The reviews of each solution, published at some later day; their solutions are named when there are any.
    fn reviews(&self, numbers: std::ops::Range<usize>) -> Vec<Vec<Review>> {
        let of = |number: usize| {
            let count = content::review_count(number).min(self.readers.len());
            (0..count)
                .filter_map(|place| {
                    let (actor_id, organisation_id) = *self.readers.get((number * 13 + place) % self.readers.len())?;
                    let days = i64::try_from((number + place * 3) % 9).unwrap_or_default();
                    let at = self.began_at.plus_days(-days);
                    let content = content::review(number, place);
                    Some(Review {
                        id: Id::new(),
                        version: 3,
                        solution_id: Id::default(),
                        organisation_id,
                        actor_id,
                        status: ReviewStatus::Published,
                        rating: content.overall.unwrap_or_default(),
                        ratings: Json(content.ratings.clone().unwrap_or_default()),
                        content: Json(content),
                        is_counted: true,
                        offers_same_family: false,
                        reply: None,
                        moderation: None,
                        reported_by: None,
                        moderated_by: None,
                        created_at: at,
                        updated_at: at,
                        submitted_at: Some(at),
                        published_at: Some(at),
                        listed_at: at,
                        anonymised_at: None,
                    })
                })
                .collect()
        };
        numbers.map(of).collect()
    }

    fn publish_reviews(&self, tx: &mut Tx<'_>, solutions: &[Solution], reviews: Vec<Vec<Review>>) -> Result<()> {
        let named = solutions.iter().zip(reviews);
        let all: Vec<Review> = named
            .flat_map(|(solution, own)| own.into_iter().map(|review| Review { solution_id: solution.id, ..review }))
            .collect();
        insert_all!(&mut *tx.db, reviews::table, &all);
        let ids: Vec<Id> = all.iter().map(|one| one.id).collect();
        history(tx, Resource::Review, &ids, &["create_review", "submit_review", "publish_review"])
    }
}

/// Remembers how many labels of each year were numbered, so that the next number is free.
pub fn count_labels(store: &Store, size: usize) -> Result<()> {
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

/// Active organisations whose SIREN was checked.
fn organisations(tx: &mut Tx<'_>, kind: &str, count: usize, first: usize) -> Result<Vec<Organisation>> {
    let all: Vec<Organisation> = (0..count)
        .map(|number| {
            let details = content::organisation(kind, first + number, first + number);
            let active = Organisation::new(details, OrganisationStatus::Active, tx.now);
            Organisation { identifier_verified_at: Some(tx.now), ..active }
        })
        .collect();
    Organisation::import_all(tx, &all)?;
    Ok(all)
}

/// One journal entry for each version that led to where these stand.
fn history(tx: &mut Tx<'_>, resource: Resource, ids: &[Id], actions: &[&str]) -> Result<()> {
    for (action, version) in actions.iter().zip(1..) {
        let entries: Vec<(Id, i32, Value)> = ids.iter().map(|id| (*id, version, json!({}))).collect();
        tx.record_all(action, resource, entries)?;
    }
    Ok(())
}
