use chrono::TimeDelta;
use diesel::prelude::*;
use gouvtech_catalogue::auth::Role;
use gouvtech_catalogue::db::journal::Change;
use gouvtech_catalogue::db::schema::solutions;
use gouvtech_catalogue::db::{Actor, Id, Resource};
use gouvtech_catalogue::reviews::model::age_out;
use serde_json::Value;

use crate::cases;
use crate::support::build::{Party, sheet, siren};
use crate::support::{App, Response, json};

cases![
    a_draft_needs_nothing_and_a_submission_says_everything_it_lacks,
    a_review_is_drafted_submitted_published_and_read,
    a_review_that_is_not_public_never_leaks,
    a_review_breaks_its_schema_with_pointers,
    a_vendor_and_its_group_cannot_review_their_own_solution,
    only_members_of_a_confirmed_public_body_write_reviews,
    only_a_published_solution_is_reviewed,
    a_body_that_offers_the_same_family_says_so,
    one_person_has_one_review_of_a_solution,
    of_ten_creations_by_one_person_exactly_one_wins,
    only_the_author_changes_a_review_and_colleagues_read_it,
    a_change_needs_the_tag_of_the_version_read,
    an_edit_of_a_published_review_is_moderated_and_the_earlier_text_kept_privately,
    a_patch_that_changes_nothing_leaves_a_published_review_alone,
    a_rejected_review_is_corrected_and_submitted_again,
    what_never_was_published_is_deleted_and_what_was_is_withdrawn,
    a_report_is_decided_by_another_moderator,
    a_removed_review_is_gone_for_the_public,
    a_publication_is_reported_once_by_one_person,
    nobody_moderates_a_review_they_take_part_in,
    a_body_is_named_only_if_it_agrees,
    a_vendor_replies_once_and_takes_it_back,
    an_average_appears_with_the_third_review_and_disappears_again,
    averages_round_half_to_even_and_leave_the_solution_as_it_was,
    publications_at_once_all_enter_the_average,
    a_review_counts_for_thirty_six_months,
    queues_show_each_caller_what_concerns_it,
    a_list_of_reviews_is_sorted_and_paged_to_its_end,
    the_journal_names_every_step_and_no_words,
];

fn content() -> Value {
    json!({
        "title": "Au quotidien", "text": "Nous l’utilisons tous les jours. ".repeat(5), "overall": 4,
        "ratings": {"fitness": 5, "support": 3}, "declares_no_interest": true,
        "context": {"role": "administrator", "used_since": "2024-01-15", "deployment": "cloud"},
    })
}

fn rated(overall: i32) -> Value {
    let mut body = content();
    body["overall"] = json!(overall);
    body["ratings"] = json!({"fitness": overall});
    body
}

/// A published solution's vendor, its path, and a public body.
fn scene(app: &App) -> (Party, String, Party) {
    let vendor = app.vendor(1);
    let solution = app.published(&vendor, "Évaluée");
    (vendor, format!("/api/v1/solutions/{}", solution.id()), app.buyer(1))
}

fn person(app: &App, body: &Party, name: &str) -> String {
    app.token(Role::Buyer, Some(body.id), &[], name)
}

fn path(review: &Response) -> String {
    format!("/api/v1/reviews/{}", review.id())
}

fn drafted(app: &App, solution: &str, token: &str, body: &Value) -> Response {
    app.post(&format!("{solution}/reviews")).by(token).json(body).expect(201)
}

fn moved(app: &App, review: &Response, verb: &str, token: &str) -> Response {
    app.post(&format!("{}/{verb}", path(review))).by(token).on(review).expect(200)
}

fn pending(app: &App, solution: &str, token: &str, body: &Value) -> Response {
    moved(app, &drafted(app, solution, token, body), "submit", token)
}

fn published(app: &App, solution: &str, token: &str, body: &Value) -> Response {
    moved(app, &pending(app, solution, token, body), "publish", &app.moderator("premier"))
}

fn reported(app: &App, review: &Response, token: &str) -> Response {
    let body = json!({"reason": "Nomme un agent."});
    app.post(&format!("{}/report", path(review))).by(token).on(review).json(&body).expect(200)
}

fn total(app: &App, path: &str, token: Option<&str>) -> i64 {
    let request = app.get(path);
    let request = match token {
        Some(token) => request.by(token),
        None => request,
    };
    request.expect(200).json()["total"].as_i64().expect("a number")
}

fn a_draft_needs_nothing_and_a_submission_says_everything_it_lacks(app: &App) {
    let (_, solution, buyer) = scene(app);
    let draft = drafted(app, &solution, &buyer.token, &json!({}));
    assert_eq!(draft.text("status"), "draft");
    assert_eq!(draft.headers["location"], path(&draft));
    let refused = app.post(&format!("{}/submit", path(&draft))).by(&buyer.token).on(&draft).expect(422);
    assert_eq!(
        refused.faults(),
        [
            "/context/role missing",
            "/context/used_since missing",
            "/declares_no_interest missing",
            "/overall missing",
            "/ratings missing",
            "/text missing"
        ]
    );
    let short = app
        .patch(&path(&draft))
        .by(&buyer.token)
        .on(&draft)
        .json(&json!({"text": "Bien.", "ratings": {"fitness": 5}, "context": {"role": "user"}}))
        .expect(200);
    let refused = app.post(&format!("{}/submit", path(&draft))).by(&buyer.token).on(&short).expect(422);
    assert_eq!(
        refused.faults(),
        ["/context/used_since missing", "/declares_no_interest missing", "/overall missing", "/text too_short"]
    );
}

fn a_review_is_drafted_submitted_published_and_read(app: &App) {
    let (_, solution, buyer) = scene(app);
    let draft = drafted(app, &solution, &buyer.token, &content());
    let waiting = moved(app, &draft, "submit", &buyer.token);
    assert_eq!(waiting.text("status"), "pending");
    assert!(waiting.json()["submitted_at"].is_string());
    app.post(&format!("{}/submit", path(&draft))).by(&buyer.token).on(&waiting).expect(409);
    app.post(&format!("{}/publish", path(&draft))).by(&buyer.token).on(&waiting).expect(403);
    let public = moved(app, &waiting, "publish", &app.moderator("premier"));
    assert_eq!(public.text("status"), "published");
    let read = app.get(&path(&public)).expect(200);
    assert_eq!((&read.json()["overall"], &read.json()["ratings"]["support"]), (&json!(4), &json!(3)));
    assert_eq!(read.json()["is_counted"], true);
    assert!(read.headers["cache-control"].starts_with("public"));
    let listed = app.get(&format!("{solution}/reviews")).expect(200).json();
    assert_eq!((&listed["total"], &listed["items"][0]["id"]), (&json!(1), &json!(public.id())));
    let sparse = app.get(&format!("{}?fields=overall,status", path(&public))).expect(200).json();
    assert_eq!(sparse, json!({"overall": 4, "status": "published"}));
    assert_eq!(app.get("/api/v1/solutions/evaluee/reviews").expect(200).json()["total"], 1, "by slug too");
}

fn a_review_that_is_not_public_never_leaks(app: &App) {
    let (vendor, solution, buyer) = scene(app);
    let waiting = pending(app, &solution, &buyer.token, &content());
    let list = format!("{solution}/reviews");
    for token in [None, Some(vendor.token.as_str()), Some(app.buyer(2).token.as_str())] {
        assert_eq!(total(app, &list, token), 0);
        assert_eq!(total(app, &format!("{list}?status=pending"), token), 0);
        let request = app.get(&path(&waiting));
        token.map_or(app.get(&path(&waiting)), |token| request.by(token)).expect(404);
    }
    assert_eq!(total(app, &list, Some(&buyer.token)), 1);
    assert_eq!(total(app, &list, Some(&app.moderator("premier"))), 1);
    let officer = app.token(Role::Operator, None, &[gouvtech_catalogue::auth::Duty::LabelOfficer], "officer");
    assert_eq!(total(app, &list, Some(&officer)), 0, "only a moderator sees all");
    app.get(&path(&waiting)).by(&officer).expect(404);
    app.get("/api/v1/reviews/nope").expect(404);
    app.post(&format!("{}/report", path(&waiting)))
        .by(&vendor.token)
        .on(&waiting)
        .json(&json!({"reason": "Curieux."}))
        .expect(404);
}

fn a_review_breaks_its_schema_with_pointers(app: &App) {
    let (_, solution, buyer) = scene(app);
    let list = format!("{solution}/reviews");
    let post = |body: Value| app.post(&list).by(&buyer.token).json(&body);
    post(json!({"status": "published"})).expect(400).has_fault("/status unknown_member");
    post(json!({"ratings": {"beauty": 5}})).expect(400).has_fault("/ratings/beauty unknown_member");
    post(json!({"overall": "5"})).expect(400).has_fault("/overall wrong_type");
    let refused = post(json!({
        "title": "x".repeat(121), "overall": 6, "ratings": {"value": 0},
        "context": {"role": "minister", "user_count": 0, "software_version": "x".repeat(51)},
    }))
    .expect(422);
    for fault in [
        "/title too_long",
        "/overall too_large",
        "/ratings/value too_small",
        "/context/role not_in_list",
        "/context/user_count too_small",
        "/context/software_version too_long",
    ] {
        refused.has_fault(fault);
    }
    post(json!({"context": {"used_since": "hier"}})).expect(422).has_fault("/context/used_since wrong_format");
    let refused =
        post(json!({"title": "  ", "context": {"used_since": "2999-01-01", "used_until": "2024-01-01"}})).expect(422);
    assert_eq!(
        refused.faults(),
        ["/context/used_since in_the_future", "/context/used_until before_used_since", "/title too_short"]
    );
    assert_eq!(total(app, &list, Some(&buyer.token)), 0);
}

fn a_vendor_and_its_group_cannot_review_their_own_solution(app: &App) {
    // A public body that offers commons is a vendor too.
    let created = app
        .post("/api/v1/organisations")
        .by(&app.operator())
        .json(&json!({"name": "Ville éditrice", "kinds": ["vendor", "public_body"], "siren": siren(77)}))
        .expect(201);
    let id = Id::parse(&created.id()).expect("an id");
    let both = Party {
        id,
        token: app.token(Role::Vendor, Some(id), Role::Vendor.duties(), "éditeur"),
        plain: app.token(Role::Buyer, Some(id), &[], "agent"),
    };
    let solution = app.published(&both, "Commun");
    let list = format!("/api/v1/solutions/{}/reviews", solution.id());
    app.post(&list).by(&both.token).json(&content()).expect(403);
    let refused = app.post(&list).by(&both.plain).header("accept-language", "en").json(&content()).expect(403);
    assert_eq!(refused.text("detail"), "The vendor of a solution and its group do not review it.");
}

fn only_members_of_a_confirmed_public_body_write_reviews(app: &App) {
    let (vendor, solution, _) = scene(app);
    let list = format!("{solution}/reviews");
    app.post(&list).json(&content()).expect(401);
    for token in [&vendor.token, &app.vendor(2).token, &app.audit_body(1).token, &app.operator()] {
        app.post(&list).by(token).json(&content()).expect(403);
    }
    let no_body = app.token(Role::Buyer, None, &[], "sans organisation");
    app.post(&list).by(&no_body).json(&content()).expect(403);
    let not_public = app.token(Role::Buyer, Some(vendor.id), &[], "faux agent");
    app.post(&list).by(&not_public).json(&content()).expect(403);
}

fn only_a_published_solution_is_reviewed(app: &App) {
    let (vendor, solution, buyer) = scene(app);
    let draft = app.draft(&vendor, "Brouillon");
    let post = |path: &str| app.post(&format!("{path}/reviews")).by(&buyer.token).json(&content());
    post(&format!("/api/v1/solutions/{}", draft.id())).expect(404);
    let written = drafted(app, &solution, &buyer.token, &content());
    let own = app.own(&vendor, solution.rsplit('/').next().expect("an id"));
    let suspended = app
        .post(&format!("{solution}/suspend"))
        .by(&app.moderator("premier"))
        .on(&own)
        .json(&json!({"code": "security", "reason": "Faille exploitée."}))
        .expect(200);
    let other = person(app, &buyer, "autre");
    app.post(&format!("{solution}/reviews")).by(&other).json(&content()).expect(409);
    app.post(&format!("{}/submit", path(&written))).by(&buyer.token).on(&written).expect(409);
    app.post(&format!("{solution}/archive"))
        .by(&app.operator())
        .on(&suspended)
        .json(&json!({"reason": "Produit arrêté."}))
        .expect(200);
    assert_eq!(post(&solution).expect(410).json()["tombstone"]["name"], "Évaluée");
    app.get(&format!("{solution}/reviews")).expect(410);
    app.get(&format!("{solution}/rating")).expect(410);
    app.delete(&path(&written)).by(&buyer.token).on(&written).expect(204);
}

fn a_body_that_offers_the_same_family_says_so(app: &App) {
    let (_, solution, buyer) = scene(app);
    assert_eq!(drafted(app, &solution, &buyer.token, &content()).json()["offers_same_family"], false);
    let created = app
        .post("/api/v1/organisations")
        .by(&app.operator())
        .json(&json!({"name": "Ville éditrice", "kinds": ["vendor", "public_body"], "siren": siren(77)}))
        .expect(201);
    let id = Id::parse(&created.id()).expect("an id");
    let both = Party {
        id,
        token: app.token(Role::Vendor, Some(id), Role::Vendor.duties(), "éditeur"),
        plain: app.token(Role::Buyer, Some(id), &[], "agent"),
    };
    let draft = drafted(app, &solution, &both.plain, &content());
    assert_eq!(draft.json()["offers_same_family"], false);
    app.draft(&both, "Concurrente en projet");
    assert_eq!(moved(app, &draft, "submit", &both.plain).json()["offers_same_family"], false);
    app.published(&both, "Concurrente");
    let competitor = app.token(Role::Buyer, Some(id), &[], "collègue");
    let review = published(app, &solution, &competitor, &content());
    assert_eq!(app.get(&path(&review)).expect(200).json()["offers_same_family"], true);
    let mut other = sheet("Ailleurs");
    other["families"] = json!(["transcription"]);
    let draft = app.post("/api/v1/solutions").by(&app.vendor(2).token).json(&other).expect(201);
    let vendor = app.token(
        Role::Vendor,
        Id::parse(draft.json()["vendor"]["id"].as_str().expect("an id")),
        Role::Vendor.duties(),
        "signataire",
    );
    let elsewhere = format!("/api/v1/solutions/{}", draft.id());
    let submitted = app
        .post(&format!("{elsewhere}/submit"))
        .by(&vendor)
        .on(&draft)
        .json(&json!({"accepts_charter": true}))
        .expect(200);
    app.post(&format!("{elsewhere}/publish")).by(&app.operator()).on(&submitted).expect(200);
    assert_eq!(drafted(app, &elsewhere, &competitor, &content()).json()["offers_same_family"], false);
}

fn one_person_has_one_review_of_a_solution(app: &App) {
    let (vendor, solution, buyer) = scene(app);
    let first = drafted(app, &solution, &buyer.token, &content());
    let list = format!("{solution}/reviews");
    let refused = app.post(&list).by(&buyer.token).json(&content()).expect(409);
    assert_eq!(refused.text("code"), "duplicate");
    assert!(refused.text("detail").contains(&first.id()));
    let elsewhere = app.buyer(2);
    let moonlighter = app.token(Role::Buyer, Some(elsewhere.id), &[], "public_body-1001");
    let refused = app.post(&list).by(&moonlighter).json(&content()).expect(409);
    assert!(!refused.text("detail").contains(&first.id()), "what another body writes is its own affair");
    drafted(app, &solution, &person(app, &buyer, "collègue"), &content());
    let other = app.published(&vendor, "Autre");
    drafted(app, &format!("/api/v1/solutions/{}", other.id()), &buyer.token, &content());
}

fn of_ten_creations_by_one_person_exactly_one_wins(app: &App) {
    let (_, solution, buyer) = scene(app);
    let list = format!("{solution}/reviews");
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let writers: Vec<_> =
            (0..10).map(|_| scope.spawn(|| app.post(&list).by(&buyer.token).json(&content()).send().status)).collect();
        writers.into_iter().map(|writer| writer.join().expect("no panic")).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 201 | 409 | 503)), "{statuses:?}");
    assert_eq!(total(app, &list, Some(&buyer.token)), 1);
}

fn only_the_author_changes_a_review_and_colleagues_read_it(app: &App) {
    let (_, solution, buyer) = scene(app);
    let draft = drafted(app, &solution, &buyer.token, &content());
    let (colleague, stranger) = (person(app, &buyer, "collègue"), app.buyer(2).token);
    assert_eq!(app.get(&path(&draft)).by(&colleague).expect(200).json()["organisation"]["id"], buyer.id.to_string());
    let patch = json!({"overall": 1});
    for (token, status) in [(&colleague, 403), (&stranger, 404), (&app.operator(), 403)] {
        app.patch(&path(&draft)).by(token).on(&draft).json(&patch).expect(status);
        app.delete(&path(&draft)).by(token).on(&draft).expect(status);
        app.post(&format!("{}/submit", path(&draft))).by(token).on(&draft).expect(status);
    }
    let public = published(app, &solution, &person(app, &buyer, "autre"), &content());
    app.patch(&path(&public)).by(&stranger).on(&public).json(&patch).expect(404);
    app.post(&format!("{}/withdraw", path(&public))).by(&stranger).on(&public).expect(404);
    app.post(&format!("{}/withdraw", path(&public))).by(&colleague).on(&public).expect(403);
}

fn a_change_needs_the_tag_of_the_version_read(app: &App) {
    let (vendor, solution, buyer) = scene(app);
    let draft = drafted(app, &solution, &buyer.token, &content());
    let patch = json!({"overall": 2});
    app.patch(&path(&draft)).by(&buyer.token).json(&patch).expect(428);
    app.delete(&path(&draft)).by(&buyer.token).expect(428);
    app.post(&format!("{}/submit", path(&draft))).by(&buyer.token).expect(428);
    let changed = app.patch(&path(&draft)).by(&buyer.token).on(&draft).json(&patch).expect(200);
    let stale = app.patch(&path(&draft)).by(&buyer.token).on(&draft).json(&patch).expect(412);
    assert_eq!(stale.headers["etag"], "\"v2\"");
    app.post(&format!("{}/submit", path(&draft))).by(&buyer.token).on(&draft).expect(412);
    let waiting = moved(app, &changed, "submit", &buyer.token);
    // Who corrects while a moderator reads is not published unread.
    app.patch(&path(&draft)).by(&buyer.token).on(&waiting).json(&json!({"overall": 3})).expect(200);
    let moderator = app.moderator("premier");
    app.post(&format!("{}/publish", path(&draft))).by(&moderator).on(&waiting).expect(412);
    app.post(&format!("{}/publish", path(&draft))).by(&moderator).expect(428);
    let public = moved(app, &app.get(&path(&draft)).by(&moderator).expect(200), "publish", &moderator);
    app.put(&format!("{}/reply", path(&draft))).by(&vendor.token).json(&json!({"text": "Merci."})).expect(428);
    app.put(&format!("{}/reply", path(&draft)))
        .by(&vendor.token)
        .on(&waiting)
        .json(&json!({"text": "Merci."}))
        .expect(412);
    app.post(&format!("{}/report", path(&draft))).by(&vendor.token).json(&json!({"reason": "Faux."})).expect(428);
    reported(app, &public, &vendor.token);
}

fn an_edit_of_a_published_review_is_moderated_and_the_earlier_text_kept_privately(app: &App) {
    let (vendor, solution, buyer) = scene(app);
    let public = published(app, &solution, &buyer.token, &content());
    let edits = format!("{}/edits", path(&public));
    let patch = |on: &Response, body: Value| app.patch(&path(&public)).by(&buyer.token).on(on).json(&body);
    patch(&public, json!({"text": "Trop court."})).expect(422).has_fault("/text too_short");
    patch(&public, json!({"declares_no_interest": false})).expect(422).has_fault("/declares_no_interest missing");
    let edited = patch(&public, json!({"title": "Mieux dit", "overall": 5})).expect(200);
    assert_eq!(edited.text("status"), "pending");
    app.get(&path(&public)).expect(404);
    let moderator = app.moderator("premier");
    let kept = app.get(&edits).by(&moderator).expect(200).json();
    assert_eq!((&kept["total"], &kept["items"][0]["title"]), (&json!(1), &json!("Au quotidien")));
    // What the public did not read in between is not kept.
    let again = patch(&edited, json!({"title": "Encore mieux"})).expect(200);
    assert_eq!(app.get(&edits).by(&moderator).expect(200).json()["total"], 1);
    let public = moved(app, &again, "publish", &moderator);
    assert_eq!(app.get(&path(&public)).expect(200).text("title"), "Encore mieux");
    patch(&public, json!({"title": null})).expect(200);
    let page = app.get(&format!("{edits}?limit=1")).by(&moderator).expect(200).json();
    assert_eq!((&page["total"], &page["items"][0]["title"]), (&json!(2), &json!("Encore mieux")));
    let next = page["next"].as_str().expect("a next page");
    let rest = app.get(&format!("{edits}?limit=1&cursor={next}")).by(&moderator).expect(200).json();
    assert_eq!((&rest["items"][0]["number"], &rest["next"]), (&json!(1), &json!(null)));
    for token in [&buyer.token, &vendor.token] {
        app.get(&edits).by(token).expect(403);
    }
    app.get(&edits).expect(401);
}

fn a_patch_that_changes_nothing_leaves_a_published_review_alone(app: &App) {
    let (_, solution, buyer) = scene(app);
    let public = published(app, &solution, &buyer.token, &content());
    let same = app.patch(&path(&public)).by(&buyer.token).on(&public).json(&json!({"overall": 4})).expect(200);
    assert_eq!((same.text("status").as_str(), &same.json()["version"]), ("published", &public.json()["version"]));
    app.patch(&path(&public))
        .by(&buyer.token)
        .on(&public)
        .json(&json!({"version": 9}))
        .expect(400)
        .has_fault("/version unknown_member");
}

fn a_rejected_review_is_corrected_and_submitted_again(app: &App) {
    let (_, solution, buyer) = scene(app);
    let waiting = pending(app, &solution, &buyer.token, &content());
    let moderator = app.moderator("premier");
    let reject = |body: Value| app.post(&format!("{}/reject", path(&waiting))).by(&moderator).on(&waiting).json(&body);
    reject(json!({"code": "too_harsh", "reason": "Trop dur."})).expect(422).has_fault("/code not_in_list");
    reject(json!({"code": "insult"})).expect(422).has_fault("/reason required");
    let rejected = reject(json!({"code": "personal_data", "reason": "Un agent est nommé."})).expect(200);
    assert_eq!(rejected.json()["moderation"]["code"], "personal_data");
    let read = |token: &str| app.get(&path(&waiting)).by(token).expect(200).json()["moderation"].clone();
    assert_eq!(read(&buyer.token)["reason"], "Un agent est nommé.");
    assert_eq!(read(&person(app, &buyer, "collègue")), json!(null), "a message to the author");
    app.post(&format!("{}/submit", path(&waiting))).by(&buyer.token).on(&rejected).expect(409);
    let corrected =
        app.patch(&path(&waiting)).by(&buyer.token).on(&rejected).json(&json!({"title": "Sans nom"})).expect(200);
    assert_eq!(corrected.text("status"), "draft");
    let public = moved(app, &moved(app, &corrected, "submit", &buyer.token), "publish", &moderator);
    assert_eq!(public.json()["moderation"], json!(null));
}

fn what_never_was_published_is_deleted_and_what_was_is_withdrawn(app: &App) {
    let (_, solution, buyer) = scene(app);
    let draft = drafted(app, &solution, &buyer.token, &content());
    app.post(&format!("{}/withdraw", path(&draft))).by(&buyer.token).on(&draft).expect(409);
    app.delete(&path(&draft)).by(&buyer.token).on(&draft).expect(204);
    app.get(&path(&draft)).by(&buyer.token).expect(404);
    let waiting = pending(app, &solution, &buyer.token, &content());
    app.delete(&path(&waiting)).by(&buyer.token).on(&waiting).expect(204);
    let public = published(app, &solution, &buyer.token, &content());
    app.delete(&path(&public)).by(&buyer.token).on(&public).expect(409);
    let edited = app.patch(&path(&public)).by(&buyer.token).on(&public).json(&json!({"overall": 1})).expect(200);
    app.delete(&path(&public)).by(&buyer.token).on(&edited).expect(409);
    let withdrawn = moved(app, &edited, "withdraw", &buyer.token);
    assert_eq!(withdrawn.text("status"), "withdrawn");
    app.get(&path(&public)).expect(404);
    assert_eq!(app.get(&path(&public)).by(&buyer.token).expect(200).text("status"), "withdrawn");
    app.patch(&path(&public)).by(&buyer.token).on(&withdrawn).json(&json!({"overall": 2})).expect(409);
    app.delete(&path(&public)).by(&buyer.token).on(&withdrawn).expect(409);
    app.post(&format!("{solution}/reviews")).by(&buyer.token).json(&content()).expect(409);
}

fn a_report_is_decided_by_another_moderator(app: &App) {
    let (vendor, solution, buyer) = scene(app);
    let public = published(app, &solution, &buyer.token, &content());
    app.post(&format!("{}/report", path(&public))).on(&public).json(&json!({"reason": "Faux."})).expect(401);
    app.post(&format!("{}/keep", path(&public))).by(&app.moderator("second")).on(&public).expect(409);
    let suspect = reported(app, &public, &vendor.token);
    assert_eq!(suspect.text("status"), "reported");
    assert_eq!(suspect.json()["reports"], json!(null));
    assert_eq!(total(app, &format!("{solution}/reviews"), None), 1, "it stays while it is looked at");
    let (first, second) = (app.moderator("premier"), app.moderator("second"));
    assert_eq!(app.get(&path(&public)).by(&second).expect(200).json()["reports"][0]["reason"], "Nomme un agent.");
    app.patch(&path(&public)).by(&buyer.token).on(&suspect).json(&json!({"overall": 1})).expect(409);
    app.post(&format!("{}/report", path(&public)))
        .by(&buyer.token)
        .on(&suspect)
        .json(&json!({"reason": "Moi aussi."}))
        .expect(409);
    app.post(&format!("{}/keep", path(&public))).by(&first).on(&suspect).expect(403);
    app.post(&format!("{}/keep", path(&public))).by(&vendor.token).on(&suspect).expect(403);
    let kept = moved(app, &suspect, "keep", &second);
    assert_eq!((kept.text("status").as_str(), &kept.json()["moderation"]["action"]), ("published", &json!("keep")));
    assert_eq!(app.get(&path(&public)).expect(200).json()["moderation"], json!(null));
}

fn a_removed_review_is_gone_for_the_public(app: &App) {
    let (vendor, solution, buyer) = scene(app);
    let public = published(app, &solution, &buyer.token, &content());
    let suspect = reported(app, &public, &vendor.token);
    let remove =
        |token: &str, body: Value| app.post(&format!("{}/remove", path(&public))).by(token).on(&suspect).json(&body);
    let ground = json!({"code": "insult", "reason": "Injurie l’éditeur."});
    remove(&app.moderator("premier"), ground.clone()).expect(403);
    let second = app.moderator("second");
    remove(&second, json!({"code": "insult", "reason": ""})).expect(422).has_fault("/reason too_short");
    let removed = remove(&second, ground).expect(200);
    assert_eq!(removed.text("status"), "removed");
    app.get(&path(&public)).expect(404);
    let own = app.get(&path(&public)).by(&buyer.token).expect(200);
    assert_eq!(own.json()["moderation"]["reason"], "Injurie l’éditeur.");
    app.post(&format!("{}/withdraw", path(&public))).by(&buyer.token).on(&own).expect(409);
    assert_eq!(app.get(&format!("{solution}/rating")).expect(200).json()["count"], 0);
}

fn a_publication_is_reported_once_by_one_person(app: &App) {
    let (vendor, solution, buyer) = scene(app);
    let public = published(app, &solution, &buyer.token, &content());
    let suspect = reported(app, &public, &vendor.token);
    let kept = moved(app, &suspect, "keep", &app.moderator("second"));
    let body = json!({"reason": "J’insiste."});
    let refused = app.post(&format!("{}/report", path(&public))).by(&vendor.token).on(&kept).json(&body).expect(409);
    assert_eq!(refused.text("code"), "duplicate");
    let again = reported(app, &kept, &app.audit_body(1).token);
    let second = app.moderator("second");
    assert_eq!(app.get(&path(&public)).by(&second).expect(200).json()["reports"].as_array().expect("a list").len(), 2);
    let kept = moved(app, &again, "keep", &second);
    let edited = app.patch(&path(&public)).by(&buyer.token).on(&kept).json(&json!({"overall": 1})).expect(200);
    let public = moved(app, &edited, "publish", &second);
    reported(app, &public, &vendor.token);
}

fn nobody_moderates_a_review_they_take_part_in(app: &App) {
    let (vendor, solution, buyer) = scene(app);
    let waiting = pending(app, &solution, &person(app, &buyer, "double"), &content());
    let publish = |token: &str| app.post(&format!("{}/publish", path(&waiting))).by(token).on(&waiting);
    publish(&app.moderator("double")).expect(403);
    let duties = [gouvtech_catalogue::auth::Duty::Moderator];
    for party in [&vendor, &buyer] {
        publish(&app.token(Role::Operator, Some(party.id), &duties, "attaché")).expect(403);
    }
    let public = publish(&app.moderator("premier")).expect(200);
    let suspect = reported(app, &public, &app.moderator("rapporteur"));
    app.post(&format!("{}/keep", path(&public))).by(&app.moderator("rapporteur")).on(&suspect).expect(403);
    moved(app, &suspect, "keep", &app.moderator("second"));
}

fn a_body_is_named_only_if_it_agrees(app: &App) {
    let (vendor, solution, buyer) = scene(app);
    let hidden = published(app, &solution, &buyer.token, &content());
    let mut body = content();
    body["may_be_named"] = json!(true);
    let named = published(app, &solution, &person(app, &buyer, "autre"), &body);
    for token in [None, Some(vendor.token.as_str()), Some(app.buyer(2).token.as_str())] {
        let read = |review: &Response| {
            let request = app.get(&path(review));
            token.map_or(app.get(&path(review)), |token| request.by(token)).expect(200)
        };
        let secret = read(&hidden);
        assert_eq!(secret.json()["organisation"], json!(null));
        assert_eq!(secret.json()["organisation_kind"], "company");
        assert!(!String::from_utf8_lossy(&secret.bytes).contains(&buyer.id.to_string()), "nothing leads to the body");
        assert!(!String::from_utf8_lossy(&secret.bytes).contains("public_body-1001"), "nor to the person");
        assert_eq!(read(&named).json()["organisation"]["id"], buyer.id.to_string());
    }
    for token in [&buyer.token, &app.moderator("premier")] {
        assert_eq!(app.get(&path(&hidden)).by(token).expect(200).json()["organisation"]["id"], buyer.id.to_string());
    }
    let own_vendor_view = app.get("/api/v1/reviews").by(&vendor.token).expect(200);
    assert_eq!(own_vendor_view.json()["items"][1]["organisation"], json!(null));
}

fn a_vendor_replies_once_and_takes_it_back(app: &App) {
    let (vendor, solution, buyer) = scene(app);
    let waiting = pending(app, &solution, &buyer.token, &content());
    let reply = |token: &str, on: &Response, text: &str| {
        app.put(&format!("{}/reply", path(&waiting))).by(token).on(on).json(&json!({"text": text}))
    };
    reply(&vendor.token, &waiting, "Trop tôt.").expect(404);
    let public = moved(app, &waiting, "publish", &app.moderator("premier"));
    reply(&app.vendor(2).token, &public, "Pas à moi.").expect(404);
    reply(&buyer.token, &public, "Moi-même.").expect(403);
    reply(&vendor.token, &public, &"x".repeat(2001)).expect(422).has_fault("/text too_long");
    reply(&vendor.token, &public, "  ").expect(422).has_fault("/text too_short");
    app.delete(&format!("{}/reply", path(&public))).by(&vendor.token).on(&public).expect(404);
    let first = reply(&vendor.token, &public, "Merci.").expect(200);
    assert!(first.headers["etag"].starts_with("\"v4."));
    let second = reply(&vendor.token, &first, "Merci beaucoup.").expect(200);
    assert_eq!(app.get(&path(&public)).expect(200).json()["reply"]["text"], "Merci beaucoup.");
    let suspect = reported(app, &second, &buyer.token);
    assert_eq!(suspect.json()["reply"]["text"], "Merci beaucoup.");
    let gone = app.delete(&format!("{}/reply", path(&public))).by(&vendor.token).on(&suspect).expect(204);
    assert_eq!(gone.headers["etag"], "\"v7\"");
    assert_eq!(app.get(&path(&public)).expect(200).json()["reply"], json!(null));
    assert_eq!(app.get(&format!("{solution}/rating")).expect(200).json()["count"], 1, "a reply moves no average");
}

fn an_average_appears_with_the_third_review_and_disappears_again(app: &App) {
    let (vendor, solution, buyer) = scene(app);
    let rating = || app.get(&format!("{solution}/rating")).expect(200).json();
    assert_eq!(rating()["count"], 0);
    let mut reviews = Vec::new();
    for (number, overall) in [5, 4].into_iter().enumerate() {
        reviews.push(published(app, &solution, &person(app, &buyer, &format!("agent {number}")), &rated(overall)));
    }
    let two = rating();
    assert_eq!((&two["count"], &two["overall"], &two["distribution"]), (&json!(2), &json!(null), &json!(null)));
    assert_eq!(app.get(&solution).expect(200).json()["rating"], json!(null));
    let mut third = rated(4);
    third["ratings"] = json!({"fitness": 4, "value": 1});
    let token = person(app, &buyer, "troisième");
    reviews.push(published(app, &solution, &token, &third));
    let three = rating();
    assert_eq!((&three["count"], &three["overall"]), (&json!(3), &json!(4.33)));
    assert_eq!((&three["ratings"]["fitness"], &three["ratings"]["value"]), (&json!(4.33), &json!(null)));
    assert_eq!(three["distribution"], json!({"1": 0, "2": 0, "3": 0, "4": 2, "5": 1}));
    assert_eq!(app.get(&solution).expect(200).json()["rating"], 4.33);
    assert_eq!(total(app, "/api/v1/solutions?min_rating=4.3", None), 1);
    let suspect = reported(app, &reviews[2], &vendor.token);
    assert_eq!(rating(), three, "a report alone changes nothing");
    moved(app, &suspect, "withdraw", &token);
    assert_eq!(rating(), two);
    assert_eq!(app.get(&solution).expect(200).json()["rating"], json!(null));
    assert_eq!(total(app, "/api/v1/solutions?min_rating=1", None), 0);
}

fn averages_round_half_to_even_and_leave_the_solution_as_it_was(app: &App) {
    let (vendor, solution, buyer) = scene(app);
    let before = app.own(&vendor, solution.rsplit('/').next().expect("an id"));
    // 33 / 8 = 4.125, which is as far from 4.12 as from 4.13.
    for (number, overall) in [5, 4, 4, 4, 4, 4, 4, 4].into_iter().enumerate() {
        published(app, &solution, &person(app, &buyer, &format!("agent {number}")), &rated(overall));
    }
    let rating = app.get(&format!("{solution}/rating")).expect(200);
    assert_eq!(rating.json()["overall"], 4.12);
    let after = app.own(&vendor, solution.rsplit('/').next().expect("an id"));
    for member in ["version", "updated_at", "published_version"] {
        assert_eq!(after.json()[member], before.json()[member], "{member}");
    }
    assert_ne!(after.headers["etag"], before.headers["etag"], "what is embedded changes the hash");
    app.patch(&solution).by(&vendor.token).on(&before).json(&json!({"summary": "Encore."})).expect(200);
    assert_eq!(app.get(&solution).expect(200).json()["rating"], 4.12, "an edit keeps it");
}

fn publications_at_once_all_enter_the_average(app: &App) {
    let (_, solution, buyer) = scene(app);
    let waiting: Vec<Response> = (0..5)
        .map(|number| pending(app, &solution, &person(app, &buyer, &format!("agent {number}")), &rated(1 + number % 5)))
        .collect();
    let moderator = app.moderator("jamais vu");
    std::thread::scope(|scope| {
        for review in &waiting {
            let moderator = &moderator;
            scope.spawn(move || moved(app, review, "publish", moderator));
        }
    });
    let rating = app.get(&format!("{solution}/rating")).expect(200).json();
    assert_eq!((&rating["count"], &rating["overall"]), (&json!(5), &json!(3.0)));
    assert_eq!(rating["distribution"], json!({"1": 1, "2": 1, "3": 1, "4": 1, "5": 1}));
}

fn a_review_counts_for_thirty_six_months(app: &App) {
    let (_, solution, buyer) = scene(app);
    let mut last = None;
    for (number, overall) in [5, 4, 3].into_iter().enumerate() {
        last = Some(published(app, &solution, &person(app, &buyer, &format!("agent {number}")), &rated(overall)));
        app.clock.advance(TimeDelta::days(1));
    }
    let age = || app.store().write_here(&Actor::System, age_out).expect("aged");
    let rating = || app.get(&format!("{solution}/rating")).expect(200).json();
    assert_eq!((age(), rating()["overall"].clone()), (0, json!(4.0)));
    app.clock.advance(TimeDelta::days(3 * 365 - 2));
    assert_eq!((age(), age()), (1, 0), "once over, and once only");
    assert_eq!((rating()["count"].clone(), rating()["overall"].clone()), (json!(2), json!(null)));
    let stored: i32 =
        app.store().read_here(|db| Ok(solutions::table.select(solutions::rating).first(db)?)).expect("a row");
    assert_eq!(stored, -1);
    app.clock.advance(TimeDelta::days(10));
    assert_eq!((age(), age()), (2, 0));
    let last = last.expect("a review");
    let read = app.get(&path(&last)).expect(200).json();
    assert_eq!((&read["status"], &read["is_counted"]), (&json!("published"), &json!(false)), "it stays readable");
    assert_eq!(read["version"], last.json()["version"]);
    let id = Id::parse(&last.id()).expect("an id");
    let changes = app.store().read_here(|db| Change::about(db, Resource::Review, id)).expect("read");
    assert_eq!(
        changes.last().map(|change| (change.action.as_str(), change.role.as_str())),
        Some(("age_review", "system"))
    );
    // An edit that is published anew counts anew.
    let author = person(app, &buyer, "agent 2");
    let edited = app.patch(&path(&last)).by(&author).on(&last).json(&json!({"overall": 2})).expect(200);
    moved(app, &edited, "publish", &app.moderator("premier"));
    assert_eq!(rating()["count"], 1);
}

fn queues_show_each_caller_what_concerns_it(app: &App) {
    let (vendor, solution, buyer) = scene(app);
    let (first, second) = (person(app, &buyer, "un"), person(app, &buyer, "deux"));
    drafted(app, &solution, &buyer.token, &content());
    pending(app, &solution, &first, &content());
    let public = published(app, &solution, &second, &content());
    let stranger = app.buyer(2);
    published(app, &solution, &stranger.token, &rated(2));
    reported(app, &public, &vendor.token);
    let count = |query: &str, token: &str| total(app, &format!("/api/v1/reviews{query}"), Some(token));
    let moderator = app.moderator("premier");
    assert_eq!(count("", &moderator), 4);
    assert_eq!(count("?status=pending", &moderator), 1);
    assert_eq!(count("?status=pending&status=reported", &moderator), 2);
    assert_eq!(count("?min_rating=3", &moderator), 3);
    assert_eq!((count("", &buyer.token), count("?status=draft", &buyer.token)), (3, 1));
    assert_eq!((count("", &stranger.token), count("?status=pending", &stranger.token)), (1, 0));
    assert_eq!((count("", &vendor.token), count("?status=pending", &vendor.token)), (2, 0));
    assert_eq!(count("", &app.vendor(2).token), 0);
    app.get("/api/v1/reviews").expect(401);
    app.get("/api/v1/reviews").by(&app.audit_body(1).token).expect(403);
    app.get("/api/v1/reviews").by(&app.token(Role::Buyer, None, &[], "sans organisation")).expect(403);
    app.get("/api/v1/reviews?status=burnt").by(&moderator).expect(400).has_fault("status/0 not_in_list");
    app.get("/api/v1/reviews?limit=101").by(&moderator).expect(400).has_fault("limit too_large");
}

fn a_list_of_reviews_is_sorted_and_paged_to_its_end(app: &App) {
    let (_, solution, buyer) = scene(app);
    let mut ids = Vec::new();
    for (number, overall) in [3, 5, 1, 5, 2].into_iter().enumerate() {
        ids.push(published(app, &solution, &person(app, &buyer, &format!("agent {number}")), &rated(overall)).id());
    }
    let walk = |sort: &str| {
        let mut rows: Vec<Value> = Vec::new();
        let start = format!("{solution}/reviews?limit=2{sort}");
        let mut path = start.clone();
        loop {
            let page = app.get(&path).expect(200).json();
            assert_eq!(page["total"], 5);
            rows.extend(page["items"].as_array().expect("a list").clone());
            let Some(next) = page["next"].as_str() else { return rows };
            path = format!("{start}&cursor={next}");
        }
    };
    let by_id =
        |rows: Vec<Value>| rows.iter().map(|row| row["id"].as_str().expect("an id").to_owned()).collect::<Vec<_>>();
    let ratings =
        |rows: Vec<Value>| rows.iter().map(|row| row["overall"].as_i64().expect("a number")).collect::<Vec<_>>();
    let newest: Vec<String> = ids.iter().rev().cloned().collect();
    assert_eq!(by_id(walk("")), newest, "newest first");
    assert_eq!(by_id(walk("&sort=published_at")), ids);
    assert_eq!(ratings(walk("&sort=rating")), [1, 2, 3, 5, 5]);
    assert_eq!(ratings(walk("&sort=-rating")), [5, 5, 3, 2, 1]);
    app.get(&format!("{solution}/reviews?sort=author")).expect(400).has_fault("sort not_in_list");
}

fn the_journal_names_every_step_and_no_words(app: &App) {
    let (vendor, solution, buyer) = scene(app);
    let public = published(app, &solution, &buyer.token, &content());
    let edited =
        app.patch(&path(&public)).by(&buyer.token).on(&public).json(&json!({"title": "Secret bien gardé"})).expect(200);
    let public = moved(app, &edited, "publish", &app.moderator("premier"));
    let replied = app
        .put(&format!("{}/reply", path(&public)))
        .by(&vendor.token)
        .on(&public)
        .json(&json!({"text": "Secret bien gardé"}))
        .expect(200);
    let suspect = reported(app, &replied, &vendor.token);
    app.post(&format!("{}/remove", path(&public)))
        .by(&app.moderator("second"))
        .on(&suspect)
        .json(&json!({"code": "secret", "reason": "Secret bien gardé"}))
        .expect(200);
    let id = Id::parse(&public.id()).expect("an id");
    let changes = app.store().read_here(|db| Change::about(db, Resource::Review, id)).expect("read");
    let actions: Vec<&str> = changes.iter().map(|change| change.action.as_str()).collect();
    assert_eq!(
        actions,
        [
            "create_review",
            "submit_review",
            "publish_review",
            "update_review",
            "publish_review",
            "reply_review",
            "report_review",
            "remove_review"
        ]
    );
    let of = changes[3].changed.0["solution"].clone();
    assert_eq!(changes[3].changed.0, json!({"fields": ["title"], "solution": of, "status": ["published", "pending"]}));
    assert_eq!(changes.iter().map(|change| change.resource_version).collect::<Vec<_>>(), (1..=8).collect::<Vec<_>>());
    let all = changes.iter().map(|change| change.changed.0.to_string()).collect::<String>();
    assert!(!all.contains("Secret") && !all.contains("agent"), "{all}");
}
