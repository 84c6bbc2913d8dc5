//! What a criteria set must satisfy, and where it stands on a day.

use std::collections::BTreeSet;

use chrono::NaiveDate;

use super::content::{AnswerType, Criterion, NA, SetContent};
use crate::error::Fault;
use crate::http::text::Text;
use crate::organisations::rules::url_fault;
use crate::text;

crate::codes! {
    /// Where a criteria set stands today.
    pub enum SetStatus {
        /// Being edited by the operator.
        Draft = "draft",
        /// Published, not yet in force.
        Scheduled = "scheduled",
        InForce = "in_force",
        Retired = "retired",
    }
}

/// Where a set stands on a day; everything after its draft follows from dates.
pub fn status(in_force_on: Option<NaiveDate>, retired_on: Option<NaiveDate>, today: NaiveDate) -> SetStatus {
    match (in_force_on, retired_on) {
        (None, _) => SetStatus::Draft,
        (_, Some(retired)) if retired <= today => SetStatus::Retired,
        (Some(begins), _) if begins > today => SetStatus::Scheduled,
        _ => SetStatus::InForce,
    }
}

fn twice<'a>(codes: impl Iterator<Item = &'a String>) -> bool {
    let mut seen = BTreeSet::new();
    !codes.into_iter().all(|code| seen.insert(code))
}

/// What is wrong with a set beyond what its schema says.
pub fn set_faults(content: &SetContent) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (pointer, is_repeated) in [
        (
            "/themes",
            twice(content.themes.iter().map(|theme| &theme.code))
                || twice(content.themes.iter().map(|theme| &theme.prefix)),
        ),
        ("/traits", twice(content.traits.iter().map(|one| &one.code))),
        ("/objectives", twice(content.objectives.iter().map(|one| &one.code))),
    ] {
        if is_repeated {
            faults.push(Fault::body(
                pointer,
                "not_unique",
                text!("Un code figure deux fois.", "A code appears twice."),
            ));
        }
    }
    faults
}

/// What is wrong with a criterion of this set beyond what its schema says.
pub fn criterion_faults(set: &SetContent, criterion: &Criterion) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut unless = |is_good: bool, pointer: String, code, detail: Text| {
        if !is_good {
            faults.push(Fault::body(pointer, code, detail));
        }
    };
    let theme = set.themes.iter().find(|theme| theme.code == criterion.theme);
    unless(
        theme.is_some(),
        "/theme".to_owned(),
        "unknown_theme",
        text!("Thème inconnu de ce référentiel.", "Unknown theme in this set."),
    );
    if let Some(theme) = theme {
        let prefix = &theme.prefix;
        unless(
            criterion.code.split('-').next() == Some(prefix),
            "/code".to_owned(),
            "wrong_prefix",
            text!("Les codes de ce thème commencent par {prefix}.", "Codes of this theme start with {prefix}."),
        );
    }
    for (index, code) in criterion.applies_to.iter().enumerate() {
        unless(
            code == "all" || set.traits.iter().any(|one| one.code == *code),
            format!("/applies_to/{index}"),
            "unknown_trait",
            text!("Caractéristique inconnue de ce référentiel.", "Unknown trait in this set."),
        );
    }
    for (index, code) in criterion.objectives.iter().enumerate() {
        unless(
            set.objectives.iter().any(|one| one.code == *code),
            format!("/objectives/{index}"),
            "unknown_objective",
            text!("Objectif inconnu de ce référentiel.", "Unknown objective in this set."),
        );
    }
    let has_levels = criterion.levels.len() >= 2;
    let wants_levels = criterion.answer_type == AnswerType::Level;
    unless(
        has_levels == wants_levels && (wants_levels || criterion.levels.is_empty()),
        "/levels".to_owned(),
        "wrong_levels",
        text!(
            "Au moins deux niveaux avec « level », aucun sinon.",
            "At least two levels with `level`, none otherwise."
        ),
    );
    unless(
        !twice(criterion.levels.iter().map(|level| &level.code))
            && criterion.levels.iter().all(|level| level.code != NA),
        "/levels".to_owned(),
        "not_unique",
        text!(
            "Les codes des niveaux sont distincts, et « na » n’en est pas un.",
            "Codes of levels are distinct, and `na` is none."
        ),
    );
    unless(
        criterion.levels.is_sorted_by_key(|level| level.score),
        "/levels".to_owned(),
        "not_rising",
        text!("Les niveaux vont en montant.", "Levels rise."),
    );
    unless(
        !(criterion.mandatory_for_label && criterion.na_allowed),
        "/na_allowed".to_owned(),
        "mandatory_and_na",
        text!("Un critère obligatoire n’admet pas « na ».", "A mandatory criterion does not allow `na`."),
    );
    unless(
        criterion.options().iter().any(|option| option.score >= criterion.label_min_score),
        "/label_min_score".to_owned(),
        "unreachable",
        text!("Aucune réponse n’atteint ce score.", "No answer reaches this score."),
    );
    for (index, reference) in criterion.references.iter().enumerate() {
        faults.extend(url_fault(&format!("/references/{index}/url"), Some(&reference.url)));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_decides_where_a_set_stands() {
        let day = |d| NaiveDate::from_ymd_opt(2026, 1, d).expect("a day");
        assert_eq!(status(None, None, day(5)), SetStatus::Draft);
        assert_eq!(status(Some(day(6)), None, day(5)), SetStatus::Scheduled);
        assert_eq!(status(Some(day(5)), None, day(5)), SetStatus::InForce);
        assert_eq!(status(Some(day(1)), Some(day(6)), day(5)), SetStatus::InForce);
        assert_eq!(status(Some(day(1)), Some(day(5)), day(5)), SetStatus::Retired);
        assert_eq!(status(Some(day(9)), Some(day(5)), day(5)), SetStatus::Retired, "withdrawn before its day");
    }

    #[test]
    fn the_set_that_comes_with_the_program_is_sound() {
        let (content, criteria) = super::super::model::bundled().expect("data/criteria.json");
        assert!(set_faults(&content).is_empty());
        for criterion in &criteria {
            assert_eq!(criterion_faults(&content, criterion), [], "{}", criterion.code);
        }
        assert!(!criteria.is_empty() && !content.themes.is_empty());
    }
}
