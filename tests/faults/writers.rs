//! Writers that keep a journal of what was acknowledged, in memory, and the
//! comparison of that journal with a database.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::ground::Database;
use crate::http::{Answer, Client};

/// What writers saw.
#[derive(Default)]
pub struct Journal {
    /// Key to identifier: a complete 2xx came back.
    pub acknowledged: BTreeMap<String, String>,
    pub last_success: Option<Instant>,
    pub refused: u64,
    pub unanswered: u64,
    pub longest: Duration,
    /// Answers that nobody should get.
    pub wrong: Vec<String>,
}

/// Threads that post drafts, each with a key of its own, and send again what got no answer.
pub struct Writers {
    pub journal: Arc<Mutex<Journal>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Writers {
    /// `name` sets the keys of these writers apart from others'.
    pub fn start(base: &str, token: &str, name: &str, count: usize) -> Self {
        Self::starting(count, name, |_| Client::new(base), token)
    }

    pub fn starting(count: usize, name: &str, client: impl Fn(usize) -> Client, token: &str) -> Self {
        let journal = Arc::new(Mutex::new(Journal::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let threads = (0..count)
            .map(|number| {
                let (journal, stop) = (Arc::clone(&journal), Arc::clone(&stop));
                let (client, token, name) = (client(number), token.to_owned(), format!("{name}w{number}"));
                std::thread::spawn(move || write(&client, &token, &name, &journal, &stop))
            })
            .collect();
        Self { journal, stop, threads }
    }

    /// The keys of what was acknowledged so far.
    pub fn keys(&self) -> BTreeSet<String> {
        self.journal.lock().expect("a journal").acknowledged.keys().cloned().collect()
    }

    pub fn acknowledged(&self) -> usize {
        self.journal.lock().expect("a journal").acknowledged.len()
    }

    /// Waits for this many more acknowledgements.
    pub fn progress(&self, more: usize, limit: Duration) {
        let goal = self.acknowledged() + more;
        let came = crate::ground::until(limit, || self.acknowledged() >= goal);
        let journal = self.journal.lock().expect("a journal");
        assert!(came.is_some(), "no progress within {limit:?}; answers: {:?}", journal.wrong);
    }

    /// Whether a write succeeded after that instant.
    pub fn succeeded_since(&self, then: Instant) -> bool {
        self.journal.lock().expect("a journal").last_success.is_some_and(|at| at > then)
    }

    /// Ends them; the journal.
    pub fn finish(mut self) -> Journal {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().expect("a writer");
        }
        std::mem::take(&mut *self.journal.lock().expect("a journal"))
    }
}

impl Drop for Writers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// A draft by its key.
pub fn post(client: &Client, token: &str, key: &str) -> Result<Answer, String> {
    client.post("/api/v1/solutions").by(token).header("idempotency-key", key).json(&json!({"name": key})).send()
}

fn write(client: &Client, token: &str, name: &str, journal: &Mutex<Journal>, stop: &AtomicBool) {
    for number in 0.. {
        let key = format!("{name}n{number}");
        loop {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            let start = Instant::now();
            let outcome = post(client, token, &key);
            let mut journal = journal.lock().expect("a journal");
            journal.longest = journal.longest.max(start.elapsed());
            match outcome {
                Ok(answer) if answer.status == 201 => {
                    journal.acknowledged.insert(key.clone(), answer.member("id"));
                    journal.last_success = Some(Instant::now());
                    break;
                }
                Ok(answer) => {
                    journal.refused += 1;
                    if !answer.is_polite_refusal() && journal.wrong.len() < 3 {
                        journal.wrong.push(answer.shown());
                    }
                }
                Err(_) => journal.unanswered += 1,
            }
            drop(journal);
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A journal held against a database.
#[derive(Debug, Default)]
pub struct Verdict {
    pub acknowledged: usize,
    /// Acknowledged and not there.
    pub lost: Vec<String>,
    /// There more than once, or under another identifier than acknowledged.
    pub doubled: Vec<String>,
}

impl Verdict {
    pub fn of(journal: &Journal, database: &Database) -> Self {
        let id = database.id_as_text("id");
        let mut there: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in database.lines(&format!("SELECT name_folded || ' ' || {id} AS line FROM solutions")) {
            if let Some((name, id)) = line.split_once(' ') {
                there.entry(name.to_owned()).or_default().push(id.to_owned());
            }
        }
        let mut verdict = Self { acknowledged: journal.acknowledged.len(), ..Self::default() };
        for (key, id) in &journal.acknowledged {
            match there.get(key) {
                None => verdict.lost.push(key.clone()),
                Some(ids) if !ids.contains(id) => verdict.doubled.push(key.clone()),
                Some(_) => {}
            }
        }
        verdict.doubled.extend(there.iter().filter(|(_, ids)| ids.len() > 1).map(|(key, _)| key.clone()));
        verdict
    }

    pub fn assert_clean(&self) {
        assert!(self.acknowledged > 0, "nothing was acknowledged: nothing shown");
        assert!(
            self.lost.is_empty(),
            "{} of {} acknowledged are lost: {:?}",
            self.lost.len(),
            self.acknowledged,
            self.lost
        );
        assert!(self.doubled.is_empty(), "done more than once: {:?}", self.doubled);
    }
}

impl Journal {
    /// Wants every answer to have been a success or a refusal as promised.
    pub fn assert_polite(&self) {
        assert!(self.wrong.is_empty(), "answers that were not promised: {:#?}", self.wrong);
    }
}
