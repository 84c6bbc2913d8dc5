//! Finds what a newer document of the API takes away from who relies on an older one.
//!
//! A request that was good must stay good: nothing newly required, nothing
//! narrower. An answer must keep its promises: no member gone, none newly
//! optional or null, no other type. Values added to an enumeration of an
//! answer, members added to it, and wider requests are additive.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

const METHODS: &[&str] = &["get", "post", "put", "patch", "delete"];
/// A request breaks when the bound is new or smaller.
const UPPER: &[&str] = &["maxLength", "maximum", "exclusiveMaximum", "maxItems", "maxProperties"];
/// A request breaks when the bound is new or larger.
const LOWER: &[&str] = &["minLength", "minimum", "exclusiveMinimum", "minItems", "minProperties"];
/// A request breaks when one of these is new or another.
const EXACT: &[&str] = &["pattern", "format", "multipleOf", "const"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Request,
    Answer,
}

/// Every breaking change, as `operation place: what`.
pub fn breaking_changes(old: &Value, new: &Value) -> BTreeSet<String> {
    let mut comparison = Comparison { old, new, found: BTreeSet::new(), open: Vec::new() };
    for (path, item) in members(&old["paths"]) {
        for method in METHODS.iter().filter(|method| item.get(**method).is_some()) {
            comparison.operation(&item[*method], &new["paths"][path][*method]);
        }
    }
    comparison.found
}

struct Comparison<'a> {
    old: &'a Value,
    new: &'a Value,
    found: BTreeSet<String>,
    /// Pairs of references under comparison: schemas may contain themselves.
    open: Vec<(String, String)>,
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn words(value: &Value) -> BTreeSet<&str> {
    items(value).filter_map(Value::as_str).collect()
}

fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    value["$ref"].as_str().and_then(|to| document.pointer(to.trim_start_matches('#'))).unwrap_or(value)
}

/// The types a schema allows; none named is all of them.
fn types(schema: &Value) -> BTreeSet<&str> {
    match &schema["type"] {
        Value::String(one) => BTreeSet::from([one.as_str()]),
        Value::Array(_) => words(&schema["type"]),
        _ if schema["properties"].is_object() => BTreeSet::from(["object"]),
        _ => BTreeSet::from(["null", "boolean", "number", "string", "array", "object"]),
    }
}

/// Whether each type of `some` is one of `all`.
fn covers(all: &BTreeSet<&str>, some: &BTreeSet<&str>) -> bool {
    some.iter().all(|kind| all.contains(kind) || (*kind == "integer" && all.contains("number")))
}

impl<'a> Comparison<'a> {
    fn operation(&mut self, old: &'a Value, new: &'a Value) {
        let id = old["operationId"].as_str().unwrap_or("?").to_owned();
        if !new.is_object() {
            self.note(&id, "", "the operation is gone");
            return;
        }
        if old["operationId"] != new["operationId"] {
            self.note(&id, "", "another operationId");
        }
        // Roles of one scheme: all who may call are all alternatives together.
        let ways = |operation: &Value| -> BTreeSet<String> {
            items(&operation["security"])
                .flat_map(|way| match way.get("bearer") {
                    Some(roles) if roles.as_array().is_some_and(|roles| !roles.is_empty()) => {
                        words(roles).into_iter().map(|role| format!("role {role}")).collect()
                    }
                    Some(_) => vec!["a token".to_owned()],
                    None => vec!["nobody in particular".to_owned()],
                })
                .collect()
        };
        for way in ways(old).difference(&ways(new)) {
            self.note(&id, "", &format!("{way} may no longer call it"));
        }
        self.parameters(&id, old, new);
        self.body(&id, &old["requestBody"], &new["requestBody"]);
        self.answers(&id, &old["responses"], &new["responses"]);
    }

    fn note(&mut self, operation: &str, place: &str, what: &str) {
        let place = if place.is_empty() { String::new() } else { format!(" {place}") };
        self.found.insert(format!("{operation}{place}: {what}"));
    }

    fn parameters(&mut self, id: &str, old: &'a Value, new: &'a Value) {
        let by_name = |document: &'a Value, operation: &'a Value| -> BTreeMap<(String, String), &'a Value> {
            items(&operation["parameters"])
                .map(|one| resolved(document, one))
                .map(|one| ((one["in"].to_string(), one["name"].as_str().unwrap_or("?").to_owned()), one))
                .collect()
        };
        let (before, after) = (by_name(self.old, old), by_name(self.new, new));
        for (key, parameter) in &before {
            let Some(now) = after.get(key) else {
                self.note(id, &format!("?{}", key.1), "the parameter is gone");
                continue;
            };
            if parameter["required"] != true && now["required"] == true {
                self.note(id, &format!("?{}", key.1), "the parameter is newly required");
            }
            for word in ["style", "explode"] {
                if parameter.get(word) != now.get(word) {
                    self.note(id, &format!("?{}", key.1), &format!("{word} is another"));
                }
            }
            self.schema(id, &format!("?{}", key.1), Direction::Request, &parameter["schema"], &now["schema"]);
        }
        for (key, _) in after.iter().filter(|(key, one)| one["required"] == true && !before.contains_key(*key)) {
            self.note(id, &format!("?{}", key.1), "a new parameter is required");
        }
    }

    fn body(&mut self, id: &str, old: &'a Value, new: &'a Value) {
        if new["required"] == true && old["required"] != true {
            self.note(id, "body", "a body is newly required");
        }
        for (media, content) in members(&old["content"]) {
            match new["content"].get(media) {
                None => self.note(id, &format!("body {media}"), "the media type is gone"),
                Some(now) => self.schema(id, "body", Direction::Request, &content["schema"], &now["schema"]),
            }
        }
    }

    fn answers(&mut self, id: &str, old: &'a Value, new: &'a Value) {
        for (status, answer) in members(old) {
            let success = status.starts_with('2') || status.starts_with('3');
            let (answer, now) = (resolved(self.old, answer), resolved(self.new, &new[status]));
            if !now.is_object() {
                // An error that no longer happens hurts nobody.
                if success {
                    self.note(id, status, "the answer is gone");
                }
                continue;
            }
            for (header, _) in members(&answer["headers"]).filter(|(header, _)| now["headers"].get(*header).is_none()) {
                self.note(id, status, &format!("the header {header} is gone"));
            }
            for (media, content) in members(&answer["content"]) {
                match now["content"].get(media) {
                    None => self.note(id, &format!("{status} {media}"), "the media type is gone"),
                    Some(now) => self.schema(id, status, Direction::Answer, &content["schema"], &now["schema"]),
                }
            }
        }
        for (status, _) in members(new).filter(|(status, _)| status.starts_with('2') && old.get(*status).is_none()) {
            self.note(id, status, "succeeds with another status");
        }
    }

    /// Compares alternative by alternative: what was possible in a request must still fit
    /// one, what is possible in an answer must have fitted one.
    fn schema(&mut self, id: &str, place: &str, direction: Direction, old: &'a Value, new: &'a Value) {
        let pair = (old["$ref"].to_string(), new["$ref"].to_string());
        let is_reference = old.get("$ref").is_some() || new.get("$ref").is_some();
        if is_reference {
            if self.open.contains(&pair) {
                return;
            }
            self.open.push(pair);
        }
        let (before, after) = (alternatives(self.old, old), alternatives(self.new, new));
        let (given, accepting) = match direction {
            Direction::Request => (&before, &after),
            Direction::Answer => (&after, &before),
        };
        for one in given {
            // The likeliest counterpart: of a fitting type, and with the fewest faults.
            let mut least: Option<((bool, usize), BTreeSet<String>)> = None;
            for other in accepting {
                let (was, is) = if direction == Direction::Request { (*one, *other) } else { (*other, *one) };
                let outside = std::mem::take(&mut self.found);
                let is_other = !self.plain(id, place, direction, was, is);
                let faults = std::mem::replace(&mut self.found, outside);
                let distance = (is_other, faults.len());
                if least.as_ref().is_none_or(|(known, _)| distance < *known) {
                    least = Some((distance, faults));
                }
            }
            self.found.extend(least.map(|(_, faults)| faults).unwrap_or_default());
        }
        if is_reference {
            self.open.pop();
        }
    }

    /// Two schemas without alternatives. Gives whether their types fit.
    fn plain(&mut self, id: &str, place: &str, direction: Direction, old: &'a Value, new: &'a Value) -> bool {
        let (before, after) = (types(old), types(new));
        let is_compatible = match direction {
            Direction::Request => covers(&after, &before),
            Direction::Answer => covers(&before, &after),
        };
        if !is_compatible {
            self.note(id, place, &format!("type {before:?} became {after:?}"));
            return false;
        }
        match direction {
            Direction::Request => self.narrowed(id, place, old, new),
            Direction::Answer => {
                for word in ["format", "const"] {
                    if old.get(word).is_some() && old.get(word) != new.get(word) {
                        self.note(id, place, &format!("{word} is another"));
                    }
                }
                if old.get("enum").is_some() && new.get("enum").is_none() && new.get("const").is_none() {
                    self.note(id, place, "values are no longer enumerated");
                }
            }
        }
        let (required, now_required) = (words(&old["required"]), words(&new["required"]));
        match direction {
            Direction::Request => {
                for name in now_required.difference(&required) {
                    self.note(id, &format!("{place}/{name}"), "the member is newly required");
                }
            }
            Direction::Answer => {
                for name in required.difference(&now_required).filter(|name| new["properties"].get(**name).is_some()) {
                    self.note(id, &format!("{place}/{name}"), "the member is no longer always there");
                }
            }
        }
        for (name, property) in members(&old["properties"]) {
            let place = format!("{place}/{name}");
            match new["properties"].get(name) {
                None => self.note(id, &place, "the member is gone"),
                Some(now) => self.schema(id, &place, direction, property, now),
            }
        }
        for word in ["items", "additionalProperties"] {
            if old[word].is_object() && new[word].is_object() {
                self.schema(id, &format!("{place}/{word}"), direction, &old[word], &new[word]);
            }
        }
        if direction == Direction::Request
            && old["additionalProperties"] != false
            && new["additionalProperties"] == false
        {
            self.note(id, place, "other members are no longer taken");
        }
        true
    }

    /// Bounds of a request that are new or tighter.
    fn narrowed(&mut self, id: &str, place: &str, old: &Value, new: &Value) {
        let number = |schema: &Value, word: &str| schema.get(word).and_then(Value::as_f64);
        // These say how long they are.
        let is_format = ["uuid", "date", "date-time"].iter().any(|one| old["format"] == *one && new["format"] == *one);
        for (bounds, sign) in [(UPPER, 1.0), (LOWER, -1.0)] {
            for word in bounds {
                let Some(now) = number(new, word) else { continue };
                if is_format && *word == "maxLength" {
                    continue;
                }
                if number(old, word).is_none_or(|was| was * sign > now * sign) {
                    self.note(id, place, &format!("{word} is new or tighter"));
                }
            }
        }
        for word in EXACT.iter().filter(|word| new.get(**word).is_some() && old.get(**word) != new.get(**word)) {
            self.note(id, place, &format!("{word} is new or another"));
        }
        if new["uniqueItems"] == true && old["uniqueItems"] != true {
            self.note(id, place, "uniqueItems is new");
        }
        if let Some(values) = new["enum"].as_array() {
            match old["enum"].as_array() {
                None => self.note(id, place, "values are newly enumerated"),
                Some(before) => {
                    for value in before.iter().filter(|value| !values.contains(value)) {
                        self.note(id, place, &format!("the value {value} is gone"));
                    }
                }
            }
        }
    }
}

/// The branches of a choice, each resolved; a schema without choice is one.
fn alternatives<'a>(document: &'a Value, schema: &'a Value) -> Vec<&'a Value> {
    let schema = resolved(document, schema);
    for word in ["oneOf", "anyOf"] {
        if let Some(branches) = schema[word].as_array() {
            return branches.iter().flat_map(|branch| alternatives(document, branch)).collect();
        }
    }
    vec![schema]
}
