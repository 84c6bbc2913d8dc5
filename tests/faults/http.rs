//! A client that knows what it got: a complete answer, or nothing to rely on.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longest anybody waits for an answer here: beyond, the request counts as unanswered.
const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Clone)]
pub struct Client {
    agent: ureq::Agent,
    pub base: String,
}

#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
    pub after: Duration,
}

/// A request in the making.
pub struct Request<'a> {
    client: &'a Client,
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Option<String>,
}

impl Client {
    pub fn new(base: &str) -> Self {
        Self::patient(base, PATIENCE)
    }

    pub fn patient(base: &str, patience: Duration) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(patience))
            .max_redirects(0)
            .build()
            .new_agent();
        Self { agent, base: base.to_owned() }
    }

    pub fn get(&self, path: &str) -> Request<'_> {
        self.request("GET", path)
    }

    pub fn post(&self, path: &str) -> Request<'_> {
        self.request("POST", path)
    }

    pub fn request(&self, method: &'static str, path: &str) -> Request<'_> {
        Request { client: self, method, path: path.to_owned(), headers: Vec::new(), body: None }
    }
}

impl Request<'_> {
    pub fn by(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub fn json(self, body: &Value) -> Self {
        self.text("application/json", body.to_string())
    }

    pub fn merge(self, body: &Value) -> Self {
        self.text("application/merge-patch+json", body.to_string())
    }

    pub fn text(mut self, kind: &str, body: String) -> Self {
        self.body = Some(body);
        self.header("content-type", kind)
    }

    /// A complete answer, or why there is none.
    pub fn send(self) -> Result<Answer, String> {
        let start = Instant::now();
        let mut builder =
            ureq::http::Request::builder().method(self.method).uri(format!("{}{}", self.client.base, self.path));
        for (name, value) in &self.headers {
            builder = builder.header(*name, value);
        }
        let agent = &self.client.agent;
        let outcome = match self.body {
            Some(body) => agent.run(builder.body(body).map_err(|e| e.to_string())?),
            None => agent.run(builder.body(()).map_err(|e| e.to_string())?),
        };
        let mut answer = outcome.map_err(|error| error.to_string())?;
        let headers = answer
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()))
            .collect();
        let status = answer.status().as_u16();
        let body = answer.body_mut().with_config().limit(64 << 20).read_to_vec().map_err(|error| error.to_string())?;
        Ok(Answer { status, headers, body, after: start.elapsed() })
    }

    /// Sends, and wants one of these; which it was.
    pub fn expect_one_of(self, statuses: &[u16]) -> u16 {
        let shown = format!("{} {}", self.method, self.path);
        let answer = self.send().unwrap_or_else(|error| panic!("{shown}: {error}"));
        assert!(statuses.contains(&answer.status), "{shown}: {}", answer.shown());
        answer.status
    }

    /// Sends, and wants this status.
    pub fn expect(self, status: u16) -> Answer {
        let shown = format!("{} {}", self.method, self.path);
        let answer = self.send().unwrap_or_else(|error| panic!("{shown}: {error}"));
        assert_eq!(answer.status, status, "{shown}: {}", String::from_utf8_lossy(&answer.body));
        answer
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub fn member(&self, name: &str) -> String {
        self.json()[name].as_str().unwrap_or_else(|| panic!("no {name} in {}", self.shown())).to_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The version in the entity tag.
    pub fn version(&self) -> Option<i64> {
        self.header("etag").trim_start_matches("\"v").split(['.', '"']).next()?.parse().ok()
    }

    pub fn shown(&self) -> String {
        format!("{} {}", self.status, String::from_utf8_lossy(&self.body))
    }

    /// A 503 as promised: a problem that says when to come back. Also a 507, which does not.
    pub fn is_polite_refusal(&self) -> bool {
        let is_problem = self.header("content-type") == "application/problem+json";
        let says_when = !self.header("retry-after").is_empty();
        match self.status {
            503 | 429 => is_problem && says_when,
            507 => is_problem,
            409 => self.json()["code"] == "idempotency_in_flight" && says_when,
            _ => false,
        }
    }
}
