//! Functional families (*familles fonctionnelles*): the catalogue's own
//! taxonomy, in groups, with the procurement codes a buyer would use.
//!
//! They are part of the program: changed by a release, not by a call.

pub mod routes;

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::text::Text;

/// A family of solutions.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FamilyView {
    /// Stable code, used in filters and sheets.
    #[schema(max_length = 60, example = "demarches_en_ligne")]
    pub code: String,
    /// Place within its group.
    #[schema(minimum = 1, maximum = 1000)]
    pub position: i32,
    /// The group it belongs to.
    pub group: GroupView,
    /// Name.
    pub name: Text,
    /// What solutions of this family do.
    pub description: Text,
    /// Codes of the Common Procurement Vocabulary (CPV 2008) to look under.
    #[schema(max_items = 20)]
    pub cpv: Vec<CpvView>,
}

/// A group of families.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct GroupView {
    /// Stable code.
    #[schema(max_length = 60)]
    pub code: String,
    /// Place among the groups.
    #[schema(minimum = 1, maximum = 1000)]
    pub position: i32,
    /// Name.
    pub name: Text,
}

/// A procurement code.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CpvView {
    /// Code with its check digit.
    #[schema(pattern = "^[0-9]{8}-[0-9]$", max_length = 10, example = "48325000-2")]
    pub code: String,
    /// Its English label in the vocabulary.
    #[schema(max_length = 300)]
    pub label_en: String,
    /// `sure`: the label names this function; `related`: the nearest useful code, to be confirmed by the buyer.
    #[schema(max_length = 20)]
    pub confidence: String,
}

/// All families, in order.
pub static FAMILIES: LazyLock<Vec<FamilyView>> = LazyLock::new(|| {
    #[derive(Deserialize)]
    struct File {
        groups: Vec<Group>,
        families: Vec<Family>,
    }
    #[derive(Deserialize)]
    struct Group {
        code: String,
        order: i32,
        name_fr: String,
        name_en: String,
    }
    #[derive(Deserialize)]
    struct Family {
        code: String,
        group: String,
        order: i32,
        name_fr: String,
        name_en: String,
        description_fr: String,
        description_en: String,
        cpv: Vec<CpvView>,
    }
    #[expect(clippy::expect_used, reason = "compiled in; a test reads it")]
    let file: File = serde_json::from_str(include_str!("../../data/families.json")).expect("data/families.json");
    let mut families: Vec<FamilyView> = file
        .families
        .into_iter()
        .filter_map(|family| {
            let group = file.groups.iter().find(|group| group.code == family.group)?;
            Some(FamilyView {
                code: family.code,
                position: family.order,
                group: GroupView {
                    code: group.code.clone(),
                    position: group.order,
                    name: Text { fr: group.name_fr.clone(), en: group.name_en.clone() },
                },
                name: Text { fr: family.name_fr, en: family.name_en },
                description: Text { fr: family.description_fr, en: family.description_en },
                cpv: family.cpv,
            })
        })
        .collect();
    families.sort_by_key(|family| (family.group.position, family.position));
    families
});

pub fn find(code: &str) -> Option<&'static FamilyView> {
    FAMILIES.iter().find(|family| family.code == code)
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_family_has_a_group() {
        let raw: serde_json::Value = serde_json::from_str(include_str!("../../data/families.json")).expect("JSON");
        assert_eq!(raw["families"].as_array().expect("a list").len(), super::FAMILIES.len());
        assert!(super::FAMILIES.len() > 20);
    }
}
