//! States, outcomes and thresholds of the label.

use std::collections::BTreeMap;

use chrono::{Months, NaiveDate, TimeDelta};

use super::view::{Decide, PutFinding, Reservation};
use crate::criteria::Criterion;
use crate::criteria::content::LabelRule;
use crate::error::Fault;
use crate::evaluations::rules::{Contribution, Score, Scores, below_label, compute};
use crate::organisations::rules::url_fault;
use crate::text;

crate::codes! {
    /// Where an application stands.
    pub enum ApplicationStatus {
        /// Being prepared by the vendor.
        Draft = "draft",
        /// Waiting for admission.
        Submitted = "submitted",
        /// Admitted; waiting for an audit body.
        Admissible = "admissible",
        /// Not admitted.
        Inadmissible = "inadmissible",
        /// Proposed to, or accepted by, an audit body.
        Assigned = "assigned",
        /// Being examined.
        InAudit = "in_audit",
        /// Examined; waiting for the decision.
        ReportSubmitted = "report_submitted",
        /// The vendor mends what was found, once, by a date.
        CorrectiveAction = "corrective_action",
        Decided = "decided",
        /// Given up before the decision.
        Abandoned = "abandoned",
    }
}

crate::codes! {
    /// What can be done to an application.
    pub enum ApplicationCommand {
        Submit = "submit",
        Admit = "admit",
        RefuseAdmission = "refuse_admission",
        /// Names the audit body that the vendor would have.
        Propose = "propose",
        Assign = "assign",
        Accept = "accept",
        Recuse = "recuse",
        /// Takes it from one body and gives it to another, or to another person of the same.
        Reassign = "reassign",
        Declare = "declare",
        /// The vendor says why the body should not examine it.
        Challenge = "challenge",
        UpholdChallenge = "uphold_challenge",
        DismissChallenge = "dismiss_challenge",
        Open = "open",
        RecordFinding = "record_finding",
        Report = "report",
        /// The vendor says what it has to say to the report.
        Comment = "comment",
        RequireCorrection = "require_correction",
        /// The vendor says that it mended what was found.
        Deliver = "deliver",
        /// Nothing was delivered by the date.
        LapseCorrection = "lapse_correction",
        Decide = "decide",
        Correct = "correct",
        /// An appeal panel wants it decided again.
        SendBack = "send_back",
        Abandon = "abandon",
    }
}

/// Where a command leads; none when it does not start there.
pub fn step(at: ApplicationStatus, command: ApplicationCommand) -> Option<ApplicationStatus> {
    use {ApplicationCommand as C, ApplicationStatus as S};
    match (command, at) {
        (C::Submit, S::Draft) => Some(S::Submitted),
        (C::Admit, S::Submitted) => Some(S::Admissible),
        (C::RefuseAdmission, S::Submitted) => Some(S::Inadmissible),
        (C::Propose, S::Draft | S::Submitted | S::Admissible) => Some(at),
        (C::Assign, S::Admissible) => Some(S::Assigned),
        (C::Accept | C::Challenge | C::DismissChallenge, S::Assigned) => Some(S::Assigned),
        (C::UpholdChallenge, S::Assigned) => Some(S::Admissible),
        (C::Recuse, S::Assigned | S::InAudit) => Some(S::Admissible),
        (C::Reassign, S::Assigned | S::InAudit) => Some(S::Assigned),
        (C::Declare, S::Assigned | S::InAudit | S::ReportSubmitted | S::CorrectiveAction) => Some(at),
        (C::Open, S::Assigned) => Some(S::InAudit),
        (C::RecordFinding, S::InAudit) => Some(S::InAudit),
        (C::Report, S::InAudit) => Some(S::ReportSubmitted),
        (C::Comment, S::ReportSubmitted | S::Decided) => Some(at),
        (C::RequireCorrection, S::ReportSubmitted) => Some(S::CorrectiveAction),
        (C::Deliver, S::CorrectiveAction) => Some(S::InAudit),
        (C::LapseCorrection, S::CorrectiveAction) | (C::SendBack, S::Decided) => Some(S::ReportSubmitted),
        (C::Decide, S::ReportSubmitted) | (C::Correct, S::Decided) => Some(S::Decided),
        (
            C::Abandon,
            S::Draft
            | S::Submitted
            | S::Admissible
            | S::Assigned
            | S::InAudit
            | S::ReportSubmitted
            | S::CorrectiveAction,
        ) => Some(S::Abandoned),
        _ => None,
    }
}

impl ApplicationCommand {
    /// Whether it is possible while a conflict of interest keeps the case frozen.
    pub fn is_possible_when_frozen(self) -> bool {
        matches!(
            self,
            Self::Recuse
                | Self::Reassign
                | Self::Declare
                | Self::Challenge
                | Self::UpholdChallenge
                | Self::DismissChallenge
                | Self::Comment
                | Self::SendBack
                | Self::Abandon
        )
    }
}

impl ApplicationStatus {
    /// Those after which another application may be made.
    pub const CLOSED: [Self; 3] = [Self::Inadmissible, Self::Abandoned, Self::Decided];
}

crate::codes! {
    /// Where a label stands.
    pub enum LabelStatus {
        Active = "active",
        /// Valid, with points to mend by a date.
        ActiveWithReservations = "active_with_reservations",
        UnderSurveillance = "under_surveillance",
        /// Not valid for now.
        Suspended = "suspended",
        /// Taken back.
        Withdrawn = "withdrawn",
        /// Past its last day.
        Expired = "expired",
        /// Given up by the vendor.
        Renounced = "renounced",
        /// A later label took its place.
        Superseded = "superseded",
    }
}

impl LabelStatus {
    /// Valid today, unless past its last day.
    pub fn is_valid(self) -> bool {
        matches!(self, Self::Active | Self::ActiveWithReservations | Self::UnderSurveillance)
    }

    /// As it is to be shown on a day: never a lapsed label as valid.
    pub fn on(self, today: NaiveDate, valid_until: NaiveDate) -> Self {
        if self.is_valid() && valid_until < today { Self::Expired } else { self }
    }
}

crate::codes! {
    /// What an audit body decides.
    pub enum DecisionOutcome {
        Granted = "granted",
        /// Granted, with points to mend within six months.
        GrantedWithReservations = "granted_with_reservations",
        Refused = "refused",
    }
}

crate::codes! {
    /// What the auditor found for a criterion.
    pub enum FindingResult {
        Compliant = "compliant",
        /// A gap that does not put the whole in doubt.
        Minor = "minor",
        /// A gap that excludes the label.
        Major = "major",
        NotApplicable = "not_applicable",
    }
}

/// An evaluation older than this does not carry an application.
pub const EVALUATION_MAX_AGE: TimeDelta = TimeDelta::days(183);
/// After a refusal, this long until the next application.
pub const PAUSE_AFTER_REFUSAL: TimeDelta = TimeDelta::days(183);
/// Twenty working days, counted as four weeks.
pub const ADMISSION_DAYS: i64 = 28;
/// A draft that nobody touched for this long is given up.
pub const IDLE: TimeDelta = TimeDelta::days(90);
/// The operator answers a challenge within five working days, counted as a week.
pub const CHALLENGE_DAYS: i64 = 7;
/// The vendor is heard on a report for this long before a decision harms it.
pub const COMMENT_DAYS: i64 = 15;
/// What was found is mended within this.
pub const CORRECTION_DAYS: u64 = 90;
/// Reservations are to be lifted within this.
const RESERVATION_MAX: Months = Months::new(6);

/// What is wrong with a finding beyond what its schema says.
pub fn finding_faults(criterion: &Criterion, finding: &PutFinding) -> Vec<Fault> {
    let mut faults = Vec::new();
    let score = finding.value.as_deref().and_then(|value| criterion.score_of(value));
    match (finding.result, &finding.value) {
        (FindingResult::NotApplicable, Some(_)) => faults.push(Fault::body(
            "/value",
            "not_applicable",
            text!("Sans objet : pas de valeur.", "Not applicable: no value."),
        )),
        (FindingResult::NotApplicable, None) if !criterion.na_allowed => faults.push(Fault::body(
            "/result",
            "na_not_allowed",
            text!("Ce critère s’applique toujours.", "This criterion always applies."),
        )),
        (FindingResult::NotApplicable, None) => {}
        (_, _) if score.is_none() => {
            let options = criterion.options().iter().map(|option| option.code.clone()).collect::<Vec<_>>().join(", ");
            faults.push(Fault::body(
                "/value",
                "not_in_list",
                text!("Valeurs possibles : {options}.", "Possible values: {options}."),
            ));
        }
        (FindingResult::Compliant, _) if criterion.mandatory_for_label && score < Some(criterion.label_min_score) => {
            faults.push(Fault::body(
                "/result",
                "below_minimum",
                text!(
                    "Sous le minimum du label, un critère obligatoire n’est pas conforme.",
                    "Below the label's minimum, a mandatory criterion is not compliant."
                ),
            ));
        }
        _ => {}
    }
    for (index, evidence) in finding.evidence.iter().enumerate() {
        faults.extend(url_fault(&format!("/evidence/{index}/url"), Some(&evidence.url)));
    }
    faults
}

/// What the auditor found, by criterion: result and score.
pub type Found = BTreeMap<String, (FindingResult, Option<Score>)>;

/// Scores that the findings give, by the same formula as the declared ones.
pub fn found_scores(criteria: &[Criterion], found: &Found) -> Scores {
    compute(criteria.iter(), |criterion| match found.get(&criterion.code) {
        None => Contribution::Unanswered,
        Some((FindingResult::NotApplicable, _)) => Contribution::NotApplicable,
        Some((_, score)) => score.map_or(Contribution::Unanswered, Contribution::Scored),
    })
}

/// What stands against the label: thresholds missed and major findings.
pub fn obstacles(rule: &LabelRule, criteria: &[Criterion], found: &Found) -> Vec<String> {
    let scores = found_scores(criteria, found);
    let all: Vec<&Criterion> = criteria.iter().collect();
    let mut obstacles =
        below_label(rule, &all, &scores, |criterion| found.get(&criterion.code).and_then(|(_, score)| *score));
    obstacles
        .extend(found.iter().filter(|(_, (result, _))| *result == FindingResult::Major).map(|(code, _)| code.clone()));
    obstacles.sort();
    obstacles.dedup();
    obstacles
}

/// What is wrong with a decision, given what was found.
pub fn decision_faults(decision: &Decide, obstacles: &[String], minors: &[String], today: NaiveDate) -> Vec<Fault> {
    let mut faults = Vec::new();
    let against = obstacles.join(", ");
    let latest = today.checked_add_months(RESERVATION_MAX).unwrap_or(today);
    match decision.outcome {
        DecisionOutcome::Refused if obstacles.is_empty() => faults.push(Fault::body(
            "/outcome",
            "no_ground",
            text!(
                "Aucun constat majeur et tous les seuils atteints : rien ne fonde un refus.",
                "No major finding and every threshold reached: nothing grounds a refusal."
            ),
        )),
        DecisionOutcome::Granted | DecisionOutcome::GrantedWithReservations if !obstacles.is_empty() => {
            faults.push(Fault::body(
                "/outcome",
                "threshold_missed",
                text!("S’y opposent : {against}.", "Against it stand: {against}."),
            ));
        }
        DecisionOutcome::Granted if !minors.is_empty() => {
            let minors = minors.join(", ");
            faults.push(Fault::body(
                "/outcome",
                "minor_findings",
                text!(
                    "Constats mineurs ({minors}) : accorder avec réserves.",
                    "Minor findings ({minors}): grant with reservations."
                ),
            ));
        }
        DecisionOutcome::GrantedWithReservations => {
            for code in minors.iter().filter(|code| !decision.reservations.iter().any(|one| one.criterion == **code)) {
                faults.push(Fault::body(
                    "/reservations",
                    "reservation_missing",
                    text!("Il manque une réserve pour {code}.", "A reservation for {code} is missing."),
                ));
            }
            if minors.is_empty() {
                faults.push(Fault::body(
                    "/outcome",
                    "no_ground",
                    text!("Aucun constat mineur : rien à réserver.", "No minor finding: nothing to reserve."),
                ));
            }
        }
        _ => {}
    }
    if decision.outcome != DecisionOutcome::GrantedWithReservations && !decision.reservations.is_empty() {
        faults.push(Fault::body(
            "/reservations",
            "unexpected",
            text!(
                "Des réserves ne vont qu’avec « granted_with_reservations ».",
                "Reservations go only with `granted_with_reservations`."
            ),
        ));
    }
    for (index, Reservation { criterion, due_on, .. }) in decision.reservations.iter().enumerate() {
        if !minors.contains(criterion) {
            faults.push(Fault::body(
                format!("/reservations/{index}/criterion"),
                "no_minor_finding",
                text!("Ce critère n’a pas de constat mineur.", "This criterion has no minor finding."),
            ));
        }
        if *due_on <= today || *due_on > latest {
            faults.push(Fault::body(
                format!("/reservations/{index}/due_on"),
                "out_of_range",
                text!("Entre demain et le {latest}.", "Between tomorrow and {latest}."),
            ));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_decision_always_follows_a_report(commands in prop::collection::vec(prop::sample::select(ApplicationCommand::ALL), 0..40)) {
            let (mut at, mut reported, mut admitted) = (ApplicationStatus::Draft, false, false);
            for command in commands {
                let Some(next) = step(at, command) else { continue };
                at = next;
                admitted |= at == ApplicationStatus::Admissible;
                reported |= at == ApplicationStatus::ReportSubmitted;
                prop_assert!(at != ApplicationStatus::Decided || (reported && admitted));
            }
        }

        #[test]
        fn what_is_closed_stays_closed_unless_an_appeal_opens_it(command in prop::sample::select(ApplicationCommand::ALL)) {
            for closed in ApplicationStatus::CLOSED {
                let next = step(closed, command);
                prop_assert!(next.is_none_or(|next| next == closed) || command == ApplicationCommand::SendBack);
            }
        }
    }

    #[test]
    fn a_mandatory_criterion_below_its_minimum_is_not_compliant() {
        let (set, criteria) = crate::criteria::model::bundled().expect("data/criteria.json");
        let mandatory = criteria.iter().find(|one| one.mandatory_for_label).expect("a mandatory criterion");
        let option = |score: fn(&Score, &Score) -> bool| {
            let all = mandatory.options();
            all.iter().find(|one| score(&one.score, &mandatory.label_min_score)).map(|one| one.code.clone())
        };
        let find = |value: Option<String>| {
            let finding = PutFinding {
                result: FindingResult::Compliant,
                value: Some(value.expect("an option")),
                comment: "Vu.".into(),
                evidence: Vec::new(),
            };
            finding_faults(mandatory, &finding).into_iter().map(|fault| fault.code).collect::<Vec<_>>()
        };
        assert_eq!(find(option(|score, least| score < least)), ["below_minimum"]);
        assert_eq!(find(option(|score, least| score >= least)), Vec::<&str>::new());

        // What is at its minimum does not stand against the label; what is below, or not found, does.
        let against = |score: Option<Score>| {
            let found: Found = score
                .map(|score| (mandatory.code.clone(), (FindingResult::Compliant, Some(score))))
                .into_iter()
                .collect();
            obstacles(&set.label_rule, std::slice::from_ref(mandatory), &found).contains(&mandatory.code)
        };
        let least = mandatory.label_min_score;
        assert!(!against(Some(least)) && against(None) && against(Score::stored(least.ten_thousandths() - 1)));
        assert!(!against(Some(Score::MAX)));
    }

    #[test]
    fn a_lapsed_label_is_never_shown_as_valid() {
        let day = |d| NaiveDate::from_ymd_opt(2026, 1, d).expect("a day");
        assert_eq!(LabelStatus::Active.on(day(5), day(5)), LabelStatus::Active);
        assert_eq!(LabelStatus::Active.on(day(6), day(5)), LabelStatus::Expired);
        assert_eq!(LabelStatus::Withdrawn.on(day(6), day(5)), LabelStatus::Withdrawn);
    }

    #[test]
    fn a_decision_is_held_to_what_was_found() {
        let day = NaiveDate::from_ymd_opt(2026, 1, 5).expect("a day");
        let decide = |outcome, reservations| Decide {
            outcome,
            reasons: "Motifs.".into(),
            reservations,
            corrects: None,
            signature: None,
        };
        let codes = |decision: &Decide, obstacles: &[String], minors: &[String]| {
            decision_faults(decision, obstacles, minors, day).into_iter().map(|fault| fault.code).collect::<Vec<_>>()
        };
        let (major, minor) = (["SEC-01".to_owned()], ["ACC-02".to_owned()]);
        assert_eq!(codes(&decide(DecisionOutcome::Granted, vec![]), &[], &[]), Vec::<&str>::new());
        assert_eq!(codes(&decide(DecisionOutcome::Granted, vec![]), &major, &[]), ["threshold_missed"]);
        assert_eq!(codes(&decide(DecisionOutcome::Granted, vec![]), &[], &minor), ["minor_findings"]);
        assert_eq!(codes(&decide(DecisionOutcome::Refused, vec![]), &[], &minor), ["no_ground"]);
        assert_eq!(
            codes(&decide(DecisionOutcome::GrantedWithReservations, vec![]), &[], &minor),
            ["reservation_missing"]
        );
        let reserve = |due_on| vec![Reservation { criterion: "ACC-02".into(), text: "À corriger.".into(), due_on }];
        assert_eq!(
            codes(&decide(DecisionOutcome::GrantedWithReservations, reserve(day)), &[], &minor),
            ["out_of_range"]
        );
        let soon = day.checked_add_months(Months::new(2)).expect("a day");
        assert_eq!(
            codes(&decide(DecisionOutcome::GrantedWithReservations, reserve(soon)), &[], &minor),
            Vec::<&str>::new()
        );
    }
}
