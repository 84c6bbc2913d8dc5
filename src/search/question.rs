//! One question to the index: what is found, in which order, counted by what.

use std::collections::BTreeMap;

use tantivy::{DocAddress, Searcher};

use super::docs::Docs;
use super::filter::{Filter, Kept};
use super::index::Fields;
use super::matching::{self, Found};
use super::order::{Row, Wanted};
use super::parse::Asked;
use super::ranking::{Reasons, Weights};

/// What is asked of the index.
#[derive(Debug, Clone)]
pub struct Question {
    pub asked: Asked,
    pub filter: Filter,
    pub wanted: Wanted,
    /// What to count by.
    pub facets: Vec<&'static str>,
}

/// What it answers.
#[derive(Debug)]
pub struct Answer {
    pub total: u64,
    pub rows: Vec<Row>,
    /// For each row, why it stands there; for a text only.
    pub reasons: Vec<Option<Reasons>>,
    /// For each facet, how many have each value.
    pub facets: BTreeMap<&'static str, BTreeMap<String, u64>>,
}

/// Documents of one segment that the text has, with their reasons.
struct Part {
    found: Found,
    kept: Kept,
    labelled: tantivy::columnar::Column<u64>,
    fresh: tantivy::columnar::Column<u64>,
}

impl Part {
    fn reasons(&self, asked: &Asked, weights: &Weights, doc: u32) -> Option<Reasons> {
        let has = |column: &tantivy::columnar::Column<u64>| column.first(doc) == Some(1);
        Reasons::of(asked, weights, &self.found, doc, has(&self.labelled), has(&self.fresh))
    }
}

fn parts(
    searcher: &Searcher,
    fields: &Fields,
    asked: &Asked,
    filter: &Filter,
) -> tantivy::Result<(Vec<Part>, Weights)> {
    let found = matching::find(searcher, fields, asked)?;
    let weights = Weights::new(asked, &found);
    // An identifier that is no word of a text is meant alone.
    let is_keyed = asked.is_identifier() && found.iter().any(|part| part.keyed.count() > 0);
    let mut parts = Vec::new();
    for (segment, found) in searcher.segment_readers().iter().zip(found) {
        let fast = segment.fast_fields();
        let (labelled, fresh) = (fast.u64("is_labelled")?, fast.u64("is_fresh")?);
        let mut base = found.allowed.clone();
        if is_keyed {
            base.keep(&found.keyed);
        } else if !asked.slots.is_empty() {
            let mut having = Docs::none(segment.max_doc());
            for doc in base.iter() {
                if Reasons::of(asked, &weights, &found, doc, false, false).is_some() {
                    having.add(doc);
                }
            }
            base = having;
        }
        let kept = Kept::new(filter, segment, base)?;
        parts.push(Part { found, kept, labelled, fresh });
    }
    Ok((parts, weights))
}

/// Answers a question from one snapshot.
pub fn answer(searcher: &Searcher, fields: &Fields, question: &Question) -> tantivy::Result<Answer> {
    let Question { asked, filter, wanted, facets } = question;
    let (parts, weights) = parts(searcher, fields, asked, filter)?;
    let (mut total, mut rows) = (0, Vec::new());
    let mut counts: BTreeMap<&'static str, BTreeMap<String, u64>> =
        facets.iter().map(|facet| (*facet, BTreeMap::new())).collect();
    for ((ord, segment), part) in (0u32..).zip(searcher.segment_readers()).zip(&parts) {
        let docs = part.kept.all();
        total += docs.count();
        let rank = |doc| {
            part.reasons(asked, &weights, doc).map_or(0, |reasons| i64::try_from(reasons.rank).unwrap_or(i64::MAX))
        };
        rows.push(wanted.of_segment(ord, segment, &docs, rank)?);
        for (facet, counts) in &mut counts {
            let own = part.kept.has(facet).then(|| part.kept.without(Some(facet)));
            count(segment, facet, own.as_ref().unwrap_or(&docs), counts)?;
        }
    }
    let rows = wanted.merge(rows);
    let reasons = rows
        .iter()
        .map(|row| {
            let part = parts.get(row.address.segment_ord as usize)?;
            part.reasons(asked, &weights, row.address.doc_id)
        })
        .collect();
    Ok(Answer { total, rows, reasons, facets: counts })
}

/// Every document that a filter keeps, for whoever walks over all of them.
pub fn matching_all(
    searcher: &Searcher,
    fields: &Fields,
    asked: &Asked,
    filter: &Filter,
) -> tantivy::Result<Vec<DocAddress>> {
    let (parts, _) = parts(searcher, fields, asked, filter)?;
    Ok((0u32..)
        .zip(&parts)
        .flat_map(|(ord, part)| part.kept.all().iter().map(|doc| DocAddress::new(ord, doc)).collect::<Vec<_>>())
        .collect())
}

fn count(
    segment: &tantivy::index::SegmentReader,
    facet: &str,
    docs: &Docs,
    counts: &mut BTreeMap<String, u64>,
) -> tantivy::Result<()> {
    let Some(column) = segment.fast_fields().str(facet)? else { return Ok(()) };
    let mut by_ord = vec![0u64; column.num_terms()];
    for doc in docs.iter() {
        for ord in column.term_ords(doc) {
            if let Some(count) = usize::try_from(ord).ok().and_then(|ord| by_ord.get_mut(ord)) {
                *count += 1;
            }
        }
    }
    let mut value = String::new();
    for (ord, number) in (0u64..).zip(by_ord).filter(|(_, number)| *number > 0) {
        if column.ord_to_str(ord, &mut value)? {
            *counts.entry(value.clone()).or_default() += number;
        }
    }
    Ok(())
}
