use crate::cases;
use crate::support::build::sheet;
use crate::support::{App, json};

cases![
    a_draft_needs_nothing_but_a_name,
    a_submission_says_everything_that_is_missing,
    a_solution_is_drafted_submitted_published_and_read,
    the_public_reads_the_published_version_while_a_revision_is_edited,
    a_harmless_revision_is_published_at_once_and_a_sensitive_one_is_moderated,
    versions_can_be_compared_and_taken_up_again,
    of_fifty_writers_with_one_tag_exactly_one_wins,
    a_vendor_cannot_touch_a_solution_of_another_vendor,
    what_was_published_is_archived_and_leaves_a_tombstone,
    what_was_never_published_is_deleted_and_its_slug_stays_taken,
    a_suspension_is_lifted_by_somebody_else,
    a_list_is_filtered_sorted_and_paged_to_its_end,
    a_cursor_serves_only_the_list_it_came_from,
    a_patch_removes_with_null_and_refuses_what_it_does_not_know,
    a_reference_that_did_not_agree_is_not_named,
    a_sheet_nobody_confirms_is_outdated_then_archived_six_months_later,
];

fn a_draft_needs_nothing_but_a_name(app: &App) {
    let vendor = app.vendor(1);
    let draft = app.post("/api/v1/solutions").by(&vendor.token).json(&json!({"name": "Été à l’Hôtel"})).expect(201);
    assert_eq!(draft.text("status"), "draft");
    assert_eq!(draft.text("slug"), "ete-a-l-hotel");
    let twin = app.post("/api/v1/solutions").by(&vendor.token).json(&json!({"name": "Été à l’Hôtel"})).expect(201);
    assert_eq!(twin.text("slug"), "ete-a-l-hotel-2");
    app.get(&format!("/api/v1/solutions/{}", draft.id())).expect(404);
    assert_eq!(app.get("/api/v1/solutions").expect(200).json()["total"], 0, "drafts never leak");
    assert_eq!(app.get("/api/v1/solutions").by(&vendor.token).expect(200).json()["total"], 2);
    app.post("/api/v1/solutions").by(&vendor.token).json(&json!({})).expect(422).has_fault("/name required");
    let slugs: std::collections::BTreeSet<String> =
        (0..8).map(|_| app.draft(&vendor, "Été à l’hôtel").text("slug")).collect();
    assert_eq!(slugs.len(), 8, "each namesake has a slug of its own");
}

fn a_submission_says_everything_that_is_missing(app: &App) {
    let vendor = app.vendor(1);
    let draft = app.post("/api/v1/solutions").by(&vendor.token).json(&json!({"name": "Nu"})).expect(201);
    let path = format!("/api/v1/solutions/{}/submit", draft.id());
    let charter = json!({"accepts_charter": true});
    let refused = app.post(&path).by(&vendor.token).on(&draft).json(&charter).expect(422);
    for pointer in
        ["/summary", "/description", "/language", "/families", "/distribution", "/deployment", "/traits", "/website"]
    {
        refused.has_fault(&format!("{pointer} missing"));
    }
    app.post(&path).by(&vendor.plain).on(&draft).json(&charter).expect(403);
    app.post(&path)
        .by(&vendor.token)
        .on(&draft)
        .json(&json!({"accepts_charter": false}))
        .expect(422)
        .has_fault("/accepts_charter charter_not_accepted");
    app.post(&path).by(&vendor.token).json(&charter).expect(428);
}

fn a_solution_is_drafted_submitted_published_and_read(app: &App) {
    let vendor = app.vendor(1);
    let submitted = app.submitted(&vendor, "Démarches");
    let path = format!("/api/v1/solutions/{}", submitted.id());
    assert_eq!(submitted.text("status"), "submitted");
    app.patch(&path).by(&vendor.token).on(&submitted).json(&json!({"tags": []})).expect(409);
    let queue = app.get("/api/v1/solutions?status=submitted").by(&app.operator()).expect(200).json();
    assert_eq!(queue["items"][0]["id"], submitted.id());
    let published = app.post(&format!("{path}/publish")).by(&app.operator()).on(&submitted).expect(200);
    assert_eq!(published.text("status"), "published");

    let read = app.get("/api/v1/solutions/demarches").expect(200);
    assert_eq!(read.json()["vendor"]["id"], vendor.id.to_string());
    assert_eq!(read.json()["origins"]["licence"]["origin"], "declared");
    assert!(read.headers["cache-control"].starts_with("public"));
    let tag = &read.headers["etag"];
    assert_eq!(app.get("/api/v1/solutions/demarches").header("if-none-match", tag).expect(304).headers["etag"], *tag);
    let sparse = app.get("/api/v1/solutions/demarches?fields=name,slug").expect(200);
    assert_eq!(sparse.json(), json!({"name": "Démarches", "slug": "demarches"}));
    assert_ne!(sparse.headers["etag"], *tag);
    app.get("/api/v1/solutions/demarches?fields=name,secret").expect(400).has_fault("fields unknown_field");
    let nothing = app.get("/api/v1/solutions/demarches?include=").expect(200);
    assert_eq!(nothing.bytes, read.bytes, "an empty list embeds nothing");
    app.get("/api/v1/solutions/demarches?include=vendor,").expect(400);
    let full = app.get("/api/v1/solutions/demarches?include=vendor,label,scores").expect(200).json();
    assert_eq!(full["embedded"]["vendor"]["id"], vendor.id.to_string());
}

fn the_public_reads_the_published_version_while_a_revision_is_edited(app: &App) {
    let vendor = app.vendor(1);
    let published = app.published(&vendor, "Stable");
    let path = format!("/api/v1/solutions/{}", published.id());
    let before = app.get(&path).expect(200);
    let own = app.own(&vendor, &published.id());
    let edited =
        app.patch(&path).by(&vendor.token).on(&own).json(&json!({"name": "Remaniée", "licence": "MIT"})).expect(200);
    assert_eq!(edited.json()["revision"], json!({"status": "draft", "version": 2}));
    assert_eq!(edited.text("name"), "Remaniée");
    let after = app.get(&path).expect(200);
    assert_eq!(after.bytes, before.bytes, "nothing public changed");
    assert_eq!(after.headers["etag"], before.headers["etag"]);
    assert_eq!(app.get("/api/v1/solutions?q=remaniee").expect(200).json()["total"], 0);
    let public = app.get(&format!("{path}?view=published")).by(&vendor.token).expect(200);
    assert_eq!(public.text("name"), "Stable");
    assert_eq!(app.get(&path).by(&app.operator()).expect(200).text("name"), "Remaniée");
}

fn a_harmless_revision_is_published_at_once_and_a_sensitive_one_is_moderated(app: &App) {
    let vendor = app.vendor(1);
    let published = app.published(&vendor, "Révisée");
    let path = format!("/api/v1/solutions/{}", published.id());
    let charter = json!({"accepts_charter": true});
    let own = app.own(&vendor, &published.id());
    let edited = app.patch(&path).by(&vendor.token).on(&own).json(&json!({"summary": "Mieux dit."})).expect(200);
    let second = app.post(&format!("{path}/submit")).by(&vendor.token).on(&edited).json(&charter).expect(200);
    assert_eq!((second.text("summary").as_str(), &second.json()["published_version"]), ("Mieux dit.", &json!(2)));

    let edited = app.patch(&path).by(&vendor.token).on(&second).json(&json!({"licence": "MIT"})).expect(200);
    let waiting = app.post(&format!("{path}/submit")).by(&vendor.token).on(&edited).json(&charter).expect(200);
    assert_eq!(waiting.json()["revision"]["status"], "submitted");
    assert_eq!(app.get(&path).expect(200).text("licence"), "AGPL-3.0-or-later");
    assert_eq!(app.get("/api/v1/solutions?status=submitted").by(&app.operator()).expect(200).json()["total"], 1);
    let asked = json!({"changes": [{"field": "licence", "reason": "Dire pourquoi."}]});
    let back = app.post(&format!("{path}/request-changes")).by(&app.operator()).on(&waiting).json(&asked).expect(200);
    assert_eq!(back.json()["moderation"]["changes"][0]["field"], "licence");
    let again = app.post(&format!("{path}/submit")).by(&vendor.token).on(&back).json(&charter).expect(200);
    app.post(&format!("{path}/publish")).by(&app.operator()).on(&again).expect(200);
    assert_eq!(app.get(&path).expect(200).text("licence"), "MIT");
}

fn versions_can_be_compared_and_taken_up_again(app: &App) {
    let vendor = app.vendor(1);
    let first = app.published(&vendor, "Versions");
    let path = format!("/api/v1/solutions/{}", first.id());
    let edited =
        app.patch(&path).by(&vendor.token).on(&first).json(&json!({"summary": "Deux.", "tags": ["b"]})).expect(200);
    let stale = app.patch(&path).by(&vendor.token).on(&first).json(&json!({"tags": []})).expect(412);
    assert_eq!(stale.headers["etag"], "\"v4\"");
    let second = app
        .post(&format!("{path}/submit"))
        .by(&vendor.token)
        .on(&edited)
        .json(&json!({"accepts_charter": true}))
        .expect(200);
    let listed = app.get(&format!("{path}/versions")).expect(200).json();
    assert_eq!((&listed["total"], &listed["items"][0]["number"]), (&json!(2), &json!(2)));
    let diff = app.get(&format!("{path}/versions/1/diff/2")).expect(200).json();
    assert_eq!(
        diff["changes"],
        json!([{"field": "summary", "before": "Une solution pour essayer.", "after": "Deux."},
               {"field": "tags", "before": ["Formulaires"], "after": ["b"]}])
    );
    app.get(&format!("{path}/versions/3")).expect(404);
    app.get(&format!("{path}/versions/nope")).expect(404);
    let reverted = app.post(&format!("{path}/versions/1/revert")).by(&vendor.token).on(&second).expect(200);
    assert_eq!(reverted.text("summary"), "Une solution pour essayer.");
    assert_eq!(app.get(&path).expect(200).text("summary"), "Deux.");
}

fn of_fifty_writers_with_one_tag_exactly_one_wins(app: &App) {
    let vendor = app.vendor(1);
    let draft = app.draft(&vendor, "Course");
    let path = format!("/api/v1/solutions/{}", draft.id());
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..50)
            .map(|n| {
                let (path, draft, vendor) = (&path, &draft, &vendor);
                scope.spawn(move || {
                    app.patch(path).by(&vendor.token).on(draft).json(&json!({"summary": format!("{n}")})).send().status
                })
            })
            .collect();
        writers.into_iter().map(|writer| writer.join().expect("no panic")).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 200 | 412 | 503)), "{statuses:?}");
    assert_eq!(app.own(&vendor, &draft.id()).json()["version"], 2);
}

fn a_vendor_cannot_touch_a_solution_of_another_vendor(app: &App) {
    let (vendor, other) = (app.vendor(1), app.vendor(2));
    let draft = app.draft(&vendor, "À moi");
    let path = format!("/api/v1/solutions/{}", draft.id());
    let foreign = app.patch(&path).by(&other.token).on(&draft).json(&json!({"name": "À toi"})).expect(404);
    let absent = app
        .patch(&format!("/api/v1/solutions/{}", gouvtech_catalogue::db::Id::new()))
        .by(&other.token)
        .on(&draft)
        .json(&json!({"name": "À toi"}))
        .expect(404);
    let strip = |response: &crate::support::Response| {
        let mut body = response.json();
        body["instance"] = json!("");
        body["request_id"] = json!("");
        body
    };
    assert_eq!(strip(&foreign), strip(&absent), "foreign and absent are alike");
    app.post(&format!("{path}/submit")).by(&other.token).on(&draft).json(&json!({"accepts_charter": true})).expect(404);
    app.delete(&path).by(&other.token).on(&draft).expect(404);
    let public = app.published(&vendor, "Publique");
    app.patch(&format!("/api/v1/solutions/{}", public.id()))
        .by(&other.token)
        .on(&public)
        .json(&json!({"name": "x"}))
        .expect(404);
    app.patch(&path).by(&app.operator()).on(&draft).json(&json!({"name": "x"})).expect(403);
}

fn what_was_published_is_archived_and_leaves_a_tombstone(app: &App) {
    let vendor = app.vendor(1);
    let published = app.published(&vendor, "Éteinte");
    let path = format!("/api/v1/solutions/{}", published.id());
    let own = app.own(&vendor, &published.id());
    app.delete(&path).by(&vendor.token).on(&own).expect(409);
    app.post(&format!("{path}/archive"))
        .by(&vendor.token)
        .on(&own)
        .json(&json!({"reason": "Produit arrêté."}))
        .expect(200);
    let gone = app.get(&path).header("accept-language", "en").expect(410).json();
    assert_eq!(gone["tombstone"]["name"], "Éteinte");
    assert_eq!(gone["tombstone"]["reason"], "Produit arrêté.");
    assert_eq!(gone["title"], "Gone");
    assert_eq!(app.get("/api/v1/solutions").expect(200).json()["total"], 0);
}

fn what_was_never_published_is_deleted_and_its_slug_stays_taken(app: &App) {
    let vendor = app.vendor(1);
    let draft = app.draft(&vendor, "Éphémère");
    let path = format!("/api/v1/solutions/{}", draft.id());
    app.delete(&path).by(&vendor.token).expect(428);
    app.delete(&path).by(&vendor.token).on(&draft).expect(204);
    app.get(&path).by(&vendor.token).expect(404);
    assert_eq!(app.draft(&vendor, "Éphémère").text("slug"), "ephemere-2");
}

fn a_suspension_is_lifted_by_somebody_else(app: &App) {
    let vendor = app.vendor(1);
    let published = app.published(&vendor, "Suspendue");
    let path = format!("/api/v1/solutions/{}", published.id());
    let (first, second) = (app.moderator("premier"), app.moderator("second"));
    let body = json!({"code": "security", "reason": "Faille exploitée."});
    let suspended = app.post(&format!("{path}/suspend")).by(&first).on(&published).json(&body).expect(200);
    assert_eq!(app.get("/api/v1/solutions").expect(200).json()["total"], 0);
    assert_eq!(app.get(&path).expect(200).json()["moderation"]["code"], "security");
    app.post(&format!("{path}/lift")).by(&first).on(&suspended).expect(403);
    app.post(&format!("{path}/lift")).by(&second).on(&suspended).expect(200);
    assert_eq!(app.get("/api/v1/solutions").expect(200).json()["total"], 1);
}

fn a_list_is_filtered_sorted_and_paged_to_its_end(app: &App) {
    let vendor = app.vendor(1);
    for name in ["Émeraude", "Azur", "Écarlate", "Brun", "Zinc"] {
        app.published(&vendor, name);
    }
    let mut names = Vec::new();
    let mut path = "/api/v1/solutions?limit=2&sort=name".to_owned();
    loop {
        let page = app.get(&path).expect(200);
        let body = page.json();
        assert_eq!(body["total"], 5);
        names.extend(
            body["items"]
                .as_array()
                .expect("a list")
                .iter()
                .map(|item| item["name"].as_str().expect("a name").to_owned()),
        );
        let Some(next) = body["next"].as_str() else { break };
        path = format!("/api/v1/solutions?limit=2&sort=name&cursor={next}");
        assert_eq!(page.headers["link"], format!("<{path}>; rel=\"next\""));
    }
    assert_eq!(names, ["Azur", "Brun", "Écarlate", "Émeraude", "Zinc"], "accents do not decide the order");
    let total = |query: &str| {
        app.get(&format!("/api/v1/solutions?{query}")).expect(200).json()["total"].as_i64().expect("a number")
    };
    assert_eq!(total("q=%C3%89CARLATE"), 1);
    assert_eq!(total("q=ecarlate"), 1);
    assert_eq!(total("q=100%25"), 0, "wildcards are text");
    assert_eq!(total("licence=AGPL-3.0-or-later&deployment=cloud&qualification=secnumcloud&hosting_country=FR"), 5);
    assert_eq!(total("licence=MIT"), 0);
    assert_eq!(total("licence=MIT&licence=AGPL-3.0-or-later"), 5, "a repeated parameter is or");
    assert_eq!(total("licence=AGPL-3.0-or-later&distribution=proprietary"), 0, "different parameters are and");
    assert_eq!(total("tag=formulaires"), 5);
    assert_eq!(total(&format!("vendor={}", vendor.id)), 5);
    assert_eq!(total("vendor_kind=company&trait=saas"), 5);
    assert_eq!(total("min_score=0.1"), 0);
    app.get("/api/v1/solutions?limit=0").expect(400).has_fault("limit too_small");
    app.get("/api/v1/solutions?limit=101").expect(400).has_fault("limit too_large");
    app.get("/api/v1/solutions?sort=password").expect(400).has_fault("sort not_in_list");
    app.get("/api/v1/solutions?colour=red").expect(400).has_fault("colour unknown_parameter");
    for sort in ["-name", "published_at", "-updated_at", "score", "-rating"] {
        let first = app.get(&format!("/api/v1/solutions?limit=3&sort={sort}")).expect(200).json();
        let next = first["next"].as_str().expect("a next page");
        let rest = app.get(&format!("/api/v1/solutions?limit=3&sort={sort}&cursor={next}")).expect(200).json();
        let mut ids: Vec<String> = [&first, &rest]
            .iter()
            .flat_map(|page| page["items"].as_array().expect("a list"))
            .map(|item| item["id"].to_string())
            .collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 5, "{sort}");
        assert!(rest["next"].is_null());
    }
}

fn a_cursor_serves_only_the_list_it_came_from(app: &App) {
    let vendor = app.vendor(1);
    for name in ["A", "B", "C"] {
        app.published(&vendor, name);
    }
    let next = app.get("/api/v1/solutions?limit=1").expect(200).text("next");
    app.get(&format!("/api/v1/solutions?limit=2&cursor={next}")).expect(200);
    app.get(&format!("/api/v1/solutions?limit=1&sort=-name&cursor={next}"))
        .expect(400)
        .has_fault("cursor invalid_cursor");
    app.get(&format!("/api/v1/solutions?limit=1&q=a&cursor={next}")).expect(400);
    app.get(&format!("/api/v1/solutions?limit=1&cursor={next}x")).expect(400);
    app.get("/api/v1/solutions?cursor=%00").expect(400);
}

fn a_patch_removes_with_null_and_refuses_what_it_does_not_know(app: &App) {
    let vendor = app.vendor(1);
    let draft = app.draft(&vendor, "Rapiécée");
    let path = format!("/api/v1/solutions/{}", draft.id());
    let patch = |body| app.patch(&path).by(&vendor.token).on(&draft).json(&body);
    patch(json!({"status": "published"})).expect(400).has_fault("/status unknown_member");
    patch(json!({"nothing": null})).expect(400).has_fault("/nothing unknown_member");
    patch(json!({"summary": 3})).expect(400).has_fault("/summary wrong_type");
    patch(json!({"hosting": [{"provider": "x", "country": "FR", "colour": "red"}]}))
        .expect(400)
        .has_fault("/hosting/0/colour unknown_member");
    patch(json!({"name": null})).expect(400).has_fault("/name wrong_type");
    let refused = patch(json!({"licence": "Pas une licence", "families": ["inconnue"], "website": "ftp://x.org", "language": "français"})).expect(422);
    assert_eq!(
        refused.faults(),
        [
            "/families/0 unknown_family",
            "/language invalid_language",
            "/licence invalid_licence",
            "/website invalid_url"
        ]
    );
    patch(json!({"summary": "x".repeat(201)})).expect(422).has_fault("/summary too_long");
    let changed = patch(json!({"summary": null, "tags": ["un", "deux"]})).expect(200);
    let seen = changed.json();
    assert!(seen["summary"].is_null() && seen["origins"]["summary"].is_null());
    assert_eq!(seen["tags"], json!(["un", "deux"]));
    let emptied = app.patch(&path).by(&vendor.token).on(&changed).json(&json!({"tags": null})).expect(200);
    assert_eq!(emptied.json()["tags"], json!([]), "what may be left out may be removed, a list too");
}

fn a_reference_that_did_not_agree_is_not_named(app: &App) {
    let vendor = app.vendor(1);
    let mut body = sheet("Discrète");
    body["references"] =
        json!([{"organisation": "Ville A", "may_be_named": true}, {"organisation": "Ville B", "scope": "agents"}]);
    body["evidence"] = json!([
        {"title": "Public", "url": "https://example.org/a", "visibility": "public"},
        {"title": "Agents", "url": "https://example.org/b", "visibility": "agents"},
        {"title": "Restreint", "url": "https://example.org/c", "visibility": "restricted"},
    ]);
    let draft = app.post("/api/v1/solutions").by(&vendor.token).json(&body).expect(201);
    let path = format!("/api/v1/solutions/{}", draft.id());
    let submitted = app
        .post(&format!("{path}/submit"))
        .by(&vendor.token)
        .on(&draft)
        .json(&json!({"accepts_charter": true}))
        .expect(200);
    app.post(&format!("{path}/publish")).by(&app.operator()).on(&submitted).expect(200);
    let seen = |token: Option<&str>| {
        let request = app.get(&path);
        let body = token.map_or(app.get(&path), |token| request.by(token)).expect(200).json();
        (body["references"][1]["organisation"].clone(), body["evidence"].as_array().expect("a list").len())
    };
    assert_eq!(seen(None), (json!(null), 1));
    assert_eq!(seen(Some(&app.buyer(1).token)), (json!(null), 2));
    assert_eq!(seen(Some(&app.vendor(2).token)), (json!(null), 1));
    assert_eq!(seen(Some(&vendor.token)), (json!("Ville B"), 3));
    let version = app.get(&format!("{path}/versions/1")).expect(200).json();
    assert!(version["references"][1]["organisation"].is_null(), "versions keep the same secret");
}

fn a_sheet_nobody_confirms_is_outdated_then_archived_six_months_later(app: &App) {
    let vendor = app.vendor(1);
    let solution = app.published(&vendor, "Oubliée");
    let path = format!("/api/v1/solutions/{}", solution.id());
    let run = || gouvtech_catalogue::deadlines::run(app.store(), &app.inner.settings).expect("run");
    app.clock.advance(chrono::TimeDelta::days(800));
    assert_eq!((run(), run()), (1, 0), "however late the calendar is looked at, the six months are given");
    let seen = app.get(&path).expect(200);
    assert_eq!(seen.text("status"), "outdated");
    let signatory = app.token(
        gouvtech_catalogue::auth::Role::Vendor,
        Some(vendor.id),
        &[gouvtech_catalogue::auth::Duty::Signatory],
        "signataire",
    );
    let own = app.get(&path).by(&signatory).expect(200);
    let confirmed = app.post(&format!("{path}/confirm")).by(&signatory).on(&own).expect(200);
    assert_eq!(confirmed.text("status"), "published");
    app.clock.advance(chrono::TimeDelta::days(366));
    assert_eq!(run(), 1);
    app.clock.advance(chrono::TimeDelta::days(184));
    assert_eq!(run(), 1);
    app.get(&path).expect(410);
}
