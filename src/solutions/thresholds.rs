//! Scores that a filter asks for at least: overall, or in a theme.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use utoipa::openapi::schema::{AnyOfBuilder, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::evaluations::rules::Score;

/// A score in a theme: `theme:score`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThemeScore {
    pub theme: String,
    pub least: Score,
}

/// An overall score, or one in a theme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MinScore {
    Overall(Score),
    Theme(ThemeScore),
}

/// As the document describes it; what is no such text is refused before it is read here.
const PATTERN: &str = "^[a-z0-9_]{1,60}:(0|1|0[.][0-9]{1,6}|1[.]0{1,6})$";

impl ThemeScore {
    fn parse(text: &str) -> Option<Self> {
        let (theme, score) = text.split_once(':')?;
        let score: f64 = score.parse().ok()?;
        (0.0..=1.0).contains(&score).then(|| Self { theme: theme.to_owned(), least: Score::from_unit(score) })
    }

    fn text_schema() -> ObjectBuilder {
        ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::String))
            .pattern(Some(PATTERN))
            .max_length(Some(70))
            .examples(Some(serde_json::json!("securite:0.7")))
    }
}

impl<'de> Deserialize<'de> for ThemeScore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("expected theme:score"))
    }
}

impl<'de> Deserialize<'de> for MinScore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Given {
            Overall(f64),
            Theme(ThemeScore),
        }
        Ok(match Given::deserialize(deserializer)? {
            Given::Overall(score) => Self::Overall(Score::from_unit(score)),
            Given::Theme(theme) => Self::Theme(theme),
        })
    }
}

impl PartialSchema for ThemeScore {
    fn schema() -> RefOr<Schema> {
        Self::text_schema().into()
    }
}

impl PartialSchema for MinScore {
    fn schema() -> RefOr<Schema> {
        let overall = ObjectBuilder::new().schema_type(SchemaType::new(Type::Number)).minimum(Some(0)).maximum(Some(1));
        AnyOfBuilder::new()
            .description(Some(
                "The evaluation in force scores at least this, 0 to 1: overall, or in a theme as `securite:0.7`. Self-declared.",
            ))
            .item(overall).item(ThemeScore::text_schema()).into()
    }
}

impl ToSchema for ThemeScore {}
impl ToSchema for MinScore {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_is_a_number_or_a_theme_with_one() {
        let read = |text: &str| serde_json::from_str::<MinScore>(text).ok();
        assert_eq!(read("0.5"), Some(MinScore::Overall(Score::from_unit(0.5))));
        let theme = ThemeScore { theme: "securite".to_owned(), least: Score::from_unit(0.7) };
        assert_eq!(read("\"securite:0.7\""), Some(MinScore::Theme(theme)));
        assert_eq!(read("\"securite\""), None);
        assert_eq!(read("\"securite:7\""), None);
    }
}
