//! States and deadlines of appeals.

use chrono::Months;

use crate::db::Instant;

crate::codes! {
    /// Where an appeal stands.
    pub enum AppealStatus {
        /// Before the panel.
        Filed = "filed",
        /// The decision is kept.
        Upheld = "upheld",
        /// The audit body decides again.
        SentBack = "sent_back",
        /// Given up by the vendor.
        Withdrawn = "withdrawn",
    }
}

crate::codes! {
    /// What a member of the panel holds.
    pub enum Opinion {
        /// The decision is to be kept.
        Uphold = "uphold",
        /// The decision is to be made again.
        SendBack = "send_back",
    }
}

/// Persons in a panel.
pub const PANEL: usize = 3;
/// A vendor may appeal for this long.
pub const FILING: Months = Months::new(2);
/// The panel answers within this; silence keeps the decision.
pub const ANSWER: Months = Months::new(2);

/// So many months after, counted as legal days.
pub fn after(at: Instant, months: Months) -> Instant {
    let day = at.day().checked_add_months(months).unwrap_or_else(|| at.day());
    Instant::end_of(day)
}

/// What the panel has decided, once more than half of it is of one opinion.
pub fn majority(opinions: &[Opinion]) -> Option<AppealStatus> {
    let count = |opinion| opinions.iter().filter(|one| **one == opinion).count();
    if count(Opinion::Uphold) > PANEL / 2 {
        return Some(AppealStatus::Upheld);
    }
    (count(Opinion::SendBack) > PANEL / 2).then_some(AppealStatus::SentBack)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_of_three_decide() {
        use Opinion::{SendBack, Uphold};
        assert_eq!(majority(&[]), None);
        assert_eq!(majority(&[SendBack]), None);
        assert_eq!(majority(&[SendBack, Uphold]), None);
        assert_eq!(majority(&[SendBack, Uphold, SendBack]), Some(AppealStatus::SentBack));
        assert_eq!(majority(&[Uphold, Uphold]), Some(AppealStatus::Upheld));
    }

    #[test]
    fn two_months_end_with_their_last_day_in_paris() {
        let at = |text: &str| Instant::new(text.parse().expect("an instant"));
        // Half past midnight in Paris is the first of January.
        assert_eq!(after(at("2026-12-31T23:30:00Z"), FILING), at("2027-03-01T23:00:00Z"));
        assert_eq!(after(at("2026-12-31T12:00:00Z"), FILING), at("2027-02-28T23:00:00Z"));
    }
}
