use std::io::IsTerminal;
use std::net::TcpListener;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::rt::signal::unix::{SignalKind, signal};
use actix_web::web::Data;
use clap::Args;
use futures_util::future::{Either, select};
use tracing_subscriber::EnvFilter;

use crate::app;
use crate::config::{LogFormat, Settings};

#[derive(Debug, Args)]
pub struct Serve {
    /// Fill an empty catalogue with a demonstration
    #[arg(long)]
    demo: bool,
}

impl Serve {
    pub fn run(self, settings: Settings) -> Result<ExitCode, String> {
        start_log(&settings)?;
        log_panics();
        let listener = TcpListener::bind(settings.bind)
            .map_err(|e| format!("setting bind (--bind, GOUVTECH_BIND): {}: {e}", settings.bind))?;
        let address = listener.local_addr().map_err(|e| e.to_string())?;
        let app = super::open(settings)?;
        let is_whole = app.log.fault().is_none();
        if is_whole {
            crate::seed::criteria(&app.store).map_err(|e| format!("criteria: {e}"))?;
        }
        if self.demo && is_whole {
            crate::seed::demonstration::load(&app).map_err(|e| format!("demonstration: {e}"))?;
        }
        greet(&app, &format!("http://{address}"))?;
        let app = Data::new(app);
        actix_web::rt::System::new()
            .block_on(async move {
                let server = app::serve(app.clone(), listener)?;
                // A provider that does not answer now is asked again when a token needs it.
                for issuer in &app.issuers {
                    issuer.provider.ask(app.store.clock().now());
                }
                actix_web::rt::spawn(stop_when_told(app.clone(), server.handle())?);
                let calendar = is_whole.then(|| crate::deadlines::keep(app.store.clone(), app.settings.clone()));
                let outcome = server.await;
                calendar.inspect(|calendar| calendar.abort());
                outcome
            })
            .map_err(|e| e.to_string())?;
        Ok(ExitCode::SUCCESS)
    }
}

/// SIGTERM: not ready at once, still serving for a while, then finish what was accepted.
/// SIGINT: the same without the while. A second signal does not wait for anybody.
fn stop_when_told(app: Data<app::App>, server: ServerHandle) -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        let grace = {
            let (told, asked) = (pin!(terminate.recv()), pin!(interrupt.recv()));
            match select(told, asked).await {
                Either::Left(_) => app.settings.shutdown_grace_seconds,
                Either::Right(_) => 0,
            }
        };
        app.leave();
        tracing::info!(grace, "stopping");
        let patience = pin!(actix_web::rt::time::sleep(Duration::from_secs(grace)));
        let again = pin!(async {
            let (told, asked) = (pin!(terminate.recv()), pin!(interrupt.recv()));
            select(told, asked).await;
        });
        let is_graceful = matches!(select(patience, again).await, Either::Left(_));
        server.stop(is_graceful).await;
    })
}

/// A panic is told in the log like everything else; never with its words, which may hold
/// what a caller sent.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panic");
    }));
}

fn start_log(settings: &Settings) -> Result<(), String> {
    let filter = EnvFilter::try_new(&settings.log).map_err(|e| format!("setting log (--log, GOUVTECH_LOG): {e}"))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let outcome = match settings.log_format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    outcome.map_err(|e| e.to_string())
}

/// Says where things are and how to get in.
fn greet(app: &app::App, base: &str) -> Result<(), String> {
    let program = std::env::args().next().unwrap_or_else(|| "gouvtech-catalogue".to_owned());
    let who = crate::seed::parts(&app.store).map_err(|e| e.to_string())?;
    let key = format!("--signing-key {}", app.settings.signing_key.display());
    super::say(&format!("GouvTech catalogue {} over {}", env!("CARGO_PKG_VERSION"), app.store.backend()));
    super::say(&format!("  documentation  {base}/docs"));
    super::say(&format!("  description    {base}/openapi.json"));
    super::say("  a token for");
    for (role, duties, organisation) in who {
        let duties: String = duties.iter().map(|duty| format!(" --duty {duty}")).collect();
        let organisation = organisation.map(|id| format!(" --organisation {id}")).unwrap_or_default();
        let name = role.code();
        super::say(&format!("    {name:<9}{program} token {key} --role {name}{organisation}{duties}"));
    }
    Ok(())
}
