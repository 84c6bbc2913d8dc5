//! Conflicts of interest: each rule is a function from facts to conflicts.
//!
//! A hard conflict excludes, a soft one is disclosed with the label. After ISO/IEC
//! 17065 §4.2 (impartiality) and ISO/IEC 17020 annex A (type A independence).

use std::collections::BTreeSet;

use chrono::{Months, NaiveDate};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::db::Id;
use crate::http::text::Text;
use crate::text;

crate::codes! {
    /// A rule of independence.
    pub enum Rule {
        /// The audit body and the vendor are one organisation, or have one SIREN. Excludes.
        SameOrganisation = "same_organisation",
        /// The audit body and the vendor are linked by control. Excludes.
        SameGroup = "same_group",
        /// Advice, development, training, integration or paid work for the vendor, not long ago. Excludes.
        RecentServices = "recent_services",
        /// The person worked for the vendor, not long ago. Excludes.
        RecentEmployment = "recent_employment",
        /// A financial interest in the vendor. Excludes.
        FinancialInterest = "financial_interest",
        /// A family tie with the vendor. Excludes.
        FamilyTie = "family_tie",
        /// A seat on a board of the vendor. Excludes.
        BoardSeat = "board_seat",
        /// The person led the last two evaluations of the solution. Excludes.
        Rotation = "rotation",
        /// An audit of another kind, such as ISO 27001 or RGAA. Disclosed.
        OtherAudit = "other_audit",
        /// More than a fifth of the body's cases are this vendor's. Disclosed.
        VendorShare = "vendor_share",
    }
}

crate::codes! {
    /// What an interest is.
    pub enum InterestKind {
        Advice = "advice",
        Development = "development",
        Training = "training",
        Integration = "integration",
        /// Any other paid work.
        PaidWork = "paid_work",
        /// Was employed by the vendor, or is.
        Employment = "employment",
        FinancialInterest = "financial_interest",
        FamilyTie = "family_tie",
        BoardSeat = "board_seat",
        /// An audit that is no part of the label, such as ISO 27001 or RGAA.
        OtherAudit = "other_audit",
    }
}

crate::codes! {
    /// Whose an interest is.
    pub enum InterestHolder {
        /// The audit body's.
        Body = "body",
        /// The person's who declares it.
        Person = "person",
    }
}

/// An interest in the vendor, as it is declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "holder": "body", "kind": "other_audit", "description": "Certification ISO 27001 de l’hébergement.",
    "since": "2025-03-01", "until": "2025-06-30",
}))]
pub struct Interest {
    /// Whose it is.
    pub holder: InterestHolder,
    /// What it is.
    pub kind: InterestKind,
    /// In words; the public reads those about a body with the label. Name no person.
    #[schema(min_length = 3, max_length = 2000)]
    pub description: String,
    /// First day.
    pub since: NaiveDate,
    /// Last day; none while it lasts.
    #[serde(default)]
    pub until: Option<NaiveDate>,
}

/// For how long what is over still excludes, in months.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Periods {
    /// Services, and interests that have ended.
    pub interest_months: u32,
    /// Employment of a person.
    pub employment_months: u32,
}

/// Evaluations of one solution that one person may lead.
const MAX_CYCLES: i64 = 2;
/// From this many cases on a body's dependence on one vendor is looked at.
const CASES_THAT_COUNT: i64 = 5;
/// A larger share of one vendor is disclosed, in per cent.
const MAX_SHARE: i64 = 20;
/// Cases are counted over so many months.
pub const SHARE_MONTHS: u32 = 24;

/// What is known of a body, a person of it and the vendor of a case, on a day.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    pub today: NaiveDate,
    pub body: Id,
    pub body_siren: Option<String>,
    /// The organisations concerned, with their SIREN: who applied, and who offers the solution now.
    pub vendors: Vec<(Id, Option<String>)>,
    /// All that are linked to them by control.
    pub group: BTreeSet<Id>,
    /// Declared by the body, and by the person.
    pub interests: Vec<Interest>,
    /// The last day on which the person acted here for the vendor or its group.
    pub acted_for_vendor_on: Option<NaiveDate>,
    /// Evaluations of the solution that the person led and that were decided.
    pub cycles: i64,
    /// Cases of the body over [`SHARE_MONTHS`], this one included.
    pub cases: i64,
    /// Those of them that are the vendor's or its group's.
    pub cases_of_vendor: i64,
}

/// What a rule found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Conflict {
    /// The rule.
    pub rule: Rule,
    /// Whose the interest is; the body's unless a person's.
    pub holder: InterestHolder,
    /// What was declared, if the rule rests on a declaration.
    pub kind: Option<InterestKind>,
    /// First day.
    pub since: Option<NaiveDate>,
    /// Last day; none while it lasts.
    pub until: Option<NaiveDate>,
    /// In the words of the declaration; null for a person's.
    #[schema(max_length = 2000)]
    pub description: Option<String>,
}

impl Rule {
    /// Whether it excludes; else it is disclosed.
    pub fn is_hard(self) -> bool {
        match self {
            Self::SameOrganisation
            | Self::SameGroup
            | Self::RecentServices
            | Self::RecentEmployment
            | Self::FinancialInterest
            | Self::FamilyTie
            | Self::BoardSeat
            | Self::Rotation => true,
            Self::OtherAudit | Self::VendorShare => false,
        }
    }

    /// What is said to whom it excludes.
    pub fn explanation(self) -> Text {
        match self {
            Self::SameOrganisation => text!(
                "L’organisme d’audit et le vendeur sont la même entité.",
                "The audit body and the vendor are one entity."
            ),
            Self::SameGroup => text!(
                "L’organisme d’audit et le vendeur sont liés par un contrôle (mère, filiale, contrôle commun).",
                "The audit body and the vendor are linked by control (parent, subsidiary, common control)."
            ),
            Self::RecentServices => text!(
                "Conseil, développement, formation, intégration ou travail rémunéré trop récent pour ce vendeur.",
                "Advice, development, training, integration or paid work for this vendor, too recent."
            ),
            Self::RecentEmployment => {
                text!(
                    "La personne a travaillé pour ce vendeur il y a peu.",
                    "The person worked for this vendor of late."
                )
            }
            Self::FinancialInterest => {
                text!("Intérêt financier dans le vendeur.", "A financial interest in the vendor.")
            }
            Self::FamilyTie => text!("Lien familial avec le vendeur.", "A family tie with the vendor."),
            Self::BoardSeat => text!("Mandat dans un organe du vendeur.", "A seat on a board of the vendor."),
            Self::Rotation => text!(
                "La personne a déjà conduit deux évaluations de cette solution.",
                "The person has led two evaluations of this solution already."
            ),
            Self::OtherAudit => text!("Audit d’une autre nature, publié.", "An audit of another kind, disclosed."),
            Self::VendorShare => text!(
                "Plus d’un cinquième des dossiers de l’organisme sont de ce vendeur, publié.",
                "More than a fifth of the body's cases are this vendor's, disclosed."
            ),
        }
    }
}

/// A rule: all conflicts that it finds in the facts.
type Check = fn(&Facts, Periods) -> Vec<Conflict>;

/// Every rule there is.
const CHECKS: &[Check] =
    &[same_organisation, same_group, recent_services, employment, lasting_interests, rotation, other_audits, share];

/// All that the rules find.
pub fn conflicts(facts: &Facts, periods: Periods) -> Vec<Conflict> {
    CHECKS.iter().flat_map(|check| check(facts, periods)).collect()
}

/// A conflict that rests on what is known.
fn known(rule: Rule, holder: InterestHolder) -> Conflict {
    Conflict { rule, holder, kind: None, since: None, until: None, description: None }
}

/// A conflict that rests on a declaration.
fn declared(rule: Rule, interest: &Interest) -> Conflict {
    let Interest { holder, kind, description, since, until } = interest.clone();
    let description = Some(description).filter(|_| holder == InterestHolder::Body);
    Conflict { rule, holder, kind: Some(kind), since: Some(since), until, description }
}

fn months_ago(today: NaiveDate, months: u32) -> NaiveDate {
    today.checked_sub_months(Months::new(months)).unwrap_or(today)
}

/// Whether an interest lasts, or ended less than so many whole months ago.
fn is_recent(interest: &Interest, today: NaiveDate, months: u32) -> bool {
    interest.until.is_none_or(|until| until > months_ago(today, months))
}

fn same_organisation(facts: &Facts, _: Periods) -> Vec<Conflict> {
    let is_same = |(vendor, siren): &(Id, Option<String>)| {
        *vendor == facts.body || (siren.is_some() && *siren == facts.body_siren)
    };
    let found = facts.vendors.iter().any(is_same).then(|| known(Rule::SameOrganisation, InterestHolder::Body));
    found.into_iter().collect()
}

fn same_group(facts: &Facts, _: Periods) -> Vec<Conflict> {
    let is_vendor = facts.vendors.iter().any(|(vendor, _)| *vendor == facts.body);
    let found = !is_vendor && facts.group.contains(&facts.body);
    found.then(|| known(Rule::SameGroup, InterestHolder::Body)).into_iter().collect()
}

fn recent_services(facts: &Facts, periods: Periods) -> Vec<Conflict> {
    use InterestKind as K;
    let is_service = |kind| matches!(kind, K::Advice | K::Development | K::Training | K::Integration | K::PaidWork);
    let services = facts.interests.iter().filter(|one| is_service(one.kind));
    services
        .filter(|one| is_recent(one, facts.today, periods.interest_months))
        .map(|one| declared(Rule::RecentServices, one))
        .collect()
}

fn employment(facts: &Facts, periods: Periods) -> Vec<Conflict> {
    let is_late = |day: &NaiveDate| *day > months_ago(facts.today, periods.employment_months);
    let acted = facts.acted_for_vendor_on.filter(is_late);
    let acted = acted.map(|day| Conflict { until: Some(day), ..known(Rule::RecentEmployment, InterestHolder::Person) });
    let told = facts.interests.iter().filter(|one| one.kind == InterestKind::Employment);
    let told = told.filter(|one| is_recent(one, facts.today, periods.employment_months));
    acted.into_iter().chain(told.map(|one| declared(Rule::RecentEmployment, one))).collect()
}

/// What excludes while it lasts, and for some time after.
fn lasting_interests(facts: &Facts, periods: Periods) -> Vec<Conflict> {
    let rule = |kind| match kind {
        InterestKind::FinancialInterest => Some(Rule::FinancialInterest),
        InterestKind::FamilyTie => Some(Rule::FamilyTie),
        InterestKind::BoardSeat => Some(Rule::BoardSeat),
        _ => None,
    };
    let recent = facts.interests.iter().filter(|one| is_recent(one, facts.today, periods.interest_months));
    recent.filter_map(|one| Some(declared(rule(one.kind)?, one))).collect()
}

fn rotation(facts: &Facts, _: Periods) -> Vec<Conflict> {
    (facts.cycles >= MAX_CYCLES).then(|| known(Rule::Rotation, InterestHolder::Person)).into_iter().collect()
}

fn other_audits(facts: &Facts, _: Periods) -> Vec<Conflict> {
    let audits = facts.interests.iter().filter(|one| one.kind == InterestKind::OtherAudit);
    audits.map(|one| declared(Rule::OtherAudit, one)).collect()
}

fn share(facts: &Facts, _: Periods) -> Vec<Conflict> {
    let is_large = facts.cases >= CASES_THAT_COUNT && facts.cases_of_vendor * 100 > facts.cases * MAX_SHARE;
    is_large.then(|| known(Rule::VendorShare, InterestHolder::Body)).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PERIODS: Periods = Periods { interest_months: 24, employment_months: 36 };

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a day")
    }

    fn independent() -> Facts {
        let vendor = Id::new();
        Facts {
            today: day("2026-07-01"),
            body: Id::new(),
            body_siren: Some("732829320".into()),
            vendors: vec![(vendor, Some("130025265".into()))],
            group: BTreeSet::from([vendor]),
            ..Facts::default()
        }
    }

    fn interest(kind: InterestKind, until: Option<&str>) -> Interest {
        let (holder, description) = (InterestHolder::Body, "Prestation.".to_owned());
        Interest { holder, kind, description, since: day("2020-01-01"), until: until.map(day) }
    }

    /// Codes of what is found with one more fact, by how it is added.
    fn found(change: impl FnOnce(&mut Facts)) -> Vec<&'static str> {
        let mut facts = independent();
        change(&mut facts);
        conflicts(&facts, PERIODS).into_iter().map(|one| one.rule.code()).collect()
    }

    fn declaring(kind: InterestKind, until: Option<&str>) -> Vec<&'static str> {
        found(|facts| facts.interests.push(interest(kind, until)))
    }

    #[test]
    fn without_a_fact_there_is_no_conflict() {
        assert!(found(|_| ()).is_empty());
    }

    #[test]
    fn one_entity_is_found_by_its_id_and_by_its_siren() {
        assert_eq!(found(|facts| facts.vendors[0].0 = facts.body), ["same_organisation"]);
        assert_eq!(found(|facts| facts.vendors[0].1 = facts.body_siren.clone()), ["same_organisation"]);
        let nameless = |facts: &mut Facts| (facts.vendors[0].1, facts.body_siren) = (None, None);
        assert!(found(nameless).is_empty(), "two without a SIREN are not one");
        assert_eq!(found(|facts| facts.group.extend([facts.body])), ["same_group"]);
    }

    #[test]
    fn services_exclude_for_two_years_and_employment_for_three() {
        use InterestKind as K;
        for kind in [K::Advice, K::Development, K::Training, K::Integration, K::PaidWork] {
            assert_eq!(declaring(kind, None), ["recent_services"], "{kind}");
            assert_eq!(declaring(kind, Some("2024-07-02")), ["recent_services"], "{kind}");
            assert!(declaring(kind, Some("2024-07-01")).is_empty(), "{kind}");
        }
        assert_eq!(declaring(K::Employment, Some("2023-07-02")), ["recent_employment"]);
        assert!(declaring(K::Employment, Some("2023-07-01")).is_empty());
        assert_eq!(found(|facts| facts.acted_for_vendor_on = Some(day("2023-07-02"))), ["recent_employment"]);
        assert!(found(|facts| facts.acted_for_vendor_on = Some(day("2023-07-01"))).is_empty());
    }

    #[test]
    fn interests_exclude_while_they_last_and_other_audits_are_disclosed() {
        use InterestKind as K;
        assert_eq!(declaring(K::FinancialInterest, None), ["financial_interest"]);
        assert_eq!(declaring(K::FamilyTie, None), ["family_tie"]);
        assert_eq!(declaring(K::BoardSeat, Some("2026-01-01")), ["board_seat"]);
        assert!(declaring(K::BoardSeat, Some("2024-07-01")).is_empty());
        assert_eq!(declaring(K::OtherAudit, Some("2021-01-01")), ["other_audit"]);
        assert!(!Rule::OtherAudit.is_hard() && !Rule::VendorShare.is_hard());
    }

    #[test]
    fn a_person_leads_two_evaluations_of_a_solution_and_no_third() {
        assert!(found(|facts| facts.cycles = 1).is_empty());
        assert_eq!(found(|facts| facts.cycles = 2), ["rotation"]);
    }

    #[test]
    fn dependence_on_a_vendor_is_disclosed_above_a_fifth_of_five_cases() {
        let share = |cases, of_vendor| found(|facts| (facts.cases, facts.cases_of_vendor) = (cases, of_vendor));
        assert!(share(4, 4).is_empty(), "too few to tell");
        assert!(share(5, 1).is_empty(), "exactly a fifth");
        assert_eq!(share(5, 2), ["vendor_share"]);
    }

    #[test]
    fn the_words_of_a_person_s_declaration_are_not_disclosed() {
        let mut facts = independent();
        let own = Interest { holder: InterestHolder::Person, ..interest(InterestKind::OtherAudit, None) };
        facts.interests = vec![interest(InterestKind::OtherAudit, None), own];
        let words: Vec<_> = conflicts(&facts, PERIODS).into_iter().map(|one| one.description).collect();
        assert_eq!(words, [Some("Prestation.".to_owned()), None]);
    }

    prop_compose! {
        fn any_interest()(kind in prop::sample::select(InterestKind::ALL), holder in prop::sample::select(InterestHolder::ALL),
            days in 0u64..4000, lasts in any::<bool>()) -> Interest {
            let until = (!lasts).then(|| day("2026-07-01") - chrono::Days::new(days));
            Interest { holder, kind, description: "Déclaré.".into(), since: day("2010-01-01"), until }
        }
    }

    proptest! {
        #[test]
        fn more_facts_never_take_a_conflict_away(interests in prop::collection::vec(any_interest(), 0..6), more in any_interest(), cycles in 0i64..4) {
            let mut facts = Facts { interests, cycles, ..independent() };
            let before = conflicts(&facts, PERIODS);
            facts.interests.push(more);
            facts.cycles += 1;
            let after = conflicts(&facts, PERIODS);
            prop_assert!(before.iter().all(|one| after.contains(one)));
        }

        #[test]
        fn longer_periods_never_take_a_conflict_away(interest in any_interest(), months in 1u32..100, longer in 0u32..100) {
            let facts = Facts { interests: vec![interest], ..independent() };
            let periods = |months| Periods { interest_months: months, employment_months: months };
            let (short, long) = (conflicts(&facts, periods(months)), conflicts(&facts, periods(months + longer)));
            prop_assert!(short.iter().all(|one| long.contains(one)));
        }

        #[test]
        fn what_lasts_is_hard_or_disclosed(interest in any_interest()) {
            let facts = Facts { interests: vec![Interest { until: None, ..interest }], ..independent() };
            prop_assert_eq!(conflicts(&facts, PERIODS).len(), 1);
        }
    }
}
