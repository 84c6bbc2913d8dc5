//! How well a search finds what is meant, beside PostgreSQL's full text and
//! trigrams over the same records in the same run: `just relevance`, or
//! `just relevance SEED…` for other queries.
//!
//! The records are NDJSON files of catalogues in `$GOUVTECH_EXTRA_DATA`, else in
//! `../shared/data/solutions`; without any there is nothing to measure.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement that cannot go on fails, and prints what it found"
)]

#[allow(dead_code, reason = "the tests use all of it")]
#[path = "../tests/support/cluster.rs"]
mod cluster;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use diesel::sql_types::{Array, Integer, Text};
use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl};
use gouvtech_catalogue::db::journal::Head;
use gouvtech_catalogue::http::text::fold;
use gouvtech_catalogue::search::Shown;
use gouvtech_catalogue::search::analysis::{whole, words};
use gouvtech_catalogue::search::filter::Filter;
use gouvtech_catalogue::search::index::{self, Entry, Fields};
use gouvtech_catalogue::search::order::{By, Wanted};
use gouvtech_catalogue::search::parse::Asked;
use gouvtech_catalogue::search::question::{self, Question};
use serde::Deserialize;

/// Solutions drawn for each seed.
const DRAWN: usize = 300;
/// Answers looked at.
const ROWS: usize = 10;

#[derive(Debug, Deserialize)]
struct Record {
    name: String,
    #[serde(default)]
    summary: Option<String>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    language: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    repository: Option<String>,
    #[serde(default)]
    vendor: Option<Vendor>,
}

#[derive(Debug, Deserialize)]
struct Vendor {
    #[serde(default)]
    name: Option<String>,
}

/// A query, and the records that are a good answer to it.
struct Trial {
    class: &'static str,
    query: String,
    good: Vec<usize>,
}

fn main() {
    let folder = std::env::var_os("GOUVTECH_EXTRA_DATA")
        .map_or_else(|| PathBuf::from("../shared/data/solutions"), PathBuf::from);
    let records = read(&folder);
    if records.is_empty() {
        println!("\n=== NOTHING MEASURED: no *.ndjson in {} (set GOUVTECH_EXTRA_DATA) ===\n", folder.display());
        return;
    }
    let seeds: Vec<u64> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let seeds = if seeds.is_empty() { vec![11, 12] } else { seeds };
    let trials: Vec<Trial> = seeds.iter().flat_map(|seed| draw(&records, *seed)).chain(topics(&records)).collect();
    println!("{} records, {} queries, seeds {seeds:?}", records.len(), trials.len());
    let ours = Ours::new(&records);
    report("this catalogue", &trials, |query| ours.find(query));
    match cluster::find() {
        cluster::Found::Cluster(cluster) => {
            let mut postgres = Postgres::new(cluster.url(), &records);
            report("PostgreSQL full text and trigrams", &trials, |query| postgres.find(query));
        }
        cluster::Found::Given(url) => {
            let mut postgres = Postgres::new(&url, &records);
            report("PostgreSQL full text and trigrams", &trials, |query| postgres.find(query));
        }
        cluster::Found::Nothing(why) => println!("\n=== POSTGRESQL IS NOT BESIDE IT: {why} ===\n"),
    }
}

fn read(folder: &std::path::Path) -> Vec<Record> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|file| file.path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "ndjson"))
        .collect();
    files.sort();
    let texts = files.iter().map(|path| std::fs::read_to_string(path).expect("a readable file"));
    texts
        .flat_map(|text| text.lines().map(|line| serde_json::from_str(line).expect("a record")).collect::<Vec<_>>())
        .collect()
}

fn report(system: &str, trials: &[Trial], mut find: impl FnMut(&str) -> Vec<usize>) {
    let mut classes: BTreeMap<&str, (f64, f64, f64)> = BTreeMap::new();
    let mut times = Vec::new();
    for trial in trials {
        let began = Instant::now();
        let found = find(&trial.query);
        times.push(began.elapsed());
        let rank = found.iter().position(|row| trial.good.contains(row));
        let class = classes.entry(trial.class).or_default();
        class.0 += 1.0;
        class.1 += f64::from(u8::from(rank.is_some_and(|rank| rank < 5)));
        #[expect(clippy::cast_precision_loss, reason = "a rank below ten")]
        let reciprocal = rank.map_or(0.0, |rank| 1.0 / (rank as f64 + 1.0));
        class.2 += reciprocal;
    }
    times.sort();
    let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default();
    println!("\n{system} (a query: median {:.2} ms, p99 {:.2} ms)", ms(at(50)), ms(at(99)));
    println!("{:<26}{:>8}{:>12}{:>10}", "class", "queries", "success@5", "MRR@10");
    for (class, (count, good, reciprocal)) in classes {
        println!("{class:<26}{count:>8}{:>12.3}{:>10.3}", good / count, reciprocal / count);
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// The index of this program, filled as the server fills it.
struct Ours {
    shown: Shown,
    fields: Fields,
}

impl Ours {
    fn new(records: &[Record]) -> Self {
        let began = Instant::now();
        let mut opened = index::open(None).expect("an index");
        let schema = opened.index.schema();
        for (number, record) in records.iter().enumerate() {
            let entry = Entry {
                id: format!("{number:08}"),
                slug: format!("record-{number}"),
                name: record.name.trim().to_owned(),
                summary: record.summary.clone().unwrap_or_default(),
                description: record.description.clone().unwrap_or_default(),
                tags: record.tags.clone(),
                context: record.vendor.iter().filter_map(|vendor| vendor.name.clone()).collect(),
                addresses: record.repository.iter().cloned().collect(),
                status: "published",
                score: -1,
                rating: -1,
                is_fresh: true,
                ..Entry::default()
            };
            opened.writer.add_document(index::document(&schema, &entry).expect("a document")).expect("added");
        }
        opened.writer.commit().expect("committed");
        opened.reader.reload().expect("reloaded");
        println!("indexed in {:.0} ms", ms(began.elapsed()));
        Self {
            fields: Fields::of(&schema).expect("fields"),
            shown: Shown::of(opened.reader.searcher(), Head::default(), None),
        }
    }

    fn find(&self, query: &str) -> Vec<usize> {
        let wanted = Wanted { by: By::Rank, is_descending: false, after: None, rows: ROWS };
        let asked = Asked::new(query);
        let question = Question { asked, filter: Filter::default(), wanted, facets: Vec::new() };
        let answer = question::answer(&self.shown, &self.fields, &question).expect("an answer");
        answer.rows.iter().filter_map(|row| row.place.text.split_once('\0')?.1.parse().ok()).collect()
    }
}

/// What a team would write over PostgreSQL: full text in both languages, without
/// accents, the name weighing most, beside trigrams of the name.
struct Postgres(PgConnection);

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Integer)]
    number: i32,
}

impl Postgres {
    fn new(url: &str, records: &[Record]) -> Self {
        let mut connection = PgConnection::establish(url).expect("a connection");
        for statement in [
            "CREATE EXTENSION IF NOT EXISTS pg_trgm",
            "DROP TABLE IF EXISTS relevance",
            "CREATE TABLE relevance (number int, name text, vector tsvector)",
        ] {
            diesel::sql_query(statement).execute(&mut connection).expect(statement);
        }
        let insert = "INSERT INTO relevance SELECT number, name, setweight(to_tsvector('french', name), 'A') \
             || setweight(to_tsvector('english', name), 'A') || setweight(to_tsvector('french', summary), 'B') \
             || setweight(to_tsvector('english', summary), 'B') || setweight(to_tsvector('french', description), 'C') \
             || setweight(to_tsvector('english', description), 'C') \
             FROM unnest($1, $2, $3, $4) AS r(number, name, summary, description)";
        let numbered: Vec<(i32, &Record)> = (0..).zip(records).collect();
        for part in numbered.chunks(500) {
            let texts = |text: fn(&Record) -> &str| part.iter().map(|(_, one)| fold(text(one))).collect::<Vec<_>>();
            diesel::sql_query(insert)
                .bind::<Array<Integer>, _>(part.iter().map(|(number, _)| *number).collect::<Vec<_>>())
                .bind::<Array<Text>, _>(texts(|one| &one.name))
                .bind::<Array<Text>, _>(texts(|one| one.summary.as_deref().unwrap_or_default()))
                .bind::<Array<Text>, _>(texts(|one| one.description.as_deref().unwrap_or_default()))
                .execute(&mut connection)
                .expect("inserted");
        }
        for statement in [
            "CREATE INDEX ON relevance USING gin (vector)",
            "CREATE INDEX ON relevance USING gin (name gin_trgm_ops)",
            "ANALYZE relevance",
        ] {
            diesel::sql_query(statement).execute(&mut connection).expect(statement);
        }
        Self(connection)
    }

    fn find(&mut self, query: &str) -> Vec<usize> {
        let sql = "WITH q AS (SELECT plainto_tsquery('french', $1) || plainto_tsquery('english', $1) AS words) \
             SELECT number FROM relevance, q WHERE vector @@ words OR name % $1 OR name ILIKE $1 || '%' \
             ORDER BY ts_rank(vector, words) + similarity(name, $1) + word_similarity($1, name) DESC, number LIMIT $2";
        let limit = i32::try_from(ROWS).expect("few");
        let rows: Vec<Row> = diesel::sql_query(sql)
            .bind::<Text, _>(fold(query))
            .bind::<Integer, _>(limit)
            .load(&mut self.0)
            .expect("an answer");
        rows.into_iter().filter_map(|row| usize::try_from(row.number).ok()).collect()
    }
}

/// Pseudo-random numbers that are the same everywhere (xorshift64).
struct Draw(u64);

impl Draw {
    fn new(seed: u64) -> Self {
        let mut draw = Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        for _ in 0..10 {
            draw.next();
        }
        draw
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("below a usize")
    }

    fn letter(&mut self) -> char {
        char::from(b'a' + u8::try_from(self.below(26)).expect("a letter"))
    }
}

/// Queries for records drawn at random, by what is known of each.
fn draw(records: &[Record], seed: u64) -> Vec<Trial> {
    let mut draw = Draw::new(seed);
    let mut namesakes: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (number, record) in records.iter().enumerate() {
        namesakes.entry(whole(&record.name)).or_default().push(number);
    }
    let mut trials = Vec::new();
    for _ in 0..DRAWN {
        let number = draw.below(records.len());
        let record = &records[number];
        let name = record.name.trim().to_owned();
        let good = &namesakes[&whole(&name)];
        let mut add = |class, query: String, good: &[usize]| trials.push(Trial { class, query, good: good.to_vec() });
        add("1 name", name.clone(), good);
        if name.chars().count() >= 4 {
            add("2 name, one typo", misspelt(&name, &mut draw), good);
        }
        add("3 capitals, no accents", fold(&name).to_uppercase(), good);
        if let Some(query) = unfinished(&name, &mut draw) {
            add("4 unfinished last word", query, good);
        }
        if let Some(query) = described(record, &mut draw) {
            add("5 words of description", query, &[number]);
        }
    }
    trials
}

fn misspelt(name: &str, draw: &mut Draw) -> String {
    let mut letters: Vec<char> = name.chars().collect();
    let places: Vec<usize> = (0..letters.len()).filter(|at| letters[*at].is_alphabetic()).collect();
    if places.is_empty() {
        return name.to_owned();
    }
    let at = places[draw.below(places.len())];
    match draw.below(4) {
        0 => {
            letters.remove(at);
        }
        1 => letters.insert(at, draw.letter()),
        2 => letters[at] = draw.letter(),
        _ if at + 1 < letters.len() => letters.swap(at, at + 1),
        _ => {
            letters.remove(at);
        }
    }
    letters.into_iter().collect()
}

/// The name with its last word cut to about two thirds.
fn unfinished(name: &str, draw: &mut Draw) -> Option<String> {
    let mut words: Vec<&str> = name.split_whitespace().collect();
    let last = words.pop()?;
    let length = last.chars().count();
    if length < 4 {
        return None;
    }
    let kept = (length * 6 / 10 + draw.below(2)).max(3).min(length - 1);
    let cut: String = last.chars().take(kept).collect();
    words.push(&cut);
    Some(words.join(" "))
}

/// Three words of what is written about it, each in another inflection.
fn described(record: &Record, draw: &mut Draw) -> Option<String> {
    let text = format!(
        "{} {}",
        record.summary.as_deref().unwrap_or_default(),
        record.description.as_deref().unwrap_or_default()
    );
    let mut known: Vec<String> = words(&text)
        .into_iter()
        .filter(|word| !word.is_stop() && word.length() >= 5 && word.folded.chars().all(char::is_alphabetic))
        .map(|word| word.lower)
        .collect();
    known.sort();
    known.dedup();
    if known.len() < 6 {
        return None;
    }
    let is_french = record.language.as_deref() == Some("fr");
    let mut three = Vec::new();
    for _ in 0..3 {
        let word = known.remove(draw.below(known.len()));
        three.push(inflected(&word, is_french, draw));
    }
    Some(three.join(" "))
}

const FRENCH: [(&str, &[&str]); 10] = [
    ("aux", &["al", "ale"]),
    ("ée", &["é", "ées"]),
    ("és", &["é", "ées"]),
    ("é", &["ée", "és"]),
    ("er", &["é", "ent", "ez", "ant"]),
    ("tion", &["tions"]),
    ("s", &[""]),
    ("ent", &["er"]),
    ("e", &["es"]),
    ("", &["s"]),
];
const ENGLISH: [(&str, &[&str]); 9] = [
    ("ies", &["y"]),
    ("ing", &["ed", "s"]),
    ("ed", &["ing", "s"]),
    ("tion", &["tions"]),
    ("es", &["e"]),
    ("s", &[""]),
    ("e", &["es", "ing"]),
    ("y", &["ies"]),
    ("", &["s", "ing"]),
];

/// The word with another ending, by rules that stemmers do not share.
fn inflected(word: &str, is_french: bool, draw: &mut Draw) -> String {
    let rules: &[(&str, &[&str])] = if is_french { &FRENCH } else { &ENGLISH };
    let found = rules.iter().find_map(|(ending, others)| Some((word.strip_suffix(ending)?, others)));
    found.map_or_else(|| word.to_owned(), |(stem, others)| format!("{stem}{}", others[draw.below(others.len())]))
}

/// Queries about a subject, with the names of good answers.
fn topics(records: &[Record]) -> Vec<Trial> {
    #[derive(Deserialize)]
    struct Topic {
        query: String,
        answers: Vec<String>,
    }
    let topics: Vec<Topic> = serde_json::from_str(include_str!("topics.json")).expect("topics");
    let trial = |topic: Topic| {
        let names: Vec<String> = topic.answers.iter().map(|name| whole(name)).collect();
        let good: Vec<usize> =
            records.iter().enumerate().filter(|(_, one)| names.contains(&whole(&one.name))).map(|(at, _)| at).collect();
        (!good.is_empty()).then_some(Trial { class: "6 topics", query: topic.query, good })
    };
    topics.into_iter().filter_map(trial).collect()
}
