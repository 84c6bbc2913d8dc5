use crate::cases;
use crate::support::{App, json};

cases![
    an_empty_catalogue_starts_with_a_set_in_force,
    criteria_are_filtered_by_theme_and_objective,
    the_operator_makes_the_next_set_from_a_copy,
    a_published_set_never_changes,
    a_set_comes_into_force_on_its_day_and_the_old_one_retires,
    a_scheduled_set_is_taken_back_before_its_day,
    a_criterion_is_checked_against_its_set,
    drafts_are_the_administrators_affair,
];

fn an_empty_catalogue_starts_with_a_set_in_force(app: &App) {
    let sets = app.get("/api/v1/criteria-sets").expect(200).json();
    assert_eq!((&sets["total"], &sets["items"][0]["status"]), (&json!(1), &json!("in_force")));
    let criteria = app.get("/api/v1/criteria").expect(200).json();
    let themes = app.get("/api/v1/themes").expect(200).json();
    let counted: i64 = themes["items"]
        .as_array()
        .expect("themes")
        .iter()
        .map(|theme| theme["criteria_count"].as_i64().expect("a number"))
        .sum();
    assert_eq!(criteria["total"], counted);
    let one = app.get("/api/v1/criteria/SEC-01").expect(200).json();
    assert_eq!(one["theme"], "securite");
    assert!(one["options"].as_array().expect("options").len() >= 2);
    app.get("/api/v1/criteria/XXX-99").expect(404);
}

fn criteria_are_filtered_by_theme_and_objective(app: &App) {
    let total = |query: &str| {
        app.get(&format!("/api/v1/criteria?{query}")).expect(200).json()["total"].as_i64().expect("a number")
    };
    let all = total("");
    let security = total("theme=securite");
    assert!(0 < security && security < all);
    assert!(total("theme=securite&theme=accessibilite") > security);
    assert!(total("objective=souverainete") > 0);
    assert_eq!(total("theme=inconnu"), 0);
}

fn the_operator_makes_the_next_set_from_a_copy(app: &App) {
    let operator = app.operator();
    let draft = app.post("/api/v1/criteria-sets").by(&operator).json(&json!({"label": "2.0.0"})).expect(201);
    let path = format!("/api/v1/criteria-sets/{}", draft.id());
    assert_eq!(draft.text("status"), "draft");
    let before =
        app.get(&format!("{path}/criteria")).by(&operator).expect(200).json()["total"].as_i64().expect("a number");
    let renamed = app.patch(&path).by(&operator).on(&draft).json(&json!({"label": "2.0.1"})).expect(200);
    assert_eq!(renamed.text("label"), "2.0.1");
    let heavier = app
        .patch(&format!("{path}/criteria/SEC-01"))
        .by(&operator)
        .on(&renamed)
        .json(&json!({"weight": 9}))
        .expect(200);
    assert_eq!(heavier.json()["weight"], 9);
    let text = json!({"fr": "Texte", "en": "Text"});
    let criterion = json!({
        "code": "SEC-99", "theme": "securite", "title": text, "question": text, "guidance": text, "answer_type": "met_unmet_na",
        "weight": 1, "mandatory_for_label": false, "label_min_score": 0, "na_allowed": true, "evidence_expected": text, "applies_to": ["all"],
    });
    let added = app.post(&format!("{path}/criteria")).by(&operator).on(&heavier).json(&criterion).expect(201);
    app.post(&format!("{path}/criteria")).by(&operator).on(&added).json(&criterion).expect(409);
    let removed = app.delete(&format!("{path}/criteria/SEC-02")).by(&operator).on(&added).expect(204);
    app.delete(&format!("{path}/criteria/SEC-02")).by(&operator).on(&removed).expect(404);
    let after = app.get(&format!("{path}/criteria")).by(&operator).expect(200).json();
    assert_eq!(after["total"], before);
    assert_eq!(app.get("/api/v1/criteria/SEC-01").expect(200).json()["weight"], 5, "the set in force is as it was");
    let seen = app.get(&path).by(&operator).expect(200);
    app.delete(&path).by(&operator).on(&seen).expect(204);
}

fn a_published_set_never_changes(app: &App) {
    let operator = app.operator();
    let id = app.get("/api/v1/criteria-sets").expect(200).json()["items"][0]["id"].as_str().expect("an id").to_owned();
    let path = format!("/api/v1/criteria-sets/{id}");
    let seen = app.get(&path).expect(200);
    app.patch(&path).by(&operator).on(&seen).json(&json!({"label": "9"})).expect(409);
    app.delete(&path).by(&operator).on(&seen).expect(409);
    app.patch(&format!("{path}/criteria/SEC-01")).by(&operator).on(&seen).json(&json!({"weight": 1})).expect(409);
    app.delete(&format!("{path}/criteria/SEC-01")).by(&operator).on(&seen).expect(409);
    app.post(&format!("{path}/retire")).by(&operator).on(&seen).expect(409);
}

fn a_set_comes_into_force_on_its_day_and_the_old_one_retires(app: &App) {
    let draft = app.post("/api/v1/criteria-sets").by(&app.operator()).json(&json!({"label": "2.0.0"})).expect(201);
    let path = format!("/api/v1/criteria-sets/{}", draft.id());
    let day = |days: i64| app.clock.now().plus_days(days).day().to_string();
    let publish = |on: &str| {
        app.post(&format!("{path}/publish")).by(&app.operator()).on(&draft).json(&json!({"in_force_on": on})).send()
    };
    publish(&day(59)).has_fault("/in_force_on notice_too_short");
    let published = publish(&day(60));
    assert_eq!((published.status, published.text("status").as_str()), (200, "scheduled"));
    let other = app.post("/api/v1/criteria-sets").by(&app.operator()).json(&json!({"label": "3.0.0"})).expect(201);
    app.post(&format!("/api/v1/criteria-sets/{}/publish", other.id()))
        .by(&app.operator())
        .on(&other)
        .json(&json!({"in_force_on": day(90)}))
        .expect(409);
    assert_ne!(app.get("/api/v1/criteria/SEC-01").expect(200).json()["criteria_set_id"], draft.id());
    app.clock.advance(chrono::TimeDelta::days(60));
    assert_eq!(app.get("/api/v1/criteria/SEC-01").expect(200).json()["criteria_set_id"], draft.id());
    let sets = app.get("/api/v1/criteria-sets").expect(200).json();
    assert_eq!((&sets["items"][0]["status"], &sets["items"][1]["status"]), (&json!("in_force"), &json!("retired")));
}

fn a_scheduled_set_is_taken_back_before_its_day(app: &App) {
    let draft = app.post("/api/v1/criteria-sets").by(&app.operator()).json(&json!({"label": "2.0.0"})).expect(201);
    let path = format!("/api/v1/criteria-sets/{}", draft.id());
    let body = json!({"in_force_on": app.clock.now().plus_days(61).day()});
    let published = app.post(&format!("{path}/publish")).by(&app.operator()).on(&draft).json(&body).expect(200);
    let retired = app.post(&format!("{path}/retire")).by(&app.operator()).on(&published).expect(200);
    assert_eq!(retired.text("status"), "retired");
    app.clock.advance(chrono::TimeDelta::days(100));
    assert_ne!(app.get("/api/v1/criteria/SEC-01").expect(200).json()["criteria_set_id"], draft.id());
}

fn a_criterion_is_checked_against_its_set(app: &App) {
    let draft = app.post("/api/v1/criteria-sets").by(&app.operator()).json(&json!({"label": "2.0.0"})).expect(201);
    let path = format!("/api/v1/criteria-sets/{}/criteria/SEC-01", draft.id());
    let change = json!({"theme": "inconnu", "applies_to": ["nulle_part"], "na_allowed": true, "levels": [], "label_min_score": 1});
    let refused = app.patch(&path).by(&app.operator()).on(&draft).json(&change).expect(422);
    for fault in ["/theme unknown_theme", "/applies_to/0 unknown_trait", "/na_allowed mandatory_and_na"] {
        refused.has_fault(fault);
    }
}

fn drafts_are_the_administrators_affair(app: &App) {
    let draft = app.post("/api/v1/criteria-sets").by(&app.operator()).json(&json!({"label": "2.0.0"})).expect(201);
    app.get(&format!("/api/v1/criteria-sets/{}", draft.id())).expect(404);
    app.get(&format!("/api/v1/criteria-sets/{}/criteria", draft.id())).by(&app.moderator("m")).expect(404);
    assert_eq!(app.get("/api/v1/criteria-sets").expect(200).json()["total"], 1);
    app.post("/api/v1/criteria-sets").by(&app.moderator("m")).json(&json!({"label": "x"})).expect(403);
}
