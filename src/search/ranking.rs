//! The order of relevance, as published in `docs/SEARCH.md`: a sum of three
//! reasons in fixed proportions, the same for every vendor.

use serde::Serialize;
use tantivy::DocId;
use utoipa::ToSchema;

use super::columns::Merits;
use super::matching::Found;
use super::parse::Asked;

/// How much each reason counts, in thousandths of the rank.
pub const TEXT: u64 = 920;
pub const LABEL: u64 = 50;
pub const FRESHNESS: u64 = 30;

/// Within the text: the words, and the name as a whole.
const WORDS: u64 = 600;
const NAME: u64 = 1000 - WORDS;

/// A word that says nothing alone counts this much of its rarity.
const STOP: f64 = 0.15;

/// How much each word of a query tells: the rarer, the more.
pub struct Weights {
    of_slots: Vec<u64>,
    /// What a document gets that has every word as it was typed, in its name.
    most: u64,
}

impl Weights {
    /// From what the whole catalogue has.
    pub fn new(asked: &Asked, found: &[Found]) -> Self {
        let all: u64 = found.iter().map(|part| part.allowed.count()).sum();
        let weights = asked.slots.iter().enumerate().map(|(at, slot)| {
            let having = |part: &Found| part.slots.get(at).map_or(0, |points| points.having().shared(&part.allowed));
            rarity(all, found.iter().map(having).sum(), slot.is_stop)
        });
        let of_slots: Vec<u64> = weights.collect();
        Self { most: of_slots.iter().map(|weight| 1000 * weight).sum(), of_slots }
    }
}

fn rarity(all: u64, having: u64, is_stop: bool) -> u64 {
    #[expect(clippy::cast_precision_loss, reason = "counts of documents")]
    let rarity = (1.0 + (all as f64 + 1.0) / (having as f64 + 1.0)).ln();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive logarithm")]
    let thousandths = (rarity * if is_stop { STOP } else { 1.0 } * 1000.0).round() as u64;
    thousandths.max(1)
}

/// Why a solution stands where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Reasons {
    /// The rank: the sum of the three, 0 to 1,000,000.
    #[schema(minimum = 0, maximum = 1_000_000)]
    pub rank: u64,
    /// How well its text has what was asked, at most 920,000.
    #[schema(minimum = 0, maximum = 920_000)]
    pub text: u64,
    /// 50,000 for a valid label.
    #[schema(minimum = 0, maximum = 50_000)]
    pub label: u64,
    /// 30,000 when it is kept up to date: not `outdated`.
    #[schema(minimum = 0, maximum = 30_000)]
    pub freshness: u64,
    /// Of the text: what the words are worth, 0 to 1,000.
    #[schema(minimum = 0, maximum = 1000)]
    pub words: u64,
    /// Of the text: how much the name as a whole is what was typed, 0 to 1,000.
    #[schema(minimum = 0, maximum = 1000)]
    pub name: u64,
}

impl Reasons {
    /// Of a document that was found.
    pub fn of(weights: &Weights, found: &Found, doc: DocId, merits: Merits) -> Self {
        let got: u64 =
            found.slots.iter().zip(&weights.of_slots).map(|(points, weight)| u64::from(points.of(doc)) * weight).sum();
        let (words, name) = match found.keyed.has(doc) {
            true => (1000, 1000),
            false => ((got * 1000).checked_div(weights.most).unwrap_or(0), found.whole.of(doc).into()),
        };
        let text = TEXT * (WORDS * words + NAME * name) / 1000;
        let (label, freshness) =
            (1000 * LABEL * u64::from(merits.is_labelled), 1000 * FRESHNESS * u64::from(merits.is_fresh));
        Self { rank: text + label + freshness, text, label, freshness, words, name }
    }
}
