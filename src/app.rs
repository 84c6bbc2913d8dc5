//! The application: what it is made of and its one route table, used by the
//! server and by the tests alike.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::http::Method;
use actix_web::middleware::{Compress, from_fn};
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpServer, Resource};

use crate::auth::issuers::Issuer;
use crate::auth::ring::Keys;
use crate::auth::token::Policy;
use crate::clock::Clock;
use crate::config::Settings;
use crate::db::{Listener, Store};
use crate::error::{Error, Result};
use crate::http::boundary;
use crate::http::contract::Contract;
use crate::http::idempotency::InFlight;
use crate::http::load::Load;
use crate::http::page::CursorKey;
use crate::http::rates::Rates;
use crate::http::route::{self, Endpoint};
use crate::kept::Kept;
use crate::log::identity::{Log, Remembers};
use crate::metrics::Metrics;
use crate::search::{Live, ReadModel};
use crate::service_accounts::secret::Hasher;
use crate::{openapi, probes};

/// What every handler can reach.
pub struct App {
    pub settings: Settings,
    pub store: Store,
    pub keys: Arc<Keys>,
    /// Who signs for the transparency log, and under which name.
    pub log: Arc<Log>,
    pub policy: Policy,
    /// Whose tokens are believed beside our own.
    pub issuers: Vec<Issuer>,
    pub hasher: Hasher,
    pub contract: Contract,
    pub in_flight: InFlight,
    pub rates: Rates,
    pub load: Load,
    /// Answers to whoever asks without a token.
    pub kept: Arc<Kept>,
    pub metrics: Metrics,
    is_leaving: AtomicBool,
    /// What the public reads, from the first request on.
    read_model: OnceLock<ReadModel>,
}

impl App {
    /// Puts the application together over a migrated database.
    ///
    /// # Errors
    /// Words for whoever starts the server.
    pub fn new(settings: Settings, clock: Clock) -> std::result::Result<Self, String> {
        probes::security::check(settings.security.as_ref(), clock.now())?;
        let metrics = Metrics::new().map_err(|e| e.to_string())?;
        let keys = Keys::load(&settings.signing_key, settings.may_make_key, clock.now())
            .map_err(|reason| format!("setting signing_key (--signing-key, GOUVTECH_SIGNING_KEY): {reason}"))?;
        let log = Log::load(&settings)
            .map_err(|reason| format!("setting log_key (--log-key, GOUVTECH_LOG_KEY): {reason}"))?;
        let store = Store::open(&settings.backend, &settings.limits, clock).map_err(|e| e.to_string())?;
        let mut issuers = Vec::new();
        for one in &settings.issuers {
            let name = one.issuer.clone();
            issuers.push(Issuer::new(one.clone()).map_err(|reason| format!("setting issuers, {name}: {reason}"))?);
        }
        let kept = Arc::new(Kept::new(settings.kept_bytes));
        store.tell(Arc::<Kept>::clone(&kept));
        let contract = Contract::new(openapi::document()).map_err(|e| e.to_string())?;
        Ok(Self {
            policy: Policy { issuer: settings.issuer.clone(), audience: settings.audience.clone() },
            keys: Arc::new(keys),
            log: Arc::new(log),
            issuers,
            hasher: Hasher::new(settings.workers),
            store,
            contract,
            in_flight: InFlight::default(),
            rates: Rates::new(&settings),
            load: Load::default(),
            kept,
            metrics,
            is_leaving: AtomicBool::new(false),
            read_model: OnceLock::new(),
            settings,
        })
    }

    /// Starts what a server needs and a command does not: the index of what the public reads.
    fn begin(&self) -> std::io::Result<()> {
        if self.read_model.get().is_none() {
            let folder = self.settings.data_dir.join("search");
            // After the index: an answer made from it before it changed must not hold after.
            let remembers = Remembers::new(Arc::clone(&self.log), self.store.aside());
            let others = vec![Arc::clone(&self.kept) as Arc<dyn Listener>, Arc::new(remembers)];
            let _another_was_faster = self.read_model.set(ReadModel::start(self.store.clone(), folder, others)?);
        }
        Ok(())
    }

    /// The index, as soon as it is there, with all that this instance has written.
    pub async fn search(&self) -> Result<Arc<Live>> {
        match self.read_model.get() {
            Some(model) => model.get().await,
            None => Err(Error::Internal("a request before the server began".to_owned())),
        }
    }

    /// Whether this instance has heard of all that was committed anywhere up to so long ago.
    pub fn has_heard(&self, within: Duration) -> bool {
        self.read_model.get().is_some_and(|model| model.has_heard(within))
    }

    /// The index, if it is there.
    pub fn search_now(&self) -> Option<Arc<Live>> {
        self.read_model.get().and_then(ReadModel::now)
    }

    /// The index, if it is there and has all that this instance has committed.
    pub fn search_as_committed(&self) -> Option<Arc<Live>> {
        self.search_now().filter(|live| live.follower.has_all())
    }

    /// What signs the cursors of this application's lists.
    pub fn cursor_key(&self) -> Result<CursorKey> {
        self.keys.held().cursor_key(self.store.clock().now()).map_err(Error::Internal)
    }

    /// Whether this instance is about to stop: still serving, no longer ready.
    pub fn is_leaving(&self) -> bool {
        self.is_leaving.load(Ordering::Relaxed)
    }

    /// Says so.
    pub fn leave(&self) {
        self.is_leaving.store(true, Ordering::Relaxed);
    }

    /// The application behind a request.
    pub fn of(request: &HttpRequest) -> Result<Data<Self>> {
        request.app_data::<Data<Self>>().cloned().ok_or_else(|| Error::Internal("no application".to_owned()))
    }
}

/// Every endpoint there is: what is not here cannot be reached, what is here is documented.
pub fn endpoints() -> Vec<Endpoint> {
    let mut all = Vec::new();
    all.extend(crate::organisations::routes::endpoints());
    all.extend(crate::organisations::links::endpoints());
    all.extend(crate::service_accounts::routes::endpoints());
    all.extend(crate::service_accounts::oauth::endpoints());
    all.extend(crate::families::routes::endpoints());
    all.extend(crate::criteria::routes::endpoints());
    all.extend(crate::solutions::routes::endpoints());
    all.extend(crate::evaluations::routes::endpoints());
    all.extend(crate::reviews::routes::endpoints());
    all.extend(crate::labels::routes::endpoints());
    all.extend(crate::notifications::routes::endpoints());
    all.extend(crate::log::routes::endpoints());
    all.extend(crate::accreditations::routes::endpoints());
    all.extend(crate::appeals::routes::endpoints());
    all.extend(crate::qualifications::routes::endpoints());
    all.extend(crate::search::routes::endpoints());
    all.extend(crate::comparisons::routes::endpoints());
    all.extend(crate::exports::routes::endpoints());
    all.extend(crate::persons::routes::endpoints());
    all.extend(crate::probes::endpoints());
    all
}

/// What follows the first parameter of some paths.
type Rests = Vec<(String, Vec<Endpoint>)>;

/// Registers the route table. A path is looked for by its fixed words, which cost a comparison each, and
/// only then by its first parameter and what follows: a hundred patterns one after another cost more than
/// most answers.
fn register(config: &mut ServiceConfig) {
    let mut paths: BTreeMap<String, Vec<Endpoint>> = BTreeMap::new();
    for endpoint in endpoints() {
        paths.entry(endpoint.path.clone()).or_default().push(endpoint);
    }
    let mut beneath: BTreeMap<String, BTreeMap<String, Rests>> = BTreeMap::new();
    for (path, endpoints) in paths {
        let Some((fixed, rest)) = path.split_once("/{") else {
            config.service(resource(&path, endpoints));
            continue;
        };
        let (parameter, rest) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let under = beneath.entry(fixed.to_owned()).or_default().entry(format!("/{{{parameter}")).or_default();
        under.push((rest.to_owned(), endpoints));
    }
    for (fixed, parameters) in beneath {
        let mut scope = web::scope(&fixed);
        for (parameter, mut under) in parameters {
            // Fixed words before patterns: one must not swallow a longer name.
            under.sort_by_key(|(rest, _)| rest.replace('{', "\u{10ffff}"));
            scope =
                scope.service(under.into_iter().fold(web::scope(&parameter), |scope, (rest, endpoints)| {
                    scope.service(resource(&rest, endpoints))
                }));
        }
        config.service(scope);
    }
    config.service(web::redirect("/docs", "/docs/"));
    config.service(crate::probes::docs());
    config.default_service(web::to(boundary::not_found));
}

/// One path, with an answer for every method.
fn resource(path: &str, endpoints: Vec<Endpoint>) -> Resource {
    // The address of a tile has slashes of its own.
    let mut resource = web::resource(path.replace("{tile}", "{tile:.*}"));
    let mut allowed = vec!["OPTIONS".to_owned()];
    for endpoint in &endpoints {
        let method = route::method(&endpoint.method);
        allowed.push(method.to_string());
        if method == Method::GET {
            allowed.push("HEAD".to_owned());
            resource = resource.route((endpoint.route)(Method::HEAD));
        }
        resource = resource.route((endpoint.route)(method));
    }
    let allowed = allowed.join(", ");
    resource.default_service(web::to(move |request: HttpRequest| {
        let answer = boundary::other_method(&allowed, &request);
        async move { answer }
    }))
}

/// A server of this application on an open socket; signals are the caller's.
///
/// # Errors
/// What the system says about the socket.
pub fn serve(app: Data<App>, listener: TcpListener) -> std::io::Result<Server> {
    serve_with(app, listener, |_| {})
}

/// [`serve`] with routes of the caller's beside the application's, which is how tests
/// break what stands behind the boundary.
///
/// # Errors
/// What the system says about the socket.
pub fn serve_with(
    app: Data<App>,
    listener: TcpListener,
    more: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
) -> std::io::Result<Server> {
    app.begin()?;
    let settings = app.settings.clone();
    let seconds = Duration::from_secs;
    let socket = socket2::SockRef::from(&listener);
    socket.listen(settings.backlog)?;
    // Connections inherit it: who takes nothing of an answer for so long is cut off. The server
    // itself would wait for ever.
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(seconds(settings.write_timeout_seconds)))?;
    Ok(HttpServer::new(move || {
        let more = more.clone();
        actix_web::App::new()
            .app_data(app.clone())
            .configure(move |config| {
                more(config);
                register(config);
            })
            .wrap(Compress::default())
            .wrap(from_fn(boundary::guard))
    })
    .workers(settings.workers)
    .client_request_timeout(seconds(settings.head_timeout_seconds))
    .client_disconnect_timeout(seconds(1))
    .keep_alive(seconds(settings.keep_alive_seconds))
    .max_connections(settings.max_connections.div_ceil(settings.workers))
    .shutdown_timeout(SHUTDOWN_SECONDS)
    .disable_signals()
    .listen(listener)?
    .run())
}

/// What requests under way get at a shutdown.
const SHUTDOWN_SECONDS: u64 = 7;
