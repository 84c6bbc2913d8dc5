//! Who keeps something made from the database hears of every change in time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use gouvtech_catalogue::clock::Clock;
use gouvtech_catalogue::db::journal::{Bookmark, Change, Head};
use gouvtech_catalogue::db::{Actor, Backend, Follower, Id, Limits, Listener, Resource, Store};
use gouvtech_catalogue::error::{Error, Result};

use crate::cases;
use crate::support::{App, json};

cases![
    a_listener_hears_of_own_commits_at_once_and_of_others_within_a_second,
    every_entry_is_told_whatever_commits_meanwhile,
    an_older_transaction_does_not_hold_back_what_is_committed,
    a_listener_that_fails_is_told_again,
    a_follower_goes_on_from_its_bookmark,
];

/// Remembers what it was told.
#[derive(Default)]
struct Ear {
    heard: Mutex<BTreeMap<Id, usize>>,
    bookmark: Mutex<Bookmark>,
    is_deaf: AtomicBool,
}

impl Listener for Ear {
    fn changed(&self, entries: &[Change], heard_to: Head) -> Result<()> {
        if self.is_deaf.swap(false, Ordering::SeqCst) {
            return Err(Error::unavailable("deaf for once"));
        }
        let mut heard = self.heard.lock().expect("heard");
        entries.iter().for_each(|entry| *heard.entry(entry.resource_id).or_default() += 1);
        *self.bookmark.lock().expect("a bookmark") = heard_to.bookmark;
        Ok(())
    }
}

impl Ear {
    fn count(&self, id: Id) -> usize {
        self.heard.lock().expect("heard").get(&id).copied().unwrap_or_default()
    }

    fn waits_for(&self, id: Id) -> Duration {
        let began = Instant::now();
        while self.count(id) == 0 {
            assert!(began.elapsed() < Duration::from_secs(10), "never heard of {id}");
            std::thread::sleep(Duration::from_millis(1));
        }
        began.elapsed()
    }
}

fn open(app: &App) -> Store {
    Store::open(app.store().backend(), &Limits::default(), Clock::default()).expect("opened")
}

fn note(store: &Store) -> Id {
    let id = Id::new();
    store.write_here(&Actor::System, |tx| tx.record("note", Resource::Solution, id, 1, json!({}))).expect("written");
    id
}

fn follow(store: &Store, from: Bookmark) -> (Arc<Ear>, Follower) {
    let ear = Arc::<Ear>::default();
    let follower = Follower::start(store, from, vec![Arc::clone(&ear) as Arc<dyn Listener>]).expect("started");
    (ear, follower)
}

fn caught_up(follower: &Follower) -> bool {
    actix_web::rt::System::new().block_on(follower.caught_up(Duration::from_secs(5)))
}

fn a_listener_hears_of_own_commits_at_once_and_of_others_within_a_second(app: &App) {
    let (here, elsewhere) = (open(app), open(app));
    let (ear, follower) = follow(&here, Bookmark::default());
    assert!(caught_up(&follower));
    for _ in 0..5 {
        let id = note(&here);
        assert!(caught_up(&follower));
        assert_eq!(ear.count(id), 1, "caught up without having heard");
    }
    let id = note(&elsewhere);
    let took = ear.waits_for(id);
    assert!(took < Duration::from_secs(1), "heard of another process after {took:?}");
}

fn every_entry_is_told_whatever_commits_meanwhile(app: &App) {
    let store = open(app);
    let (ear, follower) = follow(&store, Bookmark::default());
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let store = store.clone();
            std::thread::spawn(move || (0..25).map(|_| note(&store)).collect::<Vec<Id>>())
        })
        .collect();
    let all: Vec<Id> = writers.into_iter().flat_map(|writer| writer.join().expect("written")).collect();
    assert!(caught_up(&follower));
    let missed = all.iter().filter(|id| ear.count(**id) == 0).count();
    assert_eq!(missed, 0, "of {} entries", all.len());
    let last = store.read_here(Bookmark::latest).expect("read");
    assert!(follower.position() >= last.position());
}

fn an_older_transaction_does_not_hold_back_what_is_committed(app: &App) {
    let Backend::Postgres { url } = app.store().backend() else { return };
    let store = open(app);
    let (ear, follower) = follow(&store, Bookmark::default());
    let mut older = PgConnection::establish(url).expect("a connection");
    older.batch_execute("BEGIN; SELECT pg_current_xact_id()").expect("begun");
    let id = note(&store);
    assert!(caught_up(&follower));
    assert_eq!(ear.count(id), 1, "held back by a transaction that runs");
    // The bookmark waits for the older one, and what was told is not told again after it.
    let before = *ear.bookmark.lock().expect("a bookmark");
    older.batch_execute("COMMIT").expect("ended");
    let next = note(&store);
    assert!(caught_up(&follower));
    assert_eq!((ear.count(id), ear.count(next)), (1, 1));
    let began = Instant::now();
    while *ear.bookmark.lock().expect("a bookmark") == before {
        assert!(began.elapsed() < Duration::from_secs(5), "the bookmark stays");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn a_listener_that_fails_is_told_again(app: &App) {
    let store = open(app);
    let (ear, follower) = follow(&store, Bookmark::default());
    assert!(caught_up(&follower));
    ear.is_deaf.store(true, Ordering::SeqCst);
    let id = note(&store);
    ear.waits_for(id);
    assert_eq!(ear.count(id), 1);
}

fn a_follower_goes_on_from_its_bookmark(app: &App) {
    let store = open(app);
    let (ear, follower) = follow(&store, Bookmark::default());
    let first = note(&store);
    ear.waits_for(first);
    drop(follower);
    let bookmark = *ear.bookmark.lock().expect("a bookmark");
    let meanwhile = note(&store);
    let (later, follower) = follow(&store, bookmark);
    assert!(caught_up(&follower));
    assert_eq!(later.count(meanwhile), 1);
    let next = note(&store);
    assert!(caught_up(&follower) && later.count(next) == 1, "the second follower of a store does not follow");
    if matches!(store.backend(), Backend::Sqlite { .. }) {
        assert_eq!(later.count(first), 0, "told again after its bookmark");
    }
}
