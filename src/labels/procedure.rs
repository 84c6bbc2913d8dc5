//! What the parties of a case say to each other: the proposal of a body, the
//! challenge of one, the plan of the audit, the vendor's comments, corrective action.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::renewal::Renewal;
use super::rules::{CORRECTION_DAYS, FindingResult, Found};
use crate::db::{Id, Instant};
use crate::error::Fault;
use crate::solutions::sheet::Evidence;
use crate::text;

/// What was said in a case, so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Procedure {
    /// The audit body that the vendor would have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposed_audit_body_id: Option<Id>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub challenges: Vec<Challenge>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewal: Option<Renewal>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub comments: Vec<Comment>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correction: Option<Correction>,
}

impl Procedure {
    /// The challenge that waits for an answer.
    pub fn open_challenge(&mut self) -> Option<&mut Challenge> {
        self.challenges.last_mut().filter(|challenge| challenge.answer.is_none())
    }

    /// Whether a body was challenged with success: it does not come back to the case.
    pub fn excludes(&self, body: Id) -> bool {
        let upheld = |one: &Challenge| one.answer.as_ref().is_some_and(|answer| answer.is_upheld);
        self.challenges.iter().any(|one| one.audit_body_id == body && upheld(one))
    }

    /// Whether the vendor has spoken on the report of a round.
    pub fn has_comment_on(&self, round: i32) -> bool {
        self.comments.iter().any(|comment| comment.round == round)
    }
}

/// A vendor's reasons against the audit body that a case was assigned to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Challenge {
    /// The body it is against.
    pub audit_body_id: Id,
    /// Why.
    #[schema(max_length = 5000)]
    pub reason: String,
    /// When it was filed.
    pub filed_at: Instant,
    /// By when the operator answers; the audit does not open before.
    pub due_at: Instant,
    /// The answer; null as long as there is none.
    #[serde(default)]
    pub answer: Option<ChallengeAnswer>,
}

/// What the operator made of a challenge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChallengeAnswer {
    /// Whether the case goes to another body.
    pub is_upheld: bool,
    /// Why.
    #[schema(max_length = 5000)]
    pub reason: String,
    /// When.
    pub at: Instant,
}

/// How the evaluator goes about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "starts_on": "2026-12-01", "ends_on": "2027-01-15", "methods": ["document_review", "interview", "technical_test"],
    "sample": "Trois instances en production chez des clients, dont une dans une collectivité.",
}))]
pub struct Plan {
    /// First day of the examination.
    pub starts_on: NaiveDate,
    /// Last day of the examination.
    pub ends_on: NaiveDate,
    /// By which means.
    #[schema(min_items = 1, max_items = 10)]
    pub methods: Vec<Method>,
    /// What is looked at in place of everything, and how it was chosen.
    #[schema(min_length = 10, max_length = 5000)]
    pub sample: String,
}

crate::codes! {
    /// By which means something is examined.
    pub enum Method {
        DocumentReview = "document_review",
        Interview = "interview",
        Demonstration = "demonstration",
        TechnicalTest = "technical_test",
        CodeReview = "code_review",
        OnSiteVisit = "on_site_visit",
    }
}

/// The longest that an examination is planned to last.
const LONGEST: i64 = 366;

impl Plan {
    /// What is wrong with it, said today.
    pub fn faults(&self, today: NaiveDate) -> Vec<Fault> {
        let mut faults = Vec::new();
        let days = (self.ends_on - self.starts_on).num_days();
        if self.starts_on < today {
            let detail = text!("Pas avant aujourd’hui.", "Not before today.");
            faults.push(Fault::body("/starts_on", "out_of_range", detail));
        }
        if !(0..=LONGEST).contains(&days) {
            let detail = text!("Du premier jour à un an après.", "From the first day to a year later.");
            faults.push(Fault::body("/ends_on", "out_of_range", detail));
        }
        if self.methods.iter().collect::<BTreeSet<_>>().len() < self.methods.len() {
            let detail = text!("Chaque moyen une seule fois.", "Each means once.");
            faults.push(Fault::body("/methods", "repeated", detail));
        }
        faults
    }
}

/// What the vendor has to say to a report; annexed to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Comment {
    /// On which report: 0, or 1 for the one after corrective action.
    #[schema(minimum = 0, maximum = 1)]
    pub round: i32,
    /// What it says.
    #[schema(max_length = 20000)]
    pub text: String,
    /// When.
    pub at: Instant,
}

/// Corrective action: once, by a date.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Correction {
    /// Codes of the criteria whose findings are to be mended.
    #[schema(max_items = 1000)]
    pub criteria: Vec<String>,
    /// What is asked for.
    #[schema(max_length = 5000)]
    pub reason: String,
    /// When it was asked for.
    pub required_at: Instant,
    /// Last day to deliver.
    pub due_on: NaiveDate,
    /// What the vendor delivered; null as long as it delivered nothing.
    #[serde(default)]
    pub delivery: Option<Delivery>,
    /// When it lapsed with nothing delivered.
    #[serde(default)]
    pub lapsed_at: Option<Instant>,
}

/// What the vendor mended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    /// What was done, finding by finding.
    #[schema(max_length = 20000)]
    pub text: String,
    /// What proves it.
    #[schema(max_items = 50)]
    pub evidence: Vec<Evidence>,
    /// When.
    pub at: Instant,
}

/// Corrective action to ask for.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "criteria": ["RSP-01"], "reason": "Publier la déclaration d’accessibilité.", "due_on": "2027-02-15",
}))]
pub struct RequireCorrection {
    /// Codes of the criteria whose findings are to be mended.
    #[schema(min_items = 1, max_items = 1000)]
    pub criteria: Vec<String>,
    /// What is asked for: what is missing, not how to build it.
    #[schema(min_length = 3, max_length = 5000)]
    pub reason: String,
    /// Last day to deliver, at most 90 days from now.
    pub due_on: NaiveDate,
}

impl RequireCorrection {
    /// What is wrong with it, given what can be mended.
    pub fn faults(&self, curable: &BTreeSet<String>, today: NaiveDate) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (place, code) in self.criteria.iter().enumerate().filter(|(_, code)| !curable.contains(*code)) {
            faults.push(Fault::body(
                format!("/criteria/{place}"),
                "no_finding_to_correct",
                text!("{code} n’a rien à corriger.", "{code} has nothing to correct."),
            ));
        }
        let latest = today.checked_add_days(chrono::Days::new(CORRECTION_DAYS)).unwrap_or(today);
        if self.due_on <= today || self.due_on > latest {
            faults.push(Fault::body(
                "/due_on",
                "out_of_range",
                text!("Entre demain et le {latest}.", "Between tomorrow and {latest}."),
            ));
        }
        faults
    }
}

/// Criteria whose findings can be mended: those with a gap, and those that miss the label's threshold.
pub fn curable(found: &Found, obstacles: &[String]) -> BTreeSet<String> {
    let gaps = found
        .iter()
        .filter(|(_, (result, _))| matches!(result, FindingResult::Minor | FindingResult::Major))
        .map(|(code, _)| code);
    // An obstacle can be a theme or the whole: only criteria are mended.
    gaps.chain(obstacles.iter().filter(|code| found.contains_key(*code))).cloned().collect()
}

/// An audit body to propose.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"audit_body_id": "01890a5d-ac96-774b-bcce-b302099a8057"}))]
pub struct Proposal {
    /// The audit body; null to leave it to the operator.
    pub audit_body_id: Option<Id>,
}

/// An answer to a challenge.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"is_upheld": false, "reason": "Le lien allégué a pris fin il y a cinq ans."}))]
pub struct AnswerChallenge {
    /// Whether the case goes to another body.
    pub is_upheld: bool,
    /// Why.
    #[schema(min_length = 3, max_length = 5000)]
    pub reason: String,
}

/// What a vendor has to say to a report.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"text": "Nous n’avons pas d’observation."}))]
pub struct CommentOnReport {
    /// What it says; also that there is nothing to say.
    #[schema(min_length = 3, max_length = 20000)]
    pub text: String,
}

/// What a vendor mended.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"text": "La déclaration d’accessibilité est en ligne depuis hier.", "evidence": []}))]
pub struct DeliverCorrection {
    /// What was done, finding by finding.
    #[schema(min_length = 3, max_length = 20000)]
    pub text: String,
    /// What proves it.
    #[schema(max_items = 50)]
    #[serde(default)]
    pub evidence: Vec<Evidence>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a day")
    }

    #[test]
    fn a_plan_starts_today_or_later_and_ends_after() {
        let plan = |starts: &str, ends: &str, methods: &[Method]| Plan {
            starts_on: day(starts),
            ends_on: day(ends),
            methods: methods.to_vec(),
            sample: "Trois instances.".to_owned(),
        };
        let codes = |plan: Plan| plan.faults(day("2026-12-01")).into_iter().map(|one| one.code).collect::<Vec<_>>();
        let interview = [Method::Interview];
        assert_eq!(codes(plan("2026-12-01", "2026-12-01", &interview)), Vec::<&str>::new());
        assert_eq!(codes(plan("2026-11-30", "2026-12-01", &interview)), ["out_of_range"]);
        assert_eq!(codes(plan("2026-12-02", "2026-12-01", &interview)), ["out_of_range"]);
        assert_eq!(codes(plan("2026-12-01", "2027-12-02", &interview)), Vec::<&str>::new());
        assert_eq!(codes(plan("2026-12-01", "2027-12-03", &interview)), ["out_of_range"]);
        assert_eq!(codes(plan("2026-12-01", "2027-01-01", &[Method::Interview, Method::Interview])), ["repeated"]);
    }

    #[test]
    fn what_has_no_gap_is_not_corrected() {
        let found: Found = [
            ("SEC-01".to_owned(), (FindingResult::Compliant, None)),
            ("SEC-02".to_owned(), (FindingResult::Minor, None)),
            ("SEC-03".to_owned(), (FindingResult::Compliant, None)),
        ]
        .into();
        let curable = curable(&found, &["SEC-03".to_owned(), "securite".to_owned()]);
        assert_eq!(curable, BTreeSet::from(["SEC-02".to_owned(), "SEC-03".to_owned()]));
        let ask = |code: &str, due: &str| {
            let asked = RequireCorrection { criteria: vec![code.to_owned()], reason: "…".into(), due_on: day(due) };
            asked.faults(&curable, day("2026-12-01")).into_iter().map(|one| one.code).collect::<Vec<_>>()
        };
        assert_eq!(ask("SEC-02", "2026-12-02"), Vec::<&str>::new());
        assert_eq!(ask("SEC-03", "2027-03-01"), Vec::<&str>::new());
        assert_eq!(ask("SEC-01", "2026-12-02"), ["no_finding_to_correct"]);
        assert_eq!(ask("SEC-02", "2026-12-01"), ["out_of_range"]);
        assert_eq!(ask("SEC-02", "2027-03-02"), ["out_of_range"]);
    }

    #[test]
    fn a_body_challenged_with_success_does_not_come_back() {
        let (body, other) = (Id::new(), Id::new());
        let answer = |is_upheld| Some(ChallengeAnswer { is_upheld, reason: "…".into(), at: Instant::default() });
        let challenge = |answer| Challenge {
            audit_body_id: body,
            reason: "…".into(),
            filed_at: Instant::default(),
            due_at: Instant::default(),
            answer,
        };
        let with = |challenges| Procedure { challenges, ..Procedure::default() };
        assert!(with(vec![challenge(answer(true))]).excludes(body));
        assert!(!with(vec![challenge(answer(true))]).excludes(other));
        assert!(!with(vec![challenge(answer(false))]).excludes(body));
        assert!(with(vec![challenge(answer(false)), challenge(None)]).open_challenge().is_some());
        assert!(with(vec![challenge(answer(false))]).open_challenge().is_none());
    }
}
