//! Who looks at reviews.

use super::model::Review;
use crate::auth::{Principal, Role};
use crate::db::{Db, Id};
use crate::error::Result;
use crate::organisations::Viewer;

/// Who looks at reviews: the caller, and the opaque id authors are known by.
#[derive(Debug, Clone)]
pub struct Reader {
    pub viewer: Viewer,
    pub actor_id: Option<Id>,
}

impl Reader {
    /// Finds the organisation and the person behind a token.
    pub fn of(db: &mut Db, principal: Option<&Principal>) -> Result<Self> {
        let viewer = Viewer::of(db, principal)?;
        Self::new(db, viewer)
    }

    /// As [`Reader::of`], with the organisation already found.
    pub fn new(db: &mut Db, viewer: Viewer) -> Result<Self> {
        let actor_id = viewer.principal.as_ref().map(|principal| principal.actor().known(db)).transpose()?.flatten();
        Ok(Self { viewer, actor_id })
    }

    /// The public body the caller acts for.
    pub fn body(&self) -> Option<Id> {
        self.viewer.acting_as(Role::Buyer)
    }

    /// Whether the caller acts for the body of the review's author.
    pub fn is_of_its_body(&self, review: &Review) -> bool {
        self.body() == Some(review.organisation_id)
    }

    /// Whether the caller wrote the review, and still acts for the same body.
    pub fn wrote(&self, review: &Review) -> bool {
        self.is_of_its_body(review) && self.actor_id == Some(review.actor_id)
    }

    /// Whether the caller reads a review wherever it stands, with the name of its body.
    pub fn sees_all_of(&self, review: &Review) -> bool {
        self.viewer.is_moderator() || self.is_of_its_body(review)
    }
}
