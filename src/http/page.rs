//! Lists: keyset pages with a signed cursor.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::db::Id;
use crate::error::{Error, Fault, Result};
use crate::{query_parameters, text};

/// Rows of a page when the caller does not say.
const DEFAULT_LIMIT: i64 = 20;

/// A page of a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Page<T> {
    /// The rows of this page, in the order asked for.
    #[schema(max_items = 100)]
    pub items: Vec<T>,
    /// Cursor of the next page; null on the last one.
    #[schema(max_length = 4000)]
    pub next: Option<String>,
    /// How many rows the whole list has, counted in the same snapshot as the rows.
    #[schema(minimum = 0)]
    pub total: i64,
}

/// The parameters of a list that has no others.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// Rows of a page.
    #[schema(minimum = 1, maximum = 100, default = 20)]
    #[serde(default)]
    pub limit: Option<i64>,
    /// Where to go on: `next` of the previous page.
    #[schema(max_length = 4000)]
    #[serde(default)]
    pub cursor: Option<String>,
}

query_parameters!(PageQuery);

impl<T> Page<T> {
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(change).collect(), next: self.next, total: self.total }
    }
}

/// The value a row is ordered by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Key {
    Number(i64),
    Text(String),
}

/// Where the previous page ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct After {
    #[serde(rename = "k")]
    pub key: Key,
    #[serde(rename = "i")]
    pub id: Id,
}

impl After {
    pub fn number(&self) -> i64 {
        match &self.key {
            Key::Number(number) => *number,
            Key::Text(_) => 0,
        }
    }

    pub fn text(&self) -> &str {
        match &self.key {
            Key::Text(text) => text,
            Key::Number(_) => "",
        }
    }
}

/// Which rows to give: after which one, and how many.
#[derive(Debug, Clone)]
pub struct Slice {
    pub after: Option<After>,
    limit: i64,
    canonical: String,
    signer: CursorKey,
}

impl Slice {
    /// Reads the cursor, which must come from the same list asked the same way.
    pub fn new(signer: &CursorKey, canonical: &str, cursor: Option<&str>, limit: Option<i64>) -> Result<Self> {
        let after = cursor
            .map(|cursor| {
                signer.open(canonical, cursor).ok_or_else(|| {
                    Error::malformed(vec![Fault::parameter(
                        "cursor",
                        "invalid_cursor",
                        text!(
                            "Ce curseur ne vient pas de cette liste demandée ainsi ; reprendre à la première page.",
                            "This cursor does not come from this list asked this way; start again from the first page."
                        ),
                    )])
                })
            })
            .transpose()?;
        Ok(Self {
            after,
            limit: limit.unwrap_or(DEFAULT_LIMIT),
            canonical: canonical.to_owned(),
            signer: signer.clone(),
        })
    }

    /// Rows to load: one more than asked, which tells whether there is a next page.
    pub fn rows(&self) -> i64 {
        self.limit + 1
    }

    /// Makes the page of what was loaded.
    pub fn page<T>(&self, mut rows: Vec<T>, total: i64, place: impl Fn(&T) -> After) -> Page<T> {
        let wanted = usize::try_from(self.limit).unwrap_or_default();
        let next = (rows.len() > wanted).then(|| {
            rows.truncate(wanted);
            rows.last().map(|row| self.signer.seal(&self.canonical, &place(row)))
        });
        Page { items: rows, next: next.flatten(), total }
    }
}

/// Signs cursors, so that only places this service gave out are looked up.
#[derive(Clone)]
pub struct CursorKey {
    seals: Hmac<Sha256>,
    /// What also opens: keys before and after the one that seals.
    opens: Vec<Hmac<Sha256>>,
}

impl std::fmt::Debug for CursorKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CursorKey")
    }
}

impl CursorKey {
    /// Derived from the server's signing key, which all instances share.
    pub fn derive(secret: &[u8]) -> Self {
        let digest = Sha256::new().chain_update(b"gouvtech-catalogue cursor v1").chain_update(secret).finalize();
        let seals = Hmac::new_from_slice(&digest).unwrap_or_else(|_| Hmac::new(&Default::default()));
        Self { seals, opens: Vec::new() }
    }

    /// Opens what the other seals, too.
    pub fn or(mut self, other: Self) -> Self {
        self.opens.push(other.seals);
        self.opens.extend(other.opens);
        self
    }

    fn mac(key: &Hmac<Sha256>, canonical: &str, payload: &[u8]) -> Vec<u8> {
        let mut mac = key.clone();
        mac.update(&(canonical.len() as u64).to_be_bytes());
        mac.update(canonical.as_bytes());
        mac.update(payload);
        mac.finalize().into_bytes().iter().take(16).copied().collect()
    }

    pub(crate) fn seal(&self, canonical: &str, after: &After) -> String {
        let payload = serde_json::to_vec(after).unwrap_or_default();
        let mut sealed = Self::mac(&self.seals, canonical, &payload);
        sealed.extend(payload);
        URL_SAFE_NO_PAD.encode(sealed)
    }

    pub(crate) fn open(&self, canonical: &str, cursor: &str) -> Option<After> {
        let sealed = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (tag, payload) = sealed.split_at_checked(16)?;
        let is_ours = std::iter::once(&self.seals).chain(&self.opens).any(|key| {
            let expected = Self::mac(key, canonical, payload);
            tag.iter().zip(&expected).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
        });
        is_ours.then(|| serde_json::from_slice(payload).ok()).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::{After, CursorKey, Key};
    use crate::db::Id;

    proptest::proptest! {
        #[test]
        fn a_cursor_opens_only_for_its_query(key in "\\PC{0,20}", query in "[a-z=&]{0,20}", other in "[a-z=&]{0,20}") {
            let signer = CursorKey::derive(b"secret");
            let after = After { key: Key::Text(key), id: Id::new() };
            let cursor = signer.seal(&query, &after);
            proptest::prop_assert_eq!(signer.open(&query, &cursor), Some(after));
            if other != query {
                proptest::prop_assert_eq!(signer.open(&other, &cursor), None);
            }
            proptest::prop_assert_eq!(CursorKey::derive(b"else").open(&query, &cursor), None);
        }

        #[test]
        fn no_text_breaks_the_parser(text in "\\PC{0,60}") {
            proptest::prop_assert_eq!(CursorKey::derive(b"secret").open("", &text), None);
        }
    }
}
