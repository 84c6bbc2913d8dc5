//! Where a text has what was looked for: the same variations of words that find
//! it, marked with `<em>`; everything else is escaped, so that it can be shown as HTML.

use std::collections::BTreeSet;

use serde::Serialize;
use utoipa::ToSchema;

use super::analysis::{Word, words};
use super::matching::tolerance;
use super::parse::Asked;
use crate::solutions::sheet::SolutionSheet;

/// Bytes of a description that are shown around its first find.
const EXCERPT: usize = 280;

/// Texts of a sheet as HTML, with what was found in `<em>`; null without a find.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Highlight {
    /// The name.
    #[schema(max_length = 4000)]
    pub name: Option<String>,
    /// The summary.
    #[schema(max_length = 4000)]
    pub summary: Option<String>,
    /// The part of the description around the first find; `…` where it was cut.
    #[schema(max_length = 4000)]
    pub description: Option<String>,
}

impl Highlight {
    pub fn of(asked: &Asked, sheet: &SolutionSheet) -> Self {
        let finder = Finder::new(asked);
        Self {
            name: finder.mark(&sheet.name, usize::MAX),
            summary: sheet.summary.as_deref().and_then(|text| finder.mark(text, usize::MAX)),
            description: sheet.description.as_deref().and_then(|text| finder.mark(text, EXCERPT)),
        }
    }
}

/// Words that are looked for.
struct Finder {
    folded: BTreeSet<String>,
    stems: BTreeSet<String>,
    beginnings: Vec<String>,
    near: Vec<String>,
}

impl Finder {
    fn new(asked: &Asked) -> Self {
        let (mut folded, mut stems) = (BTreeSet::new(), BTreeSet::new());
        let (mut beginnings, mut near) = (Vec::new(), Vec::new());
        let telling = asked.slots.iter().filter(|slot| !slot.is_stop);
        for slot in telling {
            folded.insert(slot.word.folded.clone());
            stems.extend(slot.stems.iter().cloned());
            let others = slot.synonyms.iter().flatten().flat_map(|word| words(word));
            let others: Vec<Word> = others.filter(|word| !word.is_stop()).collect();
            stems.extend(others.iter().flat_map(Word::stems));
            folded.extend(others.into_iter().map(|word| word.folded));
            if slot.is_unfinished && slot.word.length() >= 2 {
                beginnings.push(slot.word.folded.clone());
            }
            near.push(slot.word.folded.clone());
        }
        folded.extend(asked.phrases.iter().flatten().filter(|word| !word.is_stop()).map(|word| word.folded.clone()));
        Self { folded, stems, beginnings, near }
    }

    fn has(&self, word: &Word) -> bool {
        self.folded.contains(&word.folded)
            || !word.is_stop() && word.stems().iter().any(|stem| self.stems.contains(stem))
            || self.beginnings.iter().any(|beginning| word.folded.starts_with(beginning.as_str()))
            || self.near.iter().any(|typed| is_near(typed, &word.folded))
    }

    /// The text with its finds marked, cut to about so many bytes around the first; none without any.
    fn mark(&self, text: &str, bytes: usize) -> Option<String> {
        let finds: Vec<Word> = words(text).into_iter().filter(|word| self.has(word)).collect();
        let first = finds.first()?;
        let start = if text.len() <= bytes { 0 } else { word_start(text, first.start.saturating_sub(bytes / 4)) };
        let end = if bytes == usize::MAX { text.len() } else { word_end(text, start.saturating_add(bytes)) };
        let mut marked = String::new();
        let mut at = start;
        if start > 0 {
            marked.push('…');
        }
        for find in finds.iter().filter(|find| find.start >= start && find.end <= end) {
            escape(text.get(at..find.start).unwrap_or_default(), &mut marked);
            marked.push_str("<em>");
            escape(text.get(find.start..find.end).unwrap_or_default(), &mut marked);
            marked.push_str("</em>");
            at = find.end;
        }
        escape(text.get(at..end).unwrap_or_default(), &mut marked);
        if end < text.len() {
            marked.push('…');
        }
        Some(marked)
    }
}

fn is_near(typed: &str, word: &str) -> bool {
    let distance = usize::from(tolerance(typed.chars().count()));
    distance > 0
        && typed.chars().count().abs_diff(word.chars().count()) <= distance
        && strsim::osa_distance(typed, word) <= distance
}

fn word_start(text: &str, from: usize) -> usize {
    let from = (from..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    if from == 0 {
        return 0;
    }
    let rest = text.get(from..).unwrap_or_default();
    rest.find(char::is_whitespace).filter(|skip| *skip < 40).map_or(from, |skip| from + skip)
}

fn word_end(text: &str, until: usize) -> usize {
    if until >= text.len() {
        return text.len();
    }
    let until = (0..=until).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let head = text.get(..until).unwrap_or_default();
    head.rfind(char::is_whitespace).filter(|at| until - at < 40).unwrap_or(until)
}

fn escape(text: &str, into: &mut String) {
    for c in text.chars() {
        match c {
            '&' => into.push_str("&amp;"),
            '<' => into.push_str("&lt;"),
            '>' => into.push_str("&gt;"),
            '"' => into.push_str("&quot;"),
            '\'' => into.push_str("&#39;"),
            c => into.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(query: &str, text: &str) -> Option<String> {
        Finder::new(&Asked::new(query)).mark(text, EXCERPT)
    }

    #[test]
    fn what_was_found_is_marked_and_the_rest_escaped() {
        assert_eq!(
            marked("demarche simplifiées", "Démarches <b>simplifiées</b> & co"),
            Some("<em>Démarches</em> &lt;b&gt;<em>simplifiées</em>&lt;/b&gt; &amp; co".to_owned())
        );
        assert_eq!(marked("visio", "Une visioconférence"), Some("Une <em>visioconférence</em>".to_owned()));
        assert_eq!(marked("parapheur", "Rien de tel"), None);
        let long = format!("{} été {}", "avant ".repeat(200), "après ".repeat(200));
        let shown = marked("ete", &long).expect("a find");
        assert!(shown.starts_with('…') && shown.ends_with('…') && shown.contains("<em>été</em>"), "{shown}");
        assert!(shown.len() < 400, "{}", shown.len());
    }

    proptest::proptest! {
        #[test]
        fn any_text_can_be_marked(query in "\\PC{0,20}", text in "\\PC{0,600}") {
            if let Some(shown) = marked(&query, &text) {
                let bare = shown.replace("<em>", "").replace("</em>", "");
                proptest::prop_assert!(!bare.contains('<') && !bare.contains('>'));
            }
        }
    }
}
