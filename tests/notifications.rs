//! Who is told of what, and reminded of what.

use chrono::TimeDelta;
use gouvtech_catalogue::auth::{Duty, Role};
use gouvtech_catalogue::config::Given;
use gouvtech_catalogue::deadlines;
use gouvtech_catalogue::persons::retention;

use crate::cases;
use crate::label_life::{Life, calendar};
use crate::labels::audit;
use crate::support::{App, Value, json};

cases![
    each_party_is_told_what_the_others_did,
    a_list_goes_on_from_where_it_was_left,
    what_a_party_does_not_read_it_is_not_told_of,
    a_reminder_is_given_once_at_each_of_its_days,
    what_comes_due_is_reminded_of,
    two_instances_remind_once,
    a_notification_is_erased_after_two_years,
];

fn read(app: &App, token: &str, query: &str) -> Value {
    app.get(&format!("/api/v1/notifications{query}")).by(token).expect(200).json()
}

/// The actions told, the latest first.
fn told(app: &App, token: &str) -> Vec<String> {
    let page = read(app, token, "?limit=100");
    page["items"].as_array().expect("rows").iter().map(|row| row["action"].as_str().expect("text").to_owned()).collect()
}

/// The reminders given, the latest first.
fn reminded(app: &App, token: &str) -> Vec<String> {
    let page = read(app, token, "?limit=100");
    let rows = page["items"].as_array().expect("rows").iter();
    rows.filter_map(|row| row["reminder"].as_str().map(ToOwned::to_owned)).collect()
}

fn each_party_is_told_what_the_others_did(app: &App) {
    let life = Life::begin(app);
    let (vendor, body) = (life.vendor(app), life.decider(app));
    assert_eq!(
        told(app, &vendor.token),
        [
            "decide_label_application",
            "submit_report",
            "open_label_application",
            "accept_label_application",
            "assign_label_application",
            "admit_label_application",
        ]
    );
    assert_eq!(told(app, &body), ["assign_label_application"], "what it did itself it knows");
    let operator = read(app, &app.operator(), "");
    assert_eq!(operator["items"][0]["action"], "submit_label_application");
    assert_eq!(operator["total"], 1);
    assert_eq!(operator["items"][0]["due_on"], json!(app.clock.now().plus_days(28).day()));

    let urgent = json!({"reason": "Incident majeur.", "is_urgent": true});
    life.decides(app, "suspend", &urgent);
    let first = read(app, &vendor.token, "")["items"][0].clone();
    assert_eq!((&first["action"], &first["address"]), (&json!("suspend_label"), &json!(life.path())));
    assert_eq!(first["due_on"], life.label(app)["suspension"]["until"]);
    let mut members: Vec<&str> = first.as_object().expect("an object").keys().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!(
        members,
        ["action", "address", "at", "due_on", "position", "reminder", "resource", "resource_id"],
        "no person"
    );
    assert_eq!(life.act(app, "renounce", &vendor.token, &json!({"reason": "Produit arrêté."})).status, 200);
    assert_eq!(told(app, &body)[0], "renounce_label");

    for token in [&app.vendor(2).token, &app.audit_body(2).token, &app.buyer(1).token] {
        assert_eq!(read(app, token, "")["total"], 0);
    }
    app.get("/api/v1/notifications").expect(401);
    app.get("/api/v1/notifications").by(&app.moderator("un")).expect(403);
}

fn a_list_goes_on_from_where_it_was_left(app: &App) {
    let life = Life::begin(app);
    let vendor = life.vendor(app).token;
    let all = read(app, &vendor, "?limit=100")["items"].as_array().expect("rows").clone();
    let mut paged = Vec::new();
    let mut query = "?limit=2".to_owned();
    loop {
        let page = read(app, &vendor, &query);
        assert_eq!(page["total"], json!(all.len()));
        paged.extend(page["items"].as_array().expect("rows").clone());
        let Some(next) = page["next"].as_str() else { break };
        query = format!("?limit=2&cursor={next}");
    }
    assert_eq!(paged, all);
    let last = all[0]["position"].as_i64().expect("a number");
    assert_eq!(read(app, &vendor, &format!("?since={last}"))["total"], 0);
    life.decides(app, "surveillance", &json!({"reason": "Contrôle annuel."}));
    let fresh = read(app, &vendor, &format!("?since={last}"));
    assert_eq!((&fresh["total"], &fresh["items"][0]["action"]), (&json!(1), &json!("open_surveillance_of_label")));
    assert_eq!(read(app, &vendor, "?action=submit_report")["total"], 1);
    assert_eq!(read(app, &vendor, "?action=unheard_of")["total"], 0);
}

fn what_a_party_does_not_read_it_is_not_told_of(app: &App) {
    let audit = audit(app);
    let opened = app.in_audit(&audit.vendor, &audit.solution, &audit.body, &audit.evaluator);
    let interest =
        json!({"holder": "body", "kind": "other_audit", "description": "Audit ISO 27001.", "since": "2025-03-01"});
    let path = format!("/api/v1/label-applications/{}/declare", opened.id());
    app.post(&path).by(&audit.evaluator).on(&opened).json(&json!({"interests": [interest]})).expect(200);
    let told = told(app, &audit.vendor.token);
    assert!(!told.iter().any(|action| action == "declare_interests"), "{told:?}");
    // A case that goes to another body: both know.
    let other = app.audit_body(2);
    let path = format!("/api/v1/label-applications/{}", opened.id());
    let seen = app.get(&path).by(&app.operator()).expect(200);
    let body = json!({"audit_body_id": other.id, "reason": "Charge de travail."});
    app.post(&format!("{path}/reassign")).by(&app.operator()).on(&seen).json(&body).expect(200);
    for token in [&audit.decider, &other.token, &audit.vendor.token] {
        assert_eq!(read(app, token, "")["items"][0]["action"], "reassign_label_application");
    }
}

fn a_reminder_is_given_once_at_each_of_its_days(app: &App) {
    let life = Life::reserved(app, 60);
    let body = || life.decider(app);
    for (days, expected) in [
        (29, &[][..]),
        (1, &["reservation_due_in_30_days"]),
        (10, &["reservation_due_in_30_days"]),
        (13, &["reservation_due_in_7_days", "reservation_due_in_30_days"]),
        (5, &["reservation_due_in_7_days", "reservation_due_in_30_days"]),
    ] {
        app.clock.advance(TimeDelta::days(days));
        calendar(app);
        assert_eq!(reminded(app, &body()), expected, "{days} days later");
        assert_eq!(reminded(app, &life.vendor(app).token), expected);
    }
    let first = read(app, &body(), "?action=remind_of_label")["items"][0].clone();
    assert_eq!(
        (&first["address"], &first["due_on"]),
        (&json!(life.path()), &life.label(app)["reservations"][0]["due_on"])
    );
    app.clock.advance(TimeDelta::days(60));
    calendar(app);
    assert_eq!(life.status(app), "suspended");
    app.clock.advance(TimeDelta::days(155));
    calendar(app);
    assert_eq!(reminded(app, &body())[0], "suspension_ends_in_30_days");
}

fn what_comes_due_is_reminded_of(app: &App) {
    let app = &app.another(Given { label_validity_months: Some(14), ..Given::default() });
    let life = Life::begin(app);
    let begun = app.clock.now();
    let vendor = || life.vendor(app).token;
    let at = |days: i64| {
        let ahead = begun.plus_days(days).0 - app.clock.now().0;
        app.clock.advance(ahead);
        calendar(app);
    };
    at(340);
    let given = reminded(app, &vendor());
    for expected in ["label_ends_in_6_months", "confirmation_due_in_30_days", "evaluation_expires_in_30_days"] {
        assert_eq!(given.iter().filter(|one| *one == expected).count(), 1, "{given:?}");
    }
    at(360);
    assert!(reminded(app, &vendor()).contains(&"confirmation_due_in_7_days".to_owned()));
    let path = format!("/api/v1/solutions/{}", life.audit.solution);
    let own = app.own(&life.vendor(app), &life.audit.solution);
    app.post(&format!("{path}/confirm")).by(&vendor()).on(&own).expect(200);
    at(400);
    assert!(reminded(app, &vendor()).contains(&"label_ends_in_30_days".to_owned()), "{:?}", reminded(app, &vendor()));
    at(420);
    assert_eq!(reminded(app, &vendor()).iter().filter(|one| one.starts_with("label_ends")).count(), 3);
    // An application that nobody admits.
    app.evaluated(&life.vendor(app), &life.audit.solution);
    let applications = format!("{path}/label-applications");
    let begun = app.post(&applications).by(&vendor()).json(&json!({})).expect(201);
    let submit = format!("/api/v1/label-applications/{}/submit", begun.id());
    app.post(&submit).by(&vendor()).on(&begun).json(&json!({"accepts_terms": true})).expect(200);
    at(447);
    assert_eq!(reminded(app, &app.operator()), Vec::<String>::new());
    at(449);
    assert_eq!(reminded(app, &app.operator()), ["admission_overdue"]);
    at(460);
    assert_eq!(reminded(app, &app.operator()), ["admission_overdue"]);
}

fn two_instances_remind_once(app: &App) {
    let life = Life::reserved(app, 60);
    let twin = app.twin(Given::default());
    app.clock.advance(TimeDelta::days(31));
    std::thread::scope(|scope| {
        for one in [app, &twin, app, &twin] {
            scope.spawn(move || deadlines::run(one.store(), &one.inner.settings));
        }
    });
    calendar(&twin);
    assert_eq!(reminded(app, &life.decider(app)), ["reservation_due_in_30_days"]);
}

fn a_notification_is_erased_after_two_years(app: &App) {
    let life = Life::begin(app);
    let token = || app.token(Role::Vendor, Some(life.audit.vendor.id), &[Duty::Signatory], "fournisseur");
    let count = |app: &App| read(app, &token(), "")["total"].as_u64().expect("a number");
    let erased = |app: &App| {
        let report = retention::run(app.store(), &app.inner.settings).expect("a report");
        report.rules.iter().find(|rule| rule.rule == "notifications").expect("the rule").count
    };
    let all = count(app);
    assert!(all > 0);
    app.clock.advance(TimeDelta::days(729));
    assert_eq!((erased(app), count(app)), (0, all));
    app.clock.advance(TimeDelta::days(2));
    assert!(erased(app) > 0);
    assert_eq!((erased(app), count(app)), (0, 0));
}
