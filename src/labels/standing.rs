//! The life of a label after it was granted: from which status which command leads where, and
//! what has come over it beside.
//!
//! ```text
//!                 lift the last
//!  active ◀──────────────────────── active_with_reservations
//!    │  ▲  end_surveillance           │  ▲
//!    ▼  └──────── under_surveillance ─┘  │          (suspend, lapse: from any of the three)
//!    └──────────────▶ suspended ─────────┘ reinstate, to where it stood
//!                        │
//!  renounce, expire, withdraw, supersede: from any of the four, for good
//! ```

use std::collections::BTreeMap;

use chrono::{Months, NaiveDate, TimeDelta};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::acts::{ActDetails, Said};
use super::changes::PendingChange;
use super::model::Label;
use super::rules::LabelStatus;
use super::view::Reservation;
use crate::db::{Db, Instant, Tx};
use crate::error::{Error, Result};
use crate::proof::entry::EventKind;
use crate::solutions::model::Solution;
use crate::text;

/// The audit body suspends for so long at most; what is not mended by then is withdrawn (ISO/IEC 17065 §7.11).
pub const SUSPENSION_MAX: Months = Months::new(6);
/// The operator suspends for so long at most, as a precaution.
pub const PRECAUTION_MAX: TimeDelta = TimeDelta::days(30);
/// After a precaution, this long until the next: in between it is for the audit body to act.
pub const PRECAUTION_PAUSE: TimeDelta = TimeDelta::days(183);

crate::codes! {
    /// What can be done to a label.
    pub enum LabelCommand {
        LiftReservation = "lift_reservation",
        /// By the calendar: a reservation was not lifted in time.
        Lapse = "lapse",
        OpenSurveillance = "open_surveillance",
        EndSurveillance = "end_surveillance",
        Suspend = "suspend",
        Reinstate = "reinstate",
        Withdraw = "withdraw",
        Renounce = "renounce",
        /// By the calendar: its renewal is still examined on its last day.
        Extend = "extend",
        /// A version was published that may change what the label says.
        NoteChange = "note_change",
        AssessChange = "assess_change",
        Transfer = "transfer",
        Expire = "expire",
        Supersede = "supersede",
    }
}

/// Where a command leads; none when it does not start there. `back` is the valid status to which
/// the label returns from surveillance or from a suspension.
pub fn step(at: LabelStatus, command: LabelCommand, back: LabelStatus) -> Option<LabelStatus> {
    use {LabelCommand as C, LabelStatus as S};
    if !at.is_valid() && at != S::Suspended {
        return None;
    }
    match command {
        C::LiftReservation if at == S::ActiveWithReservations => Some(back),
        C::LiftReservation | C::NoteChange | C::AssessChange | C::Transfer => Some(at),
        C::Lapse => at.is_valid().then_some(S::Suspended),
        C::OpenSurveillance => matches!(at, S::Active | S::ActiveWithReservations).then_some(S::UnderSurveillance),
        C::EndSurveillance => (at == S::UnderSurveillance).then_some(back),
        C::Suspend => Some(S::Suspended),
        C::Reinstate => (at == S::Suspended).then_some(back),
        C::Withdraw => Some(S::Withdrawn),
        C::Renounce => Some(S::Renounced),
        C::Extend => at.is_valid().then_some(at),
        C::Expire => Some(S::Expired),
        C::Supersede => Some(S::Superseded),
    }
}

impl LabelCommand {
    /// What the log calls it.
    pub fn event(self) -> EventKind {
        match self {
            Self::LiftReservation => EventKind::ReservationsLifted,
            Self::Lapse | Self::Suspend => EventKind::Suspended,
            Self::OpenSurveillance => EventKind::SurveillanceOpened,
            Self::EndSurveillance => EventKind::SurveillanceEnded,
            Self::Reinstate => EventKind::Reinstated,
            Self::Withdraw => EventKind::Withdrawn,
            Self::Renounce => EventKind::Renounced,
            Self::Extend => EventKind::Extended,
            Self::NoteChange => EventKind::ChangeNoted,
            Self::AssessChange => EventKind::ChangeAssessed,
            Self::Transfer => EventKind::Transferred,
            Self::Expire => EventKind::Expired,
            Self::Supersede => EventKind::Superseded,
        }
    }
}

crate::codes! {
    /// Why a label does not hold for now, or was withdrawn by the calendar.
    pub enum Cause {
        /// The audit body suspended it.
        AuditBody = "audit_body",
        /// The operator suspended it as a precaution; the audit body decides what becomes of it.
        Precaution = "precaution",
        /// Its solution is not public.
        Solution = "solution",
        /// A reservation was not lifted in time.
        ReservationLapsed = "reservation_lapsed",
        /// What it was suspended for was not mended in time.
        NotMended = "not_mended",
    }
}

/// A suspension of a label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LabelSuspension {
    /// Why.
    pub cause: Cause,
    /// Since which day.
    pub since: NaiveDate,
    /// Up to and with which day; what is not mended by then is withdrawn, a precaution ends. Null: until
    /// the audit body reinstates the label.
    pub until: Option<NaiveDate>,
    /// Where the label stood before.
    pub from: LabelStatus,
}

/// A point to mend, and whether it is.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct HeldReservation {
    /// Code of the criterion.
    #[schema(max_length = 10, example = "SEC-03")]
    pub criterion: String,
    /// What is to be mended.
    #[schema(max_length = 2000)]
    pub text: String,
    /// By which day.
    pub due_on: NaiveDate,
    /// When the audit body found it mended; null while it stands.
    pub lifted_on: Option<NaiveDate>,
}

/// What has come over a label beside its status.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Standing {
    /// Criteria whose reservation was lifted, and when.
    pub lifted: BTreeMap<String, NaiveDate>,
    pub suspension: Option<LabelSuspension>,
    pub change: Option<PendingChange>,
    /// The last day as it was granted, once the label was extended.
    pub granted_until: Option<NaiveDate>,
}

impl Label {
    /// Reservations that are not lifted.
    pub fn open_reservations(&self) -> impl Iterator<Item = &Reservation> {
        let lifted = &self.standing.0.lifted;
        self.content.0.reservations.iter().filter(|one| !lifted.contains_key(&one.criterion))
    }

    /// Criteria whose reservation was not lifted in time.
    pub fn lapsed(&self, today: NaiveDate) -> Vec<String> {
        self.open_reservations().filter(|one| one.due_on < today).map(|one| one.criterion.clone()).collect()
    }

    /// The suspension it is under.
    pub fn suspension(&self) -> Option<LabelSuspension> {
        if self.status != LabelStatus::Suspended {
            return None;
        }
        // Before causes were kept, only its solution suspended a label.
        let (since, from) = (self.updated_at.day(), self.plain());
        let unsaid = || LabelSuspension { cause: Cause::Solution, since, until: None, from };
        Some(self.standing.0.suspension.clone().unwrap_or_else(unsaid))
    }

    /// The valid status it has by its reservations alone.
    fn plain(&self) -> LabelStatus {
        match self.open_reservations().next() {
            Some(_) => LabelStatus::ActiveWithReservations,
            None => LabelStatus::Active,
        }
    }

    /// Where a command leads from where it stands on this day.
    pub fn after(&self, command: LabelCommand, now: Instant) -> Result<LabelStatus> {
        let at = match command {
            // The calendar writes what is shown already; what is replaced may be over.
            LabelCommand::Expire | LabelCommand::Supersede => self.status,
            _ => self.shown(now.day()),
        };
        let is_watched = self.suspension().is_some_and(|one| one.from == LabelStatus::UnderSurveillance);
        // A suspension does not end the surveillance it came in.
        let back = if is_watched { LabelStatus::UnderSurveillance } else { self.plain() };
        step(at, command, back).ok_or_else(|| {
            Error::conflict(text!(
                "Le label est « {at} » ; « {command} » n’en part pas.",
                "The label is `{at}`; `{command}` does not start there."
            ))
        })
    }

    /// As it is to be shown on a day: a suspension that outlasts the label is over with it.
    pub fn shown(&self, today: NaiveDate) -> LabelStatus {
        self.status.on(today, self.valid_until)
    }

    /// Takes a step, and tells it on the label, in the journal and in the log.
    pub fn take(&mut self, tx: &mut Tx<'_>, command: LabelCommand, mut said: Said) -> Result<()> {
        let from = self.status;
        self.status = self.after(command, tx.now)?;
        if self.status.is_valid() {
            self.standing.0.suspension = None;
        }
        said.details.from = Some(from);
        said.details.status = Some(self.status);
        let changed = json!({"status": [from, self.status], "cause": said.details.cause});
        self.befall_because(tx, command.event(), changed, said)
    }

    /// Suspends it, or goes on with a suspension for another cause or for longer.
    pub fn suspend(&mut self, tx: &mut Tx<'_>, cause: Cause, until: Option<NaiveDate>, mut said: Said) -> Result<()> {
        let before = self.suspension();
        let since = match &before {
            Some(before) if before.cause == cause => before.since,
            _ => tx.now.day(),
        };
        let from = before.map_or(self.status, |before| before.from);
        let command = if cause == Cause::ReservationLapsed && self.status.is_valid() {
            LabelCommand::Lapse
        } else {
            LabelCommand::Suspend
        };
        self.after(command, tx.now)?;
        self.standing.0.suspension = Some(LabelSuspension { cause, since, until, from });
        (said.details.cause, said.details.until) = (Some(cause), until);
        self.take(tx, command, said)
    }

    /// Makes room for a later label, unless it has ended.
    pub fn give_way(&mut self, tx: &mut Tx<'_>, number: &str) -> Result<()> {
        if step(self.status, LabelCommand::Supersede, self.status).is_none() {
            return Ok(());
        }
        let details = ActDetails { next_label: Some(number.to_owned()), ..ActDetails::default() };
        self.take(tx, LabelCommand::Supersede, Said { reason: None, details })
    }

    /// The day up to which the audit body may suspend it from this day on: six months from when it first did.
    pub fn suspension_ends_by(&self, today: NaiveDate) -> NaiveDate {
        let first = self.suspension().filter(|one| one.cause == Cause::AuditBody).map_or(today, |one| one.since);
        first.checked_add_months(SUSPENSION_MAX).unwrap_or(today)
    }

    /// What stands against its being valid again.
    pub fn obstacles(&self, db: &mut Db, today: NaiveDate) -> Result<Vec<Cause>> {
        let is_public = Solution::find_by_id(db, self.solution_id)?.status.is_public();
        let solution = (!is_public).then_some(Cause::Solution);
        let lapsed = (!self.lapsed(today).is_empty()).then_some(Cause::ReservationLapsed);
        Ok(solution.into_iter().chain(lapsed).collect())
    }
}

impl Said {
    /// Without words, for this cause.
    pub fn cause(cause: Cause) -> Self {
        Self { reason: None, details: ActDetails { cause: Some(cause), ..ActDetails::default() } }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::proof::history::leads;

    const BACK: [LabelStatus; 3] =
        [LabelStatus::Active, LabelStatus::ActiveWithReservations, LabelStatus::UnderSurveillance];

    proptest! {
        #[test]
        fn what_has_ended_is_over_and_only_a_reinstatement_ends_a_suspension(
            commands in prop::collection::vec((prop::sample::select(LabelCommand::ALL), 0_usize..2), 0..40)
        ) {
            let mut at = LabelStatus::Active;
            for (command, back) in commands {
                let back = BACK[back];
                let Some(next) = step(at, command, back) else { continue };
                let is_open = |status: LabelStatus| status.is_valid() || status == LabelStatus::Suspended;
                prop_assert!(is_open(at), "{command} from {at}");
                prop_assert!(at != LabelStatus::Suspended || !next.is_valid() || command == LabelCommand::Reinstate);
                prop_assert!(next != LabelStatus::Withdrawn || command == LabelCommand::Withdraw);
                at = next;
            }
        }

        #[test]
        fn every_step_is_one_that_the_log_allows(
            at in prop::sample::select(LabelStatus::ALL),
            command in prop::sample::select(LabelCommand::ALL),
            back in 0_usize..2,
        ) {
            if let Some(next) = step(at, command, BACK[back]) {
                prop_assert!(leads(command.event(), Some(at), next), "{at} {command} {next}");
            }
        }
    }

    #[test]
    fn a_label_returns_to_where_it_stood() {
        for back in BACK {
            assert_eq!(step(LabelStatus::Suspended, LabelCommand::Reinstate, back), Some(back));
        }
        for back in [LabelStatus::Active, LabelStatus::ActiveWithReservations] {
            assert_eq!(step(LabelStatus::UnderSurveillance, LabelCommand::EndSurveillance, back), Some(back));
            assert_eq!(step(LabelStatus::ActiveWithReservations, LabelCommand::LiftReservation, back), Some(back));
        }
        let watched = LabelStatus::UnderSurveillance;
        assert_eq!(step(watched, LabelCommand::LiftReservation, LabelStatus::Active), Some(watched));
        assert_eq!(step(watched, LabelCommand::OpenSurveillance, LabelStatus::Active), None);
    }
}
