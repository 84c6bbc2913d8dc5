//! One question to the index: what is found, in which order, counted by what.

use std::collections::BTreeMap;

use tantivy::Searcher;

use super::docs::Docs;
use super::filter::{Filter, Kept};
use super::index::Fields;
use super::matching::{self, Found, each};
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
    /// For each row, why it stands there.
    pub reasons: Vec<Reasons>,
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
    fn reasons(&self, weights: &Weights, doc: u32) -> Reasons {
        let has = |column: &tantivy::columnar::Column<u64>| column.first(doc) == Some(1);
        Reasons::of(weights, &self.found, doc, has(&self.labelled), has(&self.fresh))
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
        let mut base = if is_keyed { found.keyed.clone() } else { found.enough(asked) };
        base.keep(&found.allowed);
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
        let rank = |doc| i64::try_from(part.reasons(&weights, doc).rank).unwrap_or(i64::MAX);
        rows.push(wanted.of_segment(ord, segment, &docs, rank)?);
        for (facet, counts) in &mut counts {
            let own = part.kept.has(facet).then(|| part.kept.without(Some(facet)));
            count(segment, facet, own.as_ref().unwrap_or(&docs), counts)?;
        }
    }
    let rows = wanted.merge(rows);
    let reasons = rows
        .iter()
        .filter_map(|row| {
            let part = parts.get(row.address.segment_ord as usize)?;
            Some(part.reasons(&weights, row.address.doc_id))
        })
        .collect();
    Ok(Answer { total, rows, reasons, facets: counts })
}

/// Every document that a filter keeps, segment by segment.
pub fn matching(searcher: &Searcher, fields: &Fields, asked: &Asked, filter: &Filter) -> tantivy::Result<Vec<Docs>> {
    let (parts, _) = parts(searcher, fields, asked, filter)?;
    Ok(parts.iter().map(|part| part.kept.all()).collect())
}

/// Of more than one in so many of a segment, values are counted by who has them; of fewer, by what each has.
const MANY: u64 = 6;

fn count(
    segment: &tantivy::index::SegmentReader,
    facet: &str,
    docs: &Docs,
    counts: &mut BTreeMap<String, u64>,
) -> tantivy::Result<()> {
    if docs.count() * MANY > u64::from(segment.max_doc()) {
        let index = segment.inverted_index(segment.schema().get_field(facet)?)?;
        let mut values = index.terms().stream()?;
        while values.advance() {
            let mut number = 0;
            each(&index, values.value(), |doc| number += u64::from(docs.has(doc)))?;
            if number > 0 {
                *counts.entry(String::from_utf8_lossy(values.key()).into_owned()).or_default() += number;
            }
        }
        return Ok(());
    }
    let Some(column) = segment.fast_fields().str(facet)? else { return Ok(()) };
    let mut by_ord = vec![0u64; column.num_terms()];
    for doc in docs.iter() {
        for ord in column.term_ords(doc) {
            if let Some(count) = usize::try_from(ord).ok().and_then(|ord| by_ord.get_mut(ord)) {
                *count += 1;
            }
        }
    }
    let (ords, numbers): (Vec<u64>, Vec<u64>) = (0u64..).zip(by_ord).filter(|(_, number)| *number > 0).unzip();
    let mut numbers = numbers.into_iter();
    column.dictionary().sorted_ords_to_term_cb(&ords, |value| {
        if let Some(number) = numbers.next() {
            *counts.entry(String::from_utf8_lossy(value).into_owned()).or_default() += number;
        }
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::filter::{Condition, Filter};
    use super::super::index::{self, Entry, Fields};
    use super::super::order::{By, Wanted};
    use super::super::parse::Asked;
    use super::{Question, answer};

    /// Solution `n` of so many: its name, its family, and its tag.
    fn entry(n: usize) -> Entry {
        Entry {
            id: format!("{n:08}"),
            name: format!("Guichet {n:03}"),
            facets: vec![
                ("family", format!("f{}", n % 7)),
                ("tag", if n.is_multiple_of(50) { "few" } else { "many" }.into()),
            ],
            rating: i64::try_from(n % 5).expect("small"),
            ..Entry::default()
        }
    }

    #[test]
    fn rows_and_counts_are_those_of_what_is_kept_however_many_that_are() {
        const ALL: usize = 1000;
        let mut opened = index::open(None).expect("an index");
        let schema = opened.index.schema();
        let fields = Fields::of(&schema).expect("its fields");
        // Two segments, and some that were taken out again.
        for half in [0..ALL / 2, ALL / 2..ALL] {
            for n in half {
                opened.writer.add_document(index::document(&schema, &entry(n)).expect("a document")).expect("added");
            }
            opened.writer.commit().expect("committed");
        }
        for n in (0..ALL).step_by(100) {
            opened.writer.delete_term(index::term_of(&fields, &entry(n).id));
        }
        opened.writer.commit().expect("committed");
        opened.reader.reload().expect("reloaded");
        let searcher = opened.reader.searcher();

        for (typed, tag) in
            [("", "few"), ("", "many"), ("guichet", "few"), ("guichet", "many"), ("guichet -050", "few")]
        {
            let question = Question {
                asked: Asked::new(typed),
                filter: Filter(vec![Condition::AnyOf { field: "tag", values: vec![tag.to_owned()] }]),
                wanted: Wanted { by: By::Column("rating"), is_descending: true, after: None, rows: 3 },
                facets: vec!["family"],
            };
            let found = answer(&searcher, &fields, &question).expect("an answer");
            let mut kept: Vec<Entry> = (0..ALL).filter(|n| n % 100 != 0).map(entry).collect();
            kept.retain(|entry| entry.facets.contains(&("tag", tag.to_owned())));
            kept.retain(|entry| !typed.contains("-050") || !entry.name.contains("050"));
            let mut families: BTreeMap<String, u64> = BTreeMap::new();
            for entry in &kept {
                *families.entry(entry.facets[0].1.clone()).or_default() += 1;
            }
            kept.sort_by(|a, b| (b.rating, &b.id).cmp(&(a.rating, &a.id)));
            let first: Vec<&str> = kept.iter().take(3).map(|entry| entry.id.as_str()).collect();
            assert_eq!(found.total, kept.len() as u64, "{typed} {tag}");
            assert_eq!(found.facets["family"], families, "{typed} {tag}");
            assert_eq!(
                found.rows.iter().map(|row| row.place.text.as_str()).collect::<Vec<_>>(),
                first,
                "{typed} {tag}"
            );
        }
    }
}
