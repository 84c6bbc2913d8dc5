//! How the index follows the catalogue: built once from the tables, then changed
//! by what the journal names, never by a write itself.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use tantivy::columnar::Column;
use tantivy::directory::error::OpenDirectoryError;
use tantivy::index::SegmentReader;
use tantivy::merge_policy::NoMergePolicy;
use tantivy::schema::{IndexRecordOption, Schema};
use tantivy::{DocAddress, DocSet, IndexReader, IndexWriter, Searcher, Term};
use tokio::sync::Semaphore;

use super::columns::Columns;
use super::document;
use super::folder::Folder;
use super::index::{self, Entry, Fields, Opened, VERSION};
use crate::db::journal::{Bookmark, Change, Head};
use crate::db::{Db, Id, Listener, Store};
use crate::error::{Error, Result};

/// How often the index is looked at by who waits for it.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// The index keeps where it is at least so often, even when nothing it shows changes.
const KEEP_EVERY: i64 = 5000;

/// The index of one instance.
pub struct Search {
    store: Store,
    schema: Schema,
    pub(super) fields: Fields,
    reader: IndexReader,
    writer: Mutex<IndexWriter>,
    kept: AtomicI64,
    shown: RwLock<Shown>,
    /// As many answers at once as there are processors.
    pub(super) permits: Arc<Semaphore>,
}

/// What can be found, and how much of the journal it has in it.
#[derive(Clone)]
pub struct Shown {
    pub searcher: Searcher,
    /// Of each segment.
    columns: Arc<[Arc<Columns>]>,
    pub heard: Head,
}

impl Shown {
    /// With what is known of the same segments from before.
    pub fn of(searcher: Searcher, heard: Head, before: Option<&Self>) -> Self {
        let columns = Columns::of(&searcher, before.map(|before| before.columns.as_ref()).unwrap_or_default());
        Self { searcher, columns: columns.into(), heard }
    }

    pub fn segments(&self) -> impl Iterator<Item = (&SegmentReader, &Columns)> {
        self.searcher.segment_readers().iter().zip(self.columns.iter().map(Arc::as_ref))
    }
}

/// Kept with each commit of the index.
#[derive(Debug, Serialize, Deserialize)]
struct Payload {
    version: u32,
    from_here: Bookmark,
    /// What the journal says there: another database, or an older copy, says something else.
    trace: String,
}

impl Search {
    /// Opens the index in a folder, or builds it when it is missing, damaged, of
    /// another schema or of another database; in memory when another process has
    /// the folder. Also gives where the journal is to be followed from.
    ///
    /// # Errors
    /// When the database does not answer, or no index can be made at all.
    pub fn open(store: &Store, folder: &Path, is_stopping: &AtomicBool) -> Result<(Self, Bookmark)> {
        let store = store.aside();
        let found = std::fs::create_dir_all(folder)
            .map_err(|error| error.to_string())
            .and_then(|()| open_in(Folder::open_to_check(folder)).map_err(|error| error.to_string()));
        let opened = match found {
            Ok(opened) => {
                let fits = fitting(&store, &opened)?;
                // To check it all of it was read: what nobody asks for leaves memory again.
                drop(opened);
                match fits {
                    Some(from_here) => {
                        let opened = open_in(Folder::open(folder)).map_err(failed)?;
                        return Ok((Self::new(store, opened, from_here)?, from_here));
                    }
                    None => anew(folder),
                }
            }
            // Somebody else writes there: it is theirs.
            Err(reason) if reason.contains("Lockfile") || reason.contains("LockBusy") => {
                tracing::warn!(folder = %folder.display(), "the search index is in use; this one stays in memory");
                index::open(None)
            }
            Err(reason) => {
                tracing::warn!(folder = %folder.display(), reason, "the search index is made anew");
                anew(folder)
            }
        };
        let opened = opened.or_else(|error| {
            tracing::warn!(folder = %folder.display(), %error, "the search index stays in memory");
            index::open(None)
        });
        let search = Self::new(store, opened.map_err(failed)?, Bookmark::default())?;
        let from_here = search.build(is_stopping)?;
        Ok((search, from_here))
    }

    fn new(store: Store, opened: Opened, from_here: Bookmark) -> Result<Self> {
        let Opened { index, reader, writer, payload: _ } = opened;
        let schema = index.schema();
        let fields = Fields::of(&schema).map_err(failed)?;
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let shown = Shown::of(reader.searcher(), Head { bookmark: from_here, unsettled: 0 }, None);
        Ok(Self {
            store,
            fields,
            schema,
            reader,
            writer: Mutex::new(writer),
            kept: AtomicI64::new(from_here.position()),
            shown: RwLock::new(shown),
            permits: Arc::new(Semaphore::new(processors)),
        })
    }

    /// Writes everything that is public.
    fn build(&self, is_stopping: &AtomicBool) -> Result<Bookmark> {
        let began = std::time::Instant::now();
        // Whatever commits from here on is told by the journal.
        let from_here = self.store.read_here(Bookmark::latest)?;
        let mut writer = self.writer();
        writer.set_merge_policy(Box::new(NoMergePolicy));
        writer.delete_all_documents().map_err(failed)?;
        let (mut after, mut count) = (None, 0);
        loop {
            if is_stopping.load(Ordering::Relaxed) {
                return Err(Error::unavailable("stopping"));
            }
            let (ids, entries) = self.store.read_here(|db| {
                let ids = document::next(db, after)?;
                let entries = document::load(db, &ids)?;
                Ok((ids, entries))
            })?;
            let Some(last) = ids.last() else { break };
            after = Some(*last);
            count += entries.len();
            for entry in &entries {
                self.add(&writer, entry)?;
            }
        }
        self.commit(&mut writer, from_here)?;
        self.join(&mut writer, is_stopping)?;
        drop(writer);
        self.show(Head { bookmark: from_here, unsettled: 0 });
        tracing::info!(count, took_ms = began.elapsed().as_millis(), "the search index is built");
        Ok(from_here)
    }

    /// Makes one segment of all that was built: every one costs each search a look into
    /// dictionaries of its own.
    fn join(&self, writer: &mut IndexWriter, is_stopping: &AtomicBool) -> Result<()> {
        let segments = writer.index().searchable_segment_ids().map_err(failed)?;
        if segments.len() > 1 {
            let mut joining = writer.merge(&segments);
            let joined = loop {
                match (&mut joining).now_or_never() {
                    Some(joined) => break joined,
                    None if is_stopping.load(Ordering::Relaxed) => return Err(Error::unavailable("stopping")),
                    None => std::thread::sleep(LOOK_AGAIN),
                }
            };
            if let Err(error) = joined {
                tracing::warn!(%error, "the search index stays in {} parts", segments.len());
            }
            self.reader.reload().map_err(failed)?;
        }
        writer.set_merge_policy(index::merge_policy());
        Ok(())
    }

    fn writer(&self) -> std::sync::MutexGuard<'_, IndexWriter> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, writer: &IndexWriter, entry: &Entry) -> Result<()> {
        writer.add_document(index::document(&self.schema, entry).map_err(failed)?).map_err(failed)?;
        Ok(())
    }

    fn commit(&self, writer: &mut IndexWriter, from_here: Bookmark) -> Result<()> {
        let trace = self.store.read_here(|db| trace(db, from_here))?;
        let payload = Payload { version: VERSION, from_here, trace };
        let mut commit = writer.prepare_commit().map_err(failed)?;
        commit.set_payload(&serde_json::to_string(&payload)?);
        commit.commit().map_err(failed)?;
        self.reader.reload().map_err(failed)?;
        self.kept.store(from_here.position(), Ordering::Relaxed);
        Ok(())
    }

    fn show(&self, heard: Head) {
        let shown = Shown::of(self.reader.searcher(), heard, Some(&self.shown()));
        *self.shown.write().unwrap_or_else(PoisonError::into_inner) = shown;
    }

    /// What can be found now.
    pub fn searcher(&self) -> Searcher {
        self.shown().searcher
    }

    /// What can be found now, with how much of the journal that is.
    pub fn shown(&self) -> Shown {
        self.shown.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What can be found once all of a snapshot is in it, for who reads from both.
    pub fn shown_with(&self, head: Head, patience: Duration) -> Result<Shown> {
        let end = Instant::now() + patience;
        let mut shown = self.shown();
        // What others committed, or what was settled since, is not looked for at once.
        if shown.heard < head {
            self.store.look_again();
        }
        while shown.heard < head {
            if Instant::now() >= end {
                return Err(Error::unavailable("the search index is behind the database"));
            }
            std::thread::sleep(LOOK_AGAIN);
            shown = self.shown();
        }
        Ok(shown)
    }

    /// How many solutions can be found.
    pub fn count(&self) -> u64 {
        self.searcher().num_docs()
    }

    /// What is stored of these solutions, where it differs from what they are: to be taken out, to be put in.
    fn stale(&self, touched: &[Id]) -> Result<(Vec<Id>, Vec<Entry>)> {
        let searcher = self.searcher();
        let (mut out, mut fresh) = (Vec::new(), Vec::new());
        for ids in touched.chunks(document::BATCH) {
            let entries = self.store.read_here(|db| document::load(db, ids))?;
            let mut entries: BTreeMap<String, Entry> =
                entries.into_iter().map(|entry| (entry.id.clone(), entry)).collect();
            for id in ids {
                let entry = entries.remove(&id.to_string());
                let stored = self.mark_of(&searcher, *id).map_err(failed)?;
                if entry.as_ref().map(Entry::mark) == stored {
                    continue;
                }
                out.extend(stored.map(|_| *id));
                fresh.extend(entry);
            }
        }
        Ok((out, fresh))
    }

    fn mark_of(&self, searcher: &Searcher, id: Id) -> tantivy::Result<Option<u64>> {
        let found = find(searcher, &index::term_of(&self.fields, &id.to_string()), 1)?;
        let Some(at) = found.first() else { return Ok(None) };
        let Some(segment) = searcher.segment_readers().get(at.segment_ord as usize) else { return Ok(None) };
        let marks: Column<u64> = segment.fast_fields().u64("mark")?;
        Ok(marks.first(at.doc_id))
    }
}

impl Listener for Search {
    fn changed(&self, entries: &[Change], heard: Head) -> Result<()> {
        let from_here = heard.bookmark;
        let touched: Vec<Id> = self.store.ask_here(|db| document::touched(db, entries))?.into_iter().collect();
        let (out, fresh) = self.stale(&touched)?;
        let has_news = !out.is_empty() || !fresh.is_empty();
        if has_news || from_here.position() - self.kept.load(Ordering::Relaxed) > KEEP_EVERY {
            let mut writer = self.writer();
            let outcome = out
                .iter()
                .chain(&fresh.iter().filter_map(|entry| Id::parse(&entry.id)).collect::<Vec<_>>())
                .try_for_each(|id| {
                    writer.delete_term(index::term_of(&self.fields, &id.to_string()));
                    Ok(())
                })
                .and_then(|()| fresh.iter().try_for_each(|entry| self.add(&writer, entry)))
                .and_then(|()| self.commit(&mut writer, from_here));
            if outcome.is_err() {
                // What was not committed is told again.
                let _as_it_was = writer.rollback();
            }
            outcome?;
        }
        self.show(heard);
        Ok(())
    }
}

fn open_in(folder: Result<Folder, OpenDirectoryError>) -> tantivy::Result<Opened> {
    index::open(Some(folder?))
}

/// An index in an emptied folder.
fn anew(folder: &Path) -> tantivy::Result<Opened> {
    std::fs::remove_dir_all(folder)?;
    std::fs::create_dir_all(folder)?;
    open_in(Folder::open(folder))
}

/// Whether every file of the index is what was written.
fn is_whole(opened: &Opened) -> bool {
    match opened.index.validate_checksum() {
        Ok(damaged) => damaged.is_empty(),
        Err(_) => false,
    }
}

/// Documents that have a term, so many at most.
pub(super) fn find(searcher: &Searcher, term: &Term, most: usize) -> tantivy::Result<Vec<DocAddress>> {
    let mut found = Vec::new();
    for (ord, segment) in (0u32..).zip(searcher.segment_readers()) {
        let index = segment.inverted_index(term.field())?;
        let Some(mut postings) = index.read_postings(term, IndexRecordOption::Basic)? else { continue };
        while postings.doc() != tantivy::TERMINATED {
            if segment.alive_bitset().is_none_or(|alive| alive.is_alive(postings.doc())) {
                found.push(DocAddress::new(ord, postings.doc()));
                if found.len() == most {
                    return Ok(found);
                }
            }
            postings.advance();
        }
    }
    Ok(found)
}

/// Where to go on from, if an index is one of this program and this database, and whole.
fn fitting(store: &Store, opened: &Opened) -> Result<Option<Bookmark>> {
    let payload = opened.payload.as_deref().and_then(|text| serde_json::from_str::<Payload>(text).ok());
    let Some(payload) = payload.filter(|payload| payload.version == VERSION) else { return Ok(None) };
    let found = store.read_here(|db| trace(db, payload.from_here))?;
    Ok((found == payload.trace && is_whole(opened)).then_some(payload.from_here))
}

/// What the journal says at a bookmark; nothing before its first entry.
fn trace(db: &mut Db, bookmark: Bookmark) -> Result<String> {
    Ok(Change::find(db, bookmark.position())?.map(|entry| entry.computed_hash()).unwrap_or_default())
}

/// An index that fails is no fault of the caller's.
pub fn failed(error: tantivy::TantivyError) -> Error {
    Error::Internal(format!("search index: {error}"))
}
