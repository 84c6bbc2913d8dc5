//! Who may act on a label.

use super::acts::LabelAct;
use super::audit::{person, refuse_examiner};
use super::model::{Application, Label};
use crate::auth::Duty;
use crate::db::Tx;
use crate::error::{Error, Fault, Result};
use crate::independence::check::{Act, Stage, check};
use crate::independence::rules::Periods;
use crate::organisations::Viewer;
use crate::persons::identities;
use crate::proof::entry::EventKind;
use crate::solutions::model::Solution;
use crate::text;

/// Who acts on a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    /// Its vendor.
    Vendor,
    /// Who evaluates or decides for its body.
    Surveyor,
    /// Who decides for its body.
    Decider,
    /// The operator.
    Officer,
}

impl Who {
    /// Refuses whoever is not who acts, for whatever reason.
    pub(super) fn check(self, tx: &mut Tx<'_>, label: &mut Label, viewer: &Viewer, periods: Periods) -> Result<()> {
        let mut case = Application::find(tx.db, &label.application_id.to_string())?;
        let offered_by = Solution::find_by_id(tx.db, label.solution_id)?.organisation_id;
        match self {
            Self::Vendor => {
                if offered_by == Some(viewer.acting()?.id) {
                    return Ok(());
                }
                Err(Error::forbidden(text!(
                    "Seul le fournisseur de la solution renonce à son label.",
                    "Only the solution's vendor gives its label up."
                )))
            }
            Self::Officer => {
                viewer.refuse_party(tx.db, &[offered_by, Some(case.organisation_id), Some(label.audit_body_id)])
            }
            Self::Surveyor | Self::Decider => {
                let body = viewer.acting()?;
                if body.id != label.audit_body_id {
                    return Err(Error::forbidden(text!(
                        "Un autre organisme veille sur ce label.",
                        "Another body watches over this label."
                    )));
                }
                let mut fit = |stage| check(tx, &mut case, &Act::new(stage, &body, periods));
                let decides = viewer.principal.as_ref().is_some_and(|one| one.has(Duty::DecisionMaker));
                let evaluates = viewer.principal.as_ref().is_some_and(|one| one.has(Duty::Evaluator));
                match self {
                    Self::Surveyor if !decides => fit(Stage::Examination)?,
                    // Either will do.
                    Self::Surveyor if evaluates => fit(Stage::Decision).or_else(|_| fit(Stage::Examination))?,
                    _ => fit(Stage::Decision)?,
                }
                if self == Self::Decider {
                    refuse_examiner(&case, tx)?;
                    refuse_opener(tx, label)?;
                }
                let disclosed = &mut label.content.0.disclosures;
                case.disclosures.0.retain(|one| !disclosed.contains(one));
                disclosed.append(&mut case.disclosures.0);
                Ok(())
            }
        }
    }
}

/// Who opened the surveillance to examine does not decide what comes of it.
fn refuse_opener(tx: &mut Tx<'_>, label: &Label) -> Result<()> {
    let decider = person(tx)?;
    let decider = identities::of(tx.db, decider)?;
    let acts = LabelAct::of(tx.db, std::slice::from_ref(&label.number))?;
    let since_the_last = acts.iter().rev().take_while(|act| act.kind != EventKind::SurveillanceEnded);
    for act in since_the_last.filter(|act| act.kind == EventKind::SurveillanceOpened) {
        let is_examination = act.details()?.is_by_evaluator == Some(true);
        if is_examination && act.actor_id.is_some_and(|actor| decider.contains(&actor)) {
            return Err(Error::forbidden_for(vec![Fault::body(
                "",
                "four_eyes",
                text!(
                    "Qui a ouvert la surveillance pour examiner ne décide pas de sa suite.",
                    "Who opened the surveillance to examine does not decide what comes of it."
                ),
            )]));
        }
    }
    Ok(())
}
