//! States, guards and derived facts of solutions.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::sheet::{Deployment, Distribution, Origin, SolutionSheet};
use crate::db::Id;
use crate::error::Fault;
use crate::http::text::{Text, fold};
use crate::organisations::rules::{is_country, url_fault};
use crate::text;

crate::codes! {
    /// Where a solution stands.
    pub enum SolutionStatus {
        /// Being written; seen by its vendor.
        Draft = "draft",
        /// Waiting for a moderator.
        Submitted = "submitted",
        /// Sent back by a moderator with what to change.
        ChangesRequested = "changes_requested",
        /// Not eligible; can be reopened once corrected.
        Rejected = "rejected",
        Published = "published",
        /// Published, but not confirmed by its vendor for too long.
        Outdated = "outdated",
        /// Taken out of lists by a moderator, for a grave reason.
        Suspended = "suspended",
        /// Gone; a tombstone stays.
        Archived = "archived",
    }
}

crate::codes! {
    /// Where the revision of a published solution stands.
    pub enum RevisionStatus {
        Draft = "draft",
        Submitted = "submitted",
        ChangesRequested = "changes_requested",
    }
}

crate::codes! {
    /// Why a submission is rejected: form and eligibility only, never merit.
    pub enum RejectionReason {
        NotADigitalSolution = "not_a_digital_solution",
        NotAvailable = "not_available",
        Unlawful = "unlawful",
        Duplicate = "duplicate",
        Impersonation = "impersonation",
    }
}

crate::codes! {
    /// Why a published solution is suspended.
    pub enum SuspensionReason {
        Security = "security",
        Fraud = "fraud",
        CourtOrder = "court_order",
    }
}

/// A status and, while published, the revision's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage {
    pub status: SolutionStatus,
    pub revision: Option<RevisionStatus>,
}

crate::codes! {
    /// What can be done to a solution.
    pub enum Command {
        Edit = "edit",
        Submit = "submit",
        Withdraw = "withdraw",
        Publish = "publish",
        RequestChanges = "request_changes",
        Reject = "reject",
        Reopen = "reopen",
        Suspend = "suspend",
        Lift = "lift",
        Archive = "archive",
        Confirm = "confirm",
        /// By the calendar: nobody confirmed for twelve months.
        MarkOutdated = "mark_outdated",
    }
}

/// Where a command leads from a stage; none when it does not start there.
pub fn step(at: Stage, command: Command) -> Option<Stage> {
    use {Command as C, RevisionStatus as R, SolutionStatus as S};
    let to = |status, revision| Some(Stage { status, revision });
    match (command, at.status, at.revision) {
        (C::Edit, S::Draft | S::ChangesRequested, None) => Some(at),
        (C::Edit, S::Published | S::Outdated, None) => to(at.status, Some(R::Draft)),
        (C::Edit, S::Published | S::Outdated, Some(R::Draft | R::ChangesRequested)) => Some(at),
        (C::Submit, S::Draft | S::ChangesRequested, None) => to(S::Submitted, None),
        (C::Submit, S::Published | S::Outdated, Some(R::Draft | R::ChangesRequested)) => {
            to(at.status, Some(R::Submitted))
        }
        (C::Withdraw, S::Submitted, None) => to(S::Draft, None),
        (C::Withdraw, S::Published | S::Outdated, Some(R::Submitted)) => to(at.status, Some(R::Draft)),
        (C::Publish, S::Submitted, None) => to(S::Published, None),
        (C::Publish, S::Published | S::Outdated, Some(R::Submitted)) => to(S::Published, None),
        (C::RequestChanges, S::Submitted, None) => to(S::ChangesRequested, None),
        (C::RequestChanges, S::Published | S::Outdated, Some(R::Submitted)) => to(at.status, Some(R::ChangesRequested)),
        (C::Reject, S::Submitted, None) => to(S::Rejected, None),
        (C::Reopen, S::Rejected, None) => to(S::Draft, None),
        (C::Suspend, S::Published | S::Outdated, revision) => to(S::Suspended, revision),
        (C::Lift, S::Suspended, revision) => to(S::Published, revision),
        (C::Archive, S::Published | S::Outdated | S::Suspended, _) => to(S::Archived, None),
        (C::Confirm, S::Published | S::Outdated, revision) => to(S::Published, revision),
        (C::MarkOutdated, S::Published, revision) => to(S::Outdated, revision),
        _ => None,
    }
}

impl SolutionStatus {
    /// Read by the public, now or once: in lists, by its address, or as a tombstone.
    pub fn was_public(self) -> bool {
        !matches!(self, Self::Draft | Self::Submitted | Self::ChangesRequested | Self::Rejected)
    }

    /// In public lists, with its last published version.
    pub fn is_public(self) -> bool {
        matches!(self, Self::Published | Self::Outdated)
    }
}

/// Where a value of the sheet comes from, and since when it says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Provenance {
    /// Who says it.
    pub origin: Origin,
    /// Day on which it was said.
    pub as_of: NaiveDate,
    /// Register or catalogue it was taken from.
    #[schema(max_length = 100)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

pub type Origins = BTreeMap<String, Provenance>;

/// Members of the sheet whose value differs, with both values.
pub fn differences(before: &SolutionSheet, after: &SolutionSheet) -> Vec<(String, Value, Value)> {
    let as_map = |sheet: &SolutionSheet| match serde_json::to_value(sheet) {
        Ok(Value::Object(members)) => members,
        _ => serde_json::Map::new(),
    };
    let (before, mut after) = (as_map(before), as_map(after));
    before
        .into_iter()
        .filter_map(|(name, old)| {
            let new = after.remove(&name).unwrap_or(Value::Null);
            (old != new).then_some((name, old, new))
        })
        .collect()
}

/// Origins after an edit: what changed is stamped anew, what was emptied has none.
pub fn stamp(origins: &Origins, before: &SolutionSheet, after: &SolutionSheet, by: &Provenance) -> Origins {
    let mut origins = origins.clone();
    for (name, _, new) in differences(before, after) {
        if is_empty(&new) {
            origins.remove(&name);
        } else {
            origins.insert(name, by.clone());
        }
    }
    origins
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

/// Members that moderation must see before the public does: identity, owner,
/// hosting, licence.
const SENSITIVE: &[&str] = &["name", "licence", "distribution", "hosting", "deployment", "sourcing_rank", "traits"];

pub fn needs_moderation(published: &SolutionSheet, revised: &SolutionSheet) -> bool {
    differences(published, revised).iter().any(|(name, _, _)| SENSITIVE.contains(&name.as_str()))
}

/// A thing a sheet still lacks before it can be submitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Lack {
    /// JSON Pointer (RFC 6901) to the member.
    #[schema(max_length = 200, example = "/families")]
    pub pointer: String,
    /// Stable code.
    #[schema(max_length = 100, example = "families_missing")]
    pub code: String,
    /// What is expected.
    pub detail: Text,
}

/// Everything the sheet lacks for publication.
pub fn missing(sheet: &SolutionSheet, has_verified_provider: Option<bool>) -> Vec<Lack> {
    let mut lacks = Vec::new();
    let mut lack = |is_lacking: bool, pointer: &str, code: &str, detail: Text| {
        if is_lacking {
            lacks.push(Lack { pointer: pointer.to_owned(), code: code.to_owned(), detail });
        }
    };
    let blank = |text: &Option<String>| text.as_deref().is_none_or(|text| text.trim().is_empty());
    lack(
        has_verified_provider.is_none(),
        "/vendor",
        "provider_unknown",
        text!("Le fournisseur n’est pas connu.", "The provider is not known."),
    );
    lack(
        has_verified_provider == Some(false),
        "/vendor",
        "provider_unverified",
        text!(
            "L’identifiant du fournisseur (SIREN ou registre étranger) n’est pas vérifié.",
            "The provider's identifier (SIREN or foreign register) is not verified."
        ),
    );
    lack(
        blank(&sheet.summary),
        "/summary",
        "summary_missing",
        text!("Résumer la solution en une phrase.", "Sum the solution up in one sentence."),
    );
    lack(
        sheet.summary.as_ref().is_some_and(|text| text.chars().count() > 200),
        "/summary",
        "summary_too_long",
        text!("200 caractères au plus.", "At most 200 characters."),
    );
    lack(
        blank(&sheet.description),
        "/description",
        "description_missing",
        text!("Décrire la solution.", "Describe the solution."),
    );
    lack(
        sheet.description.as_ref().is_some_and(|text| text.chars().count() > 20_000),
        "/description",
        "description_too_long",
        text!("20 000 caractères au plus.", "At most 20,000 characters."),
    );
    lack(
        !sheet.language.as_deref().is_some_and(|tag| tag == "fr" || tag.starts_with("fr-")),
        "/language",
        "not_in_french",
        text!(
            "La fiche est à publier en français (language « fr »).",
            "The sheet is published in French (language `fr`)."
        ),
    );
    lack(
        sheet.families.is_empty(),
        "/families",
        "families_missing",
        text!("Choisir au moins une famille.", "Choose at least one family."),
    );
    lack(
        sheet.distribution.is_none(),
        "/distribution",
        "distribution_missing",
        text!("Libre, propriétaire ou mixte ?", "Free, proprietary or hybrid?"),
    );
    lack(
        matches!(sheet.distribution, Some(Distribution::Free | Distribution::Hybrid)) && blank(&sheet.licence),
        "/licence",
        "licence_missing",
        text!("Un logiciel libre a une licence : la donner en SPDX.", "Free software has a licence: give it in SPDX."),
    );
    lack(
        sheet.business_models.is_empty(),
        "/business_models",
        "business_models_missing",
        text!("Dire comment l’usage se paie.", "Say how use is paid for."),
    );
    lack(
        sheet.deployment.is_empty(),
        "/deployment",
        "deployment_missing",
        text!("Sur site, en nuage, ou les deux ?", "On premise, in the cloud, or both?"),
    );
    lack(
        sheet.deployment.contains(&Deployment::Cloud) && sheet.hosting.is_empty(),
        "/hosting",
        "data_location_missing",
        text!(
            "Dire chez qui et dans quel pays les données sont hébergées.",
            "Say with whom and in which country the data are hosted."
        ),
    );
    lack(
        sheet.sourcing_rank.is_none(),
        "/sourcing_rank",
        "sourcing_rank_missing",
        text!("Mutualisée, du marché ou commun numérique ?", "Mutualised, market or digital common?"),
    );
    lack(
        sheet.traits.is_empty(),
        "/traits",
        "traits_missing",
        text!(
            "Déclarer les caractéristiques techniques : elles décident des critères applicables.",
            "Declare the technical traits: they decide which criteria apply."
        ),
    );
    lack(
        sheet.website.is_none() && sheet.repository.is_none(),
        "/website",
        "address_missing",
        text!("Donner un site ou un dépôt de code.", "Give a website or a code repository."),
    );
    lacks
}

/// What is wrong with a sheet beyond what its schema says; `traits` are those
/// of the criteria set in force, none if there is no set.
pub fn faults(sheet: &SolutionSheet, traits: Option<&BTreeSet<String>>) -> Vec<Fault> {
    let mut faults = Vec::new();
    if sheet.name.trim().is_empty() {
        faults.push(Fault::body("/name", "too_short", text!("Un nom ne peut être blanc.", "A name cannot be blank.")));
    }
    for (pointer, address) in [
        ("/website", &sheet.website),
        ("/repository", &sheet.repository),
        ("/documentation", &sheet.documentation),
        ("/logo", &sheet.logo),
        ("/api_documentation", &sheet.api_documentation),
    ] {
        faults.extend(url_fault(pointer, address.as_ref()));
    }
    for (index, route) in sheet.purchase_routes.iter().enumerate() {
        faults.extend(url_fault(&format!("/purchase_routes/{index}/url"), route.url.as_ref()));
    }
    for (index, evidence) in sheet.evidence.iter().enumerate() {
        faults.extend(url_fault(&format!("/evidence/{index}/url"), Some(&evidence.url)));
    }
    for (index, reference) in sheet.cross_references.iter().enumerate() {
        faults.extend(url_fault(&format!("/cross_references/{index}/url"), reference.url.as_ref()));
    }
    if let Some(licence) = &sheet.licence
        && let Err(error) = spdx::Expression::parse(licence)
    {
        let reason = error.reason.to_string();
        faults.push(Fault::body(
            "/licence",
            "invalid_licence",
            text!(
                "Ce n’est pas une expression SPDX ({reason}) ; voir https://spdx.org/licenses/.",
                "Not an SPDX expression ({reason}); see https://spdx.org/licenses/."
            ),
        ));
    }
    for (index, host) in sheet.hosting.iter().enumerate() {
        if !is_country(&host.country) {
            faults.push(Fault::body(
                format!("/hosting/{index}/country"),
                "unknown_country",
                text!("Code de pays ISO 3166-1 alpha-2 inconnu.", "Unknown ISO 3166-1 alpha-2 country code."),
            ));
        }
    }
    let languages = sheet.language.iter().map(|tag| ("/language".to_owned(), tag));
    let interface = sheet.interface_languages.iter().enumerate();
    for (pointer, tag) in languages.chain(interface.map(|(i, tag)| (format!("/interface_languages/{i}"), tag))) {
        if oxilangtag::LanguageTag::parse(tag.as_str()).is_err() {
            faults.push(Fault::body(
                pointer,
                "invalid_language",
                text!(
                    "Étiquette de langue BCP 47 attendue, comme « fr ».",
                    "Expected a BCP 47 language tag, such as `fr`."
                ),
            ));
        }
    }
    for (index, code) in sheet.families.iter().enumerate() {
        if crate::families::find(code).is_none() {
            faults.push(Fault::body(
                format!("/families/{index}"),
                "unknown_family",
                text!("Famille inconnue ; voir /api/v1/families.", "Unknown family; see /api/v1/families."),
            ));
        }
    }
    for (index, code) in sheet.cpv.iter().enumerate() {
        let is_cpv = matches!(code.split_once('-'), Some((number, check))
            if number.len() == 8 && check.len() == 1 && code.bytes().all(|b| b.is_ascii_digit() || b == b'-'));
        if !is_cpv {
            faults.push(Fault::body(
                format!("/cpv/{index}"),
                "invalid_cpv",
                text!(
                    "Code CPV attendu : huit chiffres, un tiret, la clé.",
                    "Expected a CPV code: eight digits, a hyphen, the check digit."
                ),
            ));
        }
    }
    if let Some(known) = traits {
        for (index, code) in sheet.traits.iter().enumerate() {
            if !known.contains(code) {
                let known = known.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
                faults.push(Fault::body(
                    format!("/traits/{index}"),
                    "unknown_trait",
                    text!(
                        "Caractéristique inconnue du référentiel en vigueur. Possibles : {known}.",
                        "Unknown to the criteria set in force. Possible: {known}."
                    ),
                ));
            }
        }
    }
    for (pointer, words) in [("/tags", &sheet.tags), ("/standards", &sheet.standards)] {
        for (index, word) in words.iter().enumerate() {
            if word.trim().is_empty() {
                faults.push(Fault::body(
                    format!("{pointer}/{index}"),
                    "blank",
                    text!("Un mot ne peut être blanc.", "A word cannot be blank."),
                ));
            }
        }
    }
    for (pointer, repeats) in [
        ("/families", repeats(&sheet.families)),
        ("/traits", repeats(&sheet.traits)),
        ("/tags", repeats(&sheet.tags)),
        ("/audiences", repeats(&sheet.audiences)),
        ("/deployment", repeats(&sheet.deployment)),
        ("/business_models", repeats(&sheet.business_models)),
    ] {
        if repeats {
            faults.push(Fault::body(
                pointer,
                "not_unique",
                text!("Une valeur figure deux fois.", "A value appears twice."),
            ));
        }
    }
    faults
}

fn repeats<T: Ord>(items: &[T]) -> bool {
    items.iter().collect::<BTreeSet<_>>().len() != items.len()
}

/// What a published sheet can be filtered by.
pub fn facets(sheet: &SolutionSheet) -> BTreeSet<(&'static str, String)> {
    let mut facets = BTreeSet::new();
    let mut add = |facet, value: String| {
        facets.insert((facet, value));
    };
    sheet.families.iter().for_each(|code| add("family", code.clone()));
    sheet.domain.iter().for_each(|code| add("domain", code.clone()));
    sheet.sourcing_rank.iter().for_each(|rank| add("sourcing_rank", rank.to_string()));
    sheet.distribution.iter().for_each(|kind| add("distribution", kind.to_string()));
    sheet.deployment.iter().for_each(|kind| add("deployment", kind.to_string()));
    sheet.audiences.iter().for_each(|audience| add("audience", audience.to_string()));
    sheet.traits.iter().for_each(|code| add("trait", code.clone()));
    sheet.tags.iter().for_each(|tag| add("tag", fold(tag)));
    sheet.purchase_routes.iter().for_each(|route| add("purchase_route", fold(&route.buyer)));
    for host in &sheet.hosting {
        add("hosting_country", host.country.clone());
        host.qualifications.iter().for_each(|q| add("qualification", q.scheme.to_string()));
    }
    if let Some(licence) = &sheet.licence {
        add("licence", licence.clone());
        if let Ok(expression) = spdx::Expression::parse(licence) {
            expression.requirements().for_each(|part| add("licence", part.req.license.to_string()));
        }
    }
    facets
}

/// What `q` looks through: name, summary and description, folded.
pub fn search_text(sheet: &SolutionSheet) -> String {
    let parts = [Some(&sheet.name), sheet.summary.as_ref(), sheet.description.as_ref()];
    fold(&parts.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(" "))
}

/// A slug for a name: folded words joined by hyphens.
pub fn slug(name: &str) -> String {
    let slug: String = fold(name)
        .chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            c if c.is_ascii_alphanumeric() => Some(c),
            _ => None,
        })
        .take(80)
        .collect();
    let slug = slug.trim_matches('-');
    // A slug that reads like an identifier would hide it.
    if slug.is_empty() || Id::parse(slug).is_some() { "solution".to_owned() } else { slug.to_owned() }
}

/// The slug to try next for a solution whose namesakes have the ones before: a
/// few numbers, then part of its own identifier, so that the thousandth namesake
/// is as cheap as the tenth.
pub fn nth_slug(stem: &str, id: Id, number: usize) -> String {
    match number {
        1 => stem.to_owned(),
        2..=5 => format!("{stem}-{number}"),
        _ => {
            let own = id.0.simple().to_string();
            let tail = own.get(own.len().saturating_sub(number.min(12))..).unwrap_or(&own);
            format!("{stem}-{tail}")
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_namesake_gets_a_number_then_part_of_its_identifier() {
        let id = Id::parse("01890a5d-ac96-774b-bcce-b302099a8057").expect("an id");
        let slugs: Vec<String> = [1, 2, 5, 6, 7, 40].map(|number| nth_slug("mail", id, number)).into();
        assert_eq!(slugs, ["mail", "mail-2", "mail-5", "mail-9a8057", "mail-99a8057", "mail-b302099a8057"]);
    }

    #[test]
    fn every_step_leads_where_the_table_says() {
        use {Command as C, RevisionStatus as R, SolutionStatus as S};
        for (at, revision, command, next, then) in [
            (S::Draft, None, C::Submit, S::Submitted, None),
            (S::Submitted, None, C::Withdraw, S::Draft, None),
            (S::Submitted, None, C::Publish, S::Published, None),
            (S::Submitted, None, C::RequestChanges, S::ChangesRequested, None),
            (S::Submitted, None, C::Reject, S::Rejected, None),
            (S::Rejected, None, C::Reopen, S::Draft, None),
            (S::ChangesRequested, None, C::Submit, S::Submitted, None),
            (S::Published, Some(R::Draft), C::Submit, S::Published, Some(R::Submitted)),
            (S::Published, Some(R::Submitted), C::RequestChanges, S::Published, Some(R::ChangesRequested)),
            (S::Published, Some(R::Submitted), C::Withdraw, S::Published, Some(R::Draft)),
            (S::Published, Some(R::Submitted), C::Publish, S::Published, None),
            (S::Published, None, C::MarkOutdated, S::Outdated, None),
            (S::Outdated, None, C::Confirm, S::Published, None),
            (S::Outdated, None, C::Suspend, S::Suspended, None),
            (S::Suspended, Some(R::Draft), C::Lift, S::Published, Some(R::Draft)),
            (S::Suspended, Some(R::Draft), C::Archive, S::Archived, None),
        ] {
            let found = step(Stage { status: at, revision }, command).map(|stage| (stage.status, stage.revision));
            assert_eq!(found, Some((next, then)), "{at} {command}");
        }
    }

    #[test]
    fn what_is_hosted_is_hosted_in_a_country_that_there_is() {
        let faults = |country: &str| {
            let hosting = serde_json::json!([{"provider": "Hébergeur", "country": country}]);
            let sheet = serde_json::json!({"name": "Une", "hosting": hosting});
            let sheet: SolutionSheet = serde_json::from_value(sheet).expect("a sheet");
            let found = super::faults(&sheet, None).into_iter().filter(|one| one.code == "unknown_country");
            found.map(|one| one.place).collect::<Vec<_>>()
        };
        assert_eq!(faults("FR"), []);
        assert_eq!(faults("ZZ"), [crate::error::Place::Body("/hosting/0/country".to_owned())]);
    }

    fn any_stage() -> impl Strategy<Value = Stage> {
        let revisions = std::iter::once(None).chain(RevisionStatus::ALL.iter().copied().map(Some)).collect::<Vec<_>>();
        (prop::sample::select(SolutionStatus::ALL), prop::sample::select(revisions))
            .prop_map(|(status, revision)| Stage { status, revision })
    }

    fn is_legal(stage: Stage) -> bool {
        use SolutionStatus as S;
        stage.revision.is_none() || matches!(stage.status, S::Published | S::Outdated | S::Suspended)
    }

    proptest! {
        #[test]
        fn every_walk_stays_within_the_legal_stages(commands in prop::collection::vec(prop::sample::select(Command::ALL), 0..40)) {
            let mut stage = Stage { status: SolutionStatus::Draft, revision: None };
            let mut was_public = false;
            for command in commands {
                if let Some(next) = step(stage, command) {
                    prop_assert!(is_legal(next), "{stage:?} {command} {next:?}");
                    stage = next;
                    was_public |= stage.status.is_public();
                }
                if was_public {
                    prop_assert!(!matches!(stage.status, SolutionStatus::Draft | SolutionStatus::Submitted
                        | SolutionStatus::ChangesRequested | SolutionStatus::Rejected), "what was public never becomes a draft");
                }
            }
        }

        #[test]
        fn nothing_leaves_the_archive(command in prop::sample::select(Command::ALL), stage in any_stage()) {
            if stage.status == SolutionStatus::Archived {
                prop_assert_eq!(step(stage, command), None);
            }
        }

        #[test]
        fn only_publication_ends_a_submitted_revision_in_public(command in prop::sample::select(Command::ALL)) {
            let stage = Stage { status: SolutionStatus::Published, revision: Some(RevisionStatus::Submitted) };
            if let Some(next) = step(stage, command) && next.revision.is_none() {
                prop_assert!(matches!(command, Command::Publish | Command::Archive));
            }
        }

        #[test]
        fn a_slug_is_made_of_lower_case_words(name in "\\PC{0,60}") {
            let slug = slug(&name);
            prop_assert!(!slug.is_empty());
            prop_assert!(slug.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{slug}");
        }
    }

    #[test]
    fn an_empty_sheet_says_everything_it_lacks() {
        let sheet = SolutionSheet { name: "x".to_owned(), ..SolutionSheet::default() };
        let codes: Vec<String> = missing(&sheet, None).into_iter().map(|lack| lack.code).collect();
        for code in ["provider_unknown", "summary_missing", "families_missing", "deployment_missing", "traits_missing"]
        {
            assert!(codes.iter().any(|c| c == code), "{code} in {codes:?}");
        }
    }

    #[test]
    fn stamping_marks_what_changed_and_nothing_else() {
        let day = NaiveDate::from_ymd_opt(2026, 1, 2).expect("a day");
        let by = |origin| Provenance { origin, as_of: day, source: None };
        let before = SolutionSheet { name: "A".into(), summary: Some("s".into()), ..SolutionSheet::default() };
        let origins = stamp(&Origins::new(), &SolutionSheet::default(), &before, &by(Origin::Registry));
        assert_eq!(origins.keys().collect::<Vec<_>>(), ["name", "summary"]);
        let after = SolutionSheet { summary: None, tags: vec!["t".into()], ..before.clone() };
        let origins = stamp(&origins, &before, &after, &by(Origin::Declared));
        assert_eq!(origins.keys().collect::<Vec<_>>(), ["name", "tags"]);
        assert_eq!(origins["name"].origin, Origin::Registry);
    }

    #[test]
    fn changing_the_hosting_needs_moderation_and_a_summary_does_not() {
        let before = SolutionSheet { name: "A".into(), ..SolutionSheet::default() };
        let summary = SolutionSheet { summary: Some("s".into()), ..before.clone() };
        let licence = SolutionSheet { licence: Some("MIT".into()), ..before.clone() };
        assert!(!needs_moderation(&before, &summary) && needs_moderation(&before, &licence));
    }
}
