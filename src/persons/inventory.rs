//! Every column there is, and what it says about persons. A test compares it
//! with the tables of both databases, so that nobody adds one without deciding.

use crate::http::text::Text;
use crate::text;

/// How a column is shown in an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Id,
    Instant,
    Text,
    Json,
}

/// What a table holds about persons.
#[derive(Debug, Clone, Copy)]
pub struct Held {
    pub table: &'static str,
    /// Which rows are about a person: SQL, `{id}` standing for the opaque id. None: by no query.
    pub rows: Option<&'static str>,
    /// What of these rows is exported.
    pub exported: &'static [(&'static str, Kind)],
    /// Other columns that say something about a person, opaque ids above all.
    pub personal: &'static [&'static str],
    pub why: Why,
    pub fate: Fate,
}

/// Purpose and legal basis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    Identity,
    Journal,
    Separation,
    Vendor,
    Statement,
    Opinion,
    Label,
    Security,
    Repetition,
}

impl Why {
    pub fn purpose(self) -> Text {
        match self {
            Self::Identity => text!("Savoir qui agit.", "To know who acts."),
            Self::Journal => text!("Prouver qui a changé quoi.", "To prove who changed what."),
            Self::Separation => {
                text!("Que nul ne décide de sa propre affaire.", "That nobody decides on their own case.")
            }
            Self::Vendor => text!("Instruire ce que demande un fournisseur.", "To handle what a vendor asks for."),
            Self::Statement => text!("Déclaration sur l’honneur d’un signataire.", "A signatory's sworn statement."),
            Self::Opinion => text!("Publier l’avis d’un organisme public.", "To publish a public body's review."),
            Self::Label => text!("Motiver et prouver un label.", "To give reasons and proof of a label."),
            Self::Security => {
                text!("Savoir qui a lu des preuves restreintes.", "To know who read restricted evidence.")
            }
            Self::Repetition => {
                text!("Ne faire qu’une fois ce qui est envoyé deux fois.", "To do once what is sent twice.")
            }
        }
    }

    pub fn basis(self) -> Text {
        match self {
            Self::Security => {
                text!("Intérêt légitime, RGPD art. 6(1)(f) et 32.", "Legitimate interest, GDPR art. 6(1)(f) and 32.")
            }
            _ => {
                text!("Mission d’intérêt public, RGPD art. 6(1)(e).", "Task in the public interest, GDPR art. 6(1)(e).")
            }
        }
    }
}

/// What erasure does, and retention without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Goes at once.
    Erased,
    /// What is public stays without its author, the rest goes.
    Anonymised,
    /// Goes when nothing depends on it any more.
    KeptWhileNeeded,
    /// Stays under the opaque id that names nobody any more.
    KeptUnnamed,
    /// Goes by its age alone.
    KeptBriefly,
}

impl Fate {
    /// What erasure does with it, with the reason where it stays.
    pub fn on_erasure(self) -> Text {
        match self {
            Self::Erased => text!("Effacé.", "Erased."),
            Self::Anonymised => text!(
                "Ce qui est public reste sans lien avec son auteur ; le reste est effacé.",
                "What is public stays without a link to its author; the rest is erased."
            ),
            Self::KeptWhileNeeded => text!(
                "Gardé tant qu’une évaluation, un dossier ou un label en dépend : RGPD art. 17(3)(b) et (e).",
                "Kept while an evaluation, a case or a label depends on it: GDPR art. 17(3)(b) and (e)."
            ),
            Self::KeptUnnamed => text!(
                "Gardé sous un identifiant opaque qui ne nomme plus personne : RGPD art. 17(3)(b) et (d).",
                "Kept under an opaque id that names nobody any more: GDPR art. 17(3)(b) and (d)."
            ),
            Self::KeptBriefly => text!(
                "Gardé jusqu’à son terme, puis effacé : RGPD art. 17(3)(b).",
                "Kept until its time is over, then erased: GDPR art. 17(3)(b)."
            ),
        }
    }

    pub fn is_kept(self) -> bool {
        !matches!(self, Self::Erased | Self::Anonymised)
    }
}

use Kind::{Id, Instant, Json, Text as Words};

const BY_ACTOR: Option<&str> = Some("actor_id = {id}");

/// What is held about persons.
pub const HELD: &[Held] = &[
    Held {
        table: "actors",
        rows: Some("id = {id}"),
        exported: &[("id", Id), ("issuer", Words), ("subject", Words), ("created_at", Instant)],
        personal: &[],
        why: Why::Identity,
        fate: Fate::Erased,
    },
    Held {
        table: "erased_persons",
        rows: BY_ACTOR,
        exported: &[("erased_at", Instant)],
        personal: &["fingerprint", "actor_id"],
        why: Why::Separation,
        fate: Fate::KeptWhileNeeded,
    },
    Held {
        table: "changes",
        rows: BY_ACTOR,
        exported: &[
            ("at", Instant),
            ("role", Words),
            ("organisation_id", Id),
            ("action", Words),
            ("resource", Words),
            ("resource_id", Id),
        ],
        personal: &["actor_id"],
        why: Why::Journal,
        fate: Fate::KeptUnnamed,
    },
    Held {
        table: "solutions",
        rows: Some("suspended_by = {id}"),
        exported: &[("id", Id), ("slug", Words)],
        personal: &["suspended_by"],
        why: Why::Separation,
        fate: Fate::KeptUnnamed,
    },
    Held {
        table: "solution_claims",
        rows: BY_ACTOR,
        exported: &[
            ("id", Id),
            ("solution_id", Id),
            ("organisation_id", Id),
            ("status", Words),
            ("statement", Words),
            ("created_at", Instant),
        ],
        personal: &["actor_id"],
        why: Why::Vendor,
        fate: Fate::KeptUnnamed,
    },
    Held {
        table: "evaluations",
        rows: Some("id IN (SELECT resource_id FROM changes WHERE actor_id = {id} AND action = 'submit_evaluation')"),
        exported: &[
            ("id", Id),
            ("solution_id", Id),
            ("status", Words),
            ("attestation", Json),
            ("submitted_at", Instant),
        ],
        personal: &[],
        why: Why::Statement,
        fate: Fate::KeptWhileNeeded,
    },
    Held {
        table: "contestations",
        rows: BY_ACTOR,
        exported: &[
            ("id", Id),
            ("evaluation_id", Id),
            ("criterion", Words),
            ("status", Words),
            ("reason", Words),
            ("role", Words),
            ("created_at", Instant),
        ],
        personal: &["actor_id"],
        why: Why::Statement,
        fate: Fate::KeptUnnamed,
    },
    Held {
        table: "reviews",
        rows: BY_ACTOR,
        exported: &[
            ("id", Id),
            ("solution_id", Id),
            ("organisation_id", Id),
            ("status", Words),
            ("content", Json),
            ("created_at", Instant),
            ("published_at", Instant),
        ],
        personal: &["actor_id", "reported_by", "moderated_by"],
        why: Why::Opinion,
        fate: Fate::Anonymised,
    },
    Held {
        table: "review_edits",
        rows: Some("review_id IN (SELECT id FROM reviews WHERE actor_id = {id})"),
        exported: &[("review_id", Id), ("content", Json), ("replaced_at", Instant)],
        personal: &[],
        why: Why::Opinion,
        fate: Fate::Erased,
    },
    Held {
        table: "review_reports",
        rows: BY_ACTOR,
        exported: &[("id", Id), ("review_id", Id), ("reason", Words), ("created_at", Instant)],
        personal: &["actor_id"],
        why: Why::Opinion,
        fate: Fate::KeptUnnamed,
    },
    Held {
        table: "label_applications",
        rows: Some("evaluator_id = {id}"),
        exported: &[("id", Id), ("solution_id", Id), ("status", Words)],
        personal: &["evaluator_id"],
        why: Why::Label,
        fate: Fate::KeptUnnamed,
    },
    Held {
        table: "findings",
        rows: BY_ACTOR,
        exported: &[
            ("application_id", Id),
            ("criterion", Words),
            ("result", Words),
            ("comment", Words),
            ("recorded_at", Instant),
        ],
        personal: &["actor_id"],
        why: Why::Label,
        fate: Fate::KeptUnnamed,
    },
    Held {
        table: "audit_reports",
        rows: BY_ACTOR,
        exported: &[("application_id", Id), ("recommendation", Words), ("summary", Words), ("submitted_at", Instant)],
        personal: &["actor_id"],
        why: Why::Label,
        fate: Fate::KeptUnnamed,
    },
    Held {
        table: "label_decisions",
        rows: BY_ACTOR,
        exported: &[("id", Id), ("application_id", Id), ("outcome", Words), ("content", Json), ("decided_at", Instant)],
        personal: &["actor_id"],
        why: Why::Label,
        fate: Fate::KeptUnnamed,
    },
    Held {
        table: "appeal_opinions",
        rows: BY_ACTOR,
        exported: &[("id", Id), ("appeal_id", Id), ("opinion", Words), ("reasons", Words), ("given_at", Instant)],
        personal: &["actor_id"],
        why: Why::Label,
        fate: Fate::KeptUnnamed,
    },
    Held {
        table: "label_acts",
        rows: BY_ACTOR,
        exported: &[
            ("id", Id),
            ("label_number", Words),
            ("kind", Words),
            ("reason", Words),
            ("details", Json),
            ("role", Words),
            ("acted_at", Instant),
        ],
        personal: &["actor_id"],
        why: Why::Label,
        fate: Fate::KeptUnnamed,
    },
    Held {
        table: "complaints",
        rows: BY_ACTOR,
        exported: &[
            ("id", Id),
            ("label_number", Words),
            ("organisation_id", Id),
            ("status", Words),
            ("text", Words),
            ("created_at", Instant),
        ],
        personal: &["actor_id"],
        why: Why::Label,
        fate: Fate::KeptUnnamed,
    },
    Held {
        table: "qualifications",
        rows: BY_ACTOR,
        exported: &[
            ("id", Id),
            ("organisation_id", Id),
            ("status", Words),
            ("themes", Json),
            ("duties", Json),
            ("reason", Words),
            ("created_at", Instant),
        ],
        personal: &["actor_id"],
        why: Why::Label,
        fate: Fate::KeptUnnamed,
    },
    Held {
        table: "interest_declarations",
        rows: BY_ACTOR,
        exported: &[
            ("id", Id),
            ("application_id", Id),
            ("holder", Words),
            ("kind", Words),
            ("description", Words),
            ("declared_at", Instant),
        ],
        personal: &["actor_id"],
        why: Why::Label,
        fate: Fate::KeptUnnamed,
    },
    Held {
        table: "person_identities",
        rows: BY_ACTOR,
        exported: &[("person_id", Id), ("linked_at", Instant)],
        personal: &["actor_id"],
        why: Why::Separation,
        fate: Fate::KeptUnnamed,
    },
    Held {
        table: "evidence_accesses",
        rows: BY_ACTOR,
        exported: &[
            ("id", Id),
            ("solution_id", Id),
            ("resource", Words),
            ("resource_id", Id),
            ("role", Words),
            ("reader_organisation_id", Id),
            ("accessed_at", Instant),
        ],
        personal: &["actor_id"],
        why: Why::Security,
        fate: Fate::KeptBriefly,
    },
    Held {
        table: "idempotency_keys",
        // Who asked is in a hash with the key that only they know.
        rows: None,
        exported: &[],
        personal: &["id", "answer"],
        why: Why::Repetition,
        fate: Fate::KeptBriefly,
    },
];

/// Columns that say nothing about a person: table, columns.
pub const NOT_PERSONAL: &[(&str, &str)] = &[
    ("changes", "position resource_version changed transaction_id hash"),
    ("counters", "name value"),
    ("seals", "kind id number hash sealed_at"),
    ("log_entries", "position subject subject_seq entry logged_at"),
    ("log_cosignatures", "size witness line received_at"),
    ("log_nodes", "level position hash"),
    ("attestations", "hash label credential issued_at"),
    ("erasure_keys", "name secret"),
    ("idempotency_keys", "request created_at"),
    (
        "organisations",
        "id version status name_folded is_vendor is_public_body is_audit_body is_operator siren register_key \
         details source source_id identifier_verified_at moderation created_at updated_at",
    ),
    (
        "service_accounts",
        "id version organisation_id name role duties prefix hash previous_prefix previous_hash previous_until \
         expires_at revoked_at last_used_at created_at updated_at",
    ),
    ("criteria_sets", "id version content based_on published_at in_force_on retired_on created_at updated_at"),
    ("criteria", "set_id code position theme content"),
    (
        "solutions",
        "version organisation_id status revision_status published_version draft draft_origins moderation \
         name_folded search_text score rating review_summary provenance source source_id created_at updated_at \
         submitted_at published_at confirmed_at archived_at is_listed",
    ),
    ("solution_slugs", "slug solution_id"),
    ("solution_versions", "solution_id number organisation_id sheet origins published_at"),
    ("solution_facets", "solution_id facet value"),
    ("solution_claims", "version decision_reason decided_at"),
    (
        "evaluations",
        "version organisation_id set_id solution_version traits moderation created_at updated_at published_at expires_at",
    ),
    ("answers", "evaluation_id criterion value justification evidence to_confirm updated_at"),
    ("evaluation_results", "evaluation_id number cause scores computed_at"),
    ("contestations", "resolution organisation_id resolved_at"),
    (
        "reviews",
        "version rating ratings is_counted offers_same_family reply moderation updated_at submitted_at listed_at \
         anonymised_at",
    ),
    ("review_edits", "number"),
    (
        "label_applications",
        "version organisation_id solution_version evaluation_id set_id audit_body_id details moderation created_at \
         updated_at submitted_at admission_due_at decided_at accepted_at frozen disclosures procedure due_at round",
    ),
    ("findings", "round value score evidence"),
    ("audit_reports", "round scores"),
    ("label_decisions", "organisation_id label_number corrects"),
    (
        "labels",
        "number id version solution_id application_id decision_id audit_body_id status content valid_from \
         valid_until granted_at updated_at standing banned_until",
    ),
    ("label_acts", "organisation_id"),
    ("complaints", "version evidence answer updated_at answered_at"),
    ("notifications", "position recipient_id change_position address due_on reminder created_at"),
    ("reminders", "kind resource_id about due_on"),
    ("evidence_accesses", "organisation_id"),
    ("accreditations", "id version organisation_id status scope valid_from valid_until steps created_at updated_at"),
    ("signing_keys", "id accreditation_id kid name public_key valid_from valid_until revoked_at created_at"),
    ("qualifications", "version updated_at"),
    (
        "organisation_links",
        "id version organisation_id other_id kind since until declarant_id end_reason created_at updated_at",
    ),
    ("interest_declarations", "organisation_id vendor_id since until"),
    (
        "appeals",
        "id version application_id organisation_id audit_body_id subject_id label_number status grounds filed_at due_at \
         closed_at updated_at",
    ),
];

/// The inventory as a table in Markdown, as docs/PERSONAL-DATA.md carries it.
pub fn markdown() -> String {
    let mut lines =
        vec!["| table | columns | purpose | legal basis | on erasure |".to_owned(), "|---|---|---|---|---|".to_owned()];
    lines.extend(HELD.iter().map(|held| {
        let exported = held.exported.iter().map(|(name, _)| *name);
        let columns: std::collections::BTreeSet<&str> = exported.chain(held.personal.iter().copied()).collect();
        let columns = columns.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let (purpose, basis, fate) = (held.why.purpose().en, held.why.basis().en, held.fate.on_erasure().en);
        format!("| `{}` | {columns} | {purpose} | {basis} | {fate} |", held.table)
    }));
    lines.join("\n")
}
