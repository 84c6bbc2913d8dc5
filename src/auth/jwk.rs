//! Public keys of others: what of a JWK Set (RFC 7517) tokens are verified with.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde_json::Value;

crate::codes! {
    /// The algorithms that are believed: asymmetric, one per kind of key.
    pub enum Algorithm {
        EdDsa = "EdDSA",
        Es256 = "ES256",
        Rs256 = "RS256",
    }
}

impl Algorithm {
    fn of_library(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
        }
    }
}

/// Shorter RSA keys are refused (ANSSI, RFC 8725 §3.5); longer ones only cost time.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// A set of more keys than this is not one.
const MAX_KEYS: usize = 100;

/// A public key, bound to its one algorithm.
pub struct PublicKey {
    pub id: String,
    pub algorithm: Algorithm,
    key: DecodingKey,
}

impl PublicKey {
    /// The keys of a set that are for signatures by an algorithm that is believed.
    /// Others are no fault: providers publish keys for many purposes.
    ///
    /// # Errors
    /// It is no key set at all.
    pub fn of_set(set: &Value) -> Result<Vec<Self>, String> {
        let keys = set.get("keys").and_then(Value::as_array).ok_or("not a JWK Set: no list `keys`")?;
        if keys.len() > MAX_KEYS {
            return Err(format!("{} keys are too many", keys.len()));
        }
        Ok(keys.iter().filter_map(Self::read).collect())
    }

    fn read(jwk: &Value) -> Option<Self> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        let is_for_signatures = text("use").is_none_or(|purpose| purpose == "sig")
            && jwk
                .get("key_ops")
                .is_none_or(|all| all.as_array().is_some_and(|all| all.iter().any(|one| one == "verify")));
        if !is_for_signatures {
            return None;
        }
        let id = text("kid").filter(|id| !id.is_empty() && id.len() <= 255)?.to_owned();
        let (algorithm, key) = match (text("kty")?, text("crv")) {
            ("OKP", Some("Ed25519")) => (Algorithm::EdDsa, DecodingKey::from_ed_components(text("x")?).ok()?),
            ("EC", Some("P-256")) => (Algorithm::Es256, DecodingKey::from_ec_components(text("x")?, text("y")?).ok()?),
            ("RSA", None) => {
                let (n, e) = (text("n")?, text("e")?);
                if !RSA_BITS.contains(&bits(&URL_SAFE_NO_PAD.decode(n).ok()?)) {
                    tracing::warn!(kid = id, "an RSA key outside 2048 to 8192 bits is not used");
                    return None;
                }
                (Algorithm::Rs256, DecodingKey::from_rsa_components(n, e).ok()?)
            }
            _ => return None,
        };
        // RFC 9864 calls EdDSA with this curve Ed25519.
        let is_meant = jwk.get("alg").is_none_or(|alg| {
            alg.as_str()
                .is_some_and(|alg| alg == algorithm.code() || (algorithm == Algorithm::EdDsa && alg == "Ed25519"))
        });
        is_meant.then_some(Self { id, algorithm, key })
    }

    pub fn verifies(&self, message: &[u8], signature: &str) -> bool {
        jsonwebtoken::crypto::verify(signature, message, &self.key, self.algorithm.of_library()).unwrap_or(false)
    }
}

/// Bits of a big-endian number.
fn bits(number: &[u8]) -> usize {
    let digits: &[u8] = match number.iter().position(|byte| *byte != 0) {
        Some(first) => number.get(first..).unwrap_or_default(),
        None => return 0,
    };
    digits.len() * 8 - digits.first().map_or(0, |byte| byte.leading_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn known(jwk: Value) -> usize {
        PublicKey::of_set(&json!({"keys": [jwk]})).expect("a set").len()
    }

    #[test]
    fn only_keys_for_signatures_of_the_right_kind_are_taken() {
        let x = URL_SAFE_NO_PAD.encode([1; 32]);
        let good = json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": "a"});
        assert_eq!(known(good.clone()), 1);
        for (member, value) in [
            ("kid", json!(null)),
            ("kid", json!("")),
            ("use", json!("enc")),
            ("key_ops", json!(["encrypt"])),
            ("alg", json!("HS256")),
            ("alg", json!("RS256")),
            ("alg", json!(["EdDSA"])),
            ("crv", json!("Ed448")),
            ("kty", json!("oct")),
            ("x", json!(1)),
        ] {
            let mut bad = good.clone();
            bad[member] = value.clone();
            assert_eq!(known(bad), 0, "{member} {value}");
        }
        assert_eq!(known(json!({"kty": "oct", "k": "c2VjcmV0", "kid": "a", "alg": "HS256"})), 0);
        assert!(PublicKey::of_set(&json!({"keys": {}})).is_err() && PublicKey::of_set(&json!([])).is_err());
        assert!(PublicKey::of_set(&json!({"keys": vec![1; 101]})).is_err());
    }

    #[test]
    fn a_key_verifies_what_was_signed_with_it_and_nothing_else() {
        use crate::auth::keys::ServerKey;
        let fresh = || ServerKey::from_pem(ServerKey::fresh_pem().expect("a key").as_bytes()).expect("a key");
        let (key, other) = (fresh(), fresh());
        let public = PublicKey::of_set(&json!({"keys": [key.jwk()]})).expect("a set").pop().expect("a key");
        assert_eq!((&public.id, public.algorithm), (&key.id, Algorithm::EdDsa));
        let signature = key.sign(b"message").expect("signed");
        assert!(public.verifies(b"message", &signature) && key.verifies(b"message", &signature));
        assert!(!public.verifies(b"Message", &signature) && !key.verifies(b"Message", &signature));
        assert!(!public.verifies(b"message", "") && !other.verifies(b"message", &signature));
    }

    #[test]
    fn an_rsa_key_of_fewer_than_2048_bits_is_not_used() {
        let of =
            |bytes: Vec<u8>| known(json!({"kty": "RSA", "n": URL_SAFE_NO_PAD.encode(bytes), "e": "AQAB", "kid": "a"}));
        assert_eq!(of(vec![0xff; 256]), 1);
        assert_eq!(of(vec![0xff; 128]), 0);
        assert_eq!(of([vec![0x7f], vec![0xff; 255]].concat()), 0, "2047 bits");
        assert_eq!(of([vec![0], vec![0xff; 255]].concat()), 0, "padded");
        assert_eq!(of(vec![0xff; 1025]), 0);
    }
}
