//! The rows: through the models of the program, many to a statement, with the
//! versions, journal entries, seals, facets and scores that the rules would have made.

use std::collections::BTreeMap;

use diesel::prelude::*;
use gouvtech_catalogue::criteria::Criterion;
use gouvtech_catalogue::criteria::model::CriteriaSet;
use gouvtech_catalogue::db::schema::{actors, answers, evaluation_results, evaluations};
use gouvtech_catalogue::db::seals::Sealed;
use gouvtech_catalogue::db::{Actor, Id, Instant, Json, Resource, Store, Tx};
use gouvtech_catalogue::error::{Error, Result};
use gouvtech_catalogue::evaluations::model::{AnswerRow, Evaluation, ResultRow};
use gouvtech_catalogue::evaluations::rules::{EvaluationStatus, Score, Scores, compute, contribution};
use gouvtech_catalogue::evaluations::view::{Answer, Attestation};
use gouvtech_catalogue::insert_all;
use gouvtech_catalogue::organisations::Organisation;
use gouvtech_catalogue::organisations::rules::OrganisationStatus;
use gouvtech_catalogue::reviews::model::Review;
use gouvtech_catalogue::reviews::rating::tally;
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

/// What the whole catalogue shares.
pub struct Cast {
    pub set: CriteriaSet,
    pub criteria: Vec<Criterion>,
    pub traits: Vec<String>,
    /// Who reviews, each for a body.
    pub readers: Vec<(Id, Id)>,
    pub audit_body: Id,
    pub evaluator: Id,
    pub decider: Id,
    pub began_at: Instant,
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

    pub fn answers(&self, number: usize) -> BTreeMap<&str, Answer> {
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
pub fn history(tx: &mut Tx<'_>, resource: Resource, ids: &[Id], actions: &[&str]) -> Result<()> {
    for (action, version) in actions.iter().zip(1..) {
        let entries: Vec<(Id, i32, Value)> = ids.iter().map(|id| (*id, version, json!({}))).collect();
        tx.record_all(action, resource, entries)?;
    }
    Ok(())
}
