//! How the keys of other issuers are had: seldom, from nowhere else, and without
//! holding anybody up. A provider on the loopback counts who asks it for what.

use chrono::TimeDelta;
use gouvtech_catalogue::auth::provider::COOL_DOWN;
use gouvtech_catalogue::auth::refusal::RefusalKind;

use crate::cases;
use crate::issuers::{believed, by, changed, counted, refused, trusting};
use crate::support::provider::{Authority, Mood, Provider, Signer};
use crate::support::{App, json};

cases![
    an_unknown_key_is_asked_for_once_in_a_while,
    a_new_key_is_found_and_a_removed_one_forgotten,
    old_keys_are_kept_while_the_provider_is_down_up_to_a_bound,
    a_provider_that_is_down_at_the_start_is_asked_again,
    a_provider_that_hangs_holds_up_nobody_else,
    keys_come_from_the_provider_itself,
    a_provider_shows_a_certificate_of_an_authority_that_is_trusted,
];

fn an_unknown_key_is_asked_for_once_in_a_while(app: &App) {
    let key = Signer::ed25519("k");
    let provider = Provider::start(&[&key]);
    let app = trusting(app, &provider, "");
    let claims = provider.claims(app.clock.now());
    believed(&app, "the token", &key.token(&claims));
    assert_eq!(provider.asked(), 1);
    let odd = |number: usize| {
        let header = changed(&key.header(), "kid", json!(format!("key-{number}"))).to_string();
        key.signed(&header, &claims.to_string())
    };
    app.clock.advance(TimeDelta::seconds(COOL_DOWN));
    let before = counted(RefusalKind::UnknownKey);
    std::thread::scope(|scope| {
        for part in 0..4 {
            let (app, odd) = (&app, &odd);
            scope.spawn(move || {
                for number in 0..250 {
                    assert_eq!(by(app, &odd(part * 250 + number)).status, 401);
                }
            });
        }
    });
    assert_eq!(provider.asked(), 2, "a thousand unknown keys, one request");
    assert!(counted(RefusalKind::UnknownKey) >= before + 1000);
    app.clock.advance(TimeDelta::seconds(COOL_DOWN));
    for number in 0..10 {
        assert_eq!(by(&app, &odd(number)).status, 401);
    }
    assert_eq!(provider.asked(), 3);
    assert!(provider.paths().iter().filter(|path| *path != "/keys").count() == 1, "discovery is remembered");
    believed(&app, "the token, still", &key.token(&claims));
}

fn a_new_key_is_found_and_a_removed_one_forgotten(app: &App) {
    let (old, new) = (Signer::p256("old"), Signer::ed25519("new"));
    let provider = Provider::start(&[&old]);
    let app = trusting(app, &provider, "jwks_cache_seconds = 300");
    let token = |key: &Signer| key.token(&provider.claims(app.clock.now()));
    believed(&app, "the old key", &token(&old));
    provider.publish(&[&old, &new]);
    refused(&app, "the new key, within the cool-down", &token(&new));
    app.clock.advance(TimeDelta::seconds(COOL_DOWN));
    believed(&app, "the new key", &token(&new));
    believed(&app, "the old key beside it", &token(&old));
    provider.publish(&[&new]);
    app.clock.advance(TimeDelta::seconds(301));
    refused(&app, "the removed key, after the cache time", &token(&old));
    believed(&app, "the new key alone", &token(&new));
    // With traffic it is forgotten even earlier: keys are asked for again half-way, while nobody waits.
    provider.publish(&[&old]);
    app.clock.advance(TimeDelta::seconds(160));
    wait(|| by(&app, &token(&new)).status == 401);
    believed(&app, "the old key, again", &token(&old));
}

fn old_keys_are_kept_while_the_provider_is_down_up_to_a_bound(app: &App) {
    let key = Signer::ed25519("k");
    let provider = Provider::start(&[&key]);
    let app = trusting(app, &provider, "jwks_keep_seconds = 7200");
    let token = || key.token(&provider.claims(app.clock.now()));
    believed(&app, "the token", &token());
    provider.is(Mood::Fails);
    for _ in 0..7 {
        app.clock.advance(TimeDelta::seconds(1000));
        believed(&app, "a token while the provider is down", &token());
    }
    assert!(provider.asked() >= 2, "it is asked again and again");
    app.clock.advance(TimeDelta::seconds(300));
    let answer = by(&app, &token());
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.headers.contains_key("retry-after"));
    provider.is(Mood::Works);
    app.clock.advance(TimeDelta::seconds(COOL_DOWN));
    wait(|| by(&app, &token()).status == 200);
}

fn a_provider_that_is_down_at_the_start_is_asked_again(app: &App) {
    let key = Signer::rsa("k");
    let provider = Provider::start(&[&key]);
    provider.is(Mood::Fails);
    let app = trusting(app, &provider, "");
    app.get("/readyz").expect(200);
    let token = || key.token(&provider.claims(app.clock.now()));
    assert_eq!(by(&app, &token()).status, 503);
    by(&app, &app.operator()).json();
    provider.is(Mood::Works);
    assert_eq!(by(&app, &token()).status, 503, "not before the cool-down is over");
    app.clock.advance(TimeDelta::seconds(COOL_DOWN));
    believed(&app, "the token", &token());
}

fn a_provider_that_hangs_holds_up_nobody_else(app: &App) {
    let key = Signer::ed25519("k");
    let provider = Provider::start(&[&key]);
    provider.is(Mood::Hangs);
    let app = trusting(app, &provider, "");
    let token = key.token(&provider.claims(app.clock.now()));
    let own = app.operator();
    std::thread::scope(|scope| {
        // More than there are workers and blocking threads to hold.
        let waiting: Vec<_> = (0..40).map(|_| scope.spawn(|| by(&app, &token).status)).collect();
        wait(|| !provider.paths().is_empty());
        let began = std::time::Instant::now();
        for _ in 0..20 {
            app.get("/livez").expect(200);
            believed(&app, "our own token", &own);
        }
        assert!(waiting.iter().any(|one| !one.is_finished()) || began.elapsed().as_secs() >= 5, "nobody hung");
        for one in waiting {
            assert_eq!(one.join().expect("answered"), 503);
        }
    });
    assert_eq!(provider.paths().len(), 1, "one request, whoever waits for it");
}

fn keys_come_from_the_provider_itself(app: &App) {
    let key = Signer::ed25519("k");
    let elsewhere = Provider::start(&[&key]);
    let provider = Provider::start(&[&key]);
    let set = json!({"keys": [key.jwk]}).to_string();
    let jwks = format!("jwks_url = '{}/keys'", provider.url);
    for (what, more, mood) in [
        ("a redirect", "", Mood::Redirects(format!("{}/keys", elsewhere.url))),
        ("a redirect of the keys", jwks.as_str(), Mood::Redirects(format!("{}/keys", elsewhere.url))),
        (
            "discovery of another issuer",
            "",
            Mood::Says(json!({"issuer": elsewhere.url, "jwks_uri": format!("{}/keys", elsewhere.url)}).to_string()),
        ),
        ("discovery without keys", "", Mood::Says(json!({"issuer": provider.url}).to_string())),
        (
            "discovery that leads out over plain http",
            "",
            Mood::Says(json!({"issuer": provider.url, "jwks_uri": "http://192.0.2.1/keys"}).to_string()),
        ),
        (
            "discovery that leads to a file",
            "",
            Mood::Says(json!({"issuer": provider.url, "jwks_uri": "file:///etc/passwd"}).to_string()),
        ),
        ("no JSON", jwks.as_str(), Mood::Says("<html>".to_owned())),
        ("another document", jwks.as_str(), Mood::Says("[]".to_owned())),
        ("too many bytes", jwks.as_str(), Mood::Says(format!("{}{set}", " ".repeat(300_000)))),
    ] {
        provider.is(mood);
        let app = trusting(app, &provider, more);
        let answer = by(&app, &key.token(&provider.claims(app.clock.now())));
        assert_eq!(answer.status, 503, "{what}: {answer:?}");
    }
    assert_eq!(elsewhere.paths(), Vec::<String>::new());
    // The control: the same set, said where it should be.
    provider.is(Mood::Says(set));
    let app = trusting(app, &provider, &jwks);
    believed(&app, "keys at the address of the settings", &key.token(&provider.claims(app.clock.now())));
}

fn a_provider_shows_a_certificate_of_an_authority_that_is_trusted(app: &App) {
    let key = Signer::ed25519("k");
    let (authority, other) = (Authority::new(), Authority::new());
    let file = |authority: &Authority, name: &str| {
        let path = app.folder.join(name);
        std::fs::write(&path, authority.pem()).expect("written");
        format!("ca_file = '{}'", path.display())
    };
    let (trusted, untrusted) = (file(&authority, "ca.pem"), file(&other, "other.pem"));
    let status = |name: &str, more: &str| {
        let provider = Provider::start_tls(&[&key], name, &authority);
        let app = trusting(app, &provider, more);
        by(&app, &key.token(&provider.claims(app.clock.now()))).status
    };
    assert_eq!(status("localhost", &trusted), 200);
    assert_eq!(status("localhost", &untrusted), 503, "another authority");
    assert_eq!(status("localhost", ""), 503, "the public authorities do not know it");
    assert_eq!(status("127.0.0.1", &trusted), 503, "a certificate for another name");
}

/// Until it is so; what is asked about happens soon or never.
fn wait(is_so: impl Fn() -> bool) {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !is_so() {
        assert!(std::time::Instant::now() < end, "it did not come about");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
