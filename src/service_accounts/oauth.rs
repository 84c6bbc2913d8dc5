//! The token endpoint for client credentials (RFC 6749 §4.4), with the errors of
//! that standard (§5.2).

use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, CACHE_CONTROL, HeaderMap, WWW_AUTHENTICATE};
use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::model::ServiceAccount;
use super::rules;
use super::secret;
use crate::auth::refusal::RefusalKind;
use crate::auth::token::{self, Grant};
use crate::auth::{Duty, Role};
use crate::db::{Actor, Id, Instant};
use crate::endpoints;
use crate::error::{Code, Error, Result};
use crate::http::body::receive;
use crate::http::boundary::OwnForm;
use crate::http::query::pairs;
use crate::http::route::Endpoint;
use crate::organisations::Organisation;

pub const PATH: &str = "/api/v1/oauth/token";
const FORM: &str = "application/x-www-form-urlencoded";
const GRANT_TYPE: &str = "client_credentials";

pub fn endpoints() -> Vec<Endpoint> {
    endpoints![create_token]
}

/// What is sent to get a token, as a form; for the document: the form is read by hand.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"grant_type": "client_credentials", "scope": "vendor"}))]
pub struct TokenRequest {
    /// `client_credentials`.
    #[schema(max_length = 100, pattern = "^client_credentials$")]
    pub grant_type: String,
    /// What the token may be used for, separated by spaces: the role, and `role:duty`
    /// for each duty. Without it, all that the account may; with the role alone, no duty.
    #[schema(max_length = 1000)]
    pub scope: Option<String>,
    /// Id of the service account, when it is not in the `Authorization` header.
    #[schema(max_length = 100)]
    pub client_id: Option<String>,
    /// Its secret, when it is not in the `Authorization` header.
    #[schema(max_length = 200)]
    pub client_secret: Option<String>,
}

/// A token (RFC 6749 §5.1).
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenAnswer {
    /// The access token, for `Authorization: Bearer`.
    #[schema(max_length = 8192)]
    pub access_token: String,
    /// `Bearer`.
    #[schema(max_length = 20)]
    pub token_type: String,
    /// How long it is valid, in seconds.
    #[schema(minimum = 1, maximum = 3600)]
    pub expires_in: i64,
    /// What it may be used for.
    #[schema(max_length = 1000)]
    pub scope: String,
}

crate::codes! {
    /// Why there is no token (RFC 6749 §5.2).
    pub enum OauthErrorCode {
        /// A parameter is missing, repeated or not understood.
        InvalidRequest = "invalid_request",
        /// No service account has these credentials, or none that works.
        InvalidClient = "invalid_client",
        /// The organisation of the service account cannot act now.
        UnauthorizedClient = "unauthorized_client",
        UnsupportedGrantType = "unsupported_grant_type",
        /// Not a scope, or more than the service account may.
        InvalidScope = "invalid_scope",
    }
}

/// Why there is no token (RFC 6749 §5.2).
#[derive(Debug, Serialize, ToSchema)]
pub struct OauthError {
    /// Stable code.
    pub error: OauthErrorCode,
    /// What to do about it.
    #[schema(max_length = 500)]
    pub error_description: String,
}

/// A refusal in the form of this standard.
struct Refused(OauthErrorCode, &'static str);

impl Refused {
    fn answer(&self) -> Result<HttpResponse> {
        let is_client = self.0 == OauthErrorCode::InvalidClient;
        let mut response =
            HttpResponse::build(if is_client { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST });
        if is_client {
            RefusalKind::Client.count();
            tracing::warn!("client refused");
            response.insert_header((WWW_AUTHENTICATE, "Basic realm=\"gouvtech-catalogue\", charset=\"UTF-8\""));
        }
        let body = OauthError { error: self.0, error_description: self.1.to_owned() };
        let mut response = response
            .content_type("application/json")
            .insert_header((CACHE_CONTROL, "no-store"))
            .body(serde_json::to_string(&body)?);
        response.extensions_mut().insert(OwnForm);
        Ok(response)
    }
}

const NO_CLIENT: Refused =
    Refused(OauthErrorCode::InvalidClient, "no service account that works has this client_id and client_secret");

/// A token for a service account
///
/// Client credentials (RFC 6749 §4.4): `client_id` and `client_secret` in HTTP Basic,
/// each form-urlencoded before, or in the form; not in both. Errors have the form of
/// that standard.
#[utoipa::path(post, path = "/api/v1/oauth/token", tag = "service-accounts", security(()),
    request_body(content = TokenRequest, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "A token; not to be stored by caches.", body = TokenAnswer),
        (status = 400, description = "The request is not understood, or asks for too much.", body = OauthError),
        (status = 401, description = "The credentials are wrong.", body = OauthError,
            headers(("WWW-Authenticate" = String, description = "`Basic`."))),
    ))]
async fn create_token(request: HttpRequest, payload: web::Payload) -> Result<HttpResponse> {
    let app = crate::app::App::of(&request)?;
    let bytes = match receive(&request, payload.into_inner(), &[FORM]).await {
        Ok((_, bytes)) => bytes,
        Err(Error::Problem(problem)) if problem.code == Code::UnsupportedMediaType => {
            return Refused(OauthErrorCode::InvalidRequest, "send application/x-www-form-urlencoded in UTF-8").answer();
        }
        Err(error) => return Err(error),
    };
    let asked = match Asked::read(request.headers(), &bytes) {
        Ok(asked) => asked,
        Err(refused) => return refused.answer(),
    };
    let now = app.store.clock().now();
    let Some((account, organisation)) = known(&app, &asked, now).await? else { return NO_CLIENT.answer() };
    if !organisation.is_active() || !rules::roles(&organisation).contains(&account.role) {
        return Refused(OauthErrorCode::UnauthorizedClient, "the organisation cannot act in this role for now")
            .answer();
    }
    let duties = match duties(&account, asked.scope.as_deref()) {
        Ok(duties) => duties,
        Err(refused) => return refused.answer(),
    };
    if account.is_use_to_be_noted(now) {
        let id = account.id;
        app.store.write(Actor::System, move |tx| ServiceAccount::note_use(tx, id)).await?;
    }
    let left = (account.expires_at.0 - now.0).num_seconds().max(1);
    let lifetime_seconds = app.settings.token_lifetime_seconds.min(left);
    let grant = Grant {
        subject: account.id.to_string(),
        role: account.role,
        duties,
        organisation: Some(account.organisation_id),
        siret: None,
        service_account: Some(account.id),
        lifetime_seconds,
    };
    let signer = app.keys.held().signer(now).map_err(Error::Internal)?;
    let answer = TokenAnswer {
        access_token: token::issue(&signer, &app.policy, &grant, now).map_err(Error::Internal)?,
        token_type: "Bearer".to_owned(),
        expires_in: lifetime_seconds,
        scope: token::scope(grant.role, &grant.duties),
    };
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(serde_json::to_string(&answer)?))
}

/// The account with these credentials, and its organisation. Who is unknown takes as long.
async fn known(app: &crate::app::App, asked: &Asked, now: Instant) -> Result<Option<(ServiceAccount, Organisation)>> {
    let id = Id::parse(&asked.client_id);
    let found = match id {
        Some(id) => {
            app.store
                .read(move |db| {
                    let Some(account) = ServiceAccount::known(db, id)? else { return Ok(None) };
                    let organisation = Organisation::find(db, account.organisation_id)?;
                    Ok(Some((account, organisation)))
                })
                .await?
        }
        None => None,
    };
    let hash = found.as_ref().and_then(|(account, _)| {
        let prefix = secret::prefix(&asked.client_secret)?;
        account.hash_of(prefix, now).map(ToOwned::to_owned)
    });
    let is_right = app.hasher.verifies(asked.client_secret.clone(), hash).await?;
    Ok(found.filter(|_| is_right))
}

/// The duties a scope names; without one, all of the account's.
fn duties(account: &ServiceAccount, scope: Option<&str>) -> std::result::Result<Vec<Duty>, Refused> {
    let Some(scope) = scope else { return Ok(account.duties.0.clone()) };
    let too_much = || {
        Refused(OauthErrorCode::InvalidScope, "expected the role of the service account and `role:duty` of its duties")
    };
    let mut duties = Vec::new();
    for word in scope.split(' ') {
        let (role, duty) = match word.split_once(':') {
            Some((role, duty)) => (role, Some(Duty::from_code(duty).ok_or_else(too_much)?)),
            None => (word, None),
        };
        if Role::from_code(role) != Some(account.role) || duty.is_some_and(|duty| !account.duties.contains(&duty)) {
            return Err(too_much());
        }
        duties.extend(duty.filter(|duty| !duties.contains(duty)));
    }
    Ok(duties)
}

/// A request for a token, well-formed.
struct Asked {
    client_id: String,
    client_secret: String,
    scope: Option<String>,
}

impl Asked {
    fn read(headers: &HeaderMap, body: &[u8]) -> std::result::Result<Self, Refused> {
        let malformed = |why| Refused(OauthErrorCode::InvalidRequest, why);
        let body = std::str::from_utf8(body).map_err(|_| malformed("the form is not UTF-8"))?;
        let (mut grant_type, mut scope, mut client_id, mut client_secret) = (None, None, None, None);
        for (name, value) in pairs(body) {
            let place = match name.as_str() {
                "grant_type" => &mut grant_type,
                "scope" => &mut scope,
                "client_id" => &mut client_id,
                "client_secret" => &mut client_secret,
                // RFC 6749 §3.2: unknown parameters are ignored.
                _ => continue,
            };
            if place.is_some() {
                return Err(malformed("a parameter appears twice"));
            }
            // …and one without a value is as if it were not there.
            if !value.is_empty() {
                *place = Some(value);
            }
        }
        match grant_type.as_deref() {
            Some(GRANT_TYPE) => {}
            Some(_) => {
                return Err(Refused(OauthErrorCode::UnsupportedGrantType, "the only grant_type is client_credentials"));
            }
            None => return Err(malformed("grant_type is missing")),
        }
        let mut authorizations = headers.get_all(AUTHORIZATION);
        let (client_id, client_secret) = match (authorizations.next(), client_id, client_secret) {
            (Some(_), _, _) if authorizations.next().is_some() => {
                return Err(malformed("there are two Authorization headers"));
            }
            (Some(_), _, Some(_)) => return Err(malformed("credentials are in the header and in the form")),
            (Some(header), named, None) => {
                let (id, secret) = header.to_str().ok().and_then(basic).ok_or(NO_CLIENT)?;
                if named.is_some_and(|named| named != id) {
                    return Err(malformed("client_id differs between the header and the form"));
                }
                (id, secret)
            }
            (None, Some(id), Some(secret)) => (id, secret),
            (None, ..) => return Err(NO_CLIENT),
        };
        Ok(Self { client_id, client_secret, scope })
    }
}

/// Id and secret of HTTP Basic (RFC 7617), each form-urlencoded (RFC 6749 §2.3.1).
fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    let plain = |text: &str| {
        // A value, not a list of pairs: what separates pairs is itself.
        let shielded = text.replace('&', "%26").replace('=', "%3D");
        pairs(&format!("v={shielded}")).next().map(|(_, value)| value)
    };
    Some((plain(id)?, plain(secret)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(authorization: Option<&str>, body: &str) -> std::result::Result<(String, String), OauthErrorCode> {
        let mut headers = HeaderMap::new();
        if let Some(value) = authorization {
            headers.append(AUTHORIZATION, value.parse().expect("a header"));
        }
        Asked::read(&headers, body.as_bytes()).map(|asked| (asked.client_id, asked.client_secret)).map_err(|one| one.0)
    }

    #[test]
    fn credentials_come_in_one_place() {
        let of = |text: &str| format!("Basic {}", STANDARD.encode(text));
        let grant = "grant_type=client_credentials";
        let both = Ok(("a b".to_owned(), "s:%&=é".to_owned()));
        assert_eq!(read(Some(&of("a+b:s%3A%25%26%3D%C3%A9")), grant), both);
        assert_eq!(read(Some(&of("a%20b:s%3a%25&=é")), grant), both, "what need not be encoded may be bare");
        assert_eq!(read(None, &format!("{grant}&client_id=a+b&client_secret=s:%25%26%3D%C3%A9")), both);
        use OauthErrorCode as E;
        assert_eq!(read(Some(&of("a:b")), &format!("{grant}&client_secret=b")), Err(E::InvalidRequest));
        assert_eq!(read(Some(&of("a:b")), &format!("{grant}&client_id=c")), Err(E::InvalidRequest));
        assert!(read(Some(&of("a:b")), &format!("{grant}&client_id=a&audience=x")).is_ok());
        for header in ["Basic", "Basic ???", "Bearer x", &of("no colon"), "Basic \u{e9}"] {
            assert_eq!(read(Some(header), grant), Err(E::InvalidClient), "{header}");
        }
        assert_eq!(read(None, grant), Err(E::InvalidClient));
        assert_eq!(read(None, &format!("{grant}&client_id=a&client_secret=")), Err(E::InvalidClient));
        assert_eq!(read(None, &format!("{grant}&{grant}")), Err(E::InvalidRequest));
        assert_eq!(read(None, ""), Err(E::InvalidRequest));
        assert_eq!(read(None, "grant_type=password&username=a&password=b"), Err(E::UnsupportedGrantType));
    }
}
