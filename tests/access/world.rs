//! Who calls, and what there is to be called: a catalogue in which every noun
//! has something private and something public, and everybody who might want it.

use gouvtech_catalogue::auth::{Duty, Role};
use gouvtech_catalogue::db::Id;
use gouvtech_catalogue::import::lines::Input;
use gouvtech_catalogue::import::solutions::Solutions;
use gouvtech_catalogue::import::{Options, run};

use crate::support::build::{Party, sheet, siren};
use crate::support::{App, Response, Value, json};

/// The subject of who writes reviews; nobody else is to read it.
pub const WRITER: &str = "sujet-de-la-redactrice";
/// The subject of who examines.
pub const EXAMINER: &str = "sujet-de-l-examinatrice";
/// The subject of who decides.
pub const DECIDER: &str = "sujet-de-la-decideuse";

/// How the organisation of a token stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Fit,
    /// Waits for confirmation, is of another kind, or is not named.
    Idle,
    /// Suspended, or there is none.
    Refused,
}

/// Somebody who calls.
pub struct Caller {
    pub name: String,
    pub role: Option<Role>,
    pub duties: Vec<Duty>,
    pub organisation: Option<Id>,
    pub standing: Standing,
    pub subject: String,
    pub token: Option<String>,
}

impl Caller {
    pub fn is(&self, allowed: &[(Role, Option<Duty>)]) -> bool {
        allowed
            .iter()
            .any(|(role, duty)| self.role == Some(*role) && duty.is_none_or(|duty| self.duties.contains(&duty)))
    }
}

/// Something to call an operation on, and what relates people to it.
#[derive(Debug, Clone, Default)]
pub struct Target {
    /// First word of its addresses: `solutions`, `reviews`, …
    pub noun: &'static str,
    pub name: String,
    /// What stands for `{id}`.
    pub key: String,
    pub state: &'static str,
    pub is_public: bool,
    pub is_imported: bool,
    /// Has a published version, an evaluation, an answer or a reply to be found under it.
    pub has_parts: bool,
    /// The vendor, or the claimant.
    pub vendor: Option<Id>,
    /// The body of a review.
    pub body: Option<Id>,
    /// The subject of who wrote a review.
    pub writer: &'static str,
    /// The audit body a case is assigned to.
    pub assigned: Option<Id>,
    /// The audit body that has accepted a case of the solution.
    pub examiner: Option<Id>,
    /// Itself, when it is an organisation.
    pub organisation: Option<Id>,
}

impl Target {
    pub fn relates(&self, relation: &str, caller: &Caller) -> bool {
        let own = |id: Option<Id>| id.is_some() && id == caller.organisation;
        match relation {
            "any" => true,
            "public" => self.is_public,
            "listed" => matches!(self.state, "published" | "outdated") || self.state.starts_with("revision"),
            "imported" => self.is_imported,
            "suspended" => self.state == "suspended",
            "own" if self.noun == "organisations" => own(self.organisation),
            "own" if self.noun == "reviews" => own(self.body),
            "own" => own(self.vendor),
            "written" => own(self.body) && self.writer == caller.subject,
            "addressed" => self.is_public && own(self.vendor),
            "filed" => own(self.body),
            "assigned" => own(self.assigned),
            "examined" => own(self.examiner),
            other => panic!("what is `{other}`?"),
        }
    }

    /// Whose affair it is: they do not decide on it for the operator, nor speak of it for the public.
    pub fn is_of_party(&self, caller: &Caller) -> bool {
        let all = [self.vendor, self.body, self.assigned];
        caller.role != Some(Role::Vendor) && all.iter().flatten().any(|one| Some(*one) == caller.organisation)
    }
}

/// The organisations of the world.
pub struct Organisations {
    /// Owns everything; of every kind, so that its other people are partial.
    pub owner: Party,
    pub stranger: Party,
    /// One of its members writes the reviews.
    pub body: Party,
    pub other_body: Party,
    /// Examines the case.
    pub auditor: Party,
    pub other_auditor: Party,
    pub pending: Id,
    pub suspended: Id,
}

fn organisation(app: &App, role: Role, name: &str, kinds: &[&str], seed: u32) -> Party {
    let body = json!({"name": name, "kinds": kinds, "siren": siren(seed), "legal_nature": "public_body"});
    let created = app.post("/api/v1/organisations").by(&app.operator()).json(&body).expect(201);
    let id = Id::parse(&created.id()).expect("an id");
    Party { id, token: app.token(role, Some(id), role.duties(), name), plain: app.token(role, Some(id), &[], name) }
}

impl Organisations {
    pub fn make(app: &App) -> Self {
        let all = ["vendor", "public_body", "audit_body", "operator"];
        let suspended = organisation(app, Role::Vendor, "Suspendue", &all, 505).id;
        let path = format!("/api/v1/organisations/{suspended}");
        let reason = json!({"reason": "Pièce justificative manquante."});
        app.post(&format!("{path}/suspend")).by(&app.operator()).header("if-match", "*").json(&reason).expect(200);
        let waiting = json!({"name": "Attente", "kinds": ["vendor"], "siren": siren(506), "legal_nature": "company"});
        let registrant = app.token(Role::Vendor, None, &[], "registrant");
        let pending = app.post("/api/v1/organisations").by(&registrant).json(&waiting).expect(201);
        let auditor = organisation(app, Role::Auditor, "Organisme", &["audit_body", "operator"], 507);
        app.accredited(auditor.id);
        for subject in [EXAMINER, DECIDER] {
            assert_eq!(app.qualified(auditor.id, subject).status, 201, "{subject}");
        }
        Self {
            owner: organisation(app, Role::Vendor, "Propriétaire", &all, 501),
            stranger: organisation(app, Role::Vendor, "Tierce", &["vendor", "operator"], 502),
            body: organisation(app, Role::Buyer, "Administration", &["public_body", "operator"], 503),
            other_body: organisation(app, Role::Buyer, "Autre administration", &["public_body"], 504),
            auditor,
            other_auditor: organisation(app, Role::Auditor, "Autre organisme", &["audit_body"], 508),
            pending: Id::parse(&pending.id()).expect("an id"),
            suspended,
        }
    }

    /// Everybody who calls.
    pub fn callers(&self, app: &App) -> Vec<Caller> {
        let mut all = vec![Caller {
            name: "nobody".to_owned(),
            role: None,
            duties: Vec::new(),
            organisation: None,
            standing: Standing::Fit,
            subject: String::new(),
            token: None,
        }];
        let mut add = |role: Role, organisation, standing, duties: &[Duty], subject: &str, name: &str| {
            all.push(Caller {
                name: format!("{role} {duties:?} {name}"),
                role: Some(role),
                duties: duties.to_vec(),
                organisation,
                standing,
                subject: subject.to_owned(),
                token: Some(app.token(role, organisation, duties, subject)),
            });
        };
        for role in Role::ALL.iter().copied() {
            // Everybody who acts for what may concern them; each duty alone for one of them.
            let (home, others): (Option<Id>, Vec<Id>) = match role {
                Role::Vendor => (Some(self.owner.id), vec![self.stranger.id]),
                Role::Buyer => (Some(self.body.id), vec![self.other_body.id, self.owner.id]),
                Role::Auditor => (Some(self.auditor.id), vec![self.other_auditor.id, self.owner.id]),
                Role::Operator => (None, vec![self.owner.id, self.stranger.id, self.body.id, self.auditor.id]),
            };
            add(role, home, Standing::Fit, &[], "plain", "at home");
            for duty in role.duties() {
                add(role, home, Standing::Fit, &[*duty], duty.code(), "at home");
            }
            for other in others {
                add(role, Some(other), Standing::Fit, role.duties(), "other", &format!("of {other}"));
            }
            let wrong = if role == Role::Buyer { self.stranger.id } else { self.other_body.id };
            add(role, Some(self.pending), Standing::Idle, role.duties(), "pending", "of a pending organisation");
            add(role, Some(wrong), Standing::Idle, role.duties(), "wrong", "of the wrong kind");
            if role != Role::Operator {
                add(role, None, Standing::Idle, role.duties(), "alone", "of no organisation");
            }
            add(
                role,
                Some(self.suspended),
                Standing::Refused,
                role.duties(),
                "suspended",
                "of a suspended organisation",
            );
            add(role, Some(Id::new()), Standing::Refused, role.duties(), "unknown", "of an unknown organisation");
        }
        add(Role::Buyer, Some(self.body.id), Standing::Fit, Role::Buyer.duties(), WRITER, "who wrote");
        all
    }
}

/// The sheet of a solution with something to withhold.
pub fn telling_sheet(name: &str) -> Value {
    let mut sheet = sheet(name);
    sheet["evidence"] = ["public", "agents", "restricted"]
        .iter()
        .map(|visibility| json!({"title": "Pièce", "url": format!("https://example.org/{visibility}"), "visibility": visibility}))
        .collect();
    sheet["references"] = json!([{"organisation": "Commune discrète", "may_be_named": false}]);
    sheet
}

/// A call with whatever version is there, that has to succeed.
pub fn done(app: &App, method: &str, path: &str, token: &str, body: &Value) -> Response {
    let request = app.request(method, path).by(token).header("if-match", "*");
    let request = if body.is_null() { request } else { request.json(body) };
    let answer = request.send();
    assert!(
        (200..300).contains(&answer.status),
        "{method} {path}: {} {}",
        answer.status,
        String::from_utf8_lossy(&answer.bytes)
    );
    answer
}

pub fn reason() -> Value {
    json!({"reason": "Un motif que seuls lisent ceux qu’il concerne."})
}

pub fn review() -> Value {
    json!({
        "title": "Au quotidien", "text": "Nous l’utilisons tous les jours. ".repeat(5), "overall": 4,
        "ratings": {"fitness": 5}, "declares_no_interest": true, "may_be_named": false,
        "context": {"role": "administrator", "used_since": "2024-01-15", "deployment": "cloud"},
    })
}

/// Moves a solution of the owner to a state by real commands; the calendar's by hand.
pub fn solution(app: &App, owner: &Party, name: &str, state: &'static str) -> Target {
    let made = app.post("/api/v1/solutions").by(&owner.token).json(&telling_sheet(name)).expect(201);
    let (id, slug) = (made.id(), made.text("slug"));
    let path = format!("/api/v1/solutions/{id}");
    let vendor = |verb: &str, body: Value| done(app, "POST", &format!("{path}/{verb}"), &owner.token, &body);
    let moderator = |verb: &str, body: Value| done(app, "POST", &format!("{path}/{verb}"), &app.operator(), &body);
    let charter = || json!({"accepts_charter": true});
    let changes = || json!({"changes": [{"field": "summary", "reason": "Ton publicitaire."}]});
    if state != "draft" {
        vendor("submit", charter());
    }
    match state {
        "draft" | "submitted" => {}
        "changes_requested" => drop(moderator("request-changes", changes())),
        "rejected" => drop(moderator("reject", json!({"code": "duplicate", "reason": "Déjà inscrite."}))),
        _ => {
            moderator("publish", Value::Null);
        }
    }
    let revise = || done(app, "PATCH", &path, &owner.token, &json!({"name": format!("{name} révisée")}));
    match state {
        "suspended" => drop(moderator("suspend", json!({"code": "security", "reason": "Faille exploitée."}))),
        "archived" => drop(vendor("archive", reason())),
        "outdated" => {
            app.sql(&format!("UPDATE solutions SET status = 'outdated' WHERE slug = '{slug}'")).expect("aged")
        }
        "revision draft" => drop(revise()),
        "revision submitted" => {
            revise();
            vendor("submit", charter());
        }
        "revision changes_requested" => {
            revise();
            vendor("submit", charter());
            moderator("request-changes", changes());
        }
        _ => {}
    }
    let is_public = !matches!(state, "draft" | "submitted" | "changes_requested" | "rejected");
    Target {
        noun: "solutions",
        name: format!("a {state} solution"),
        key: id,
        state,
        is_public,
        has_parts: is_public,
        vendor: Some(owner.id),
        ..Target::default()
    }
}

/// A sheet that an import brought.
pub fn imported(app: &App, name: &str) -> Target {
    let path = app.folder.join(format!("{name}.ndjson"));
    let record = json!({
        "source": "essai", "source_id": name, "name": name, "summary": "Pour essayer.", "language": "fr",
        "website": "https://essai.example.org/", "licence": "GPL-3.0", "distribution": "free",
        "deployment": ["on_premise"], "vendor": {"name": "Inconnu de nous", "kind": "company", "country": "FR"},
    });
    std::fs::write(&path, format!("{record}\n")).expect("written");
    let input = vec![Input::new(&path, None).expect("an input")];
    run(app.store(), &Solutions::default(), &input, Options::default(), &|_| ()).expect("a report");
    let found = app.get(&format!("/api/v1/solutions?q={name}")).expect(200).json();
    let key = found["items"][0]["id"].as_str().unwrap_or_else(|| panic!("not imported: {found}")).to_owned();
    Target {
        noun: "solutions",
        name: "an imported solution".to_owned(),
        key,
        state: "published",
        is_public: true,
        is_imported: true,
        has_parts: true,
        ..Target::default()
    }
}

/// A review of a solution by one member of the body.
pub fn review_of(app: &App, world: &Organisations, solution: &Target, state: &'static str) -> Target {
    let writer = app.token(Role::Buyer, Some(world.body.id), Role::Buyer.duties(), WRITER);
    let path = format!("/api/v1/solutions/{}/reviews", solution.key);
    let id = app.post(&path).by(&writer).json(&review()).expect(201).id();
    let path = format!("/api/v1/reviews/{id}");
    let by_writer = |verb: &str| drop(done(app, "POST", &format!("{path}/{verb}"), &writer, &Value::Null));
    let by = |moderator: &str, verb: &str, body: Value| {
        drop(done(app, "POST", &format!("{path}/{verb}"), &app.moderator(moderator), &body));
    };
    let refusal = || json!({"code": "insult", "reason": "Propos injurieux."});
    let edit = |title: &str| drop(done(app, "PATCH", &path, &writer, &json!({"title": title})));
    if state != "draft" {
        by_writer("submit");
    }
    match state {
        "draft" | "pending" => {}
        "rejected" => by("premier", "reject", refusal()),
        _ => by("premier", "publish", Value::Null),
    }
    match state {
        "withdrawn" => by_writer("withdraw"),
        "reported" | "removed" => by("rapporteur", "report", reason()),
        _ => {}
    }
    if state == "removed" {
        by("second", "remove", refusal());
    }
    if state.ends_with("again") {
        edit("Un autre titre");
    }
    if matches!(state, "rejected again" | "draft again") {
        by("premier", "reject", refusal());
    }
    if state == "draft again" {
        edit("Encore un titre");
    }
    let is_public = matches!(state, "published" | "reported");
    if is_public {
        let text = json!({"text": "Merci de votre avis."});
        done(app, "PUT", &format!("{path}/reply"), &world.owner.token, &text);
    }
    Target {
        noun: "reviews",
        name: format!("a {state} review"),
        key: id,
        state,
        is_public,
        has_parts: is_public,
        vendor: Some(world.owner.id),
        body: Some(world.body.id),
        writer: WRITER,
        ..Target::default()
    }
}

pub fn evaluation(owner: &Party, key: String, state: &'static str) -> Target {
    Target {
        noun: "evaluations",
        name: format!("a {state} evaluation"),
        key,
        state,
        is_public: !matches!(state, "draft" | "submitted"),
        has_parts: true,
        vendor: Some(owner.id),
        ..Target::default()
    }
}

/// A link that the operator records between two organisations; its id.
pub fn link(app: &App, one: Id, other: Id) -> String {
    let body = json!({"organisation_id": one, "other_id": other, "kind": "subsidiary", "since": "2026-01-01"});
    app.post("/api/v1/organisation-links").by(&app.operator()).json(&body).expect(201).id()
}
