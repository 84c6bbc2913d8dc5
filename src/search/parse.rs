//! What was typed: words, "phrases", -exclusions. Anything else is text: no
//! query is an error.

use std::collections::BTreeSet;

use super::analysis::{LONGEST_EXPRESSION, Word, address, synonyms, whole, words};

/// Words after this many are not looked at.
const MOST_WORDS: usize = 24;

/// What is looked for.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    pub slots: Vec<Slot>,
    /// Word sequences that must occur.
    pub phrases: Vec<Vec<Word>>,
    /// Word sequences that must not; mostly of one word.
    pub excluded: Vec<Vec<Word>>,
    /// All words as one, as names are compared.
    pub whole: String,
    /// As an identifier: a number, a slug, an address.
    pub keys: Vec<String>,
    /// Whether only names are looked through.
    pub is_for_names: bool,
}

/// A word to be found, in any of its variations.
#[derive(Debug, Clone)]
pub struct Slot {
    pub word: Word,
    pub stems: BTreeSet<String>,
    /// It may be the beginning of a longer one.
    pub is_unfinished: bool,
    /// It counts little and need not occur.
    pub is_stop: bool,
    /// Expressions that mean the same.
    pub synonyms: Vec<Vec<String>>,
}

impl Asked {
    pub fn new(typed: &str) -> Self {
        let mut asked = Self { keys: keys(typed), ..Self::default() };
        let (mut bare, mut rest) = (String::new(), typed);
        let mut ends_bare = false;
        while let Some(c) = rest.chars().next() {
            let starts_part = bare.is_empty() || bare.ends_with(char::is_whitespace);
            let after = rest.get(c.len_utf8()..).unwrap_or_default();
            let (is_excluded, quoted) = match c {
                '-' if starts_part => (true, after),
                _ => (false, rest),
            };
            if let Some((phrase, left)) = quoted.strip_prefix('"').and_then(|text| text.split_once('"'))
                && (is_excluded || starts_part)
            {
                let phrase: Vec<Word> = words(phrase).into_iter().take(MOST_WORDS).collect();
                let list = if is_excluded { &mut asked.excluded } else { &mut asked.phrases };
                list.extend((!phrase.is_empty()).then_some(phrase));
                (rest, ends_bare) = (left, false);
                bare.push(' ');
                continue;
            }
            if is_excluded && after.chars().next().is_some_and(char::is_alphanumeric) {
                let end = after.find(char::is_whitespace).unwrap_or(after.len());
                let (part, left) = after.split_at(end);
                asked.excluded.push(words(part));
                (rest, ends_bare) = (left, false);
                bare.push(' ');
                continue;
            }
            bare.push(c);
            ends_bare = c.is_alphanumeric() || (ends_bare && !c.is_whitespace());
            rest = after;
        }
        asked.excluded.retain(|words| !words.is_empty());
        asked.excluded.truncate(MOST_WORDS);
        asked.phrases.truncate(MOST_WORDS);
        asked.whole = whole(&bare);
        asked.slots = slots(&bare, ends_bare);
        asked
    }

    /// Whether there is anything to be found or left out.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty() && self.phrases.is_empty() && self.excluded.is_empty()
    }

    /// Whether it can be nothing but an identifier: a number, a UUID or an address.
    pub fn is_identifier(&self) -> bool {
        let is_plain = |key: &String| {
            key.contains('/') || key.chars().all(|c| c.is_ascii_digit()) || crate::db::Id::parse(key).is_some()
        };
        self.keys.iter().any(is_plain)
    }

    /// How many of the words that count must occur.
    pub fn required(&self) -> usize {
        let count = self.slots.iter().filter(|slot| !slot.is_stop).count();
        count - count / 3
    }
}

fn slots(text: &str, ends_bare: bool) -> Vec<Slot> {
    let words: Vec<Word> = words(text).into_iter().take(MOST_WORDS).collect();
    let only_stops = words.iter().all(Word::is_stop);
    let last = words.len().saturating_sub(1);
    let mut slots: Vec<Slot> = words
        .iter()
        .enumerate()
        .map(|(at, word)| Slot {
            is_unfinished: ends_bare && at == last,
            is_stop: !only_stops && word.is_stop(),
            synonyms: Vec::new(),
            word: word.clone(),
            stems: word.stems(),
        })
        .collect();
    for length in 1..=LONGEST_EXPRESSION {
        for (at, part) in words.windows(length).enumerate() {
            let expression: Vec<&str> = part.iter().map(|word| word.folded.as_str()).collect();
            for other in synonyms(&expression.join(" ")) {
                let other: Vec<String> = other.split(' ').map(str::to_owned).collect();
                slots.iter_mut().skip(at).take(length).for_each(|slot| slot.synonyms.push(other.clone()));
            }
        }
    }
    // A word said twice counts once.
    let mut seen = BTreeSet::new();
    slots.retain(|slot| seen.insert(slot.word.folded.clone()) || slot.is_unfinished);
    slots
}

/// What was typed, read as an identifier.
fn keys(typed: &str) -> Vec<String> {
    let text = typed.trim().to_lowercase();
    let digits: String = text.chars().filter(|c| !c.is_whitespace() && *c != '.').collect();
    let mut keys = Vec::new();
    if digits.chars().all(|c| c.is_ascii_digit()) && matches!(digits.len(), 9 | 14) {
        // A SIRET begins with its SIREN.
        keys.extend(digits.get(..9).map(str::to_owned));
    }
    if let Some(known) = address(&text) {
        keys.push(known);
    }
    if !text.is_empty() && !text.contains(char::is_whitespace) {
        keys.push(text);
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(words: &[Word]) -> Vec<&str> {
        words.iter().map(|word| word.folded.as_str()).collect()
    }

    fn typed(text: &str) -> (Vec<String>, Vec<String>, Vec<String>) {
        let asked = Asked::new(text);
        (
            asked.slots.iter().map(|slot| slot.word.folded.clone()).collect(),
            asked.phrases.iter().map(|phrase| folded(phrase).join(" ")).collect(),
            asked.excluded.iter().map(|phrase| folded(phrase).join(" ")).collect(),
        )
    }

    #[test]
    fn words_phrases_and_exclusions_are_told_apart() {
        let all = |slots: &[&str], phrases: &[&str], excluded: &[&str]| {
            let own = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
            (own(slots), own(phrases), own(excluded))
        };
        assert_eq!(typed("Démarches en-ligne"), all(&["demarches", "en", "ligne"], &[], &[]));
        assert_eq!(
            typed("agenda \"prise de rendez-vous\" -payant"),
            all(&["agenda"], &["prise de rendez vous"], &["payant"])
        );
        assert_eq!(typed("-\"à deux mots\" reste"), all(&["reste"], &[], &["a deux mots"]));
        // What is no operator is text.
        assert_eq!(typed("- \" ( AND ~ * : ^ OR"), all(&["and", "or"], &[], &[]));
        assert_eq!(typed("moitié\"citée"), all(&["moitie", "citee"], &[], &[]));
        assert_eq!(typed("\"jamais fermée"), all(&["jamais", "fermee"], &[], &[]));
        assert!(Asked::new(" \t\"\" --- ").is_empty());
    }

    #[test]
    fn only_a_last_bare_word_may_be_unfinished() {
        let is_open = |text: &str| Asked::new(text).slots.last().is_some_and(|slot| slot.is_unfinished);
        assert!(is_open("demarches simpl"));
        assert!(!is_open("demarches "));
        assert!(!is_open("demarches \"simpl\""));
    }

    #[test]
    fn words_that_say_nothing_need_not_occur() {
        let asked = Asked::new("la gestion de l’eau potable");
        assert_eq!(asked.slots.iter().filter(|slot| !slot.is_stop).count(), 3);
        assert_eq!(asked.required(), 2);
        assert_eq!(Asked::new("gestion eau").required(), 2);
        // Unless there are no others.
        assert_eq!(Asked::new("the who").required(), 2);
    }

    #[test]
    fn identifiers_are_read_in_any_spelling() {
        assert!(Asked::new("130 025 265").keys.contains(&"130025265".to_owned()));
        assert!(Asked::new("13002526500013").keys.contains(&"130025265".to_owned()));
        assert!(Asked::new("git@gitlab.com:un/projet.git").keys.contains(&"gitlab.com/un/projet".to_owned()));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(text in "[\\PC \"\\-]{0,200}") {
            let asked = Asked::new(&text);
            proptest::prop_assert!(asked.slots.len() <= MOST_WORDS);
            proptest::prop_assert!(asked.excluded.iter().chain(&asked.phrases).all(|phrase| phrase.len() <= 200));
        }
    }
}
