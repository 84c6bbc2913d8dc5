//! Entity tags and preconditions (RFC 9110 §§8.8.3, 13).
//!
//! A tag is `"v<version>.<hash>"`: a reader compares the whole (`If-None-Match`),
//! a writer the version alone (`If-Match`).

use std::future::{Ready, ready};

use actix_web::http::header::{ETAG, EntityTag, IF_MATCH};
use actix_web::{FromRequest, HttpRequest, dev::Payload};
use sha2::{Digest, Sha256};

use crate::error::{Code, Error, Fault, Problem, Result};
use crate::text;

/// What `If-Match` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IfMatch {
    Absent,
    /// `*`: whatever the version, so long as the resource exists.
    Any,
    /// One of these versions; tags that cannot be ours match nothing.
    Versions(Vec<i32>),
}

impl IfMatch {
    /// Lets a change of a resource at `version` go on, or refuses it: 428 without
    /// the header, 412 with the current tag when it names another version.
    pub fn check(&self, version: i32) -> Result<()> {
        match self {
            Self::Any => Ok(()),
            Self::Versions(versions) if versions.contains(&version) => Ok(()),
            Self::Versions(_) => Err(stale(version)),
            Self::Absent => Err(Problem::new(
                Code::PreconditionRequired,
                text!(
                    "Cette modification demande If-Match avec l’ETag de la ressource lue.",
                    "This change needs If-Match with the ETag of the resource as read."
                ),
            )
            .into()),
        }
    }
}

/// 412 with the tag to use now.
pub fn stale(version: i32) -> Error {
    Problem::new(
        Code::PreconditionFailed,
        text!(
            "La ressource en est à la version {version} ; celle de If-Match est périmée.",
            "The resource is at version {version}; the one in If-Match is stale."
        ),
    )
    .with_header(ETAG, &format!("\"v{version}\""))
    .into()
}

/// An update that touched no row lost a race.
pub fn changed_one(rows: usize, version: i32) -> Result<()> {
    if rows == 1 { Ok(()) } else { Err(stale(version + 1)) }
}

impl FromRequest for IfMatch {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let mut values = request.headers().get_all(IF_MATCH).map(|value| value.to_str().unwrap_or("?")).peekable();
        if values.peek().is_none() {
            return ready(Ok(Self::Absent));
        }
        ready(parse(&values.collect::<Vec<_>>().join(",")))
    }
}

pub(crate) fn parse(text: &str) -> Result<IfMatch> {
    if text.trim() == "*" {
        return Ok(IfMatch::Any);
    }
    let mut versions = Vec::new();
    for tag in tags(text) {
        let tag: EntityTag = tag.parse().map_err(|_| {
            Error::malformed(vec![Fault::parameter(
                "If-Match",
                "invalid_header",
                text!(
                    "If-Match attend un ETag entre guillemets, tel que reçu.",
                    "If-Match expects an ETag in quotes, as received."
                ),
            )])
        })?;
        // Weak tags never match strongly (RFC 9110 §8.8.3.2).
        if !tag.weak {
            versions.extend(version_of(tag.tag()));
        }
    }
    Ok(IfMatch::Versions(versions))
}

/// The members of a list of tags: a comma within quotes belongs to its tag.
fn tags(text: &str) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    text.split(move |c| {
        is_quoted ^= c == '"';
        c == ',' && !is_quoted
    })
    .map(str::trim)
    .filter(|tag| !tag.is_empty())
}

/// The version in a tag of ours, written as we write it.
fn version_of(tag: &str) -> Option<i32> {
    let number = tag.strip_prefix('v')?.split('.').next()?;
    number.parse().ok().filter(|version: &i32| *version > 0 && version.to_string() == number)
}

/// 64 bits of SHA-256, in hexadecimal: enough to tell representations of one resource apart.
pub fn fingerprint(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::{IfMatch, fingerprint, parse};

    #[test]
    fn a_fingerprint_is_the_beginning_of_sha_256() {
        // Of nothing, by FIPS 180-4.
        assert_eq!(fingerprint(b""), "e3b0c44298fc1c14");
    }

    #[test]
    fn only_the_version_of_a_strong_tag_counts() {
        assert_eq!(parse("\"v3.0011aabb\"").expect("valid"), IfMatch::Versions(vec![3]));
        assert_eq!(parse("\"v3\", \"v4.x\"").expect("valid"), IfMatch::Versions(vec![3, 4]));
        assert_eq!(parse("W/\"v3.00\", \"else\"").expect("valid"), IfMatch::Versions(vec![]));
        assert_eq!(parse("*").expect("valid"), IfMatch::Any);
        assert!(parse("v3").is_err());
    }

    #[test]
    fn tags_that_cannot_be_ours_match_nothing_and_are_no_fault() {
        for tag in ["v+3", "v03", "v-3", "v0", "V3", "v", "v3x", "v9999999999", "a,v3", ",", "", "é"] {
            assert_eq!(parse(&format!("\"{tag}\"")).expect(tag), IfMatch::Versions(vec![]), "{tag}");
        }
        assert_eq!(parse("\"a,b\" , \"v3,\",\"v4\"").expect("valid"), IfMatch::Versions(vec![4]));
        assert!(parse("\"v3").is_err() && parse("\"v3\"\"v4\"").is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_header_breaks_the_parser(text in "\\PC{0,40}") {
            let _outcome = parse(&text);
        }
    }
}
