//! While somebody types: names that what is typed may become. When nothing is
//! found: what may have been meant.

use serde::Deserialize;
use tantivy::schema::Value;
use tantivy::{DocAddress, Searcher, TantivyDocument};

use super::feed::{Search, Shown, failed};
use super::filter::Filter;
use super::matching::{tolerance, vocabulary};
use super::order::{By, Wanted};
use super::parse::Asked;
use super::question::{self, Answer, Question};
use crate::error::Result;

/// What the index keeps of a solution to name it.
#[derive(Debug, Clone, Deserialize)]
pub struct Card {
    pub id: String,
    pub slug: String,
    pub name: String,
    /// Number of the published version.
    pub version: i32,
}

/// A word of a query may be this much wrong, in letters, and still be corrected.
const FARTHEST: usize = 3;

impl Search {
    /// Answers a question from what can be found now.
    pub fn answer(&self, question: &Question) -> Result<Answer> {
        self.answer_from(&self.shown(), question)
    }

    pub(super) fn answer_from(&self, shown: &Shown, question: &Question) -> Result<Answer> {
        question::answer(shown, &self.fields, question).map_err(failed)
    }

    /// Solutions whose name what is typed may become, the nearest first.
    pub fn suggestions(&self, typed: &str, rows: usize) -> Result<Vec<Card>> {
        let asked = Asked { is_for_names: true, ..Asked::new(typed) };
        if asked.slots.is_empty() {
            return Ok(Vec::new());
        }
        let question = Question {
            asked,
            filter: Filter::default(),
            wanted: Wanted { by: By::Rank, is_descending: false, after: None, rows },
            facets: Vec::new(),
        };
        let shown = self.shown();
        let answer = self.answer_from(&shown, &question)?;
        answer.rows.iter().map(|row| Ok(self.stored(&shown.searcher, row.address)?.0)).collect()
    }

    /// What is stored of a document: its card and its view.
    pub(super) fn stored(&self, searcher: &Searcher, address: DocAddress) -> Result<(Card, String)> {
        let document: TantivyDocument = searcher.doc(address).map_err(failed)?;
        let text = |field| document.get_first(field).and_then(|value| value.as_str()).unwrap_or_default();
        Ok((serde_json::from_str(text(self.fields.card))?, text(self.fields.view).to_owned()))
    }

    /// The query with each unknown word replaced by the nearest known one, if
    /// that finds something under the same filter.
    pub fn did_you_mean(&self, typed: &str, question: &Question) -> Result<Option<String>> {
        let shown = self.shown();
        let words = super::analysis::words(typed);
        let mut nearest: Vec<Option<(usize, std::cmp::Reverse<u32>, String)>> = vec![None; words.len()];
        let mut is_known = vec![false; words.len()];
        vocabulary(&shown.searcher, &self.fields, |term, count| {
            for ((word, best), known) in words.iter().zip(&mut nearest).zip(&mut is_known) {
                *known |= term == word.folded;
                let most = usize::from(tolerance(word.length())).saturating_add(1).min(FARTHEST);
                if word.length() < 3 || term.chars().count().abs_diff(word.length()) > most {
                    continue;
                }
                let wrong = strsim::osa_distance(term, &word.folded);
                let candidate = (wrong, std::cmp::Reverse(count), term.to_owned());
                if wrong <= most && best.as_ref().is_none_or(|best| candidate < *best) {
                    *best = Some(candidate);
                }
            }
        })
        .map_err(failed)?;
        let (mut meant, mut at) = (String::new(), 0);
        for ((word, best), known) in words.iter().zip(nearest).zip(is_known) {
            meant.push_str(typed.get(at..word.start).unwrap_or_default());
            match best {
                Some((_, _, other)) if !known => meant.push_str(&other),
                _ => meant.push_str(typed.get(word.start..word.end).unwrap_or_default()),
            }
            at = word.end;
        }
        meant.push_str(typed.get(at..).unwrap_or_default());
        if meant == typed {
            return Ok(None);
        }
        let again = Question { asked: Asked::new(&meant), ..question.clone() };
        Ok((self.answer_from(&shown, &again)?.total > 0).then_some(meant))
    }
}
