//! The one route table: a handler enters it together with its description, so
//! that none can be reachable without being documented.

use actix_web::Route;
use actix_web::http::Method;
use utoipa::openapi::path::{HttpMethod, Operation};
use utoipa::openapi::{RefOr, Schema};

/// A handler, where it answers, and its description.
pub struct Endpoint {
    pub method: HttpMethod,
    pub path: String,
    /// Makes its description, which workers need not: together they are megabytes.
    pub operation: fn() -> Operation,
    pub schemas: fn() -> Vec<(String, RefOr<Schema>)>,
    /// Makes the actix route; called once per method and worker.
    pub route: fn(Method) -> Route,
}

impl Endpoint {
    /// From the description that `#[utoipa::path]` makes beside a handler.
    pub fn of<P>(route: fn(Method) -> Route) -> Self
    where
        P: utoipa::Path + utoipa::__dev::SchemaReferences + for<'a> utoipa::__dev::Tags<'a>,
    {
        Self {
            method: P::methods().into_iter().next().unwrap_or(HttpMethod::Get),
            path: P::path(),
            operation: || {
                let mut operation = P::operation();
                operation.tags = Some(P::tags().into_iter().map(ToOwned::to_owned).collect());
                operation
            },
            schemas: || {
                let mut schemas = Vec::new();
                P::schemas(&mut schemas);
                schemas
            },
            route,
        }
    }
}

/// Lists handlers of the module it is used in.
#[macro_export]
macro_rules! endpoints {
    ($($handler:ident),+ $(,)?) => {
        pastey::paste! {
            vec![$($crate::http::route::Endpoint::of::<[<__path_ $handler>]>(
                |method| actix_web::web::method(method).to($handler),
            )),+]
        }
    };
}

/// The method of HTTP that the document names.
pub fn method(of: &HttpMethod) -> Method {
    match of {
        HttpMethod::Get => Method::GET,
        HttpMethod::Post => Method::POST,
        HttpMethod::Put => Method::PUT,
        HttpMethod::Delete => Method::DELETE,
        HttpMethod::Patch => Method::PATCH,
        HttpMethod::Head => Method::HEAD,
        HttpMethod::Trace => Method::TRACE,
        _ => Method::OPTIONS,
    }
}
