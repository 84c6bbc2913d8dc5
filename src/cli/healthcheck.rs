use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use crate::config::Settings;

/// Exit code 0 when the server answers 200.
#[derive(Debug, Args)]
pub struct Healthcheck {
    /// http address to ask [default: /readyz at the --bind address]
    #[arg(long, value_name = "URL")]
    url: Option<url::Url>,
}

impl Healthcheck {
    pub fn run(self, settings: &Settings) -> Result<ExitCode, String> {
        let (host, port, path) = match &self.url {
            Some(url) => (
                url.host_str().unwrap_or("127.0.0.1").to_owned(),
                url.port_or_known_default().unwrap_or(80),
                url.path().to_owned(),
            ),
            None => {
                // 0.0.0.0 is where a server listens, not where it is asked.
                let ip = settings.bind.ip();
                let host = if ip.is_unspecified() { "127.0.0.1".to_owned() } else { ip.to_string() };
                (host, settings.bind.port(), "/readyz".to_owned())
            }
        };
        let answer = ask(&host, port, &path).map_err(|e| format!("{host}:{port}: {e}"))?;
        let is_ready = answer.starts_with("HTTP/1.1 200");
        super::say(answer.lines().next().unwrap_or("no answer"));
        Ok(if is_ready { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn ask(host: &str, port: u16, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect((host, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.set_write_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(4096).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
