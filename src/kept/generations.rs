//! Which answers still hold: a counter for each part of the public catalogue, set to the number
//! of the last change that reached it.
//!
//! An answer remembers the number of the last change before the snapshot it was made from was
//! taken, and which parts it shows. It holds as long as none of these parts was reached since.
//! A change gets its number after its commit: an answer made with a later number has seen it.

use std::sync::atomic::{AtomicU64, Ordering};

use super::reach::Reach;
use crate::db::Id;

/// Solutions share so many counters: two that share one forget together.
const PLACES: usize = 1 << 14;

/// What an answer shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shows {
    /// Anything of the public catalogue, as a list does.
    #[default]
    Catalogue,
    /// One solution, with what is said and verified about it, its vendor, its namesakes and the
    /// criteria it is measured by.
    Solution(Id),
    Organisations,
    Criteria,
    /// What is part of the program.
    Program,
}

/// The counters.
pub struct Generations {
    latest: AtomicU64,
    everything: AtomicU64,
    organisations: AtomicU64,
    criteria: AtomicU64,
    sheets: AtomicU64,
    solutions: Box<[AtomicU64]>,
}

impl Default for Generations {
    fn default() -> Self {
        Self {
            latest: AtomicU64::default(),
            everything: AtomicU64::default(),
            organisations: AtomicU64::default(),
            criteria: AtomicU64::default(),
            sheets: AtomicU64::default(),
            solutions: (0..PLACES).map(|_| AtomicU64::default()).collect(),
        }
    }
}

impl Generations {
    /// The number of the last change; to be read before a snapshot is taken.
    pub fn latest(&self) -> u64 {
        self.latest.load(Ordering::SeqCst)
    }

    /// After this, no answer that was made before and shows what is reached holds.
    pub fn touch(&self, reach: Reach) {
        if reach == Reach::Nothing {
            return;
        }
        let number = self.latest.fetch_add(1, Ordering::SeqCst) + 1;
        let touch = |counter: &AtomicU64| {
            counter.fetch_max(number, Ordering::SeqCst);
        };
        match reach {
            Reach::Nothing => {}
            Reach::Everything => touch(&self.everything),
            Reach::Organisations => touch(&self.organisations),
            Reach::Criteria => touch(&self.criteria),
            Reach::Solution(id) => self.place(id).into_iter().for_each(touch),
            Reach::Sheet(id) => {
                touch(&self.sheets);
                self.place(id).into_iter().for_each(touch);
            }
        }
    }

    /// Whether an answer made from a snapshot after change `made` still holds.
    pub fn holds(&self, made: u64, shows: Shows) -> bool {
        let is_before = |counter: &AtomicU64| counter.load(Ordering::SeqCst) <= made;
        match shows {
            Shows::Catalogue => is_before(&self.latest),
            Shows::Program => is_before(&self.everything),
            Shows::Organisations => is_before(&self.everything) && is_before(&self.organisations),
            Shows::Criteria => is_before(&self.everything) && is_before(&self.criteria),
            Shows::Solution(id) => {
                [&self.everything, &self.organisations, &self.criteria, &self.sheets].into_iter().all(is_before)
                    && self.place(id).is_some_and(is_before)
            }
        }
    }

    fn place(&self, id: Id) -> Option<&AtomicU64> {
        // The tail of an identifier is random.
        let place = usize::try_from(id.0.as_u128() % PLACES as u128).ok()?;
        self.solutions.get(place)
    }
}

#[cfg(test)]
mod tests {
    use super::{Generations, Shows};
    use crate::db::Id;
    use crate::kept::reach::Reach;

    #[test]
    fn an_answer_holds_until_what_it_shows_is_reached() {
        let (one, other) = (Id::new(), Id::new());
        let all = [
            Shows::Catalogue,
            Shows::Solution(one),
            Shows::Solution(other),
            Shows::Organisations,
            Shows::Criteria,
            Shows::Program,
        ];
        // By what is reached: which of these hold no more.
        let rows = [
            (Reach::Nothing, [false; 6]),
            (Reach::Solution(one), [true, true, false, false, false, false]),
            (Reach::Sheet(one), [true, true, true, false, false, false]),
            (Reach::Organisations, [true, true, true, true, false, false]),
            (Reach::Criteria, [true, true, true, false, true, false]),
            (Reach::Everything, [true; 6]),
        ];
        let generations = Generations::default();
        for (reach, expected) in rows {
            let made = generations.latest();
            assert!(all.iter().all(|shows| generations.holds(made, *shows)), "fresh before {reach:?}");
            generations.touch(reach);
            assert_eq!(all.map(|shows| !generations.holds(made, shows)), expected, "{reach:?}");
        }
    }
}
