//! What somebody alters who knows how the log is made: the tree is computed again, so that the
//! database agrees with itself.

use diesel::prelude::*;
use gouvtech_catalogue::db::Db;
use gouvtech_catalogue::db::schema::{counters, log_entries, log_nodes};
use gouvtech_catalogue::labels::rules::LabelStatus;
use gouvtech_catalogue::log::tree::EntryRow;
use gouvtech_catalogue::proof::attestation::{self, Attestation};
use gouvtech_catalogue::proof::entry::{EventKind, LabelEvent, LogEntry, Refusal};
use gouvtech_catalogue::proof::key::SigningKey;
use gouvtech_catalogue::proof::merkle::{Frontier, Hash, leaf_hash};
use gouvtech_catalogue::proof::{canonical, jws};

use super::{Chance, Manipulation, run};

/// Puts these entries in the place of all, with their tree and their count.
fn rebuild(db: &mut Db, rows: &[EntryRow]) -> Result<(), String> {
    let failed = |e: diesel::result::Error| e.to_string();
    run(db, "DELETE FROM log_entries; DELETE FROM log_nodes")?;
    let mut frontier = Frontier::default();
    for (position, row) in rows.iter().enumerate() {
        let row = EntryRow { position: i64::try_from(position).expect("small"), ..row.clone() };
        for (node, hash) in frontier.push(leaf_hash(row.entry.as_bytes())) {
            diesel::insert_into(log_nodes::table)
                .values((
                    log_nodes::level.eq(i32::try_from(node.level).expect("small")),
                    log_nodes::position.eq(i64::try_from(node.index).expect("small")),
                    log_nodes::hash.eq(hash.to_string()),
                ))
                .execute(db)
                .map_err(failed)?;
        }
        diesel::insert_into(log_entries::table).values(row).execute(db).map_err(failed)?;
    }
    let count = i64::try_from(rows.len()).expect("small");
    diesel::update(counters::table.find("log")).set(counters::value.eq(count)).execute(db).map_err(failed)?;
    Ok(())
}

fn forged(kind: &'static str, what: String, takes_memory: bool, rows: Vec<EntryRow>, also: String) -> Manipulation {
    let make = move |db: &mut Db| {
        rebuild(db, &rows)?;
        if also.is_empty() { Ok(()) } else { run(db, &also) }
    };
    Manipulation { kind, what, make: Box::new(make), takes_memory }
}

/// The same entry, saying something else.
fn rewritten(row: &EntryRow, change: impl FnOnce(&mut LabelEvent)) -> Option<EntryRow> {
    let LogEntry::Label(mut event) = row.read().expect("an entry") else { return None };
    change(&mut event);
    Some(written(&LogEntry::Label(event), row))
}

fn written(entry: &LogEntry, like: &EntryRow) -> EntryRow {
    let entry = String::from_utf8(entry.bytes().expect("bytes")).expect("text");
    EntryRow { entry, ..like.clone() }
}

pub fn manipulations(entries: &[EntryRow], chance: &mut Chance) -> Vec<Manipulation> {
    let mut all = Vec::new();
    let places: Vec<usize> =
        (0..entries.len()).filter(|place| matches!(entries[*place].read(), Ok(LogEntry::Label(_)))).collect();
    for takes_memory in [false, true] {
        // Whoever rewrites the register too leaves nothing that contradicts it in the database.
        for (number, place) in places.iter().enumerate() {
            let mut rows = entries.to_vec();
            let data = Hash::of(format!("another {number}").as_bytes());
            rows[*place] = rewritten(&entries[*place], |event| event.data = data).expect("an event");
            all.push(forged("an event rewritten, and the tree", format!("{place}"), takes_memory, rows, String::new()));
            let mut rows = entries.to_vec();
            let day = "2099-12-31".parse().expect("a day");
            let mut label = String::new();
            for row in &mut rows {
                if let Some(changed) = rewritten(row, |event| event.valid_until = day) {
                    *row = changed;
                }
            }
            if let Ok(LogEntry::Label(event)) = entries[*place].read() {
                label = event.label;
            }
            let also = format!("UPDATE labels SET valid_until = '{day}'");
            all.push(forged("the validity, in log and register", label, takes_memory, rows, also));
        }
        for _ in 0..8 {
            let (one, other) = (chance.below(entries.len()), chance.below(entries.len()));
            // Of one subject they would not follow; of two, nothing but the tree tells.
            if one != other && entries[one].subject != entries[other].subject {
                let mut rows = entries.to_vec();
                rows.swap(one, other);
                all.push(forged(
                    "two entries swapped, and the tree",
                    format!("{one} {other}"),
                    takes_memory,
                    rows,
                    String::new(),
                ));
            }
        }
        for last in 1..=4 {
            let rows = entries[..entries.len() - last].to_vec();
            all.push(forged("the log shortened, and the tree", format!("{last}"), takes_memory, rows, String::new()));
        }
        for _ in 0..4 {
            let mut rows = entries.to_vec();
            rows.remove(chance.below(entries.len()));
            all.push(forged(
                "an entry left out, and the tree",
                format!("{}", rows.len()),
                takes_memory,
                rows,
                String::new(),
            ));
        }
        all.extend(appended(entries, &places, takes_memory));
    }
    all
}

/// What nobody decided, at the end of the log.
fn appended(entries: &[EntryRow], places: &[usize], takes_memory: bool) -> Vec<Manipulation> {
    let mut all = Vec::new();
    let last = entries.last().expect("an entry");
    for n in 0..4 {
        let refusal = Refusal { at: last.logged_at, data: Hash::of(format!("nobody {n}").as_bytes()) };
        let row =
            EntryRow { subject: String::new(), subject_seq: 0, ..written(&LogEntry::Refusal(Box::new(refusal)), last) };
        let rows = [entries, &[row]].concat();
        all.push(forged("a decision that nobody made", n.to_string(), takes_memory, rows, String::new()));
    }
    for place in places {
        let Ok(LogEntry::Label(event)) = entries[*place].read() else { continue };
        let is_last = entries.iter().filter(|row| row.subject == event.label).count() == event.label_seq as usize;
        if !is_last {
            continue;
        }
        let (kind, status) = match event.status {
            LabelStatus::Suspended => (EventKind::Reinstated, LabelStatus::Active),
            _ => (EventKind::Suspended, LabelStatus::Suspended),
        };
        let next = LabelEvent {
            label_seq: event.label_seq + 1,
            kind,
            status,
            at: last.logged_at,
            decision: None,
            corrects: None,
            outcome: None,
            attestation: None,
            signature: None,
            ..(*event).clone()
        };
        let seq = i32::try_from(next.label_seq).expect("small");
        let row = written(&LogEntry::Label(Box::new(next)), last);
        let row = EntryRow { subject: event.label.clone(), subject_seq: seq, logged_at: last.logged_at, ..row };
        let rows = [entries, &[row]].concat();
        all.push(forged("an event that never was", event.label.clone(), takes_memory, rows, String::new()));
    }
    for place in places {
        if let Some(one) = resigned(entries, *place, takes_memory) {
            all.push(one);
        }
    }
    all
}

/// An attestation by another key, which the log then names.
fn resigned(entries: &[EntryRow], place: usize, takes_memory: bool) -> Option<Manipulation> {
    let LogEntry::Label(event) = entries[place].read().ok()? else { return None };
    let hash = event.attestation?;
    let (entries, label) = (entries.to_vec(), event.label.clone());
    let make = move |db: &mut Db| {
        use gouvtech_catalogue::db::schema::attestations;
        let failed = |e: diesel::result::Error| e.to_string();
        let credential: String =
            attestations::table.find(hash.to_string()).select(attestations::credential).first(db).map_err(failed)?;
        let payload = credential.split('.').nth(1).expect("a payload");
        let payload = gouvtech_catalogue::proof::encoding::of_base64url(payload).expect("base64url");
        let said: Attestation = canonical::read_as(&payload).expect("an attestation");
        let stranger = SigningKey::from_seed(&[77; 32]).expect("a key");
        let forged = jws::sign(attestation::TYP, &said, &stranger).expect("signed");
        let other = Hash::of(forged.as_bytes());
        let mut rows = entries.clone();
        rows[place] = rewritten(&entries[place], |event| event.attestation = Some(other)).expect("an event");
        rebuild(db, &rows)?;
        diesel::update(attestations::table.find(hash.to_string()))
            .set((attestations::hash.eq(other.to_string()), attestations::credential.eq(forged)))
            .execute(db)
            .map_err(failed)?;
        Ok(())
    };
    Some(Manipulation {
        kind: "an attestation by another key, and the tree",
        what: label,
        make: Box::new(make),
        takes_memory,
    })
}
