//! What the parties of a case say to each other, and what an appeal makes of it.

use chrono::TimeDelta;
use gouvtech_catalogue::auth::{Duty, Role};

use crate::cases;
use crate::labels::{Audit, audit, decide};
use crate::support::{App, Response, Value, json};

cases![
    a_vendor_proposes_a_body_and_challenges_another,
    an_audit_opens_with_a_plan,
    what_harms_waits_for_the_vendor,
    what_was_found_is_mended_once,
    corrective_action_that_is_not_delivered_lapses,
    an_idle_draft_is_given_up,
    an_appeal_sends_a_decision_back,
    silence_keeps_a_decision,
    an_appeal_is_filed_in_time_against_what_harms,
    a_draft_set_shows_whom_it_would_cost_the_label,
];

const GAP: &str = "RSP-01";

/// A case, and what it takes to act on it.
struct Case<'a> {
    app: &'a App,
    audit: Audit,
    path: String,
}

impl<'a> Case<'a> {
    fn reported(app: &'a App, result: &str) -> (Self, Response) {
        let audit = audit(app);
        let opened = app.in_audit(&audit.vendor, &audit.solution, &audit.body, &audit.evaluator);
        let found = json!({"result": result, "value": "internal", "comment": "La déclaration n’est pas publiée."});
        let change = |code: &str, finding| if code == GAP && result != "compliant" { found.clone() } else { finding };
        let reported = app.reported(&opened, &audit.evaluator, change);
        let path = format!("/api/v1/label-applications/{}", opened.id());
        (Self { app, audit, path }, reported)
    }

    fn admitted(app: &'a App) -> Self {
        let audit = audit(app);
        let begun = app
            .post(&format!("/api/v1/solutions/{}/label-applications", audit.solution))
            .by(&audit.vendor.token)
            .json(&json!({}))
            .expect(201);
        let case = Self { app, audit, path: format!("/api/v1/label-applications/{}", begun.id()) };
        case.step("submit", &case.audit.vendor.token, json!({"accepts_terms": true}), 200);
        case.step("admit", &app.operator(), Value::Null, 200);
        case
    }

    fn step(&self, verb: &str, by: &str, body: Value, status: u16) -> Response {
        let request = self.app.post(&format!("{}/{verb}", self.path)).by(by).header("if-match", "*");
        let request = if body.is_null() { request } else { request.json(&body) };
        request.expect(status)
    }

    fn keep_deadlines(&self) {
        gouvtech_catalogue::deadlines::run(self.app.store(), &self.app.inner.settings).expect("the calendar");
    }

    /// The vendor, also once its first token is over.
    fn vendor(&self) -> String {
        self.app.token(Role::Vendor, Some(self.audit.vendor.id), &[Duty::Signatory], "vendor")
    }

    fn decider(&self) -> String {
        self.app.auditor(&self.audit.body, &[Duty::DecisionMaker], "décideur")
    }

    fn member(&self, name: &str) -> String {
        self.app.token(Role::Operator, None, &[Duty::AppealMember], name)
    }

    fn seen(&self) -> Value {
        self.app.get(&self.path).by(&self.app.operator()).expect(200).json()
    }

    fn reservation(&self) -> Value {
        let due_on = self.app.clock.now().plus_days(90).day();
        json!([{"criterion": GAP, "text": "Publier la déclaration.", "due_on": due_on}])
    }

    /// Granted with a reservation; the decision.
    fn reserved(&self, reported: &Response) -> String {
        let decision = json!({
            "outcome": "granted_with_reservations", "reasons": "Presque.", "reservations": self.reservation(),
        });
        let decided = decide(self.app, &self.audit, reported, decision);
        assert_eq!(decided.status, 200, "{}", decided.json());
        decided.json()["decisions"][0]["id"].as_str().expect("an id").to_owned()
    }

    fn appeal(&self, subject: &str, status: u16) -> Response {
        let grounds = "Le constat porte sur une version que nous ne distribuons plus.";
        self.app
            .post(&format!("{}/appeals", self.path))
            .by(&self.vendor())
            .json(&json!({"subject_id": subject, "grounds": grounds}))
            .expect(status)
    }

    fn opinion(&self, appeal: &str, member: &str, opinion: &str, status: u16) -> Response {
        self.app
            .post(&format!("/api/v1/appeals/{appeal}/opinions"))
            .by(&self.member(member))
            .header("if-match", "*")
            .json(&json!({"opinion": opinion, "reasons": "Le dossier le montre assez."}))
            .expect(status)
    }
}

fn a_vendor_proposes_a_body_and_challenges_another(app: &App) {
    let case = Case::admitted(app);
    let (vendor, officer) = (case.vendor(), app.operator());
    case.step("propose", &vendor, json!({"audit_body_id": app.buyer(7).id}), 422)
        .has_fault("/audit_body_id no_audit_body");
    let other = app.audit_body(2);
    let proposed = case.step("propose", &vendor, json!({"audit_body_id": other.id}), 200);
    assert_eq!(proposed.json()["proposed_audit_body_id"], other.id.to_string());
    // A wish: the operator assigns another.
    case.step("assign", &officer, json!({"audit_body_id": case.audit.body.id}), 200);
    case.step("propose", &vendor, json!({"audit_body_id": null}), 409);
    let challenged = case.step("challenge", &vendor, json!({"reason": "Il conseille un concurrent."}), 200);
    assert!(challenged.json()["due_at"].is_string());
    case.step("challenge", &vendor, json!({"reason": "Et encore."}), 409);
    case.step("accept", &case.audit.evaluator, json!({"declares_independence": true}), 200);
    case.step("open", &case.audit.evaluator, app.plan(), 409);
    let answer = |is_upheld| json!({"is_upheld": is_upheld, "reason": "Le mandat est avéré."});
    case.step("answer-challenge", &vendor, answer(true), 403);
    let upheld = case.step("answer-challenge", &officer, answer(true), 200).json();
    assert_eq!((&upheld["status"], &upheld["audit_body_id"]), (&json!("admissible"), &Value::Null));
    assert_eq!(upheld["challenges"][0]["answer"]["is_upheld"], true);
    assert_eq!((&upheld["is_accepted"], &upheld["due_at"]), (&json!(false), &Value::Null));
    case.step("answer-challenge", &officer, answer(true), 409);
    case.step("assign", &officer, json!({"audit_body_id": case.audit.body.id}), 422)
        .has_fault("/audit_body_id challenged");
    case.step("assign", &officer, json!({"audit_body_id": other.id}), 200);
    case.step("challenge", &vendor, json!({"reason": "Lui non plus."}), 200);
    // Nobody answers: the operator is reminded, once.
    app.clock.advance(TimeDelta::days(8));
    let (vendor, officer) = (case.vendor(), app.operator());
    case.keep_deadlines();
    case.keep_deadlines();
    let told = app.get("/api/v1/notifications").by(&officer).expect(200).json();
    let reminders = told["items"].as_array().expect("rows").iter().filter(|one| one["reminder"] == "challenge_overdue");
    assert_eq!(reminders.count(), 1);
    let dismissed = case.step("answer-challenge", &officer, answer(false), 200).json();
    assert_eq!((&dismissed["status"], &dismissed["audit_body_id"]), (&json!("assigned"), &json!(other.id)));
    case.step("challenge", &vendor, json!({"reason": "J’insiste."}), 409);
}

fn an_audit_opens_with_a_plan(app: &App) {
    let case = Case::admitted(app);
    case.step("assign", &app.operator(), json!({"audit_body_id": case.audit.body.id}), 200);
    case.step("accept", &case.audit.evaluator, json!({"declares_independence": true}), 200);
    let plan = |change: Value| {
        let mut plan = app.plan();
        plan.as_object_mut().expect("a plan").extend(change.as_object().expect("a change").clone());
        plan
    };
    let today = app.clock.now().day();
    for (change, fault) in [
        (json!({"starts_on": today - TimeDelta::days(1)}), "/starts_on out_of_range"),
        (json!({"ends_on": today - TimeDelta::days(1)}), "/ends_on out_of_range"),
        (json!({"methods": ["interview", "interview"]}), "/methods repeated"),
    ] {
        case.step("open", &case.audit.evaluator, plan(change), 422).has_fault(fault);
    }
    assert_eq!(case.seen()["plan"], Value::Null);
    let opened = case.step("open", &case.audit.evaluator, plan(json!({"methods": ["interview", "code_review"]})), 200);
    assert_eq!(opened.json()["plan"]["methods"], json!(["interview", "code_review"]));
    let shown = app.get(&case.path).by(&case.vendor()).expect(200).json();
    assert_eq!(shown["plan"]["sample"], "Une instance en production.", "the vendor knows what is looked at");
}

fn what_harms_waits_for_the_vendor(app: &App) {
    let (case, reported) = Case::reported(app, "minor");
    assert!(reported.json()["due_at"].is_string());
    let harm = json!({
        "outcome": "granted_with_reservations", "reasons": "Presque.", "reservations": case.reservation(),
    });
    case.step("decision", &case.audit.decider, harm.clone(), 422).has_fault("/outcome vendor_not_heard");
    app.clock.advance(TimeDelta::days(14));
    case.step("decision", &case.decider(), harm.clone(), 422).has_fault("/outcome vendor_not_heard");
    let comment = |status| case.step("comment", &case.vendor(), json!({"text": "Elle paraît demain."}), status);
    let commented = comment(200).json();
    assert_eq!((&commented["comments"][0]["round"], &commented["due_at"]), (&json!(0), &Value::Null));
    comment(409);
    case.step("decision", &case.decider(), harm, 200);
}

fn what_was_found_is_mended_once(app: &App) {
    let (case, _) = Case::reported(app, "major");
    let today = app.clock.now().day();
    let ask =
        |criteria: Value| json!({"criteria": criteria, "reason": "Publier.", "due_on": today + TimeDelta::days(60)});
    let require = |body: Value, status| case.step("require-correction", &case.audit.decider, body, status);
    require(ask(json!(["SEC-01"])), 422).has_fault("/criteria/0 no_finding_to_correct");
    let late = json!({"criteria": [GAP], "reason": "Publier.", "due_on": today + TimeDelta::days(91)});
    require(late, 422).has_fault("/due_on out_of_range");
    case.step("require-correction", &case.audit.evaluator, ask(json!([GAP])), 403);
    let asked = require(ask(json!([GAP])), 200).json();
    assert_eq!((&asked["status"], &asked["correction"]["criteria"]), (&json!("corrective_action"), &json!([GAP])));
    case.step("decision", &case.audit.decider, json!({"outcome": "granted", "reasons": "Passons."}), 409);
    let proof =
        json!({"text": "En ligne.", "evidence": [{"title": "Déclaration", "url": "ftp://x", "visibility": "public"}]});
    case.step("deliver", &case.vendor(), proof, 422);
    let delivered = case.step("deliver", &case.vendor(), json!({"text": "La déclaration est en ligne."}), 200).json();
    assert_eq!((&delivered["status"], &delivered["round"]), (&json!("in_audit"), &json!(1)));

    // Only what was to be mended is examined again, and it has to be.
    let report = json!({"recommendation": "granted", "summary": "L’écart est levé."});
    case.step("report", &case.audit.evaluator, report.clone(), 422).has_fault(&format!("/findings/{GAP} missing"));
    let best: std::collections::BTreeMap<_, _> = app.best_answers(&["saas", "web_ui"]).into_iter().collect();
    let find = |code: &str, status| {
        let finding = json!({"result": "compliant", "value": best[code], "comment": "Vu en ligne."});
        let request = app.put(&format!("{}/findings/{code}", case.path)).by(&case.audit.evaluator);
        request.header("if-match", "*").json(&finding).expect(status);
    };
    find("SEC-01", 409);
    find(GAP, 200);
    let reported = case.step("report", &case.audit.evaluator, report, 200);
    let seen = reported.json();
    assert_eq!(
        (&seen["report"]["recommendation"], &seen["earlier_report"]["recommendation"]),
        (&json!("granted"), &json!("granted"))
    );
    assert_ne!(seen["report"]["scores"], seen["earlier_report"]["scores"]);
    require(ask(json!([GAP])), 409);
    let decided = decide(app, &case.audit, &reported, json!({"outcome": "granted", "reasons": "L’écart est levé."}));
    assert_eq!(decided.status, 200, "{}", decided.json());
    assert!(app.sql("DELETE FROM findings WHERE round = 0").is_err(), "what was found before stays beside it");
    assert_eq!(gouvtech_catalogue::doctor::examine(app.store().backend(), &mut |_| {}), Ok(true), "the doctor");
}

fn corrective_action_that_is_not_delivered_lapses(app: &App) {
    let (case, _) = Case::reported(app, "minor");
    let due_on = app.clock.now().plus_days(30).day();
    let ask = json!({"criteria": [GAP], "reason": "Publier.", "due_on": due_on});
    case.step("require-correction", &case.audit.decider, ask, 200);
    app.clock.advance(TimeDelta::days(24));
    case.keep_deadlines();
    let told = app.get("/api/v1/notifications?limit=1").by(&case.vendor()).expect(200).json();
    assert_eq!(
        (&told["items"][0]["reminder"], &told["items"][0]["due_on"]),
        (&json!("correction_due_in_7_days"), &json!(due_on))
    );
    app.clock.advance(TimeDelta::days(6));
    case.keep_deadlines();
    assert_eq!(case.seen()["status"], "corrective_action", "the last day counts");
    app.clock.advance(TimeDelta::days(1));
    case.keep_deadlines();
    let lapsed = case.seen();
    assert_eq!((&lapsed["status"], &lapsed["round"]), (&json!("report_submitted"), &json!(0)));
    assert!(lapsed["correction"]["lapsed_at"].is_string());
    case.keep_deadlines();
    assert_eq!(case.seen()["version"], lapsed["version"], "twice has one effect");
    case.step("deliver", &case.vendor(), json!({"text": "Trop tard."}), 409);
    let harm =
        json!({"outcome": "granted_with_reservations", "reasons": "Presque.", "reservations": case.reservation()});
    case.step("decision", &case.decider(), harm, 200);
}

fn an_idle_draft_is_given_up(app: &App) {
    let audit = audit(app);
    let path = format!("/api/v1/solutions/{}/label-applications", audit.solution);
    let begun = app.post(&path).by(&audit.vendor.token).json(&json!({})).expect(201);
    let path = format!("/api/v1/label-applications/{}", begun.id());
    for (days, status) in [(89, "draft"), (2, "abandoned"), (1, "abandoned")] {
        app.clock.advance(TimeDelta::days(days));
        gouvtech_catalogue::deadlines::run(app.store(), &app.inner.settings).expect("the calendar");
        let seen = app.get(&path).by(&app.operator()).expect(200).json();
        assert_eq!(seen["status"], status);
        assert!(seen["version"].as_i64() <= Some(2), "once");
    }
}

fn an_appeal_sends_a_decision_back(app: &App) {
    let (case, reported) = Case::reported(app, "minor");
    let decision = case.reserved(&reported);
    let filed = case.appeal(&decision, 201);
    case.appeal(&decision, 409);
    let appeal = filed.id();
    let path = format!("/api/v1/appeals/{appeal}");
    for by in [case.member("un"), case.audit.body.token.clone(), case.vendor()] {
        assert_eq!(app.get(&path).by(&by).expect(200).json()["status"], "filed");
    }
    app.get(&path).by(&app.vendor(2).token).expect(404);
    app.get(&path).by(&app.audit_body(2).token).expect(404);
    app.get(&path).by(&app.buyer(1).token).expect(403);

    case.opinion(&appeal, "operator", "uphold", 403).has_fault(" took_part");
    let colleague = app.token(Role::Vendor, Some(case.audit.vendor.id), &[], "collègue");
    app.post("/api/v1/solutions").by(&colleague).json(&json!({"name": "Une autre"})).expect(201);
    case.opinion(&appeal, "collègue", "uphold", 403).has_fault(" acted_for_a_party");
    let one = case.opinion(&appeal, "un", "send_back", 200).json();
    assert_eq!((&one["status"], &one["opinion_count"], &one["opinions"]), (&json!("filed"), &json!(1), &json!([])));
    case.opinion(&appeal, "un", "send_back", 409);
    // Erased and back, it is the same person to the panel.
    app.post("/api/v1/me/erase").by(&case.member("un")).expect(200);
    case.opinion(&appeal, "un", "send_back", 409);
    case.opinion(&appeal, "deux", "uphold", 200);
    let closed = case.opinion(&appeal, "trois", "send_back", 200).json();
    assert_eq!((&closed["status"], closed["opinions"].as_array().map(Vec::len)), (&json!("sent_back"), Some(3)));
    assert!(!closed.to_string().contains("actor"), "without names");
    case.opinion(&appeal, "quatre", "uphold", 409);

    // The label stands until another person decides again.
    assert_eq!(case.seen()["status"], "report_submitted");
    assert_eq!(app.get("/api/v1/labels?status=active_with_reservations").expect(200).json()["total"], 1);
    let again = json!({
        "outcome": "granted_with_reservations", "reasons": "Après réexamen.", "reservations": case.reservation(),
        "corrects": decision,
    });
    case.step("decision", &case.decider(), again.clone(), 403).has_fault(" decided_before");
    let other = app.auditor(&case.audit.body, &[Duty::DecisionMaker], "une autre");
    let decided = case.step("decision", &other, again, 200).json();
    assert_eq!((&decided["status"], &decided["decisions"][1]["corrects"]), (&json!("decided"), &json!(decision)));
    assert_eq!(app.get("/api/v1/labels").expect(200).json()["total"], 1);
}

fn silence_keeps_a_decision(app: &App) {
    let (case, reported) = Case::reported(app, "minor");
    let filed = case.appeal(&case.reserved(&reported), 201);
    let path = format!("/api/v1/appeals/{}", filed.id());
    case.opinion(&filed.id(), "un", "send_back", 200);
    let seen = || app.get(&path).by(&case.vendor()).expect(200).json();
    app.clock.advance(TimeDelta::days(58));
    case.keep_deadlines();
    assert_eq!(seen()["status"], "filed");
    app.clock.advance(TimeDelta::days(6));
    case.keep_deadlines();
    let kept = seen();
    assert_eq!((&kept["status"], kept["remedies"].is_object()), (&json!("upheld"), true));
    case.keep_deadlines();
    assert_eq!(seen()["version"], kept["version"]);
    assert_eq!(case.seen()["status"], "decided");
}

fn an_appeal_is_filed_in_time_against_what_harms(app: &App) {
    let (case, reported) = Case::reported(app, "minor");
    case.appeal(&gouvtech_catalogue::db::Id::new().to_string(), 422).has_fault("/subject_id nothing_to_appeal");
    let decision = case.reserved(&reported);
    app.clock.advance(TimeDelta::days(63));
    case.appeal(&decision, 422).has_fault("/subject_id too_late");

    // A grant harms nobody.
    let vendor = app.vendor(3);
    let solution = app.published(&vendor, "Sans écart").id();
    app.evaluated(&vendor, &solution);
    let evaluator = app.auditor(&case.audit.body, &[Duty::Evaluator], "évaluatrice");
    let opened = app.in_audit(&vendor, &solution, &case.audit.body, &evaluator);
    let reported = app.reported(&opened, &evaluator, |_, finding| finding);
    let path = format!("/api/v1/label-applications/{}", opened.id());
    let grant = json!({"outcome": "granted", "reasons": "Aucun écart."});
    let decided = app.post(&format!("{path}/decision")).by(&case.decider()).on(&reported).json(&grant).expect(200);
    let subject = decided.json()["decisions"][0]["id"].clone();
    app.post(&format!("{path}/appeals"))
        .by(&vendor.token)
        .json(&json!({"subject_id": subject, "grounds": "Nous voulions mieux encore."}))
        .expect(422)
        .has_fault("/subject_id nothing_to_appeal");
}

fn a_draft_set_shows_whom_it_would_cost_the_label(app: &App) {
    let (case, reported) = Case::reported(app, "minor");
    case.reserved(&reported);
    let operator = app.operator();
    let set = app.post("/api/v1/criteria-sets").by(&operator).json(&json!({"label": "2.0.0"})).expect(201).id();
    let impact = || {
        let page = app.get(&format!("/api/v1/criteria-sets/{set}/impact")).by(&operator).expect(200).json();
        assert_eq!(page["total"], 1);
        page["items"][0].clone()
    };
    let before = impact();
    assert_eq!((&before["impact"], &before["obstacles"]), (&json!("kept"), &json!([])));
    assert_eq!(before["score"], before["simulated_score"]);

    // A new criterion has to be examined.
    let model = app.get("/api/v1/criteria/SEC-01").expect(200).json();
    let mut new = model.as_object().expect("a criterion").clone();
    new.retain(|name, _| !matches!(name.as_str(), "criteria_set_id" | "position" | "version" | "options"));
    new.insert("code".to_owned(), json!("SEC-99"));
    app.post(&format!("/api/v1/criteria-sets/{set}/criteria"))
        .by(&operator)
        .header("if-match", "*")
        .json(&json!(new))
        .expect(201);
    let examined = impact();
    assert_eq!((&examined["impact"], &examined["not_examined"]), (&json!("to_examine"), &json!(["SEC-99"])));

    // What was found with a gap becomes mandatory.
    let path = format!("/api/v1/criteria-sets/{set}/criteria/{GAP}");
    let change = json!({"mandatory_for_label": true, "label_min_score": 1.0});
    app.patch(&path).by(&operator).header("if-match", "*").json(&change).expect(200);
    let lost = impact();
    assert_eq!((&lost["impact"], &lost["obstacles"]), (&json!("lost"), &json!([GAP])));
    app.get(&format!("/api/v1/criteria-sets/{set}/impact")).by(&case.member("un")).expect(403);
    assert_eq!(app.get("/api/v1/labels?status=active_with_reservations").expect(200).json()["total"], 1);
}
