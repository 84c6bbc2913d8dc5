//! One error type. What a client sees is a problem (RFC 9457) with a code from
//! a closed list; what it must not see stays in the log.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use serde_json::Value;

use crate::db::failure::Failure;
use crate::http::text::Text;
use crate::text;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a request was not served.
#[derive(Debug)]
pub enum Error {
    /// Something the caller can understand and mostly cure.
    Problem(Box<Problem>),
    /// The database refused or failed; what becomes of it is decided in [`Error::into_problem`].
    Database(diesel::result::Error),
    /// Ours to mend: logged, shown as an opaque 500.
    Internal(String),
}

/// A problem as the client gets it, before a language is chosen.
#[derive(Debug, Clone)]
pub struct Problem {
    pub code: Code,
    pub detail: Text,
    pub faults: Vec<Fault>,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// What remains of a removed solution.
    pub tombstone: Option<Value>,
}

/// One fault of a request, with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    pub place: Place,
    pub code: &'static str,
    pub detail: Text,
}

/// Where a fault is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// JSON Pointer (RFC 6901) into the body.
    Body(String),
    /// Name of a query or path parameter.
    Parameter(String),
}

impl Fault {
    pub fn body(pointer: impl Into<String>, code: &'static str, detail: Text) -> Self {
        Self { place: Place::Body(pointer.into()), code, detail }
    }

    pub fn parameter(name: impl Into<String>, code: &'static str, detail: Text) -> Self {
        Self { place: Place::Parameter(name.into()), code, detail }
    }
}

macro_rules! problems {
    ($($variant:ident = $code:literal, $status:literal, $title_fr:literal, $title_en:literal, $cure_fr:literal, $cure_en:literal;)+) => {
        crate::codes! {
            /// Stable code of a problem; its page is `/problems/<code with hyphens>`.
            pub enum Code { $(#[doc = $title_en] $variant = $code),+ }
        }
        impl Code {
            pub fn status(self) -> StatusCode {
                let number: u16 = match self { $(Self::$variant => $status),+ };
                StatusCode::from_u16(number).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }
            /// Constant for a code.
            pub fn title(self) -> Text {
                match self { $(Self::$variant => text!($title_fr, $title_en)),+ }
            }
            /// What the caller can do about it.
            pub fn cure(self) -> Text {
                match self { $(Self::$variant => text!($cure_fr, $cure_en)),+ }
            }
        }
    };
}

problems! {
    MalformedRequest = "malformed_request", 400,
        "Requête mal formée", "Malformed request",
        "La requête n’a pas la forme attendue. Chaque élément de « errors » désigne l’endroit (un pointeur dans le corps ou un paramètre) et ce qui y est attendu ; la forme complète est dans /openapi.json.",
        "The request does not have the expected form. Each element of `errors` names the place (a pointer into the body, or a parameter) and what is expected there; the whole form is in /openapi.json.";
    Unauthenticated = "unauthenticated", 401,
        "Authentification requise", "Authentication required",
        "Joindre un jeton d’accès valide : « Authorization: Bearer <jeton> ». L’en-tête WWW-Authenticate dit ce qui manque ou ce qui est refusé.",
        "Send a valid access token: `Authorization: Bearer <token>`. The WWW-Authenticate header says what is missing or refused.";
    Forbidden = "forbidden", 403,
        "Action non autorisée", "Not allowed",
        "Le jeton est valide mais son rôle ou ses attributions ne permettent pas cette action. La section « security » de l’opération dans /openapi.json dit lesquels le permettent.",
        "The token is valid but its role or duties do not allow this action. The operation's `security` in /openapi.json says which do.";
    NotFound = "not_found", 404,
        "Introuvable", "Not found",
        "Cette ressource n’existe pas, ou l’appelant ne peut pas savoir qu’elle existe.",
        "There is no such resource, or the caller may not know of it.";
    MethodNotAllowed = "method_not_allowed", 405,
        "Méthode non permise", "Method not allowed",
        "L’en-tête Allow donne les méthodes que cette adresse accepte.",
        "The Allow header gives the methods this address accepts.";
    NotAcceptable = "not_acceptable", 406,
        "Format non disponible", "Not acceptable",
        "Cette adresse ne produit aucun des formats demandés par Accept ; demander application/json.",
        "This address produces none of the formats that Accept asks for; ask for application/json.";
    RequestTimeout = "request_timeout", 408,
        "Requête trop lente", "Request timeout",
        "Le corps de la requête n’est pas arrivé dans le délai. Renvoyer la requête.",
        "The body did not arrive in time. Send the request again.";
    StateConflict = "state_conflict", 409,
        "L’état ne permet pas cette action", "The state does not allow this",
        "La ressource n’est pas dans un état d’où cette action part. Relire la ressource : « status » dit où elle en est.",
        "The resource is not in a state this action starts from. Read it again: `status` tells where it is.";
    Duplicate = "duplicate", 409,
        "Existe déjà", "Already exists",
        "Une ressource qui doit être unique existe déjà ; la modifier plutôt que d’en créer une autre.",
        "Something that must be unique exists already; change it instead of making another.";
    IdempotencyInFlight = "idempotency_in_flight", 409,
        "Requête en cours de traitement", "Request being worked on",
        "Une requête avec la même Idempotency-Key est en cours. La renvoyer après le délai donné par Retry-After : elle recevra la réponse de la première.",
        "A request with the same Idempotency-Key is being worked on. Send it again after the delay given by Retry-After: it will get the first one's answer.";
    Gone = "gone", 410,
        "Retirée", "Gone",
        "Cette solution a été publiée puis archivée ; « tombstone » dit ce qu’elle était et pourquoi elle a été retirée.",
        "This solution was published and then archived; `tombstone` says what it was and why it was removed.";
    PreconditionFailed = "precondition_failed", 412,
        "Version périmée", "Stale version",
        "La ressource a changé depuis sa lecture. L’ETag de cette réponse est le courant : relire, reporter la modification, renvoyer avec If-Match.",
        "The resource has changed since it was read. The ETag of this answer is the current one: read again, redo the change, send it with If-Match.";
    PayloadTooLarge = "payload_too_large", 413,
        "Corps trop volumineux", "Payload too large",
        "Le corps dépasse la taille permise. Le réduire ou le découper.",
        "The body exceeds the size allowed. Make it smaller or split it.";
    UriTooLong = "uri_too_long", 414,
        "Adresse trop longue", "URI too long",
        "La chaîne de requête dépasse la taille permise. Réduire le nombre de filtres.",
        "The query string exceeds the size allowed. Use fewer filters.";
    UnsupportedMediaType = "unsupported_media_type", 415,
        "Type de contenu non pris en charge", "Unsupported media type",
        "Envoyer du JSON en UTF-8 : « Content-Type: application/json », ou application/merge-patch+json pour PATCH.",
        "Send JSON in UTF-8: `Content-Type: application/json`, or application/merge-patch+json for PATCH.";
    ValidationFailed = "validation_failed", 422,
        "Contenu non valide", "Validation failed",
        "La requête est bien formée mais son contenu ne respecte pas une borne, un format ou une règle. Chaque élément de « errors » désigne l’endroit et le remède.",
        "The request is well-formed but its content breaks a bound, a format or a rule. Each element of `errors` names the place and the cure.";
    IdempotencyKeyReused = "idempotency_key_reused", 422,
        "Idempotency-Key déjà utilisée", "Idempotency-Key used already",
        "Cette clé a servi, dans les dernières 24 heures, à une autre requête à la même adresse. Prendre une nouvelle clé pour chaque requête ; ne la garder que pour renvoyer la même.",
        "This key was used in the last 24 hours for another request to the same address. Take a new key for each request; keep it only to send the same one again.";
    PreconditionRequired = "precondition_required", 428,
        "If-Match requis", "If-Match required",
        "Lire la ressource, puis renvoyer la modification avec son ETag dans If-Match : personne n’écrase alors le travail d’un autre sans le voir.",
        "Read the resource, then send the change with its ETag in If-Match: nobody then overwrites somebody else's work unseen.";
    RateLimited = "rate_limited", 429,
        "Trop de requêtes", "Too many requests",
        "Attendre le délai donné par Retry-After. RateLimit-Policy dit combien de requêtes par minute sont permises, RateLimit combien il en reste.",
        "Wait for the delay given by Retry-After. RateLimit-Policy says how many requests a minute are allowed, RateLimit how many are left.";
    HeadersTooLarge = "headers_too_large", 431,
        "En-têtes trop volumineux", "Headers too large",
        "Les en-têtes dépassent la taille permise.",
        "The headers exceed the size allowed.";
    InternalError = "internal_error", 500,
        "Erreur interne", "Internal error",
        "L’erreur vient du catalogue. Communiquer « request_id » à l’exploitant.",
        "The fault is the catalogue's. Tell the operator the `request_id`.";
    Unavailable = "unavailable", 503,
        "Momentanément indisponible", "Temporarily unavailable",
        "Réessayer après le délai donné par Retry-After.",
        "Try again after the delay given by Retry-After.";
    OutcomeUnknown = "outcome_unknown", 503,
        "Résultat inconnu", "Outcome unknown",
        "La base n’a pas confirmé à temps : la modification est peut-être enregistrée. Renvoyer la même requête avec la même Idempotency-Key : elle n’aura lieu qu’une fois. Sans clé, relire la ressource d’abord.",
        "The database did not confirm in time: the change may have been stored. Send the same request with the same Idempotency-Key: it happens once only. Without a key, read the resource first.";
    StorageFull = "storage_full", 507,
        "Espace de stockage épuisé", "Storage full",
        "Rien n’a été enregistré. Réessayer plus tard ; l’exploitant doit libérer de l’espace.",
        "Nothing was stored. Try again later; the operator must free some space.";
}

impl Problem {
    pub fn new(code: Code, detail: Text) -> Self {
        Self { code, detail, faults: Vec::new(), headers: Vec::new(), tombstone: None }
    }

    /// With every fault, in the order of their places.
    pub fn with_faults(code: Code, mut faults: Vec<Fault>) -> Self {
        faults.sort_by(|a, b| a.place.cmp(&b.place).then_with(|| a.code.cmp(b.code)));
        faults.dedup();
        let detail = match faults.as_slice() {
            [] => code.title(),
            [one] => one.detail.clone(),
            many => {
                let n = many.len();
                text!(
                    "{n} points sont à corriger ; « errors » les donne tous.",
                    "{n} points need correcting; `errors` lists them all."
                )
            }
        };
        Self { faults, ..Self::new(code, detail) }
    }

    pub fn with_header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }
}

impl Error {
    pub fn problem(code: Code, detail: Text) -> Self {
        Problem::new(code, detail).into()
    }

    /// Absent, or not the caller's to know of: the same words in both cases.
    pub fn not_found() -> Self {
        Self::problem(Code::NotFound, text!("Aucune ressource à cette adresse.", "There is nothing at this address."))
    }

    pub fn conflict(detail: Text) -> Self {
        Self::problem(Code::StateConflict, detail)
    }

    pub fn duplicate(detail: Text) -> Self {
        Self::problem(Code::Duplicate, detail)
    }

    /// The state does not allow it, for each of these reasons.
    pub fn conflict_for(faults: Vec<Fault>) -> Self {
        Self::with_faults(Code::StateConflict, faults)
    }

    /// The token is good, but not for this (RFC 6750 §3.1).
    pub fn forbidden(detail: Text) -> Self {
        Self::insufficient(Problem::new(Code::Forbidden, detail))
    }

    /// As [`Error::forbidden`], for each of these reasons.
    pub fn forbidden_for(faults: Vec<Fault>) -> Self {
        Self::insufficient(Problem::with_faults(Code::Forbidden, faults))
    }

    fn insufficient(problem: Problem) -> Self {
        problem
            .with_header(
                actix_web::http::header::WWW_AUTHENTICATE,
                "Bearer realm=\"gouvtech-catalogue\", error=\"insufficient_scope\"",
            )
            .into()
    }

    pub fn unavailable(reason: &str) -> Self {
        tracing::warn!(reason, "unavailable");
        Problem::new(
            Code::Unavailable,
            text!(
                "Le service est momentanément saturé ou sa base injoignable.",
                "The service is saturated or cannot reach its database for the moment."
            ),
        )
        .with_header(actix_web::http::header::RETRY_AFTER, "2")
        .into()
    }

    /// A write that may or may not have been stored.
    pub fn outcome_unknown(reason: &str) -> Self {
        tracing::error!(reason, "outcome of a write unknown");
        Problem::new(
            Code::OutcomeUnknown,
            text!(
                "La base n’a pas confirmé cette modification : elle est peut-être enregistrée. Renvoyer la requête avec la même Idempotency-Key.",
                "The database did not confirm this change: it may have been stored. Send the request again with the same Idempotency-Key."
            ),
        )
        .with_header(actix_web::http::header::RETRY_AFTER, "2")
        .into()
    }

    /// Well-formed, but it breaks rules: all of them at once.
    pub fn invalid(faults: Vec<Fault>) -> Self {
        Self::with_faults(Code::ValidationFailed, faults)
    }

    pub fn malformed(faults: Vec<Fault>) -> Self {
        Self::with_faults(Code::MalformedRequest, faults)
    }

    /// A single broken rule at a place of the body.
    pub fn rule(pointer: &str, code: &'static str, detail: Text) -> Self {
        Self::invalid(vec![Fault::body(pointer, code, detail)])
    }

    fn with_faults(code: Code, faults: Vec<Fault>) -> Self {
        Problem::with_faults(code, faults).into()
    }

    /// Decides what becomes of each kind of failure.
    pub fn into_problem(self) -> Problem {
        self.problem_of()
    }

    fn problem_of(&self) -> Problem {
        use diesel::result::{DatabaseErrorKind, Error as Db};
        let internal = || {
            Problem::new(
                Code::InternalError,
                text!(
                    "Une erreur interne a empêché de servir cette requête.",
                    "An internal error kept this request from being served."
                ),
            )
        };
        let error = match self {
            Self::Problem(problem) => return (**problem).clone(),
            Self::Internal(reason) => {
                tracing::error!(reason, "internal");
                return internal();
            }
            Self::Database(Db::NotFound) => return Self::not_found().into_problem(),
            Self::Database(Db::DatabaseError(DatabaseErrorKind::UniqueViolation, info)) => {
                tracing::warn!(error = info.message(), "lost a race for something unique");
                return Problem::new(
                    Code::Duplicate,
                    text!(
                        "Une autre requête vient de créer la même chose.",
                        "Another request has just made the same thing."
                    ),
                );
            }
            Self::Database(error) => error,
        };
        match Failure::of(error) {
            Failure::LostRace | Failure::Busy | Failure::Lost => Self::unavailable(&error.to_string()).into_problem(),
            Failure::StorageFull => {
                tracing::error!(%error, "storage full");
                Problem::new(Code::StorageFull, Code::StorageFull.title())
            }
            Failure::Damaged => {
                tracing::error!(%error, "the database is damaged: run `doctor`, restore a backup");
                internal()
            }
            Failure::Other => {
                tracing::error!(%error, "database");
                internal()
            }
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Problem(p) => {
                write!(f, "{}: {}", p.code, p.detail.en)?;
                for fault in &p.faults {
                    let (Place::Body(place) | Place::Parameter(place)) = &fault.place;
                    write!(f, "; {place}: {}", fault.detail.en)?;
                }
                Ok(())
            }
            Self::Database(error) => write!(f, "database: {error}"),
            Self::Internal(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for Error {}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}

impl From<diesel::result::Error> for Error {
    fn from(error: diesel::result::Error) -> Self {
        Self::Database(error)
    }
}

impl From<actix_web::error::BlockingError> for Error {
    fn from(_: actix_web::error::BlockingError) -> Self {
        Self::Internal("a blocking task panicked".to_owned())
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Internal(format!("our own JSON: {error}"))
    }
}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Problem(problem) => problem.code.status(),
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Carries the problem to the boundary, which knows the request's id and language.
    fn error_response(&self) -> HttpResponse {
        let problem = self.problem_of();
        let mut response = HttpResponse::new(problem.code.status());
        response.extensions_mut().insert(problem);
        response
    }
}
