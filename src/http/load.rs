//! How many requests are worked on at once, and the refusal of more.
//!
//! A request that waits for its own client to send the body is not being worked on: slow
//! clients must not use up the places of the others.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::web::Bytes;
use futures_util::Stream;

/// Requests being worked on in this instance.
#[derive(Debug, Clone, Default)]
pub struct Load(Arc<AtomicUsize>);

/// A place among them, given back when dropped.
pub struct Place {
    load: Load,
    is_taken: std::cell::Cell<bool>,
}

impl Load {
    pub fn now(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// A place, unless `most` are taken.
    pub fn enter(&self, most: usize) -> Option<Rc<Place>> {
        if self.0.fetch_add(1, Ordering::Relaxed) >= most {
            self.0.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Rc::new(Place { load: self.clone(), is_taken: true.into() }))
    }
}

impl Place {
    fn set(&self, taken: bool) {
        match (self.is_taken.replace(taken), taken) {
            (false, true) => self.load.0.fetch_add(1, Ordering::Relaxed),
            (true, false) => self.load.0.fetch_sub(1, Ordering::Relaxed),
            _ => 0,
        };
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.set(false);
    }
}

/// A body that leaves the place free while it is waited for.
struct Waited {
    inner: Payload,
    place: Rc<Place>,
}

/// The body of a request that has a place.
pub fn waited(inner: Payload, place: Rc<Place>) -> Payload {
    Payload::Stream { payload: Box::pin(Waited { inner, place }) }
}

impl Stream for Waited {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = Pin::new(&mut self.inner).poll_next(context);
        self.place.set(polled.is_ready());
        polled
    }
}

impl Drop for Waited {
    /// Given up, as at its time limit: what follows is work again.
    fn drop(&mut self) {
        if Rc::strong_count(&self.place) > 1 {
            self.place.set(true);
        }
    }
}
