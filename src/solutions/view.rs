//! Solutions on the wire.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::model::{ImportRecord, Moderation, Shown, Solution, SolutionVersion, lacks};
use super::rules::{Lack, Origins, RevisionStatus, SolutionStatus};
use super::sheet::{Audience, Deployment, Distribution, QualificationScheme, SolutionSheet, SourcingRank, Visibility};
use super::thresholds::{MinScore, ThemeScore};
use crate::db::{Db, Id, Instant, Resource};
use crate::error::Result;
use crate::evaluations::rules::Score;
use crate::evaluations::view::ScoresView;
use crate::http::text::fold;
use crate::labels::view::LabelView;
use crate::organisations::details::{Control, LegalNature, OrganisationSize};
use crate::organisations::view::{OrganisationSummary, OrganisationView};
use crate::organisations::{Organisation, Viewer};
use crate::persons::accesses::Source;
use crate::query_parameters;
use crate::search::view::{Facet, MatchView};

/// A solution: what its vendor states, and what is known about it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SolutionView {
    /// Identifier.
    pub id: Id,
    /// Readable identifier; never given to another solution.
    #[schema(max_length = 100, example = "demarches-simplifiees")]
    pub slug: String,
    /// Where it stands.
    pub status: SolutionStatus,
    /// Counts changes; also in the ETag. To the public it is the number of the published version.
    #[schema(minimum = 1)]
    pub version: i32,
    /// Number of the version the public reads; null before the first.
    #[schema(minimum = 1)]
    pub published_version: Option<i32>,
    /// The revision being prepared; shown to the vendor and moderators.
    pub revision: Option<RevisionView>,
    /// The organisation that offers it; null when an imported sheet does not name it.
    pub vendor: Option<OrganisationSummary>,
    #[serde(flatten)]
    pub sheet: SolutionSheet,
    /// For each member of the sheet that has a value: who says so and since when.
    #[schema(value_type = Object)]
    pub origins: Origins,
    /// What the sheet still lacks for publication; shown for imported sheets, to the vendor and to moderators.
    #[schema(max_items = 100)]
    pub missing: Option<Vec<Lack>>,
    /// Where an imported sheet comes from, with the licence of its data.
    pub imported_from: Option<ImportRecord>,
    /// Other solutions of the same name: perhaps the same one, never merged.
    #[schema(max_items = 1000)]
    pub possible_duplicates: Vec<Namesake>,
    /// Overall score of the self-evaluation in force, 0 to 1: self-declared.
    #[schema(minimum = 0, maximum = 1)]
    pub score: Option<Score>,
    /// Average overall rating, 1 to 5, from three published reviews on.
    #[schema(minimum = 1, maximum = 5)]
    pub rating: Option<f64>,
    /// What a moderator last said; shown to the vendor and moderators, and to all for a suspension.
    pub moderation: Option<Moderation>,
    /// When it was registered here.
    pub created_at: Instant,
    /// When what the public reads last changed.
    pub updated_at: Instant,
    /// When it was last submitted.
    pub submitted_at: Option<Instant>,
    /// When it was first published.
    pub published_at: Option<Instant>,
    /// When its vendor last confirmed that it is up to date.
    pub confirmed_at: Option<Instant>,
    /// What `include` asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embedded: Option<Embedded>,
    /// How a list found it, when asked with `highlight` or `explain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<MatchView>,
}

crate::represented!(SolutionView);

/// The open revision of a published solution.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RevisionView {
    /// Where the revision stands.
    pub status: RevisionStatus,
    /// Number it will have once published.
    #[schema(minimum = 1)]
    pub version: i32,
}

/// A solution of the same name.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Namesake {
    /// Identifier.
    pub id: Id,
    /// Readable identifier.
    #[schema(max_length = 100)]
    pub slug: String,
}

/// Related resources.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct Embedded {
    /// The vendor in full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vendor: Option<OrganisationView>,
    /// Labels it has or had.
    #[schema(max_items = 100)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<LabelView>>,
    /// Scores of the evaluation in force, by theme.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scores: Option<ScoresView>,
}

crate::codes! {
    /// What to embed.
    pub enum SolutionInclude {
        Vendor = "vendor",
        Label = "label",
        Scores = "scores",
    }
}

/// How one solution is to be read.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SolutionQuery {
    /// `published`: the public version, also for who would get the working copy.
    #[serde(default)]
    pub view: Option<SolutionSide>,
    /// Related resources to embed, separated by commas.
    #[schema(max_items = 3)]
    #[serde(default)]
    pub include: Vec<SolutionInclude>,
}

crate::codes! {
    /// Which side of a solution to read.
    pub enum SolutionSide {
        Published = "published",
        Working = "working",
    }
}

query_parameters!(SolutionQuery, SolutionFilter);

/// Makes the views of several solutions with a fixed number of queries.
pub fn views(
    db: &mut Db,
    rows: Vec<Solution>,
    viewer: &Viewer,
    include: &[SolutionInclude],
    public_only: bool,
    today: NaiveDate,
) -> Result<Vec<SolutionView>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let vendors: Vec<Id> = rows.iter().filter_map(|row| row.organisation_id).collect();
    let names: Vec<String> = rows.iter().map(|row| row.name_folded.clone()).collect();
    let beside = Beside {
        versions: SolutionVersion::current(db, &rows)?,
        vendors: Organisation::find_all(db, &vendors)?.into_iter().map(|vendor| (vendor.id, vendor)).collect(),
        namesakes: Solution::namesakes(db, &names)?,
    };
    assemble(db, rows, beside, viewer, include, public_only, today)
}

/// One solution that was found with what stands beside it.
pub fn shown(
    db: &mut Db,
    shown: Shown,
    viewer: &Viewer,
    include: &[SolutionInclude],
    public_only: bool,
    today: NaiveDate,
) -> Result<SolutionView> {
    let Shown { solution, version, vendor, has_namesakes } = shown;
    let beside = Beside {
        versions: version.into_iter().map(|version| (solution.id, version)).collect(),
        vendors: vendor.into_iter().map(|vendor| (vendor.id, vendor)).collect(),
        namesakes: match has_namesakes {
            true => Solution::namesakes(db, std::slice::from_ref(&solution.name_folded))?,
            false => Vec::new(),
        },
    };
    let mut all = assemble(db, vec![solution], beside, viewer, include, public_only, today)?;
    all.pop().ok_or_else(crate::error::Error::not_found)
}

/// What stands beside solutions in their views: public versions, vendors, others of the same name.
struct Beside {
    versions: BTreeMap<Id, SolutionVersion>,
    vendors: BTreeMap<Id, Organisation>,
    namesakes: Vec<(Id, String, String)>,
}

fn assemble(
    db: &mut Db,
    rows: Vec<Solution>,
    beside: Beside,
    viewer: &Viewer,
    include: &[SolutionInclude],
    public_only: bool,
    today: NaiveDate,
) -> Result<Vec<SolutionView>> {
    let Beside { mut versions, vendors, namesakes } = beside;
    let ids: Vec<Id> = rows.iter().map(|row| row.id).collect();
    let examined = crate::labels::model::examined(db, viewer, &ids)?;
    let mut labels = match include.contains(&SolutionInclude::Label) {
        true => crate::labels::model::of_solutions(db, &ids, today)?,
        false => BTreeMap::new(),
    };
    let mut scores = match include.contains(&SolutionInclude::Scores) {
        true => crate::evaluations::model::scores_in_force(db, &ids)?,
        false => BTreeMap::new(),
    };
    rows.into_iter()
        .map(|row| {
            let vendor = row.organisation_id.and_then(|id| vendors.get(&id));
            let namesakes = namesakes
                .iter()
                .filter(|(id, _, name)| *id != row.id && *name == row.name_folded)
                .map(|(id, slug, _)| Namesake { id: *id, slug: slug.clone() })
                .collect();
            let embedded = (!include.is_empty()).then(|| Embedded {
                vendor: vendor
                    .filter(|_| include.contains(&SolutionInclude::Vendor))
                    .map(|vendor| OrganisationView::new(vendor.clone(), viewer)),
                labels: include.contains(&SolutionInclude::Label).then(|| labels.remove(&row.id).unwrap_or_default()),
                scores: scores.remove(&row.id),
            });
            let current = versions.remove(&row.id);
            let sight = Sight { viewer, is_examiner: examined.contains(&row.id), public_only };
            Ok(view(row, current, vendor, &sight, namesakes, embedded))
        })
        .collect()
}

/// One solution as a caller sees it.
pub fn one(
    db: &mut Db,
    row: Solution,
    viewer: &Viewer,
    include: &[SolutionInclude],
    public_only: bool,
    today: NaiveDate,
) -> Result<SolutionView> {
    let mut all = views(db, vec![row], viewer, include, public_only, today)?;
    all.pop().ok_or_else(crate::error::Error::not_found)
}

/// Who looks at a solution, and how.
struct Sight<'a> {
    viewer: &'a Viewer,
    /// Whether the caller audits it.
    is_examiner: bool,
    public_only: bool,
}

fn view(
    row: Solution,
    current: Option<SolutionVersion>,
    vendor: Option<&Organisation>,
    sight: &Sight<'_>,
    possible_duplicates: Vec<Namesake>,
    embedded: Option<Embedded>,
) -> SolutionView {
    let Sight { viewer, is_examiner, public_only } = *sight;
    let sees_working_copy = row.shows_working_copy(viewer) && !(public_only && row.published_version.is_some());
    let Solution {
        id,
        version,
        slug,
        organisation_id,
        status,
        revision_status,
        published_version,
        draft,
        draft_origins,
        moderation,
        score,
        rating,
        provenance,
        created_at,
        updated_at,
        submitted_at,
        published_at,
        confirmed_at,
        name_folded: _,
        search_text: _,
        review_summary: _,
        source: _,
        source_id: _,
        suspended_by: _,
        archived_at: _,
    } = row;
    let (sheet, origins) = match (draft, draft_origins, current) {
        (Some(sheet), Some(origins), _) if sees_working_copy => (sheet.0, origins.0),
        (_, _, Some(version)) => (version.sheet.0, version.origins.0),
        (sheet, origins, None) => (sheet.map(|s| s.0).unwrap_or_default(), origins.map(|o| o.0).unwrap_or_default()),
    };
    let shows_missing = sees_working_copy || provenance.is_some();
    let shows_moderation = sees_working_copy || status == SolutionStatus::Suspended;
    SolutionView {
        id,
        slug,
        status,
        version: if sees_working_copy { version } else { published_version.unwrap_or(version) },
        published_version,
        revision: revision_status
            .filter(|_| sees_working_copy)
            .map(|status| RevisionView { status, version: published_version.unwrap_or_default() + 1 }),
        vendor: vendor.map(OrganisationSummary::from),
        missing: shows_missing.then(|| lacks(&sheet, vendor)),
        sheet: shown_to(sheet, organisation_id, viewer, is_examiner),
        origins,
        imported_from: provenance.map(|record| record.0),
        possible_duplicates,
        score: Score::stored(score),
        rating: (rating >= 0).then(|| f64::from(rating) / 100.0),
        moderation: moderation.filter(|_| shows_moderation).map(|moderation| moderation.0),
        created_at,
        updated_at,
        submitted_at: submitted_at.filter(|_| sees_working_copy),
        published_at: published_version.map(|_| published_at),
        confirmed_at,
        embedded,
        found: None,
    }
}

/// What a list shows of a public solution to anybody, as a JSON object; but for its namesakes,
/// which change with others.
pub fn public_view(row: Solution, version: SolutionVersion, vendor: Option<&Organisation>) -> Result<String> {
    let nobody = Viewer::default();
    let sight = Sight { viewer: &nobody, is_examiner: false, public_only: true };
    without_namesakes(&view(row, Some(version), vendor, &sight, Vec::new(), None))
}

fn without_namesakes(view: &SolutionView) -> Result<String> {
    let mut view = serde_json::to_value(view)?;
    if let Some(members) = view.as_object_mut() {
        members.remove("possible_duplicates");
    }
    Ok(view.to_string())
}

/// Completes what [`public_view`] wrote.
pub fn with_namesakes(mut view: String, namesakes: &[Namesake]) -> Result<String> {
    // The view is an object with members.
    view.pop();
    view.push_str(",\"possible_duplicates\":");
    view.push_str(&serde_json::to_string(namesakes)?);
    view.push('}');
    Ok(view)
}

/// What anybody reads of one solution, to the byte as the index has it.
pub fn public_document(view: &SolutionView) -> Result<String> {
    with_namesakes(without_namesakes(view)?, &view.possible_duplicates)
}

/// The sheet without what this caller may not read: restricted evidence, names
/// of references that did not agree to be named. Who examines the solution for
/// the label reads all evidence.
pub fn shown_to(mut sheet: SolutionSheet, owner: Option<Id>, viewer: &Viewer, is_examiner: bool) -> SolutionSheet {
    if viewer.sees_drafts() || viewer.owns(owner) {
        return sheet;
    }
    sheet.evidence.retain(|evidence| is_examiner || may_read(evidence.visibility, viewer));
    for reference in &mut sheet.references {
        if !reference.may_be_named {
            reference.organisation = None;
        }
    }
    sheet
}

/// What of these answers is to be recorded: restricted evidence of others.
pub fn restricted(views: &[SolutionView], viewer: &Viewer) -> Vec<Source> {
    views
        .iter()
        .filter_map(|view| {
            let owner = view.vendor.as_ref().map(|vendor| vendor.id);
            let source = Source { solution: view.id, owner, resource: Resource::Solution, id: view.id };
            source.if_restricted(viewer, &view.sheet.evidence)
        })
        .collect()
}

/// Whether a caller who is neither owner nor operator may read evidence of this visibility.
pub fn may_read(visibility: Visibility, viewer: &Viewer) -> bool {
    match visibility {
        Visibility::Public => true,
        Visibility::Agents => viewer.is_agent() || viewer.is_operator(),
        Visibility::Restricted => viewer.sees_drafts(),
    }
}

/// What remains of an archived solution.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Tombstone {
    /// Its last public name.
    #[schema(max_length = 1000)]
    pub name: String,
    /// Who offered it.
    pub vendor: Option<OrganisationSummary>,
    /// When it was first published.
    pub published_at: Option<Instant>,
    /// When it was archived.
    pub archived_at: Option<Instant>,
    /// Why.
    #[schema(max_length = 5000)]
    pub reason: Option<String>,
    /// Labels it had.
    #[schema(max_items = 100)]
    pub labels: Vec<LabelView>,
}

crate::codes! {
    /// Order of a list of solutions; `-` for descending.
    pub enum SolutionSort {
        Name = "name",
        NameDescending = "-name",
        /// By the instant of the first publication.
        PublishedAt = "published_at",
        PublishedAtDescending = "-published_at",
        UpdatedAt = "updated_at",
        UpdatedAtDescending = "-updated_at",
        Score = "score",
        ScoreDescending = "-score",
        Rating = "rating",
        RatingDescending = "-rating",
        /// What has what `q` looks for best, first; see `docs/SEARCH.md`.
        Relevance = "relevance",
    }
}

impl SolutionSort {
    pub fn is_descending(self) -> bool {
        self.code().starts_with('-')
    }

    /// The same order, ascending.
    pub fn key(self) -> Self {
        Self::from_code(self.code().trim_start_matches('-')).unwrap_or(self)
    }
}

/// Which solutions to list. A repeated parameter is «or», different ones are «and».
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SolutionFilter {
    /// Rows of a page.
    #[schema(minimum = 1, maximum = 100, default = 20)]
    #[serde(default)]
    pub limit: Option<i64>,
    /// Where to go on: `next` of the previous page.
    #[schema(max_length = 4000)]
    #[serde(default)]
    pub cursor: Option<String>,
    /// Order; `relevance` with `q`, else `name`, unless said otherwise.
    #[serde(default)]
    pub sort: Option<SolutionSort>,
    /// Related resources to embed, separated by commas.
    #[schema(max_items = 3)]
    #[serde(default)]
    pub include: Vec<SolutionInclude>,
    /// What to look for: words in any inflection, the last one unfinished perhaps, a letter wrong
    /// perhaps; "a phrase"; -without; or a SIREN, a slug, an address. Any text is understood.
    #[schema(max_length = 200)]
    #[serde(default)]
    pub q: Option<String>,
    /// What to count the solutions found by, separated by commas; each is counted without its own filter.
    #[schema(max_items = 16)]
    #[serde(default)]
    pub facets: Vec<Facet>,
    /// Whether to show where texts have what was looked for.
    #[serde(default)]
    pub highlight: Option<bool>,
    /// Whether to say why each stands where it stands; for operators.
    #[serde(default)]
    pub explain: Option<bool>,
    /// Stands at one of these. The public sees `published` and `outdated`; a vendor also its own;
    /// moderators all: `submitted` is their queue, with revisions that wait.
    #[schema(max_items = 8)]
    #[serde(default)]
    pub status: Vec<SolutionStatus>,
    /// Belongs to one of these families.
    #[schema(max_items = 50)]
    #[serde(default)]
    pub family: Vec<String>,
    /// Policy domain (COFOG division).
    #[schema(max_items = 10)]
    #[serde(default)]
    pub domain: Vec<String>,
    /// Rank in the order of preference of the 2026 circular.
    #[schema(max_items = 3)]
    #[serde(default)]
    pub sourcing_rank: Vec<SourcingRank>,
    /// How the code is distributed.
    #[schema(max_items = 3)]
    #[serde(default)]
    pub distribution: Vec<Distribution>,
    /// SPDX licence, whole or as part of the expression.
    #[schema(max_items = 20)]
    #[serde(default)]
    pub licence: Vec<String>,
    /// Where it can run.
    #[schema(max_items = 2)]
    #[serde(default)]
    pub deployment: Vec<Deployment>,
    /// Country where data can be hosted (ISO 3166-1 alpha-2).
    #[schema(max_items = 50)]
    #[serde(default)]
    pub hosting_country: Vec<String>,
    /// Qualification of a hosting offer.
    #[schema(max_items = 10)]
    #[serde(default)]
    pub qualification: Vec<QualificationScheme>,
    /// Keyword, case and accents ignored.
    #[schema(max_items = 20)]
    #[serde(default)]
    pub tag: Vec<String>,
    /// Technical trait.
    #[schema(max_items = 20)]
    #[serde(default, rename = "trait")]
    pub traits: Vec<String>,
    /// Kind of public body it is meant for.
    #[schema(max_items = 10)]
    #[serde(default)]
    pub audience: Vec<Audience>,
    /// Offered by one of these organisations.
    #[schema(max_items = 50)]
    #[serde(default)]
    pub vendor: Vec<Id>,
    /// Legal nature of the vendor.
    #[schema(max_items = 5)]
    #[serde(default)]
    pub vendor_kind: Vec<LegalNature>,
    /// Who controls the vendor's capital.
    #[schema(max_items = 2)]
    #[serde(default)]
    pub vendor_control: Vec<Control>,
    /// Size of the vendor.
    #[schema(max_items = 4)]
    #[serde(default)]
    pub vendor_size: Vec<OrganisationSize>,
    /// Purchasing body or marketplace, case and accents ignored.
    #[schema(max_items = 20)]
    #[serde(default)]
    pub purchase_route: Vec<String>,
    /// Has a label in one of these states.
    #[schema(max_items = 10)]
    #[serde(default)]
    pub label: Vec<crate::labels::rules::LabelStatus>,
    /// The evaluation in force scores at least this, 0 to 1: overall, or in a theme as `securite:0.7`. Self-declared.
    #[serde(default)]
    pub min_score: Option<MinScore>,
    /// A valid label verified at least this score in a theme, as `securite:0.7`; themes as in `GET /themes`.
    #[schema(max_items = 20)]
    #[serde(default)]
    pub verified: Vec<ThemeScore>,
    /// Average rating is at least this (1 to 5).
    #[schema(minimum = 1, maximum = 5)]
    #[serde(default)]
    pub min_rating: Option<f64>,
    /// What the public reads changed at this instant or later.
    #[serde(default)]
    pub updated_since: Option<Instant>,
}

impl SolutionFilter {
    /// The filters over values of the published sheet.
    pub fn chosen(&self) -> Vec<(&'static str, Vec<String>)> {
        fn codes<T: ToString>(items: &[T]) -> Vec<String> {
            items.iter().map(ToString::to_string).collect()
        }
        let folded = |words: &[String]| words.iter().map(|word| fold(word)).collect();
        vec![
            ("family", self.family.clone()),
            ("domain", self.domain.clone()),
            ("sourcing_rank", codes(&self.sourcing_rank)),
            ("distribution", codes(&self.distribution)),
            ("licence", self.licence.clone()),
            ("deployment", codes(&self.deployment)),
            ("hosting_country", self.hosting_country.clone()),
            ("qualification", codes(&self.qualification)),
            ("tag", folded(&self.tag)),
            ("trait", self.traits.clone()),
            ("audience", codes(&self.audience)),
            ("vendor_kind", codes(&self.vendor_kind)),
            ("vendor_control", codes(&self.vendor_control)),
            ("vendor_size", codes(&self.vendor_size)),
            ("purchase_route", folded(&self.purchase_route)),
            ("label", codes(&self.label)),
        ]
    }
}

/// A published version.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SolutionVersionView {
    /// Number, from 1.
    #[schema(minimum = 1)]
    pub number: i32,
    /// When it was published.
    pub published_at: Instant,
    #[serde(flatten)]
    pub sheet: SolutionSheet,
    /// For each member of the sheet that has a value: who says so and since when.
    #[schema(value_type = Object)]
    pub origins: Origins,
}

impl SolutionVersionView {
    pub fn new(version: SolutionVersion, owner: Option<Id>, viewer: &Viewer, is_examiner: bool) -> Self {
        let SolutionVersion { solution_id: _, number, organisation_id: _, sheet, origins, published_at } = version;
        Self { number, published_at, sheet: shown_to(sheet.0, owner, viewer, is_examiner), origins: origins.0 }
    }
}

/// What differs between two published versions.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct VersionDiff {
    /// Number of the earlier side.
    #[schema(minimum = 1)]
    pub from: i32,
    /// Number of the later side.
    #[schema(minimum = 1)]
    pub to: i32,
    /// Members of the sheet that differ.
    #[schema(max_items = 100)]
    pub changes: Vec<FieldChange>,
}

/// A member of the sheet that differs.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FieldChange {
    /// Name of the member.
    #[schema(max_length = 100)]
    pub field: String,
    /// Value in the `from` version.
    pub before: Value,
    /// Value in the `to` version.
    pub after: Value,
}
