//! Service accounts on the wire.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::model::ServiceAccount;
use super::rules::ServiceAccountStatus;
use crate::auth::{Duty, Role};
use crate::db::{Id, Instant};
use crate::query_parameters;

/// What can be changed of a service account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceAccountDetails {
    /// What the account is for; shown to who manages it.
    #[schema(min_length = 1, max_length = 100, example = "Synchronisation de l’annuaire")]
    pub name: String,
    /// Duties its tokens may have; none that its manager lacks, and none that is for persons.
    #[schema(max_items = 10)]
    pub duties: Vec<Duty>,
    /// Until when it works.
    pub expires_at: Instant,
}

/// A service account to make.
#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "Synchronisation de l’annuaire", "duties": []}))]
pub struct CreateServiceAccount {
    /// What the account is for.
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// Duties its tokens may have; none that its maker lacks, and none that is for persons.
    #[schema(max_items = 10)]
    #[serde(default)]
    pub duties: Vec<Duty>,
    /// Until when it works; at most a year from now, which is also the default (a setting of the server).
    #[serde(default)]
    pub expires_at: Option<Instant>,
    /// Its role; that of its maker, or, made by the operator, one that the
    /// organisation's kinds allow. Needed only when there are several.
    #[serde(default)]
    pub role: Option<Role>,
}

/// How to change over to a new secret.
#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"overlap_minutes": 60}))]
pub struct RotateServiceAccount {
    /// How long the secret before still works; 0: not at all.
    #[schema(minimum = 0, maximum = 1440, default = 60)]
    #[serde(default = "an_hour")]
    pub overlap_minutes: i64,
}

fn an_hour() -> i64 {
    60
}

/// A service account.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ServiceAccountView {
    /// Identifier; also the `client_id` at the token endpoint.
    pub id: Id,
    /// The organisation it acts for.
    pub organisation_id: Id,
    /// Where it stands.
    pub status: ServiceAccountStatus,
    /// Role of its tokens.
    pub role: Role,
    /// Counts changes; also in the ETag.
    #[schema(minimum = 1)]
    pub version: i32,
    #[serde(flatten)]
    pub details: ServiceAccountDetails,
    /// Visible beginning of its secret, after `gt_sa_`.
    #[schema(max_length = 20)]
    pub prefix: String,
    /// Until when the secret before still works, if it does.
    pub previous_secret_until: Option<Instant>,
    /// The secret, in the answer that makes it and never again; also the `client_secret` at the token endpoint.
    #[schema(max_length = 100)]
    pub secret: Option<String>,
    /// When it last got a token, to the minute or so.
    pub last_used_at: Option<Instant>,
    /// When it was revoked.
    pub revoked_at: Option<Instant>,
    /// When it was made.
    pub created_at: Instant,
    /// When it last changed.
    pub updated_at: Instant,
}

crate::represented!(ServiceAccountView);

impl ServiceAccountView {
    pub fn new(account: ServiceAccount, secret: Option<String>, now: Instant) -> Self {
        let (status, details) = (account.status(now), account.details());
        let ServiceAccount {
            id,
            version,
            organisation_id,
            name: _,
            role,
            duties: _,
            prefix,
            hash: _,
            previous_prefix: _,
            previous_hash: _,
            previous_until,
            expires_at: _,
            revoked_at,
            last_used_at,
            created_at,
            updated_at,
        } = account;
        Self {
            id,
            organisation_id,
            status,
            role,
            version,
            details,
            prefix,
            previous_secret_until: previous_until.filter(|at| now < *at),
            secret,
            last_used_at,
            revoked_at,
            created_at,
            updated_at,
        }
    }
}

/// Which service accounts to list.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceAccountFilter {
    /// Rows of a page.
    #[schema(minimum = 1, maximum = 100, default = 20)]
    #[serde(default)]
    pub limit: Option<i64>,
    /// Where to go on: `next` of the previous page.
    #[schema(max_length = 4000)]
    #[serde(default)]
    pub cursor: Option<String>,
}

query_parameters!(ServiceAccountFilter);
