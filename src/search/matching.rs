//! Which documents of a segment have what was asked, and how well: for each word
//! the best of its variations in the best place.
//!
//! Points are thousandths. They depend on the document and the query alone, so
//! that every instance orders alike, however its index came about.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use tantivy::fieldnorm::FieldNormReader;
use tantivy::index::{InvertedIndexReader, SegmentReader};
use tantivy::postings::TermInfo;
use tantivy::query::{DfaWrapper, EnableScoring, FuzzyTermQuery, PhraseQuery, Query, TermQuery};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocId, DocSet, Searcher, TERMINATED, Term};

use super::analysis::Word;
use super::docs::Docs;
use super::feed::Shown;
use super::index::{BEGINNINGS, Fields, Zone};
use super::parse::{Asked, Slot};

/// What a variation of a word is worth beside the word itself, in thousandths.
const STEM: u16 = 970;
const SYNONYM: u16 = 560;
const SAME_BEGINNING: u16 = 560;
/// A longer word, when the last typed one is unfinished: this, and more the less is missing.
const UNFINISHED: u16 = 560;
/// With one letter wrong, missing, too many or swapped; with two.
const TYPO: [u16; 2] = [640, 480];

/// A word of a text of one to fifteen words is worth nearly all; with each doubling from there on, this much less.
const SHORT: f64 = 16.0;
const DILUTION: f64 = 90.0;
/// But never less than this.
const DILUTED: f64 = 250.0;

/// What the name as a whole is worth: the same; begun like this (and more the
/// less is missing); with typos (less the more of it is wrong).
const NAME: u16 = 1000;
const NAME_BEGUN: u16 = 520;
const NAME_TYPO: u16 = 900;

/// What one segment has of what was asked.
pub struct Found {
    /// For each slot, the points of each document.
    pub slots: Vec<Points>,
    /// Points of the whole name.
    pub whole: Points,
    /// What an identifier names.
    pub keyed: Docs,
    /// What has all the phrases and nothing that is excluded.
    pub allowed: Docs,
}

impl Found {
    /// What has enough of the words, or is named like all of them, or named by them.
    pub fn enough(&self, asked: &Asked) -> Docs {
        let mut enough = self.keyed.clone();
        enough.join(self.whole.having());
        // What has at least none, one, two … of the words so far.
        let mut at_least = vec![self.allowed.clone()];
        at_least.resize_with(asked.required() + 1, || self.allowed.none_of());
        for (_, points) in asked.slots.iter().zip(&self.slots).filter(|(slot, _)| !slot.is_stop) {
            for count in (1..at_least.len()).rev() {
                let (fewer, more) = at_least.split_at_mut(count);
                if let (Some(fewer), Some(more)) = (fewer.last(), more.first_mut()) {
                    more.join_shared(fewer, points.having());
                }
            }
        }
        enough.join(at_least.last().unwrap_or(&self.allowed));
        enough
    }
}

/// Points of the documents of a segment; most have none.
pub struct Points {
    /// None at all, until there are some.
    values: Vec<u16>,
    size: usize,
    having: Docs,
}

impl Points {
    fn none(segment: &SegmentReader) -> Self {
        let size = segment.max_doc();
        Self { values: Vec::new(), size: size as usize, having: Docs::none(size) }
    }

    pub fn of(&self, doc: DocId) -> u16 {
        self.values.get(doc as usize).copied().unwrap_or_default()
    }

    /// Those with any.
    pub fn having(&self) -> &Docs {
        &self.having
    }

    fn raise(&mut self, doc: DocId, value: u16) {
        if self.values.is_empty() {
            self.values = spare(self.size);
        }
        if let Some(place) = self.values.get_mut(doc as usize)
            && value > *place
        {
            *place = value;
            self.having.add(doc);
        }
    }
}

impl Drop for Points {
    fn drop(&mut self) {
        if self.values.is_empty() {
            return;
        }
        for doc in self.having.iter() {
            if let Some(place) = self.values.get_mut(doc as usize) {
                *place = 0;
            }
        }
        let mut spares = SPARES.lock().unwrap_or_else(PoisonError::into_inner);
        if spares.len() < MOST_SPARES {
            spares.push(std::mem::take(&mut self.values));
        }
    }
}

/// Arrays of nothing but zeros, to be used again: to make one for a million documents takes longer
/// than to look for a word.
static SPARES: Mutex<Vec<Vec<u16>>> = Mutex::new(Vec::new());
const MOST_SPARES: usize = 32;

fn spare(size: usize) -> Vec<u16> {
    let mut spares = SPARES.lock().unwrap_or_else(PoisonError::into_inner);
    let fitting = spares.iter().position(|spare| (size..=2 * size).contains(&spare.capacity()));
    let found = fitting.map(|at| spares.swap_remove(at));
    drop(spares);
    let mut values = found.unwrap_or_default();
    values.resize(size, 0);
    values
}

/// Words that a misspelt one may be meant for; none for a short one.
fn automaton(word: &str, distance: u8) -> tantivy::Result<Option<DfaWrapper>> {
    match distance {
        0 => Ok(None),
        // It is of no field: where it is looked for is said when it is.
        _ => FuzzyTermQuery::new(Term::from_field_text(Field::from_field_id(0), word), distance, true)
            .automaton()
            .map(Some),
    }
}

/// Letters that may be wrong in a word of this length.
pub fn tolerance(length: usize) -> u8 {
    match length {
        0..=3 => 0,
        4..=7 => 1,
        _ => 2,
    }
}

/// Looks for everything in every segment.
pub fn find(shown: &Shown, fields: &Fields, asked: &Asked) -> tantivy::Result<Vec<Found>> {
    let searcher = &shown.searcher;
    let mut parts = Vec::new();
    // Each is made once: that takes longer than to look for it.
    let length = asked.whole.chars().count();
    let nearly_whole = automaton(&asked.whole, if length == 3 { 1 } else { tolerance(length) })?;
    let nearly = asked
        .slots
        .iter()
        .map(|slot| automaton(&slot.word.folded, tolerance(slot.word.length())))
        .collect::<tantivy::Result<Vec<_>>>()?;
    for (segment, columns) in shown.segments() {
        let zones = if asked.is_for_names { fields.zones.get(..1) } else { fields.zones.get(..) }.unwrap_or_default();
        let place = Place { searcher, segment, fields, zones };
        let mut found = Found {
            slots: Vec::new(),
            whole: place.whole(&asked.whole, nearly_whole.as_ref())?,
            keyed: Docs::none(segment.max_doc()),
            allowed: columns.alive.clone(),
        };
        for (slot, nearly) in asked.slots.iter().zip(&nearly) {
            found.slots.push(place.slot(slot, nearly.as_ref())?);
        }
        for key in &asked.keys {
            let index = segment.inverted_index(fields.key)?;
            if let Some(info) = index.get_term_info(&Term::from_field_text(fields.key, key))? {
                each(&index, &info, |doc| found.keyed.add(doc))?;
            }
        }
        for phrase in &asked.phrases {
            found.allowed.keep(&place.sequence(phrase)?);
        }
        for excluded in &asked.excluded {
            found.allowed.drop(&place.sequence(excluded)?);
        }
        parts.push((place, found));
    }
    // A word that nothing has anywhere is taken for a misspelt one in every text, not in names alone.
    for (at, (slot, nearly)) in asked.slots.iter().zip(&nearly).enumerate() {
        let is_known = |found: &Found| found.slots.get(at).is_some_and(|points| points.having.meets(&found.allowed));
        if parts.iter().any(|(_, found)| is_known(found)) {
            continue;
        }
        for (place, found) in &mut parts {
            if let Some(points) = found.slots.get_mut(at) {
                for zone in place.zones {
                    place.typos(points, zone, &slot.word, nearly.as_ref(), &Lengths::of(place.segment, zone)?)?;
                }
            }
        }
    }
    Ok(parts.into_iter().map(|(_, found)| found).collect())
}

pub fn each(index: &InvertedIndexReader, info: &TermInfo, mut see: impl FnMut(DocId)) -> tantivy::Result<()> {
    let mut block = index.read_block_postings_from_terminfo(info, IndexRecordOption::Basic)?;
    loop {
        let docs = block.docs();
        if docs.is_empty() {
            return Ok(());
        }
        docs.iter().for_each(|doc| see(*doc));
        block.advance();
    }
}

/// A part of a thousand of a part of a thousand.
fn of(weight: u16, worth: u16) -> u16 {
    u16::try_from(u32::from(weight) * u32::from(worth) / 1000).unwrap_or(u16::MAX)
}

fn share(part: usize, whole: usize) -> u16 {
    u16::try_from((1000 * part).checked_div(whole).unwrap_or_default()).unwrap_or(1000).min(1000)
}

/// What a word is worth in texts of a zone, by the stored class of their lengths.
pub fn worths(weight: u16, is_prose: bool) -> Vec<u16> {
    (0..=u8::MAX).map(|class| of(weight, dilution(FieldNormReader::id_to_fieldnorm(class), is_prose))).collect()
}

/// How long texts of a zone are: a word says more of a short one.
struct Lengths<'a> {
    norms: FieldNormReader,
    worths: &'a [u16],
}

impl<'a> Lengths<'a> {
    fn of(segment: &SegmentReader, zone: &'a Zone) -> tantivy::Result<Self> {
        Ok(Self { norms: segment.get_fieldnorms_reader(zone.words)?, worths: &zone.worths })
    }

    fn worth(&self, doc: DocId, worth: u16) -> u16 {
        of(self.worths.get(usize::from(self.norms.fieldnorm_id(doc))).copied().unwrap_or_default(), worth)
    }
}

/// What a word is worth in a text of so many: less with each doubling.
fn dilution(words: u32, is_prose: bool) -> u16 {
    if !is_prose {
        return 1000;
    }
    let doublings = f64::from(words) / SHORT;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 250 and 1000")]
    let worth = (1000.0 - DILUTION * (1.0 + doublings).log2()).clamp(DILUTED, 1000.0) as u16;
    worth
}

struct Place<'a> {
    searcher: &'a Searcher,
    segment: &'a SegmentReader,
    fields: &'a Fields,
    zones: &'a [Zone],
}

impl Place<'_> {
    /// A word and its variations.
    fn slot(&self, slot: &Slot, nearly: Option<&DfaWrapper>) -> tantivy::Result<Points> {
        let mut points = Points::none(self.segment);
        for (at, zone) in self.zones.iter().enumerate() {
            let lengths = Lengths::of(self.segment, zone)?;
            self.term(&mut points, zone.words, &slot.word.folded, |doc| lengths.worth(doc, 1000))?;
            for stem in &slot.stems {
                self.term(&mut points, zone.stems, stem, |doc| lengths.worth(doc, STEM))?;
            }
            self.longer(&mut points, zone, slot, &lengths)?;
            // Names, keywords and what is around: few words, each of them telling.
            if matches!(at, 0 | 1 | 3) {
                self.typos(&mut points, zone, &slot.word, nearly, &lengths)?;
            }
            for synonym in &slot.synonyms {
                match synonym.as_slice() {
                    [word] => {
                        self.term(&mut points, zone.words, word, |doc| lengths.worth(doc, SYNONYM))?;
                        for stem in super::analysis::words(word).iter().flat_map(Word::stems) {
                            self.term(&mut points, zone.stems, &stem, |doc| lengths.worth(doc, SYNONYM))?;
                        }
                    }
                    words => {
                        let words: Vec<&str> = words.iter().map(String::as_str).collect();
                        let docs = self.phrase(zone.words, &words)?;
                        docs.iter().for_each(|doc| points.raise(doc, lengths.worth(doc, SYNONYM)));
                    }
                }
            }
        }
        Ok(points)
    }

    fn term(&self, points: &mut Points, field: Field, text: &str, see: impl Fn(DocId) -> u16) -> tantivy::Result<()> {
        let index = self.segment.inverted_index(field)?;
        match index.get_term_info(&Term::from_field_text(field, text))? {
            Some(info) => each(&index, &info, |doc| points.raise(doc, see(doc))),
            None => Ok(()),
        }
    }

    /// Longer words that begin with an unfinished one, and those that begin like a finished one.
    fn longer(&self, points: &mut Points, zone: &Zone, slot: &Slot, lengths: &Lengths<'_>) -> tantivy::Result<()> {
        let typed = &slot.word.folded;
        let length = slot.word.length();
        let beginning: String = match slot.is_unfinished {
            true if length >= 2 => typed.clone(),
            _ if length >= 6 => typed.chars().take((length - 2).max(5)).collect(),
            _ => return Ok(()),
        };
        let index = self.segment.inverted_index(zone.words)?;
        let mut stream = index.terms().range().ge(beginning.as_bytes()).into_stream()?;
        while stream.advance() {
            let Ok(term) = std::str::from_utf8(stream.key()) else { continue };
            if !term.starts_with(&beginning) {
                break;
            }
            let whole = term.chars().count();
            let worth = if slot.is_unfinished && term.starts_with(typed.as_str()) {
                UNFINISHED + of(1000 - UNFINISHED - 60, share(length, whole))
            } else if length >= 6 && whole.abs_diff(length) <= 4 {
                SAME_BEGINNING
            } else {
                continue;
            };
            let info = stream.value().clone();
            each(&index, &info, |doc| points.raise(doc, lengths.worth(doc, worth)))?;
        }
        Ok(())
    }

    /// Words that a misspelt one may be meant for.
    fn typos(
        &self,
        points: &mut Points,
        zone: &Zone,
        word: &Word,
        nearly: Option<&DfaWrapper>,
        lengths: &Lengths<'_>,
    ) -> tantivy::Result<()> {
        let Some(nearly) = nearly else { return Ok(()) };
        let index = self.segment.inverted_index(zone.words)?;
        let mut stream = index.terms().search(nearly).into_stream()?;
        while stream.advance() {
            let Ok(term) = std::str::from_utf8(stream.key()) else { continue };
            let wrong = strsim::osa_distance(term, &word.folded);
            if wrong == 0 {
                continue;
            }
            let worth = TYPO.get(wrong - 1).copied().unwrap_or_default();
            let info = stream.value().clone();
            each(&index, &info, |doc| points.raise(doc, lengths.worth(doc, worth)))?;
        }
        Ok(())
    }

    /// Names that are, begin like, or are nearly the whole of what was typed.
    fn whole(&self, typed: &str, nearly: Option<&DfaWrapper>) -> tantivy::Result<Points> {
        let mut points = Points::none(self.segment);
        let length = typed.chars().count();
        if length < 2 {
            if length == 1 {
                self.term(&mut points, self.fields.whole, typed, |_| NAME)?;
            }
            return Ok(points);
        }
        let worth = |whole: usize| match whole {
            whole if whole <= length => NAME,
            whole => NAME_BEGUN + of(NAME - NAME_BEGUN - 80, share(length, whole)),
        };
        let index = self.segment.inverted_index(self.fields.whole)?;
        if BEGINNINGS.contains(&length) {
            let lengths = self.segment.fast_fields().u64("whole_length")?;
            self.term(&mut points, self.fields.beginnings, typed, |doc| {
                worth(lengths.first(doc).and_then(|whole| usize::try_from(whole).ok()).unwrap_or(usize::MAX))
            })?;
        } else {
            let mut stream = index.terms().range().ge(typed.as_bytes()).into_stream()?;
            while stream.advance() {
                let Ok(name) = std::str::from_utf8(stream.key()) else { continue };
                if !name.starts_with(typed) {
                    break;
                }
                let (info, worth) = (stream.value().clone(), worth(name.chars().count()));
                each(&index, &info, |doc| points.raise(doc, worth))?;
            }
        }
        if let Some(nearly) = nearly {
            let mut stream = index.terms().search(nearly).into_stream()?;
            while stream.advance() {
                let Ok(name) = std::str::from_utf8(stream.key()) else { continue };
                let wrong = strsim::osa_distance(name, typed);
                if wrong == 0 {
                    continue;
                }
                let worth = of(NAME_TYPO, 1000 - share(wrong, length));
                let info = stream.value().clone();
                each(&index, &info, |doc| points.raise(doc, worth))?;
            }
        }
        Ok(points)
    }

    /// What has these words one after the other, each as written or in another inflection when it stands alone.
    fn sequence(&self, words: &[Word]) -> tantivy::Result<Docs> {
        let mut docs = Docs::none(self.segment.max_doc());
        for zone in self.zones {
            if let [word] = words {
                let mut points = Points::none(self.segment);
                self.term(&mut points, zone.words, &word.folded, |_| 1)?;
                for stem in word.stems() {
                    self.term(&mut points, zone.stems, &stem, |_| 1)?;
                }
                docs.join(points.having());
            } else {
                let words: Vec<&str> = words.iter().map(|word| word.folded.as_str()).collect();
                self.phrase(zone.words, &words)?.iter().for_each(|doc| docs.add(doc));
            }
        }
        Ok(docs)
    }

    fn phrase(&self, field: Field, words: &[&str]) -> tantivy::Result<Docs> {
        let mut docs = Docs::none(self.segment.max_doc());
        let terms: Vec<Term> = words.iter().map(|word| Term::from_field_text(field, word)).collect();
        let query: Box<dyn Query> = match terms.as_slice() {
            [] => return Ok(docs),
            [one] => Box::new(TermQuery::new(one.clone(), IndexRecordOption::Basic)),
            _ => Box::new(PhraseQuery::new(terms)),
        };
        let weight = query.weight(EnableScoring::disabled_from_searcher(self.searcher))?;
        let mut scorer = weight.scorer(self.segment, 1.0)?;
        let mut doc = scorer.doc();
        while doc != TERMINATED {
            docs.add(doc);
            doc = scorer.advance();
        }
        Ok(docs)
    }
}

/// Words of the catalogue, for whoever looks for the one that was meant.
pub fn vocabulary(searcher: &Searcher, fields: &Fields, mut see: impl FnMut(&str, u32)) -> tantivy::Result<()> {
    let zones: BTreeSet<usize> = [0, 1, 2, 3].into();
    for segment in searcher.segment_readers() {
        for zone in zones.iter().filter_map(|at| fields.zones.get(*at)) {
            let index = segment.inverted_index(zone.words)?;
            let mut stream = index.terms().stream()?;
            while stream.advance() {
                if let Ok(term) = std::str::from_utf8(stream.key()) {
                    see(term, stream.value().doc_freq);
                }
            }
        }
    }
    Ok(())
}
