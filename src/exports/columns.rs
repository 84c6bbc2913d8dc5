//! Columns of a CSV export: the members of the view, what names a row first and
//! the others by name, those of an embedded object as `object.member`.

use std::borrow::Cow;

use serde_json::Value;

use super::view::ADDED;
use crate::error::Result;
use crate::http::contract::Contract;
use crate::http::csv;

/// What names a row.
const FIRST: [&str; 5] = ["id", "slug", "number", "name", "status"];

/// A member, or a member of a member.
struct Column {
    member: String,
    inner: Option<String>,
}

/// The columns of one kind of export.
pub struct Columns(Vec<Column>);

impl Columns {
    /// As the document describes the view.
    pub fn of(contract: &Contract, view: &str) -> Self {
        let mut all = Vec::new();
        for (member, schema) in properties(contract.schema(view)) {
            match embedded(contract, schema) {
                Some(inner) => {
                    all.extend(inner.map(|(inner, _)| Column { member: member.clone(), inner: Some(inner.clone()) }))
                }
                None if member != "embedded" => all.push(Column { member: member.clone(), inner: None }),
                None => {}
            }
        }
        all.extend(ADDED.map(|member| Column { member: member.to_owned(), inner: None }));
        all.retain(|column| column.member != "embedded");
        all.sort_by_key(|column| FIRST.iter().position(|first| *first == column.member).unwrap_or(FIRST.len()));
        Self(all)
    }

    pub fn header(&self, to: &mut Vec<u8>) -> Result<()> {
        let names = self.0.iter().map(|column| match &column.inner {
            Some(inner) => format!("{}.{inner}", column.member),
            None => column.member.clone(),
        });
        let mut writer = csv::writer(to);
        writer.write_record(names)?;
        writer.flush().map_err(::csv::Error::from)?;
        Ok(())
    }

    /// One row; a member it has not is an empty cell.
    pub fn write(&self, to: &mut Vec<u8>, row: &Value) -> Result<()> {
        let cells = self.0.iter().map(|column| {
            let value = row.get(&column.member);
            let value = match &column.inner {
                Some(inner) => value.and_then(|value| value.get(inner)),
                None => value,
            };
            value.map_or(Cow::Borrowed(""), csv::cell)
        });
        let mut writer = csv::writer(to);
        writer.write_record(cells.map(|cell| cell.into_owned()))?;
        writer.flush().map_err(::csv::Error::from)?;
        Ok(())
    }
}

fn properties(schema: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    schema.and_then(|schema| schema.get("properties")).and_then(Value::as_object).into_iter().flatten()
}

/// The members of a member that is one object, null or not.
fn embedded<'a>(contract: &'a Contract, schema: &'a Value) -> Option<impl Iterator<Item = (&'a String, &'a Value)>> {
    let branches = schema.get("oneOf").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let reference = branches.iter().chain([schema]).find_map(|branch| branch.get("$ref")?.as_str())?;
    let inner = contract.schema(reference.rsplit('/').next()?)?;
    inner.get("properties")?;
    Some(properties(Some(inner)))
}
