use gouvtech_catalogue::db::Actor;
use gouvtech_catalogue::evaluations::model::expire;

use crate::cases;
use crate::support::build::attestation;
use crate::support::{App, json};

cases![
    an_evaluation_is_answered_submitted_published_and_scored,
    a_draft_says_what_is_still_open,
    an_answer_must_be_one_of_the_options,
    na_is_an_answer_only_where_allowed_and_justified,
    many_answers_are_all_or_nothing,
    submitted_answers_never_change,
    a_moderator_sends_an_evaluation_back,
    earlier_answers_are_copied_to_be_confirmed,
    evidence_is_shown_to_whom_it_may_concern,
    a_contested_answer_is_kept_corrected_or_counts_as_zero,
    an_evaluation_expires,
    an_evaluation_of_a_retired_set_expires_half_a_year_later,
    scores_can_be_computed_again_from_the_answers,
    an_evaluation_of_another_vendor_is_absent,
];

fn an_evaluation_is_answered_submitted_published_and_scored(app: &App) {
    let vendor = app.vendor(1);
    let solution = app.published(&vendor, "Évaluée");
    let published = app.evaluated(&vendor, &solution.id());
    assert_eq!(published.text("status"), "published");
    let scores = &published.json()["scores"];
    assert_eq!(
        (&scores["overall"], &scores["coverage"], &scores["origin"]),
        (&json!(1.0), &json!(1.0), &json!("declared"))
    );
    let in_force = app.get(&format!("/api/v1/solutions/{}/evaluation", solution.id())).expect(200);
    assert_eq!(in_force.id(), published.id());
    assert!(in_force.json()["attestation"]["signatory_name"].is_null(), "the public reads the function, not the name");
    let shown = app.get(&format!("/api/v1/solutions/{}?include=scores", solution.id())).expect(200).json();
    assert_eq!((&shown["score"], &shown["embedded"]["scores"]["overall"]), (&json!(1.0), &json!(1.0)));
    assert_eq!(app.get("/api/v1/solutions?min_score=0.9").expect(200).json()["total"], 1);
    assert_eq!(app.get(&format!("/api/v1/solutions/{}/evaluations", solution.id())).expect(200).json()["total"], 1);
}

fn a_draft_says_what_is_still_open(app: &App) {
    let vendor = app.vendor(1);
    let solution = app.published(&vendor, "Ouverte");
    let path = format!("/api/v1/solutions/{}/evaluations", solution.id());
    let begun = app.post(&path).by(&vendor.token).expect(201);
    let open = begun.json()["progress"]["open"].as_array().expect("a list").len();
    assert_eq!(begun.json()["progress"]["applicable_count"], open);
    app.post(&path).by(&vendor.token).expect(409);
    let evaluation = format!("/api/v1/evaluations/{}", begun.id());
    let answered = app
        .put(&format!("{evaluation}/answers/RSP-01"))
        .by(&vendor.token)
        .on(&begun)
        .json(&json!({"value": "published"}))
        .expect(200);
    assert_eq!(answered.headers["etag"].split('.').next(), Some("\"v2"), "the answer returns the evaluation's tag");
    let refused =
        app.post(&format!("{evaluation}/submit")).by(&vendor.token).on(&answered).json(&attestation()).expect(422);
    assert_eq!(refused.faults().len(), open - 1);
    let back = app.delete(&format!("{evaluation}/answers/RSP-01")).by(&vendor.token).on(&answered).expect(204);
    app.delete(&evaluation).by(&vendor.token).on(&back).expect(204);
    app.get(&format!("/api/v1/solutions/{}/evaluation", solution.id())).expect(404);
}

fn an_answer_must_be_one_of_the_options(app: &App) {
    let vendor = app.vendor(1);
    let solution = app.published(&vendor, "Stricte");
    let begun = app.post(&format!("/api/v1/solutions/{}/evaluations", solution.id())).by(&vendor.token).expect(201);
    let put = |code: &str, body| {
        app.put(&format!("/api/v1/evaluations/{}/answers/{code}", begun.id()))
            .by(&vendor.token)
            .on(&begun)
            .json(&body)
            .send()
    };
    put("RSP-01", json!({"value": "perfect"})).has_fault("/value not_in_list");
    put("RSP-01", json!({"value": 4})).has_fault("/value wrong_type");
    put("RSP-01", json!({"value": "published", "score": 1})).has_fault("/score unknown_member");
    put(
        "RSP-01",
        json!({"value": "published", "evidence": [{"title": "x", "url": "javascript:1", "visibility": "public"}]}),
    )
    .has_fault("/evidence/0/url invalid_url");
    assert_eq!(put("ZZZ-01", json!({"value": "met"})).status, 404);
}

fn na_is_an_answer_only_where_allowed_and_justified(app: &App) {
    let vendor = app.vendor(1);
    let solution = app.published(&vendor, "Sans objet");
    let begun = app.post(&format!("/api/v1/solutions/{}/evaluations", solution.id())).by(&vendor.token).expect(201);
    let criteria = app.get("/api/v1/criteria").expect(200).json();
    let find = |allowed: bool| {
        let all = criteria["items"].as_array().expect("criteria");
        all.iter().find(|one| one["na_allowed"] == allowed).expect("one")["code"].as_str().expect("a code").to_owned()
    };
    let put = |code: &str, body| {
        app.put(&format!("/api/v1/evaluations/{}/answers/{code}", begun.id()))
            .by(&vendor.token)
            .on(&begun)
            .json(&body)
            .send()
    };
    put(&find(false), json!({"value": "na", "justification": "Parce que."})).has_fault("/value na_not_allowed");
    put(&find(true), json!({"value": "na"})).has_fault("/justification required");
    assert_eq!(put(&find(true), json!({"value": "na", "justification": "Sans interface."})).status, 200);
}

fn many_answers_are_all_or_nothing(app: &App) {
    let vendor = app.vendor(1);
    let solution = app.published(&vendor, "Ensemble");
    let begun = app.post(&format!("/api/v1/solutions/{}/evaluations", solution.id())).by(&vendor.token).expect(201);
    let path = format!("/api/v1/evaluations/{}", begun.id());
    let change = json!({"answers": [
        {"criterion": "RSP-01", "answer": {"value": "published"}},
        {"criterion": "SEC-01", "answer": {"value": "nonsense"}},
        {"criterion": "ZZZ-01", "answer": null},
    ]});
    let refused = app
        .patch(&format!("{path}/answers"))
        .by(&vendor.token)
        .on(&begun)
        .bytes("application/json", change.to_string().as_bytes())
        .expect(422);
    assert_eq!(refused.faults(), ["/answers/1/answer/value not_in_list", "/answers/2/criterion unknown_or_repeated"]);
    assert_eq!(app.get(&path).by(&vendor.token).expect(200).json()["answers"], json!([]));
}

fn submitted_answers_never_change(app: &App) {
    let vendor = app.vendor(1);
    let solution = app.published(&vendor, "Figée");
    let submitted = app.submitted_evaluation(&vendor, &solution.id());
    let path = format!("/api/v1/evaluations/{}", submitted.id());
    app.put(&format!("{path}/answers/RSP-01"))
        .by(&vendor.token)
        .on(&submitted)
        .json(&json!({"value": "none"}))
        .expect(409);
    app.delete(&path).by(&vendor.token).on(&submitted).expect(409);
    app.get(&path).expect(404);
    let queue = app.get("/api/v1/evaluations?status=submitted").by(&app.operator()).expect(200).json();
    assert_eq!(queue["items"][0]["id"], submitted.id());
    for sql in ["UPDATE answers SET value = 'none'", "DELETE FROM answers"] {
        assert!(app.sql(sql).is_err(), "{sql} must fail");
    }
}

fn a_moderator_sends_an_evaluation_back(app: &App) {
    let vendor = app.vendor(1);
    let solution = app.published(&vendor, "Renvoyée");
    let submitted = app.submitted_evaluation(&vendor, &solution.id());
    let path = format!("/api/v1/evaluations/{}", submitted.id());
    let back = app
        .post(&format!("{path}/return"))
        .by(&app.operator())
        .on(&submitted)
        .json(&json!({"reason": "Preuves vides."}))
        .expect(200);
    assert_eq!((back.text("status").as_str(), back.text("moderation").as_str()), ("draft", "Preuves vides."));
    app.post(&format!("{path}/submit")).by(&vendor.plain).on(&back).json(&attestation()).expect(403);
    app.post(&format!("{path}/submit")).by(&vendor.token).on(&back).json(&attestation()).expect(200);
}

fn earlier_answers_are_copied_to_be_confirmed(app: &App) {
    let vendor = app.vendor(1);
    let solution = app.published(&vendor, "Reprise");
    let first = app.evaluated(&vendor, &solution.id());
    let second = app.post(&format!("/api/v1/solutions/{}/evaluations", solution.id())).by(&vendor.token).expect(201);
    let body = second.json();
    let count = first.json()["answers"].as_array().expect("answers").len();
    assert_eq!(body["answers"].as_array().expect("answers").len(), count);
    assert!(body["answers"].as_array().expect("answers").iter().all(|answer| answer["to_confirm"] == true));
    assert!(body["progress"]["open"].as_array().expect("open").iter().all(|one| one["reason"] == "to_confirm"));
    let answers: Vec<_> = app
        .best_answers(&["saas", "web_ui"])
        .into_iter()
        .map(|(criterion, value)| json!({"criterion": criterion, "answer": {"value": value}}))
        .collect();
    let path = format!("/api/v1/evaluations/{}", second.id());
    let confirmed = app
        .patch(&format!("{path}/answers"))
        .by(&vendor.token)
        .on(&second)
        .bytes("application/json", json!({"answers": answers}).to_string().as_bytes())
        .expect(200);
    let submitted =
        app.post(&format!("{path}/submit")).by(&vendor.token).on(&confirmed).json(&attestation()).expect(200);
    app.post(&format!("{path}/publish")).by(&app.operator()).on(&submitted).expect(200);
    assert_eq!(app.get(&format!("/api/v1/evaluations/{}", first.id())).expect(200).text("status"), "superseded");
}

fn evidence_is_shown_to_whom_it_may_concern(app: &App) {
    let vendor = app.vendor(1);
    let solution = app.published(&vendor, "Prouvée");
    app.evaluated(&vendor, &solution.id());
    let path = format!("/api/v1/solutions/{}/criteria", solution.id());
    let seen = |token: Option<&str>| {
        let request = app.get(&path);
        let body = match token {
            Some(token) => request.by(token),
            None => request,
        }
        .expect(200)
        .json();
        let first =
            body["items"].as_array().expect("criteria").iter().find(|one| one["applies"] == true).expect("one").clone();
        (first["is_evidenced"].clone(), first["declared"]["evidence"].as_array().expect("a list").len())
    };
    assert_eq!(seen(None), (json!(true), 0), "the public knows there is evidence for agents");
    assert_eq!(seen(Some(&app.buyer(1).token)), (json!(true), 1));
    assert_eq!(seen(Some(&app.vendor(2).token)), (json!(true), 0));
    assert_eq!(seen(Some(&vendor.token)), (json!(true), 1));
}

fn a_contested_answer_is_kept_corrected_or_counts_as_zero(app: &App) {
    let (vendor, buyer) = (app.vendor(1), app.buyer(1));
    let solution = app.published(&vendor, "Contestée");
    let evaluation = app.evaluated(&vendor, &solution.id());
    let path = format!("/api/v1/evaluations/{}", evaluation.id());
    let contest = json!({"criterion": "SEC-01", "reason": "Le lien ne mène nulle part."});
    let seen = app.get(&path).by(&buyer.token).expect(200);
    let filed = app.post(&format!("{path}/contest")).by(&buyer.token).on(&seen).json(&contest).expect(200);
    assert_eq!(
        (filed.text("status").as_str(), &filed.json()["contestations"]),
        ("published", &json!([])),
        "a moderator takes it up first"
    );
    app.post(&format!("{path}/contest")).by(&vendor.token).on(&filed).json(&contest).expect(403);
    let taken = app.post(&format!("{path}/contest")).by(&app.operator()).on(&filed).json(&contest).expect(200);
    assert_eq!(
        (taken.text("status").as_str(), &taken.json()["contestations"][0]["role"]),
        ("contested", &json!("buyer"))
    );
    let shown = app.get(&format!("/api/v1/solutions/{}/criteria", solution.id())).expect(200).json();
    assert_eq!(
        shown["items"].as_array().expect("criteria").iter().filter(|one| one["is_contested"] == true).count(),
        1
    );
    let wrong = json!({"criterion": "SEC-02", "outcome": "kept", "resolution": "Autre critère."});
    app.post(&format!("{path}/resolve"))
        .by(&app.operator())
        .on(&taken)
        .json(&wrong)
        .expect(422)
        .has_fault("/criterion not_contested");
    let zero = json!({"criterion": "SEC-01", "outcome": "zeroed", "resolution": "Le vendeur n’a pas répondu."});
    let zeroed = app.post(&format!("{path}/resolve")).by(&app.operator()).on(&taken).json(&zero).expect(200);
    assert_eq!(zeroed.text("status"), "published");
    assert!(zeroed.json()["scores"]["overall"].as_f64().expect("a score") < 1.0);
    assert_eq!(zeroed.json()["scores"]["cause"], "contest");
    let again = app
        .post(&format!("{path}/contest"))
        .by(&app.operator())
        .on(&zeroed)
        .json(&json!({"criterion": "SEC-03", "reason": "À vérifier encore."}))
        .expect(200);
    let correct = json!({"criterion": "SEC-03", "outcome": "corrected", "resolution": "Le vendeur corrige."});
    app.post(&format!("{path}/resolve")).by(&app.operator()).on(&again).json(&correct).expect(200);
    assert_eq!(
        app.get(&format!("/api/v1/solutions/{}/evaluations?status=draft", solution.id()))
            .by(&vendor.token)
            .expect(200)
            .json()["total"],
        1
    );
    assert!(app.sql("UPDATE evaluation_results SET cause = 'x'").is_err(), "results are append-only");
}

fn an_evaluation_expires(app: &App) {
    let vendor = app.vendor(1);
    let solution = app.published(&vendor, "Périmée");
    let evaluation = app.evaluated(&vendor, &solution.id());
    let run = || gouvtech_catalogue::deadlines::run(app.store(), &app.inner.settings).expect("run");
    assert_eq!(run(), 0);
    app.clock.advance(chrono::TimeDelta::days(366));
    assert_eq!(run(), 2, "the evaluation expires and the sheet is outdated");
    assert_eq!(run(), 0, "twice has one effect");
    assert_eq!(app.get(&format!("/api/v1/evaluations/{}", evaluation.id())).expect(200).text("status"), "expired");
    let shown = app.get(&format!("/api/v1/solutions/{}", solution.id())).expect(200);
    assert_eq!((shown.text("status").as_str(), &shown.json()["score"]), ("outdated", &json!(null)));
}

fn an_evaluation_of_a_retired_set_expires_half_a_year_later(app: &App) {
    let vendor = app.vendor(1);
    for name in ["Ancienne", "Ancienne et périmée"] {
        app.evaluated(&vendor, &app.published(&vendor, name).id());
    }
    app.sql(&format!("UPDATE criteria_sets SET retired_on = '{}'", app.clock.now().day())).expect("retired");
    let run = || app.store().write_here(&Actor::System, expire).expect("looked for");
    app.clock.advance(chrono::TimeDelta::days(182));
    assert_eq!(run(), 0);
    let one = "SELECT id FROM evaluations ORDER BY id LIMIT 1";
    app.sql(&format!("UPDATE evaluations SET expires_at = published_at WHERE id IN ({one})")).expect("ended");
    app.clock.advance(chrono::TimeDelta::days(1));
    assert_eq!((run(), run()), (2, 0), "what is due for both reasons expires once");
}

fn scores_can_be_computed_again_from_the_answers(app: &App) {
    let vendor = app.vendor(1);
    let solution = app.published(&vendor, "Refaite");
    let evaluation = app.evaluated(&vendor, &solution.id());
    let again = app
        .store()
        .read_here(|db| gouvtech_catalogue::evaluations::model::Evaluation::find(db, &evaluation.id())?.compute(db))
        .expect("computed");
    let shown = &evaluation.json()["scores"];
    assert_eq!(json!(again.overall), shown["overall"]);
    assert_eq!(again.themes.len(), shown["themes"].as_array().expect("themes").len());
}

fn an_evaluation_of_another_vendor_is_absent(app: &App) {
    let (vendor, other) = (app.vendor(1), app.vendor(2));
    let solution = app.published(&vendor, "Privée");
    let begun = app.post(&format!("/api/v1/solutions/{}/evaluations", solution.id())).by(&vendor.token).expect(201);
    let path = format!("/api/v1/evaluations/{}", begun.id());
    app.get(&path).by(&other.token).expect(404);
    app.delete(&path).by(&other.token).on(&begun).expect(404);
    app.put(&format!("{path}/answers/RSP-01")).by(&other.token).on(&begun).json(&json!({"value": "none"})).expect(404);
    app.post(&format!("/api/v1/solutions/{}/evaluations", solution.id())).by(&other.token).expect(404);
}
