//! Why credentials are refused: a closed list of kinds, each counted.

use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::http::header::WWW_AUTHENTICATE;

use crate::error::{Code, Error, Problem};
use crate::text;

crate::codes! {
    /// Kind of a refusal; few, because each is a label of a counter.
    pub enum RefusalKind {
        /// No token where one is needed.
        Missing = "missing",
        /// Two headers, or a scheme that is not `Bearer`.
        Scheme = "scheme",
        /// Not a compact JWS of strict JSON, or too long.
        Form = "form",
        /// A member of the header, or its type, that is not accepted.
        Header = "header",
        /// An algorithm other than that of the key.
        Algorithm = "algorithm",
        /// A key nobody published.
        UnknownKey = "unknown_key",
        /// The keys of a provider cannot be had.
        KeysUnavailable = "keys_unavailable",
        Signature = "signature",
        /// Expired, not valid yet, too long-lived, or times that are none.
        Time = "time",
        Issuer = "issuer",
        Audience = "audience",
        /// A role, duty, organisation or other claim that is missing or not understood.
        Claim = "claim",
        /// A service account that is revoked, expired or narrower than its token.
        ServiceAccount = "service_account",
        /// Wrong credentials of a client at the token endpoint.
        Client = "client",
        /// A good token without the role or duty that is needed.
        Role = "role",
    }
}

/// Why a token is refused; said in `WWW-Authenticate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    pub kind: RefusalKind,
    pub reason: &'static str,
}

impl Refusal {
    pub const fn new(kind: RefusalKind, reason: &'static str) -> Self {
        Self { kind, reason }
    }

    /// 401 with what RFC 6750 §3 wants said; 503 when it is not the token that is at fault. Counts.
    pub fn into_error(self) -> Error {
        let why = self.reason;
        self.kind.count();
        tracing::warn!(kind = self.kind.code(), reason = why, "token refused");
        if self.kind == RefusalKind::KeysUnavailable {
            return Error::unavailable(why);
        }
        Problem::new(Code::Unauthenticated, text!("Le jeton est refusé : {why}.", "The token is refused: {why}."))
            .with_header(
                WWW_AUTHENTICATE,
                &format!("Bearer realm=\"gouvtech-catalogue\", error=\"invalid_token\", error_description=\"{why}\""),
            )
            .into()
    }
}

/// 401 where a token is needed and there is none. Counts.
pub fn missing() -> Error {
    RefusalKind::Missing.count();
    Problem::new(
        Code::Unauthenticated,
        text!("Cette action demande un jeton d’accès.", "This action needs an access token."),
    )
    .with_header(WWW_AUTHENTICATE, "Bearer realm=\"gouvtech-catalogue\"")
    .into()
}

/// Refusals of this process since its start, in the order of [`RefusalKind::ALL`].
static COUNTS: [AtomicU64; RefusalKind::ALL.len()] = [const { AtomicU64::new(0) }; RefusalKind::ALL.len()];

impl RefusalKind {
    pub fn count(self) {
        if let Some(counter) = COUNTS.get(self as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// How often each kind was refused since the process started.
pub fn counts() -> impl Iterator<Item = (RefusalKind, u64)> {
    RefusalKind::ALL.iter().copied().zip(COUNTS.iter().map(|counter| counter.load(Ordering::Relaxed)))
}
