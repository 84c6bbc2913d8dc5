//! Imports: sheets of other catalogues and organisations of registers.
//!
//! A file is read record by record and written in batches, each its own
//! transaction; asked for all or nothing, or for a trial, everything is one
//! transaction. Nothing is lost silently: a record is created, changed,
//! unchanged, skipped or refused, and the [`report::Report`] says which and why.
//! - [`lines`]: records out of a file; [`normalise`]: clean values out of messy
//!   ones; [`solutions`], [`organisations`]: what each becomes.

pub mod lines;
pub mod normalise;
pub mod organisations;
pub mod report;
pub mod solutions;

use std::cell::RefCell;
use std::collections::BTreeSet;

use crate::db::failure::Failure;
use crate::db::{Actor, Store, Tx};
use crate::error::{Code, Error, Result};
use lines::{Input, Raw};
use report::{Flaw, Kind, Outcome, Place, Remark, Report};

/// Records of one transaction.
const BATCH: usize = 500;

/// How an import is to be written.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Does everything and keeps nothing.
    pub dry_run: bool,
    /// Keeps nothing when anything is refused.
    pub all_or_nothing: bool,
}

/// A kind of thing that can be imported.
pub trait Importer {
    type Record;
    /// Columns a CSV file must have.
    const REQUIRED: &'static [&'static str];

    /// Makes a record of what was read, or says everything that is wrong with it.
    fn read(&self, raw: Raw) -> std::result::Result<Self::Record, Vec<Flaw>>;

    /// What identifies a record.
    fn key(record: &Self::Record) -> (&str, &str);

    /// What was noticed: a code, and for the report a field and a reason.
    fn notices(record: &Self::Record) -> &[Notice];

    /// Writes records none of which has the key of another.
    fn write(&self, tx: &mut Tx<'_>, batch: &[Item<Self::Record>]) -> Result<Written>;
}

/// A record and where it stands.
#[derive(Debug, Clone)]
pub struct Item<R> {
    pub place: Place,
    pub record: R,
}

/// Something that could not be taken as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub code: &'static str,
    /// For what has no sheet to show it on: the field and what became of it.
    pub remark: Option<Flaw>,
}

/// What became of a batch, in its order.
#[derive(Debug, Default)]
pub struct Written {
    pub outcomes: Vec<Outcome>,
    pub vendors_created: u64,
}

/// Imports the files, in order.
///
/// # Errors
/// Words for whoever runs it, when nothing could be done at all; everything
/// else is in the report.
pub fn run<I: Importer>(
    store: &Store,
    importer: &I,
    inputs: &[Input],
    options: Options,
    progress: &dyn Fn(u64),
) -> std::result::Result<Report, String> {
    if options.dry_run || options.all_or_nothing {
        return at_once(store, importer, inputs, options, progress);
    }
    let mut report = Report::default();
    let outcome = each_batch(importer, inputs, progress, &mut |batch| {
        let written = store.write_here(&Actor::System, |tx| write(importer, tx, &batch.items));
        report.merge(batch.refused);
        match written {
            Ok(part) => report.merge(part),
            Err(error) => {
                // The transaction as a whole: none of its records was kept, and the next would fare no better.
                for item in &batch.items {
                    report.refuse(&item.place, vec![Flaw::whole(error.to_string())]);
                }
                report.stopped = Some(format!("{error}; later records were not read"));
                return Err(error);
            }
        }
        Ok(())
    });
    match outcome {
        Err(error) if report.stopped.is_none() => report.stopped = Some(error.to_string()),
        _ => {}
    }
    Ok(report)
}

/// Everything in one transaction, kept only when asked to and nothing was refused.
fn at_once<I: Importer>(
    store: &Store,
    importer: &I,
    inputs: &[Input],
    options: Options,
    progress: &dyn Fn(u64),
) -> std::result::Result<Report, String> {
    let finished = RefCell::new(None);
    let outcome = store.write_here(&Actor::System, |tx| {
        finished.replace(None);
        let mut report = Report::default();
        each_batch(importer, inputs, progress, &mut |batch| {
            report.merge(batch.refused);
            report.merge(write(importer, tx, &batch.items)?);
            Ok(())
        })?;
        report.is_rolled_back = options.dry_run || !report.is_clean();
        if report.is_rolled_back {
            finished.replace(Some(report));
            return Err(Error::Internal("rolled back as asked".to_owned()));
        }
        Ok(report)
    });
    match (outcome, finished.into_inner()) {
        (Ok(report), _) | (Err(_), Some(report)) => Ok(report),
        (Err(error), None) => Err(format!("nothing was written: {error}")),
    }
}

struct Batch<R> {
    items: Vec<Item<R>>,
    /// Those that are no records, or none that can be taken.
    refused: Report,
}

fn each_batch<I: Importer>(
    importer: &I,
    inputs: &[Input],
    progress: &dyn Fn(u64),
    take: &mut dyn FnMut(Batch<I::Record>) -> Result<()>,
) -> Result<()> {
    let empty = || Batch { items: Vec::with_capacity(BATCH), refused: Report::default() };
    let mut batch = empty();
    for input in inputs {
        input.each(I::REQUIRED, progress, |place, raw| {
            match raw.map_err(|flaw| vec![flaw]).and_then(|raw| importer.read(raw)) {
                Ok(record) => batch.items.push(Item { place, record }),
                Err(flaws) => batch.refused.refuse(&place, flaws),
            }
            if batch.items.len() < BATCH {
                return Ok(());
            }
            take(std::mem::replace(&mut batch, empty()))
        })?;
    }
    take(batch)
}

/// Writes a batch; a record that the database refuses does not take others with it.
fn write<I: Importer>(importer: &I, tx: &mut Tx<'_>, items: &[Item<I::Record>]) -> Result<Report> {
    let mut report = Report::default();
    let mut rest = items;
    while !rest.is_empty() {
        let (run, later) = rest.split_at(without_repeats::<I>(rest).min(rest.len()));
        rest = later;
        match tx.part(|tx| importer.write(tx, run)) {
            Ok(written) => tell::<I>(&mut report, run, written),
            Err(error) if is_fatal(&error) => return Err(error),
            Err(_) => {
                for one in run.chunks(1) {
                    match tx.part(|tx| importer.write(tx, one)) {
                        Ok(written) => tell::<I>(&mut report, one, written),
                        Err(error) if is_fatal(&error) => return Err(error),
                        Err(error) => {
                            one.iter()
                                .for_each(|item| report.refuse(&item.place, vec![Flaw::whole(error.to_string())]));
                        }
                    }
                }
            }
        }
    }
    Ok(report)
}

/// How many records to write before one repeats a key: it must find what the first one wrote.
fn without_repeats<I: Importer>(items: &[Item<I::Record>]) -> usize {
    let mut keys = BTreeSet::new();
    items.iter().take_while(|item| keys.insert(I::key(&item.record))).count()
}

fn tell<I: Importer>(report: &mut Report, items: &[Item<I::Record>], written: Written) {
    report.vendors_created += written.vendors_created;
    for (item, outcome) in items.iter().zip(written.outcomes) {
        for Notice { code, remark } in I::notices(&item.record) {
            report.notice(code);
            if let Some(Flaw { field, reason }) = remark.clone() {
                report.remark(Remark { kind: Kind::Noticed, place: item.place.clone(), field, reason });
            }
        }
        report.count(&item.place, outcome);
    }
}

/// Whether the transaction, not the record, is at fault.
fn is_fatal(error: &Error) -> bool {
    match error {
        Error::Database(error) => Failure::of(error) != Failure::Other,
        Error::Problem(problem) => problem.code == Code::Unavailable,
        Error::Internal(_) => false,
    }
}
