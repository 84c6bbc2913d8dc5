//! What is stored of a solution, and where: the schema of the index and the file
//! it lives in.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::RangeInclusive;

use tantivy::merge_policy::{LogMergePolicy, MergePolicy};
use tantivy::schema::{
    FAST, Field, IndexRecordOption, STORED, STRING, Schema, TantivyDocument, TextFieldIndexing, TextOptions,
};
use tantivy::{Index, IndexReader, IndexSettings, IndexWriter, ReloadPolicy, Term};

use super::analysis::{Word, address, whole, words};
use super::folder::Folder;
use super::matching::worths;

/// Counts changes of what is stored: an index of another number is built anew.
pub const VERSION: u32 = 4;

/// What a writer keeps in memory before it writes, in bytes.
const WRITER_MEMORY: usize = 24_000_000;

/// What is stored of solutions is compressed by so many bytes, and read by as many: about one of them.
const STORED_TOGETHER: usize = 4096;

/// Beginnings of names that are stored, in letters. Few names begin with more; those are looked
/// through one by one.
pub const BEGINNINGS: RangeInclusive<usize> = 2..=12;

/// What can be counted and filtered by.
pub const FACETS: [&str; 16] = [
    "family",
    "domain",
    "sourcing_rank",
    "distribution",
    "licence",
    "deployment",
    "hosting_country",
    "qualification",
    "tag",
    "trait",
    "audience",
    "vendor_kind",
    "vendor_control",
    "vendor_size",
    "purchase_route",
    "label",
];

/// What solutions can be ordered by, and kept by at least so much of.
pub const NUMBERS: [&str; 4] = ["score", "rating", "published_at", "updated_at"];

/// Where a word stands in a sheet, and what it weighs there, in thousandths. Running
/// text weighs less the longer it is; see [`super::matching`].
pub const ZONES: [(&str, u16); 5] =
    [("name", 1000), ("tags", 750), ("summary", 900), ("context", 500), ("description", 1000)];

/// A solution as it is searched.
#[derive(Debug, Clone, Default, Hash)]
pub struct Entry {
    pub id: String,
    pub slug: String,
    pub name: String,
    pub summary: String,
    pub description: String,
    pub tags: Vec<String>,
    /// What is around it: vendor, names of families, standards.
    pub context: Vec<String>,
    /// Number of the published version.
    pub version: i32,
    /// What identifies it exactly: SIREN of the vendor.
    pub numbers: Vec<String>,
    /// Website and repository, in any spelling.
    pub addresses: Vec<String>,
    pub facets: Vec<(&'static str, String)>,
    pub status: &'static str,
    pub vendor: Option<String>,
    /// Overall score in ten-thousandths, −1 without one; the same by theme, and as a third party verified it.
    pub score: i64,
    pub scores: Vec<(String, i64)>,
    pub verified: Vec<(String, i64)>,
    /// Average rating in hundredths, −1 without one.
    pub rating: i64,
    pub published_at: i64,
    pub updated_at: i64,
    /// Whether it has a valid label, and whether its vendor keeps it up to date.
    pub is_labelled: bool,
    pub is_fresh: bool,
    /// What a list shows of it to anybody, as JSON; of others of its name the index knows itself.
    pub view: String,
}

impl Entry {
    /// Tells whether two entries are the same.
    pub fn mark(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }
}

/// Words as they are written, and their stems.
#[derive(Debug, Clone)]
pub struct Zone {
    pub words: Field,
    pub stems: Field,
    /// What a word is worth here, by the stored class of the length of the text.
    pub worths: Vec<u16>,
}

#[derive(Debug, Clone)]
pub struct Fields {
    pub id: Field,
    pub key: Field,
    pub whole: Field,
    /// How whole names begin, in so many letters as [`BEGINNINGS`].
    pub beginnings: Field,
    pub card: Field,
    pub view: Field,
    /// The folded name: equal ones are namesakes.
    pub folded: Field,
    pub zones: Vec<Zone>,
}

/// Terms of a score by theme: equal themes are ordered by score.
pub fn at_theme(theme: &str, ten_thousandths: i64) -> String {
    format!("{theme}:{:05}", ten_thousandths.clamp(0, 10_000))
}

pub fn schema() -> Schema {
    let mut schema = Schema::builder();
    let text = |option, has_length| {
        TextOptions::default().set_indexing_options(
            TextFieldIndexing::default()
                .set_tokenizer("whitespace")
                .set_index_option(option)
                .set_fieldnorms(has_length),
        )
    };
    schema.add_text_field("id", STRING | FAST);
    schema.add_text_field("key", STRING);
    schema.add_text_field("whole", STRING);
    schema.add_text_field("beginnings", STRING);
    schema.add_text_field("folded", STRING);
    schema.add_text_field("name_order", FAST);
    schema.add_text_field("card", STORED);
    schema.add_text_field("view", STORED);
    for (zone, _) in ZONES {
        schema.add_text_field(zone, text(IndexRecordOption::WithFreqsAndPositions, true));
        schema.add_text_field(&format!("{zone}_stems"), text(IndexRecordOption::Basic, false));
    }
    for facet in FACETS {
        schema.add_text_field(facet, STRING | FAST);
    }
    schema.add_text_field("status", STRING | FAST);
    for field in ["vendor", "scores", "verified"] {
        schema.add_text_field(field, STRING);
    }
    for column in NUMBERS {
        schema.add_i64_field(column, FAST);
    }
    for column in ["is_labelled", "is_fresh", "mark", "whole_length"] {
        schema.add_u64_field(column, FAST);
    }
    schema.build()
}

impl Fields {
    pub fn of(schema: &Schema) -> tantivy::Result<Self> {
        let mut zones = Vec::new();
        for (zone, weight) in ZONES {
            let (words, stems) = (schema.get_field(zone)?, schema.get_field(&format!("{zone}_stems"))?);
            // In running text one word among many says little.
            let is_prose = matches!(zone, "summary" | "description");
            zones.push(Zone { words, stems, worths: worths(weight, is_prose) });
        }
        let field = |name| schema.get_field(name);
        Ok(Self {
            id: field("id")?,
            key: field("key")?,
            whole: field("whole")?,
            beginnings: field("beginnings")?,
            card: field("card")?,
            view: field("view")?,
            folded: field("folded")?,
            zones,
        })
    }
}

/// An entry as the index takes it.
pub fn document(schema: &Schema, entry: &Entry) -> tantivy::Result<TantivyDocument> {
    let mut document = TantivyDocument::default();
    let field = |name: &str| schema.get_field(name);
    document.add_text(field("id")?, &entry.id);
    for key in [&entry.id, &entry.slug].into_iter().chain(&entry.numbers) {
        document.add_text(field("key")?, key);
    }
    for known in entry.addresses.iter().filter_map(|text| address(text)) {
        document.add_text(field("key")?, known);
    }
    let whole = whole(&entry.name);
    document.add_u64(field("whole_length")?, whole.chars().count() as u64);
    for (letters, (end, letter)) in (1..).zip(whole.char_indices()) {
        if BEGINNINGS.contains(&letters) {
            document.add_text(field("beginnings")?, whole.get(..end + letter.len_utf8()).unwrap_or_default());
        }
    }
    document.add_text(field("whole")?, whole);
    let folded = crate::http::text::fold(&entry.name);
    document.add_text(field("name_order")?, name_order(&folded, &entry.id));
    document.add_text(field("folded")?, folded);
    let card = serde_json::json!({"id": entry.id, "slug": entry.slug, "name": entry.name, "version": entry.version});
    document.add_text(field("card")?, card.to_string());
    document.add_text(field("view")?, &entry.view);
    let (tags, context) = (entry.tags.join(" . "), entry.context.join(" . "));
    let texts = [&entry.name, &tags, &entry.summary, &context, &entry.description];
    for ((zone, _), text) in ZONES.iter().zip(texts) {
        let words = words(text);
        let folded: Vec<&str> = words.iter().map(|word| word.folded.as_str()).collect();
        // Each form once: to stem is what takes time.
        let forms: BTreeMap<&str, &Word> = words.iter().map(|word| (word.lower.as_str(), word)).collect();
        let stems: BTreeSet<String> = forms.into_values().flat_map(Word::stems).collect();
        document.add_text(field(zone)?, folded.join(" "));
        document
            .add_text(field(&format!("{zone}_stems"))?, stems.iter().map(String::as_str).collect::<Vec<_>>().join(" "));
    }
    for (facet, value) in &entry.facets {
        document.add_text(field(facet)?, value);
    }
    document.add_text(field("status")?, entry.status);
    if let Some(vendor) = &entry.vendor {
        document.add_text(field("vendor")?, vendor);
    }
    for (name, scores) in [("scores", &entry.scores), ("verified", &entry.verified)] {
        for (theme, score) in scores {
            document.add_text(field(name)?, at_theme(theme, *score));
        }
    }
    for (name, value) in [
        ("score", entry.score),
        ("rating", entry.rating),
        ("published_at", entry.published_at),
        ("updated_at", entry.updated_at),
    ] {
        document.add_i64(field(name)?, value);
    }
    document.add_u64(field("is_labelled")?, entry.is_labelled.into());
    document.add_u64(field("is_fresh")?, entry.is_fresh.into());
    document.add_u64(field("mark")?, entry.mark());
    Ok(document)
}

/// A key by which names are in order, and equal ones by id.
pub fn name_order(folded: &str, id: &str) -> String {
    format!("{folded}\u{0}{id}")
}

/// An open index with its one writer.
pub struct Opened {
    pub index: Index,
    pub reader: IndexReader,
    pub writer: IndexWriter,
    /// What the last commit left beside it; none in a new index.
    pub payload: Option<String>,
}

/// Opens the index in a folder, in memory without one.
///
/// # Errors
/// What is wrong with what is there.
pub fn open(folder: Option<Folder>) -> tantivy::Result<Opened> {
    let settings = IndexSettings {
        docstore_blocksize: STORED_TOGETHER,
        docstore_compress_dedicated_thread: false,
        ..IndexSettings::default()
    };
    let index = Index::builder().schema(schema()).settings(settings);
    let index = match folder {
        Some(folder) => index.open_or_create(folder)?,
        None => index.create_in_ram()?,
    };
    let payload = index.load_metas()?.payload;
    let writer = index.writer_with_num_threads(1, WRITER_MEMORY)?;
    writer.set_merge_policy(merge_policy());
    let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
    Ok(Opened { index, reader, writer, payload })
}

/// Of this much of a segment that was taken out, it is written anew.
const TAKEN_OUT: f32 = 0.3;

/// Which segments become one as solutions change.
pub fn merge_policy() -> Box<dyn MergePolicy> {
    let mut policy = LogMergePolicy::default();
    policy.set_del_docs_ratio_before_merge(TAKEN_OUT);
    Box::new(policy)
}

/// The term that names a solution.
pub fn term_of(fields: &Fields, id: &str) -> Term {
    Term::from_field_text(fields.id, id)
}
