//! The OpenAPI 3.1 document, made from the route table.
//!
//! Handlers describe what is theirs alone; what follows from the shape of an
//! operation (its errors, its preconditions, the headers of its answer) is
//! added here, once for all.

#![expect(clippy::indexing_slicing, reason = "the document is made here, and every test starts by making it")]

use serde_json::{Map, Value, json};
use utoipa::openapi::{ComponentsBuilder, Info, LicenseBuilder, OpenApiBuilder, PathItem, Paths};
use utoipa::{PartialSchema, ToSchema};

use crate::app;
use crate::auth::Role;
use crate::error::Code;
use crate::service_accounts::oauth;
use crate::solutions::view::Tombstone;

const DESCRIPTION: &str = "A catalogue of digital solutions for public buyers: what exists, what vendors declare, what \
users say and what an independent third party verified, each with its origin and date.\n\n\
Reading what is published needs no token. Everything else needs an access token with one role (`vendor`, `buyer`, \
`auditor`, `operator`) and, for some actions, a duty; `security` of each operation names them as `role` or `role:duty`. \
Errors are problems (RFC 9457) in French, or in English with `Accept-Language: en`. A change of an existing resource \
needs `If-Match` with the ETag of the version read. Lists are read page by page with the `next` cursor.";

const TAGS: &[(&str, &str)] = &[
    ("organisations", "Vendors, public bodies, audit bodies and the operator."),
    ("families", "Functional families of solutions."),
    ("criteria", "Criteria sets, their themes and criteria."),
    ("solutions", "Solutions, their versions and states."),
    ("evaluations", "Self-evaluations against a criteria set."),
    ("reviews", "What users say."),
    (
        "labels",
        "The third-party label: applications, findings, decisions, register, its life, complaints, and what proves it.",
    ),
    ("notifications", "What one's organisation has to know."),
    ("log", "The transparency log: every decision on a label, in a tree that only grows."),
    ("appeals", "Appeals of vendors against decisions that harm them, and the panel that answers."),
    ("accreditations", "Audit bodies: accreditation, signing keys, qualified persons."),
    ("comparisons", "Published solutions side by side."),
    ("exports", "Everything that is published, to take away."),
    ("persons", "What is held about the caller, and its erasure."),
    ("service-accounts", "Credentials of systems, and the tokens they get."),
    ("service", "Probes, keys and this description."),
];

/// Name of the schema of a merge patch of `schema`.
pub fn patch_name(schema: &str) -> String {
    format!("{schema}Patch")
}

/// The whole document.
pub fn document() -> Value {
    let mut paths = Paths::new();
    let mut components = ComponentsBuilder::new();
    for endpoint in app::endpoints() {
        components = components.schemas_from_iter((endpoint.schemas)());
        let item = PathItem::new(endpoint.method, (endpoint.operation)());
        match paths.paths.get_mut(&endpoint.path) {
            Some(known) => known.merge_operations(item),
            None => {
                paths.paths.insert(endpoint.path, item);
            }
        }
    }
    // Only problems refer to tombstones, and those are described by hand below.
    let mut parts = vec![(Tombstone::name().into_owned(), Tombstone::schema())];
    Tombstone::schemas(&mut parts);
    components = components.schemas_from_iter(parts);
    let mut info = Info::new("GouvTech catalogue", env!("CARGO_PKG_VERSION"));
    info.description = Some(DESCRIPTION.to_owned());
    info.license =
        Some(LicenseBuilder::new().name("Licence Ouverte 2.0 (data)").identifier(Some("etalab-2.0")).build());
    let typed = OpenApiBuilder::new().info(info).paths(paths).components(Some(components.build())).build();
    let mut document = serde_json::to_value(typed).unwrap_or(Value::Null);
    document["servers"] = json!([{
        "url": "/", "description": "This server, whether local, staging or production.", "x-internal": false,
    }]);
    document["tags"] =
        TAGS.iter().map(|(name, description)| json!({"name": name, "description": description})).collect();
    document["components"]["securitySchemes"] = security_schemes();
    add_problem_schema(&mut document);
    refer_to_rows(&mut document);
    lift_descriptions(&mut document);
    flatten_compositions(&mut document);
    for part in ["/components/schemas", "/paths"] {
        document.pointer_mut(part).into_iter().for_each(bound);
    }
    let patched = operations(&mut document).map(complete).fold(Vec::new(), |mut all, name| {
        all.extend(name);
        all
    });
    for name in patched {
        add_patch_schema(&mut document, &name);
    }
    keep_imported_texts_whole(&mut document);
    name_fields(&mut document);
    document
}

/// A token of whatever origin, or the way a service account gets one.
fn security_schemes() -> Value {
    let mut scopes = Map::new();
    for role in Role::ALL {
        scopes.insert(role.code().to_owned(), json!(format!("Act as {role}.")));
        for duty in role.duties() {
            scopes.insert(format!("{role}:{duty}"), json!(format!("Act as {role} with the duty {duty}.")));
        }
    }
    json!({
        "bearer": {
            "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
            "description": "Access token (RFC 9068), verified as RFC8725 asks: `role` is one of vendor, buyer, auditor, operator; `duties` refine it.",
        },
        "oauth2": {
            "type": "oauth2", "description": "How a service account gets its access token (RFC 6749 §4.4), which is verified as RFC8725 asks.",
            "flows": {"clientCredentials": {"tokenUrl": oauth::PATH, "scopes": scopes}},
        },
    })
}

fn operations(document: &mut Value) -> impl Iterator<Item = (String, String, &mut Value)> {
    document["paths"].as_object_mut().into_iter().flatten().flat_map(|(path, item)| {
        let path = path.clone();
        item.as_object_mut()
            .into_iter()
            .flatten()
            .filter(|(method, _)| matches!(method.as_str(), "get" | "post" | "put" | "patch" | "delete"))
            .map(move |(method, operation)| (path.clone(), method.clone(), operation))
    })
}

/// No header is longer than all of them may be, in bytes, unless an operator allows more.
const MAX_HEADERS: u32 = 16_384;
/// `*`, or entity tags as RFC 9110 §8.8.3 writes them, separated by commas.
const ENTITY_TAGS: &str = r#"^(\*|(W/)?"[!#-~]*"( *, *(W/)?"[!#-~]*")*)$"#;

/// Adds what follows from an operation's shape; gives the schema it patches, if it does.
fn complete((path, method, operation): (String, String, &mut Value)) -> Option<String> {
    let is_api = path.starts_with("/api/");
    // Another standard says how it is asked and what it answers.
    let is_oauth = path == oauth::PATH;
    let is_probe = matches!(path.as_str(), "/livez" | "/readyz" | "/metrics");
    let has_body = operation.get("requestBody").is_some();
    let security = operation["security"].as_array().cloned().unwrap_or_default();
    let may_be_anonymous = security.iter().any(|one| one.as_object().is_none_or(Map::is_empty));
    let knows_tokens = security.iter().any(|one| one.as_object().is_some_and(|one| !one.is_empty()));
    let status =
        ["200", "201", "202", "204"].into_iter().find(|s| operation["responses"].get(s).is_some()).unwrap_or("200");
    let has_id = path.contains('{');
    let is_transition = method == "post" && status == "200" && has_id;
    let is_part = operation["parameters"].as_array().is_some_and(|p| p.iter().any(|p| p["name"] == "If-Match"));
    let needs_match =
        is_api && !is_oauth && (is_transition || is_part || matches!(method.as_str(), "patch" | "put" | "delete"));
    let writes = is_api && !is_oauth && method != "get";
    let answers_json = operation["responses"][status]["content"].get("application/json").is_some();

    // Service accounts call whatever takes a token, but do not manage each other.
    if !path.contains("/service-accounts") {
        let also = security.iter().filter_map(|one| Some(json!({"oauth2": one.get("bearer")?})));
        operation["security"] = security.iter().cloned().chain(also).collect();
    }

    let answers = operation.get_mut("responses").and_then(Value::as_object_mut).into_iter().flatten();
    let contents = answers.filter_map(|(_, answer)| answer.get_mut("content")?.as_object_mut()).flatten();
    for (_, content) in contents {
        // Exports are as long as what there is.
        if content["schema"]["type"] == "string" && !path.contains("/exports/") {
            content["schema"]["maxLength"] = json!(MAX_TEXT_CHARACTERS);
        }
    }

    let parameters = operation.as_object_mut().map(|o| o.entry("parameters").or_insert_with(|| json!([])));
    if let Some(parameters) = parameters.and_then(Value::as_array_mut) {
        parameters.retain(|parameter| parameter["name"] != "If-Match");
        if needs_match {
            parameters.push(json!({
                "name": "If-Match", "in": "header", "required": false,
                "description": "ETag of the version this change starts from (RFC 9110 §13.1.1). Without it: 428; stale: 412.",
                "schema": {"type": "string", "maxLength": MAX_HEADERS, "pattern": ENTITY_TAGS}, "example": "\"v1\"",
            }));
        }
        if writes && knows_tokens {
            parameters.push(json!({
                "name": "Idempotency-Key", "in": "header", "required": false,
                "description": "A value of the caller's choice, new for each request. For 24 hours the same request with the same key gets the first one's answer, with `Idempotency-Replayed: true`, and is not done again. Another request with it: 422; one that is still being worked on: 409. Refusals are not kept.",
                "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}, "example": "8e03978e-40d5-43e8-bc93-6894a57f9324",
            }));
        }
        if is_api && method == "get" && answers_json {
            parameters.push(json!({
                "name": "fields", "in": "query", "required": false, "style": "form", "explode": false,
                "description": "Only these members of the resource (or of each row), separated by commas.",
                "schema": {"type": "array", "minItems": 1, "maxItems": 100, "items": {"type": "string", "maxLength": 100}},
            }));
        }
    }
    let has_input = has_body || operation["parameters"].as_array().is_some_and(|p| p.iter().any(|p| p["in"] != "path"));
    if has_body {
        operation["requestBody"]["required"] = json!(true);
    }

    let mut errors = vec![Code::InternalError];
    let mut when = |condition: bool, codes: &[Code]| {
        if condition {
            errors.extend(codes);
        }
    };
    // The API refuses parameters it does not know, also where it knows none.
    when(has_input || is_api, &[Code::MalformedRequest]);
    when(knows_tokens, &[Code::Unauthenticated, Code::Forbidden]);
    when(has_id || matches!(path.as_str(), "/metrics" | "/.well-known/security.txt"), &[Code::NotFound]);
    when(!is_probe, &[Code::RateLimited]);
    when(is_api, &[Code::NotAcceptable, Code::UriTooLong, Code::HeadersTooLarge, Code::Unavailable]);
    let is_log = path.starts_with("/log/");
    when(path == "/readyz" || is_log, &[Code::Unavailable]);
    when(is_log && operation["responses"].get("404").is_some(), &[Code::NotFound]);
    when(is_log && method == "post", &[Code::StateConflict, Code::StorageFull]);
    when(has_body, &[Code::RequestTimeout, Code::PayloadTooLarge, Code::UnsupportedMediaType]);
    when(needs_match, &[Code::PreconditionFailed, Code::PreconditionRequired]);
    when(writes, &[Code::StateConflict, Code::ValidationFailed, Code::StorageFull]);
    when(path.starts_with("/api/v1/solutions/{id}"), &[Code::Gone]);
    // A reading operation with rules between its parameters says so itself.
    when(operation["responses"].get("422").is_some(), &[Code::ValidationFailed]);
    for code in errors {
        operation["responses"][code.status().as_str()] =
            json!({"$ref": format!("#/components/responses/{}", response_name(code))});
    }
    if is_oauth {
        operation["responses"]["400"] = json!({"$ref": "#/components/responses/OauthRefused"});
        operation["responses"]["401"] = json!({"$ref": "#/components/responses/OauthClientRefused"});
    }
    if answers_json {
        let mut headers = if is_api { rate_headers().as_object().cloned().unwrap_or_default() } else { Map::new() };
        if is_api && !is_oauth {
            headers.insert("ETag".into(), json!({"$ref": "#/components/headers/ETag"}));
        }
        if status == "201" {
            headers.insert("Location".into(), json!({"$ref": "#/components/headers/Location"}));
        }
        let schema = operation["responses"][status]["content"]["application/json"]["schema"]["$ref"].as_str();
        if schema.is_some_and(|name| name.contains("Page_") || name.ends_with("/SolutionPage")) {
            headers.insert("Link".into(), json!({"$ref": "#/components/headers/Link"}));
        }
        if !headers.is_empty() {
            operation["responses"][status]["headers"] = Value::Object(headers);
        }
    }
    if path.starts_with("/api/v1/exports/") {
        let mut headers = rate_headers();
        for name in ["ETag", "Export-Position"] {
            headers[name] = json!({"$ref": format!("#/components/headers/{name}")});
        }
        operation["responses"]["200"]["headers"] = headers;
    }
    if (is_api || is_log || path.starts_with("/contexts/")) && method == "get" && (may_be_anonymous || knows_tokens) {
        operation["responses"]["304"] = json!({"description": "Unchanged since the ETag in If-None-Match."});
    }
    operation["requestBody"]["content"]["application/merge-patch+json"]["schema"]["$ref"]
        .as_str()
        .and_then(|name| name.rsplit('/').next())
        .and_then(|name| name.strip_suffix("Patch"))
        .map(ToOwned::to_owned)
        .inspect(|_| ())
        .or_else(|| {
            // Indexing above makes absent members null: take them away again.
            if let Some(operation) = operation.as_object_mut()
                && !has_body
            {
                operation.remove("requestBody");
            }
            None
        })
}

fn rate_headers() -> Value {
    ["RateLimit-Policy", "RateLimit"]
        .into_iter()
        .map(|name| (name.to_owned(), json!({"$ref": format!("#/components/headers/{name}")})))
        .collect()
}

fn response_name(code: Code) -> String {
    let mut name = String::new();
    for word in code.code().split('_') {
        let mut letters = word.chars();
        name.extend(letters.next().map(|c| c.to_ascii_uppercase()));
        name.extend(letters);
    }
    name
}

/// The schema of problems, one shared response for each code, shared headers.
fn add_problem_schema(document: &mut Value) {
    let codes: Vec<Value> = Code::ALL.iter().map(|code| json!(code)).collect();
    document["components"]["schemas"]["Problem"] = json!({
        "type": "object",
        "description": "What went wrong (RFC 9457).",
        "required": ["type", "title", "status", "code", "detail", "instance", "request_id"],
        "properties": {
            "type": {"type": "string", "format": "uri-reference", "maxLength": 200, "description": "Where the problem is explained, on this server."},
            "title": {"type": "string", "maxLength": 200, "description": "What it is; constant for a code."},
            "status": {"type": "integer", "format": "int32", "minimum": 400, "maximum": 599, "description": "The status of the answer."},
            "code": {"type": "string", "enum": codes, "description": "Stable code."},
            "detail": {"type": "string", "maxLength": 10000, "description": "What happened this time, in French or English (Accept-Language)."},
            "instance": {"type": "string", "maxLength": 10000, "description": "The path that was asked for."},
            "request_id": {"type": "string", "format": "uuid", "maxLength": 36, "description": "To quote to the operator; the same as X-Request-Id."},
            "errors": {
                "type": "array", "maxItems": 10000, "description": "Every fault, with its place.",
                "items": {
                    "type": "object", "required": ["code", "detail"], "description": "One fault.",
                    "properties": {
                        "pointer": {"type": "string", "maxLength": 10000, "description": "JSON Pointer (RFC 6901) into the body."},
                        "parameter": {"type": "string", "maxLength": 10000, "description": "Name of the parameter or header; `name/1` is the second element of a list."},
                        "code": {"type": "string", "maxLength": 100, "description": "Stable code of the fault."},
                        "detail": {"type": "string", "maxLength": 10000, "description": "What is expected."},
                    },
                },
            },
            "tombstone": {"$ref": "#/components/schemas/Tombstone", "description": "What is left of an archived solution (410)."},
        },
    });
    let mut responses = Map::new();
    for code in Code::ALL {
        let mut response = json!({
            "description": format!("{}. {}", code.title().en, code.cure().en),
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}, "example": {
                "type": format!("/problems/{}", code.code().replace('_', "-")), "title": code.title().fr,
                "status": code.status().as_u16(), "code": code, "detail": code.title().fr,
                "instance": "/api/v1/solutions", "request_id": "01890a5d-ac96-774b-bcce-b302099a8057",
            }}},
        });
        let header = match code {
            Code::Unauthenticated | Code::Forbidden => Some("WWW-Authenticate"),
            Code::PreconditionFailed => Some("ETag"),
            Code::Unavailable => Some("Retry-After"),
            Code::MethodNotAllowed => Some("Allow"),
            _ => None,
        };
        if let Some(header) = header {
            response["headers"] = json!({header: {"$ref": format!("#/components/headers/{header}")}});
        }
        if *code == Code::RateLimited {
            response["headers"] = rate_headers();
            response["headers"]["Retry-After"] = json!({"$ref": "#/components/headers/Retry-After"});
        }
        responses.insert(response_name(*code), response);
    }
    let oauth = json!({"application/json": {"schema": {"$ref": "#/components/schemas/OauthError"}}});
    responses.insert(
        "OauthRefused".to_owned(),
        json!({"description": "The request for a token is not understood, or asks for too much (RFC 6749 §5.2).", "content": oauth}),
    );
    responses.insert(
        "OauthClientRefused".to_owned(),
        json!({"description": "No service account has these credentials, or none that works (RFC 6749 §5.2).", "content": oauth,
            "headers": {"WWW-Authenticate": {"$ref": "#/components/headers/WWW-Authenticate"}}}),
    );
    document["components"]["responses"] = Value::Object(responses);
    document["components"]["headers"] = json!({
        "ETag": {"description": "`\"v<version>.<hash>\"`: send it back in If-Match or If-None-Match.", "schema": {"type": "string", "maxLength": 200}},
        "Location": {"description": "Where the new resource is.", "schema": {"type": "string", "format": "uri-reference", "maxLength": 2000}},
        "Link": {"description": "`rel=\"next\"`: the next page (RFC 8288).", "schema": {"type": "string", "maxLength": 20000}},
        "WWW-Authenticate": {"description": "What is missing or refused (RFC 6750).", "schema": {"type": "string", "maxLength": 1000}},
        "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "format": "int32", "minimum": 0, "maximum": 86400}},
        "RateLimit-Policy": {"description": "Name, requests (`q`) and seconds (`w`) of the budget that this request was taken from (draft-ietf-httpapi-ratelimit-headers); absent when there is none.", "schema": {"type": "string", "maxLength": 200}, "example": "\"reads\";q=6000;w=60"},
        "RateLimit": {"description": "What is left of it (`r`), and seconds until it is whole again (`t`).", "schema": {"type": "string", "maxLength": 200}, "example": "\"reads\";r=5999;t=1"},
        "Export-Position": {"description": "Which state of the catalogue an export shows: the value of `since` to go on from.", "schema": {"type": "string", "maxLength": 39}},
        "Allow": {"description": "Methods this address accepts.", "schema": {"type": "string", "maxLength": 200}},
    });
}

/// What is said about a member that may be null belongs to the member, not to
/// the branch of the choice that is not null.
fn lift_descriptions(value: &mut Value) {
    match value {
        Value::Object(members) => {
            let branches = members.get_mut("oneOf").and_then(Value::as_array_mut);
            let said = branches
                .into_iter()
                .flatten()
                .filter(|branch| branch.get("$ref").is_some())
                .find_map(|branch| branch.as_object_mut()?.remove("description"));
            if let Some(said) = said {
                members.entry("description").or_insert(said);
            }
            members.values_mut().for_each(lift_descriptions);
        }
        Value::Array(items) => items.iter_mut().for_each(lift_descriptions),
        _ => {}
    }
}

/// The rows of a page are the resource itself, by reference.
fn refer_to_rows(document: &mut Value) {
    let names: Vec<String> =
        document["components"]["schemas"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
    for page in names.iter().filter(|name| name.starts_with("Page_")) {
        let row = page.trim_start_matches("Page_");
        if names.iter().any(|name| name == row) {
            document["components"]["schemas"][page]["properties"]["items"]["items"] =
                json!({"$ref": format!("#/components/schemas/{row}")});
        }
    }
}

/// One flat object for a view that embeds what a vendor states: `allOf` with a
/// closed part would refuse the other members.
fn flatten_compositions(document: &mut Value) {
    let schemas = document["components"]["schemas"].as_object().cloned().unwrap_or_default();
    let Some(own) = document["components"]["schemas"].as_object_mut() else { return };
    for schema in own.values_mut() {
        let Some(parts) = schema.get("allOf").and_then(Value::as_array).cloned() else { continue };
        let (mut properties, mut required) = (Map::new(), Vec::new());
        for part in &parts {
            let part = part["$ref"].as_str().and_then(|r| schemas.get(r.rsplit('/').next()?)).unwrap_or(part);
            properties.extend(part["properties"].as_object().cloned().unwrap_or_default());
            required.extend(part["required"].as_array().cloned().unwrap_or_default());
        }
        let mut flat = json!({"type": "object", "required": required, "properties": properties});
        if let Some(description) = schema.get("description") {
            flat["description"] = description.clone();
        }
        *schema = flat;
    }
}

/// What a field cannot say of itself: how long the texts of a list are, and the
/// range of the type behind a number. Requests are checked against it.
pub fn bound(schema: &mut Value) {
    let is = |schema: &Value, wanted: &str| match schema.get("type") {
        Some(Value::String(kind)) => kind == wanted,
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == wanted),
        _ => false,
    };
    let is_bare = |schema: &Value| {
        is(schema, "string")
            && !["maxLength", "enum", "format", "pattern", "const"].iter().any(|word| schema.get(word).is_some())
    };
    if is(schema, "string")
        && schema.get("maxLength").is_none()
        && let Some(length) = schema.get("format").and_then(Value::as_str).and_then(longest)
    {
        schema["maxLength"] = json!(length);
    }
    if is(schema, "array") && schema.get("items").is_some_and(is_bare) {
        schema["items"]["maxLength"] = json!(MAX_ITEM_CHARACTERS);
    }
    if is(schema, "integer") && schema.get("maximum").is_none() {
        let format = schema.get("format").and_then(Value::as_str);
        schema["maximum"] = if format == Some("int32") { json!(i32::MAX) } else { json!(MAX_EXACT_INTEGER) };
    }
    match schema {
        Value::Object(members) => members.values_mut().for_each(bound),
        Value::Array(items) => items.iter_mut().for_each(bound),
        _ => {}
    }
}

/// A page, a set of figures, a comparison of six, in characters.
const MAX_TEXT_CHARACTERS: u32 = 10_000_000;

/// The longest text of a format, in characters.
fn longest(format: &str) -> Option<usize> {
    match format {
        "uuid" => Some("01890a5d-ac96-774b-bcce-b302099a8057".len()),
        "date" => Some("2026-11-24".len()),
        "date-time" => Some("2026-11-24T11:40:41.123456789+01:00".len()),
        _ => None,
    }
}

/// Texts of a list are words, codes and short names.
const MAX_ITEM_CHARACTERS: usize = 100;
/// The largest integer that every JSON reader keeps exactly (RFC 8259 §6).
const MAX_EXACT_INTEGER: i64 = (1 << 53) - 1;

/// Changes as a client would send them.
fn patch_example(schema: &str) -> Value {
    match schema {
        "SolutionSheet" => json!({"summary": "Démarches en ligne, de bout en bout.", "logo": null}),
        "OrganisationDetails" => json!({"website": "https://exemple.fr/solutions", "size": "medium"}),
        "ReviewContent" => json!({"overall": 5, "context": {"software_version": "4.3"}}),
        "ServiceAccountDetails" => json!({"name": "Annuaire", "duties": []}),
        "Criterion" => json!({"weight": 3}),
        "SetContent" => json!({"note": {"fr": "Seconde édition.", "en": "Second edition."}}),
        _ => json!({}),
    }
}

/// A patch may leave out any member and remove any but the required; the result is checked as a whole.
fn add_patch_schema(document: &mut Value, name: &str) {
    let mut schema = document["components"]["schemas"][name].clone();
    if let Some(schema) = schema.as_object_mut() {
        let required = schema.remove("required").unwrap_or_default();
        let is_required = |name: &str| required.as_array().is_some_and(|all| all.iter().any(|one| one == name));
        schema.insert("example".to_owned(), patch_example(name));
        schema.insert(
            "description".to_owned(),
            json!(format!("JSON Merge Patch (RFC 7396) of {name}: absent members stay, null removes.")),
        );
        if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
            properties.iter_mut().filter(|(name, _)| !is_required(name)).for_each(|(_, member)| make_nullable(member));
        }
    }
    document["components"]["schemas"][patch_name(name)] = schema;
}

fn make_nullable(schema: &mut Value) {
    if let Some(kind) = schema.get("type").cloned() {
        if let Some(one) = kind.as_str() {
            schema["type"] = json!([one, "null"]);
        }
    } else if schema.get("$ref").is_some() {
        let description = schema.as_object_mut().and_then(|s| s.remove("description"));
        *schema = json!({"oneOf": [{"type": "null"}, schema.clone()]});
        if let Some(description) = description {
            schema["description"] = description;
        }
    }
}

/// `fields` chooses among the members of the answer, or of each row of a page.
fn name_fields(document: &mut Value) {
    let schemas = document["components"]["schemas"].clone();
    let target = |schema: &Value| schemas.get(schema["$ref"].as_str()?.rsplit('/').next()?);
    for (_, _, operation) in operations(document) {
        let answer = &operation["responses"]["200"]["content"]["application/json"]["schema"];
        let Some(answer) = target(answer) else { continue };
        let members = target(&answer["properties"]["items"]["items"]).unwrap_or(answer)["properties"].as_object();
        let names: Vec<String> = members.into_iter().flatten().map(|(name, _)| name.clone()).collect();
        let parameters = operation["parameters"].as_array_mut().into_iter().flatten();
        for parameter in parameters.filter(|parameter| parameter["name"] == "fields") {
            parameter["schema"]["items"] = json!({"type": "string", "enum": names});
        }
    }
}

/// Imports keep an over-long text whole and say so; what is read may therefore
/// be longer than what may be written.
fn keep_imported_texts_whole(document: &mut Value) {
    let Some(schemas) = document["components"]["schemas"].as_object_mut() else { return };
    for (name, schema) in schemas {
        if !name.starts_with("Solution") || !name.ends_with("View") {
            continue;
        }
        for property in schema["properties"].as_object_mut().into_iter().flat_map(|p| p.values_mut()) {
            if property.get("maxLength").is_some() && property.get("pattern").is_none() {
                property["maxLength"] = json!(1_000_000);
            }
            if let Some(length) = property.pointer_mut("/items/maxLength") {
                *length = json!(1_000_000);
            }
        }
    }
}
