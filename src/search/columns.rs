//! What is looked at for each of many documents, and orders of all of them, kept in memory: an array,
//! where the index has a packed column behind several calls. Each is made when it is first asked for, once for a
//! segment: a segment never changes, only what was taken out of it does.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use tantivy::index::{SegmentId, SegmentReader};
use tantivy::{DocId, Opstamp, Searcher};

use super::docs::Docs;
use super::index::{FACETS, NUMBERS};

/// Columns of one segment, and what is left of it.
pub struct Columns {
    whole: Arc<Whole>,
    /// The last change of what was taken out.
    taken_out: Option<Opstamp>,
    /// What was not taken out.
    pub alive: Docs,
    /// How many of the alive ones have each value of a facet.
    totals: [OnceLock<Vec<u64>>; FACETS.len()],
}

/// What never changes of a segment.
struct Whole {
    id: SegmentId,
    merits: OnceLock<Vec<Merits>>,
    numbers: [OnceLock<Vec<i64>>; NUMBERS.len()],
    values: [OnceLock<Values>; FACETS.len()],
    /// Of each of [`NUMBERS`], and of the names.
    orders: [OnceLock<Vec<DocId>>; NUMBERS.len() + 1],
}

/// What a document is worth beside its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Merits {
    pub is_labelled: bool,
    pub is_fresh: bool,
}

/// Values of a facet.
pub struct Values {
    /// In order.
    pub terms: Vec<String>,
    /// Places in `terms`, of one document after the other.
    places: Vec<u32>,
    /// Where each document's places begin; the last one's end.
    begins: Vec<u32>,
    /// The documents that have each, where values are few: many documents are counted 64 at a time.
    sets: Vec<Docs>,
}

/// A facet with more values than this keeps no set for each.
const FEW_VALUES: usize = 64;

impl Values {
    fn of(segment: &SegmentReader, facet: &str) -> tantivy::Result<Self> {
        let mut values = Self { terms: Vec::new(), places: Vec::new(), begins: vec![0], sets: Vec::new() };
        let column = segment.fast_fields().str(facet)?;
        if let Some(column) = &column {
            let mut terms = column.dictionary().stream()?;
            while terms.advance() {
                values.terms.push(String::from_utf8_lossy(terms.key()).into_owned());
            }
        }
        for doc in 0..segment.max_doc() {
            if let Some(column) = &column {
                values.places.extend(column.term_ords(doc).filter_map(|ord| u32::try_from(ord).ok()));
            }
            values.begins.push(u32::try_from(values.places.len()).unwrap_or(u32::MAX));
        }
        values.places.shrink_to_fit();
        values.begins.shrink_to_fit();
        if values.terms.len() <= FEW_VALUES {
            values.sets = vec![Docs::none(segment.max_doc()); values.terms.len()];
            for doc in 0..segment.max_doc() {
                for place in values.places.get(values.span(doc)).unwrap_or_default() {
                    if let Some(set) = values.sets.get_mut(*place as usize) {
                        set.add(doc);
                    }
                }
            }
        }
        Ok(values)
    }

    /// Where the places of a document are.
    fn span(&self, doc: DocId) -> Range<usize> {
        let [begin, end] = [doc, doc + 1].map(|doc| at(&self.begins, doc).unwrap_or_default() as usize);
        begin..end
    }

    /// How many of these documents have each.
    fn count(&self, docs: &Docs) -> Vec<u64> {
        // A look at one document takes about as long as to meet eight words of two sets.
        if !self.sets.is_empty() && 8 * docs.count() > self.sets.iter().map(Docs::words).sum::<u64>() {
            return self.sets.iter().map(|set| set.shared(docs)).collect();
        }
        let mut counts = vec![0; self.terms.len()];
        for doc in docs.iter() {
            for place in self.places.get(self.span(doc)).unwrap_or_default() {
                if let Some(count) = counts.get_mut(*place as usize) {
                    *count += 1;
                }
            }
        }
        counts
    }
}

/// What a cell has, made if it has nothing yet. Two may make it at the same time; one of both stays.
fn made<T>(cell: &OnceLock<T>, make: impl FnOnce() -> tantivy::Result<T>) -> tantivy::Result<&T> {
    match cell.get() {
        Some(made) => Ok(made),
        None => {
            let made = make()?;
            Ok(cell.get_or_init(|| made))
        }
    }
}

fn place(names: &[&str], name: &str) -> tantivy::Result<usize> {
    let unknown = || tantivy::TantivyError::FieldNotFound(name.to_owned());
    names.iter().position(|known| *known == name).ok_or_else(unknown)
}

impl Columns {
    /// Of each segment that can be searched; what was known before stays.
    pub fn of(searcher: &Searcher, before: &[Arc<Self>]) -> Vec<Arc<Self>> {
        let of_segment = |segment: &SegmentReader| {
            let known = before.iter().find(|known| known.whole.id == segment.segment_id());
            match known {
                Some(known) if known.taken_out == segment.delete_opstamp() => Arc::clone(known),
                known => Arc::new(Self {
                    whole: known.map_or_else(
                        || {
                            Arc::new(Whole {
                                id: segment.segment_id(),
                                merits: OnceLock::new(),
                                numbers: [const { OnceLock::new() }; NUMBERS.len()],
                                values: [const { OnceLock::new() }; FACETS.len()],
                                orders: [const { OnceLock::new() }; NUMBERS.len() + 1],
                            })
                        },
                        |known| Arc::clone(&known.whole),
                    ),
                    taken_out: segment.delete_opstamp(),
                    alive: Docs::alive(segment),
                    totals: [const { OnceLock::new() }; FACETS.len()],
                }),
            }
        };
        searcher.segment_readers().iter().map(of_segment).collect()
    }

    pub fn merits(&self, segment: &SegmentReader) -> tantivy::Result<&[Merits]> {
        let merits = made(&self.whole.merits, || {
            let (labelled, fresh) = (segment.fast_fields().u64("is_labelled")?, segment.fast_fields().u64("is_fresh")?);
            let of =
                |doc| Merits { is_labelled: labelled.first(doc) == Some(1), is_fresh: fresh.first(doc) == Some(1) };
            Ok((0..segment.max_doc()).map(of).collect())
        })?;
        Ok(merits)
    }

    /// One of [`NUMBERS`], −1 where there is none.
    pub fn numbers(&self, segment: &SegmentReader, name: &str) -> tantivy::Result<&[i64]> {
        let at = place(&NUMBERS, name)?;
        let Some(cell) = self.whole.numbers.get(at) else { return Ok(&[]) };
        let numbers = made(cell, || {
            let column = segment.fast_fields().i64(name)?;
            Ok((0..segment.max_doc()).map(|doc| column.first(doc).unwrap_or(-1)).collect())
        })?;
        Ok(numbers)
    }

    /// All documents in the order of a number, of the names without one: `key` gives what they are ordered by.
    pub fn order<K: Ord>(
        &self,
        segment: &SegmentReader,
        number: Option<&str>,
        key: impl Fn(DocId) -> Option<K>,
    ) -> tantivy::Result<&[DocId]> {
        let at = number.map_or(Ok(NUMBERS.len()), |name| place(&NUMBERS, name))?;
        let Some(cell) = self.whole.orders.get(at) else { return Ok(&[]) };
        let order = made(cell, || {
            let mut keyed: Vec<(K, DocId)> = (0..segment.max_doc()).filter_map(|doc| Some((key(doc)?, doc))).collect();
            keyed.sort_unstable();
            Ok(keyed.into_iter().map(|(_, doc)| doc).collect())
        })?;
        Ok(order)
    }

    /// For each value of a facet, how many of these documents have it.
    pub fn count(
        &self,
        segment: &SegmentReader,
        facet: &str,
        docs: &Docs,
        mut see: impl FnMut(&str, u64),
    ) -> tantivy::Result<()> {
        let at = place(&FACETS, facet)?;
        let (Some(values), Some(totals)) = (self.whole.values.get(at), self.totals.get(at)) else { return Ok(()) };
        let values = made(values, || Values::of(segment, facet))?;
        let counted;
        let counts = if *docs == self.alive {
            totals.get_or_init(|| values.count(docs))
        } else {
            counted = values.count(docs);
            &counted
        };
        for (term, count) in values.terms.iter().zip(counts).filter(|(_, count)| **count > 0) {
            see(term, *count);
        }
        Ok(())
    }
}

/// What an array has for a document.
pub fn at<T: Copy>(column: &[T], doc: DocId) -> Option<T> {
    column.get(doc as usize).copied()
}
