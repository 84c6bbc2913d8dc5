//! What stands around every request: rate limits, origins, headers, overload, panics.

use std::time::{Duration, Instant};

use gouvtech_catalogue::app::App as Application;
use gouvtech_catalogue::clock::Clock;
use gouvtech_catalogue::config::{Given, Settings};

use crate::cases;
use crate::support::App;

cases![
    who_asks_too_often_is_told_when_to_come_back,
    refused_tokens_have_a_smaller_budget,
    only_a_trusted_proxy_says_who_the_client_is,
    only_listed_origins_may_call_from_a_browser,
    every_answer_says_what_a_browser_may_do_with_it,
    the_contact_for_vulnerabilities_is_right_or_absent,
    problems_are_explained_to_programs_and_people,
    a_panic_is_a_problem_and_the_server_lives,
    too_many_requests_at_once_are_refused_at_once,
    the_figures_are_for_the_operator,
];

fn who_asks_too_often_is_told_when_to_come_back(app: &App) {
    let app = app.beside(Given { rate_limit_reads: Some(3), rate_limit_writes: Some(1), ..Given::default() });
    for left in (0..3).rev() {
        let answer = app.get("/api/v1/families").expect(200);
        assert_eq!(answer.headers["ratelimit-policy"], "\"reads\";q=3;w=60");
        assert!(answer.headers["ratelimit"].starts_with(&format!("\"reads\";r={left};t=")), "{:?}", answer.headers);
    }
    let refused = app.get("/api/v1/families").header("accept-language", "en").expect(429);
    assert_eq!(refused.text("code"), "rate_limited");
    assert_eq!(refused.headers["content-type"], "application/problem+json");
    let wait: u64 = refused.headers["retry-after"].parse().expect("seconds");
    assert!((1..=21).contains(&wait), "{wait}");
    assert!(refused.headers["ratelimit"].starts_with("\"reads\";r=0;t="));
    // Another budget, another principal, and what watches the server.
    let vendor = app.vendor(1);
    app.get("/api/v1/families").by(&vendor.token).expect(200);
    app.post("/api/v1/solutions").by(&vendor.token).json(&serde_json::json!({"name": "Une"})).expect(201);
    app.post("/api/v1/solutions").by(&vendor.token).json(&serde_json::json!({"name": "Deux"})).expect(429);
    for _ in 0..10 {
        assert!(!app.get("/livez").expect(200).headers.contains_key("ratelimit"));
        app.get("/readyz").expect(200);
    }
    // A header of the client's own moves nobody into another budget.
    app.get("/api/v1/families").header("x-forwarded-for", "198.51.100.1").expect(429);
}

fn refused_tokens_have_a_smaller_budget(app: &App) {
    let app = app.beside(Given { rate_limit_failures: Some(2), rate_limit_tokens: Some(1), ..Given::default() });
    for _ in 0..2 {
        app.get("/api/v1/solutions").by("no.real.token").expect(401);
    }
    let refused = app.get("/api/v1/solutions").by("no.real.token").expect(429);
    assert_eq!(refused.headers["ratelimit-policy"], "\"failed-authentications\";q=2;w=60");
    // Others at that address are not locked out.
    app.get("/api/v1/solutions").expect(200);
    app.get("/api/v1/solutions").by(&app.vendor(1).token).expect(200);
    app.post("/api/v1/oauth/token").unchecked().send();
    let second = app.post("/api/v1/oauth/token").unchecked().expect(429);
    assert_eq!(second.headers["ratelimit-policy"], "\"tokens\";q=1;w=60");
}

fn only_a_trusted_proxy_says_who_the_client_is(app: &App) {
    let id = "8e03978e-40d5-43e8-bc93-6894a57f9324";
    let stranger = app.get("/livez").header("x-request-id", id).expect(200);
    assert_ne!(stranger.headers["x-request-id"], id);
    let app = app.beside(Given {
        trusted_proxies: Some(vec!["127.0.0.0/8".to_owned()]),
        rate_limit_reads: Some(1),
        ..Given::default()
    });
    assert_eq!(app.get("/livez").header("x-request-id", id).expect(200).headers["x-request-id"], id);
    for bad in ["1", "../../etc", "8e03978e-40d5-43e8-bc93-6894a57f932"] {
        assert_ne!(app.get("/livez").header("x-request-id", bad).expect(200).headers["x-request-id"], bad);
    }
    let ask = |forwarded: &str| app.get("/api/v1/families").header("x-forwarded-for", forwarded).send().status;
    assert_eq!([ask("198.51.100.1"), ask("198.51.100.1"), ask("198.51.100.2")], [200, 429, 200]);
    assert_eq!(ask("203.0.113.9, 198.51.100.2"), 429, "the right-most stranger is the client");
    assert_eq!([ask("2001:db8::1"), ask("2001:db8::2"), ask("2001:db8:0:1::1")], [200, 429, 200]);
    assert_eq!(app.get("/metrics").header("x-forwarded-for", "198.51.100.3").send().status, 404);
}

fn only_listed_origins_may_call_from_a_browser(app: &App) {
    let (good, bad) = ("https://portail.example", "https://portail.example.evil.example");
    let none = app.get("/api/v1/families").header("origin", good).expect(200);
    assert!(none.headers.keys().all(|name| !name.starts_with("access-control")), "{:?}", none.headers);
    assert!(!none.headers["vary"].contains("Origin"));
    let app = app.beside(Given { cors_origins: Some(vec![good.to_owned()]), ..Given::default() });
    for (path, status) in [("/api/v1/families", 200), ("/api/v1/families/aucune", 404), ("/api/v1/families?x=1", 400)] {
        let answer = app.get(path).header("origin", good).expect(status);
        assert_eq!(answer.headers["access-control-allow-origin"], good, "{path}");
        assert!(answer.headers["access-control-expose-headers"].contains("RateLimit-Policy"));
        assert!(!answer.headers.contains_key("access-control-allow-credentials"));
        assert!(answer.headers["vary"].contains("Origin"));
        for other in [bad, "null", "http://portail.example", "https://portail.example:8443", "HTTPS://PORTAIL.EXAMPLE"]
        {
            let answer = app.get(path).header("origin", other).expect(status);
            assert!(!answer.headers.contains_key("access-control-allow-origin"), "{other}");
            assert!(answer.headers["vary"].contains("Origin"));
        }
    }
    let preflight = |origin: &str| {
        app.request("OPTIONS", "/api/v1/solutions")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type")
            .unchecked()
            .expect(204)
            .headers
    };
    let allowed = preflight(good);
    assert_eq!(allowed["access-control-allow-methods"], "OPTIONS, GET, HEAD, POST");
    for name in ["Authorization", "If-Match", "Idempotency-Key", "traceparent"] {
        assert!(allowed["access-control-allow-headers"].contains(name), "{name}");
    }
    assert!(preflight(bad).keys().all(|name| !name.starts_with("access-control")));
    for wrong in ["*", "null", "https://portail.example/", "portail.example", "https://portail.example/path"] {
        let given = Given { cors_origins: Some(vec![wrong.to_owned()]), ..Given::default() };
        assert!(Settings::new(given).expect_err(wrong).contains("GOUVTECH_CORS_ORIGINS"));
    }
}

fn every_answer_says_what_a_browser_may_do_with_it(app: &App) {
    let secure =
        app.beside(Given { public_url: Some("https://catalogue.example".parse().expect("a URL")), ..Given::default() });
    for (path, status) in
        [("/api/v1/families", 200), ("/nothing", 404), ("/livez", 200), ("/docs/", 200), ("/test/panic", 500)]
    {
        let answer = app.get(path).unchecked().expect(status);
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.headers[name], value, "{path}");
        }
        let policy = &answer.headers["content-security-policy"];
        assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{path}");
        assert!(!answer.headers.contains_key("server") && !answer.headers.contains_key("x-powered-by"));
        assert!(!answer.headers.contains_key("strict-transport-security"), "{path} without https");
        let answer = secure.get(path).unchecked().expect(status);
        assert_eq!(answer.headers["strict-transport-security"], "max-age=31536000", "{path}");
    }
}

fn the_contact_for_vulnerabilities_is_right_or_absent(app: &App) {
    app.get("/.well-known/security.txt").expect(404);
    let given = |days: i64| Given {
        security_contact: Some("mailto:security@catalogue.example".parse().expect("a URL")),
        security_expires: Some((app.clock.now().0 + chrono::TimeDelta::days(days)).to_rfc3339()),
        public_url: Some("https://catalogue.example".parse().expect("a URL")),
        ..Given::default()
    };
    let other = app.beside(given(100));
    let answer = other.get("/.well-known/security.txt").expect(200);
    let text = String::from_utf8(answer.bytes.clone()).expect("text");
    for line in [
        "Contact: mailto:security@catalogue.example",
        "Canonical: https://catalogue.example/.well-known/security.txt",
        "Preferred-Languages: fr, en",
    ] {
        assert!(text.split("\r\n").any(|one| one == line), "no {line} in {text}");
    }
    assert!(text.contains("\r\nExpires: 20") && answer.headers["content-type"].starts_with("text/plain"));
    other.clock.advance(chrono::TimeDelta::days(101));
    other.get("/.well-known/security.txt").expect(404);
    for (days, why) in [(-1, "has passed"), (400, "more than a year")] {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = Settings::new(Given {
            database_url: Some(app.url().to_owned()),
            data_dir: Some(folder.path().to_owned()),
            ..given(days)
        });
        let error = Application::new(settings.expect("settings"), Clock::default()).err().expect("refused");
        assert!(error.contains("security_expires") && error.contains(why), "{error}");
    }
    let without = Given { security_expires: None, ..given(1) };
    assert!(Settings::new(without).expect_err("refused").contains("GOUVTECH_SECURITY_EXPIRES"));
}

fn problems_are_explained_to_programs_and_people(app: &App) {
    let list = app.get("/problems").expect(200).json();
    for one in list["items"].as_array().expect("items") {
        let path = format!("/problems/{}", one["code"].as_str().expect("a code").replace('_', "-"));
        assert_eq!(&app.get(&path).expect(200).json(), one);
        for (language, other) in [("fr", "en"), ("en", "fr")] {
            let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
            let page =
                app.get(&path).header("accept", browser).header("accept-language", language).unchecked().expect(200);
            let html = String::from_utf8(page.bytes.clone()).expect("text");
            assert!(page.headers["content-type"].starts_with("text/html") && page.headers["vary"].contains("Accept,"));
            assert!(html.contains(&format!("<html lang=\"{language}\">")), "{html}");
            assert!(html.contains(&format!("href=\"{path}?lang={other}\"")), "{html}");
            let turned = app.get(&format!("{path}?lang={other}")).header("accept", browser).unchecked().expect(200);
            assert_eq!(turned.headers["content-language"], other);
        }
    }
    app.get("/problems?lang=de").expect(400).has_fault("lang unknown_value");
    app.get("/problems/no-such-problem").expect(404);
}

fn a_panic_is_a_problem_and_the_server_lives(app: &App) {
    for path in ["/test/panic", "/test/panic-while-reading", "/test/panic-while-writing"] {
        // More often than there are workers, connections and threads at rest.
        for _ in 0..10 {
            let answer = app.get(path).unchecked().expect(500);
            assert_eq!(answer.headers["content-type"], "application/problem+json");
            assert_eq!(answer.text("request_id"), answer.headers["x-request-id"]);
            assert!(!String::from_utf8_lossy(&answer.bytes).contains("Dupont"));
        }
    }
    app.get("/api/v1/solutions").expect(200);
    app.post("/api/v1/solutions").by(&app.vendor(1).token).json(&serde_json::json!({"name": "Encore"})).expect(201);
    assert_eq!(app.inner.load.now(), 0, "every place is given back");
    let end = Instant::now() + Duration::from_secs(10);
    while app.store().stats().in_use > 0 {
        assert!(Instant::now() < end, "a connection is not given back");
        std::thread::yield_now();
    }
}

fn too_many_requests_at_once_are_refused_at_once(app: &App) {
    let app = app.beside(Given { max_in_flight: Some(2), ..Given::default() });
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| app.get("/test/wait").unchecked().expect(200));
        }
        let end = Instant::now() + Duration::from_secs(10);
        while app.inner.load.now() < 2 {
            assert!(Instant::now() < end, "nobody works");
            std::thread::yield_now();
        }
        let refused = app.get("/api/v1/families").expect(503);
        assert_eq!((refused.text("code"), refused.headers["retry-after"].as_str()), ("unavailable".to_owned(), "1"));
        app.get("/livez").expect(200);
        app.get("/readyz").expect(200);
    });
    app.get("/api/v1/families").expect(200);
    assert_eq!(app.inner.metrics.shed.get(), 1);
}

fn the_figures_are_for_the_operator(app: &App) {
    app.get("/api/v1/families/aucune").expect(404);
    app.get("/api/v1/solutions").by("no.real.token").expect(401);
    app.request("BREW", "/api/v1/solutions").unchecked().expect(405);
    let answer = app.get("/metrics").unchecked().expect(200);
    let text = String::from_utf8(answer.bytes).expect("text");
    for line in [
        "gouvtech_http_problems_total{code=\"not_found\"} 1",
        "gouvtech_http_request_duration_seconds_count{method=\"GET\",route=\"/api/v1/families/{code}\",status=\"404\"} 1",
        "gouvtech_http_request_duration_seconds_count{method=\"other\",route=\"/api/v1/solutions\",status=\"405\"} 1",
        "gouvtech_database_up 1",
    ] {
        assert!(text.lines().any(|one| one == line), "no {line} in\n{text}");
    }
    let figure = |name: &str| {
        let line = text.lines().find(|one| one.starts_with(&format!("{name} "))).unwrap_or_else(|| panic!("no {name}"));
        line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok()).expect("a figure")
    };
    assert!(figure("gouvtech_database_size_bytes") > 100_000.0 && figure("process_open_fds") > 5.0);
    // Refusals are those of the whole process, and this one serves many cases.
    assert!(figure("gouvtech_auth_refusals_total{reason=\"form\"}") >= 1.0);
    assert!(!text.contains("aucune") && !text.contains("BREW"), "what callers write is no label");
    // A proxy on this machine that nobody trusts speaks for the whole world.
    for header in ["x-forwarded-for", "forwarded", "via"] {
        app.get("/metrics").header(header, "for=127.0.0.1").expect(404);
    }
    app.beside(Given { metrics_allowed: Some(vec!["none".to_owned()]), ..Given::default() })
        .get("/metrics")
        .expect(404);
}
