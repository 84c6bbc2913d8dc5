//! The document as the referee: what comes in is checked against the very
//! schemas that are published.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{ValidationError, Validator};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::json::escape;
use crate::error::{Error, Fault, Place, Result};
use crate::http::text::Text;
use crate::text;

/// The published document and a validator for each schema in use.
pub struct Contract {
    document: Value,
    text: String,
    etag: String,
    validators: RwLock<HashMap<String, Arc<Validator>>>,
    queries: RwLock<HashMap<String, Arc<Value>>>,
    /// By `method path`: the query parameters each operation understands.
    parameters: HashMap<String, BTreeSet<String>>,
}

/// What is wrong with a value: its shape (400) or its content (422).
#[derive(Debug, Default, Clone)]
pub struct Verdict {
    pub malformed: Vec<Fault>,
    pub invalid: Vec<Fault>,
}

impl Verdict {
    pub fn is_good(&self) -> bool {
        self.malformed.is_empty() && self.invalid.is_empty()
    }

    /// All faults, as the graver of the two kinds.
    pub fn into_result(self) -> Result<()> {
        if !self.malformed.is_empty() {
            return Err(Error::malformed(self.malformed.into_iter().chain(self.invalid).collect()));
        }
        if !self.invalid.is_empty() {
            return Err(Error::invalid(self.invalid));
        }
        Ok(())
    }
}

impl Contract {
    pub fn new(document: Value) -> Result<Self> {
        let text = serde_json::to_string(&document)?;
        let etag = super::conditional::fingerprint(text.as_bytes());
        let parameters = parameters(&document);
        Ok(Self { document, text, etag, validators: RwLock::default(), queries: RwLock::default(), parameters })
    }

    pub fn document(&self) -> &Value {
        &self.document
    }

    /// The document as served, and the fingerprint of it.
    pub fn served(&self) -> (&str, &str) {
        (&self.text, &self.etag)
    }

    /// Faults for every parameter that an operation without parameters of its own
    /// does not know; the others check theirs with all else, in [`super::query`].
    pub fn unknown_parameters(&self, method: &str, pattern: &str, query: &str) -> Vec<Fault> {
        let none = BTreeSet::new();
        let known = self.parameters.get(&format!("{method} {pattern}")).unwrap_or(&none);
        if known.iter().any(|name| !super::query::SHARED.contains(&name.as_str())) {
            return Vec::new();
        }
        let unknown = super::query::pairs(query).map(|(name, _)| name).filter(|name| !known.contains(name));
        unknown.map(unknown_parameter).collect()
    }

    /// Member names of a schema.
    pub fn members(&self, schema: &str) -> BTreeSet<String> {
        self.schema(schema)
            .and_then(|schema| schema.get("properties"))
            .and_then(Value::as_object)
            .map(|members| members.keys().cloned().collect())
            .unwrap_or_default()
    }

    pub fn schema(&self, name: &str) -> Option<&Value> {
        self.document.get("components")?.get("schemas")?.get(name)
    }

    /// Checks a value against the schema of `T`.
    pub fn check<T: ToSchema>(&self, value: &Value) -> Result<Verdict> {
        self.check_named(&T::name(), value)
    }

    pub fn check_named(&self, schema: &str, value: &Value) -> Result<Verdict> {
        self.check_with(schema, &json!({"$ref": format!("#/components/schemas/{schema}")}), value)
    }

    /// Checks against a schema that may refer to those of the document.
    pub fn check_with(&self, name: &str, schema: &Value, value: &Value) -> Result<Verdict> {
        let validator = self.validator(name, schema)?;
        let mut verdict = Verdict::default();
        for error in validator.iter_errors(value) {
            collect(&error, &mut verdict);
        }
        refuse_nul(value, &mut String::new(), &mut verdict.invalid);
        Ok(verdict)
    }

    /// The schema of a query struct, made once.
    pub fn query_schema<T: ToSchema>(&self) -> Arc<Value> {
        let name = T::name();
        if let Some(known) = self.queries.read().unwrap_or_else(PoisonError::into_inner).get(name.as_ref()) {
            return Arc::clone(known);
        }
        let made = Arc::new(super::query::schema_of::<T>());
        let mut queries = self.queries.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(queries.entry(name.into_owned()).or_insert(made))
    }

    fn validator(&self, name: &str, schema: &Value) -> Result<Arc<Validator>> {
        if let Some(known) = self.validators.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Ok(Arc::clone(known));
        }
        let mut root = schema.clone();
        if let Some(root) = root.as_object_mut() {
            root.insert("components".to_owned(), json!({"schemas": self.document.pointer("/components/schemas")}));
        }
        let built = jsonschema::options()
            .with_draft(jsonschema::Draft::Draft202012)
            .should_validate_formats(true)
            .build(&root)
            .map_err(|error| Error::Internal(format!("schema {name}: {error}")))?;
        let built = Arc::new(built);
        self.validators.write().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), Arc::clone(&built));
        Ok(built)
    }
}

fn parameters(document: &Value) -> HashMap<String, BTreeSet<String>> {
    let paths = document.get("paths").and_then(Value::as_object).into_iter().flatten();
    let operations = paths.flat_map(|(path, item)| {
        item.as_object().into_iter().flatten().map(move |(method, operation)| (format!("{method} {path}"), operation))
    });
    operations
        .map(|(key, operation)| {
            let all = operation.get("parameters").and_then(Value::as_array).into_iter().flatten();
            let names = all.filter(|one| one.get("in").and_then(Value::as_str) == Some("query"));
            (key, names.filter_map(|one| one.get("name")?.as_str().map(ToOwned::to_owned)).collect())
        })
        .collect()
}

/// NUL is text nowhere: PostgreSQL cannot keep it, so neither database does.
fn refuse_nul(value: &Value, place: &mut String, faults: &mut Vec<Fault>) {
    let length = place.len();
    match value {
        Value::String(text) if text.contains('\0') => faults.push(Fault::body(
            place.clone(),
            "nul_character",
            text!("Le caractère NUL (U+0000) n’est pas du texte.", "The character NUL (U+0000) is not text."),
        )),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                place.push_str(&format!("/{index}"));
                refuse_nul(item, place, faults);
                place.truncate(length);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                place.push_str(&format!("/{}", escape(name)));
                refuse_nul(member, place, faults);
                place.truncate(length);
            }
        }
        _ => {}
    }
}

/// Turns a validator's finding into faults that say where, what and how to cure it.
fn collect(error: &ValidationError<'_>, verdict: &mut Verdict) {
    use ValidationErrorKind as Kind;
    let place = error.instance_path().to_string();
    match error.kind() {
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            for name in unexpected {
                verdict.malformed.push(Fault::body(
                    format!("{place}/{}", escape(name)),
                    "unknown_member",
                    text!("Le membre « {name} » est inconnu ici.", "The member `{name}` is unknown here."),
                ));
            }
        }
        Kind::Type { kind } => {
            let expected = match kind {
                TypeKind::Single(one) => one.to_string(),
                TypeKind::Multiple(many) => many.iter().map(|one| one.to_string()).collect::<Vec<_>>().join(" | "),
            };
            verdict.malformed.push(Fault::body(
                place,
                "wrong_type",
                text!("Type JSON attendu : {expected}.", "Expected JSON type: {expected}."),
            ));
        }
        // A nullable reference is a choice between null and the thing: show what the thing lacks.
        Kind::OneOfNotValid { context } | Kind::AnyOf { context } => {
            let branch = context
                .iter()
                .filter(|errors| !errors.iter().any(|e| is_null_branch(e)))
                .min_by_key(|errors| errors.len())
                .or_else(|| context.first());
            for inner in branch.into_iter().flatten() {
                collect(inner, verdict);
            }
        }
        Kind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            verdict.invalid.push(Fault::body(
                format!("{place}/{}", escape(name)),
                "required",
                text!("« {name} » est obligatoire.", "`{name}` is required."),
            ));
        }
        kind => {
            let (code, detail) = broken_bound(kind, error.instance());
            verdict.invalid.push(Fault::body(place, code, detail));
        }
    }
}

fn is_null_branch(error: &ValidationError<'_>) -> bool {
    matches!(error.kind(), ValidationErrorKind::Type { kind: TypeKind::Single(one) } if one.to_string() == "null")
}

fn broken_bound(kind: &ValidationErrorKind, value: &Value) -> (&'static str, Text) {
    use ValidationErrorKind as Kind;
    match kind {
        Kind::MaxLength { limit } => {
            let length = value.as_str().map(|text| text.chars().count()).unwrap_or_default();
            ("too_long", text!("{length} caractères ; {limit} au plus.", "{length} characters; at most {limit}."))
        }
        Kind::MinLength { limit } => {
            ("too_short", text!("Au moins {limit} caractère(s).", "At least {limit} character(s)."))
        }
        Kind::MaxItems { limit } => ("too_many", text!("{limit} éléments au plus.", "At most {limit} items.")),
        Kind::MinItems { limit } => ("too_few", text!("Au moins {limit} élément(s).", "At least {limit} item(s).")),
        Kind::UniqueItems => ("not_unique", text!("Un élément figure deux fois.", "An item appears twice.")),
        Kind::Maximum { limit } => ("too_large", text!("{limit} au plus.", "At most {limit}.")),
        Kind::Minimum { limit } => ("too_small", text!("{limit} au moins.", "At least {limit}.")),
        Kind::Enum { options } => {
            let options = options
                .as_array()
                .map(|all| all.iter().map(|v| v.as_str().map_or_else(|| v.to_string(), ToOwned::to_owned)))
                .map(|all| all.collect::<Vec<_>>().join(", "))
                .unwrap_or_default();
            ("not_in_list", text!("Valeurs possibles : {options}.", "Possible values: {options}."))
        }
        Kind::Constant { expected_value } => (
            "not_in_list",
            text!("Seule valeur possible : {expected_value}.", "Only possible value: {expected_value}."),
        ),
        Kind::Pattern { pattern } => ("wrong_form", text!("Forme attendue : {pattern}.", "Expected form: {pattern}.")),
        Kind::Format { format } => ("wrong_format", text!("Format attendu : {format}.", "Expected format: {format}.")),
        Kind::MaxProperties { limit } => ("too_many", text!("{limit} membres au plus.", "At most {limit} members.")),
        Kind::MinProperties { limit } => {
            ("too_few", text!("Au moins {limit} membre(s).", "At least {limit} member(s)."))
        }
        other => {
            let keyword = other.keyword();
            ("invalid", text!("Ne respecte pas « {keyword} ».", "Breaks `{keyword}`."))
        }
    }
}

/// The fault of a parameter nobody knows.
pub fn unknown_parameter(name: String) -> Fault {
    let detail = text!("Le paramètre « {name} » est inconnu ici.", "The parameter `{name}` is unknown here.");
    Fault::parameter(name, "unknown_parameter", detail)
}

/// Moves faults of an object that was made from parameters to those parameters.
pub fn as_parameters(faults: Vec<Fault>) -> Vec<Fault> {
    faults
        .into_iter()
        .map(|mut fault| {
            if let Place::Body(pointer) = &fault.place {
                // `/solutions/1` is the second element of `solutions`.
                fault.place = Place::Parameter(pointer.trim_start_matches('/').to_owned());
            }
            if fault.code == "unknown_member" {
                fault.code = "unknown_parameter";
            }
            fault
        })
        .collect()
}
