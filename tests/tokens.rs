//! Forged, edited, stale and odd tokens: none is believed.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use gouvtech_catalogue::auth::Role;
use jsonwebtoken::{Algorithm, EncodingKey};

use crate::cases;
use crate::support::build::Party;
use crate::support::{App, Value, json};

cases![
    the_untouched_token_is_believed,
    no_other_algorithm_is_believed,
    the_public_key_is_no_secret,
    an_edited_token_is_refused,
    a_header_that_brings_or_names_a_key_is_refused,
    a_key_id_is_compared_and_never_looked_up,
    times_are_whole_seconds_within_an_hour,
    the_issuer_and_the_audience_are_compared_exactly,
    role_and_duties_are_compared_exactly,
    an_organisation_is_named_once,
    a_member_twice_is_refused,
    a_token_of_another_form_is_refused,
    a_token_comes_in_one_header,
];

/// The parts of a good token, to be spoilt one at a time.
struct Mint<'a> {
    app: &'a App,
    vendor: Party,
    header: Value,
    claims: Value,
}

fn mint(app: &App) -> Mint<'_> {
    let vendor = app.vendor(1);
    let parts: Vec<Value> = vendor
        .token
        .split('.')
        .take(2)
        .map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON"))
        .collect();
    Mint { app, header: parts[0].clone(), claims: parts[1].clone(), vendor }
}

fn encoded(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

impl Mint<'_> {
    fn signed(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", encoded(header), encoded(claims));
        let signature = self.app.signer().sign(message.as_bytes()).expect("signed");
        format!("{message}.{signature}")
    }

    /// Well signed, with this member of the header; null takes it away.
    fn with_header(&self, name: &str, value: Value) -> String {
        self.signed(&changed(&self.header, name, value), &self.claims.to_string())
    }

    /// Well signed, with this claim; null takes it away.
    fn with_claim(&self, name: &str, value: Value) -> String {
        self.signed(&self.header.to_string(), &changed(&self.claims, name, value))
    }

    /// Well signed, with this text instead of a claim's value.
    fn with_raw_claim(&self, name: &str, raw: &str) -> String {
        let claims = changed(&self.claims, name, json!("@@")).replace("\"@@\"", raw);
        self.signed(&self.header.to_string(), &claims)
    }

    /// Refused both where a token is needed and where none is.
    fn refused(&self, what: &str, token: &str) {
        for path in ["/api/v1/evaluations", "/api/v1/solutions"] {
            let answer = self.app.get(path).by(token).send();
            assert_eq!(answer.status, 401, "{what} was believed at {path}");
            let challenge = &answer.headers["www-authenticate"];
            assert!(
                challenge.starts_with("Bearer realm=") && challenge.contains("error=\"invalid_token\""),
                "{challenge}"
            );
        }
    }

    fn believed(&self, what: &str, token: &str) {
        let answer = self.app.get("/api/v1/evaluations").by(token).send();
        assert_eq!(answer.status, 200, "{what} was refused: {answer:?}");
    }
}

fn changed(object: &Value, name: &str, value: Value) -> String {
    let mut object = object.clone();
    if value.is_null() {
        object.as_object_mut().expect("an object").remove(name).expect("a member");
    } else {
        object[name] = value;
    }
    object.to_string()
}

fn the_untouched_token_is_believed(app: &App) {
    let mint = mint(app);
    mint.believed("the token", &mint.vendor.token);
    mint.believed("the same, signed here", &mint.signed(&mint.header.to_string(), &mint.claims.to_string()));
    mint.believed("typ in capitals", &mint.with_header("typ", json!("AT+JWT")));
    mint.believed("typ in full", &mint.with_header("typ", json!("application/at+jwt")));
}

fn no_other_algorithm_is_believed(app: &App) {
    let mint = mint(app);
    for alg in ["none", "None", "NONE", "NoNe", "", "HS256", "ES256", "RS256", "PS256", "Ed25519", "eddsa", "EDDSA"] {
        let token = mint.with_header("alg", json!(alg));
        let (message, _) = token.rsplit_once('.').expect("three parts");
        mint.refused(&format!("alg {alg}"), &token);
        mint.refused(&format!("alg {alg} without signature"), &format!("{message}."));
        mint.refused(
            &format!("alg {alg} with the good signature"),
            &format!("{message}.{}", signature(&mint.vendor.token)),
        );
    }
    for odd in [json!(["EdDSA"]), json!(1), json!({"alg": "EdDSA"}), Value::Null] {
        mint.refused(&format!("alg {odd}"), &mint.with_header("alg", odd));
    }
}

fn signature(token: &str) -> &str {
    token.rsplit('.').next().expect("a part")
}

fn the_public_key_is_no_secret(app: &App) {
    let mint = mint(app);
    let jwks = app.inner.keys.held().jwks(app.clock.now());
    let x = jwks["keys"][0]["x"].as_str().expect("x").to_owned();
    let raw = URL_SAFE_NO_PAD.decode(&x).expect("base64url");
    // RFC 8410: the fixed prefix of an Ed25519 SubjectPublicKeyInfo, then the key.
    let spki = [&[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00], raw.as_slice()].concat();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(&spki));
    let hex: String = raw.iter().map(|byte| format!("{byte:02x}")).collect();
    let secrets: Vec<Vec<u8>> = vec![
        x.into_bytes(),
        STANDARD.encode(&raw).into_bytes(),
        hex.to_uppercase().into_bytes(),
        hex.into_bytes(),
        raw,
        pem.trim_end().as_bytes().to_vec(),
        pem.into_bytes(),
        spki,
        jwks["keys"][0].to_string().into_bytes(),
        jwks.to_string().into_bytes(),
        app.signer().id.clone().into_bytes(),
        Vec::new(),
        b"secret".to_vec(),
        b"password".to_vec(),
        vec![0; 32],
    ];
    for (number, secret) in secrets.iter().enumerate() {
        for alg in ["HS256", "EdDSA"] {
            let message =
                format!("{}.{}", encoded(&changed(&mint.header, "alg", json!(alg))), encoded(&mint.claims.to_string()));
            let forged =
                jsonwebtoken::crypto::sign(message.as_bytes(), &EncodingKey::from_secret(secret), Algorithm::HS256);
            let Ok(forged) = forged else {
                assert!(secret.is_empty(), "secret {number} cannot sign");
                continue;
            };
            mint.refused(&format!("secret {number} as {alg}"), &format!("{message}.{forged}"));
        }
    }
}

fn an_edited_token_is_refused(app: &App) {
    let mint = mint(app);
    let token = &mint.vendor.token;
    let parts: Vec<&str> = token.split('.').collect();
    let edited = encoded(&changed(&mint.claims, "role", json!("operator")));
    mint.refused("another payload", &format!("{}.{edited}.{}", parts[0], parts[2]));
    let other = app.token(Role::Buyer, None, &[], "other");
    mint.refused("the signature of another token", &format!("{}.{}.{}", parts[0], parts[1], signature(&other)));
    mint.refused("an empty signature", &format!("{}.{}.", parts[0], parts[1]));
    mint.refused("no signature", &format!("{}.{}", parts[0], parts[1]));
    mint.refused("a signature of zeroes", &format!("{}.{}.{}", parts[0], parts[1], URL_SAFE_NO_PAD.encode([0; 64])));
    mint.refused("a fourth part", &format!("{token}.{}", parts[2]));
    mint.refused("an empty payload", &format!("{}..{}", parts[0], parts[2]));
    for cut in [1, 2, 10, 40, 86, 87, 200] {
        mint.refused(&format!("{cut} characters less"), &token[..token.len() - cut]);
    }
}

fn a_header_that_brings_or_names_a_key_is_refused(app: &App) {
    let mint = mint(app);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a socket");
    listener.set_nonblocking(true).expect("non-blocking");
    let url = format!("http://{}/keys", listener.local_addr().expect("an address"));
    let jwk = app.inner.keys.held().jwks(app.clock.now())["keys"][0].clone();
    for (name, value) in [
        ("jwk", jwk),
        ("jku", json!(url)),
        ("x5u", json!(url)),
        ("x5c", json!(["MIIB"])),
        ("x5t", json!("AAAA")),
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("cty", json!("JWT")),
    ] {
        mint.refused(name, &mint.with_header(name, value));
    }
    for typ in [json!("JWT"), json!("at-jwt"), json!(""), json!(1), json!(["at+jwt"]), json!("at+jwt "), Value::Null] {
        mint.refused(&format!("typ {typ}"), &mint.with_header("typ", typ));
    }
    let connection = listener.accept().map(|_| ()).map_err(|error| error.kind());
    assert_eq!(connection, Err(std::io::ErrorKind::WouldBlock), "somebody asked for the key the token names");
}

fn a_key_id_is_compared_and_never_looked_up(app: &App) {
    let mint = mint(app);
    for kid in [
        "../../../../dev/null",
        "/etc/passwd",
        "file:///etc/passwd",
        "' OR '1'='1",
        "x' UNION SELECT 'secret' --",
        "\u{0}",
        "",
        "1",
    ] {
        mint.refused(&format!("kid {kid:?}"), &mint.with_header("kid", json!(kid)));
    }
    mint.refused("no kid", &mint.with_header("kid", Value::Null));
    mint.refused("a list of kid", &mint.with_header("kid", json!([app.signer().id])));
    for number in 0..1000 {
        let token = mint.with_header("kid", json!(format!("key-{number}")));
        assert_eq!(app.get("/api/v1/evaluations").by(&token).send().status, 401, "an unknown kid was believed");
    }
}

fn times_are_whole_seconds_within_an_hour(app: &App) {
    let mint = mint(app);
    let now = app.clock.now().0.timestamp();
    mint.believed("nbf in the past", &mint.with_claim("nbf", json!(now - 10)));
    for name in ["exp", "iat", "nbf"] {
        for raw in [
            &format!("\"{}\"", now + 600),
            &format!("{}.0", now + 600),
            &format!("{}.5", now),
            &format!("[{now}]"),
            "1e10",
            "1.8e9",
            "-1",
            "9223372036854775807",
            "9223372036854775808",
            "18446744073709551616",
            "1e308",
            "null",
            "true",
            "{}",
            "\"\"",
            "\"never\"",
        ] {
            mint.refused(&format!("{name} {raw}"), &mint.with_raw_claim(name, raw));
        }
    }
    for name in ["exp", "iat"] {
        mint.refused(&format!("no {name}"), &mint.with_claim(name, Value::Null));
    }
    let lasting = |iat: i64, exp: i64| {
        let mut claims = mint.claims.clone();
        claims["iat"] = json!(iat);
        claims["exp"] = json!(exp);
        mint.signed(&mint.header.to_string(), &claims.to_string())
    };
    mint.believed("an hour", &lasting(now, now + 3600));
    mint.refused("an hour and a second", &lasting(now, now + 3601));
    mint.refused("a year", &lasting(now, now + 31_536_000));
    mint.refused("an expired token", &lasting(now - 3600, now - 120));
    mint.refused("a token of tomorrow", &lasting(now + 86_400, now + 86_500));
    mint.refused("an end before the beginning", &lasting(now, now - 1));
    mint.refused("a token that may be used tomorrow", &mint.with_claim("nbf", json!(now + 86_400)));
}

fn the_issuer_and_the_audience_are_compared_exactly(app: &App) {
    let mint = mint(app);
    let policy = &app.inner.policy;
    for iss in [
        json!("https://evil.example"),
        json!(format!("{}/", policy.issuer)),
        json!(format!("{} ", policy.issuer)),
        json!(policy.issuer.to_uppercase() + "X"),
        json!([policy.issuer]),
        json!({"iss": policy.issuer}),
        json!(1),
        json!(""),
        Value::Null,
    ] {
        mint.refused(&format!("iss {iss}"), &mint.with_claim("iss", iss));
    }
    mint.believed("one of several audiences", &mint.with_claim("aud", json!(["other", policy.audience])));
    for aud in [
        json!("other"),
        json!(["other"]),
        json!([]),
        json!([[policy.audience]]),
        json!({"aud": policy.audience}),
        json!(format!("{}x", policy.audience)),
        json!(1),
        json!(true),
        Value::Null,
    ] {
        mint.refused(&format!("aud {aud}"), &mint.with_claim("aud", aud));
    }
    for name in ["sub", "jti", "client_id"] {
        for value in [json!(""), json!(1), json!(["x"]), json!("\u{0}"), json!("x".repeat(256)), Value::Null] {
            mint.refused(&format!("{name} {value}"), &mint.with_claim(name, value));
        }
    }
}

fn role_and_duties_are_compared_exactly(app: &App) {
    let mint = mint(app);
    for role in [
        json!("Vendor"),
        json!("VENDOR"),
        json!(" vendor"),
        json!("vendor\u{200b}"),
        json!("v\u{435}ndor"),
        json!("vendor,operator"),
        json!("admin"),
        json!(""),
        json!(["vendor"]),
        json!(["vendor", "operator"]),
        json!({"vendor": true}),
        json!(0),
        Value::Null,
    ] {
        mint.refused(&format!("role {role}"), &mint.with_claim("role", role));
    }
    mint.believed("no duties", &mint.with_claim("duties", json!([])));
    for duties in [
        json!("signatory"),
        json!(["Signatory"]),
        json!(["signatory", "root"]),
        json!(["moderator"]),
        json!(["signatory", "moderator"]),
        json!([["signatory"]]),
        json!([null]),
        json!({"0": "signatory"}),
    ] {
        mint.refused(&format!("duties {duties}"), &mint.with_claim("duties", duties));
    }
    mint.refused("duties null", &mint.with_raw_claim("duties", "null"));
}

fn an_organisation_is_named_once(app: &App) {
    let mint = mint(app);
    mint.refused("organisation and siret", &mint.with_claim("siret", json!("73282932000074")));
    for organisation in [json!("1"), json!(""), json!([mint.vendor.id]), json!(1), json!("' OR 1=1")] {
        mint.refused(&format!("organisation {organisation}"), &mint.with_claim("organisation", organisation));
    }
    mint.refused("organisation null", &mint.with_raw_claim("organisation", "null"));
    let mut claims = mint.claims.clone();
    claims.as_object_mut().expect("claims").remove("organisation");
    for siret in [json!(73_282_932_000_074_i64), json!([]), json!("")] {
        mint.refused("an odd siret", &mint.signed(&mint.header.to_string(), &changed(&claims, "siret", siret)));
    }
}

fn a_member_twice_is_refused(app: &App) {
    let mint = mint(app);
    let twice = |object: &Value, member: &str| object.to_string().replacen('{', &format!("{{{member},"), 1);
    for member in
        ["\"role\":\"operator\"", "\"role\":\"vendor\"", "\"exp\":1", "\"iss\":\"x\"", "\"r\\u006fle\":\"operator\""]
    {
        mint.refused(&format!("{member} twice"), &mint.signed(&mint.header.to_string(), &twice(&mint.claims, member)));
    }
    for member in ["\"alg\":\"none\"", "\"alg\":\"EdDSA\"", "\"kid\":\"x\"", "\"t\\u0079p\":\"at+jwt\""] {
        mint.refused(&format!("{member} twice"), &mint.signed(&twice(&mint.header, member), &mint.claims.to_string()));
    }
}

fn a_token_of_another_form_is_refused(app: &App) {
    let mint = mint(app);
    let token = &mint.vendor.token;
    let parts: Vec<&str> = token.split('.').collect();
    // Padding: sign what is sent, so that only the form is at fault.
    for spaces in 0..3 {
        let claims = format!("{}{}", mint.claims, " ".repeat(spaces));
        let message = format!("{}.{}", encoded(&mint.header.to_string()), URL_SAFE.encode(&claims));
        let signature = app.signer().sign(message.as_bytes()).expect("signed");
        let padded = format!("{message}.{signature}");
        if message.ends_with('=') {
            mint.refused("a padded payload", &padded);
        } else {
            mint.believed("a payload that needs no padding", &padded);
        }
    }
    mint.refused("a padded signature", &format!("{token}=="));
    mint.refused("a signature in the other alphabet", &format!("{}.{}.{}", parts[0], parts[1], "+/".repeat(43)));
    mint.refused("a token of 9,000 characters", &mint.with_claim("padding", json!("x".repeat(9000))));
    mint.refused("claims that are a list", &mint.signed(&mint.header.to_string(), "[]"));
    mint.refused("claims that are not JSON", &mint.signed(&mint.header.to_string(), "role=vendor"));
    mint.refused(
        "claims nested deep",
        &mint.with_raw_claim("deep", &format!("{}{}", "[".repeat(2000), "]".repeat(2000))),
    );
    mint.refused("claims followed by others", &mint.signed(&mint.header.to_string(), &format!("{0}{0}", mint.claims)));
    for odd in ["x", "...", "a.b.c", "..", "null", "eyJhbGciOiJub25lIn0..", "%2e%2e"] {
        mint.refused(odd, odd);
    }
}

fn a_token_comes_in_one_header(app: &App) {
    let mint = mint(app);
    let token = &mint.vendor.token;
    let twice = app.get("/api/v1/evaluations").by(token).by(token).expect(401);
    assert!(twice.headers["www-authenticate"].contains("invalid_token"));
    for header in [
        format!("Basic {token}"),
        token.clone(),
        format!("Bearer {token}, Bearer {token}"),
        format!("Bearer {token} {token}"),
        "Bearer".to_owned(),
        format!("Token {token}"),
    ] {
        let answer = app.get("/api/v1/evaluations").header("authorization", &header).send();
        assert_eq!(answer.status, 401, "{header}");
    }
    app.get("/api/v1/evaluations").header("authorization", &format!("bearer {token}")).expect(200);
    let in_query = app.get(&format!("/api/v1/evaluations?access_token={token}")).expect(401);
    assert!(!in_query.headers["www-authenticate"].contains("error="), "no token was sent where tokens are read");
    app.get("/api/v1/evaluations").header("cookie", &format!("access_token={token}")).expect(401);
}
