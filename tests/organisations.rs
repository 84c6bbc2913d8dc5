use crate::cases;
use crate::support::build::siren;
use crate::support::{App, json};
use gouvtech_catalogue::auth::Role;

cases![
    a_vendor_registers_itself_and_waits_for_the_operator,
    a_registration_that_is_refused_frees_the_identifier,
    an_identifier_belongs_to_one_organisation,
    every_fault_of_a_registration_is_listed_at_once,
    a_foreign_body_registers_by_country_and_number,
    only_the_operator_changes_an_identifier,
    a_suspended_organisation_is_refused,
    nobody_calls_itself_an_audit_body_with_a_vendors_token,
];

fn a_vendor_registers_itself_and_waits_for_the_operator(app: &App) {
    let newcomer = app.token(Role::Vendor, None, Role::Vendor.duties(), "newcomer");
    let body = json!({"name": "Éditeur neuf", "kinds": ["vendor"], "siren": siren(7)});
    let created = app.post("/api/v1/organisations").by(&newcomer).json(&body).expect(201);
    assert_eq!(created.text("status"), "pending");
    let path = format!("/api/v1/organisations/{}", created.id());
    assert_eq!(created.headers["location"], path);

    app.get(&path).expect(404);
    let queue = app.get("/api/v1/organisations?status=pending").by(&app.operator()).expect(200).json();
    assert_eq!(queue["total"], 1);
    let member =
        app.token(Role::Vendor, gouvtech_catalogue::db::Id::parse(&created.id()), Role::Vendor.duties(), "newcomer");
    let own = app.get(&path).by(&member).expect(200);
    app.post("/api/v1/solutions").by(&member).json(&json!({"name": "Trop tôt"})).expect(403);

    app.post(&format!("{path}/confirm")).by(&app.operator()).on(&own).expect(200);
    app.post("/api/v1/solutions").by(&member).json(&json!({"name": "À temps"})).expect(201);
    assert_eq!(app.get(&path).expect(200).text("identifier_origin"), "registry");
}

fn a_registration_that_is_refused_frees_the_identifier(app: &App) {
    let body = json!({"name": "Un autre nom", "kinds": ["vendor"], "siren": siren(7)});
    let register = |subject: &str| {
        let token = app.token(Role::Vendor, None, Role::Vendor.duties(), subject);
        app.post("/api/v1/organisations").by(&token).json(&body)
    };
    let member = |id: &str, subject: &str| {
        app.token(Role::Vendor, gouvtech_catalogue::db::Id::parse(id), Role::Vendor.duties(), subject)
    };
    let impostor = register("impostor").expect(201);
    register("owner").expect(409);
    let path = format!("/api/v1/organisations/{}", impostor.id());
    app.delete(&path).by(&app.vendor(1).token).on(&impostor).expect(404);
    app.delete(&path).by(&app.operator()).expect(428);
    app.delete(&path).by(&app.operator()).on(&impostor).expect(204);
    app.get(&path).by(&app.operator()).expect(404);
    app.get("/api/v1/solutions").by(&member(&impostor.id(), "impostor")).expect(403);

    let owner = register("owner").expect(201);
    let token = member(&owner.id(), "owner");
    let path = format!("/api/v1/organisations/{}", owner.id());
    app.delete(&path).by(&token).on(&owner).expect(204);
    let owner = register("owner").expect(201);
    let path = format!("/api/v1/organisations/{}", owner.id());
    let active = app.post(&format!("{path}/confirm")).by(&app.operator()).on(&owner).expect(200);
    assert_eq!(app.delete(&path).by(&app.operator()).on(&active).expect(409).text("code"), "state_conflict");
    assert_eq!(gouvtech_catalogue::doctor::examine(app.store().backend(), &mut |_| {}), Ok(true), "the doctor");
}

fn an_identifier_belongs_to_one_organisation(app: &App) {
    app.vendor(1);
    let again = json!({"name": "Le même", "kinds": ["vendor"], "siren": siren(1)});
    let refused = app.post("/api/v1/organisations").by(&app.operator()).json(&again).expect(409);
    assert_eq!(refused.text("code"), "duplicate");
}

fn every_fault_of_a_registration_is_listed_at_once(app: &App) {
    let body = json!({"name": "", "kinds": ["vendor"], "siren": "732829321", "country": "DE", "website": "javascript:alert(1)"});
    let refused = app.post("/api/v1/organisations").by(&app.operator()).json(&body).expect(422);
    assert_eq!(
        refused.faults(),
        ["/country siren_abroad", "/name too_short", "/siren invalid_siren", "/website invalid_url"]
    );
    let body = json!({"name": 3, "kinds": ["vendor"], "siren": "1", "id": "x", "status": "active"});
    let refused = app.post("/api/v1/organisations").by(&app.operator()).json(&body).expect(400);
    assert_eq!(
        refused.faults(),
        ["/id unknown_member", "/name wrong_type", "/siren wrong_form", "/status unknown_member"],
        "an unknown member or a wrong type makes the whole list a 400"
    );
}

fn a_foreign_body_registers_by_country_and_number(app: &App) {
    let body = json!({"name": "Nextcloud GmbH", "kinds": ["vendor"], "country": "DE", "register_number": "HRB 746035"});
    app.post("/api/v1/organisations").by(&app.operator()).json(&body).expect(201);
    let twin = json!({"name": "Autre nom", "kinds": ["vendor"], "country": "DE", "register_number": "hrb746035"});
    app.post("/api/v1/organisations").by(&app.operator()).json(&twin).expect(409);
    let nameless = json!({"name": "Sans numéro", "kinds": ["vendor"]});
    app.post("/api/v1/organisations")
        .by(&app.operator())
        .json(&nameless)
        .expect(422)
        .has_fault("/siren identifier_required");
}

fn only_the_operator_changes_an_identifier(app: &App) {
    let vendor = app.vendor(1);
    let path = format!("/api/v1/organisations/{}", vendor.id);
    let seen = app.get(&path).by(&vendor.token).expect(200);
    let change = json!({"siren": siren(2), "website": "https://example.org/"});
    app.patch(&path).by(&vendor.token).on(&seen).json(&change).expect(422).has_fault("/siren operator_only");
    let changed =
        app.patch(&path).by(&vendor.token).on(&seen).json(&json!({"website": "https://example.org/"})).expect(200);
    assert_eq!(changed.json()["version"], 2);
    app.patch(&path).by(&app.operator()).on(&changed).json(&change).expect(200);
    let other = app.vendor(3);
    app.patch(&path).by(&other.token).json(&json!({"website": null})).expect(404);
}

fn a_suspended_organisation_is_refused(app: &App) {
    let vendor = app.vendor(1);
    let path = format!("/api/v1/organisations/{}", vendor.id);
    let seen = app.get(&path).expect(200);
    let suspended = app
        .post(&format!("{path}/suspend"))
        .by(&app.operator())
        .on(&seen)
        .json(&json!({"reason": "Fraude établie."}))
        .expect(200);
    app.get("/api/v1/solutions").by(&vendor.token).expect(403);
    app.post("/api/v1/solutions").by(&vendor.token).json(&json!({"name": "x"})).expect(403);
    app.post(&format!("{path}/suspend"))
        .by(&app.operator())
        .on(&suspended)
        .json(&json!({"reason": "Encore."}))
        .expect(409);
    app.post(&format!("{path}/reinstate")).by(&app.operator()).on(&suspended).expect(200);
    app.get("/api/v1/solutions").by(&vendor.token).expect(200);
}

fn nobody_calls_itself_an_audit_body_with_a_vendors_token(app: &App) {
    let newcomer = app.token(Role::Vendor, None, &[], "newcomer");
    let body = json!({"name": "Juge et partie", "kinds": ["vendor", "audit_body"], "siren": siren(9)});
    app.post("/api/v1/organisations").by(&newcomer).json(&body).expect(422).has_fault("/kinds kind_not_of_role");
}
