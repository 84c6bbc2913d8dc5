//! Tokens of other issuers: which are believed, and as whom.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use gouvtech_catalogue::auth::refusal::{self, RefusalKind};
use gouvtech_catalogue::auth::token::Grant;
use gouvtech_catalogue::auth::{Duty, Role};
use gouvtech_catalogue::config::{Given, Settings};
use gouvtech_catalogue::db::Id;
use jsonwebtoken::{Algorithm, EncodingKey};

use crate::cases;
use crate::support::build::{sheet, siren};
use crate::support::provider::{Provider, Signer};
use crate::support::{App, Response, Value, json};

cases![
    each_algorithm_is_believed_with_its_own_kind_of_key,
    no_forged_token_is_believed_and_nobody_is_asked_for_it,
    the_public_key_is_no_secret,
    an_issuer_signs_for_itself_alone,
    times_are_whole_seconds_within_the_issuers_limit,
    a_token_of_keycloak_is_read_by_its_mapping,
    claims_that_say_nothing_or_too_much_are_refused,
    a_trusted_siret_confirms_its_own_organisation_and_no_other,
    a_siret_of_the_token_binds_every_registration,
    bad_settings_stop_the_start_and_name_themselves,
];

/// An application that believes the provider.
pub fn trusting(app: &App, provider: &Provider, more: &str) -> App {
    app.another(Given { issuers: vec![provider.settings(more)], ..Given::default() })
}

const PATH: &str = "/api/v1/evaluations";

pub fn by(app: &App, token: &str) -> Response {
    app.get(PATH).by(token).send()
}

pub fn believed(app: &App, what: &str, token: &str) {
    let answer = by(app, token);
    assert_eq!(answer.status, 200, "{what} was refused: {answer:?}");
}

pub fn refused(app: &App, what: &str, token: &str) {
    for path in [PATH, "/api/v1/solutions"] {
        let answer = app.get(path).by(token).send();
        assert_eq!(answer.status, 401, "{what} was believed at {path}: {answer:?}");
        let challenge = &answer.headers["www-authenticate"];
        assert!(challenge.starts_with("Bearer realm=") && challenge.contains("error=\"invalid_token\""), "{challenge}");
    }
}

pub fn changed(object: &Value, name: &str, value: Value) -> Value {
    let mut object = object.clone();
    if value.is_null() {
        object.as_object_mut().expect("an object").remove(name).expect("a member");
    } else {
        object[name] = value;
    }
    object
}

pub fn counted(kind: RefusalKind) -> u64 {
    refusal::counts().find(|(one, _)| *one == kind).expect("a kind").1
}

fn each_algorithm_is_believed_with_its_own_kind_of_key(app: &App) {
    let keys = [Signer::ed25519("ed"), Signer::p256("ec"), Signer::rsa("rsa")];
    let provider = Provider::start(&keys.each_ref());
    let trusting_all = trusting(app, &provider, "");
    let claims = provider.claims(app.clock.now());
    for key in &keys {
        believed(&trusting_all, key.alg, &key.token(&claims));
    }
    assert_eq!(provider.asked(), 1, "{:?}", provider.paths());
    // The setting narrows what is believed, and the key says what it is for.
    let only_rsa = trusting(app, &provider, "algorithms = ['RS256']");
    believed(&only_rsa, "RS256", &keys[2].token(&claims));
    refused(&only_rsa, "ES256", &keys[1].token(&claims));
    refused(&only_rsa, "EdDSA", &keys[0].token(&claims));
    for (signer, other) in [(&keys[0], &keys[1]), (&keys[1], &keys[2]), (&keys[2], &keys[0])] {
        let header = changed(&signer.header(), "kid", json!(other.kid)).to_string();
        refused(&trusting_all, "another key's id", &signer.signed(&header, &claims.to_string()));
        let header = changed(&signer.header(), "alg", json!(other.alg)).to_string();
        refused(&trusting_all, "another key's algorithm", &signer.signed(&header, &claims.to_string()));
    }
    // A key that names another algorithm, or another use, is not used.
    provider.publish_set(json!({"keys": [
        changed(&keys[0].jwk, "use", json!("enc")),
        changed(&keys[1].jwk, "kty", json!("oct")),
        changed(&keys[2].jwk, "alg", json!("PS256")),
    ]}));
    let misled = trusting(app, &provider, "");
    for key in &keys {
        refused(&misled, key.alg, &key.token(&claims));
    }
}

/// Everything a token may be changed to, for each kind of key.
fn no_forged_token_is_believed_and_nobody_is_asked_for_it(app: &App) {
    let elsewhere = Provider::start(&[]);
    for key in [Signer::ed25519("k"), Signer::p256("k"), Signer::rsa("k")] {
        let provider = Provider::start(&[&key]);
        let app = trusting(app, &provider, "");
        let (header, claims) = (key.header(), provider.claims(app.clock.now()));
        let good = key.token(&claims);
        believed(&app, "the token", &good);
        let parts: Vec<&str> = good.split('.').collect();
        let mut forged: Vec<(String, String)> = Vec::new();
        let mut add = |what: &str, token: String| forged.push((format!("{}: {what}", key.alg), token));
        for alg in ["none", "None", "NONE", "NoNe", "", "HS256", "HS512", "PS256", "ES384", "RS512", "Ed25519", "es256"]
        {
            let header = changed(&header, "alg", json!(alg)).to_string();
            let token = key.signed(&header, &claims.to_string());
            let (message, _) = token.rsplit_once('.').expect("three parts");
            add(&format!("alg {alg} without signature"), format!("{message}."));
            add(&format!("alg {alg} with another signature"), format!("{message}.{}", parts[2]));
            add(&format!("alg {alg}"), token);
        }
        for alg in [json!([key.alg]), json!(1), Value::Null] {
            add("an odd alg", key.signed(&changed(&header, "alg", alg).to_string(), &claims.to_string()));
        }
        let own_jwk = Signer::ed25519("k").jwk;
        for (name, value) in [
            ("jwk", own_jwk),
            ("jku", json!(format!("{}/keys", elsewhere.url))),
            ("x5u", json!(format!("{}/keys", elsewhere.url))),
            ("x5c", json!(["MIIB"])),
            ("x5t", json!("AAAA")),
            ("crit", json!(["exp"])),
            ("crit", json!([])),
            ("b64", json!(false)),
            ("zip", json!("DEF")),
            ("cty", json!("JWT")),
            ("typ", json!("JWT")),
            ("typ", json!("id_token+jwt")),
            ("typ", json!(["at+jwt"])),
            ("typ", Value::Null),
            ("kid", json!("../../../../dev/null")),
            ("kid", json!("' OR '1'='1")),
            ("kid", json!(format!("{}/keys", elsewhere.url))),
            ("kid", json!("")),
            ("kid", json!(["k"])),
            ("kid", json!({"k": "k"})),
            ("kid", Value::Null),
        ] {
            add(
                &format!("{name} {value}"),
                key.signed(&changed(&header, name, value.clone()).to_string(), &claims.to_string()),
            );
        }
        for (name, value) in [
            ("iss", json!(format!("{}/", provider.url))),
            ("iss", json!(provider.url.to_uppercase())),
            ("iss", json!([provider.url])),
            ("iss", json!(elsewhere.url)),
            ("iss", json!("https://evil.example")),
            ("iss", Value::Null),
            ("aud", json!("other")),
            ("aud", json!(["other"])),
            ("aud", json!([])),
            ("aud", json!([["catalogue"]])),
            ("aud", json!({"aud": "catalogue"})),
            ("aud", json!("catalogue ")),
            ("aud", json!(1)),
            ("aud", Value::Null),
            ("sub", json!("")),
            ("sub", json!(1)),
            ("sub", json!("\u{0}")),
            ("sub", json!("x".repeat(256))),
            ("sub", Value::Null),
            ("role", json!("Vendor")),
            ("role", json!("v\u{435}ndor")),
            ("role", json!("vendor\u{200b}")),
            ("role", json!("vendor,operator")),
            ("role", json!(["vendor", "operator"])),
            ("role", json!({"vendor": true})),
            ("role", json!([["vendor"]])),
            ("role", json!("")),
            ("role", Value::Null),
            ("duties", json!(["Signatory"])),
            ("duties", json!(["moderator"])),
            ("duties", json!(["signatory", 1])),
            ("duties", json!({"0": "signatory"})),
            ("organisation", json!("1")),
            ("organisation", json!([Id::new()])),
            ("siret", json!("73282932000075")),
            ("siret", json!(73_282_932_000_074_i64)),
            ("siret", json!("7328293200007\u{ff14}")),
        ] {
            add(&format!("{name} {value}"), key.token(&changed(&claims, name, value.clone())));
        }
        let mut both = changed(&claims, "siret", json!("73282932000074"));
        both["organisation"] = json!(Id::new());
        add("organisation and siret", key.token(&both));
        for member in ["\"role\":\"operator\"", "\"r\\u006fle\":\"operator\"", "\"exp\":1"] {
            let twice = claims.to_string().replacen('{', &format!("{{{member},"), 1);
            add(&format!("{member} twice"), key.signed(&header.to_string(), &twice));
        }
        let twice = header.to_string().replacen('{', "{\"alg\":\"none\",", 1);
        add("alg twice", key.signed(&twice, &claims.to_string()));
        let edited = URL_SAFE_NO_PAD.encode(changed(&claims, "role", json!("operator")).to_string());
        add("an edited payload", format!("{}.{edited}.{}", parts[0], parts[2]));
        add("an empty signature", format!("{}.{}.", parts[0], parts[1]));
        add("no signature", format!("{}.{}", parts[0], parts[1]));
        for length in [1, 32, 63, 64, 65, 256] {
            let zeroes = URL_SAFE_NO_PAD.encode(vec![0; length]);
            add(&format!("{length} zeroes as signature"), format!("{}.{}.{zeroes}", parts[0], parts[1]));
        }
        add("a fourth part", format!("{good}.{}", parts[2]));
        add("a padded signature", format!("{good}="));
        add("an oversized token", key.token(&changed(&claims, "padding", json!("x".repeat(9000)))));
        add("claims that are a list", key.signed(&header.to_string(), "[]"));

        let asked_before = provider.asked();
        let before: u64 = refusal::counts().map(|(_, count)| count).sum();
        for (what, token) in &forged {
            refused(&app, what, token);
        }
        let after: u64 = refusal::counts().map(|(_, count)| count).sum();
        assert!(after >= before + 2 * forged.len() as u64, "not every refusal was counted");
        assert_eq!(provider.asked(), asked_before, "the provider was asked, within the cool-down");
        app.get(PATH).by(&good).by(&good).expect(401);
        app.get(&format!("{PATH}?access_token={good}")).expect(401);
        believed(&app, "the token, still", &good);
    }
    assert_eq!(elsewhere.paths(), Vec::<String>::new(), "somebody followed what a token names");
}

fn the_public_key_is_no_secret(app: &App) {
    for key in [Signer::ed25519("k"), Signer::p256("k"), Signer::rsa("k")] {
        let provider = Provider::start(&[&key]);
        let app = trusting(app, &provider, "");
        let claims = provider.claims(app.clock.now());
        believed(&app, "the token", &key.token(&claims));
        let mut secrets: Vec<Vec<u8>> = vec![b"secret".to_vec(), vec![0; 32], key.jwk.to_string().into_bytes()];
        secrets.push(json!({"keys": [key.jwk]}).to_string().into_bytes());
        for part in ["x", "y", "n", "e"].iter().filter_map(|name| key.jwk[name].as_str()) {
            let raw = URL_SAFE_NO_PAD.decode(part).expect("base64url");
            let hex: String = raw.iter().map(|byte| format!("{byte:02x}")).collect();
            let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(&raw));
            secrets.extend([
                part.as_bytes().to_vec(),
                STANDARD.encode(&raw).into_bytes(),
                hex.to_uppercase().into_bytes(),
                hex.into_bytes(),
                pem.trim_end().as_bytes().to_vec(),
                pem.into_bytes(),
                raw,
            ]);
        }
        for secret in secrets {
            for alg in ["HS256", key.alg] {
                let header = changed(&key.header(), "alg", json!(alg)).to_string();
                let message =
                    format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims.to_string()));
                let signing = EncodingKey::from_secret(&secret);
                let Ok(forged) = jsonwebtoken::crypto::sign(message.as_bytes(), &signing, Algorithm::HS256) else {
                    continue;
                };
                refused(&app, &format!("a secret as {alg}"), &format!("{message}.{forged}"));
            }
        }
    }
}

fn an_issuer_signs_for_itself_alone(app: &App) {
    let (key, other_key) = (Signer::ed25519("same"), Signer::ed25519("same"));
    let (provider, other) = (Provider::start(&[&key]), Provider::start(&[&other_key]));
    let issuers = vec![provider.settings(""), other.settings("")];
    let app = app.another(Given { issuers, ..Given::default() });
    let (claims, others) = (provider.claims(app.clock.now()), other.claims(app.clock.now()));
    believed(&app, "the one", &key.token(&claims));
    believed(&app, "the other", &other_key.token(&others));
    refused(&app, "one in the other's name", &key.token(&others));
    refused(&app, "the other in the one's name", &other_key.token(&claims));
    let ours = changed(&claims, "iss", json!(app.inner.policy.issuer));
    refused(&app, "a provider in our name", &key.token(&changed(&ours, "aud", json!(app.inner.policy.audience))));
    let kid = changed(&key.header(), "kid", json!(app.signer().id)).to_string();
    refused(&app, "with our key's id", &key.signed(&kid, &ours.to_string()));
    let message = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(changed(&key.header(), "kid", json!(app.signer().id)).to_string()),
        URL_SAFE_NO_PAD.encode(claims.to_string())
    );
    let signature = app.signer().sign(message.as_bytes()).expect("signed");
    refused(&app, "us in a provider's name", &format!("{message}.{signature}"));
    // The same subject of two issuers is two people.
    let vendor = app.vendor(1);
    let solution = app.published(&vendor, "Notée").id();
    let buyer = app.buyer(1);
    let review = |token: &str| {
        app.post(&format!("/api/v1/solutions/{solution}/reviews")).by(token).json(&json!({"title": "Avis"})).expect(201)
    };
    let as_buyer = |claims: &Value| {
        let claims = changed(claims, "role", json!("buyer"));
        changed(&claims, "organisation", json!(buyer.id))
    };
    assert_ne!(review(&key.token(&as_buyer(&claims))).id(), review(&other_key.token(&as_buyer(&others))).id());
}

fn times_are_whole_seconds_within_the_issuers_limit(app: &App) {
    let key = Signer::p256("k");
    let provider = Provider::start(&[&key]);
    let app = trusting(app, &provider, "max_lifetime_seconds = 900");
    let claims = provider.claims(app.clock.now());
    let now = app.clock.now().0.timestamp();
    for name in ["exp", "iat", "nbf"] {
        for raw in [
            &format!("\"{}\"", now + 600),
            &format!("{}.0", now + 600),
            "1e10",
            "-1",
            "9223372036854775808",
            "1e308",
            "null",
            "true",
            "[]",
            "\"never\"",
        ] {
            let text = changed(&claims, name, json!("@@")).to_string().replace("\"@@\"", raw);
            refused(&app, &format!("{name} {raw}"), &key.signed(&key.header().to_string(), &text));
        }
    }
    let lasting = |iat: i64, exp: i64| key.token(&changed(&changed(&claims, "iat", json!(iat)), "exp", json!(exp)));
    believed(&app, "a quarter of an hour", &lasting(now, now + 900));
    refused(&app, "a second more", &lasting(now, now + 901));
    refused(&app, "an expired token", &lasting(now - 800, now - 60));
    refused(&app, "a token of tomorrow", &lasting(now + 86_400, now + 86_500));
    refused(&app, "no exp", &key.token(&changed(&claims, "exp", Value::Null)));
    refused(&app, "no iat", &key.token(&changed(&claims, "iat", Value::Null)));
    refused(&app, "not before tomorrow", &key.token(&changed(&claims, "nbf", json!(now + 86_400))));
}

const KEYCLOAK: &str = "
token_types = ['JWT']
require = { typ = 'Bearer' }
algorithms = ['RS256']
";
const KEYCLOAK_CLAIMS: &str = "
role = { claim = 'realm_access.roles', values = { 'gt-editeur' = 'vendor', 'gt-acheteur' = 'buyer', 'gt-exploitant' = 'operator' } }
duties = { claim = ['resource_access', 'catalogue.gouv', 'roles'], values = { signataire = 'signatory', moderation = 'moderator' } }
siret = 'siret'
";

fn a_token_of_keycloak_is_read_by_its_mapping(app: &App) {
    let key = Signer::rsa("keycloak-1");
    let provider = Provider::start(&[&key]);
    let settings = provider.settings_with(KEYCLOAK, KEYCLOAK_CLAIMS);
    let app = app.another(Given { issuers: vec![settings], ..Given::default() });
    let vendor = app.vendor(1);
    let now = app.clock.now().0.timestamp();
    let claims = json!({
        "exp": now + 300, "iat": now, "jti": "onrtac:1", "iss": provider.url, "aud": ["account", "catalogue"],
        "sub": "f:1:camille", "typ": "Bearer", "azp": "portail", "sid": "x", "acr": "1", "scope": "openid profile",
        "realm_access": {"roles": ["offline_access", "gt-editeur", "uma_authorization"]},
        "resource_access": {"catalogue.gouv": {"roles": ["signataire", "autre"]}, "account": {"roles": ["view-profile"]}},
        "email_verified": true, "name": "Camille Martin", "siret": siret(&siren(1)),
    });
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": "keycloak-1"}).to_string();
    let token = |claims: &Value| key.signed(&header, &claims.to_string());
    let good = token(&claims);
    let draft = app.post("/api/v1/solutions").by(&good).json(&sheet("Par Keycloak")).expect(201);
    app.post(&format!("/api/v1/solutions/{}/submit", draft.id()))
        .by(&good)
        .on(&draft)
        .json(&json!({"accepts_charter": true}))
        .expect(200);
    app.get(&format!("/api/v1/solutions/{}", draft.id())).by(&vendor.token).expect(200);
    let with = |name: &str, value: Value| token(&changed(&claims, name, value));
    refused(&app, "an identity token", &with("typ", json!("ID")));
    refused(&app, "a refresh token", &with("typ", json!("Refresh")));
    refused(&app, "no role of ours", &with("realm_access", json!({"roles": ["offline_access"]})));
    refused(&app, "two roles of ours", &with("realm_access", json!({"roles": ["gt-editeur", "gt-acheteur"]})));
    refused(&app, "our own word for a role", &with("realm_access", json!({"roles": ["operator"]})));
    refused(&app, "a role in other letters", &with("realm_access", json!({"roles": ["GT-Editeur"]})));
    refused(&app, "roles elsewhere", &with("realm_access", json!(["gt-editeur"])));
    refused(&app, "no roles", &with("realm_access", Value::Null));
    let moderation = json!({"catalogue.gouv": {"roles": ["moderation"]}});
    refused(&app, "a duty of another role", &with("resource_access", moderation));
    refused(&app, "no siret but an odd one", &with("siret", json!("12345678901234")));
    refused(&app, "an access token by RFC 9068, as long as it is not in the settings", &key.token(&claims));
    refused(
        &app,
        "the claim of ours",
        &token(&changed(&changed(&claims, "realm_access", Value::Null), "role", json!("operator"))),
    );
    // A role twice is one role.
    believed(&app, "a role twice", &with("realm_access", json!({"roles": ["gt-editeur", "gt-editeur"]})));
    assert!(by(&app, &with("resource_access", Value::Null)).status == 200, "no duties are no fault");
}

/// The SIRET of a head office.
fn siret(siren: &str) -> String {
    (0..100_000)
        .map(|establishment| format!("{siren}{establishment:05}"))
        .find(|text| gouvtech_catalogue::organisations::rules::is_siret(text))
        .expect("a key")
}

fn claims_that_say_nothing_or_too_much_are_refused(app: &App) {
    let key = Signer::ed25519("k");
    let provider = Provider::start(&[&key]);
    // A provider that sends no type and knows no roles: everybody is a buyer.
    let settings = provider.settings_with(
        "token_types = ['']\nrequire = { is_service_public = true }",
        "subject = 'person.id'\nrole = { fixed = ['buyer'] }\nsiret = 'siret'",
    );
    let app = app.another(Given { issuers: vec![settings], ..Given::default() });
    app.buyer(1);
    let mut claims = provider.claims(app.clock.now());
    claims["person"] = json!({"id": "42"});
    claims["is_service_public"] = json!(true);
    claims["siret"] = json!(siret(&siren(1001)));
    claims["role"] = json!("operator");
    claims["duties"] = json!(["moderator"]);
    let header = json!({"alg": "EdDSA", "kid": "k"}).to_string();
    let token = |claims: &Value| key.signed(&header, &claims.to_string());
    believed(&app, "the token", &token(&claims));
    assert_eq!(app.get("/api/v1/reviews").by(&token(&claims)).expect(200).json()["total"], 0);
    app.get("/api/v1/label-applications").by(&token(&claims)).expect(403);
    refused(&app, "with a type", &key.token(&claims));
    refused(&app, "no public service", &token(&changed(&claims, "is_service_public", json!(false))));
    refused(&app, "perhaps a public service", &token(&changed(&claims, "is_service_public", json!("true"))));
    refused(&app, "nobody", &token(&changed(&claims, "person", json!({"id": ""}))));
    refused(&app, "nobody at all", &token(&changed(&claims, "person", Value::Null)));
}

fn a_trusted_siret_confirms_its_own_organisation_and_no_other(app: &App) {
    let key = Signer::ed25519("k");
    let provider = Provider::start(&[&key]);
    let app = trusting(app, &provider, "confirms_organisations = true");
    let register = |role: &str, number: u32, body: &Value| {
        let claims = changed(&provider.claims(app.clock.now()), "role", json!(role));
        let token = key.token(&changed(&claims, "siret", json!(siret(&siren(number)))));
        (app.post("/api/v1/organisations").by(&token).json(body).send(), token)
    };
    let body = |kinds: &[&str], number: u32| json!({"name": "Neuve", "kinds": kinds, "siren": siren(number), "legal_nature": "company"});
    let (created, token) = register("vendor", 51, &body(&["vendor"], 51));
    assert_eq!((created.status, created.text("status").as_str()), (201, "active"));
    assert_eq!(created.text("identifier_origin"), "registry");
    app.post("/api/v1/solutions").by(&token).json(&json!({"name": "Aussitôt"})).expect(201);
    let (other, _) = register("vendor", 52, &body(&["vendor"], 53));
    assert_eq!(other.status, 422);
    other.has_fault("/siren siren_not_of_token");
    let (foreign, _) =
        register("vendor", 52, &json!({"name": "x", "kinds": ["vendor"], "country": "DE", "register_number": "HRB 1"}));
    assert_eq!(foreign.status, 422);
    // What the issuer says is who it is; what it may be is the operator's to say.
    let (both, _) = register("vendor", 54, &body(&["vendor", "public_body"], 54));
    assert_eq!((both.status, both.text("status").as_str()), (201, "pending"));
    let (auditor, _) = register("auditor", 55, &body(&["audit_body"], 55));
    assert_eq!((auditor.status, auditor.text("status").as_str()), (201, "pending"));
    let (buyer, _) = register("buyer", 56, &body(&["public_body"], 56));
    assert_eq!((buyer.status, buyer.text("status").as_str()), (201, "active"));
    let (again, _) = register("buyer", 56, &body(&["public_body"], 56));
    assert_eq!(again.status, 409);
}

fn a_siret_of_the_token_binds_every_registration(app: &App) {
    let token = |number: u32| {
        app.issue(&Grant {
            subject: "newcomer".to_owned(),
            role: Role::Vendor,
            duties: vec![Duty::Signatory],
            organisation: None,
            siret: Some(siret(&siren(number))),
            service_account: None,
            lifetime_seconds: 600,
        })
    };
    let body = json!({"name": "Neuve", "kinds": ["vendor"], "siren": siren(61), "legal_nature": "company"});
    app.post("/api/v1/organisations").by(&token(62)).json(&body).expect(422).has_fault("/siren siren_not_of_token");
    let created = app.post("/api/v1/organisations").by(&token(61)).json(&body).expect(201);
    assert_eq!(created.text("status"), "pending", "nobody said that this issuer is trusted with it");
}

fn bad_settings_stop_the_start_and_name_themselves(app: &App) {
    let provider = Provider::start(&[]);
    let refused = |text: &str, named: &str| {
        let file = app.folder.join("settings.toml");
        std::fs::write(&file, text).expect("written");
        let error = Settings::new(Given { config: Some(file), ..Given::default() }).expect_err(text);
        assert!(error.contains(named), "`{named}` is not in: {error}");
    };
    let table = |text: &str| format!("[[issuers]]\n{text}\n[issuers.claims]\nrole = {{ fixed = ['buyer'] }}\n");
    refused(&table("issuer = 'http://sso.example.org'\naudiences = ['a']"), "https");
    refused(&table("issuer = 'https://u:p@sso.example.org'\naudiences = ['a']"), "credentials");
    refused(&table("issuer = 'https://sso.example.org/?x'\naudiences = ['a']"), "query");
    refused(&table("issuer = 'sso'\naudiences = ['a']"), "issuers[0]");
    refused(&table("issuer = 'https://sso.example.org'\naudiences = []"), "audiences");
    refused(&table("issuer = 'https://sso.example.org'\naudiences = ['a']\nalgorithms = ['HS256']"), "HS256");
    refused(&table("issuer = 'https://sso.example.org'\naudiences = ['a']\nalgorithms = ['none']"), "none");
    refused(&table("issuer = 'https://sso.example.org'\naudiences = ['a']\njwks_url = 'http://x.org/'"), "jwks_url");
    refused(
        &table("issuer = 'https://sso.example.org'\naudiences = ['a']\nmax_lifetime_seconds = 86400"),
        "max_lifetime_seconds",
    );
    refused(&table("issuer = 'https://sso.example.org'\naudiences = ['a']\ncolour = 'red'"), "colour");
    refused(
        &table("issuer = 'https://sso.example.org'\naudiences = ['a']\nconfirms_organisations = true"),
        "confirms_organisations",
    );
    refused(&table("issuer = 'gouvtech-catalogue:x'\naudiences = ['a']"), "issuers[0]");
    let twice = table("issuer = 'https://sso.example.org'\naudiences = ['a']");
    refused(&format!("{twice}{twice}"), "issuers[1]");
    refused(
        "[[issuers]]\nissuer = 'https://sso.example.org'\naudiences = ['a']\n[issuers.claims]\nrole = { fixed = ['admin'] }\n",
        "admin",
    );
    refused(
        "[[issuers]]\nissuer = 'https://sso.example.org'\naudiences = ['a']\n[issuers.claims]\nrole = { }\n",
        "claims.role",
    );
    // A certificate file that is none is found before anybody calls.
    let file = app.folder.join("ca.pem");
    std::fs::write(&file, "no certificate").expect("written");
    let settings = provider.settings(&format!("ca_file = '{}'", file.display()));
    let error = gouvtech_catalogue::auth::issuers::Issuer::new(settings).err().expect("refused");
    assert!(error.contains("ca_file"), "{error}");
}
