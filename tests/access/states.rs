//! From which states commands start, and who is refused although role and owner are right.

use std::collections::BTreeSet;

use gouvtech_catalogue::auth::{Duty, Role};
use gouvtech_catalogue::db::Id;

use super::scene::{Operation, operations};
use super::table::{Line, lines};
use super::world::{
    Caller, DECIDER, EXAMINER, Organisations, Standing, Target, WRITER, done, evaluation, imported, link, reason,
    review_of, solution,
};
use crate::support::build::siren;
use crate::support::{App, Value, json};

/// Somebody of a role with every duty, acting for whom it concerns.
fn entitled(app: &App, all: &Organisations, role: Role) -> Caller {
    let (organisation, subject) = match role {
        Role::Vendor => (Some(all.owner.id), "signataire"),
        Role::Buyer => (Some(all.body.id), WRITER),
        Role::Auditor => (Some(all.auditor.id), DECIDER),
        Role::Operator => (None, "exploitante"),
    };
    Caller {
        name: role.to_string(),
        role: Some(role),
        duties: role.duties().to_vec(),
        organisation,
        standing: Standing::Fit,
        subject: subject.to_owned(),
        token: Some(app.token(role, organisation, role.duties(), subject)),
    }
}

/// A body that is understood and refused at the last step: nothing is changed by it.
fn refused_body(operation: &Operation) -> Option<Value> {
    let mut body = operation.body.clone()?;
    match operation.id.as_str() {
        "update_solution" | "update_organisation" => return Some(json!({"name": ""})),
        "update_criteria_set" => return Some(json!({"label": ""})),
        "update_criterion" => return Some(json!({"code": "ZZZ-99"})),
        "create_review" | "update_review" => return Some(json!({"overall": 9})),
        "put_finding" | "put_evaluation_answer" => body["value"] = json!("aucune"),
        "register_signing_key" => body["jwk"]["x"] = json!("trop-court"),
        "create_label_application" => body["statement"] = json!("x".repeat(20_000)),
        "create_criterion" => body["theme"] = json!("aucun"),
        _ => {}
    }
    for (name, value) in body.as_object_mut().expect("an object") {
        match (name.as_str(), &value) {
            ("reason" | "reasons" | "resolution" | "summary" | "statement" | "text" | "answer", Value::String(_)) => {
                *value = json!("")
            }
            ("in_force_on", _) => *value = json!("2000-01-01"),
            (_, Value::Bool(_)) => *value = json!(false),
            (_, Value::Array(_)) => *value = json!([]),
            _ => {}
        }
    }
    Some(body)
}

/// Calls every operation on the noun from every state of it.
fn drive(app: &App, all: &Organisations, noun: &str, states: &[&'static str], build: &dyn Fn(&'static str) -> Target) {
    let lines = lines();
    let tried: Vec<Operation> = operations(app).into_iter().filter(|one| one.noun() == Some(noun)).collect();
    for word in
        tried.iter().flat_map(|one| lines[&one.id].from.trim_start_matches("any but ").split(", ").collect::<Vec<_>>())
    {
        assert!(word == "any" || word == "imported" || states.contains(&word), "{noun} are never `{word}`");
    }
    let mut wrong = Vec::new();
    for state in states.iter().copied() {
        let mut target = build(state);
        assert_eq!((target.noun, target.state), (noun, state));
        for operation in &tried {
            let line: &Line = &lines[&operation.id];
            for caller in Role::ALL.iter().map(|role| entitled(app, all, *role)).filter(|caller| line.lets_in(caller)) {
                let body = refused_body(operation);
                let answer =
                    operation.call(app, &target.key, &caller, operation.needs_version().then_some("*"), body.as_ref());
                let starts = line.starts_from(state);
                let is_right = match answer.status {
                    404 => {
                        !line.finds(&caller, &target)
                            || (!target.has_parts && super::OF_PARTS.contains(&operation.id.as_str()))
                    }
                    200..=204 | 422 => starts && line.finds(&caller, &target),
                    409 | 410 => !starts && line.finds(&caller, &target),
                    _ => false,
                };
                if !is_right {
                    let body = String::from_utf8_lossy(&answer.bytes).chars().take(300).collect::<String>();
                    wrong.push(format!(
                        "{} by {} from {state} ({starts}): {} {body}",
                        operation.id, caller.name, answer.status
                    ));
                }
                if operation.method != "GET" && answer.status < 300 {
                    target = build(state);
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
}

pub fn commands_on_a_solution_start_from_the_states_of_the_table(app: &App) {
    let all = Organisations::make(app);
    let states = [
        "draft",
        "submitted",
        "changes_requested",
        "rejected",
        "published",
        "outdated",
        "suspended",
        "archived",
        "revision draft",
        "revision submitted",
        "revision changes_requested",
    ];
    let number = std::cell::Cell::new(0);
    drive(app, &all, "solutions", &states, &|state| {
        number.set(number.get() + 1);
        Target { has_parts: false, ..solution(app, &all.owner, &format!("Solution {}", number.get()), state) }
    });
}

pub fn commands_on_evaluations_start_from_the_states_of_the_table(app: &App) {
    let all = Organisations::make(app);
    let number = std::cell::Cell::new(0);
    drive(
        app,
        &all,
        "evaluations",
        &["draft", "submitted", "published", "contested", "superseded", "expired"],
        &|state| {
            number.set(number.get() + 1);
            let of = solution(app, &all.owner, &format!("Mesure {}", number.get()), "published").key;
            let key = match state {
                "draft" => app.answered(&all.owner, &of).id(),
                "submitted" => app.submitted_evaluation(&all.owner, &of).id(),
                _ => app.evaluated(&all.owner, &of).id(),
            };
            match state {
                "contested" => {
                    let contest = json!({"criterion": "SEC-01", "reason": "Le lien donné ne mène nulle part."});
                    done(app, "POST", &format!("/api/v1/evaluations/{key}/contest"), &app.moderator("autre"), &contest);
                }
                "superseded" => drop(app.evaluated(&all.owner, &of)),
                "expired" => {
                    let this = format!("(SELECT id FROM solutions WHERE slug = 'mesure-{}')", number.get());
                    app.sql(&format!("UPDATE evaluations SET status = 'expired' WHERE solution_id = {this}"))
                        .expect("expired");
                }
                _ => {}
            }
            evaluation(&all.owner, key, state)
        },
    );
}

pub fn commands_on_reviews_start_from_the_states_of_the_table(app: &App) {
    let all = Organisations::make(app);
    let states = [
        "draft",
        "pending",
        "published",
        "rejected",
        "reported",
        "removed",
        "withdrawn",
        "draft again",
        "pending again",
        "rejected again",
    ];
    let number = std::cell::Cell::new(0);
    drive(app, &all, "reviews", &states, &|state| {
        number.set(number.get() + 1);
        review_of(app, &all, &solution(app, &all.owner, &format!("Avis {}", number.get()), "published"), state)
    });
}

/// Ends every link that a frozen case left behind.
fn unlink(app: &App, all: &Organisations) {
    let path = format!("/api/v1/organisation-links?organisation={}&limit=100", all.auditor.id);
    let links = app.get(&path).by(&app.operator()).expect(200).json();
    for link in links["items"].as_array().expect("links").iter().filter(|link| link["until"].is_null()) {
        let id = link["id"].as_str().expect("an id");
        let body = json!({"until": link["since"], "reason": "Erreur de saisie."});
        done(app, "POST", &format!("/api/v1/organisation-links/{id}/end"), &app.operator(), &body);
    }
}

/// A case of a new solution in this state.
pub fn case(app: &App, all: &Organisations, number: i32, state: &'static str) -> Target {
    let of = solution(app, &all.owner, &format!("Dossier {number}"), "published").key;
    app.evaluated(&all.owner, &of);
    let examiner = app.token(Role::Auditor, Some(all.auditor.id), Role::Auditor.duties(), EXAMINER);
    unlink(app, all);
    let is_assigned = matches!(state, "assigned" | "challenged" | "accepted");
    let is_reported = matches!(state, "report_submitted" | "corrective_action" | "decided" | "reserved");
    let is_examined = is_reported || matches!(state, "in_audit" | "frozen");
    let key = if is_examined {
        app.in_audit(&all.owner, &of, &all.auditor, &examiner)
    } else {
        let path = format!("/api/v1/solutions/{of}/label-applications");
        app.post(&path).by(&all.owner.token).json(&json!({"statement": "Nous demandons le label."})).expect(201)
    };
    let opened = key.clone();
    let key = key.id();
    let step = |verb: &str, token: &str, body: Value| {
        drop(done(app, "POST", &format!("/api/v1/label-applications/{key}/{verb}"), token, &body));
    };
    let officer = app.operator();
    if is_assigned || matches!(state, "submitted" | "admissible" | "inadmissible") {
        step("submit", &all.owner.token, json!({"accepts_terms": true}));
    }
    if is_assigned || state == "admissible" {
        step("admit", &officer, Value::Null);
    }
    if is_assigned {
        step("assign", &officer, json!({"audit_body_id": all.auditor.id}));
    }
    match state {
        "inadmissible" => step("refuse-admission", &officer, reason()),
        "frozen" => drop(link(app, all.owner.id, all.auditor.id)),
        "abandoned" => step("abandon", &all.owner.token, reason()),
        "challenged" => step("challenge", &all.owner.token, reason()),
        "accepted" => step("accept", &examiner, json!({"declares_independence": true})),
        _ if is_reported => {
            let gap = json!({"result": "minor", "value": "internal", "comment": "La déclaration n’est pas publiée."});
            let has_gap = |code: &str| code == "RSP-01" && matches!(state, "corrective_action" | "reserved");
            drop(app.reported(&opened, &examiner, |code, found| if has_gap(code) { gap.clone() } else { found }));
        }
        _ => {}
    }
    let decider = entitled(app, all, Role::Auditor).token.expect("a token");
    let due_on = app.clock.now().plus_days(60).day();
    if state == "corrective_action" {
        let asked = json!({"criteria": ["RSP-01"], "reason": "Publier la déclaration.", "due_on": due_on});
        step("require-correction", &decider, asked);
    }
    if state == "reserved" {
        step("comment", &all.owner.token, json!({"text": "Nous n’avons pas d’observation."}));
        let reservation = json!({"criterion": "RSP-01", "text": "Publier la déclaration.", "due_on": due_on});
        let decision =
            json!({"outcome": "granted_with_reservations", "reasons": "Presque.", "reservations": [reservation]});
        step("decision", &decider, decision);
    }
    if state == "decided" {
        step("decision", &decider, json!({"outcome": "granted", "reasons": "Le rapport ne relève aucun écart."}));
    }
    Target {
        noun: "label-applications",
        name: state.to_owned(),
        key,
        state,
        has_parts: true,
        vendor: Some(all.owner.id),
        assigned: (is_examined || is_assigned).then_some(all.auditor.id),
        ..Target::default()
    }
}

pub fn commands_on_applications_start_from_the_states_of_the_table(app: &App) {
    let all = Organisations::make(app);
    let states = [
        "draft",
        "submitted",
        "admissible",
        "inadmissible",
        "assigned",
        "challenged",
        "accepted",
        "in_audit",
        "report_submitted",
        "corrective_action",
        "decided",
        "abandoned",
        "frozen",
    ];
    let number = std::cell::Cell::new(0);
    drive(app, &all, "label-applications", &states, &|state| {
        number.set(number.get() + 1);
        case(app, &all, number.get(), state)
    });
}

/// An appeal in this state against the reservations of a new label.
pub fn appeal(app: &App, all: &Organisations, number: i32, state: &'static str) -> Target {
    let case = case(app, all, number, "reserved");
    let path = format!("/api/v1/label-applications/{}", case.key);
    let decisions = app.get(&path).by(&all.owner.token).expect(200).json()["decisions"].clone();
    let filed =
        json!({"subject_id": decisions[0]["id"], "grounds": "Le constat ne dit pas sur quelle version il porte."});
    let key = app.post(&format!("{path}/appeals")).by(&all.owner.token).json(&filed).expect(201).id();
    let verdict = match state {
        "upheld" => Some("uphold"),
        "sent_back" => Some("send_back"),
        _ => None,
    };
    for member in ["un", "deux"].iter().filter(|_| verdict.is_some()) {
        let member = app.token(Role::Operator, None, &[Duty::AppealMember], &format!("membre {member}"));
        let body = json!({"opinion": verdict, "reasons": "Le dossier le montre assez."});
        done(app, "POST", &format!("/api/v1/appeals/{key}/opinions"), &member, &body);
    }
    if state == "withdrawn" {
        done(app, "POST", &format!("/api/v1/appeals/{key}/withdraw"), &all.owner.token, &Value::Null);
    }
    Target { noun: "appeals", name: state.to_owned(), key, state, has_parts: true, ..case }
}

pub fn commands_on_appeals_start_from_the_states_of_the_table(app: &App) {
    let all = Organisations::make(app);
    let number = std::cell::Cell::new(0);
    drive(app, &all, "appeals", &["filed", "upheld", "sent_back", "withdrawn"], &|state| {
        number.set(number.get() + 1);
        appeal(app, &all, number.get(), state)
    });
}

/// The number of the label that a decided case led to.
pub fn label_of(app: &App, case: &str) -> String {
    let path = format!("/api/v1/label-applications/{case}");
    let read = app.get(&path).by(&app.operator()).expect(200).json();
    read["decisions"][0]["label_number"].as_str().expect("a number").to_owned()
}

/// A complaint of a body about a label.
pub fn complaint(app: &App, all: &Organisations, number: &str, state: &'static str) -> Target {
    let text = json!({"text": "L’hébergement annoncé n’est plus celui qui est utilisé."});
    let key = app.post(&format!("/api/v1/labels/{number}/complaints")).by(&all.body.token).json(&text).expect(201).id();
    if state != "open" {
        let decider = entitled(app, all, Role::Auditor).token.expect("a token");
        let answer = json!({"is_founded": state == "founded", "answer": "Vérifié sur pièces."});
        done(app, "POST", &format!("/api/v1/complaints/{key}/answer"), &decider, &answer);
    }
    Target {
        noun: "complaints",
        name: format!("a complaint that is {state}"),
        key,
        state,
        has_parts: true,
        vendor: Some(all.owner.id),
        body: Some(all.body.id),
        assigned: Some(all.auditor.id),
        ..Target::default()
    }
}

pub fn commands_on_complaints_start_from_the_states_of_the_table(app: &App) {
    let all = Organisations::make(app);
    let number = label_of(app, &case(app, &all, 1, "decided").key);
    drive(app, &all, "complaints", &["founded", "unfounded", "open"], &|state| complaint(app, &all, &number, state));
}

pub fn commands_on_criteria_sets_start_from_the_states_of_the_table(app: &App) {
    let all = Organisations::make(app);
    let number = std::cell::Cell::new(0);
    drive(app, &all, "criteria-sets", &["draft", "scheduled", "in_force", "retired"], &|state| {
        number.set(number.get() + 1);
        let sets = app.get("/api/v1/criteria-sets").expect(200).json();
        let with = |status: &str| sets["items"].as_array().expect("sets").iter().find(|one| one["status"] == status);
        let step = |key: &str, verb: &str, body: Value| {
            drop(done(app, "POST", &format!("/api/v1/criteria-sets/{key}/{verb}"), &app.operator(), &body));
        };
        if let Some(other) = with("scheduled") {
            step(other["id"].as_str().expect("an id"), "retire", Value::Null);
        }
        let mut key = with("in_force").expect("one in force")["id"].as_str().expect("an id").to_owned();
        if state != "in_force" {
            let label = json!({"label": format!("{}.0", number.get())});
            key = app.post("/api/v1/criteria-sets").by(&app.operator()).json(&label).expect(201).id();
        }
        if matches!(state, "scheduled" | "retired") {
            step(&key, "publish", json!({"in_force_on": "2090-01-01"}));
        }
        if state == "retired" {
            step(&key, "retire", Value::Null);
        }
        let is_public = state != "draft";
        Target {
            noun: "criteria-sets",
            name: state.to_owned(),
            key,
            state,
            is_public,
            has_parts: true,
            ..Target::default()
        }
    });
}

pub fn commands_on_claims_and_organisations_start_from_the_states_of_the_table(app: &App) {
    let all = Organisations::make(app);
    let number = std::cell::Cell::new(0);
    let claim = |of: &Target| {
        let statement = json!({"statement": "Nous éditons cette solution."});
        app.post(&format!("/api/v1/solutions/{}/claim", of.key)).by(&all.owner.token).json(&statement)
    };
    drive(app, &all, "claims", &["pending", "accepted", "refused"], &|state| {
        number.set(number.get() + 1);
        let of = imported(app, &format!("revendiquee{}", number.get()));
        let key = claim(&of).expect(201).id();
        match state {
            "accepted" => {
                drop(done(app, "POST", &format!("/api/v1/claims/{key}/accept"), &app.operator(), &Value::Null))
            }
            "refused" => drop(done(app, "POST", &format!("/api/v1/claims/{key}/refuse"), &app.operator(), &reason())),
            _ => {}
        }
        Target {
            noun: "claims",
            name: state.to_owned(),
            key,
            state,
            has_parts: true,
            vendor: Some(all.owner.id),
            ..Target::default()
        }
    });

    // Only an imported sheet, once at a time; a refused claim may be filed again, an accepted one not.
    let of = imported(app, "disputee");
    let first = claim(&of).expect(201);
    assert_eq!(claim(&of).expect(409).text("code"), "duplicate");
    let refused = done(app, "POST", &format!("/api/v1/claims/{}/refuse", first.id()), &app.operator(), &reason());
    assert_eq!(
        (refused.text("status"), refused.text("decision_reason")),
        ("refused".to_owned(), reason()["reason"].as_str().expect("text").to_owned())
    );
    let untouched = app.get(&format!("/api/v1/solutions/{}", of.key)).expect(200).json();
    assert_ne!(untouched["vendor"]["id"], json!(all.owner.id));
    let second = claim(&of).expect(201);
    let shown = app.get(&second.headers["location"]).by(&all.owner.token).expect(200);
    assert_eq!((shown.id(), &shown.headers["etag"]), (second.id(), &second.headers["etag"]));
    app.post(&format!("/api/v1/claims/{}/accept", second.id())).by(&app.operator()).on(&shown).expect(200);
    assert_eq!(claim(&of).expect(409).text("code"), "state_conflict");

    drive(app, &all, "organisations", &["pending", "active", "suspended"], &|state| {
        number.set(number.get() + 1);
        let seed = 600 + number.get();
        let body = json!({"name": format!("Organisation {seed}"), "kinds": ["vendor"], "siren": siren(seed), "legal_nature": "company"});
        let by = if state == "pending" { app.token(Role::Vendor, None, &[], "registrant") } else { app.operator() };
        let key = app.post("/api/v1/organisations").by(&by).json(&body).expect(201).id();
        if state == "suspended" {
            done(app, "POST", &format!("/api/v1/organisations/{key}/suspend"), &app.operator(), &reason());
        }
        let (organisation, is_public) = (Id::parse(&key), state != "pending");
        Target {
            noun: "organisations",
            name: state.to_owned(),
            key,
            state,
            is_public,
            organisation,
            has_parts: true,
            ..Target::default()
        }
    });
}

pub fn commands_on_bodies_start_from_the_states_of_the_table(app: &App) {
    let all = Organisations::make(app);
    let number = std::cell::Cell::new(0);
    let post = |path: String, body: Value| drop(done(app, "POST", &path, &app.operator(), &body));
    let plain = |noun, key: String, state: &'static str| Target {
        noun,
        name: state.to_owned(),
        key,
        state,
        has_parts: true,
        ..Target::default()
    };
    drive(app, &all, "accreditations", &["candidate", "accredited", "suspended", "expired", "withdrawn"], &|state| {
        number.set(number.get() + 1);
        let body = app.candidate_body(700 + number.get()).id;
        let key = if state == "candidate" {
            let body = json!({"organisation_id": body});
            app.post("/api/v1/accreditations").by(&app.operator()).json(&body).expect(201).id()
        } else {
            app.accredited(body).id()
        };
        match state {
            "suspended" => post(format!("/api/v1/accreditations/{key}/suspend"), reason()),
            "withdrawn" => post(format!("/api/v1/accreditations/{key}/withdraw"), reason()),
            "expired" => {
                let sql = "UPDATE accreditations SET valid_from = '2020-01-01', valid_until = '2024-01-01'";
                let last = "(SELECT id FROM accreditations ORDER BY created_at DESC LIMIT 1)";
                app.sql(&format!("{sql} WHERE id = {last}")).expect("aged");
            }
            _ => {}
        }
        Target { is_public: state != "candidate", assigned: Some(body), ..plain("accreditations", key, state) }
    });
    drive(app, &all, "qualifications", &["qualified", "suspended", "ended"], &|state| {
        number.set(number.get() + 1);
        let key = app.qualified(all.auditor.id, &format!("personne-{}", number.get())).id();
        match state {
            "suspended" => post(format!("/api/v1/qualifications/{key}/suspend"), reason()),
            "ended" => post(format!("/api/v1/qualifications/{key}/end"), reason()),
            _ => {}
        }
        Target { assigned: Some(all.auditor.id), ..plain("qualifications", key, state) }
    });
    drive(app, &all, "organisation-links", &["open", "ended"], &|state| {
        let key = link(app, all.owner.id, all.other_auditor.id);
        if state == "ended" {
            let body = json!({"until": "2026-01-01", "reason": "Erreur de saisie."});
            post(format!("/api/v1/organisation-links/{key}/end"), body);
        }
        let target = plain("organisation-links", key, state);
        Target { vendor: Some(all.owner.id), assigned: Some(all.other_auditor.id), ..target }
    });
}

pub fn who_is_refused_all_the_same(app: &App) {
    let all = Organisations::make(app);
    let mut shown = BTreeSet::new();
    let mut refuse = |operation: &str, word: &str, path: &str, token: &str, body: &Value| {
        let request = app.post(path).by(token).header("if-match", "*");
        let request = if body.is_null() { request } else { request.json(body) };
        let answer = request.send();
        assert_eq!(answer.status, 403, "{operation} by the {word}: {}", String::from_utf8_lossy(&answer.bytes));
        shown.insert((operation.to_owned(), word.to_owned()));
    };
    let suspended = solution(app, &all.owner, "Suspendue", "published").key;
    let path = format!("/api/v1/solutions/{suspended}");
    let one = app.moderator("celui-ci");
    done(app, "POST", &format!("{path}/suspend"), &one, &json!({"code": "fraud", "reason": "Fausse déclaration."}));
    refuse("lift_solution", "suspender", &format!("{path}/lift"), &one, &Value::Null);
    done(app, "POST", &format!("{path}/lift"), &app.moderator("celle-la"), &Value::Null);

    let refusal = json!({"code": "insult", "reason": "Propos injurieux."});
    let about = |name: &str| solution(app, &all.owner, name, "published");
    let reported = format!("/api/v1/reviews/{}", review_of(app, &all, &about("Une"), "published").key);
    done(app, "POST", &format!("{reported}/report"), &app.moderator("rapporteur"), &reason());
    let pending = format!("/api/v1/reviews/{}", review_of(app, &all, &about("Deux"), "pending").key);
    let writer = app.moderator(WRITER);
    for (word, token) in
        [("moderator", app.moderator("premier")), ("reporter", app.moderator("rapporteur")), ("writer", writer.clone())]
    {
        refuse("keep_review", word, &format!("{reported}/keep"), &token, &Value::Null);
        refuse("remove_review", word, &format!("{reported}/remove"), &token, &refusal);
    }
    refuse("publish_review", "writer", &format!("{pending}/publish"), &writer, &Value::Null);
    refuse("reject_review", "writer", &format!("{pending}/reject"), &writer, &refusal);
    done(app, "POST", &format!("{reported}/remove"), &app.moderator("tiers"), &refusal);
    done(app, "POST", &format!("{pending}/publish"), &app.moderator("tiers"), &Value::Null);

    let decision = json!({"outcome": "granted", "reasons": "Le rapport ne relève aucun écart."});
    let stranger = app.token(Role::Auditor, Some(all.auditor.id), Role::Auditor.duties(), "sujet-non-qualifie");
    let acceptance = json!({"declares_independence": true});
    let report = json!({"recommendation": "granted", "summary": "Examen complet sur l’échantillon."});
    for (number, state, verb, operation, body) in [
        (11, "assigned", "accept", "accept_label_application", &acceptance),
        (12, "accepted", "open", "open_label_application", &app.plan()),
        (13, "in_audit", "report", "submit_report", &report),
        (14, "report_submitted", "decision", "decide_label_application", &decision),
    ] {
        let path = format!("/api/v1/label-applications/{}/{verb}", self::case(app, &all, number, state).key);
        refuse(operation, "unfit", &path, &stranger, body);
    }
    let case = format!("/api/v1/label-applications/{}", case(app, &all, 1, "report_submitted").key);
    let examiner = app.token(Role::Auditor, Some(all.auditor.id), &[Duty::DecisionMaker], EXAMINER);
    refuse("decide_label_application", "examiner", &format!("{case}/decision"), &examiner, &decision);
    let decider = entitled(app, &all, Role::Auditor).token.expect("a token");
    done(app, "POST", &format!("{case}/decision"), &decider, &decision);

    let asked = json!({"criteria": ["RSP-01"], "reason": "À publier.", "due_on": app.clock.now().plus_days(9).day()});
    let case = format!("/api/v1/label-applications/{}", self::case(app, &all, 16, "report_submitted").key);
    refuse("require_correction", "examiner", &format!("{case}/require-correction"), &examiner, &asked);
    refuse("require_correction", "unfit", &format!("{case}/require-correction"), &stranger, &asked);
    let filed = format!("/api/v1/appeals/{}/opinions", appeal(app, &all, 17, "filed").key);
    let opinion = json!({"opinion": "uphold", "reasons": "Le dossier le montre assez."});
    refuse("give_opinion", "participant", &filed, &app.operator(), &opinion);
    // What is done to a label and to complaints of it.
    let number = label_of(app, &self::case(app, &all, 18, "decided").key);
    let label = format!("/api/v1/labels/{number}");
    let lift = json!({"criterion": "SEC-01", "reason": "Corrigé."});
    let suspension = json!({"reason": "Incident non déclaré.", "is_urgent": true});
    let withdrawal = json!({"reason": "Preuves falsifiées.", "heard_on": app.clock.now().day()});
    let verdict = json!({"verdict": "keep", "reason": "Sans effet."});
    for (operation, verb, body) in [
        ("lift_label_reservation", "lift-reservation", &lift),
        ("open_label_surveillance", "surveillance", &reason()),
        ("end_label_surveillance", "end-surveillance", &json!({"outcome": "Sans écart."})),
        ("suspend_label", "suspend", &suspension),
        ("reinstate_label", "reinstate", &reason()),
        ("withdraw_label", "withdraw", &withdrawal),
        ("assess_label_change", "assess-change", &verdict),
    ] {
        let path = format!("{label}/{verb}");
        refuse(operation, "unfit", &path, &stranger, body);
        if operation != "open_label_surveillance" {
            refuse(operation, "examiner", &path, &examiner, body);
        }
    }
    let answer = json!({"is_founded": true, "answer": "Vérifié sur pièces."});
    let path = format!("/api/v1/complaints/{}/answer", complaint(app, &all, &number, "open").key);
    refuse("answer_complaint", "unfit", &path, &stranger, &answer);
    refuse("answer_complaint", "examiner", &path, &examiner, &answer);

    // A finding is not posted.
    let key = self::case(app, &all, 15, "in_audit").key;
    let finding = json!({"result": "compliant", "value": "met", "comment": "Vu sur pièces."});
    let request = app.put(&format!("/api/v1/label-applications/{key}/findings/SEC-01")).by(&stranger);
    request.header("if-match", "*").json(&finding).expect(403);
    shown.insert(("put_finding".to_owned(), "unfit".to_owned()));

    // `party` and `colleague` are cells of the matrix; every other word is shown above.
    let stated: BTreeSet<(String, String)> = lines()
        .into_values()
        .flat_map(|line| line.not.into_iter().map(move |word| (line.id.clone(), word)))
        .filter(|(_, word)| !matches!(word.as_str(), "party" | "colleague"))
        .collect();
    assert_eq!(stated, shown);
}
