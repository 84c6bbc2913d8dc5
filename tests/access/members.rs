//! Which members of representations are given to whom.

use std::collections::{BTreeMap, BTreeSet};

use super::scene::{Operation, Scene, operations};
use super::table::{Whose, lines, lists, withheld};
use super::world::{Caller, Target};
use crate::support::{App, Response, Value};

/// Members a visitor without a token may get, one `Schema.member` per line.
const PUBLIC: &str = include_str!("public_members.txt");

fn listed() -> BTreeSet<String> {
    let lines: Vec<&str> = PUBLIC.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    let all: BTreeSet<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    assert_eq!(all.len(), lines.len(), "a member is on the list twice");
    all
}

/// Told of every member, with what narrows it, and whether it says anything; says whether to go on into it.
type Met<'a> = dyn FnMut(String, bool) -> bool + 'a;

/// Walks a value along its schema, and tells every member.
fn walk(
    document: &Value,
    name: &str,
    schema: &Value,
    value: Option<&Value>,
    met: &mut Met<'_>,
    path: &mut Vec<String>,
) {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().expect("a name");
        // A schema that contains itself has been told already.
        if value.is_none() && path.iter().any(|one| one == name) {
            return;
        }
        path.push(name.to_owned());
        let schema = document.pointer(reference.trim_start_matches('#')).expect("a schema");
        walk(document, name, schema, value, met, path);
        path.pop();
        return;
    }
    for word in ["allOf", "oneOf", "anyOf"] {
        for part in schema[word].as_array().into_iter().flatten() {
            // What is flattened into a representation is a member of it.
            match (word, part["$ref"].as_str()) {
                ("allOf", Some(reference)) => {
                    let part = document.pointer(reference.trim_start_matches('#')).expect("a schema");
                    walk(document, name, part, value, met, path);
                }
                _ => walk(document, name, part, value, met, path),
            }
        }
    }
    if let Some(items) = schema.get("items") {
        match value {
            None => walk(document, name, items, None, met, path),
            Some(value) => {
                for value in value.as_array().into_iter().flatten() {
                    walk(document, name, items, Some(value), met, path);
                }
            }
        }
    }
    for (member, inner) in schema["properties"].as_object().into_iter().flatten() {
        let key = format!("{name}.{member}");
        let given = value.and_then(|value| value.get(member));
        let says = given.is_some_and(|given| !given.is_null() && *given != Value::Array(Vec::new()));
        for one in given.and_then(Value::as_array).into_iter().flatten() {
            match (member.as_str(), one["visibility"].as_str(), one["status"].as_str()) {
                ("evidence", Some(visibility), _) => met(format!("{key} {visibility}"), true),
                ("contestations", _, Some("pending")) => met(format!("{key} not taken up"), true),
                _ => true,
            };
        }
        if met(key, says) && (value.is_none() || says) {
            walk(document, name, inner, given, met, path);
        }
    }
}

fn schema_of(operation: &Value, status: &str) -> Value {
    let content = operation["responses"][status]["content"].as_object().and_then(|content| content.values().next());
    content.map(|media| media["schema"].clone()).unwrap_or_default()
}

pub fn nothing_is_shown_that_is_on_no_list(app: &App) {
    let document = app.inner.contract.document();
    let (lines, listed, withheld) = (lines(), listed(), withheld());
    let mut known: BTreeSet<String> = BTreeSet::new();
    let mut anywhere: BTreeSet<String> = BTreeSet::new();
    for operation in operations(app) {
        let is_open = matches!(lines[&operation.id].who.as_str(), "anyone" | "public");
        for status in ["200", "201"] {
            let schema = schema_of(&operation.document, status);
            walk(
                document,
                &operation.id,
                &schema,
                None,
                &mut |key, _| {
                    anywhere.insert(key.clone());
                    let is_for_few = withheld.get(&key).is_some_and(|whose| !whose.is_ever_public());
                    if is_open && operation.path.starts_with("/api/") {
                        known.insert(key);
                    }
                    !is_for_few
                },
                &mut Vec::new(),
            );
            let mut everywhere = |key, _| {
                anywhere.insert(key);
                true
            };
            walk(document, &operation.id, &schema, None, &mut everywhere, &mut Vec::new());
        }
    }
    let new: Vec<_> = known.iter().filter(|key| !listed.contains(*key) && !withheld.contains_key(*key)).collect();
    assert!(
        new.is_empty(),
        "Operations that anybody may call answer with members on no list. For each: may a visitor without a token get \
         it? Then add it to tests/access/public_members.txt; else make the view withhold it and say in the table \
         \"What is withheld\" of docs/ACCESS.md who gets it.\n{new:#?}"
    );
    let gone: Vec<_> = listed.difference(&known).collect();
    assert!(
        gone.is_empty(),
        "no operation that anybody may call answers with these any more; take them off: {gone:#?}"
    );
    let gone: Vec<_> =
        withheld.keys().filter(|key| !anywhere.contains(key.split(' ').next().unwrap_or_default())).collect();
    assert!(gone.is_empty(), "docs/ACCESS.md withholds what is not there: {gone:?}");
    // A person is known by an opaque id that no representation carries, but to that very person, and
    // to the owner of restricted evidence, who may ask the operator about whoever read it.
    let for_oneself = ["MeView.", "PersonalDataView.", "ErasureView.", "EvidenceAccessView."];
    let persons: Vec<_> = anywhere
        .iter()
        .filter(|key| !for_oneself.iter().any(|schema| key.starts_with(schema)))
        .filter(|key| {
            ["actor", "actor_id", "subject", "author", "author_id", "user_id", "evaluator_id"]
                .iter()
                .any(|one| key.ends_with(&format!(".{one}")))
                || key.ends_with("_by")
        })
        .collect();
    assert!(persons.is_empty(), "these would tell who a person is: {persons:?}");
}

/// Looks at the answers that others ask for.
pub struct Watch<'a> {
    scene: &'a Scene,
    document: &'a Value,
    lists: BTreeMap<String, Whose>,
    listed: BTreeSet<String>,
    withheld: BTreeMap<String, Whose>,
    /// Operations whose answers can have a member that is withheld.
    telling: BTreeSet<String>,
    wrong: BTreeSet<String>,
    /// By member: how often it was given, and how often not.
    tally: BTreeMap<String, [usize; 2]>,
}

impl<'a> Watch<'a> {
    pub fn new(app: &'a App, scene: &'a Scene) -> Self {
        let document = app.inner.contract.document();
        let withheld = withheld();
        let mut telling = BTreeSet::new();
        for operation in operations(app) {
            walk(
                document,
                &operation.id,
                &schema_of(&operation.document, "200"),
                None,
                &mut |key, _| {
                    if withheld.keys().any(|one| one.split(' ').next() == Some(key.as_str())) {
                        telling.insert(operation.id.clone());
                    }
                    true
                },
                &mut Vec::new(),
            );
        }
        let tally = withheld.keys().map(|key| (key.clone(), [0, 0])).collect();
        Self { scene, document, lists: lists(), listed: listed(), withheld, telling, wrong: BTreeSet::new(), tally }
    }

    pub fn look(&mut self, operation: &Operation, caller: &Caller, place: Option<&Target>, answer: &Response) {
        let mut text = String::from_utf8_lossy(&answer.bytes).into_owned();
        if matches!(operation.id.as_str(), "find_me" | "find_my_data") {
            // Who asks about themselves may read who they are, and nobody else.
            text = text.replace(&caller.subject, "");
        }
        if text.contains("sujet-") || answer.headers.values().any(|value| value.contains("sujet-")) {
            self.wrong.insert(format!("{} tells {} who a person is", operation.id, caller.name));
        }
        let is_worth_it = caller.role.is_none() || self.telling.contains(&operation.id);
        if operation.method != "GET" || answer.status != 200 || !operation.path.starts_with("/api/") || !is_worth_it {
            return;
        }
        let (body, schema) = (answer.json(), schema_of(&operation.document, "200"));
        if !self.lists.contains_key(&operation.id) {
            return self.judge(operation, caller, place, &schema, &body);
        }
        let reference = schema["$ref"].as_str().expect("a page").trim_start_matches('#');
        let row = &self.document.pointer(reference).expect("a page")["properties"]["items"]["items"];
        for value in body["items"].as_array().into_iter().flatten() {
            let about = self.scene.targets.iter().find(|one| value["id"] == one.key.as_str());
            self.judge(operation, caller, about, row, value);
        }
    }

    fn judge(&mut self, operation: &Operation, caller: &Caller, about: Option<&Target>, schema: &Value, value: &Value) {
        let Self { document, listed, withheld, wrong, tally, .. } = self;
        walk(
            document,
            &operation.id,
            schema,
            Some(value),
            &mut |key, says| {
                let is_known = key.contains(' ') || listed.contains(&key) || withheld.contains_key(&key);
                if caller.role.is_none() && says && !is_known {
                    wrong.insert(format!("{} shows {key} to anybody", operation.id));
                }
                let Some(whose) = withheld.get(&key) else { return true };
                tally.entry(key.clone()).or_default()[usize::from(!says)] += 1;
                if let Some(about) = about
                    && says
                    && !whose.includes(caller, about)
                {
                    wrong.insert(format!("{} of {} shows {key} to {}", operation.id, about.name, caller.name));
                }
                true
            },
            &mut Vec::new(),
        );
    }

    /// What was wrong; also what nobody got, or everybody, as that shows nothing.
    pub fn finish(mut self) -> BTreeSet<String> {
        for (key, [given, not]) in &self.tally {
            if *given == 0 || (*not == 0 && !key.contains(' ')) {
                self.wrong.insert(format!("{key}: given {given} times, withheld {not} times"));
            }
        }
        self.wrong
    }
}
