use crate::cases;
use crate::support::build::Party;
use crate::support::{App, Response, json};
use gouvtech_catalogue::auth::{Duty, Role};

cases![
    a_solution_travels_from_registration_to_label,
    who_examined_does_not_decide,
    the_operator_decides_no_label,
    a_body_never_audits_itself_under_another_registration,
    an_application_says_everything_that_falls_short,
    a_minor_finding_leads_to_a_reservation,
    a_major_finding_leads_to_a_refusal_and_a_pause,
    a_correction_is_a_new_decision_that_names_the_old_one,
    decisions_and_reports_are_append_only,
    a_recused_case_waits_for_another_body,
    a_case_is_absent_to_strangers,
    a_suspended_solution_has_no_valid_label,
    a_label_expires_on_its_day,
    declared_and_found_stand_side_by_side,
    of_two_decisions_at_once_exactly_one_is_made,
    the_examiner_reads_restricted_evidence_while_the_case_is_open,
    a_correction_revives_no_label_that_ended,
];

pub struct Audit {
    pub vendor: Party,
    pub body: Party,
    pub solution: String,
    pub evaluator: String,
    pub decider: String,
}

pub fn audit(app: &App) -> Audit {
    let (vendor, body) = (app.vendor(1), app.audit_body(1));
    let solution = app.published(&vendor, "Labellisée").id();
    app.evaluated(&vendor, &solution);
    let evaluator = app.auditor(&body, &[Duty::Evaluator], "évaluatrice");
    let decider = app.auditor(&body, &[Duty::DecisionMaker], "décideur");
    Audit { vendor, body, solution, evaluator, decider }
}

/// A decision; before one that harms, the vendor is heard.
pub fn decide(app: &App, audit: &Audit, reported: &Response, body: crate::support::Value) -> Response {
    let is_heard = reported.json()["comments"] != json!([]);
    let reported = &match body["outcome"] == "granted" || is_heard {
        true => reported.clone(),
        false => app.commented(&audit.vendor, reported),
    };
    app.post(&format!("/api/v1/label-applications/{}/decision", reported.id()))
        .by(&audit.decider)
        .on(reported)
        .json(&body)
        .send()
}

fn a_solution_travels_from_registration_to_label(app: &App) {
    let audit = audit(app);
    let opened = app.in_audit(&audit.vendor, &audit.solution, &audit.body, &audit.evaluator);
    let reported = app.reported(&opened, &audit.evaluator, |_, finding| finding);
    assert_eq!(reported.json()["report"]["scores"]["overall"], 1.0);
    let decided = decide(app, &audit, &reported, json!({"outcome": "granted", "reasons": "Aucun écart."}));
    assert_eq!((decided.status, decided.text("status").as_str()), (200, "decided"));

    let number = decided.json()["decisions"][0]["label_number"].as_str().expect("a number").to_owned();
    assert!(number.starts_with("GT-") && number.ends_with("-00001"), "{number}");
    let label = app.get(&format!("/api/v1/labels/{number}")).expect(200).json();
    assert_eq!((&label["status"], &label["origin"]), (&json!("active"), &json!("third_party")));
    assert_eq!(label["audit_body"]["id"], audit.body.id.to_string());
    assert_eq!(app.get("/api/v1/labels").expect(200).json()["total"], 1);
    assert_eq!(
        app.get(&format!("/api/v1/solutions/{}/labels", audit.solution)).expect(200).json()["items"][0]["number"],
        number
    );
    assert_eq!(app.get("/api/v1/solutions?label=active").expect(200).json()["total"], 1);
    assert_eq!(app.get("/api/v1/solutions?label=withdrawn").expect(200).json()["total"], 0);
    let shown = app.get(&format!("/api/v1/solutions/{}?include=label", audit.solution)).expect(200).json();
    assert_eq!(shown["embedded"]["labels"][0]["number"], number);
    app.get("/api/v1/labels/GT-2026-99999").expect(404);
}

fn who_examined_does_not_decide(app: &App) {
    let audit = audit(app);
    let opened = app.in_audit(&audit.vendor, &audit.solution, &audit.body, &audit.evaluator);
    let reported = app.reported(&opened, &audit.evaluator, |_, finding| finding);
    let path = format!("/api/v1/label-applications/{}/decision", reported.id());
    let body = json!({"outcome": "granted", "reasons": "Aucun écart."});
    app.post(&path).by(&audit.evaluator).on(&reported).json(&body).expect(403);
    let both = app.auditor(&audit.body, &[Duty::Evaluator, Duty::DecisionMaker], "évaluatrice");
    app.post(&path).by(&both).on(&reported).json(&body).expect(403);
    assert_eq!(decide(app, &audit, &reported, body).status, 200);
}

fn the_operator_decides_no_label(app: &App) {
    let audit = audit(app);
    let opened = app.in_audit(&audit.vendor, &audit.solution, &audit.body, &audit.evaluator);
    let path = format!("/api/v1/label-applications/{}", opened.id());
    let finding = json!({"result": "compliant", "value": "met", "comment": "Vu."});
    app.put(&format!("{path}/findings/SEC-01")).by(&app.operator()).on(&opened).json(&finding).expect(403);
    let reported = app.reported(&opened, &audit.evaluator, |_, finding| finding);
    let body = json!({"outcome": "granted", "reasons": "Aucun écart."});
    app.post(&format!("{path}/decision")).by(&app.operator()).on(&reported).json(&body).expect(403);
    app.post(&format!("{path}/decision")).by(&audit.vendor.token).on(&reported).json(&body).expect(403);
}

fn a_body_never_audits_itself_under_another_registration(app: &App) {
    let audit = audit(app);
    let begun = app
        .post(&format!("/api/v1/solutions/{}/label-applications", audit.solution))
        .by(&audit.vendor.token)
        .json(&json!({}))
        .expect(201);
    let path = format!("/api/v1/label-applications/{}", begun.id());
    let submitted = app
        .post(&format!("{path}/submit"))
        .by(&audit.vendor.token)
        .on(&begun)
        .json(&json!({"accepts_terms": true}))
        .expect(200);
    let admitted = app.post(&format!("{path}/admit")).by(&app.operator()).on(&submitted).expect(200);
    let vendor = format!("/api/v1/organisations/{}", audit.vendor.id);
    let seen = app.get(&vendor).expect(200);
    app.patch(&vendor).by(&app.operator()).on(&seen).json(&json!({"kinds": ["vendor", "audit_body"]})).expect(200);
    let assign = |id| {
        app.post(&format!("{path}/assign")).by(&app.operator()).on(&admitted).json(&json!({"audit_body_id": id})).send()
    };
    assign(audit.vendor.id).has_fault("/audit_body_id same_organisation");
    assign(app.buyer(1).id).has_fault("/audit_body_id no_audit_body");
    assert_eq!(assign(audit.body.id).status, 200);
}

fn an_application_says_everything_that_falls_short(app: &App) {
    let vendor = app.vendor(1);
    let solution = app.published(&vendor, "Trop tôt").id();
    let begun = app
        .post(&format!("/api/v1/solutions/{solution}/label-applications"))
        .by(&vendor.token)
        .json(&json!({}))
        .expect(201);
    let path = format!("/api/v1/label-applications/{}", begun.id());
    let refused = app
        .post(&format!("{path}/submit"))
        .by(&vendor.token)
        .on(&begun)
        .json(&json!({"accepts_terms": false}))
        .expect(422);
    assert_eq!(refused.faults(), ["/accepts_terms terms_not_accepted", "/evaluation no_evaluation"]);
    app.post(&format!("/api/v1/solutions/{solution}/label-applications"))
        .by(&vendor.token)
        .json(&json!({}))
        .expect(409);
    app.evaluated(&vendor, &solution);
    app.clock.advance(chrono::TimeDelta::days(184));
    let vendor_now = app.token(Role::Vendor, Some(vendor.id), &[Duty::Signatory], "vendor");
    let refused = app
        .post(&format!("{path}/submit"))
        .by(&vendor_now)
        .on(&begun)
        .json(&json!({"accepts_terms": true}))
        .expect(422);
    assert_eq!(refused.faults(), ["/evaluation evaluation_too_old"]);
    let given_up = app
        .post(&format!("{path}/abandon"))
        .by(&vendor_now)
        .on(&begun)
        .json(&json!({"reason": "Plus tard."}))
        .expect(200);
    assert_eq!(given_up.text("status"), "abandoned");
}

fn a_minor_finding_leads_to_a_reservation(app: &App) {
    let audit = audit(app);
    let opened = app.in_audit(&audit.vendor, &audit.solution, &audit.body, &audit.evaluator);
    let minor = |code: &str, mut finding: crate::support::Value| {
        if code == "RSP-01" {
            finding = json!({"result": "minor", "value": "internal", "comment": "La déclaration n’est pas publiée."});
        }
        finding
    };
    let reported = app.reported(&opened, &audit.evaluator, minor);
    let granted = decide(app, &audit, &reported, json!({"outcome": "granted", "reasons": "Presque."}));
    granted.has_fault("/outcome minor_findings");
    let due = app.clock.now().plus_days(90).day();
    let reservation = json!([{"criterion": "RSP-01", "text": "Publier la déclaration.", "due_on": due}]);
    let decided = decide(
        app,
        &audit,
        &reported,
        json!({"outcome": "granted_with_reservations", "reasons": "Presque.", "reservations": reservation}),
    );
    assert_eq!(decided.status, 200);
    let label = app.get("/api/v1/labels?status=active_with_reservations").expect(200).json();
    assert_eq!(label["items"][0]["reservations"][0]["criterion"], "RSP-01");
}

fn a_major_finding_leads_to_a_refusal_and_a_pause(app: &App) {
    let audit = audit(app);
    let opened = app.in_audit(&audit.vendor, &audit.solution, &audit.body, &audit.evaluator);
    let major = |code: &str, mut finding: crate::support::Value| {
        if code == "SEC-01" {
            finding["result"] = json!("major");
        }
        finding
    };
    let reported = app.reported(&opened, &audit.evaluator, major);
    decide(app, &audit, &reported, json!({"outcome": "granted", "reasons": "Passons."}))
        .has_fault("/outcome threshold_missed");
    assert_eq!(decide(app, &audit, &reported, json!({"outcome": "refused", "reasons": "Écart majeur."})).status, 200);
    assert_eq!(app.get("/api/v1/labels").expect(200).json()["total"], 0);
    let again = app
        .post(&format!("/api/v1/solutions/{}/label-applications", audit.solution))
        .by(&audit.vendor.token)
        .json(&json!({}))
        .expect(201);
    app.post(&format!("/api/v1/label-applications/{}/submit", again.id()))
        .by(&audit.vendor.token)
        .on(&again)
        .json(&json!({"accepts_terms": true}))
        .expect(422)
        .has_fault("/solution refused_recently");
}

fn a_correction_is_a_new_decision_that_names_the_old_one(app: &App) {
    let audit = audit(app);
    let opened = app.in_audit(&audit.vendor, &audit.solution, &audit.body, &audit.evaluator);
    let reported = app.reported(&opened, &audit.evaluator, |_, finding| finding);
    let decided = decide(app, &audit, &reported, json!({"outcome": "granted", "reasons": "Motifs incomplets."}));
    let first = decided.json()["decisions"][0].clone();
    decide(app, &audit, &decided, json!({"outcome": "granted", "reasons": "Sans nommer."}))
        .has_fault("/corrects wrong_decision");
    let corrected = decide(
        app,
        &audit,
        &decided,
        json!({"outcome": "granted", "reasons": "Motifs complets.", "corrects": first["id"]}),
    );
    assert_eq!(corrected.status, 200);
    let decisions = corrected.json()["decisions"].clone();
    assert_eq!((&decisions[0], &decisions[1]["corrects"]), (&first, &first["id"]), "the old one is as it was");
    let register = app.get("/api/v1/labels").expect(200).json();
    assert_eq!(
        (&register["total"], register["items"][0]["decisions"].as_array().expect("a list").len()),
        (&json!(1), 2)
    );
}

fn decisions_and_reports_are_append_only(app: &App) {
    let audit = audit(app);
    let opened = app.in_audit(&audit.vendor, &audit.solution, &audit.body, &audit.evaluator);
    let reported = app.reported(&opened, &audit.evaluator, |_, finding| finding);
    decide(app, &audit, &reported, json!({"outcome": "granted", "reasons": "Aucun écart."}));
    for sql in [
        "UPDATE label_decisions SET outcome = 'refused'",
        "DELETE FROM label_decisions",
        "UPDATE audit_reports SET summary = 'x'",
        "DELETE FROM audit_reports",
        "UPDATE findings SET result = 'major'",
        "DELETE FROM findings",
    ] {
        assert!(app.sql(sql).is_err(), "{sql} must fail");
    }
}

fn a_recused_case_waits_for_another_body(app: &App) {
    let audit = audit(app);
    let begun = app
        .post(&format!("/api/v1/solutions/{}/label-applications", audit.solution))
        .by(&audit.vendor.token)
        .json(&json!({}))
        .expect(201);
    let path = format!("/api/v1/label-applications/{}", begun.id());
    let submitted = app
        .post(&format!("{path}/submit"))
        .by(&audit.vendor.token)
        .on(&begun)
        .json(&json!({"accepts_terms": true}))
        .expect(200);
    let admitted = app.post(&format!("{path}/admit")).by(&app.operator()).on(&submitted).expect(200);
    let assigned = app
        .post(&format!("{path}/assign"))
        .by(&app.operator())
        .on(&admitted)
        .json(&json!({"audit_body_id": audit.body.id}))
        .expect(200);
    app.post(&format!("{path}/open")).by(&audit.evaluator).on(&assigned).json(&app.plan()).expect(409);
    app.post(&format!("{path}/accept"))
        .by(&audit.evaluator)
        .on(&assigned)
        .json(&json!({"declares_independence": false}))
        .expect(422);
    let recused = app
        .post(&format!("{path}/recuse"))
        .by(&audit.evaluator)
        .on(&assigned)
        .json(&json!({"reason": "Lien avec le vendeur."}))
        .expect(200);
    assert_eq!(recused.text("status"), "admissible");
    app.get(&path).by(&audit.evaluator).expect(404);
}

fn a_case_is_absent_to_strangers(app: &App) {
    let audit = audit(app);
    let opened = app.in_audit(&audit.vendor, &audit.solution, &audit.body, &audit.evaluator);
    let path = format!("/api/v1/label-applications/{}", opened.id());
    let other_body = app.audit_body(2);
    let other_vendor = app.vendor(2);
    app.get(&path).by(&other_body.token).expect(404);
    app.get(&path).by(&other_vendor.token).expect(404);
    app.get(&path).by(&app.buyer(1).token).expect(403);
    app.get(&path).expect(401);
    assert_eq!(app.get("/api/v1/label-applications").by(&other_body.token).expect(200).json()["total"], 0);
    assert_eq!(app.get("/api/v1/label-applications").by(&audit.body.token).expect(200).json()["total"], 1);
    let finding = json!({"result": "compliant", "value": "met", "comment": "Vu."});
    app.put(&format!("{path}/findings/SEC-01")).by(&other_body.token).on(&opened).json(&finding).expect(404);
    assert_eq!(
        app.get(&path).by(&audit.vendor.token).expect(200).json()["findings"],
        json!([]),
        "the vendor does not look over the shoulder"
    );
}

pub fn granted(app: &App) -> (Audit, String) {
    let audit = audit(app);
    let opened = app.in_audit(&audit.vendor, &audit.solution, &audit.body, &audit.evaluator);
    let reported = app.reported(&opened, &audit.evaluator, |_, finding| finding);
    let decided = decide(app, &audit, &reported, json!({"outcome": "granted", "reasons": "Aucun écart."}));
    let number = decided.json()["decisions"][0]["label_number"].as_str().expect("a number").to_owned();
    (audit, number)
}

fn a_suspended_solution_has_no_valid_label(app: &App) {
    let (audit, number) = granted(app);
    let solution = app.get(&format!("/api/v1/solutions/{}", audit.solution)).by(&app.operator()).expect(200);
    let body = json!({"code": "security", "reason": "Faille exploitée."});
    let suspended = app
        .post(&format!("/api/v1/solutions/{}/suspend", audit.solution))
        .by(&app.moderator("un"))
        .on(&solution)
        .json(&body)
        .expect(200);
    assert_eq!(app.get(&format!("/api/v1/labels/{number}")).expect(200).text("status"), "suspended");
    app.post(&format!("/api/v1/solutions/{}/lift", audit.solution))
        .by(&app.moderator("deux"))
        .on(&suspended)
        .expect(200);
    assert_eq!(
        app.get(&format!("/api/v1/labels/{number}")).expect(200).text("status"),
        "suspended",
        "lifting does not restore the label"
    );
}

fn a_label_expires_on_its_day(app: &App) {
    let (_, number) = granted(app);
    app.clock.advance(chrono::TimeDelta::days(37 * 31));
    let path = format!("/api/v1/labels/{number}");
    assert_eq!(app.get(&path).expect(200).text("status"), "expired", "before any job has run");
    assert_eq!(app.get("/api/v1/labels?status=active").expect(200).json()["total"], 0);
    assert_eq!(app.get("/api/v1/labels?status=expired").expect(200).json()["total"], 1);
    gouvtech_catalogue::deadlines::run(app.store(), &app.inner.settings).expect("run");
    assert_eq!(app.get(&path).expect(200).text("status"), "expired");
}

fn declared_and_found_stand_side_by_side(app: &App) {
    let audit = audit(app);
    let opened = app.in_audit(&audit.vendor, &audit.solution, &audit.body, &audit.evaluator);
    let lower = |code: &str, mut finding: crate::support::Value| {
        if code == "RSP-01" {
            finding = json!({"result": "minor", "value": "internal", "comment": "La déclaration n’est pas publiée."});
        }
        finding
    };
    let reported = app.reported(&opened, &audit.evaluator, lower);
    let due = app.clock.now().plus_days(30).day();
    let reservation = json!([{"criterion": "RSP-01", "text": "Publier la déclaration.", "due_on": due}]);
    decide(
        app,
        &audit,
        &reported,
        json!({"outcome": "granted_with_reservations", "reasons": "Presque.", "reservations": reservation}),
    );
    let body = app
        .get(&format!("/api/v1/solutions/{}/criteria?theme=responsabilite_numerique", audit.solution))
        .expect(200)
        .json();
    let one = body["items"]
        .as_array()
        .expect("criteria")
        .iter()
        .find(|one| one["criterion"]["code"] == "RSP-01")
        .expect("RSP-01");
    assert_eq!((&one["declared"]["value"], &one["declared"]["origin"]), (&json!("verified"), &json!("declared")));
    assert_eq!((&one["found"]["value"], &one["found"]["origin"]), (&json!("internal"), &json!("third_party")));
    assert_eq!(one["divergence"], "found_lower");
    let other = body["items"]
        .as_array()
        .expect("criteria")
        .iter()
        .find(|one| one["criterion"]["code"] == "RSP-02")
        .expect("RSP-02");
    assert_eq!(other["divergence"], "none");
}

fn of_two_decisions_at_once_exactly_one_is_made(app: &App) {
    let audit = audit(app);
    let opened = app.in_audit(&audit.vendor, &audit.solution, &audit.body, &audit.evaluator);
    let reported = app.reported(&opened, &audit.evaluator, |_, finding| finding);
    let body = json!({"outcome": "granted", "reasons": "Aucun écart."});
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..8).map(|_| scope.spawn(|| decide(app, &audit, &reported, body.clone()).status)).collect();
        all.into_iter().map(|one| one.join().expect("no panic")).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(app.get("/api/v1/labels").expect(200).json()["total"], 1);
}

fn the_examiner_reads_restricted_evidence_while_the_case_is_open(app: &App) {
    let audit = audit(app);
    let path = format!("/api/v1/solutions/{}/evaluation", audit.solution);
    let seen = |token: &str| {
        app.get(&path).by(token).expect(200).json()["answers"][0]["evidence"].as_array().expect("a list").len()
    };
    assert_eq!(seen(&audit.evaluator), 0, "not before the case is accepted");
    let opened = app.in_audit(&audit.vendor, &audit.solution, &audit.body, &audit.evaluator);
    assert_eq!(seen(&audit.evaluator), 1);
    assert_eq!(seen(&app.audit_body(2).token), 0, "not another body");
    let reported = app.reported(&opened, &audit.evaluator, |_, finding| finding);
    decide(app, &audit, &reported, json!({"outcome": "granted", "reasons": "Aucun écart."}));
    assert_eq!(seen(&audit.evaluator), 0, "not after the decision");
}

fn a_correction_revives_no_label_that_ended(app: &App) {
    let (audit, number) = granted(app);
    let solution = app.get(&format!("/api/v1/solutions/{}", audit.solution)).by(&app.operator()).expect(200);
    let body = json!({"code": "security", "reason": "Faille exploitée."});
    app.post(&format!("/api/v1/solutions/{}/suspend", audit.solution))
        .by(&app.moderator("un"))
        .on(&solution)
        .json(&body)
        .expect(200);
    let suspended = app.get(&format!("/api/v1/solutions/{}", audit.solution)).by(&app.operator()).expect(200);
    app.post(&format!("/api/v1/solutions/{}/lift", audit.solution))
        .by(&app.moderator("deux"))
        .on(&suspended)
        .expect(200);
    let case = app.get("/api/v1/label-applications").by(&audit.decider).expect(200).json()["items"][0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let seen = app.get(&format!("/api/v1/label-applications/{case}")).by(&audit.decider).expect(200);
    let first = seen.json()["decisions"][0]["id"].clone();
    let corrected =
        decide(app, &audit, &seen, json!({"outcome": "granted", "reasons": "Motifs complétés.", "corrects": first}));
    assert_eq!(corrected.status, 200);
    assert_eq!(app.get(&format!("/api/v1/labels/{number}")).expect(200).text("status"), "suspended");
}
