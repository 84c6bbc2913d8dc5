//! Whom a change reaches: which public answers may be other than they were.
//!
//! It is read from the journal's entry alone, so that the instance that wrote and those that
//! follow come to the same. Whatever is not known to stay behind closed doors reaches somebody.

use serde_json::Value;

use crate::db::{Id, Resource};
use crate::evaluations::rules::EvaluationStatus;
use crate::notifications::reminders::REMINDS;
use crate::reviews::rules::ReviewStatus;
use crate::solutions::rules::SolutionStatus;

/// What of the public catalogue a change may have touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Nothing that the public reads: drafts, what waits for a moderator, cases under way.
    Nothing,
    /// What is said or verified about one solution.
    Solution(Id),
    /// The sheet of one solution, or whether there is one; others name it as their namesake.
    Sheet(Id),
    Organisations,
    Criteria,
    Everything,
}

impl Reach {
    /// Of a change of this resource by this action, with what the journal says of it.
    pub fn of(resource: Resource, id: Id, action: &str, changed: &Value) -> Self {
        let of_solution = || match changed.get("solution").and_then(Value::as_str).and_then(Id::parse) {
            Some(solution) => Self::Solution(solution),
            None => Self::Everything,
        };
        match resource {
            Resource::ServiceAccount
            | Resource::Claim
            | Resource::Qualification
            | Resource::OrganisationLink
            | Resource::Appeal
            | Resource::Complaint => Self::Nothing,
            // Whoever is reminded has done nothing yet.
            _ if action.starts_with(REMINDS) => Self::Nothing,
            // The register of accreditations names the organisations.
            Resource::Organisation | Resource::Accreditation => Self::Organisations,
            Resource::CriteriaSet => Self::Criteria,
            Resource::Person | Resource::Retention => Self::Everything,
            Resource::Solution => match action {
                // The working copy, which the public never sees.
                "update_solution" | "revert_solution" => Self::Nothing,
                _ if stays_inside(changed, SolutionStatus::from_code, SolutionStatus::was_public) => Self::Nothing,
                _ => Self::Sheet(id),
            },
            Resource::Evaluation => match action {
                "create_evaluation" | "answer_criteria" | "delete_evaluation" => Self::Nothing,
                _ if stays_inside(changed, EvaluationStatus::from_code, EvaluationStatus::is_public) => Self::Nothing,
                _ => of_solution(),
            },
            Resource::Review => match stays_inside(changed, ReviewStatus::from_code, ReviewStatus::is_public) {
                true => Self::Nothing,
                false => of_solution(),
            },
            // Of a case the public learns the decision, with the label.
            Resource::LabelApplication if action != "decide_label_application" => Self::Nothing,
            Resource::LabelApplication | Resource::Label => of_solution(),
        }
    }
}

/// Whether the entry says where the resource stands, before and after, and the public sees neither.
fn stays_inside<S>(changed: &Value, read: fn(&str) -> Option<S>, is_seen: fn(S) -> bool) -> bool {
    let inside = |status: &Value| match status {
        Value::Null => true,
        Value::String(code) => read(code).is_some_and(|status| !is_seen(status)),
        _ => false,
    };
    match changed.get("status") {
        None => false,
        Some(Value::Array(both)) => both.iter().all(inside),
        Some(one) => inside(one),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Reach;
    use crate::db::{Id, Resource};

    #[test]
    fn what_stays_inside_reaches_nobody_and_what_is_not_known_reaches_all() {
        let (id, solution) = (Id::new(), Id::new());
        let reach = |resource, action: &str, changed: Value| Reach::of(resource, id, action, &changed);
        let about = |changed: Value| crate::db::journal::of_solution(changed, solution);
        let moved = |from: &str, to: &str| json!({"status": [from, to]});
        assert_eq!(reach(Resource::Solution, "create_solution", json!({"status": "draft"})), Reach::Nothing);
        assert_eq!(reach(Resource::Solution, "submit_solution", moved("draft", "submitted")), Reach::Nothing);
        assert_eq!(reach(Resource::Solution, "update_solution", json!({"fields": ["name"]})), Reach::Nothing);
        assert_eq!(reach(Resource::Solution, "publish_solution", moved("submitted", "published")), Reach::Sheet(id));
        assert_eq!(reach(Resource::Solution, "archive_solution", moved("suspended", "archived")), Reach::Sheet(id));
        assert_eq!(
            reach(Resource::Solution, "import_solution", json!({"status": [null, "published"]})),
            Reach::Sheet(id)
        );
        assert_eq!(reach(Resource::Solution, "something_new", json!({})), Reach::Sheet(id));
        assert_eq!(reach(Resource::Review, "create_review", about(json!({"status": "draft"}))), Reach::Nothing);
        assert_eq!(reach(Resource::Review, "reject_review", about(moved("pending", "rejected"))), Reach::Nothing);
        let of_it = Reach::Solution(solution);
        assert_eq!(reach(Resource::Review, "publish_review", about(moved("pending", "published"))), of_it);
        assert_eq!(reach(Resource::Review, "remove_review", about(moved("reported", "removed"))), of_it);
        assert_eq!(reach(Resource::Review, "reply_review", about(json!({"reply": [false, true]}))), of_it);
        assert_eq!(reach(Resource::Review, "publish_review", moved("pending", "published")), Reach::Everything);
        assert_eq!(reach(Resource::Review, "x_review", about(json!({"status": "unheard_of"}))), of_it);
        assert_eq!(reach(Resource::Evaluation, "answer_criteria", about(json!({"criteria": ["A"]}))), Reach::Nothing);
        assert_eq!(
            reach(Resource::Evaluation, "submit_evaluation", about(moved("draft", "submitted"))),
            Reach::Nothing
        );
        assert_eq!(reach(Resource::Evaluation, "publish_evaluation", about(moved("submitted", "published"))), of_it);
        assert_eq!(reach(Resource::LabelApplication, "assign_label_application", about(json!({}))), Reach::Nothing);
        assert_eq!(reach(Resource::LabelApplication, "decide_label_application", about(json!({}))), of_it);
        assert_eq!(reach(Resource::Label, "expire_label", about(moved("granted", "expired"))), of_it);
        assert_eq!(reach(Resource::Label, "remind_of_label", about(json!({}))), Reach::Nothing);
        assert_eq!(reach(Resource::Complaint, "create_complaint", json!({})), Reach::Nothing);
        assert_eq!(reach(Resource::Person, "erase_person", json!({})), Reach::Everything);
    }
}
