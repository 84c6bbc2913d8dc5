use std::collections::BTreeSet;

use chrono::TimeDelta;
use gouvtech_catalogue::auth::{Duty, Role};
use gouvtech_catalogue::persons::inventory::{self, HELD, NOT_PERSONAL};
use gouvtech_catalogue::persons::retention;

use crate::cases;
use crate::support::{App, Response, Value, json};

cases![
    the_inventory_knows_every_column,
    the_documented_inventory_is_the_one_of_the_code,
    a_person_reads_who_they_are_and_what_is_held,
    an_erased_person_is_named_nowhere_and_history_stands,
    an_erased_examiner_who_signs_in_again_is_still_the_examiner,
    a_read_of_restricted_evidence_by_others_is_recorded,
    the_examiner_reads_restricted_evidence_of_the_sheet,
    evidence_whose_reading_cannot_be_recorded_is_withheld,
    what_was_kept_long_enough_goes_once_and_is_reported,
];

fn the_inventory_knows_every_column(app: &App) {
    let mut listed = BTreeSet::new();
    let mut list = |table: &str, column: &str| {
        assert!(listed.insert(format!("{table}.{column}")), "{table}.{column} is listed twice");
    };
    for held in HELD {
        let exported: BTreeSet<&str> = held.exported.iter().map(|(name, _)| *name).collect();
        held.exported.iter().for_each(|(name, _)| list(held.table, name));
        held.personal.iter().filter(|name| !exported.contains(*name)).for_each(|name| list(held.table, name));
    }
    for (table, columns) in NOT_PERSONAL {
        columns.split_whitespace().for_each(|column| list(table, column));
    }
    let there: BTreeSet<String> = crate::storage::columns(app.store().backend())
        .into_iter()
        .filter_map(|line| line.split(' ').next().map(str::to_owned))
        .collect();
    assert_eq!(listed, there, "decide in src/persons/inventory.rs whether a column is about a person");
}

fn the_documented_inventory_is_the_one_of_the_code(_: &App) {
    let document = include_str!("../docs/PERSONAL-DATA.md");
    let table = inventory::markdown();
    assert!(document.contains(&table), "docs/PERSONAL-DATA.md lacks this table:\n{table}");
    for rule in retention::RULES {
        let row = format!("| `{}` | {} |", rule.code, rule.what);
        assert!(document.contains(&row), "docs/PERSONAL-DATA.md lacks: {row}");
    }
}

pub fn draft_review(app: &App, solution: &str, token: &str) -> Response {
    app.post(&format!("/api/v1/solutions/{solution}/reviews"))
        .by(token)
        .json(&json!({
            "title": "Au quotidien", "text": "Nous l’utilisons tous les jours. ".repeat(5), "overall": 4,
            "ratings": {"fitness": 5}, "declares_no_interest": true,
            "context": {"role": "user", "used_since": "2024-01-15"},
        }))
        .expect(201)
}

pub fn published_review(app: &App, solution: &str, token: &str) -> Response {
    let drafted = draft_review(app, solution, token);
    let path = format!("/api/v1/reviews/{}", drafted.id());
    let submitted = app.post(&format!("{path}/submit")).by(token).on(&drafted).expect(200);
    app.post(&format!("{path}/publish")).by(&app.moderator("modératrice")).on(&submitted).expect(200)
}

fn rows<'a>(data: &'a Value, table: &str) -> &'a Vec<Value> {
    let tables = data["tables"].as_array().expect("tables");
    tables.iter().find(|one| one["table"] == table).expect("the table")["rows"].as_array().expect("rows")
}

fn a_person_reads_who_they_are_and_what_is_held(app: &App) {
    let (vendor, buyer) = (app.vendor(1), app.buyer(1));
    let agent = app.token(Role::Buyer, Some(buyer.id), &[], "agente");
    let before = app.get("/api/v1/me").by(&agent).expect(200).json();
    assert_eq!(
        (&before["subject"], &before["role"], &before["actor_id"]),
        (&json!("agente"), &json!("buyer"), &Value::Null)
    );
    assert_eq!(before["organisation"]["id"], json!(buyer.id));
    assert_eq!(rows(&app.get("/api/v1/me/data").by(&agent).expect(200).json(), "actors").len(), 0);

    let solution = app.published(&vendor, "Décrite").id();
    let review = published_review(app, &solution, &agent);
    let data = app.get("/api/v1/me/data").by(&agent).expect(200).json();
    assert_eq!(rows(&data, "actors")[0]["subject"], "agente");
    let held = &rows(&data, "reviews")[0];
    assert_eq!((held["id"].as_str(), &held["content"]["title"]), (Some(review.id().as_str()), &json!("Au quotidien")));
    let actions: Vec<&str> = rows(&data, "changes").iter().filter_map(|row| row["action"].as_str()).collect();
    assert_eq!(actions.len(), 2, "{actions:?}");
    assert!(rows(&data, "changes")[0]["at"].as_str().is_some_and(|at| at.ends_with('Z')), "{data}");
    let stranger = app.token(Role::Buyer, Some(buyer.id), &[], "collègue");
    assert_eq!(rows(&app.get("/api/v1/me/data").by(&stranger).expect(200).json(), "reviews").len(), 0);
}

fn an_erased_person_is_named_nowhere_and_history_stands(app: &App) {
    let (vendor, buyer) = (app.vendor(1), app.buyer(1));
    let agent = app.token(Role::Buyer, Some(buyer.id), &[], "agente");
    let (public, private) = (app.published(&vendor, "Une").id(), app.published(&vendor, "Autre").id());
    let review = published_review(app, &public, &agent);
    let draft = draft_review(app, &private, &agent);
    let answer = app.post("/api/v1/me/erase").by(&agent).expect(200).json();
    assert_eq!(answer["is_separation_kept"], false);
    let named = |list: &str| -> BTreeSet<String> {
        answer[list]
            .as_array()
            .expect("a list")
            .iter()
            .map(|one| one["table"].as_str().expect("a table").to_owned())
            .collect()
    };
    assert_eq!(named("erased"), BTreeSet::from(["actors".to_owned(), "reviews".to_owned()]));
    assert_eq!(named("kept"), BTreeSet::from(["changes".to_owned()]));

    assert_eq!(app.get("/api/v1/me").by(&agent).expect(200).json()["actor_id"], Value::Null);
    app.get(&format!("/api/v1/reviews/{}", draft.id())).by(&buyer.token).expect(404);
    let path = format!("/api/v1/reviews/{}", review.id());
    let left = app.get(&path).by(&agent).expect(200);
    assert_eq!(left.text("title"), "Au quotidien");
    app.patch(&path).by(&agent).on(&left).json(&json!({"overall": 1})).expect(403);
    // Nothing is left to erase.
    let again = app.post("/api/v1/me/erase").by(&agent).expect(200).json();
    assert_eq!((&again["actor_id"], again["erased"].as_array().map(Vec::len)), (&Value::Null, Some(0)));
}

fn an_erased_examiner_who_signs_in_again_is_still_the_examiner(app: &App) {
    let (vendor, body) = (app.vendor(1), app.audit_body(1));
    let solution = app.published(&vendor, "Labellisée").id();
    app.evaluated(&vendor, &solution);
    let both = [Duty::Evaluator, Duty::DecisionMaker];
    let examiner = app.auditor(&body, &both, "évaluatrice");
    let opened = app.in_audit(&vendor, &solution, &body, &examiner);
    let reported = app.reported(&opened, &examiner, |_, finding| finding);
    let answer = app.post("/api/v1/me/erase").by(&examiner).expect(200).json();
    assert_eq!(answer["is_separation_kept"], true);

    let me = app.get("/api/v1/me").by(&examiner).expect(200).json();
    assert_eq!(me["actor_id"], answer["actor_id"]);
    let decision = json!({"outcome": "granted", "reasons": "Aucun écart."});
    let path = format!("/api/v1/label-applications/{}/decision", reported.id());
    app.post(&path).by(&examiner).on(&reported).json(&decision).expect(403);
    let other = app.auditor(&body, &both, "décideur");
    app.post(&path).by(&other).on(&reported).json(&decision).expect(200);
    let data = app.get("/api/v1/me/data").by(&examiner).expect(200).json();
    assert_eq!((rows(&data, "actors").len(), rows(&data, "erased_persons").len()), (0, 1));
}

fn with_restricted_evidence(app: &App, vendor: &crate::support::build::Party, name: &str) -> String {
    let mut sheet = crate::support::build::sheet(name);
    sheet["evidence"] = json!([{"title": "Audit", "url": "https://example.org/audit", "visibility": "restricted"}]);
    let draft = app.post("/api/v1/solutions").by(&vendor.token).json(&sheet).expect(201);
    let path = format!("/api/v1/solutions/{}", draft.id());
    let charter = json!({"accepts_charter": true});
    let submitted = app.post(&format!("{path}/submit")).by(&vendor.token).on(&draft).json(&charter).expect(200);
    app.post(&format!("{path}/publish")).by(&app.operator()).on(&submitted).expect(200);
    path
}

fn accesses(app: &App, path: &str, token: &str) -> Vec<Value> {
    let page = app.get(&format!("{path}/evidence-accesses")).by(token).expect(200).json();
    page["items"].as_array().expect("items").clone()
}

fn a_read_of_restricted_evidence_by_others_is_recorded(app: &App) {
    let vendor = app.vendor(1);
    let path = with_restricted_evidence(app, &vendor, "Prouvée");
    assert_eq!(app.get(&path).expect(200).json()["evidence"], json!([]));
    app.get(&path).by(&vendor.token).expect(200);
    assert_eq!(accesses(app, &path, &vendor.token), Vec::<Value>::new(), "nobody else was shown it");

    let moderator = app.moderator("modératrice");
    let seen = app.get(&path).by(&moderator).expect(200);
    assert_eq!(seen.json()["evidence"][0]["title"], "Audit");
    app.get(&path).by(&moderator).header("if-none-match", &seen.headers["etag"]).expect(304);
    app.get("/api/v1/solutions").by(&moderator).expect(200);
    app.get(&format!("{path}/versions/1")).by(&moderator).expect(200);
    let records = accesses(app, &path, &vendor.token);
    assert_eq!(records.len(), 4);
    let me = app.get("/api/v1/me").by(&moderator).expect(200).json();
    assert!(records.iter().all(|one| one["actor_id"] == me["actor_id"] && one["role"] == "operator"), "{records:?}");
    assert_eq!(accesses(app, &path, &moderator).len(), 4);
    assert_eq!(accesses(app, &path, &app.vendor(2).token).len(), 0);
}

fn the_examiner_reads_restricted_evidence_of_the_sheet(app: &App) {
    let (vendor, body) = (app.vendor(1), app.audit_body(1));
    let path = with_restricted_evidence(app, &vendor, "Examinée");
    let id = path.rsplit('/').next().expect("an id").to_owned();
    app.evaluated(&vendor, &id);
    let examiner = app.auditor(&body, &[Duty::Evaluator], "évaluatrice");
    let titles = |path: &str| app.get(path).by(&examiner).expect(200).json()["evidence"].as_array().map(Vec::len);
    assert_eq!(titles(&path), Some(0));
    app.in_audit(&vendor, &id, &body, &examiner);
    assert_eq!((titles(&path), titles(&format!("{path}/versions/1"))), (Some(1), Some(1)));
    let by_auditors = accesses(app, &path, &vendor.token).into_iter().filter(|one| one["role"] == "auditor");
    assert_eq!(by_auditors.count(), 2);
}

fn evidence_whose_reading_cannot_be_recorded_is_withheld(app: &App) {
    let vendor = app.vendor(1);
    let path = with_restricted_evidence(app, &vendor, "Fermée");
    app.sql("ALTER TABLE evidence_accesses RENAME TO gone").expect("renamed");
    let refused = app.get(&path).by(&app.moderator("modératrice")).expect(503);
    assert!(!refused.json().to_string().contains("example.org/audit"), "{}", refused.json());
    app.get(&path).by(&vendor.token).expect(200);
    app.sql("ALTER TABLE gone RENAME TO evidence_accesses").expect("renamed back");
    app.get(&path).by(&app.moderator("modératrice")).expect(200);
}

fn what_was_kept_long_enough_goes_once_and_is_reported(app: &App) {
    let (vendor, buyer) = (app.vendor(1), app.buyer(1));
    let agent = app.token(Role::Buyer, Some(buyer.id), &[], "agente");
    let solution = app.published(&vendor, "Durable").id();
    let review = published_review(app, &solution, &agent);
    let draft = app.draft(&vendor, "Jamais soumise").id();
    let settings = &app.inner.settings;
    let counts = |report: &retention::Report| -> Vec<(&'static str, usize)> {
        report.rules.iter().filter(|rule| rule.count > 0).map(|rule| (rule.rule, rule.count)).collect()
    };
    let nothing = retention::run(app.store(), settings).expect("a run");
    assert_eq!(counts(&nothing), vec![]);

    app.clock.advance(TimeDelta::days(366));
    let rehearsed = retention::rehearse(app.store(), settings).expect("a rehearsal");
    assert_eq!(counts(&rehearsed), vec![("drafts", 1)]);
    app.get(&format!("/api/v1/solutions/{draft}"))
        .by(&app.token(Role::Vendor, Some(vendor.id), &[], "plain"))
        .expect(200);
    let first = retention::daily(app.store(), settings).expect("a run").expect("a report");
    assert_eq!(counts(&first), counts(&rehearsed));
    app.get(&format!("/api/v1/solutions/{draft}"))
        .by(&app.token(Role::Vendor, Some(vendor.id), &[], "plain"))
        .expect(404);
    assert_eq!(retention::daily(app.store(), settings).expect("a run"), None, "once a day");
    assert_eq!(counts(&retention::run(app.store(), settings).expect("a run")), vec![]);

    app.clock.advance(TimeDelta::days(5 * 366));
    let later = counts(&retention::run(app.store(), settings).expect("a run"));
    assert!(
        later.contains(&("published_reviews", 1)) && later.iter().any(|(rule, _)| *rule == "accounts"),
        "{later:?}"
    );
    assert_eq!(
        app.get("/api/v1/me").by(&app.token(Role::Buyer, Some(buyer.id), &[], "agente")).expect(200).json()["actor_id"],
        Value::Null
    );
    assert_eq!(app.get(&format!("/api/v1/reviews/{}", review.id())).expect(200).text("title"), "Au quotidien");
}
