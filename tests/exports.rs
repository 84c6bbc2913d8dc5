use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use gouvtech_catalogue::config::Given;
use gouvtech_catalogue::db::journal::Head;
use gouvtech_catalogue::import::lines::Input;
use gouvtech_catalogue::import::solutions::Solutions;
use gouvtech_catalogue::import::{Options, run};

use crate::cases;
use crate::support::build::{Party, siren};
use crate::support::{App, Response, Value, json};

cases![
    an_export_shows_what_the_lists_show,
    filters_agree_with_the_list,
    a_table_has_every_member_and_no_formula,
    an_export_shows_one_snapshot_while_writers_work,
    slow_readers_hold_up_nobody_but_other_exports,
    whoever_comes_back_finds_every_change_exactly_once,
    an_export_has_at_once_what_another_instance_committed,
    what_is_prepared_in_private_is_not_to_be_noticed,
    what_is_gone_since_an_instant_is_named,
    the_terms_of_data_are_marked_and_separable,
    an_export_is_compressed_and_known_by_its_tag_in_any_coding,
];

fn rows(answer: &Response) -> Vec<Value> {
    let text = String::from_utf8(answer.bytes.clone()).expect("UTF-8");
    assert!(text.is_empty() || text.ends_with('\n'), "a last line that is not whole");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn export(app: &App, name: &str) -> Vec<Value> {
    rows(&app.get(&format!("/api/v1/exports/{name}")).expect(200))
}

/// A row as the list has it.
fn without_ours(row: &Value) -> Value {
    let mut row = row.clone();
    let members = row.as_object_mut().expect("an object");
    for name in ["data_licence", "data_attribution", "data_terms", "is_removed"] {
        members.remove(name).unwrap_or_else(|| panic!("no {name}"));
    }
    row
}

/// Every row of a list, page after page.
fn list(app: &App, path: &str) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let joint = if path.contains('?') { "&" } else { "?" };
        let page = app.get(&format!("{path}{joint}limit=100{cursor}")).expect(200).json();
        all.extend(page["items"].as_array().expect("rows").iter().cloned());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

fn by<'a>(rows: &'a [Value], key: &str) -> BTreeMap<String, &'a Value> {
    let named: BTreeMap<String, &Value> = rows
        .iter()
        .map(|row| (row[key].as_str().unwrap_or_else(|| panic!("no {key}: {row}")).to_owned(), row))
        .collect();
    assert_eq!(named.len(), rows.len(), "a row twice");
    named
}

fn load(app: &App, name: &str, importer: &Solutions, records: &[Value]) {
    let path = app.folder.join(format!("{name}.ndjson"));
    std::fs::write(&path, records.iter().map(|record| format!("{record}\n")).collect::<String>()).expect("written");
    run(app.store(), importer, &[Input::new(&path, None).expect("an input")], Options::default(), &|_| ())
        .expect("a report");
}

fn record(source: &str, n: usize, text: &str) -> Value {
    json!({"source": source, "source_id": format!("{n}"), "name": format!("Fiche {source} {n}"), "summary": "Pour essayer.",
        "description": text, "language": "fr", "website": "https://essai.example.org/", "licence": "GPL-3.0", "distribution": "free",
        "deployment": ["on_premise"], "vendor": {"name": "Inconnu de nous", "kind": "company", "country": "FR"}})
}

fn change(app: &App, vendor: &Party, id: &str, change: &Value) {
    let path = format!("/api/v1/solutions/{id}");
    app.patch(&path).by(&vendor.token).header("if-match", "*").json(change).expect(200);
    app.post(&format!("{path}/submit"))
        .by(&vendor.token)
        .header("if-match", "*")
        .json(&json!({"accepts_charter": true}))
        .expect(200);
}

fn archive(app: &App, vendor: &Party, id: &str) {
    let path = format!("/api/v1/solutions/{id}/archive");
    app.post(&path).by(&vendor.token).header("if-match", "*").json(&json!({"reason": "Arrêt de l’offre."})).expect(200);
}

fn moderate(app: &App, who: &str, id: &str, verb: &str, body: &Value) {
    let request = app.post(&format!("/api/v1/solutions/{id}/{verb}")).by(&app.moderator(who)).header("if-match", "*");
    if body.is_null() { request } else { request.json(body) }.expect(200);
}

fn an_export_shows_what_the_lists_show(app: &App) {
    let vendor = app.vendor(1);
    let first = app.published(&vendor, "Première").id();
    app.evaluated(&vendor, &first);
    app.published(&vendor, "Seconde");
    app.draft(&vendor, "Brouillon");
    load(
        app,
        "essai",
        &Solutions::default(),
        &(0..130).map(|n| record("essai", n, "Une description.")).collect::<Vec<_>>(),
    );
    for (name, key) in [("solutions", "id"), ("organisations", "id"), ("labels", "number")] {
        let exported = export(app, &format!("{name}.ndjson"));
        let bare: Vec<Value> = exported.iter().map(without_ours).collect();
        let listed = list(app, &format!("/api/v1/{name}"));
        assert_eq!(by(&bare, key), by(&listed, key), "{name}");
        if key == "id" {
            let ids: Vec<&str> = exported.iter().map(|row| row["id"].as_str().expect("an id")).collect();
            assert!(ids.is_sorted(), "{name}: in the order of identifiers");
        }
    }
    assert_eq!(export(app, "solutions.ndjson").len(), 132);
    let answer = app.get("/api/v1/exports/solutions.ndjson").expect(200);
    assert!(answer.headers["link"].contains("etalab-2.0") && answer.headers["link"].contains("rel=\"license\""));
    assert!(answer.headers["content-disposition"].contains("solutions.ndjson"));
    // Who asks does not matter.
    for token in [&vendor.token, &app.operator()] {
        assert_eq!(app.get("/api/v1/exports/solutions.ndjson").by(token).expect(200).bytes, answer.bytes);
    }
    let head = app.request("HEAD", "/api/v1/exports/solutions.ndjson").expect(200);
    assert_eq!(head.headers["etag"], answer.headers["etag"]);
    app.get("/api/v1/exports/solutions.ndjson").header("accept", "text/csv").expect(406);
    app.get("/api/v1/exports/solutions.csv").header("accept", "text/csv").expect(200);
}

fn filters_agree_with_the_list(app: &App) {
    let vendor = app.vendor(1);
    let evaluated = app.published(&vendor, "Évaluée").id();
    app.evaluated(&vendor, &evaluated);
    let other = app.published(&vendor, "Autre").id();
    change(app, &vendor, &other, &json!({"families": ["traduction"], "tags": ["Courriel"]}));
    let suspended = app.published(&vendor, "Suspendue").id();
    moderate(app, "premier", &suspended, "suspend", &json!({"code": "security", "reason": "Faille exploitée."}));
    load(
        app,
        "essai",
        &Solutions::default(),
        &(0..3).map(|n| record("essai", n, "Une description.")).collect::<Vec<_>>(),
    );
    let mut told = BTreeSet::new();
    for query in [
        "q=evaluee",
        "q=evaluer",
        "q=-evaluee",
        "min_score=securite:0.01",
        "min_score=securite:1",
        "verified=securite:0.5",
        "family=demarches_en_ligne",
        "tag=courriel",
        "min_score=0.9",
        "licence=GPL-3.0",
        "status=published",
        "status=suspended",
        "status=draft",
        "deployment=on_premise&distribution=free",
        "vendor_kind=company",
        &format!("vendor={}", vendor.id),
        "trait=saas&trait=ai",
        "sourcing_rank=market",
        "q=rien-de-tel",
    ] {
        let exported: Vec<Value> = export(app, &format!("solutions.ndjson?{query}")).iter().map(without_ours).collect();
        let listed = list(app, &format!("/api/v1/solutions?{query}"));
        assert_eq!(by(&exported, "id"), by(&listed, "id"), "{query}");
        let table = app.get(&format!("/api/v1/exports/solutions.csv?{query}")).expect(200);
        assert_eq!(csv::Reader::from_reader(table.bytes.as_slice()).records().count(), listed.len(), "{query}");
        told.insert(listed.len());
    }
    assert!(told.len() > 2, "filters that all say the same show nothing: {told:?}");
    for query in ["kind=vendor", "kind=public_body", "q=inconnu"] {
        let exported: Vec<Value> =
            export(app, &format!("organisations.ndjson?{query}")).iter().map(without_ours).collect();
        assert_eq!(by(&exported, "id"), by(&list(app, &format!("/api/v1/organisations?{query}")), "id"), "{query}");
    }
    for of_lists in ["limit", "cursor", "sort", "include", "fields"] {
        app.get(&format!("/api/v1/exports/solutions.ndjson?{of_lists}=1")).expect(400);
    }
    app.get("/api/v1/exports/solutions.ndjson?family=x&since=hier").expect(400).has_fault("since wrong_form");
}

fn a_table_has_every_member_and_no_formula(app: &App) {
    let vendor = app.vendor(1);
    let id = app.published(&vendor, "Formule").id();
    change(
        app,
        &vendor,
        &id,
        &json!({"summary": "@SUM(1+1)*cmd|' /C calc'!A0", "price_model": "'cité'", "tags": ["=1+1", "b"]}),
    );
    let row = export(app, "solutions.ndjson").pop().expect("a row");
    let table = app.get("/api/v1/exports/solutions.csv").expect(200);
    assert!(table.headers["content-type"].starts_with("text/csv"));
    let mut reader = csv::Reader::from_reader(table.bytes.as_slice());
    let header = reader.headers().expect("a header").clone();
    let cells = reader.records().next().expect("a row").expect("as many cells");
    let cell: BTreeMap<&str, &str> = header.iter().zip(cells.iter()).collect();
    // Every member of the line is in the table, and comes back from it.
    let mut compared = 0;
    for (name, value) in row.as_object().expect("an object") {
        let members: Vec<(String, &Value)> = match (value.as_object(), cell.contains_key(name.as_str())) {
            (Some(inner), false) => inner.iter().map(|(inner, value)| (format!("{name}.{inner}"), value)).collect(),
            (None, false) if value.is_null() => continue,
            _ => vec![(name.clone(), value)],
        };
        for (column, value) in members {
            let written = cell.get(column.as_str()).unwrap_or_else(|| panic!("no column {column} in {header:?}"));
            let read = written.strip_prefix('\'').unwrap_or(written);
            let same = match value {
                Value::Null => read.is_empty(),
                Value::String(text) => read == text,
                Value::Array(items) if items.is_empty() => read.is_empty(),
                other => serde_json::from_str::<Value>(read).is_ok_and(|read| read == *other),
            };
            assert!(same, "{column}: {written} is not {value}");
            compared += 1;
        }
    }
    assert!(compared > 40, "only {compared}");
    assert_eq!((cell["summary"], cell["price_model"]), ("'@SUM(1+1)*cmd|' /C calc'!A0", "''cité'"));
    assert_eq!(
        (cell["vendor.id"], cell["status"], cell["data_licence"]),
        (vendor.id.to_string().as_str(), "published", "etalab-2.0")
    );
    for written in &cells {
        assert!(!written.starts_with(['=', '+', '-', '@', '\t', '\r']), "{written}");
    }
}

/// A request whose answer is taken at leisure.
struct Slow(BufReader<TcpStream>);

impl Slow {
    fn get(app: &App, path: &str) -> Self {
        let host = app.address.trim_start_matches("http://");
        let mut stream = TcpStream::connect(host).expect("connected");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a limit");
        write!(stream, "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").expect("sent");
        let mut reader = BufReader::with_capacity(4096, stream);
        let mut first = String::new();
        reader.read_line(&mut first).expect("a status");
        assert!(first.contains(" 200 "), "{first}");
        Self(reader)
    }

    /// The header fields, then all the rows.
    fn rest(mut self) -> (String, Vec<Value>) {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(self.0.read_line(&mut head).expect("a header") > 0);
        }
        let mut text = Vec::new();
        loop {
            let mut size = String::new();
            self.0.read_line(&mut size).expect("a size");
            let size = usize::from_str_radix(size.trim(), 16)
                .unwrap_or_else(|_| panic!("broken off after {} bytes", text.len()));
            let mut chunk = vec![0; size + 2];
            self.0.read_exact(&mut chunk).expect("a chunk");
            text.extend_from_slice(&chunk[..size]);
            if size == 0 {
                let lines = String::from_utf8(text).expect("UTF-8");
                return (
                    head.to_lowercase(),
                    lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect(),
                );
            }
        }
    }
}

/// Waits until no older transaction is open beside what was written: those of other cases count, too.
fn settle(app: &App) {
    let end = Instant::now() + Duration::from_secs(20);
    while app.store().read_here(Head::of).expect("a head").unsettled > 0 {
        assert!(Instant::now() < end, "somebody writes without end");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// More than sockets and buffers hold.
fn fill(app: &App) -> usize {
    // What has no place on a sheet is kept as it was: it is exported, and no index holds it.
    let text = "Une longue annexe. ".repeat(900);
    let records: Vec<Value> = (0..1500)
        .map(|n| {
            let mut record = record("masse", n, "Une description.");
            record["annexe"] = json!(text);
            record
        })
        .collect();
    load(app, "masse", &Solutions::default(), &records);
    // So many at once may take a busy machine longer than a reader waits for what was just written.
    let end = Instant::now() + Duration::from_secs(20);
    while app.get("/api/v1/solutions?limit=1").expect(200).json()["total"] != records.len() {
        assert!(Instant::now() < end, "not all of it can be found");
    }
    records.len()
}

fn an_export_shows_one_snapshot_while_writers_work(app: &App) {
    let count = fill(app);
    let vendor = app.vendor(1);
    let last = app.published(&vendor, "Dernière").id();
    settle(app);
    let slow = Slow::get(app, "/api/v1/exports/solutions.ndjson");
    archive(app, &vendor, &last);
    let later = app.published(&vendor, "Venue après").id();
    load(app, "masse", &Solutions::default(), &[record("masse", count - 1, "Changée entre-temps.")]);
    let (head, rows) = slow.rest();
    assert_eq!(rows.len(), count + 1);
    assert_eq!(
        rows.last().map(|row| (&row["id"], &row["is_removed"])),
        Some((&json!(last), &json!(false))),
        "it was there then"
    );
    assert!(rows.iter().all(|row| row["id"] != later && row["description"] != "Changée entre-temps."));
    settle(app);
    let position = head.lines().find_map(|line| line.strip_prefix("export-position: ")).expect("a position");
    let since = export(app, &format!("solutions.ndjson?since={position}"));
    let named: Vec<(&Value, &Value)> = since.iter().map(|row| (&row["id"], &row["is_removed"])).collect();
    assert_eq!(named.len(), 3, "{named:?}");
    assert!(named.contains(&(&json!(last), &json!(true))) && named.contains(&(&json!(later), &json!(false))));
}

fn slow_readers_hold_up_nobody_but_other_exports(app: &App) {
    let count = fill(app);
    let slow = [(); 2].map(|()| Slow::get(app, "/api/v1/exports/solutions.ndjson"));
    let began = Instant::now();
    for _ in 0..40 {
        app.get("/api/v1/solutions?limit=1").expect(200);
    }
    app.vendor(1);
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    let refused = app.get("/api/v1/exports/labels.ndjson").expect(503);
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(app.store().stats().in_use, 0, "the pool of everybody else is free");
    let [first, second] = slow;
    drop(first);
    // The one that went away makes room; the other one gets everything.
    let end = Instant::now() + Duration::from_secs(20);
    while app.get("/api/v1/exports/labels.ndjson").send().status != 200 {
        assert!(Instant::now() < end, "no room after a caller is gone");
    }
    assert_eq!(second.rest().1.len(), count);
}

/// A copy kept up to date by polling.
#[derive(Default)]
struct Mirror {
    query: &'static str,
    position: String,
    tag: String,
    rows: BTreeMap<String, Value>,
}

impl Mirror {
    /// Polls; says what came.
    fn poll(&mut self, app: &App) -> Vec<String> {
        let path = format!("/api/v1/exports/solutions.ndjson?{}", self.query);
        let request = app.get(&if self.position.is_empty() { path } else { format!("{path}&since={}", self.position) });
        let answer = if self.tag.is_empty() { request } else { request.header("if-none-match", &self.tag) }.send();
        if answer.status == 304 {
            return Vec::new();
        }
        assert_eq!(answer.status, 200);
        self.position = answer.headers["export-position"].clone();
        let mut came = Vec::new();
        for row in rows(&answer) {
            let id = row["id"].as_str().expect("an id").to_owned();
            assert!(!came.contains(&id), "twice in one answer");
            came.push(id.clone());
            if row["is_removed"] == true {
                self.rows.remove(&id);
            } else {
                self.rows.insert(id, row);
            }
        }
        came
    }

    fn holds(&self, app: &App) {
        let whole = export(app, &format!("solutions.ndjson?{}", self.query));
        let whole: BTreeMap<String, Value> =
            whole.into_iter().map(|row| (row["id"].as_str().expect("an id").to_owned(), row)).collect();
        assert_eq!(self.rows, whole, "{}", self.query);
    }
}

fn whoever_comes_back_finds_every_change_exactly_once(app: &App) {
    let vendor = app.vendor(1);
    let mut public: Vec<String> = (0..4).map(|n| app.published(&vendor, &format!("Départ {n}")).id()).collect();
    let mut suspended: Vec<String> = Vec::new();
    let mut mirrors = ["status=published", "family=traduction", "min_score=0.5", ""]
        .map(|query| Mirror { query, ..Mirror::default() });
    settle(app);
    mirrors.iter_mut().for_each(|mirror| drop(mirror.poll(app)));
    // The same history every time, of every kind of change.
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut draw = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).expect("small") % below
    };
    for round in 0..14 {
        let mut changed: BTreeSet<String> = BTreeSet::new();
        for step in 0..1 + draw(3) {
            let at = draw(public.len());
            let id = public[at].clone();
            let words = json!({"summary": format!("Tour {round}, pas {step}")});
            changed.insert(match draw(7) {
                0 => {
                    public.push(app.published(&vendor, &format!("Tour {round} {step}")).id());
                    public[public.len() - 1].clone()
                }
                1 => {
                    let family = ["traduction", "demarches_en_ligne"][draw(2)];
                    change(app, &vendor, &id, &json!({"families": [family], "tags": [format!("t{round}{step}")]}));
                    id
                }
                2 if public.len() > 2 => {
                    archive(app, &vendor, &id);
                    public.remove(at)
                }
                3 if public.len() > 2 => {
                    let why = json!({"code": "security", "reason": "Faille exploitée."});
                    moderate(app, "premier", &id, "suspend", &why);
                    suspended.push(public.remove(at));
                    id
                }
                4 if !suspended.is_empty() => {
                    let back = suspended.remove(0);
                    moderate(app, "second", &back, "lift", &Value::Null);
                    public.push(back.clone());
                    back
                }
                5 if app.get(&format!("/api/v1/solutions/{id}/evaluation")).send().status == 404 => {
                    app.evaluated(&vendor, &id);
                    id
                }
                _ => {
                    change(app, &vendor, &id, &words);
                    id
                }
            });
        }
        settle(app);
        for mirror in &mut mirrors {
            let came: BTreeSet<String> = mirror.poll(app).into_iter().collect();
            mirror.holds(app);
            assert!(came.is_subset(&changed), "{}: {came:?} of {changed:?}", mirror.query);
            assert!(mirror.poll(app).is_empty(), "{}: {came:?} came, and something again", mirror.query);
        }
    }
    assert!(
        mirrors.iter().map(|mirror| mirror.rows.len()).collect::<BTreeSet<_>>().len() > 1,
        "selections that are all the same show nothing"
    );
    // Nothing happened since: the tag says so, without a body. Then something does.
    let path = "/api/v1/exports/solutions.ndjson";
    let known = app.get(path).expect(200);
    assert!(app.get(path).header("if-none-match", &known.headers["etag"]).expect(304).bytes.is_empty());
    change(app, &vendor, &public[0], &json!({"summary": "Enfin autre chose."}));
    assert_ne!(
        app.get(path).header("if-none-match", &known.headers["etag"]).expect(200).headers["etag"],
        known.headers["etag"]
    );
    // What a vendor is called is in its rows as well.
    let name = json!({"name": "Nouveau nom"});
    app.patch(&format!("/api/v1/organisations/{}", vendor.id))
        .by(&app.operator())
        .header("if-match", "*")
        .json(&name)
        .expect(200);
    settle(app);
    let mirror = &mut mirrors[3];
    let came = mirror.poll(app);
    assert!(public.iter().all(|id| came.contains(id)), "every row that shows it");
    mirror.holds(app);
}

fn an_export_has_at_once_what_another_instance_committed(app: &App) {
    let twin = app.twin(Given::default());
    let vendor = app.vendor(1);
    for n in 0..5 {
        let id = app.published(&vendor, &format!("Solution {n}")).id();
        let exported = export(&twin, "solutions.ndjson");
        assert!(by(&exported, "id").contains_key(id.as_str()), "published elsewhere, and not exported here: {n}");
    }
}

fn what_is_prepared_in_private_is_not_to_be_noticed(app: &App) {
    let vendor = app.vendor(1);
    let id = app.published(&vendor, "Discrète").id();
    settle(app);
    let position = app.get("/api/v1/exports/solutions.ndjson").expect(200).headers["export-position"].clone();
    app.patch(&format!("/api/v1/solutions/{id}"))
        .by(&vendor.token)
        .header("if-match", "*")
        .json(&json!({"name": "À venir"}))
        .expect(200);
    app.answered(&vendor, &id);
    app.draft(&vendor, "Brouillon");
    settle(app);
    assert_eq!(export(app, &format!("solutions.ndjson?since={position}")), Vec::<Value>::new());
    let pending = json!({"name": "Attente", "kinds": ["vendor"], "siren": siren(77), "legal_nature": "company"});
    let token = app.token(gouvtech_catalogue::auth::Role::Vendor, None, &[], "nouvelle");
    app.post("/api/v1/organisations").by(&token).json(&pending).expect(201);
    assert_eq!(export(app, &format!("organisations.ndjson?since={position}")), Vec::<Value>::new());
}

fn what_is_gone_since_an_instant_is_named(app: &App) {
    let vendor = app.vendor(1);
    let (kept, gone) = (app.published(&vendor, "Gardée").id(), app.published(&vendor, "Partie").id());
    let early = app.clock.now();
    archive(app, &vendor, &gone);
    let since = export(app, &format!("solutions.ndjson?updated_since={early}"));
    assert_eq!(since.len(), 1);
    assert_eq!(
        (&since[0]["id"], &since[0]["status"], &since[0]["is_removed"]),
        (&json!(gone), &json!("archived"), &json!(true))
    );
    assert!(since[0].get("name").is_none() && since[0]["slug"] == "partie", "no more than its tombstone: {}", since[0]);
    change(app, &vendor, &kept, &json!({"summary": "Changée."}));
    let rows = export(app, &format!("solutions.ndjson?updated_since={early}"));
    let listed = list(app, &format!("/api/v1/solutions?updated_since={early}"));
    let there: Vec<Value> = rows.iter().filter(|row| row["is_removed"] == false).map(without_ours).collect();
    assert_eq!(by(&there, "id"), by(&listed, "id"), "as the list");
    assert_eq!(rows.len(), 2);
    let table = app.get(&format!("/api/v1/exports/solutions.csv?updated_since={early}")).expect(200);
    let mut reader = csv::Reader::from_reader(table.bytes.as_slice());
    let at = reader.headers().expect("a header").iter().position(|name| name == "is_removed").expect("a column");
    let flags: BTreeSet<String> = reader.records().map(|row| row.expect("a row")[at].to_owned()).collect();
    assert_eq!(flags, BTreeSet::from(["true".to_owned(), "false".to_owned()]));
}

fn the_terms_of_data_are_marked_and_separable(app: &App) {
    let vendor = app.vendor(1);
    app.published(&vendor, "Saisie ici");
    let licensed = |licence: Option<&str>| Solutions {
        licence: licence.map(ToOwned::to_owned),
        attribution: Some("Leurs auteurs".to_owned()),
        ..Solutions::default()
    };
    load(app, "partage", &licensed(Some("CC-BY-SA-4.0")), &[record("partage", 1, "Une.")]);
    load(app, "libre", &licensed(Some("CC0-1.0")), &[record("libre", 1, "Une.")]);
    load(app, "muette", &licensed(None), &[record("muette", 1, "Une.")]);
    let terms: BTreeMap<String, (Value, Value)> = export(app, "solutions.ndjson")
        .iter()
        .map(|row| {
            (
                row["imported_from"]["source"].as_str().unwrap_or("ici").to_owned(),
                (row["data_terms"].clone(), row["data_licence"].clone()),
            )
        })
        .collect();
    assert_eq!(terms["ici"], (json!("open"), json!("etalab-2.0")));
    assert_eq!(terms["partage"], (json!("share_alike"), json!("CC-BY-SA-4.0")));
    assert_eq!(terms["libre"], (json!("open"), json!("CC0-1.0")));
    assert_eq!(terms["muette"], (json!("unstated"), json!(null)));
    for (query, count) in
        [("data_terms=open", 2), ("data_terms=share_alike", 1), ("data_terms=share_alike&data_terms=unstated", 2)]
    {
        let rows = export(app, &format!("solutions.ndjson?{query}"));
        assert_eq!(rows.len(), count, "{query}");
        assert!(rows.iter().all(|row| query.contains(row["data_terms"].as_str().expect("terms"))), "{query}");
    }
}

fn an_export_is_compressed_and_known_by_its_tag_in_any_coding(app: &App) {
    load(
        app,
        "essai",
        &Solutions::default(),
        &(0..300).map(|n| record("essai", n, "Une description qui se répète.")).collect::<Vec<_>>(),
    );
    let path = "/api/v1/exports/solutions.ndjson";
    let plain = app.get(path).expect(200);
    let packed = app.get(path).header("accept-encoding", "gzip").unchecked().expect(200);
    assert_eq!(packed.headers["content-encoding"], "gzip");
    assert!(packed.bytes.len() * 4 < plain.bytes.len());
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(packed.bytes.as_slice()).read_to_end(&mut unpacked).expect("gzip");
    assert_eq!(unpacked, plain.bytes);
    assert_ne!(packed.headers["etag"], plain.headers["etag"], "another coding, another representation");
    // What others in this cluster are about to write may settle between two answers, and makes another tag.
    let ask = |tag: &str| app.get(path).header("accept-encoding", "gzip").header("if-none-match", tag).send();
    let mut tag = packed.headers["etag"].clone();
    let again = (0..50).map(|_| {
        let answer = ask(&tag);
        let known = std::mem::replace(&mut tag, answer.headers["etag"].clone());
        (answer, known)
    });
    let (again, known) = again.into_iter().find(|(answer, _)| answer.status == 304).expect("known by its tag");
    assert_eq!(again.headers["etag"], known);
    app.get(path).header("if-none-match", "\"v0.0011223344556677\"").expect(200);
}
