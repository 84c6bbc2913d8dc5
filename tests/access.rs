//! Who may call what: the whole table, compared with the document, and driven.

use std::collections::{BTreeMap, BTreeSet};

use gouvtech_catalogue::auth::{Duty, Role};
use gouvtech_catalogue::db::Id;

use crate::cases;
use crate::support::build::siren;
use crate::support::{App, Response, Value, json};

cases![
    the_table_and_the_document_agree,
    every_operation_lets_in_whom_the_table_names_and_nobody_else,
    a_suspended_organisation_is_refused_wherever_a_token_is_read,
    an_organisation_not_yet_confirmed_makes_nothing,
    what_belongs_to_another_looks_absent,
];

/// Operation, and who may call it: `public` (tokens are not read), `anyone`
/// (with or without a token), or roles with the duty they need.
const ACCESS: &[(&str, &str)] = &[
    // service
    ("find_liveness", "public"),
    ("find_readiness", "public"),
    ("find_document", "public"),
    ("find_problem", "public"),
    ("list_problems", "public"),
    ("find_security_contact", "public"),
    ("find_metrics", "public"),
    ("find_keys", "public"),
    // organisations
    ("list_organisations", "anyone"),
    ("create_organisation", "vendor buyer auditor operator:administrator"),
    ("find_organisation", "anyone"),
    ("update_organisation", "vendor buyer auditor operator"),
    ("confirm_organisation", "operator:administrator"),
    ("suspend_organisation", "operator:administrator"),
    ("reinstate_organisation", "operator:administrator"),
    ("list_organisation_solutions", "anyone"),
    // service accounts
    ("list_service_accounts", "vendor:signatory buyer:administrator auditor:decision_maker operator:administrator"),
    ("create_service_account", "vendor:signatory buyer:administrator auditor:decision_maker operator:administrator"),
    ("find_service_account", "vendor:signatory buyer:administrator auditor:decision_maker operator:administrator"),
    ("update_service_account", "vendor:signatory buyer:administrator auditor:decision_maker operator:administrator"),
    ("delete_service_account", "vendor:signatory buyer:administrator auditor:decision_maker operator:administrator"),
    ("rotate_service_account", "vendor:signatory buyer:administrator auditor:decision_maker operator:administrator"),
    ("revoke_service_account", "vendor:signatory buyer:administrator auditor:decision_maker operator:administrator"),
    ("create_token", "public"),
    // families
    ("list_families", "anyone"),
    ("find_family", "anyone"),
    // criteria
    ("list_criteria", "anyone"),
    ("find_criterion", "anyone"),
    ("list_themes", "anyone"),
    ("list_criteria_sets", "anyone"),
    ("create_criteria_set", "operator:administrator"),
    ("find_criteria_set", "anyone"),
    ("update_criteria_set", "operator:administrator"),
    ("delete_criteria_set", "operator:administrator"),
    ("publish_criteria_set", "operator:administrator"),
    ("retire_criteria_set", "operator:administrator"),
    ("list_criteria_of_set", "anyone"),
    ("create_criterion", "operator:administrator"),
    ("find_criterion_of_set", "anyone"),
    ("update_criterion", "operator:administrator"),
    ("delete_criterion", "operator:administrator"),
    // solutions
    ("list_solutions", "anyone"),
    ("create_solution", "vendor"),
    ("find_solution", "anyone"),
    ("update_solution", "vendor"),
    ("delete_solution", "vendor"),
    ("submit_solution", "vendor:signatory"),
    ("withdraw_solution", "vendor:signatory"),
    ("reopen_solution", "vendor:signatory"),
    ("confirm_solution", "vendor:signatory"),
    ("archive_solution", "vendor:signatory operator:moderator"),
    ("publish_solution", "operator:moderator"),
    ("request_changes_of_solution", "operator:moderator"),
    ("reject_solution", "operator:moderator"),
    ("suspend_solution", "operator:moderator"),
    ("lift_solution", "operator:moderator"),
    ("list_solution_versions", "anyone"),
    ("find_solution_version", "anyone"),
    ("diff_solution_versions", "anyone"),
    ("revert_solution", "vendor"),
    ("claim_solution", "vendor:signatory"),
    ("list_claims", "vendor:signatory operator:moderator"),
    ("accept_claim", "operator:moderator"),
    ("refuse_claim", "operator:moderator"),
    // evaluations
    ("list_evaluations", "vendor buyer auditor operator"),
    ("list_evaluations_of_solution", "anyone"),
    ("create_evaluation", "vendor"),
    ("find_evaluation_in_force", "anyone"),
    ("list_criteria_of_solution", "anyone"),
    ("find_evaluation", "anyone"),
    ("delete_evaluation", "vendor"),
    ("change_evaluation_answers", "vendor"),
    ("put_evaluation_answer", "vendor"),
    ("delete_evaluation_answer", "vendor"),
    ("submit_evaluation", "vendor:signatory"),
    ("publish_evaluation", "operator:moderator"),
    ("return_evaluation", "operator:moderator"),
    ("contest_evaluation", "buyer auditor operator:moderator"),
    ("resolve_contest", "operator:moderator"),
    // reviews
    ("list_reviews", "vendor buyer operator:moderator"),
    ("list_reviews_of_solution", "anyone"),
    ("create_review", "buyer"),
    ("find_rating", "anyone"),
    ("find_review", "anyone"),
    ("update_review", "buyer"),
    ("delete_review", "buyer"),
    ("submit_review", "buyer"),
    ("withdraw_review", "buyer"),
    ("publish_review", "operator:moderator"),
    ("reject_review", "operator:moderator"),
    ("report_review", "vendor buyer auditor operator"),
    ("keep_review", "operator:moderator"),
    ("remove_review", "operator:moderator"),
    ("list_review_edits", "operator:moderator"),
    ("put_review_reply", "vendor"),
    ("delete_review_reply", "vendor"),
    // labels
    ("list_labels", "anyone"),
    ("find_label", "anyone"),
    ("list_labels_of_solution", "anyone"),
    ("create_label_application", "vendor"),
    ("list_label_applications", "vendor auditor operator:label_officer"),
    ("find_label_application", "vendor auditor operator:label_officer"),
    ("submit_label_application", "vendor:signatory"),
    ("abandon_label_application", "vendor:signatory operator:label_officer"),
    ("admit_label_application", "operator:label_officer"),
    ("refuse_label_application", "operator:label_officer"),
    ("assign_label_application", "operator:label_officer"),
    ("accept_label_application", "auditor:evaluator"),
    ("recuse_label_application", "auditor"),
    ("open_label_application", "auditor:evaluator"),
    ("put_finding", "auditor:evaluator"),
    ("submit_report", "auditor:evaluator"),
    ("decide_label_application", "auditor:decision_maker"),
];

/// Operations that answer from the program alone: there is no database to ask
/// about the organisation of a token.
const WITHOUT_DATABASE: &[&str] = &["list_families", "find_family"];

/// An operation of the document, ready to be called.
struct Operation {
    id: String,
    method: String,
    path: String,
    kind: Option<String>,
    body: Option<Value>,
    document: Value,
}

fn operations(app: &App) -> Vec<Operation> {
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
    all
}

impl Operation {
    fn allowed(&self) -> &'static str {
        ACCESS.iter().find(|(id, _)| *id == self.id).unwrap_or_else(|| panic!("{} is not in the table", self.id)).1
    }

    /// The path, with `id` for the resource and words that name nothing for the rest.
    fn at(&self, id: &str) -> String {
        let mut path = self.path.replace("{id}", id);
        for (parameter, word) in [
            ("{number}", "GT-1999-99999"),
            ("{criterion}", "SEC-01"),
            ("{n}", "1"),
            ("{m}", "1"),
            ("/criteria/{code}", "/criteria/SEC-01"),
            ("/families/{code}", "/families/aucune"),
            ("/problems/{code}", "/problems/not-found"),
        ] {
            path = path.replace(parameter, word);
        }
        assert!(!path.contains('{'), "no word for a parameter of {path}");
        path
    }

    /// Calls it with the document's own example as body, from whatever version.
    fn call(&self, app: &App, id: &str, token: Option<&str>) -> Response {
        self.call_with(app, id, token, self.body.as_ref(), true)
    }

    fn call_with(&self, app: &App, id: &str, token: Option<&str>, body: Option<&Value>, matches: bool) -> Response {
        let mut request = app.request(&self.method, &self.at(id));
        if let Some(token) = token {
            request = request.by(token);
        }
        if matches && self.method != "GET" {
            request = request.header("if-match", "*");
        }
        if let (Some(kind), Some(body)) = (&self.kind, body) {
            request = request.bytes(kind, body.to_string().as_bytes());
        }
        request.send()
    }
}

/// Whether this table entry lets in this role with this duty.
fn lets_in(allowed: &str, role: Option<Role>, duty: Option<Duty>) -> bool {
    match (allowed, role) {
        ("public" | "anyone", _) => true,
        (_, None) => false,
        (_, Some(role)) => allowed.split(' ').any(|one| match one.split_once(':') {
            Some((name, needed)) => name == role.code() && duty.is_some_and(|duty| duty.code() == needed),
            None => one == role.code(),
        }),
    }
}

fn the_table_and_the_document_agree(app: &App) {
    let document: BTreeMap<String, BTreeSet<String>> = operations(app)
        .into_iter()
        .map(|operation| {
            let security =
                operation.document["security"].as_array().unwrap_or_else(|| panic!("{}: no security", operation.id));
            let words = security
                .iter()
                // The other way to the same tokens.
                .filter(|one| one.get("oauth2").is_none())
                .flat_map(|one| match one.as_object().and_then(|one| one.get("bearer")) {
                    None => vec!["nobody".to_owned()],
                    Some(scopes) if scopes.as_array().expect("scopes").is_empty() => vec!["any token".to_owned()],
                    Some(scopes) => scopes
                        .as_array()
                        .expect("scopes")
                        .iter()
                        .map(|s| s.as_str().expect("text").to_owned())
                        .collect(),
                })
                .collect();
            (operation.id, words)
        })
        .collect();
    let table: BTreeMap<String, BTreeSet<String>> = ACCESS
        .iter()
        .map(|(id, allowed)| {
            let words: BTreeSet<String> = match *allowed {
                "public" => ["nobody".to_owned()].into(),
                "anyone" => ["nobody".to_owned(), "any token".to_owned()].into(),
                roles => roles.split(' ').map(ToOwned::to_owned).collect(),
            };
            ((*id).to_owned(), words)
        })
        .collect();
    assert_eq!(table.len(), ACCESS.len(), "an operation is in the table twice");
    let (described, listed): (BTreeSet<_>, BTreeSet<_>) = (document.keys().collect(), table.keys().collect());
    assert_eq!(described.difference(&listed).collect::<Vec<_>>(), Vec::<&&String>::new(), "missing from the table");
    assert_eq!(
        listed.difference(&described).collect::<Vec<_>>(),
        Vec::<&&String>::new(),
        "operations that do not exist"
    );
    assert_eq!(document, table);
    for word in table.values().flatten() {
        if let Some((role, duty)) = word.split_once(':') {
            let role = Role::from_code(role).expect("a role");
            assert!(role.duties().contains(&Duty::from_code(duty).expect("a duty")), "{word} can be nobody");
        }
    }
}

/// The active organisation that each role acts for.
fn organisations(app: &App) -> BTreeMap<Role, Option<Id>> {
    [
        (Role::Vendor, Some(app.vendor(1).id)),
        (Role::Buyer, Some(app.buyer(1).id)),
        (Role::Auditor, Some(app.audit_body(1).id)),
        (Role::Operator, None),
    ]
    .into()
}

fn every_operation_lets_in_whom_the_table_names_and_nobody_else(app: &App) {
    let mut callers: Vec<(Option<Role>, Option<Duty>, Option<String>)> = vec![(None, None, None)];
    for (role, organisation) in organisations(app) {
        callers.push((Some(role), None, Some(app.token(role, organisation, &[], "plain"))));
        for duty in role.duties() {
            callers.push((Some(role), Some(*duty), Some(app.token(role, organisation, &[*duty], duty.code()))));
        }
    }
    assert_eq!(callers.len(), 16);
    let mut wrong = Vec::new();
    for operation in operations(app) {
        for (role, duty, token) in &callers {
            let is_in = lets_in(operation.allowed(), *role, *duty);
            // What is refused is refused before the body is looked at.
            let answer = match is_in {
                true => operation.call(app, &Id::new().to_string(), token.as_deref()),
                false => operation.call_with(app, &Id::new().to_string(), token.as_deref(), Some(&json!([])), false),
            };
            let is_right = match (is_in, role) {
                (true, _) => answer.status != 401 && answer.status != 403 && answer.status < 500,
                (false, None) => answer.status == 401 && answer.headers["www-authenticate"].starts_with("Bearer"),
                (false, Some(_)) => {
                    answer.status == 403 && answer.headers["www-authenticate"].contains("insufficient_scope")
                }
            };
            if !is_right {
                wrong.push(format!("{} by {role:?} {duty:?}: {}", operation.id, answer.status));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn a_suspended_organisation_is_refused_wherever_a_token_is_read(app: &App) {
    let mut wrong = Vec::new();
    for (role, organisation) in organisations(app) {
        // The operator's own body, so that its tokens name one too.
        let id = organisation.unwrap_or_else(|| {
            let body = json!({"name": "Exploitant", "kinds": ["operator"], "siren": siren(9000), "legal_nature": "public_body"});
            let created = app.post("/api/v1/organisations").by(&app.operator()).json(&body).expect(201);
            Id::parse(&created.id()).expect("an id")
        });
        let path = format!("/api/v1/organisations/{id}");
        let current = app.get(&path).by(&app.operator()).expect(200);
        app.post(&format!("{path}/suspend"))
            .by(&app.operator())
            .on(&current)
            .json(&json!({"reason": "Pièce justificative manquante."}))
            .expect(200);
        let token = app.token(role, Some(id), role.duties(), "suspended");
        for operation in operations(app) {
            let is_let_in = role
                .duties()
                .iter()
                .map(|duty| Some(*duty))
                .chain([None])
                .any(|duty| lets_in(operation.allowed(), Some(role), duty));
            let reads_no_token = operation.allowed() == "public" || WITHOUT_DATABASE.contains(&operation.id.as_str());
            let answer = operation.call(app, &Id::new().to_string(), Some(&token));
            let is_right = if reads_no_token { answer.status != 403 } else { answer.status == 403 };
            if !is_right {
                wrong.push(format!("{} by {role} (let in: {is_let_in}): {}", operation.id, answer.status));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn an_organisation_not_yet_confirmed_makes_nothing(app: &App) {
    let vendor = app.vendor(1);
    let solution = app.published(&vendor, "Publiée").id();
    let evaluation = app.evaluated(&vendor, &solution).id();
    let mut wrong = Vec::new();
    for (role, kind, seed) in
        [(Role::Vendor, "vendor", 1), (Role::Buyer, "public_body", 2), (Role::Auditor, "audit_body", 3)]
    {
        let body = json!({"name": kind, "kinds": [kind], "siren": siren(8000 + seed), "legal_nature": "company"});
        let registered =
            app.post("/api/v1/organisations").by(&app.token(role, None, &[], "registrant")).json(&body).expect(201);
        assert_eq!(registered.text("status"), "pending");
        let id = Id::parse(&registered.id()).expect("an id");
        let token = app.token(role, Some(id), role.duties(), "pending");
        app.get(&format!("/api/v1/organisations/{id}")).by(&token).expect(200);
        for operation in operations(app) {
            let of = if operation.path.starts_with("/api/v1/evaluations") { &evaluation } else { &solution };
            let answer = operation.call(app, of, Some(&token));
            let is_let_in = role
                .duties()
                .iter()
                .map(|duty| Some(*duty))
                .chain([None])
                .any(|duty| lets_in(operation.allowed(), Some(role), duty));
            let is_right = match operation.allowed() {
                _ if operation.id == "create_token" => answer.status == 400,
                "public" | "anyone" => answer.status == 200 || answer.status == 404,
                _ if !is_let_in => answer.status == 403,
                // Own resources, of which it has none.
                _ if operation.method == "GET" => answer.status == 404 || answer.status == 200,
                _ if operation.id == "create_organisation" => answer.status == 409,
                _ if matches!(operation.id.as_str(), "create_solution" | "create_review" | "contest_evaluation") => {
                    answer.status == 403
                }
                _ => answer.status == 403 || answer.status == 404,
            };
            if !is_right {
                wrong.push(format!("{} by {role}: {}", operation.id, answer.status));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// An answer without what tells two requests apart.
fn shown(answer: &Response, id: &str) -> String {
    let mut headers: Vec<String> = answer
        .headers
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "date" | "x-request-id"))
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    headers.sort();
    let body =
        String::from_utf8_lossy(&answer.bytes).replace(&answer.headers["x-request-id"], "REQUEST").replace(id, "ID");
    format!("{}\n{}\n{body}", answer.status, headers.join("\n"))
}

fn what_belongs_to_another_looks_absent(app: &App) {
    let (owner, buyer) = (app.vendor(1), app.buyer(1));
    let stranger = app.vendor(2);
    let all = |role: Role, organisation| app.token(role, organisation, role.duties(), &format!("stranger {role}"));
    let strangers = vec![
        (None, None),
        (Some(Role::Vendor), Some(stranger.token.clone())),
        (Some(Role::Buyer), Some(all(Role::Buyer, Some(app.buyer(2).id)))),
        (Some(Role::Auditor), Some(all(Role::Auditor, Some(app.audit_body(2).id)))),
    ];
    let mut with_officer = strangers.clone();
    with_officer.push((Some(Role::Operator), Some(app.token(Role::Operator, None, &[Duty::LabelOfficer], "officer"))));
    let mut with_owner = strangers.clone();
    with_owner.push((Some(Role::Vendor), Some(owner.token.clone())));

    let draft = app.draft(&owner, "Brouillon").id();
    let published = app.published(&owner, "Publiée").id();
    let evaluation = app.post(&format!("/api/v1/solutions/{published}/evaluations")).by(&owner.token).expect(201).id();
    let review = app
        .post(&format!("/api/v1/solutions/{published}/reviews"))
        .by(&buyer.token)
        .json(&json!({"title": "Brouillon d’avis"}))
        .expect(201)
        .id();
    let application = app
        .post(&format!("/api/v1/solutions/{published}/label-applications"))
        .by(&owner.token)
        .json(&json!({"statement": "Nous demandons le label."}))
        .expect(201)
        .id();
    let set = app.post("/api/v1/criteria-sets").by(&app.operator()).json(&json!({"label": "2.0.0"})).expect(201).id();
    let pending = app
        .post("/api/v1/organisations")
        .by(&app.token(Role::Vendor, None, &[], "registrant"))
        .json(&json!({"name": "Attente", "kinds": ["vendor"], "siren": siren(8100), "legal_nature": "company"}))
        .expect(201)
        .id();

    // Each resource is there for its owner: otherwise nothing is shown below.
    let mine = |path: String, token: &str| app.get(&path).by(token).expect(200);
    mine(format!("/api/v1/solutions/{draft}"), &owner.token);
    mine(format!("/api/v1/evaluations/{evaluation}"), &owner.token);
    mine(format!("/api/v1/reviews/{review}"), &buyer.token);
    mine(format!("/api/v1/label-applications/{application}"), &owner.token);
    mine(format!("/api/v1/criteria-sets/{set}/criteria/SEC-01"), &app.operator());
    mine(format!("/api/v1/organisations/{pending}"), &app.operator());

    let mut wrong = Vec::new();
    for (prefix, id, callers, least) in [
        ("/api/v1/solutions/{id}", &draft, &strangers, 40),
        ("/api/v1/evaluations/{id}", &evaluation, &strangers, 12),
        ("/api/v1/reviews/{id}", &review, &with_owner, 15),
        ("/api/v1/label-applications/{id}", &application, &strangers, 10),
        ("/api/v1/criteria-sets/{id}", &set, &with_officer, 15),
        ("/api/v1/organisations/{id}", &pending, &strangers, 10),
    ] {
        let mut compared = 0;
        for operation in operations(app).iter().filter(|one| one.path.starts_with(prefix)) {
            for (role, token) in callers.iter() {
                let duties = role.map(Role::duties).unwrap_or_default();
                let duties = if *role == Some(Role::Operator) { &[Duty::LabelOfficer] } else { duties };
                if !duties
                    .iter()
                    .map(|duty| Some(*duty))
                    .chain([None])
                    .any(|duty| lets_in(operation.allowed(), *role, duty))
                {
                    continue;
                }
                let absent = Id::new().to_string();
                let empty = json!({});
                for (body, matches) in
                    [(operation.body.as_ref(), true), (operation.body.as_ref(), false), (Some(&empty), true)]
                {
                    let here = operation.call_with(app, id, token.as_deref(), body, matches);
                    let nowhere = operation.call_with(app, &absent, token.as_deref(), body, matches);
                    compared += 1;
                    if here.status != 404 || shown(&here, id) != shown(&nowhere, &absent) {
                        wrong.push(format!(
                            "{} by {role:?}:\n{}\n-- absent:\n{}\n",
                            operation.id,
                            shown(&here, id),
                            shown(&nowhere, &absent)
                        ));
                    }
                }
            }
        }
        assert!(compared >= least, "{prefix}: only {compared} comparisons");
    }
    // Nothing was changed on the way either.
    mine(format!("/api/v1/solutions/{draft}"), &owner.token);
    assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n"));
}
