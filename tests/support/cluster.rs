//! A throwaway PostgreSQL cluster, gone with the test run however it ends.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Where PostgreSQL is.
pub enum Found {
    Cluster(Cluster),
    Given(String),
    Nothing(String),
}

/// A running cluster of our own.
pub struct Cluster {
    supervisor: Child,
    url: String,
    _folder: tempfile::TempDir,
}

/// Prefers `TEST_DATABASE_URL`, else starts a cluster from the programs of this machine.
pub fn find() -> Found {
    if let Ok(url) = std::env::var("TEST_DATABASE_URL") {
        return Found::Given(url);
    }
    let Some(programs) = programs() else {
        return Found::Nothing("no initdb in `pg_config --bindir`, /usr/lib/postgresql/*/bin or PATH".to_owned());
    };
    match Cluster::start(&programs) {
        Ok(cluster) => Found::Cluster(cluster),
        Err(why) => Found::Nothing(why),
    }
}

/// The folder of PostgreSQL's programs.
pub fn programs() -> Option<PathBuf> {
    let by_config = Command::new("pg_config")
        .arg("--bindir")
        .output()
        .ok()
        .map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    let installed =
        std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
    let on_path =
        std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect::<Vec<_>>()).unwrap_or_default();
    by_config
        .into_iter()
        .chain(installed)
        .chain(on_path)
        .find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
}

impl Cluster {
    fn start(programs: &Path) -> Result<Self, String> {
        // Short: a socket's path has at most 107 bytes.
        let folder = tempfile::Builder::new().prefix("gt").tempdir_in("/tmp").map_err(|e| e.to_string())?;
        let path = folder.path();
        let as_user = unprivileged(path)?;
        let data = path.join("data");
        let command = |program: &str| {
            let mut words: Vec<String> = as_user.clone();
            words.push(programs.join(program).display().to_string());
            words
        };
        let mut initdb = command("initdb");
        initdb.extend(
            [
                "-D",
                &data.display().to_string(),
                "-U",
                "test",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
            ]
            .map(ToOwned::to_owned),
        );
        let output = run(&initdb).map_err(|e| format!("initdb: {e}"))?;
        if !output.status.success() {
            return Err(format!("initdb: {}", String::from_utf8_lossy(&output.stderr)));
        }
        let mut postgres = command("postgres");
        postgres.extend(
            [
                "-D",
                &data.display().to_string(),
                "-k",
                &path.display().to_string(),
                "-c",
                "listen_addresses=",
                "-c",
                "fsync=off",
                "-c",
                "full_page_writes=off",
                "-c",
                "synchronous_commit=off",
                "-c",
                "max_connections=200",
                "-c",
                "shared_buffers=64MB",
                "-c",
                "autovacuum=off",
                "-c",
                "log_min_messages=fatal",
            ]
            .map(ToOwned::to_owned),
        );
        // The supervisor holds our pipe: when we end, even by a signal, it reads
        // the end of it, stops the cluster and takes the folder away.
        let script = format!(
            "{} & server=$!; cat >/dev/null; kill -QUIT $server; wait $server; rm -rf {}",
            quoted(&postgres),
            path.display()
        );
        let supervisor = Command::new("sh")
            .args(["-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| e.to_string())?;
        let url = format!("postgres://test@/postgres?host={}", path.display());
        let mut cluster = Self { supervisor, url, _folder: folder };
        cluster.wait()?;
        Ok(cluster)
    }

    fn wait(&mut self) -> Result<(), String> {
        use diesel::Connection;
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            match diesel::PgConnection::establish(&self.url) {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > end => return Err(format!("the cluster did not start: {error}")),
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        let _status = self.supervisor.wait();
    }
}

/// PostgreSQL refuses to run as root: then another user owns the folder and runs it.
pub fn unprivileged(folder: &Path) -> Result<Vec<String>, String> {
    let id = |args: &[&str]| {
        let output = Command::new("id").args(args).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    if id(&["-u"]).as_deref() != Some("0") {
        return Ok(Vec::new());
    }
    let user = ["postgres", "nobody"]
        .into_iter()
        .find(|user| id(&["-u", user]).is_some())
        .ok_or("no user to run PostgreSQL as")?;
    let status = Command::new("chown").arg(user).arg(folder).status().map_err(|e| e.to_string())?;
    if !status.success() {
        return Err(format!("chown {user} {}", folder.display()));
    }
    let group = id(&["-g", user]).unwrap_or_else(|| user.to_owned());
    let uid = id(&["-u", user]).unwrap_or_else(|| user.to_owned());
    Ok(["setpriv", &format!("--reuid={uid}"), &format!("--regid={group}"), "--clear-groups", "--"]
        .map(ToOwned::to_owned)
        .to_vec())
}

fn run(words: &[String]) -> std::io::Result<std::process::Output> {
    let (program, arguments) = words.split_first().expect("a program");
    Command::new(program).args(arguments).current_dir("/tmp").output()
}

fn quoted(words: &[String]) -> String {
    words.iter().map(|word| format!("'{}'", word.replace('\'', "'\\''"))).collect::<Vec<_>>().join(" ")
}
