//! Pages: which documents come next in an order, from the first to the last one.

use std::cmp::Ordering;
use std::ops::Bound;

use tantivy::columnar::StrColumn;
use tantivy::index::SegmentReader;
use tantivy::{DocAddress, DocId};

use super::columns::{Columns, at};
use super::docs::Docs;

/// What documents are ordered by; equal ones by name or id, so that there is one order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The best first, then by name.
    Rank,
    Name,
    /// A number, then the id.
    Column(&'static str),
}

/// Where a document stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub number: i64,
    pub text: String,
}

/// A document of a page.
#[derive(Debug, Clone)]
pub struct Row {
    pub place: Place,
    pub address: DocAddress,
}

/// An order, and what of it is wanted.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub by: By,
    pub is_descending: bool,
    pub after: Option<Place>,
    pub rows: usize,
}

/// What one segment is ordered by.
struct Keys<'a> {
    number: Option<&'a [i64]>,
    text: StrColumn,
}

/// A number and the place of a text among those of its segment.
type Key = (i64, u64);

/// What rows come after: a number, and a text by its place there or that of the next one.
type After = (i64, (u64, bool));

impl<'a> Keys<'a> {
    fn new(by: By, segment: &SegmentReader, columns: &'a Columns) -> tantivy::Result<Self> {
        let number = match by {
            By::Column(column) => Some(columns.numbers(segment, column)?),
            By::Rank | By::Name => None,
        };
        let name = if matches!(by, By::Column(_)) { "id" } else { "name_order" };
        let missing = || tantivy::TantivyError::FieldNotFound(name.to_owned());
        Ok(Self { number, text: segment.fast_fields().str(name)?.ok_or_else(missing)? })
    }

    /// What a document is ordered by, without its rank.
    fn of(&self, doc: DocId) -> Option<Key> {
        let number = self.number.map_or(0, |column| at(column, doc).unwrap_or(-1));
        Some((number, self.text.ords().first(doc)?))
    }

    /// Where a text stands among the segment's own: its place there, or that of the next one.
    fn bound(&self, text: &str) -> tantivy::Result<(u64, bool)> {
        let dictionary = self.text.dictionary();
        if let Some(ord) = dictionary.term_ord(text)? {
            return Ok((ord, true));
        }
        let (next, _) = dictionary.term_bounds_to_ord(Bound::Included(text), Bound::Unbounded)?;
        Ok(match next {
            Bound::Included(ord) | Bound::Excluded(ord) => (ord, false),
            Bound::Unbounded => (0, false),
        })
    }
}

impl Wanted {
    /// The next rows of one segment. `rank` gives what the best come first by.
    pub fn of_segment(
        &self,
        ord: u32,
        segment: &SegmentReader,
        columns: &Columns,
        docs: &Docs,
        rank: impl Fn(DocId) -> i64,
    ) -> tantivy::Result<Vec<Row>> {
        if segment.max_doc() == 0 || self.rows == 0 {
            return Ok(Vec::new());
        }
        let keys = Keys::new(self.by, segment, columns)?;
        // Texts are compared by their places in the segment's own order of texts.
        let bound = match &self.after {
            Some(after) => Some((after.number, keys.bound(&after.text)?)),
            None => None,
        };
        let rows = match self.in_order(segment, columns, docs, &keys, bound)? {
            Some(rows) => rows,
            None => self.of_each(docs, &keys, bound, rank),
        };
        rows.into_iter()
            .map(|((number, place), doc)| {
                let mut text = String::new();
                keys.text.ord_to_str(place, &mut text)?;
                Ok(Row { place: Place { number, text }, address: DocAddress::new(ord, doc) })
            })
            .collect()
    }

    /// Where many match: the first of them in the kept order of all. None where few do, or they stand so far
    /// behind that it is quicker to look at each.
    fn in_order(
        &self,
        segment: &SegmentReader,
        columns: &Columns,
        docs: &Docs,
        keys: &Keys<'_>,
        bound: Option<After>,
    ) -> tantivy::Result<Option<Vec<(Key, DocId)>>> {
        let (count, rows) = (docs.count(), self.rows as u64);
        // Those that are spread evenly are this far apart.
        if self.by == By::Rank || count * count <= rows * u64::from(segment.max_doc()) {
            return Ok(None);
        }
        let number = match self.by {
            By::Column(name) => Some(name),
            By::Rank | By::Name => None,
        };
        let order = columns.order(segment, number, |doc| keys.of(doc))?;
        let is_next =
            |doc: &DocId| bound.is_none_or(|bound| keys.of(*doc).is_some_and(|key| self.is_after(key, bound)));
        let (less, more) = order.split_at(order.partition_point(|doc| is_next(doc) == self.is_descending));
        let rest = if self.is_descending { less } else { more };
        let mut found = Vec::new();
        for step in 0..rest.len() {
            if step as u64 > count {
                return Ok(None);
            }
            let at = if self.is_descending { rest.len() - 1 - step } else { step };
            let Some(doc) = rest.get(at).copied().filter(|doc| docs.has(*doc)) else { continue };
            found.extend(keys.of(doc).map(|key| (key, doc)));
            if found.len() == self.rows {
                break;
            }
        }
        Ok(Some(found))
    }

    /// The first in the order, of each that matches.
    fn of_each(
        &self,
        docs: &Docs,
        keys: &Keys<'_>,
        bound: Option<After>,
        rank: impl Fn(DocId) -> i64,
    ) -> Vec<(Key, DocId)> {
        let mut rows: Vec<(Key, DocId)> = Vec::new();
        // What comes after so many others is not looked at further.
        let mut last: Option<Key> = None;
        let ords = keys.text.ords();
        let compare = |a: &(Key, DocId), b: &(Key, DocId)| self.direct(a.0.cmp(&b.0));
        for doc in docs.iter() {
            let number = match keys.number {
                Some(column) => at(column, doc).unwrap_or(-1),
                // Ascending is the best first.
                None if self.by == By::Rank => -rank(doc),
                None => 0,
            };
            if last.is_some_and(|last| self.direct(number.cmp(&last.0)) == Ordering::Greater) {
                continue;
            }
            let Some(text) = ords.first(doc) else { continue };
            let is_late = last.is_some_and(|last| self.direct((number, text).cmp(&last)) == Ordering::Greater);
            if !is_late && bound.is_none_or(|bound| self.is_after((number, text), bound)) {
                rows.push(((number, text), doc));
            }
            if rows.len() == 4 * self.rows {
                let (_, worst, _) = rows.select_nth_unstable_by(self.rows - 1, compare);
                last = Some(worst.0);
                rows.truncate(self.rows);
            }
        }
        rows.sort_unstable_by(compare);
        rows.truncate(self.rows);
        rows
    }

    fn direct(&self, order: Ordering) -> Ordering {
        if self.is_descending { order.reverse() } else { order }
    }

    fn is_after(&self, row: Key, (number, (ord, is_there)): After) -> bool {
        let text = match is_there {
            true => row.1.cmp(&ord),
            // The text itself is not here: its place is before the next one.
            false if row.1 >= ord => Ordering::Greater,
            false => Ordering::Less,
        };
        self.direct(row.0.cmp(&number).then(text)) == Ordering::Greater
    }

    /// The next rows of all segments.
    pub fn merge(&self, parts: Vec<Vec<Row>>) -> Vec<Row> {
        let mut rows: Vec<Row> = parts.into_iter().flatten().collect();
        rows.sort_by(|a, b| self.direct(a.place.cmp(&b.place)));
        rows.truncate(self.rows);
        rows
    }
}
