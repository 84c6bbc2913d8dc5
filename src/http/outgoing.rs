//! Requests that the program itself makes: to nobody but whom it is told, within bounds.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};

/// A client that follows nobody elsewhere, keeps no connection, and waits so long for a whole answer.
///
/// `ca_file`: whose certificates are believed instead of the public ones. `proxy`: only the one that is
/// given; what the environment says is not ours to read.
///
/// # Errors
/// A certificate file or a proxy that cannot be used.
pub fn agent(ca_file: Option<&Path>, proxy: Option<&str>, patience: Duration) -> Result<ureq::Agent, String> {
    let roots = match ca_file {
        None => RootCerts::WebPki,
        Some(path) => {
            let shown = path.display();
            let text = std::fs::read(path).map_err(|e| format!("ca_file: {shown}: {e}"))?;
            let mut certificates: Vec<Certificate<'static>> = Vec::new();
            for item in parse_pem(&text) {
                if let PemItem::Certificate(one) = item.map_err(|e| format!("ca_file: {shown}: {e}"))? {
                    certificates.push(one);
                }
            }
            if certificates.is_empty() {
                return Err(format!("ca_file: {shown}: no certificate in PEM"));
            }
            RootCerts::new_with_certs(&certificates)
        }
    };
    let proxy = match proxy {
        None => None,
        Some(proxy) => Some(ureq::Proxy::new(proxy).map_err(|e| format!("proxy: {e}"))?),
    };
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .root_certs(roots)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .build();
    Ok(ureq::Agent::config_builder()
        .tls_config(tls)
        .proxy(proxy)
        .max_redirects(0)
        .max_redirects_will_error(true)
        .timeout_global(Some(patience))
        .max_idle_connections(0)
        .user_agent("gouvtech-catalogue")
        .build()
        .into())
}
