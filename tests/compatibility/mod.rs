//! What is released stays: today's document against the one that clients rely on.
//!
//! `openapi/released.json` is the document of the last release; making a release
//! copies `openapi.json` over it. A breaking change fails here and is named. To
//! make one deliberately, announce it as docs/API-DESIGN.md says and put its line
//! into `openapi/accepted.json`, with the reason; `*` stands for any text.

mod compare;

use std::collections::BTreeSet;

use compare::breaking_changes;

use crate::cases;
use crate::support::{App, Kind, Value, json};

cases![
    nothing_released_is_taken_away,
    the_comparison_finds_every_kind_of_breaking_change,
    the_comparison_lets_additions_pass,
];

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/");

fn file(name: &str) -> Value {
    let text = std::fs::read_to_string(format!("{FOLDER}{name}")).unwrap_or_else(|e| panic!("openapi/{name}: {e}"));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("openapi/{name}: {e}"))
}

/// Whether `text` is `pattern`, in which `*` stands for any text.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text
            .strip_prefix(start)
            .is_some_and(|left| left.char_indices().any(|(at, _)| fits(rest, &left[at..])) || fits(rest, "")),
    }
}

fn nothing_released_is_taken_away(app: &App) {
    if app.kind != Kind::Sqlite {
        return;
    }
    let found = breaking_changes(&file("released.json"), app.inner.contract.document());
    let accepted = file("accepted.json");
    let accepted: Vec<&str> = accepted
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| {
            assert!(one["reason"].as_str().is_some_and(|reason| reason.len() > 20), "without a reason: {one}");
            one["change"].as_str().expect("a change")
        })
        .collect();
    let refused: Vec<&String> =
        found.iter().filter(|change| !accepted.iter().any(|pattern| fits(pattern, change))).collect();
    assert!(
        refused.is_empty(),
        "{} breaking changes since openapi/released.json:\n{refused:#?}\n\
         Keep what was released, or accept a change in openapi/accepted.json with its reason.",
        refused.len()
    );
    let idle: Vec<&&str> =
        accepted.iter().filter(|pattern| !found.iter().any(|change| fits(pattern, change))).collect();
    assert!(idle.is_empty(), "accepted in openapi/accepted.json, and no longer there: {idle:#?}");
}

/// A small API with one of everything.
fn sample() -> Value {
    json!({
        "paths": {"/things/{id}": {"put": {
            "operationId": "put_thing",
            "security": [{"bearer": ["vendor"]}, {"bearer": ["buyer"]}],
            "parameters": [
                {"name": "id", "in": "path", "required": true, "schema": {"type": "string", "maxLength": 36}},
                {"name": "sort", "in": "query", "schema": {"type": "string", "enum": ["name", "size"]}},
                {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 100}},
            ],
            "requestBody": {"required": false, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/NewThing"}}}},
            "responses": {
                "200": {
                    "headers": {"ETag": {"schema": {"type": "string"}}},
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}},
                },
                "404": {"content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}},
            },
        }}},
        "components": {"schemas": {
            "NewThing": {"type": "object", "additionalProperties": false, "required": ["name"], "properties": {
                "name": {"type": "string", "minLength": 1, "maxLength": 100},
                "note": {"type": ["string", "null"], "pattern": "^a"},
                "tags": {"type": "array", "maxItems": 5, "items": {"type": "string", "maxLength": 10}},
                "part": {"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/Part"}]},
            }},
            "Thing": {"type": "object", "required": ["name", "state"], "properties": {
                "name": {"type": "string", "maxLength": 100},
                "state": {"type": "string", "enum": ["new", "old"]},
                "made_on": {"type": "string", "format": "date"},
                "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Thing"}},
                "part": {"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/Part"}]},
            }},
            "Part": {"type": "object", "additionalProperties": false, "properties": {"size": {"type": "integer"}}},
            "Problem": {"type": "object", "required": ["code"], "properties": {"code": {"type": "string"}}},
        }},
    })
}

/// A change of the sample: a place in it, and what stands there then; `None` takes it away.
type Mutation = (&'static str, Option<Value>);

const OPERATION: &str = "/paths/~1things~1{id}/put";
const SCHEMAS: &str = "/components/schemas";

fn mutated((place, value): &Mutation) -> Value {
    let mut document = sample();
    let place = if let Some(rest) = place.strip_prefix('!') {
        format!("{SCHEMAS}/{rest}")
    } else {
        format!("{OPERATION}{place}")
    };
    let (parent, name) = place.rsplit_once('/').expect("a place");
    let parent = document.pointer_mut(parent).unwrap_or_else(|| panic!("no {place}"));
    match (parent, value) {
        (Value::Object(members), Some(value)) => {
            members.insert(name.replace("~1", "/"), value.clone());
        }
        (Value::Object(members), None) => {
            members.remove(&name.replace("~1", "/")).unwrap_or_else(|| panic!("no {place}"));
        }
        (Value::Array(items), Some(value)) if name == "-" => items.push(value.clone()),
        (Value::Array(items), Some(value)) => items[name.parse::<usize>().expect("an index")] = value.clone(),
        (Value::Array(items), None) => {
            items.remove(name.parse().expect("an index"));
        }
        _ => panic!("{place} is no member"),
    }
    document
}

fn the_comparison_finds_every_kind_of_breaking_change(app: &App) {
    if app.kind != Kind::Sqlite {
        return;
    }
    let parameter = |name: &str, required: bool| Some(json!({"name": name, "in": "query", "required": required}));
    let mutations: Vec<(Mutation, &str)> = vec![
        (("", None), "put_thing: the operation is gone"),
        (("/operationId", Some(json!("other"))), "put_thing: another operationId"),
        (("/security/1", None), "put_thing: role buyer may no longer call it"),
        (("/parameters/1", None), "put_thing ?sort: the parameter is gone"),
        (("/parameters/-", parameter("new", true)), "put_thing ?new: a new parameter is required"),
        (("/parameters/1/required", Some(json!(true))), "put_thing ?sort: the parameter is newly required"),
        (("/parameters/1/explode", Some(json!(false))), "put_thing ?sort: explode is another"),
        (("/parameters/1/schema/enum/1", None), "put_thing ?sort: the value \"size\" is gone"),
        (("/parameters/2/schema/maximum", Some(json!(50))), "put_thing ?limit: maximum is new or tighter"),
        (("/parameters/2/schema/minimum", Some(json!(2))), "put_thing ?limit: minimum is new or tighter"),
        (("/parameters/2/schema/multipleOf", Some(json!(5))), "put_thing ?limit: multipleOf is new or another"),
        (
            ("/parameters/0/schema/type", Some(json!("integer"))),
            "put_thing ?id: type {\"string\"} became {\"integer\"}",
        ),
        (("/parameters/0/schema/format", Some(json!("uuid"))), "put_thing ?id: format is new or another"),
        (("/parameters/0/schema/enum", Some(json!(["a"]))), "put_thing ?id: values are newly enumerated"),
        (("/requestBody/required", Some(json!(true))), "put_thing body: a body is newly required"),
        (("/requestBody/content/application~1json", None), "put_thing body application/json: the media type is gone"),
        (("!NewThing/required/-", Some(json!("note"))), "put_thing body/note: the member is newly required"),
        (("!NewThing/properties/note", None), "put_thing body/note: the member is gone"),
        (("!NewThing/properties/note/type", Some(json!("string"))), "put_thing body/note: type"),
        (("!NewThing/properties/note/pattern", Some(json!("^b"))), "put_thing body/note: pattern is new or another"),
        (("!NewThing/properties/name/maxLength", Some(json!(99))), "put_thing body/name: maxLength is new or tighter"),
        (("!NewThing/properties/name/minLength", Some(json!(2))), "put_thing body/name: minLength is new or tighter"),
        (("!NewThing/properties/tags/maxItems", Some(json!(4))), "put_thing body/tags: maxItems is new or tighter"),
        (("!NewThing/properties/tags/uniqueItems", Some(json!(true))), "put_thing body/tags: uniqueItems is new"),
        (
            ("!NewThing/properties/tags/items/maxLength", Some(json!(9))),
            "put_thing body/tags/items: maxLength is new or tighter",
        ),
        (("!NewThing/properties/part/oneOf/0", None), "put_thing body/part: type {\"null\"}"),
        (("!Part/properties/size/maximum", Some(json!(9))), "put_thing body/part/size: maximum is new or tighter"),
        (("!Part/properties/size", None), "put_thing 200/part/size: the member is gone"),
        (("/responses/200", None), "put_thing 200: the answer is gone"),
        (("/responses/201", Some(json!({}))), "put_thing 201: succeeds with another status"),
        (("/responses/200/headers/ETag", None), "put_thing 200: the header ETag is gone"),
        (("/responses/200/content/application~1json", None), "put_thing 200 application/json: the media type is gone"),
        (("!Thing/properties/name", None), "put_thing 200/name: the member is gone"),
        (("!Thing/required/0", None), "put_thing 200/name: the member is no longer always there"),
        (("!Thing/properties/name/type", Some(json!(["string", "null"]))), "put_thing 200/name: type"),
        (("!Thing/properties/state/enum", None), "put_thing 200/state: values are no longer enumerated"),
        (("!Thing/properties/made_on/format", None), "put_thing 200/made_on: format is another"),
        (("!Thing/properties/part/oneOf/-", Some(json!({"type": "string"}))), "put_thing 200/part: type"),
        (("!Problem/properties/code", None), "put_thing 404/code: the member is gone"),
    ];
    for (mutation, expected) in mutations {
        let found = breaking_changes(&sample(), &mutated(&mutation));
        assert!(found.iter().any(|one| one.starts_with(expected)), "{}: {found:#?}, not {expected}", mutation.0);
    }
}

fn the_comparison_lets_additions_pass(app: &App) {
    if app.kind != Kind::Sqlite {
        return;
    }
    let additions: Vec<Mutation> = vec![
        ("/operationId", Some(json!("put_thing"))),
        ("/security/-", Some(json!({"bearer": ["auditor"]}))),
        ("/security/0", Some(json!({"bearer": ["vendor", "operator"]}))),
        ("/parameters/-", Some(json!({"name": "new", "in": "query", "schema": {"type": "string"}}))),
        ("/parameters/1/schema/enum/-", Some(json!("age"))),
        ("/parameters/1/schema/enum", None),
        ("/parameters/2/schema/maximum", Some(json!(200))),
        ("/parameters/2/schema/minimum", Some(json!(0))),
        ("/parameters/2/schema/type", Some(json!("number"))),
        ("/parameters/0/schema/maxLength", None),
        ("/parameters/0/description", Some(json!("words"))),
        ("/requestBody/content/application~1merge-patch+json", Some(json!({"schema": {"type": "object"}}))),
        ("/responses/409", Some(json!({"description": "another error"}))),
        ("/responses/404", None),
        ("/responses/200/headers/Link", Some(json!({"schema": {"type": "string"}}))),
        ("!NewThing/required", Some(json!([]))),
        ("!NewThing/properties/new", Some(json!({"type": "string"}))),
        ("!NewThing/properties/name/type", Some(json!(["string", "null"]))),
        ("!NewThing/properties/note/pattern", None),
        ("!NewThing/properties/part/oneOf/-", Some(json!({"type": "string"}))),
        ("!NewThing/additionalProperties", None),
        ("!Thing/properties/new", Some(json!({"type": "string"}))),
        ("!Thing/required/-", Some(json!("made_on"))),
        ("!Thing/properties/state/enum/-", Some(json!("gone"))),
        ("!Thing/properties/name/maxLength", Some(json!(200))),
        ("!Thing/properties/part/oneOf/0", None),
    ];
    assert_eq!(breaking_changes(&sample(), &sample()), BTreeSet::new());
    for addition in additions {
        assert_eq!(breaking_changes(&sample(), &mutated(&addition)), BTreeSet::new(), "{}", addition.0);
    }
}
