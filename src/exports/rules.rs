//! Under which terms the data of a row may be used again.

/// The licence of what is entered here: Licence Ouverte 2.0, as SPDX names it.
pub const LICENCE: &str = "etalab-2.0";
/// Where it can be read.
pub const LICENCE_URL: &str = "https://spdx.org/licenses/etalab-2.0.html";

crate::codes! {
    /// Terms of the data of a row, not of the solution it describes.
    pub enum DataTerms {
        /// May be used again, at most with attribution.
        Open = "open",
        /// Must be shared under the same licence by whoever shares it.
        ShareAlike = "share_alike",
        /// Imported without a licence that is known: ask its source.
        Unstated = "unstated",
    }
}

/// Licences of data and texts whose terms are known, by how their SPDX names begin.
const OPEN: &[&str] = &[
    "etalab-",
    "cc0-",
    "cc-by-1",
    "cc-by-2",
    "cc-by-3",
    "cc-by-4",
    "odc-by-",
    "pddl-",
    "ogl-",
    "mit",
    "apache-",
    "bsd-",
    "isc",
    "unlicense",
    "0bsd",
];
const SHARE_ALIKE: &[&str] = &["cc-by-sa-", "odbl-", "gfdl-", "gpl-", "agpl-", "lgpl-", "mpl-", "eupl-", "cecill-"];

/// What a licence asks of who uses the data again. Of several, the strictest counts.
pub fn terms(licence: &str) -> DataTerms {
    let lower = licence.to_ascii_lowercase();
    let mut strictest = None;
    for word in lower.split(|c: char| c.is_whitespace() || matches!(c, '(' | ')')).filter(|word| !word.is_empty()) {
        let begins = |all: &[&str]| all.iter().any(|start| word.starts_with(start));
        let this = match word {
            "and" | "or" | "with" => continue,
            _ if begins(SHARE_ALIKE) => DataTerms::ShareAlike,
            _ if begins(OPEN) => DataTerms::Open,
            _ => return DataTerms::Unstated,
        };
        if this == DataTerms::ShareAlike || strictest.is_none() {
            strictest = Some(this);
        }
    }
    strictest.unwrap_or(DataTerms::Unstated)
}

#[cfg(test)]
mod tests {
    use super::{DataTerms, LICENCE, terms};

    #[test]
    fn the_strictest_licence_counts_and_an_unknown_one_is_never_open() {
        assert_eq!(terms(LICENCE), DataTerms::Open);
        assert_eq!(terms("CC-BY-4.0"), DataTerms::Open);
        assert_eq!(terms("CC-BY-SA-3.0"), DataTerms::ShareAlike);
        assert_eq!(terms("(MIT OR ODbL-1.0)"), DataTerms::ShareAlike);
        assert_eq!(terms("CC-BY-NC-4.0"), DataTerms::Unstated);
        assert_eq!(terms("MIT AND LicenseRef-house"), DataTerms::Unstated);
        assert_eq!(terms(""), DataTerms::Unstated);
    }
}
