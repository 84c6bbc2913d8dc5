//! What a list shows to anybody, from the snapshot that counted it: nothing of it is asked of
//! the database.

use std::time::Duration;

use actix_web::web::block;
use tantivy::schema::IndexRecordOption;
use tantivy::{DocSet, Searcher};
use tokio::time::timeout;

use super::feed::{Search, failed, is_alive};
use super::index::name_order;
use super::question::{Answer, Question};
use crate::error::{Error, Result};
use crate::http::text::fold;
use crate::solutions::view::Namesake;

/// Others of one name that are shown.
const MOST_NAMESAKES: usize = 1000;

impl Search {
    /// Answers a question with the view of each row, as JSON.
    pub fn shown(&self, question: &Question) -> Result<(Answer, Vec<String>)> {
        let searcher = self.searcher();
        let answer = self.answer_from(&searcher, question)?;
        let views = answer.rows.iter().map(|row| {
            let (card, mut view) = self.stored(&searcher, row.address)?;
            let namesakes = self.namesakes(&searcher, &card.id, &fold(&card.name))?;
            // The view is an object with members.
            view.pop();
            view.push_str(",\"possible_duplicates\":");
            view.push_str(&serde_json::to_string(&namesakes)?);
            view.push('}');
            Ok(view)
        });
        let views = views.collect::<Result<_>>()?;
        Ok((answer, views))
    }

    /// Others of the same folded name, in the order of their ids.
    fn namesakes(&self, searcher: &Searcher, id: &str, name: &str) -> Result<Vec<Namesake>> {
        let (from, own) = (name_order(name, ""), name_order(name, id));
        let mut found = Vec::new();
        for (ord, segment) in (0u32..).zip(searcher.segment_readers()) {
            let index = segment.inverted_index(self.fields.name_order).map_err(failed)?;
            let mut terms = index.terms().range().ge(&from).into_stream().map_err(|error| failed(error.into()))?;
            while terms.advance() && terms.key().starts_with(from.as_bytes()) {
                if terms.key() == own.as_bytes() {
                    continue;
                }
                let mut postings = index
                    .read_postings_from_terminfo(terms.value(), IndexRecordOption::Basic)
                    .map_err(|error| failed(error.into()))?;
                while postings.doc() != tantivy::TERMINATED {
                    if is_alive(segment, postings.doc()) {
                        let (card, _) = self.stored(searcher, tantivy::DocAddress::new(ord, postings.doc()))?;
                        found.extend(crate::db::Id::parse(&card.id).map(|id| Namesake { id, slug: card.slug }));
                    }
                    postings.advance();
                }
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
