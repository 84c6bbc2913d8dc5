//! The application: what it is made of and its one route table, used by the
//! server and by the tests alike.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::http::Method;
use actix_web::middleware::{Compress, from_fn};
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpServer};

use crate::auth::issuers::Issuer;
use crate::auth::ring::Keys;
use crate::auth::token::Policy;
use crate::clock::Clock;
use crate::config::Settings;
use crate::db::Store;
use crate::error::{Error, Result};
use crate::http::boundary;
use crate::http::contract::Contract;
use crate::http::idempotency::InFlight;
use crate::http::page::CursorKey;
use crate::http::route::{self, Endpoint};
use crate::openapi;
use crate::service_accounts::secret::Hasher;

/// What every handler can reach.
pub struct App {
    pub settings: Settings,
    pub store: Store,
    pub keys: Arc<Keys>,
    pub policy: Policy,
    /// Whose tokens are believed beside our own.
    pub issuers: Vec<Issuer>,
    pub hasher: Hasher,
    pub contract: Contract,
    pub in_flight: InFlight,
}

impl App {
    /// Puts the application together over a migrated database.
    ///
    /// # Errors
    /// Words for whoever starts the server.
    pub fn new(settings: Settings, clock: Clock) -> std::result::Result<Self, String> {
        let keys = Keys::load(&settings.signing_key, settings.may_make_key, clock.now())
            .map_err(|reason| format!("setting signing_key (--signing-key, GOUVTECH_SIGNING_KEY): {reason}"))?;
        let store = Store::open(&settings.backend, &settings.limits, clock).map_err(|e| e.to_string())?;
        let mut issuers = Vec::new();
        for one in &settings.issuers {
            let name = one.issuer.clone();
            issuers.push(Issuer::new(one.clone()).map_err(|reason| format!("setting issuers, {name}: {reason}"))?);
        }
        let contract = Contract::new(openapi::document()).map_err(|e| e.to_string())?;
        Ok(Self {
            policy: Policy { issuer: settings.issuer.clone(), audience: settings.audience.clone() },
            keys: Arc::new(keys),
            issuers,
            hasher: Hasher::new(settings.workers),
            store,
            contract,
            in_flight: InFlight::default(),
            settings,
        })
    }

    /// What signs the cursors of this application's lists.
    pub fn cursor_key(&self) -> Result<CursorKey> {
        self.keys.held().cursor_key(self.store.clock().now()).map_err(Error::Internal)
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
    all.extend(crate::service_accounts::routes::endpoints());
    all.extend(crate::service_accounts::oauth::endpoints());
    all.extend(crate::families::routes::endpoints());
    all.extend(crate::criteria::routes::endpoints());
    all.extend(crate::solutions::routes::endpoints());
    all.extend(crate::evaluations::routes::endpoints());
    all.extend(crate::reviews::routes::endpoints());
    all.extend(crate::labels::routes::endpoints());
    all.extend(crate::probes::endpoints());
    all
}

/// Registers the route table: one resource per path, with an answer for every method.
fn register(config: &mut ServiceConfig) {
    let mut paths: BTreeMap<String, Vec<Endpoint>> = BTreeMap::new();
    for endpoint in endpoints() {
        paths.entry(endpoint.path.clone()).or_default().push(endpoint);
    }
    // Fixed words before patterns: `/criteria-sets/{id}` must not swallow a longer name.
    let mut paths: Vec<_> = paths.into_iter().collect();
    paths.sort_by_key(|(path, _)| path.replace('{', "\u{10ffff}"));
    for (path, endpoints) in paths {
        let mut resource = web::resource(path);
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
        config.service(resource.default_service(web::to(move |request: HttpRequest| {
            let answer = boundary::other_method(&allowed, &request);
            async move { answer }
        })));
    }
    config.service(web::redirect("/docs", "/docs/"));
    config.service(crate::probes::docs());
    config.default_service(web::to(boundary::not_found));
}

/// A server of this application on an open socket.
///
/// # Errors
/// What the system says about the socket.
pub fn serve(app: Data<App>, listener: TcpListener) -> std::io::Result<Server> {
    let workers = app.settings.workers;
    let head_timeout = Duration::from_secs(app.settings.head_timeout_seconds);
    Ok(HttpServer::new(move || {
        actix_web::App::new()
            .app_data(app.clone())
            .configure(register)
            .wrap(Compress::default())
            .wrap(from_fn(boundary::guard))
    })
    .workers(workers)
    .client_request_timeout(head_timeout)
    .shutdown_timeout(10)
    .listen(listener)?
    .run())
}
