//! Who may act on a label case, and who may not: each rule with its control, at every stage.

use chrono::TimeDelta;
use gouvtech_catalogue::auth::{Duty, Role};
use gouvtech_catalogue::db::Id;

use crate::cases;
use crate::support::build::Party;
use crate::support::{App, Response, Value, json};

cases![
    only_an_accredited_body_is_assigned_and_only_within_its_scope,
    an_accreditation_that_lapses_or_is_taken_stops_its_cases,
    the_register_tells_every_step_and_hides_candidates,
    keys_are_registered_once_listed_and_revoked,
    only_the_qualified_act_and_only_on_their_themes,
    a_declared_interest_excludes_or_is_disclosed,
    a_person_s_interest_concerns_that_person_alone,
    what_was_declared_on_one_case_counts_on_the_next,
    who_acted_for_the_vendor_does_not_examine_it,
    linked_organisations_do_not_audit_each_other,
    a_conflict_excludes_at_every_stage,
    an_acquisition_freezes_a_case_and_its_end_lets_it_go_on,
    a_frozen_case_is_recused_reassigned_or_abandoned,
    a_case_given_to_others_begins_anew,
    links_are_declared_by_a_party_and_ended_by_the_operator,
    two_tokens_of_one_person_are_one_pair_of_eyes,
    whose_finding_was_overwritten_examined_all_the_same,
    nobody_leads_a_third_evaluation_of_a_solution,
    a_body_that_depends_on_one_vendor_says_so,
    declarations_and_keys_are_append_only,
];

/// Codes of all that a problem names.
fn codes(answer: &Response) -> Vec<String> {
    let all = answer.json()["errors"].as_array().cloned().unwrap_or_default();
    all.iter().map(|one| one["code"].as_str().expect("a code").to_owned()).collect()
}

/// A refusal with this status for this one reason.
#[track_caller]
fn refused(answer: Response, status: u16, code: &str) {
    let shown = String::from_utf8_lossy(&answer.bytes).into_owned();
    assert_eq!((answer.status, codes(&answer)), (status, vec![code.to_owned()]), "{shown}");
}

#[track_caller]
fn status(answer: Response, status: u16) {
    assert_eq!(answer.status, status, "{}", String::from_utf8_lossy(&answer.bytes));
}

#[track_caller]
fn done(answer: Response) -> Response {
    assert!((200..300).contains(&answer.status), "{} {}", answer.status, String::from_utf8_lossy(&answer.bytes));
    answer
}

/// A case and the people of its body.
struct Case<'a> {
    app: &'a App,
    body: Party,
    path: String,
    evaluator: String,
    decider: String,
}

impl<'a> Case<'a> {
    /// Admitted; not assigned.
    fn admitted(app: &'a App, vendor: &Party, body: Party, name: &str) -> Self {
        let solution = app.published(vendor, name).id();
        app.evaluated(vendor, &solution);
        Self::of(app, vendor, body, &solution)
    }

    /// Of a solution that is evaluated.
    fn of(app: &'a App, vendor: &Party, body: Party, solution: &str) -> Self {
        let path = format!("/api/v1/solutions/{solution}/label-applications");
        let begun = app.post(&path).by(&vendor.token).json(&json!({})).expect(201);
        let path = format!("/api/v1/label-applications/{}", begun.id());
        let evaluator = app.auditor(&body, &[Duty::Evaluator], "évaluatrice");
        let decider = app.auditor(&body, &[Duty::DecisionMaker], "décideur");
        let case = Self { app, body, path, evaluator, decider };
        done(case.step("submit", &vendor.token, json!({"accepts_terms": true})));
        done(case.step("admit", &app.operator(), Value::Null));
        case
    }

    fn new(app: &'a App) -> Self {
        Self::admitted(app, &app.vendor(1), app.audit_body(1), "Labellisée")
    }

    fn step(&self, verb: &str, by: &str, body: Value) -> Response {
        let request = self.app.post(&format!("{}/{verb}", self.path)).by(by).header("if-match", "*");
        if body.is_null() { request.send() } else { request.json(&body).send() }
    }

    fn assign(&self) -> Response {
        self.step("assign", &self.app.operator(), json!({"audit_body_id": self.body.id}))
    }

    fn accept(&self, interests: &[Value]) -> Response {
        self.step("accept", &self.evaluator, json!({"declares_independence": true, "interests": interests}))
    }

    fn open(&self) -> Response {
        self.step("open", &self.evaluator, self.app.plan())
    }

    fn find(&self, by: &str, code: &str) -> Response {
        let all = self.app.best_answers(&["saas", "web_ui"]);
        let best = all.into_iter().find(|(one, _)| one == code).expect("a criterion").1;
        let finding = json!({"result": "compliant", "value": best, "comment": "Vu sur pièces."});
        let path = format!("{}/findings/{code}", self.path);
        self.app.put(&path).by(by).header("if-match", "*").json(&finding).send()
    }

    fn find_all(&self) {
        for (code, _) in self.app.best_answers(&["saas", "web_ui"]) {
            done(self.find(&self.evaluator, &code));
        }
    }

    fn report(&self) -> Response {
        let report = json!({"recommendation": "granted", "summary": "Examen complet sur l’échantillon."});
        self.step("report", &self.evaluator, report)
    }

    fn decide(&self, by: &str) -> Response {
        self.step("decision", by, json!({"outcome": "granted", "reasons": "Aucun écart."}))
    }

    fn declare(&self, by: &str, interest: Value) -> Response {
        self.step("declare", by, json!({"interests": [interest]}))
    }

    fn seen(&self) -> Value {
        self.app.get(&self.path).by(&self.app.operator()).expect(200).json()
    }

    /// What a stage takes, and what comes before it.
    fn up_to(self, stage: &str) -> Self {
        for before in STAGES.into_iter().take_while(|before| *before != stage) {
            match before {
                "finding" => self.find_all(),
                other => drop(done(self.take(other))),
            }
        }
        self
    }

    fn take(&self, stage: &str) -> Response {
        match stage {
            "assign" => self.assign(),
            "accept" => self.accept(&[]),
            "open" => self.open(),
            "finding" => self.find(&self.evaluator, "SEC-01"),
            "report" => self.report(),
            "decision" => self.decide(&self.decider),
            other => panic!("{other}?"),
        }
    }
}

const STAGES: [&str; 6] = ["assign", "accept", "open", "finding", "report", "decision"];

fn interest(app: &App, holder: &str, kind: &str, ended_months_ago: Option<u32>) -> Value {
    let today = app.clock.now().day();
    let ago = |months| today.checked_sub_months(chrono::Months::new(months)).expect("a day");
    let until = ended_months_ago.map(ago);
    json!({"holder": holder, "kind": kind, "description": "Prestation déclarée.", "since": ago(120), "until": until})
}

/// The accreditation of a body.
fn accreditation(app: &App, body: Id) -> String {
    let all = app.get(&format!("/api/v1/accreditations?organisation={body}")).by(&app.operator()).expect(200).json();
    format!("/api/v1/accreditations/{}", all["items"][0]["id"].as_str().expect("an id"))
}

fn accreditor(app: &App, path: &str, verb: &str, body: Value) -> Response {
    let request = app.post(&format!("{path}/{verb}")).by(&app.operator()).header("if-match", "*");
    if body.is_null() { request.send() } else { request.json(&body).send() }
}

fn reason() -> Value {
    json!({"reason": "Évaluation témoin non concluante."})
}

fn scope(themes: &[&str], families: &[&str]) -> Value {
    json!({"scope": {"themes": themes, "families": families}, "reason": "Évaluation témoin non concluante."})
}

fn link(app: &App, one: Id, other: Id) -> Response {
    let body = json!({"organisation_id": one, "other_id": other, "kind": "subsidiary", "since": app.clock.now().day()});
    app.post("/api/v1/organisation-links").by(&app.operator()).json(&body).expect(201)
}

fn end(app: &App, link: &Response) -> Response {
    let body = json!({"until": link.json()["since"], "reason": "Erreur de saisie."});
    accreditor(app, &format!("/api/v1/organisation-links/{}", link.id()), "end", body)
}

fn only_an_accredited_body_is_assigned_and_only_within_its_scope(app: &App) {
    let case = Case::admitted(app, &app.vendor(1), app.candidate_body(1), "Labellisée");
    refused(case.assign(), 422, "not_accredited");
    let body = json!({"organisation_id": case.body.id});
    let made = app.post("/api/v1/accreditations").by(&app.operator()).json(&body).expect(201);
    refused(case.assign(), 422, "not_accredited");
    let path = format!("/api/v1/accreditations/{}", made.id());
    let accredit = |scope: Value| {
        let body = json!({"scope": scope["scope"]});
        done(accreditor(app, &path, "accredit", body));
    };
    accredit(scope(&["securite"], &[]));
    refused(case.assign(), 422, "theme_out_of_scope");
    accredit(scope(&[], &["traduction"]));
    refused(case.assign(), 422, "family_out_of_scope");
    done(accreditor(app, &path, "suspend", reason()));
    refused(case.assign(), 422, "accreditation_suspended");
    done(accreditor(app, &path, "withdraw", reason()));
    refused(case.assign(), 422, "accreditation_withdrawn");
    app.accredited(case.body.id);
    done(case.assign());
}

fn an_accreditation_that_lapses_or_is_taken_stops_its_cases(app: &App) {
    let case = Case::new(app).up_to("accept");
    let path = accreditation(app, case.body.id);
    for stage in ["accept", "open", "finding", "report", "decision"] {
        if stage == "report" {
            case.find_all();
        }
        done(accreditor(app, &path, "suspend", reason()));
        refused(case.take(stage), 403, "accreditation_suspended");
        done(accreditor(app, &path, "reinstate", Value::Null));
        if stage == "decision" {
            let tomorrow = app.clock.now().plus_days(1).day();
            let last = json!({"scope": {"themes": [], "families": []}, "valid_until": tomorrow});
            done(accreditor(app, &path, "accredit", last));
            break;
        }
        done(case.take(stage));
    }
    app.clock.advance(TimeDelta::days(3));
    let decider = app.auditor(&case.body, &[Duty::DecisionMaker], "décideur");
    refused(case.decide(&decider), 403, "accreditation_expired");
    assert_eq!(app.get(&path).expect(200).text("status"), "expired", "before any job has run");
    assert_eq!(app.get("/api/v1/accreditations?status=expired").expect(200).json()["total"], 1);
    assert_eq!(app.get("/api/v1/accreditations?status=accredited").expect(200).json()["total"], 0);
    gouvtech_catalogue::deadlines::run(app.store(), &app.inner.settings).expect("the calendar");
    let after = app.get(&path).expect(200);
    gouvtech_catalogue::deadlines::run(app.store(), &app.inner.settings).expect("the calendar");
    assert_eq!(app.get(&path).expect(200).json()["version"], after.json()["version"], "twice has one effect");
    done(accreditor(app, &path, "accredit", json!({"scope": {"themes": [], "families": []}})));
    done(case.decide(&decider));
}

fn the_register_tells_every_step_and_hides_candidates(app: &App) {
    let (body, other) = (app.candidate_body(1), app.candidate_body(2));
    let made = app.post("/api/v1/accreditations").by(&app.operator()).json(&json!({"organisation_id": body.id}));
    let path = format!("/api/v1/accreditations/{}", made.expect(201).id());
    app.get(&path).expect(404);
    app.get(&path).by(&other.token).expect(404);
    assert_eq!(app.get(&path).by(&body.token).expect(200).text("status"), "candidate");
    let again = app.post("/api/v1/accreditations").by(&app.operator()).json(&json!({"organisation_id": body.id}));
    assert_eq!(again.expect(409).text("code"), "duplicate");

    let odd = json!({"scope": {"themes": ["aucun"], "families": ["aucune"]}, "valid_until": "2020-01-01"});
    let faults = accreditor(app, &path, "accredit", odd).faults();
    assert_eq!(faults, ["/scope/families/0 not_in_list", "/scope/themes/0 not_in_list", "/valid_until out_of_range"]);
    done(accreditor(
        app,
        &path,
        "accredit",
        json!({"scope": {"themes": ["securite", "accessibilite"], "families": []}}),
    ));
    refused(accreditor(app, &path, "restrict", scope(&[], &[])), 422, "not_narrower");
    done(accreditor(app, &path, "restrict", scope(&["securite"], &[])));
    done(accreditor(app, &path, "suspend", reason()));
    status(accreditor(app, &path, "suspend", reason()), 409);
    done(accreditor(app, &path, "reinstate", Value::Null));
    done(accreditor(app, &path, "withdraw", reason()));
    status(accreditor(app, &path, "reinstate", Value::Null), 409);

    let shown = app.get(&path).expect(200).json();
    assert_eq!((&shown["status"], &shown["scope"]["themes"]), (&json!("withdrawn"), &json!(["securite"])));
    let years = |day: &Value| day.as_str().expect("a day")[..4].parse::<i32>().expect("a year");
    assert_eq!(years(&shown["valid_until"]) - years(&shown["valid_from"]), 4);
    let steps = shown["steps"].as_array().expect("steps");
    let commands: Vec<&str> = steps.iter().map(|step| step["command"].as_str().expect("a command")).collect();
    assert_eq!(commands, ["accredit", "restrict", "suspend", "reinstate", "withdraw"]);
    let reasons: Vec<bool> = steps.iter().map(|step| step["reason"].is_string()).collect();
    assert_eq!(reasons, [false, true, true, false, true], "what harms is reasoned");
}

/// The seed of RFC 8037 appendix A, and that of the documentation of signed notes.
const RFC_8037: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
const NEUMANN: &str = "gQoUAtUUbI2E8kQzMPVAgOv5juF9nHT2JS_F1ccoMXM";

/// That somebody has the key, for the accreditation at this address.
fn possessed(app: &App, path: &str, seed: &str) -> String {
    use gouvtech_catalogue::proof::{encoding, key::SigningKey, possession};
    let seed = encoding::of_base64url(seed).expect("base64url").try_into().expect("32 bytes");
    let id = path.rsplit('/').next().and_then(gouvtech_catalogue::db::Id::parse).expect("an id");
    let key = SigningKey::from_seed(&seed).expect("a key");
    possession::prove(&key, id, &app.inner.log.origin, app.clock.now()).expect("a proof")
}

fn keys_are_registered_once_listed_and_revoked(app: &App) {
    let (one, other) = (app.audit_body(1), app.audit_body(2));
    let (one, other) = (accreditation(app, one.id), accreditation(app, other.id));
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    let named = |path: &str| json!({"name": "un.example/labels", "jwk": jwk, "proof": possessed(app, path, RFC_8037)});
    // Who has not the key, or has it for another body or catalogue, does not register it.
    let mut foreign = named(&one);
    for proof in [possessed(app, &one, NEUMANN), possessed(app, &other, RFC_8037), "x.y.z".to_owned()] {
        foreign["proof"] = json!(proof);
        refused(accreditor(app, &one, "register-key", foreign.clone()), 422, "no_possession");
    }
    foreign.as_object_mut().expect("a body").remove("proof");
    refused(accreditor(app, &one, "register-key", foreign), 422, "required");
    done(accreditor(app, &one, "register-key", named(&one)));
    for path in [&one, &other] {
        assert_eq!(accreditor(app, path, "register-key", named(path)).text("code"), "duplicate");
    }
    let text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    done(accreditor(app, &one, "register-key", json!({"vkey": text, "proof": possessed(app, &one, NEUMANN)})));
    let mut private = named(&other);
    private["jwk"]["d"] = json!("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
    status(accreditor(app, &other, "register-key", private), 400);
    refused(
        accreditor(app, &other, "register-key", json!({"vkey": text.replace("c7", "c8"), "proof": "x"})),
        422,
        "invalid_key",
    );
    let late = json!({"name": "a", "jwk": jwk, "proof": "x", "valid_until": "2020-01-01T00:00:00Z"});
    refused(accreditor(app, &other, "register-key", late), 422, "out_of_range");

    let shown = app.get(&one).expect(200).json();
    let keys = shown["keys"].as_array().expect("keys");
    assert_eq!((keys.len(), &keys[0]["jwk"], &keys[1]["vkey"]), (2, &jwk, &json!(text)));
    let kid = keys[0]["kid"].clone();
    let revoke = json!({"kid": kid, "reason": "Clé remplacée."});
    refused(accreditor(app, &other, "revoke-key", revoke.clone()), 422, "unknown_key");
    let revoked = done(accreditor(app, &one, "revoke-key", revoke.clone())).json();
    assert!(revoked["keys"][0]["revoked_at"].is_string() && revoked["keys"][1]["revoked_at"].is_null());
    refused(accreditor(app, &one, "revoke-key", revoke), 422, "unknown_key");
}

fn only_the_qualified_act_and_only_on_their_themes(app: &App) {
    let mut case = Case::new(app).up_to("accept");
    let both = [Duty::Evaluator, Duty::DecisionMaker];
    let body = case.body.id;
    let token = |subject: &str| app.token(Role::Auditor, Some(body), &both, subject);
    case.evaluator = token("inconnue");
    refused(case.accept(&[]), 403, "not_qualified");
    let qualify = |subject: &str, themes: &[&str], duty: &str| {
        let person = json!({"issuer": app.inner.settings.issuer, "subject": subject});
        let given = json!({"organisation_id": body, "person": person, "themes": themes, "duties": [duty]});
        app.post("/api/v1/qualifications").by(&app.operator()).json(&given).expect(201)
    };
    qualify("décidante", &[], "decision_maker");
    case.evaluator = token("décidante");
    refused(case.accept(&[]), 403, "duty_not_qualified");
    qualify("spécialiste", &["securite"], "evaluator");
    case.evaluator = token("spécialiste");
    refused(case.accept(&[]), 403, "theme_not_qualified");
    // At another body is not at this one.
    let other = app.audit_body(2);
    app.qualified(other.id, "ailleurs");
    case.evaluator = token("ailleurs");
    refused(case.accept(&[]), 403, "not_qualified");

    let path = format!("/api/v1/qualifications/{}", qualify("généraliste", &[], "evaluator").id());
    case.evaluator = token("généraliste");
    done(accreditor(app, &path, "suspend", reason()));
    refused(case.accept(&[]), 403, "not_qualified");
    done(accreditor(app, &path, "reinstate", Value::Null));
    done(case.accept(&[]));
    done(case.open());
    let specialist = token("spécialiste");
    done(case.find(&specialist, "SEC-01"));
    refused(case.find(&specialist, "RSP-01"), 403, "theme_not_qualified");
    done(accreditor(app, &path, "end", reason()));
    refused(case.find(&case.evaluator, "RSP-01"), 403, "not_qualified");
    qualify("généraliste", &[], "evaluator");
    done(case.find(&case.evaluator, "RSP-01"));
    let own = app.get("/api/v1/qualifications").by(&case.body.plain).expect(200).json();
    assert!(own["items"].as_array().expect("rows").iter().all(|row| row["organisation_id"] == body.to_string()));
}

fn a_declared_interest_excludes_or_is_disclosed(app: &App) {
    let case = Case::new(app).up_to("accept");
    for (kind, ended, code) in [
        ("advice", None, "recent_services"),
        ("development", Some(23), "recent_services"),
        ("training", Some(1), "recent_services"),
        ("integration", Some(23), "recent_services"),
        ("paid_work", None, "recent_services"),
        ("employment", Some(35), "recent_employment"),
        ("financial_interest", None, "financial_interest"),
        ("family_tie", None, "family_tie"),
        ("board_seat", None, "board_seat"),
    ] {
        refused(case.accept(&[interest(app, "person", kind, ended)]), 403, code);
        refused(case.accept(&[interest(app, "body", kind, ended)]), 403, code);
    }
    let late = json!({"holder": "body", "kind": "advice", "description": "À venir.", "since": "2090-01-01", "until": "2080-01-01"});
    let faults = case.accept(&[late]).faults();
    assert_eq!(faults, ["/interests/0/since in_future", "/interests/0/until before_start"]);
    let told = [
        interest(app, "body", "paid_work", Some(25)),
        interest(app, "person", "employment", Some(37)),
        interest(app, "body", "other_audit", Some(3)),
        interest(app, "person", "other_audit", None),
    ];
    let accepted = done(case.accept(&told)).json();
    let rules: Vec<&Value> =
        accepted["disclosures"].as_array().expect("a list").iter().map(|one| &one["rule"]).collect();
    assert_eq!(rules, ["other_audit", "other_audit"]);
    assert_eq!(accepted["declarations"].as_array().map(Vec::len), Some(4));
    done(case.open());
    case.find_all();
    done(case.report());
    let decided = done(case.decide(&case.decider)).json();
    let number = decided["decisions"][0]["label_number"].as_str().expect("a number");
    let label = app.get(&format!("/api/v1/labels/{number}")).expect(200).json();
    let words: Vec<&Value> =
        label["disclosures"].as_array().expect("a list").iter().map(|one| &one["description"]).collect();
    assert_eq!(words, [&json!("Prestation déclarée."), &Value::Null], "a person's words are not for the public");
}

fn a_person_s_interest_concerns_that_person_alone(app: &App) {
    let case = Case::new(app).up_to("decision");
    done(case.declare(&case.decider, interest(app, "person", "family_tie", None)));
    assert!(case.seen()["frozen"].is_null(), "another person can decide");
    refused(case.decide(&case.decider), 403, "family_tie");
    done(case.decide(&app.auditor(&case.body, &[Duty::DecisionMaker], "suppléante")));
}

fn what_was_declared_on_one_case_counts_on_the_next(app: &App) {
    let (vendor, stranger) = (app.vendor(1), app.vendor(2));
    let first = Case::admitted(app, &vendor, app.audit_body(1), "Première").up_to("accept");
    done(first.declare(&first.evaluator, interest(app, "body", "advice", None)));
    assert_eq!(first.seen()["frozen"]["rules"], json!(["recent_services"]));
    done(first.step("recuse", &first.evaluator, reason()));
    let again = Party { id: first.body.id, token: String::new(), plain: String::new() };
    let second = Case::admitted(app, &vendor, again, "Deuxième");
    refused(second.assign(), 422, "recent_services");
    let again = Party { id: first.body.id, token: String::new(), plain: String::new() };
    done(Case::admitted(app, &stranger, again, "D’une autre").assign());
}

fn who_acted_for_the_vendor_does_not_examine_it(app: &App) {
    let vendor = app.vendor(1);
    let mut case = Case::admitted(app, &vendor, app.audit_body(1), "Labellisée").up_to("accept");
    let before = app.token(Role::Vendor, Some(vendor.id), &[], "ancienne");
    app.post("/api/v1/solutions").by(&before).json(&json!({"name": "Brouillon"})).expect(201);
    let elsewhere = app.token(Role::Vendor, Some(app.vendor(2).id), &[], "d’ailleurs");
    app.post("/api/v1/solutions").by(&elsewhere).json(&json!({"name": "Brouillon"})).expect(201);
    case.evaluator = app.auditor(&case.body, &[Duty::Evaluator], "ancienne");
    refused(case.accept(&[]), 403, "recent_employment");
    case.evaluator = app.auditor(&case.body, &[Duty::Evaluator], "d’ailleurs");
    done(case.accept(&[]));
}

fn linked_organisations_do_not_audit_each_other(app: &App) {
    let (vendor, holding) = (app.vendor(1), app.vendor(2));
    let case = Case::admitted(app, &vendor, app.audit_body(1), "Labellisée");
    let up = link(app, holding.id, vendor.id);
    let down = link(app, case.body.id, holding.id);
    refused(case.assign(), 422, "same_group");
    done(end(app, &up));
    done(case.assign());
    assert_eq!(end(app, &up).status, 409, "it ends once");
    done(end(app, &down));
}

fn a_conflict_excludes_at_every_stage(app: &App) {
    let vendor = app.vendor(1);
    for (number, stage) in STAGES.into_iter().enumerate() {
        let body = app.audit_body(u32::try_from(number).expect("few") + 1);
        let case = Case::admitted(app, &vendor, body, &format!("Étape {stage}")).up_to(stage);
        let made = link(app, vendor.id, case.body.id);
        let status = if stage == "assign" { 422 } else { 409 };
        refused(case.take(stage), status, "same_group");
        done(end(app, &made));
        done(case.take(stage));
    }
}

fn an_acquisition_freezes_a_case_and_its_end_lets_it_go_on(app: &App) {
    let vendor = app.vendor(1);
    let case = Case::admitted(app, &vendor, app.audit_body(1), "Labellisée").up_to("finding");
    let other = Case::admitted(app, &vendor, app.audit_body(2), "Témoin").up_to("finding");
    // The vendor tells it itself.
    let body = json!({"organisation_id": vendor.id, "other_id": case.body.id, "kind": "subsidiary", "since": app.clock.now().day()});
    let made = app.post("/api/v1/organisation-links").by(&vendor.token).json(&body).expect(201);
    assert_eq!(case.seen()["frozen"]["rules"], json!(["same_group"]));
    assert!(other.seen()["frozen"].is_null());
    refused(case.find(&case.evaluator, "SEC-01"), 409, "same_group");
    done(other.find(&other.evaluator, "SEC-01"));
    // A second reason: the end of the first does not set it free.
    let second = link(app, case.body.id, vendor.id);
    done(end(app, &made));
    assert_eq!(case.seen()["frozen"]["rules"], json!(["same_group"]));
    done(end(app, &second));
    assert!(case.seen()["frozen"].is_null());
    done(case.find(&case.evaluator, "SEC-01"));
}

fn a_frozen_case_is_recused_reassigned_or_abandoned(app: &App) {
    let vendor = app.vendor(1);
    let frozen = |number: u32| {
        let case = Case::admitted(app, &vendor, app.audit_body(number), &format!("Gelée {number}")).up_to("finding");
        link(app, vendor.id, case.body.id);
        case
    };
    let recused = frozen(1);
    assert_eq!(done(recused.step("recuse", &recused.evaluator, reason())).text("status"), "admissible");
    assert!(recused.seen()["frozen"].is_null());
    refused(recused.assign(), 422, "same_group");

    let reassigned = frozen(2);
    let to = |id: Id| json!({"audit_body_id": id, "reason": "L’organisme et le vendeur sont liés."});
    refused(reassigned.step("reassign", &app.operator(), to(reassigned.body.id)), 422, "same_group");
    let fit = app.audit_body(3);
    let given = done(reassigned.step("reassign", &app.operator(), to(fit.id))).json();
    assert_eq!((&given["status"], &given["audit_body_id"]), (&json!("assigned"), &json!(fit.id)));
    assert_eq!((&given["frozen"], &given["is_accepted"]), (&Value::Null, &json!(false)));

    let abandoned = frozen(4);
    assert_eq!(done(abandoned.step("abandon", &vendor.token, reason())).text("status"), "abandoned");
}

fn a_case_given_to_others_begins_anew(app: &App) {
    let mut case = Case::new(app).up_to("finding");
    case.find_all();
    let first = case.evaluator.clone();
    let same = json!({"audit_body_id": case.body.id, "reason": "La personne est absente."});
    done(case.step("reassign", &app.operator(), same));
    case.evaluator = app.auditor(&case.body, &[Duty::Evaluator], "remplaçante");
    app.clock.advance(TimeDelta::seconds(1));
    done(case.accept(&[]));
    done(case.open());
    assert_eq!(case.seen()["findings"], json!([]));
    case.report().has_fault("/findings/SEC-01 missing");
    case.find_all();
    done(case.report());
    let both = app.auditor(&case.body, &[Duty::Evaluator, Duty::DecisionMaker], "évaluatrice");
    refused(case.decide(&both), 403, "four_eyes");
    assert_ne!(first, both);
    done(case.decide(&case.decider));
}

fn links_are_declared_by_a_party_and_ended_by_the_operator(app: &App) {
    let (vendor, other, third) = (app.vendor(1), app.vendor(2), app.vendor(3));
    let body = |one: Id, two: Id, since: &str| json!({"organisation_id": one, "other_id": two, "kind": "common_control", "since": since});
    let declare = |by: &str, body: Value| app.post("/api/v1/organisation-links").by(by).json(&body).send();
    refused(declare(&third.token, body(vendor.id, other.id, "2026-01-01")), 422, "not_a_party");
    refused(declare(&vendor.token, body(vendor.id, vendor.id, "2026-01-01")), 422, "same_organisation");
    refused(declare(&vendor.token, body(vendor.id, other.id, "2090-01-01")), 422, "in_future");
    refused(declare(&vendor.token, body(vendor.id, Id::new(), "2026-01-01")), 422, "unknown_organisation");
    status(declare(&vendor.plain, body(vendor.id, other.id, "2026-01-01")), 403);
    let made = done(declare(&vendor.token, body(vendor.id, other.id, "2026-01-01")));
    assert_eq!(made.json()["declarant_id"], vendor.id.to_string());
    let path = format!("/api/v1/organisation-links/{}", made.id());
    for token in [&vendor.plain, &other.plain, &app.operator()] {
        app.get(&path).by(token).expect(200);
    }
    app.get(&path).by(&third.token).expect(404);
    assert_eq!(app.get("/api/v1/organisation-links").by(&third.token).expect(200).json()["total"], 0);
    assert_eq!(app.get("/api/v1/organisation-links").by(&other.token).expect(200).json()["total"], 1);
    let ended = |until: &str| json!({"until": until, "reason": "Participation cédée."});
    app.post(&format!("{path}/end")).by(&vendor.token).on(&made).json(&ended("2026-02-01")).expect(403);
    refused(accreditor(app, &path, "end", ended("2025-12-31")), 422, "out_of_range");
    refused(accreditor(app, &path, "end", ended("2090-01-01")), 422, "out_of_range");
    done(accreditor(app, &path, "end", ended("2026-02-01")));
}

fn two_tokens_of_one_person_are_one_pair_of_eyes(app: &App) {
    let case = Case::new(app).up_to("decision");
    let second = app.auditor(&case.body, &[Duty::DecisionMaker], "évaluatrice-bis");
    let rows = app.get("/api/v1/qualifications?limit=100").by(&app.operator()).expect(200).json();
    let me = app.get("/api/v1/me").by(&case.evaluator).expect(200).json()["actor_id"].clone();
    let own = rows["items"].as_array().expect("rows").iter().find(|row| row["person_id"] == me).expect("qualified");
    let path = format!("/api/v1/qualifications/{}", own["id"].as_str().expect("an id"));
    let identity = json!({"issuer": app.inner.settings.issuer, "subject": "évaluatrice-bis"});
    done(accreditor(app, &path, "link-identity", identity.clone()));
    assert_eq!(accreditor(app, &path, "link-identity", identity).text("code"), "duplicate");
    refused(case.decide(&second), 403, "four_eyes");
    // Under a third name, by way of the second.
    let third = app.auditor(&case.body, &[Duty::DecisionMaker], "évaluatrice-ter");
    let identity = json!({"issuer": app.inner.settings.issuer, "subject": "évaluatrice-ter"});
    done(accreditor(app, &path, "link-identity", identity));
    refused(case.decide(&third), 403, "four_eyes");
    // Who asks to be forgotten stays one person.
    app.post("/api/v1/me/erase").by(&second).expect(200);
    refused(case.decide(&second), 403, "four_eyes");
    // Nobody is qualified a second time under another name.
    status(app.qualified(case.body.id, "évaluatrice-ter"), 409);
    done(case.decide(&case.decider));
}

fn whose_finding_was_overwritten_examined_all_the_same(app: &App) {
    let case = Case::new(app).up_to("finding");
    let both = app.auditor(&case.body, &[Duty::Evaluator, Duty::DecisionMaker], "collègue");
    done(case.find(&both, "SEC-01"));
    case.find_all();
    done(case.report());
    refused(case.decide(&both), 403, "four_eyes");
    done(case.decide(&case.decider));
}

fn nobody_leads_a_third_evaluation_of_a_solution(app: &App) {
    let vendor = app.vendor(1);
    let solution = app.published(&vendor, "Labellisée").id();
    app.evaluated(&vendor, &solution);
    let body = app.audit_body(1);
    let again = || Party { id: body.id, token: String::new(), plain: String::new() };
    for _ in 0..2 {
        let case = Case::of(app, &vendor, again(), &solution).up_to("decision");
        done(case.decide(&case.decider));
    }
    let mut third = Case::of(app, &vendor, again(), &solution).up_to("accept");
    refused(third.accept(&[]), 403, "rotation");
    third.evaluator = app.auditor(&body, &[Duty::Evaluator], "relève");
    done(third.accept(&[]));
}

fn a_body_that_depends_on_one_vendor_says_so(app: &App) {
    let (vendor, body) = (app.vendor(1), app.audit_body(1));
    let again = || Party { id: body.id, token: String::new(), plain: String::new() };
    let assigned = |vendor: &Party, number: u32| {
        let case = Case::admitted(app, vendor, again(), &format!("Dossier {number}"));
        done(case.assign()).json()["disclosures"].clone()
    };
    assert_eq!(assigned(&vendor, 1), json!([]));
    for number in 2..5 {
        assert_eq!(assigned(&app.vendor(number), number), json!([]), "{number}");
    }
    assert_eq!(assigned(&app.vendor(5), 5), json!([]), "a fifth of five");
    assert_eq!(assigned(&vendor, 6)[0]["rule"], "vendor_share", "two of six");
}

fn declarations_and_keys_are_append_only(app: &App) {
    let case = Case::new(app).up_to("accept");
    done(case.declare(&case.evaluator, interest(app, "body", "other_audit", None)));
    let path = accreditation(app, case.body.id);
    let text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    done(accreditor(app, &path, "register-key", json!({"vkey": text, "proof": possessed(app, &path, NEUMANN)})));
    for sql in [
        "UPDATE interest_declarations SET kind = 'advice'",
        "DELETE FROM interest_declarations",
        "UPDATE signing_keys SET public_key = 'x'",
        "DELETE FROM signing_keys",
    ] {
        assert!(app.sql(sql).is_err(), "{sql} must fail");
    }
}
