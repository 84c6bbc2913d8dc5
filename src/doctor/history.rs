//! The journal and what never changes.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use super::Check;
use crate::db::journal::Change;
use crate::db::schema::{changes, counters, label_acts};
use crate::db::seals::{self, Sealed};
use crate::db::{Db, Id, Resource};
use crate::error::Result;
use crate::labels::acts::LabelAct;
use crate::log::tree::EntryRow;
use crate::proof::entry::LogEntry;

const PART: i64 = 1000;

#[derive(QueryableByName)]
struct Odd {
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = Text)]
    why: String,
}

#[derive(QueryableByName)]
struct Ends {
    #[diesel(sql_type = BigInt)]
    count: i64,
    #[diesel(sql_type = BigInt)]
    last: i64,
}

/// The log of labels: its tree computed again from its entries.
pub fn log(db: &mut Db) -> Result<Check> {
    let mut check = Check::new("log of labels");
    check.seen = usize::try_from(crate::log::tree::Tree::open(db)?.size).unwrap_or(usize::MAX);
    if let Some(fault) = crate::log::check::fault(db, None)? {
        check.found(fault);
    }
    Ok(check)
}

/// Every act on a label is the one whose hash the log has, and none of those is gone.
pub fn acts(db: &mut Db) -> Result<Check> {
    let mut check = Check::new("acts on labels");
    let mut after = String::new();
    loop {
        let numbers: Vec<String> = label_acts::table
            .filter(label_acts::label_number.gt(after.clone()))
            .order(label_acts::label_number)
            .select(label_acts::label_number)
            .distinct()
            .limit(200)
            .load(db)?;
        let Some(last) = numbers.last() else { return Ok(check) };
        after.clone_from(last);
        let acts = LabelAct::of(db, &numbers)?;
        for number in numbers {
            let mut logged = Vec::new();
            for row in EntryRow::of(db, &number)? {
                if let LogEntry::Label(event) = row.read()?
                    && event.decision.is_none()
                {
                    logged.push(event.data);
                }
            }
            let mut kept = BTreeSet::new();
            for act in acts.iter().filter(|act| act.label_number == number) {
                check.seen += 1;
                let hash = act.hash()?;
                if !logged.contains(&hash) {
                    check.found(format!("act {} on label {number} is not the one in the log", act.id));
                }
                kept.insert(hash.0);
            }
            // What befell a label before acts were kept has none.
            let gone = logged.iter().skip_while(|data| !kept.contains(&data.0)).filter(|data| !kept.contains(&data.0));
            for data in gone {
                check.found(format!("label {number}: the act whose hash in the log is {data} is gone"));
            }
        }
    }
}

/// Where the rows of a kind of resource are.
fn table(resource: Resource) -> Option<&'static str> {
    Some(match resource {
        Resource::Organisation => "organisations",
        Resource::CriteriaSet => "criteria_sets",
        Resource::Solution => "solutions",
        Resource::Claim => "solution_claims",
        Resource::Evaluation => "evaluations",
        Resource::Review => "reviews",
        Resource::LabelApplication => "label_applications",
        Resource::Label => "labels",
        Resource::ServiceAccount => "service_accounts",
        Resource::Accreditation => "accreditations",
        Resource::Appeal => "appeals",
        Resource::Qualification => "qualifications",
        Resource::OrganisationLink => "organisation_links",
        Resource::Complaint => "complaints",
        // What a person asked for and what its age took away have no rows.
        Resource::Person | Resource::Retention => return None,
    })
}

/// Every row stands at the last version the journal has for it, no version is
/// missing between, and what is gone was deleted.
pub fn continuity(db: &mut Db) -> Result<Check> {
    let mut check = Check::new("journal");
    let ends = "SELECT count(*) AS count, coalesce(max(position), 0) AS last FROM changes";
    let ends: Ends = match db {
        Db::Sqlite(c) => diesel::sql_query(ends).get_result(c)?,
        Db::Pg(c) => diesel::sql_query(ends).get_result(c)?,
    };
    check.seen = usize::try_from(ends.count).unwrap_or(0);
    // PostgreSQL gives a position once and for all, also to what is rolled back.
    if matches!(db, Db::Sqlite(_)) && ends.count != ends.last {
        check.found(format!("{} entries, but positions up to {}", ends.count, ends.last));
    }
    for resource in Resource::ALL.iter().copied() {
        let (Some(table), name) = (table(resource), resource.code()) else { continue };
        let id = match db {
            Db::Sqlite(_) => "lower(hex(x.id))",
            Db::Pg(_) => "CAST(x.id AS text)",
        };
        let question = format!(
            "WITH j AS (SELECT resource_id AS id, min(resource_version) AS low, max(resource_version) AS high, \
               count(DISTINCT resource_version) AS versions, max(CASE WHEN action LIKE 'delete%' THEN 1 ELSE 0 END) AS deleted \
               FROM changes WHERE resource = '{name}' GROUP BY resource_id), \
             x AS (SELECT t.id, 'is at version ' || t.version || ', the journal at ' || coalesce(CAST(j.high AS text), 'none') AS why \
               FROM {table} t LEFT JOIN j ON j.id = t.id WHERE j.id IS NULL OR j.high <> t.version \
             UNION ALL SELECT j.id, 'has ' || j.versions || ' of the versions ' || j.low || ' to ' || j.high || ' in the journal' \
               FROM j WHERE j.low <> 1 OR j.high - j.low + 1 <> j.versions \
             UNION ALL SELECT j.id, 'is gone, and no entry says that it was deleted' \
               FROM j LEFT JOIN {table} t ON t.id = j.id WHERE t.id IS NULL AND j.deleted = 0) \
             SELECT {id} AS id, x.why AS why FROM x ORDER BY 1, 2"
        );
        let odd: Vec<Odd> = match db {
            Db::Sqlite(c) => diesel::sql_query(question).load(c)?,
            Db::Pg(c) => diesel::sql_query(question).load(c)?,
        };
        for Odd { id, why } in odd {
            check.found(format!("{name} {id} {why}"));
        }
    }
    Ok(check)
}

/// Every entry says what it said when it was written.
pub fn hashes(db: &mut Db) -> Result<Check> {
    let mut check = Check::new("journal hashes");
    let unhashed: i64 = counters::table
        .find("journal without hashes")
        .select(counters::value)
        .first(db)
        .optional()?
        .unwrap_or_default();
    let (mut position, mut all) = (0_i64, String::new());
    loop {
        let part: Vec<(Change, Option<String>)> = changes::table
            .filter(changes::position.gt(position))
            .order(changes::position)
            .limit(PART)
            .select((Change::as_select(), changes::hash))
            .load(db)?;
        let Some((last, _)) = part.last() else { break };
        position = last.position;
        for (entry, hash) in part {
            check.seen += 1;
            let computed = entry.computed_hash();
            match hash {
                Some(hash) if hash == computed => {}
                None if entry.position <= unhashed => {}
                Some(_) => check.found(format!("entry {} was altered", entry.position)),
                None => check.found(format!("entry {} has lost its hash", entry.position)),
            }
            all = seals::digest(&serde_json::json!([all, computed]));
        }
    }
    check.note = Some(format!("up to position {position} their digest is {all}"));
    Ok(check)
}

/// What never changes is what was sealed, all of it.
pub fn seals(db: &mut Db) -> Result<Check> {
    let mut check = Check::new("seals");
    for kind in Sealed::ALL.iter().copied() {
        let mut after: Option<Id> = None;
        loop {
            // What is there and what was sealed: either may lack the other.
            let (there, sealed) = (seals::subjects(db, kind, after)?, seals::sealed_subjects(db, kind, after)?);
            // Of two parts only what both can know of.
            let end =
                [&there, &sealed].into_iter().filter(|part| part.len() >= 500).filter_map(|part| part.last()).min();
            let ids: BTreeSet<Id> =
                there.iter().chain(&sealed).filter(|id| end.is_none_or(|end| *id <= end)).copied().collect();
            let Some(last) = ids.last() else { break };
            after = Some(*last);
            let open: BTreeSet<Id> = there.iter().copied().collect();
            let ids: Vec<Id> = ids.into_iter().collect();
            for part in ids.chunks(500) {
                compare(db, &mut check, kind, part, &open)?;
            }
        }
    }
    Ok(check)
}

fn compare(db: &mut Db, check: &mut Check, kind: Sealed, ids: &[Id], there: &BTreeSet<Id>) -> Result<()> {
    let mut found = seals::contents(db, kind, ids)?;
    let mut written: BTreeMap<(Id, i32), String> = BTreeMap::new();
    for (id, number, hash) in seals::written(db, kind, ids)? {
        match kind {
            // Answers were submitted once or more: the last submission counts, and none while it is a draft again.
            Sealed::Answers => written.insert((id, 0), hash),
            _ => written.insert((id, number), hash),
        };
    }
    if kind == Sealed::Answers {
        found.retain(|(id, _), _| there.contains(id));
        written.retain(|(id, _), _| there.contains(id));
    }
    check.seen += found.len();
    for (place, hash) in &found {
        let name = |number: i32| if number == 0 { String::new() } else { format!(" {number}") };
        let what = format!("{kind} {}{}", place.0, name(place.1));
        match written.remove(place) {
            None => check.found(format!("{what} was never sealed")),
            Some(sealed) if sealed != *hash => check.found(format!("{what} was altered")),
            Some(_) => {}
        }
    }
    for (id, number) in written.into_keys() {
        check.found(format!("{kind} {id} {number} is gone"));
    }
    Ok(())
}
