//! May this body, and this person of it, act on this case now? Asked at every stage.

use std::collections::BTreeSet;

use super::facts;
use super::rules::{Conflict, Interest, Periods, Rule, conflicts};
use crate::accreditations::Accreditation;
use crate::accreditations::rules::{AccreditationStatus, outside};
use crate::auth::Duty;
use crate::db::{Db, Id, Instant, Json, Tx};
use crate::error::{Error, Fault, Result};
use crate::http::text::Text;
use crate::labels::model::Application;
use crate::organisations::Organisation;
use crate::persons::identities;
use crate::qualifications::Qualification;
use crate::qualifications::rules::QualificationStatus;
use crate::solutions::model::SolutionVersion;
use crate::text;

/// At which stage of a case it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Assignment,
    Acceptance,
    /// Opening the audit and recording findings.
    Examination,
    Report,
    Decision,
}

impl Stage {
    /// The duty of the person who acts; none where no person of the body does.
    fn duty(self) -> Option<Duty> {
        match self {
            Self::Assignment => None,
            Self::Acceptance | Self::Examination | Self::Report => Some(Duty::Evaluator),
            Self::Decision => Some(Duty::DecisionMaker),
        }
    }

    /// A request that names an unfit body is refused for what it says, an unfit caller for who they are.
    fn refusal(self, faults: Vec<Fault>) -> Error {
        match self {
            Self::Assignment => Error::invalid(faults),
            _ => Error::forbidden_for(faults),
        }
    }

    fn fault(self, code: &'static str, detail: Text) -> Fault {
        let pointer = if self == Self::Assignment { "/audit_body_id" } else { "" };
        Fault::body(pointer, code, detail)
    }
}

/// What somebody is about to do with a case.
pub struct Act<'a> {
    pub stage: Stage,
    pub body: &'a Organisation,
    /// The theme of the one criterion it is about; none when it is about the whole case.
    pub theme: Option<&'a str>,
    /// What the person declares in the same breath.
    pub interests: &'a [Interest],
    pub periods: Periods,
}

impl<'a> Act<'a> {
    pub fn new(stage: Stage, body: &'a Organisation, periods: Periods) -> Self {
        Self { stage, body, theme: None, interests: &[], periods }
    }
}

/// Refuses a body or a person that may not act, naming every rule; what is only to be
/// disclosed is noted on the case, to be stored with the act.
pub fn check(tx: &mut Tx<'_>, case: &mut Application, act: &Act<'_>) -> Result<()> {
    let person = match act.stage.duty() {
        Some(_) => {
            let actor = tx.actor_id()?.ok_or_else(|| Error::Internal("an act by nobody".to_owned()))?;
            identities::of(tx.db, actor)?
        }
        None => BTreeSet::new(),
    };
    let themes = match act.theme {
        Some(theme) => vec![theme.to_owned()],
        None => case.themes(tx.db)?,
    };
    let mut faults = accreditation_faults(tx.db, case, act, &themes, tx.now)?;
    if let Some(duty) = act.stage.duty() {
        faults.extend(qualification_faults(tx.db, act, &person, duty, &themes)?);
    }
    let found = found(tx.db, case, act.body, &person, act.interests, act.periods, tx.now)?;
    let (hard, soft): (Vec<Conflict>, Vec<Conflict>) = found.into_iter().partition(|one| one.rule.is_hard());
    faults.extend(hard.iter().map(|one| act.stage.fault(one.rule.code(), one.rule.explanation())));
    if !faults.is_empty() {
        return Err(act.stage.refusal(faults));
    }
    if act.stage == Stage::Assignment {
        case.disclosures = Json(Vec::new());
    }
    for one in soft {
        if !case.disclosures.contains(&one) {
            case.disclosures.0.push(one);
        }
    }
    Ok(())
}

/// What the rules find of a body and a person, with what is being declared.
fn found(
    db: &mut Db,
    case: &Application,
    body: &Organisation,
    person: &BTreeSet<Id>,
    interests: &[Interest],
    periods: Periods,
    now: Instant,
) -> Result<Vec<Conflict>> {
    let mut facts = facts::gather(db, case, body, person, now)?;
    facts.interests.extend(interests.iter().cloned());
    Ok(conflicts(&facts, periods))
}

/// Rules that exclude the body, or the evaluator who has accepted, from an open case.
pub fn exclusions(db: &mut Db, case: &Application, periods: Periods, now: Instant) -> Result<Vec<Rule>> {
    let Some(body) = case.audit_body_id else { return Ok(Vec::new()) };
    let body = Organisation::find(db, body)?;
    let person = match case.evaluator_id {
        Some(actor) => identities::of(db, actor)?,
        None => BTreeSet::new(),
    };
    let found = found(db, case, &body, &person, &[], periods, now)?;
    let rules: BTreeSet<Rule> = found.iter().map(|one| one.rule).filter(|rule| rule.is_hard()).collect();
    Ok(rules.into_iter().collect())
}

fn accreditation_faults(
    db: &mut Db,
    case: &Application,
    act: &Act<'_>,
    themes: &[String],
    now: Instant,
) -> Result<Vec<Fault>> {
    let fault = |code, detail| vec![act.stage.fault(code, detail)];
    let Some(accreditation) = Accreditation::latest(db, act.body.id)? else {
        return Ok(fault("not_accredited", text!("L’organisme n’est pas accrédité.", "The body is not accredited.")));
    };
    match accreditation.status.on(now.day(), accreditation.valid_until) {
        AccreditationStatus::Accredited => {}
        AccreditationStatus::Candidate => {
            let detail = text!("L’organisme n’est pas encore accrédité.", "The body is not accredited yet.");
            return Ok(fault("not_accredited", detail));
        }
        AccreditationStatus::Suspended => {
            let detail =
                text!("L’accréditation de l’organisme est suspendue.", "The body's accreditation is suspended.");
            return Ok(fault("accreditation_suspended", detail));
        }
        AccreditationStatus::Expired => {
            let detail = text!("L’accréditation de l’organisme a expiré.", "The body's accreditation has expired.");
            return Ok(fault("accreditation_expired", detail));
        }
        AccreditationStatus::Withdrawn => {
            let detail = text!("L’accréditation de l’organisme est retirée.", "The body's accreditation is withdrawn.");
            return Ok(fault("accreditation_withdrawn", detail));
        }
    }
    let families = match case.solution_version {
        Some(number) => SolutionVersion::find(db, case.solution_id, number)?.sheet.0.families,
        None => Vec::new(),
    };
    let mut faults = Vec::new();
    let themes = outside(&accreditation.scope.themes, themes).join(", ");
    if !themes.is_empty() {
        let detail = text!(
            "L’accréditation ne couvre pas les thèmes : {themes}.",
            "The accreditation does not cover the themes: {themes}."
        );
        faults.push(act.stage.fault("theme_out_of_scope", detail));
    }
    let families = outside(&accreditation.scope.families, &families).join(", ");
    if !families.is_empty() {
        let detail = text!(
            "L’accréditation ne couvre pas les familles : {families}.",
            "The accreditation does not cover the families: {families}."
        );
        faults.push(act.stage.fault("family_out_of_scope", detail));
    }
    Ok(faults)
}

fn qualification_faults(
    db: &mut Db,
    act: &Act<'_>,
    person: &BTreeSet<Id>,
    duty: Duty,
    themes: &[String],
) -> Result<Vec<Fault>> {
    let fault = |code, detail| vec![act.stage.fault(code, detail)];
    let held: Vec<Qualification> = Qualification::of_person(db, act.body.id, person)?
        .into_iter()
        .filter(|one| one.status == QualificationStatus::Qualified)
        .collect();
    if held.is_empty() {
        let detail = text!(
            "La personne n’est pas qualifiée auprès de cet organisme.",
            "The person is not qualified at this body."
        );
        return Ok(fault("not_qualified", detail));
    }
    let fit: Vec<Qualification> = held.into_iter().filter(|one| one.duties.contains(&duty)).collect();
    if fit.is_empty() {
        let detail = text!("La personne n’est pas qualifiée comme {duty}.", "The person is not qualified as {duty}.");
        return Ok(fault("duty_not_qualified", detail));
    }
    if fit.iter().any(|one| outside(&one.themes, themes).is_empty()) {
        return Ok(Vec::new());
    }
    let missing = fit.first().map(|one| outside(&one.themes, themes).join(", ")).unwrap_or_default();
    let detail = text!(
        "La personne n’est pas qualifiée sur les thèmes : {missing}.",
        "The person is not qualified on the themes: {missing}."
    );
    Ok(fault("theme_not_qualified", detail))
}
