//! What the calendar does: steps that no person takes. Safe to run twice and on
//! several instances, because each step starts from a state it leaves.

use std::time::Duration;

use actix_web::rt;

use crate::config::Settings;
use crate::db::{Actor, Store};
use crate::error::Result;
use crate::http::idempotency;
use crate::persons::retention;
use crate::{accreditations, appeals, evaluations, labels, notifications, reviews, solutions};

/// How often the calendar is looked at.
const EVERY: Duration = Duration::from_secs(600);

/// Takes every step that is due, at the start and then every ten minutes.
pub fn keep(store: Store, settings: Settings) -> rt::task::JoinHandle<()> {
    rt::spawn(async move {
        loop {
            let (store, settings) = (store.clone(), settings.clone());
            let work = move || {
                if let Some(report) = retention::daily(&store, &settings)? {
                    tracing::info!(report = %serde_json::to_string(&report)?, "retention");
                }
                run(&store, &settings)
            };
            match actix_web::web::block(work).await {
                Ok(Ok(0)) => {}
                Ok(Ok(steps)) => tracing::info!(steps, "calendar"),
                Ok(Err(error)) => tracing::error!(%error, "calendar"),
                Err(error) => tracing::error!(%error, "calendar"),
            }
            rt::time::sleep(EVERY).await;
        }
    })
}

/// Takes every step that is due now; how many were taken.
pub fn run(store: &Store, settings: &Settings) -> Result<usize> {
    let confirmation_days = i64::from(settings.confirmation_days);
    store.write_here(&Actor::System, |tx| {
        Ok(evaluations::model::expire(tx)?
            + labels::calendar::keep(tx)?
            + labels::exchange::keep(tx)?
            + appeals::model::keep(tx)?
            + accreditations::model::expire(tx)?
            + solutions::publication::age(tx, confirmation_days)?
            + reviews::model::age_out(tx)?
            + notifications::reminders::keep(tx, confirmation_days)?
            + idempotency::forget(tx)?)
    })
}
