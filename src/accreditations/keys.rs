//! Public keys with which an audit body signs: registered, listed, revoked.
//! Nothing is signed here.

use aws_lc_rs::signature::{ED25519, ParsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::db::schema::signing_keys;
use crate::db::{Db, Id, Instant, Tx};
use crate::error::{Error, Fault, Result};
use crate::text;

/// Of a note's signature: Ed25519 (C2SP signed-note).
const ED25519_NOTE: u8 = 1;

/// A key of a body.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = signing_keys, treat_none_as_default_value = false)]
pub struct SigningKey {
    pub id: Id,
    pub accreditation_id: Id,
    pub kid: String,
    pub name: String,
    pub public_key: String,
    pub valid_from: Instant,
    pub valid_until: Instant,
    pub revoked_at: Option<Instant>,
    pub created_at: Instant,
}

/// The public half of an Ed25519 key (RFC 8037); a private member is refused.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PublicJwk {
    /// `OKP`.
    #[schema(pattern = "^OKP$", max_length = 3)]
    pub kty: String,
    /// `Ed25519`.
    #[schema(pattern = "^Ed25519$", max_length = 7)]
    pub crv: String,
    /// The 32 bytes of the key in base64url.
    #[schema(pattern = "^[A-Za-z0-9_-]{43}$", max_length = 43)]
    pub x: String,
}

/// A key to register: as a JWK with a name, or as the verifier key of a signed note.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "name": "audit.example/labels",
    "jwk": {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
}))]
pub struct RegisterKey {
    /// Name under which it signs; with a `vkey`, that of the key itself.
    #[schema(min_length = 1, max_length = 200, pattern = "^[^ +]+$")]
    #[serde(default)]
    pub name: Option<String>,
    /// The key, or else `vkey`.
    #[serde(default)]
    pub jwk: Option<PublicJwk>,
    /// The key as text, `<name>+<hash>+<key>` (C2SP signed-note, Ed25519).
    #[schema(max_length = 400, pattern = "^[^ +]+[+][0-9a-f]{8}[+][A-Za-z0-9+/=]+$")]
    #[serde(default)]
    pub vkey: Option<String>,
    /// First instant of what it may sign; now unless said.
    #[serde(default)]
    pub valid_from: Option<Instant>,
    /// Last instant; the end of the accreditation's last day unless said.
    #[serde(default)]
    pub valid_until: Option<Instant>,
}

/// A key to revoke.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", "reason": "Clé remplacée."}))]
pub struct RevokeKey {
    /// `kid` of the key.
    #[schema(min_length = 1, max_length = 43)]
    pub kid: String,
    /// Why, in public.
    #[schema(min_length = 3, max_length = 5000)]
    pub reason: String,
}

/// A key of a body, as anybody may verify with it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SigningKeyView {
    /// RFC 7638 thumbprint of the key.
    #[schema(max_length = 43)]
    pub kid: String,
    /// Name under which it signs.
    #[schema(max_length = 200)]
    pub name: String,
    /// The key (RFC 8037).
    pub jwk: PublicJwk,
    /// The same as text of a signed note (C2SP).
    #[schema(max_length = 400)]
    pub vkey: String,
    /// First instant of what it may sign.
    pub valid_from: Instant,
    /// Last instant of what it may sign.
    pub valid_until: Instant,
    /// From when on nothing it signs is to be believed.
    pub revoked_at: Option<Instant>,
}

impl From<SigningKey> for SigningKeyView {
    fn from(key: SigningKey) -> Self {
        let SigningKey {
            id: _,
            accreditation_id: _,
            kid,
            name,
            public_key,
            valid_from,
            valid_until,
            revoked_at,
            created_at: _,
        } = key;
        let bytes = URL_SAFE_NO_PAD.decode(&public_key).unwrap_or_default();
        let vkey = vkey(&name, &bytes);
        let jwk = PublicJwk { kty: "OKP".to_owned(), crv: "Ed25519".to_owned(), x: public_key };
        Self { kid, name, jwk, vkey, valid_from, valid_until, revoked_at }
    }
}

/// The first four bytes of SHA-256 over name, line feed, kind and key, in hexadecimal.
fn note_hash(name: &str, key: &[u8]) -> String {
    let digest = Sha256::new().chain_update(name).chain_update([b'\n', ED25519_NOTE]).chain_update(key).finalize();
    digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

/// A key as text of a signed note.
fn vkey(name: &str, key: &[u8]) -> String {
    let typed: Vec<u8> = std::iter::once(ED25519_NOTE).chain(key.iter().copied()).collect();
    format!("{name}+{}+{}", note_hash(name, key), STANDARD.encode(typed))
}

/// Name and bytes of a key given as text; none when its hash or its kind is wrong.
fn read_vkey(text: &str) -> Option<(String, Vec<u8>)> {
    let (name, rest) = text.split_once('+')?;
    let (hash, key) = rest.split_once('+')?;
    let typed = STANDARD.decode(key).ok()?;
    let (kind, key) = typed.split_first()?;
    (*kind == ED25519_NOTE && note_hash(name, key) == hash).then(|| (name.to_owned(), key.to_vec()))
}

/// Name and bytes of the key that is to be registered, or what is wrong with it.
pub fn read(given: &RegisterKey) -> std::result::Result<(String, Vec<u8>), Fault> {
    let fault = |pointer: &str, code, detail| Fault::body(pointer, code, detail);
    let (pointer, name, key) = match (&given.jwk, &given.vkey, &given.name) {
        (Some(jwk), None, Some(name)) => {
            let key = URL_SAFE_NO_PAD.decode(&jwk.x).ok();
            ("/jwk/x", Some(name.clone()), key)
        }
        (Some(_), None, None) => {
            let detail = text!("Une clé JWK porte un nom.", "A JWK needs a name.");
            return Err(fault("/name", "missing", detail));
        }
        (None, Some(text), None) => {
            let (name, key) = read_vkey(text).unzip();
            ("/vkey", name, key)
        }
        _ => {
            let detail = text!("« name » et « jwk », ou « vkey » seul.", "`name` and `jwk`, or `vkey` alone.");
            return Err(fault("/jwk", "one_key", detail));
        }
    };
    let good = key.filter(|key| key.len() == 32 && ParsedPublicKey::new(&ED25519, key).is_ok());
    name.zip(good).ok_or_else(|| {
        fault(pointer, "invalid_key", text!("Ce n’est pas une clé publique Ed25519.", "Not an Ed25519 public key."))
    })
}

impl SigningKey {
    pub fn new(accreditation_id: Id, name: String, key: &[u8], validity: (Instant, Instant), now: Instant) -> Self {
        let x = URL_SAFE_NO_PAD.encode(key);
        // RFC 7638: the thumbprint of the required members, in this order.
        let thumbprint = Sha256::digest(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#));
        Self {
            id: Id::new(),
            accreditation_id,
            kid: URL_SAFE_NO_PAD.encode(thumbprint),
            name,
            public_key: x,
            valid_from: validity.0,
            valid_until: validity.1,
            revoked_at: None,
            created_at: now,
        }
    }

    /// Registers it, unless it is known already: a key has one owner, for ever.
    pub fn register(&self, db: &mut Db) -> Result<()> {
        let known: i64 = signing_keys::table.filter(signing_keys::kid.eq(&self.kid)).count().get_result(db)?;
        if known > 0 {
            return Err(Error::duplicate(text!("Cette clé est déjà inscrite.", "This key is registered already.")));
        }
        diesel::insert_into(signing_keys::table).values(self.clone()).execute(db)?;
        Ok(())
    }

    /// Keys of these accreditations, oldest first.
    pub fn of_all(db: &mut Db, accreditations: &[Id]) -> Result<Vec<Self>> {
        Ok(signing_keys::table
            .filter(signing_keys::accreditation_id.eq_any(accreditations.to_vec()))
            .order(signing_keys::id)
            .select(Self::as_select())
            .load(db)?)
    }

    /// Revokes a key of an accreditation, once.
    pub fn revoke(tx: &mut Tx<'_>, accreditation: Id, kid: &str) -> Result<()> {
        let own = signing_keys::accreditation_id.eq(accreditation).and(signing_keys::kid.eq(kid.to_owned()));
        let this = signing_keys::table.filter(own.and(signing_keys::revoked_at.is_null()));
        let rows = diesel::update(this).set(signing_keys::revoked_at.eq(Some(tx.now))).execute(tx.db)?;
        if rows == 1 {
            return Ok(());
        }
        Err(Error::rule(
            "/kid",
            "unknown_key",
            text!("L’organisme n’a pas cette clé en service.", "The body has no such key in use."),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The public key of RFC 8037, appendix A.2; its thumbprint is that of A.3.
    const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    fn given(name: Option<&str>, x: Option<&str>, vkey: Option<&str>) -> RegisterKey {
        RegisterKey {
            name: name.map(ToOwned::to_owned),
            jwk: x.map(|x| PublicJwk { kty: "OKP".into(), crv: "Ed25519".into(), x: x.into() }),
            vkey: vkey.map(ToOwned::to_owned),
            valid_from: None,
            valid_until: None,
        }
    }

    #[test]
    fn a_key_has_one_name_whatever_form_it_comes_in() {
        let (name, key) = read(&given(Some("a.example/l"), Some(X), None)).expect("a key");
        let text = vkey(&name, &key);
        assert_eq!(read(&given(None, None, Some(&text))), Ok((name.clone(), key.clone())));
        let now = Instant::default();
        let made = SigningKey::new(Id::new(), name, &key, (now, now), now);
        assert_eq!(made.kid, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        assert_eq!(SigningKeyView::from(made).vkey, text);
    }

    #[test]
    fn the_verifier_key_of_the_note_package_is_read() {
        // Of the documentation of golang.org/x/mod/sumdb/note.
        let known = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        let (name, key) = read_vkey(known).expect("a key");
        assert_eq!((name.as_str(), vkey(&name, &key).as_str()), ("PeterNeumann", known));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let code = |given: RegisterKey| read(&given).expect_err("refused").code;
        assert_eq!(code(given(None, Some(X), None)), "missing");
        assert_eq!(code(given(Some("a"), None, None)), "one_key");
        assert_eq!(code(given(None, Some(X), Some("a+00000000+AA=="))), "one_key");
        assert_eq!(code(given(Some("a"), Some("AAAA"), None)), "invalid_key");
        let known = "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        assert_eq!(code(given(None, None, Some(known))), "invalid_key", "another hash");
    }
}
