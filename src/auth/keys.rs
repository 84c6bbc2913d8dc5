//! One key of the server: an Ed25519 pair (RFC 8032) in PKCS#8 (RFC 5958), as
//! `openssl genpkey -algorithm ed25519` writes it.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::http::page::CursorKey;

/// The only algorithm this key is used with.
pub const ALGORITHM: Algorithm = Algorithm::EdDSA;

/// The key that signs and verifies tokens.
pub struct ServerKey {
    pub id: String,
    x: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
    cursor_key: CursorKey,
}

impl ServerKey {
    /// A new key, as text of its file.
    ///
    /// # Errors
    /// No randomness.
    pub fn fresh_pem() -> Result<String, String> {
        let document =
            Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).map_err(|_| "no randomness for a key".to_owned())?;
        Ok(pem::encode_config(
            &pem::Pem::new("PRIVATE KEY", document.as_ref()),
            pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF),
        ))
    }

    /// From PKCS#8 in PEM.
    ///
    /// # Errors
    /// What is wrong with the text, with the command that makes a good one.
    pub fn from_pem(text: &[u8]) -> Result<Self, String> {
        let cure = "expected an Ed25519 key as `openssl genpkey -algorithm ed25519` writes it";
        let pem = pem::parse(text).map_err(|_| format!("not a PEM file; {cure}"))?;
        if pem.tag() != "PRIVATE KEY" {
            return Err(format!("a PEM file of kind {}; {cure}", pem.tag()));
        }
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(pem.contents())
            .map_err(|_| format!("not an Ed25519 key; {cure}"))?;
        let public = pair.public_key().as_ref();
        let x = URL_SAFE_NO_PAD.encode(public);
        // RFC 7638: the thumbprint of the required members, in this order.
        let thumbprint = Sha256::digest(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#));
        let encoding = EncodingKey::from_ed_der(pem.contents());
        // A secret for cursors that every instance with this key derives alike:
        // Ed25519 signatures are deterministic, and no token signs this message.
        let secret = jsonwebtoken::crypto::sign(b"gouvtech-catalogue cursor key v1", &encoding, ALGORITHM)
            .map_err(|e| e.to_string())?;
        let key = Self {
            id: URL_SAFE_NO_PAD.encode(thumbprint),
            decoding: DecodingKey::from_ed_components(&x).map_err(|e| e.to_string())?,
            encoding,
            cursor_key: CursorKey::derive(secret.as_bytes()),
            x,
        };
        key.try_once()?;
        Ok(key)
    }

    /// A library that cannot sign says so at its first use: let that be at the start.
    fn try_once(&self) -> Result<(), String> {
        let signature = self.sign(b"start")?;
        if self.verifies(b"start", &signature) {
            Ok(())
        } else {
            Err("the key does not verify what it signs".to_owned())
        }
    }

    pub fn sign(&self, message: &[u8]) -> Result<String, String> {
        jsonwebtoken::crypto::sign(message, &self.encoding, ALGORITHM).map_err(|e| e.to_string())
    }

    pub fn verifies(&self, message: &[u8], signature: &str) -> bool {
        jsonwebtoken::crypto::verify(signature, message, &self.decoding, ALGORITHM).unwrap_or(false)
    }

    /// What signs cursors with this key.
    pub fn cursor_key(&self) -> CursorKey {
        self.cursor_key.clone()
    }

    /// The public half as a JWK (RFC 7517, RFC 8037).
    pub fn jwk(&self) -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "x": self.x, "kid": self.id, "use": "sig", "alg": "EdDSA"})
    }
}
