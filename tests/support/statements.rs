//! What the program really asks its database: the text of every statement on the
//! connections to one database, while somebody listens.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use diesel::connection::{Instrumentation, InstrumentationEvent};

use super::App;

static HEARD: LazyLock<Mutex<HashMap<String, Vec<String>>>> = LazyLock::new(Mutex::default);

/// Has every connection opened from here on be listened to; once, before there are any.
pub fn listen() {
    diesel::connection::set_default_instrumentation(|| Some(Box::new(Listener::default()))).expect("listening");
}

#[derive(Default)]
struct Listener {
    database: String,
}

/// The last part of its address, which no other database of a run has.
fn name(url: &str) -> String {
    let path = url.split('?').next().unwrap_or_default();
    path.rsplit('/').next().unwrap_or_default().to_owned()
}

impl Instrumentation for Listener {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        match event {
            InstrumentationEvent::StartEstablishConnection { url, .. } => self.database = name(url),
            InstrumentationEvent::StartQuery { query, .. } => {
                let mut heard = HEARD.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(statements) = heard.get_mut(&self.database) {
                    let text = query.to_string();
                    statements.push(text.split(" -- binds:").next().unwrap_or_default().to_owned());
                }
            }
            _ => {}
        }
    }
}

impl App {
    /// The reading statements that requests send to this application's database during `work`;
    /// not those of who follows the journal.
    pub fn statements(&self, work: impl FnOnce()) -> Vec<String> {
        let lock = || HEARD.lock().unwrap_or_else(PoisonError::into_inner);
        lock().insert(name(self.url()), Vec::new());
        work();
        let mut heard = lock().remove(&name(self.url())).unwrap_or_default();
        heard.retain(|one| one.starts_with("SELECT") && !one.contains("changes"));
        heard
    }
}
