//! The limit: what actix-web answers when there is nothing to do. Each file given
//! is answered, as it is, under `/0`, `/1` and so on.

#![allow(clippy::expect_used, reason = "a bench that cannot go on fails")]

use actix_web::web::{Bytes, Data, Path};
use actix_web::{App, HttpResponse, HttpServer, web};

/// As the measured server has.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let mut words = std::env::args().skip(1);
    let bind = words.next().expect("an address to listen on");
    let bodies: Vec<Bytes> = words.map(|file| std::fs::read(file).expect("a body").into()).collect();
    let bodies = Data::new(bodies);
    HttpServer::new(move || App::new().app_data(bodies.clone()).route("/{number}", web::get().to(constant)))
        .bind(bind)?
        .run()
        .await
}

async fn constant(bodies: Data<Vec<Bytes>>, number: Path<usize>) -> HttpResponse {
    match bodies.get(*number) {
        Some(body) => HttpResponse::Ok().content_type("application/json").body(body.clone()),
        None => HttpResponse::NotFound().finish(),
    }
}
