//! One test binary: every case is a sentence and runs once per database.
//!
//! SQLite always; PostgreSQL on a throwaway cluster made from the programs found
//! here, or on `TEST_DATABASE_URL`. Without PostgreSQL its cases are skipped
//! loudly, and with `CI=true` that is a failure.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on fails, and its harness reads the environment"
)]

mod access;
mod backup;
mod boundary;
mod comparisons;
mod compatibility;
mod criteria;
mod demonstration;
mod deploy;
mod doctor;
mod evaluations;
mod exports;
mod follower;
mod hostile;
mod idempotency;
mod import;
mod independence;
mod issuers;
mod kept;
mod keys;
mod label_life;
mod label_walk;
mod labels;
mod limits;
mod monitor;
mod notifications;
mod openapi;
mod organisations;
mod persons;
mod plans;
mod procedure;
mod process;
mod proof;
mod protocol;
mod providers;
mod readme;
mod reviews;
mod search;
mod service;
mod service_accounts;
mod solutions;
mod storage;
mod store;
mod support;
mod tampering;
mod tokens;
mod walkthroughs;
mod witnesses;

fn main() -> std::process::ExitCode {
    support::statements::listen();
    let mut cases = Vec::new();
    cases.extend(access::cases());
    cases.extend(backup::cases());
    cases.extend(comparisons::cases());
    cases.extend(compatibility::cases());
    cases.extend(boundary::cases());
    cases.extend(deploy::cases());
    cases.extend(process::cases());
    cases.extend(procedure::cases());
    cases.extend(proof::cases());
    cases.extend(protocol::cases());
    cases.extend(criteria::cases());
    cases.extend(demonstration::cases());
    cases.extend(doctor::cases());
    cases.extend(evaluations::cases());
    cases.extend(follower::cases());
    cases.extend(kept::cases());
    cases.extend(keys::cases());
    cases.extend(label_life::cases());
    cases.extend(label_walk::cases());
    cases.extend(labels::cases());
    cases.extend(notifications::cases());
    cases.extend(exports::cases());
    cases.extend(hostile::cases());
    cases.extend(idempotency::cases());
    cases.extend(import::cases());
    cases.extend(independence::cases());
    cases.extend(issuers::cases());
    cases.extend(limits::cases());
    cases.extend(monitor::cases());
    cases.extend(openapi::cases());
    cases.extend(organisations::cases());
    cases.extend(plans::cases());
    cases.extend(providers::cases());
    cases.extend(persons::cases());
    cases.extend(readme::cases());
    cases.extend(reviews::cases());
    cases.extend(search::cases());
    cases.extend(service::cases());
    cases.extend(service_accounts::cases());
    cases.extend(solutions::cases());
    cases.extend(storage::cases());
    cases.extend(store::cases());
    cases.extend(tampering::cases());
    cases.extend(tokens::cases());
    cases.extend(walkthroughs::cases());
    cases.extend(witnesses::cases());
    support::run(cases)
}
