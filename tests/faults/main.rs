//! Faults: the compiled program over HTTP while processes die, power goes,
//! disks fill and networks break. Each row has a control: the same measurement
//! of something broken on purpose must show the damage, or the row shows nothing.
//!
//! `cargo test --test faults` runs the short form of every row;
//! `GOUVTECH_FAULTS=long` the long one (`just nightly`). What a row needs of the
//! machine and does not find makes it skipped, loudly; with `CI=true` it fails.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on fails, and its harness reads the environment and the clock"
)]

mod clients;
mod clock;
mod contention;
mod disk;
mod ground;
mod history;
mod hostile;
mod http;
mod kills;
mod load;
mod migrations;
mod network;
mod postgres;
mod power;
mod process;
mod proxy;
mod races;
mod replica;
mod soak;
mod volume;
mod writers;

#[path = "../support/cluster.rs"]
mod cluster;

fn main() -> std::process::ExitCode {
    let mut rows = Vec::new();
    // The longest first: the others run beside it.
    rows.extend(soak::rows());
    rows.extend(kills::rows());
    rows.extend(power::rows());
    rows.extend(replica::rows());
    rows.extend(network::rows());
    rows.extend(disk::rows());
    rows.extend(clients::rows());
    rows.extend(contention::rows());
    rows.extend(races::rows());
    rows.extend(migrations::rows());
    rows.extend(clock::rows());
    rows.extend(hostile::rows());
    rows.extend(load::rows());
    ground::run(rows)
}
