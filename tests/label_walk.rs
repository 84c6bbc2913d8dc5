//! A walk by chance through applications, labels and the calendar: whatever anybody tries in
//! whatever order, what must always hold does.

use chrono::TimeDelta;
use gouvtech_catalogue::auth::{Duty, Role};
use gouvtech_catalogue::config::Given;
use gouvtech_catalogue::db::Id;
use gouvtech_catalogue::labels::model::Label;
use gouvtech_catalogue::labels::rules::LabelStatus;
use gouvtech_catalogue::solutions::model::Solution;

use crate::cases;
use crate::label_life::{calendar, replayed, revise};
use crate::support::build::Party;
use crate::support::{App, Response, Value, json};

cases![whatever_anybody_tries_what_must_hold_does];

const STEPS: usize = 600;

/// Numbers that look like chance, and are the same every time (SplitMix64).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(n).expect("a number")).expect("a number")
    }

    fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

struct World<'a> {
    app: &'a App,
    chance: Chance,
    vendor: Id,
    bodies: Vec<Id>,
    solutions: Vec<String>,
    /// By what was tried: how often it succeeded.
    done: std::collections::BTreeMap<String, usize>,
}

impl World<'_> {
    fn vendor(&self) -> Party {
        let token = |duties: &[Duty]| self.app.token(Role::Vendor, Some(self.vendor), duties, "fournisseur");
        Party { id: self.vendor, token: token(Role::Vendor.duties()), plain: token(&[]) }
    }

    fn auditor(&self, body: usize, duties: &[Duty], subject: &str) -> String {
        self.app.token(Role::Auditor, Some(self.bodies[body]), duties, &format!("{subject}-{body}"))
    }

    fn anybody(&mut self) -> String {
        let body = self.chance.below(2);
        match self.chance.below(8) {
            0 => self.vendor().token,
            1 => self.app.operator(),
            2 | 3 => self.auditor(body, &[Duty::Evaluator], "évaluatrice"),
            _ => self.auditor(body, &[Duty::DecisionMaker], "décideuse"),
        }
    }

    /// Tries, and never is answered by a failure of the service itself.
    fn attempt(&mut self, what: &str, path: &str, token: &str, body: &Value) -> Response {
        let request = self.app.post(path).by(token).header("if-match", "*").unchecked();
        let answer = if body.is_null() { request.send() } else { request.json(body).send() };
        assert!(answer.status < 500, "{what}: {}", String::from_utf8_lossy(&answer.bytes));
        if answer.status < 300 {
            *self.done.entry(what.to_owned()).or_default() += 1;
        }
        answer
    }

    fn case_step(&mut self) {
        let solution = self.chance.pick(&self.solutions).clone();
        let of = json!(solution);
        let all = self.app.get("/api/v1/label-applications?limit=100").by(&self.app.operator()).unchecked().expect(200);
        let all = all.json();
        let own = all["items"].as_array().expect("rows").iter().filter(|one| one["solution_id"] == of);
        let Some(case) = own.max_by_key(|one| one["id"].as_str().map(ToOwned::to_owned)).cloned() else {
            return self.apply(&solution);
        };
        let path = format!("/api/v1/label-applications/{}", case["id"].as_str().expect("an id"));
        let body = self.bodies.iter().position(|one| case["audit_body_id"] == json!(one)).unwrap_or_default();
        let evaluator = self.auditor(body, &[Duty::Evaluator], "évaluatrice");
        let officer = self.app.operator();
        let vendor = self.vendor().token;
        if self.chance.below(12) == 0 {
            let token = self.anybody();
            let reason = json!({"reason": "Plus tard."});
            let verb = *self.chance.pick(&["abandon", "recuse", "refuse-admission"]);
            drop(self.attempt(verb, &format!("{path}/{verb}"), &token, &reason));
            return;
        }
        let given = match case["status"].as_str().expect("a status") {
            "draft" => ("submit", vendor, json!({"accepts_terms": true})),
            "submitted" => ("admit", officer, Value::Null),
            "admissible" => {
                let body = self.chance.below(2);
                ("assign", officer, json!({"audit_body_id": self.bodies[body]}))
            }
            "assigned" if !is_challenged(&case) && self.chance.below(3) == 0 => {
                ("challenge", vendor, json!({"reason": "Il nous concurrence."}))
            }
            "assigned" if case["is_accepted"] == json!(false) => {
                ("accept", evaluator, json!({"declares_independence": true}))
            }
            "assigned" if is_challenged(&case) => {
                let answer = json!({"is_upheld": self.chance.below(2) == 0, "reason": "Vérifié."});
                ("answer-challenge", officer, answer)
            }
            "assigned" => ("open", evaluator, self.app.plan()),
            "in_audit" => return self.report(&path, &evaluator),
            "corrective_action" if self.chance.below(3) > 0 => ("deliver", vendor, json!({"text": "En ligne."})),
            "corrective_action" => return self.time_passes(),
            "report_submitted" if case["comments"] == json!([]) && self.chance.below(2) == 0 => {
                ("comment", vendor, json!({"text": "Rien à ajouter."}))
            }
            "report_submitted" if self.chance.below(4) == 0 => {
                let decider = self.decider(body);
                let due = self.app.clock.now().plus_days(40).day();
                ("require-correction", decider, json!({"criteria": ["RSP-01"], "reason": "Publier.", "due_on": due}))
            }
            "report_submitted" => {
                let decider = self.decider(body);
                let due = self
                    .app
                    .clock
                    .now()
                    .plus_days(20 + i64::from(u8::try_from(self.chance.below(120)).expect("small")))
                    .day();
                let reservations = json!([{"criterion": "RSP-01", "text": "Publier.", "due_on": due}]);
                let last = case["decisions"].as_array().and_then(|all| all.last()).map(|one| one["id"].clone());
                let with = json!({
                    "outcome": "granted_with_reservations", "reasons": "Presque.", "reservations": reservations,
                    "corrects": last,
                });
                if self.attempt("reserve", &format!("{path}/decision"), &decider, &with).status == 200 {
                    return;
                }
                ("decision", decider, json!({"outcome": "granted", "reasons": "Aucun écart.", "corrects": last}))
            }
            "decided" if self.chance.below(2) == 0 => return self.appeal(&path),
            _ => return self.apply(&solution),
        };
        let (verb, token, body) = given;
        drop(self.attempt(verb, &format!("{path}/{verb}"), &token, &body));
    }

    fn decider(&mut self, body: usize) -> String {
        let name = *self.chance.pick(&["décideuse", "seconde"]);
        self.auditor(body, &[Duty::DecisionMaker], name)
    }

    /// Against whatever harms: the last decision, or the last act on the label.
    fn appeal(&mut self, path: &str) {
        let case = self.app.get(path).by(&self.app.operator()).unchecked().expect(200).json();
        let last = |all: &Value| all.as_array().and_then(|all| all.last()).cloned().unwrap_or_default();
        let decision = last(&case["decisions"]);
        let label = decision["label_number"].as_str().map(|number| format!("/api/v1/labels/{number}"));
        let act = label.map(|at| last(&self.app.get(&at).unchecked().expect(200).json()["acts"])).unwrap_or_default();
        let subject = match self.chance.below(2) {
            0 if !act["id"].is_null() => act["id"].clone(),
            _ => decision["id"].clone(),
        };
        let filed = json!({"subject_id": subject, "grounds": "Le constat ne dit pas sur quelle version il porte."});
        let vendor = self.vendor().token;
        let filed = self.attempt("appeal", &format!("{path}/appeals"), &vendor, &filed);
        if filed.status != 201 {
            return;
        }
        let opinions = format!("/api/v1/appeals/{}/opinions", filed.id());
        for member in ["un", "deux", "trois"].iter().take(self.chance.below(4)) {
            let verdict = *self.chance.pick(&["uphold", "send_back", "send_back"]);
            let token = self.app.token(Role::Operator, None, &[Duty::AppealMember], &format!("membre {member}"));
            let opinion = json!({"opinion": verdict, "reasons": "Le dossier le montre assez."});
            drop(self.attempt(verdict, &opinions, &token, &opinion));
        }
    }

    fn apply(&mut self, solution: &str) {
        let vendor = self.vendor();
        let status = self.app.get(&format!("/api/v1/solutions/{solution}")).by(&self.app.operator()).expect(200);
        if !matches!(status.text("status").as_str(), "published" | "outdated") {
            return;
        }
        let path = format!("/api/v1/solutions/{solution}/label-applications");
        if self.attempt("apply", &path, &vendor.token, &json!({})).status == 201 && self.chance.below(3) > 0 {
            self.app.evaluated(&vendor, solution);
        }
    }

    fn report(&mut self, path: &str, evaluator: &str) {
        let has_gap = self.chance.below(3) > 0;
        for (code, best) in self.app.best_answers(&["saas", "web_ui"]) {
            let finding = match code.as_str() {
                "RSP-01" if has_gap => json!({"result": "minor", "value": "internal", "comment": "Non publiée."}),
                _ => json!({"result": "compliant", "value": best, "comment": "Vu sur pièces."}),
            };
            let request = self.app.put(&format!("{path}/findings/{code}")).by(evaluator).header("if-match", "*");
            let answer = request.unchecked().json(&finding).send();
            assert!(answer.status < 500);
            // What no corrective action is about stands.
            if !matches!(answer.status, 200 | 409) {
                return;
            }
        }
        let report = json!({"recommendation": "granted", "summary": "Examen complet sur l’échantillon."});
        drop(self.attempt("report", &format!("{path}/report"), evaluator, &report));
    }

    fn label_step(&mut self) {
        let all = self.app.get("/api/v1/labels?limit=100").unchecked().expect(200).json();
        let all = all["items"].as_array().expect("rows").clone();
        if all.is_empty() {
            return self.case_step();
        }
        // The latest most often.
        let label = if self.chance.below(3) > 0 { all[0].clone() } else { self.chance.pick(&all).clone() };
        let path = format!("/api/v1/labels/{}", label["number"].as_str().expect("a number"));
        let body = self.bodies.iter().position(|one| label["audit_body"]["id"] == json!(one)).unwrap_or_default();
        let decider = self.auditor(body, &[Duty::DecisionMaker], "décideuse");
        let token = if self.chance.below(4) > 0 { decider } else { self.anybody() };
        let today = self.app.clock.now().day();
        let reason = json!({"reason": "Contrôle."});
        let suspension = json!({"reason": "Incident.", "is_urgent": true});
        let withdrawal = json!({"reason": "Écart.", "heard_on": today});
        let (verb, body) = match self.chance.below(16) {
            0..=2 => ("surveillance", reason),
            3..=5 => ("end-surveillance", json!({"outcome": "Sans écart."})),
            6 | 7 => ("suspend", suspension),
            8..=10 => ("reinstate", reason),
            11 | 12 => ("lift-reservation", json!({"criterion": "RSP-01", "reason": "Publiée."})),
            13 => ("assess-change", json!({"verdict": "partial_audit", "reason": "À revoir."})),
            14 if self.chance.below(4) == 0 => ("withdraw", withdrawal),
            15 if self.chance.below(4) == 0 => ("renounce", reason),
            _ => ("assess-change", json!({"verdict": "keep", "reason": "Sans effet."})),
        };
        drop(self.attempt(verb, &format!("{path}/{verb}"), &token, &body));
    }

    fn precaution(&mut self) {
        let all = self.app.get("/api/v1/labels?limit=100").unchecked().expect(200).json();
        let Some(number) = all["items"][0]["number"].as_str().map(ToOwned::to_owned) else { return };
        let suspension = json!({"reason": "Signalement.", "is_urgent": true});
        let operator = self.app.operator();
        drop(self.attempt("precaution", &format!("/api/v1/labels/{number}/suspend"), &operator, &suspension));
    }

    fn complain(&mut self) {
        let all = self.app.get("/api/v1/labels?limit=100").unchecked().expect(200).json();
        let Some(number) = all["items"][0]["number"].as_str().map(ToOwned::to_owned) else { return };
        let body = self.bodies.iter().position(|one| all["items"][0]["audit_body"]["id"] == json!(one));
        let body = body.unwrap_or_default();
        let other = self.auditor(1 - body, &[], "plaignante");
        let text = json!({"text": "L’hébergement annoncé n’est plus utilisé."});
        let filed = self.attempt("complain", &format!("/api/v1/labels/{number}/complaints"), &other, &text);
        if filed.status != 201 {
            return;
        }
        let decider = self.auditor(body, &[Duty::DecisionMaker], "décideuse");
        let answer = json!({"is_founded": self.chance.below(2) == 0, "answer": "Vérifié sur pièces."});
        drop(self.attempt("answer", &format!("/api/v1/complaints/{}/answer", filed.id()), &decider, &answer));
    }

    fn solution_step(&mut self) {
        let solution = self.chance.pick(&self.solutions).clone();
        let path = format!("/api/v1/solutions/{solution}");
        let status = self.app.get(&path).by(&self.app.operator()).expect(200).text("status");
        match (status.as_str(), self.chance.below(5)) {
            ("suspended", _) => {
                drop(self.attempt("lift", &format!("{path}/lift"), &self.app.moderator("deux"), &Value::Null));
            }
            ("published" | "outdated", 0) => {
                let body = json!({"code": "security", "reason": "Faille exploitée."});
                drop(self.attempt("suspend_solution", &format!("{path}/suspend"), &self.app.moderator("un"), &body));
            }
            ("published" | "outdated", 1) => {
                let host = format!("Hébergeur {}", self.chance.below(1000));
                let patch = json!({"hosting": [{"provider": host, "country": "FR"}]});
                revise(self.app, &self.vendor(), &solution, &patch);
            }
            _ => {
                let vendor = self.vendor().token;
                drop(self.attempt("confirm", &format!("{path}/confirm"), &vendor, &Value::Null));
            }
        }
    }

    fn time_passes(&mut self) {
        let days = 1 + i64::try_from(self.chance.below(45)).expect("small");
        self.app.clock.advance(TimeDelta::days(days));
        calendar(self.app);
        // What nobody confirmed is archived: another takes its place.
        for place in 0..self.solutions.len() {
            let path = format!("/api/v1/solutions/{}", self.solutions[place]);
            if self.app.get(&path).by(&self.app.operator()).send().status == 410 {
                self.solutions[place] = self.app.published(&self.vendor(), "Suivante").id();
            }
        }
    }

    /// What must hold whatever happened.
    fn holds(&self, step: usize, what: &str) {
        let today = self.app.clock.now().day();
        let mut numbers = Vec::new();
        for solution in &self.solutions {
            let id = Id::parse(solution).expect("an id");
            let (labels, solution) = self
                .app
                .store()
                .read_here(|db| Ok((Label::of_solution(db, id)?, Solution::find_by_id(db, id)?)))
                .expect("read");
            let shown: Vec<LabelStatus> = labels.iter().map(|label| label.shown(today)).collect();
            let current = shown.iter().filter(|one| one.is_valid() || **one == LabelStatus::Suspended).count();
            assert!(current <= 1, "step {step}, {what}: {shown:?}");
            let is_valid = shown.iter().any(|one| one.is_valid());
            assert!(
                !is_valid || solution.status.is_public(),
                "step {step}, {what}: valid, and its solution is {}",
                solution.status
            );
            numbers.extend(labels.into_iter().map(|label| label.number));
        }
        let open = "/api/v1/label-applications?limit=100&status=draft&status=submitted&status=admissible&status=assigned&status=in_audit&status=report_submitted&status=corrective_action";
        let open = self.app.get(open).by(&self.app.operator()).unchecked().expect(200).json();
        for solution in &self.solutions {
            let count = open["items"]
                .as_array()
                .expect("rows")
                .iter()
                .filter(|one| one["solution_id"] == json!(solution))
                .count();
            assert!(count <= 1, "step {step}, {what}: {count} open applications");
        }
        numbers.iter().for_each(|number| replayed(self.app, number));
    }
}

fn is_challenged(case: &Value) -> bool {
    case["challenges"].as_array().and_then(|all| all.last()).is_some_and(|last| last["answer"].is_null())
}

fn whatever_anybody_tries_what_must_hold_does(app: &App) {
    let app = &app.another(Given { label_validity_months: Some(7), ..Given::default() });
    let vendor = app.vendor(1);
    let bodies = vec![app.audit_body(1).id, app.audit_body(2).id];
    for (n, body) in bodies.iter().enumerate() {
        for subject in ["évaluatrice", "décideuse", "seconde"] {
            assert_eq!(app.qualified(*body, &format!("{subject}-{n}")).status, 201);
        }
    }
    let solutions = ["Première", "Seconde"].map(|name| app.published(&vendor, name).id()).to_vec();
    let done = std::collections::BTreeMap::new();
    let mut world = World { app, chance: Chance(20_261_125), vendor: vendor.id, bodies, solutions, done };
    for step in 0..STEPS {
        let what = match world.chance.below(32) {
            0..=15 => {
                world.case_step();
                "a case"
            }
            16..=26 => {
                world.label_step();
                "a label"
            }
            27 => {
                world.precaution();
                "a precaution"
            }
            28 => {
                world.complain();
                "a complaint"
            }
            29 => {
                world.solution_step();
                "a solution"
            }
            _ => {
                world.time_passes();
                "time"
            }
        };
        world.holds(step, what);
    }
    let tried = [
        "challenge",
        "comment",
        "require-correction",
        "deliver",
        "appeal",
        "send_back",
        "reserve",
        "decision",
        "surveillance",
        "suspend",
        "reinstate",
        "end-surveillance",
        "precaution",
        "answer",
    ];
    let never: Vec<_> = tried.iter().filter(|one| !world.done.contains_key(**one)).collect();
    assert!(never.is_empty(), "never done: {never:?} of {:?}", world.done);
}
