//! A fluent client. Every answer is checked: its status is one the document
//! names for the operation, its body fits the schema given there.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::Value;

use super::app::App;

/// One for all cases: its connections are kept for the next request.
static AGENT: LazyLock<ureq::Agent> = LazyLock::new(|| {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .max_redirects(0)
        .timeout_global(Some(std::time::Duration::from_secs(60)))
        .build()
        .into()
});

pub struct Request<'a> {
    app: &'a App,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
    is_checked: bool,
}

#[derive(Debug, Clone)]
pub struct Response {
    pub status: u16,
    pub headers: HashMap<String, String>,
    pub bytes: Vec<u8>,
    shown: String,
}

impl<'a> Request<'a> {
    pub fn new(app: &'a App, method: &str, path: &str) -> Self {
        Self {
            app,
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: None,
            is_checked: true,
        }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With an access token.
    pub fn by(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// With the tag of the version the change starts from.
    pub fn on(self, response: &Response) -> Self {
        let tag = response.headers.get("etag").cloned().unwrap_or_else(|| panic!("no ETag in {}", response.shown));
        self.header("if-match", &tag)
    }

    pub fn json(mut self, body: &Value) -> Self {
        let kind = if self.method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        self.body = Some(body.to_string().into_bytes());
        self.header("content-type", kind)
    }

    pub fn bytes(mut self, kind: &str, body: &[u8]) -> Self {
        self.body = Some(body.to_vec());
        self.header("content-type", kind)
    }

    /// For what no document describes: unknown paths and methods.
    pub fn unchecked(mut self) -> Self {
        self.is_checked = false;
        self
    }

    pub fn send(self) -> Response {
        let mut builder = ureq::http::Request::builder()
            .method(self.method.as_str())
            .uri(format!("{}{}", self.app.address, self.path));
        for (name, value) in &self.headers {
            builder = builder.header(name, value);
        }
        let outcome = match &self.body {
            Some(body) => AGENT.run(builder.body(body.clone()).expect("a request")),
            None => AGENT.run(builder.body(()).expect("a request")),
        };
        let mut answer = outcome.unwrap_or_else(|error| panic!("{} {}: {error}", self.method, self.path));
        let headers = answer
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()))
            .collect();
        let status = answer.status().as_u16();
        let bytes = answer.body_mut().with_config().limit(64 << 20).read_to_vec().expect("a body");
        let shown = format!("{} {} → {status} {}", self.method, self.path, String::from_utf8_lossy(&bytes));
        let response = Response { status, headers, bytes, shown };
        if self.is_checked {
            self.check(&response);
        }
        response
    }

    /// Sends, and wants this status.
    pub fn expect(self, status: u16) -> Response {
        let response = self.send();
        assert_eq!(response.status, status, "{}", response.shown);
        response
    }

    fn check(&self, response: &Response) {
        let contract = &self.app.inner.contract;
        let path = self.path.split('?').next().unwrap_or_default();
        let method = if self.method == "HEAD" { "get".to_owned() } else { self.method.to_lowercase() };
        let paths = contract.document()["paths"].as_object().expect("paths");
        let operation = paths
            .iter()
            .filter(|(pattern, item)| fits(pattern, path) && item.get(&method).is_some())
            .min_by_key(|(pattern, _)| pattern.matches('{').count())
            .map(|(_, item)| &item[&method])
            .unwrap_or_else(|| panic!("no operation for {} {path}", self.method));
        let described = &operation["responses"][response.status.to_string()];
        assert!(
            !described.is_null(),
            "{} does not document {}: {}",
            operation["operationId"],
            response.status,
            response.shown
        );
        let described = match described["$ref"].as_str() {
            Some(reference) => {
                contract.document().pointer(reference.trim_start_matches('#')).expect("a shared response")
            }
            None => described,
        };
        if self.method == "HEAD" || response.status == 304 {
            assert!(response.bytes.is_empty(), "a body where none may be: {}", response.shown);
            return;
        }
        let kind = response.headers.get("content-type").cloned().unwrap_or_default();
        match described["content"].as_object() {
            None => assert!(response.bytes.is_empty(), "an undocumented body: {}", response.shown),
            Some(content) => {
                let media = content.get(kind.split(';').next().unwrap_or_default());
                let schema = &media.unwrap_or_else(|| panic!("{kind} is not documented: {}", response.shown))["schema"];
                if kind == "application/octet-stream" || response.headers.contains_key("content-encoding") {
                    // Bytes are no text: a schema has nothing to say of them.
                    return;
                }
                let name = format!("{}#{} {kind}", operation["operationId"], response.status);
                let mut verdict = contract.check_with(&name, schema, &response.json()).expect("a schema");
                if self.path.contains("fields=") {
                    verdict.invalid.retain(|fault| fault.code != "required");
                }
                assert!(verdict.is_good(), "{name} breaks its schema: {verdict:?}\n{}", response.shown);
            }
        }
        for header in described["headers"].as_object().into_iter().flatten().map(|(name, _)| name.to_lowercase()) {
            let is_optional = header == "link" || header.starts_with("ratelimit");
            assert!(is_optional || response.headers.contains_key(&header), "no {header}: {}", response.shown);
        }
    }
}

fn fits(pattern: &str, path: &str) -> bool {
    let (mut pattern, mut path) = (pattern.split('/'), path.split('/'));
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return true,
            (Some(p), Some(s)) if p == s || (p.starts_with('{') && !s.is_empty()) => {}
            _ => return false,
        }
    }
}

impl Response {
    /// The body as a value; one of another type as a text.
    pub fn json(&self) -> Value {
        if self.headers.get("content-type").is_some_and(|kind| !kind.contains("json") || kind.contains("ndjson")) {
            return String::from_utf8_lossy(&self.bytes).into_owned().into();
        }
        serde_json::from_slice(&self.bytes).unwrap_or_else(|error| panic!("{error}: {}", self.shown))
    }

    pub fn id(&self) -> String {
        self.text("id")
    }

    /// A member that is text.
    pub fn text(&self, name: &str) -> String {
        self.json()[name].as_str().unwrap_or_else(|| panic!("no {name} in {}", self.shown)).to_owned()
    }

    /// `pointer code` of every fault of a problem, in order.
    pub fn faults(&self) -> Vec<String> {
        let json = self.json();
        json["errors"]
            .as_array()
            .map(|faults| {
                faults
                    .iter()
                    .map(|fault| {
                        let place =
                            fault["pointer"].as_str().or_else(|| fault["parameter"].as_str()).unwrap_or_default();
                        format!("{place} {}", fault["code"].as_str().unwrap_or_default())
                    })
                    .collect()
            })
            .unwrap_or_default()
    }

    /// Wants this fault among those of a problem.
    pub fn has_fault(&self, fault: &str) -> &Self {
        assert!(self.faults().iter().any(|one| one == fault), "no `{fault}` in {}", self.shown);
        self
    }
}
