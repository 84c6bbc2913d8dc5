use std::collections::{BTreeMap, BTreeSet};

use gouvtech_catalogue::auth::Duty;

use crate::cases;
use crate::support::build::{Party, attestation, sheet};
use crate::support::{App, Response, Value, json};

cases![
    solutions_stand_side_by_side_with_origin_date_and_reasons,
    weights_make_a_score_that_anybody_can_compute_again,
    the_pinned_address_answers_the_same_whatever_happens_later,
    two_versions_of_one_solution_can_be_compared,
    criteria_stand_under_each_objective_they_serve,
    only_differences_are_left_when_asked,
    every_element_that_is_not_there_is_named,
    what_is_private_enters_no_comparison,
    a_table_has_one_row_per_line_of_the_answer_and_no_formula,
];

/// Two published solutions: the first evaluated with all best answers and labelled, the second bare.
struct Pair {
    vendor: Party,
    body: Party,
    first: Response,
    second: Response,
    label: String,
}

fn pair(app: &App) -> Pair {
    let (vendor, body) = (app.vendor(1), app.audit_body(1));
    let (first, second) = (app.published(&vendor, "Première"), app.published(&vendor, "Seconde"));
    app.evaluated(&vendor, &first.id());
    let label = labelled(app, &vendor, &first.id(), &body);
    Pair { vendor, body, first, second, label }
}

fn labelled(app: &App, vendor: &Party, solution: &str, body: &Party) -> String {
    let evaluator = app.auditor(body, &[Duty::Evaluator], "évaluatrice");
    let decider = app.auditor(body, &[Duty::DecisionMaker], "décideur");
    let opened = app.in_audit(vendor, solution, body, &evaluator);
    let reported = app.reported(&opened, &evaluator, |_, finding| finding);
    let decided = app
        .post(&format!("/api/v1/label-applications/{}/decision", reported.id()))
        .by(&decider)
        .on(&reported)
        .json(&json!({"outcome": "granted", "reasons": "Aucun écart."}))
        .expect(200);
    decided.json()["decisions"][0]["label_number"].as_str().expect("a number").to_owned()
}

fn compare(app: &App, query: &str) -> Value {
    app.get(&format!("/api/v1/comparisons?{query}")).expect(200).json()
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("not a list: {value}"))
}

fn row(rows: &Value, of: impl Fn(&Value) -> bool) -> &Value {
    list(rows).iter().find(|row| of(row)).expect("a row")
}

fn criteria(content: &Value) -> Vec<&Value> {
    list(&content["groups"]).iter().flat_map(|group| list(&group["criteria"])).collect()
}

fn solutions_stand_side_by_side_with_origin_date_and_reasons(app: &App) {
    let pair = pair(app);
    let all = compare(app, "solutions=premiere,seconde");
    let content = &all["content"];
    let (first, second) = (&content["solutions"][0], &content["solutions"][1]);
    assert_eq!((&first["id"], &second["slug"]), (&json!(pair.first.id()), &json!("seconde")));
    assert_eq!(
        (&first["label"]["number"], &second["label"], &second["evaluation"]),
        (&json!(pair.label), &json!(null), &json!(null))
    );
    let licence = row(&content["sheet"], |row| row["field"] == "licence");
    assert_eq!(
        (&licence["cells"][0]["value"], &licence["cells"][0]["origin"], &licence["differs"]),
        (&json!("AGPL-3.0-or-later"), &json!("declared"), &json!(false))
    );
    assert!(licence["cells"][0]["as_of"].is_string());
    let logo = row(&content["sheet"], |row| row["field"] == "logo");
    assert_eq!(
        logo["cells"][1],
        json!({"value": null, "origin": null, "as_of": null, "source": null, "missing": "not_answered"})
    );
    let reuse = row(&content["sheet"], |row| row["field"] == "reuse_conditions");
    assert_eq!(reuse["cells"][0]["missing"], "not_applicable", "on the market there is nothing to reuse");

    let rows = criteria(content);
    let count = app.get("/api/v1/criteria").expect(200).json()["items"].as_array().expect("criteria").len();
    assert_eq!(rows.len(), count, "every criterion of the set is a row");
    let best: BTreeMap<String, String> = app.best_answers(&["saas", "web_ui"]).into_iter().collect();
    for row in rows {
        let code = row["criterion"]["code"].as_str().expect("a code");
        let [one, other] = [&row["cells"][0], &row["cells"][1]];
        match best.get(code) {
            Some(value) => {
                assert_eq!(
                    (&one["declared"]["value"], &one["declared"]["origin"]),
                    (&json!(value), &json!("declared")),
                    "{code}"
                );
                assert_eq!(
                    (&one["verified"]["value"], &one["verified"]["origin"]),
                    (&json!(value), &json!("third_party")),
                    "{code}"
                );
                assert!(one["declared"]["as_of"].is_string() && one["verified"]["as_of"].is_string(), "{code}");
                assert_eq!(
                    (&one["missing"], &one["unverified"], &one["divergence"]),
                    (&json!(null), &json!(null), &json!("none"))
                );
                assert_eq!(
                    (&other["missing"], &other["unverified"]),
                    (&json!("not_published"), &json!("not_verified")),
                    "{code}"
                );
            }
            None => {
                assert_eq!(
                    (&one["missing"], &one["unverified"]),
                    (&json!("not_applicable"), &json!("not_applicable")),
                    "{code}"
                );
                assert_eq!(other["missing"], "not_applicable", "{code}: its sheet has not the traits");
            }
        }
        assert_eq!(row["differs"], best.contains_key(code), "{code}");
    }
    let now = &all["now"][0];
    assert_eq!(
        (&now["status"], &now["label_status"], &now["is_current"]),
        (&json!("published"), &json!("active"), &json!(true))
    );
    assert_eq!(now["vendor"]["id"], pair.vendor.id.to_string());
}

/// Halves to even, in whole numbers.
fn ratio(numerator: i64, denominator: i64) -> f64 {
    let (quotient, rest) = (numerator / denominator, 2 * (numerator % denominator));
    let up = rest > denominator || (rest == denominator && quotient % 2 == 1);
    (quotient + i64::from(up)) as f64 / 10_000.0
}

fn weights_make_a_score_that_anybody_can_compute_again(app: &App) {
    let vendor = app.vendor(1);
    let first = app.published(&vendor, "Première").id();
    app.published(&vendor, "Seconde");
    // Answers of every kind, so that themes have scores of every kind.
    let draft = app.answered(&vendor, &first);
    let path = format!("/api/v1/evaluations/{}", draft.id());
    let known = app.get("/api/v1/criteria").expect(200).json();
    let worst = |code: &str| {
        let criterion = row(&known["items"], |one| one["code"] == code);
        criterion["options"][0]["code"].clone()
    };
    let change: Vec<Value> = app
        .best_answers(&["saas", "web_ui"])
        .iter()
        .step_by(3)
        .map(|(code, _)| json!({"criterion": code, "answer": {"value": worst(code)}}))
        .collect();
    let changed = app
        .patch(&format!("{path}/answers"))
        .by(&vendor.token)
        .on(&draft)
        .bytes("application/json", json!({"answers": change}).to_string().as_bytes())
        .expect(200);
    let submitted = app.post(&format!("{path}/submit")).by(&vendor.token).on(&changed).json(&attestation()).expect(200);
    app.post(&format!("{path}/publish")).by(&app.operator()).on(&submitted).expect(200);

    let all =
        compare(app, "solutions=premiere,seconde&weights=securite:5,accessibilite:2,ia_confiance:10,conception:0");
    let themes: BTreeMap<&str, &Value> = list(&all["content"]["groups"])
        .iter()
        .map(|group| (group["code"].as_str().expect("a theme"), &group["scores"][0]["declared"]))
        .collect();
    let made = &all["content"]["solutions"][0]["weighted"]["declared"];
    let (mut sum, mut total) = (0, 0);
    for term in list(&made["terms"]) {
        assert_eq!(&term["score"], themes[term["theme"].as_str().expect("a theme")], "{term}");
        let Some(score) = term["score"].as_f64() else {
            assert_eq!((&term["missing"], &term["product"]), (&json!("not_applicable"), &json!(null)), "{term}");
            continue;
        };
        let weight = term["weight"].as_i64().expect("a weight");
        let product = weight * (score * 10_000.0).round() as i64;
        assert_eq!(term["product"].as_f64(), Some(product as f64 / 10_000.0), "{term}");
        (sum, total) = (sum + product, total + weight);
    }
    assert!(total > 0 && sum > 0 && made["score"].as_f64().is_some_and(|score| score < 1.0), "{made}");
    assert_eq!((made["score"].as_f64(), made["weights"].as_i64()), (Some(ratio(sum, total)), Some(total)));
    assert_eq!(made["sum"].as_f64(), Some(sum as f64 / 10_000.0));
    let bare = &all["content"]["solutions"][1]["weighted"];
    assert_eq!(
        (&bare["declared"]["score"], &bare["declared"]["terms"][0]["missing"]),
        (&json!(null), &json!("not_published"))
    );
    assert_eq!(bare["verified"]["terms"][0]["missing"], "not_verified");
    assert_eq!(compare(app, "solutions=premiere,seconde")["content"]["solutions"][0]["weighted"], json!(null));
}

fn revise(app: &App, vendor: &Party, id: &str, change: &Value) {
    let seen = app.own(vendor, id);
    let path = format!("/api/v1/solutions/{id}");
    let changed = app.patch(&path).by(&vendor.token).on(&seen).json(change).expect(200);
    app.post(&format!("{path}/submit"))
        .by(&vendor.token)
        .on(&changed)
        .json(&json!({"accepts_charter": true}))
        .expect(200);
}

fn the_pinned_address_answers_the_same_whatever_happens_later(app: &App) {
    let pair = pair(app);
    let query =
        "solutions=premiere,seconde&weights=securite:5,accessibilite:2&group_by=objective&differences_only=true";
    let first = compare(app, query);
    let pinned = first["pinned"].as_str().expect("an address").to_owned();
    let before = app.get(&pinned).expect(200).json();
    assert_eq!(before, first, "nothing happened yet");
    let table = app.get(&format!("{pinned}&format=csv")).expect(200);
    assert!(table.headers["link"].contains(&pinned), "{:?}", table.headers);

    // Both sheets are revised, the second is evaluated.
    revise(
        app,
        &pair.vendor,
        &pair.first.id(),
        &json!({"summary": "Tout autre chose.", "logo": "https://example.org/l.png"}),
    );
    revise(app, &pair.vendor, &pair.second.id(), &json!({"summary": "Autre chose aussi."}));
    app.evaluated(&pair.vendor, &pair.second.id());
    // An answer of the first is contested and set to zero, which makes another result.
    let evaluation = app.get(&format!("/api/v1/solutions/{}/evaluation", pair.first.id())).expect(200);
    let path = format!("/api/v1/evaluations/{}", evaluation.id());
    let contest = json!({"criterion": "SEC-01", "reason": "Le lien donné ne mène nulle part."});
    let taken = app.post(&format!("{path}/contest")).by(&app.operator()).on(&evaluation).json(&contest).expect(200);
    assert_eq!(compare(app, query)["now"][0]["contested"], json!(["SEC-01"]));
    app.post(&format!("{path}/resolve"))
        .by(&app.operator())
        .on(&taken)
        .json(&json!({"criterion": "SEC-01", "outcome": "zeroed", "resolution": "Aucune preuve."}))
        .expect(200);
    let zeroed = compare(app, query);
    let cell = |content: &Value| {
        criteria(content)
            .into_iter()
            .find(|row| row["criterion"]["code"] == "SEC-01")
            .map(|row| row["cells"][0]["declared"].clone())
    };
    let cell = cell(&zeroed["content"]).expect("SEC-01 differs");
    assert_eq!((&cell["is_zeroed"], &cell["score"]), (&json!(true), &json!(0.0)));
    // Then it is evaluated anew; the label ends.
    let again = app.answered(&pair.vendor, &pair.first.id());
    let again_path = format!("/api/v1/evaluations/{}", again.id());
    let submitted =
        app.post(&format!("{again_path}/submit")).by(&pair.vendor.token).on(&again).json(&attestation()).expect(200);
    app.post(&format!("{again_path}/publish")).by(&app.operator()).on(&submitted).expect(200);
    app.sql("UPDATE labels SET status = 'withdrawn'").expect("withdrawn");
    let after = app.get(&pinned).expect(200).json();
    assert_eq!(after["content"].to_string(), before["content"].to_string(), "byte for byte");
    assert_eq!(after["pinned"], pinned);
    let same = app.get(&format!("{pinned}&format=csv")).expect(200);
    assert_eq!((&same.bytes, &same.headers["etag"]), (&table.bytes, &table.headers["etag"]));
    let now = &after["now"][0];
    assert_eq!(
        (&now["label_status"], &now["evaluation_status"], &now["is_current"]),
        (&json!("withdrawn"), &json!("superseded"), &json!(false))
    );
    assert_eq!(now["published_version"], 2);
    let unpinned = compare(app, query);
    assert_ne!(unpinned["content"], before["content"], "what is not pinned follows");
    assert_eq!(unpinned["content"]["solutions"][0]["label"], json!(null), "a label that ended verifies nothing today");
    // A new label does not enter the old address either.
    labelled(app, &pair.vendor, &pair.second.id(), &pair.body);
    assert_eq!(app.get(&pinned).expect(200).json()["content"].to_string(), before["content"].to_string());
}

fn two_versions_of_one_solution_can_be_compared(app: &App) {
    let vendor = app.vendor(1);
    let id = app.published(&vendor, "Deux âges").id();
    revise(app, &vendor, &id, &json!({"summary": "Refaite."}));
    let all = compare(app, &format!("solutions=deux-ages@1,{id}@2&differences_only=true"));
    assert_eq!(list(&all["content"]["sheet"]).len(), 1);
    assert_eq!(all["content"]["sheet"][0]["field"], "summary");
    assert_eq!((&all["now"][0]["is_current"], &all["now"][1]["is_current"]), (&json!(false), &json!(true)));
    app.get("/api/v1/comparisons?solutions=deux-ages,deux-ages@2").expect(422).has_fault("solutions/1 repeated");
}

fn criteria_stand_under_each_objective_they_serve(app: &App) {
    pair(app);
    let all = compare(app, "solutions=premiere,seconde&group_by=objective");
    let groups = list(&all["content"]["groups"]);
    let named: Vec<&Value> = groups.iter().filter(|group| !group["code"].is_null()).collect();
    assert_eq!(named.len(), 9, "the nine objectives of the circular");
    for group in &named {
        let code = group["code"].as_str().expect("a code");
        let wanted: BTreeSet<String> =
            list(&app.get(&format!("/api/v1/criteria?objective={code}")).expect(200).json()["items"])
                .iter()
                .map(|one| one["code"].as_str().expect("a code").to_owned())
                .collect();
        let shown: BTreeSet<String> = list(&group["criteria"])
            .iter()
            .map(|one| one["criterion"]["code"].as_str().expect("a code").to_owned())
            .collect();
        assert_eq!(shown, wanted, "{code}");
        assert_eq!(group["scores"], json!([]), "a reading grid, never a score");
    }
    let by_theme = compare(app, "solutions=premiere,seconde&group_by=theme");
    assert_eq!(list(&by_theme["content"]["groups"]).len(), 12);
}

fn only_differences_are_left_when_asked(app: &App) {
    let vendor = app.vendor(1);
    app.published(&vendor, "Jumelle");
    app.published(&vendor, "Jumeau");
    let all = compare(app, "solutions=jumelle,jumeau");
    assert!(list(&all["content"]["sheet"]).len() > 30 && !criteria(&all["content"]).is_empty());
    let left = compare(app, "solutions=jumelle,jumeau&differences_only=true");
    let fields: Vec<&Value> = list(&left["content"]["sheet"]).iter().map(|row| &row["field"]).collect();
    assert_eq!(fields, ["name"], "they differ in their names alone");
    assert_eq!(left["content"]["groups"], json!([]));
}

fn every_element_that_is_not_there_is_named(app: &App) {
    let pair = pair(app);
    let vendor = &pair.vendor;
    app.draft(vendor, "Brouillon");
    let archived = app.published(vendor, "Archivée");
    let path = format!("/api/v1/solutions/{}/archive", archived.id());
    app.post(&path)
        .by(&vendor.token)
        .on(&app.own(vendor, &archived.id()))
        .json(&json!({"reason": "Arrêt de l’offre."}))
        .expect(200);
    let suspended = app.published(vendor, "Suspendue");
    let path = format!("/api/v1/solutions/{}/suspend", suspended.id());
    app.post(&path)
        .by(&app.operator())
        .header("if-match", "*")
        .json(&json!({"code": "security", "reason": "Faille exploitée."}))
        .expect(200);
    let refused = app
        .get("/api/v1/comparisons?solutions=nulle-part,brouillon,archivee,premiere@7,suspendue&weights=nulle:1")
        .expect(422);
    for fault in [
        "solutions/0 unknown_solution",
        "solutions/1 unknown_solution",
        "solutions/2 archived",
        "solutions/3 unknown_version",
        "solutions/4 suspended",
        "weights/0 unknown_theme",
    ] {
        refused.has_fault(fault);
    }
    let own = app.get("/api/v1/comparisons?solutions=brouillon,premiere").by(&vendor.token).expect(422);
    own.has_fault("solutions/0 unknown_solution");
    let evaluation = app.get(&format!("/api/v1/solutions/{}/evaluation", pair.first.id())).expect(200).id();
    for (status, query, fault) in [
        (400, "solutions=premiere", "solutions too_few"),
        (400, "solutions=a,b,c,d,e,f,g", "solutions too_many"),
        (400, "solutions=premiere,@2", "solutions/1 wrong_form"),
        (400, "solutions=premiere,seconde@0", "solutions/1 wrong_form"),
        (422, "solutions=premiere,seconde&evaluations=none", "evaluations wrong_count"),
        (422, &format!("solutions=seconde,premiere&evaluations={evaluation},none"), "evaluations/0 unknown_evaluation"),
        (
            422,
            &format!("solutions=premiere,seconde&evaluations={evaluation}@2,none"),
            "evaluations/0 unknown_evaluation",
        ),
        (422, &format!("solutions=premiere,seconde&labels=none,{}", pair.label), "labels/1 unknown_label"),
        (400, "solutions=premiere,seconde&weights=securite:11", "weights/0 wrong_form"),
        (422, "solutions=premiere,seconde&weights=securite:1,securite:2", "weights/1 repeated"),
        (422, "solutions=premiere,seconde&weights=securite:0", "weights all_zero"),
        (400, "solutions=premiere,seconde&criteria_set=autre", "criteria_set wrong_form"),
        (
            422,
            "solutions=premiere,seconde&criteria_set=00000000-0000-7000-8000-000000000000",
            "criteria_set unknown_criteria_set",
        ),
        (400, "solutions=premiere,seconde&format=csv&fields=pinned", "fields json_only"),
    ] {
        app.get(&format!("/api/v1/comparisons?{query}")).expect(status).has_fault(fault);
    }
}

fn what_is_private_enters_no_comparison(app: &App) {
    let vendor = app.vendor(1);
    let mut telling = sheet("Discrète");
    telling["evidence"] = json!([{"title": "Pièce", "url": "https://example.org/piece", "visibility": "restricted"}]);
    telling["references"] = json!([{"organisation": "Commune discrète", "may_be_named": false}]);
    let draft = app.post("/api/v1/solutions").by(&vendor.token).json(&telling).expect(201);
    let path = format!("/api/v1/solutions/{}", draft.id());
    let submitted = app
        .post(&format!("{path}/submit"))
        .by(&vendor.token)
        .on(&draft)
        .json(&json!({"accepts_charter": true}))
        .expect(200);
    app.post(&format!("{path}/publish")).by(&app.operator()).on(&submitted).expect(200);
    app.published(&vendor, "Seconde");
    // A revision that waits, and a draft evaluation, are nobody's to see.
    app.patch(&path)
        .by(&vendor.token)
        .on(&app.own(&vendor, &draft.id()))
        .json(&json!({"name": "Nom à venir"}))
        .expect(200);
    app.answered(&vendor, &draft.id());
    let public = compare(app, "solutions=discrete,seconde");
    let evidence = row(&public["content"]["sheet"], |row| row["field"] == "evidence");
    assert_eq!(
        (&evidence["cells"][0]["missing"], &evidence["cells"][1]["missing"]),
        (&json!("not_published"), &json!("not_answered"))
    );
    let text = public.to_string();
    assert!(!text.contains("Commune discrète") && !text.contains("piece") && !text.contains("Nom à venir"), "{text}");
    assert_eq!(public["content"]["solutions"][0]["evaluation"], json!(null));
    for token in [&vendor.token, &app.operator(), &app.buyer(1).token] {
        let seen = app.get("/api/v1/comparisons?solutions=discrete,seconde").by(token).expect(200);
        assert_eq!(seen.json(), public, "everybody reads the same");
        assert!(seen.headers["cache-control"].contains("private"));
    }
}

fn a_table_has_one_row_per_line_of_the_answer_and_no_formula(app: &App) {
    let vendor = app.vendor(1);
    let formula = "=HYPERLINK(\"https://example.org\")";
    let mut telling = sheet("Formule");
    telling["summary"] = json!(formula);
    let draft = app.post("/api/v1/solutions").by(&vendor.token).json(&telling).expect(201);
    let path = format!("/api/v1/solutions/{}", draft.id());
    let submitted = app
        .post(&format!("{path}/submit"))
        .by(&vendor.token)
        .on(&draft)
        .json(&json!({"accepts_charter": true}))
        .expect(200);
    app.post(&format!("{path}/publish")).by(&app.operator()).on(&submitted).expect(200);
    let second = app.published(&vendor, "Seconde").id();
    app.evaluated(&vendor, &second);
    let query = "/api/v1/comparisons?solutions=formule,seconde&weights=securite:5";
    let by_accept = app.get(query).header("accept", "text/csv").expect(200);
    assert_eq!(by_accept.bytes, app.get(&format!("{query}&format=csv")).expect(200).bytes);
    assert!(by_accept.headers["content-type"].starts_with("text/csv"));
    app.get(query).header("accept", "text/csv;q=0.5, application/json").expect(200).json()["pinned"]
        .as_str()
        .expect("JSON");
    app.get(query).header("accept", "text/html").expect(406);
    app.get("/api/v1/solutions").header("accept", "text/csv").expect(406);
    assert!(String::from_utf8_lossy(&by_accept.bytes).contains("\r\n"), "lines end as RFC 4180 has it");
    let content = compare(app, "solutions=formule,seconde&weights=securite:5")["content"].clone();
    let mut reader = csv::Reader::from_reader(by_accept.bytes.as_slice());
    let header = reader.headers().expect("a header").clone();
    assert!(header.iter().any(|name| name == "seconde@1 declared_score"), "{header:?}");
    let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.expect("a row of as many cells")).collect();
    let of = |kind: &str| rows.iter().filter(|row| &row[0] == kind).count();
    assert_eq!(
        [of("sheet"), of("theme"), of("criterion"), of("weight"), of("score")],
        [list(&content["sheet"]).len(), list(&content["groups"]).len(), criteria(&content).len(), 1, 1]
    );
    let column = header.iter().position(|name| name == "formule@1 declared").expect("a column");
    let summary = rows.iter().find(|row| &row[2] == "summary").expect("the summary");
    assert_eq!(&summary[column], format!("'{formula}"), "it comes back without its first sign");
    for cell in rows.iter().flat_map(csv::StringRecord::iter) {
        assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell}");
    }
}
