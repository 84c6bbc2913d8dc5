//! Rows: members of the sheet, criteria, and the same as CSV.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;

use super::model::{Declared, Loaded, Side, Verified};
use super::view::{
    ComparisonContent, ComparisonQuery, CriterionCell, CriterionGroup, CriterionRow, DeclaredCell, FieldCell, FieldRow,
    GroupScores, Grouping, Missing, VerifiedCell, WeightedScore,
};
use crate::criteria::Criterion;
use crate::criteria::content::Named;
use crate::error::{Error, Result};
use crate::evaluations::criteria::divergence;
use crate::evaluations::rules::Score;
use crate::evaluations::view::CriterionSummary;
use crate::http::csv;
use crate::http::text::Text;
use crate::labels::rules::FindingResult;
use crate::solutions::sheet::{Deployment, Distribution, Origin, SolutionSheet, SourcingRank};

/// The content of a comparison: nothing of it depends on the day or the caller.
pub fn content(loaded: &Loaded, query: &ComparisonQuery) -> Result<ComparisonContent> {
    let only = query.differences_only == Some(true);
    let mut sheet = fields(&loaded.sides)?;
    sheet.retain(|row| row.differs || !only);
    let mut groups = groups(loaded, query.group_by.unwrap_or(Grouping::Theme));
    for group in &mut groups {
        group.criteria.retain(|row| row.differs || !only);
    }
    groups.retain(|group| !group.criteria.is_empty());
    Ok(ComparisonContent {
        criteria_set: loaded.compared_set(),
        solutions: loaded.sides.iter().map(|side| side.view(&loaded.weights)).collect(),
        sheet,
        groups,
    })
}

fn fields(sides: &[Side]) -> Result<Vec<FieldRow>> {
    let mut rows: BTreeMap<String, Vec<FieldCell>> = BTreeMap::new();
    for side in sides {
        let Value::Object(members) = serde_json::to_value(&side.sheet)? else {
            return Err(Error::Internal("a sheet that is no object".to_owned()));
        };
        for (name, value) in members {
            let is_empty = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
            let said = side.origins.get(&name);
            let missing = is_empty.then(|| match said {
                // It says something, which is not for the public.
                Some(_) => Missing::NotPublished,
                None if is_pointless(&side.sheet, &name) => Missing::NotApplicable,
                None => Missing::NotAnswered,
            });
            let said = said.filter(|_| !is_empty);
            rows.entry(name).or_default().push(FieldCell {
                value: if is_empty { Value::Null } else { value },
                origin: said.map(|said| said.origin),
                as_of: said.map(|said| said.as_of),
                source: said.and_then(|said| said.source.clone()),
                missing,
            });
        }
    }
    Ok(rows
        .into_iter()
        .map(|(field, cells)| FieldRow {
            differs: differ(cells.iter().map(|cell| (&cell.value, cell.missing))),
            field,
            cells,
        })
        .collect())
}

/// Whether what else the sheet says leaves nothing to state here.
fn is_pointless(sheet: &SolutionSheet, field: &str) -> bool {
    match field {
        "hosting" => !sheet.deployment.is_empty() && !sheet.deployment.contains(&Deployment::Cloud),
        "licence" | "repository" => sheet.distribution == Some(Distribution::Proprietary),
        "reuse_conditions" => sheet.sourcing_rank.is_some_and(|rank| rank != SourcingRank::MutualisedPublic),
        _ => false,
    }
}

fn differ<T: PartialEq>(mut all: impl Iterator<Item = T>) -> bool {
    let first = all.next();
    all.any(|one| Some(one) != first)
}

fn groups(loaded: &Loaded, grouping: Grouping) -> Vec<CriterionGroup> {
    let Some(set) = &loaded.set else { return Vec::new() };
    let content = &set.content.0;
    let of = |code: Option<&str>, name: Option<&Text>, scores, keeps: &dyn Fn(&Criterion) -> bool| CriterionGroup {
        code: code.map(ToOwned::to_owned),
        name: name.cloned(),
        scores,
        criteria: loaded.criteria.in_order.iter().filter(|one| keeps(one)).map(|one| row(one, &loaded.sides)).collect(),
    };
    match grouping {
        Grouping::Theme => content
            .themes
            .iter()
            .map(|theme| {
                let scores = loaded.sides.iter().map(|side| theme_scores(side, &theme.code)).collect();
                of(Some(&theme.code), Some(&theme.name), scores, &|one| one.theme == theme.code)
            })
            .collect(),
        Grouping::Objective => {
            let named = content.objectives.iter().map(|Named { code, name }| {
                of(Some(code), Some(name), Vec::new(), &|one| one.objectives.contains(code))
            });
            let rest = of(None, None, Vec::new(), &|one| one.objectives.is_empty());
            named.chain([rest]).collect()
        }
    }
}

fn theme_scores(side: &Side, theme: &str) -> GroupScores {
    let score = |scores: Option<&crate::evaluations::rules::Scores>| scores?.themes.get(theme)?.score;
    GroupScores {
        declared: score(side.declared.as_ref().map(|one| &one.result.scores.0)),
        verified: score(side.verified.as_ref().and_then(|one| one.scores.as_ref())),
    }
}

fn row(criterion: &Criterion, sides: &[Side]) -> CriterionRow {
    let cells: Vec<CriterionCell> = sides.iter().map(|side| cell(criterion, side)).collect();
    let said = |cell: &CriterionCell| {
        let declared = cell.declared.as_ref().map(|one| (one.value.clone(), one.score));
        let verified = cell.verified.as_ref().map(|one| (one.result, one.value.clone()));
        (declared, cell.missing, verified, cell.unverified)
    };
    CriterionRow { criterion: CriterionSummary::from(criterion), differs: differ(cells.iter().map(said)), cells }
}

/// Whether a criterion of another set asks the same.
fn asks_the_same(criterion: &Criterion, other: Option<&Criterion>) -> bool {
    other.is_some_and(|other| {
        (&criterion.question, criterion.answer_type, &criterion.levels)
            == (&other.question, other.answer_type, &other.levels)
    })
}

fn cell(criterion: &Criterion, side: &Side) -> CriterionCell {
    let (declared, missing) = match &side.declared {
        Some(declared) => self::declared(criterion, declared),
        None if criterion.applies_to(&side.sheet.traits) => (None, Some(Missing::NotPublished)),
        None => (None, Some(Missing::NotApplicable)),
    };
    let (verified, unverified) = match &side.verified {
        Some(verified) => self::verified(criterion, verified),
        None if missing == Some(Missing::NotApplicable) => (None, missing),
        None => (None, Some(Missing::NotVerified)),
    };
    let divergence = match (&declared, &verified) {
        (Some(said), Some(found)) => Some(divergence((&said.value, said.score), (found.result, found.score))),
        _ => None,
    };
    CriterionCell { declared, missing, verified, unverified, divergence }
}

fn declared(criterion: &Criterion, from: &Declared) -> (Option<DeclaredCell>, Option<Missing>) {
    let own = from.criteria.get(&criterion.code);
    let Some(own) = own.filter(|own| asks_the_same(criterion, Some(own))) else {
        return (None, Some(Missing::NotInSet));
    };
    let Some(answer) = from.answers.get(&criterion.code) else {
        let applies = own.applies_to(&from.evaluation.traits.0);
        return (None, Some(if applies { Missing::NotAnswered } else { Missing::NotApplicable }));
    };
    let is_zeroed = from.zeroed.contains(&criterion.code);
    let cell = DeclaredCell {
        origin: Origin::Declared,
        value: answer.value.clone(),
        label: meaning(own, &answer.value),
        score: if is_zeroed { Score::stored(0) } else { own.score_of(&answer.value) },
        is_zeroed,
        is_evidenced: answer.is_evidenced,
        as_of: answer.as_of,
    };
    (Some(cell), None)
}

fn verified(criterion: &Criterion, from: &Verified) -> (Option<VerifiedCell>, Option<Missing>) {
    let own = from.criteria.get(&criterion.code);
    if !asks_the_same(criterion, own) {
        return (None, Some(Missing::NotInSet));
    }
    // A report covers every criterion that applies.
    let Some(finding) = from.findings.get(&criterion.code) else { return (None, Some(Missing::NotApplicable)) };
    let cell = VerifiedCell {
        origin: Origin::ThirdParty,
        result: finding.result,
        value: finding.value.clone(),
        label: own.zip(finding.value.as_deref()).and_then(|(own, value)| meaning(own, value)),
        score: finding.score.and_then(Score::stored),
        as_of: finding.recorded_at,
    };
    (Some(cell), None)
}

fn meaning(criterion: &Criterion, value: &str) -> Option<Text> {
    criterion.option(value).map(|option| option.label.clone())
}

/// Columns for each solution.
const COLUMNS: [&str; 9] = [
    "declared",
    "declared_score",
    "declared_origin",
    "declared_as_of",
    "declared_missing",
    "verified",
    "verified_score",
    "verified_as_of",
    "verified_missing",
];

type Cells<'a> = [Cow<'a, str>; 9];

/// The content as a table: a row per member of the sheet, criterion, theme and score.
pub fn csv(content: &ComparisonContent) -> Result<Vec<u8>> {
    let mut rows: Vec<Vec<Cow<'_, str>>> = Vec::new();
    let mut header: Vec<Cow<'_, str>> =
        ["kind", "group", "code", "title_fr", "title_en", "differs"].map(Cow::Borrowed).to_vec();
    for solution in &content.solutions {
        let of = format!("{}@{}", solution.slug, solution.version);
        header.extend(COLUMNS.iter().map(|column| Cow::Owned(format!("{of} {column}"))));
    }
    rows.push(header);
    for row in &content.sheet {
        let cells = row.cells.iter().map(field_cells);
        rows.push(line(["sheet", "", &row.field], None, Some(row.differs), cells));
    }
    let mut seen = std::collections::BTreeSet::new();
    for group in &content.groups {
        let code = group.code.as_deref().unwrap_or_default();
        if !group.scores.is_empty() {
            let cells = group.scores.iter().map(|one| score_cells(one.declared, one.verified));
            rows.push(line(["theme", code, code], group.name.as_ref(), None, cells));
        }
        for row in &group.criteria {
            seen.insert(&row.criterion.code);
            let cells = row.cells.iter().map(criterion_cells);
            let title = Some(&row.criterion.title);
            rows.push(line(["criterion", code, &row.criterion.code], title, Some(row.differs), cells));
        }
    }
    weighted_rows(content, &mut rows);
    csv::text(rows)
}

/// A row for each term, then one for the scores.
fn weighted_rows<'a>(content: &'a ComparisonContent, rows: &mut Vec<Vec<Cow<'a, str>>>) {
    let all: Vec<(&WeightedScore, &WeightedScore)> = content
        .solutions
        .iter()
        .filter_map(|one| one.weighted.as_ref().map(|scores| (&scores.declared, &scores.verified)))
        .collect();
    let Some((first, _)) = all.first() else { return };
    for (index, term) in first.terms.iter().enumerate() {
        let cells = all.iter().map(|(declared, verified)| {
            let (said, found) = (declared.terms.get(index), verified.terms.get(index));
            let mut cells = score_cells(said.and_then(|one| one.score), found.and_then(|one| one.score));
            let product = |term: Option<&super::view::Term>| term.and_then(|term| term.product).map(|n| n.to_string());
            let missing = |term: Option<&super::view::Term>| term.and_then(|term| term.missing).map(Missing::code);
            cells[0] = product(said).unwrap_or_default().into();
            cells[4] = missing(said).unwrap_or_default().into();
            cells[5] = product(found).unwrap_or_default().into();
            cells[8] = missing(found).unwrap_or_default().into();
            cells
        });
        let mut row = line(["weight", &term.theme, &term.theme], None, None, cells);
        if let Some(title) = row.get_mut(3) {
            *title = Cow::Owned(term.weight.to_string());
        }
        rows.push(row);
    }
    let cells = all.iter().map(|(declared, verified)| {
        let mut cells = score_cells(declared.score, verified.score);
        cells[0] = Cow::Owned(format!("{}/{}", declared.sum, declared.weights));
        cells[5] = Cow::Owned(format!("{}/{}", verified.sum, verified.weights));
        cells
    });
    rows.push(line(["score", "", ""], None, None, cells));
}

fn line<'a>(
    head: [&'a str; 3],
    title: Option<&'a Text>,
    differs: Option<bool>,
    cells: impl Iterator<Item = Cells<'a>>,
) -> Vec<Cow<'a, str>> {
    let mut row: Vec<Cow<'a, str>> = head.map(csv::safe).to_vec();
    row.push(title.map_or(Cow::Borrowed(""), |title| csv::safe(&title.fr)));
    row.push(title.map_or(Cow::Borrowed(""), |title| csv::safe(&title.en)));
    row.push(differs.map_or(Cow::Borrowed(""), |differs| Cow::Owned(differs.to_string())));
    row.extend(cells.flatten());
    row
}

fn number(score: Option<Score>) -> Cow<'static, str> {
    score.map_or(Cow::Borrowed(""), |score| Cow::Owned((f64::from(score.ten_thousandths()) / 10_000.0).to_string()))
}

fn score_cells<'a>(declared: Option<Score>, verified: Option<Score>) -> Cells<'a> {
    let none = Cow::Borrowed("");
    let mut cells: Cells<'a> = std::array::from_fn(|_| none.clone());
    cells[1] = number(declared);
    cells[6] = number(verified);
    cells
}

fn field_cells(cell: &FieldCell) -> Cells<'_> {
    let mut cells = score_cells(None, None);
    cells[0] = csv::cell(&cell.value);
    cells[2] = cell.origin.map_or("", Origin::code).into();
    cells[3] = cell.as_of.map(|day| day.to_string()).unwrap_or_default().into();
    cells[4] = cell.missing.map_or("", Missing::code).into();
    cells
}

fn criterion_cells(cell: &CriterionCell) -> Cells<'_> {
    let (declared, verified) = (cell.declared.as_ref(), cell.verified.as_ref());
    let mut cells = score_cells(declared.and_then(|one| one.score), verified.and_then(|one| one.score));
    cells[0] = declared.map_or(Cow::Borrowed(""), |one| csv::safe(&one.value));
    cells[2] = declared.map_or("", |one| one.origin.code()).into();
    cells[3] = declared.map(|one| one.as_of.to_string()).unwrap_or_default().into();
    cells[4] = cell.missing.map_or("", Missing::code).into();
    cells[5] = verified.map_or("", |one| FindingResult::code(one.result)).into();
    if let Some(value) = verified.and_then(|one| one.value.as_deref()) {
        cells[5] = Cow::Owned(format!("{} ({value})", cells[5]));
    }
    cells[7] = verified.map(|one| one.as_of.to_string()).unwrap_or_default().into();
    cells[8] = cell.unverified.map_or("", Missing::code).into();
    cells
}
