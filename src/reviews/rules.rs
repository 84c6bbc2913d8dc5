//! States and guards of reviews.

use chrono::{Months, NaiveDate};
use serde_json::Value;

use super::content::ReviewContent;
use crate::db::Instant;
use crate::error::Fault;
use crate::text;

crate::codes! {
    /// Where a review stands.
    pub enum ReviewStatus {
        /// Being written; seen by its author's body.
        Draft = "draft",
        /// Waiting for a moderator.
        Pending = "pending",
        Published = "published",
        /// Refused by a moderator; can be corrected.
        Rejected = "rejected",
        /// Published, and being looked at again because somebody reported it.
        Reported = "reported",
        /// Taken away by a moderator after a report.
        Removed = "removed",
        /// Taken back by its author.
        Withdrawn = "withdrawn",
    }
}

crate::codes! {
    /// Why a review is rejected or removed: never because of what it thinks.
    pub enum ReviewGround {
        /// Personal data, or an agent who is named.
        PersonalData = "personal_data",
        Insult = "insult",
        /// A secret, or a detail that endangers security.
        Secret = "secret",
        Advertising = "advertising",
        OffTopic = "off_topic",
        ConflictOfInterest = "conflict_of_interest",
    }
}

crate::codes! {
    /// What can be done to a review.
    pub enum Command {
        Edit = "edit",
        Submit = "submit",
        Publish = "publish",
        Reject = "reject",
        Report = "report",
        Keep = "keep",
        Remove = "remove",
        Withdraw = "withdraw",
    }
}

/// A status, and whether the public ever read the review.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage {
    pub status: ReviewStatus,
    pub was_public: bool,
}

/// Where a command leads from a stage; none when it does not start there.
pub fn step(at: Stage, command: Command) -> Option<Stage> {
    use {Command as C, ReviewStatus as S};
    let to = |status| Some(Stage { status, was_public: at.was_public });
    match (command, at.status) {
        (C::Edit, S::Draft | S::Rejected) => to(S::Draft),
        // A moderator who decides on the earlier text is stopped by If-Match.
        (C::Edit, S::Pending | S::Published) => to(S::Pending),
        (C::Submit, S::Draft) => to(S::Pending),
        (C::Publish, S::Pending) => Some(Stage { status: S::Published, was_public: true }),
        (C::Reject, S::Pending) => to(S::Rejected),
        (C::Report, S::Published) => to(S::Reported),
        (C::Keep, S::Reported) => to(S::Published),
        (C::Remove, S::Reported) => to(S::Removed),
        (C::Withdraw, S::Published | S::Reported) => to(S::Withdrawn),
        (C::Withdraw, S::Draft | S::Pending | S::Rejected) if at.was_public => to(S::Withdrawn),
        _ => None,
    }
}

/// Whether a review can be deleted without a trace in public: it never was there.
pub fn is_deletable(at: Stage) -> bool {
    use ReviewStatus as S;
    !at.was_public && matches!(at.status, S::Draft | S::Pending | S::Rejected)
}

impl ReviewStatus {
    /// What the public reads.
    pub const PUBLIC: [Self; 2] = [Self::Published, Self::Reported];

    pub fn is_public(self) -> bool {
        Self::PUBLIC.contains(&self)
    }
}

/// Months a review counts for after its publication.
pub const COUNTED_MONTHS: u32 = 36;

/// What was published before this instant counts no more.
pub fn counted_since(now: Instant) -> Instant {
    Instant(now.0.checked_sub_months(Months::new(COUNTED_MONTHS)).unwrap_or(now.0))
}

/// Whether a review is part of the average.
pub fn counts(status: ReviewStatus, published_at: Option<Instant>, now: Instant) -> bool {
    status.is_public() && published_at.is_some_and(|at| at >= counted_since(now))
}

/// Characters a review needs to be submitted.
const SHORTEST_TEXT: usize = 100;

/// What is wrong with a review beyond what its schema says.
pub fn faults(content: &ReviewContent, today: NaiveDate) -> Vec<Fault> {
    let mut faults = Vec::new();
    let is_blank = |text: &Option<String>| text.as_ref().is_some_and(|text| text.trim().is_empty());
    for (pointer, text) in [("/title", &content.title), ("/text", &content.text)] {
        if is_blank(text) {
            faults.push(Fault::body(
                pointer,
                "too_short",
                text!("Écrire quelque chose, ou null.", "Write something, or null."),
            ));
        }
    }
    let Some(context) = &content.context else { return faults };
    if context.used_since.is_some_and(|since| since > today) {
        faults.push(Fault::body(
            "/context/used_since",
            "in_the_future",
            text!("Ce jour est à venir ({today} au plus tard).", "This day is yet to come (at the latest {today})."),
        ));
    }
    if let (Some(since), Some(until)) = (context.used_since, context.used_until)
        && until < since
    {
        faults.push(Fault::body(
            "/context/used_until",
            "before_used_since",
            text!("L’usage ne peut finir avant {since}.", "Use cannot end before {since}."),
        ));
    }
    faults
}

/// Everything a review lacks to be submitted.
pub fn missing(content: &ReviewContent) -> Vec<Fault> {
    let mut lacks = Vec::new();
    let mut lack = |is_lacking: bool, pointer: &str, code, detail| {
        if is_lacking {
            lacks.push(Fault::body(pointer, code, detail));
        }
    };
    let context = content.context.as_ref();
    let length = content.text.as_deref().map(|text| text.trim().chars().count());
    lack(
        length.is_none(),
        "/text",
        "missing",
        text!("Écrire au moins {SHORTEST_TEXT} caractères.", "Write at least {SHORTEST_TEXT} characters."),
    );
    lack(
        length.is_some_and(|length| length < SHORTEST_TEXT),
        "/text",
        "too_short",
        text!("Écrire au moins {SHORTEST_TEXT} caractères.", "Write at least {SHORTEST_TEXT} characters."),
    );
    lack(
        content.overall.is_none(),
        "/overall",
        "missing",
        text!("Donner une note d’ensemble.", "Give an overall rating."),
    );
    lack(
        content.ratings.as_ref().is_none_or(|ratings| ratings.is_empty()),
        "/ratings",
        "missing",
        text!("Noter au moins un axe.", "Rate at least one axis."),
    );
    lack(
        context.is_none_or(|context| context.role.is_none()),
        "/context/role",
        "missing",
        text!("Dire dans quel rôle la solution est connue.", "Say in which role the solution is known."),
    );
    lack(
        context.is_none_or(|context| context.used_since.is_none()),
        "/context/used_since",
        "missing",
        text!("Dire depuis quand elle est utilisée.", "Say since when it has been used."),
    );
    lack(
        !content.declares_no_interest,
        "/declares_no_interest",
        "missing",
        text!("L’absence d’intérêt est à déclarer.", "The absence of any interest must be declared."),
    );
    lacks
}

/// Members whose value differs.
pub fn changed_fields(before: &ReviewContent, after: &ReviewContent) -> Vec<String> {
    let as_map = |content| match serde_json::to_value(content) {
        Ok(Value::Object(members)) => members,
        _ => serde_json::Map::new(),
    };
    let after = as_map(after);
    as_map(before).into_iter().filter(|(name, old)| after.get(name) != Some(old)).map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::content::{ReviewContext, ReviewRatings};
    use super::*;

    #[test]
    fn every_step_leads_where_the_table_says() {
        use {Command as C, ReviewStatus as S};
        for (at, command, next) in [
            (S::Draft, C::Submit, S::Pending),
            (S::Pending, C::Publish, S::Published),
            (S::Pending, C::Reject, S::Rejected),
            (S::Rejected, C::Edit, S::Draft),
            (S::Published, C::Edit, S::Pending),
            (S::Published, C::Report, S::Reported),
            (S::Reported, C::Keep, S::Published),
            (S::Reported, C::Remove, S::Removed),
            (S::Published, C::Withdraw, S::Withdrawn),
            (S::Reported, C::Withdraw, S::Withdrawn),
        ] {
            let found = step(Stage { status: at, was_public: true }, command).map(|stage| stage.status);
            assert_eq!(found, Some(next), "{at} {command}");
        }
    }

    fn any_stage() -> impl Strategy<Value = Stage> {
        (prop::sample::select(ReviewStatus::ALL), any::<bool>())
            .prop_map(|(status, was_public)| Stage { status, was_public })
    }

    proptest! {
        #[test]
        fn nothing_becomes_public_without_a_moderator(commands in prop::collection::vec(prop::sample::select(Command::ALL), 0..40)) {
            let mut stage = Stage { status: ReviewStatus::Draft, was_public: false };
            for command in commands {
                let Some(next) = step(stage, command) else { continue };
                if next.status.is_public() && !stage.status.is_public() {
                    prop_assert!(command == Command::Publish && stage.status == ReviewStatus::Pending, "{stage:?} {command} {next:?}");
                }
                prop_assert!(next.was_public || !stage.was_public, "what was public stays known as such");
                prop_assert!(next.was_public || !next.status.is_public());
                stage = next;
            }
        }

        #[test]
        fn what_was_public_is_never_deleted(stage in any_stage()) {
            prop_assert!(!(stage.was_public && is_deletable(stage)));
        }

        #[test]
        fn nothing_leaves_removal_and_withdrawal(command in prop::sample::select(Command::ALL), stage in any_stage()) {
            if matches!(stage.status, ReviewStatus::Removed | ReviewStatus::Withdrawn) {
                prop_assert_eq!(step(stage, command), None);
                prop_assert!(!is_deletable(stage));
            }
        }

        #[test]
        fn an_author_always_has_a_way_out(stage in any_stage()) {
            let is_over = matches!(stage.status, ReviewStatus::Removed | ReviewStatus::Withdrawn);
            let was_never_there = stage.status.is_public() && !stage.was_public;
            if !is_over && !was_never_there {
                prop_assert!(is_deletable(stage) || step(stage, Command::Withdraw).is_some(), "{stage:?}");
            }
        }
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a day")
    }

    fn pointers(faults: Vec<Fault>) -> Vec<String> {
        faults
            .into_iter()
            .map(|fault| match fault.place {
                crate::error::Place::Body(place) | crate::error::Place::Parameter(place) => place,
            })
            .collect()
    }

    #[test]
    fn an_empty_review_says_everything_it_lacks() {
        assert_eq!(
            pointers(missing(&ReviewContent::default())),
            ["/text", "/overall", "/ratings", "/context/role", "/context/used_since", "/declares_no_interest"]
        );
    }

    #[test]
    fn a_hundred_characters_are_counted_without_the_blanks_around_them() {
        let with = |text: String| ReviewContent { text: Some(text), ..ReviewContent::default() };
        assert!(pointers(missing(&with(format!("  {}  ", "é".repeat(99))))).contains(&"/text".to_owned()));
        assert!(!pointers(missing(&with("é".repeat(100)))).contains(&"/text".to_owned()));
    }

    #[test]
    fn use_begins_in_the_past_and_ends_after_it_began() {
        let with = |since: &str, until: Option<&str>| {
            let context =
                ReviewContext { used_since: Some(day(since)), used_until: until.map(day), ..ReviewContext::default() };
            pointers(faults(&ReviewContent { context: Some(context), ..ReviewContent::default() }, day("2026-06-15")))
        };
        assert!(with("2026-06-15", Some("2026-06-15")).is_empty());
        assert_eq!(with("2026-06-16", None), ["/context/used_since"]);
        assert_eq!(with("2026-06-15", Some("2026-06-14")), ["/context/used_until"]);
    }

    #[test]
    fn a_change_names_the_members_it_touches() {
        let before = ReviewContent { title: Some("a".into()), ..ReviewContent::default() };
        let after =
            ReviewContent { overall: Some(3), ratings: Some(ReviewRatings::default()), ..ReviewContent::default() };
        assert_eq!(changed_fields(&before, &after), ["overall", "ratings", "title"]);
        assert!(changed_fields(&before, &before).is_empty());
    }
}
