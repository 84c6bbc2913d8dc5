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
        let mut rows: Vec<(i64, u64, DocId)> = Vec::new();
        // What comes after so many others is not looked at further.
        let mut last: Option<(i64, u64)> = None;
        let ords = keys.text.ords();
        let compare = |a: &(i64, u64, DocId), b: &(i64, u64, DocId)| self.direct((a.0, a.1).cmp(&(b.0, b.1)));
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
                rows.push((number, text, doc));
            }
            if rows.len() == 4 * self.rows {
                let (_, worst, _) = rows.select_nth_unstable_by(self.rows - 1, compare);
                last = Some((worst.0, worst.1));
                rows.truncate(self.rows);
            }
        }
        rows.sort_unstable_by(compare);
        rows.truncate(self.rows);
        rows.into_iter()
            .map(|(number, place, doc)| {
                let mut text = String::new();
                keys.text.ord_to_str(place, &mut text)?;
                Ok(Row { place: Place { number, text }, address: DocAddress::new(ord, doc) })
            })
            .collect()
    }

    fn direct(&self, order: Ordering) -> Ordering {
        if self.is_descending { order.reverse() } else { order }
    }

    fn is_after(&self, row: (i64, u64), (number, (ord, is_there)): (i64, (u64, bool))) -> bool {
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
