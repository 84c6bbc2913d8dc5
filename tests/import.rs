//! Imports of sheets and organisations.

use std::path::{Path, PathBuf};
use std::process::Command;

use gouvtech_catalogue::db::journal::Change;
use gouvtech_catalogue::db::{Actor, Id, Resource};
use gouvtech_catalogue::import::lines::Input;
use gouvtech_catalogue::import::organisations::Organisations;
use gouvtech_catalogue::import::report::{Kind, Report};
use gouvtech_catalogue::import::solutions::Solutions;
use gouvtech_catalogue::import::{Options, run};
use gouvtech_catalogue::organisations::Organisation;
use serde_json::Value;

use crate::cases;
use crate::support::build::siren;
use crate::support::{App, json};

cases![
    an_imported_sheet_is_listed_at_once_under_its_vendor_and_marked_as_imported,
    a_second_run_changes_nothing_and_a_changed_record_becomes_a_new_version,
    what_is_no_record_is_refused_with_line_and_field_and_the_rest_is_loaded,
    a_dry_run_reports_the_same_and_writes_nothing,
    all_or_nothing_keeps_nothing_when_one_record_is_refused,
    an_unusable_address_and_an_over_long_text_are_kept_and_said,
    what_has_no_place_on_a_sheet_is_kept_as_it_was,
    a_sheet_without_vendor_says_so_and_one_organisation_can_be_named_for_all,
    namesakes_are_shown_and_never_merged,
    a_draft_import_stays_private_until_it_is_imported_to_be_listed,
    a_sheet_its_vendor_edited_or_claimed_is_not_overwritten,
    a_record_the_database_refuses_takes_no_other_with_it,
    solutions_come_as_csv_too,
    public_bodies_are_loaded_updated_and_left_alone_when_registered_otherwise,
    the_command_reports_and_ends_with_one_when_something_was_refused,
    the_real_data_is_loaded_whole,
];

pub const DRY: Options = Options { dry_run: true, all_or_nothing: false };
pub const ALL: Options = Options { dry_run: false, all_or_nothing: true };

fn file(app: &App, name: &str, text: &str) -> PathBuf {
    let path = app.folder.join(name);
    std::fs::write(&path, text).expect("written");
    path
}

pub fn ndjson(records: &[Value]) -> String {
    records.iter().map(|record| format!("{record}\n")).collect()
}

fn input(path: &Path) -> Vec<Input> {
    vec![Input::new(path, None).expect("an input")]
}

pub fn load_with(app: &App, importer: &Solutions, options: Options, text: &str) -> Report {
    let path = file(app, "solutions.ndjson", text);
    run(app.store(), importer, &input(&path), options, &|_| ()).expect("a report")
}

pub fn load(app: &App, records: &[Value]) -> Report {
    load_with(app, &Solutions::default(), Options::default(), &ndjson(records))
}

pub fn load_bodies(app: &App, text: &str) -> Report {
    let path = file(app, "bodies.csv", text);
    let importer = Organisations { source: "public_bodies".to_owned() };
    run(app.store(), &importer, &input(&path), Options::default(), &|_| ()).expect("a report")
}

/// Created, changed, unchanged, skipped, refused.
pub fn counts(report: &Report) -> [u64; 5] {
    [report.created, report.changed, report.unchanged, report.skipped, report.refused]
}

/// `line field` of every refusal.
fn refusals(report: &Report) -> Vec<String> {
    let refused = report.remarks.iter().filter(|remark| remark.kind == Kind::Refused);
    refused.map(|remark| format!("{} {}", remark.place.line, remark.field)).collect()
}

fn total(app: &App) -> Value {
    app.get("/api/v1/solutions").expect(200).json()["total"].clone()
}

fn read(app: &App, slug: &str) -> Value {
    app.get(&format!("/api/v1/solutions/{slug}")).expect(200).json()
}

pub fn record(id: &str, name: &str) -> Value {
    json!({
        "source": "essai", "source_id": id, "name": name, "summary": "Pour essayer.", "language": "fr",
        "website": "https://essai.example.org/", "licence": "GPL-3.0", "distribution": "free",
        "deployment": ["on_premise"], "vendor": {"name": "Éditeur d’essai", "kind": "company", "country": "FR"},
        "tags": ["un", " un ", "deux"], "source_categories": ["Wikis", "Autre"], "audiences": ["etat", "particulier"],
        "public_provider": true, "lifecycle": "opere",
    })
}

fn an_imported_sheet_is_listed_at_once_under_its_vendor_and_marked_as_imported(app: &App) {
    let importer = Solutions {
        licence: Some("CC-BY-SA-3.0".to_owned()),
        attribution: Some("Les auteurs de l’essai".to_owned()),
        ..Solutions::default()
    };
    let report =
        load_with(app, &importer, Options::default(), &ndjson(&[record("1", "Premier"), record("2", "Second")]));
    assert_eq!((counts(&report), report.vendors_created), ([2, 0, 0, 0, 0], 1), "{report}");
    let sheet = read(app, "premier");
    assert_eq!((&sheet["status"], &sheet["published_version"]), (&json!("published"), &json!(1)));
    assert_eq!(sheet["vendor"]["name"], "Éditeur d’essai");
    assert_eq!((&sheet["licence"], &sheet["tags"]), (&json!("GPL-3.0-only"), &json!(["un", "deux"])));
    assert_eq!((&sheet["families"], &sheet["audiences"]), (&json!(["projets_connaissances"]), &json!(["state"])));
    assert_eq!(sheet["sourcing_rank"], "mutualised_public");
    let origin = &sheet["origins"]["licence"];
    assert_eq!((&origin["origin"], &origin["source"]), (&json!("registry"), &json!("essai")));
    let from = &sheet["imported_from"];
    assert_eq!((&from["source"], &from["source_id"]), (&json!("essai"), &json!("1")));
    assert_eq!((&from["licence"], &from["attribution"]), (&json!("CC-BY-SA-3.0"), &json!("Les auteurs de l’essai")));
    assert_eq!((&from["original"]["licence"], &from["original"]["lifecycle"]), (&json!("GPL-3.0"), &json!("opere")));
    assert!(from["notices"].as_array().expect("a list").contains(&json!("licence_normalised")));
    let missing: Vec<&str> =
        sheet["missing"].as_array().expect("a list").iter().filter_map(|lack| lack["code"].as_str()).collect();
    assert!(missing.contains(&"provider_unverified") && missing.contains(&"description_missing"), "{missing:?}");
    for filter in ["licence=GPL-3.0-only", "tag=deux", "q=premier%20essayer", "vendor_kind=company", "audience=state"] {
        let found = app.get(&format!("/api/v1/solutions?{filter}")).expect(200).json();
        assert!(found["total"].as_i64() >= Some(1), "{filter}");
    }
}

fn a_second_run_changes_nothing_and_a_changed_record_becomes_a_new_version(app: &App) {
    let mut records = vec![record("1", "Un"), record("2", "Deux")];
    load(app, &records);
    let before = app.get("/api/v1/solutions/un").expect(200);
    let again = load(app, &records);
    assert_eq!(counts(&again), [0, 0, 2, 0, 0], "{again}");
    assert_eq!(app.get("/api/v1/solutions/un").expect(200).bytes, before.bytes);

    records[0]["summary"] = json!("Autrement dit.");
    records[1]["vendor"] = json!({"name": "Autre éditeur", "kind": "association"});
    let third = load(app, &records);
    assert_eq!((counts(&third), third.vendors_created), ([0, 2, 0, 0, 0], 1), "{third}");
    let sheet = read(app, "un");
    assert_eq!((&sheet["published_version"], &sheet["summary"]), (&json!(2), &json!("Autrement dit.")));
    let diff = app.get("/api/v1/solutions/un/versions/1/diff/2").expect(200).json();
    assert_eq!(diff["changes"].as_array().map(Vec::len), Some(1));
    let other = read(app, "deux");
    assert_eq!((&other["vendor"]["name"], &other["published_version"]), (&json!("Autre éditeur"), &json!(2)));
    assert_eq!(counts(&load(app, &records)), [0, 0, 2, 0, 0]);

    let importer = Solutions { attribution: Some("À d’autres".to_owned()), ..Solutions::default() };
    assert_eq!(counts(&load_with(app, &importer, Options::default(), &ndjson(&records))), [0, 2, 0, 0, 0]);
    assert_eq!(read(app, "un")["imported_from"]["attribution"], "À d’autres");
}

const MIXED: &str = r#"{"source":"s","source_id":"1","name":"Bon","x":1e16,"y":"a\u0000b"}
not json
{"source":"s","source_id":"2","name":"A","name":"B"}
{"source":"s","source_id":"3","name":7,"tags":"x"}
{"source":"s","name":"Sans identifiant"}
{"source_id":"5","name":"Sans source"}

[]
{"source":"s","source_id":"9","name":"Bon aussi","vendor":{"name":["x"]}}
{"source":"s","source_id":"10","name":" \u0007 "}
{"source":"s","source_id":"11","name":"Dernier"}
"#;

fn what_is_no_record_is_refused_with_line_and_field_and_the_rest_is_loaded(app: &App) {
    let report = load_with(app, &Solutions::default(), Options::default(), MIXED);
    assert_eq!(counts(&report), [2, 0, 0, 0, 8], "{report}");
    assert_eq!(
        refusals(&report),
        ["2 ", "3 name", "4 name", "4 tags", "5 source_id", "6 source", "8 ", "9 vendor/name", "10 name"]
    );
    assert!(!report.is_clean() && report.read == 10);
    assert!(report.to_string().contains("solutions.ndjson:4  tags: expected a list of texts"), "{report}");
    assert_eq!(total(app), 2);
    let again = load_with(app, &Solutions::default(), Options::default(), MIXED);
    assert_eq!(counts(&again), [0, 0, 2, 0, 8], "{again}");
}

fn a_dry_run_reports_the_same_and_writes_nothing(app: &App) {
    let text = ndjson(&[record("1", "Un"), record("1", "Un"), record("1", "Un bis"), record("2", "Deux")]);
    let trial = load_with(app, &Solutions::default(), DRY, &text);
    assert_eq!(counts(&trial), [2, 1, 1, 0, 0], "{trial}");
    assert!(trial.is_rolled_back);
    assert_eq!(total(app), 0);
    app.get("/api/v1/solutions/un").expect(404);
    let real = load_with(app, &Solutions::default(), Options::default(), &text);
    assert_eq!((counts(&real), real.vendors_created), (counts(&trial), trial.vendors_created));
    assert_eq!(read(app, "un")["name"], "Un bis");
    let more = load_with(app, &Solutions::default(), DRY, &ndjson(&[record("2", "Trois")]));
    assert_eq!(counts(&more), [0, 1, 0, 0, 0]);
    assert_eq!(read(app, "deux")["name"], "Deux");
}

fn all_or_nothing_keeps_nothing_when_one_record_is_refused(app: &App) {
    let report = load_with(app, &Solutions::default(), ALL, MIXED);
    assert_eq!((counts(&report), report.is_rolled_back), ([2, 0, 0, 0, 8], true));
    assert_eq!(total(app), 0);
    let report = load_with(app, &Solutions::default(), ALL, &ndjson(&[record("1", "Un"), record("2", "Deux")]));
    assert_eq!((counts(&report), report.is_rolled_back), ([2, 0, 0, 0, 0], false));
    assert_eq!(total(app), 2);
}

fn an_unusable_address_and_an_over_long_text_are_kept_and_said(app: &App) {
    let mut long = record("1", "Longue");
    long["summary"] = json!("é".repeat(201));
    long["description"] = json!("d".repeat(20_001));
    long["repository"] = json!("git://git.example.org/x.git");
    long["website"] = json!(" www.Example.org/a b ");
    long["licence"] = json!("CPA");
    long["language"] = json!("?");
    let mut name = record("2", &"n".repeat(700));
    name["vendor"]["name"] = json!("v".repeat(300));
    let report = load(app, &[long, name]);
    assert_eq!(counts(&report), [2, 0, 0, 0, 0], "{report}");
    let sheet = read(app, "longue");
    assert_eq!(sheet["summary"].as_str().map(|text| text.chars().count()), Some(201));
    assert_eq!(sheet["description"].as_str().map(str::len), Some(20_001));
    assert_eq!((&sheet["repository"], &sheet["licence"]), (&Value::Null, &Value::Null));
    assert_eq!(sheet["website"], "https://www.example.org/a%20b");
    let from = &sheet["imported_from"];
    assert_eq!(from["original"]["repository"], "git://git.example.org/x.git");
    assert_eq!(
        (&from["original"]["licence"], &from["original"]["website"]),
        (&json!("CPA"), &json!(" www.Example.org/a b "))
    );
    let notices = from["notices"].to_string();
    for code in [
        "summary_too_long",
        "description_too_long",
        "url_unusable",
        "url_normalised",
        "licence_not_spdx",
        "language_unknown",
    ] {
        assert!(notices.contains(code), "{code} in {notices}");
        assert!(report.notices.contains_key(code), "{code}");
    }
    assert!(sheet["missing"].to_string().contains("summary_too_long"));
    let named = read(app, &"n".repeat(80));
    assert_eq!(named["name"].as_str().map(str::len), Some(500));
    assert_eq!(named["imported_from"]["original"]["name"].as_str().map(str::len), Some(700));
    app.get("/api/v1/solutions").expect(200);
}

fn what_has_no_place_on_a_sheet_is_kept_as_it_was(app: &App) {
    let mut odd = record("1", "Étrange");
    odd["unknown"] = json!({"deep": [1.5, "\u{0}", null], "n": 3.0});
    odd["description"] = json!("a\u{7}b e\u{301}");
    odd["deployment"] = json!(["cloud", "mainframe"]);
    odd["vendor"] = json!({"name": "Maison", "kind": "guild", "country": "ZZ", "since": 1900});
    odd["tags"] = (0..60).map(|n| json!(format!("t{n}"))).collect();
    let report = load(app, &[odd.clone()]);
    assert_eq!(counts(&report), [1, 0, 0, 0, 0], "{report}");
    let sheet = read(app, "etrange");
    let original = &sheet["imported_from"]["original"];
    assert_eq!(original["unknown"]["deep"], json!([1.5, "\u{fffd}", null]));
    assert_eq!((&original["vendor"], &original["description"]), (&odd["vendor"], &odd["description"]));
    assert_eq!((&original["deployment"], &sheet["deployment"]), (&odd["deployment"], &json!(["cloud"])));
    assert_eq!(sheet["description"], "ab é");
    assert_eq!((sheet["tags"].as_array().map(Vec::len), &original["tags"]), (Some(50), &odd["tags"]));
    assert_eq!(counts(&load(app, &[odd])), [0, 0, 1, 0, 0], "kept so that it reads back equal");
}

fn a_sheet_without_vendor_says_so_and_one_organisation_can_be_named_for_all(app: &App) {
    let mut orphan = record("1", "Orpheline");
    orphan.as_object_mut().expect("an object").remove("vendor");
    load(app, &[orphan]);
    let sheet = read(app, "orpheline");
    assert_eq!(sheet["vendor"], Value::Null);
    assert_eq!(sheet["missing"][0]["code"], "provider_unknown");

    let vendor = app.vendor(1);
    let organisation = app.store().read_here(|db| Organisation::find(db, vendor.id)).expect("found");
    let importer =
        Solutions { organisation: Some(organisation), source: Some("autre".to_owned()), ..Solutions::default() };
    let mut own = record("2", "Propre");
    own.as_object_mut().expect("an object").remove("source");
    for expected in [[1, 0, 0, 0, 0], [0, 0, 1, 0, 0]] {
        let report = load_with(app, &importer, Options::default(), &ndjson(&[own.clone()]));
        assert_eq!((counts(&report), report.vendors_created), (expected, 0), "{report}");
    }
    let sheet = read(app, "propre");
    assert_eq!((&sheet["vendor"]["id"], &sheet["imported_from"]["source"]), (&json!(vendor.id), &json!("autre")));
    assert_eq!(sheet["imported_from"]["original"]["vendor"]["name"], "Éditeur d’essai");
}

fn namesakes_are_shown_and_never_merged(app: &App) {
    let mut other = record("1", "SOLUTION jumelle");
    other["source"] = json!("ailleurs");
    let report = load(app, &[record("1", "Solution Jumelle"), other, record("3", "Seule")]);
    assert_eq!((counts(&report), report.vendors_created), ([3, 0, 0, 0, 0], 2), "a vendor for each source");
    let first = read(app, "solution-jumelle");
    assert_eq!(first["possible_duplicates"].as_array().map(Vec::len), Some(1));
    assert_eq!(first["possible_duplicates"][0]["slug"], "solution-jumelle-2");
    assert_eq!(read(app, "seule")["possible_duplicates"], json!([]));
}

fn a_draft_import_stays_private_until_it_is_imported_to_be_listed(app: &App) {
    let drafts = Solutions { as_draft: true, ..Solutions::default() };
    let text = ndjson(&[record("1", "Discrète")]);
    assert_eq!(counts(&load_with(app, &drafts, Options::default(), &text)), [1, 0, 0, 0, 0]);
    assert_eq!(counts(&load_with(app, &drafts, Options::default(), &text)), [0, 0, 1, 0, 0]);
    app.get("/api/v1/solutions/discrete").expect(404);
    assert_eq!(total(app), 0);
    let draft = app.get("/api/v1/solutions/discrete").by(&app.operator()).expect(200);
    assert_eq!(draft.text("status"), "draft");
    assert_eq!(counts(&load_with(app, &Solutions::default(), Options::default(), &text)), [0, 1, 0, 0, 0]);
    assert_eq!(read(app, "discrete")["status"], "published");
    let changed = ndjson(&[record("1", "Discrète encore")]);
    for expected in [[0, 1, 0, 0, 0], [0, 0, 1, 0, 0]] {
        assert_eq!(counts(&load_with(app, &drafts, Options::default(), &changed)), expected);
    }
    assert_eq!(read(app, "discrete")["name"], "Discrète", "the change waits as a revision");
}

fn a_sheet_its_vendor_edited_or_claimed_is_not_overwritten(app: &App) {
    let vendor = app.vendor(1);
    load(app, &[record("1", "Revendiquée"), record("2", "Libre")]);
    let path = format!("/api/v1/solutions/{}", read(app, "revendiquee")["id"].as_str().expect("an id"));
    let claim = app
        .post(&format!("{path}/claim"))
        .by(&vendor.token)
        .json(&json!({"statement": "Nous éditons cette solution depuis 2019."}))
        .expect(201);
    app.post(&format!("/api/v1/claims/{}/accept", claim.id())).by(&app.operator()).on(&claim).expect(200);
    let report = load(app, &[record("1", "Revendiquée"), record("2", "Libre")]);
    assert_eq!(counts(&report), [0, 0, 1, 1, 0], "{report}");
    assert_eq!(read(app, "revendiquee")["vendor"]["id"], json!(vendor.id));

    let own = app.own(&vendor, "revendiquee");
    app.patch(&path).by(&vendor.token).on(&own).json(&json!({"summary": "Par nous."})).expect(200);
    let report = load(app, &[record("1", "Revendiquée par le catalogue")]);
    assert_eq!(counts(&report), [0, 0, 0, 1, 0], "{report}");
    assert!(report.to_string().contains("its vendor has claimed or edited it since"), "{report}");
    assert_eq!(app.own(&vendor, "revendiquee").text("summary"), "Par nous.");
    assert_eq!(read(app, "revendiquee")["name"], "Revendiquée");

    let draft = app.draft(&vendor, "Saisie ici");
    let id = Id::parse(&draft.id()).expect("an id");
    let untouched = app.store().read_here(|db| Change::touched(db, Resource::Solution, &[id], "buyer", "none"));
    let touched = app.store().read_here(|db| Change::touched(db, Resource::Solution, &[id], "vendor", "none"));
    assert_eq!((untouched.expect("read").len(), touched.expect("read").len()), (0, 1));

    let libre = app.get("/api/v1/solutions/libre").by(&app.operator()).expect(200);
    app.post("/api/v1/solutions/libre/archive")
        .by(&app.operator())
        .on(&libre)
        .json(&json!({"reason": "Elle n’existe plus."}))
        .expect(200);
    let report = load(app, &[record("2", "Libre")]);
    assert_eq!(counts(&report), [0, 0, 1, 0, 0], "{report}");
    assert_eq!(counts(&load(app, &[record("2", "Libre encore")])), [0, 0, 0, 1, 0]);
}

fn a_record_the_database_refuses_takes_no_other_with_it(app: &App) {
    let vendor = app.vendor(1);
    let (kept, lost) = (Id::new(), Id::new());
    let outcome = app.store().write_here(&Actor::System, |tx| {
        tx.part(|tx| tx.record("kept", Resource::Solution, kept, 1, json!({})))?;
        let failed = tx.part(|tx| {
            tx.record("lost", Resource::Solution, lost, 1, json!({}))?;
            let organisation = Organisation::find(tx.db, vendor.id)?;
            Organisation::import_all(tx, &[organisation])
        });
        assert!(failed.is_err(), "it is there already");
        Ok(())
    });
    outcome.expect("committed");
    let entries =
        |id| app.store().read_here(|db| Change::about(db, Resource::Solution, id)).expect("the journal").len();
    assert_eq!((entries(kept), entries(lost)), (1, 0));
}

fn solutions_come_as_csv_too(app: &App) {
    let path = file(
        app,
        "solutions.csv",
        "\u{feff}source,source_id,name,summary,tags,deployment,public_provider,vendor_name,vendor_kind,licence,colour\r\n\
         tableur,1,Tableur,\"Sur\r\ndeux lignes\",un|deux,cloud|on_premise,true,Mairie,public_body,EUPL-1.2,bleu\r\n\
         tableur,2,Trop court\r\n\
         tableur,3,Autre,,,,peut-être,,,,\r\n",
    );
    let report = run(app.store(), &Solutions::default(), &input(&path), Options::default(), &|_| ()).expect("a report");
    assert_eq!(counts(&report), [1, 0, 0, 0, 2], "{report}");
    assert_eq!(refusals(&report), ["4 ", "5 public_provider"]);
    let sheet = read(app, "tableur");
    assert_eq!((&sheet["tags"], &sheet["summary"]), (&json!(["un", "deux"]), &json!("Sur\ndeux lignes")));
    assert_eq!((&sheet["vendor"]["name"], &sheet["licence"]), (&json!("Mairie"), &json!("EUPL-1.2")));
    assert_eq!(sheet["imported_from"]["original"], json!({"colour": "bleu"}));
}

fn public_bodies_are_loaded_updated_and_left_alone_when_registered_otherwise(app: &App) {
    let buyer = app.buyer(1);
    let (first, second) = (siren(500), siren(501));
    let csv = |name: &str| {
        format!(
            "siren,name,kind,departement,region,population,insee_code\n\
             {first},{name},commune,52,44,102,52047\n\
             {second},CC des Essais,EPCI:CC,,,29 204,99\n\
             123456789,Fausse,commune,,,,\n\
             {},Déjà là,commune,,,,\n",
            siren(1001)
        )
    };
    let report = load_bodies(app, &csv("Beurville"));
    assert_eq!(counts(&report), [2, 0, 0, 1, 1], "{report}");
    assert_eq!(refusals(&report), ["4 siren"]);
    assert_eq!(report.notices.get("insee_code_unusable"), Some(&1));
    assert!(report.to_string().contains("bodies.csv:3  insee_code: `99` left out"), "{report}");
    let found = app.get(&format!("/api/v1/organisations?siren={first}")).expect(200).json();
    let body = &found["items"][0];
    assert_eq!((&body["name"], &body["kinds"]), (&json!("Beurville"), &json!(["public_body"])));
    assert_eq!((&body["status"], &body["identifier_origin"]), (&json!("active"), &json!("registry")));
    assert_eq!(
        body["territory"],
        json!({"insee_code": "52047", "department": "52", "region": "44", "population": 102, "kind": "commune"})
    );
    let report = load_bodies(app, &csv("Beurville-le-Neuf"));
    assert_eq!(counts(&report), [0, 1, 1, 1, 1], "{report}");
    let own = app.get(&format!("/api/v1/organisations/{}", buyer.id)).expect(200).json();
    assert_eq!(own["name"], "public_body 1001", "registered by itself: not the register's to change");
    let refused = load_bodies(app, "nom,siren\nx,y\n");
    assert_eq!(refusals(&refused), ["1 name"]);
}

fn the_command_reports_and_ends_with_one_when_something_was_refused(app: &App) {
    let good = file(app, "bon.ndjson", &ndjson(&[record("1", "Commandée")]));
    let bad = file(app, "mauvais.ndjson", MIXED);
    let import = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_gouvtech-catalogue"))
            .args(["--database-url", app.url(), "--data-dir", app.folder.to_str().expect("a path"), "import"])
            .args(arguments)
            .output()
            .expect("run")
    };
    let path = |path: &Path| path.display().to_string();
    let output = import(&["solutions", &path(&good), "--licence", "etalab-2.0"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("1 records: 1 created, 0 changed, 0 unchanged, 0 skipped, 0 refused"), "{text}");
    assert!(output.stderr.is_empty(), "no bar where nobody looks");
    let output = import(&["solutions", &path(&good), &path(&bad), "--licence", "etalab-2.0", "--dry-run"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("mauvais.ndjson:3  name: "), "{text}");
    assert!(text.contains("2 created, 0 changed, 1 unchanged, 0 skipped, 8 refused; nothing was written"), "{text}");
    app.settle();
    assert_eq!(total(app), 1);
    assert_eq!(import(&["solutions", "nowhere.ndjson"]).status.code(), Some(2));
    assert_eq!(import(&["solutions", &path(&good), "--licence", "free for all"]).status.code(), Some(2));
}

/// The folder that holds real data beside the project, where there is one.
fn the_real_data_is_loaded_whole(app: &App) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    if !folder.exists() {
        eprintln!("=== no {}: loading real data is skipped ===", folder.display());
        return;
    }
    let limit = if cfg!(debug_assertions) { 200 } else { usize::MAX };
    let mut count = 0;
    for name in ["awesome_selfhosted", "beta_gouv", "cncf_landscape", "dpg", "fedramp", "sill"] {
        let text = std::fs::read_to_string(folder.join(format!("solutions/{name}.ndjson"))).expect("readable");
        let some: String = text.lines().take(limit).map(|line| format!("{line}\n")).collect();
        count += some.lines().count() as u64;
        for expected in [[some.lines().count() as u64, 0, 0, 0, 0], [0, 0, some.lines().count() as u64, 0, 0]] {
            let report = load_with(app, &Solutions::default(), Options::default(), &some);
            assert_eq!(counts(&report), expected, "{name}: {report}");
        }
    }
    // A reader waits two seconds for the index; after so much at once it may take longer.
    let began = std::time::Instant::now();
    while total(app) != count && began.elapsed() < std::time::Duration::from_secs(60) {}
    assert_eq!(total(app), count);
    let mut next = "/api/v1/solutions?limit=100".to_owned();
    loop {
        // The client compares every page with the document.
        let page = app.get(&next).expect(200).json();
        match page["next"].as_str() {
            Some(cursor) => next = format!("/api/v1/solutions?limit=100&cursor={cursor}"),
            None => break,
        }
    }
    let text = std::fs::read_to_string(folder.join("public_bodies.csv")).expect("readable");
    let some: String = text.lines().take(limit.saturating_add(1)).map(|line| format!("{line}\n")).collect();
    let bodies = some.lines().count() as u64 - 1;
    for expected in [[bodies, 0, 0, 0, 0], [0, 0, bodies, 0, 0]] {
        let report = load_bodies(app, &some);
        assert_eq!(counts(&report), expected, "{report}");
    }
}
