//! Who is at the other end: the client's address behind the proxies we know,
//! the request's id, the trace it belongs to.

use std::net::{IpAddr, Ipv6Addr};

use actix_web::http::header::{HeaderMap, HeaderName};
use ipnet::IpNet;
use uuid::Uuid;

use crate::config::{ForwardedBy, Settings};

pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED: HeaderName = HeaderName::from_static("forwarded");
const VIA: HeaderName = HeaderName::from_static("via");

/// The other end of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// Of the client itself where the proxies between are trusted, else of whoever connected.
    pub address: IpAddr,
    /// Whether somebody in between says so of themselves and is not one we trust: then
    /// `address` is a proxy's, and proves nothing about the client.
    pub is_behind_stranger: bool,
    /// Whether the connection comes from a trusted proxy.
    pub is_forwarded: bool,
}

impl Client {
    pub fn of(peer: Option<IpAddr>, headers: &HeaderMap, settings: &Settings) -> Self {
        let peer = peer.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED)).to_canonical();
        let is_trusted = |address: &IpAddr| is_within(&settings.trusted_proxies, *address);
        if !is_trusted(&peer) {
            let says_so = [FORWARDED_FOR, FORWARDED, VIA].iter().any(|name| headers.contains_key(name));
            return Self { address: peer, is_behind_stranger: says_so, is_forwarded: false };
        }
        let hops = match settings.forwarded_header {
            ForwardedBy::XForwardedFor => hops(headers, &FORWARDED_FOR, address),
            ForwardedBy::Forwarded => hops(headers, &FORWARDED, forwarded_for),
        };
        // From the right: each proxy adds whom it heard. The first that is none of ours is the
        // client; what stands left of it, or cannot be read, is hearsay.
        let mut last = peer;
        for hop in hops.into_iter().rev() {
            let Some(hop) = hop else { break };
            last = hop;
            if !is_trusted(&hop) {
                break;
            }
        }
        Self { address: last, is_behind_stranger: false, is_forwarded: true }
    }

    /// What counts as one client: an address, or the /64 that one subscriber has.
    pub fn network(&self) -> IpAddr {
        match self.address {
            IpAddr::V4(_) => self.address,
            IpAddr::V6(six) => IpAddr::V6(Ipv6Addr::from_bits(six.to_bits() & !u128::from(u64::MAX))),
        }
    }

    /// The id a trusted proxy gave the request, if it is a UUID; else a new one.
    pub fn request_id(&self, headers: &HeaderMap) -> Uuid {
        let mut given = headers.get_all(REQUEST_ID);
        match (given.next(), given.next()) {
            (Some(one), None) if self.is_forwarded => {
                one.to_str().ok().and_then(|text| Uuid::try_parse(text).ok()).unwrap_or_else(Uuid::now_v7)
            }
            _ => Uuid::now_v7(),
        }
    }
}

pub fn is_within(networks: &[IpNet], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&address))
}

fn hops(headers: &HeaderMap, name: &HeaderName, read: fn(&str) -> Option<IpAddr>) -> Vec<Option<IpAddr>> {
    headers.get_all(name).flat_map(|value| value.to_str().unwrap_or("?").split(',').map(read)).collect()
}

/// `192.0.2.1`, `192.0.2.1:8080`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:8080`.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let found = text
        .parse::<IpAddr>()
        .or_else(|_| text.parse::<std::net::SocketAddr>().map(|socket| socket.ip()))
        .ok()
        .or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok())?;
    Some(found.to_canonical())
}

/// The `for` of one element of `Forwarded` (RFC 7239 §4).
fn forwarded_for(element: &str) -> Option<IpAddr> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        name.eq_ignore_ascii_case("for").then(|| address(value.trim_matches('"')))?
    })
}

/// The trace of a `traceparent` (W3C Trace Context §3.2), which a bad one is none of.
pub fn trace_id(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(TRACEPARENT);
    let (Some(one), None) = (all.next(), all.next()) else { return None };
    let text = one.to_str().ok()?;
    let mut parts = text.splitn(5, '-');
    let (version, trace, parent, flags, rest) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next());
    let is_hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let is_set = |part: &str| part.bytes().any(|b| b != b'0');
    let is_good = is_hex(version, 2)
        && version != "ff"
        && is_hex(trace, 32)
        && is_set(trace)
        && is_hex(parent, 16)
        && is_set(parent)
        && is_hex(flags, 2)
        // Version 00 ends here; later ones may add.
        && (version != "00" || rest.is_none());
    is_good.then_some(trace)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

    use super::{Client, trace_id};
    use crate::config::{Given, Settings};

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    fn client(forwarded: Option<&str>, peer: &str, pairs: &[(&'static str, &'static str)]) -> String {
        let settings = Settings::new(Given {
            trusted_proxies: Some(vec!["10.0.0.0/8".to_owned(), "2001:db8:1::/48".to_owned()]),
            forwarded_header: forwarded.map(|_| crate::config::ForwardedBy::Forwarded),
            ..Given::default()
        })
        .expect("settings");
        Client::of(Some(peer.parse().expect("an address")), &headers(pairs), &settings).address.to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        assert_eq!(client(None, "192.0.2.1", &[("x-forwarded-for", "198.51.100.7")]), "192.0.2.1");
        assert_eq!(client(None, "10.0.0.1", &[("x-forwarded-for", "198.51.100.7")]), "198.51.100.7");
        assert_eq!(client(None, "::ffff:10.0.0.1", &[("x-forwarded-for", "198.51.100.7")]), "198.51.100.7");
        assert_eq!(client(None, "10.0.0.1", &[("x-forwarded-for", "1.2.3.4, 198.51.100.7, 10.0.0.2")]), "198.51.100.7");
        assert_eq!(
            client(None, "10.0.0.1", &[("x-forwarded-for", "1.2.3.4"), ("x-forwarded-for", "198.51.100.7")]),
            "198.51.100.7"
        );
        assert_eq!(client(None, "10.0.0.1", &[("x-forwarded-for", "1.2.3.4, unknown")]), "10.0.0.1");
        assert_eq!(client(None, "10.0.0.1", &[("forwarded", "for=1.2.3.4")]), "10.0.0.1", "not the header configured");
        assert_eq!(client(Some(""), "10.0.0.1", &[("x-forwarded-for", "1.2.3.4")]), "10.0.0.1");
        let forwarded = "for=1.2.3.4;proto=https, FOR=\"[2001:db8:2::9]:4711\", for=10.1.1.1;by=_x";
        assert_eq!(client(Some(""), "10.0.0.1", &[("forwarded", forwarded)]), "2001:db8:2::9");
    }

    #[test]
    fn a_subscriber_of_ipv6_is_one_client() {
        let at = |text: &str| Client {
            address: text.parse().expect("an address"),
            is_behind_stranger: false,
            is_forwarded: false,
        };
        assert_eq!(at("2001:db8::1").network(), at("2001:db8::ffff:1").network());
        assert_ne!(at("2001:db8:0:1::1").network(), at("2001:db8:0:2::1").network());
    }

    #[test]
    fn a_trace_is_read_strictly() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(trace_id(&headers(&[("traceparent", good)])), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
        for bad in [
            "",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        ] {
            assert_eq!(trace_id(&headers(&[("traceparent", bad)])), None, "{bad}");
        }
        assert_eq!(trace_id(&headers(&[("traceparent", good), ("traceparent", good)])), None);
    }
}
