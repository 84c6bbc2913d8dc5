//! Signed JSON (RFC 7515 compact, Ed25519 by RFC 8037), in one form: whoever changes a byte, in
//! header, payload or signature, has no signature any more.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::key::{PublicKey, SigningKey};
use super::{Result, canonical, encoding};
use crate::text;

/// A longer one is refused, in bytes.
const MAX_LENGTH: usize = 1_000_000;

/// The header: these members and no other, so neither `jwk`, `jku` and `x5u`, which bring their own
/// key, nor `crit`, which changes the meaning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: Algorithm,
    kid: String,
    typ: String,
}

/// One algorithm under its two names: that of RFC 8037, which is written, and that of RFC 9864.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Algorithm {
    #[serde(rename = "EdDSA")]
    EdDsa,
    Ed25519,
}

/// Signs a value.
///
/// `typ` says what it is, so that none is taken for another (RFC 8725 §3.11).
///
/// # Errors
/// The value has no canonical form, or the library refuses.
pub fn sign<T: Serialize>(typ: &str, payload: &T, key: &SigningKey) -> Result<String> {
    let header = Header { alg: Algorithm::EdDsa, kid: key.public().kid(), typ: typ.to_owned() };
    let header = encoding::base64url(&canonical::to_vec(&header)?);
    let payload = encoding::base64url(&canonical::to_vec(payload)?);
    let signed = format!("{header}.{payload}");
    let signature = encoding::base64url(&key.sign(signed.as_bytes())?);
    Ok(format!("{signed}.{signature}"))
}

/// Something signed that nobody has verified: its payload cannot be read yet.
#[derive(Debug, Clone)]
pub struct Unverified<'a, T> {
    header: Header,
    signed: &'a str,
    payload: Vec<u8>,
    signature: Vec<u8>,
    means: PhantomData<T>,
}

impl<'a, T: Serialize + DeserializeOwned> Unverified<'a, T> {
    /// Reads the form of it.
    ///
    /// # Errors
    /// It has not exactly the form, or another `typ`.
    pub fn parse(jws: &'a str, typ: &str) -> Result<Self> {
        let flaw = || text!("Ce n’est pas un JWS compact.", "This is not a compact JWS.");
        if jws.len() > MAX_LENGTH {
            return Err(flaw());
        }
        let (signed, signature) = jws.rsplit_once('.').ok_or_else(flaw)?;
        let (header, payload) = signed.split_once('.').ok_or_else(flaw)?;
        let header: Header = canonical::read_as(&encoding::of_base64url(header)?)?;
        if header.typ != typ {
            let found = &header.typ;
            return Err(text!("Le type est « {found} » et non « {typ} ».", "The type is `{found}`, not `{typ}`."));
        }
        Ok(Self {
            header,
            signed,
            payload: encoding::of_base64url(payload)?,
            signature: encoding::of_base64url(signature)?,
            means: PhantomData,
        })
    }

    /// Which key it says to be signed with.
    pub fn kid(&self) -> &str {
        &self.header.kid
    }

    /// The payload, if this key signed it.
    ///
    /// # Errors
    /// Another key or none did, or the payload is not what is expected in its one form.
    pub fn verify(self, key: &PublicKey) -> Result<T> {
        if self.header.kid != key.kid() || !key.verifies(self.signed.as_bytes(), &self.signature) {
            return Err(text!("La signature n’est pas celle de cette clé.", "The signature is not this key's."));
        }
        canonical::read_as(&self.payload)
    }
}

/// The payload, if this key signed it as this type.
///
/// # Errors
/// Those of [`Unverified::parse`] and [`Unverified::verify`].
pub fn verify<T: Serialize + DeserializeOwned>(jws: &str, typ: &str, key: &PublicKey) -> Result<T> {
    Unverified::parse(jws, typ)?.verify(key)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const TYP: &str = "test+jwt";

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; 32]).expect("a key")
    }

    fn signed_as(header: &str, payload: &str) -> String {
        let signed = format!("{}.{}", encoding::base64url(header.as_bytes()), encoding::base64url(payload.as_bytes()));
        let signature = encoding::base64url(&key(1).sign(signed.as_bytes()).expect("signed"));
        format!("{signed}.{signature}")
    }

    #[test]
    fn what_is_signed_is_verified_by_its_key_and_type_alone() {
        let payload = json!({"b": [1, "é"], "a": null});
        let jws = sign(TYP, &payload, &key(1)).expect("signed");
        let public = key(1).public();
        assert_eq!(verify::<Value>(&jws, TYP, &public), Ok(payload));
        assert!(verify::<Value>(&jws, "at+jwt", &public).is_err());
        assert!(verify::<Value>(&jws, TYP, &key(2).public()).is_err());
        assert_eq!(Unverified::<Value>::parse(&jws, TYP).expect("read").kid(), public.kid());
    }

    #[test]
    fn no_byte_of_it_can_be_another_nor_missing_nor_too_many() {
        let jws = sign(TYP, &json!({"a": 1, "text": "Zoé"}), &key(1)).expect("signed");
        let public = key(1).public();
        let is_refused =
            |bytes: Vec<u8>| String::from_utf8(bytes).map_or(true, |jws| verify::<Value>(&jws, TYP, &public).is_err());
        for place in 0..jws.len() {
            for byte in 0..=255_u8 {
                let mut bytes = jws.clone().into_bytes();
                if bytes[place] != byte {
                    bytes[place] = byte;
                    assert!(is_refused(bytes), "{place} {byte}");
                }
            }
            let mut bytes = jws.clone().into_bytes();
            bytes.remove(place);
            assert!(is_refused(bytes), "without {place}");
            for more in *b".A=\n " {
                let mut bytes = jws.clone().into_bytes();
                bytes.insert(place, more);
                assert!(is_refused(bytes), "{more} before {place}");
            }
        }
        assert!(is_refused(format!("{jws}=").into_bytes()) && is_refused(format!("{jws}.").into_bytes()));
    }

    #[test]
    fn a_true_signature_over_another_header_is_refused() {
        let kid = key(1).public().kid();
        let public = key(1).public();
        let good = format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"{TYP}"}}"#);
        let verified = |header: &str, payload: &str| verify::<Value>(&signed_as(header, payload), TYP, &public);
        assert!(verified(&good, "{}").is_ok());
        assert!(verified(&good.replace("EdDSA", "Ed25519"), "{}").is_ok());
        for bad in [
            good.replace("EdDSA", "none"),
            good.replace("EdDSA", "HS256"),
            good.replace("EdDSA", "eddsa"),
            good.replace("EdDSA", "ES256"),
            good.replace("\"alg\"", " \"alg\""),
            good.replace(&kid, "other"),
            good.replace(",\"typ\":\"test+jwt\"", ""),
            good.replace("test+jwt", "TEST+JWT"),
            good.replace("{\"alg\":\"EdDSA\",", "{").replace("}", ",\"alg\":\"EdDSA\"}"),
            good.replace("{", "{\"alg\":\"EdDSA\","),
            good.replace(",\"typ\"", ",\"jwk\":{},\"typ\""),
            good.replace(",\"typ\"", ",\"jku\":\"https://example.org\",\"typ\""),
            good.replace(",\"kid\"", ",\"crit\":[],\"kid\""),
            good.replace('}', ",\"x5u\":\"\"}"),
            good.replace('}', ",\"zip\":\"DEF\"}"),
            "{}".to_owned(),
            "[]".to_owned(),
            String::new(),
        ] {
            assert!(verified(&bad, "{}").is_err(), "{bad}");
        }
        for bad in ["", "{ }", "{\"b\":1,\"a\":1}", "{\"a\":1,\"a\":1}", "{\"a\":1.0}", "{}{}", "\u{feff}{}"] {
            assert!(verified(&good, bad).is_err(), "{bad}");
        }
    }
}
