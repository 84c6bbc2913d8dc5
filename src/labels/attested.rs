//! What proves a label: its attestation, the file that is checked offline, its state
//! on a day, and the status lists.

use std::collections::BTreeSet;
use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, ETAG};
use actix_web::web::Path;
use chrono::NaiveDate;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::events::Attested;
use super::model::Label;
use super::rules::LabelStatus;
use crate::db::schema::labels;
use crate::db::{Db, Instant};
use crate::error::{Error, Fault, Result};
use crate::http::conditional::fingerprint;
use crate::http::route::Endpoint;
use crate::http::{Query, Reply};
use crate::log::broken;
use crate::log::identity::Log;
use crate::log::tree::{EntryRow, Tree};
use crate::proof::attestation::Attestation;
use crate::proof::bundle::{Bundle, Consistency, Format, Included};
use crate::proof::encoding::Bytes;
use crate::proof::entry::{DECISION_TYP, LabelEvent, LogEntry, SignedDecision};
use crate::proof::status_list::{Purpose, StatusList, StatusListCredential};
use crate::proof::{attestation, history, jws};
use crate::{endpoints, query_parameters, text};

pub fn endpoints() -> Vec<Endpoint> {
    endpoints![find_attestation, find_bundle, find_label_status, find_status_list, find_label_context]
}

/// Of which day.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusQuery {
    /// The day, in legal time in metropolitan France; today when left out. A day to come has no answer.
    #[serde(default)]
    pub at: Option<NaiveDate>,
}

/// What the reader has already.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BundleQuery {
    /// Entries of a checkpoint that the reader has kept: the file then proves that the log still begins so.
    #[schema(minimum = 1)]
    #[serde(default)]
    pub since: Option<i64>,
}

query_parameters!(BundleQuery, StatusQuery);

/// Where a label stood at the end of a day.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LabelStatusView {
    /// Number of the label.
    #[schema(max_length = 13, example = "GT-2026-00001")]
    pub number: String,
    /// The day.
    pub at: NaiveDate,
    /// Where it stood; null before its first day.
    pub status: Option<LabelStatus>,
    /// Whether it could be relied on that day.
    pub is_valid: bool,
    /// When the event was that led there.
    pub since: Option<Instant>,
    /// Last day of validity, as known then.
    pub valid_until: Option<NaiveDate>,
    /// Entries that the log had when this was said: `/api/v1/labels/{number}/bundle` proves it.
    #[schema(minimum = 0)]
    pub log_size: u64,
    /// The root of its tree, in base64 (RFC 9162 §2.1).
    #[schema(max_length = 44)]
    pub log_root: String,
}

/// The events of a label, in the order of the log.
fn events(rows: &[EntryRow]) -> Result<Vec<LabelEvent>> {
    let mut events = Vec::new();
    for row in rows {
        if let LogEntry::Label(event) = row.read()? {
            events.push(*event);
        }
    }
    Ok(events)
}

/// The attestations that these events name, in their order.
fn attested(db: &mut Db, events: &[LabelEvent]) -> Result<Vec<String>> {
    let hashes = events.iter().filter_map(|event| event.attestation);
    hashes
        .map(|hash| {
            let row = Attested::find(db, hash)?;
            row.map(|row| row.credential).ok_or_else(|| Error::Internal(format!("the attestation {hash} is missing")))
        })
        .collect()
}

/// The attestation of a label
///
/// A Verifiable Credential (W3C VC Data Model 2.0) secured as `vc+jwt` with Ed25519: what the
/// label covers, by whom, until when, and where its status is found. The latest, when a
/// correction made a new one.
#[utoipa::path(get, path = "/api/v1/labels/{number}/attestation", tag = "labels", security(()),
    params(("number" = String, Path, description = "Number of the label.", max_length = 13, example = "GT-2026-00001")),
    responses((status = 200, description = "The credential.", body = String, content_type = "application/vc+jwt")))]
async fn find_attestation(reply: Reply, number: Path<String>) -> Result<HttpResponse> {
    let credential = reply
        .app
        .store
        .read(move |db| {
            Label::find(db, &number)?;
            let rows = EntryRow::of(db, &number)?;
            attested(db, &events(&rows)?)?.pop().ok_or_else(Error::not_found)
        })
        .await?;
    reply.text("application/vc+jwt", credential.into_bytes(), &[])
}

/// All that proves a label, in one file
///
/// Every event of the label with the proof that the transparency log has it, the attestations,
/// the signed state of the log, and the keys as the log registered them. `gouvtech-catalogue
/// verify FILE` checks it without network or database; every byte of it is bound by a signature
/// or a hash.
#[utoipa::path(get, path = "/api/v1/labels/{number}/bundle", tag = "labels", security(()),
    params(("number" = String, Path, description = "Number of the label.", max_length = 13, example = "GT-2026-00001"), BundleQuery),
    responses((status = 200, description = "The file, in canonical JSON (RFC 8785).", body = Object,
        content_type = "application/vnd.gouvtech.bundle+json"),
        (status = 422, description = "The log has not so many entries.")))]
async fn find_bundle(reply: Reply, number: Path<String>, query: Query<BundleQuery>) -> Result<HttpResponse> {
    let log = Arc::clone(&reply.app.log);
    let now = reply.app.store.clock().now();
    let name = format!("attachment; filename=\"{}.json\"", number.as_str());
    let file = reply.app.store.read(move |db| bundle(db, &log, &number, query.since, now)).await?;
    reply.text("application/vnd.gouvtech.bundle+json", file, &[("content-disposition", &name)])
}

/// Puts the file of a label together.
pub fn bundle(db: &mut Db, log: &Log, number: &str, since: Option<i64>, now: Instant) -> Result<Vec<u8>> {
    Label::find(db, number)?;
    let mut rows = EntryRow::of(db, number)?;
    let events = events(&rows)?;
    let attestations = attested(db, &events)?;
    let lists = Purpose::ALL.iter().map(|purpose| status_list(db, log, *purpose)).collect::<Result<Vec<_>>>()?;
    // Exactly the keys that signed something in it.
    let mut kids = BTreeSet::from([log.key()?.public().kid()]);
    for credential in &attestations {
        let read = jws::Unverified::<Attestation>::parse(credential, attestation::TYP).map_err(broken)?;
        kids.insert(read.kid().to_owned());
    }
    for signature in events.iter().filter_map(|event| event.signature.as_deref()) {
        let read = jws::Unverified::<SignedDecision>::parse(signature, DECISION_TYP).map_err(broken)?;
        kids.insert(read.kid().to_owned());
    }
    for kid in kids {
        rows.extend(EntryRow::of(db, &kid)?);
    }
    rows.sort_by_key(|row| row.position);
    let last = rows.last().and_then(|row| u64::try_from(row.position).ok()).unwrap_or_default();
    let since = since.and_then(|size| u64::try_from(size).ok());
    // Rather a state that a witness has seen, when it has all that is in the file.
    let witnessed = log.witnessed(db, 1)?.filter(|shown| {
        let size = shown.checkpoint.size;
        last < size && since.is_none_or(|since| since <= size)
    });
    let shown = match witnessed {
        Some(shown) => shown,
        None => log.shown(db)?,
    };
    let mut tree = Tree::open_at(db, shown.checkpoint.size)?;
    let entries = rows
        .into_iter()
        .map(|row| {
            let index = u64::try_from(row.position).unwrap_or_default();
            Ok(Included { index, leaf: Bytes(row.entry.into_bytes()), inclusion: tree.inclusion(index)? })
        })
        .collect::<Result<Vec<_>>>()?;
    let consistency = since.map(|size| consistency(&mut tree, size)).transpose()?;
    let file = Bundle {
        format: Format::default(),
        attestations,
        checkpoint: shown.note.to_string(),
        consistency,
        entries,
        status: lists,
        standing: None,
        witnesses: shown.witnesses.iter().map(ToString::to_string).collect(),
    };
    let at = Instant(now.0.max(events.last().map_or(now.0, |event| event.at.0)));
    file.seal(log.key()?, at).map_err(broken)
}

fn consistency(tree: &mut Tree<'_>, size: u64) -> Result<Consistency> {
    let proof = tree.consistency(size)?.ok_or_else(|| {
        let now = tree.size;
        let detail = text!("Le journal a {now} entrées.", "The log has {now} entries.");
        Error::invalid(vec![Fault::parameter("since", "beyond_the_log", detail)])
    })?;
    Ok(Consistency { size, root: tree.root_at(size)?, proof })
}

/// Where a label stood on a day
///
/// As the transparency log has it: the events of the label up to the end of that day, replayed.
/// What an old tender relied on.
#[utoipa::path(get, path = "/api/v1/labels/{number}/status", tag = "labels", security(()),
    params(("number" = String, Path, description = "Number of the label.", max_length = 13, example = "GT-2026-00001"), StatusQuery),
    responses((status = 200, description = "Where it stood.", body = LabelStatusView),
        (status = 422, description = "The day is to come.")))]
async fn find_label_status(reply: Reply, number: Path<String>, query: Query<StatusQuery>) -> Result<HttpResponse> {
    let today = reply.app.store.clock().now().day();
    let day = query.at.unwrap_or(today);
    if day > today {
        let detail = text!("Ce jour est à venir : nous sommes le {today}.", "That day is to come: it is {today}.");
        return Err(Error::invalid(vec![Fault::parameter("at", "in_the_future", detail)]));
    }
    let view = reply
        .app
        .store
        .read(move |db| {
            Label::find(db, &number)?;
            let rows = EntryRow::of(db, &number)?;
            let state = history::state_on(&events(&rows)?, day).map_err(broken)?;
            let mut tree = Tree::open(db)?;
            Ok(LabelStatusView {
                number: number.clone(),
                at: day,
                status: state.map(|state| state.status),
                is_valid: state.is_some_and(|state| state.status.is_valid()),
                since: state.map(|state| state.since),
                valid_until: state.map(|state| state.valid_until),
                log_size: tree.size,
                log_root: tree.root()?.to_string(),
            })
        })
        .await?;
    reply.one(0, &view)
}

/// A status list
///
/// A `BitstringStatusListCredential` (W3C Bitstring Status List 1.0) as `vc+jwt`: the bit of each
/// attestation says whether its label is taken back (`revocation`) or does not hold for now
/// (`suspension`).
#[utoipa::path(get, path = "/api/v1/status-lists/{purpose}", tag = "labels", security(()),
    params(("purpose" = String, Path, description = "What the bits say: `revocation` or `suspension`.", max_length = 10, example = "revocation")),
    responses((status = 200, description = "The credential.", body = String, content_type = "application/vc+jwt")))]
async fn find_status_list(reply: Reply, purpose: Path<String>) -> Result<HttpResponse> {
    let purpose = Purpose::ALL.iter().copied().find(|one| one.code() == purpose.as_str());
    let purpose = purpose.ok_or_else(Error::not_found)?;
    let log = Arc::clone(&reply.app.log);
    let list = reply.app.store.read(move |db| status_list(db, &log, purpose)).await?;
    reply.text("application/vc+jwt", list.into_bytes(), &[])
}

/// What the members of an attestation mean
///
/// A JSON-LD context (W3C JSON-LD 1.1), which attestations name. It never changes: another would be `v2`.
#[utoipa::path(get, path = "/contexts/label/v1", tag = "labels", security(()),
    responses((status = 200, description = "The context.", body = Object, content_type = "application/ld+json")))]
async fn find_label_context() -> Result<HttpResponse> {
    Ok(HttpResponse::Ok()
        .content_type("application/ld+json")
        .insert_header((CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .insert_header((ETAG, format!("\"v0.{}\"", fingerprint(attestation::OWN_CONTEXT.as_bytes()))))
        .body(attestation::OWN_CONTEXT))
}

/// As the labels stand after the last entry of the log.
fn status_list(db: &mut Db, log: &Log, purpose: Purpose) -> Result<String> {
    let size = Tree::open(db)?.size;
    let last = EntryRow::from(db, size.saturating_sub(1), 1)?.pop().map_or(Instant::default(), |row| row.logged_at);
    let standing: Vec<LabelStatus> = LabelStatus::ALL.iter().copied().filter(|status| purpose.holds(*status)).collect();
    let numbers: Vec<String> = labels::table.filter(labels::status.eq_any(standing)).select(labels::number).load(db)?;
    let mut list = StatusList::new(usize::try_from(size).unwrap_or_default());
    for number in numbers {
        if let Some(first) = EntryRow::of(db, &number)?.first() {
            list.put(usize::try_from(first.position).unwrap_or(usize::MAX), true);
        }
    }
    let address = format!("{}/api/v1/status-lists/{purpose}", log.base);
    let credential = StatusListCredential::new(&address, &log.base, last, purpose, &list).map_err(broken)?;
    jws::sign(attestation::TYP, &credential, log.key()?).map_err(broken)
}
