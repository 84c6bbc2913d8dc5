//! The one language of filters over what the public reads: lists, facets and
//! exports keep the same documents for the same words.

use tantivy::Term;
use tantivy::index::SegmentReader;

use super::columns::Columns;
use super::docs::Docs;
use super::index::at_theme;
use super::matching::each;

/// Conditions, all of which must hold.
#[derive(Debug, Clone, Default)]
pub struct Filter(pub Vec<Condition>);

/// One condition over a field of the index.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// Has one of these values.
    AnyOf { field: &'static str, values: Vec<String> },
    /// One of these themes has at least its score, in ten-thousandths.
    AtLeast { field: &'static str, scores: Vec<(String, i64)> },
    /// A number is at least this.
    From { column: &'static str, least: i64 },
}

impl Condition {
    pub fn field(&self) -> &'static str {
        match self {
            Self::AnyOf { field, .. } | Self::AtLeast { field, .. } => field,
            Self::From { column, .. } => column,
        }
    }

    /// The documents of a segment for which it holds.
    fn docs(&self, segment: &SegmentReader, columns: &Columns) -> tantivy::Result<Docs> {
        let mut docs = Docs::none(segment.max_doc());
        match self {
            Self::AnyOf { field, values } => {
                let field = segment.schema().get_field(field)?;
                let index = segment.inverted_index(field)?;
                for value in values {
                    if let Some(info) = index.get_term_info(&Term::from_field_text(field, value))? {
                        each(&index, &info, |doc| docs.add(doc))?;
                    }
                }
            }
            Self::AtLeast { field, scores } => {
                let field = segment.schema().get_field(field)?;
                let index = segment.inverted_index(field)?;
                for (theme, least) in scores {
                    let range = index.terms().range().ge(at_theme(theme, *least)).le(at_theme(theme, 10_000));
                    let mut stream = range.into_stream()?;
                    while stream.advance() {
                        each(&index, stream.value(), |doc| docs.add(doc))?;
                    }
                }
            }
            Self::From { column, least } => {
                for (value, doc) in columns.numbers(segment, column)?.iter().zip(0..) {
                    if value >= least {
                        docs.add(doc);
                    }
                }
            }
        }
        Ok(docs)
    }
}

/// What a segment keeps of a set by a filter, and what it would keep without one of the conditions.
pub struct Kept {
    base: Docs,
    conditions: Vec<(&'static str, Docs)>,
}

impl Kept {
    pub fn new(filter: &Filter, segment: &SegmentReader, columns: &Columns, base: Docs) -> tantivy::Result<Self> {
        let conditions = filter
            .0
            .iter()
            .map(|condition| Ok((condition.field(), condition.docs(segment, columns)?)))
            .collect::<tantivy::Result<_>>()?;
        Ok(Self { base, conditions })
    }

    /// What all conditions hold for, but those over this field.
    pub fn without(&self, field: Option<&str>) -> Docs {
        let mut docs = self.base.clone();
        for (name, having) in &self.conditions {
            if Some(*name) != field {
                docs.keep(having);
            }
        }
        docs
    }

    pub fn all(&self) -> Docs {
        self.without(None)
    }

    pub fn has(&self, field: &str) -> bool {
        self.conditions.iter().any(|(name, _)| *name == field)
    }
}
