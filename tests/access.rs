//! Who may do what: the tables of `docs/ACCESS.md`, driven.

mod members;
mod scene;
mod states;
mod table;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use gouvtech_catalogue::config::Given;
use gouvtech_catalogue::db::Id;

use crate::cases;
use crate::support::{App, Response, json};
use members::{Watch, nothing_is_shown_that_is_on_no_list};
use scene::{Scene, operations, shown};
use states::{
    commands_on_a_solution_start_from_the_states_of_the_table, commands_on_appeals_start_from_the_states_of_the_table,
    commands_on_applications_start_from_the_states_of_the_table, commands_on_bodies_start_from_the_states_of_the_table,
    commands_on_claims_and_organisations_start_from_the_states_of_the_table,
    commands_on_complaints_start_from_the_states_of_the_table,
    commands_on_criteria_sets_start_from_the_states_of_the_table,
    commands_on_evaluations_start_from_the_states_of_the_table, commands_on_reviews_start_from_the_states_of_the_table,
    who_is_refused_all_the_same,
};
use table::{Line, lines, lists};
use world::{Caller, Standing, Target};

cases![
    the_table_and_the_document_agree,
    every_caller_reaches_and_reads_what_the_table_names_and_nothing_else,
    lists_show_and_count_what_the_table_names,
    nothing_is_shown_that_is_on_no_list,
    commands_on_a_solution_start_from_the_states_of_the_table,
    commands_on_evaluations_start_from_the_states_of_the_table,
    commands_on_reviews_start_from_the_states_of_the_table,
    commands_on_applications_start_from_the_states_of_the_table,
    commands_on_appeals_start_from_the_states_of_the_table,
    commands_on_bodies_start_from_the_states_of_the_table,
    commands_on_complaints_start_from_the_states_of_the_table,
    commands_on_criteria_sets_start_from_the_states_of_the_table,
    commands_on_claims_and_organisations_start_from_the_states_of_the_table,
    who_is_refused_all_the_same,
];

fn the_table_and_the_document_agree(app: &App) {
    let described: BTreeMap<String, BTreeSet<String>> = operations(app)
        .into_iter()
        .map(|operation| {
            let security = operation.document["security"].as_array().cloned();
            let security = security.unwrap_or_else(|| panic!("{}: no security", operation.id));
            // Client credentials lead to the same tokens.
            let words = security.iter().filter(|one| one.get("oauth2").is_none()).flat_map(|one| {
                match one.get("bearer").map(|scopes| scopes.as_array().expect("scopes")) {
                    None => vec!["nobody".to_owned()],
                    Some(scopes) if scopes.is_empty() => vec!["any token".to_owned()],
                    Some(scopes) => scopes.iter().map(|one| one.as_str().expect("text").to_owned()).collect(),
                }
            });
            (operation.id, words.collect())
        })
        .collect();
    let lines = lines();
    let named =
        |all: Vec<&String>, of: &dyn Fn(&String) -> bool| all.into_iter().filter(|one| !of(one)).cloned().collect();
    let missing: Vec<String> = named(described.keys().collect(), &|id| lines.contains_key(id));
    assert!(missing.is_empty(), "add a line to docs/ACCESS.md for {missing:?}");
    let surplus: Vec<String> = named(lines.keys().collect(), &|id| described.contains_key(id));
    assert!(surplus.is_empty(), "docs/ACCESS.md has lines without an operation: {surplus:?}");
    let stated: BTreeMap<String, BTreeSet<String>> =
        lines.iter().map(|(id, line)| (id.clone(), line.security())).collect();
    assert_eq!(described, stated, "`security` of the document, and `who` of docs/ACCESS.md");
    for operation in operations(app) {
        let line = &lines[&operation.id];
        assert_eq!(line.whose.is_some(), operation.noun().is_some(), "{}: whose?", operation.id);
        assert_eq!(line.from != "–", operation.noun().is_some(), "{}: from which states?", operation.id);
        let has_rows = operation.document["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
            .as_str()
            .is_some_and(|schema| {
                [
                    "Organisation",
                    "OrganisationLink",
                    "CriteriaSet",
                    "Solution",
                    "Claim",
                    "Evaluation",
                    "Review",
                    "Application",
                    "Appeal",
                    "Accreditation",
                    "Qualification",
                    "Complaint",
                ]
                .iter()
                .any(|noun| {
                    schema.ends_with(&format!("Page_{noun}View"))
                        || schema.ends_with(&format!("/{noun}Page"))
                        || schema.ends_with(&format!("Page_{noun}Summary"))
                })
            });
        assert_eq!(lists().contains_key(&operation.id), has_rows, "{}: which rows does it show?", operation.id);
    }
}

/// What a cell of the matrix must be.
#[derive(Debug, PartialEq)]
enum Outcome {
    Unauthenticated,
    Forbidden,
    Absent,
    LetIn,
}

fn expected(line: &Line, caller: &Caller, target: Option<&Target>) -> Outcome {
    if !line.lets_in(caller) {
        return if caller.role.is_none() { Outcome::Unauthenticated } else { Outcome::Forbidden };
    }
    let refuses = |word: &str| word == "403";
    match caller.standing {
        Standing::Refused if refuses(&line.suspended) => return Outcome::Forbidden,
        Standing::Idle if refuses(&line.idle) => return Outcome::Forbidden,
        _ => {}
    }
    match target {
        None => Outcome::LetIn,
        Some(target) if !line.finds(caller, target) => Outcome::Absent,
        Some(target) if line.not.contains("party") && target.is_of_party(caller) => Outcome::Forbidden,
        Some(target) if line.not.contains("colleague") && target.writer != caller.subject => Outcome::Forbidden,
        Some(_) => Outcome::LetIn,
    }
}

/// Operations on a part that need not be there, so that who is let in may find none.
const OF_PARTS: &[&str] = &[
    "find_solution_version",
    "diff_solution_versions",
    "revert_solution",
    "find_evaluation_in_force",
    "delete_evaluation_answer",
    "delete_review_reply",
];

fn every_caller_reaches_and_reads_what_the_table_names_and_nothing_else(app: &App) {
    // With everything there that settings can switch on.
    let app = &app.another(Given {
        security_contact: Some("mailto:security@catalogue.example".parse().expect("a URL")),
        security_expires: Some((app.clock.now().0 + chrono::TimeDelta::days(90)).to_rfc3339()),
        ..Given::default()
    });
    let scene = Scene::make(app);
    let lines = lines();
    let (mut wrong, mut apart) = (Vec::new(), Vec::new());
    let mut found = BTreeSet::new();
    let mut watch = Watch::new(app, &scene);
    let mut cells: BTreeMap<String, usize> = BTreeMap::new();
    for operation in operations(app) {
        let line = &lines[&operation.id];
        let noun = operation.noun();
        let targets: Vec<&Target> = scene.targets.iter().filter(|target| Some(target.noun) == noun).collect();
        assert!(
            noun.is_none() || !targets.is_empty(),
            "{}: nothing to call it on; add it to tests/access/scene.rs",
            operation.id
        );
        for caller in &scene.callers {
            let mut judge = |answer: &Response, outcome: &Outcome, on: &str| {
                *cells.entry(format!("{outcome:?}")).or_default() += 1;
                let challenge = answer.headers.get("www-authenticate").map(String::as_str).unwrap_or_default();
                let is_right = match outcome {
                    Outcome::Unauthenticated => answer.status == 401 && challenge.starts_with("Bearer"),
                    Outcome::Forbidden => answer.status == 403 && challenge.contains("insufficient_scope"),
                    Outcome::Absent => answer.status == 404,
                    // Another standard's errors, for credentials that are none.
                    Outcome::LetIn if operation.id == "create_token" => matches!(answer.status, 400 | 401),
                    Outcome::LetIn if noun.is_some() && operation.needs_version() => {
                        matches!(answer.status, 428 | 410)
                            || (answer.status == 404 && OF_PARTS.contains(&operation.id.as_str()))
                    }
                    Outcome::LetIn => {
                        let is_part = OF_PARTS.contains(&operation.id.as_str())
                            || ["{number}", "{tile}"].iter().any(|part| operation.path.contains(part));
                        answer.status < 500 && !matches!(answer.status, 401 | 403) && (answer.status != 404 || is_part)
                    }
                };
                if !is_right {
                    let body = String::from_utf8_lossy(&answer.bytes).chars().take(300).collect::<String>();
                    wrong.push(format!(
                        "{} on {on} by {}: not {outcome:?} but {} {body}",
                        operation.id, caller.name, answer.status
                    ));
                }
                is_right
            };
            // Who is refused for what the token says, is so before the body is looked at.
            if !line.lets_in(caller) {
                // Nor at its organisation: one caller of each role and duty will do.
                if caller.standing != Standing::Fit {
                    continue;
                }
                let key = targets.first().map_or_else(|| Id::new().to_string(), |target| target.key.clone());
                let answer = operation.call(app, &key, caller, None, Some(&json!([])));
                judge(&answer, &expected(line, caller, None), "anything");
                continue;
            }
            let body = operation.body.as_ref();
            let nowhere = |key: &str| operation.call(app, key, caller, None, body);
            let Some(_) = noun else {
                let answer = nowhere("");
                judge(&answer, &expected(line, caller, None), "nothing");
                watch.look(&operation, caller, None, &answer);
                continue;
            };
            let mut absent = vec![Id::new().to_string()];
            if noun == Some("solutions") {
                absent.push("aucune-de-ce-nom".to_owned());
            }
            let answers: Vec<Response> = absent.iter().map(|key| nowhere(key)).collect();
            let on_nothing = match expected(line, caller, None) {
                Outcome::LetIn => Outcome::Absent,
                other => other,
            };
            for answer in &answers {
                judge(answer, &on_nothing, "nothing");
            }
            // Who is refused whatever it is need not be tried on everything.
            let most = if on_nothing == Outcome::Forbidden { 1 } else { targets.len() };
            for target in targets.iter().take(most) {
                let outcome = expected(line, caller, Some(target));
                let answer = operation.call_unchecked(app, &target.key, caller, body);
                let is_right = judge(&answer, &outcome, &target.name);
                watch.look(&operation, caller, Some(target), &answer);
                if outcome == Outcome::LetIn && is_right && answer.status < 300 || answer.status == 428 {
                    found.insert(operation.id.clone());
                }
                if outcome != Outcome::Absent {
                    continue;
                }
                let at = usize::from(Id::parse(&target.key).is_none());
                let (here, there) = (shown(&answer, &target.key), shown(&answers[at], &absent[at]));
                if here != there {
                    apart.push(format!(
                        "{} on {} by {}:\n{here}\n-- absent:\n{there}",
                        operation.id, target.name, caller.name
                    ));
                }
            }
        }
    }
    wrong.extend(apart);
    wrong.extend(watch.finish());
    let unseen: Vec<_> = OF_PARTS.iter().filter(|id| !found.contains(**id)).collect();
    assert!(unseen.is_empty(), "nobody ever found the part that these are about: {unseen:?}");
    let few: Vec<_> = ["Unauthenticated", "Forbidden", "Absent", "LetIn"]
        .iter()
        .filter(|one| cells.get(**one).is_none_or(|n| *n < 60))
        .collect();
    assert!(few.is_empty(), "hardly tried: {few:?} of {cells:?}");
    assert!(wrong.is_empty(), "{} of {cells:?} are wrong\n{}", wrong.len(), wrong[..wrong.len().min(400)].join("\n"));
}

fn lists_show_and_count_what_the_table_names(app: &App) {
    let scene = Scene::make(app);
    let (lines, lists) = (lines(), lists());
    let mut wrong = Vec::new();
    for operation in operations(app).iter().filter(|operation| lists.contains_key(&operation.id)) {
        let (line, whose) = (&lines[&operation.id], &lists[&operation.id]);
        let parameters = operation.document["parameters"].as_array().cloned().unwrap_or_default();
        let has = |name: &str| parameters.iter().any(|one| one["name"] == name);
        let noun = match operation.id.as_str() {
            "list_organisation_solutions" | "list_solutions" => "solutions",
            "list_evaluations_of_solution" | "list_evaluations" => "evaluations",
            "list_reviews_of_solution" | "list_reviews" => "reviews",
            "list_label_applications" => "label-applications",
            "list_criteria_sets" => "criteria-sets",
            "list_claims" => "claims",
            "list_organisations" => "organisations",
            "list_appeals" => "appeals",
            "list_accreditations" => "accreditations",
            "list_qualifications" => "qualifications",
            "list_organisation_links" => "organisation-links",
            "list_complaints" => "complaints",
            other => panic!("{other}: what does it list?"),
        };
        let rows: Vec<&Target> =
            scene.targets.iter().filter(|one| one.noun == noun && Id::parse(&one.key).is_some()).collect();
        let states: BTreeSet<&str> = rows.iter().map(|row| row.state).filter(|state| !state.contains(' ')).collect();
        for caller in &scene.callers {
            if expected(line, caller, None) != Outcome::LetIn {
                continue;
            }
            // Of a solution or a vendor: of all of them together.
            let owner = scene.organisations.owner.id;
            let keys: Vec<String> = match operation.noun() {
                None => vec![String::new()],
                Some("organisations") => vec![owner.to_string()],
                Some(_) => scene.solutions.clone(),
            };
            let mut seen = BTreeSet::new();
            for key in keys {
                let path = operation.at(&key);
                let mut get = |query: &str| {
                    let request = app.get(&format!("{path}?{query}"));
                    let answer = if let Some(token) = &caller.token { request.by(token) } else { request }.expect(200);
                    let page = answer.json();
                    let items = page["items"].as_array().expect("rows").clone();
                    if page["next"].is_null() && page["total"] != items.len() {
                        wrong.push(format!("{path}?{query} by {}: {} of {}", caller.name, items.len(), page["total"]));
                    }
                    items.iter().map(|row| row["id"].as_str().expect("an id").to_owned()).collect::<BTreeSet<String>>()
                };
                let paging = if has("limit") { "limit=100" } else { "" };
                seen.extend(get(paging));
                if has("status") {
                    for state in &states {
                        seen.extend(get(&format!("{paging}&status={state}")));
                    }
                }
                if has("q") && noun == "solutions" {
                    let found = get("q=confidentielle&status=draft&status=published");
                    let draft = rows.iter().find(|row| row.state == "draft").expect("a draft");
                    if found.contains(&draft.key) != whose.includes(caller, draft) || found.len() > 1 {
                        wrong.push(format!("{path}?q= by {}: {found:?}", caller.name));
                    }
                }
            }
            for row in &rows {
                let is_public = row.relates(if noun == "solutions" { "listed" } else { "public" }, caller);
                let is_shown = match (caller.standing, line.idle.as_str()) {
                    (Standing::Idle, "public") => is_public,
                    _ => whose.includes(caller, row),
                };
                let is_here = operation.noun() != Some("organisations") || row.vendor == Some(owner);
                if seen.contains(&row.key) != (is_shown && is_here) {
                    let what = if is_shown { "is missing" } else { "is shown" };
                    wrong.push(format!("{} by {}: {} {what}", operation.id, caller.name, row.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong[..wrong.len().min(400)].join("\n"));
}
