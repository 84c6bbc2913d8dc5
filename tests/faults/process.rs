//! The program as a process: started, asked, killed, started again.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::ground::{Database, until};
use crate::http::Client;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_gouvtech-catalogue");

/// A server that can be started many times at one address over one database.
pub struct Server {
    pub port: u16,
    pub url: String,
    child: Option<Child>,
    folder: tempfile::TempDir,
    launch: Launch,
    tokens: Mutex<Vec<(String, String, Instant)>>,
}

/// How it is started.
#[derive(Default, Clone)]
pub struct Launch {
    /// Words before the program's.
    pub under: Vec<String>,
    pub environment: Vec<(String, String)>,
    pub options: Vec<String>,
}

impl Launch {
    pub fn preloading(library: &Path) -> Self {
        Self::default().with("LD_PRELOAD", &library.display().to_string())
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn option(mut self, name: &str, value: impl ToString) -> Self {
        self.options.extend([name.to_owned(), value.to_string()]);
        self
    }
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port()
}

/// Sends a signal by name to one process.
pub fn signal(pid: u32, name: &str) {
    let _gone = Command::new("sh").args(["-c", &format!("kill -{name} {pid} 2>/dev/null")]).status();
}

impl Server {
    /// Not started yet.
    pub fn over(url: &str) -> Self {
        Self::launched(url, Launch::default())
    }

    pub fn launched(url: &str, launch: Launch) -> Self {
        let folder = tempfile::Builder::new().prefix("gt").tempdir().expect("a folder");
        Self { port: free_port(), url: url.to_owned(), child: None, folder, launch, tokens: Mutex::new(Vec::new()) }
    }

    /// A second instance: another address, the same database and key.
    pub fn sibling(&self) -> Self {
        let mut other = Self::launched(&self.url, self.launch.clone());
        other.launch.options.extend(["--signing-key".to_owned(), self.key().display().to_string()]);
        other
    }

    pub fn set(&mut self, launch: Launch) {
        self.launch = launch;
    }

    pub fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn client(&self) -> Client {
        Client::new(&self.base())
    }

    fn key(&self) -> PathBuf {
        self.folder.path().join("signing-key.pem")
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// A command of the program over this database, with the server's own settings.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut all = self.launch.under.clone();
        all.push(PROGRAM.to_owned());
        let mut command = Command::new(&all[0]);
        command.args(&all[1..]).args(words).args(["--database-url", &self.url]);
        command.args(["--data-dir", &self.folder.path().display().to_string()]).args(&self.launch.options);
        // What is measured is the server, not its limit for one caller.
        command.env("GOUVTECH_RATE_LIMIT_READS", "0").env("GOUVTECH_RATE_LIMIT_WRITES", "0");
        command.envs(self.launch.environment.iter().map(|(name, value)| (name, value)));
        command.current_dir(self.folder.path());
        command
    }

    /// Starts it without waiting.
    pub fn spawn(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let log = std::fs::File::options().create(true).append(true).open(self.log_file()).expect("a log");
        let mut command = self.command(&["serve", "--bind", &format!("127.0.0.1:{}", self.port)]);
        if !self.launch.options.iter().any(|option| option == "--log") {
            command.args(["--log", "warn"]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.child = Some(command.spawn().expect("the program"));
    }

    /// Starts it and waits until it is ready; how long that took.
    pub fn start(&mut self) -> Duration {
        self.spawn();
        self.ready_within(Duration::from_secs(30)).unwrap_or_else(|| panic!("not ready: {}", self.log()))
    }

    pub fn ready_within(&self, limit: Duration) -> Option<Duration> {
        let client = Client::patient(&self.base(), Duration::from_secs(5));
        until(limit, || client.get("/readyz").send().is_ok_and(|answer| answer.status == 200))
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("a process").id()
    }

    pub fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().is_ok_and(|status| status.is_none()))
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _gone = child.kill();
            let _status = child.wait();
        }
    }

    /// Waits for its end.
    pub fn ended_within(&mut self, limit: Duration) -> Option<ExitStatus> {
        let mut status = None;
        let child = self.child.as_mut().expect("a process");
        until(limit, || {
            status = child.try_wait().expect("waited");
            status.is_some()
        });
        if status.is_some() {
            self.child = None;
        }
        status
    }

    /// SIGTERM, and its end.
    pub fn terminate(&mut self) -> ExitStatus {
        signal(self.pid(), "TERM");
        self.ended_within(Duration::from_secs(30)).expect("ended after SIGTERM")
    }

    /// The last lines of its log.
    pub fn log(&self) -> String {
        let text = std::fs::read(self.log_file()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(8)..].join("\n")
    }

    /// The whole log contains this.
    pub fn logged(&self, part: &str) -> bool {
        String::from_utf8_lossy(&std::fs::read(self.log_file()).unwrap_or_default()).contains(part)
    }

    /// Forgets the tokens made so far: the clock they were made by has changed.
    pub fn forget_tokens(&self) {
        self.tokens.lock().expect("tokens").clear();
    }

    /// A token for these words of the `token` command; made again before it is old.
    pub fn token(&self, words: &str) -> String {
        let mut tokens = self.tokens.lock().expect("tokens");
        tokens.retain(|(_, _, made)| made.elapsed() < Duration::from_secs(1800));
        if let Some((_, token, _)) = tokens.iter().find(|(known, _, _)| known == words) {
            return token.clone();
        }
        let arguments: Vec<&str> = ["token"].into_iter().chain(words.split_whitespace()).collect();
        let mut command = self.command(&arguments);
        // The key is in the data folder; the token says who calls, wherever the program runs.
        let output = command.output().expect("the program");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let token = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        tokens.push((words.to_owned(), token.clone(), Instant::now()));
        token
    }

    pub fn operator(&self) -> String {
        self.token("--role operator --duty administrator --duty moderator --subject odile")
    }

    /// Registers a vendor; the words of a token for it.
    pub fn vendor(&self) -> String {
        let body = json!({"name": "Atelier", "kinds": ["vendor"], "siren": "732829320", "legal_nature": "company"});
        let made = self.client().post("/api/v1/organisations").by(&self.operator()).json(&body).expect(201);
        format!("--role vendor --duty signatory --subject vera --organisation {}", made.member("id"))
    }

    /// The one vendor, registered by now or before.
    pub fn vendor_of(&self, database: &Database) -> String {
        let known = database.lines(&format!("SELECT {} AS line FROM organisations", database.id_as_text("id")));
        match known.first() {
            Some(id) => format!("--role vendor --duty signatory --subject vera --organisation {id}"),
            None => self.vendor(),
        }
    }

    /// Kilobytes of memory in use.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        line.trim().trim_end_matches(" kB").trim().parse().expect("VmRSS")
    }

    /// Open descriptors.
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).map_or(0, |folder| folder.count())
    }

    pub fn threads(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/task", self.pid())).map_or(0, |folder| folder.count())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &self.child {
            // It may have been stopped.
            signal(child.id(), "CONT");
        }
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- log of the server on {}:\n{}\n---", self.port, self.log());
        }
    }
}
