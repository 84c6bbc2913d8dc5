//! Persons whose identity was erased while a case of theirs lives: a keyed hash
//! of issuer and subject finds their opaque id again, and nothing else of them.
//! Without it, who signs in again would be somebody new, free to decide on what
//! they examined.

use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use diesel::prelude::*;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::journal::as_lost_race;
use super::schema::{erased_persons, erasure_keys};
use super::{Db, Id, Tx};
use crate::error::{Error, Result};

pub const KEY: &str = "current";

/// The opaque id kept for an erased person, if any.
pub fn find(db: &mut Db, issuer: &str, subject: &str) -> Result<Option<Id>> {
    match secret(db)? {
        Some(secret) => find_by(db, &secret, issuer, subject),
        None => Ok(None),
    }
}

/// [`find`], by the secret of [`secret`].
pub fn find_by(db: &mut Db, secret: &str, issuer: &str, subject: &str) -> Result<Option<Id>> {
    let fingerprint = fingerprint(secret, issuer, subject)?;
    Ok(erased_persons::table.find(fingerprint).select(erased_persons::actor_id).first(db).optional()?)
}

/// Keeps the opaque id of a person whose identity goes.
pub fn remember(tx: &mut Tx<'_>, actor: Id, issuer: &str, subject: &str) -> Result<()> {
    let secret = match secret(tx.db)? {
        Some(secret) => secret,
        None => {
            let mut bytes = [0; 32];
            rand::fill(&mut bytes).map_err(|_| Error::Internal("no random bytes".to_owned()))?;
            let secret = URL_SAFE_NO_PAD.encode(bytes);
            diesel::insert_into(erasure_keys::table)
                .values((erasure_keys::name.eq(KEY), erasure_keys::secret.eq(secret.clone())))
                .execute(tx.db)
                .map_err(as_lost_race)?;
            secret
        }
    };
    diesel::insert_into(erased_persons::table)
        .values((
            erased_persons::fingerprint.eq(fingerprint(&secret, issuer, subject)?),
            erased_persons::actor_id.eq(actor),
            erased_persons::erased_at.eq(tx.now),
        ))
        .execute(tx.db)
        .map_err(as_lost_race)?;
    Ok(())
}

/// What fingerprints are made with; none while nobody was erased.
pub fn secret(db: &mut Db) -> Result<Option<String>> {
    Ok(erasure_keys::table.find(KEY).select(erasure_keys::secret).first(db).optional()?)
}

/// HMAC-SHA-256 of both, each with its length, so that no two pairs look alike.
fn fingerprint(secret: &str, issuer: &str, subject: &str) -> Result<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
        .map_err(|_| Error::Internal("a key of no length".to_owned()))?;
    for part in [issuer, subject] {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part.as_bytes());
    }
    Ok(URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}
