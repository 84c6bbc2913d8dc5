//! One of everything, private and public, and operations ready to be called on it.

use gouvtech_catalogue::auth::Role;

use super::world::{
    Caller, EXAMINER, Organisations, Target, done, evaluation, imported, link, reason, review_of, solution,
};
use crate::support::build::attestation;
use crate::support::client::Request;
use crate::support::{App, Response, Value, json};

pub struct Scene {
    pub organisations: Organisations,
    pub callers: Vec<Caller>,
    pub targets: Vec<Target>,
    /// Every public solution that something hangs on.
    pub solutions: Vec<String>,
}

impl Scene {
    pub fn make(app: &App) -> Self {
        let all = Organisations::make(app);
        let owner = &all.owner;
        let mut targets = Vec::new();
        for state in ["changes_requested", "suspended", "archived"] {
            targets.push(solution(app, owner, &format!("Solution {state}"), state));
        }
        let draft = solution(app, owner, "Confidentielle", "draft");
        targets.push(Target {
            key: "confidentielle".to_owned(),
            name: "a draft, by its slug".to_owned(),
            ..draft.clone()
        });
        targets.push(draft);

        let mut rich = solution(app, owner, "Connue", "published");
        let first = evaluated(app, &all, &rich);
        rich.examiner = Some(all.auditor.id);
        let evaluator = app.token(Role::Auditor, Some(all.auditor.id), Role::Auditor.duties(), EXAMINER);
        let case = app.in_audit(owner, &rich.key, &all.auditor, &evaluator).id();
        let finding = json!({"result": "compliant", "value": best(app, "SEC-01"), "comment": "Vu sur pièces."});
        done(app, "PUT", &format!("/api/v1/label-applications/{case}/findings/SEC-01"), &evaluator, &finding);
        let contest = json!({"criterion": "SEC-01", "reason": "Le lien donné ne mène nulle part."});
        done(app, "POST", &format!("/api/v1/evaluations/{first}/contest"), &all.other_body.token, &contest);
        let published = Target { examiner: rich.examiner, ..evaluation(owner, first, "published") };

        let mut revised = solution(app, owner, "Révisée", "revision draft");
        revised.has_parts = true;
        let begun = app.answered(owner, &revised.key).id();
        let fourth = solution(app, owner, "Quatrième", "published");
        let returned = app.submitted_evaluation(owner, &fourth.key).id();
        done(app, "POST", &format!("/api/v1/evaluations/{returned}/return"), &app.operator(), &reason());
        let third = solution(app, owner, "Troisième", "published");
        let waiting = app.submitted_evaluation(owner, &third.key).id();
        targets.push(published);
        targets.push(evaluation(owner, begun, "draft"));
        targets.push(Target { name: "a returned evaluation".to_owned(), ..evaluation(owner, returned, "draft") });
        targets.push(evaluation(owner, waiting, "submitted"));

        let second = solution(app, owner, "Deuxième", "published");
        app.evaluated(owner, &second.key);
        let path = format!("/api/v1/solutions/{}/label-applications", second.key);
        let filed = app.post(&path).by(&owner.token).json(&json!({"statement": "Nous aussi."})).expect(201).id();
        let terms = json!({"accepts_terms": true});
        done(app, "POST", &format!("/api/v1/label-applications/{filed}/submit"), &owner.token, &terms);
        let application = |key: String, state, assigned| Target {
            noun: "label-applications",
            name: format!("a case that is {state}"),
            key,
            state,
            has_parts: true,
            vendor: Some(owner.id),
            assigned,
            ..Target::default()
        };
        let interest =
            json!({"holder": "body", "kind": "other_audit", "description": "Audit ISO 27001.", "since": "2025-03-01"});
        let interests = json!({"interests": [interest]});
        done(app, "POST", &format!("/api/v1/label-applications/{case}/declare"), &evaluator, &interests);
        targets.push(application(case, "in_audit", Some(all.auditor.id)));
        targets.push(application(filed, "submitted", None));

        for (state, about) in [("published", &rich), ("draft", &second), ("pending", &third), ("rejected", &revised)] {
            targets.push(review_of(app, &all, about, state));
        }
        let mut solutions: Vec<String> =
            [&rich, &revised, &second, &third, &fourth].map(|one| one.key.clone()).to_vec();
        for state in ["removed", "withdrawn"] {
            let about = solution(app, owner, &format!("Avis {state}"), "published");
            targets.push(review_of(app, &all, &about, state));
            solutions.push(about.key);
        }
        targets.extend([rich, revised]);

        let sheet = imported(app, "revendiquee");
        let claim = json!({"statement": "Nous éditons cette solution."});
        let claimed = app.post(&format!("/api/v1/solutions/{}/claim", sheet.key)).by(&all.stranger.token).json(&claim);
        let plain = |noun, name: &str, key: String, is_public, state| Target {
            noun,
            name: name.to_owned(),
            key,
            state,
            is_public,
            has_parts: true,
            ..Target::default()
        };
        let claimed = claimed.expect(201);
        assert_eq!(claimed.headers["location"], format!("/api/v1/claims/{}", claimed.id()));
        let claim = plain("claims", "a claim", claimed.id(), false, "pending");
        targets.push(Target { vendor: Some(all.stranger.id), ..claim });
        targets.push(sheet);
        let set =
            app.post("/api/v1/criteria-sets").by(&app.operator()).json(&json!({"label": "2.0.0"})).expect(201).id();
        targets.push(plain("criteria-sets", "a draft set", set, false, "draft"));
        let sets = app.get("/api/v1/criteria-sets").expect(200).json();
        let set = sets["items"][0]["id"].as_str().expect("an id").to_owned();
        targets.push(plain("criteria-sets", "the set in force", set, true, "in_force"));
        for (id, is_public, state) in
            [(all.pending, false, "pending"), (all.suspended, true, "suspended"), (owner.id, true, "active")]
        {
            let target =
                plain("organisations", &format!("an organisation that is {state}"), id.to_string(), is_public, state);
            targets.push(Target { organisation: Some(id), ..target });
        }
        let path = format!("/api/v1/organisations/{}/service-accounts", owner.id);
        let expires_at = app.clock.now().plus_days(30);
        let account = json!({"name": "Moissonneur", "duties": [], "expires_at": expires_at});
        let account = app.post(&path).by(&owner.token).json(&account).expect(201).id();
        let account = plain("service-accounts", "a service account", account, false, "active");
        targets.push(Target { vendor: Some(owner.id), ..account });
        let register = app.get(&format!("/api/v1/accreditations?organisation={}", all.auditor.id)).expect(200).json();
        let known = register["items"][0]["id"].as_str().expect("an id").to_owned();
        let body = json!({"organisation_id": all.other_auditor.id});
        let candidate = app.post("/api/v1/accreditations").by(&app.operator()).json(&body).expect(201).id();
        for (key, is_public, state, body) in
            [(known, true, "accredited", &all.auditor), (candidate, false, "candidate", &all.other_auditor)]
        {
            let target = plain("accreditations", "an accreditation", key, is_public, state);
            targets.push(Target { assigned: Some(body.id), ..target });
        }
        let qualified = app.qualified(all.auditor.id, "sujet-qualifie").id();
        let qualified = plain("qualifications", "a qualification", qualified, false, "qualified");
        targets.push(Target { assigned: Some(all.auditor.id), ..qualified });
        let link = plain("organisation-links", "a link", link(app, owner.id, all.other_auditor.id), false, "open");
        targets.push(Target { vendor: Some(owner.id), assigned: Some(all.other_auditor.id), ..link });
        let appeal = super::states::appeal(app, &all, 900, "filed");
        targets.push(Target { name: "an appeal".to_owned(), ..appeal });
        let case = super::states::case(app, &all, 1, "decided");
        let number = super::states::label_of(app, &case.key);
        targets.push(super::states::complaint(app, &all, &number, "open"));
        let callers = all.callers(app);
        Self { organisations: all, callers, targets, solutions }
    }
}

fn best(app: &App, code: &str) -> String {
    let all = app.best_answers(&["saas", "web_ui"]);
    all.into_iter().find(|(one, _)| one == code).unwrap_or_else(|| panic!("{code} does not apply")).1
}

/// An evaluation in force whose first answer has evidence for everybody, for agents and for few.
fn evaluated(app: &App, all: &Organisations, solution: &Target) -> String {
    let id = app.answered(&all.owner, &solution.key).id();
    let path = format!("/api/v1/evaluations/{id}");
    let evidence: Vec<Value> = ["public", "agents", "restricted"]
        .iter()
        .map(|one| json!({"title": "Pièce", "url": format!("https://example.org/{one}"), "visibility": one}))
        .collect();
    let answer = json!({"value": best(app, "SEC-01"), "evidence": evidence});
    done(app, "PUT", &format!("{path}/answers/SEC-01"), &all.owner.token, &answer);
    done(app, "POST", &format!("{path}/submit"), &all.owner.token, &attestation());
    done(app, "POST", &format!("{path}/publish"), &app.operator(), &Value::Null);
    id
}

/// An operation of the document, ready to be called.
pub struct Operation {
    pub id: String,
    pub method: String,
    pub path: String,
    pub kind: Option<String>,
    pub body: Option<Value>,
    pub document: Value,
}

pub fn operations(app: &App) -> Vec<Operation> {
    let document = app.inner.contract.document();
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("methods") {
            let content = operation["requestBody"]["content"].as_object().and_then(|content| content.iter().next());
            let example = content.map(|(_, media)| {
                let reference = media["schema"]["$ref"].as_str().expect("a reference").trim_start_matches('#');
                let example = &document.pointer(reference).expect("a schema")["example"];
                assert!(example.is_object(), "no example: {reference}");
                example.clone()
            });
            all.push(Operation {
                id: operation["operationId"].as_str().expect("an id").to_owned(),
                method: method.to_uppercase(),
                path: path.clone(),
                kind: content.map(|(kind, _)| kind.clone()),
                body: example,
                document: operation.clone(),
            });
        }
    }
    // Who is erased has no drafts any more: last.
    all.sort_by_key(|operation| operation.id == "erase_me");
    all
}

impl Operation {
    /// First word of its addresses, when they name one of a kind.
    pub fn noun(&self) -> Option<&str> {
        let mut words = self.path.strip_prefix("/api/v1/")?.split('/');
        let noun = words.next()?;
        (words.next()? == "{id}").then_some(noun)
    }

    pub fn needs_version(&self) -> bool {
        !self.document["responses"]["428"].is_null()
    }

    /// The path, with `key` for the resource and words that name a part for the rest.
    pub fn at(&self, key: &str) -> String {
        let mut path = self.path.replace("{id}", key);
        for (parameter, word) in [
            ("{number}", "GT-1999-99999"),
            ("{criterion}", "SEC-01"),
            ("{n}", "1"),
            ("{purpose}", "revocation"),
            ("{level}", "entries"),
            ("{tile}", "000"),
            ("{m}", "1"),
            ("/criteria/{code}", "/criteria/SEC-01"),
            ("/families/{code}", "/families/demarches_en_ligne"),
            ("/problems/{code}", "/problems/not-found"),
        ] {
            path = path.replace(parameter, word);
        }
        assert!(!path.contains('{'), "no word for a parameter of {path}: add it here");
        path
    }

    /// Calls it, with `If-Match` and the body as given.
    pub fn call(
        &self,
        app: &App,
        key: &str,
        caller: &Caller,
        if_match: Option<&str>,
        body: Option<&Value>,
    ) -> Response {
        let request = self.request(app, key, caller, body);
        if let Some(tag) = if_match { request.header("if-match", tag) } else { request }.send()
    }

    /// The same without holding the answer to the document, which takes most of the time.
    pub fn call_unchecked(&self, app: &App, key: &str, caller: &Caller, body: Option<&Value>) -> Response {
        self.request(app, key, caller, body).unchecked().send()
    }

    fn request<'a>(&self, app: &'a App, key: &str, caller: &Caller, body: Option<&Value>) -> Request<'a> {
        let mut request = app.request(&self.method, &self.at(key));
        if let Some(token) = &caller.token {
            request = request.by(token);
        }
        if let (Some(kind), Some(body)) = (&self.kind, body) {
            request = request.bytes(kind, body.to_string().as_bytes());
        }
        request
    }
}

/// An answer without what tells two requests apart.
pub fn shown(answer: &Response, key: &str) -> String {
    let mut headers: Vec<String> = answer
        .headers
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "date" | "x-request-id"))
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    headers.retain(|header| !header.starts_with("content-length"));
    headers.sort();
    let body =
        String::from_utf8_lossy(&answer.bytes).replace(&answer.headers["x-request-id"], "REQUEST").replace(key, "KEY");
    format!("{}\n{}\n{body}", answer.status, headers.join("\n"))
}
