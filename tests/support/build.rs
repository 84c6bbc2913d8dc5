//! Things that most cases need.

use gouvtech_catalogue::auth::{Duty, Role};
use gouvtech_catalogue::db::Id;
use serde_json::{Value, json};

use super::{App, Response};

/// An organisation and tokens to act for it.
pub struct Party {
    pub id: Id,
    /// Every duty of the role.
    pub token: String,
    /// No duty.
    pub plain: String,
}

/// SIREN numbers with valid keys, never twice in one run of a case.
pub fn siren(seed: u32) -> String {
    let stem = format!("{:08}", 10_000_000 + seed);
    (0..10)
        .map(|key| format!("{stem}{key}"))
        .find(|text| gouvtech_catalogue::organisations::rules::is_siren(text))
        .expect("a key")
}

impl App {
    pub fn operator(&self) -> String {
        self.token(Role::Operator, None, Role::Operator.duties(), "operator")
    }

    pub fn moderator(&self, name: &str) -> String {
        self.token(Role::Operator, None, &[Duty::Moderator], name)
    }

    fn party(&self, role: Role, kind: &str, seed: u32) -> Party {
        let created = self
            .post("/api/v1/organisations")
            .by(&self.operator())
            .json(&json!({"name": format!("{kind} {seed}"), "kinds": [kind], "siren": siren(seed), "legal_nature": "company"}))
            .expect(201);
        let id = Id::parse(&created.id()).expect("an id");
        Party {
            id,
            token: self.token(role, Some(id), role.duties(), &format!("{kind}-{seed}")),
            plain: self.token(role, Some(id), &[], &format!("{kind}-{seed}-plain")),
        }
    }

    pub fn vendor(&self, seed: u32) -> Party {
        self.party(Role::Vendor, "vendor", seed)
    }

    pub fn buyer(&self, seed: u32) -> Party {
        self.party(Role::Buyer, "public_body", 1000 + seed)
    }

    /// Accredited for everything.
    pub fn audit_body(&self, seed: u32) -> Party {
        let body = self.candidate_body(seed);
        self.accredited(body.id);
        self.qualified(body.id, &format!("audit_body-{}", 2000 + seed));
        body
    }

    /// Not accredited.
    pub fn candidate_body(&self, seed: u32) -> Party {
        self.party(Role::Auditor, "audit_body", 2000 + seed)
    }

    pub fn accredited(&self, body: Id) -> Response {
        let body = json!({"organisation_id": body});
        let made = self.post("/api/v1/accreditations").by(&self.operator()).json(&body).expect(201);
        self.post(&format!("/api/v1/accreditations/{}/accredit", made.id()))
            .by(&self.operator())
            .on(&made)
            .json(&json!({"scope": {"themes": [], "families": []}}))
            .expect(200)
    }

    /// Qualifies whoever bears this subject for every theme and both duties.
    pub fn qualified(&self, body: Id, subject: &str) -> Response {
        let person = json!({"issuer": self.inner.settings.issuer, "subject": subject});
        let duties = ["evaluator", "decision_maker"];
        let body = json!({"organisation_id": body, "person": person, "themes": [], "duties": duties});
        self.post("/api/v1/qualifications").by(&self.operator()).json(&body).send()
    }

    /// A token of somebody who is qualified at the body, if need be from now on.
    pub fn auditor(&self, body: &Party, duties: &[Duty], subject: &str) -> String {
        let answer = self.qualified(body.id, subject);
        assert!(matches!(answer.status, 201 | 409), "{}", String::from_utf8_lossy(&answer.bytes));
        self.token(Role::Auditor, Some(body.id), duties, subject)
    }

    /// A draft of a complete sheet.
    pub fn draft(&self, vendor: &Party, name: &str) -> Response {
        self.post("/api/v1/solutions").by(&vendor.token).json(&sheet(name)).expect(201)
    }

    pub fn submitted(&self, vendor: &Party, name: &str) -> Response {
        let draft = self.draft(vendor, name);
        self.post(&format!("/api/v1/solutions/{}/submit", draft.id()))
            .by(&vendor.token)
            .on(&draft)
            .json(&json!({"accepts_charter": true}))
            .expect(200)
    }

    pub fn published(&self, vendor: &Party, name: &str) -> Response {
        let submitted = self.submitted(vendor, name);
        self.post(&format!("/api/v1/solutions/{}/publish", submitted.id()))
            .by(&self.operator())
            .on(&submitted)
            .expect(200)
    }

    /// The vendor's own view of a solution, with the ETag to change it.
    pub fn own(&self, vendor: &Party, id: &str) -> Response {
        self.get(&format!("/api/v1/solutions/{id}")).by(&vendor.token).expect(200)
    }
}

/// A sheet that lacks nothing.
pub fn sheet(name: &str) -> Value {
    json!({
        "name": name, "summary": "Une solution pour essayer.", "description": "Elle sert aux essais.", "language": "fr",
        "website": "https://solution.example.org/", "families": ["demarches_en_ligne"], "distribution": "free",
        "licence": "AGPL-3.0-or-later", "business_models": ["subscription"], "deployment": ["cloud"],
        "hosting": [{"provider": "Hébergeur", "country": "FR", "qualifications": [{"scheme": "secnumcloud"}]}],
        "sourcing_rank": "market", "traits": ["saas", "web_ui"], "tags": ["Formulaires"],
    })
}

impl App {
    /// Codes and best options of the criteria that apply to these traits.
    pub fn best_answers(&self, traits: &[&str]) -> Vec<(String, String)> {
        let criteria = self.get("/api/v1/criteria").expect(200).json();
        criteria["items"]
            .as_array()
            .expect("criteria")
            .iter()
            .filter(|one| {
                one["applies_to"]
                    .as_array()
                    .expect("a list")
                    .iter()
                    .any(|code| code == "all" || traits.iter().any(|t| code == t))
            })
            .map(|one| {
                let best = one["options"].as_array().expect("options").last().expect("an option");
                (one["code"].as_str().expect("a code").to_owned(), best["code"].as_str().expect("a code").to_owned())
            })
            .collect()
    }

    /// A draft evaluation with the best answer to every applicable criterion.
    pub fn answered(&self, vendor: &Party, solution: &str) -> Response {
        let begun = self.post(&format!("/api/v1/solutions/{solution}/evaluations")).by(&vendor.token).expect(201);
        let answers: Vec<Value> = self
            .best_answers(&["saas", "web_ui"])
            .into_iter()
            .map(|(criterion, value)| {
                json!({"criterion": criterion, "answer": {"value": value, "evidence": [
                {"title": "Preuve", "url": "https://example.org/preuve", "visibility": "agents"}]}})
            })
            .collect();
        self.patch(&format!("/api/v1/evaluations/{}/answers", begun.id()))
            .by(&vendor.token)
            .on(&begun)
            .bytes("application/json", json!({"answers": answers}).to_string().as_bytes())
            .expect(200)
    }

    pub fn submitted_evaluation(&self, vendor: &Party, solution: &str) -> Response {
        let answered = self.answered(vendor, solution);
        self.post(&format!("/api/v1/evaluations/{}/submit", answered.id()))
            .by(&vendor.token)
            .on(&answered)
            .json(&attestation())
            .expect(200)
    }

    /// An evaluation in force, perfect by its own words.
    pub fn evaluated(&self, vendor: &Party, solution: &str) -> Response {
        let submitted = self.submitted_evaluation(vendor, solution);
        self.post(&format!("/api/v1/evaluations/{}/publish", submitted.id()))
            .by(&self.operator())
            .on(&submitted)
            .expect(200)
    }

    /// An application, admitted and assigned, accepted and opened by an evaluator.
    pub fn in_audit(&self, vendor: &Party, solution: &str, body: &Party, evaluator: &str) -> Response {
        let begun = self
            .post(&format!("/api/v1/solutions/{solution}/label-applications"))
            .by(&vendor.token)
            .json(&json!({"statement": "Nous demandons le label."}))
            .expect(201);
        let path = format!("/api/v1/label-applications/{}", begun.id());
        let submitted = self
            .post(&format!("{path}/submit"))
            .by(&vendor.token)
            .on(&begun)
            .json(&json!({"accepts_terms": true}))
            .expect(200);
        let admitted = self.post(&format!("{path}/admit")).by(&self.operator()).on(&submitted).expect(200);
        let assigned = self
            .post(&format!("{path}/assign"))
            .by(&self.operator())
            .on(&admitted)
            .json(&json!({"audit_body_id": body.id}))
            .expect(200);
        let accepted = self
            .post(&format!("{path}/accept"))
            .by(evaluator)
            .on(&assigned)
            .json(&json!({"declares_independence": true}))
            .expect(200);
        self.post(&format!("{path}/open")).by(evaluator).on(&accepted).json(&self.plan()).expect(200)
    }

    /// How an audit goes about it.
    pub fn plan(&self) -> Value {
        let today = self.clock.now().day();
        json!({
            "starts_on": today, "ends_on": today + chrono::TimeDelta::days(30), "methods": ["document_review"],
            "sample": "Une instance en production.",
        })
    }

    /// The vendor's word on a report, as it has nothing to say.
    pub fn commented(&self, vendor: &Party, reported: &Response) -> Response {
        self.post(&format!("/api/v1/label-applications/{}/comment", reported.id()))
            .by(&self.token(Role::Vendor, Some(vendor.id), &[Duty::Signatory], "vendor"))
            .on(reported)
            .json(&json!({"text": "Nous n’avons pas d’observation."}))
            .expect(200)
    }

    /// Records a finding for every criterion, `change` altering some, and the report.
    pub fn reported(&self, opened: &Response, evaluator: &str, change: impl Fn(&str, Value) -> Value) -> Response {
        let path = format!("/api/v1/label-applications/{}", opened.id());
        let mut last = opened.clone();
        for (code, best) in self.best_answers(&["saas", "web_ui"]) {
            let finding = change(&code, json!({"result": "compliant", "value": best, "comment": "Vu sur pièces."}));
            last = self.put(&format!("{path}/findings/{code}")).by(evaluator).on(&last).json(&finding).expect(200);
        }
        let report = json!({"recommendation": "granted", "summary": "Examen complet sur l’échantillon."});
        self.post(&format!("{path}/report")).by(evaluator).on(&last).json(&report).expect(200)
    }
}

pub fn attestation() -> Value {
    json!({"signatory_name": "Camille Martin", "signatory_function": "Directrice générale", "attests": true})
}
