//! What is asked to be compared, and the score by weights.

use std::collections::BTreeSet;

use serde::Deserialize;
use utoipa::ToSchema;

use super::view::{Missing, Term, WeightedScore};
use crate::error::Fault;
use crate::evaluations::rules::{Score, Scores};
use crate::text;

/// The word for «pinned to there being none».
pub const NONE: &str = "none";

/// Something with the number it is pinned to, if it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    pub key: String,
    pub number: Option<i32>,
}

/// What an element of a list pins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chosen<T> {
    /// Nothing: what counts today.
    Today,
    /// There being none.
    Absent,
    This(T),
}

/// A solution by id or slug, perhaps at one of its published versions.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(value_type = String, pattern = "^[0-9A-Za-z-]+(@[1-9][0-9]{0,8})?$", max_length = 110, example = "demarches@3")]
pub struct SolutionPin(pub Pin);

/// An evaluation by id, perhaps at one of its results; or none.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(
    value_type = String,
    pattern = "^(none|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(@[1-9][0-9]{0,8})?)$",
    max_length = 46,
    example = "none"
)]
pub struct EvaluationPin(pub Chosen<Pin>);

/// A label by its number; or none.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(value_type = String, pattern = "^(none|GT-[0-9]{4}-[0-9]{5})$", max_length = 13, example = "GT-2026-00001")]
pub struct LabelPin(pub Chosen<String>);

/// A theme with its weight.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(value_type = String, pattern = "^[a-z0-9_]{2,60}:([0-9]|10)$", max_length = 63, example = "securite:5")]
pub struct ThemeWeight(pub (String, i32));

/// The form of all these is their schema's, which is checked before they are read.
const UNREAD: &str = "not of the form that its schema states";

/// `key`, or `key@number`.
fn pin(text: &str) -> Result<Pin, &'static str> {
    let (key, number) = match text.split_once('@') {
        Some((key, number)) => (key, Some(number.parse().map_err(|_| UNREAD)?)),
        None => (text, None),
    };
    Ok(Pin { key: key.to_owned(), number })
}

impl TryFrom<String> for SolutionPin {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        pin(&text).map(Self)
    }
}

impl TryFrom<String> for EvaluationPin {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Ok(Self(if text == NONE { Chosen::Absent } else { Chosen::This(pin(&text)?) }))
    }
}

impl From<String> for LabelPin {
    fn from(text: String) -> Self {
        Self(if text == NONE { Chosen::Absent } else { Chosen::This(text) })
    }
}

impl TryFrom<String> for ThemeWeight {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let (theme, weight) = text.split_once(':').ok_or(UNREAD)?;
        Ok(Self((theme.to_owned(), weight.parse().map_err(|_| UNREAD)?)))
    }
}

/// The fault of one element of a list parameter.
pub fn fault(parameter: &str, index: usize, code: &'static str, detail: crate::http::text::Text) -> Fault {
    Fault::parameter(format!("{parameter}/{index}"), code, detail)
}

/// A list with one element per solution, or none at all.
pub fn aligned<T>(
    parameter: &str,
    given: impl ExactSizeIterator<Item = Chosen<T>>,
    count: usize,
    faults: &mut Vec<Fault>,
) -> Vec<Chosen<T>> {
    if given.len() == count {
        return given.collect();
    }
    if given.len() > 0 {
        let detail = text!(
            "Autant d’éléments que de solutions ({count}), « {NONE} » pour aucun.",
            "As many elements as solutions ({count}), `{NONE}` for none."
        );
        faults.push(Fault::parameter(parameter, "wrong_count", detail));
    }
    (0..count).map(|_| Chosen::Today).collect()
}

/// Weights by theme, in the order given.
pub fn weights(given: &[ThemeWeight], faults: &mut Vec<Fault>) -> Vec<(String, i32)> {
    let mut seen = BTreeSet::new();
    for (index, ThemeWeight((theme, _))) in given.iter().enumerate() {
        if !seen.insert(theme) {
            let detail = text!("« {theme} » a déjà un poids.", "`{theme}` has a weight already.");
            faults.push(fault("weights", index, "repeated", detail));
        }
    }
    if !given.is_empty() && given.iter().all(|ThemeWeight((_, weight))| *weight == 0) {
        let detail = text!("Au moins un poids dépasse zéro.", "At least one weight is above zero.");
        faults.push(Fault::parameter("weights", "all_zero", detail));
    }
    given.iter().map(|one| one.0.clone()).collect()
}

/// The formula: the mean of the scores of the themes by these weights, over the
/// themes that have a score. In whole ten-thousandths, divided once, rounded half
/// to even. `without` says why there are no scores at all.
pub fn weighted(weights: &[(String, i32)], scores: Option<&Scores>, without: Missing) -> WeightedScore {
    let (mut sum, mut total) = (0, 0);
    let terms = weights
        .iter()
        .map(|(theme, weight)| {
            let score = scores.and_then(|scores| scores.themes.get(theme)?.score);
            let product = score.map(|score| i64::from(*weight) * i64::from(score.ten_thousandths()));
            if let Some(product) = product {
                sum += product;
                total += weight;
            }
            Term {
                theme: theme.clone(),
                weight: *weight,
                score,
                product: product.map(decimal),
                missing: match (score, scores) {
                    (Some(_), _) => None,
                    (None, Some(_)) => Some(Missing::NotApplicable),
                    (None, None) => Some(without),
                },
            }
        })
        .collect();
    WeightedScore { score: Score::ratio(sum, i64::from(total)), sum: decimal(sum), weights: total, terms }
}

/// Ten-thousandths as a number of four decimals.
fn decimal(ten_thousandths: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "at most a hundred themes by ten: far below 2^53")]
    let number = ten_thousandths as f64;
    number / 10_000.0
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::evaluations::rules::ThemeScore;

    #[test]
    fn ten_thousandths_are_a_number_of_four_decimals() {
        assert_eq!((decimal(0).to_string(), decimal(12_345).to_string()), ("0".into(), "1.2345".into()));
    }

    fn scores(all: &[Option<i32>]) -> Scores {
        let theme = |score: &Option<i32>| ThemeScore { score: score.and_then(Score::stored), coverage: Score::MAX };
        let themes: BTreeMap<_, _> = all.iter().enumerate().map(|(n, score)| (format!("t{n}"), theme(score))).collect();
        Scores { formula: String::new(), overall: None, coverage: Score::MAX, themes }
    }

    #[test]
    fn half_goes_to_even_and_themes_without_a_score_do_not_count() {
        let weights = [("t0".to_owned(), 1), ("t1".to_owned(), 1), ("t2".to_owned(), 10)];
        let made = weighted(&weights, Some(&scores(&[Some(1), Some(2), None])), Missing::NotPublished);
        assert_eq!((made.score, made.weights), (Score::stored(2), 2), "1.5 goes to the even 2");
        assert_eq!(made.terms.last().and_then(|term| term.missing), Some(Missing::NotApplicable));
        let none = weighted(&weights, None, Missing::NotPublished);
        assert_eq!((none.score, none.weights), (None, 0));
        assert!(none.terms.iter().all(|term| term.missing == Some(Missing::NotPublished)));
    }

    proptest! {
        #[test]
        fn the_score_lies_between_its_terms_and_scales_with_nothing(
            all in prop::collection::vec((0i32..=10_000, 1i32..=5), 1..12)
        ) {
            let scores = scores(&all.iter().map(|(score, _)| Some(*score)).collect::<Vec<_>>());
            let by = |times| all.iter().enumerate().map(|(n, (_, weight))| (format!("t{n}"), weight * times)).collect::<Vec<_>>();
            let (once, twice) = (
                weighted(&by(1), Some(&scores), Missing::NotPublished),
                weighted(&by(2), Some(&scores), Missing::NotPublished),
            );
            prop_assert_eq!(once.score, twice.score, "only the proportion of weights counts");
            let score = once.score.map(Score::ten_thousandths).unwrap_or(-1);
            let (low, high) = (all.iter().map(|(s, _)| *s).min(), all.iter().map(|(s, _)| *s).max());
            prop_assert!(low <= Some(score) && Some(score) <= high);
        }
    }
}
