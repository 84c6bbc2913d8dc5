//! Words: how a text is cut, folded and stemmed, the same when it is stored as
//! when it is looked for.
//!
//! Case, accents and elisions (*l’*, *d’*, *qu’*) do not count. A word is stored
//! as it is written and by its French and English stems, so that either language
//! is found without anybody saying which it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use frostem::{Algorithm, Stemmer};
use unicode_normalization::UnicodeNormalization;

use crate::http::text::fold;

/// Longer ones are cut: nobody types them.
const LONGEST: usize = 60;

/// A word of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Without case.
    pub lower: String,
    /// Without case and accents.
    pub folded: String,
    /// Where it stands in the text, in bytes.
    pub start: usize,
    pub end: usize,
}

impl Word {
    fn new(text: &str, start: usize, end: usize) -> Option<Self> {
        let folded: String = fold(text).chars().filter(|c| *c != ' ').take(LONGEST).collect();
        if folded.is_empty() {
            return None;
        }
        let lower = text.nfc().flat_map(char::to_lowercase).take(LONGEST).collect();
        Some(Self { lower, folded, start, end })
    }

    /// French and English stems, without accents.
    pub fn stems(&self) -> BTreeSet<String> {
        static FRENCH: LazyLock<Stemmer> = LazyLock::new(|| Stemmer::new(Algorithm::French));
        static ENGLISH: LazyLock<Stemmer> = LazyLock::new(|| Stemmer::new(Algorithm::English));
        // French endings are told apart by accents, which are often not typed: both readings.
        [FRENCH.stem(&self.lower), FRENCH.stem(&self.folded), ENGLISH.stem(&self.folded)]
            .iter()
            .map(|stem| fold(stem).replace(' ', ""))
            .filter(|stem| !stem.is_empty())
            .collect()
    }

    /// One that says nothing alone, or what an elision leaves.
    pub fn is_stop(&self) -> bool {
        STOP.contains(self.folded.as_str()) || self.folded.chars().all(char::is_alphabetic) && self.length() == 1
    }

    pub fn length(&self) -> usize {
        self.folded.chars().count()
    }
}

/// The words of a text, in order.
pub fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        let is_inside = c.is_alphanumeric() || unicode_normalization::char::is_combining_mark(c);
        match (start, is_inside) {
            (None, true) => start = Some(at),
            (Some(from), false) => {
                words.extend(text.get(from..at).and_then(|word| Word::new(word, from, at)));
                start = None;
            }
            _ => {}
        }
    }
    words
}

/// A name as one word: case, accents, spaces and punctuation do not count.
pub fn whole(name: &str) -> String {
    fold(name).chars().filter(|c| *c != ' ').take(2 * LONGEST).collect()
}

/// An address however it is written: without scheme, user, `www.`, `.git`, query and end slash;
/// none of what is no address.
pub fn address(text: &str) -> Option<String> {
    let text = text.trim().to_lowercase();
    if text.is_empty() || text.contains(char::is_whitespace) {
        return None;
    }
    let is_address = text.contains("://") || text.starts_with("git@") || text.starts_with("www.");
    let rest = text.split_once("://").map_or(text.as_str(), |(_, rest)| rest);
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    // git@host:path
    let host = host.rsplit('@').next().unwrap_or_default();
    let (host, path) = match host.split_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => (host, path.to_owned()),
        Some((host, first)) => (host, format!("{first}/{path}")),
        None => (host, path.to_owned()),
    };
    let host = host.strip_prefix("www.").unwrap_or(host).trim_end_matches('.');
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path).trim_end_matches('/');
    let has_dot = host.contains('.') && !host.starts_with('.');
    let is_bare = !is_address && (path.is_empty() || !host.chars().any(char::is_alphabetic));
    if !has_dot || is_bare {
        return None;
    }
    Some(if path.is_empty() { host.to_owned() } else { format!("{host}/{path}") })
}

/// Words that say nothing alone.
static STOP: LazyLock<BTreeSet<&str>> = LazyLock::new(|| {
    "au aux avec ce ces cet cette comme dans de des du elle en et est il ils je la le les leur leurs lui ma mais me \
     mes mon ne nos notre nous on ou par pas plus pour qu que qui quoi sa se ses si son sont sur ta te tes ton tu un \
     une vos votre vous afin ainsi entre sans sous tout tous toute toutes \
     a an and are as at be but by can for from has have his how if in into is it its no not of on or our over such \
     than that the their them then there these they this to was were what when which who will with you your"
        .split_whitespace()
        .collect()
});

/// Words and expressions that mean the same, by any one's folded form.
static SYNONYMS: LazyLock<BTreeMap<String, BTreeSet<String>>> = LazyLock::new(|| {
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in include_str!("../../data/synonyms.txt").lines() {
        let line = line.split('#').next().unwrap_or_default();
        let group: BTreeSet<String> = line.split(',').map(fold).filter(|term| !term.is_empty()).collect();
        for term in &group {
            all.entry(key(term)).or_default().extend(group.iter().filter(|other| *other != term).cloned());
        }
    }
    all
});

/// An expression by the French stems of its words, so that its plural is the same.
fn key(expression: &str) -> String {
    let words = words(expression);
    words.iter().filter_map(|word| word.stems().pop_first()).collect::<Vec<_>>().join(" ")
}

/// What means the same as an expression of the list; most have nothing.
pub fn synonyms(expression: &str) -> impl Iterator<Item = &'static str> {
    SYNONYMS.get(&key(expression)).into_iter().flatten().map(String::as_str)
}

/// The longest expression of the list, in words.
pub const LONGEST_EXPRESSION: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(text: &str) -> Vec<String> {
        words(text).into_iter().map(|word| word.folded).collect()
    }

    #[test]
    fn words_lose_case_accents_and_elisions() {
        assert_eq!(folded("L’Œuvre d'ÉTÉ, qu’on crée"), ["l", "oeuvre", "d", "ete", "qu", "on", "cree"]);
        let all = words("L’administration");
        assert!(all[0].is_stop() && !all[1].is_stop());
        assert_eq!("L’administration".get(all[1].start..all[1].end), Some("administration"));
    }

    #[test]
    fn inflections_share_a_stem_in_either_language() {
        for (one, other) in [
            ("démarches", "DEMARCHE"),
            ("simplifiées", "simplifié"),
            ("nationaux", "nationale"),
            ("hosting", "hosted"),
            ("services", "service"),
            ("développement", "développements"),
            ("crées", "cree"),
        ] {
            let (one_word, other_word) = (&words(one)[0], &words(other)[0]);
            assert!(
                !one_word.stems().is_disjoint(&other_word.stems()),
                "{one} {:?}, {other} {:?}",
                one_word.stems(),
                other_word.stems()
            );
        }
    }

    #[test]
    fn an_address_is_the_same_in_any_spelling() {
        for spelling in [
            "https://github.com/demarches-simplifiees/demarches-simplifiees.fr",
            "http://www.GitHub.com/demarches-simplifiees/demarches-simplifiees.fr/",
            "git@github.com:demarches-simplifiees/demarches-simplifiees.fr.git",
            "ssh://git@github.com/demarches-simplifiees/demarches-simplifiees.fr.git",
            "github.com/demarches-simplifiees/demarches-simplifiees.fr?tab=readme#top",
            "https://user@github.com:443/demarches-simplifiees/demarches-simplifiees.fr",
        ] {
            let found = address(spelling);
            assert_eq!(
                found.as_deref(),
                Some("github.com/demarches-simplifiees/demarches-simplifiees.fr"),
                "{spelling}"
            );
        }
        for text in ["n'importe quoi", "gestion", "3.14", "a/b", "", "cloud.gov"] {
            assert_eq!(address(text), None, "{text}");
        }
    }

    #[test]
    fn the_list_of_synonyms_goes_both_ways() {
        assert!(synonyms("visio").any(|term| term == "visioconference"));
        assert!(synonyms("visioconférences").any(|term| term == "visio"));
        assert!(synonyms("ressources humaines").any(|term| term == "rh"));
        assert!(SYNONYMS.keys().all(|term| term.split(' ').count() <= LONGEST_EXPRESSION));
    }

    proptest::proptest! {
        #[test]
        fn any_text_has_words_within_it(text in "\\PC{0,80}") {
            for word in words(&text) {
                proptest::prop_assert!(text.get(word.start..word.end).is_some());
                proptest::prop_assert!(!word.folded.contains(' ') && !word.folded.is_empty());
            }
            let _ = address(&text);
        }
    }
}
