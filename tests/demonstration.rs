use diesel::prelude::*;
use gouvtech_catalogue::db::schema::changes;

use crate::cases;
use crate::support::{App, Value};

cases![the_demonstration_shows_every_screen, a_second_start_leaves_it_as_it_was];

fn the_demonstration_shows_every_screen(app: &App) {
    gouvtech_catalogue::seed::demonstration::load(&app.inner).expect("loaded");
    let operator = app.operator();
    let all = |path: &str| -> Vec<Value> {
        let mut rows = Vec::new();
        let mut next = Some(format!("{path}{}limit=100", if path.contains('?') { "&" } else { "?" }));
        while let Some(path_now) = next {
            let page = app.get(&path_now).by(&operator).expect(200).json();
            rows.extend(page["items"].as_array().expect("a list").clone());
            next = page["next"]
                .as_str()
                .map(|cursor| format!("{path}{}limit=100&cursor={cursor}", if path.contains('?') { "&" } else { "?" }));
        }
        rows
    };
    let states = |rows: &[Value]| {
        rows.iter()
            .map(|row| row["status"].as_str().expect("a status").to_owned())
            .collect::<std::collections::BTreeSet<_>>()
    };

    let every = "draft&status=submitted&status=changes_requested&status=rejected&status=published&status=outdated&status=suspended&status=archived";
    let solutions = all(&format!("/api/v1/solutions?status={every}"));
    assert!(solutions.len() >= 40, "{}", solutions.len());
    assert_eq!(states(&solutions).len(), 8, "{:?}", states(&solutions));
    let public = app.get("/api/v1/solutions?limit=1").expect(200).json()["total"].as_i64().expect("a number");
    assert!(public >= 30, "{public}");
    for state in ["draft", "submitted", "published", "contested", "expired"] {
        assert!(states(&all("/api/v1/evaluations")).contains(state), "no evaluation is {state}");
    }
    for state in ["draft", "pending", "published", "rejected", "reported", "withdrawn"] {
        assert!(!all(&format!("/api/v1/reviews?status={state}")).is_empty(), "no review is {state}");
    }
    for state in
        ["submitted", "admissible", "inadmissible", "assigned", "in_audit", "report_submitted", "decided", "abandoned"]
    {
        assert!(states(&all("/api/v1/label-applications")).contains(state), "no application is {state}");
    }
    let labels = states(&all("/api/v1/labels"));
    assert!(labels.contains("active") && labels.contains("active_with_reservations"), "{labels:?}");
    assert!(app.get("/api/v1/solutions?min_rating=1").expect(200).json()["total"].as_i64() > Some(5));
    assert!(app.get("/api/v1/solutions?min_score=0.5").expect(200).json()["total"].as_i64() > Some(10));
    for solution in all("/api/v1/solutions").iter().filter(|one| one["score"].is_number()).take(3) {
        app.get(&format!("/api/v1/solutions/{}/criteria", solution["slug"].as_str().expect("a slug"))).expect(200);
    }
}

fn a_second_start_leaves_it_as_it_was(app: &App) {
    gouvtech_catalogue::seed::demonstration::load(&app.inner).expect("loaded");
    // All there are: on PostgreSQL a reader of the journal waits for whatever else runs in the cluster.
    let count = || app.store().read_here(|db| Ok(changes::table.count().get_result::<i64>(db)?)).expect("read");
    let before = count();
    gouvtech_catalogue::seed::criteria(app.store()).expect("criteria");
    gouvtech_catalogue::seed::demonstration::load(&app.inner).expect("loaded");
    assert_eq!(count(), before);
}
