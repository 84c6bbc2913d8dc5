//! The document: what is committed is what is served, complete, bounded, and
//! true of the routes.

use std::collections::BTreeSet;

use gouvtech_catalogue::app::endpoints;
use gouvtech_catalogue::http::route;

use crate::cases;
use crate::support::{App, Kind, Value};

cases![
    the_committed_document_is_what_the_program_prints,
    every_operation_is_described,
    every_parameter_and_member_is_described_and_bounded,
    request_bodies_are_closed,
    references_resolve_and_nothing_is_left_over,
    every_body_has_an_example_and_every_example_is_valid,
    routes_and_document_name_the_same,
];

/// The document does not depend on the database: looking once is enough.
fn document(app: &App) -> Option<&Value> {
    (app.kind == Kind::Sqlite).then(|| app.inner.contract.document())
}

fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    document["paths"].as_object().expect("paths").iter().flat_map(|(path, item)| {
        item.as_object()
            .expect("methods")
            .iter()
            .map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(reference) => {
            document.pointer(reference.trim_start_matches('#')).unwrap_or_else(|| panic!("no {reference}"))
        }
        None => value,
    }
}

fn report(faults: Vec<String>) {
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
}

fn the_committed_document_is_what_the_program_prints(app: &App) {
    let Some(document) = document(app) else { return };
    let printed = serde_json::to_string_pretty(document).expect("JSON");
    let committed =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/openapi.json")).unwrap_or_default();
    let first = printed.lines().zip(committed.lines()).find(|(printed, committed)| printed != committed);
    assert!(
        printed.trim_end() == committed.trim_end(),
        "openapi/openapi.json is not what the program prints; first difference: {first:?}\n\
         The cure: cargo run -- openapi > openapi/openapi.json"
    );
    assert_eq!(app.get("/openapi.json").expect(200).json(), *document, "served and printed differ");
}

fn every_operation_is_described(app: &App) {
    let Some(document) = document(app) else { return };
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1.")));
    let tags: BTreeSet<&str> =
        document["tags"].as_array().expect("tags").iter().map(|tag| tag["name"].as_str().expect("a name")).collect();
    let (mut ids, mut used, mut faults) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for (path, method, operation) in operations(document) {
        let id = operation["operationId"].as_str().unwrap_or_default();
        let mut want = |is_so: bool, what: &str| {
            if !is_so {
                faults.push(format!("{method} {path} ({id}): {what}"));
            }
        };
        want(!id.is_empty() && ids.insert(id), "no operationId of its own");
        let says = |name: &str| operation[name].as_str().is_some_and(|text| text.trim().len() > 2);
        want(says("summary"), "no summary: the first line of the handler's doc comment");
        want(says("description"), "no description: a second paragraph of the handler's doc comment");
        want(
            !says("summary") || !operation["summary"].as_str().unwrap_or_default().contains('\n'),
            "a summary of several lines",
        );
        let own = operation["tags"].as_array().map(Vec::as_slice).unwrap_or_default();
        want(
            own.len() == 1 && own.iter().all(|tag| tags.contains(tag.as_str().unwrap_or_default())),
            "not exactly one declared tag",
        );
        used.extend(own.iter().filter_map(Value::as_str));
        want(operation["security"].as_array().is_some_and(|all| !all.is_empty()), "no security");
        let responses = operation["responses"].as_object().expect("responses");
        want(responses.keys().any(|status| status.starts_with('2')), "no success");
        for (status, response) in responses {
            if status.starts_with('4') || status.starts_with('5') {
                let reference = response["$ref"].as_str().unwrap_or_default();
                want(reference.starts_with("#/components/responses/"), &format!("{status} is not a shared response"));
            } else {
                want(
                    response["description"].as_str().is_some_and(|text| text.len() > 2),
                    &format!("{status} is not described"),
                );
            }
        }
        want(responses.contains_key("500"), "does not say 500");
    }
    assert_eq!(used, tags, "a declared tag that nothing has");
    assert!(ids.len() > 100, "only {} operations", ids.len());
    report(faults);
}

/// Wants bounds of a schema and of all within it, without following references.
fn bounds(schema: &Value, place: &str, faults: &mut Vec<String>) {
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let has = |words: &[&str]| words.iter().any(|word| schema.get(word).is_some());
    if kinds.contains(&"string") && !has(&["maxLength", "enum", "format", "pattern", "const"]) {
        faults.push(format!("{place}: text of any length"));
    }
    if kinds.contains(&"array") && !(has(&["maxItems"]) && has(&["items"])) {
        faults.push(format!("{place}: a list of any length"));
    }
    if kinds.iter().any(|kind| matches!(*kind, "integer" | "number")) && !(has(&["minimum"]) && has(&["maximum"])) {
        faults.push(format!("{place}: a number of any size"));
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        if property["description"].as_str().is_none_or(|text| text.len() < 3) {
            faults.push(format!("{place}/{name}: no description"));
        }
        bounds(property, &format!("{place}/{name}"), faults);
    }
    for word in ["items", "additionalProperties"] {
        if schema[word].is_object() {
            bounds(&schema[word], &format!("{place}/{word}"), faults);
        }
    }
    for word in ["oneOf", "anyOf", "allOf"] {
        for (index, branch) in schema[word].as_array().into_iter().flatten().enumerate() {
            bounds(branch, &format!("{place}/{word}/{index}"), faults);
        }
    }
}

fn every_parameter_and_member_is_described_and_bounded(app: &App) {
    let Some(document) = document(app) else { return };
    let mut faults = Vec::new();
    for (name, schema) in document["components"]["schemas"].as_object().expect("schemas") {
        if schema["description"].as_str().is_none_or(|text| text.len() < 3) {
            faults.push(format!("{name}: no description"));
        }
        bounds(schema, name, &mut faults);
    }
    for (_, _, operation) in operations(document) {
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let place = format!("{}?{}", operation["operationId"], parameter["name"]);
            if parameter["description"].as_str().is_none_or(|text| text.len() < 3) {
                faults.push(format!("{place}: no description"));
            }
            bounds(&parameter["schema"], &place, &mut faults);
        }
    }
    for (name, header) in document["components"]["headers"].as_object().expect("headers") {
        bounds(&header["schema"], name, &mut faults);
    }
    report(faults);
}

fn open_objects(document: &Value, schema: &Value, place: &str, seen: &mut BTreeSet<String>, faults: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str()
        && !seen.insert(reference.to_owned())
    {
        return;
    }
    let schema = resolved(document, schema);
    let is_object = schema["type"] == "object" || schema["properties"].is_object();
    if is_object && schema["additionalProperties"] != false {
        faults.push(format!("{place} takes members it does not name"));
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        open_objects(document, property, &format!("{place}/{name}"), seen, faults);
    }
    for branch in ["oneOf", "anyOf", "allOf"].iter().flat_map(|word| schema[word].as_array()).flatten() {
        open_objects(document, branch, place, seen, faults);
    }
    if schema["items"].is_object() {
        open_objects(document, &schema["items"], &format!("{place}/items"), seen, faults);
    }
}

fn request_bodies_are_closed(app: &App) {
    let Some(document) = document(app) else { return };
    let (mut faults, mut bodies) = (Vec::new(), 0);
    for (_, _, operation) in operations(document) {
        for (_, media) in operation["requestBody"]["content"].as_object().into_iter().flatten() {
            bodies += 1;
            let place = operation["operationId"].to_string();
            open_objects(document, &media["schema"], &place, &mut BTreeSet::new(), &mut faults);
        }
    }
    assert!(bodies > 30, "only {bodies} bodies");
    report(faults);
}

fn references(value: &Value, all: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            all.extend(members.get("$ref").and_then(Value::as_str).map(ToOwned::to_owned));
            members.values().for_each(|member| references(member, all));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, all)),
        _ => {}
    }
}

fn references_resolve_and_nothing_is_left_over(app: &App) {
    let Some(document) = document(app) else { return };
    let (mut to_follow, mut seen) = (Vec::new(), BTreeSet::new());
    references(&document["paths"], &mut to_follow);
    // Each is a problem with a page of its own, also those of no operation in particular (405).
    references(&document["components"]["responses"], &mut to_follow);
    while let Some(reference) = to_follow.pop() {
        assert!(reference.starts_with("#/"), "{reference} is elsewhere");
        let target =
            document.pointer(reference.trim_start_matches('#')).unwrap_or_else(|| panic!("{reference} dangles"));
        if seen.insert(reference.clone()) {
            references(target, &mut to_follow);
            // The result of a patch is checked against the whole.
            to_follow.extend(reference.strip_suffix("Patch").map(ToOwned::to_owned));
        }
    }
    let mut unused = Vec::new();
    for kind in ["schemas", "headers"] {
        for (name, _) in document["components"][kind].as_object().expect("components") {
            if !seen.contains(&format!("#/components/{kind}/{name}")) {
                unused.push(format!("{kind}/{name} is used by nothing"));
            }
        }
    }
    report(unused);
}

/// Every example beside or within a schema, with the schema it stands for.
fn examples<'a>(schema: &'a Value, place: String, all: &mut Vec<(String, &'a Value, &'a Value)>) {
    match schema {
        Value::Object(members) => {
            if let Some(example) = members.get("example") {
                let of = members.get("schema").unwrap_or(schema);
                all.push((place.clone(), of, example));
            }
            for (name, member) in members.iter().filter(|(name, _)| *name != "example") {
                examples(member, format!("{place}/{name}"), all);
            }
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, item)| examples(item, format!("{place}/{i}"), all))
        }
        _ => {}
    }
}

fn every_body_has_an_example_and_every_example_is_valid(app: &App) {
    let Some(document) = document(app) else { return };
    let mut faults = Vec::new();
    for (_, _, operation) in operations(document) {
        for (_, media) in operation["requestBody"]["content"].as_object().into_iter().flatten() {
            let example = &resolved(document, &media["schema"])["example"];
            if example.as_object().is_none_or(serde_json::Map::is_empty) {
                faults.push(format!("{}: a body without an example", operation["operationId"]));
            }
        }
    }
    let mut all = Vec::new();
    examples(&document["paths"], "paths".to_owned(), &mut all);
    examples(&document["components"], "components".to_owned(), &mut all);
    assert!(all.len() > 50, "only {} examples", all.len());
    for (place, schema, example) in all {
        let verdict = app.inner.contract.check_with(&format!("example {place}"), schema, example).expect("a schema");
        if !verdict.is_good() {
            faults.push(format!("{place}: {verdict:?}"));
        }
    }
    report(faults);
}

fn routes_and_document_name_the_same(app: &App) {
    let document = app.inner.contract.document();
    let described: BTreeSet<(String, String)> =
        operations(document).map(|(path, method, _)| (path.to_owned(), method.to_uppercase())).collect();
    let routed: BTreeSet<(String, String)> =
        endpoints().into_iter().map(|one| (one.path, route::method(&one.method).to_string())).collect();
    assert_eq!(described, routed);
    let paths: BTreeSet<&String> = described.iter().map(|(path, _)| path).collect();
    for path in paths {
        let mut place = path.replace("{n}", "1").replace("{m}", "2");
        while let (Some(from), Some(to)) = (place.find('{'), place.find('}')) {
            place.replace_range(from..=to, "x");
        }
        // An absent resource and an absent route answer alike; a method nobody has tells them apart.
        let refused = app.request("PURGE", &place).unchecked().expect(405);
        let allowed: BTreeSet<String> = refused.headers["allow"].split(", ").map(ToOwned::to_owned).collect();
        let mut expected: BTreeSet<String> =
            described.iter().filter(|(one, _)| one == path).map(|(_, method)| method.clone()).collect();
        if expected.contains("GET") {
            expected.insert("HEAD".to_owned());
        }
        expected.insert("OPTIONS".to_owned());
        assert_eq!(allowed, expected, "{path}");
        for method in expected.iter().filter(|method| *method != "OPTIONS") {
            let answer = app.request(method, &place).unchecked().send();
            assert!(answer.status != 405 && answer.status < 500, "{method} {path}: {}", answer.status);
        }
    }
}
