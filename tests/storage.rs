use crate::cases;
use crate::support::App;

cases![migrations_are_applied];

fn migrations_are_applied(app: &App) {
    let applied = app
        .store()
        .read_here(|db| Ok(gouvtech_catalogue::db::migrations::are_applied(db).expect("asked")))
        .expect("read");
    assert!(applied);
}
