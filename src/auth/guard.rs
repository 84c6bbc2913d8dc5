//! Guards: extractors that let a request in and carry who made it.
//!
//! A guard stands first among a handler's arguments, so that to forget it is
//! visible in the signature. It knows role and duty; whose resource it is, the
//! query decides.

use std::future::{Ready, ready};
use std::ops::Deref;

use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload};

use super::refusal::{self, Refusal, RefusalKind};
use super::{Duty, Principal, Role, token};
use crate::app::App;
use crate::error::{Error, Result};
use crate::text;

/// Anybody: with a token, its principal; with a bad one, nobody.
#[derive(Debug, Clone)]
pub struct Visitor(pub Option<Principal>);

impl FromRequest for Visitor {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(authenticate(request).map(Self))
    }
}

macro_rules! guards {
    ($($(#[$doc:meta])* $name:ident = $(($role:ident $(, $duty:ident)?))|+;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name(pub Principal);

        impl $name {
            /// The role, and the duty if one is needed; any of these will do.
            pub const ALLOWED: &'static [(Role, Option<Duty>)] = &[$((Role::$role, guards!(@duty $($duty)?))),+];
        }

        impl Deref for $name {
            type Target = Principal;

            fn deref(&self) -> &Principal {
                &self.0
            }
        }

        impl FromRequest for $name {
            type Error = Error;
            type Future = Ready<Result<Self>>;

            fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
                ready(authorise(request, Self::ALLOWED).map(Self))
            }
        }
    )+};
    (@duty) => { None };
    (@duty $duty:ident) => { Some(Duty::$duty) };
}

guards! {
    /// Anybody with a token.
    SignedIn = (Vendor) | (Buyer) | (Auditor) | (Operator);
    /// A member of a vendor.
    Vendor = (Vendor);
    /// A member of a vendor who may commit it.
    Signatory = (Vendor, Signatory);
    /// A signatory of the vendor, or a moderator.
    SignatoryOrModerator = (Vendor, Signatory) | (Operator, Moderator);
    /// A member of a public body.
    Buyer = (Buyer);
    /// Whom reviews concern: who writes them, whose solutions they are about, moderators.
    ReviewParty = (Vendor) | (Buyer) | (Operator, Moderator);
    /// Whose restricted evidence others read, and moderators.
    EvidenceParty = (Vendor) | (Auditor) | (Operator, Moderator);
    /// Who may contest an answer.
    Contester = (Buyer) | (Auditor) | (Operator, Moderator);
    /// A member of an audit body.
    Auditor = (Auditor);
    Evaluator = (Auditor, Evaluator);
    DecisionMaker = (Auditor, DecisionMaker);
    /// Who watches over labels for an audit body.
    Surveyor = (Auditor, Evaluator) | (Auditor, DecisionMaker);
    /// Who may suspend a label: the audit body, and the operator as a precaution.
    LabelSuspender = (Auditor, DecisionMaker) | (Operator, LabelOfficer);
    /// Who may complain of a label.
    Complainant = (Vendor) | (Buyer) | (Auditor);
    /// Whom cases, labels and complaints concern.
    Concerned = (Vendor) | (Buyer) | (Auditor) | (Operator, LabelOfficer);
    /// A party of a label case or an officer.
    CaseParty = (Vendor) | (Auditor) | (Operator, LabelOfficer);
    Moderator = (Operator, Moderator);
    LabelOfficer = (Operator, LabelOfficer);
    Accreditor = (Operator, Accreditor);
    /// A member of the appeal panel.
    AppealMember = (Operator, AppealMember);
    /// A party of an appeal, its panel, or an officer.
    AppealParty = (Vendor) | (Auditor) | (Operator, AppealMember) | (Operator, LabelOfficer);
    /// Who reads which persons are qualified.
    QualificationParty = (Auditor) | (Operator, Accreditor);
    /// Who reads links between organisations.
    LinkParty = (Vendor) | (Auditor) | (Operator, Accreditor);
    /// Who may declare a link of its organisation, or record one.
    LinkDeclarer = (Vendor, Signatory) | (Auditor, DecisionMaker) | (Operator, Accreditor);
    /// Runs the catalogue's configuration: organisations and criteria sets.
    Administrator = (Operator, Administrator);
    /// Registers an organisation: whoever will act for it, or the operator.
    Registrant = (Vendor) | (Buyer) | (Auditor) | (Operator, Administrator);
    /// Who may withdraw a label application.
    Abandoner = (Vendor, Signatory) | (Operator, LabelOfficer);
    /// May commit its organisation, or administers the catalogue.
    Committer = (Vendor, Signatory) | (Buyer, Administrator) | (Auditor, DecisionMaker) | (Operator, Administrator);
}

/// A person who may commit its organisation: manages service accounts. No
/// service account does, whatever its duties.
#[derive(Debug, Clone)]
pub struct AccountManager(pub Principal);

impl FromRequest for AccountManager {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(authorise(request, Committer::ALLOWED).and_then(|principal| match principal.service_account {
            None => Ok(Self(principal)),
            Some(_) => {
                RefusalKind::Role.count();
                Err(Error::forbidden(text!(
                    "Un compte de service ne gère pas de comptes de service.",
                    "A service account does not manage service accounts."
                )))
            }
        }))
    }
}

fn authorise(request: &HttpRequest, allowed: &[(Role, Option<Duty>)]) -> Result<Principal> {
    let principal = authenticate(request)?.ok_or_else(refusal::missing)?;
    let fits =
        |(role, duty): &(Role, Option<Duty>)| principal.role == *role && duty.is_none_or(|duty| principal.has(duty));
    if allowed.iter().any(fits) {
        return Ok(principal);
    }
    RefusalKind::Role.count();
    let needed = allowed
        .iter()
        .map(|(role, duty)| match duty {
            Some(duty) => format!("{role}:{duty}"),
            None => role.to_string(),
        })
        .collect::<Vec<_>>()
        .join(", ");
    Err(Error::forbidden(text!("Cette action demande l’un de : {needed}.", "This action needs one of: {needed}.")))
}

/// What the boundary found out about who calls; guards read it.
#[derive(Debug, Clone)]
pub struct Identity(pub std::result::Result<Option<Principal>, Refusal>);

impl Identity {
    /// Reads the token of a request, once, before anything else happens to it.
    pub async fn of(app: &App, headers: &HeaderMap) -> Self {
        // Whoever asks for what: keys that were rotated are noticed here.
        app.keys.refresh(app.store.clock().now());
        Self(identify(app, headers).await)
    }
}

/// The principal of the request's token; none without a token.
fn authenticate(request: &HttpRequest) -> Result<Option<Principal>> {
    match request.extensions().get::<Identity>() {
        Some(Identity(Ok(principal))) => Ok(principal.clone()),
        Some(Identity(Err(refusal))) => Err(refusal.into_error()),
        None => Err(Error::Internal("nobody asked who calls".to_owned())),
    }
}

async fn identify(app: &App, headers: &HeaderMap) -> std::result::Result<Option<Principal>, Refusal> {
    let scheme = |reason| Refusal::new(RefusalKind::Scheme, reason);
    let mut headers = headers.get_all(AUTHORIZATION);
    let Some(header) = headers.next() else { return Ok(None) };
    if headers.next().is_some() {
        return Err(scheme("there are two Authorization headers"));
    }
    let text = header.to_str().map_err(|_| scheme("the header is not text"))?;
    let token = match text.split_once(' ') {
        Some((name, token)) if name.eq_ignore_ascii_case("bearer") => token.trim_start_matches(' '),
        _ => return Err(scheme("the scheme is not Bearer")),
    };
    token::verify(app, token, app.store.clock().now()).await.map(Some)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn request(identity: std::result::Result<Option<Principal>, Refusal>) -> HttpRequest {
        let request = TestRequest::default().to_http_request();
        request.extensions_mut().insert(Identity(identity));
        request
    }

    fn principal(role: Role, duties: &[Duty]) -> Principal {
        Principal {
            issuer: "us".to_owned(),
            subject: "a".to_owned(),
            role,
            duties: duties.to_vec(),
            organisation: None,
            siret: None,
            confirms_organisation: false,
            service_account: None,
        }
    }

    fn status(outcome: Result<Principal>) -> u16 {
        match outcome {
            Ok(_) => 200,
            Err(Error::Problem(problem)) => problem.code.status().as_u16(),
            Err(error) => panic!("{error:?}"),
        }
    }

    #[test]
    fn a_guard_lets_in_a_role_with_its_duty_and_nobody_else() {
        let by = |role, duties: &[Duty], allowed: &[(Role, Option<Duty>)]| {
            status(authorise(&request(Ok(Some(principal(role, duties)))), allowed))
        };
        for role in Role::ALL.iter().copied() {
            for (needed, duty) in CaseParty::ALLOWED.iter().copied() {
                let fits = role == needed && (duty.is_none() || role == Role::Operator);
                assert_eq!(by(role, role.duties(), &[(needed, duty)]) == 200, fits, "{role} {needed}");
            }
        }
        assert_eq!(by(Role::Operator, &[Duty::LabelOfficer], CaseParty::ALLOWED), 200);
        assert_eq!(by(Role::Operator, &[Duty::Moderator], CaseParty::ALLOWED), 403);
        assert_eq!(by(Role::Operator, &[], CaseParty::ALLOWED), 403);
        assert_eq!(by(Role::Buyer, Role::Buyer.duties(), CaseParty::ALLOWED), 403);
        assert_eq!(by(Role::Vendor, &[], CaseParty::ALLOWED), 200);
        assert_eq!(by(Role::Vendor, &[], Signatory::ALLOWED), 403);
        assert_eq!(status(authorise(&request(Ok(None)), SignedIn::ALLOWED)), 401);
        let bad = Refusal::new(RefusalKind::Signature, "bad");
        assert_eq!(status(authorise(&request(Err(bad)), SignedIn::ALLOWED)), 401);
        assert!(matches!(
            authorise(&TestRequest::default().to_http_request(), SignedIn::ALLOWED),
            Err(Error::Internal(_))
        ));
    }

    #[test]
    fn a_service_account_manages_no_service_accounts() {
        let extract = |principal| {
            let extracted = AccountManager::from_request(&request(Ok(Some(principal))), &mut Payload::None);
            status(extracted.into_inner().map(|manager| manager.0))
        };
        let signatory = principal(Role::Vendor, &[Duty::Signatory]);
        assert_eq!(extract(signatory.clone()), 200);
        assert_eq!(extract(Principal { service_account: Some(crate::db::Id::new()), ..signatory }), 403);
        assert_eq!(extract(principal(Role::Vendor, &[])), 403);
    }

    #[test]
    fn a_bad_token_is_nobody_and_not_a_visitor() {
        let visit = |identity| Visitor::from_request(&request(identity), &mut Payload::None).into_inner();
        assert!(visit(Ok(None)).is_ok_and(|visitor| visitor.0.is_none()));
        let someone = principal(Role::Buyer, &[]);
        assert_eq!(visit(Ok(Some(someone.clone()))).expect("let in").0, Some(someone));
        assert!(visit(Err(Refusal::new(RefusalKind::Time, "late"))).is_err());
    }
}
