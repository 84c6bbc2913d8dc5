//! The lighter audit of a renewal: what was found for the label that is being renewed counts
//! again where nothing changed, as long as little did.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::model::{Application, Finding, Label};
use super::rules::FindingResult;
use crate::db::{Db, Id, Tx};
use crate::error::{Error, Result};
use crate::evaluations::model::{AnswerRow, Evaluation};

/// From this share of the criteria on everything is examined anew: one in five.
const CHANGED_AT_MOST: usize = 5;

/// What an audit takes over from the one before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Renewal {
    /// The label that is being renewed.
    #[schema(max_length = 13, example = "GT-2026-00001")]
    pub label_number: String,
    /// Criteria whose findings count again, since the declaration and its evidence are the same. The
    /// evaluator may record any of them anew.
    #[schema(max_items = 1000)]
    pub taken_over: Vec<String>,
    /// Criteria that are to be examined: their declaration changed, or had a gap, or they are new. With
    /// a fifth of all or more changed, it is every criterion.
    #[schema(max_items = 1000)]
    pub to_examine: Vec<String>,
}

/// What is to be examined again, and what is taken over; all of it when too much changed.
fn split(all: &[String], changed: &BTreeSet<String>, with_gap: &BTreeSet<String>) -> (Vec<String>, Vec<String>) {
    if changed.len() * CHANGED_AT_MOST >= all.len() {
        return (Vec::new(), all.to_vec());
    }
    all.iter().cloned().partition(|code| !changed.contains(code) && !with_gap.contains(code))
}

/// The renewal that an application is, with the findings it takes over; none without a label that
/// is valid under the same criteria set.
pub fn of(db: &mut Db, case: &Application, today: chrono::NaiveDate) -> Result<Option<(Renewal, Vec<Finding>)>> {
    let labels = Label::of_solution(db, case.solution_id)?;
    let Some(label) = labels.into_iter().find(|label| label.shown(today).is_valid()) else { return Ok(None) };
    let earlier = Application::find(db, &label.application_id.to_string())?;
    let (Some(before), Some(now)) = (earlier.evaluation_id, case.evaluation_id) else { return Ok(None) };
    if earlier.set_id != case.set_id {
        return Ok(None);
    }
    let (before, now) = (answers(db, before)?, answers(db, now)?);
    let findings: BTreeMap<String, Finding> =
        earlier.findings(db)?.into_iter().map(|one| (one.criterion.clone(), one)).collect();
    let all: Vec<String> = case.criteria(db)?.1.into_iter().map(|criterion| criterion.code).collect();
    let is_same = |code: &String| match (before.get(code), now.get(code)) {
        (Some(one), Some(other)) => one.value == other.value && one.evidence == other.evidence,
        _ => false,
    };
    let changed = all.iter().filter(|code| !is_same(code) || !findings.contains_key(*code)).cloned().collect();
    let has_gap = |one: &&Finding| matches!(one.result, FindingResult::Minor | FindingResult::Major);
    let with_gap = findings.values().filter(has_gap).map(|one| one.criterion.clone()).collect();
    let (taken_over, to_examine) = split(&all, &changed, &with_gap);
    let kept = taken_over.iter().filter_map(|code| findings.get(code).cloned()).collect();
    Ok(Some((Renewal { label_number: label.number, taken_over, to_examine }, kept)))
}

fn answers(db: &mut Db, evaluation: Id) -> Result<BTreeMap<String, AnswerRow>> {
    let evaluation = Evaluation::find(db, &evaluation.to_string())?;
    Ok(evaluation.answers(db)?.into_iter().map(|answer| (answer.criterion.clone(), answer)).collect())
}

/// Writes what is taken over as found by whoever opens the audit, who answers for it.
pub fn take_over(tx: &mut Tx<'_>, case: &Application, kept: Vec<Finding>) -> Result<()> {
    let actor_id = tx.actor_id()?.ok_or_else(|| Error::Internal("an audit by nobody".to_owned()))?;
    for finding in kept {
        Finding { application_id: case.id, round: case.round, actor_id, recorded_at: tx.now, ..finding }.put(tx.db)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_change_is_examined_alone_and_much_with_all_else() {
        let all: Vec<String> = (0..10).map(|n| format!("SEC-{n:02}")).collect();
        let set = |numbers: &[usize]| numbers.iter().map(|n| all[*n].clone()).collect::<BTreeSet<_>>();
        let (kept, examined) = split(&all, &set(&[3]), &set(&[5]));
        assert_eq!((kept.len(), examined), (8, vec![all[3].clone(), all[5].clone()]));
        let (kept, examined) = split(&all, &set(&[3, 4]), &set(&[]));
        assert_eq!((kept.len(), examined.len()), (0, 10));
        let (kept, examined) = split(&all, &set(&[]), &set(&[0, 1, 2, 3]));
        assert_eq!((kept.len(), examined.len()), (6, 4), "a gap is no change");
    }
}
