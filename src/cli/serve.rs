use std::io::IsTerminal;
use std::net::TcpListener;
use std::process::ExitCode;

use actix_web::web::Data;
use clap::Args;
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
        let listener = TcpListener::bind(settings.bind)
            .map_err(|e| format!("setting bind (--bind, GOUVTECH_BIND): {}: {e}", settings.bind))?;
        let address = listener.local_addr().map_err(|e| e.to_string())?;
        let app = super::open(settings)?;
        crate::seed::criteria(&app.store).map_err(|e| format!("criteria: {e}"))?;
        if self.demo {
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
                let calendar = crate::deadlines::keep(app.store.clone(), app.settings.clone());
                let outcome = server.await;
                calendar.abort();
                outcome
            })
            .map_err(|e| e.to_string())?;
        Ok(ExitCode::SUCCESS)
    }
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
