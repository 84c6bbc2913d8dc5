//! Who calls: keys, tokens, principals, and guards that stand first among a
//! handler's arguments.
//!
//! [`token`] reads a token, ours with a key of the [`ring`] or another
//! [`issuers`]' with a key of its [`provider`]; [`guard`] decides who may call a
//! handler; [`refusal`] is the closed list of what may be wrong.

pub mod guard;
pub mod issuers;
pub mod jwk;
pub mod keys;
pub mod provider;
pub mod refusal;
pub mod ring;
pub mod token;

use crate::db::{Actor, Id};
use crate::error::{Error, Result};
use crate::text;

crate::codes! {
    /// Exactly one per token.
    pub enum Role {
        /// Acts for an organisation that offers solutions.
        Vendor = "vendor",
        /// Acts for a public body.
        Buyer = "buyer",
        /// Acts for an accredited audit body.
        Auditor = "auditor",
        /// Runs the catalogue; decides no label.
        Operator = "operator",
    }
}

crate::codes! {
    /// What refines a role.
    pub enum Duty {
        Signatory = "signatory",
        Administrator = "administrator",
        Evaluator = "evaluator",
        DecisionMaker = "decision_maker",
        Moderator = "moderator",
        LabelOfficer = "label_officer",
        Accreditor = "accreditor",
        AppealMember = "appeal_member",
        CommitteeMember = "committee_member",
        CommitteeChair = "committee_chair",
    }
}

impl Duty {
    /// Whether rules keep the persons apart who have it: who examines does not
    /// decide, who suspends does not lift. A system, behind which anybody may
    /// stand, cannot have it.
    pub fn is_personal(self) -> bool {
        match self {
            Self::Signatory | Self::Administrator | Self::Accreditor => false,
            Self::Evaluator
            | Self::DecisionMaker
            | Self::Moderator
            | Self::LabelOfficer
            | Self::AppealMember
            | Self::CommitteeMember
            | Self::CommitteeChair => true,
        }
    }
}

impl Role {
    /// The duties that make sense with this role.
    pub fn duties(self) -> &'static [Duty] {
        use Duty as D;
        match self {
            Self::Vendor => &[D::Signatory],
            Self::Buyer => &[D::Administrator],
            Self::Auditor => &[D::Evaluator, D::DecisionMaker],
            Self::Operator => &[
                D::Moderator,
                D::LabelOfficer,
                D::Accreditor,
                D::AppealMember,
                D::CommitteeMember,
                D::CommitteeChair,
                D::Administrator,
            ],
        }
    }
}

/// The authenticated caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    pub issuer: String,
    pub subject: String,
    pub role: Role,
    pub duties: Vec<Duty>,
    /// The organisation the caller acts for.
    pub organisation: Option<Id>,
    /// The same, by the SIRET of its seat; resolved where the database is at hand.
    pub siret: Option<String>,
    /// Whether the issuer's word on that SIRET confirms a registration.
    pub confirms_organisation: bool,
    /// The service account that calls; none for a person.
    pub service_account: Option<Id>,
}

impl Principal {
    pub fn has(&self, duty: Duty) -> bool {
        self.duties.contains(&duty)
    }

    /// Who the journal says acted.
    pub fn actor(&self) -> Actor {
        Actor::Person {
            issuer: self.issuer.clone(),
            subject: self.subject.clone(),
            role: self.role.code(),
            organisation: self.organisation,
        }
    }

    pub fn is_moderator(&self) -> bool {
        self.role == Role::Operator && self.has(Duty::Moderator)
    }
}

/// 403: the token does not say for which organisation the caller acts.
pub fn needs_organisation() -> Error {
    Error::forbidden(text!(
        "Le jeton ne dit pas pour quelle organisation l’appelant agit.",
        "The token does not say for which organisation the caller acts."
    ))
}

/// Fails unless `is_met`, with what is missing.
pub fn require(is_met: bool, otherwise: impl FnOnce() -> Error) -> Result<()> {
    if is_met { Ok(()) } else { Err(otherwise()) }
}
