//! States and scopes of accreditations.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::db::Instant;
use crate::error::Fault;
use crate::{families, text};

crate::codes! {
    /// Where an accreditation stands.
    pub enum AccreditationStatus {
        /// Being assessed; examines nothing.
        Candidate = "candidate",
        /// Examines what is within its scope.
        Accredited = "accredited",
        /// Examines nothing for now.
        Suspended = "suspended",
        /// Past its last day.
        Expired = "expired",
        /// Refused or taken back, for good.
        Withdrawn = "withdrawn",
    }
}

crate::codes! {
    /// What can be done to an accreditation.
    pub enum AccreditationCommand {
        /// Gives or renews it, with its scope and its last day.
        Accredit = "accredit",
        /// Narrows its scope.
        Restrict = "restrict",
        Suspend = "suspend",
        Reinstate = "reinstate",
        Withdraw = "withdraw",
        /// By the calendar.
        Expire = "expire",
        RegisterKey = "register_key",
        RevokeKey = "revoke_key",
    }
}

impl AccreditationCommand {
    /// What the journal calls it.
    pub fn action(self) -> &'static str {
        match self {
            Self::Accredit => "accredit_body",
            Self::Restrict => "restrict_accreditation",
            Self::Suspend => "suspend_accreditation",
            Self::Reinstate => "reinstate_accreditation",
            Self::Withdraw => "withdraw_accreditation",
            Self::Expire => "expire_accreditation",
            Self::RegisterKey => "register_signing_key",
            Self::RevokeKey => "revoke_signing_key",
        }
    }
}

/// Where a command leads; none when it does not start there.
pub fn step(at: AccreditationStatus, command: AccreditationCommand) -> Option<AccreditationStatus> {
    use {AccreditationCommand as C, AccreditationStatus as S};
    match (command, at) {
        (C::Accredit, S::Candidate | S::Accredited | S::Expired) => Some(S::Accredited),
        (C::Restrict, S::Accredited | S::Suspended) => Some(at),
        (C::Suspend, S::Accredited) => Some(S::Suspended),
        (C::Reinstate, S::Suspended) => Some(S::Accredited),
        (C::Withdraw, S::Candidate | S::Accredited | S::Suspended | S::Expired) => Some(S::Withdrawn),
        (C::Expire, S::Accredited | S::Suspended) => Some(S::Expired),
        (C::RegisterKey, S::Candidate | S::Accredited) => Some(at),
        // A key that leaked is revoked whatever has become of its body.
        (C::RevokeKey, _) => Some(at),
        _ => None,
    }
}

impl AccreditationStatus {
    /// As it is to be shown on a day: never a lapsed accreditation as valid.
    pub fn on(self, today: NaiveDate, valid_until: Option<NaiveDate>) -> Self {
        let is_over = valid_until.is_some_and(|last| last < today);
        if is_over && matches!(self, Self::Accredited | Self::Suspended) { Self::Expired } else { self }
    }
}

/// What a body is accredited to examine. An empty list is without limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// Themes of the criteria sets, by code; empty: all, also later ones.
    #[schema(max_items = 100)]
    pub themes: Vec<String>,
    /// Functional families of the solutions, by code; empty: all.
    #[schema(max_items = 100)]
    pub families: Vec<String>,
}

/// Those of `wanted` that a list does not allow; an empty list allows all.
pub fn outside<'a>(allowed: &[String], wanted: &'a [String]) -> Vec<&'a str> {
    if allowed.is_empty() {
        return Vec::new();
    }
    wanted.iter().filter(|one| !allowed.contains(one)).map(String::as_str).collect()
}

/// Whether `narrow` allows nothing that `wide` does not.
fn is_within(narrow: &[String], wide: &[String]) -> bool {
    wide.is_empty() || (!narrow.is_empty() && narrow.iter().all(|one| wide.contains(one)))
}

impl Scope {
    /// Whether it allows less than another, and nothing else.
    pub fn is_narrower_than(&self, other: &Self) -> bool {
        let same = |one: &[String], two: &[String]| is_within(one, two) && is_within(two, one);
        let is_same = same(&self.themes, &other.themes) && same(&self.families, &other.families);
        is_within(&self.themes, &other.themes) && is_within(&self.families, &other.families) && !is_same
    }

    /// Codes that nobody knows. `themes` are those of the criteria set in force.
    pub fn faults(&self, themes: &[String]) -> Vec<Fault> {
        let unknown = |pointer: String| {
            Fault::body(pointer, "not_in_list", text!("Ce code n’existe pas.", "There is no such code."))
        };
        let odd = self.themes.iter().enumerate().filter(|(_, one)| !themes.contains(one));
        let themes = odd.map(|(index, _)| unknown(format!("/scope/themes/{index}")));
        let odd = self.families.iter().enumerate().filter(|(_, one)| families::find(one).is_none());
        themes.chain(odd.map(|(index, _)| unknown(format!("/scope/families/{index}")))).collect()
    }
}

/// A step in the life of an accreditation, as the register tells it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AccreditationStep {
    /// What was done.
    pub command: AccreditationCommand,
    /// When.
    pub at: Instant,
    /// Why; always there when it takes something from the body.
    #[schema(max_length = 5000)]
    pub reason: Option<String>,
    /// The scope from then on, where the step gives one.
    pub scope: Option<Scope>,
    /// The last day from then on, where the step gives one.
    pub valid_until: Option<NaiveDate>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scope(themes: &[&str], families: &[&str]) -> Scope {
        let all = |codes: &[&str]| codes.iter().map(|one| (*one).to_owned()).collect();
        Scope { themes: all(themes), families: all(families) }
    }

    #[test]
    fn a_restriction_narrows() {
        let wide = scope(&[], &["a", "b"]);
        assert!(scope(&["t"], &["a", "b"]).is_narrower_than(&wide));
        assert!(scope(&[], &["a"]).is_narrower_than(&wide));
        assert!(!scope(&[], &["b", "a"]).is_narrower_than(&wide), "the same in another order");
        assert!(!scope(&["t"], &[]).is_narrower_than(&wide), "no limit is wider than any");
        assert!(!scope(&["t"], &["c"]).is_narrower_than(&wide));
    }

    #[test]
    fn a_lapsed_accreditation_is_never_shown_as_valid() {
        let day = |d| NaiveDate::from_ymd_opt(2026, 1, d);
        let today = day(6).expect("a day");
        assert_eq!(AccreditationStatus::Accredited.on(today, day(6)), AccreditationStatus::Accredited);
        assert_eq!(AccreditationStatus::Accredited.on(today, day(5)), AccreditationStatus::Expired);
        assert_eq!(AccreditationStatus::Suspended.on(today, day(5)), AccreditationStatus::Expired);
        assert_eq!(AccreditationStatus::Withdrawn.on(today, day(5)), AccreditationStatus::Withdrawn);
        assert_eq!(AccreditationStatus::Candidate.on(today, None), AccreditationStatus::Candidate);
    }

    proptest! {
        #[test]
        fn only_the_operator_s_word_ends_a_suspension_and_nothing_ends_a_withdrawal(
            commands in prop::collection::vec(prop::sample::select(AccreditationCommand::ALL), 0..30)
        ) {
            use {AccreditationCommand as C, AccreditationStatus as S};
            let mut at = S::Candidate;
            for command in commands {
                let Some(next) = step(at, command) else { continue };
                prop_assert!(at != S::Withdrawn || next == S::Withdrawn);
                prop_assert!(at != S::Suspended || next != S::Accredited || command == C::Reinstate);
                prop_assert!(next != S::Accredited || at != S::Candidate || command == C::Accredit);
                at = next;
            }
        }

        #[test]
        fn what_is_within_a_narrower_scope_is_within_the_wider(
            wide in prop::collection::vec("[a-d]", 0..4), narrow in prop::collection::vec("[a-d]", 0..4), wanted in prop::collection::vec("[a-f]", 0..4)
        ) {
            let (wide, narrow) = (Scope { themes: wide, families: vec![] }, Scope { themes: narrow, families: vec![] });
            if narrow.is_narrower_than(&wide) && outside(&narrow.themes, &wanted).is_empty() {
                prop_assert!(outside(&wide.themes, &wanted).is_empty());
            }
        }
    }
}
