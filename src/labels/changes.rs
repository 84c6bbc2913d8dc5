//! Changes of a solution that may change what its label says: noted when a version is
//! published, answered by the audit body.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::acts::{ActDetails, Said};
use super::model::Label;
use super::rules::LabelStatus;
use super::standing::LabelCommand;
use crate::db::{Id, Instant, Tx};
use crate::error::Result;
use crate::http::text::fold;
use crate::solutions::model::{Solution, SolutionVersion};
use crate::solutions::sheet::SolutionSheet;

crate::codes! {
    /// A change of a solution that may change what its label says.
    pub enum MajorChange {
        /// A new major version of the software.
        SoftwareVersion = "software_version",
        /// Another host, or data in another country.
        Hosting = "hosting",
        /// Another vendor.
        Vendor = "vendor",
        /// A way to run it that was not examined.
        Deployment = "deployment",
        /// Artificial intelligence where there was none.
        ArtificialIntelligence = "artificial_intelligence",
    }
}

crate::codes! {
    /// What the audit body finds of a change.
    pub enum ChangeVerdict {
        /// The label stands as it is.
        Keep = "keep",
        /// What changed has to be examined: under surveillance until then.
        PartialAudit = "partial_audit",
        /// The label does not hold until it is.
        Suspend = "suspend",
    }
}

/// A change that the audit body has to assess.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PendingChange {
    /// The published version of the sheet in which it last changed.
    #[schema(minimum = 1)]
    pub solution_version: i32,
    /// What changed since the audit body last looked.
    #[schema(max_items = 10)]
    pub changes: Vec<MajorChange>,
    /// When it was first noted.
    pub noted_at: Instant,
}

/// The first number of a version, `4` of `v4.2`.
fn major(version: &str) -> Option<&str> {
    let digits = version.trim_start_matches(|c: char| !c.is_ascii_digit());
    digits.split(|c: char| !c.is_ascii_digit()).next().filter(|number| !number.is_empty())
}

/// What has changed between two versions of a sheet that a label may hang on.
pub fn major_changes(
    (before, vendor_before): (&SolutionSheet, Option<Id>),
    (after, vendor): (&SolutionSheet, Option<Id>),
) -> Vec<MajorChange> {
    let mut changes = Vec::new();
    let number = |sheet: &SolutionSheet| sheet.software_version.as_deref().and_then(major).map(ToOwned::to_owned);
    if let (Some(was), Some(is)) = (number(before), number(after))
        && was != is
    {
        changes.push(MajorChange::SoftwareVersion);
    }
    let hosts = |sheet: &SolutionSheet| -> BTreeSet<(String, String)> {
        sheet.hosting.iter().map(|one| (fold(&one.provider), one.country.clone())).collect()
    };
    if !hosts(after).is_subset(&hosts(before)) {
        changes.push(MajorChange::Hosting);
    }
    if vendor != vendor_before {
        changes.push(MajorChange::Vendor);
    }
    if after.deployment.iter().any(|one| !before.deployment.contains(one)) {
        changes.push(MajorChange::Deployment);
    }
    let thinks = |sheet: &SolutionSheet| sheet.traits.iter().any(|one| one == "ai");
    if thinks(after) && !thinks(before) {
        changes.push(MajorChange::ArtificialIntelligence);
    }
    changes
}

/// Notes on the labels of a solution what the version just published changes of what they rest on.
pub fn note(tx: &mut Tx<'_>, solution: &Solution, before: &SolutionVersion, after: &SolutionVersion) -> Result<()> {
    let changes = major_changes((&before.sheet, before.organisation_id), (&after.sheet, after.organisation_id));
    if changes.is_empty() {
        return Ok(());
    }
    let today = tx.now.day();
    for mut label in Label::of_solution(tx.db, solution.id)? {
        let at = label.shown(today);
        if !at.is_valid() && at != LabelStatus::Suspended {
            continue;
        }
        let pending = label.standing.0.change.take();
        let noted_at = pending.as_ref().map_or(tx.now, |pending| pending.noted_at);
        let mut all: BTreeSet<MajorChange> = pending.into_iter().flat_map(|pending| pending.changes).collect();
        all.extend(changes.iter().copied());
        let all: Vec<MajorChange> = all.into_iter().collect();
        let solution_version = after.number;
        label.standing.0.change = Some(PendingChange { solution_version, changes: all.clone(), noted_at });
        let details = ActDetails { changes: all, solution_version: Some(solution_version), ..ActDetails::default() };
        label.take(tx, LabelCommand::NoteChange, Said { reason: None, details })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::solutions::sheet::{Deployment, Hosting};

    fn sheet(version: &str, hosts: &[(&str, &str)]) -> SolutionSheet {
        let host = |(provider, country): &(&str, &str)| Hosting {
            provider: (*provider).to_owned(),
            country: (*country).to_owned(),
            qualifications: Vec::new(),
        };
        SolutionSheet {
            software_version: (!version.is_empty()).then(|| version.to_owned()),
            hosting: hosts.iter().map(host).collect(),
            deployment: vec![Deployment::Cloud],
            traits: vec!["saas".to_owned()],
            ..SolutionSheet::default()
        }
    }

    #[test]
    fn what_a_label_rests_on_is_told_from_what_it_does_not() {
        use MajorChange as M;
        let was = sheet("v4.2", &[("Hébergeur", "FR")]);
        let (one, other) = (Some(Id::new()), Some(Id::new()));
        let changed = |sheet: &SolutionSheet, vendor| major_changes((&was, one), (sheet, vendor));
        assert_eq!(changed(&sheet("4.3.1", &[("hebergeur", "FR")]), one), []);
        assert_eq!(changed(&sheet("", &[]), one), []);
        assert_eq!(changed(&sheet("5.0", &[("Hébergeur", "FR")]), one), [M::SoftwareVersion]);
        assert_eq!(changed(&sheet("4.2", &[("Hébergeur", "FR"), ("Autre", "FR")]), one), [M::Hosting]);
        assert_eq!(changed(&sheet("4.2", &[("Hébergeur", "US")]), other), [M::Hosting, M::Vendor]);
        let mut on_site = sheet("4.2", &[]);
        on_site.deployment.push(Deployment::OnPremise);
        on_site.traits.push("ai".to_owned());
        assert_eq!(changed(&on_site, one), [M::Deployment, M::ArtificialIntelligence]);
    }
}
