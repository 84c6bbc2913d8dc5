//! Ed25519 keys (RFC 8032) of the log, the issuer, witnesses and audit bodies.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

use super::{Result, encoding};
use crate::text;

/// A public key; in JSON as its `x` (RFC 8037 §2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; 32]);

/// A signature.
pub type Signature = [u8; 64];

impl PublicKey {
    /// # Errors
    /// Not canonical base64url of 32 bytes.
    pub fn parse(x: &str) -> Result<Self> {
        let bytes = encoding::of_base64url(x)?;
        bytes.try_into().map(Self).map_err(|_| text!("Une clé Ed25519 a 32 octets.", "An Ed25519 key has 32 bytes."))
    }

    /// From a JWK (RFC 7517, RFC 8037) of a public key.
    ///
    /// # Errors
    /// It is of another kind, or has a private part: what is to be published must not be secret.
    pub fn of_jwk(jwk: &Value) -> Result<Self> {
        let member = |name: &str| jwk.get(name).and_then(Value::as_str).unwrap_or_default();
        if jwk.get("d").is_some() {
            return Err(text!("C’est une clé privée.", "This is a private key."));
        }
        if (member("kty"), member("crv")) != ("OKP", "Ed25519") {
            return Err(text!("Ce n’est pas une clé Ed25519 (OKP).", "This is not an Ed25519 key (OKP)."));
        }
        Self::parse(member("x"))
    }

    /// As a JWK, with its [`kid`](Self::kid).
    pub fn jwk(&self) -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "x": self.to_string(), "kid": self.kid(), "use": "sig", "alg": "EdDSA"})
    }

    /// Its name everywhere: the thumbprint of RFC 7638, 43 characters.
    pub fn kid(&self) -> String {
        let thumbprint = super::merkle::Hash::of(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{self}"}}"#).as_bytes());
        encoding::base64url(&thumbprint.0)
    }

    /// Strictly: by the equation of RFC 8032 without its cofactor, with one form of each signature, and
    /// neither key nor commitment of small order. So of one signature all readers say the same.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let commitment = signature.first_chunk::<32>();
        !self.is_weak()
            && commitment.is_some_and(|point| !is_weak(point))
            && UnparsedPublicKey::new(&ED25519, self.0).verify(message, signature).is_ok()
    }

    /// Whether signatures can be made for it without a secret, or it has another form.
    pub fn is_weak(&self) -> bool {
        is_weak(&self.0)
    }
}

/// The points of small order by their `y`, in their canonical form, the lowest byte first: of order 4, 1, 2
/// and twice 8. Those with the other sign differ in the highest bit.
const SMALL: [[u8; 32]; 5] = [
    [0; 32],
    {
        let mut one = [0; 32];
        one[0] = 1;
        one
    },
    {
        let mut minus_one = P;
        minus_one[0] -= 1;
        minus_one
    },
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf,
        0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20,
        0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
];
/// 2^255 - 19, the lowest byte first.
const P: [u8; 32] = {
    let mut p = [0xff; 32];
    p[0] = 0xed;
    p[31] = 0x7f;
    p
};

/// Whether an encoded point is of small order, or not in its one form: its `y` not below the prime.
fn is_weak(point: &[u8; 32]) -> bool {
    let mut y = *point;
    if let Some(highest) = y.last_mut() {
        *highest &= 0x7f;
    }
    SMALL.contains(&y) || y.iter().rev().ge(P.iter().rev())
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&encoding::base64url(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// A key that signs.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl SigningKey {
    /// From PKCS#8 in PEM, as `openssl genpkey -algorithm ed25519` writes it.
    ///
    /// # Errors
    /// It is none.
    pub fn from_pem(pem: &[u8]) -> Result<Self> {
        let flaw = || {
            text!(
                "Il faut une clé Ed25519 comme l’écrit « openssl genpkey -algorithm ed25519 ».",
                "Expected an Ed25519 key as `openssl genpkey -algorithm ed25519` writes it."
            )
        };
        let pem = pem::parse(pem).ok().filter(|pem| pem.tag() == "PRIVATE KEY").ok_or_else(flaw)?;
        Self::new(Ed25519KeyPair::from_pkcs8_maybe_unchecked(pem.contents()).map_err(|_| flaw())?)
    }

    /// From the 32 bytes of RFC 8032 §5.1.5, which must be secret and random.
    ///
    /// # Errors
    /// The library refuses them.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self> {
        let flaw = |_| text!("Cette graine n’est pas utilisable.", "This seed cannot be used.");
        Self::new(Ed25519KeyPair::from_seed_unchecked(seed).map_err(flaw)?)
    }

    /// A new key that lives as long as the process.
    ///
    /// # Errors
    /// No randomness.
    pub fn fresh() -> Result<Self> {
        let flaw = |_| text!("Pas d’aléa pour une clé.", "No randomness for a key.");
        let document = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).map_err(flaw)?;
        let flaw = |_| text!("Cette clé n’est pas utilisable.", "This key cannot be used.");
        Self::new(Ed25519KeyPair::from_pkcs8_maybe_unchecked(document.as_ref()).map_err(flaw)?)
    }

    fn new(pair: Ed25519KeyPair) -> Result<Self> {
        let public = pair.public_key().as_ref().try_into().map(PublicKey);
        let public = public.map_err(|_| text!("Une clé Ed25519 a 32 octets.", "An Ed25519 key has 32 bytes."))?;
        Ok(Self { pair, public })
    }

    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// Signs; the same message always alike (RFC 8032 §5.1.6).
    ///
    /// # Errors
    /// The library's refusal, which is not to be expected.
    pub fn sign(&self, message: &[u8]) -> Result<Signature> {
        self.pair
            .sign(message)
            .as_ref()
            .try_into()
            .map_err(|_| text!("La bibliothèque n’a pas signé.", "The library did not sign."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8037 appendix A.
    #[test]
    fn the_known_key_has_its_known_name_and_signature() {
        let seed = encoding::of_base64url("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").expect("base64url");
        let key = SigningKey::from_seed(&seed.try_into().expect("32 bytes")).expect("a key");
        assert_eq!(key.public().to_string(), "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert_eq!(key.public().kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        let message = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
        let known = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        assert_eq!(encoding::base64url(&key.sign(message).expect("signed")), known);
        assert!(key.public().verifies(message, &encoding::of_base64url(known).expect("base64url")));
        assert_eq!(PublicKey::of_jwk(&key.public().jwk()), Ok(key.public()));
    }

    #[test]
    fn a_key_for_which_anybody_can_sign_is_weak_and_verifies_nothing() {
        let with = |y: [u8; 32], bit: u8| {
            let mut point = y;
            point[31] |= bit;
            PublicKey(point)
        };
        // The neutral element: `S = 0` and itself as commitment sign every message, by the bare equation.
        let neutral = SMALL[1];
        let forged = [neutral, [0; 32]].concat();
        let bare = UnparsedPublicKey::new(&ED25519, neutral).verify(b"anything", &forged);
        assert!(bare.is_ok(), "the control: the library alone believes it");
        assert!(!PublicKey(neutral).verifies(b"anything", &forged));
        for y in SMALL {
            assert!(with(y, 0).is_weak() && with(y, 0x80).is_weak());
        }
        // Twice the same `y`, once as p + y.
        for more in 0..19 {
            let mut y = P;
            y[0] += more;
            assert!(with(y, 0).is_weak() && with(y, 0x80).is_weak(), "{more}");
        }
        assert!(!SigningKey::fresh().expect("a key").public().is_weak());
    }

    #[test]
    fn no_bit_of_a_signature_can_be_another() {
        let key = SigningKey::fresh().expect("a key");
        let mut signature = key.sign(b"message").expect("signed");
        for bit in 0..512 {
            signature[bit / 8] ^= 1 << (bit % 8);
            assert!(!key.public().verifies(b"message", &signature), "{bit}");
            signature[bit / 8] ^= 1 << (bit % 8);
        }
        assert!(!key.public().verifies(b"message", &signature[..63]) && !key.public().verifies(b"message", b""));
    }

    #[test]
    fn what_is_no_public_ed25519_key_is_refused() {
        let key = SigningKey::fresh().expect("a key").public();
        for (member, value) in [("d", json!("AA")), ("crv", json!("X25519")), ("kty", json!("EC")), ("x", json!("AA"))]
        {
            let mut jwk = key.jwk();
            jwk[member] = value;
            assert!(PublicKey::of_jwk(&jwk).is_err(), "{member}");
        }
        let pem = crate::auth::keys::ServerKey::fresh_pem().expect("a key");
        assert!(SigningKey::from_pem(pem.as_bytes()).is_ok());
        assert!(SigningKey::from_pem(pem.replace("PRIVATE", "PUBLIC").as_bytes()).is_err());
        assert!(SigningKey::from_pem(b"no key").is_err());
    }
}
