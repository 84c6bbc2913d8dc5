//! Records out of a file, one at a time: a line of NDJSON, a row of CSV.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Map, Value};

use super::report::{Flaw, Place};
use crate::error::{Error, Place as At, Result};

/// Longest record, in bytes.
pub const MAX_RECORD: usize = 1 << 20;

/// The mark that some programs put before UTF-8.
const BOM: &[u8] = b"\xEF\xBB\xBF";

/// Deepest nesting of a JSON record.
const MAX_DEPTH: usize = 32;

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Ndjson,
    /// RFC 4180 with a header, separated by commas, UTF-8.
    Csv,
}

impl Format {
    /// By the ending of the name; NDJSON unless it says CSV.
    pub fn of(path: &Path) -> Self {
        let is_csv = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
        if is_csv { Self::Csv } else { Self::Ndjson }
    }
}

/// A file to import, or standard input.
#[derive(Debug)]
pub struct Input {
    path: PathBuf,
    format: Format,
    was_read: AtomicBool,
}

/// The members of a record as they were read; of a row, all are text.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Raw {
    pub members: Map<String, Value>,
    pub is_row: bool,
}

impl Input {
    /// `-` is standard input.
    ///
    /// # Errors
    /// The system's words when the file cannot be read.
    pub fn new(path: &Path, format: Option<Format>) -> std::result::Result<Self, String> {
        let input = Self {
            path: path.to_owned(),
            format: format.unwrap_or_else(|| Format::of(path)),
            was_read: AtomicBool::new(false),
        };
        if !input.is_stdin() {
            let file = std::fs::File::open(path).and_then(|file| file.metadata());
            let file = file.map_err(|e| format!("{}: {e}", path.display()))?;
            if file.is_dir() {
                return Err(format!("{}: is a folder", path.display()));
            }
        }
        Ok(input)
    }

    fn is_stdin(&self) -> bool {
        self.path.as_os_str() == "-"
    }

    /// Bytes, where that is known.
    pub fn size(&self) -> Option<u64> {
        std::fs::metadata(&self.path).ok().filter(|_| !self.is_stdin()).map(|file| file.len())
    }

    fn open(&self) -> Result<Box<dyn BufRead>> {
        if !self.is_stdin() {
            let file = std::fs::File::open(&self.path);
            let file = file.map_err(|e| Error::Internal(format!("{}: {e}", self.path.display())))?;
            return Ok(Box::new(BufReader::with_capacity(1 << 16, file)));
        }
        // A transaction that lost a race starts again from the first line.
        if self.was_read.swap(true, Ordering::Relaxed) {
            return Err(Error::Internal("standard input cannot be read twice; import a file".to_owned()));
        }
        Ok(Box::new(BufReader::new(std::io::stdin())))
    }

    /// Hands over each record, or what is wrong with it. `progress` hears of bytes read.
    pub fn each(
        &self,
        required: &[&str],
        progress: &dyn Fn(u64),
        mut take: impl FnMut(Place, std::result::Result<Raw, Flaw>) -> Result<()>,
    ) -> Result<()> {
        let file: Arc<str> = self.path.to_string_lossy().into();
        records(self.open()?, self.format, &file, required, progress, &mut take)
    }
}

/// What takes a record, or what is wrong with it.
type Take<'a> = &'a mut dyn FnMut(Place, std::result::Result<Raw, Flaw>) -> Result<()>;

/// [`Input::each`] of any bytes.
pub(crate) fn records(
    input: Box<dyn BufRead + '_>,
    format: Format,
    file: &Arc<str>,
    required: &[&str],
    progress: &dyn Fn(u64),
    take: Take<'_>,
) -> Result<()> {
    let mut lines = Lines { input, number: 0, progress };
    let mut header: Option<Vec<String>> = None;
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let line = lines.number + 1;
        let place = |line| Place { file: Arc::clone(file), line };
        let fit = match format {
            Format::Ndjson => lines.line(&mut bytes),
            Format::Csv => lines.rows(&mut bytes),
        };
        match fit {
            Err(error) => return take(place(line), Err(Flaw::whole(format!("cannot be read on: {error}")))),
            Ok(Fit::End) => return Ok(()),
            Ok(Fit::TooLong) => {
                let last = lines.number;
                take(place(line), Err(Flaw::whole(format!("longer than 1 MiB; skipped to the end of line {last}"))))?;
                continue;
            }
            Ok(Fit::Whole) => {}
        }
        let text = if line == 1 { bytes.strip_prefix(BOM).unwrap_or(&bytes) } else { &bytes };
        if format == Format::Ndjson {
            if !text.trim_ascii().is_empty() {
                take(place(line), object(text))?;
            }
            continue;
        }
        // The reader takes one such mark away, and there it belongs to the first cell.
        let marked = text.starts_with(BOM).then(|| [BOM, text].concat());
        let text = marked.as_deref().unwrap_or(text);
        let mut rows = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(text.len().max(1))
            .from_reader(text);
        let mut row = csv::ByteRecord::new();
        loop {
            match rows.read_byte_record(&mut row) {
                Ok(false) => break,
                Ok(true) => {}
                Err(error) => {
                    take(place(line), Err(Flaw::whole(error.to_string())))?;
                    break;
                }
            }
            let at = place(line + row.position().map_or(1, csv::Position::line).saturating_sub(1));
            match &header {
                Some(header) => take(at, members(header, &row))?,
                None => match columns(&row, required) {
                    Ok(names) => header = Some(names),
                    Err(flaw) => return take(at, Err(flaw)),
                },
            }
        }
    }
}

enum Fit {
    Whole,
    TooLong,
    End,
}

struct Lines<'a> {
    input: Box<dyn BufRead + 'a>,
    number: u64,
    progress: &'a dyn Fn(u64),
}

impl Lines<'_> {
    /// Appends one line with its end; of one too long, the rest is passed over.
    fn line(&mut self, into: &mut Vec<u8>) -> std::io::Result<Fit> {
        let room = (MAX_RECORD + 1).saturating_sub(into.len());
        let read = self.input.by_ref().take(room as u64).read_until(b'\n', into)?;
        (self.progress)(read as u64);
        if read == 0 {
            return Ok(Fit::End);
        }
        self.number += 1;
        if into.len() <= MAX_RECORD {
            return Ok(Fit::Whole);
        }
        if !into.ends_with(b"\n") {
            self.pass_over()?;
        }
        Ok(Fit::TooLong)
    }

    /// Appends the lines of a row; the quotes of a whole row come in pairs.
    fn rows(&mut self, into: &mut Vec<u8>) -> std::io::Result<Fit> {
        let mut fit = self.line(into)?;
        let mut counted = 0;
        let mut is_open = false;
        while matches!(fit, Fit::Whole) {
            let fresh = into.get(counted..).unwrap_or_default();
            is_open ^= fresh.iter().filter(|byte| **byte == b'"').count() % 2 == 1;
            counted = into.len();
            if !is_open {
                break;
            }
            fit = self.line(into)?;
            if matches!(fit, Fit::End) {
                // The file ends within quotes: what there is of the row will show it.
                return Ok(Fit::Whole);
            }
        }
        Ok(fit)
    }

    fn pass_over(&mut self) -> std::io::Result<()> {
        loop {
            let buffer = self.input.fill_buf()?;
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let passed = end.map_or(buffer.len(), |at| at + 1);
            self.input.consume(passed);
            (self.progress)(passed as u64);
            if end.is_some() || passed == 0 {
                return Ok(());
            }
        }
    }
}

fn object(text: &[u8]) -> std::result::Result<Raw, Flaw> {
    match crate::http::json::read(text, MAX_DEPTH) {
        Ok(Value::Object(members)) => Ok(Raw { members, is_row: false }),
        Ok(_) => Err(Flaw::whole("a record is a JSON object")),
        Err(fault) => {
            let (At::Body(field) | At::Parameter(field)) = fault.place;
            Err(Flaw::new(field.trim_start_matches('/'), fault.detail.en))
        }
    }
}

/// The names of the columns, which must be there and different.
fn columns(row: &csv::ByteRecord, required: &[&str]) -> std::result::Result<Vec<String>, Flaw> {
    let names: Vec<String> = row
        .iter()
        .map(|name| std::str::from_utf8(name).map(|name| name.trim().to_lowercase()))
        .collect::<std::result::Result<_, _>>()
        .map_err(|_| Flaw::whole("the header is not UTF-8"))?;
    if let Some(lacking) = required.iter().find(|name| !names.iter().any(|known| known == *name)) {
        return Err(Flaw::new(*lacking, "the header lacks this column; nothing of this file was read"));
    }
    let mut seen = BTreeSet::new();
    match names.iter().find(|name| !seen.insert(name.as_str())) {
        Some(twice) => Err(Flaw::new(twice, "the header names this column twice; nothing of this file was read")),
        None => Ok(names),
    }
}

/// A row under its header; an empty cell says nothing.
fn members(header: &[String], row: &csv::ByteRecord) -> std::result::Result<Raw, Flaw> {
    if row.len() != header.len() {
        return Err(Flaw::whole(format!("{} cells under {} columns", row.len(), header.len())));
    }
    let mut members = Map::new();
    for (name, cell) in header.iter().zip(row) {
        let cell = std::str::from_utf8(cell).map_err(|_| Flaw::new(name, "not UTF-8"))?;
        if !cell.trim().is_empty() {
            members.insert(name.clone(), Value::from(cell));
        }
    }
    Ok(Raw { members, is_row: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(format: Format, bytes: &[u8]) -> Vec<(u64, std::result::Result<Raw, Flaw>)> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x");
        std::fs::write(&path, bytes).expect("written");
        let mut all = Vec::new();
        let input = Input::new(&path, Some(format)).expect("an input");
        input
            .each(&["a"], &|_| (), |place, raw| {
                all.push((place.line, raw));
                Ok(())
            })
            .expect("read");
        all
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over_and_the_next_is_read() {
        let mut text = b"{\"a\":1}\n{\"a\":\"".to_vec();
        text.extend(std::iter::repeat_n(b'x', 3 * MAX_RECORD));
        text.extend(b"\"}\n\n{\"a\":2}");
        let read = read(Format::Ndjson, &text);
        assert_eq!(
            read.iter().map(|(line, raw)| (*line, raw.is_ok())).collect::<Vec<_>>(),
            [(1, true), (2, false), (4, true)]
        );
    }

    #[test]
    fn what_is_no_record_is_named_with_its_line() {
        let read = read(Format::Ndjson, b"\xEF\xBB\xBF{\"a\":1}\r\n[]\n{\"a\":1,\"a\":2}\n\xFF\n{");
        let flaws: Vec<(u64, String)> =
            read.into_iter().filter_map(|(line, raw)| Some((line, raw.err()?.field))).collect();
        assert_eq!(flaws, [(2, String::new()), (3, "a".to_owned()), (4, String::new()), (5, String::new())]);
    }

    #[test]
    fn a_quoted_cell_may_span_lines_and_a_stray_quote_takes_no_row_with_it() {
        let read = read(Format::Csv, b"a,b\n\"one\ntwo\",2\n5\" disk,x\nlast,y\nshort\n");
        let cells: Vec<(u64, Option<String>)> = read
            .into_iter()
            .map(|(line, raw)| (line, raw.ok().and_then(|raw| Some(raw.members.get("a")?.as_str()?.to_owned()))))
            .collect();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(cells, [(2, some("one\ntwo")), (4, some("5\" disk")), (5, some("last")), (6, None)]);
    }

    #[test]
    fn a_mark_is_taken_away_before_the_file_and_nowhere_else() {
        let read = read(Format::Csv, b"\xEF\xBB\xBFa\n\xEF\xBB\xBFx\n\xEF\xBB\xBF\n");
        let cells: Vec<Value> = read.into_iter().map(|(_, raw)| raw.expect("a row").members["a"].clone()).collect();
        assert_eq!(cells, ["\u{feff}x", "\u{feff}"]);
    }

    #[test]
    fn a_header_that_lacks_a_column_refuses_the_file() {
        let read = read(Format::Csv, b"b\n1\n2\n");
        assert_eq!((read.len(), read[0].1.as_ref().err().map(|flaw| flaw.field.as_str())), (1, Some("a")));
    }

    proptest::proptest! {
        #[test]
        fn what_is_read_is_what_stands_there(parts in proptest::collection::vec(proptest::sample::select(vec![
            "{", "}", "\"source_id\"", "\"name\"", "\"tags\"", ":", "\"a\"", "[", "]", "1", "null", "\n", "\r\n", "\r", "\"", "\"\"",
            ",", "source_id,name\n", "siren,name\n", "732829320", "x", "é", " ", "|", "\u{feff}",
        ]), 0..16), is_register in proptest::prelude::any::<bool>()) {
            let text = parts.concat();
            crate::fuzzing::import_ndjson(text.as_bytes());
            let header = if is_register { "\u{1}siren,name,population\n" } else { "\0source_id,name,tags\n" };
            crate::fuzzing::import_csv(format!("{header}{text}").as_bytes());
        }
    }
}
