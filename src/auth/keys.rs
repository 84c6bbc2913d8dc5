//! The server's own key: an Ed25519 pair (RFC 8032) in PKCS#8 (RFC 5958), as
//! `openssl genpkey -algorithm ed25519` writes it.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

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
}

impl ServerKey {
    /// Reads the key file, or makes it with mode 0600 when `may_make` and it is absent.
    ///
    /// # Errors
    /// What is wrong with the file, in words for whoever starts the server.
    pub fn load(path: &Path, may_make: bool) -> Result<Self, String> {
        let shown = path.display();
        match std::fs::read(path) {
            Ok(pem) => {
                let mode = std::fs::metadata(path).map_err(|e| format!("{shown}: {e}"))?.permissions().mode() & 0o777;
                if mode & 0o077 != 0 {
                    return Err(format!("{shown} can be read by others (mode {mode:04o}): chmod 600 {shown}"));
                }
                Self::from_pem(&pem).map_err(|e| format!("{shown}: {e}"))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && may_make => {
                Self::make(path).map_err(|e| format!("{shown}: {e}"))?;
                Self::load(path, false)
            }
            Err(error) => Err(format!("{shown}: {error}")),
        }
    }

    /// Writes a new key beside its place and links it there: two instances that
    /// start at once end up with the same one, and none reads half a file.
    fn make(path: &Path) -> Result<(), String> {
        let document =
            Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).map_err(|_| "no randomness for a key".to_owned())?;
        let text = pem::encode_config(
            &pem::Pem::new("PRIVATE KEY", document.as_ref()),
            pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF),
        );
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|e| e.to_string())?;
        }
        let fresh = path.with_extension(format!("{}.new", uuid::Uuid::now_v7().simple()));
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&fresh)
            .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
            .and_then(|()| match std::fs::hard_link(&fresh, path) {
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
                _ => Ok(()),
            });
        let removed = std::fs::remove_file(&fresh);
        written.and(removed).map_err(|e| e.to_string())
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
        let key = Self {
            id: URL_SAFE_NO_PAD.encode(thumbprint),
            decoding: DecodingKey::from_ed_components(&x).map_err(|e| e.to_string())?,
            encoding: EncodingKey::from_ed_der(pem.contents()),
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

    /// A secret for cursors that every instance with this key derives alike:
    /// Ed25519 signatures are deterministic, and no token signs this message.
    ///
    /// # Errors
    /// The signing library's words.
    pub fn cursor_key(&self) -> Result<CursorKey, String> {
        self.sign(b"gouvtech-catalogue cursor key v1").map(|secret| CursorKey::derive(secret.as_bytes()))
    }

    /// The public half as a JWK Set (RFC 7517, RFC 8037).
    pub fn jwks(&self) -> Value {
        json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": self.x, "kid": self.id, "use": "sig", "alg": "EdDSA"}]})
    }
}
