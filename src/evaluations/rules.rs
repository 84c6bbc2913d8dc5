//! Scores and states of evaluations.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::view::Answer;
use crate::criteria::Criterion;
use crate::criteria::content::NA;
use crate::error::Fault;
use crate::organisations::rules::url_fault;
use crate::text;

/// Name of the formula below; kept with every result it makes.
pub const FORMULA: &str = "weighted-mean-1";

crate::codes! {
    /// Where an evaluation stands.
    pub enum EvaluationStatus {
        /// Being answered by the vendor.
        Draft = "draft",
        /// Attested by a signatory; waiting for a moderator.
        Submitted = "submitted",
        /// In force: its scores are shown.
        Published = "published",
        /// In force, with an answer under contest.
        Contested = "contested",
        /// A later one is in force.
        Superseded = "superseded",
        /// Too old; still readable, no longer in rankings.
        Expired = "expired",
    }
}

crate::codes! {
    /// What can be done to an evaluation.
    pub enum EvaluationCommand {
        Submit = "submit",
        Return = "return",
        Publish = "publish",
        Contest = "contest",
        Resolve = "resolve",
        Supersede = "supersede",
        Expire = "expire",
    }
}

/// Where a command leads; none when it does not start there.
pub fn step(at: EvaluationStatus, command: EvaluationCommand) -> Option<EvaluationStatus> {
    use {EvaluationCommand as C, EvaluationStatus as S};
    match (command, at) {
        (C::Submit, S::Draft) => Some(S::Submitted),
        (C::Return, S::Submitted) => Some(S::Draft),
        (C::Publish, S::Submitted) => Some(S::Published),
        (C::Contest, S::Published | S::Contested) => Some(S::Contested),
        (C::Resolve, S::Contested) => Some(S::Published),
        (C::Supersede, S::Published | S::Contested) => Some(S::Superseded),
        (C::Expire, S::Published | S::Contested) => Some(S::Expired),
        _ => None,
    }
}

impl EvaluationStatus {
    /// Its scores count.
    pub fn is_in_force(self) -> bool {
        matches!(self, Self::Published | Self::Contested)
    }

    /// Anybody may read it.
    pub fn is_public(self) -> bool {
        !matches!(self, Self::Draft | Self::Submitted)
    }
}

crate::codes! {
    /// Where a contest of an answer stands.
    pub enum ContestationStatus {
        /// Filed; a moderator has not yet taken it up.
        Pending = "pending",
        /// Taken up: the answer is shown as contested.
        Accepted = "accepted",
        /// The answer stands.
        Kept = "kept",
        /// The vendor corrects it in a new evaluation.
        Corrected = "corrected",
        /// The criterion counts as zero.
        Zeroed = "zeroed",
    }
}

/// What an answer contributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contribution {
    Scored(Score),
    NotApplicable,
    Unanswered,
}

/// Scores of an evaluation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scores {
    pub formula: String,
    /// Over all themes; null when nothing counts.
    pub overall: Option<Score>,
    /// Answered among applicable.
    pub coverage: Score,
    pub themes: BTreeMap<String, ThemeScore>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThemeScore {
    /// Null when every applicable criterion is «not applicable».
    pub score: Option<Score>,
    pub coverage: Score,
}

/// The formula: in a theme, the mean of the scores of its applicable criteria
/// weighted by their weights, without those answered `na`, an unanswered one
/// counting zero; overall, the same over all criteria. Coverage is the share of
/// applicable criteria with an answer, `na` included.
pub fn compute<'a>(
    criteria: impl Iterator<Item = &'a Criterion>,
    contribution: impl Fn(&Criterion) -> Contribution,
) -> Scores {
    #[derive(Default)]
    struct Sum {
        weighted: i64,
        weights: i64,
        answered: i64,
        applicable: i64,
    }
    impl Sum {
        fn add(&mut self, weight: i64, contribution: Contribution) {
            self.applicable += 1;
            if contribution != Contribution::Unanswered {
                self.answered += 1;
            }
            if contribution != Contribution::NotApplicable {
                self.weights += weight;
            }
            if let Contribution::Scored(score) = contribution {
                self.weighted += weight * i64::from(score.ten_thousandths());
            }
        }

        fn score(&self) -> Option<Score> {
            Score::ratio(self.weighted, self.weights)
        }

        fn coverage(&self) -> Score {
            Score::ratio(self.answered * 10_000, self.applicable).unwrap_or(Score::MAX)
        }
    }
    let mut overall = Sum::default();
    let mut themes: BTreeMap<String, Sum> = BTreeMap::new();
    for criterion in criteria {
        let (weight, contribution) = (i64::from(criterion.weight), contribution(criterion));
        overall.add(weight, contribution);
        themes.entry(criterion.theme.clone()).or_default().add(weight, contribution);
    }
    Scores {
        formula: FORMULA.to_owned(),
        overall: overall.score(),
        coverage: overall.coverage(),
        themes: themes
            .into_iter()
            .map(|(code, sum)| (code, ThemeScore { score: sum.score(), coverage: sum.coverage() }))
            .collect(),
    }
}

/// What an answer contributes to the scores.
pub fn contribution(criterion: &Criterion, value: Option<&str>) -> Contribution {
    match value {
        None => Contribution::Unanswered,
        Some(NA) => Contribution::NotApplicable,
        // A value that is no option any more is no answer.
        Some(value) => criterion.score_of(value).map_or(Contribution::Unanswered, Contribution::Scored),
    }
}

/// What is wrong with an answer, with pointers below `at`.
pub fn answer_faults(criterion: &Criterion, answer: &Answer, at: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    if answer.value == NA {
        if !criterion.na_allowed {
            faults.push(Fault::body(
                format!("{at}/value"),
                "na_not_allowed",
                text!("Ce critère n’admet pas « na ».", "This criterion does not allow `na`."),
            ));
        }
        if answer.justification.as_deref().is_none_or(|text| text.trim().is_empty()) {
            faults.push(Fault::body(
                format!("{at}/justification"),
                "required",
                text!("« na » se justifie.", "`na` needs a justification."),
            ));
        }
    } else if criterion.score_of(&answer.value).is_none() {
        let options = criterion.options().iter().map(|option| option.code.clone()).collect::<Vec<_>>().join(", ");
        faults.push(Fault::body(
            format!("{at}/value"),
            "not_in_list",
            text!("Valeurs possibles : {options}.", "Possible values: {options}."),
        ));
    }
    for (index, evidence) in answer.evidence.iter().enumerate() {
        faults.extend(url_fault(&format!("{at}/evidence/{index}/url"), Some(&evidence.url)));
    }
    faults
}

/// What keeps a declared evaluation below the label's thresholds.
pub fn below_label(
    rule: &crate::criteria::content::LabelRule,
    criteria: &[&Criterion],
    scores: &Scores,
    score_of: impl Fn(&Criterion) -> Option<Score>,
) -> Vec<String> {
    let mut gaps = Vec::new();
    for criterion in criteria.iter().filter(|criterion| criterion.mandatory_for_label) {
        if score_of(criterion).is_none_or(|score| score < criterion.label_min_score) {
            gaps.push(criterion.code.clone());
        }
    }
    if scores.overall.is_some_and(|score| score < rule.min_overall) {
        gaps.push("overall".to_owned());
    }
    let low = scores.themes.iter().filter(|(_, theme)| theme.score.is_some_and(|score| score < rule.min_theme));
    gaps.extend(low.map(|(code, _)| code.clone()));
    gaps
}

/// A score between 0 and 1, exact to four decimals: ten-thousandths.
///
/// Everything is computed in whole numbers and rounded once, half to even, so
/// that anyone can compute it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
#[schema(value_type = f64, minimum = 0, maximum = 1, example = 0.7321)]
pub struct Score(i32);

impl Score {
    pub const MAX: Self = Self(10_000);

    /// From ten-thousandths, as they are stored; none when negative.
    pub fn stored(ten_thousandths: i32) -> Option<Self> {
        (0..=10_000).contains(&ten_thousandths).then_some(Self(ten_thousandths))
    }

    pub fn ten_thousandths(self) -> i32 {
        self.0
    }

    /// The nearest score to a number; outside 0–1, the nearest end.
    pub fn from_unit(number: f64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "clamped to 0–10,000")]
        let rounded = (number * 10_000.0).round().clamp(0.0, 10_000.0) as i32;
        Self(rounded)
    }

    /// `numerator / denominator` ten-thousandths, rounded half to even.
    pub fn ratio(numerator: i64, denominator: i64) -> Option<Self> {
        if denominator <= 0 || numerator < 0 {
            return None;
        }
        let (quotient, rest) = (numerator / denominator, numerator % denominator);
        let up = match (rest * 2).cmp(&denominator) {
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Greater => true,
            std::cmp::Ordering::Equal => quotient % 2 == 1,
        };
        i32::try_from(quotient + i64::from(up)).ok().and_then(Self::stored)
    }
}

impl Serialize for Score {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(f64::from(self.0) / 10_000.0)
    }
}

impl<'de> Deserialize<'de> for Score {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(deserializer)?;
        if (0.0..=1.0).contains(&number) {
            Ok(Self::from_unit(number))
        } else {
            Err(serde::de::Error::custom("a score lies between 0 and 1"))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn criteria() -> Vec<Criterion> {
        crate::criteria::model::bundled().expect("data/criteria.json").1
    }

    #[test]
    fn rounding_is_half_to_even() {
        let score = |n, d| Score::ratio(n, d).map(Score::ten_thousandths);
        assert_eq!(score(1, 2), Some(0), "0.5 goes to the even 0");
        assert_eq!(score(3, 2), Some(2), "1.5 goes to the even 2");
        assert_eq!(score(5, 2), Some(2), "2.5 goes to the even 2");
        assert_eq!(score(20_000, 3), Some(6667));
        assert_eq!(score(1, 0), None);
    }

    #[test]
    fn a_theme_where_nothing_applies_has_no_score_and_full_coverage() {
        let criteria = criteria();
        let scores = compute(criteria.iter(), |_| Contribution::NotApplicable);
        assert_eq!(scores.overall, None);
        assert_eq!(scores.coverage, Score::MAX);
        assert!(scores.themes.values().all(|theme| theme.score.is_none()));
    }

    proptest! {
        #[test]
        fn scores_stay_between_zero_and_one_and_do_not_depend_on_order(seeds in prop::collection::vec(0usize..12, 70), turn in 0usize..70) {
            let mut criteria = criteria();
            let of = |criterion: &Criterion| {
                let place = criterion.code.bytes().map(usize::from).sum::<usize>() % seeds.len();
                match seeds[place] {
                    10 => Contribution::NotApplicable,
                    11 => Contribution::Unanswered,
                    n => Contribution::Scored(Score::from_unit(n as f64 / 9.0)),
                }
            };
            let scores = compute(criteria.iter(), of);
            criteria.rotate_left(turn);
            prop_assert_eq!(&compute(criteria.iter(), of), &scores);
            let all = scores.themes.values().filter_map(|theme| theme.score).collect::<Vec<_>>();
            if let (Some(overall), Some(low), Some(high)) = (scores.overall, all.iter().min(), all.iter().max()) {
                prop_assert!(*low <= overall && overall <= *high, "the whole lies between its parts");
            }
        }

        #[test]
        fn a_better_answer_never_lowers_a_score(place in 0usize..70, low in 0i32..=10_000, more in 0i32..=10_000) {
            let criteria = criteria();
            let with = |score| compute(criteria.iter(), |c| {
                let is_it = criteria[place].code == c.code;
                Contribution::Scored(Score::stored(if is_it { score } else { 5000 }).expect("a score"))
            });
            prop_assert!(with(low).overall <= with((low + more).min(10_000)).overall);
        }

        #[test]
        fn nothing_published_becomes_a_draft_again(commands in prop::collection::vec(prop::sample::select(EvaluationCommand::ALL), 0..20)) {
            let (mut at, mut was_public) = (EvaluationStatus::Draft, false);
            for command in commands {
                at = step(at, command).unwrap_or(at);
                was_public |= at.is_public();
                prop_assert_eq!(was_public, at.is_public());
            }
        }
    }
}
