//! PostgreSQL servers of our own, to kill, stop, replicate and promote.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use diesel::{Connection, PgConnection};

use crate::cluster;
use crate::ground::{Database, until};
use crate::process::{free_port, signal};

pub struct Postgres {
    pub port: u16,
    data: PathBuf,
    options: Vec<String>,
    child: Option<Child>,
    programs: PathBuf,
    as_user: Vec<String>,
    _folder: Option<tempfile::TempDir>,
}

/// What a server is started with unless a row says otherwise: durable, and quick to fail over.
const DURABLE: [&str; 5] =
    ["fsync=on", "synchronous_commit=on", "full_page_writes=on", "max_connections=100", "shared_buffers=32MB"];

impl Postgres {
    /// A new one, running.
    pub fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("gtp").tempdir_in("/tmp").expect("a folder");
        let mut server = Self::made_in(folder.path(), &DURABLE);
        server._folder = Some(folder);
        server.run().expect("PostgreSQL");
        server
    }

    /// A new one in that folder, durable or not, not yet running.
    pub fn made_in(folder: &Path, options: &[&str]) -> Self {
        let server = Self::prepared(folder, options);
        let data = server.data.display().to_string();
        let arguments = ["-D", &data, "-U", "test", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"];
        // Small segments: the volume is small.
        server.program("initdb", &[&arguments[..], &["--wal-segsize=1"]].concat());
        server
    }

    pub fn durable_in(folder: &Path) -> Self {
        Self::made_in(folder, &DURABLE)
    }

    /// One that forgets to write to the disk: the control.
    pub fn careless_in(folder: &Path) -> Self {
        Self::made_in(folder, &["fsync=off", "full_page_writes=off", "max_connections=100", "shared_buffers=32MB"])
    }

    fn prepared(folder: &Path, options: &[&str]) -> Self {
        let as_user = cluster::unprivileged(folder).expect("a user");
        let port = free_port();
        let mut all: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        all.extend(["autovacuum=off", "unix_socket_directories=", "listen_addresses=127.0.0.1"].map(ToOwned::to_owned));
        Self {
            port,
            data: folder.join("data"),
            options: all,
            child: None,
            programs: cluster::programs().expect("PostgreSQL"),
            as_user,
            _folder: None,
        }
    }

    /// A synchronous standby of this one, running and in step.
    pub fn standby(&self) -> Self {
        self.standby_by(self.port)
    }

    /// The same, fed through another port.
    pub fn standby_by(&self, port: u16) -> Self {
        let folder = tempfile::Builder::new().prefix("gtp").tempdir_in("/tmp").expect("a folder");
        let mut standby = Self::prepared(folder.path(), &DURABLE);
        standby._folder = Some(folder);
        let (data, port) = (standby.data.display().to_string(), port.to_string());
        let source = ["-h", "127.0.0.1", "-p", &port, "-U", "test", "-D", &data];
        standby.program("pg_basebackup", &[&source[..], &["-R", "-X", "stream", "-c", "fast", "--no-sync"]].concat());
        standby.run().expect("the standby");
        self.sql("ALTER SYSTEM SET synchronous_standby_names = '*'");
        self.sql("SELECT pg_reload_conf()");
        let in_step = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync' AND state = 'streaming'";
        let came = until(Duration::from_secs(20), || self.database().count(in_step) == 1);
        assert!(came.is_some(), "the standby did not come into step");
        standby
    }

    /// From now on it takes writes by itself.
    pub fn promote(&self) {
        self.sql("ALTER SYSTEM RESET synchronous_standby_names");
        self.sql("SELECT pg_promote()");
    }

    fn program(&self, name: &str, arguments: &[&str]) -> Output {
        let output = self.command(name).args(arguments).output().expect("a program");
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        output
    }

    fn command(&self, name: &str) -> Command {
        let mut words = self.as_user.clone();
        words.push(self.programs.join(name).display().to_string());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).current_dir("/tmp").stdin(Stdio::null());
        command
    }

    /// Starts it and waits until it takes connections.
    pub fn run(&mut self) -> Result<(), String> {
        assert!(self.child.is_none(), "it runs already");
        let mut command = self.command("postgres");
        command.args(["-D", &self.data.display().to_string(), "-p", &self.port.to_string()]);
        for option in &self.options {
            command.args(["-c", option]);
        }
        let log = std::fs::File::create(self.data.with_extension("log")).map_err(|e| e.to_string())?;
        command.stdout(Stdio::null()).stderr(log).process_group(0);
        self.child = Some(command.spawn().map_err(|e| e.to_string())?);
        let url = self.url();
        match until(Duration::from_secs(30), || PgConnection::establish(&url).is_ok()) {
            Some(_) => Ok(()),
            None => Err(std::fs::read_to_string(self.data.with_extension("log")).unwrap_or_default()),
        }
    }

    pub fn url(&self) -> String {
        url_at(self.port)
    }

    pub fn database(&self) -> Database {
        Database::at(self.url())
    }

    pub fn sql(&self, sql: &str) {
        self.database().execute(sql);
    }

    pub fn is_running(&mut self) -> bool {
        let is_running = self.child.as_mut().is_some_and(|child| child.try_wait().is_ok_and(|status| status.is_none()));
        if !is_running {
            self.child = None;
        }
        is_running
    }

    fn pid(&self) -> u32 {
        self.child.as_ref().expect("a process").id()
    }

    /// It and its children.
    pub fn pids(&self) -> Vec<u32> {
        let parent = self.pid();
        let children = std::fs::read_dir("/proc").expect("/proc").flatten().filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            let its_parent = stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse::<u32>().ok()?;
            (its_parent == parent).then_some(pid)
        });
        [parent].into_iter().chain(children).collect()
    }

    /// All of it stops answering, and nothing tells anybody.
    pub fn hang(&self) {
        // The postmaster first, so that no child is born meanwhile.
        signal(self.pid(), "STOP");
        self.pids().into_iter().for_each(|pid| signal(pid, "STOP"));
    }

    pub fn go_on(&self) {
        self.pids().into_iter().for_each(|pid| signal(pid, "CONT"));
    }

    /// Immediate shutdown: as after a crash, it recovers when it starts again.
    pub fn quit(&mut self) {
        signal(self.pid(), "QUIT");
        self.child.take().expect("a process").wait().expect("ended");
    }

    /// `kill -9`, all of it.
    pub fn kill(&mut self) {
        let pids = self.pids();
        pids.iter().for_each(|pid| signal(*pid, "KILL"));
        self.child.take().expect("a process").wait().expect("ended");
        let are_gone = || pids.iter().all(|pid| !Path::new(&format!("/proc/{pid}")).exists());
        assert!(until(Duration::from_secs(10), are_gone).is_some(), "PostgreSQL survives SIGKILL");
    }
}

pub fn url_at(port: u16) -> String {
    format!("postgres://test@127.0.0.1:{port}/postgres?sslmode=disable")
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.go_on();
            self.kill();
        }
    }
}
