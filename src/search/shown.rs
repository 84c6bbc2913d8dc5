//! What a list or a page shows to anybody, from one snapshot: nothing of it is asked of the
//! database.

use std::time::Duration;

use actix_web::web::block;
use tantivy::{DocAddress, Searcher, Term};
use tokio::time::timeout;

use super::feed::{Search, Shown, failed, find};
use super::filter::Filter;
use super::parse::Asked;
use super::question::{self, Answer, Question};
use super::suggest::Card;
use crate::db::Id;
use crate::error::{Error, Result};
use crate::http::text::fold;
use crate::solutions::view::{Namesake, with_namesakes};

/// A solution as anybody reads it.
pub struct One {
    pub id: Id,
    /// Number of the published version.
    pub version: i32,
    /// JSON.
    pub document: String,
}

/// Others of one name that are shown.
const MOST_NAMESAKES: usize = 1000;

impl Search {
    /// Answers a question with the view of each row, as JSON.
    pub fn page(&self, question: &Question) -> Result<(Answer, Vec<String>)> {
        let shown = self.shown();
        let answer = self.answer_from(&shown, question)?;
        let views = answer.rows.iter().map(|row| self.document(&shown.searcher, row.address)).collect::<Result<_>>()?;
        Ok((answer, views))
    }

    /// What anybody reads of one solution, by id or slug; none where the index knows no public one by it.
    pub fn one(&self, key: &str) -> Result<Option<One>> {
        let searcher = self.searcher();
        let field = if Id::parse(key).is_some() { self.fields.id } else { self.fields.key };
        let found = find(&searcher, &Term::from_field_text(field, key), 1).map_err(failed)?;
        let Some(address) = found.first().copied() else { return Ok(None) };
        let (card, view) = self.stored(&searcher, address)?;
        // Among keys are numbers and addresses too.
        let Some(id) = Id::parse(&card.id).filter(|_| card.id == key || card.slug == key) else { return Ok(None) };
        let document = self.completed(&searcher, address, &card, view)?;
        Ok(Some(One { id, version: card.version, document }))
    }

    /// All that a filter and a text keep, in the order of ids: for who takes all of it.
    pub fn all(&self, shown: &Shown, asked: &Asked, filter: &Filter) -> Result<Vec<(Id, DocAddress)>> {
        let mut all = Vec::new();
        for (segment, docs) in (0u32..).zip(question::matching(shown, &self.fields, asked, filter).map_err(failed)?) {
            let column = shown.searcher.segment_reader(segment).fast_fields().str("id").map_err(failed)?;
            let Some(column) = column else { continue };
            let mut id = String::new();
            for doc in docs.iter() {
                let nameless = || Error::Internal("a document of the index without its id".to_owned());
                let ord = column.ords().first(doc).ok_or_else(nameless)?;
                column.ord_to_str(ord, &mut id).map_err(|error| failed(error.into()))?;
                all.push((Id::parse(&id).ok_or_else(nameless)?, DocAddress::new(segment, doc)));
            }
        }
        all.sort_unstable_by_key(|(id, _)| *id);
        Ok(all)
    }

    /// What anybody reads of a solution, as JSON.
    pub fn document(&self, searcher: &Searcher, address: DocAddress) -> Result<String> {
        let (card, view) = self.stored(searcher, address)?;
        self.completed(searcher, address, &card, view)
    }

    fn completed(&self, searcher: &Searcher, address: DocAddress, card: &Card, view: String) -> Result<String> {
        with_namesakes(view, &self.namesakes(searcher, address, &fold(&card.name))?)
    }

    /// Others of the same folded name, in the order of their ids.
    fn namesakes(&self, searcher: &Searcher, address: DocAddress, name: &str) -> Result<Vec<Namesake>> {
        let same = Term::from_field_text(self.fields.folded, name);
        let mut found = Vec::new();
        for other in find(searcher, &same, MOST_NAMESAKES + 1).map_err(failed)? {
            if other != address {
                let (card, _) = self.stored(searcher, other)?;
                found.extend(Id::parse(&card.id).map(|id| Namesake { id, slug: card.slug }));
            }
        }
        found.sort_by_key(|one| one.id);
        found.truncate(MOST_NAMESAKES);
        Ok(found)
    }

    /// Works with the index on a thread that may take its time, one of few.
    pub async fn work<T: Send + 'static>(
        self: &std::sync::Arc<Self>,
        within: Duration,
        work: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let late = |_| Error::unavailable("no answer of the index in time");
        let search = std::sync::Arc::clone(self);
        let worked = async move {
            let permit = std::sync::Arc::clone(&search.permits).acquire_owned().await;
            let permit = permit.map_err(|_| Error::Internal("the index is closed".to_owned()))?;
            let span = tracing::Span::current();
            block(move || {
                let _until_it_is_done = permit;
                span.in_scope(|| work(&search))
            })
            .await?
        };
        timeout(within, worked).await.map_err(late)?
    }
}
