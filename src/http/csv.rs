//! CSV for spreadsheets: RFC 4180 in UTF-8, and no cell that a spreadsheet runs.
//!
//! A cell that begins with one of `= + - @`, a tab or a carriage return would be
//! run as a formula: it gets one `'` before it. So does a cell that begins with
//! `'`, so that taking away one leading `'` gives back every cell. What is null
//! is an empty cell; a list or an object is in its cell as JSON.

use std::borrow::Cow;
use std::io::Write;

use csv::{QuoteStyle, Terminator, Writer, WriterBuilder};
use serde_json::Value;

use crate::error::{Error, Result};

/// The media type of what [`writer`] writes.
pub const MEDIA_TYPE: &str = "text/csv; charset=utf-8; header=present";

/// A writer of this dialect.
pub fn writer<W: Write>(to: W) -> Writer<W> {
    WriterBuilder::new().quote_style(QuoteStyle::Necessary).terminator(Terminator::CRLF).from_writer(to)
}

/// A text as a spreadsheet may have it.
pub fn safe(text: &str) -> Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\'']) {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// A value as a cell.
pub fn cell(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Null => Cow::Borrowed(""),
        Value::String(text) => safe(text),
        Value::Array(items) if items.is_empty() => Cow::Borrowed(""),
        // A number below zero is one to a spreadsheet, too.
        other => Cow::Owned(other.to_string()),
    }
}

impl From<csv::Error> for Error {
    fn from(error: csv::Error) -> Self {
        Self::Internal(format!("our own CSV: {error}"))
    }
}

/// Rows as one text, the first being the names of the columns.
pub fn text<'a>(rows: impl IntoIterator<Item = Vec<Cow<'a, str>>>) -> Result<Vec<u8>> {
    let mut writer = writer(Vec::new());
    for row in rows {
        writer.write_record(row.iter().map(|cell| cell.as_bytes()))?;
    }
    writer.into_inner().map_err(|error| Error::Internal(format!("our own CSV: {error}")))
}

#[cfg(test)]
mod tests {
    use super::safe;

    proptest::proptest! {
        #[test]
        fn no_cell_is_a_formula_and_every_cell_comes_back(text in "[=+@'\t\r-]{0,3}.{0,20}") {
            let written = safe(&text);
            proptest::prop_assert!(!written.starts_with(['=', '+', '-', '@', '\t', '\r']));
            proptest::prop_assert_eq!(written.strip_prefix('\'').unwrap_or(&written), text.as_str());
        }
    }
}
