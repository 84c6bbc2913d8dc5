//! The badge: a picture that says what a label is worth today, by whom, until when.
//! It never shows as valid what is not.

use actix_web::HttpResponse;
use actix_web::web::Path;
use serde::Deserialize;
use utoipa::ToSchema;

use super::model::Label;
use super::rules::LabelStatus;
use crate::db::Db;
use crate::endpoints;
use crate::error::Result;
use crate::http::route::Endpoint;
use crate::http::{Query, Reply};
use crate::organisations::{Organisation, Viewer};
use crate::query_parameters;
use crate::solutions::model::Solution;
use crate::solutions::routes::refuse_archived;

pub fn endpoints() -> Vec<Endpoint> {
    endpoints![find_badge_of_label, find_badge_of_solution]
}

crate::codes! {
    /// Language of a badge.
    pub enum BadgeLanguage {
        French = "fr",
        English = "en",
    }
}

/// In which language.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BadgeQuery {
    /// The language; `fr` unless said otherwise.
    #[serde(default)]
    pub lang: Option<BadgeLanguage>,
}

query_parameters!(BadgeQuery);

/// What a badge shows.
struct Badge {
    left: String,
    right: String,
    /// Background of the right part: white text on it has a contrast of at least 4.5:1 (WCAG 2.2 §1.4.3).
    colour: &'static str,
    /// For who does not see it, and as a tooltip.
    title: String,
}

/// How a person reads a status.
fn words(status: LabelStatus, is_french: bool) -> &'static str {
    use LabelStatus as S;
    match (status, is_french) {
        (S::Active, true) => "valide",
        (S::Active, false) => "valid",
        (S::ActiveWithReservations, true) => "valide avec réserves",
        (S::ActiveWithReservations, false) => "valid with reservations",
        (S::UnderSurveillance, true) => "valide, sous surveillance",
        (S::UnderSurveillance, false) => "valid, under surveillance",
        (S::Suspended, true) => "suspendu",
        (S::Suspended, false) => "suspended",
        (S::Withdrawn, true) => "retiré",
        (S::Withdrawn, false) => "withdrawn",
        (S::Expired, true) => "expiré",
        (S::Expired, false) => "expired",
        (S::Renounced, true) => "abandonné",
        (S::Renounced, false) => "given up",
        (S::Superseded, true) => "remplacé",
        (S::Superseded, false) => "superseded",
    }
}

impl Badge {
    fn of_label(db: &mut Db, label: &Label, today: chrono::NaiveDate, is_french: bool) -> Result<Self> {
        let status = label.status.on(today, label.valid_until);
        let body = Organisation::find(db, label.audit_body_id)?.details.0.name;
        let (said, until, from) = (words(status, is_french), label.valid_until, label.valid_from);
        let number = &label.number;
        let left = format!("Label {number}");
        let (right, title) = match (status.is_valid(), is_french) {
            (true, true) => (
                format!("{said} jusqu’au {until} · {body}"),
                format!("Label {number}, {said}. Vérifié par un tiers, {body}, du {from} au {until}."),
            ),
            (true, false) => (
                format!("{said} until {until} · {body}"),
                format!("Label {number}, {said}. Verified by a third party, {body}, from {from} to {until}."),
            ),
            (false, true) => (
                format!("{said} · {body}"),
                format!("Label {number}, {said} : il n’est pas valide. Organisme : {body}."),
            ),
            (false, false) => {
                (format!("{said} · {body}"), format!("Label {number}, {said}: it is not valid. Audit body: {body}."))
            }
        };
        let colour = match status {
            LabelStatus::Active => "#1a6b2f",
            LabelStatus::ActiveWithReservations | LabelStatus::UnderSurveillance => "#7a4d00",
            LabelStatus::Suspended | LabelStatus::Withdrawn => "#a3151b",
            _ => "#555555",
        };
        Ok(Self { left, right, colour, title })
    }

    /// Of a solution that has no label: what there is, its vendor says.
    fn declared(is_french: bool) -> Self {
        let (left, right, title) = if is_french {
            (
                "Catalogue GouvTech",
                "auto-déclaré, sans label",
                "Informations déclarées par le fournisseur ; aucun tiers ne les a vérifiées.",
            )
        } else {
            ("GouvTech catalogue", "self-declared, no label", "Declared by the vendor; no third party has verified it.")
        };
        Self { left: left.to_owned(), right: right.to_owned(), colour: "#555555", title: title.to_owned() }
    }

    fn svg(&self, is_french: bool) -> String {
        let (left, right, title) = (escape(&self.left), escape(&self.right), escape(&self.title));
        let (first, second) = (width(&self.left), width(&self.right));
        let (all, colour) = (first + second, self.colour);
        let (middle_left, middle_right) = (first / 2, first + second / 2);
        let (text_left, text_right) = (first - 20, second - 20);
        let lang = if is_french { "fr" } else { "en" };
        format!(
            concat!(
                r##"<svg xmlns="http://www.w3.org/2000/svg" width="{all}" height="28" viewBox="0 0 {all} 28" role="img" "##,
                r##"aria-labelledby="t" xml:lang="{lang}" lang="{lang}"><title id="t">{title}</title>"##,
                r##"<rect width="{all}" height="28" rx="4" fill="#161616"/>"##,
                r##"<path d="M{first} 0h{inner}a4 4 0 0 1 4 4v20a4 4 0 0 1-4 4H{first}z" fill="{colour}"/>"##,
                r##"<g fill="#fff" text-anchor="middle" font-family="Marianne,Arial,sans-serif" font-size="12" aria-hidden="true">"##,
                r##"<text x="{middle_left}" y="18" textLength="{text_left}" lengthAdjust="spacingAndGlyphs">{left}</text>"##,
                r##"<text x="{middle_right}" y="18" textLength="{text_right}" lengthAdjust="spacingAndGlyphs">{right}</text>"##,
                "</g></svg>",
            ),
            all = all,
            lang = lang,
            title = title,
            first = first,
            inner = second - 4,
            colour = colour,
            middle_left = middle_left,
            middle_right = middle_right,
            text_left = text_left,
            text_right = text_right,
            left = left,
            right = right,
        )
    }
}

/// Of a part with its margins, in pixels: Latin letters at 12 px are some 6.6 px wide.
fn width(text: &str) -> usize {
    text.chars().count() * 66 / 10 + 20
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // Not allowed in XML 1.0, even escaped.
            c if c.is_control() => {}
            c => escaped.push(c),
        }
    }
    escaped
}

/// The badge of a label
///
/// An SVG that states the label, where it stands today, who verified and until when, in words
/// and for screen readers. Good for an hour, and never beyond the day.
#[utoipa::path(get, path = "/api/v1/labels/{number}/badge.svg", tag = "labels", security(()),
    params(("number" = String, Path, description = "Number of the label.", max_length = 13, example = "GT-2026-00001"), BadgeQuery),
    responses((status = 200, description = "The picture.", body = String, content_type = "image/svg+xml")))]
async fn find_badge_of_label(reply: Reply, number: Path<String>, query: Query<BadgeQuery>) -> Result<HttpResponse> {
    let is_french = query.lang != Some(BadgeLanguage::English);
    let today = reply.app.store.clock().now().day();
    let badge = reply
        .app
        .store
        .read(move |db| {
            let label = Label::find(db, &number)?;
            Badge::of_label(db, &label, today, is_french)
        })
        .await?;
    picture(&reply, &badge, is_french)
}

/// The badge of a solution
///
/// That of its label, valid or else the latest; without one, it says that all is declared.
#[utoipa::path(get, path = "/api/v1/solutions/{id}/badge.svg", tag = "labels", security(()),
    params(("id" = String, Path, description = "Identifier or slug of the solution.", max_length = 100), BadgeQuery),
    responses((status = 200, description = "The picture.", body = String, content_type = "image/svg+xml")))]
async fn find_badge_of_solution(reply: Reply, id: Path<String>, query: Query<BadgeQuery>) -> Result<HttpResponse> {
    let is_french = query.lang != Some(BadgeLanguage::English);
    let today = reply.app.store.clock().now().day();
    let badge = reply
        .app
        .store
        .read(move |db| {
            let solution = Solution::visible(db, &id, &Viewer::default())?;
            refuse_archived(db, &solution)?;
            let labels = Label::of_solution(db, solution.id)?;
            let valid = labels.iter().find(|label| label.status.on(today, label.valid_until).is_valid());
            match valid.or(labels.first()) {
                Some(label) => Badge::of_label(db, label, today, is_french),
                None => Ok(Badge::declared(is_french)),
            }
        })
        .await?;
    picture(&reply, &badge, is_french)
}

fn picture(reply: &Reply, badge: &Badge, is_french: bool) -> Result<HttpResponse> {
    reply.text("image/svg+xml", badge.svg(is_french).into_bytes(), &[])
}
