//! Limits, languages, codings: what stands around every operation.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpStream;

use gouvtech_catalogue::config::Given;

use crate::cases;
use crate::support::build::sheet;
use crate::support::{App, Kind, json};

cases![
    a_body_over_the_limit_is_refused,
    json_nested_too_deep_is_refused_with_its_place,
    a_long_query_and_long_headers_are_refused,
    other_media_types_are_refused,
    text_that_is_no_text_is_refused,
    problems_speak_french_and_english,
    each_coding_has_its_own_tag,
    head_says_what_get_says,
    a_fault_of_ours_shows_its_id_and_nothing_else,
];

/// An answer as it came over the wire.
struct Raw {
    status: u16,
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

impl Raw {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends these bytes, reads until the other side closes.
fn raw(app: &App, request: &[u8]) -> Raw {
    let mut stream = TcpStream::connect(app.address.trim_start_matches("http://")).expect("connected");
    stream.set_read_timeout(Some(std::time::Duration::from_secs(10))).expect("a timeout");
    // Refused early, the rest of a request may not be wanted any more.
    let _sent = stream.write_all(request);
    let mut bytes = Vec::new();
    let _ended = stream.read_to_end(&mut bytes);
    let end = bytes
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap_or_else(|| panic!("no head in {} bytes", bytes.len()));
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status");
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    Raw { status, headers, body: bytes[end + 4..].to_vec() }
}

fn a_body_over_the_limit_is_refused(app: &App) {
    let vendor = app.vendor(1);
    let limit = app.inner.settings.max_body_bytes;
    let head = format!(
        "POST /api/v1/solutions HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n",
        vendor.token
    );
    let declared = raw(app, format!("{head}content-length: {}\r\n\r\n", limit + 1).as_bytes());
    assert_eq!(declared.status, 413, "{}", declared.text());
    assert!(declared.text().contains("payload_too_large"));

    let chunk = format!("{:x}\r\n{}\r\n", 65_536, " ".repeat(65_536));
    let chunked = raw(
        app,
        format!("{head}transfer-encoding: chunked\r\n\r\n{}0\r\n\r\n", chunk.repeat(limit / 65_536 + 1)).as_bytes(),
    );
    assert_eq!(chunked.status, 413, "{}", chunked.text());

    // The largest body that is read: spaces before good JSON, so that size alone decides.
    let good = sheet("Juste").to_string();
    let padded = format!("{}{good}", " ".repeat(limit - good.len()));
    app.post("/api/v1/solutions").by(&vendor.token).bytes("application/json", padded.as_bytes()).expect(201);
    let over = format!(" {padded}");
    app.post("/api/v1/solutions").by(&vendor.token).bytes("application/json", over.as_bytes()).expect(413);
}

fn json_nested_too_deep_is_refused_with_its_place(app: &App) {
    let vendor = app.vendor(1);
    let post = |body: String| {
        app.post("/api/v1/solutions").by(&vendor.token).bytes("application/json", body.as_bytes()).expect(400)
    };
    let nested = |arrays: usize| format!("{{\"tags\":{}{}}}", "[".repeat(arrays), "]".repeat(arrays));
    let deepest = post(nested(31));
    assert!(
        !deepest.faults().iter().any(|fault| fault.ends_with("too_deep")),
        "32 levels are read: {:?}",
        deepest.faults()
    );
    post(nested(32)).has_fault(&format!("/tags{} too_deep", "/0".repeat(31)));
    post(nested(100_000)).has_fault(&format!("/tags{} too_deep", "/0".repeat(31)));
    let objects = format!("{}1{}", "{\"a\":".repeat(33), "}".repeat(33));
    post(objects).has_fault(&format!("{} too_deep", "/a".repeat(32)));
}

fn a_long_query_and_long_headers_are_refused(app: &App) {
    let limit = app.inner.settings.max_query_bytes;
    assert_eq!(limit, 8192);
    let long = app.get(&format!("/api/v1/solutions?q={}", "a".repeat(limit - 1))).expect(414);
    assert_eq!(long.text("code"), "uri_too_long");
    // At the limit it is read, and then refused for what it says.
    app.get(&format!("/api/v1/solutions?q={}", "a".repeat(limit - 2))).expect(400);
    assert_eq!(app.inner.settings.max_header_bytes, 16_384);
    let heavy = app.get("/api/v1/families").header("x-padding", &"a".repeat(16_384)).expect(431);
    assert_eq!(heavy.text("code"), "headers_too_large");
    app.get("/api/v1/families").header("x-padding", &"a".repeat(15_000)).expect(200);
    let many =
        (0..60).fold(app.get("/api/v1/families"), |request, n| request.header(&format!("x-{n}"), &"a".repeat(300)));
    many.expect(431);
}

fn other_media_types_are_refused(app: &App) {
    let vendor = app.vendor(1);
    let body = sheet("Type").to_string();
    for kind in [
        "text/plain",
        "application/xml",
        "application/x-www-form-urlencoded",
        "application/json; charset=iso-8859-1",
        "json",
        "",
    ] {
        let refused = app.post("/api/v1/solutions").by(&vendor.token).bytes(kind, body.as_bytes()).expect(415);
        assert_eq!(refused.text("code"), "unsupported_media_type", "{kind}");
    }
    let merge = "application/merge-patch+json";
    app.post("/api/v1/solutions").by(&vendor.token).bytes(merge, body.as_bytes()).expect(415);
    app.post("/api/v1/solutions")
        .by(&vendor.token)
        .bytes("Application/JSON; charset=\"UTF-8\"", body.as_bytes())
        .expect(201);
    for accept in ["text/html", "application/xml", "application/json;q=0", "image/*"] {
        let refused = app.get("/api/v1/families").header("accept", accept).expect(406);
        assert_eq!(refused.headers["content-type"], "application/problem+json", "{accept}");
    }
    for accept in
        ["*/*", "application/*", "application/json", "text/html, application/json;q=0.1", "application/problem+json"]
    {
        app.get("/api/v1/families").header("accept", accept).expect(200);
    }
}

fn text_that_is_no_text_is_refused(app: &App) {
    let vendor = app.vendor(1);
    let post = |body: &[u8]| app.post("/api/v1/solutions").by(&vendor.token).bytes("application/json", body);
    let nul = post(br#"{"name": "a\u0000b", "hosting": [{"provider": "\u0000", "country": "FR"}]}"#).expect(422);
    nul.has_fault("/name nul_character").has_fault("/hosting/0/provider nul_character");
    let before = app.get("/api/v1/solutions?status=draft").by(&vendor.token).expect(200).json()["total"].clone();
    for (body, fault) in [
        (&b"{\"name\": \"\xff\"}"[..], " invalid_utf8"),
        (b"{\"name\": \"\xed\xa0\x80\"}", " invalid_utf8"),
        (b"\xef\xbb\xbf{\"name\": \"BOM\"}", " invalid_json"),
        (br#"{"name": "\ud800"}"#, " invalid_json"),
        (br#"{"name": "\udc00\ud800"}"#, " invalid_json"),
        (br#"{"name": "x", "delivery_days": 1e400}"#, " invalid_json"),
        (br#"{"name": "x", "name": "y"}"#, "/name duplicate_member"),
        (br#"{"name": "x", "n\u0061me": "y"}"#, "/name duplicate_member"),
        (br#"{"name": "x", "hosting": [{"country": "FR", "country": "US"}]}"#, "/hosting/0/country duplicate_member"),
        (br#"{"name": "x",}"#, " invalid_json"),
        (br#"{"name": NaN}"#, " invalid_json"),
        (br#"{"name": "x"} {}"#, " invalid_json"),
        (b"", " invalid_json"),
        (b"[]", " wrong_type"),
        (br#"{"name": "x", "nom": "y"}"#, "/nom unknown_member"),
    ] {
        post(body).expect(400).has_fault(fault);
    }
    let huge = post(br#"{"name": "x", "delivery_days": 9223372036854775808}"#).send();
    assert!(huge.status == 422 || huge.status == 400, "{huge:?}");
    assert_eq!(app.get("/api/v1/solutions?status=draft").by(&vendor.token).expect(200).json()["total"], before);
}

fn problems_speak_french_and_english(app: &App) {
    for (asked, language, title) in [
        (None, "fr", "Requête mal formée"),
        (Some("fr-FR,fr;q=0.9,en;q=0.8"), "fr", "Requête mal formée"),
        (Some("en"), "en", "Malformed request"),
        (Some("en-US,en;q=0.9,fr;q=0.8"), "en", "Malformed request"),
        (Some("de, en;q=0.5, fr;q=0.1"), "en", "Malformed request"),
        (Some("de"), "fr", "Requête mal formée"),
        (Some("*"), "fr", "Requête mal formée"),
        (Some("en;q=0"), "fr", "Requête mal formée"),
        (Some(";;q=x,,"), "fr", "Requête mal formée"),
    ] {
        let mut request = app.get("/api/v1/solutions?limit=0&nope=1");
        if let Some(asked) = asked {
            request = request.header("accept-language", asked);
        }
        let answer = request.expect(400);
        assert_eq!(answer.headers["content-language"], language, "{asked:?}");
        assert_eq!(answer.text("title"), title, "{asked:?}");
        let details = answer.json()["errors"].to_string();
        assert_eq!(details.contains("inconnu"), language == "fr", "{details}");
        assert!(answer.headers["vary"].to_lowercase().contains("accept-language"));
    }
}

fn get(app: &App, method: &str, headers: &str) -> Raw {
    raw(app, format!("{method} /api/v1/families HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n").as_bytes())
}

fn each_coding_has_its_own_tag(app: &App) {
    let plain = get(app, "GET", "");
    assert!(!plain.headers.contains_key("content-encoding"));
    let mut tags = vec![plain.headers["etag"].clone()];
    for coding in ["gzip", "br", "zstd"] {
        let answer = get(app, "GET", &format!("accept-encoding: {coding}\r\n"));
        assert_eq!((answer.status, answer.headers["content-encoding"].as_str()), (200, coding));
        assert!(answer.body.len() < plain.body.len() / 2, "{coding} saves nothing: {} bytes", answer.body.len());
        assert!(answer.headers["vary"].to_lowercase().contains("accept-encoding"));
        let tag = answer.headers["etag"].clone();
        assert!(tag.starts_with('"') && tag.ends_with('"'), "{tag} is not strong");
        let again = get(app, "GET", &format!("accept-encoding: {coding}\r\nif-none-match: {tag}\r\n"));
        assert_eq!((again.status, again.headers["etag"].as_str()), (304, tag.as_str()));
        assert!(again.body.is_empty() && !again.headers.contains_key("content-encoding"));
        assert!(again.headers["vary"].to_lowercase().contains("accept-encoding"));
        for other in &tags {
            assert_eq!(
                get(app, "GET", &format!("accept-encoding: {coding}\r\nif-none-match: {other}\r\n")).status,
                200
            );
        }
        assert!(!tags.contains(&tag));
        tags.push(tag);
    }
    let plain_again = get(app, "GET", &format!("if-none-match: \"x\", W/{}\r\n", tags[0]));
    assert_eq!((plain_again.status, plain_again.body.len()), (304, 0));
    assert_eq!(get(app, "GET", &format!("if-none-match: {}\r\n", tags[1])).status, 200);
    assert!(!get(app, "GET", "accept-encoding: gzip;q=0\r\n").headers.contains_key("content-encoding"));
    assert!(!get(app, "GET", "accept-encoding: identity\r\n").headers.contains_key("content-encoding"));
}

fn head_says_what_get_says(app: &App) {
    let got = get(app, "GET", "");
    let head = get(app, "HEAD", "");
    assert!(head.body.is_empty());
    for name in ["etag", "content-length", "content-type", "cache-control", "vary"] {
        assert_eq!(head.headers.get(name), got.headers.get(name), "{name}");
    }
    let unchanged = get(app, "HEAD", &format!("if-none-match: {}\r\n", got.headers["etag"]));
    assert_eq!(unchanged.status, 304);
    let problem = raw(app, b"HEAD /api/v1/families/aucune HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert_eq!((problem.status, problem.body.len()), (404, 0));
    assert_eq!(problem.headers["content-type"], "application/problem+json");
}

fn a_fault_of_ours_shows_its_id_and_nothing_else(app: &App) {
    // What is kept is still answered.
    let app = &app.another(Given { kept_bytes: Some(0), ..Given::default() });
    app.get("/api/v1/criteria").expect(200);
    app.sql("ALTER TABLE criteria RENAME TO criteria_taken_away").expect("renamed");
    // More often than there are workers and connections.
    for _ in 0..20 {
        let broken = app.get("/api/v1/criteria").header("accept-language", "en").expect(500);
        let body = broken.json();
        let mut names: Vec<&str> = body.as_object().expect("an object").keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["code", "detail", "instance", "request_id", "status", "title", "type"]);
        assert_eq!(body["request_id"], broken.headers["x-request-id"]);
        assert_eq!(body["instance"], "/api/v1/criteria");
        assert_eq!(body["detail"], "An internal error kept this request from being served.");
        let database = if app.kind == Kind::Sqlite { ".sqlite" } else { "relation" };
        for secret in
            ["taken_away", "SELECT", "select", "no such", "diesel", "src/", database, &app.folder.display().to_string()]
        {
            assert!(!String::from_utf8_lossy(&broken.bytes).contains(secret), "{secret} is shown");
            assert!(broken.headers.values().all(|value| !value.contains(secret)), "{secret} is in a header");
        }
    }
    app.get("/livez").expect(200);
    app.sql("ALTER TABLE criteria_taken_away RENAME TO criteria").expect("renamed back");
    for _ in 0..20 {
        app.get("/api/v1/criteria").expect(200);
    }
    app.post("/api/v1/solutions").by(&app.vendor(1).token).json(&json!({"name": "Encore là"})).expect(201);
}
