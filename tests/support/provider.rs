//! A provider of identities on the loopback: publishes keys, signs tokens,
//! counts who asks, and fails in the ways it is told to.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gouvtech_catalogue::auth::issuers::IssuerSettings;
use gouvtech_catalogue::db::Instant;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair as CertificateKey};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

/// An authority of its own, as States have them.
pub struct Authority(CertifiedIssuer<'static, CertificateKey>);

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = CertificateKey::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("signed"))
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A server with a certificate for `localhost`.
    fn server(&self) -> Arc<ServerConfig> {
        let key = CertificateKey::generate().expect("a key");
        let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
        let certificate = params.signed_by(&key, &self.0).expect("signed");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
            )
            .expect("a certificate");
        Arc::new(config)
    }
}

/// How the provider answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mood {
    Works,
    Fails,
    /// Takes connections and says nothing.
    Hangs,
    /// Sends elsewhere.
    Redirects(String),
    /// Sends this, whatever was asked.
    Says(String),
}

struct State {
    mood: Mood,
    keys: Value,
    asked: Vec<String>,
    is_over: bool,
    held: Vec<Box<dyn Send>>,
}

pub struct Provider {
    pub url: String,
    port: u16,
    state: Arc<Mutex<State>>,
    thread: Option<JoinHandle<()>>,
}

impl Provider {
    pub fn start(keys: &[&Signer]) -> Self {
        Self::start_with(keys, "http://127.0.0.1", None)
    }

    /// Over TLS as `name`, which leads here, with a certificate of this authority for it.
    pub fn start_tls(keys: &[&Signer], name: &str, authority: &Authority) -> Self {
        Self::start_with(keys, &format!("https://{name}"), Some(authority.server()))
    }

    fn start_with(keys: &[&Signer], base: &str, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
        let port = listener.local_addr().expect("an address").port();
        let url = format!("{base}:{port}");
        let state = Arc::new(Mutex::new(State {
            mood: Mood::Works,
            keys: json!(null),
            asked: Vec::new(),
            is_over: false,
            held: Vec::new(),
        }));
        let (shared, issuer) = (Arc::clone(&state), url.clone());
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.lock().expect("state").is_over {
                    return;
                }
                let stream = stream.expect("a connection");
                stream.set_read_timeout(Some(Duration::from_secs(2))).expect("a timeout");
                match &tls {
                    None => answer(stream, &shared, &issuer),
                    Some(tls) => {
                        let connection = ServerConnection::new(Arc::clone(tls)).expect("a configuration");
                        answer(StreamOwned::new(connection, stream), &shared, &issuer);
                    }
                }
            }
        });
        let provider = Self { url, port, state, thread: Some(thread) };
        provider.publish(keys);
        provider
    }

    pub fn publish(&self, keys: &[&Signer]) {
        let keys: Vec<Value> = keys.iter().map(|key| key.jwk.clone()).collect();
        self.publish_set(json!({ "keys": keys }));
    }

    pub fn publish_set(&self, set: Value) {
        self.state.lock().expect("state").keys = set;
    }

    pub fn is(&self, mood: Mood) {
        self.state.lock().expect("state").mood = mood;
    }

    /// How often keys were asked for; discovery is not counted.
    pub fn asked(&self) -> usize {
        self.state.lock().expect("state").asked.iter().filter(|path| *path == "/keys").count()
    }

    /// Every path that was asked for.
    pub fn paths(&self) -> Vec<String> {
        self.state.lock().expect("state").asked.clone()
    }

    /// Its table in the settings: claims named as ours, and what `more` says.
    pub fn settings(&self, more: &str) -> IssuerSettings {
        self.settings_with(
            more,
            "role = { claim = 'role' }\nduties = { claim = 'duties' }\norganisation = 'organisation'\nsiret = 'siret'",
        )
    }

    pub fn settings_with(&self, more: &str, claims: &str) -> IssuerSettings {
        let text = format!("issuer = '{}'\naudiences = ['catalogue']\n{more}\n[claims]\n{claims}", self.url);
        toml::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The claims of a good token.
    pub fn claims(&self, now: Instant) -> Value {
        let now = now.0.timestamp();
        json!({"iss": self.url, "aud": "catalogue", "sub": "camille", "client_id": "portail", "jti": "1", "iat": now, "exp": now + 600, "role": "vendor"})
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.state.lock().expect("state").is_over = true;
        // Wakes the thread up, so that it sees that it is over.
        let _woken = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

fn answer(mut stream: impl Read + Write + Send + 'static, state: &Mutex<State>, issuer: &str) {
    let mut head = Vec::new();
    let mut byte = [0; 1];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.extend_from_slice(&byte),
            _ => return,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut state = state.lock().expect("state");
    state.asked.push(path.clone());
    let ok = |body: String| {
        format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let text = match (&state.mood, path.as_str()) {
        (Mood::Hangs, _) => {
            state.held.push(Box::new(stream));
            return;
        }
        (Mood::Fails, _) => "HTTP/1.1 500 Oh\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".to_owned(),
        (Mood::Redirects(to), _) => {
            format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
        }
        (Mood::Says(body), _) => ok(body.clone()),
        (Mood::Works, "/.well-known/openid-configuration") => {
            ok(json!({"issuer": issuer, "jwks_uri": format!("{issuer}/keys")}).to_string())
        }
        (Mood::Works, "/keys") => ok(state.keys.to_string()),
        (Mood::Works, _) => "HTTP/1.1 404 No\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".to_owned(),
    };
    // Whoever asked may have left.
    let _sent = stream.write_all(text.as_bytes());
}

enum Pair {
    Ed(Ed25519KeyPair),
    Ec(EcdsaKeyPair),
    Rsa(Box<RsaKeyPair>),
}

/// A key pair that signs tokens.
pub struct Signer {
    pub kid: String,
    pub alg: &'static str,
    pub jwk: Value,
    pair: Pair,
}

impl Signer {
    pub fn ed25519(kid: &str) -> Self {
        let pair = Ed25519KeyPair::generate().expect("a key");
        let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        Self {
            kid: kid.to_owned(),
            alg: "EdDSA",
            jwk: json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid, "alg": "EdDSA", "use": "sig"}),
            pair: Pair::Ed(pair),
        }
    }

    pub fn p256(kid: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        // Uncompressed: 4, then both coordinates.
        let point = pair.public_key().as_ref().to_vec();
        let half = |range: std::ops::Range<usize>| URL_SAFE_NO_PAD.encode(&point[range]);
        Self {
            kid: kid.to_owned(),
            alg: "ES256",
            jwk: json!({"kty": "EC", "crv": "P-256", "x": half(1..33), "y": half(33..65), "kid": kid}),
            pair: Pair::Ec(pair),
        }
    }

    pub fn rsa(kid: &str) -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
        let encoded = |number: &[u8]| URL_SAFE_NO_PAD.encode(number);
        let n = encoded(pair.public_key().modulus().big_endian_without_leading_zero());
        let e = encoded(pair.public_key().exponent().big_endian_without_leading_zero());
        Self {
            kid: kid.to_owned(),
            alg: "RS256",
            jwk: json!({"kty": "RSA", "n": n, "e": e, "kid": kid, "alg": "RS256", "use": "sig", "x5t": "AAAA"}),
            pair: Pair::Rsa(Box::new(pair)),
        }
    }

    pub fn header(&self) -> Value {
        json!({"typ": "at+jwt", "alg": self.alg, "kid": self.kid})
    }

    pub fn token(&self, claims: &Value) -> String {
        self.signed(&self.header().to_string(), &claims.to_string())
    }

    pub fn signed(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(self.sign(message.as_bytes())))
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Ed(pair) => pair.sign(message).as_ref().to_vec(),
            Pair::Ec(pair) => pair.sign(&random, message).expect("signed").as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).expect("signed");
                signature
            }
        }
    }
}
