//! The files of `deploy/` fit the program: what they name, it exports.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::cases;
use crate::support::App;

cases![rules_and_dashboard_name_only_what_is_exported];

const RULES: &str = include_str!("../deploy/prometheus/alerts.yml");
const DASHBOARD: &str = include_str!("../deploy/grafana/dashboard.json");

/// Names of metrics in an expression.
fn names(expression: &str) -> impl Iterator<Item = &str> {
    expression
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| word.starts_with("gouvtech_") || word.starts_with("process_"))
}

fn expressions(value: &Value, all: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member.as_str() {
                    Some(text) if name == "expr" => all.push(text.to_owned()),
                    _ => expressions(member, all),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| expressions(item, all)),
        _ => {}
    }
}

fn rules_and_dashboard_name_only_what_is_exported(app: &App) {
    app.get("/api/v1/families").expect(200);
    let figures = app.get("/metrics").unchecked().expect(200);
    let text = String::from_utf8(figures.bytes).expect("text");
    let exported: BTreeSet<&str> =
        text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split(['{', ' ']).next()).collect();
    let rules: Value = serde_yaml_ng::from_str(RULES).expect("YAML");
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("JSON");
    let mut all = Vec::new();
    expressions(&rules, &mut all);
    let count = all.len();
    assert!(count >= 10, "{count} rules");
    expressions(&dashboard, &mut all);
    assert!(all.len() >= count + 10, "{} panels", all.len() - count);
    for expression in &all {
        let mut named = names(expression).peekable();
        assert!(named.peek().is_some() || expression.contains("up{"), "{expression} asks nothing of ours");
        for name in named {
            assert!(exported.contains(name), "{name} is not exported: {expression}");
        }
    }
    for rule in
        rules["groups"].as_array().expect("groups").iter().flat_map(|group| group["rules"].as_array().expect("rules"))
    {
        for text in ["summary", "runbook"] {
            assert!(rule["annotations"][text].as_str().is_some_and(|text| text.len() > 10), "{rule}");
        }
    }
}
