//! Public keys with which an audit body signs: registered, listed, revoked.
//! Nothing is signed here. The log has each of these steps, so that a signature can
//! be judged without this catalogue.

use std::collections::BTreeSet;

use aws_lc_rs::signature::{ED25519, ParsedPublicKey};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::db::schema::{accreditations, signing_keys};
use crate::db::{Db, Id, Instant, Tx};
use crate::error::{Error, Fault, Result};
use crate::log::broken;
use crate::log::tree::EntryRow;
use crate::proof::encoding;
use crate::proof::entry::{KeyChange, KeyEvent, KeyPurpose, LogEntry};
use crate::proof::key::PublicKey;
use crate::proof::note::{Kind, Verifier};
use crate::text;

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

/// The public half of an Ed25519 key (RFC 8037), with what a JWK may say of its use; a private member is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
    /// Its thumbprint (RFC 7638), if it is given a name.
    #[schema(max_length = 43)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// `EdDSA` (RFC 8037) or `Ed25519` (RFC 9864).
    #[schema(pattern = "^(EdDSA|Ed25519)$", max_length = 7)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alg: Option<String>,
    /// `sig`.
    #[schema(pattern = "^sig$", max_length = 3)]
    #[serde(default, rename = "use", skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// `verify`.
    #[schema(max_items = 1)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_ops: Option<Vec<KeyOperation>>,
}

crate::codes! {
    /// What a public key that signs is for (RFC 7517 §4.3).
    pub enum KeyOperation {
        Verify = "verify",
    }
}

impl PublicJwk {
    fn new(x: String) -> Self {
        let (kty, crv) = ("OKP".to_owned(), "Ed25519".to_owned());
        Self { kty, crv, x, kid: None, alg: None, purpose: None, key_ops: None }
    }

    /// The first member that is not that of this key.
    fn contradiction(&self, key: &PublicKey) -> Option<Fault> {
        let is_own = |given: &Option<String>, own: &[&str]| given.as_deref().is_none_or(|given| own.contains(&given));
        let kid = key.kid();
        if !is_own(&self.kid, &[&kid]) {
            let detail =
                text!("« kid » est l’empreinte de la clé, {kid}.", "`kid` is the thumbprint of the key, {kid}.");
            return Some(Fault::body("/jwk/kid", "wrong_kid", detail));
        }
        let is_for_signatures = self.kty == "OKP"
            && self.crv == "Ed25519"
            && is_own(&self.alg, &["EdDSA", "Ed25519"])
            && is_own(&self.purpose, &["sig"])
            && self.key_ops.as_ref().is_none_or(|all| all.as_slice() == [KeyOperation::Verify]);
        (!is_for_signatures).then(|| {
            let detail = text!("Ce n’est pas une clé qui signe en Ed25519.", "Not a key that signs with Ed25519.");
            Fault::body("/jwk", "invalid_key", detail)
        })
    }
}

/// A key to register: as a JWK with a name, or as the verifier key of a signed note.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "name": "audit.example/labels",
    "jwk": {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
    "proof": "eyJhbGciOiJFZERTQSIsImtpZCI6Ii4uLiIsInR5cCI6ImdvdXZ0ZWNoLWtleS1wcm9vZitqd3QifQ.e30.AAAA",
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
    /// That the body has the key: a compact JWS by it (`typ` `gouvtech-key-proof+jwt`), as `sign --key-proof` makes it, over
    /// `accreditation`, `aud` (the name of the log, as in its checkpoints), `iat` and `kid`; at most seven days old.
    #[schema(min_length = 1, max_length = 2000)]
    pub proof: String,
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
        let key = PublicKey::parse(&public_key).and_then(|key| Verifier::new(&name, Kind::Ed25519, key));
        let vkey = key.map(|key| key.to_string()).unwrap_or_default();
        let jwk = PublicJwk::new(public_key);
        Self { kid, name, jwk, vkey, valid_from, valid_until, revoked_at }
    }
}

/// The key that is to be registered under its name, or what is wrong with it.
pub fn read(given: &RegisterKey) -> std::result::Result<Verifier, Fault> {
    let (pointer, read) = match (&given.jwk, &given.vkey, &given.name) {
        (Some(jwk), None, Some(name)) => {
            ("/jwk/x", PublicKey::parse(&jwk.x).and_then(|key| Verifier::new(name, Kind::Ed25519, key)))
        }
        (Some(_), None, None) => {
            return Err(Fault::body("/name", "missing", text!("Une clé JWK porte un nom.", "A JWK needs a name.")));
        }
        (None, Some(text), None) => ("/vkey", Verifier::parse(text)),
        _ => {
            let detail = text!("« name » et « jwk », ou « vkey » seul.", "`name` and `jwk`, or `vkey` alone.");
            return Err(Fault::body("/jwk", "one_key", detail));
        }
    };
    let is_key = |verifier: &Verifier| {
        verifier.kind() == Kind::Ed25519
            && !verifier.key().is_weak()
            && ParsedPublicKey::new(&ED25519, verifier.key().0).is_ok()
    };
    if let (Ok(verifier), Some(jwk)) = (&read, &given.jwk)
        && let Some(fault) = jwk.contradiction(&verifier.key())
    {
        return Err(fault);
    }
    read.ok().filter(is_key).ok_or_else(|| {
        let detail = text!("Ce n’est pas une clé publique Ed25519.", "Not an Ed25519 public key.");
        Fault::body(pointer, "invalid_key", detail)
    })
}

impl SigningKey {
    pub fn new(accreditation_id: Id, key: &Verifier, validity: (Instant, Instant), now: Instant) -> Self {
        Self {
            id: Id::new(),
            accreditation_id,
            kid: key.key().kid(),
            name: key.name().to_owned(),
            public_key: encoding::base64url(&key.key().0),
            valid_from: validity.0,
            valid_until: validity.1,
            revoked_at: None,
            created_at: now,
        }
    }

    /// The key itself.
    pub fn key(&self) -> Result<PublicKey> {
        PublicKey::parse(&self.public_key).map_err(broken)
    }

    /// Registers it for a body, here and in the log, unless it is known already: a key has one
    /// owner, for ever.
    pub fn register(&self, tx: &mut Tx<'_>, body: Id) -> Result<()> {
        let known: i64 = signing_keys::table.filter(signing_keys::kid.eq(&self.kid)).count().get_result(tx.db)?;
        if known > 0 || EntryRow::last_of(tx.db, &self.kid)?.is_some() {
            return Err(Error::duplicate(text!("Cette clé est déjà inscrite.", "This key is registered already.")));
        }
        diesel::insert_into(signing_keys::table).values(self.clone()).execute(tx.db)?;
        let event = KeyEvent {
            kid: self.kid.clone(),
            key_seq: 1,
            change: KeyChange::Registered,
            at: tx.now,
            x: Some(self.key()?),
            purposes: BTreeSet::from([KeyPurpose::Auditor]),
            holder: Some(body),
        };
        tx.append_to_log(&LogEntry::Key(Box::new(event)), tx.now)?;
        Ok(())
    }

    /// The key of a body that may sign now.
    pub fn in_use(db: &mut Db, body: Id, kid: &str, now: Instant) -> Result<Option<Self>> {
        let own = accreditations::table.filter(accreditations::organisation_id.eq(body)).select(accreditations::id);
        Ok(signing_keys::table
            .filter(signing_keys::kid.eq(kid.to_owned()).and(signing_keys::accreditation_id.eq_any(own)))
            .filter(signing_keys::revoked_at.is_null())
            .filter(signing_keys::valid_from.le(now).and(signing_keys::valid_until.ge(now)))
            .select(Self::as_select())
            .first(db)
            .optional()?)
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
            let event = KeyEvent {
                kid: kid.to_owned(),
                key_seq: 2,
                change: KeyChange::Revoked,
                at: tx.now,
                x: None,
                purposes: BTreeSet::new(),
                holder: None,
            };
            tx.append_to_log(&LogEntry::Key(Box::new(event)), tx.now)?;
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
            jwk: x.map(|x| PublicJwk::new(x.to_owned())),
            vkey: vkey.map(ToOwned::to_owned),
            proof: String::new(),
            valid_from: None,
            valid_until: None,
        }
    }

    #[test]
    fn a_key_has_one_name_whatever_form_it_comes_in() {
        let key = read(&given(Some("a.example/l"), Some(X), None)).expect("a key");
        let text = key.to_string();
        assert_eq!(read(&given(None, None, Some(&text))), Ok(key.clone()));
        let now = Instant::default();
        let made = SigningKey::new(Id::new(), &key, (now, now), now);
        assert_eq!(made.kid, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        assert_eq!(SigningKeyView::from(made).vkey, text);
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
        // Of small order, and of order 2 in another form: anybody signs for them.
        for weak in ["AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "7v___________________________________________38"] {
            assert_eq!(code(given(Some("a"), Some(weak), None)), "invalid_key", "{weak}");
        }
    }

    #[test]
    fn what_a_jwk_says_of_its_use_must_be_so() {
        let jwk = |change: fn(&mut PublicJwk)| {
            let mut given = given(Some("a"), Some(X), None);
            given.jwk.as_mut().map(change).expect("a JWK");
            read(&given).map(|_| ()).map_err(|fault| fault.code)
        };
        let own = |jwk: &mut PublicJwk| {
            jwk.kid = Some("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k".to_owned());
            (jwk.alg, jwk.purpose) = (Some("EdDSA".to_owned()), Some("sig".to_owned()));
            jwk.key_ops = Some(vec![KeyOperation::Verify]);
        };
        assert_eq!(jwk(own), Ok(()));
        assert_eq!(jwk(|jwk| jwk.kid = Some("another".to_owned())), Err("wrong_kid"));
        assert_eq!(jwk(|jwk| jwk.alg = Some("ES256".to_owned())), Err("invalid_key"));
        assert_eq!(jwk(|jwk| jwk.purpose = Some("enc".to_owned())), Err("invalid_key"));
        assert_eq!(jwk(|jwk| jwk.key_ops = Some(Vec::new())), Err("invalid_key"));
        assert_eq!(jwk(|jwk| jwk.crv = "X25519".to_owned()), Err("invalid_key"));
    }
}
