//! One question to the index: what is found, in which order, counted by what.

use std::collections::BTreeMap;

use super::columns::{Merits, at};
use super::docs::Docs;
use super::feed::Shown;
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
    /// For each row, why it stands there.
    pub reasons: Vec<Reasons>,
    /// For each facet, how many have each value.
    pub facets: BTreeMap<&'static str, BTreeMap<String, u64>>,
}

/// Documents of one segment that the text has, with their reasons.
struct Part<'a> {
    found: Found,
    kept: Kept,
    merits: &'a [Merits],
}

impl Part<'_> {
    fn reasons(&self, weights: &Weights, doc: u32) -> Reasons {
        let merits = at(self.merits, doc).unwrap_or(Merits { is_labelled: false, is_fresh: false });
        Reasons::of(weights, &self.found, doc, merits)
    }
}

fn parts<'a>(
    shown: &'a Shown,
    fields: &Fields,
    asked: &Asked,
    filter: &Filter,
) -> tantivy::Result<(Vec<Part<'a>>, Weights)> {
    let found = matching::find(shown, fields, asked)?;
    let weights = Weights::new(asked, &found);
    // An identifier that is no word of a text is meant alone.
    let is_keyed = asked.is_identifier() && found.iter().any(|part| part.keyed.count() > 0);
    let mut parts = Vec::new();
    for ((segment, columns), found) in shown.segments().zip(found) {
        let mut base = if is_keyed { found.keyed.clone() } else { found.enough(asked) };
        base.keep(&found.allowed);
        let kept = Kept::new(filter, segment, columns, base)?;
        parts.push(Part { found, kept, merits: columns.merits(segment)? });
    }
    Ok((parts, weights))
}

/// Answers a question from one snapshot.
pub fn answer(shown: &Shown, fields: &Fields, question: &Question) -> tantivy::Result<Answer> {
    let Question { asked, filter, wanted, facets } = question;
    let (parts, weights) = parts(shown, fields, asked, filter)?;
    let (mut total, mut rows) = (0, Vec::new());
    let mut counts: BTreeMap<&'static str, BTreeMap<String, u64>> =
        facets.iter().map(|facet| (*facet, BTreeMap::new())).collect();
    for ((ord, (segment, columns)), part) in (0u32..).zip(shown.segments()).zip(&parts) {
        let docs = part.kept.all();
        total += docs.count();
        let rank = |doc| i64::try_from(part.reasons(&weights, doc).rank).unwrap_or(i64::MAX);
        rows.push(wanted.of_segment(ord, segment, columns, &docs, rank)?);
        for (facet, counts) in &mut counts {
            let own = part.kept.has(facet).then(|| part.kept.without(Some(facet)));
            columns.count(segment, facet, own.as_ref().unwrap_or(&docs), |value, number| {
                match counts.get_mut(value) {
                    Some(count) => *count += number,
                    None => drop(counts.insert(value.to_owned(), number)),
                }
            })?;
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
pub fn matching(shown: &Shown, fields: &Fields, asked: &Asked, filter: &Filter) -> tantivy::Result<Vec<Docs>> {
    let (parts, _) = parts(shown, fields, asked, filter)?;
    Ok(parts.iter().map(|part| part.kept.all()).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::feed::Shown;
    use super::super::filter::{Condition, Filter};
    use super::super::index::{self, Entry, Fields};
    use super::super::order::{By, Wanted};
    use super::super::parse::Asked;
    use super::{Question, answer};
    use crate::db::journal::Head;

    /// Solution `n` of so many: its name, its family, and its tag.
    fn entry(n: usize) -> Entry {
        Entry {
            id: format!("{n:08}"),
            name: format!("Guichet {n:03}"),
            facets: vec![
                ("family", format!("f{}", n % 7)),
                ("family", if n % (ALL / 2) < 350 { "early" } else { "late" }.into()),
                ("tag", if n.is_multiple_of(50) { "few" } else { "many" }.into()),
            ],
            rating: i64::try_from(n % 5).expect("small"),
            ..Entry::default()
        }
    }

    const ALL: usize = 1000;

    fn shown() -> (Shown, Fields) {
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
        (Shown::of(opened.reader.searcher(), Head::default(), None), fields)
    }

    #[test]
    fn pages_lead_through_all_that_match_wherever_they_stand_in_the_order() {
        let (shown, fields) = shown();
        // Many, few, and many of which each segment has the first in the order of names behind all others.
        for family in [&[][..], &["f3"], &["late"]] {
            for by in [By::Name, By::Column("rating")] {
                for is_descending in [false, true] {
                    let mut kept: Vec<Entry> = (0..ALL).filter(|n| n % 100 != 0).map(entry).collect();
                    let families: Vec<String> = family.iter().map(|one| (*one).to_owned()).collect();
                    kept.retain(|one| families.iter().all(|family| one.facets.contains(&("family", family.clone()))));
                    match by {
                        By::Name => kept.sort_by(|a, b| a.name.cmp(&b.name)),
                        _ => kept.sort_by(|a, b| (a.rating, &a.id).cmp(&(b.rating, &b.id))),
                    }
                    if is_descending {
                        kept.reverse();
                    }
                    let filter = match families.is_empty() {
                        true => Filter::default(),
                        false => Filter(vec![Condition::AnyOf { field: "family", values: families }]),
                    };
                    let (mut ids, mut after) = (Vec::new(), None);
                    loop {
                        let wanted = Wanted { by, is_descending, after, rows: 40 };
                        let question =
                            Question { asked: Asked::new(""), filter: filter.clone(), wanted, facets: Vec::new() };
                        let rows = answer(&shown, &fields, &question).expect("an answer").rows;
                        let Some(last) = rows.last() else { break };
                        after = Some(last.place.clone());
                        ids.extend(rows.into_iter().map(|row| row.place.text));
                    }
                    // An order by name ends with the id as well.
                    assert_eq!(ids.len(), kept.len(), "{family:?} {by:?} {is_descending}");
                    assert!(ids.iter().zip(&kept).all(|(id, one)| id.ends_with(&one.id)), "{family:?} {by:?}");
                }
            }
        }
    }

    #[test]
    fn rows_and_counts_are_those_of_what_is_kept_however_many_that_are() {
        let (shown, fields) = shown();

        for (typed, tag) in
            [("", "few"), ("", "many"), ("guichet", "few"), ("guichet", "many"), ("guichet -050", "few")]
        {
            let question = Question {
                asked: Asked::new(typed),
                filter: Filter(vec![Condition::AnyOf { field: "tag", values: vec![tag.to_owned()] }]),
                wanted: Wanted { by: By::Column("rating"), is_descending: true, after: None, rows: 3 },
                facets: vec!["family"],
            };
            let found = answer(&shown, &fields, &question).expect("an answer");
            let mut kept: Vec<Entry> = (0..ALL).filter(|n| n % 100 != 0).map(entry).collect();
            kept.retain(|entry| entry.facets.contains(&("tag", tag.to_owned())));
            kept.retain(|entry| !typed.contains("-050") || !entry.name.contains("050"));
            let mut families: BTreeMap<String, u64> = BTreeMap::new();
            for entry in &kept {
                for (_, family) in entry.facets.iter().filter(|(facet, _)| *facet == "family") {
                    *families.entry(family.clone()).or_default() += 1;
                }
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
