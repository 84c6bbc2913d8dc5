//! Public answers that are kept: never other than what would be computed now.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use gouvtech_catalogue::auth::{Duty, Role};
use gouvtech_catalogue::config::Given;
use gouvtech_catalogue::deadlines;
use gouvtech_catalogue::kept::KeptStats;

use crate::cases;
use crate::support::build::{Party, siren};
use crate::support::{App, Response, Value, json};

cases![
    no_answer_is_other_than_what_would_be_computed_now,
    no_answer_outlives_its_day_or_what_the_calendar_does,
    instances_agree_within_a_second,
    what_has_nothing_to_do_with_a_change_stays,
    what_an_answer_has_of_its_request_is_not_kept,
    a_token_neither_reads_nor_leaves_an_answer,
    every_coding_and_head_and_not_modified_come_from_one_answer,
    memory_is_bounded,
    of_many_who_ask_at_once_one_computes,
    writers_and_readers_at_once_never_see_an_older_answer,
    nothing_is_kept_when_that_is_turned_off,
];

/// Nothing is kept.
fn off() -> Given {
    Given { kept_bytes: Some(0), ..Given::default() }
}

fn stats(app: &App) -> KeptStats {
    app.inner.kept.stats()
}

/// What makes an answer that answer: all but the id of the request.
fn essence(response: &Response) -> (u16, Vec<Option<String>>, Value) {
    let headers = ["etag", "cache-control", "content-type", "link", "vary"];
    let headers = headers.into_iter().map(|name| response.headers.get(name).cloned()).collect();
    let mut body = response.json();
    if let Some(members) = body.as_object_mut() {
        members.remove("request_id");
    }
    (response.status, headers, body)
}

/// Asks again where a busy machine had no time for the database.
fn answered(app: &App, path: &str) -> Response {
    let mut responses = (0..20).map(|_| app.get(path).send());
    responses.find(|response| response.status != 503).unwrap_or_else(|| panic!("{path} is never answered"))
}

/// Asks until the answer is one that was kept.
fn kept(app: &App, path: &str) -> Response {
    let before = stats(app).hits;
    for _ in 0..50 {
        let response = app.get(path).expect(200);
        if stats(app).hits > before {
            return response;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{path} is never kept");
}

/// Every public address that has to do with these.
#[derive(Default)]
struct World {
    solutions: Vec<String>,
    organisations: Vec<String>,
    evaluations: Vec<String>,
    reviews: Vec<String>,
    labels: Vec<String>,
    sets: Vec<String>,
}

impl World {
    fn addresses(&self) -> Vec<String> {
        let mut all: Vec<String> = [
            "families",
            "families/demarches_en_ligne",
            "criteria",
            "criteria?theme=securite",
            "criteria/SEC-01",
            "themes",
            "criteria-sets",
            "solutions",
            "solutions?sort=-rating&min_rating=1",
            "solutions?sort=-score&include=vendor,label,scores",
            "solutions?sort=-updated_at&fields=name,slug,status,updated_at",
            "solutions?label=active",
            "solutions?vendor_control=eu&limit=1",
            "solutions?q=formulaires",
            "organisations",
            "organisations?kind=vendor",
            "accreditations",
            "accreditations?status=accredited",
            "labels",
            "labels?status=active",
            "labels?status=expired",
        ]
        .map(ToOwned::to_owned)
        .into();
        for one in &self.solutions {
            for rest in [
                "",
                "?include=vendor,label,scores",
                "?fields=name,rating,score",
                "/versions",
                "/versions/1",
                "/versions/1/diff/2",
                "/criteria",
                "/evaluations",
                "/evaluation",
                "/reviews",
                "/reviews?sort=-rating",
                "/rating",
                "/labels",
            ] {
                all.push(format!("solutions/{one}{rest}"));
            }
        }
        for one in &self.organisations {
            all.extend([format!("organisations/{one}"), format!("organisations/{one}/solutions")]);
        }
        for one in &self.sets {
            all.extend([format!("criteria-sets/{one}"), format!("criteria-sets/{one}/criteria")]);
            all.push(format!("criteria-sets/{one}/criteria/SEC-01"));
        }
        all.extend(self.evaluations.iter().map(|one| format!("evaluations/{one}")));
        all.extend(self.reviews.iter().map(|one| format!("reviews/{one}")));
        all.extend(self.labels.iter().map(|one| format!("labels/{one}")));
        all.into_iter().map(|one| format!("/api/v1/{one}")).collect()
    }

    /// Compares every answer, kept since an earlier step or not, with the one computed now.
    fn agree(&self, app: &App, plain: &App, after: &str) {
        plain.settle();
        for address in self.addresses() {
            let computed = essence(&answered(plain, &address));
            assert_eq!(essence(&answered(app, &address)), computed, "{address} after {after}");
        }
    }
}

fn act(app: &App, on: &Response, path: &str, token: &str, body: Option<Value>) -> Response {
    let request = app.post(path).by(token).on(on);
    match body {
        Some(body) => request.json(&body),
        None => request,
    }
    .expect(200)
}

fn in_sixty_days(app: &App) -> Value {
    json!({"in_force_on": app.clock.now().plus_days(60).day().to_string()})
}

fn review(app: &App, solution: &str, buyer: &Party, name: &str, overall: i32) -> Response {
    let token = app.token(Role::Buyer, Some(buyer.id), &[], name);
    let content = json!({
        "title": "Au quotidien", "text": "Nous l’utilisons tous les jours. ".repeat(5), "overall": overall,
        "ratings": {"fitness": overall, "support": 3}, "declares_no_interest": true,
        "context": {"role": "administrator", "used_since": "2024-01-15", "deployment": "cloud"},
    });
    let draft = app.post(&format!("/api/v1/solutions/{solution}/reviews")).by(&token).json(&content).expect(201);
    act(app, &draft, &format!("/api/v1/reviews/{}/submit", draft.id()), &token, None)
}

fn no_answer_is_other_than_what_would_be_computed_now(app: &App) {
    let plain = app.twin(off());
    let mut world = World::default();
    world.agree(app, &plain, "nothing");
    let (vendor, buyer, body) = (app.vendor(1), app.buyer(1), app.audit_body(1));
    world.organisations = vec![vendor.id.to_string(), buyer.id.to_string()];
    world.agree(app, &plain, "organisations came");

    let submitted = app.submitted(&vendor, "Formulaires faciles");
    let id = submitted.id();
    world.solutions = vec![id.clone(), "formulaires-faciles".to_owned()];
    world.agree(app, &plain, "a submission");
    let here = format!("/api/v1/solutions/{id}");
    let moderator = app.operator();
    act(app, &submitted, &format!("{here}/publish"), &moderator, None);
    world.agree(app, &plain, "a publication");
    let twin = app.published(&vendor, "Formulaires faciles");
    world.solutions.push(twin.id());
    world.agree(app, &plain, "a namesake");

    let own = app.own(&vendor, &id);
    let edited = app.patch(&here).by(&vendor.token).on(&own).json(&json!({"summary": "Autrement dit."})).expect(200);
    world.agree(app, &plain, "an edit of the working copy");
    act(app, &edited, &format!("{here}/submit"), &vendor.token, Some(json!({"accepts_charter": true})));
    world.agree(app, &plain, "a revision published at once");

    let organisation = format!("/api/v1/organisations/{}", vendor.id);
    let before = app.get(&organisation).by(&vendor.token).expect(200);
    let change = json!({"name": "Atelier renommé", "control": "eu"});
    app.patch(&organisation).by(&app.operator()).on(&before).json(&change).expect(200);
    world.agree(app, &plain, "the vendor's new name");

    let evaluation = app.submitted_evaluation(&vendor, &id);
    world.evaluations.push(evaluation.id());
    world.agree(app, &plain, "an evaluation submitted");
    let evaluated = format!("/api/v1/evaluations/{}", evaluation.id());
    let mut evaluation = act(app, &evaluation, &format!("{evaluated}/publish"), &moderator, None);
    world.agree(app, &plain, "an evaluation published");
    let contest = json!({"criterion": "SEC-01", "reason": "Le lien ne mène nulle part."});
    evaluation = act(app, &evaluation, &format!("{evaluated}/contest"), &moderator, Some(contest));
    world.agree(app, &plain, "a contest");
    let resolution = json!({"criterion": "SEC-01", "outcome": "zeroed", "resolution": "Sans preuve."});
    act(app, &evaluation, &format!("{evaluated}/resolve"), &moderator, Some(resolution));
    world.agree(app, &plain, "an answer zeroed");

    let mut last = None;
    for (name, overall) in [("une", 5), ("deux", 3), ("trois", 4)] {
        let pending = review(app, &id, &buyer, name, overall);
        world.reviews.push(pending.id());
        world.agree(app, &plain, "a review submitted");
        let publish = format!("/api/v1/reviews/{}/publish", pending.id());
        last = Some(act(app, &pending, &publish, &app.moderator("premier"), None));
        world.agree(app, &plain, "a review published");
    }
    let last = last.expect("a review");
    let there = format!("/api/v1/reviews/{}", last.id());
    let reply = json!({"text": "Merci de ce retour, la lenteur est corrigée."});
    let replied = app.put(&format!("{there}/reply")).by(&vendor.token).on(&last).json(&reply).expect(200);
    world.agree(app, &plain, "a reply");
    let reason = json!({"reason": "Nomme un agent."});
    let reported = act(app, &replied, &format!("{there}/report"), &vendor.token, Some(reason.clone()));
    world.agree(app, &plain, "a report");
    let removal = json!({"code": "personal_data", "reason": "Nomme un agent."});
    act(app, &reported, &format!("{there}/remove"), &app.moderator("second"), Some(removal));
    world.agree(app, &plain, "a removal");
    app.post("/api/v1/me/erase").by(&app.token(Role::Buyer, Some(buyer.id), &[], "une")).expect(200);
    world.agree(app, &plain, "a person erased");
    app.accredited(app.candidate_body(2).id);
    world.agree(app, &plain, "a body accredited");

    let evaluator = app.auditor(&body, &[Duty::Evaluator], "évaluatrice");
    let decider = app.auditor(&body, &[Duty::DecisionMaker], "décideur");
    let current = app.evaluated(&vendor, &id);
    world.evaluations.push(current.id());
    world.agree(app, &plain, "an evaluation superseded");
    let opened = app.in_audit(&vendor, &id, &body, &evaluator);
    let audited = app.reported(&opened, &evaluator, |_, finding| finding);
    world.agree(app, &plain, "a report of an audit");
    let decide = |on: &Response, body: Value| {
        act(app, on, &format!("/api/v1/label-applications/{}/decision", audited.id()), &decider, Some(body))
    };
    let decided = decide(&audited, json!({"outcome": "granted", "reasons": "Aucun écart."}));
    world.labels.push(decided.json()["decisions"][0]["label_number"].as_str().expect("a number").to_owned());
    world.agree(app, &plain, "a label");

    let current = app.get(&here).by(&moderator).expect(200);
    let why = json!({"code": "security", "reason": "Faille exploitée."});
    let suspended = act(app, &current, &format!("{here}/suspend"), &app.moderator("un"), Some(why));
    world.agree(app, &plain, "a suspension");
    act(app, &suspended, &format!("{here}/lift"), &app.moderator("deux"), None);
    world.agree(app, &plain, "a suspension lifted");

    let draft = app.post("/api/v1/criteria-sets").by(&moderator).json(&json!({"label": "2.0.0"})).expect(201);
    world.sets.push(draft.id());
    world.agree(app, &plain, "a draft of criteria");
    act(app, &draft, &format!("/api/v1/criteria-sets/{}/publish", draft.id()), &moderator, Some(in_sixty_days(app)));
    world.agree(app, &plain, "criteria published");

    let organisation = format!("/api/v1/organisations/{}", vendor.id);
    let before = app.get(&organisation).by(&moderator).expect(200);
    let suspended = act(app, &before, &format!("{organisation}/suspend"), &moderator, Some(reason));
    world.agree(app, &plain, "a vendor suspended");
    act(app, &suspended, &format!("{organisation}/reinstate"), &moderator, None);
    world.agree(app, &plain, "a vendor reinstated");

    let own = app.own(&vendor, &id);
    act(app, &own, &format!("{here}/archive"), &vendor.token, Some(json!({"reason": "Remplacée."})));
    world.agree(app, &plain, "an archived solution");
    assert!(stats(app).hits > 500 && stats(&plain) == KeptStats::default(), "{:?} {:?}", stats(app), stats(&plain));
}

/// Moves the clock over everything that ends by itself.
fn no_answer_outlives_its_day_or_what_the_calendar_does(app: &App) {
    let plain = app.twin(off());
    let (vendor, buyer) = (app.vendor(1), app.buyer(1));
    let id = app.published(&vendor, "Passagère").id();
    let evaluation = app.evaluated(&vendor, &id);
    let mut world = World { solutions: vec![id.clone()], evaluations: vec![evaluation.id()], ..World::default() };
    for name in ["une", "deux", "trois"] {
        let pending = review(app, &id, &buyer, name, 4);
        act(app, &pending, &format!("/api/v1/reviews/{}/publish", pending.id()), &app.operator(), None);
        world.reviews.push(pending.id());
    }
    let draft = app.post("/api/v1/criteria-sets").by(&app.operator()).json(&json!({"label": "2.0.0"})).expect(201);
    act(
        app,
        &draft,
        &format!("/api/v1/criteria-sets/{}/publish", draft.id()),
        &app.operator(),
        Some(in_sixty_days(app)),
    );
    let criteria = kept(app, "/api/v1/criteria").headers["etag"].clone();
    for days in [1, 30, 31, 300, 10, 190, 600, 40] {
        app.clock.advance(TimeDelta::days(days));
        world.agree(app, &plain, &format!("{days} more days"));
        deadlines::run(app.store(), &app.inner.settings).expect("the calendar");
        world.agree(app, &plain, &format!("{days} more days and the calendar"));
    }
    assert_ne!(kept(app, "/api/v1/criteria").headers["etag"], criteria, "the new set came into force by its date");
    app.get(&format!("/api/v1/solutions/{id}")).expect(410);
}

fn instances_agree_within_a_second(app: &App) {
    let other = app.twin(Given::default());
    let vendor = app.vendor(1);
    let id = app.published(&vendor, "Partagée").id();
    let (here, list) = (format!("/api/v1/solutions/{id}"), "/api/v1/solutions?fields=summary".to_owned());
    for round in 0..8 {
        kept(&other, &here);
        kept(&other, &list);
        let summary = format!("Version {round} de la même.");
        let own = app.own(&vendor, &id);
        let edited = app.patch(&here).by(&vendor.token).on(&own).json(&json!({"summary": summary})).expect(200);
        act(app, &edited, &format!("{here}/submit"), &vendor.token, Some(json!({"accepts_charter": true})));
        let written = Instant::now();
        assert_eq!(app.get(&here).expect(200).text("summary"), summary, "the one that wrote shows it at once");
        std::thread::sleep(Duration::from_millis(1000).saturating_sub(written.elapsed()));
        assert_eq!(other.get(&here).expect(200).text("summary"), summary, "the other a second later");
        assert_eq!(other.get(&list).expect(200).json()["items"][0]["summary"], summary);
    }
}

fn what_has_nothing_to_do_with_a_change_stays(app: &App) {
    let (vendor, buyer) = (app.vendor(1), app.buyer(1));
    let (one, other) = (app.published(&vendor, "Une").id(), app.published(&vendor, "Autre").id());
    let is_kept = |path: &str| {
        let before = stats(app).hits;
        app.get(path).expect(200);
        stats(app).hits > before
    };
    let (here, there) = (format!("/api/v1/solutions/{one}"), format!("/api/v1/solutions/{other}"));
    let addresses = [here.as_str(), &there, "/api/v1/solutions", "/api/v1/criteria", "/api/v1/families"];
    let settle = || {
        // Until the journal has told what was written here, which is heard twice.
        std::thread::sleep(Duration::from_millis(900));
        addresses.iter().for_each(|path| {
            kept(app, path);
        });
    };
    settle();
    let pending = review(app, &one, &buyer, "une", 4);
    app.draft(&vendor, "Brouillon");
    std::thread::sleep(Duration::from_millis(900));
    assert!(addresses.iter().all(|path| is_kept(path)), "what the public does not see changes nothing");
    act(app, &pending, &format!("/api/v1/reviews/{}/publish", pending.id()), &app.operator(), None);
    let after: Vec<bool> = addresses.iter().map(|path| is_kept(path)).collect();
    assert_eq!(after, [false, true, false, true, true], "a review changes its solution, and lists");
    settle();
    app.published(&vendor, "Troisième");
    let after: Vec<bool> = addresses.iter().map(|path| is_kept(path)).collect();
    assert_eq!(after, [false, false, false, true, true], "a solution may be a namesake of others");
}

fn what_an_answer_has_of_its_request_is_not_kept(app: &App) {
    // Few, so that none comes back between two requests.
    let limited = app.twin(Given { rate_limit_reads: Some(12), ..Given::default() });
    let vendor = app.vendor(1);
    let here = format!("/api/v1/solutions/{}", app.published(&vendor, "Limitée").id());
    let (first, second) = (kept(&limited, &here), kept(&limited, &here));
    assert_ne!(first.headers["x-request-id"], second.headers["x-request-id"]);
    assert_ne!(first.headers["ratelimit"], second.headers["ratelimit"]);
    let origin = "https://portail.example";
    let open = app.twin(Given { cors_origins: Some(vec![origin.to_owned()]), ..Given::default() });
    let theirs = |app: &App| app.get(&here).header("origin", origin).expect(200).headers.clone();
    kept(&open, &here);
    assert_eq!(theirs(&open)["access-control-allow-origin"], origin);
    assert!(!kept(&open, &here).headers.contains_key("access-control-allow-origin"), "of another request");
    // Problems are computed each time.
    for (path, status) in [("/api/v1/solutions/aucune", 404), ("/api/v1/solutions?limit=0", 400)] {
        let before = stats(app);
        let (one, two) = (app.get(path).expect(status), app.get(path).expect(status));
        assert_ne!(one.text("request_id"), two.text("request_id"));
        assert_eq!((stats(app).hits, stats(app).bytes), (before.hits, before.bytes), "{path}");
    }
    let english = app.get("/api/v1/solutions/aucune").header("accept-language", "en").expect(404);
    assert_ne!(english.text("detail"), app.get("/api/v1/solutions/aucune").expect(404).text("detail"));
    // What a handler refuses, it refuses with a kept answer at hand.
    kept(app, "/api/v1/families");
    app.get("/api/v1/families").header("idempotency-key", "deux mots").expect(400);
    app.get("/api/v1/families").header("accept", "text/html").expect(406);
    app.get("/api/v1/families?x=1").expect(400);
}

fn a_token_neither_reads_nor_leaves_an_answer(app: &App) {
    let vendor = app.vendor(1);
    let id = app.published(&vendor, "Publique").id();
    let here = format!("/api/v1/solutions/{id}");
    app.patch(&here).by(&vendor.token).on(&app.own(&vendor, &id)).json(&json!({"summary": "En travaux."})).expect(200);
    let before = stats(app);
    let own = app.own(&vendor, &id);
    assert_eq!(own.text("summary"), "En travaux.");
    assert!(own.headers["cache-control"].contains("no-store"));
    app.get(&here).by(&app.operator()).expect(200);
    assert_eq!(stats(app), before, "a token left something, or read it");
    let public = kept(app, &here);
    assert_ne!(public.text("summary"), "En travaux.");
    let before = stats(app);
    assert_eq!(app.own(&vendor, &id).text("summary"), "En travaux.", "a token was given what is kept");
    app.get(&here).by("faux.jeton.x").expect(401);
    app.get(&here).header("authorization", "Basic eDp5").expect(401);
    assert_eq!(stats(app), before);
    app.get("/api/v1/evaluations").expect(401);
    assert_eq!((stats(app).hits, stats(app).bytes), (before.hits, before.bytes));
    assert_eq!(kept(app, &here).bytes, public.bytes);
}

fn every_coding_and_head_and_not_modified_come_from_one_answer(app: &App) {
    let vendor = app.vendor(1);
    let here = format!("/api/v1/solutions/{}", app.published(&vendor, "Pressée").id());
    let plain = kept(app, &here);
    let misses = stats(app).misses;
    let mut tags = std::collections::BTreeSet::from([plain.headers["etag"].clone()]);
    for (asked, coding) in [("br", "br"), ("zstd", "zstd"), ("gzip", "gzip"), ("gzip;q=0.5, br;q=0.9", "br")] {
        for _ in 0..2 {
            let coded = app.get(&here).header("accept-encoding", asked).unchecked().expect(200);
            // The client undoes gzip, and its header with it.
            let said = coded.headers.get("content-encoding").map_or("gzip", String::as_str);
            assert_eq!(said, coding, "{asked}");
            let tag = &coded.headers["etag"];
            assert!(tag.ends_with(&format!("-{coding}\"")), "{tag}");
            tags.insert(tag.clone());
            let same = app.get(&here).header("accept-encoding", asked).header("if-none-match", tag).expect(304);
            assert_eq!((same.headers.get("etag"), same.bytes.len()), (Some(tag), 0));
            let head = app.request("HEAD", &here).header("accept-encoding", asked).expect(200);
            assert_eq!((head.headers.get("etag"), head.bytes.len()), (Some(tag), 0));
            let other = app.get(&here).header("if-none-match", tag).expect(200);
            assert_eq!(other.bytes, plain.bytes, "a tag is of one coding");
        }
    }
    assert_eq!(tags.len(), 4, "{tags:?}");
    let head = app.request("HEAD", &here).expect(200);
    assert_eq!(head.headers["etag"], plain.headers["etag"]);
    assert_eq!(head.headers["content-length"], plain.bytes.len().to_string());
    assert_eq!(stats(app).misses, misses, "one computation for all");
    app.get(&here).header("accept-encoding", "identity;q=0, *;q=0").unchecked().expect(406);
}

fn memory_is_bounded(app: &App) {
    let small = app.twin(Given { kept_bytes: Some(200_000), ..Given::default() });
    let vendor = app.vendor(1);
    let id = app.published(&vendor, "Une parmi d’autres").id();
    for limit in 1..=100 {
        small.get(&format!("/api/v1/solutions?limit={limit}")).expect(200);
        small.get(&format!("/api/v1/solutions/{id}/reviews?limit={limit}")).expect(200);
        let now = stats(&small);
        assert!(now.bytes <= now.limit && now.limit == 200_000, "{now:?}");
    }
    let now = stats(&small);
    assert!(now.evictions > 0 && now.bytes > 100_000, "{now:?}");
    kept(&small, "/api/v1/families/demarches_en_ligne");
    let metrics = String::from_utf8(small.get("/metrics").expect(200).bytes).expect("text");
    assert!(metrics.contains("gouvtech_kept_answers_limit_bytes 200000"), "{metrics}");
    // An address that nobody asks for twice takes no room.
    let long = format!("/api/v1/solutions?{}limit=1", "tag=x&".repeat(300));
    let before = stats(app);
    app.get(&long).send();
    assert_eq!(stats(app), before);
}

fn of_many_who_ask_at_once_one_computes(app: &App) {
    let vendor = app.vendor(1);
    let id = app.published(&vendor, "Attendue").id();
    // The journal is heard of once more after the write, when the index has it.
    app.settle();
    for (path, coding) in
        [(format!("/api/v1/solutions/{id}"), "identity"), (format!("/api/v1/solutions/{id}/criteria"), "br")]
    {
        let before = stats(app);
        std::thread::scope(|scope| {
            for _ in 0..24 {
                scope.spawn(|| app.get(&path).header("accept-encoding", coding).unchecked().expect(200));
            }
        });
        let after = stats(app);
        assert_eq!(after.misses - before.misses, 1, "{before:?} {after:?}");
        assert_eq!(after.hits - before.hits, 23, "{before:?} {after:?}");
    }
    // Who asks for what cannot be kept does not wait in turn.
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..24 {
            scope.spawn(|| app.get("/api/v1/solutions/aucune").expect(404));
        }
    });
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

/// Each reader, once a write was answered, sees it or a later one.
fn writers_and_readers_at_once_never_see_an_older_answer(app: &App) {
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    let vendor = app.vendor(1);
    let organisation = format!("/api/v1/organisations/{}", vendor.id);
    let here = format!("/api/v1/solutions/{}?include=vendor", app.published(&vendor, "Disputée").id());
    let (acknowledged, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    let number = |name: &str| name.rsplit(' ').next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !is_over.load(Ordering::SeqCst) {
                    let least = acknowledged.load(Ordering::SeqCst);
                    let shown = number(&app.get(&organisation).expect(200).text("name"));
                    assert!(shown >= least, "{shown} after {least} was acknowledged");
                    let least = acknowledged.load(Ordering::SeqCst);
                    let json = app.get(&here).expect(200).json();
                    let shown = number(json["vendor"]["name"].as_str().expect("a name"));
                    assert!(shown >= least, "{shown} after {least} was acknowledged, embedded");
                }
            });
        }
        let mut last = app.get(&organisation).by(&app.operator()).expect(200);
        for n in 1..=60 {
            let change = json!({"name": format!("Atelier {n}"), "siren": siren(1)});
            last = app.patch(&organisation).by(&app.operator()).on(&last).json(&change).expect(200);
            acknowledged.store(n, Ordering::SeqCst);
        }
        is_over.store(true, Ordering::SeqCst);
    });
    assert!(stats(app).hits > 0);
}

fn nothing_is_kept_when_that_is_turned_off(app: &App) {
    let plain = app.twin(off());
    let (one, two) = (plain.get("/api/v1/families").expect(200), plain.get("/api/v1/families").expect(200));
    assert_eq!(one.bytes, two.bytes);
    let coded = plain.get("/api/v1/families").header("accept-encoding", "br").unchecked().expect(200);
    assert_eq!(coded.headers["content-encoding"], "br");
    assert_eq!(stats(&plain), KeptStats::default());
}
