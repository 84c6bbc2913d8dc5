//! The life of a label after it was granted: what its parties and the calendar do to it.

use chrono::{Months, TimeDelta};
use gouvtech_catalogue::auth::{Duty, Role};
use gouvtech_catalogue::config::Given;
use gouvtech_catalogue::deadlines;
use gouvtech_catalogue::labels::acts::LabelAct;
use gouvtech_catalogue::labels::model::Label;
use gouvtech_catalogue::log::tree::EntryRow;
use gouvtech_catalogue::proof::entry::{LabelEvent, LogEntry};
use gouvtech_catalogue::proof::history;
use gouvtech_catalogue::proof::verdict::verify;

use crate::cases;
use crate::labels::{Audit, audit, decide, granted};
use crate::support::build::Party;
use crate::support::{App, Response, Value, json};

cases![
    reservations_are_lifted_and_with_the_last_the_label_is_active,
    a_reservation_that_lapses_suspends_the_label_until_it_is_lifted,
    a_lapse_that_nobody_mends_ends_in_a_withdrawal,
    a_surveillance_ends_where_it_began,
    a_suspension_follows_a_hearing_unless_it_is_urgent,
    a_suspension_that_nobody_ends_is_a_withdrawal,
    a_precaution_of_the_operator_is_short_and_ends_by_itself,
    a_precaution_gives_way_to_the_audit_body_and_to_the_solution,
    a_label_is_reinstated_once_the_cause_is_mended,
    whoever_has_no_business_with_a_label_is_refused,
    who_examined_decides_on_no_act,
    a_ban_stops_the_applications_of_solution_and_vendor,
    an_appeal_ends_a_ban,
    a_vendor_renounces_its_own_label,
    a_label_outlives_its_last_day_while_its_renewal_is_examined,
    an_extension_ends_with_what_it_waits_for,
    a_renewed_label_gives_way_to_the_next,
    a_major_change_is_assessed_by_the_audit_body,
    a_label_of_a_body_that_is_accredited_no_more_goes_to_another,
    a_founded_complaint_opens_a_surveillance,
    a_complaint_is_known_to_its_parties_alone,
    acts_are_append_only_and_bound_by_the_log,
    two_instances_take_a_step_of_the_calendar_once,
    what_was_done_is_shown_without_persons,
];

/// A label, and who has to do with it.
pub struct Life {
    pub audit: Audit,
    pub number: String,
}

/// The calendar, twice: the second time there is nothing left to do.
pub fn calendar(app: &App) {
    let run = || deadlines::run(app.store(), &app.inner.settings).expect("run");
    run();
    assert_eq!(run(), 0, "the calendar has done all there was");
}

impl Life {
    pub fn begin(app: &App) -> Self {
        let (audit, number) = granted(app);
        Self { audit, number }
    }

    /// With a reservation on RSP-01, due in so many days.
    pub fn reserved(app: &App, days: i64) -> Self {
        let audit = audit(app);
        let opened = app.in_audit(&audit.vendor, &audit.solution, &audit.body, &audit.evaluator);
        let reported = app.reported(&opened, &audit.evaluator, |code, finding| match code {
            "RSP-01" => json!({"result": "minor", "value": "internal", "comment": "La déclaration n’est pas publiée."}),
            _ => finding,
        });
        let due = app.clock.now().plus_days(days).day();
        let reservations = json!([{"criterion": "RSP-01", "text": "Publier la déclaration.", "due_on": due}]);
        let decision =
            json!({"outcome": "granted_with_reservations", "reasons": "Presque.", "reservations": reservations});
        let decided = decide(app, &audit, &reported, decision);
        let number = decided.json()["decisions"][0]["label_number"].as_str().expect("a number").to_owned();
        Self { audit, number }
    }

    pub fn decider(&self, app: &App) -> String {
        app.auditor(&self.audit.body, &[Duty::DecisionMaker], "décideur")
    }

    pub fn evaluator(&self, app: &App) -> String {
        app.auditor(&self.audit.body, &[Duty::Evaluator], "évaluatrice")
    }

    /// The vendor, with tokens of now.
    pub fn vendor(&self, app: &App) -> Party {
        let id = self.audit.vendor.id;
        let token = |duties: &[Duty]| app.token(Role::Vendor, Some(id), duties, "fournisseur");
        Party { id, token: token(Role::Vendor.duties()), plain: token(&[]) }
    }

    pub fn path(&self) -> String {
        format!("/api/v1/labels/{}", self.number)
    }

    pub fn label(&self, app: &App) -> Value {
        app.get(&self.path()).expect(200).json()
    }

    pub fn status(&self, app: &App) -> String {
        replayed(app, &self.number);
        self.label(app)["status"].as_str().expect("a status").to_owned()
    }

    pub fn act(&self, app: &App, verb: &str, token: &str, body: &Value) -> Response {
        let seen = app.get(&self.path()).expect(200);
        app.post(&format!("{}/{verb}", self.path())).by(token).on(&seen).json(body).send()
    }

    /// An act of the decision maker that succeeds.
    pub fn decides(&self, app: &App, verb: &str, body: &Value) -> Value {
        let answer = self.act(app, verb, &self.decider(app), body);
        assert_eq!(answer.status, 200, "{verb}: {}", String::from_utf8_lossy(&answer.bytes));
        answer.json()
    }
}

/// What the log says of a label.
pub fn events(app: &App, number: &str) -> Vec<LabelEvent> {
    let rows = app.store().read_here(|db| EntryRow::of(db, number)).expect("read");
    let entries = rows.iter().map(|row| row.read().expect("an entry"));
    entries.filter_map(|entry| if let LogEntry::Label(event) = entry { Some(*event) } else { None }).collect()
}

/// The log's events follow from each other, lead to where the label stands, and hold its acts.
pub fn replayed(app: &App, number: &str) {
    let events = events(app, number);
    history::check(&events).unwrap_or_else(|fault| panic!("{number}: {}", fault.en));
    let today = app.clock.now().day();
    let (label, acts) = app
        .store()
        .read_here(|db| Ok((Label::find(db, number)?, LabelAct::of(db, &[number.to_owned()])?)))
        .expect("read");
    let state = history::state_on(&events, today).expect("a history").expect("a state");
    assert_eq!((state.status, state.valid_until), (label.shown(today), label.valid_until), "{number}");
    let hashes: Vec<_> = acts.iter().map(|act| act.hash().expect("a hash")).collect();
    let logged: Vec<_> = events.iter().filter(|event| event.decision.is_none()).map(|event| event.data).collect();
    assert_eq!(hashes, logged, "{number}: each act has its entry");
}

fn because(reason: &str) -> Value {
    json!({"reason": reason})
}

fn urgent() -> Value {
    json!({"reason": "Incident majeur non déclaré.", "is_urgent": true})
}

fn suspend_solution(app: &App, solution: &str) {
    let path = format!("/api/v1/solutions/{solution}");
    let read = app.get(&path).by(&app.operator()).expect(200);
    let body = json!({"code": "security", "reason": "Faille exploitée."});
    app.post(&format!("{path}/suspend")).by(&app.moderator("un")).on(&read).json(&body).expect(200);
}

fn lift_solution(app: &App, solution: &str) {
    let path = format!("/api/v1/solutions/{solution}");
    let read = app.get(&path).by(&app.operator()).expect(200);
    app.post(&format!("{path}/lift")).by(&app.moderator("deux")).on(&read).expect(200);
}

fn lift() -> Value {
    json!({"criterion": "RSP-01", "reason": "La déclaration est publiée."})
}

fn reservations_are_lifted_and_with_the_last_the_label_is_active(app: &App) {
    let life = Life::reserved(app, 90);
    assert_eq!(life.status(app), "active_with_reservations");
    let wrong = json!({"criterion": "SEC-01", "reason": "Corrigé."});
    life.act(app, "lift-reservation", &life.decider(app), &wrong).has_fault("/criterion no_reservation");
    let lifted = life.decides(app, "lift-reservation", &lift());
    assert_eq!(lifted["status"], "active");
    assert_eq!(lifted["reservations"][0]["lifted_on"], json!(app.clock.now().day()));
    let act = &lifted["acts"][0];
    assert_eq!((&act["kind"], &act["details"]["criterion"]), (&json!("reservations_lifted"), &json!("RSP-01")));
    life.act(app, "lift-reservation", &life.decider(app), &lift()).has_fault("/criterion no_reservation");
    assert_eq!(life.status(app), "active");
    app.clock.advance(TimeDelta::days(120));
    calendar(app);
    assert_eq!(life.status(app), "active", "what is lifted does not lapse");
}

fn a_reservation_that_lapses_suspends_the_label_until_it_is_lifted(app: &App) {
    let life = Life::reserved(app, 60);
    app.clock.advance(TimeDelta::days(60));
    calendar(app);
    assert_eq!(life.status(app), "active_with_reservations", "on its last day it stands");
    app.clock.advance(TimeDelta::days(1));
    calendar(app);
    let label = life.label(app);
    assert_eq!((&label["status"], &label["suspension"]["cause"]), (&json!("suspended"), &json!("reservation_lapsed")));
    assert_eq!(label["acts"].as_array().expect("acts").len(), 1);
    let refused = life.act(app, "reinstate", &life.decider(app), &because("Revue faite."));
    assert_eq!(refused.status, 422);
    refused.has_fault("/reservations lapsed");
    assert_eq!(life.decides(app, "lift-reservation", &lift())["status"], "suspended");
    assert_eq!(life.decides(app, "reinstate", &because("La réserve est levée."))["status"], "active");
    assert_eq!(life.label(app)["suspension"], Value::Null);
    assert_eq!(life.status(app), "active");
}

fn a_lapse_that_nobody_mends_ends_in_a_withdrawal(app: &App) {
    let life = Life::reserved(app, 60);
    app.clock.advance(TimeDelta::days(61));
    calendar(app);
    app.clock.advance(TimeDelta::days(186));
    calendar(app);
    let label = life.label(app);
    let last = label["acts"].as_array().expect("acts").last().expect("one").clone();
    assert_eq!((&label["status"], &last["details"]["cause"]), (&json!("withdrawn"), &json!("not_mended")));
    assert_eq!((&last["role"], &last["reason"]), (&json!("system"), &Value::Null));
    assert_eq!(life.status(app), "withdrawn");
}

fn a_surveillance_ends_where_it_began(app: &App) {
    let life = Life::reserved(app, 90);
    let opened = life.act(app, "surveillance", &life.evaluator(app), &because("Contrôle annuel."));
    assert_eq!((opened.status, opened.text("status").as_str()), (200, "under_surveillance"));
    assert_eq!(life.act(app, "surveillance", &life.decider(app), &because("Encore.")).status, 409);
    assert_eq!(app.get("/api/v1/solutions?label=under_surveillance").expect(200).json()["total"], 1);
    let ended = life.decides(app, "end-surveillance", &json!({"outcome": "Sans écart."}));
    assert_eq!(ended["status"], "active_with_reservations");
    assert_eq!(life.act(app, "end-surveillance", &life.decider(app), &json!({"outcome": "Rien."})).status, 409);
    life.decides(app, "surveillance", &because("Signalement sérieux."));
    assert_eq!(life.decides(app, "lift-reservation", &lift())["status"], "under_surveillance");
    life.decides(app, "suspend", &urgent());
    // A suspension does not end the surveillance it came in.
    assert_eq!(life.decides(app, "reinstate", &because("Corrigé."))["status"], "under_surveillance");
    assert_eq!(life.decides(app, "end-surveillance", &json!({"outcome": "Sans écart."}))["status"], "active");
    assert_eq!(life.status(app), "active");
}

fn a_suspension_follows_a_hearing_unless_it_is_urgent(app: &App) {
    let life = Life::begin(app);
    let today = app.clock.now().day();
    let day = |days: i64| today + TimeDelta::days(days);
    let suspension = |more: &Value| {
        let mut body = json!({"reason": "Hébergement changé sans le dire.", "is_urgent": false});
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        life.act(app, "suspend", &life.decider(app), &body)
    };
    suspension(&json!({})).has_fault("/heard_on not_heard");
    suspension(&json!({"heard_on": day(1)})).has_fault("/heard_on out_of_range");
    suspension(&json!({"heard_on": day(-1)})).has_fault("/heard_on out_of_range");
    let heard = json!({"heard_on": today, "until": day(200)});
    suspension(&heard).has_fault("/until out_of_range");
    suspension(&json!({"heard_on": today, "until": today})).has_fault("/until out_of_range");
    let suspended = suspension(&json!({"heard_on": today, "until": day(30)}));
    assert_eq!((suspended.status, suspended.text("status").as_str()), (200, "suspended"));
    let suspended = suspended.json();
    assert_eq!(suspended["suspension"]["until"], json!(day(30)));
    assert_eq!(suspended["suspension"]["from"], "active");
    assert_eq!(suspended["acts"][0]["reason"], "Hébergement changé sans le dire.");
    // For longer, but six months in all.
    app.clock.advance(TimeDelta::days(20));
    let latest = today.checked_add_months(Months::new(6)).expect("a day");
    let prolonged = life.decides(app, "suspend", &urgent());
    assert_eq!((&prolonged["suspension"]["until"], &prolonged["suspension"]["since"]), (&json!(latest), &json!(today)));
    assert_eq!(life.status(app), "suspended");
}

fn a_suspension_that_nobody_ends_is_a_withdrawal(app: &App) {
    let life = Life::begin(app);
    let until = app.clock.now().plus_days(10).day();
    life.decides(app, "suspend", &json!({"reason": "Incident majeur.", "is_urgent": true, "until": until}));
    app.clock.advance(TimeDelta::days(10));
    calendar(app);
    assert_eq!(life.status(app), "suspended", "on its last day it lasts");
    app.clock.advance(TimeDelta::days(1));
    calendar(app);
    assert_eq!(life.status(app), "withdrawn");
    assert_eq!(life.act(app, "reinstate", &life.decider(app), &because("Trop tard.")).status, 409);
}

fn a_precaution_of_the_operator_is_short_and_ends_by_itself(app: &App) {
    let life = Life::reserved(app, 150);
    let until = |days: i64| {
        let body =
            json!({"reason": "Signalement grave.", "is_urgent": true, "until": app.clock.now().plus_days(days).day()});
        life.act(app, "suspend", &app.operator(), &body)
    };
    until(31).has_fault("/until out_of_range");
    assert_eq!(until(30).status, 200);
    let label = life.label(app);
    assert_eq!((&label["suspension"]["cause"], &label["acts"][0]["role"]), (&json!("precaution"), &json!("operator")));
    assert_eq!(label["acts"][0]["organisation_id"], Value::Null);
    assert_eq!(until(30).status, 409, "it is suspended already");
    app.clock.advance(TimeDelta::days(31));
    calendar(app);
    assert_eq!(life.status(app), "active_with_reservations");
    assert_eq!(life.label(app)["acts"].as_array().expect("acts").len(), 2);
    assert_eq!(until(10).status, 409, "not again within six months");
}

fn a_precaution_gives_way_to_the_audit_body_and_to_the_solution(app: &App) {
    let one = Life::begin(app);
    assert_eq!(one.act(app, "suspend", &app.operator(), &urgent()).status, 200);
    let taken = one.decides(app, "suspend", &urgent());
    assert_eq!(taken["suspension"]["cause"], "audit_body");
    suspend_solution(app, &one.audit.solution);
    app.clock.advance(TimeDelta::days(31));
    calendar(app);
    assert_eq!(one.status(app), "suspended", "the audit body suspended it");

    let other = app.another(Given::default());
    let two = Life::begin(&other);
    assert_eq!(two.act(&other, "suspend", &other.operator(), &urgent()).status, 200);
    suspend_solution(&other, &two.audit.solution);
    other.clock.advance(TimeDelta::days(31));
    calendar(&other);
    assert_eq!(two.status(&other), "suspended", "its solution is not public");
    assert_eq!(two.label(&other)["suspension"]["cause"], "solution");
}

fn a_label_is_reinstated_once_the_cause_is_mended(app: &App) {
    let life = Life::begin(app);
    suspend_solution(app, &life.audit.solution);
    assert_eq!(life.label(app)["suspension"]["cause"], "solution");
    let refused = life.act(app, "reinstate", &life.decider(app), &because("Revue faite."));
    assert_eq!(refused.status, 422);
    refused.has_fault("/solution not_published");
    assert_eq!(life.act(app, "surveillance", &life.decider(app), &because("Contrôle.")).status, 409);
    lift_solution(app, &life.audit.solution);
    assert_eq!(life.status(app), "suspended");
    assert_eq!(life.decides(app, "reinstate", &because("Faille corrigée."))["status"], "active");
    assert_eq!(life.status(app), "active");
    assert_eq!(life.act(app, "reinstate", &life.decider(app), &because("Encore.")).status, 409);
}

fn whoever_has_no_business_with_a_label_is_refused(app: &App) {
    let life = Life::begin(app);
    let other = app.audit_body(2);
    let withdrawal = json!({"reason": "Preuves falsifiées.", "heard_on": app.clock.now().day()});
    let unqualified = app.token(Role::Auditor, Some(life.audit.body.id), Role::Auditor.duties(), "inconnue");
    let party = app.token(Role::Operator, Some(life.audit.body.id), &[Duty::LabelOfficer], "partiale");
    for (verb, body) in [
        ("surveillance", because("Contrôle.")),
        ("suspend", urgent()),
        ("withdraw", withdrawal.clone()),
        ("reinstate", because("Corrigé.")),
        ("lift-reservation", lift()),
        ("end-surveillance", json!({"outcome": "Sans écart."})),
        ("assess-change", json!({"verdict": "keep", "reason": "Sans effet."})),
    ] {
        for token in [&other.token, &unqualified, &life.vendor(app).token] {
            assert_eq!(life.act(app, verb, token, &body).status, 403, "{verb}");
        }
    }
    assert_eq!(life.act(app, "suspend", &party, &urgent()).status, 403);
    for verb in ["withdraw", "reinstate", "surveillance"] {
        assert_eq!(life.act(app, verb, &app.operator(), &withdrawal).status, 403, "the operator decides no label");
    }
    assert_eq!(life.act(app, "renounce", &app.vendor(9).token, &because("Plus utile.")).status, 403);
    // A body that lost its accreditation decides nothing any more.
    let read = app.get(&format!("/api/v1/accreditations?organisation={}", life.audit.body.id)).expect(200).json();
    let accreditation = format!("/api/v1/accreditations/{}", read["items"][0]["id"].as_str().expect("an id"));
    let seen = app.get(&accreditation).by(&app.operator()).expect(200);
    app.post(&format!("{accreditation}/suspend")).by(&app.operator()).on(&seen).json(&because("Revue.")).expect(200);
    let refused = life.act(app, "suspend", &life.decider(app), &urgent());
    assert_eq!(refused.status, 403);
    assert!(refused.faults().iter().any(|fault| fault.contains("accreditation_suspended")), "{:?}", refused.faults());
    // The precondition, and what is not there.
    let path = format!("{}/suspend", life.path());
    app.post(&path).by(&app.operator()).json(&urgent()).expect(428);
    app.post(&path).by(&app.operator()).header("if-match", "\"v9\"").json(&urgent()).expect(412);
    app.post("/api/v1/labels/GT-2020-00001/suspend").by(&app.operator()).json(&urgent()).expect(404);
    assert_eq!(life.status(app), "active");
}

fn who_examined_decides_on_no_act(app: &App) {
    let life = Life::begin(app);
    let both = |subject: &str| app.auditor(&life.audit.body, Role::Auditor.duties(), subject);
    let examiner = both("évaluatrice");
    let refused = life.act(app, "suspend", &examiner, &urgent());
    assert_eq!(refused.status, 403);
    assert!(refused.faults().iter().any(|fault| fault.contains("four_eyes")), "{:?}", refused.faults());
    // Whoever opened the surveillance to examine, neither.
    let opener = app.auditor(&life.audit.body, &[Duty::Evaluator], "contrôleuse");
    assert_eq!(life.act(app, "surveillance", &opener, &because("Signalement.")).status, 200);
    let withdrawal = json!({"reason": "Écart majeur.", "heard_on": app.clock.now().day()});
    assert_eq!(life.act(app, "withdraw", &both("contrôleuse"), &withdrawal).status, 403);
    assert_eq!(life.act(app, "end-surveillance", &both("contrôleuse"), &json!({"outcome": "Rien."})).status, 403);
    life.decides(app, "end-surveillance", &json!({"outcome": "Rien."}));
    assert_eq!(life.act(app, "suspend", &both("contrôleuse"), &urgent()).status, 200, "that one is over");
    assert_eq!(life.status(app), "suspended");
}

fn a_ban_stops_the_applications_of_solution_and_vendor(app: &App) {
    let life = Life::begin(app);
    let today = app.clock.now().day();
    let withdrawal = |more: Value| {
        let mut body = json!({"reason": "Preuves falsifiées.", "heard_on": today});
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        life.act(app, "withdraw", &life.decider(app), &body)
    };
    withdrawal(json!({"ban_months": 12})).has_fault("/ban_months fraud_only");
    withdrawal(json!({"is_fraud": true, "ban_months": 25})).has_fault("/ban_months too_large");
    let withdrawn = withdrawal(json!({"is_fraud": true, "ban_months": 12}));
    assert_eq!((withdrawn.status, withdrawn.text("status").as_str()), (200, "withdrawn"));
    let until = today.checked_add_months(Months::new(12)).expect("a day");
    assert_eq!(withdrawn.json()["acts"][0]["details"]["banned_until"], json!(until));
    let apply = |vendor: &Party, solution: &str| {
        let path = format!("/api/v1/solutions/{solution}/label-applications");
        let begun = app.post(&path).by(&vendor.token).json(&json!({})).expect(201);
        let path = format!("/api/v1/label-applications/{}/submit", begun.id());
        app.post(&path).by(&vendor.token).on(&begun).json(&json!({"accepts_terms": true})).send()
    };
    let vendor = life.vendor(app);
    apply(&vendor, &life.audit.solution).has_fault("/solution banned");
    let other = app.published(&vendor, "Autre du même").id();
    apply(&vendor, &other).has_fault("/solution banned");
    let stranger = app.vendor(2);
    let free = app.published(&stranger, "D’un autre").id();
    assert!(!apply(&stranger, &free).faults().iter().any(|fault| fault.ends_with("banned")));
    app.clock.advance(TimeDelta::days(370));
    let later = app.published(&life.vendor(app), "Plus tard").id();
    assert!(!apply(&life.vendor(app), &later).faults().iter().any(|fault| fault.ends_with("banned")));
    assert_eq!(life.status(app), "withdrawn");
}

fn an_appeal_ends_a_ban(app: &App) {
    let life = Life::begin(app);
    let withdrawal = json!({
        "reason": "Preuves falsifiées.", "heard_on": app.clock.now().day(), "is_fraud": true, "ban_months": 12,
    });
    let withdrawn = life.act(app, "withdraw", &life.decider(app), &withdrawal);
    let act = withdrawn.json()["acts"][0]["id"].clone();
    let cases = app.get("/api/v1/label-applications").by(&life.vendor(app).token).expect(200).json();
    let case = format!("/api/v1/label-applications/{}", cases["items"][0]["id"].as_str().expect("an id"));
    let grounds = json!({"subject_id": act, "grounds": "Les preuves étaient celles de l’année précédente."});
    let filed = app.post(&format!("{case}/appeals")).by(&life.vendor(app).token).json(&grounds).expect(201);
    assert_eq!(filed.json()["label_number"], life.number);
    let submit = |status| {
        let path = format!("/api/v1/solutions/{}/label-applications", life.audit.solution);
        let begun = app.post(&path).by(&life.vendor(app).token).json(&json!({})).expect(201);
        let path = format!("/api/v1/label-applications/{}", begun.id());
        let terms = json!({"accepts_terms": true});
        let answer =
            app.post(&format!("{path}/submit")).by(&life.vendor(app).token).on(&begun).json(&terms).expect(status);
        if status != 200 {
            let given_up = app.post(&format!("{path}/abandon")).by(&life.vendor(app).token).on(&begun);
            given_up.json(&because("Plus tard.")).expect(200);
        }
        answer
    };
    assert_eq!(submit(422).faults(), ["/solution appeal_open", "/solution banned"]);
    for member in ["un", "deux"] {
        let member = app.token(Role::Operator, None, &[Duty::AppealMember], member);
        let opinion = json!({"opinion": "send_back", "reasons": "Les dates le montrent assez."});
        let path = format!("/api/v1/appeals/{}/opinions", filed.id());
        app.post(&path).by(&member).header("if-match", "*").json(&opinion).expect(200);
    }
    assert_eq!(life.status(app), "withdrawn", "nothing revives a label that has ended");
    submit(200);
    let told = app.get("/api/v1/notifications").by(&life.audit.body.token).expect(200).json();
    assert_eq!(told["items"][0]["action"], "send_back_decision");
}

fn a_vendor_renounces_its_own_label(app: &App) {
    let life = Life::begin(app);
    assert_eq!(life.act(app, "renounce", &life.vendor(app).plain, &because("Produit arrêté.")).status, 403);
    let renounced = life.act(app, "renounce", &life.vendor(app).token, &because("Produit arrêté."));
    assert_eq!((renounced.status, renounced.text("status").as_str()), (200, "renounced"));
    assert_eq!(renounced.json()["acts"][0]["role"], "vendor");
    assert_eq!(life.act(app, "renounce", &life.vendor(app).token, &because("Encore.")).status, 409);
    assert_eq!(life.act(app, "suspend", &life.decider(app), &urgent()).status, 409);
    assert_eq!(life.status(app), "renounced");
}

/// A label of eight months, so many days before its last one, its vendor ready to apply again.
fn ending(app: &App, days: i64) -> (App, Life) {
    let app = app.another(Given { label_validity_months: Some(8), ..Given::default() });
    let life = Life::begin(&app);
    let last: chrono::NaiveDate = life.label(&app)["valid_until"].as_str().expect("a day").parse().expect("a day");
    let ahead = last - app.clock.now().day() - TimeDelta::days(days);
    app.clock.advance(ahead);
    app.evaluated(&life.vendor(&app), &life.audit.solution);
    (app, life)
}

fn apply_again(app: &App, life: &Life) -> Response {
    let vendor = life.vendor(app);
    let path = format!("/api/v1/solutions/{}/label-applications", life.audit.solution);
    let begun = app.post(&path).by(&vendor.token).json(&json!({})).expect(201);
    let path = format!("/api/v1/label-applications/{}/submit", begun.id());
    app.post(&path).by(&vendor.token).on(&begun).json(&json!({"accepts_terms": true})).expect(200)
}

fn a_label_outlives_its_last_day_while_its_renewal_is_examined(app: &App) {
    let (app, life) = ending(app, 60);
    let app = &app;
    let last = life.label(app)["valid_until"].clone();
    apply_again(app, &life);
    calendar(app);
    assert_eq!(life.label(app)["granted_until"], Value::Null, "there is time yet");
    app.clock.advance(TimeDelta::days(55));
    calendar(app);
    let label = life.label(app);
    assert_eq!((&label["granted_until"], &label["acts"][0]["kind"]), (&last, &json!("extended")));
    let until: chrono::NaiveDate = label["valid_until"].as_str().expect("a day").parse().expect("a day");
    app.clock.advance(TimeDelta::days(30));
    calendar(app);
    assert_eq!(life.status(app), "active", "past its last day");
    let ahead = until - app.clock.now().day() + TimeDelta::days(1);
    app.clock.advance(ahead);
    calendar(app);
    assert_eq!(life.status(app), "expired", "three months later at the latest");
    assert_eq!(life.label(app)["acts"].as_array().expect("acts").len(), 2);
}

fn an_extension_ends_with_what_it_waits_for(app: &App) {
    let (app, life) = ending(app, 0);
    let app = &app;
    let submitted = apply_again(app, &life);
    assert_eq!(life.label(app)["acts"][0]["kind"], "extended", "at once on the last day");
    app.clock.advance(TimeDelta::days(2));
    calendar(app);
    assert_eq!(life.status(app), "active");
    let path = format!("/api/v1/label-applications/{}", submitted.id());
    let seen = app.get(&path).by(&life.vendor(app).token).expect(200);
    app.post(&format!("{path}/abandon")).by(&life.vendor(app).token).on(&seen).json(&because("Plus tard.")).expect(200);
    calendar(app);
    assert_eq!(life.status(app), "expired");
    // What is over is not extended.
    apply_again(app, &life);
    calendar(app);
    assert_eq!(life.status(app), "expired");
}

fn a_renewed_label_gives_way_to_the_next(app: &App) {
    let (app, life) = ending(app, 3);
    let app = &app;
    let (vendor, evaluator) = (life.vendor(app), life.evaluator(app));
    let opened = app.in_audit(&vendor, &life.audit.solution, &life.audit.body, &evaluator);
    // Nothing changed in what is declared: what was found before counts again.
    let case = opened.json();
    assert_eq!((&case["renewal"]["label_number"], &case["renewal"]["to_examine"]), (&json!(life.number), &json!([])));
    assert_eq!(case["findings"].as_array().map(Vec::len), case["renewal"]["taken_over"].as_array().map(Vec::len));
    app.clock.advance(TimeDelta::days(10));
    calendar(app);
    assert_eq!(life.status(app), "active");
    let reported = app.reported(&opened, &life.evaluator(app), |_, finding| finding);
    let again = Audit { decider: life.decider(app), ..audit_of(&life) };
    let decided = decide(app, &again, &reported, json!({"outcome": "granted", "reasons": "Aucun écart."}));
    let number = decided.json()["decisions"][0]["label_number"].as_str().expect("a number").to_owned();
    let acts = life.label(app)["acts"].clone();
    let last = acts.as_array().expect("acts").last().expect("one");
    assert_eq!(last["details"]["next_label"], json!(number));
    assert_eq!(life.status(app), "superseded");
    replayed(app, &number);
    assert_eq!(app.get(&format!("/api/v1/labels/{number}")).expect(200).text("status"), "active");
}

/// Who has to do with a label, without tokens of now.
fn audit_of(life: &Life) -> Audit {
    let party = |of: &Party| Party { id: of.id, token: String::new(), plain: String::new() };
    Audit {
        vendor: party(&life.audit.vendor),
        body: party(&life.audit.body),
        solution: life.audit.solution.clone(),
        evaluator: String::new(),
        decider: String::new(),
    }
}

/// Publishes a version of the solution with these members.
pub fn revise(app: &App, vendor: &Party, solution: &str, patch: &Value) {
    let path = format!("/api/v1/solutions/{solution}");
    let own = app.own(vendor, solution);
    let edited = app.patch(&path).by(&vendor.token).on(&own).json(patch).expect(200);
    let charter = json!({"accepts_charter": true});
    let submitted = app.post(&format!("{path}/submit")).by(&vendor.token).on(&edited).json(&charter).expect(200);
    if !submitted.json()["revision"].is_null() {
        app.post(&format!("{path}/publish")).by(&app.operator()).header("if-match", "*").expect(200);
    }
}

fn a_major_change_is_assessed_by_the_audit_body(app: &App) {
    let life = Life::begin(app);
    let keep = json!({"verdict": "keep", "reason": "Mêmes qualifications."});
    assert_eq!(life.act(app, "assess-change", &life.decider(app), &keep).status, 409, "nothing has changed");
    let vendor = life.vendor(app);
    revise(app, &vendor, &life.audit.solution, &json!({"summary": "Une phrase de plus.", "software_version": "1.0"}));
    assert_eq!(life.label(app)["change_assessment"], Value::Null, "that changes nothing it rests on");
    let host = |name: &str| json!({"hosting": [{"provider": name, "country": "FR"}]});
    revise(app, &vendor, &life.audit.solution, &host("Autre hébergeur"));
    revise(app, &vendor, &life.audit.solution, &json!({"software_version": "2.0"}));
    let pending = life.label(app)["change_assessment"].clone();
    assert_eq!(pending["changes"], json!(["software_version", "hosting"]));
    assert_eq!(pending["solution_version"], 4);
    let label = life.decides(app, "assess-change", &keep);
    assert_eq!((&label["status"], &label["change_assessment"]), (&json!("active"), &Value::Null));
    revise(app, &vendor, &life.audit.solution, &host("Troisième"));
    let examine = json!({"verdict": "partial_audit", "reason": "À revoir sur place."});
    assert_eq!(life.decides(app, "assess-change", &examine)["status"], "under_surveillance");
    revise(app, &vendor, &life.audit.solution, &host("Quatrième"));
    let suspend = json!({"verdict": "suspend", "reason": "Hébergeur non qualifié."});
    life.act(app, "assess-change", &life.decider(app), &suspend).has_fault("/heard_on not_heard");
    let suspend = json!({"verdict": "suspend", "reason": "Hébergeur non qualifié.", "is_urgent": true});
    let label = life.decides(app, "assess-change", &suspend);
    assert_eq!((&label["status"], &label["suspension"]["cause"]), (&json!("suspended"), &json!("audit_body")));
    assert_eq!(life.status(app), "suspended");
}

fn a_label_of_a_body_that_is_accredited_no_more_goes_to_another(app: &App) {
    let life = Life::begin(app);
    let other = app.audit_body(2);
    let transfer = |id| {
        let body = json!({"audit_body_id": id, "reason": "L’accréditation est retirée."});
        life.act(app, "transfer", &app.operator(), &body)
    };
    assert_eq!(transfer(other.id).status, 409, "its body is accredited");
    let read = app.get(&format!("/api/v1/accreditations?organisation={}", life.audit.body.id)).expect(200).json();
    let accreditation = format!("/api/v1/accreditations/{}", read["items"][0]["id"].as_str().expect("an id"));
    let seen = app.get(&accreditation).by(&app.operator()).expect(200);
    app.post(&format!("{accreditation}/withdraw")).by(&app.operator()).on(&seen).json(&because("Revue.")).expect(200);
    transfer(app.candidate_body(3).id).has_fault("/audit_body_id not_accredited");
    transfer(app.buyer(1).id).has_fault("/audit_body_id no_audit_body");
    let moved = transfer(other.id);
    assert_eq!(moved.status, 200, "{}", String::from_utf8_lossy(&moved.bytes));
    assert_eq!(moved.json()["audit_body"]["id"], json!(other.id));
    let decider = app.auditor(&other, &[Duty::DecisionMaker], "autre décideuse");
    assert_eq!(life.act(app, "suspend", &decider, &urgent()).status, 200);
    assert_eq!(life.status(app), "suspended");
    let file = app.get(&format!("{}/bundle", life.path())).expect(200).bytes;
    let verdict = verify(&file, &[]);
    assert!(verdict.valid, "{:?}", verdict.checks);
}

fn complain(app: &App, life: &Life, token: &str) -> Response {
    let body = json!({
        "text": "L’hébergement annoncé n’est plus celui qui est utilisé.",
        "evidence": [{"title": "Avis", "url": "https://example.org/avis"}],
    });
    app.post(&format!("{}/complaints", life.path())).by(token).json(&body).send()
}

fn answer(app: &App, life: &Life, complaint: &str, is_founded: bool) -> Response {
    let path = format!("/api/v1/complaints/{complaint}");
    let seen = app.get(&path).by(&life.decider(app)).expect(200);
    let body = json!({"is_founded": is_founded, "answer": "Vérifié sur pièces."});
    app.post(&format!("{path}/answer")).by(&life.decider(app)).on(&seen).json(&body).send()
}

fn a_founded_complaint_opens_a_surveillance(app: &App) {
    let life = Life::begin(app);
    let buyer = app.buyer(1);
    let filed = complain(app, &life, &buyer.token);
    assert_eq!((filed.status, filed.text("status").as_str()), (201, "open"));
    assert_eq!(complain(app, &life, &buyer.plain).status, 409, "one at a time");
    let unfounded = answer(app, &life, &filed.id(), false);
    assert_eq!((unfounded.status, unfounded.text("status").as_str()), (200, "unfounded"));
    assert_eq!(life.status(app), "active");
    assert_eq!(answer(app, &life, &filed.id(), true).status, 409, "it has its answer");
    let second = complain(app, &life, &buyer.token);
    let rival = complain(app, &life, &app.vendor(2).token);
    assert_eq!(answer(app, &life, &second.id(), true).status, 200);
    let label = life.label(app);
    assert_eq!(label["status"], "under_surveillance");
    let act = label["acts"].as_array().expect("acts").last().expect("one").clone();
    assert_eq!((&act["details"]["is_after_complaint"], &act["reason"]), (&json!(true), &Value::Null));
    assert_eq!(answer(app, &life, &rival.id(), true).status, 200, "it is looked at already");
    assert_eq!(life.status(app), "under_surveillance");
    assert_eq!(life.act(app, "renounce", &life.vendor(app).token, &because("Produit arrêté.")).status, 200);
    assert_eq!(complain(app, &life, &buyer.token).status, 409, "nothing is left to check");
}

fn a_complaint_is_known_to_its_parties_alone(app: &App) {
    let life = Life::begin(app);
    let (buyer, rival, other) = (app.buyer(1), app.vendor(2), app.audit_body(2));
    assert_eq!(complain(app, &life, &life.vendor(app).token).status, 403);
    assert_eq!(complain(app, &life, &life.decider(app)).status, 403);
    assert_eq!(complain(app, &life, &app.operator()).status, 403);
    let filed = complain(app, &life, &buyer.token);
    assert_eq!(filed.json()["complainant"]["id"], json!(buyer.id));
    let path = format!("/api/v1/complaints/{}", filed.id());
    assert_eq!(filed.headers["location"], path);
    app.get(&path).by(&rival.token).expect(404);
    app.get(&path).by(&other.token).expect(404);
    app.get(&path).by(&app.buyer(2).token).expect(404);
    let seen_by = |token: &str| app.get(&path).by(token).expect(200).json()["complainant"].clone();
    assert_eq!(seen_by(&life.vendor(app).plain), Value::Null, "the vendor does not learn who complains");
    assert_eq!(seen_by(&life.decider(app))["id"], json!(buyer.id));
    assert_eq!(seen_by(&app.operator())["id"], json!(buyer.id));
    let listed = |token: &str| {
        let list = app.get(&format!("/api/v1/complaints?label={}&status=open", life.number)).by(token).expect(200);
        list.json()["total"].clone()
    };
    for (token, count) in [(&buyer.token, 1), (&rival.token, 0), (&other.token, 0), (&life.vendor(app).token, 1)] {
        assert_eq!(listed(token), json!(count));
    }
    assert_eq!((listed(&life.decider(app)), listed(&app.operator())), (json!(1), json!(1)));
    assert_eq!(complain(app, &life, &rival.token).status, 201, "each organisation has its own");
    let examiner = app.auditor(&life.audit.body, Role::Auditor.duties(), "évaluatrice");
    let body = json!({"is_founded": true, "answer": "Vérifié sur pièces."});
    app.post(&format!("{path}/answer")).by(&examiner).header("if-match", "*").json(&body).expect(403);
    app.post(&format!("{path}/answer")).by(&other.token).header("if-match", "*").json(&body).expect(404);
}

fn doctor(app: &App) -> Vec<String> {
    let backend = gouvtech_catalogue::db::Backend::parse(app.url()).expect("a URL");
    let mut found = Vec::new();
    gouvtech_catalogue::doctor::examine(&backend, &mut |check| {
        if check.name == "acts on labels" {
            found.extend(check.findings.clone());
        }
    })
    .expect("examined");
    found
}

fn acts_are_append_only_and_bound_by_the_log(app: &App) {
    let life = Life::begin(app);
    life.decides(app, "surveillance", &because("Contrôle annuel."));
    life.decides(app, "suspend", &urgent());
    for sql in ["UPDATE label_acts SET reason = 'x'", "DELETE FROM label_acts"] {
        assert!(app.sql(sql).is_err(), "{sql} must fail");
    }
    assert_eq!(doctor(app), Vec::<String>::new());
    for name in ["updated", "deleted", "replaced"] {
        let _on_sqlite = app.sql(&format!("DROP TRIGGER label_acts_never_{name}"));
    }
    for name in ["change", "truncated"] {
        let _on_postgres = app.sql(&format!("DROP TRIGGER label_acts_never_{name} ON label_acts"));
    }
    app.sql("CREATE TABLE kept_acts AS SELECT * FROM label_acts").expect("kept");
    let put_back = || {
        app.sql("DELETE FROM label_acts").expect("emptied");
        app.sql("INSERT INTO label_acts SELECT * FROM kept_acts").expect("put back");
    };
    app.sql("UPDATE label_acts SET reason = 'Autre motif.' WHERE kind = 'suspended'").expect("altered");
    assert_eq!(doctor(app).len(), 2, "an act the log does not know, and one of the log that is gone");
    put_back();
    app.sql("DELETE FROM label_acts WHERE kind = 'suspended'").expect("altered");
    assert_eq!(doctor(app).len(), 1);
    put_back();
    assert_eq!(doctor(app), Vec::<String>::new());
}

fn two_instances_take_a_step_of_the_calendar_once(app: &App) {
    let life = Life::reserved(app, 60);
    let twin = app.twin(Given::default());
    app.clock.advance(TimeDelta::days(61));
    std::thread::scope(|scope| {
        for one in [app, &twin, app, &twin] {
            scope.spawn(move || deadlines::run(one.store(), &one.inner.settings));
        }
    });
    calendar(app);
    calendar(&twin);
    let label = life.label(&twin);
    assert_eq!(label["status"], "suspended");
    assert_eq!(label["acts"].as_array().expect("acts").len(), 1, "{}", label["acts"]);
    replayed(app, &life.number);
}

fn what_was_done_is_shown_without_persons(app: &App) {
    let life = Life::begin(app);
    life.decides(app, "surveillance", &because("Contrôle annuel."));
    suspend_solution(app, &life.audit.solution);
    let acts = life.label(app)["acts"].clone();
    let acts = acts.as_array().expect("acts");
    assert_eq!(acts.len(), 2);
    assert_eq!(acts[0]["organisation_id"], json!(life.audit.body.id));
    assert_eq!((&acts[1]["role"], &acts[1]["organisation_id"]), (&json!("operator"), &Value::Null));
    for act in acts {
        let mut members: Vec<&str> = act.as_object().expect("an object").keys().map(String::as_str).collect();
        members.sort_unstable();
        assert_eq!(members, ["acted_at", "details", "id", "kind", "organisation_id", "reason", "role"]);
    }
}
