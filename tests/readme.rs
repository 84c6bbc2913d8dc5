//! The documents keep their word: the tour of the README runs, its table of
//! settings is that of `--help`, its links and those of `docs/` lead somewhere.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gouvtech_catalogue::error::Code;

use crate::cases;
use crate::support::App;

cases![
    the_tour_of_the_readme_works,
    the_tour_works_over_the_demonstration,
    the_table_of_settings_is_that_of_the_help,
    the_table_of_commands_is_that_of_the_help,
    every_link_leads_to_a_file,
    every_path_in_the_documents_exists,
    every_test_that_the_documents_name_exists,
    every_problem_is_in_the_reference,
];

const README: &str = include_str!("../README.md");
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_gouvtech-catalogue");
/// How long the server may take to come up, and the tour to run.
const PATIENCE: Duration = Duration::from_secs(120);
/// What the script prints before each block; no answer begins like this.
const MARK: &str = "=== block";

/// A process that does not outlive the case.
pub struct Guarded(pub Child);

impl Drop for Guarded {
    fn drop(&mut self) {
        let _gone_already = self.0.kill();
        let _status = self.0.wait();
    }
}

/// A command whose settings come from its caller alone.
fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("GOUVTECH_")) {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

/// The built program serving this case's database, and its address.
pub fn serve(url: &str, folder: &Path, options: &[&str]) -> (Guarded, String) {
    let mut server = Guarded(
        command(PROGRAM)
            .args(["serve", "--bind", "127.0.0.1:0", "--database-url", url, "--data-dir"])
            .arg(folder)
            .args(options)
            .stdout(Stdio::piped())
            .stderr(File::create(folder.join("log")).expect("a log"))
            .spawn()
            .expect("the program"),
    );
    let greeting = BufReader::new(server.0.stdout.take().expect("its output"));
    let (sender, receiver) = std::sync::mpsc::channel();
    // To the end of the output, so that the server never waits for a reader.
    std::thread::spawn(move || {
        for line in greeting.lines().map_while(Result::ok) {
            let address = line.trim().strip_prefix("documentation").and_then(|rest| rest.trim().strip_suffix("/docs"));
            if let Some(address) = address {
                let _receiver_may_be_gone = sender.send(address.to_owned());
            }
        }
    });
    let address = receiver.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        panic!("no greeting: {}", std::fs::read_to_string(folder.join("log")).unwrap_or_default());
    });
    (server, address)
}

/// The blocks that are marked to be run, in order.
fn tour() -> Vec<&'static str> {
    README.split("```sh tour\n").skip(1).map(|rest| rest.split("\n```").next().expect("the end of a block")).collect()
}

fn is_there(program: &str) -> bool {
    // openssl has no options of its own.
    let asked = if program == "openssl" { "version" } else { "--version" };
    command(program).arg(asked).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
}

fn the_tour_of_the_readme_works(app: &App) {
    take_the_tour(app, &[]);
}

fn the_tour_works_over_the_demonstration(app: &App) {
    take_the_tour(app, &["--demo"]);
}

/// Runs the blocks in one shell against a server started with these options,
/// and looks for what each of them is to answer.
fn take_the_tour(app: &App, options: &[&str]) {
    if !can_run(&["bash", "curl"]) {
        return;
    }
    let blocks = tour();
    assert!(blocks.len() > 5, "only {} blocks", blocks.len());
    let folder = tempfile::tempdir().expect("a folder");
    let (_server, address) = serve(app.url(), folder.path(), options);
    let data = folder.path().to_str().expect("text").to_owned();
    let environment = [("BASE", address), ("GT", PROGRAM.to_owned()), ("GOUVTECH_DATA_DIR", data)];
    walk(&blocks, &environment, folder.path());
}

/// Whether these programs are here; else it is said loudly, and with `CI=true` a failure.
pub fn can_run(programs: &[&str]) -> bool {
    let Some(missing) = programs.iter().find(|program| !is_there(program)) else { return true };
    assert!(!std::env::var("CI").is_ok_and(|value| value == "true"), "CI=true and {missing} is missing");
    eprintln!("\n=== NO {missing}: what a document shows is not run ===\n");
    false
}

/// Runs blocks in one shell, and looks for what each of them is to answer.
pub fn walk(blocks: &[&str], environment: &[(&str, String)], folder: &Path) {
    let script: String = std::iter::once("set -eu\n".to_owned())
        .chain(blocks.iter().enumerate().map(|(number, block)| format!("echo '{MARK} {number}'\n{block}\n")))
        .collect();
    let output = folder.join("output");
    let file = File::create(&output).expect("a file");
    let mut bash = Guarded(
        command("bash")
            .args(["-c", &script])
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .current_dir(folder)
            .stdout(file.try_clone().expect("the file"))
            .stderr(file)
            .spawn()
            .expect("bash"),
    );
    let began = Instant::now();
    let status = loop {
        if let Some(status) = bash.0.try_wait().expect("asked") {
            break Some(status);
        }
        if began.elapsed() > PATIENCE {
            break None;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let said = std::fs::read_to_string(&output).expect("what was said");
    assert!(status.is_some_and(|status| status.success()), "the tour ended with {status:?}\n{said}");
    for (number, block) in blocks.iter().enumerate() {
        let answer = said
            .split(&format!("{MARK} {number}\n"))
            .nth(1)
            .and_then(|rest| rest.split(MARK).next())
            .unwrap_or_else(|| panic!("block {number} did not run\n{said}"));
        for expected in block.lines().filter_map(|line| line.strip_prefix("# → ")) {
            assert!(answer.contains(expected), "no `{expected}` in the answer to\n{block}\n\n{answer}");
        }
    }
}

/// The rows of the table, as the program describes its settings.
fn rows_of_the_help() -> Vec<String> {
    let output = command(PROGRAM).arg("--help").output().expect("the program");
    let help = String::from_utf8(output.stdout).expect("text");
    let options = help.split("Options:").nth(1).expect("options");
    options
        .split("\n      --")
        .skip(1)
        .filter_map(|one| {
            let words = one.split_whitespace().collect::<Vec<_>>().join(" ");
            let (name, rest) = words.split_once(' ')?;
            let rest = rest.strip_prefix('<')?.split_once("> ")?.1;
            let mark = |name: &str| {
                let text = rest.split(&format!("[{name}: ")).nth(1)?.split(']').next()?;
                Some(text.trim_end_matches('=').to_owned())
            };
            let meaning = rest.split(" [").next().unwrap_or_default();
            let default = mark("default").unwrap_or_default();
            Some(format!("| `--{name}` | `{}` | {default} | {meaning} |", mark("env")?))
        })
        .collect()
}

fn the_table_of_settings_is_that_of_the_help(_: &App) {
    let wanted = rows_of_the_help();
    let written: Vec<&str> = README.lines().filter(|line| line.starts_with("| `--")).collect();
    assert!(wanted.len() > 15, "{wanted:?}");
    assert!(written == wanted, "the README's table of settings is to be:\n{}", wanted.join("\n"));
}

fn the_table_of_commands_is_that_of_the_help(_: &App) {
    let output = command(PROGRAM).arg("--help").output().expect("the program");
    let help = String::from_utf8(output.stdout).expect("text");
    let commands = help.split("Commands:\n").nth(1).and_then(|rest| rest.split("\n\n").next()).expect("commands");
    let wanted: BTreeSet<&str> = commands
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|command| *command != "help")
        .collect();
    let table = README.split("\n## Commands\n").nth(1).and_then(|rest| rest.split("\n## ").next()).expect("a table");
    let written: BTreeSet<&str> =
        table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert!(wanted.len() > 5, "{help}");
    assert_eq!(written, wanted);
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// README, CHANGELOG and everything in `docs/`.
fn documents() -> Vec<(PathBuf, String)> {
    let mut folders = vec![root().join("docs")];
    let mut paths = vec![root().join("README.md"), root().join("CHANGELOG.md")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "md") {
                paths.push(path);
            }
        }
    }
    assert!(paths.len() > 10, "{paths:?}");
    paths.into_iter().map(|path| (path.clone(), std::fs::read_to_string(&path).expect("text"))).collect()
}

fn every_link_leads_to_a_file(_: &App) {
    let mut broken = Vec::new();
    for (path, text) in documents() {
        let folder = path.parent().expect("a folder");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") && !folder.join(target).exists() {
                broken.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

fn every_path_in_the_documents_exists(_: &App) {
    let folders = ["src/", "tests/", "docs/", "data/", "migrations/", "openapi/", ".ci/"];
    let mut broken = Vec::new();
    for (path, text) in documents() {
        for span in text.lines().flat_map(|line| line.split('`').skip(1).step_by(2)) {
            let is_path = folders.iter().any(|folder| span.starts_with(folder));
            // What the reader is to fill in, and what a run makes, is not there yet.
            let is_plain =
                !span.contains(['<', '*', ' ', '…', '{']) && !span.contains("sqlite") && !span.contains(".pem");
            if is_path && is_plain && !root().join(span).exists() {
                broken.push(format!("{}: {span}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

fn every_test_that_the_documents_name_exists(_: &App) {
    let mut sources = String::new();
    let mut folders = vec![root().join("tests"), root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() && !path.ends_with("node_modules") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let file = if path.ends_with("mod.rs") { path.parent().expect("a folder") } else { path.as_path() };
                let room = file.file_stem().expect("a name").to_string_lossy().into_owned();
                let text = std::fs::read_to_string(&path).expect("text");
                let names = text.split("fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next());
                names.for_each(|name| sources.push_str(&format!("{room}::{name}\n")));
            }
        }
    }
    let known: BTreeSet<&str> = sources.lines().collect();
    let mut missing = BTreeSet::new();
    for (path, text) in documents() {
        for span in text.lines().flat_map(|line| line.split('`').skip(1).step_by(2)) {
            // Such as `labels::who_examined_does_not_decide`: a room and a sentence.
            let is_case = span.split_once("::").is_some_and(|(room, sentence)| {
                let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
                room.chars().all(is_word) && sentence.contains('_') && sentence.chars().all(is_word)
            });
            if is_case && !known.contains(span) {
                missing.insert(format!("{}: {span}", path.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

fn every_problem_is_in_the_reference(_: &App) {
    let reference = include_str!("../docs/API-DESIGN.md");
    let wanted: BTreeSet<String> =
        Code::ALL.iter().map(|code| format!("| {} | `{}` |", code.status().as_u16(), code.code())).collect();
    let missing: Vec<&String> = wanted.iter().filter(|row| !reference.contains(row.as_str())).collect();
    assert!(missing.is_empty(), "docs/API-DESIGN.md lacks {missing:?}");
}
