//! Settings: one struct, three sources under the same names. An option wins
//! over the environment, which wins over the file.
//!
//! This is the only reader of the environment. A bad setting stops the start
//! and names itself.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use ipnet::IpNet;
use serde::Deserialize;

use crate::auth::issuers::IssuerSettings;
use crate::auth::token::MAX_LIFETIME;
use crate::db::{Backend, Limits};
use crate::independence::rules::Periods;
use crate::log::witnesses;
use crate::proof::note::Verifier;

/// What was given, from any source.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Given {
    /// File of settings in TOML, under the names of these options with `_` for `-`
    #[arg(long, env = "GOUVTECH_CONFIG", value_name = "FILE", global = true)]
    #[serde(skip)]
    pub config: Option<PathBuf>,

    /// sqlite://relative, sqlite:///absolute, postgres://… or postgresql://… [default: sqlite://data/catalogue.sqlite]
    #[arg(long, env = "GOUVTECH_DATABASE_URL", value_name = "URL", global = true, hide_env_values = true)]
    pub database_url: Option<String>,

    /// Folder of the signing key and the search index [default: the SQLite file's folder, else ./data]
    #[arg(long, env = "GOUVTECH_DATA_DIR", value_name = "DIR", global = true)]
    pub data_dir: Option<PathBuf>,

    /// Ed25519 keys in PKCS#8 PEM that sign tokens; instances share the file [default: signing-key.pem in the data folder, made at first start]
    #[arg(long, env = "GOUVTECH_SIGNING_KEY", value_name = "FILE", global = true)]
    pub signing_key: Option<PathBuf>,

    /// Ed25519 keys in PKCS#8 PEM of the transparency log, the one that signs first; instances share the file [default: log-key.pem in the data folder, made at first start]
    #[arg(long, env = "GOUVTECH_LOG_KEY", value_name = "FILE", global = true)]
    pub log_key: Option<PathBuf>,

    /// Keys of the witnesses whose cosignatures of the log are kept and served, each as a vkey of signature type 4 [default: none]
    #[arg(long, env = "GOUVTECH_WITNESS_KEY", value_name = "LIST", value_delimiter = ',', global = true)]
    pub witness_key: Option<Vec<String>>,

    /// Address and port to listen on [default: 127.0.0.1:8080]
    #[arg(long, env = "GOUVTECH_BIND", value_name = "ADDRESS", global = true)]
    pub bind: Option<SocketAddr>,

    /// Issuers of others whose tokens are believed; tables of the file only.
    #[arg(skip)]
    #[serde(default)]
    pub issuers: Vec<IssuerSettings>,

    /// `iss` of tokens [default: gouvtech-catalogue]
    #[arg(long, env = "GOUVTECH_ISSUER", value_name = "TEXT", global = true)]
    pub issuer: Option<String>,

    /// `aud` of tokens [default: gouvtech-catalogue]
    #[arg(long, env = "GOUVTECH_AUDIENCE", value_name = "TEXT", global = true)]
    pub audience: Option<String>,

    /// Life of the tokens that service accounts get, in seconds [default: 600]
    #[arg(long, env = "GOUVTECH_TOKEN_LIFETIME_SECONDS", value_name = "N", global = true)]
    pub token_lifetime_seconds: Option<i64>,

    /// Longest validity of a service account, in days; also the default [default: 365]
    #[arg(long, env = "GOUVTECH_SERVICE_ACCOUNT_DAYS", value_name = "N", global = true)]
    pub service_account_days: Option<i64>,

    /// Threads that serve requests [default: the number of cores]
    #[arg(long, env = "GOUVTECH_WORKERS", value_name = "N", global = true)]
    pub workers: Option<usize>,

    /// Database connections (SQLite: readers) [default: 8]
    #[arg(long, env = "GOUVTECH_CONNECTIONS", value_name = "N", global = true)]
    pub connections: Option<u32>,

    /// Longest wait for a free database connection, in milliseconds; then 503 [default: 2000]
    #[arg(long, env = "GOUVTECH_DATABASE_WAIT_MS", value_name = "N", global = true)]
    pub database_wait_ms: Option<u64>,

    /// Longest time a request waits for the database in all, in milliseconds; then 503 [default: 2500]
    #[arg(long, env = "GOUVTECH_DATABASE_DEADLINE_MS", value_name = "N", global = true)]
    pub database_deadline_ms: Option<u64>,

    /// Longest statement on PostgreSQL, in milliseconds [default: 2000]
    #[arg(long, env = "GOUVTECH_STATEMENT_TIMEOUT_MS", value_name = "N", global = true)]
    pub statement_timeout_ms: Option<u64>,

    /// Longest wait for a lock on PostgreSQL, in milliseconds [default: 1000]
    #[arg(long, env = "GOUVTECH_LOCK_TIMEOUT_MS", value_name = "N", global = true)]
    pub lock_timeout_ms: Option<u64>,

    /// Calls that may wait for the database; more get 503 at once [default: 1024]
    #[arg(long, env = "GOUVTECH_DATABASE_QUEUE", value_name = "N", global = true)]
    pub database_queue: Option<usize>,

    /// What to log, as a tracing filter [default: info]
    #[arg(long, env = "GOUVTECH_LOG", value_name = "FILTER", global = true)]
    pub log: Option<String>,

    /// text or json [default: text]
    #[arg(long, env = "GOUVTECH_LOG_FORMAT", value_name = "FORMAT", global = true)]
    pub log_format: Option<LogFormat>,

    /// Largest request body, in bytes [default: 262144]
    #[arg(long, env = "GOUVTECH_MAX_BODY_BYTES", value_name = "N", global = true)]
    pub max_body_bytes: Option<usize>,

    /// Deepest nesting of a JSON body [default: 32]
    #[arg(long, env = "GOUVTECH_MAX_JSON_DEPTH", value_name = "N", global = true)]
    pub max_json_depth: Option<usize>,

    /// Longest query string, in bytes [default: 8192]
    #[arg(long, env = "GOUVTECH_MAX_QUERY_BYTES", value_name = "N", global = true)]
    pub max_query_bytes: Option<usize>,

    /// Largest set of request headers, in bytes [default: 16384]
    #[arg(long, env = "GOUVTECH_MAX_HEADER_BYTES", value_name = "N", global = true)]
    pub max_header_bytes: Option<usize>,

    /// Time to send a request's head, in seconds [default: 10]
    #[arg(long, env = "GOUVTECH_HEAD_TIMEOUT_SECONDS", value_name = "N", global = true)]
    pub head_timeout_seconds: Option<u64>,

    /// Time to send a request's body, in seconds [default: 30]
    #[arg(long, env = "GOUVTECH_BODY_TIMEOUT_SECONDS", value_name = "N", global = true)]
    pub body_timeout_seconds: Option<u64>,

    /// Time a connection may stay idle between requests, in seconds [default: 15]
    #[arg(long, env = "GOUVTECH_KEEP_ALIVE_SECONDS", value_name = "N", global = true)]
    pub keep_alive_seconds: Option<u64>,

    /// Time a client may take none of an answer before the connection is cut, in seconds [default: 30]
    #[arg(long, env = "GOUVTECH_WRITE_TIMEOUT_SECONDS", value_name = "N", global = true)]
    pub write_timeout_seconds: Option<u64>,

    /// Connections of clients at once; more wait in the backlog [default: 8192]
    #[arg(long, env = "GOUVTECH_MAX_CONNECTIONS", value_name = "N", global = true)]
    pub max_connections: Option<usize>,

    /// Connections that may wait to be accepted [default: 1024]
    #[arg(long, env = "GOUVTECH_BACKLOG", value_name = "N", global = true)]
    pub backlog: Option<i32>,

    /// Memory for answers to requests without a token, in bytes; 0: none is kept [default: 33554432]
    #[arg(long, env = "GOUVTECH_KEPT_BYTES", value_name = "N", global = true)]
    pub kept_bytes: Option<u64>,

    /// Requests worked on at once; more get 503 at once [default: 16 for each database connection]
    #[arg(long, env = "GOUVTECH_MAX_IN_FLIGHT", value_name = "N", global = true)]
    pub max_in_flight: Option<usize>,

    /// Time between SIGTERM, when /readyz turns 503, and the end of accepting, in seconds [default: 2]
    #[arg(long, env = "GOUVTECH_SHUTDOWN_GRACE_SECONDS", value_name = "N", global = true)]
    pub shutdown_grace_seconds: Option<u64>,

    /// Reading requests a minute for each principal or address; 0: no limit [default: 6000]
    #[arg(long, env = "GOUVTECH_RATE_LIMIT_READS", value_name = "N", global = true)]
    pub rate_limit_reads: Option<u32>,

    /// Writing requests a minute for each principal or address; 0: no limit [default: 1200]
    #[arg(long, env = "GOUVTECH_RATE_LIMIT_WRITES", value_name = "N", global = true)]
    pub rate_limit_writes: Option<u32>,

    /// Refused tokens a minute for each address; 0: no limit [default: 300]
    #[arg(long, env = "GOUVTECH_RATE_LIMIT_FAILURES", value_name = "N", global = true)]
    pub rate_limit_failures: Option<u32>,

    /// Requests for a token a minute for each address; 0: no limit [default: 60]
    #[arg(long, env = "GOUVTECH_RATE_LIMIT_TOKENS", value_name = "N", global = true)]
    pub rate_limit_tokens: Option<u32>,

    /// Addresses and networks of proxies that are believed about their clients [default: none]
    #[arg(long, env = "GOUVTECH_TRUSTED_PROXIES", value_name = "LIST", value_delimiter = ',', global = true)]
    pub trusted_proxies: Option<Vec<String>>,

    /// The header they say it in: x-forwarded-for or forwarded [default: x-forwarded-for]
    #[arg(long, env = "GOUVTECH_FORWARDED_HEADER", value_name = "NAME", global = true)]
    pub forwarded_header: Option<ForwardedBy>,

    /// Address under which the public finds this server, such as `https://catalogue.example`; with https, browsers are told to stay there (HSTS)
    #[arg(long, env = "GOUVTECH_PUBLIC_URL", value_name = "URL", global = true)]
    pub public_url: Option<url::Url>,

    /// Days browsers stay with https; 0: not said [default: 365]
    #[arg(long, env = "GOUVTECH_HSTS_DAYS", value_name = "N", global = true)]
    pub hsts_days: Option<u64>,

    /// Origins whose pages may call the API from a browser, such as `https://portal.example` [default: none]
    #[arg(long, env = "GOUVTECH_CORS_ORIGINS", value_name = "LIST", value_delimiter = ',', global = true)]
    pub cors_origins: Option<Vec<String>>,

    /// Addresses and networks that may read /metrics; `none`: nobody [default: 127.0.0.0/8,::1]
    #[arg(long, env = "GOUVTECH_METRICS_ALLOWED", value_name = "LIST", value_delimiter = ',', global = true)]
    pub metrics_allowed: Option<Vec<String>>,

    /// Where to report a vulnerability, as a mailto: or https: address; makes /.well-known/security.txt
    #[arg(long, env = "GOUVTECH_SECURITY_CONTACT", value_name = "URL", global = true)]
    pub security_contact: Option<url::Url>,

    /// Until when that is right, within a year, such as `2027-06-30T00:00:00Z`; required with a contact
    #[arg(long, env = "GOUVTECH_SECURITY_EXPIRES", value_name = "INSTANT", global = true)]
    pub security_expires: Option<String>,

    /// Address of the policy on reported vulnerabilities
    #[arg(long, env = "GOUVTECH_SECURITY_POLICY", value_name = "URL", global = true)]
    pub security_policy: Option<url::Url>,

    /// Languages in which reports are read [default: fr, en]
    #[arg(long, env = "GOUVTECH_SECURITY_LANGUAGES", value_name = "LIST", global = true)]
    pub security_languages: Option<String>,

    /// Days between the publication of a criteria set and its coming into force [default: 60]
    #[arg(long, env = "GOUVTECH_CRITERIA_NOTICE_DAYS", value_name = "N", global = true)]
    pub criteria_notice_days: Option<u32>,

    /// Publish evaluations at submission, without a moderator [default: false]
    #[arg(long, env = "GOUVTECH_EVALUATIONS_AUTO_PUBLISH", value_name = "BOOL", global = true)]
    pub evaluations_auto_publish: Option<bool>,

    /// Days a published evaluation stays in force [default: 365]
    #[arg(long, env = "GOUVTECH_EVALUATION_VALIDITY_DAYS", value_name = "N", global = true)]
    pub evaluation_validity_days: Option<u32>,

    /// Months a label is valid [default: 36]
    #[arg(long, env = "GOUVTECH_LABEL_VALIDITY_MONTHS", value_name = "N", global = true)]
    pub label_validity_months: Option<u32>,

    /// Months an audit body is accredited for, unless said otherwise [default: 48]
    #[arg(long, env = "GOUVTECH_ACCREDITATION_MONTHS", value_name = "N", global = true)]
    pub accreditation_months: Option<u32>,

    /// Months for which advice, training, development or paid work for a vendor excludes from its cases [default: 24]
    #[arg(long, env = "GOUVTECH_INTEREST_MONTHS", value_name = "N", global = true)]
    pub interest_months: Option<u32>,

    /// Months for which a person's employment by a vendor excludes them from its cases [default: 36]
    #[arg(long, env = "GOUVTECH_EMPLOYMENT_MONTHS", value_name = "N", global = true)]
    pub employment_months: Option<u32>,

    /// Days without confirmation after which a solution is outdated [default: 365]
    #[arg(long, env = "GOUVTECH_CONFIRMATION_DAYS", value_name = "N", global = true)]
    pub confirmation_days: Option<u32>,

    /// Days without a change after which a draft that never was submitted is erased [default: 365]
    #[arg(long, env = "GOUVTECH_RETENTION_DRAFT_DAYS", value_name = "N", global = true)]
    pub retention_draft_days: Option<u32>,

    /// Days after which what was rejected and never published is erased [default: 730]
    #[arg(long, env = "GOUVTECH_RETENTION_REJECTED_DAYS", value_name = "N", global = true)]
    pub retention_rejected_days: Option<u32>,

    /// Days after its publication when a review loses the link to its author [default: 1826]
    #[arg(long, env = "GOUVTECH_RETENTION_REVIEW_DAYS", value_name = "N", global = true)]
    pub retention_review_days: Option<u32>,

    /// Days after its removal or withdrawal when a review loses its author and its words [default: 365]
    #[arg(long, env = "GOUVTECH_RETENTION_REVIEWER_DAYS", value_name = "N", global = true)]
    pub retention_reviewer_days: Option<u32>,

    /// Days without an act after which a person's identity is erased [default: 730]
    #[arg(long, env = "GOUVTECH_RETENTION_ACCOUNT_DAYS", value_name = "N", global = true)]
    pub retention_account_days: Option<u32>,

    /// Days the record of who read restricted evidence is kept [default: 365]
    #[arg(long, env = "GOUVTECH_RETENTION_ACCESS_DAYS", value_name = "N", global = true)]
    pub retention_access_days: Option<u32>,

    /// Days after which an evaluation that no longer counts loses its signatory's name [default: 1096]
    #[arg(long, env = "GOUVTECH_RETENTION_ATTESTATION_DAYS", value_name = "N", global = true)]
    pub retention_attestation_days: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

/// Which header tells the client's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedBy {
    XForwardedFor,
    Forwarded,
}

/// What `/.well-known/security.txt` says (RFC 9116); its expiry is checked where there is a clock.
#[derive(Debug, Clone)]
pub struct SecurityContact {
    pub contact: url::Url,
    pub expires: chrono::DateTime<chrono::Utc>,
    pub policy: Option<url::Url>,
    pub languages: String,
}

/// Checked settings.
#[derive(Debug, Clone)]
pub struct Settings {
    pub backend: Backend,
    /// Where the server keeps what it makes for itself: its key, the search index.
    pub data_dir: PathBuf,
    pub signing_key: PathBuf,
    /// Whether a missing key is made: only at its default place.
    pub may_make_key: bool,
    pub log_key: PathBuf,
    /// The same of the log's key.
    pub may_make_log_key: bool,
    pub witnesses: Vec<Verifier>,
    pub bind: SocketAddr,
    pub issuers: Vec<IssuerSettings>,
    pub issuer: String,
    pub audience: String,
    pub token_lifetime_seconds: i64,
    pub service_account_days: i64,
    pub workers: usize,
    pub limits: Limits,
    pub log: String,
    pub log_format: LogFormat,
    pub max_body_bytes: usize,
    pub max_json_depth: usize,
    pub max_query_bytes: usize,
    pub max_header_bytes: usize,
    pub head_timeout_seconds: u64,
    pub body_timeout_seconds: u64,
    pub keep_alive_seconds: u64,
    pub write_timeout_seconds: u64,
    pub max_connections: usize,
    pub backlog: i32,
    pub kept_bytes: u64,
    pub max_in_flight: usize,
    pub shutdown_grace_seconds: u64,
    pub rate_limit_reads: u32,
    pub rate_limit_writes: u32,
    pub rate_limit_failures: u32,
    pub rate_limit_tokens: u32,
    pub trusted_proxies: Vec<IpNet>,
    pub forwarded_header: ForwardedBy,
    pub public_url: Option<url::Url>,
    hsts_days: u64,
    pub cors_origins: Vec<String>,
    pub metrics_allowed: Vec<IpNet>,
    pub security: Option<SecurityContact>,
    pub criteria_notice_days: u32,
    pub evaluations_auto_publish: bool,
    pub evaluation_validity_days: u32,
    pub label_validity_months: u32,
    pub accreditation_months: u32,
    pub periods: Periods,
    pub confirmation_days: u32,
    pub retention_draft_days: u32,
    pub retention_rejected_days: u32,
    pub retention_review_days: u32,
    pub retention_reviewer_days: u32,
    pub retention_account_days: u32,
    pub retention_access_days: u32,
    pub retention_attestation_days: u32,
}

/// actix reads at most this much of a request's head; our own limit must lie below to be seen.
const HEADER_CEILING: usize = 65_536;

impl Settings {
    /// Adds the file to what was given and checks everything.
    ///
    /// # Errors
    /// Names the setting, what it was and what it may be.
    pub fn new(given: Given) -> Result<Self, String> {
        let file = match &given.config {
            Some(path) => read_file(path)?,
            None => Given::default(),
        };
        macro_rules! setting {
            ($name:ident) => {
                given.$name.or(file.$name)
            };
            ($name:ident, $default:expr) => {
                given.$name.or(file.$name).unwrap_or($default)
            };
            ($name:ident, $default:expr, $range:expr) => {{
                let value = setting!($name, $default);
                within(stringify!($name), value, $range)?
            }};
        }
        let url = setting!(database_url, "sqlite://data/catalogue.sqlite".to_owned());
        let backend = Backend::parse(&url).map_err(|reason| named("database_url", &reason))?;
        let data_dir = setting!(data_dir)
            .or_else(|| backend.folder().map(Path::to_owned))
            .unwrap_or_else(|| PathBuf::from("data"));
        let signing_key = setting!(signing_key);
        let may_make_key = signing_key.is_none();
        let log_key = setting!(log_key);
        let connections = setting!(connections, 8, 1..=1000);
        let security = security(
            setting!(security_contact),
            setting!(security_expires),
            setting!(security_policy),
            setting!(security_languages, "fr, en".to_owned()),
        )?;
        let public_url = setting!(public_url);
        if public_url.as_ref().is_some_and(|url| !matches!(url.scheme(), "http" | "https") || !url.has_host()) {
            return Err(named("public_url", "not an http or https address"));
        }
        let local = || vec!["127.0.0.0/8".to_owned(), "::1".to_owned()];
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let issuer = setting!(issuer, "gouvtech-catalogue".to_owned());
        let issuers = if given.issuers.is_empty() { file.issuers } else { given.issuers };
        check_issuers(&issuers, &issuer)?;
        Ok(Self {
            backend,
            issuers,
            may_make_key,
            signing_key: signing_key.unwrap_or_else(|| data_dir.join("signing-key.pem")),
            may_make_log_key: log_key.is_none(),
            log_key: log_key.unwrap_or_else(|| data_dir.join("log-key.pem")),
            witnesses: witnesses::read(&setting!(witness_key, Vec::new()))
                .map_err(|reason| named("witness_key", &reason))?,
            data_dir,
            bind: setting!(bind, SocketAddr::from(([127, 0, 0, 1], 8080))),
            issuer,
            audience: setting!(audience, "gouvtech-catalogue".to_owned()),
            token_lifetime_seconds: setting!(token_lifetime_seconds, 600, 60..=MAX_LIFETIME),
            service_account_days: setting!(service_account_days, 365, 1..=1095),
            workers: setting!(workers, cores, 1..=1024),
            limits: Limits {
                connections,
                wait: Duration::from_millis(setting!(database_wait_ms, 2000, 1..=60_000)),
                deadline: Duration::from_millis(setting!(database_deadline_ms, 2500, 10..=600_000)),
                statement: Duration::from_millis(setting!(statement_timeout_ms, 2000, 10..=600_000)),
                lock: Duration::from_millis(setting!(lock_timeout_ms, 1000, 10..=600_000)),
                queue: setting!(database_queue, 1024, 1..=1_000_000),
            },
            log: setting!(log, "info".to_owned()),
            log_format: setting!(log_format, LogFormat::Text),
            max_body_bytes: setting!(max_body_bytes, 262_144, 1024..=67_108_864),
            max_json_depth: setting!(max_json_depth, 32, 8..=100),
            max_query_bytes: setting!(max_query_bytes, 8192, 256..=HEADER_CEILING),
            max_header_bytes: setting!(max_header_bytes, 16_384, 1024..=HEADER_CEILING),
            head_timeout_seconds: setting!(head_timeout_seconds, 10, 1..=600),
            body_timeout_seconds: setting!(body_timeout_seconds, 30, 1..=3600),
            keep_alive_seconds: setting!(keep_alive_seconds, 15, 1..=3600),
            write_timeout_seconds: setting!(write_timeout_seconds, 30, 1..=3600),
            max_connections: setting!(max_connections, 8192, 1..=1_000_000),
            backlog: setting!(backlog, 1024, 1..=65_535),
            kept_bytes: setting!(kept_bytes, 33_554_432, 0..=1 << 40),
            max_in_flight: setting!(max_in_flight, 16 * usize::try_from(connections).unwrap_or(1), 1..=1_000_000),
            shutdown_grace_seconds: setting!(shutdown_grace_seconds, 2, 0..=600),
            rate_limit_reads: setting!(rate_limit_reads, 6000, 0..=1_000_000),
            rate_limit_writes: setting!(rate_limit_writes, 1200, 0..=1_000_000),
            rate_limit_failures: setting!(rate_limit_failures, 300, 0..=1_000_000),
            rate_limit_tokens: setting!(rate_limit_tokens, 60, 0..=1_000_000),
            trusted_proxies: networks("trusted_proxies", &setting!(trusted_proxies, Vec::new()))?,
            forwarded_header: setting!(forwarded_header, ForwardedBy::XForwardedFor),
            public_url,
            hsts_days: setting!(hsts_days, 365, 0..=3650),
            cors_origins: origins(setting!(cors_origins, Vec::new()))?,
            metrics_allowed: networks("metrics_allowed", &setting!(metrics_allowed, local()))?,
            security,
            criteria_notice_days: setting!(criteria_notice_days, 60, 0..=3650),
            evaluations_auto_publish: setting!(evaluations_auto_publish, false),
            evaluation_validity_days: setting!(evaluation_validity_days, 365, 1..=3650),
            label_validity_months: setting!(label_validity_months, 36, 1..=120),
            accreditation_months: setting!(accreditation_months, 48, 1..=120),
            periods: Periods {
                interest_months: setting!(interest_months, 24, 1..=600),
                employment_months: setting!(employment_months, 36, 1..=600),
            },
            confirmation_days: setting!(confirmation_days, 365, 1..=3650),
            retention_draft_days: setting!(retention_draft_days, 365, 1..=36_500),
            retention_rejected_days: setting!(retention_rejected_days, 730, 1..=36_500),
            retention_review_days: setting!(retention_review_days, 1826, 1..=36_500),
            retention_reviewer_days: setting!(retention_reviewer_days, 365, 1..=36_500),
            retention_account_days: setting!(retention_account_days, 730, 1..=36_500),
            retention_access_days: setting!(retention_access_days, 365, 1..=36_500),
            retention_attestation_days: setting!(retention_attestation_days, 1096, 1..=36_500),
        })
    }
}

impl Settings {
    /// Days that browsers are told to stay with https; none where the public does not use it.
    pub fn hsts_days(&self) -> Option<u64> {
        let is_secure = self.public_url.as_ref().is_some_and(|url| url.scheme() == "https");
        (is_secure && self.hsts_days > 0).then_some(self.hsts_days)
    }
}

/// Addresses are networks of one.
fn networks(name: &str, given: &[String]) -> Result<Vec<IpNet>, String> {
    let given = given.iter().map(|one| one.trim()).filter(|one| !one.is_empty() && *one != "none");
    given
        .map(|one| {
            one.parse::<IpNet>()
                .or_else(|_| one.parse::<IpAddr>().map(IpNet::from))
                .map_err(|_| named(name, &format!("{one} is neither an address nor a network such as 10.0.0.0/8")))
        })
        .collect()
}

/// Origins as browsers send them; anything else would never match, or match too much.
fn origins(given: Vec<String>) -> Result<Vec<String>, String> {
    let given = given.into_iter().map(|one| one.trim().to_owned()).filter(|one| !one.is_empty());
    given
        .map(|one| {
            if one == "*" {
                return Err(named(
                    "cors_origins",
                    "* would let any page on the web act with a token it came by; name each origin",
                ));
            }
            match url::Url::parse(&one) {
                Ok(url) if matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == one => {
                    Ok(one)
                }
                Ok(url) => {
                    let wanted = url.origin().ascii_serialization();
                    Err(named("cors_origins", &format!("{one} is no origin; did you mean {wanted}?")))
                }
                Err(error) => Err(named("cors_origins", &format!("{one}: {error}"))),
            }
        })
        .collect()
}

fn security(
    contact: Option<url::Url>,
    expires: Option<String>,
    policy: Option<url::Url>,
    languages: String,
) -> Result<Option<SecurityContact>, String> {
    let Some(contact) = contact else { return Ok(None) };
    if !matches!(contact.scheme(), "mailto" | "https" | "tel") {
        return Err(named("security_contact", "not a mailto:, https: or tel: address"));
    }
    if policy.as_ref().is_some_and(|policy| policy.scheme() != "https") {
        return Err(named("security_policy", "not an https address"));
    }
    if let Some(bad) = languages.split(',').find(|one| oxilangtag::LanguageTag::parse(one.trim()).is_err()) {
        return Err(named("security_languages", &format!("{bad} is not a language (BCP 47)")));
    }
    let expires = expires.ok_or_else(|| named("security_expires", "required with a security_contact"))?;
    let expires = chrono::DateTime::parse_from_rfc3339(&expires)
        .map_err(|e| named("security_expires", &format!("{expires} is not an instant (RFC 3339): {e}")))?
        .to_utc();
    Ok(Some(SecurityContact { contact, expires, policy, languages }))
}

fn read_file(path: &Path) -> Result<Given, String> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|e| named("config", &format!("{shown}: {e}")))?;
    toml::from_str(&text).map_err(|e| named("config", &format!("{shown}: {e}")))
}

/// Each on its own, and no two under one name: a token must have one reading.
fn check_issuers(issuers: &[IssuerSettings], own: &str) -> Result<(), String> {
    for (place, one) in issuers.iter().enumerate() {
        let named = |reason: String| format!("setting issuers[{place}] (a table of the file of settings): {reason}");
        one.check().map_err(named)?;
        if one.issuer == own || issuers.iter().take(place).any(|other| other.issuer == one.issuer) {
            return Err(named(format!("issuer: {} is there already", one.issuer)));
        }
    }
    Ok(())
}

fn within<T: PartialOrd + std::fmt::Display + Copy>(
    name: &str,
    value: T,
    range: std::ops::RangeInclusive<T>,
) -> Result<T, String> {
    if range.contains(&value) {
        return Ok(value);
    }
    Err(named(name, &format!("{value} is not within {} and {}", range.start(), range.end())))
}

fn named(name: &str, reason: &str) -> String {
    let option = name.replace('_', "-");
    let variable = name.to_ascii_uppercase();
    format!("setting {name} (--{option}, GOUVTECH_{variable}): {reason}")
}

#[cfg(test)]
mod tests {
    use super::{Given, Settings};

    #[test]
    fn a_bad_setting_names_itself() {
        let given = Given { database_url: Some("mysql://x".to_owned()), ..Given::default() };
        let error = Settings::new(given).expect_err("refused");
        assert!(error.contains("--database-url") && error.contains("GOUVTECH_DATABASE_URL"), "{error}");
        let error = Settings::new(Given { connections: Some(0), ..Given::default() }).expect_err("refused");
        assert!(error.contains("GOUVTECH_CONNECTIONS"), "{error}");
    }

    #[test]
    fn an_unknown_setting_in_the_file_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("settings.toml");
        std::fs::write(&path, "bnid = '127.0.0.1:1'").expect("written");
        let error = Settings::new(Given { config: Some(path.clone()), ..Given::default() }).expect_err("refused");
        assert!(error.contains("bnid"), "{error}");
        std::fs::write(&path, "bind = '127.0.0.1:1'\nworkers = 3").expect("written");
        let given = Given { config: Some(path), workers: Some(2), ..Given::default() };
        let settings = Settings::new(given).expect("good");
        assert_eq!((settings.bind.port(), settings.workers), (1, 2), "an option wins over the file");
    }
}
