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

    pub fn audit_body(&self, seed: u32) -> Party {
        self.party(Role::Auditor, "audit_body", 2000 + seed)
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
