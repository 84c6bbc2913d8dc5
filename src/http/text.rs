//! Text in the two languages the catalogue speaks: French by default, English
//! on request.

use std::fmt;

use actix_web::HttpMessage;
use actix_web::http::header::{AcceptLanguage, Quality};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A text of the catalogue itself, in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// In French.
    #[schema(max_length = 10000)]
    pub fr: String,
    /// In English.
    #[schema(max_length = 10000)]
    pub en: String,
}

/// A [`Text`] from two literals that may capture variables.
#[macro_export]
macro_rules! text {
    ($fr:literal, $en:literal) => {
        $crate::http::text::Text { fr: format!($fr), en: format!($en) }
    };
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Locale {
    #[default]
    French,
    English,
}

impl Locale {
    /// What `Accept-Language` (RFC 9110 §12.5.4) prefers among the two; French when it says nothing.
    pub fn of(request: &impl HttpMessage) -> Self {
        let Ok(AcceptLanguage(mut ranges)) = actix_web::http::header::Header::parse(request) else {
            return Self::French;
        };
        // Zero means «not this one».
        ranges.retain(|range| range.quality != Quality::ZERO);
        for range in AcceptLanguage(ranges).ranked() {
            match range.to_string().to_ascii_lowercase() {
                tag if tag.starts_with("fr") || tag == "*" => return Self::French,
                tag if tag.starts_with("en") => return Self::English,
                _ => {}
            }
        }
        Self::French
    }

    pub fn code(self) -> &'static str {
        match self {
            Self::French => "fr",
            Self::English => "en",
        }
    }
}

impl Text {
    pub fn at(&self, locale: Locale) -> &str {
        match locale {
            Locale::French => &self.fr,
            Locale::English => &self.en,
        }
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.en)
    }
}

/// Characters that make a text look other than it is, or that no reader shows:
/// controls but newline, return and tab, directional overrides and isolates
/// (CVE-2021-42574), zero-width spaces, annotations, tags, noncharacters. Joiners
/// stay: emoji and several scripts are written with them.
pub fn is_deceptive(c: char) -> bool {
    let code = u32::from(c);
    (c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
        || matches!(c, '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
        || matches!(code, 0xfdd0..=0xfdef | 0xe0000..=0xe007f)
        || code & 0xfffe == 0xfffe
}

/// Text as it is searched and ordered: NFKD without marks, lower case, runs of
/// anything but letters and digits as one space. The same on both databases,
/// because neither folds it.
pub fn fold(text: &str) -> String {
    use unicode_normalization::UnicodeNormalization;
    use unicode_normalization::char::is_combining_mark;
    let mut folded = String::with_capacity(text.len());
    let mut pending_space = false;
    for c in text.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase) {
        let expansion: &str = match c {
            'œ' => "oe",
            'æ' => "ae",
            'ß' => "ss",
            'ø' => "o",
            'ł' => "l",
            'đ' => "d",
            _ => "",
        };
        if c.is_alphanumeric() {
            if pending_space && !folded.is_empty() {
                folded.push(' ');
            }
            pending_space = false;
            if expansion.is_empty() {
                folded.push(c);
            } else {
                folded.push_str(expansion);
            }
        } else {
            pending_space = true;
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::fold;

    #[test]
    fn folding_drops_accents_case_and_punctuation() {
        assert_eq!(fold("  Démarches simplifiées — l’Œuvre "), "demarches simplifiees l oeuvre");
        assert_eq!(fold("C++ / .NET"), "c net");
        assert_eq!(fold("É"), fold("e\u{301}"));
    }

    proptest::proptest! {
        #[test]
        fn folding_twice_is_folding_once(text in "\\PC{0,60}") {
            let once = fold(&text);
            proptest::prop_assert_eq!(fold(&once), once);
        }
    }
}
