use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::Args;

use crate::config::Settings;
use crate::db::{Backend, migrations};
use crate::doctor::examine;

/// SQLite: one file, checked. PostgreSQL: an archive of `pg_dump --format=custom`, which must be in PATH.
#[derive(Debug, Args)]
pub struct Backup {
    /// Where to write it; must not exist
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Into a database that is absent or empty; what a backup holds is checked before and after.
#[derive(Debug, Args)]
pub struct Restore {
    /// What `backup` wrote
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl Backup {
    pub fn run(self, settings: &Settings) -> Result<ExitCode, String> {
        refuse_existing(&self.file)?;
        // Beside its place, so that it appears there whole or not at all.
        let part = with_suffix(&self.file, ".part");
        refuse_existing(&part)?;
        let outcome = match &settings.backend {
            Backend::Sqlite { path } => copy_sqlite(&settings.backend, path, &part),
            Backend::Postgres { url } => {
                // Serialisable and deferrable: a state that the database was in, between two transactions.
                let mut dump = Command::new("pg_dump");
                dump.args(["--format=custom", "--serializable-deferrable", "--no-owner", "--no-privileges", "--file"]);
                call(dump.arg(&part).arg("--dbname"), "pg_dump", url)
                    .and_then(|()| run(Command::new("pg_restore").arg("--list").arg(&part), "pg_restore"))
            }
        };
        let outcome = outcome.and_then(|()| settle(&part, &self.file));
        if outcome.is_err() {
            remove(&part);
        }
        outcome?;
        super::say(&format!("{}: backed up to {}", settings.backend, self.file.display()));
        Ok(ExitCode::SUCCESS)
    }
}

impl Restore {
    pub fn run(self, settings: &Settings) -> Result<ExitCode, String> {
        if !self.file.is_file() {
            return Err(format!("{}: there is no such file", self.file.display()));
        }
        match &settings.backend {
            Backend::Sqlite { path } => {
                for name in [path.clone(), with_suffix(path, "-wal"), with_suffix(path, "-journal")] {
                    refuse_existing(&name)?;
                }
                if let Some(folder) = settings.backend.folder() {
                    std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
                }
                let part = with_suffix(path, ".part");
                refuse_existing(&part)?;
                // A copy made by SQLite reads every page of the backup, and leaves the backup alone.
                let from = Backend::Sqlite { path: self.file.clone() };
                let outcome = copy_sqlite(&from, &self.file, &part).and_then(|()| settle(&part, path));
                if outcome.is_err() {
                    remove(&part);
                }
                outcome?;
            }
            Backend::Postgres { url } => {
                if !migrations::is_empty(&settings.backend).map_err(|e| format!("{}: {e}", settings.backend))? {
                    return Err(format!("{}: is not empty; restore into a new database", settings.backend));
                }
                let mut restore = Command::new("pg_restore");
                restore.args(["--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges"]);
                call(restore.arg(&self.file).arg("--dbname"), "pg_restore", url)?;
                check(&settings.backend)?;
            }
        }
        super::say(&format!("{}: restored from {}", settings.backend, self.file.display()));
        Ok(ExitCode::SUCCESS)
    }
}

/// Copies a database, which may be in use, to a new file, and checks the copy.
fn copy_sqlite(from: &Backend, path: &Path, to: &Path) -> Result<(), String> {
    if !path.is_file() {
        return Err(format!("{}: there is no such file", path.display()));
    }
    from.copy_to(to).map_err(|e| format!("{}: {e}", path.display()))?;
    let outcome = check(&Backend::Sqlite { path: to.to_owned() });
    // What checking left beside it; with its last connection closed there is nothing in them.
    [with_suffix(to, "-wal"), with_suffix(to, "-shm")].iter().for_each(|file| remove(file));
    outcome
}

/// Everything the doctor looks at.
fn check(backend: &Backend) -> Result<(), String> {
    let mut found = Vec::new();
    let is_clean = examine(backend, &mut |check| {
        if !check.is_clean() {
            found.push(check.to_string());
        }
    })
    .map_err(|e| format!("{backend}: {e}"))?;
    if is_clean {
        return Ok(());
    }
    Err(format!("{backend}: the copy is not sound\n{}", found.join("\n")))
}

/// Makes a file durable, then gives it its name, then makes that durable. A name
/// that somebody else took meanwhile is left to them.
fn settle(part: &Path, file: &Path) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("{}: {e}", file.display());
    File::open(part).and_then(|part| part.sync_all()).map_err(failed)?;
    std::fs::hard_link(part, file).map_err(failed)?;
    std::fs::remove_file(part).map_err(failed)?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

fn refuse_existing(file: &Path) -> Result<(), String> {
    match file.symlink_metadata() {
        Ok(_) => Err(format!("{}: exists; nothing is overwritten", file.display())),
        Err(_) => Ok(()),
    }
}

fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn remove(file: &Path) {
    let _there_is_none = std::fs::remove_file(file);
}

/// Runs a program of PostgreSQL whose last argument is the address. Others can
/// read arguments: the password goes by the environment.
fn call(command: &mut Command, program: &str, url: &str) -> Result<(), String> {
    let (url, password) = without_password(url);
    command.arg(url);
    if let Some(password) = password {
        command.env("PGPASSWORD", password);
    }
    run(command, program)
}

fn run(command: &mut Command, program: &str) -> Result<(), String> {
    let output = command.output().map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => {
            format!("{program} is not in PATH: install the PostgreSQL client programs of the server's version or later")
        }
        _ => format!("{program}: {e}"),
    })?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

fn without_password(url: &str) -> (String, Option<String>) {
    let split = || {
        let (scheme, rest) = url.split_once("://")?;
        let (user, place) = rest.split_once('@')?;
        let (user, password) = user.split_once(':')?;
        // In the part before the host only `%` escapes: what a form would read otherwise is escaped first.
        let escaped = password.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
        let (password, _) = url::form_urlencoded::parse(escaped.as_bytes()).next()?;
        Some((format!("{scheme}://{user}@{place}"), Some(password.into_owned())))
    };
    split().unwrap_or_else(|| (url.to_owned(), None))
}

#[cfg(test)]
mod tests {
    use super::without_password;

    #[test]
    fn a_password_is_not_shown_among_arguments() {
        let (url, password) = without_password("postgres://user:p%40ss+w=d@h1:5432,h2/catalogue?sslmode=require");
        assert_eq!(url, "postgres://user@h1:5432,h2/catalogue?sslmode=require");
        assert_eq!(password.as_deref(), Some("p@ss+w=d"));
        for plain in ["postgres://user@host/catalogue", "postgres:///catalogue?host=/run"] {
            assert_eq!(without_password(plain), (plain.to_owned(), None));
        }
    }
}
