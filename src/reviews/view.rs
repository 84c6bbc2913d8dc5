//! Reviews on the wire.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::content::ReviewContent;
use super::model::{Reply, Review, ReviewModeration};
use super::reader::Reader;
use super::rules::{ReviewGround, ReviewStatus};
use super::traces::{ReviewEdit, ReviewReport};
use crate::db::{Db, Id, Instant};
use crate::error::{Error, Result};
use crate::organisations::Organisation;
use crate::organisations::details::{LegalNature, OrganisationSize};
use crate::organisations::view::OrganisationSummary;
use crate::query_parameters;

/// What a member of a public body says about a solution. Who the person is, is never shown.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ReviewView {
    /// Identifier.
    pub id: Id,
    /// The solution it is about.
    pub solution_id: Id,
    /// Where it stands.
    pub status: ReviewStatus,
    /// Counts changes; also in the ETag.
    #[schema(minimum = 1)]
    pub version: i32,
    #[serde(flatten)]
    pub content: ReviewContent,
    /// The reviewer's body; null unless it may be named. Its own members and moderators always see it.
    pub organisation: Option<OrganisationSummary>,
    /// Legal nature of the reviewer's body.
    pub organisation_kind: Option<LegalNature>,
    /// Size of the reviewer's body.
    pub organisation_size: Option<OrganisationSize>,
    /// The reviewer's body offers a published solution of the same family.
    pub offers_same_family: bool,
    /// Part of the average: published, for 36 months.
    pub is_counted: bool,
    /// What the vendor answers.
    pub reply: Option<ReviewReplyView>,
    /// What a moderator last said; shown to the author and moderators.
    pub moderation: Option<ReviewModeration>,
    /// Why it was reported, newest first; shown to moderators.
    #[schema(max_items = 1000)]
    pub reports: Option<Vec<ReviewReportView>>,
    /// When it was drafted.
    pub created_at: Instant,
    /// When it last changed.
    pub updated_at: Instant,
    /// When it was last submitted; shown to the reviewer's body and moderators.
    pub submitted_at: Option<Instant>,
    /// When it was last published; null before the first time.
    pub published_at: Option<Instant>,
}

crate::represented!(ReviewView);

/// A vendor's answer to a review.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ReviewReplyView {
    /// The answer.
    #[schema(max_length = 2000)]
    pub text: String,
    /// The vendor who answers.
    pub organisation_id: Id,
    /// When it was last written.
    pub replied_at: Instant,
}

impl From<Reply> for ReviewReplyView {
    fn from(reply: Reply) -> Self {
        let Reply { text, organisation_id, replied_at } = reply;
        Self { text, organisation_id, replied_at }
    }
}

/// Why somebody wants a review looked at again.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ReviewReportView {
    /// The reason in words.
    #[schema(max_length = 5000)]
    pub reason: String,
    /// When it was reported.
    pub created_at: Instant,
}

impl From<ReviewReport> for ReviewReportView {
    fn from(report: ReviewReport) -> Self {
        let ReviewReport { id: _, review_id: _, actor_id: _, reason, created_at } = report;
        Self { reason, created_at }
    }
}

/// A text the public read before its author replaced it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ReviewEditView {
    /// Number, from 1.
    #[schema(minimum = 1)]
    pub number: i32,
    /// When it was replaced.
    pub replaced_at: Instant,
    #[serde(flatten)]
    pub content: ReviewContent,
}

impl From<ReviewEdit> for ReviewEditView {
    fn from(edit: ReviewEdit) -> Self {
        let ReviewEdit { review_id: _, number, content, replaced_at } = edit;
        Self { number, replaced_at, content: content.0 }
    }
}

/// A vendor's answer to write.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"text": "Merci de cet avis : la version 4.3 corrige l’export."}))]
pub struct ReviewReply {
    /// The answer; no personal data.
    #[schema(min_length = 1, max_length = 2000)]
    pub text: String,
}

/// Why a review is rejected or removed.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"code": "personal_data", "reason": "Le texte nomme un agent."}))]
pub struct ReviewRefusal {
    /// The ground, among those possible.
    pub code: ReviewGround,
    /// The reason in words, for the author.
    #[schema(min_length = 3, max_length = 5000)]
    pub reason: String,
}

crate::codes! {
    /// Order of a list of reviews; `-` for descending.
    pub enum ReviewSort {
        /// By the instant of the last publication; until then, of the creation.
        PublishedAt = "published_at",
        PublishedAtDescending = "-published_at",
        /// By the overall rating.
        Rating = "rating",
        RatingDescending = "-rating",
    }
}

impl ReviewSort {
    pub fn is_descending(self) -> bool {
        self.code().starts_with('-')
    }

    pub fn is_by_rating(self) -> bool {
        matches!(self, Self::Rating | Self::RatingDescending)
    }
}

/// Which reviews to list. A repeated parameter is «or», different ones are «and».
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReviewFilter {
    /// Rows of a page.
    #[schema(minimum = 1, maximum = 100, default = 20)]
    #[serde(default)]
    pub limit: Option<i64>,
    /// Where to go on: `next` of the previous page.
    #[schema(max_length = 4000)]
    #[serde(default)]
    pub cursor: Option<String>,
    /// Order; `-published_at` unless said otherwise.
    #[serde(default)]
    pub sort: Option<ReviewSort>,
    /// Stands at one of these, among those the caller may see; `pending` and `reported` are the moderators' queue.
    #[schema(max_items = 7)]
    #[serde(default)]
    pub status: Vec<ReviewStatus>,
    /// Overall rating is at least this.
    #[schema(minimum = 1, maximum = 5)]
    #[serde(default)]
    pub min_rating: Option<i32>,
}

query_parameters!(ReviewFilter);

/// Makes the views of several reviews with a fixed number of queries.
pub fn views(db: &mut Db, rows: Vec<Review>, reader: &Reader) -> Result<Vec<ReviewView>> {
    let bodies: Vec<Id> = rows.iter().map(|row| row.organisation_id).collect();
    let bodies: BTreeMap<Id, Organisation> =
        Organisation::find_all(db, &bodies)?.into_iter().map(|body| (body.id, body)).collect();
    let mut reports: BTreeMap<Id, Vec<ReviewReportView>> = BTreeMap::new();
    if reader.viewer.is_moderator() {
        let ids: Vec<Id> = rows.iter().map(|row| row.id).collect();
        for report in ReviewReport::about(db, &ids)? {
            reports.entry(report.review_id).or_default().push(report.into());
        }
    }
    Ok(rows
        .into_iter()
        .map(|row| {
            let body = bodies.get(&row.organisation_id);
            let reports = reader.viewer.is_moderator().then(|| reports.remove(&row.id).unwrap_or_default());
            view(row, body, reports, reader)
        })
        .collect())
}

/// One review as a caller sees it.
pub fn one(db: &mut Db, row: Review, reader: &Reader) -> Result<ReviewView> {
    views(db, vec![row], reader)?.pop().ok_or_else(Error::not_found)
}

/// What a member of this body has just written, as it is shown to them.
pub fn written(row: Review, body: &Organisation, reader: &Reader) -> ReviewView {
    view(row, Some(body), None, reader)
}

fn view(
    row: Review,
    body: Option<&Organisation>,
    reports: Option<Vec<ReviewReportView>>,
    reader: &Reader,
) -> ReviewView {
    let sees_all = reader.sees_all_of(&row);
    let sees_moderation = reader.viewer.is_moderator() || reader.wrote(&row);
    let Review {
        id,
        version,
        solution_id,
        organisation_id: _,
        actor_id: _,
        status,
        content,
        rating: _,
        ratings: _,
        is_counted,
        offers_same_family,
        reply,
        moderation,
        reported_by: _,
        moderated_by: _,
        created_at,
        updated_at,
        submitted_at,
        published_at,
        listed_at: _,
        anonymised_at: _,
    } = row;
    ReviewView {
        id,
        solution_id,
        status,
        version,
        organisation: body.filter(|_| sees_all || content.may_be_named).map(OrganisationSummary::from),
        organisation_kind: body.and_then(|body| body.details.legal_nature),
        organisation_size: body.and_then(|body| body.details.size),
        content: content.0,
        offers_same_family,
        is_counted,
        reply: reply.map(|reply| reply.0.into()),
        moderation: moderation.filter(|_| sees_moderation).map(|moderation| moderation.0),
        reports,
        created_at,
        updated_at,
        submitted_at: submitted_at.filter(|_| sees_all),
        published_at,
    }
}
