use std::process::ExitCode;

/// Answers are made on many threads and let go on others: the system's allocator keeps what each of
/// them once used.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    gouvtech_catalogue::cli::run()
}
