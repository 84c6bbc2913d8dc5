use std::process::ExitCode;

fn main() -> ExitCode {
    gouvtech_catalogue::cli::run()
}
