use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use crate::config::Settings;
use crate::db::{Id, Store};
use crate::import::lines::{Format, Input};
use crate::import::organisations::Organisations;
use crate::import::report::Report;
use crate::import::solutions::Solutions;
use crate::import::{Importer, Options, run};
use crate::organisations::Organisation;

/// What to load. Exit code 1 when a record was refused.
#[derive(Debug, Subcommand)]
pub enum Import {
    /// Sheets of other catalogues, listed at once
    Solutions(ImportSolutions),
    /// Public bodies of a register, with the columns siren, name, kind, departement, region, population, insee_code
    Organisations(ImportOrganisations),
}

/// Each record is known again by its source and its identifier there: what is
/// the same stays untouched, what changed becomes a new version, what its
/// vendor claimed or edited since is left alone.
#[derive(Debug, Args)]
pub struct ImportSolutions {
    /// NDJSON, or CSV with the same names as columns, lists separated by `|`, and vendor_name, vendor_kind,
    /// vendor_country; `-` for standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How the files are written [default: csv for *.csv, else ndjson]
    #[arg(long, value_enum)]
    format: Option<FileFormat>,
    #[command(flatten)]
    how: How,
    /// Licence of the imported data, kept and shown on each sheet, such as etalab-2.0
    #[arg(long, value_name = "SPDX", value_parser = licence)]
    licence: Option<String>,
    /// To whom the imported data are owed, kept and shown on each sheet
    #[arg(long, value_name = "TEXT", value_parser = attribution)]
    attribution: Option<String>,
    /// Organisation whose all of them are, whatever the records say
    #[arg(long, value_name = "ID", value_parser = id)]
    organisation: Option<Id>,
    /// Keep them private
    #[arg(long)]
    as_draft: bool,
    /// Source of records that do not name theirs
    #[arg(long, value_name = "NAME", value_parser = source)]
    source: Option<String>,
}

/// Each record is known again by its SIREN.
#[derive(Debug, Args)]
pub struct ImportOrganisations {
    /// CSV; `-` for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    how: How,
    /// The register it comes from
    #[arg(long, value_name = "NAME", default_value = "public_bodies", value_parser = source)]
    source: String,
}

#[derive(Debug, Args)]
struct How {
    /// Do everything, report, and keep nothing
    #[arg(long)]
    dry_run: bool,
    /// Keep nothing when anything is refused
    #[arg(long)]
    all_or_nothing: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FileFormat {
    Ndjson,
    Csv,
}

impl Import {
    pub fn run(self, settings: Settings) -> Result<ExitCode, String> {
        let report = match self {
            Self::Solutions(what) => what.run(settings)?,
            Self::Organisations(what) => {
                let inputs = [Input::new(&what.file, Some(Format::Csv))?];
                let app = super::open(settings)?;
                load(&app.store, &Organisations { source: what.source }, &inputs, what.how)?
            }
        };
        super::say(&report.to_string());
        Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

impl ImportSolutions {
    fn run(self, settings: Settings) -> Result<Report, String> {
        let format = self.format.map(|format| match format {
            FileFormat::Ndjson => Format::Ndjson,
            FileFormat::Csv => Format::Csv,
        });
        let inputs = self.files.iter().map(|file| Input::new(file, format)).collect::<Result<Vec<_>, _>>()?;
        let app = super::open(settings)?;
        let organisation = self
            .organisation
            .map(|id| {
                app.store.read_here(|db| Organisation::find(db, id)).map_err(|e| format!("--organisation {id}: {e}"))
            })
            .transpose()?;
        if let Some(organisation) = organisation.as_ref().filter(|organisation| !organisation.is_vendor) {
            return Err(format!("--organisation {}: is no vendor", organisation.id));
        }
        let importer = Solutions {
            source: self.source,
            licence: self.licence,
            attribution: self.attribution,
            organisation,
            as_draft: self.as_draft,
        };
        load(&app.store, &importer, &inputs, self.how)
    }
}

/// Imports under a bar that a pipe does not see.
fn load<I: Importer>(store: &Store, importer: &I, inputs: &[Input], how: How) -> Result<Report, String> {
    let options = Options { dry_run: how.dry_run, all_or_nothing: how.all_or_nothing };
    let size: Option<u64> = inputs.iter().map(Input::size).sum();
    let (bar, template) = match size {
        Some(size) => (ProgressBar::new(size), "{wide_bar} {bytes}/{total_bytes} {eta}"),
        None => (ProgressBar::no_length(), "{spinner} {bytes} {elapsed}"),
    };
    let bar = bar.with_style(ProgressStyle::with_template(template).map_err(|e| e.to_string())?);
    let outcome = run(store, importer, inputs, options, &|bytes| bar.inc(bytes));
    bar.finish_and_clear();
    outcome
}

fn licence(text: &str) -> Result<String, String> {
    let is_good = text.chars().count() <= 200 && spdx::Expression::parse(text).is_ok();
    is_good.then(|| text.to_owned()).ok_or_else(|| "expected an SPDX expression, such as etalab-2.0".to_owned())
}

fn attribution(text: &str) -> Result<String, String> {
    bounded(text, 1000)
}

fn source(text: &str) -> Result<String, String> {
    bounded(text, 100)
}

fn bounded(text: &str, characters: usize) -> Result<String, String> {
    let (clean, _) = crate::import::normalise::line(text);
    let is_good = (1..=characters).contains(&clean.chars().count());
    is_good.then_some(clean).ok_or_else(|| format!("expected from 1 to {characters} characters"))
}

fn id(text: &str) -> Result<Id, String> {
    Id::parse(text).ok_or_else(|| "expected a UUID".to_owned())
}
