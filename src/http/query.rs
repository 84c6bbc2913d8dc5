//! Query strings: unknown parameters are refused, a repeated one is a list,
//! every fault is named.

use std::future::{Ready, ready};
use std::ops::Deref;

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::contract::{Contract, as_parameters, unknown_parameter};
use crate::app::App;
use crate::error::{Error, Fault, Result};
use crate::text;

/// Parameters any reading operation understands; the reply sees to them.
pub const SHARED: &[&str] = &["fields"];

/// Lists in one parameter, separated by commas; any other list is a repeated parameter.
const COMMA_SEPARATED: &[&str] = &["evaluations", "facets", "include", "labels", "solutions", "weights"];

/// The parameters of schema `T`.
#[derive(Debug, Clone)]
pub struct Query<T> {
    pub given: T,
    /// The query as given, in a canonical order: a cursor is bound to it.
    pub canonical: String,
}

impl<T> Deref for Query<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.given
    }
}

impl<T: ToSchema + DeserializeOwned> FromRequest for Query<T> {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(App::of(request).and_then(|app| read(&app.contract, request.query_string())))
    }
}

/// The pairs of a query string (application/x-www-form-urlencoded).
pub fn pairs(query: &str) -> impl Iterator<Item = (String, String)> + '_ {
    url::form_urlencoded::parse(query.as_bytes()).map(|(name, value)| (name.into_owned(), value.into_owned()))
}

pub(crate) fn read<T: ToSchema + DeserializeOwned>(contract: &Contract, query: &str) -> Result<Query<T>> {
    let name = T::name();
    let schema = contract.query_schema::<T>();
    let members = schema
        .get("properties")
        .and_then(Value::as_object)
        .ok_or_else(|| Error::Internal(format!("{name} has no properties")))?;
    let mut object = Map::new();
    let mut faults = Vec::new();
    let mut canonical: Vec<(String, String)> = Vec::new();
    for (parameter, text) in pairs(query) {
        if SHARED.contains(&parameter.as_str()) {
            continue;
        }
        if parameter != "cursor" && parameter != "limit" {
            canonical.push((parameter.clone(), text.clone()));
        }
        let Some(schema) = members.get(&parameter) else {
            faults.push(unknown_parameter(parameter));
            continue;
        };
        if types(schema).any(|kind| kind == "array") {
            let item = schema.get("items").unwrap_or(&Value::Null);
            // These are one comma-separated list each, empty as `include=`; any other list is a repeated parameter.
            let texts: Vec<&str> = match COMMA_SEPARATED.contains(&parameter.as_str()) {
                true if text.is_empty() => Vec::new(),
                true => text.split(',').collect(),
                false => vec![&text],
            };
            let list = object.entry(parameter.clone()).or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(list) = list {
                list.extend(texts.into_iter().map(|text| coerce(item, text)));
            }
        } else if object.insert(parameter.clone(), coerce(schema, &text)).is_some() {
            faults.push(Fault::parameter(
                parameter.clone(),
                "repeated_parameter",
                text!("« {parameter} » ne peut figurer qu’une fois.", "`{parameter}` may appear only once."),
            ));
        }
    }
    let object = Value::Object(object);
    let verdict = contract.check_with(&name, &schema, &object)?;
    faults.extend(as_parameters(verdict.malformed));
    faults.extend(as_parameters(verdict.invalid));
    if !faults.is_empty() {
        return Err(Error::malformed(faults));
    }
    let given = serde_json::from_value(object).map_err(|error| Error::Internal(format!("{name}: {error}")))?;
    canonical.sort();
    // Escaped: a value that holds `&` must not read as two parameters.
    let canonical = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&canonical).finish();
    Ok(Query { given, canonical })
}

fn types(schema: &Value) -> impl Iterator<Item = &str> {
    let kind = schema.get("type");
    let one = kind.and_then(Value::as_str);
    let many = kind.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    one.into_iter().chain(many.iter().filter_map(Value::as_str))
}

/// Text as the JSON type its schema wants; what cannot be is left for the check to refuse.
fn coerce(schema: &Value, text: &str) -> Value {
    let choices = schema.get("anyOf").and_then(Value::as_array).into_iter().flatten();
    if let Some(value) = choices.map(|choice| coerce(choice, text)).find(|value| !value.is_string()) {
        return value;
    }
    for kind in types(schema) {
        match kind {
            "integer" => {
                if let Ok(number) = text.parse::<i64>() {
                    return number.into();
                }
            }
            "number" => {
                if let Some(number) = text.parse::<f64>().ok().and_then(serde_json::Number::from_f64) {
                    return number.into();
                }
            }
            "boolean" => match text {
                "true" => return true.into(),
                "false" => return false.into(),
                _ => {}
            },
            _ => {}
        }
    }
    Value::String(text.to_owned())
}

/// The schema of a query struct with its references resolved: parameters are
/// described in place.
pub fn schema_of<T: ToSchema>() -> Value {
    let mut parts = Vec::new();
    T::schemas(&mut parts);
    let parts: Map<String, Value> =
        parts.into_iter().filter_map(|(name, schema)| Some((name, serde_json::to_value(schema).ok()?))).collect();
    let mut schema = serde_json::to_value(T::schema()).unwrap_or(Value::Null);
    resolve(&mut schema, &parts);
    crate::openapi::bound(&mut schema);
    schema
}

fn resolve(schema: &mut Value, parts: &Map<String, Value>) {
    let part =
        schema.get("$ref").and_then(Value::as_str).and_then(|r| r.rsplit('/').next()).and_then(|name| parts.get(name));
    if let Some(part) = part {
        *schema = part.clone();
    }
    // A parameter is given or not; it is never null.
    if let Some(choice) = schema.get("oneOf").and_then(Value::as_array) {
        let real = choice.iter().find(|one| one.get("type").and_then(Value::as_str) != Some("null")).cloned();
        let description = schema.get("description").cloned();
        if let Some(mut real) = real {
            resolve(&mut real, parts);
            if let (Some(real), Some(description)) = (real.as_object_mut(), description) {
                real.insert("description".to_owned(), description);
            }
            *schema = real;
        }
    }
    if let Some(kinds) = schema.get("type").and_then(Value::as_array) {
        let real: Vec<&Value> = kinds.iter().filter(|kind| kind.as_str() != Some("null")).collect();
        if let [one] = real.as_slice() {
            let one = (*one).clone();
            if let Some(schema) = schema.as_object_mut() {
                schema.insert("type".to_owned(), one);
            }
        }
    }
    match schema {
        Value::Object(members) => members.values_mut().for_each(|member| resolve(member, parts)),
        Value::Array(items) => items.iter_mut().for_each(|item| resolve(item, parts)),
        _ => {}
    }
}

/// The parameters of the document, from the same schema that checks them.
pub fn parameters_of<T: ToSchema>() -> Vec<utoipa::openapi::path::Parameter> {
    let schema = schema_of::<T>();
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let properties = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    properties
        .into_iter()
        .filter_map(|(name, mut schema)| {
            let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
            let mut parameter = serde_json::json!({
                "name": name, "in": "query", "required": required.contains(&name.as_str()), "schema": schema,
            });
            if let Some(parameter) = parameter.as_object_mut() {
                parameter.extend(description.map(|text| ("description".to_owned(), text)));
                if COMMA_SEPARATED.contains(&name.as_str()) {
                    parameter.insert("style".to_owned(), "form".into());
                    parameter.insert("explode".to_owned(), false.into());
                }
            }
            serde_json::from_value(parameter).ok()
        })
        .collect()
}

/// Makes a struct the description of a query string.
#[macro_export]
macro_rules! query_parameters {
    ($($name:ty),+ $(,)?) => {$(
        impl utoipa::IntoParams for $name {
            fn into_params(
                _: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
            ) -> Vec<utoipa::openapi::path::Parameter> {
                $crate::http::query::parameters_of::<$name>()
            }
        }
    )+};
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::solutions::view::SolutionFilter;

    #[test]
    fn two_queries_that_ask_differently_have_two_canonical_forms() {
        let contract = Contract::new(crate::openapi::document()).expect("a document");
        let canonical = |query: &str| read::<SolutionFilter>(&contract, query).expect(query).canonical;
        assert_ne!(canonical("q=a%26status%3Dpublished"), canonical("q=a&status=published"));
        assert_ne!(canonical("q=a%3Db"), canonical("q=a=b&status=published"));
        assert_eq!(canonical("status=published&q=%C3%A9&limit=5&fields=id"), canonical("q=é&status=published"));
    }

    /// Parts of queries, right ones and others.
    fn any_query() -> impl Strategy<Value = Vec<u8>> {
        let names = prop::sample::select(vec![
            "q", "status", "family", "licence", "sort", "limit", "cursor", "include", "view", "fields", "kind", "x", "",
        ]);
        let values = prop::sample::select(vec![
            "a",
            "published",
            "name",
            "-name",
            "5",
            "%2B5",
            "0",
            "1e3",
            "true",
            "vendor,labels",
            "",
            "%26",
            "%3D",
            "+",
            "%00",
            "%ff",
            "%",
            "é",
            "&",
            "=",
        ]);
        let pair = (names, prop_oneof![values.prop_map(ToOwned::to_owned), "\\PC{0,4}".boxed()])
            .prop_map(|(name, value)| format!("{name}={value}"));
        (any::<u8>(), prop::collection::vec(pair, 0..5))
            .prop_map(|(which, pairs)| [&[which], pairs.join("&").as_bytes()].concat())
    }

    proptest! {
        #[test]
        fn what_is_accepted_means_the_same_in_canonical_form(query in any_query()) {
            crate::fuzzing::query(&query);
        }
    }
}
