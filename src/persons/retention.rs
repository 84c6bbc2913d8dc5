//! What has been kept long enough goes: rules as data, each with its period from
//! the settings. The server applies them once a day, the command at any time.
//!
//! Every rule starts from a state it leaves, so that to run twice, or on several
//! instances, has one effect. What is immutable (journal, versions, results,
//! reports, decisions) is never touched: it names nobody.

use std::cell::RefCell;

use chrono::TimeDelta;
use diesel::dsl::{exists, not};
use diesel::prelude::*;
use serde::Serialize;
use serde_json::{Map, json};

use super::erasure;
use crate::config::Settings;
use crate::db::schema::{
    actors, changes, counters, erased_persons, evaluations, evidence_accesses, label_applications, reviews, solutions,
};
use crate::db::{Actor, Id, Instant, Resource, Store, Tx};
use crate::error::{Error, Result};
use crate::evaluations::model::Evaluation;
use crate::evaluations::rules::EvaluationStatus;
use crate::http::idempotency;
use crate::labels::model::Application;
use crate::labels::rules::ApplicationStatus;
use crate::notifications;
use crate::reviews::model::Review;
use crate::reviews::rules::ReviewStatus;
use crate::solutions::model::Solution;
use crate::solutions::rules::SolutionStatus;

/// Rows that one rule takes in one transaction; the next run takes the next.
const AT_ONCE: i64 = 500;
/// The day of the last daily run is the value of this counter.
const COUNTER: &str = "retention";

/// A period and what happens when it is over.
pub struct Rule {
    pub code: &'static str,
    /// Which rows, and what becomes of them.
    pub what: &'static str,
    /// The period, in days.
    pub days: fn(&Settings) -> u32,
    apply: fn(&mut Tx<'_>, Instant) -> Result<usize>,
}

/// The rules, in the order in which they are applied.
pub const RULES: &[Rule] = &[
    Rule {
        code: "drafts",
        what: "Drafts of solutions, evaluations, label applications and reviews that never were submitted: erased.",
        days: |settings| settings.retention_draft_days,
        apply: drafts,
    },
    Rule {
        code: "rejected",
        what: "Solutions and reviews that were rejected and never published: erased.",
        days: |settings| settings.retention_rejected_days,
        apply: rejected,
    },
    Rule {
        code: "published_reviews",
        what: "Published reviews: cut from their author.",
        days: |settings| settings.retention_review_days,
        apply: published_reviews,
    },
    Rule {
        code: "ended_reviews",
        what: "Reviews withdrawn or removed: cut from their author, their words erased.",
        days: |settings| settings.retention_reviewer_days,
        apply: ended_reviews,
    },
    Rule {
        code: "attestations",
        what: "Evaluations superseded or expired that no label application cites: the signatory's name erased.",
        days: |settings| settings.retention_attestation_days,
        apply: attestations,
    },
    Rule {
        code: "evidence_accesses",
        what: "Record of who read restricted evidence: erased.",
        days: |settings| settings.retention_access_days,
        apply: evidence_accesses,
    },
    Rule {
        code: "notifications",
        what: "Notifications: erased.",
        days: |_| 730,
        apply: |tx, before| notifications::model::forget(tx, before, AT_ONCE),
    },
    Rule {
        code: "idempotency_keys",
        what: "Answers kept for repetitions: erased.",
        days: |_| 1,
        apply: |tx, _| idempotency::forget(tx),
    },
    Rule {
        code: "accounts",
        what: "Persons who did nothing: identity erased.",
        days: |settings| settings.retention_account_days,
        apply: accounts,
    },
    Rule {
        code: "separations",
        what: "Keyed hashes of erased persons whose last case is over: erased.",
        days: |_| 0,
        apply: separations,
    },
];

/// What a run did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    pub at: Instant,
    pub rules: Vec<Applied>,
}

/// What a rule did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Applied {
    pub rule: &'static str,
    pub what: &'static str,
    pub days: u32,
    pub count: usize,
    /// Whether there may be more, for the next run.
    pub may_go_on: bool,
}

/// Applies every rule, records the counts in the journal, and reports.
pub fn run(store: &Store, settings: &Settings) -> Result<Report> {
    store.write_here(&Actor::System, |tx| apply(tx, settings))
}

/// Says what [`run`] would do: does it, and takes it back.
pub fn rehearse(store: &Store, settings: &Settings) -> Result<Report> {
    let report = RefCell::new(None);
    let undone: Result<()> = store.write_here(&Actor::System, |tx| {
        report.replace(Some(apply(tx, settings)?));
        Err(Error::Internal("only a rehearsal".to_owned()))
    });
    match (report.into_inner(), undone) {
        (Some(report), _) => Ok(report),
        (None, Err(error)) => Err(error),
        (None, Ok(())) => Err(Error::Internal("a rehearsal without a report".to_owned())),
    }
}

/// [`run`], unless an instance did it today. A run that left something is not over.
pub fn daily(store: &Store, settings: &Settings) -> Result<Option<Report>> {
    let today = i64::from(chrono::Datelike::num_days_from_ce(&store.clock().now().day()));
    store.write_here(&Actor::System, |tx| {
        let last: Option<i64> = counters::table.find(COUNTER).select(counters::value).first(tx.db).optional()?;
        if last == Some(today) {
            return Ok(None);
        }
        let report = apply(tx, settings)?;
        if report.rules.iter().any(|rule| rule.may_go_on) {
            return Ok(Some(report));
        }
        match last {
            Some(_) => {
                diesel::update(counters::table.find(COUNTER)).set(counters::value.eq(today)).execute(tx.db)?;
            }
            None => {
                diesel::insert_into(counters::table)
                    .values((counters::name.eq(COUNTER), counters::value.eq(today)))
                    .execute(tx.db)
                    .map_err(crate::db::journal::as_lost_race)?;
            }
        }
        Ok(Some(report))
    })
}

fn apply(tx: &mut Tx<'_>, settings: &Settings) -> Result<Report> {
    let mut applied = Vec::new();
    for rule in RULES {
        let days = (rule.days)(settings);
        let count = (rule.apply)(tx, Instant(tx.now.0 - TimeDelta::days(i64::from(days))))?;
        let may_go_on = i64::try_from(count).is_ok_and(|count| count >= AT_ONCE);
        applied.push(Applied { rule: rule.code, what: rule.what, days, count, may_go_on });
    }
    if applied.iter().any(|rule| rule.count > 0) {
        let counts: Map<_, _> = applied.iter().map(|rule| (rule.rule.to_owned(), json!(rule.count))).collect();
        tx.record("retention", Resource::Retention, Id::new(), 1, counts.into())?;
    }
    Ok(Report { at: tx.now, rules: applied })
}

fn drafts(tx: &mut Tx<'_>, before: Instant) -> Result<usize> {
    let mut count = 0;
    let unsent: Vec<Application> = label_applications::table
        .filter(label_applications::status.eq(ApplicationStatus::Draft))
        .filter(label_applications::submitted_at.is_null().and(label_applications::updated_at.lt(before)))
        .limit(AT_ONCE)
        .select(Application::as_select())
        .load(tx.db)?;
    for application in unsent {
        count += diesel::delete(label_applications::table.find(application.id)).execute(tx.db)?;
        let left = json!({"status": [application.status, null]});
        tx.record("delete_label_application", Resource::LabelApplication, application.id, application.version, left)?;
    }
    let unsent: Vec<Evaluation> = evaluations::table
        .filter(evaluations::status.eq(EvaluationStatus::Draft))
        .filter(evaluations::submitted_at.is_null().and(evaluations::updated_at.lt(before)))
        .limit(AT_ONCE)
        .select(Evaluation::as_select())
        .load(tx.db)?;
    for evaluation in unsent {
        evaluation.delete(tx)?;
        count += 1;
    }
    let unsent: Vec<Review> = reviews::table
        .filter(reviews::status.eq(ReviewStatus::Draft))
        .filter(reviews::submitted_at.is_null().and(reviews::updated_at.lt(before)))
        .limit(AT_ONCE)
        .select(Review::as_select())
        .load(tx.db)?;
    for review in unsent {
        review.delete(tx)?;
        count += 1;
    }
    Ok(count + idle_solutions(tx, SolutionStatus::Draft, before)?)
}

/// Erases solutions that never were published and that nothing refers to; drafts, only if never submitted.
fn idle_solutions(tx: &mut Tx<'_>, status: SolutionStatus, before: Instant) -> Result<usize> {
    use crate::db::schema::solution_claims;
    let idle: Vec<Solution> = solutions::table
        .filter(solutions::status.eq(status).and(solutions::updated_at.lt(before)))
        .filter(solutions::published_version.is_null())
        .filter(solutions::submitted_at.is_null().or(solutions::status.eq(SolutionStatus::Rejected)))
        .filter(not(exists(solution_claims::table.filter(solution_claims::solution_id.eq(solutions::id)))))
        .limit(AT_ONCE)
        .select(Solution::as_select())
        .load(tx.db)?;
    let mut count = 0;
    for solution in idle {
        solution.delete(tx)?;
        count += 1;
    }
    Ok(count)
}

fn rejected(tx: &mut Tx<'_>, before: Instant) -> Result<usize> {
    let refused: Vec<Review> = reviews::table
        .filter(reviews::status.eq(ReviewStatus::Rejected).and(reviews::updated_at.lt(before)))
        .filter(reviews::published_at.is_null())
        .limit(AT_ONCE)
        .select(Review::as_select())
        .load(tx.db)?;
    let count = refused.len();
    for review in refused {
        review.delete(tx)?;
    }
    Ok(count + idle_solutions(tx, SolutionStatus::Rejected, before)?)
}

fn published_reviews(tx: &mut Tx<'_>, before: Instant) -> Result<usize> {
    let old: Vec<Review> = reviews::table
        .filter(reviews::status.eq_any([ReviewStatus::Published, ReviewStatus::Reported]))
        .filter(reviews::published_at.lt(before).and(reviews::anonymised_at.is_null()))
        .order((reviews::published_at, reviews::id))
        .limit(AT_ONCE)
        .select(Review::as_select())
        .load(tx.db)?;
    let_go(tx, old)
}

fn ended_reviews(tx: &mut Tx<'_>, before: Instant) -> Result<usize> {
    let ended: Vec<Review> = reviews::table
        .filter(reviews::status.eq_any([ReviewStatus::Withdrawn, ReviewStatus::Removed]))
        .filter(reviews::updated_at.lt(before).and(reviews::anonymised_at.is_null()))
        .limit(AT_ONCE)
        .select(Review::as_select())
        .load(tx.db)?;
    let_go(tx, ended)
}

fn let_go(tx: &mut Tx<'_>, reviews: Vec<Review>) -> Result<usize> {
    let count = reviews.len();
    for review in reviews {
        review.let_go(tx)?;
    }
    Ok(count)
}

fn attestations(tx: &mut Tx<'_>, before: Instant) -> Result<usize> {
    let over: Vec<Id> = evaluations::table
        .filter(evaluations::status.eq_any([EvaluationStatus::Superseded, EvaluationStatus::Expired]))
        .filter(evaluations::updated_at.lt(before))
        .select(evaluations::id)
        .load(tx.db)?;
    erasure::forget_signatories(tx, &over)
}

fn evidence_accesses(tx: &mut Tx<'_>, before: Instant) -> Result<usize> {
    Ok(diesel::delete(evidence_accesses::table.filter(evidence_accesses::accessed_at.lt(before))).execute(tx.db)?)
}

fn accounts(tx: &mut Tx<'_>, before: Instant) -> Result<usize> {
    let acted = changes::table
        .filter(changes::actor_id.eq(actors::id.nullable()).and(changes::at.ge(before)))
        .select(changes::position);
    let read = evidence_accesses::table
        .filter(evidence_accesses::actor_id.eq(actors::id).and(evidence_accesses::accessed_at.ge(before)))
        .select(evidence_accesses::id);
    let idle: Vec<(Id, String, String)> = actors::table
        .filter(actors::created_at.lt(before))
        .filter(not(exists(acted)))
        .filter(not(exists(read)))
        .limit(AT_ONCE)
        .select((actors::id, actors::issuer, actors::subject))
        .load(tx.db)?;
    for (actor, issuer, subject) in &idle {
        erasure::unname(tx, *actor, issuer, subject)?;
    }
    Ok(idle.len())
}

fn separations(tx: &mut Tx<'_>, _: Instant) -> Result<usize> {
    let kept: Vec<Id> = erased_persons::table.select(erased_persons::actor_id).load(tx.db)?;
    let mut count = 0;
    for actor in kept {
        if !erasure::is_bound(tx.db, actor)? {
            count += diesel::delete(erased_persons::table.filter(erased_persons::actor_id.eq(actor))).execute(tx.db)?;
        }
    }
    Ok(count)
}
