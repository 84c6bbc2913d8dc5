//! Where a label stood on a date, from its events alone.

use chrono::{Months, NaiveDate};
use serde::Serialize;

use super::Result;
use super::entry::{EventKind, LabelEvent};
use crate::db::Instant;
use crate::labels::rules::{DecisionOutcome, LabelStatus};
use crate::text;

/// Where a label stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct State {
    pub status: LabelStatus,
    /// The event that led there, as its label counts.
    pub label_seq: u32,
    /// When that was; of a label that lapsed, its last event before.
    pub since: Instant,
    /// Last day of validity.
    pub valid_until: NaiveDate,
}

/// Whether an event of this kind leads from one status to another. A label that has ended is not
/// revived, and a correction leaves what is not valid where it is.
pub(crate) fn leads(kind: EventKind, from: Option<LabelStatus>, to: LabelStatus) -> bool {
    use {EventKind as K, LabelStatus as S};
    let granted = matches!(to, S::Active | S::ActiveWithReservations);
    let Some(from) = from else { return kind == K::Granted && granted };
    let is_open = from.is_valid() || from == S::Suspended;
    match kind {
        K::Granted => false,
        // Refused after all, it is taken back wherever it stood.
        K::Corrected => to == from || to == S::Withdrawn || (from.is_valid() && granted),
        K::ReservationsLifted => (to == from && is_open) || (from == S::ActiveWithReservations && to == S::Active),
        K::SurveillanceOpened => from.is_valid() && to == S::UnderSurveillance,
        K::SurveillanceEnded => from == S::UnderSurveillance && granted,
        // Once more for another cause, or for longer.
        K::Suspended => is_open && to == S::Suspended,
        K::Reinstated => from == S::Suspended && to.is_valid(),
        K::Withdrawn => is_open && to == S::Withdrawn,
        K::Renounced => is_open && to == S::Renounced,
        K::Expired => is_open && to == S::Expired,
        K::Superseded => (is_open || from == S::Expired) && to == S::Superseded,
        K::Extended => to == from && from.is_valid(),
        K::Transferred | K::ChangeNoted | K::ChangeAssessed => to == from && is_open,
    }
}

/// A label outlives its last day by so much at most, while the application that renews it is examined.
pub const EXTENSION_MAX: Months = Months::new(3);

/// Whether an event leaves to the label what its kind does not change: its first and last day, its body.
fn keeps(before: &LabelEvent, event: &LabelEvent, is_extended: bool) -> bool {
    let latest = before.valid_until.checked_add_months(EXTENSION_MAX);
    let keeps_end = match event.kind {
        // Once, and before the end: what was over is not revived.
        EventKind::Extended => {
            !is_extended
                && event.at.day() <= before.valid_until
                && event.valid_until > before.valid_until
                && latest.is_some_and(|latest| event.valid_until <= latest)
        }
        _ => event.valid_until == before.valid_until,
    };
    let keeps_body = match event.kind {
        EventKind::Transferred => event.audit_body != before.audit_body,
        _ => event.audit_body == before.audit_body,
    };
    keeps_end && keeps_body && event.valid_from == before.valid_from
}

/// Whether these are a label's events from its first, each following from the one before.
///
/// # Errors
/// The first that does not.
pub fn check(events: &[LabelEvent]) -> Result<()> {
    let mut before: Option<&LabelEvent> = None;
    let mut is_extended = false;
    for (place, event) in events.iter().enumerate() {
        let (seq, kind, label) = (event.label_seq, event.kind, &event.label);
        let is_next = usize::try_from(seq) == Ok(place + 1)
            && before.is_none_or(|before| {
                before.label == event.label
                    && before.solution == event.solution
                    && before.application == event.application
                    && before.at <= event.at
                    && keeps(before, event, is_extended)
            });
        is_extended |= kind == EventKind::Extended;
        // The outcome of a decision is the status it gives, where it gives one.
        let says = match event.outcome {
            Some(DecisionOutcome::Granted) => Some(LabelStatus::Active),
            Some(DecisionOutcome::GrantedWithReservations) => Some(LabelStatus::ActiveWithReservations),
            Some(DecisionOutcome::Refused) => Some(LabelStatus::Withdrawn),
            None => None,
        };
        let from = before.map(|before| before.status);
        let is_said = says.is_none_or(|says| says == event.status || Some(event.status) == from);
        if !is_next || !is_said || !leads(kind, from, event.status) {
            return Err(text!(
                "L’événement {seq} (« {kind} ») du label {label} ne suit pas de ce qui précède.",
                "Event {seq} (`{kind}`) of label {label} does not follow from what comes before."
            ));
        }
        before = Some(event);
    }
    Ok(())
}

/// Where the label stood at an instant; none before it was granted.
///
/// A label is expired after its last day also when no event says so.
///
/// # Errors
/// Those of [`check`].
pub fn state_at(events: &[LabelEvent], at: Instant) -> Result<Option<State>> {
    check(events)?;
    let last = events.iter().take_while(|event| event.at <= at).last();
    Ok(last.filter(|event| event.valid_from <= at.day()).map(|event| State {
        status: event.status.on(at.day(), event.valid_until),
        label_seq: event.label_seq,
        since: event.at,
        valid_until: event.valid_until,
    }))
}

/// Where the label stood at the end of a day, in legal time in metropolitan France: what an old
/// tender asks.
///
/// # Errors
/// Those of [`check`].
pub fn state_on(events: &[LabelEvent], day: NaiveDate) -> Result<Option<State>> {
    check(events)?;
    let last = events.iter().take_while(|event| event.at.day() <= day).last();
    Ok(last.filter(|event| event.valid_from <= day).map(|event| State {
        status: event.status.on(day, event.valid_until),
        label_seq: event.label_seq,
        since: event.at,
        valid_until: event.valid_until,
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::entry::tests::{at, day, granted, id};
    use super::*;

    fn next(before: &LabelEvent, kind: EventKind, status: LabelStatus, when: &str) -> LabelEvent {
        let is_decided = kind == EventKind::Corrected;
        LabelEvent {
            label_seq: before.label_seq + 1,
            kind,
            status,
            at: at(when),
            decision: is_decided.then(|| id(9)),
            corrects: is_decided.then(|| id(4)),
            outcome: is_decided.then_some(DecisionOutcome::GrantedWithReservations),
            attestation: None,
            ..before.clone()
        }
    }

    #[test]
    fn a_label_is_found_where_it_stood_on_each_day() {
        let one = granted();
        let two = next(&one, EventKind::Suspended, LabelStatus::Suspended, "2026-06-10T22:30:00Z");
        let three = next(&two, EventKind::Reinstated, LabelStatus::Active, "2026-09-01T08:00:00Z");
        let events = [one, two, three];
        let on = |text: &str| state_on(&events, day(text)).expect("a history").map(|state| state.status);
        assert_eq!(on("2026-03-01"), None);
        assert_eq!(on("2026-03-02"), Some(LabelStatus::Active));
        // Half past midnight in Paris: it was suspended on the eleventh.
        assert_eq!(on("2026-06-10"), Some(LabelStatus::Active));
        assert_eq!(on("2026-06-11"), Some(LabelStatus::Suspended));
        assert_eq!(on("2026-09-01"), Some(LabelStatus::Active));
        assert_eq!(on("2029-03-01"), Some(LabelStatus::Active));
        assert_eq!(on("2029-03-02"), Some(LabelStatus::Expired), "though no event says so");
        let during = state_at(&events, at("2026-06-10T22:29:59.999999Z")).expect("a history").expect("a label");
        assert_eq!((during.status, during.label_seq), (LabelStatus::Active, 1));
        assert_eq!(state_at(&events, at("2026-03-02T09:30:00Z")), Ok(None), "a quarter of a second before");
        assert_eq!(state_on(&[], day("2026-01-01")), Ok(None));
    }

    #[test]
    fn what_does_not_follow_is_refused() {
        let one = granted();
        let two = next(&one, EventKind::Suspended, LabelStatus::Suspended, "2026-06-10T22:30:00Z");
        let three = next(&two, EventKind::Withdrawn, LabelStatus::Withdrawn, "2026-07-01T00:00:00Z");
        assert_eq!(check(&[one.clone(), two.clone(), three.clone()]), Ok(()));
        let mut corrected =
            next(&one, EventKind::Corrected, LabelStatus::ActiveWithReservations, "2026-06-10T22:30:00Z");
        assert_eq!(check(&[one.clone(), corrected.clone()]), Ok(()));
        corrected.status = LabelStatus::Active;
        assert_eq!(check(&[one.clone(), corrected.clone()]), Ok(()), "where it was");
        corrected.status = LabelStatus::UnderSurveillance;
        for bad in [
            vec![two.clone()],
            vec![one.clone(), three.clone()],
            vec![one.clone(), one.clone()],
            vec![two.clone(), one.clone()],
            vec![one.clone(), corrected],
            vec![one.clone(), LabelEvent { at: at("2026-03-02T09:30:00Z"), ..two.clone() }],
            vec![one.clone(), LabelEvent { label: "GT-2026-00002".to_owned(), ..two.clone() }],
            vec![one.clone(), LabelEvent { solution: id(8), ..two.clone() }],
            vec![one.clone(), LabelEvent { status: LabelStatus::Active, ..two.clone() }],
            vec![
                one.clone(),
                two.clone(),
                three.clone(),
                next(&three, EventKind::Reinstated, LabelStatus::Active, "2026-08-01T00:00:00Z"),
            ],
            vec![LabelEvent { status: LabelStatus::ActiveWithReservations, ..one.clone() }],
        ] {
            assert!(check(&bad).is_err(), "{bad:?}");
            assert!(state_on(&bad, day("2026-12-31")).is_err());
        }
    }

    #[test]
    fn a_label_outlives_its_last_day_once_and_not_for_long() {
        let one = granted();
        let extended = |when: &str, until: &str| {
            let event = next(&one, EventKind::Extended, LabelStatus::Active, when);
            LabelEvent { valid_until: day(until), ..event }
        };
        let two = extended("2029-03-01T12:00:00Z", "2029-06-01");
        assert_eq!(check(&[one.clone(), two.clone()]), Ok(()));
        let on = |text: &str| state_on(&[one.clone(), two.clone()], day(text)).expect("a history");
        assert_eq!(on("2029-06-01").map(|state| state.status), Some(LabelStatus::Active));
        assert_eq!(on("2029-06-02").map(|state| state.status), Some(LabelStatus::Expired));
        let again = next(&two, EventKind::Extended, LabelStatus::Active, "2029-06-01T12:00:00Z");
        let again = LabelEvent { valid_until: day("2029-07-01"), ..again };
        let body = next(&one, EventKind::Suspended, LabelStatus::Suspended, "2026-06-10T22:30:00Z");
        for bad in [
            vec![one.clone(), extended("2029-03-01T12:00:00Z", "2029-06-02")],
            vec![one.clone(), extended("2029-03-01T12:00:00Z", "2029-03-01")],
            vec![one.clone(), extended("2029-03-02T12:00:00Z", "2029-05-01")],
            vec![one.clone(), two.clone(), again],
            vec![one.clone(), LabelEvent { valid_until: day("2029-03-02"), ..body.clone() }],
            vec![one.clone(), LabelEvent { valid_from: day("2026-03-01"), ..body.clone() }],
            vec![one.clone(), LabelEvent { audit_body: id(9), ..body }],
        ] {
            assert!(check(&bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn what_has_ended_stays_so(
            kind in prop::sample::select(EventKind::ALL),
            to in prop::sample::select(LabelStatus::ALL),
        ) {
            for from in [LabelStatus::Withdrawn, LabelStatus::Renounced, LabelStatus::Superseded, LabelStatus::Expired] {
                prop_assert!(!leads(kind, Some(from), to) || !to.is_valid());
            }
        }

        #[test]
        fn every_status_but_the_end_leads_on(from in prop::sample::select(LabelStatus::ALL)) {
            let leads_to = |to| EventKind::ALL.iter().any(|kind| leads(*kind, Some(from), to));
            let leads_on = LabelStatus::ALL.iter().any(|to| *to != from && leads_to(*to));
            prop_assert_eq!(leads_on, from != LabelStatus::Withdrawn);
            // What has ended is not revived; only a decision that is corrected to a refusal still takes it back.
            if matches!(from, LabelStatus::Renounced | LabelStatus::Superseded) {
                let revived = LabelStatus::ALL.iter().find(|to| {
                    leads_to(**to) && **to != from && **to != LabelStatus::Withdrawn
                });
                prop_assert_eq!(revived, None);
            }
        }
    }
}
