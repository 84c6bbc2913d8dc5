use crate::cases;
use crate::support::{App, json};

cases![
    the_probes_answer,
    an_unknown_path_is_a_problem,
    a_wrong_method_names_the_right_ones,
    head_and_options_work,
    an_unknown_parameter_is_refused_everywhere
];

fn the_probes_answer(app: &App) {
    assert_eq!(app.get("/livez").expect(200).text("status"), "ok");
    app.get("/readyz").expect(200);
    let keys = app.get("/.well-known/jwks.json").expect(200).json();
    assert_eq!(keys["keys"][0]["crv"], "Ed25519");
    let page = app.get("/problems/not-found").expect(200).json();
    assert_eq!(page["status"], 404);
    app.get("/problems/no-such-problem").expect(404);
    assert_eq!(app.get("/openapi.json").expect(200).json()["openapi"], "3.1.0");
}

fn an_unknown_path_is_a_problem(app: &App) {
    let missing = app.get("/api/v1/nothing").unchecked().expect(404);
    assert_eq!(missing.headers["content-type"], "application/problem+json");
    assert_eq!(missing.text("code"), "not_found");
    assert_eq!(missing.text("title"), "Introuvable");
    assert_eq!(missing.text("request_id"), missing.headers["x-request-id"]);
    let english = app.get("/api/v1/nothing").header("accept-language", "en-GB, fr;q=0.5").unchecked().expect(404);
    assert_eq!(english.text("title"), "Not found");
}

fn a_wrong_method_names_the_right_ones(app: &App) {
    let refused = app.put("/api/v1/solutions").json(&json!({})).unchecked().expect(405);
    assert_eq!(refused.headers["allow"], "OPTIONS, GET, HEAD, POST");
    assert_eq!(refused.text("code"), "method_not_allowed");
}

fn head_and_options_work(app: &App) {
    let got = app.get("/api/v1/families").expect(200);
    let head = app.request("HEAD", "/api/v1/families").expect(200);
    assert_eq!(head.headers["etag"], got.headers["etag"]);
    assert_eq!(head.headers["content-length"], got.bytes.len().to_string());
    assert_eq!(
        app.request("OPTIONS", "/api/v1/families").unchecked().expect(204).headers["allow"],
        "OPTIONS, GET, HEAD"
    );
}

fn an_unknown_parameter_is_refused_everywhere(app: &App) {
    for path in ["/api/v1/families?colour=red", "/api/v1/criteria/SEC-01?x=1", "/api/v1/labels?fields=number&y=2"] {
        let refused = app.get(path).expect(400);
        assert!(refused.faults().iter().all(|fault| fault.ends_with("unknown_parameter")), "{path}");
    }
    app.get("/api/v1/families?fields=code,name").expect(200);
}
