//! Service accounts: who makes them, what they may, how they get tokens, and
//! that revoking one counts at once.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use diesel::prelude::*;
use gouvtech_catalogue::auth::refusal::{self, RefusalKind};
use gouvtech_catalogue::auth::{Duty, Role};
use gouvtech_catalogue::config::Given;
use gouvtech_catalogue::db::journal::Change;
use gouvtech_catalogue::db::schema::{changes, idempotency_keys, service_accounts};
use gouvtech_catalogue::db::{Actor, Id, Json, Resource};
use gouvtech_catalogue::organisations::Organisation;

use crate::cases;
use crate::support::build::{Party, sheet, siren};
use crate::support::{App, Response, Value, json};

cases![
    a_system_gets_a_token_and_acts_for_its_organisation,
    credentials_come_in_the_header_or_in_the_form,
    every_refusal_has_the_form_of_the_standard,
    an_unknown_client_is_told_what_a_wrong_secret_is_told,
    a_scope_only_narrows,
    nobody_gives_a_duty_they_lack,
    a_service_account_manages_none,
    a_revoked_account_is_refused_at_once_with_the_tokens_it_got,
    fewer_duties_count_at_once,
    a_new_secret_works_beside_the_one_before_for_as_long_as_asked,
    an_account_expires_and_its_tokens_with_it,
    a_suspended_organisation_gets_no_token,
    the_operator_makes_accounts_for_any_organisation,
    an_organisation_has_a_bounded_number_of_accounts,
    only_what_no_longer_works_is_deleted,
    a_secret_is_shown_once_and_kept_nowhere,
    every_step_is_in_the_journal_and_no_use_is,
    the_last_use_is_noted_by_the_minute,
    changes_need_the_current_version,
];

const TOKEN: &str = "/api/v1/oauth/token";
const FORM: &str = "application/x-www-form-urlencoded";

fn accounts(organisation: Id) -> String {
    format!("/api/v1/organisations/{organisation}/service-accounts")
}

fn made(app: &App, party: &Party, duties: &[&str]) -> Response {
    let body = json!({"name": "Annuaire", "duties": duties});
    app.post(&accounts(party.id)).by(&party.token).json(&body).expect(201)
}

fn path(account: &Response) -> String {
    format!("/api/v1/service-accounts/{}", account.id())
}

/// Asks for a token with HTTP Basic.
fn ask(app: &App, id: &str, secret: &str, form: &str) -> Response {
    app.post(TOKEN)
        .header("authorization", &format!("Basic {}", STANDARD.encode(format!("{id}:{secret}"))))
        .bytes(FORM, format!("grant_type=client_credentials{form}").as_bytes())
        .send()
}

fn token_of(app: &App, account: &Response) -> String {
    let answer = ask(app, &account.id(), &account.text("secret"), "");
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.text("access_token")
}

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).expect("a payload");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).expect("base64url")).expect("JSON")
}

fn a_system_gets_a_token_and_acts_for_its_organisation(app: &App) {
    let vendor = app.vendor(1);
    let account = made(app, &vendor, &["signatory"]);
    assert_eq!(account.text("role"), "vendor");
    assert_eq!(account.text("status"), "active");
    let answer = ask(app, &account.id(), &account.text("secret"), "");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(answer.text("token_type"), "Bearer");
    assert_eq!(answer.json()["expires_in"], 600);
    assert_eq!(answer.text("scope"), "vendor vendor:signatory");
    let token = answer.text("access_token");
    let claims = claims(&token);
    assert_eq!(claims["client_id"], account.id());
    assert_eq!(claims["sub"], account.id());
    assert_eq!(claims["exp"].as_i64(), claims["iat"].as_i64().map(|at| at + 600));
    let draft = app.post("/api/v1/solutions").by(&token).json(&sheet("Par un système")).expect(201);
    app.post(&format!("/api/v1/solutions/{}/submit", draft.id()))
        .by(&token)
        .on(&draft)
        .json(&json!({"accepts_charter": true}))
        .expect(200);
    app.get(&format!("/api/v1/solutions/{}", draft.id())).by(&vendor.token).expect(200);
    app.clock.advance(TimeDelta::seconds(660));
    app.get("/api/v1/solutions").by(&token).expect(401);
}

fn credentials_come_in_the_header_or_in_the_form(app: &App) {
    let account = made(app, &app.vendor(1), &[]);
    let (id, secret) = (account.id(), account.text("secret"));
    assert!(secret.starts_with(&format!("gt_sa_{}_", account.text("prefix"))));
    let in_form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    app.post(TOKEN).bytes(FORM, in_form.as_bytes()).expect(200);
    app.post(TOKEN).bytes("application/x-www-form-urlencoded; charset=UTF-8", in_form.as_bytes()).expect(200);
    // RFC 6749 §2.3.1: encoded before they are joined; every character may be.
    let encoded: String = secret.bytes().map(|byte| format!("%{byte:02X}")).collect();
    assert_eq!(ask(app, &id, &encoded, "").status, 200);
    let both = app
        .post(TOKEN)
        .header("authorization", &format!("Basic {}", STANDARD.encode(format!("{id}:{secret}"))))
        .bytes(FORM, in_form.as_bytes())
        .expect(400);
    assert_eq!(both.text("error"), "invalid_request");
    // Nothing is read from the address.
    app.post(&format!("{TOKEN}?client_id={id}&client_secret={secret}"))
        .bytes(FORM, b"grant_type=client_credentials")
        .unchecked()
        .expect(401);
}

fn every_refusal_has_the_form_of_the_standard(app: &App) {
    let account = made(app, &app.vendor(1), &[]);
    let (id, secret) = (account.id(), account.text("secret"));
    let with = |form: &str| {
        app.post(TOKEN)
            .header("authorization", &format!("Basic {}", STANDARD.encode(format!("{id}:{secret}"))))
            .bytes(FORM, form.as_bytes())
            .send()
    };
    for (form, status, error) in [
        ("", 400, "invalid_request"),
        ("scope=vendor", 400, "invalid_request"),
        ("grant_type=", 400, "invalid_request"),
        ("grant_type=client_credentials&grant_type=client_credentials", 400, "invalid_request"),
        ("grant_type=client_credentials&scope=vendor&scope=vendor", 400, "invalid_request"),
        ("grant_type=client_credentials&client_id=another", 400, "invalid_request"),
        ("grant_type=password&username=a&password=b", 400, "unsupported_grant_type"),
        ("grant_type=authorization_code&code=x", 400, "unsupported_grant_type"),
        ("grant_type=Client_Credentials", 400, "unsupported_grant_type"),
        ("grant_type=client_credentials&scope=operator", 400, "invalid_scope"),
        ("grant_type=client_credentials&scope=vendor:signatory", 400, "invalid_scope"),
        ("grant_type=client_credentials&scope=vendor++vendor", 400, "invalid_scope"),
    ] {
        let answer = with(form);
        assert_eq!((answer.status, answer.text("error").as_str()), (status, error), "{form}");
        assert_eq!(answer.headers["content-type"], "application/json");
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert!(answer.headers.contains_key("x-request-id"));
    }
    assert_eq!(with("grant_type=client_credentials&resource=x&unknown=y").status, 200, "what is not known is ignored");
    let json = app.post(TOKEN).json(&json!({"grant_type": "client_credentials"})).expect(400);
    assert_eq!(json.text("error"), "invalid_request");
    for header in ["Basic", "Basic %%%", "Bearer abc", "Digest x", &format!("Basic {}", STANDARD.encode("no colon"))] {
        let answer =
            app.post(TOKEN).header("authorization", header).bytes(FORM, b"grant_type=client_credentials").expect(401);
        assert_eq!(answer.text("error"), "invalid_client");
        assert!(answer.headers["www-authenticate"].starts_with("Basic "));
    }
}

fn an_unknown_client_is_told_what_a_wrong_secret_is_told(app: &App) {
    let account = made(app, &app.vendor(1), &[]);
    let other = made(app, &app.vendor(2), &[]);
    let secret = account.text("secret");
    let before = counted(RefusalKind::Client);
    let told = |id: &str, secret: &str| {
        let answer = ask(app, id, secret, "");
        let headers: Vec<_> =
            ["www-authenticate", "content-type", "cache-control"].map(|name| answer.headers.get(name).cloned()).into();
        (answer.status, headers, answer.bytes)
    };
    let (start, end) = secret.split_at(secret.len() - 1);
    let wrong = told(&account.id(), &format!("{start}{}", if end == "0" { "1" } else { "0" }));
    assert_eq!(wrong.0, 401);
    for (id, secret) in [
        (account.id(), other.text("secret")),
        (account.id(), secret.to_uppercase()),
        (account.id(), secret[..secret.len() - 1].to_owned()),
        (account.id(), "nobody's".to_owned()),
        (account.id(), "\u{0}".to_owned()),
        (account.id(), "x".repeat(5000)),
        (Id::new().to_string(), secret.clone()),
        ("nobody".to_owned(), secret.clone()),
        ("' OR 1=1 --".to_owned(), secret),
    ] {
        assert_eq!(told(&id, &secret), wrong, "{id}");
    }
    assert!(counted(RefusalKind::Client) >= before + 10, "each is counted");
}

fn counted(kind: RefusalKind) -> u64 {
    refusal::counts().find(|(one, _)| *one == kind).expect("a kind").1
}

fn a_scope_only_narrows(app: &App) {
    let vendor = app.vendor(1);
    let account = made(app, &vendor, &["signatory"]);
    let scoped = |scope: &str| ask(app, &account.id(), &account.text("secret"), &format!("&scope={scope}"));
    let plain = scoped("vendor");
    assert_eq!((plain.status, plain.text("scope").as_str()), (200, "vendor"));
    let plain = plain.text("access_token");
    let draft = app.post("/api/v1/solutions").by(&plain).json(&sheet("Sans signature")).expect(201);
    let submit = |token: &str| {
        app.post(&format!("/api/v1/solutions/{}/submit", draft.id()))
            .by(token)
            .on(&draft)
            .json(&json!({"accepts_charter": true}))
    };
    submit(&plain).expect(403);
    let full = scoped("vendor%20vendor:signatory%20vendor:signatory");
    assert_eq!(full.text("scope"), "vendor vendor:signatory");
    submit(&full.text("access_token")).expect(200);
    for scope in ["buyer", "signatory", "vendor:moderator", "operator:moderator", "vendor%20root", "%00", "vendor%09x"]
    {
        assert_eq!(scoped(scope).text("error"), "invalid_scope", "{scope}");
    }
}

fn nobody_gives_a_duty_they_lack(app: &App) {
    let vendor = app.vendor(1);
    let account = made(app, &vendor, &[]);
    let patch = |account: &Response, token: &str, body: Value| {
        app.patch(&path(account)).by(token).header("if-match", "*").json(&body)
    };
    let post = |body: Value| app.post(&accounts(vendor.id)).by(&vendor.token).json(&body);
    let twice = json!({"name": "x", "duties": ["signatory", "signatory"]});
    post(twice).expect(422).has_fault("/duties/1 not_unique");
    post(json!({"name": "x", "duties": ["administrator"]})).expect(422).has_fault("/duties/0 duty_not_of_role");
    // Whoever changes it gives no more either, but need not have what is there already.
    let operator = app.operator();
    patch(&account, &operator, json!({"duties": ["signatory"]})).expect(422).has_fault("/duties/0 duty_not_yours");
    patch(&account, &vendor.token, json!({"duties": ["signatory"]})).expect(200);
    let renamed = patch(&account, &operator, json!({"name": "Renommé"})).expect(200);
    assert_eq!(renamed.json()["duties"], json!(["signatory"]));

    // Who examined a case would decide it through a system: no system has these duties.
    let body = app.audit_body(1);
    for duty in ["decision_maker", "evaluator"] {
        let given = json!({"name": "Audit", "duties": [duty]});
        app.post(&accounts(body.id)).by(&body.token).json(&given).expect(422).has_fault("/duties/0 duty_of_persons");
    }
    assert_eq!(made(app, &body, &[]).text("role"), "auditor");
    for (role, duties) in
        [(Role::Auditor, &[Duty::Evaluator][..]), (Role::Auditor, &[]), (Role::Vendor, &[Duty::Signatory])]
    {
        let token = app.token(role, Some(body.id), duties, "other");
        let answer = app.post(&accounts(body.id)).by(&token).json(&json!({"name": "Audit"})).send();
        assert_eq!(answer.status, 403, "{role} {duties:?}");
    }
}

fn a_service_account_manages_none(app: &App) {
    let vendor = app.vendor(1);
    let account = made(app, &vendor, &["signatory"]);
    let token = token_of(app, &account);
    app.get(&accounts(vendor.id)).by(&token).expect(403);
    app.post(&accounts(vendor.id)).by(&token).json(&json!({"name": "Enfant"})).expect(403);
    app.get(&path(&account)).by(&token).expect(403);
    app.post(&format!("{}/rotate", path(&account))).by(&token).on(&account).json(&json!({})).expect(403);
    app.post(&format!("{}/revoke", path(&account))).by(&token).on(&account).expect(403);
}

fn a_revoked_account_is_refused_at_once_with_the_tokens_it_got(app: &App) {
    let vendor = app.vendor(1);
    let (account, other) = (made(app, &vendor, &[]), made(app, &vendor, &[]));
    let (token, untouched) = (token_of(app, &account), token_of(app, &other));
    app.post("/api/v1/solutions").by(&token).json(&sheet("Avant")).expect(201);
    let before = counted(RefusalKind::ServiceAccount);
    let revoked = app.post(&format!("{}/revoke", path(&account))).by(&vendor.token).on(&account).expect(200);
    assert_eq!(revoked.text("status"), "revoked");
    for answer in [
        app.post("/api/v1/solutions").by(&token).json(&sheet("Après")).expect(401),
        app.get("/api/v1/solutions").by(&token).expect(401),
        app.get("/api/v1/evaluations").by(&token).expect(401),
    ] {
        assert!(answer.headers["www-authenticate"].contains("error=\"invalid_token\""));
    }
    assert!(counted(RefusalKind::ServiceAccount) >= before + 3);
    assert_eq!(ask(app, &account.id(), &account.text("secret"), "").text("error"), "invalid_client");
    app.get("/api/v1/evaluations").by(&untouched).expect(200);
    // For good.
    app.post(&format!("{}/revoke", path(&account))).by(&vendor.token).on(&revoked).expect(409);
    app.post(&format!("{}/rotate", path(&account))).by(&vendor.token).on(&revoked).json(&json!({})).expect(409);
    app.patch(&path(&account)).by(&vendor.token).on(&revoked).json(&json!({"name": "Retour"})).expect(409);
    // Nor does a token help whose account is gone, or was another organisation's.
    app.delete(&path(&account)).by(&vendor.token).on(&revoked).expect(204);
    app.get("/api/v1/evaluations").by(&token).expect(401);
}

fn fewer_duties_count_at_once(app: &App) {
    let vendor = app.vendor(1);
    let account = made(app, &vendor, &["signatory"]);
    let (full, plain) = (
        token_of(app, &account),
        ask(app, &account.id(), &account.text("secret"), "&scope=vendor").text("access_token"),
    );
    app.patch(&path(&account)).by(&vendor.token).on(&account).json(&json!({"duties": []})).expect(200);
    app.get("/api/v1/evaluations").by(&full).expect(401);
    app.get("/api/v1/evaluations").by(&plain).expect(200);
    assert_eq!(ask(app, &account.id(), &account.text("secret"), "").text("scope"), "vendor");
}

fn a_new_secret_works_beside_the_one_before_for_as_long_as_asked(app: &App) {
    let vendor = app.vendor(1);
    let first = made(app, &vendor, &[]);
    let rotate = |from: &Response, body: &Value| {
        app.post(&format!("{}/rotate", path(&first))).by(&vendor.token).on(from).json(body).expect(200)
    };
    let works = |secret: &str| ask(app, &first.id(), secret, "").status == 200;
    let second = rotate(&first, &json!({"overlap_minutes": 10}));
    assert_ne!(second.text("prefix"), first.text("prefix"));
    assert!(works(&first.text("secret")) && works(&second.text("secret")));
    app.clock.advance(TimeDelta::minutes(10));
    assert!(!works(&first.text("secret")) && works(&second.text("secret")));
    let third = rotate(&second, &json!({}));
    let fourth = rotate(&third, &json!({"overlap_minutes": 0}));
    assert!(works(&fourth.text("secret")));
    assert!(!works(&third.text("secret")) && !works(&second.text("secret")), "no overlap was asked for");
    assert_eq!(fourth.json()["previous_secret_until"], Value::Null);
    app.post(&format!("{}/rotate", path(&first)))
        .by(&vendor.token)
        .on(&fourth)
        .json(&json!({"overlap_minutes": 1441}))
        .expect(422);
}

fn an_account_expires_and_its_tokens_with_it(app: &App) {
    let vendor = app.vendor(1);
    let at = |by: TimeDelta| json!(gouvtech_catalogue::db::Instant(app.clock.now().0 + by));
    let post = |expires_at: Value| {
        app.post(&accounts(vendor.id)).by(&vendor.token).json(&json!({"name": "Court", "expires_at": expires_at}))
    };
    post(at(TimeDelta::days(366))).expect(422).has_fault("/expires_at out_of_range");
    post(at(TimeDelta::seconds(-1))).expect(422).has_fault("/expires_at out_of_range");
    let default = made(app, &vendor, &[]);
    let year: gouvtech_catalogue::db::Instant =
        serde_json::from_value(default.json()["expires_at"].clone()).expect("an instant");
    assert!((year.0 - app.clock.now().0 - TimeDelta::days(365)).num_seconds().abs() < 120);

    let account = post(at(TimeDelta::seconds(120))).expect(201);
    let answer = ask(app, &account.id(), &account.text("secret"), "");
    let left = answer.json()["expires_in"].as_i64().expect("seconds");
    assert!((1..=120).contains(&left), "a token does not outlive its account: {left}");
    app.clock.advance(TimeDelta::seconds(121));
    assert_eq!(ask(app, &account.id(), &account.text("secret"), "").text("error"), "invalid_client");
    let seen = app.get(&path(&account)).by(&vendor.token).expect(200);
    assert_eq!(seen.text("status"), "expired");
    // A later instant revives it.
    let body = json!({"expires_at": at(TimeDelta::days(30))});
    let revived = app.patch(&path(&account)).by(&vendor.token).on(&seen).json(&body).expect(200);
    assert_eq!(revived.text("status"), "active");
    assert_eq!(ask(app, &account.id(), &account.text("secret"), "").status, 200);
}

fn a_suspended_organisation_gets_no_token(app: &App) {
    let vendor = app.vendor(1);
    let account = made(app, &vendor, &[]);
    let token = token_of(app, &account);
    let organisation = format!("/api/v1/organisations/{}", vendor.id);
    let seen = app.get(&organisation).expect(200);
    let reason = json!({"reason": "Fraude établie."});
    let suspended =
        app.post(&format!("{organisation}/suspend")).by(&app.operator()).on(&seen).json(&reason).expect(200);
    let refused = ask(app, &account.id(), &account.text("secret"), "");
    assert_eq!((refused.status, refused.text("error").as_str()), (400, "unauthorized_client"));
    assert_eq!(ask(app, &account.id(), "gt_sa_x", "").status, 401, "who does not know the secret learns nothing");
    app.get("/api/v1/evaluations").by(&token).expect(403);
    // The operator may still take away what is dangerous.
    app.post(&format!("{organisation}/reinstate")).by(&app.operator()).on(&suspended).expect(200);
    app.get("/api/v1/evaluations").by(&token).expect(200);
    app.post(&format!("{}/revoke", path(&account))).by(&app.operator()).on(&account).expect(200);
    app.get("/api/v1/evaluations").by(&token).expect(401);
}

fn the_operator_makes_accounts_for_any_organisation(app: &App) {
    let operator = app.operator();
    let vendor = app.vendor(1);
    app.post(&accounts(vendor.id))
        .by(&operator)
        .json(&json!({"name": "x", "duties": ["signatory"]}))
        .expect(422)
        .has_fault("/duties/0 duty_not_yours");
    let account = app.post(&accounts(vendor.id)).by(&operator).json(&json!({"name": "x"})).expect(201);
    assert_eq!(account.text("role"), "vendor");
    let both = json!({"name": "Commune", "kinds": ["vendor", "public_body"], "siren": siren(77), "legal_nature": "public_body"});
    let both = app.post("/api/v1/organisations").by(&operator).json(&both).expect(201).id();
    let list = format!("/api/v1/organisations/{both}/service-accounts");
    app.post(&list).by(&operator).json(&json!({"name": "x"})).expect(422).has_fault("/role role_not_of_organisation");
    app.post(&list).by(&operator).json(&json!({"name": "x", "role": "auditor"})).expect(422);
    let buyer = app.post(&list).by(&operator).json(&json!({"name": "x", "role": "buyer"})).expect(201);
    assert_eq!(claims(&token_of(app, &buyer))["role"], "buyer");
    // Its own systems get no more than who makes them has.
    let own = json!({"name": "Exploitant", "kinds": ["operator"], "siren": siren(78), "legal_nature": "public_body"});
    let own = app.post("/api/v1/organisations").by(&operator).json(&own).expect(201).id();
    let administrator = app.token(Role::Operator, None, &[Duty::Administrator], "administrator");
    let list = format!("/api/v1/organisations/{own}/service-accounts");
    let post = |duties: &[&str]| app.post(&list).by(&administrator).json(&json!({"name": "x", "duties": duties}));
    post(&["accreditor"]).expect(422).has_fault("/duties/0 duty_not_yours");
    post(&["moderator"]).expect(422).has_fault("/duties/0 duty_of_persons");
    let system = post(&["administrator"]).expect(201);
    let token = token_of(app, &system);
    let body = json!({"name": "Par un système", "kinds": ["vendor"], "siren": siren(79), "legal_nature": "company"});
    app.post("/api/v1/organisations").by(&token).json(&body).expect(201);
    app.get(&list).by(&token).expect(403);
    app.post(&accounts(Id::new())).by(&operator).json(&json!({"name": "x"})).expect(404);
}

fn an_organisation_has_a_bounded_number_of_accounts(app: &App) {
    let vendor = app.vendor(1);
    let first = made(app, &vendor, &[]);
    for _ in 1..20 {
        made(app, &vendor, &[]);
    }
    let post = || app.post(&accounts(vendor.id)).by(&vendor.token).json(&json!({"name": "Un de trop"}));
    post().expect(409);
    made(app, &app.vendor(2), &[]);
    app.post(&format!("{}/revoke", path(&first))).by(&vendor.token).on(&first).expect(200);
    post().expect(201);
    // All are listed, page by page, without secrets.
    let mut seen = Vec::new();
    let mut next = Some(format!("{}?limit=8", accounts(vendor.id)));
    while let Some(page) = next {
        let page = app.get(&page).by(&vendor.token).expect(200).json();
        assert_eq!(page["total"], 21);
        for one in page["items"].as_array().expect("rows") {
            assert_eq!(one["secret"], Value::Null);
            seen.push(one["id"].as_str().expect("an id").to_owned());
        }
        next = page["next"].as_str().map(|cursor| format!("{}?limit=8&cursor={cursor}", accounts(vendor.id)));
    }
    seen.dedup();
    assert_eq!(seen.len(), 21);
}

fn only_what_no_longer_works_is_deleted(app: &App) {
    let vendor = app.vendor(1);
    let account = made(app, &vendor, &[]);
    app.delete(&path(&account)).by(&vendor.token).on(&account).expect(409);
    let revoked = app.post(&format!("{}/revoke", path(&account))).by(&vendor.token).on(&account).expect(200);
    app.delete(&path(&account)).by(&vendor.token).on(&account).expect(412);
    app.delete(&path(&account)).by(&vendor.token).on(&revoked).expect(204);
    app.get(&path(&account)).by(&vendor.token).expect(404);
}

fn a_secret_is_shown_once_and_kept_nowhere(app: &App) {
    let vendor = app.vendor(1);
    let post = || {
        app.post(&accounts(vendor.id))
            .by(&vendor.token)
            .header("idempotency-key", "once")
            .json(&json!({"name": "Une fois"}))
    };
    let first = post().expect(201);
    let secret = first.text("secret");
    let again = post().expect(201);
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(
        (again.id(), &again.json()["secret"]),
        (first.id(), &Value::Null),
        "the same account, without its secret"
    );
    let rotated = app
        .post(&format!("{}/rotate", path(&first)))
        .by(&vendor.token)
        .on(&first)
        .header("idempotency-key", "rotation")
        .json(&json!({}))
        .expect(200);
    assert_eq!(app.get(&path(&first)).by(&vendor.token).expect(200).json()["secret"], Value::Null);
    let (kept, rows, entries) = app
        .store()
        .read_here(|db| {
            let kept: Vec<Json<Value>> = idempotency_keys::table.select(idempotency_keys::answer).load(db)?;
            let rows: Vec<(String, Option<String>)> =
                service_accounts::table.select((service_accounts::hash, service_accounts::previous_hash)).load(db)?;
            let entries: Vec<Json<Value>> = changes::table.select(changes::changed).load(db)?;
            Ok((kept, rows, entries))
        })
        .expect("read");
    let stored = format!("{kept:?} {rows:?} {entries:?}");
    for secret in [secret, rotated.text("secret")] {
        let hidden = secret.rsplit('_').next().expect("the hidden part");
        assert!(!stored.contains(hidden), "the secret is stored");
    }
    assert!(rows.iter().all(|(hash, _)| hash.starts_with("$argon2id$")) && kept.len() == 2);
}

fn every_step_is_in_the_journal_and_no_use_is(app: &App) {
    let vendor = app.vendor(1);
    let account = made(app, &vendor, &[]);
    for _ in 0..3 {
        token_of(app, &account);
        app.clock.advance(TimeDelta::minutes(2));
    }
    let renamed = app.patch(&path(&account)).by(&vendor.token).on(&account).json(&json!({"name": "Autre"})).expect(200);
    let rotated =
        app.post(&format!("{}/rotate", path(&account))).by(&vendor.token).on(&renamed).json(&json!({})).expect(200);
    let revoked = app.post(&format!("{}/revoke", path(&account))).by(&vendor.token).on(&rotated).expect(200);
    app.delete(&path(&account)).by(&vendor.token).on(&revoked).expect(204);
    let id = Id::parse(&account.id()).expect("an id");
    let entries = app.store().read_here(|db| Change::about(db, Resource::ServiceAccount, id)).expect("read");
    let actions: Vec<&str> = entries.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(
        actions,
        [
            "create_service_account",
            "update_service_account",
            "rotate_service_account",
            "revoke_service_account",
            "delete_service_account"
        ]
    );
    assert!(entries.iter().all(|entry| entry.organisation_id == Some(vendor.id) && entry.role == "vendor"));
}

fn the_last_use_is_noted_by_the_minute(app: &App) {
    let vendor = app.vendor(1);
    let account = made(app, &vendor, &[]);
    let seen = || app.get(&path(&account)).by(&vendor.token).expect(200);
    assert_eq!(seen().json()["last_used_at"], Value::Null);
    token_of(app, &account);
    let first = seen();
    assert!(first.json()["last_used_at"].is_string());
    app.clock.advance(TimeDelta::seconds(30));
    token_of(app, &account);
    assert_eq!(seen().json(), first.json(), "within the minute nothing is written");
    app.clock.advance(TimeDelta::seconds(31));
    token_of(app, &account);
    let later = seen();
    assert_ne!(later.json()["last_used_at"], first.json()["last_used_at"]);
    assert_eq!(later.json()["version"], 1, "a use is no change");
    assert_eq!(later.json()["updated_at"], first.json()["updated_at"]);
}

fn changes_need_the_current_version(app: &App) {
    let (vendor, stranger) = (app.vendor(1), app.vendor(2));
    let account = made(app, &vendor, &[]);
    let rename = json!({"name": "Autre"});
    app.patch(&path(&account)).by(&vendor.token).json(&rename).expect(428);
    app.patch(&path(&account)).by(&vendor.token).on(&account).json(&rename).expect(200);
    app.patch(&path(&account)).by(&vendor.token).on(&account).json(&rename).expect(412);
    app.post(&format!("{}/revoke", path(&account))).by(&vendor.token).on(&account).expect(412);
    app.post(&format!("{}/rotate", path(&account))).by(&vendor.token).json(&json!({})).expect(428);
    for operation in ["", "/rotate", "/revoke"] {
        let method = if operation.is_empty() { "GET" } else { "POST" };
        let foreign = app.request(method, &format!("{}{operation}", path(&account))).by(&stranger.token);
        let absent =
            app.request(method, &format!("/api/v1/service-accounts/{}{operation}", Id::new())).by(&stranger.token);
        let (foreign, absent) = if operation == "/rotate" {
            (foreign.json(&json!({})), absent.json(&json!({})))
        } else {
            (foreign, absent)
        };
        assert_eq!(
            foreign.header("if-match", "*").expect(404).text("detail"),
            absent.header("if-match", "*").expect(404).text("detail")
        );
    }
    app.get(&accounts(vendor.id)).by(&stranger.token).expect(404);
    app.post(&accounts(vendor.id)).by(&stranger.token).json(&json!({"name": "x"})).expect(404);
    // A shorter life of tokens is a setting.
    let brief = app.another(Given { token_lifetime_seconds: Some(60), ..Given::default() });
    let account = made(&brief, &brief.vendor(1), &[]);
    assert_eq!(ask(&brief, &account.id(), &account.text("secret"), "").json()["expires_in"], 60);
    // A body that is no vendor any more makes its accounts useless.
    let id = Id::parse(&account.text("organisation_id")).expect("an id");
    brief
        .store()
        .write_here(&Actor::System, |tx| {
            let mut body = Organisation::find(tx.db, id)?;
            (body.is_vendor, body.is_public_body) = (false, true);
            body.store(tx, "update_organisation", json!({}))
        })
        .expect("changed");
    assert_eq!(ask(&brief, &account.id(), &account.text("secret"), "").text("error"), "unauthorized_client");
}
