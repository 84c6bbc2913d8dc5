//! The demonstration: well-known solutions with an invented life, enough to
//! build every screen. It is told as a history, step by step, through the same
//! rules as real use, in one transaction.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::TimeDelta;
use diesel::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::accreditations::{Accreditation, Scope};
use crate::app::App;
use crate::auth::{Duty, Principal, Role};
use crate::criteria::Criterion;
use crate::criteria::model::CriteriaSet;
use crate::db::schema::organisations;
use crate::db::{Actor, Id, Instant, Json, Resource, Tx};
use crate::error::{Error, Fault, Result};
use crate::evaluations::model::{AnswerRow, Evaluation, put_answer};
use crate::evaluations::rules::{ContestationStatus, EvaluationCommand, Score, answer_faults};
use crate::evaluations::view::{Answer, Attestation};
use crate::independence::check::{Act, Stage, check};
use crate::independence::rules::Periods;
use crate::labels::model::Application;
use crate::labels::procedure::{Method, Plan};
use crate::labels::rules::{
    ApplicationCommand, DecisionOutcome, FindingResult, decision_faults, finding_faults, obstacles,
};
use crate::labels::view::{ApplicationDetails, Decide, PutFinding, Reservation, SubmitReport};
use crate::labels::{applications, assignment, audit, exchange};
use crate::log::identity::Log;
use crate::organisations::rules::OrganisationStatus;
use crate::organisations::{Organisation, OrganisationDetails};
use crate::qualifications::Qualification;
use crate::qualifications::view::{Identity, Qualify};
use crate::reviews;
use crate::reviews::content::ReviewContent;
use crate::reviews::model::{Reply, Review};
use crate::reviews::offered::Offered;
use crate::reviews::traces::ReviewReport;
use crate::solutions::model::{Moderation, RequestedChange, Solution};
use crate::solutions::rules::{Command, Origins, RejectionReason, SuspensionReason, faults, stamp};
use crate::solutions::sheet::SolutionSheet;
use crate::solutions::{routes, transitions};

/// Who examines for the audit bodies, and who decides.
const EVALUATOR: &str = "demonstration-evaluator";
const DECISION_MAKER: &str = "demonstration-decision-maker";

#[derive(Deserialize)]
struct File {
    organisations: Vec<OrganisationEntry>,
    solutions: Vec<SolutionEntry>,
    evaluations: Vec<EvaluationEntry>,
    reviews: Vec<ReviewEntry>,
    labels: Vec<LabelEntry>,
}

#[derive(Deserialize)]
struct OrganisationEntry {
    key: String,
    status: OrganisationStatus,
    details: OrganisationDetails,
}

#[derive(Deserialize)]
struct SolutionEntry {
    key: String,
    vendor: String,
    state: String,
    published_days_ago: Option<i64>,
    sheet: SolutionSheet,
    #[serde(default)]
    revision: Option<Value>,
    #[serde(default)]
    reason: Option<String>,
}

#[derive(Deserialize)]
struct EvaluationEntry {
    solution: String,
    state: String,
    days_ago: i64,
    quality: f64,
    #[serde(default)]
    overrides: BTreeMap<String, Answer>,
}

#[derive(Deserialize)]
struct ReviewEntry {
    solution: String,
    organisation: String,
    person: String,
    days_ago: i64,
    state: String,
    content: ReviewContent,
    #[serde(default)]
    reply: Option<String>,
    #[serde(default)]
    reason: Option<String>,
}

#[derive(Deserialize)]
struct LabelEntry {
    solution: String,
    audit_body: String,
    days_ago: i64,
    state: String,
    #[serde(default)]
    statement: Option<String>,
    #[serde(default)]
    findings: BTreeMap<String, PutFinding>,
    #[serde(default)]
    summary: Option<String>,
    #[serde(default)]
    reasons: Option<String>,
    #[serde(default)]
    reservations: Vec<ReservationEntry>,
    #[serde(default)]
    reason: Option<String>,
}

#[derive(Deserialize)]
struct ReservationEntry {
    criterion: String,
    text: String,
    due_in_days: i64,
}

/// Fills a catalogue that has no organisation yet; any other is left as it is.
pub fn load(app: &App) -> Result<()> {
    let file: File = serde_json::from_str(include_str!("../../data/demonstration.json"))?;
    let settings = &app.settings;
    app.store.write_here(&Actor::System, |tx| {
        if organisations::table.count().get_result::<i64>(tx.db)? > 0 {
            return Ok(());
        }
        let set = CriteriaSet::in_force(tx.db, tx.now.day())?
            .ok_or_else(|| Error::Internal("no criteria set is in force".to_owned()))?;
        let criteria = set.criteria(tx.db)?;
        let mut story = Story {
            began_at: tx.now,
            issuer: settings.issuer.clone(),
            validity_days: settings.evaluation_validity_days,
            label_months: settings.label_validity_months,
            log: Arc::clone(&app.log),
            accreditation_months: settings.accreditation_months,
            periods: settings.periods,
            set,
            criteria,
            organisations: HashMap::new(),
            solutions: HashMap::new(),
            evaluations: HashMap::new(),
        };
        story.tell(tx, &file)
    })?;
    Ok(())
}

/// A step of the history; those of one day go in this order.
enum Step<'a> {
    Publish(&'a SolutionEntry),
    Evaluate(usize, &'a EvaluationEntry),
    ExpireEvaluations,
    Review(&'a ReviewEntry),
    Label(&'a LabelEntry),
    /// What ends or troubles the life of a solution comes last.
    Close(&'a SolutionEntry),
}

impl Step<'_> {
    fn rank(&self) -> u8 {
        match self {
            Self::Publish(_) => 0,
            Self::Evaluate(..) => 1,
            Self::ExpireEvaluations => 2,
            Self::Review(_) => 3,
            Self::Label(_) => 4,
            Self::Close(_) => 5,
        }
    }
}

/// What has been told so far.
struct Story {
    began_at: Instant,
    issuer: String,
    validity_days: u32,
    label_months: u32,
    log: Arc<Log>,
    accreditation_months: u32,
    periods: Periods,
    set: CriteriaSet,
    criteria: Vec<Criterion>,
    organisations: HashMap<String, Organisation>,
    solutions: HashMap<String, Id>,
    evaluations: HashMap<usize, Id>,
}

impl Story {
    fn tell(&mut self, tx: &mut Tx<'_>, file: &File) -> Result<()> {
        for entry in &file.organisations {
            self.register(tx, entry)?;
        }
        let mut steps: Vec<(i64, Step<'_>)> = Vec::new();
        for entry in &file.solutions {
            let ago = entry.published_days_ago.unwrap_or(2);
            steps.push((ago, Step::Publish(entry)));
            match entry.state.as_str() {
                // Vendors who care confirm their sheet now and then.
                "published" if ago > 90 => steps.push((20, Step::Close(entry))),
                "published_with_revision" | "outdated" | "suspended" | "archived" => {
                    steps.push((0, Step::Close(entry)))
                }
                _ => {}
            }
        }
        for (number, entry) in file.evaluations.iter().enumerate() {
            steps.push((entry.days_ago, Step::Evaluate(number, entry)));
            let end = entry.days_ago - i64::from(self.validity_days);
            if end >= 0 {
                steps.push((end, Step::ExpireEvaluations));
            }
        }
        steps.extend(file.reviews.iter().map(|entry| (entry.days_ago, Step::Review(entry))));
        steps.extend(file.labels.iter().map(|entry| (entry.days_ago, Step::Label(entry))));
        steps.sort_by_key(|(ago, step)| (std::cmp::Reverse(*ago), step.rank()));
        for (ago, step) in steps {
            let told = match &step {
                Step::Publish(entry) => self.publish(tx, entry, ago).map_err(|e| (entry.key.clone(), e)),
                Step::Evaluate(number, entry) => {
                    self.evaluate(tx, *number, entry).map_err(|e| (format!("evaluation of {}", entry.solution), e))
                }
                Step::ExpireEvaluations => tx
                    .on_behalf(&Actor::System, self.at(ago, 6), crate::evaluations::model::expire)
                    .map(|_| ())
                    .map_err(|e| ("expiry".to_owned(), e)),
                Step::Review(entry) => {
                    self.review(tx, entry).map_err(|e| (format!("review of {} by {}", entry.solution, entry.person), e))
                }
                Step::Label(entry) => self.label(tx, entry).map_err(|e| (format!("label of {}", entry.solution), e)),
                Step::Close(entry) => self.close(tx, entry).map_err(|e| (entry.key.clone(), e)),
            };
            told.map_err(|(what, error)| Error::Internal(format!("data/demonstration.json: {what}: {error}")))?;
        }
        Ok(())
    }

    /// An instant of the history: days before the first start, hours into that day.
    fn at(&self, days_ago: i64, hours: i64) -> Instant {
        let at = self.began_at.0 - TimeDelta::days(days_ago) - TimeDelta::hours(12) + TimeDelta::hours(hours);
        Instant::new(at.min(self.began_at.0))
    }

    fn person(&self, role: Role, organisation: Option<&str>, name: &str) -> Result<Principal> {
        Ok(Principal {
            issuer: self.issuer.clone(),
            subject: name.to_owned(),
            role,
            duties: role.duties().to_vec(),
            organisation: organisation.map(|key| self.organisation(key).map(|one| one.id)).transpose()?,
            siret: None,
            confirms_organisation: false,
            service_account: None,
        })
    }

    fn actor(&self, role: Role, organisation: Option<&str>, name: &str) -> Result<Actor> {
        Ok(self.person(role, organisation, name)?.actor())
    }

    fn organisation(&self, key: &str) -> Result<&Organisation> {
        self.organisations.get(key).ok_or_else(|| Error::Internal(format!("no organisation {key}")))
    }

    fn solution(&self, tx: &mut Tx<'_>, key: &str) -> Result<Solution> {
        let id = self.solutions.get(key).ok_or_else(|| Error::Internal(format!("no solution {key}")))?;
        Solution::find_by_id(tx.db, *id)
    }

    fn register(&mut self, tx: &mut Tx<'_>, entry: &OrganisationEntry) -> Result<()> {
        refuse(crate::organisations::rules::faults(&entry.details))?;
        let operator = self.actor(Role::Operator, None, "demonstration-operator")?;
        let organisation = tx.on_behalf(&operator, self.at(800, 0), |tx| {
            let mut organisation = Organisation::new(entry.details.clone(), OrganisationStatus::Pending, tx.now);
            organisation.refuse_duplicate(tx.db)?;
            organisation.register(tx)?;
            if entry.status != OrganisationStatus::Pending {
                organisation.confirm(tx)?;
            }
            if organisation.is_audit_body && organisation.is_active() {
                self.accredit(tx, &organisation)?;
            }
            if entry.status == OrganisationStatus::Suspended {
                organisation.status = OrganisationStatus::Suspended;
                organisation.moderation = Some(Json("Démonstration d’une suspension.".to_owned()));
                organisation.store(tx, "suspend_organisation", json!({"status": ["active", "suspended"]}))?;
            }
            Ok(organisation)
        })?;
        self.organisations.insert(entry.key.clone(), organisation);
        Ok(())
    }

    /// For everything, with one person who examines and one who decides.
    fn accredit(&self, tx: &mut Tx<'_>, body: &Organisation) -> Result<()> {
        let mut accreditation = Accreditation::begin(tx, body)?;
        let last = Accreditation::last_day(tx.now.day(), self.accreditation_months);
        accreditation.accredit(tx, Scope::default(), last)?;
        for (subject, duty) in [(EVALUATOR, Duty::Evaluator), (DECISION_MAKER, Duty::DecisionMaker)] {
            let person = Identity { issuer: self.issuer.clone(), subject: subject.to_owned() };
            let given = Qualify { organisation_id: body.id, person, themes: Vec::new(), duties: vec![duty] };
            Qualification::begin(tx, given)?;
        }
        Ok(())
    }

    fn publish(&mut self, tx: &mut Tx<'_>, entry: &SolutionEntry, ago: i64) -> Result<()> {
        let vendor = self.organisation(&entry.vendor)?.clone();
        let signatory = self.actor(Role::Vendor, Some(&entry.vendor), &format!("demonstration-{}", entry.vendor))?;
        let moderator = self.actor(Role::Operator, None, "demonstration-moderator")?;
        let traits = self.set.content.traits.iter().map(|one| one.code.clone()).collect();
        refuse(faults(&entry.sheet, Some(&traits)))?;
        let mut solution = tx.on_behalf(&signatory, self.at(ago + 3, 0), |tx| {
            let origins = stamp(&Origins::new(), &SolutionSheet::default(), &entry.sheet, &routes::declared(tx.now));
            let solution = Solution::draft(tx, Some(vendor.id), entry.sheet.clone(), origins)?;
            solution.insert(tx.db)?;
            tx.record("create_solution", Resource::Solution, solution.id, 1, json!({"status": solution.status}))?;
            Ok(solution)
        })?;
        self.solutions.insert(entry.key.clone(), solution.id);
        if entry.state == "draft" {
            return Ok(());
        }
        tx.on_behalf(&signatory, self.at(ago + 2, 0), |tx| transitions::submit(&mut solution, tx, &vendor, || Ok(())))?;
        let reason = || entry.reason.clone().unwrap_or_else(|| "Démonstration.".to_owned());
        tx.on_behalf(&moderator, self.at(ago, 0), |tx| match entry.state.as_str() {
            "submitted" => Ok(()),
            "changes_requested" => {
                let change = RequestedChange { field: "summary".to_owned(), reason: reason() };
                solution.moderation = Some(Json(Moderation {
                    action: Command::RequestChanges.to_string(),
                    changes: vec![change],
                    ..Moderation::default()
                }));
                solution.transition(tx, Command::RequestChanges)
            }
            "rejected" => {
                solution.moderation = Some(Json(Moderation {
                    action: Command::Reject.to_string(),
                    code: Some(RejectionReason::NotADigitalSolution.to_string()),
                    reason: Some(reason()),
                    ..Moderation::default()
                }));
                solution.transition(tx, Command::Reject)
            }
            _ => solution.publish(tx, "publish_solution"),
        })
    }

    /// What happens to a published solution at the end of the history.
    fn close(&mut self, tx: &mut Tx<'_>, entry: &SolutionEntry) -> Result<()> {
        let mut solution = self.solution(tx, &entry.key)?;
        let reason = entry.reason.clone().unwrap_or_else(|| "Démonstration.".to_owned());
        let signatory = self.actor(Role::Vendor, Some(&entry.vendor), &format!("demonstration-{}", entry.vendor))?;
        let moderator = self.actor(Role::Operator, None, "demonstration-moderator")?;
        match entry.state.as_str() {
            "published" => tx.on_behalf(&signatory, self.at(20, 8), |tx| {
                solution.confirmed_at = Some(tx.now);
                solution.transition(tx, Command::Confirm)
            }),
            "published_with_revision" => tx.on_behalf(&signatory, self.at(1, 0), |tx| {
                solution.confirmed_at = Some(tx.now);
                let (before, origins) = solution.working_copy(tx.db)?;
                let mut after = serde_json::to_value(&before)?;
                if let (Some(after), Some(Value::Object(revision))) = (after.as_object_mut(), &entry.revision) {
                    after.extend(revision.clone());
                }
                let after: SolutionSheet = serde_json::from_value(after)?;
                solution.advance(Command::Edit)?;
                let origins = stamp(&origins, &before, &after, &routes::declared(tx.now));
                solution.set_draft(after, origins);
                solution.store(tx, "update_solution", json!({"revision": [null, solution.revision_status]}))
            }),
            "outdated" => {
                tx.on_behalf(&Actor::System, self.at(1, 0), |tx| solution.transition(tx, Command::MarkOutdated))
            }
            "suspended" => tx.on_behalf(&moderator, self.at(1, 0), |tx| {
                transitions::suspend(&mut solution, tx, SuspensionReason::Security, reason)
            }),
            "archived" => tx.on_behalf(&signatory, self.at(1, 0), |tx| transitions::archive(&mut solution, tx, reason)),
            _ => Ok(()),
        }
    }

    fn evaluate(&mut self, tx: &mut Tx<'_>, number: usize, entry: &EvaluationEntry) -> Result<()> {
        let solution = self.solution(tx, &entry.solution)?;
        let vendor_id = solution.organisation_id.ok_or_else(|| Error::Internal("no vendor".to_owned()))?;
        let vendor = self.organisations.iter().find(|(_, one)| one.id == vendor_id).map(|(key, _)| key.clone());
        let signatory = self.actor(Role::Vendor, vendor.as_deref(), &format!("demonstration-{}", entry.solution))?;
        let moderator = self.person(Role::Operator, None, "demonstration-moderator")?;
        let mut evaluation = tx.on_behalf(&signatory, self.at(entry.days_ago, 1), |tx| {
            let mut evaluation = Evaluation::begin(tx, &solution, vendor_id, &self.set)?;
            let is_begun = entry.state == "draft";
            let mut answered = Vec::new();
            for (place, criterion) in
                self.criteria.iter().filter(|one| one.applies_to(&evaluation.traits.0)).enumerate()
            {
                // A draft is shown half done.
                if is_begun && place % 2 == 1 && !entry.overrides.contains_key(&criterion.code) {
                    continue;
                }
                let answer = entry.overrides.get(&criterion.code).cloned().unwrap_or_else(|| Answer {
                    value: nearest(criterion, entry.quality),
                    justification: None,
                    evidence: Vec::new(),
                });
                refuse(answer_faults(criterion, &answer, &format!("/{}", criterion.code)))?;
                put_answer(tx.db, AnswerRow::new(evaluation.id, &criterion.code, answer, tx.now))?;
                answered.push(criterion.code.clone());
            }
            evaluation.store(tx, "answer_criteria", json!({"criteria": answered}))?;
            Ok(evaluation)
        })?;
        self.evaluations.insert(number, evaluation.id);
        if entry.state == "draft" {
            return Ok(());
        }
        tx.on_behalf(&signatory, self.at(entry.days_ago, 2), |tx| {
            let attestation = Attestation {
                signatory_name: "Signataire de démonstration".to_owned(),
                signatory_function: "Direction".to_owned(),
                attests: true,
            };
            crate::evaluations::routes::submit(&mut evaluation, tx, attestation)
        })?;
        if entry.state == "submitted" {
            return Ok(());
        }
        let validity_days = self.validity_days;
        tx.on_behalf(&moderator.actor(), self.at(entry.days_ago, 3), |tx| evaluation.publish(tx, validity_days))?;
        if entry.state != "contested" {
            return Ok(());
        }
        tx.on_behalf(&moderator.actor(), self.at(entry.days_ago.min(5), 4), |tx| {
            let code = evaluation.answers(tx.db)?.first().map(|answer| answer.criterion.clone()).unwrap_or_default();
            let reason = "La preuve annoncée n’a pas pu être consultée (démonstration).";
            crate::evaluations::moderation::file(
                &evaluation,
                tx,
                &code,
                reason,
                &moderator,
                ContestationStatus::Accepted,
            )?;
            evaluation.advance(EvaluationCommand::Contest)?;
            evaluation.store(tx, "contest_evaluation", json!({"criterion": code, "status": ["published", "contested"]}))
        })
    }

    fn review(&mut self, tx: &mut Tx<'_>, entry: &ReviewEntry) -> Result<()> {
        let solution = self.solution(tx, &entry.solution)?;
        let body = self.organisation(&entry.organisation)?.clone();
        let author = self.actor(Role::Buyer, Some(&entry.organisation), &format!("demonstration-{}", entry.person))?;
        let moderator = self.actor(Role::Operator, None, "demonstration-moderator")?;
        let mut review = tx.on_behalf(&author, self.at(entry.days_ago, 5), |tx| {
            let offers_same_family = Offered::find(tx.db, solution.id, &body)?.refuse_unfit(tx.db, &body)?;
            let content = ReviewContent { declares_no_interest: entry.state != "draft", ..entry.content.clone() };
            refuse(reviews::rules::faults(&content, tx.now.day()))?;
            let mut review = Review::draft(tx, solution.id, &body, offers_same_family, content)?;
            review.insert_once(tx.db)?;
            tx.record("create_review", Resource::Review, review.id, 1, json!({"solution": solution.id}))?;
            if entry.state != "draft" {
                reviews::transitions::submit(&mut review, tx)?;
            }
            Ok(review)
        })?;
        let reason = entry.reason.clone().unwrap_or_else(|| "Démonstration.".to_owned());
        match entry.state.as_str() {
            "draft" | "pending" => return Ok(()),
            "rejected" => {
                let refusal = reviews::view::ReviewRefusal { code: reviews::rules::ReviewGround::OffTopic, reason };
                return tx.on_behalf(&moderator, self.at(entry.days_ago, 7), |tx| {
                    reviews::transitions::reject(&mut review, tx, refusal)
                });
            }
            _ => tx.on_behalf(&moderator, self.at(entry.days_ago, 7), |tx| {
                reviews::transitions::publish(&mut review, tx)
            })?,
        }
        if let Some(text) = &entry.reply {
            let vendor_id = solution.organisation_id.unwrap_or_default();
            let vendor = self.organisations.iter().find(|(_, one)| one.id == vendor_id).map(|(key, _)| key.clone());
            let vendor = self.actor(Role::Vendor, vendor.as_deref(), &format!("demonstration-{}", entry.solution))?;
            tx.on_behalf(&vendor, self.at(entry.days_ago, 9), |tx| {
                review.reply = Some(Json(Reply { text: text.clone(), organisation_id: vendor_id, replied_at: tx.now }));
                review.store(tx, "reply_review", json!({"reply": [false, true]}))
            })?;
        }
        match entry.state.as_str() {
            "reported" => {
                let reader = self.actor(Role::Buyer, Some(&entry.organisation), "demonstration-lectrice")?;
                tx.on_behalf(&reader, self.at(entry.days_ago, 11), |tx| {
                    let from = review.advance(reviews::rules::Command::Report)?;
                    let report = ReviewReport::file(tx, &review, reason)?;
                    review.reported_by = Some(report.actor_id);
                    review.moved(tx, reviews::rules::Command::Report, from)
                })
            }
            "withdrawn" => tx.on_behalf(&author, self.at(entry.days_ago, 11), |tx| {
                let from = review.advance(reviews::rules::Command::Withdraw)?;
                review.moved(tx, reviews::rules::Command::Withdraw, from)
            }),
            _ => Ok(()),
        }
    }

    fn label(&mut self, tx: &mut Tx<'_>, entry: &LabelEntry) -> Result<()> {
        let solution = self.solution(tx, &entry.solution)?;
        let vendor_id = solution.organisation_id.ok_or_else(|| Error::Internal("no vendor".to_owned()))?;
        let vendor = self.organisations.iter().find(|(_, one)| one.id == vendor_id).map(|(key, _)| key.clone());
        let signatory = self.actor(Role::Vendor, vendor.as_deref(), &format!("demonstration-{}", entry.solution))?;
        let officer = self.actor(Role::Operator, None, "demonstration-officer")?;
        let evaluator = self.actor(Role::Auditor, Some(&entry.audit_body), EVALUATOR)?;
        let decider = self.actor(Role::Auditor, Some(&entry.audit_body), DECISION_MAKER)?;
        let audit_body = self.organisation(&entry.audit_body)?.clone();
        let at = |hours| self.at(entry.days_ago, hours);
        let reason = || Some(Json(entry.reason.clone().unwrap_or_else(|| "Démonstration.".to_owned())));
        let mut case = tx.on_behalf(&signatory, at(6), |tx| {
            let details = ApplicationDetails { statement: entry.statement.clone() };
            let mut case = applications::begin(tx, &solution, vendor_id, details)?;
            let (evaluation, faults) = applications::submission(tx.db, &case, tx.now)?;
            refuse(faults)?;
            applications::submit(&mut case, tx, evaluation.ok_or_else(Error::not_found)?)?;
            Ok(case)
        })?;
        let state = entry.state.as_str();
        match state {
            "submitted" => return Ok(()),
            "inadmissible" => {
                return tx.on_behalf(&officer, at(7), |tx| {
                    case.advance(ApplicationCommand::RefuseAdmission)?;
                    case.moderation = reason();
                    case.store(tx, "refuse_label_application", json!({"status": ["submitted", "inadmissible"]}))
                });
            }
            _ => {}
        }
        tx.on_behalf(&officer, at(7), |tx| {
            case.advance(ApplicationCommand::Admit)?;
            case.store(tx, "admit_label_application", json!({"status": ["submitted", "admissible"]}))
        })?;
        if state == "abandoned" {
            return tx.on_behalf(&signatory, at(8), |tx| {
                case.advance(ApplicationCommand::Abandon)?;
                case.moderation = reason();
                case.store(tx, "abandon_label_application", json!({"status": ["admissible", "abandoned"]}))
            });
        }
        if state == "admissible" {
            return Ok(());
        }
        tx.on_behalf(&officer, at(8), |tx| {
            check(tx, &mut case, &Act::new(Stage::Assignment, &audit_body, self.periods))?;
            assignment::assign(&mut case, tx, &audit_body)
        })?;
        if state == "assigned" {
            return Ok(());
        }
        tx.on_behalf(&evaluator, at(9), |tx| {
            check(tx, &mut case, &Act::new(Stage::Acceptance, &audit_body, self.periods))?;
            assignment::accept(&mut case, tx)?;
            let today = tx.now.day();
            audit::open(
                &mut case,
                tx,
                Plan {
                    starts_on: today,
                    ends_on: today + TimeDelta::days(30),
                    methods: vec![Method::DocumentReview, Method::Demonstration],
                    sample: "Une instance de démonstration, et les documents joints.".to_owned(),
                },
            )?;
            let is_begun = state == "in_audit";
            self.examine(tx, &mut case, entry, is_begun)?;
            if is_begun {
                return Ok(());
            }
            let recommendation = match state {
                "refused" => DecisionOutcome::Refused,
                "granted_with_reservations" => DecisionOutcome::GrantedWithReservations,
                _ => DecisionOutcome::Granted,
            };
            check(tx, &mut case, &Act::new(Stage::Report, &audit_body, self.periods))?;
            let summary = entry.summary.clone().unwrap_or_else(|| "Résumé de démonstration.".to_owned());
            audit::report_on(&mut case, tx, SubmitReport { recommendation, summary })
        })?;
        let outcome = match state {
            "granted" => DecisionOutcome::Granted,
            "granted_with_reservations" => DecisionOutcome::GrantedWithReservations,
            "refused" => DecisionOutcome::Refused,
            _ => return Ok(()),
        };
        if outcome != DecisionOutcome::Granted {
            let text = "Nous prenons acte du rapport.".to_owned();
            tx.on_behalf(&signatory, at(10), |tx| exchange::comment(&mut case, tx, text))?;
        }
        tx.on_behalf(&decider, at(11), |tx| {
            check(tx, &mut case, &Act::new(Stage::Decision, &audit_body, self.periods))?;
            let reservations = entry
                .reservations
                .iter()
                .map(|one| Reservation {
                    criterion: one.criterion.clone(),
                    text: one.text.clone(),
                    due_on: tx.now.day() + TimeDelta::days(one.due_in_days),
                })
                .collect();
            let reasons = entry.reasons.clone().unwrap_or_else(|| "Motifs de démonstration.".to_owned());
            let decision = Decide { outcome, reasons, reservations, corrects: None, signature: None };
            let (set, criteria) = case.criteria(tx.db)?;
            let found = case.found(tx.db)?;
            let minors: Vec<String> = found
                .iter()
                .filter(|(_, (result, _))| *result == FindingResult::Minor)
                .map(|(code, _)| code.clone())
                .collect();
            refuse(decision_faults(
                &decision,
                &obstacles(&set.content.label_rule, &criteria, &found),
                &minors,
                tx.now.day(),
            ))?;
            audit::decide(&mut case, tx, &self.log, &audit_body, decision, self.label_months)
        })
    }

    /// Findings: as declared unless the entry says otherwise; half of them in an audit under way.
    fn examine(&self, tx: &mut Tx<'_>, case: &mut Application, entry: &LabelEntry, is_begun: bool) -> Result<()> {
        let (_, criteria) = case.criteria(tx.db)?;
        let evaluation = case.evaluation_id.map(|id| Evaluation::find(tx.db, &id.to_string())).transpose()?;
        let answers: BTreeMap<String, String> = match evaluation {
            Some(evaluation) => evaluation.answers(tx.db)?.into_iter().map(|one| (one.criterion, one.value)).collect(),
            None => BTreeMap::new(),
        };
        let count = if is_begun { criteria.len() / 2 } else { criteria.len() };
        for criterion in criteria.iter().take(count) {
            let declared = answers.get(&criterion.code).filter(|value| *value != crate::criteria::content::NA);
            let finding = entry.findings.get(&criterion.code).cloned().unwrap_or_else(|| PutFinding {
                result: if declared.is_some() { FindingResult::Compliant } else { FindingResult::NotApplicable },
                value: declared.cloned(),
                comment: "Conforme à la déclaration, vu sur pièces.".to_owned(),
                evidence: Vec::new(),
            });
            refuse(finding_faults(criterion, &finding))?;
            let score =
                finding.value.as_deref().and_then(|value| criterion.score_of(value)).map(Score::ten_thousandths);
            audit::record(case, tx, &criterion.code, finding, score)?;
        }
        Ok(())
    }
}

/// The option whose score is nearest to a quality between 0 and 1.
fn nearest(criterion: &Criterion, quality: f64) -> String {
    let wanted = Score::from_unit(quality).ten_thousandths();
    criterion
        .options()
        .iter()
        .min_by_key(|option| (option.score.ten_thousandths() - wanted).abs())
        .map(|option| option.code.clone())
        .unwrap_or_default()
}

fn refuse(faults: Vec<Fault>) -> Result<()> {
    if faults.is_empty() { Ok(()) } else { Err(Error::invalid(faults)) }
}
