//! Rate limits: how many requests a minute a principal, or else an address, may send.
//!
//! A caller that has been quiet may send a whole minute's worth at once; it is then given
//! back evenly (GCRA).

use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroU32;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use governor::clock::{Clock, MonotonicClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

use super::client::Client;
use crate::auth::Principal;
use crate::config::Settings;
use crate::error::{Code, Problem};
use crate::text;

pub const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
pub const STATE: HeaderName = HeaderName::from_static("ratelimit");

const MINUTE: Duration = Duration::from_secs(60);
/// Callers fall into this many places, by a hash nobody outside can foresee. So memory is
/// bounded whoever calls; the price is that, rarely, two callers share a budget.
const PLACES: u64 = 1 << 18;

/// Where tokens are asked for with a secret.
const TOKEN_PATH: &str = "/api/v1/oauth/token";

crate::codes! {
    /// A budget of its own.
    pub enum Policy {
        /// GET, HEAD, OPTIONS.
        Reads = "reads",
        Writes = "writes",
        /// Requests with a token that is refused, by address.
        Failures = "failed-authentications",
        /// Requests for a token, by address.
        Tokens = "tokens",
    }
}

type Limiter = RateLimiter<u64, DashMapStateStore<u64>, MonotonicClock, StateInformationMiddleware>;

struct Budget {
    policy: Policy,
    per_minute: NonZeroU32,
    limiter: Limiter,
}

/// All budgets of this instance.
pub struct Rates {
    reads: Option<Budget>,
    writes: Option<Budget>,
    failures: Option<Budget>,
    tokens: Option<Budget>,
    seed: RandomState,
}

/// What is left of a budget; said in the answer's headers (draft-ietf-httpapi-ratelimit-headers).
#[derive(Debug, Clone, Copy)]
pub struct Left {
    pub policy: Policy,
    per_minute: u32,
    remaining: u32,
}

impl Left {
    pub fn say(&self, headers: &mut HeaderMap) {
        let Self { policy, per_minute, remaining } = self;
        // Until all is given back, in whole seconds.
        let reset = (u64::from(per_minute - remaining) * MINUTE.as_secs()).div_ceil(u64::from(*per_minute));
        for (name, text) in [
            (POLICY, format!("\"{policy}\";q={per_minute};w={}", MINUTE.as_secs())),
            (STATE, format!("\"{policy}\";r={remaining};t={reset}")),
        ] {
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.insert(name, value);
            }
        }
    }
}

/// A request too many.
pub struct TooMany {
    pub left: Left,
    pub problem: Problem,
}

impl Rates {
    pub fn new(settings: &Settings) -> Self {
        let budget = |policy, per_minute| {
            let per_minute = NonZeroU32::new(per_minute)?;
            let quota = Quota::per_minute(per_minute);
            let limiter = RateLimiter::dashmap_with_clock(quota, MonotonicClock).with_middleware();
            Some(Budget { policy, per_minute, limiter })
        };
        Self {
            reads: budget(Policy::Reads, settings.rate_limit_reads),
            writes: budget(Policy::Writes, settings.rate_limit_writes),
            failures: budget(Policy::Failures, settings.rate_limit_failures),
            tokens: budget(Policy::Tokens, settings.rate_limit_tokens),
            seed: RandomState::new(),
        }
    }

    /// Takes one request out of the budget it falls under.
    ///
    /// # Errors
    /// When there is nothing left.
    pub fn admit(
        &self,
        method: &Method,
        path: &str,
        client: &Client,
        principal: Option<&Principal>,
    ) -> Result<Option<Left>, Box<TooMany>> {
        let by_address = || self.seed.hash_one(client.network());
        if path == TOKEN_PATH {
            return Self::take(self.tokens.as_ref(), by_address());
        }
        let key = principal.map_or_else(by_address, |one| self.seed.hash_one((&one.issuer, &one.subject)));
        let is_read = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        Self::take(if is_read { self.reads.as_ref() } else { self.writes.as_ref() }, key)
    }

    /// Counts a refused token against the address it came from.
    ///
    /// # Errors
    /// When there have been too many.
    pub fn failed(&self, client: &Client) -> Result<Option<Left>, Box<TooMany>> {
        Self::take(self.failures.as_ref(), self.seed.hash_one(client.network()))
    }

    fn take(budget: Option<&Budget>, key: u64) -> Result<Option<Left>, Box<TooMany>> {
        let Some(Budget { policy, per_minute, limiter }) = budget else { return Ok(None) };
        let (policy, per_minute) = (*policy, per_minute.get());
        match limiter.check_key(&(key % PLACES)) {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity().min(per_minute);
                Ok(Some(Left { policy, per_minute, remaining }))
            }
            Err(too_early) => {
                let wait = too_early.wait_time_from(limiter.clock().now()).as_secs() + 1;
                let problem = Problem::new(
                    Code::RateLimited,
                    text!(
                        "Plus de {per_minute} requêtes par minute ; réessayer dans {wait} s.",
                        "More than {per_minute} requests a minute; try again in {wait} s."
                    ),
                )
                .with_header(RETRY_AFTER, &wait.to_string());
                Err(Box::new(TooMany { left: Left { policy, per_minute, remaining: 0 }, problem }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use actix_web::http::Method;

    use super::{Policy, Rates};
    use crate::auth::{Principal, Role};
    use crate::config::{Given, Settings};
    use crate::http::client::Client;

    #[test]
    fn budgets_are_kept_apart_by_caller_and_kind() {
        let settings = Settings::new(Given {
            rate_limit_reads: Some(2),
            rate_limit_writes: Some(1),
            rate_limit_failures: Some(0),
            ..Given::default()
        });
        let rates = Rates::new(&settings.expect("settings"));
        let client = |text: &str| Client {
            address: text.parse::<IpAddr>().expect("an address"),
            is_behind_stranger: false,
            is_forwarded: false,
        };
        let somebody = |subject: &str| Principal {
            issuer: "i".to_owned(),
            subject: subject.to_owned(),
            role: Role::Buyer,
            duties: Vec::new(),
            organisation: None,
            siret: None,
            confirms_organisation: false,
            service_account: None,
        };
        let ask = |method: &Method, from: &str, who: Option<&Principal>| {
            rates.admit(method, "/api/v1/solutions", &client(from), who).is_ok()
        };
        assert!(ask(&Method::GET, "2001:db8::1", None) && ask(&Method::HEAD, "2001:db8::2", None));
        assert!(!ask(&Method::GET, "2001:db8::3", None), "one /64 is one client");
        assert!(ask(&Method::GET, "192.0.2.1", None));
        assert!(ask(&Method::POST, "2001:db8::3", None) && !ask(&Method::POST, "2001:db8::3", None));
        let (alice, bob) = (somebody("alice"), somebody("bob"));
        assert!(ask(&Method::POST, "2001:db8::3", Some(&alice)) && !ask(&Method::PUT, "192.0.2.1", Some(&alice)));
        assert!(ask(&Method::POST, "2001:db8::3", Some(&bob)));
        assert!((0..1000).all(|_| rates.failed(&client("192.0.2.1")).is_ok()), "0 is off");
        let Err(refused) = rates.admit(&Method::GET, "/", &client("2001:db8::1"), None) else { panic!("let in") };
        assert_eq!(refused.left.policy, Policy::Reads);
        let headers = &refused.problem.headers;
        assert!(headers.iter().any(|(name, value)| name == "retry-after" && value != "0"), "{headers:?}");
    }
}
