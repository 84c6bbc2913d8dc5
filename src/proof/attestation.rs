//! The label as a Verifiable Credential (W3C VC Data Model 2.0), secured as `vc+jwt` (W3C Securing
//! Verifiable Credentials using JOSE and COSE): what a vendor shows, and a buyer keeps.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::Result;
use super::entry::LabelEvent;
use super::status_list::Purpose;
use crate::db::{Id, Instant};
use crate::labels::rules::DecisionOutcome;
use crate::solutions::sheet::Deployment;
use crate::text;

/// `typ` of a secured credential.
pub const TYP: &str = "vc+jwt";
/// First in every credential (VC Data Model §4.3).
pub const CONTEXT: &str = "https://www.w3.org/ns/credentials/v2";
/// What the catalogue's own members mean in JSON-LD, where the catalogue serves it.
pub const OWN_TERMS: &str = "/contexts/label/v1";
/// The document that stands there: it never changes, another would be another version.
pub const OWN_CONTEXT: &str = include_str!("../../data/label-context-v1.json");
/// What earlier attestations name instead: a meaning for whatever is not known, of nobody's making.
pub const TERMS: &str = "https://www.w3.org/ns/credentials/undefined-terms/v2";

/// A word that can be no other.
macro_rules! word {
    ($(#[doc = $doc:expr])* $name:ident = $word:literal) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            #[default]
            #[serde(rename = $word)]
            Word,
        }
    };
}
pub(super) use word;

word! {
    /// [`CONTEXT`].
    ContextWord = "https://www.w3.org/ns/credentials/v2"
}

/// Where the meaning of the catalogue's own members is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Terms {
    /// [`TERMS`].
    Undefined,
    /// [`OWN_TERMS`] of the catalogue at this address.
    Of(String),
}

impl TryFrom<String> for Terms {
    type Error = String;

    fn try_from(address: String) -> std::result::Result<Self, String> {
        match address.strip_suffix(OWN_TERMS) {
            Some(base) => Ok(Self::Of(base.to_owned())),
            None if address == TERMS => Ok(Self::Undefined),
            None => Err(format!("{address} is no context of an attestation")),
        }
    }
}

impl From<Terms> for String {
    fn from(terms: Terms) -> Self {
        match terms {
            Terms::Undefined => TERMS.to_owned(),
            Terms::Of(base) => format!("{base}{OWN_TERMS}"),
        }
    }
}

word! {
    /// The type of every credential (VC Data Model §4.5).
    CredentialWord = "VerifiableCredential"
}
word! {
    /// The type of a label's attestation.
    LabelWord = "GouvTechLabelCredential"
}
word! {
    /// The type of an entry of `credentialStatus` (Bitstring Status List §2.1).
    StatusEntryWord = "BitstringStatusListEntry"
}

/// A label, attested.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Attestation {
    #[serde(rename = "@context")]
    pub context: (ContextWord, Terms),
    /// Address of this attestation.
    pub id: String,
    #[serde(rename = "type")]
    pub types: (CredentialWord, LabelWord),
    /// Address of the catalogue.
    pub issuer: String,
    /// Begins with the first day of validity, in metropolitan France.
    pub valid_from: Instant,
    /// Ends with the last day of validity: the midnight after it.
    pub valid_until: Instant,
    pub credential_subject: Subject,
    /// Where to look whether it still holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credential_status: Vec<StatusEntry>,
}

/// What is attested, of what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// Address of the solution.
    pub id: String,
    /// Number of the label.
    pub label: String,
    pub solution: Id,
    /// Its name when it was labelled.
    pub solution_name: String,
    /// Who offers it.
    pub vendor_name: String,
    pub scope: Scope,
    pub criteria_set: CriteriaSet,
    pub outcome: DecisionOutcome,
    /// Points to mend.
    pub reservations: Vec<Reservation>,
    pub audit_body: AuditBody,
    pub application: Id,
    /// The decision.
    pub decision: Id,
}

/// What the label covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// Published version of the sheet that was examined, from 1.
    pub solution_version: i32,
    /// Version of the software, as the vendor numbers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software_version: Option<String>,
    /// Deployment modes that were examined.
    pub deployment: Vec<Deployment>,
}

/// Against what it was examined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CriteriaSet {
    pub id: Id,
    /// Its version as people name it.
    pub label: String,
}

/// A point to mend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reservation {
    /// Code of the criterion.
    pub criterion: String,
    /// What is to be mended.
    pub text: String,
    /// By which day.
    pub due_on: NaiveDate,
}

/// Who examined and decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditBody {
    pub id: Id,
    pub name: String,
}

/// A bit of a status list (Bitstring Status List §2.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StatusEntry {
    #[serde(rename = "type")]
    pub types: StatusEntryWord,
    pub status_purpose: Purpose,
    /// Which bit, from 0, in decimal.
    pub status_list_index: String,
    /// Address of the list.
    pub status_list_credential: String,
}

impl StatusEntry {
    pub fn new(purpose: Purpose, index: usize, list: &str) -> Self {
        Self {
            types: StatusEntryWord::Word,
            status_purpose: purpose,
            status_list_index: index.to_string(),
            status_list_credential: list.to_owned(),
        }
    }

    /// Which bit; none when it is not written as a number is.
    pub fn index(&self) -> Option<usize> {
        self.status_list_index.parse::<usize>().ok().filter(|index| index.to_string() == self.status_list_index)
    }
}

/// When the first moment of a day is, in metropolitan France.
pub fn day_begins(day: NaiveDate) -> Instant {
    // Noon of Greenwich is the same day in Paris.
    let noon = |day: NaiveDate| day.and_hms_opt(12, 0, 0).map(|noon| Instant::new(noon.and_utc()));
    day.pred_opt().and_then(noon).map(Instant::end_of_day).unwrap_or_default()
}

impl Attestation {
    /// A new attestation of what the subject says, valid from the first to the last of these days.
    pub fn new(id: String, issuer: String, days: (NaiveDate, NaiveDate), subject: Subject) -> Self {
        Self {
            context: (ContextWord::Word, Terms::Of(issuer.clone())),
            id,
            types: Default::default(),
            issuer,
            valid_from: day_begins(days.0),
            valid_until: days.1.succ_opt().map(day_begins).unwrap_or_default(),
            credential_subject: subject,
            credential_status: Vec::new(),
        }
    }

    /// Whether its members mean what its issuer says, or, as in earlier ones, what nobody says.
    fn is_in_own_terms(&self) -> bool {
        match &self.context.1 {
            Terms::Undefined => true,
            Terms::Of(base) => *base == self.issuer,
        }
    }

    /// Whether it says what the event says that names it.
    ///
    /// # Errors
    /// What differs.
    pub fn agrees(&self, event: &LabelEvent) -> Result<()> {
        let subject = &self.credential_subject;
        let until = event.valid_until.succ_opt().map(day_begins);
        let same = [
            ("@context", self.is_in_own_terms()),
            ("label", subject.label == event.label),
            ("solution", subject.solution == event.solution),
            ("application", subject.application == event.application),
            ("audit_body", subject.audit_body.id == event.audit_body),
            ("decision", event.decision.is_none_or(|decision| decision == subject.decision)),
            ("outcome", event.outcome.is_none_or(|outcome| outcome == subject.outcome)),
            ("validFrom", self.valid_from == day_begins(event.valid_from)),
            ("validUntil", Some(self.valid_until) == until),
        ];
        match same.iter().find(|(_, is_same)| !is_same) {
            None => Ok(()),
            Some((member, _)) => Err(text!(
                "L’attestation et le journal diffèrent : {member}.",
                "The attestation and the log differ: {member}."
            )),
        }
    }
}

#[cfg(test)]
pub(in crate::proof) mod tests {
    use super::super::canonical;
    use super::super::entry::tests::{at, day, granted, id};
    use super::*;

    pub(in crate::proof) fn attestation() -> Attestation {
        let subject = Subject {
            id: "https://catalogue.example/api/v1/solutions/00000000-0000-0000-0000-000000000001".to_owned(),
            label: "GT-2026-00001".to_owned(),
            solution: id(1),
            solution_name: "Démarches".to_owned(),
            vendor_name: "Éditeur".to_owned(),
            scope: Scope {
                solution_version: 2,
                software_version: Some("4.1".to_owned()),
                deployment: vec![Deployment::Cloud],
            },
            criteria_set: CriteriaSet { id: id(5), label: "2026-1".to_owned() },
            outcome: DecisionOutcome::Granted,
            reservations: Vec::new(),
            audit_body: AuditBody { id: id(3), name: "Organisme d’audit".to_owned() },
            application: id(2),
            decision: id(4),
        };
        let event = granted();
        let mut attestation = Attestation::new(
            "https://catalogue.example/api/v1/labels/GT-2026-00001/attestation".to_owned(),
            "https://catalogue.example".to_owned(),
            (event.valid_from, event.valid_until),
            subject,
        );
        let list = "https://catalogue.example/api/v1/labels/status/revocation/1";
        attestation.credential_status = vec![StatusEntry::new(Purpose::Revocation, 94_567, list)];
        attestation
    }

    #[test]
    fn an_attestation_is_a_credential_of_the_data_model() {
        let value = serde_json::to_value(attestation()).expect("JSON");
        assert_eq!(value["@context"], serde_json::json!([CONTEXT, "https://catalogue.example/contexts/label/v1"]));
        let earlier = Attestation { context: (ContextWord::Word, Terms::Undefined), ..attestation() };
        let bytes = canonical::to_vec(&earlier).expect("JSON");
        assert_eq!(
            canonical::read_as::<Attestation>(&bytes),
            Ok(earlier.clone()),
            "issued earlier, it is read as ever"
        );
        assert_eq!(earlier.agrees(&granted()), Ok(()));
        assert_eq!(value["type"], serde_json::json!(["VerifiableCredential", "GouvTechLabelCredential"]));
        // Winter time at both ends; the last day is a whole one.
        assert_eq!(value["validFrom"], "2026-03-01T23:00:00Z");
        assert_eq!(value["validUntil"], "2029-03-01T23:00:00Z");
        assert_eq!(
            value["credentialStatus"][0],
            serde_json::json!({"type": "BitstringStatusListEntry", "statusPurpose": "revocation", "statusListIndex": "94567",
                "statusListCredential": "https://catalogue.example/api/v1/labels/status/revocation/1"})
        );
        assert_eq!(day_begins(day("2026-07-01")), at("2026-06-30T22:00:00Z"));
        let bytes = canonical::to_vec(&attestation()).expect("JSON");
        assert_eq!(canonical::read_as::<Attestation>(&bytes), Ok(attestation()));
    }

    /// Each member of an attestation has its meaning there.
    #[test]
    fn the_context_names_every_member() {
        fn members(value: &serde_json::Value, all: &mut std::collections::BTreeSet<String>) {
            match value {
                serde_json::Value::Object(inner) => inner.iter().for_each(|(name, value)| {
                    all.insert(name.clone());
                    members(value, all);
                }),
                serde_json::Value::Array(items) => items.iter().for_each(|item| members(item, all)),
                _ => {}
            }
        }
        let context: serde_json::Value = serde_json::from_str(OWN_CONTEXT).expect("JSON");
        let (mut named, mut used) = Default::default();
        members(&context, &mut named);
        let mut subject = attestation().credential_subject;
        let due_on = day("2026-12-31");
        subject.reservations =
            vec![Reservation { criterion: "SEC-01".into(), text: "À mettre à jour.".into(), due_on }];
        members(&serde_json::to_value(subject).expect("JSON"), &mut used);
        // `id` and `name` are those of the credentials' own context.
        let missing: Vec<_> =
            used.iter().filter(|one| !named.contains(*one) && !["id", "name"].contains(&one.as_str())).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn another_context_type_or_member_is_refused() {
        for (member, value) in [
            ("@context", serde_json::json!([CONTEXT])),
            ("@context", serde_json::json!([CONTEXT, "https://example.org"])),
            ("type", serde_json::json!(["VerifiableCredential"])),
            ("proof", serde_json::json!({})),
            ("credentialStatus", serde_json::json!([])),
            ("validFrom", serde_json::json!("2026-03-01T23:00:00+00:00")),
        ] {
            let mut altered = serde_json::to_value(attestation()).expect("JSON");
            altered[member] = value;
            assert!(
                canonical::read_as::<Attestation>(&canonical::to_vec(&altered).expect("JSON")).is_err(),
                "{member}"
            );
        }
        for bad in ["", "+1", "01", "-1", "1 "] {
            let entry =
                StatusEntry { status_list_index: bad.to_owned(), ..StatusEntry::new(Purpose::Revocation, 0, "") };
            assert_eq!(entry.index(), None, "{bad}");
        }
    }

    #[test]
    fn it_agrees_with_its_event_or_says_in_what_it_does_not() {
        assert_eq!(attestation().agrees(&granted()), Ok(()));
        for (member, alter) in [
            ("label", (|one| one.credential_subject.label.push('0')) as fn(&mut Attestation)),
            ("@context", |one| one.context.1 = Terms::Of("https://other.example".to_owned())),
            ("solution", |one| one.credential_subject.solution = id(9)),
            ("application", |one| one.credential_subject.application = id(9)),
            ("audit_body", |one| one.credential_subject.audit_body.id = id(9)),
            ("decision", |one| one.credential_subject.decision = id(9)),
            ("outcome", |one| one.credential_subject.outcome = DecisionOutcome::Refused),
            ("validFrom", |one| one.valid_from = at("2026-03-01T00:00:00Z")),
            ("validUntil", |one| one.valid_until = at("2030-03-01T00:00:00Z")),
        ] {
            let mut altered = attestation();
            alter(&mut altered);
            assert!(altered.agrees(&granted()).is_err_and(|flaw| flaw.en.contains(member)), "{member}");
        }
    }
}
