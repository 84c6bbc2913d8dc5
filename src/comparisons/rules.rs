//! What is asked to be compared, and the score by weights.

use std::collections::BTreeSet;

use super::view::{Missing, Term, WeightedScore};
use crate::db::Id;
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

/// The fault of one element of a list parameter.
pub fn fault(parameter: &str, index: usize, code: &'static str, detail: crate::http::text::Text) -> Fault {
    Fault::parameter(format!("{parameter}/{index}"), code, detail)
}

fn wrong_form(parameter: &str, index: usize, form: &str) -> Fault {
    fault(parameter, index, "wrong_form", text!("Forme attendue : {form}.", "Expected form: {form}."))
}

/// `key`, or `key@number`.
fn pin(text: &str) -> Option<Pin> {
    let (key, number) = match text.split_once('@') {
        Some((key, number)) => (key, Some(number.parse().ok().filter(|n: &i32| *n > 0)?)),
        None => (text, None),
    };
    (!key.is_empty()).then(|| Pin { key: key.to_owned(), number })
}

/// Solutions, each by id or slug, perhaps at a version.
pub fn solutions(given: &[String], faults: &mut Vec<Fault>) -> Vec<Pin> {
    let mut pins = Vec::new();
    for (index, text) in given.iter().enumerate() {
        match pin(text) {
            Some(pin) => pins.push(pin),
            None => faults.push(wrong_form("solutions", index, "slug, slug@3")),
        }
    }
    pins
}

/// A list with one element per solution, or none at all.
fn aligned<T>(
    parameter: &str,
    given: &[String],
    count: usize,
    form: &str,
    faults: &mut Vec<Fault>,
    read: impl Fn(&str) -> Option<T>,
) -> Vec<Chosen<T>> {
    if !given.is_empty() && given.len() != count {
        let detail = text!(
            "Autant d’éléments que de solutions ({count}), « {NONE} » pour aucun.",
            "As many elements as solutions ({count}), `{NONE}` for none."
        );
        faults.push(Fault::parameter(parameter, "wrong_count", detail));
        return (0..count).map(|_| Chosen::Today).collect();
    }
    (0..count)
        .map(|index| match given.get(index).map(String::as_str) {
            None => Chosen::Today,
            Some(NONE) => Chosen::Absent,
            Some(text) => read(text).map_or_else(
                || {
                    faults.push(wrong_form(parameter, index, form));
                    Chosen::Today
                },
                Chosen::This,
            ),
        })
        .collect()
}

/// Evaluations, each perhaps at a result.
pub fn evaluations(given: &[String], count: usize, faults: &mut Vec<Fault>) -> Vec<Chosen<Pin>> {
    aligned("evaluations", given, count, "id, id@1, none", faults, |text| {
        pin(text).filter(|pin| Id::parse(&pin.key).is_some())
    })
}

/// Numbers of labels.
pub fn labels(given: &[String], count: usize, faults: &mut Vec<Fault>) -> Vec<Chosen<String>> {
    aligned("labels", given, count, "GT-2026-00001, none", faults, |text| (!text.is_empty()).then(|| text.to_owned()))
}

/// Weights by theme, in the order given.
pub fn weights(given: &[String], faults: &mut Vec<Fault>) -> Vec<(String, i32)> {
    let mut seen = BTreeSet::new();
    let mut weights = Vec::new();
    for (index, text) in given.iter().enumerate() {
        let read = text.split_once(':').and_then(|(theme, weight)| Some((theme, weight.parse::<i32>().ok()?)));
        match read.filter(|(_, weight)| (0..=10).contains(weight)) {
            None => faults.push(wrong_form("weights", index, "theme:0 … theme:10")),
            Some((theme, _)) if !seen.insert(theme.to_owned()) => faults.push(fault(
                "weights",
                index,
                "repeated",
                text!("« {theme} » a déjà un poids.", "`{theme}` has a weight already."),
            )),
            Some((theme, weight)) => weights.push((theme.to_owned(), weight)),
        }
    }
    if faults.is_empty() && !given.is_empty() && weights.iter().all(|(_, weight)| *weight == 0) {
        let detail = text!("Au moins un poids dépasse zéro.", "At least one weight is above zero.");
        faults.push(Fault::parameter("weights", "all_zero", detail));
    }
    weights
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
