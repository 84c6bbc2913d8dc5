//! What is counted, for Prometheus. Labels are closed sets: route patterns, statuses,
//! codes. Nothing of a caller is among them.

use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};

use crate::app::App;
use crate::auth::refusal::{self, RefusalKind};
use crate::db::Backend;
use crate::error::{Code, Error, Result};
use crate::http::rates::Policy;

/// How long the database may take to say how large it is.
const PATIENCE: Duration = Duration::from_secs(1);

macro_rules! metrics {
    ($($(#[doc = $doc:literal])+ $field:ident: $kind:ident($name:literal $(, $label:literal)*);)+) => {
        /// All there is, registered under one registry for each application.
        pub struct Metrics {
            registry: Registry,
            /// Time to answer, by method, route pattern and status.
            pub requests: HistogramVec,
            $($(#[doc = $doc])+ pub $field: $kind,)+
        }

        impl Metrics {
            /// # Errors
            /// A name that is none, or is used twice.
            pub fn new() -> prometheus::Result<Self> {
                let registry = Registry::new();
                let buckets = vec![0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
                let options = HistogramOpts::new(
                    "gouvtech_http_request_duration_seconds",
                    "Time to answer, by method, route pattern and status.",
                );
                let requests = HistogramVec::new(options.buckets(buckets), &["method", "route", "status"])?;
                registry.register(Box::new(requests.clone()))?;
                $(
                    let $field = metrics!(@new $kind, $name, concat!($($doc),+).trim() $(, $label)*)?;
                    registry.register(Box::new($field.clone()))?;
                )+
                #[cfg(target_os = "linux")]
                registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
                let all = Self { registry, requests, $($field),+ };
                all.start();
                Ok(all)
            }
        }
    };
    (@new $kind:ident, $name:literal, $doc:expr) => { $kind::new($name, $doc) };
    (@new $kind:ident, $name:literal, $doc:expr, $($label:literal),+) => {
        $kind::new(Opts::new($name, $doc), &[$($label),+])
    };
}

metrics! {
    /// Requests worked on now.
    in_flight: IntGauge("gouvtech_http_requests_in_flight");
    /// Requests that may be worked on at once.
    in_flight_limit: IntGauge("gouvtech_http_requests_in_flight_limit");
    /// Requests refused because too many were worked on.
    shed: IntCounter("gouvtech_http_requests_shed_total");
    /// Requests refused by a rate limit.
    limited: IntCounterVec("gouvtech_http_requests_rate_limited_total", "policy");
    /// Answers that were kept, and needed no handler.
    kept_hits: IntCounter("gouvtech_kept_answers_hits_total");
    /// Answers that may be kept and had to be computed.
    kept_misses: IntCounter("gouvtech_kept_answers_misses_total");
    /// Kept answers given up for want of room.
    kept_evictions: IntCounter("gouvtech_kept_answers_evictions_total");
    /// Memory of the kept answers, in bytes.
    kept_bytes: IntGauge("gouvtech_kept_answers_bytes");
    /// Memory that kept answers may take, in bytes.
    kept_limit: IntGauge("gouvtech_kept_answers_limit_bytes");
    /// Problems answered, by code.
    problems: IntCounterVec("gouvtech_http_problems_total", "code");
    /// Refusals of access, by reason.
    refusals: IntCounterVec("gouvtech_auth_refusals_total", "reason");
    /// Handlers that panicked.
    panics: IntCounter("gouvtech_panics_total");
    /// Database connections that may be in use at once.
    connections: IntGauge("gouvtech_database_connections_limit");
    /// Database connections in use.
    in_use: IntGauge("gouvtech_database_connections_in_use");
    /// Requests that wait for a database connection.
    waiting: IntGauge("gouvtech_database_waiting");
    /// Connections kept by work whose caller has given up.
    stuck: IntGauge("gouvtech_database_stuck");
    /// Writes that wait for the writer (SQLite).
    queue: IntGauge("gouvtech_database_writer_queue");
    /// Writes that may wait for the writer (SQLite).
    queue_limit: IntGauge("gouvtech_database_writer_queue_limit");
    /// Transactions of the writer (SQLite).
    batches: IntCounter("gouvtech_database_writer_batches_total");
    /// Writes in those transactions (SQLite).
    batched_writes: IntCounter("gouvtech_database_writer_writes_total");
    /// Transactions run again after a lost race.
    retries: IntCounter("gouvtech_database_retries_total");
    /// Calls refused for want of a connection or of a place in the queue.
    refused: IntCounter("gouvtech_database_refused_total");
    /// Calls given up at their deadline.
    timeouts: IntCounter("gouvtech_database_timeouts_total");
    /// Writes whose outcome could not be told.
    unknown_outcomes: IntCounter("gouvtech_database_unknown_outcomes_total");
    /// Connections opened to the database.
    connects: IntCounter("gouvtech_database_connects_total");
    /// Whether the database answered when this was asked.
    up: IntGauge("gouvtech_database_up");
    /// Size of the database, in bytes.
    size: IntGauge("gouvtech_database_size_bytes");
    /// Size of the write-ahead log (SQLite), in bytes.
    wal: IntGauge("gouvtech_database_wal_bytes");
    /// When security.txt expires, in seconds since 1970; 0 when there is none.
    security_txt_expires: IntGauge("gouvtech_security_txt_expires_timestamp_seconds");
    /// Whether this instance's search index is there and follows the journal.
    search_up: IntGauge("gouvtech_search_up");
    /// Position of the last entry of the journal that the search index shows.
    search_position: IntGauge("gouvtech_search_journal_position");
    /// Solutions that can be found.
    search_solutions: IntGauge("gouvtech_search_solutions");
    /// Whether the instance is about to stop.
    leaving: IntGauge("gouvtech_leaving");
    /// 1; the program is in the labels.
    build: IntGaugeVec("gouvtech_build_info", "version", "database");
}

impl Metrics {
    /// Series that are there before anything happens, so that a rule can tell none from nothing.
    fn start(&self) {
        for policy in Policy::ALL {
            self.limited.with_label_values(&[policy.code()]);
        }
        for code in Code::ALL {
            self.problems.with_label_values(&[code.code()]);
        }
        for kind in RefusalKind::ALL {
            self.refusals.with_label_values(&[kind.code()]);
        }
    }

    pub fn served(&self, method: &Method, route: &str, status: StatusCode, took: Duration) {
        let known = matches!(
            *method,
            Method::GET | Method::HEAD | Method::POST | Method::PUT | Method::PATCH | Method::DELETE | Method::OPTIONS
        );
        let method = if known { method.as_str() } else { "other" };
        self.requests.with_label_values(&[method, route, status.as_str()]).observe(took.as_secs_f64());
    }

    pub fn rate_limited(&self, policy: Policy) {
        self.limited.with_label_values(&[policy.code()]).inc();
    }

    pub fn problem(&self, code: Code) {
        self.problems.with_label_values(&[code.code()]).inc();
    }

    /// Everything, as Prometheus reads it.
    pub async fn text(&self, app: &App) -> Result<String> {
        let set = |gauge: &IntGauge, value: u64| gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        // Counted elsewhere since the start: catch up.
        let follow = |counter: &IntCounter, value: u64| counter.inc_by(value.saturating_sub(counter.get()));
        let stats = app.store.stats();
        set(&self.in_flight, app.load.now() as u64);
        set(&self.in_flight_limit, app.settings.max_in_flight as u64);
        set(&self.connections, stats.connections);
        set(&self.in_use, stats.in_use);
        set(&self.waiting, stats.waiting);
        set(&self.stuck, stats.stuck);
        set(&self.queue, stats.queue_length);
        set(&self.queue_limit, stats.queue_capacity);
        set(&self.wal, stats.wal_bytes);
        let kept = app.kept.stats();
        set(&self.kept_bytes, kept.bytes);
        set(&self.kept_limit, kept.limit);
        follow(&self.kept_hits, kept.hits);
        follow(&self.kept_misses, kept.misses);
        follow(&self.kept_evictions, kept.evictions);
        follow(&self.batches, stats.batches);
        follow(&self.batched_writes, stats.batched_writes);
        follow(&self.retries, stats.retries);
        follow(&self.refused, stats.refused);
        follow(&self.timeouts, stats.timeouts);
        follow(&self.unknown_outcomes, stats.unknown_outcomes);
        follow(&self.connects, stats.connects);
        for (kind, count) in refusal::counts() {
            follow(&self.refusals.with_label_values(&[kind.code()]), count);
        }
        let size = size_of(app).await;
        self.up.set(i64::from(size.is_some()));
        if let Some(size) = size {
            self.size.set(size);
        }
        self.security_txt_expires.set(app.settings.security.as_ref().map_or(0, |one| one.expires.timestamp()));
        let live = app.search_now();
        self.search_up.set(i64::from(live.as_ref().is_some_and(|live| live.follower.is_up())));
        if let Some(live) = live {
            self.search_position.set(live.follower.position());
            set(&self.search_solutions, live.search.count());
        }
        self.leaving.set(i64::from(app.is_leaving()));
        let kind = match app.store.backend() {
            Backend::Sqlite { .. } => "sqlite",
            Backend::Postgres { .. } => "postgresql",
        };
        self.build.with_label_values(&[env!("CARGO_PKG_VERSION"), kind]).set(1);
        TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .map_err(|error| Error::Internal(format!("metrics: {error}")))
    }
}

/// Bytes of the database; none when it does not answer.
async fn size_of(app: &App) -> Option<i64> {
    #[derive(QueryableByName)]
    struct Size {
        #[diesel(sql_type = BigInt)]
        bytes: i64,
    }
    let sql = match app.store.backend() {
        Backend::Sqlite { .. } => "SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size",
        Backend::Postgres { .. } => "SELECT pg_database_size(current_database()) AS bytes",
    };
    let asked = app.store.read_within(PATIENCE, move |db| Ok(diesel::sql_query(sql).get_result::<Size>(db)?)).await;
    asked.map(|size| size.bytes).ok()
}
