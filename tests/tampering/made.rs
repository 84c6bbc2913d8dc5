//! What somebody alters in single rows.

use gouvtech_catalogue::db::Db;
use gouvtech_catalogue::log::tree::EntryRow;

use super::{Chance, Manipulation, run};
use crate::support::Kind;

fn sql(kind: &'static str, statement: String) -> Manipulation {
    let what = statement.clone();
    let make = move |db: &mut Db| run(db, &statement);
    Manipulation { kind, what, make: Box::new(make), takes_memory: false }
}

/// Another character in its place.
fn altered(text: &str, chance: &mut Chance) -> String {
    let mut bytes = text.as_bytes().to_vec();
    loop {
        let at = chance.below(bytes.len());
        if bytes[at].is_ascii_alphanumeric() {
            bytes[at] = if bytes[at] == b'1' { b'2' } else { b'1' };
            return String::from_utf8(bytes).expect("text");
        }
    }
}

pub fn manipulations(
    database: Kind,
    entries: &[EntryRow],
    labels: &[String],
    chance: &mut Chance,
) -> Vec<Manipulation> {
    let mut all = Vec::new();
    let size = entries.len();
    for _ in 0..50 {
        let row = &entries[chance.below(size)];
        let entry = altered(&row.entry, chance);
        all.push(sql(
            "a byte of an entry",
            format!("UPDATE log_entries SET entry = '{entry}' WHERE position = {}", row.position),
        ));
    }
    for _ in 0..6 {
        let at = chance.below(size);
        all.push(sql(
            "an entry under another subject",
            format!("UPDATE log_entries SET subject = 'GT-2026-99999', subject_seq = 1 WHERE position = {at}"),
        ));
        let later = match database {
            Kind::Sqlite => "logged_at + 1000000",
            Kind::Postgres => "logged_at + interval '1 second'",
        };
        all.push(sql(
            "the instant of an entry",
            format!("UPDATE log_entries SET logged_at = {later} WHERE position = {at}"),
        ));
        all.push(sql("an entry deleted", format!("DELETE FROM log_entries WHERE position = {at}")));
    }
    for _ in 0..12 {
        let one = chance.below(size);
        let other = (one + 1 + chance.below(size - 1)) % size;
        all.push(sql(
            "two entries swapped",
            format!(
                "UPDATE log_entries SET position = -1 WHERE position = {one}; \
                 UPDATE log_entries SET position = {one} WHERE position = {other}; \
                 UPDATE log_entries SET position = {other} WHERE position = -1"
            ),
        ));
    }
    for last in 1..=3 {
        let from = size - last;
        all.push(sql("the last entries deleted", format!("DELETE FROM log_entries WHERE position >= {from}")));
        all.push(sql(
            "the last entries deleted",
            format!(
                "DELETE FROM log_entries WHERE position >= {from}; \
                 UPDATE counters SET value = {from} WHERE name = 'log'"
            ),
        ));
    }
    all.push(sql("the whole log deleted", "DELETE FROM log_entries".to_owned()));
    all.push(sql(
        "the whole log deleted",
        "DELETE FROM log_entries; DELETE FROM log_nodes; UPDATE counters SET value = 0 WHERE name = 'log'".to_owned(),
    ));
    of_nodes(size, chance, &mut all);
    for value in ["value + 1", "value - 1", "0", "value + 1000", "value / 2"] {
        all.push(sql("the count of entries", format!("UPDATE counters SET value = {value} WHERE name = 'log'")));
    }
    of_labels(labels, &mut all);
    of_decisions(database, &mut all);
    of_attestations(labels, chance, &mut all);
    of_keys(database, &mut all);
    all
}

fn of_nodes(size: usize, chance: &mut Chance, all: &mut Vec<Manipulation>) {
    for _ in 0..24 {
        let level = chance.below(3);
        let position = chance.below(size >> level);
        let own = format!("level = {level} AND position = {position}");
        let (from, to) = [('A', 'B'), ('a', 'b'), ('/', '+'), ('Q', 'R')][chance.below(4)];
        // Some letter of it, and where none is, the first.
        all.push(sql(
            "a byte of a hash",
            format!(
                "UPDATE log_nodes SET hash = CASE WHEN hash LIKE '%{from}%' AND replace(hash, '{from}', '{to}') <> hash \
                 THEN replace(hash, '{from}', '{to}') ELSE '{to}' || substr(hash, 2) || 'x' END WHERE {own}"
            ),
        ));
    }
    for _ in 0..8 {
        let level = chance.below(3);
        let position = chance.below(size >> level);
        all.push(sql(
            "a hash deleted",
            format!("DELETE FROM log_nodes WHERE level = {level} AND position = {position}"),
        ));
        all.push(sql(
            "a hash in another's place",
            format!(
                "UPDATE log_nodes SET hash = (SELECT o.hash FROM log_nodes o WHERE o.level = 1 AND o.position = 0) \
                 WHERE level = 0 AND position = {}",
                chance.below(size)
            ),
        ));
    }
    for level in 0..4 {
        all.push(sql(
            "a hash too many",
            format!(
                "INSERT INTO log_nodes (level, position, hash) SELECT {level}, {}, hash FROM log_nodes \
                 WHERE level = 0 AND position = 0",
                size + 5
            ),
        ));
    }
}

fn of_labels(labels: &[String], all: &mut Vec<Manipulation>) {
    for number in labels {
        let own = format!("WHERE number = '{number}'");
        for status in ["active", "suspended", "withdrawn", "expired", "under_surveillance", "superseded"] {
            all.push(sql(
                "the status of a label",
                // The one that it has becomes another.
                format!(
                    "UPDATE labels SET status = CASE WHEN status = '{status}' THEN 'renounced' ELSE '{status}' END {own}"
                ),
            ));
        }
        for day in ["2099-12-31", "2031-01-01"] {
            all.push(sql("the validity of a label", format!("UPDATE labels SET valid_until = '{day}' {own}")));
        }
        all.push(sql("the validity of a label", format!("UPDATE labels SET valid_from = '2020-01-01' {own}")));
        for (column, from) in
            [("solution_id", "solutions"), ("audit_body_id", "organisations"), ("application_id", "label_applications")]
        {
            all.push(sql(
                "what a label is of",
                format!(
                    "UPDATE labels SET {column} = (SELECT o.id FROM {from} o WHERE o.id <> labels.{column} LIMIT 1) {own}"
                ),
            ));
        }
        all.push(sql("a label deleted", format!("DELETE FROM labels {own}")));
        all.push(sql("a label under another number", format!("UPDATE labels SET number = 'GT-2026-77777' {own}")));
    }
}

fn of_decisions(database: Kind, all: &mut Vec<Manipulation>) {
    let (reasons, later) = match database {
        Kind::Sqlite => ("jsonb_set(content, '$.reasons', 'Autre.')", "decided_at + 1000000"),
        Kind::Postgres => ("jsonb_set(content, '{reasons}', '\"Autre.\"')", "decided_at + interval '1 second'"),
    };
    // Each decision by its place among them.
    for place in 0..4 {
        let own = format!(
            "WHERE id = (SELECT o.id FROM label_decisions o ORDER BY o.decided_at, o.id LIMIT 1 OFFSET {place})"
        );
        for set in [
            format!("content = {reasons}"),
            "outcome = CASE WHEN outcome = 'granted' THEN 'refused' ELSE 'granted' END".to_owned(),
            format!("decided_at = {later}"),
            "label_number = 'GT-2026-77777'".to_owned(),
            "organisation_id = (SELECT o.id FROM organisations o WHERE o.id <> label_decisions.organisation_id LIMIT 1)"
                .to_owned(),
            "actor_id = (SELECT o.id FROM actors o WHERE o.id <> label_decisions.actor_id LIMIT 1)".to_owned(),
        ] {
            all.push(sql("a decision", format!("UPDATE label_decisions SET {set} {own}")));
        }
        all.push(sql("a decision deleted", format!("DELETE FROM label_decisions {own}")));
    }
}

fn of_attestations(labels: &[String], chance: &mut Chance, all: &mut Vec<Manipulation>) {
    for number in labels {
        let own = format!("WHERE label = '{number}'");
        for _ in 0..5 {
            // One character of the compact JWS, wherever.
            let at = 20 + chance.below(300);
            all.push(sql(
                "a byte of an attestation",
                format!(
                    "UPDATE attestations SET credential = substr(credential, 1, {at}) || \
                     CASE WHEN substr(credential, {at} + 1, 1) = 'A' THEN 'B' ELSE 'A' END || substr(credential, {at} + 2) {own}"
                ),
            ));
        }
        all.push(sql("an attestation deleted", format!("DELETE FROM attestations {own}")));
        all.push(sql(
            "an attestation of another label",
            format!(
                "UPDATE attestations SET label = (SELECT number FROM labels WHERE number <> attestations.label LIMIT 1) {own}"
            ),
        ));
        all.push(sql(
            "an attestation under another hash",
            format!("UPDATE attestations SET hash = 'E6h0SO1IiRdQyMVbwgcqIRNwVfCDPna4ZH9fPekpdv0=' {own}"),
        ));
    }
}

fn of_keys(database: Kind, all: &mut Vec<Manipulation>) {
    let now = match database {
        Kind::Sqlite => "created_at",
        Kind::Postgres => "now()",
    };
    for place in 0..2 {
        let own =
            format!("WHERE id = (SELECT o.id FROM signing_keys o ORDER BY o.created_at, o.id LIMIT 1 OFFSET {place})");
        for set in [
            "public_key = '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo'".to_owned(),
            "kid = 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k'".to_owned(),
            format!("revoked_at = {now}"),
            "accreditation_id = (SELECT o.id FROM accreditations o WHERE o.id <> signing_keys.accreditation_id LIMIT 1)"
                .to_owned(),
        ] {
            all.push(sql("a key of an audit body", format!("UPDATE signing_keys SET {set} {own}")));
        }
        all.push(sql("a key of an audit body", format!("DELETE FROM signing_keys {own}")));
    }
}
