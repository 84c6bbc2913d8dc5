//! The tables of `docs/ACCESS.md`, read.

use std::collections::{BTreeMap, BTreeSet};

use gouvtech_catalogue::auth::{Duty, Role};

use super::world::{Caller, Standing, Target};

const PAGE: &str = include_str!("../../docs/ACCESS.md");

/// A role, and the duty it takes besides, if one.
type Grant = (Role, Option<Duty>);

/// Who finds something, as a list of relations, each with whom it holds for: whoever asks where nobody is named.
#[derive(Debug, Clone, Default)]
pub struct Whose(Vec<(Vec<Grant>, String)>);

/// One operation's line.
#[derive(Debug, Clone)]
pub struct Line {
    pub id: String,
    pub who: String,
    /// None where nothing in particular is looked for.
    pub whose: Option<Whose>,
    pub not: BTreeSet<String>,
    pub from: String,
    pub suspended: String,
    pub idle: String,
}

/// The rows of every table whose first heading is this.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let cells =
        |line: &str| line.trim().trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let mut rows = Vec::new();
    let mut is_inside = false;
    for line in PAGE.lines() {
        if !line.starts_with('|') {
            is_inside = false;
        } else if line.starts_with(&format!("| {heading} |")) {
            is_inside = true;
        } else if is_inside && !line.starts_with("|-") {
            rows.push(cells(line));
        }
    }
    assert!(!rows.is_empty(), "no table of `{heading}` in docs/ACCESS.md");
    rows
}

fn name(cell: &str) -> String {
    cell.split('`').nth(1).unwrap_or_else(|| panic!("no `name` in {cell}")).to_owned()
}

pub fn lines() -> BTreeMap<String, Line> {
    let mut lines = BTreeMap::new();
    for row in rows("operation") {
        let [id, who, whose, not, from, suspended, idle] = row.as_slice() else { panic!("seven cells: {row:?}") };
        let line = Line {
            id: name(id),
            who: who.clone(),
            whose: (whose != "–").then(|| Whose::read(whose)),
            not: not.split(", ").filter(|one| *one != "–").map(ToOwned::to_owned).collect(),
            from: from.clone(),
            suspended: suspended.clone(),
            idle: idle.clone(),
        };
        for word in &line.not {
            let known = [
                "colleague",
                "party",
                "suspender",
                "moderator",
                "reporter",
                "writer",
                "examiner",
                "participant",
                "unfit",
            ];
            assert!(known.contains(&word.as_str()), "{}: what is `{word}`?", line.id);
        }
        assert!(["403", "unread"].contains(&suspended.as_str()), "{}: suspended?", line.id);
        assert!(["403", "unread", "public", "own", "let in"].contains(&idle.as_str()), "{}: idle?", line.id);
        assert!(lines.insert(line.id.clone(), line).is_none(), "{row:?} is there twice");
    }
    lines
}

/// What each list shows.
pub fn lists() -> BTreeMap<String, Whose> {
    rows("list").into_iter().map(|row| (name(&row[0]), Whose::read(&row[1]))).collect()
}

/// Members that are withheld, each under `Schema.member` and what narrows it.
pub fn withheld() -> BTreeMap<String, Whose> {
    let all = rows("member");
    let count = all.len();
    let read: BTreeMap<_, _> = all
        .into_iter()
        .map(|row| {
            let words: Vec<&str> = row[0].split('`').collect();
            let narrowed = match (words.get(3), words[2]) {
                (Some(visibility), _) => format!(" {visibility}"),
                (None, " not taken up") => " not taken up".to_owned(),
                (None, _) => String::new(),
            };
            (format!("{}{narrowed}", words[1]), Whose::read(&row[1]))
        })
        .collect();
    assert_eq!(read.len(), count, "a member is there twice");
    read
}

impl Line {
    /// The words of `security` in the document.
    pub fn security(&self) -> BTreeSet<String> {
        match self.who.as_str() {
            "public" => ["nobody".to_owned()].into(),
            "anyone" => ["nobody".to_owned(), "any token".to_owned()].into(),
            roles => roles.split(", ").map(ToOwned::to_owned).collect(),
        }
    }

    /// Whether role and duty are enough to be looked at.
    pub fn lets_in(&self, caller: &Caller) -> bool {
        match self.who.as_str() {
            "public" | "anyone" => true,
            roles => roles.split(", ").any(|one| caller.is(&[granted(one)])),
        }
    }

    /// Whether the caller finds it.
    pub fn finds(&self, caller: &Caller, target: &Target) -> bool {
        let whose = self.whose.as_ref().unwrap_or_else(|| panic!("{}: whose?", self.id));
        match (caller.standing, self.idle.as_str()) {
            (Standing::Idle, "public") => target.is_public,
            (Standing::Idle, "own") => (self.who == "anyone" && target.is_public) || target.relates("own", caller),
            _ => whose.includes(caller, target),
        }
    }

    /// Whether it starts from this state.
    pub fn starts_from(&self, state: &str) -> bool {
        match self.from.strip_prefix("any but ") {
            Some(but) => but != state,
            None => self.from == "any" || self.from.split(", ").any(|one| one == state),
        }
    }
}

fn granted(text: &str) -> Grant {
    let (role, duty) = text.split_once(':').map_or((text, None), |(role, duty)| (role, Some(duty)));
    let role = Role::from_code(role).unwrap_or_else(|| panic!("no role: {text}"));
    let duty = duty.map(|duty| Duty::from_code(duty).unwrap_or_else(|| panic!("no duty: {text}")));
    assert!(duty.is_none_or(|duty| role.duties().contains(&duty)), "{text} can be nobody");
    (role, duty)
}

impl Whose {
    /// `role, role:duty relation; …`; without roles: whoever asks.
    fn read(text: &str) -> Self {
        let items = text.split("; ").map(|item| {
            let (roles, relation) = item.rsplit_once(' ').unwrap_or(("", item));
            let roles = roles.split(", ").filter(|one| !one.is_empty()).map(granted).collect();
            (roles, relation.to_owned())
        });
        Self(items.collect())
    }

    /// Whether anybody gets it in some case.
    pub fn is_ever_public(&self) -> bool {
        self.0.iter().any(|(roles, _)| roles.is_empty())
    }

    pub fn includes(&self, caller: &Caller, target: &Target) -> bool {
        self.0.iter().any(|(roles, relation)| {
            let fits = roles.is_empty() || caller.is(roles);
            let is_private = !matches!(relation.as_str(), "public" | "listed" | "imported" | "suspended");
            fits && (!is_private
                || caller.standing == Standing::Fit
                || (relation == "own" && target.noun == "organisations"))
                && target.relates(relation, caller)
        })
    }
}
