//! States of qualifications.

use crate::auth::{Duty, Role};
use crate::error::Fault;
use crate::text;

crate::codes! {
    /// Where a qualification stands.
    pub enum QualificationStatus {
        /// Acts on cases of the body.
        Qualified = "qualified",
        /// Acts on none for now.
        Suspended = "suspended",
        /// Over, for good.
        Ended = "ended",
    }
}

crate::codes! {
    /// What can be done to a qualification.
    pub enum QualificationCommand {
        Suspend = "suspend",
        Reinstate = "reinstate",
        End = "end",
        /// Another identity of the same person becomes known.
        LinkIdentity = "link_identity",
    }
}

/// Where a command leads; none when it does not start there.
pub fn step(at: QualificationStatus, command: QualificationCommand) -> Option<QualificationStatus> {
    use {QualificationCommand as C, QualificationStatus as S};
    match (command, at) {
        (C::Suspend, S::Qualified) => Some(S::Suspended),
        (C::Reinstate, S::Suspended) => Some(S::Qualified),
        (C::End, S::Qualified | S::Suspended) => Some(S::Ended),
        // Who did what is also to be told apart afterwards.
        (C::LinkIdentity, _) => Some(at),
        _ => None,
    }
}

/// What is wrong with the themes and duties of a person.
pub fn faults(themes: &[String], known: &[String], duties: &[Duty]) -> Vec<Fault> {
    let not_in_list = |pointer| Fault::body(pointer, "not_in_list", text!("Ce code n’existe pas.", "No such code."));
    let odd = themes.iter().enumerate().filter(|(_, one)| !known.contains(one));
    let odd = odd.map(|(index, _)| not_in_list(format!("/themes/{index}")));
    let foreign = duties.iter().enumerate().filter(|(_, duty)| !Role::Auditor.duties().contains(duty));
    let foreign = foreign.map(|(index, _)| {
        let detail = text!("Un auditeur n’a pas cette attribution.", "An auditor has no such duty.");
        Fault::body(format!("/duties/{index}"), "duty_not_of_role", detail)
    });
    odd.chain(foreign).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ended_stays_ended() {
        for command in QualificationCommand::ALL {
            let after = step(QualificationStatus::Ended, *command);
            assert!(after.is_none_or(|status| status == QualificationStatus::Ended), "{command}");
        }
    }

    #[test]
    fn unknown_themes_and_duties_of_others_are_faults() {
        let themes = ["securite".to_owned(), "aucun".to_owned()];
        let found = faults(&themes, &themes[..1], &[Duty::Evaluator, Duty::Moderator]);
        assert_eq!(found.iter().map(|fault| fault.code).collect::<Vec<_>>(), ["not_in_list", "duty_not_of_role"]);
    }
}
