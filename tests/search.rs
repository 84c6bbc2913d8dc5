//! What is published is found: however it is typed, at once, by everybody alike,
//! and nothing else is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use gouvtech_catalogue::app::App as Application;
use gouvtech_catalogue::clock::Clock;
use gouvtech_catalogue::config::{Given, Settings};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::cases;
use crate::support::build::{Party, sheet};
use crate::support::{App, Response, Value, json};

cases![
    names_are_found_however_they_are_typed,
    descriptions_are_found_in_other_inflections,
    phrases_and_exclusions_are_kept,
    identifiers_are_found_exactly,
    synonyms_are_found_after_the_word_itself,
    what_is_not_public_is_never_found,
    what_changes_is_found_as_it_is,
    any_text_is_a_query,
    every_filter_is_understood_and_facets_agree_with_totals,
    scores_and_labels_filter_by_theme,
    relevance_is_explained_to_operators_alone,
    finds_are_marked,
    nothing_found_suggests_what_was_meant,
    suggestions_come_while_typing,
    pages_reach_the_last_result_in_every_order,
    an_index_goes_on_after_a_restart,
    a_damaged_index_is_built_anew,
    two_instances_agree_within_a_second,
];

fn encode(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn find(app: &App, query: &str) -> Response {
    app.get(&format!("/api/v1/solutions?limit=100&{query}")).expect(200)
}

fn names(answer: &Response) -> Vec<String> {
    let json = answer.json();
    let items = json["items"].as_array().expect("items").iter();
    items.map(|item| item["name"].as_str().expect("a name").to_owned()).collect()
}

fn found(app: &App, typed: &str) -> Vec<String> {
    names(&find(app, &format!("q={}", encode(typed))))
}

/// Publishes a sheet with these changes.
fn publish(app: &App, vendor: &Party, name: &str, changes: Value) -> Response {
    let mut all = sheet(name);
    let object = all.as_object_mut().expect("an object");
    object.extend(changes.as_object().expect("changes").clone());
    let draft = app.post("/api/v1/solutions").by(&vendor.token).json(&all).expect(201);
    let path = format!("/api/v1/solutions/{}", draft.id());
    let submitted = app
        .post(&format!("{path}/submit"))
        .by(&vendor.token)
        .on(&draft)
        .json(&json!({"accepts_charter": true}))
        .expect(200);
    app.post(&format!("{path}/publish")).by(&app.operator()).on(&submitted).expect(200)
}

fn names_are_found_however_they_are_typed(app: &App) {
    let vendor = app.vendor(1);
    for name in ["Démarches simplifiées", "Démarches administratives", "Mattermost", "Git", "GitLab", "L’Œuvre commune"]
    {
        publish(app, &vendor, name, json!({}));
    }
    for (typed, name) in [
        ("Démarches simplifiées", "Démarches simplifiées"),
        ("DEMARCHES SIMPLIFIEES", "Démarches simplifiées"),
        ("demarche simplifiee", "Démarches simplifiées"),
        ("demarches simpl", "Démarches simplifiées"),
        ("demarches-simplifiees", "Démarches simplifiées"),
        ("demarchessimplifiees", "Démarches simplifiées"),
        ("démarhces simplifiées", "Démarches simplifiées"),
        ("demarches admin", "Démarches administratives"),
        ("matermost", "Mattermost"),
        ("mattermots", "Mattermost"),
        ("xattermost", "Mattermost"),
        ("matter", "Mattermost"),
        ("git", "Git"),
        ("gitl", "GitLab"),
        ("oeuvre", "L’Œuvre commune"),
        ("l'oeuvre comune", "L’Œuvre commune"),
    ] {
        assert_eq!(found(app, typed).first().map(String::as_str), Some(name), "{typed}");
    }
    assert_eq!(found(app, "zzzzzzzz"), Vec::<String>::new());
}

fn descriptions_are_found_in_other_inflections(app: &App) {
    let vendor = app.vendor(1);
    let described = |text: &str| json!({"description": text});
    publish(
        app,
        &vendor,
        "Alpha",
        described("Les agents nationaux instruisent les demandes déposées par les usagers."),
    );
    publish(app, &vendor, "Beta", described("Hosting of services for local schools, managed by libraries."));
    publish(app, &vendor, "Gamma", described("Un tout autre objet."));
    for (typed, name) in [
        ("agent national instruit demande", "Alpha"),
        ("usager déposé", "Alpha"),
        ("hosted service library", "Beta"),
        ("SCHOOL managing", "Beta"),
    ] {
        assert_eq!(found(app, typed).first().map(String::as_str), Some(name), "{typed}");
    }
    // Two words must both be there; of three, one may miss.
    assert_eq!(found(app, "usager libraries"), Vec::<String>::new());
    assert_eq!(found(app, "usager agents libraries"), ["Alpha"]);
}

fn phrases_and_exclusions_are_kept(app: &App) {
    let vendor = app.vendor(1);
    publish(app, &vendor, "Un", json!({"description": "La prise de rendez-vous en ligne."}));
    publish(app, &vendor, "Deux", json!({"description": "Des rendez-vous dont la prise est libre."}));
    let all = |typed: &str| found(app, typed).into_iter().collect::<BTreeSet<_>>();
    let set = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(all("prise rendez-vous"), set(&["Un", "Deux"]));
    assert_eq!(all("\"prise de rendez-vous\""), set(&["Un"]));
    assert_eq!(all("\"PRISE DE RENDEZ VOUS\""), set(&["Un"]));
    assert_eq!(all("rendez-vous -libre"), set(&["Un"]));
    assert_eq!(all("rendez-vous -\"prise de rendez-vous\""), set(&["Deux"]));
    assert_eq!(all("-libres"), set(&["Un"]), "an exclusion alone");
}

fn identifiers_are_found_exactly(app: &App) {
    let (one, two) = (app.vendor(1), app.vendor(2));
    let mine = publish(app, &one, "Forge", json!({"repository": "https://github.com/Etat/forge.git"}));
    publish(app, &two, "Autre forge", json!({"description": "Comme https://github.com/etat/forge, mais 100000001."}));
    let siren = app.get(&format!("/api/v1/organisations/{}", one.id)).by(&app.operator()).expect(200).text("siren");
    let spaced = format!("{} {} {}", &siren[..3], &siren[3..6], &siren[6..]);
    for typed in [
        siren.as_str(),
        &spaced,
        &mine.id(),
        &mine.id().to_uppercase(),
        "https://github.com/etat/forge",
        "http://www.github.com/Etat/Forge/",
        "git@github.com:etat/forge.git",
        "github.com/etat/forge",
    ] {
        assert_eq!(found(app, typed), ["Forge"], "{typed}");
    }
    assert_eq!(found(app, &mine.text("slug")).first().map(String::as_str), Some("Forge"));
    // One that names nothing is text.
    assert_eq!(found(app, "https://example.org/rien/du/tout"), Vec::<String>::new());
}

fn synonyms_are_found_after_the_word_itself(app: &App) {
    let vendor = app.vendor(1);
    publish(app, &vendor, "Première", json!({"summary": "Outil de visioconférence."}));
    publish(app, &vendor, "Seconde", json!({"summary": "Outil de visio."}));
    publish(app, &vendor, "Paie", json!({"summary": "Gestion des ressources humaines."}));
    assert_eq!(found(app, "visio "), ["Seconde", "Première"]);
    assert_eq!(found(app, "visioconférences"), ["Première", "Seconde"]);
    assert_eq!(found(app, "RH "), ["Paie"]);
}

fn what_is_not_public_is_never_found(app: &App) {
    let vendor = app.vendor(1);
    let operator = app.operator();
    let published = publish(app, &vendor, "Visible", json!({}));
    app.draft(&vendor, "Cachée brouillon");
    app.submitted(&vendor, "Cachée soumise");
    let path = format!("/api/v1/solutions/{}", published.id());
    let own = app.own(&vendor, &published.id());
    app.patch(&path).by(&vendor.token).on(&own).json(&json!({"name": "Cachée révision"})).expect(200);
    let before = app.inner.search_now().expect("an index").search.searcher().generation().generation_id();
    assert_eq!(found(app, "cachée"), Vec::<String>::new());
    assert_eq!(found(app, "visible"), ["Visible"]);
    for token in [&vendor.token, &operator] {
        let answer = app.get("/api/v1/solutions?q=cachee&sort=name").by(token).expect(200);
        assert_eq!(answer.json()["total"], 0);
    }
    let after = app.inner.search_now().expect("an index").search.searcher().generation().generation_id();
    assert_eq!(before, after, "a draft touched the index");
    // The queue and the own drafts are the database's.
    let own = app.get("/api/v1/solutions?status=draft&q=cachee").by(&vendor.token).expect(200);
    assert_eq!(names(&own), ["Cachée brouillon"]);
}

fn what_changes_is_found_as_it_is(app: &App) {
    let vendor = app.vendor(1);
    let operator = app.operator();
    let first = publish(app, &vendor, "Ancien nom", json!({}));
    let path = format!("/api/v1/solutions/{}", first.id());
    assert_eq!(found(app, "ancien"), ["Ancien nom"]);
    let own = app.own(&vendor, &first.id());
    let edited = app.patch(&path).by(&vendor.token).on(&own).json(&json!({"name": "Nouveau titre"})).expect(200);
    let submitted = app
        .post(&format!("{path}/submit"))
        .by(&vendor.token)
        .on(&edited)
        .json(&json!({"accepts_charter": true}))
        .expect(200);
    let published = app.post(&format!("{path}/publish")).by(&operator).on(&submitted).expect(200);
    assert_eq!(found(app, "ancien"), Vec::<String>::new());
    assert_eq!(found(app, "nouveau titre"), ["Nouveau titre"]);
    // Its vendor's name and size are among what it is found and filtered by.
    let vendor_path = format!("/api/v1/organisations/{}", vendor.id);
    let organisation = app.get(&vendor_path).by(&vendor.token).expect(200);
    app.patch(&vendor_path).by(&vendor.token).on(&organisation).json(&json!({"size": "micro"})).expect(200);
    assert_eq!(names(&find(app, "vendor_size=micro")), ["Nouveau titre"]);
    let organisation = app.get(&vendor_path).by(&vendor.token).expect(200);
    app.patch(&vendor_path).by(&vendor.token).on(&organisation).json(&json!({"size": null})).expect(200);
    assert!(names(&find(app, "vendor_size=micro")).is_empty());
    let reason = json!({"code": "security", "reason": "Faille exploitée, correctif attendu."});
    let suspended = app.post(&format!("{path}/suspend")).by(&operator).on(&published).json(&reason).expect(200);
    assert_eq!(found(app, "nouveau"), Vec::<String>::new());
    app.post(&format!("{path}/lift")).by(&app.moderator("another")).on(&suspended).expect(200);
    assert_eq!(found(app, "nouveau"), ["Nouveau titre"]);
}

fn any_text_is_a_query(app: &App) {
    publish(app, &app.vendor(1), "Texte", json!({}));
    for typed in [
        "\"",
        "\"\"",
        "-",
        "--",
        "-\"",
        "(",
        ")",
        "AND OR NOT",
        "name:texte",
        "texte~2",
        "texte*",
        "/.*/",
        "[a TO z]",
        "{!x}",
        "+texte -",
        "\\",
        "'; DROP TABLE solutions; --",
        "%00",
        "💥",
        "日本語",
        "\u{202e}texte",
        "a\tb\nc",
        "…",
        "texte^1000000",
        "<script>alert(1)</script>",
        "........",
        "http://",
        "git@",
        "://",
        "0",
        "-texte -texte",
    ] {
        find(app, &format!("q={}&highlight=true&facets=family", encode(typed)));
    }
    let mut runner = TestRunner::new(Config { cases: 60, failure_persistence: None, ..Config::default() });
    runner
        .run(&"\\PC{0,60}", |typed| {
            let answer = app.get(&format!("/api/v1/solutions?q={}", encode(&typed))).send();
            prop_assert_eq!(answer.status, 200, "{}", typed);
            let meant = app.get(&format!("/api/v1/suggestions?q={}", encode(&typed))).send();
            prop_assert!(meant.status == 200 || typed.is_empty());
            Ok(())
        })
        .expect("any text");
}

/// A few solutions that differ in everything that can be filtered by.
fn varied(app: &App) -> Party {
    let vendor = app.vendor(1);
    let families = ["demarches_en_ligne", "messagerie_collaborative", "gestion_documentaire"];
    let known = app.get("/api/v1/families").expect(200).json();
    let known: Vec<&str> =
        known["items"].as_array().expect("families").iter().map(|one| one["code"].as_str().expect("a code")).collect();
    let families: Vec<&str> =
        families.into_iter().filter(|code| known.contains(code)).chain(known.iter().copied()).take(3).collect();
    for number in 0..12usize {
        let licence = ["AGPL-3.0-or-later", "MIT", "EUPL-1.2 OR MIT"][number % 3];
        let country = ["FR", "DE"][number % 2];
        publish(
            app,
            &vendor,
            &format!("Solution {number:02}"),
            json!({
                "families": [families[number % 3]], "licence": licence,
                "deployment": if number % 4 == 0 { json!(["cloud", "on_premise"]) } else { json!(["cloud"]) },
                "hosting": [{"provider": "H", "country": country, "qualifications": [{"scheme": "secnumcloud"}]}],
                "tags": [format!("Étiquette {}", number % 5)],
                "audiences": if number % 2 == 0 { json!(["state"]) } else { json!(["hospital"]) },
                "description": if number < 6 { "Elle gère des dossiers." } else { "Elle envoie des courriers." },
            }),
        );
    }
    vendor
}

fn facet<'a>(answer: &'a Value, name: &str) -> BTreeMap<&'a str, i64> {
    let all = answer["facets"].as_array().expect("facets").iter().find(|one| one["facet"] == name).expect("the facet");
    let values = all["values"].as_array().expect("values").iter();
    values.map(|one| (one["value"].as_str().expect("a value"), one["count"].as_i64().expect("a count"))).collect()
}

fn every_filter_is_understood_and_facets_agree_with_totals(app: &App) {
    varied(app);
    let all = find(app, "facets=family,licence,deployment,hosting_country,tag,audience,vendor_kind,trait").json();
    assert_eq!(all["total"], 12);
    assert_eq!(
        facet(&all, "licence"),
        BTreeMap::from([("AGPL-3.0-or-later", 4), ("MIT", 8), ("EUPL-1.2 OR MIT", 4), ("EUPL-1.2", 4)])
    );
    assert_eq!(facet(&all, "vendor_kind"), BTreeMap::from([("company", 12)]));
    let facets = ["family", "licence", "deployment", "hosting_country", "tag", "audience"];
    let values: Vec<(&str, Vec<String>)> = facets
        .iter()
        .map(|name| (*name, facet(&all, name).keys().map(|value| (*value).to_owned()).collect()))
        .collect();
    let one = (0..facets.len(), any::<prop::sample::Index>());
    let strategy =
        (prop::collection::vec(one, 0..4), prop::sample::select(vec!["", "dossier", "courriers", "gere dosier"]));
    let mut runner = TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    runner
        .run(&strategy, |(chosen, typed)| {
            let mut query = format!("facets={}", facets.join(","));
            let mut own: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
            for (at, index) in chosen {
                let (name, values) = &values[at];
                own.entry(name).or_default().insert(values[index.index(values.len())].clone());
            }
            let parameters = |except: Option<&str>| -> String {
                own.iter()
                    .filter(|(name, _)| Some(**name) != except)
                    .flat_map(|(name, values)| values.iter().map(move |value| format!("&{name}={}", encode(value))))
                    .collect()
            };
            if !typed.is_empty() {
                query.push_str(&format!("&q={}", encode(typed)));
            }
            let answer = find(app, &format!("{query}{}", parameters(None))).json();
            prop_assert_eq!(answer["items"].as_array().map(Vec::len), answer["total"].as_u64().map(|n| n as usize));
            for name in facets {
                // What a value promises is what choosing it alone in its facet gives.
                for (value, count) in facet(&answer, name).iter().take(2) {
                    let narrowed =
                        find(app, &format!("{query}{}&{name}={}", parameters(Some(name)), encode(value))).json();
                    prop_assert_eq!(narrowed["total"].as_i64(), Some(*count), "{}={} of {}", name, value, query);
                }
            }
            Ok(())
        })
        .expect("consistent");
    app.get("/api/v1/solutions?facets=unknown").expect(400);
    assert_eq!(find(app, "updated_since=2100-01-01T00:00:00Z").json()["total"], 0);
}

fn scores_and_labels_filter_by_theme(app: &App) {
    let vendor = app.vendor(1);
    let body = app.audit_body(1);
    let solution = publish(app, &vendor, "Auditée", json!({}));
    publish(app, &vendor, "Sans rien", json!({}));
    app.evaluated(&vendor, &solution.id());
    assert_eq!(names(&find(app, "min_score=0.9")), ["Auditée"]);
    let scores = app.get(&format!("/api/v1/solutions/{}?include=scores", solution.id())).expect(200).json();
    let theme = scores["embedded"]["scores"]["themes"][0]["theme"].as_str().expect("a theme").to_owned();
    assert_eq!(names(&find(app, &format!("min_score={theme}:0.9"))), ["Auditée"]);
    assert_eq!(find(app, "min_score=unknown:0").json()["total"], 0);
    assert_eq!(find(app, &format!("verified={theme}:0")).json()["total"], 0, "declared is not verified");
    let evaluator = app.auditor(&body, &[gouvtech_catalogue::auth::Duty::Evaluator], "evaluator");
    let decider = app.auditor(&body, &[gouvtech_catalogue::auth::Duty::DecisionMaker], "decider");
    let opened = app.in_audit(&vendor, &solution.id(), &body, &evaluator);
    let reported = app.reported(&opened, &evaluator, |_, finding| finding);
    let decision = json!({"outcome": "granted", "reasons": "Tous les critères sont satisfaits, sans réserve."});
    app.post(&format!("/api/v1/label-applications/{}/decision", opened.id()))
        .by(&decider)
        .on(&reported)
        .json(&decision)
        .expect(200);
    assert_eq!(names(&find(app, &format!("verified={theme}:0.9"))), ["Auditée"]);
    assert_eq!(names(&find(app, "label=active")), ["Auditée"]);
    assert_eq!(facet(&find(app, "facets=label").json(), "label"), BTreeMap::from([("active", 1)]));
    for bad in ["verified=securite", "verified=securite:2", "min_score=2", "min_score=a:b", "min_score="] {
        app.get(&format!("/api/v1/solutions?{bad}")).expect(400);
    }
}

fn relevance_is_explained_to_operators_alone(app: &App) {
    let vendor = app.vendor(1);
    publish(app, &vendor, "Agenda", json!({}));
    publish(app, &vendor, "Autre", json!({"description": "Un agenda partagé."}));
    app.get("/api/v1/solutions?q=agenda&explain=true").expect(403);
    app.get("/api/v1/solutions?q=agenda&explain=true").by(&vendor.token).expect(403);
    let answer = app.get("/api/v1/solutions?q=agenda&explain=true").by(&app.operator()).expect(200);
    assert_eq!(names(&answer), ["Agenda", "Autre"]);
    let json = answer.json();
    let ranks: Vec<u64> = json["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| {
            let reasons = &item["found"]["reasons"];
            let part = |name: &str| reasons[name].as_u64().expect("a number");
            assert_eq!(part("rank"), part("text") + part("label") + part("freshness"));
            part("rank")
        })
        .collect();
    assert!(ranks[0] > ranks[1]);
}

fn finds_are_marked(app: &App) {
    publish(app, &app.vendor(1), "Démarches & co", json!({"summary": "Des démarches <simples>."}));
    let answer = find(app, "q=demarche&highlight=true").json();
    let highlight = &answer["items"][0]["found"]["highlight"];
    assert_eq!(highlight["name"], "<em>Démarches</em> &amp; co");
    assert_eq!(highlight["summary"], "Des <em>démarches</em> &lt;simples&gt;.");
    assert_eq!(highlight["description"], Value::Null);
    assert_eq!(find(app, "q=demarche").json()["items"][0].get("found"), None);
}

fn nothing_found_suggests_what_was_meant(app: &App) {
    publish(app, &app.vendor(1), "Parapheur", json!({"tags": ["Signature"]}));
    let answer = find(app, &format!("q={}", encode("barabheux"))).json();
    assert_eq!((answer["total"].as_i64(), answer["did_you_mean"].as_str()), (Some(0), Some("parapheur")));
    let answer = find(app, "q=wwwwwwwwwwwwwwwwww").json();
    assert_eq!((answer["total"].as_i64(), answer.get("did_you_mean")), (Some(0), None));
}

fn suggestions_come_while_typing(app: &App) {
    let vendor = app.vendor(1);
    for name in ["Mattermost", "Matrix", "Matomo", "Autre"] {
        publish(app, &vendor, name, json!({}));
    }
    app.draft(&vendor, "Matelas");
    let suggested = |typed: &str| names(&app.get(&format!("/api/v1/suggestions?q={typed}")).expect(200));
    assert_eq!(
        suggested("mat").into_iter().collect::<BTreeSet<_>>(),
        ["Matomo", "Matrix", "Mattermost"].map(str::to_owned).into()
    );
    assert_eq!(suggested("matter"), ["Mattermost"]);
    assert_eq!(suggested("%20%20"), Vec::<String>::new());
    assert_eq!(names(&app.get("/api/v1/suggestions?q=mat&limit=1").expect(200)).len(), 1);
    app.get("/api/v1/suggestions").expect(400);
}

fn pages_reach_the_last_result_in_every_order(app: &App) {
    let vendor = app.vendor(1);
    for number in 0..23 {
        publish(app, &vendor, &format!("Page {:02}", number % 7), json!({"description": "Pour tourner les pages."}));
    }
    for query in [
        "sort=name",
        "sort=-name",
        "sort=-updated_at",
        "sort=score",
        "sort=published_at",
        "q=page",
        "q=tourner&sort=-name",
        "",
    ] {
        let whole: Vec<String> = ids(&find(app, query));
        assert_eq!(whole.len(), 23, "{query}");
        let (mut walked, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = app.get(&format!("/api/v1/solutions?limit=4&{query}{cursor}")).expect(200);
            assert_eq!(page.json()["total"], 23);
            walked.extend(ids(&page));
            match page.json()["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(walked, whole, "{query}");
    }
}

fn ids(answer: &Response) -> Vec<String> {
    let json = answer.json();
    json["items"].as_array().expect("items").iter().map(|item| item["id"].as_str().expect("an id").to_owned()).collect()
}

/// How many solutions an index has that is opened in a folder beside the running one: as it was
/// left, behind the journal, or all there are when it had to be built.
fn reopened(app: &App, folder: &Path) -> u64 {
    let stop = std::sync::atomic::AtomicBool::new(false);
    gouvtech_catalogue::search::Search::open(app.store(), folder, &stop).expect("opened").0.count()
}

fn an_index_goes_on_after_a_restart(app: &App) {
    let vendor = app.vendor(1);
    let folder = tempfile::tempdir().expect("a folder");
    publish(app, &vendor, "Avant", json!({}));
    assert_eq!(reopened(app, folder.path()), 1, "built at first");
    publish(app, &vendor, "Pendant", json!({}));
    // Opened as it was left, behind the journal: it is to be followed from there. Built anew it would have two.
    assert_eq!(reopened(app, folder.path()), 1, "built again without need");
}

fn a_damaged_index_is_built_anew(app: &App) {
    let vendor = app.vendor(1);
    let folder = tempfile::tempdir().expect("a folder");
    publish(app, &vendor, "Une", json!({}));
    assert_eq!(reopened(app, folder.path()), 1);
    publish(app, &vendor, "Autre", json!({}));
    let biggest = std::fs::read_dir(folder.path())
        .expect("files")
        .map(|file| file.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|kind| kind != "json" && kind != "lock"))
        .max_by_key(|path| std::fs::metadata(path).expect("a size").len())
        .expect("a file");
    let mut bytes = std::fs::read(&biggest).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    std::fs::write(&biggest, bytes).expect("written");
    assert_eq!(reopened(app, folder.path()), 2, "a flipped byte");
    std::fs::write(folder.path().join("meta.json"), "{").expect("written");
    assert_eq!(reopened(app, folder.path()), 2, "a broken list of files");
}

fn two_instances_agree_within_a_second(app: &App) {
    let vendor = app.vendor(1);
    let folder = tempfile::tempdir().expect("a folder");
    let (other, address) = beside(app, folder.path());
    for number in 0..3 {
        let name = format!("Partagée {number}");
        publish(app, &vendor, &name, json!({}));
        assert_eq!(found(app, &name).first(), Some(&name), "on the instance that wrote");
        let began = Instant::now();
        loop {
            let url = format!("{address}/api/v1/solutions?q={}", encode(&name));
            let body = ureq::get(&url).call().expect("an answer").body_mut().read_to_string().expect("a body");
            let answer: Value = serde_json::from_str(&body).expect("JSON");
            if answer["items"][0]["name"] == name.as_str() {
                break;
            }
            assert!(began.elapsed() < Duration::from_secs(1), "not found elsewhere within a second");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    drop(other);
}

/// Another instance over the same database.
fn beside(app: &App, folder: &Path) -> (Stopper, String) {
    let settings = Settings::new(Given {
        database_url: Some(app.url().to_owned()),
        data_dir: Some(folder.to_owned()),
        workers: Some(1),
        ..Given::default()
    })
    .expect("settings");
    let inner = actix_web::web::Data::new(Application::new(settings, Clock::default()).expect("an application"));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a socket");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let (sender, receiver) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let server = gouvtech_catalogue::app::serve(inner, listener).expect("a server");
            sender.send(server.handle()).expect("sent");
            server.await.expect("served");
        });
    });
    (Stopper { handle: receiver.recv().expect("a server"), thread: Some(thread) }, address)
}

struct Stopper {
    handle: actix_web::dev::ServerHandle,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Drop for Stopper {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
            thread.join().expect("ended");
        }
    }
}
