//! What an account may be: pure, time is an argument.

use chrono::TimeDelta;

use super::view::ServiceAccountDetails;
use crate::auth::{Duty, Principal, Role};
use crate::db::Instant;
use crate::error::Fault;
use crate::organisations::Organisation;
use crate::text;

crate::codes! {
    /// Where an account stands.
    pub enum ServiceAccountStatus {
        Active = "active",
        /// Its last instant is over; a later one revives it.
        Expired = "expired",
        /// For good.
        Revoked = "revoked",
    }
}

/// Accounts of an organisation that work at the same time.
pub const MAX_ACTIVE: i64 = 20;

pub fn status(revoked_at: Option<Instant>, expires_at: Instant, now: Instant) -> ServiceAccountStatus {
    match revoked_at {
        Some(_) => ServiceAccountStatus::Revoked,
        None if expires_at <= now => ServiceAccountStatus::Expired,
        None => ServiceAccountStatus::Active,
    }
}

/// The roles an organisation's kinds allow.
pub fn roles(organisation: &Organisation) -> Vec<Role> {
    [
        (organisation.is_vendor, Role::Vendor),
        (organisation.is_public_body, Role::Buyer),
        (organisation.is_audit_body, Role::Auditor),
        (organisation.is_operator, Role::Operator),
    ]
    .into_iter()
    .filter_map(|(is, role)| is.then_some(role))
    .collect()
}

/// The role of a new account: that of the person who makes it; when the
/// operator makes it, one that the organisation's kinds allow.
pub fn role(creator: &Principal, possible: &[Role], wanted: Option<Role>) -> Result<Role, Fault> {
    let possible = if possible.contains(&creator.role) && creator.role != Role::Operator {
        std::slice::from_ref(&creator.role)
    } else {
        possible
    };
    match (wanted, possible) {
        (Some(role), _) if possible.contains(&role) => Ok(role),
        (None, [role]) => Ok(*role),
        _ => {
            let possible = possible.iter().map(|role| role.code()).collect::<Vec<_>>().join(", ");
            Err(Fault::body(
                "/role",
                "role_not_of_organisation",
                text!("Rôle attendu : l’un de {possible}.", "Expected role: one of {possible}."),
            ))
        }
    }
}

/// What is wrong with an account of this role as `manager` wants it; `kept` are
/// duties it has already.
pub fn faults(
    details: &ServiceAccountDetails,
    role: Role,
    manager: &Principal,
    kept: &[Duty],
    now: Instant,
    max_days: i64,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (place, duty) in details.duties.iter().enumerate() {
        let pointer = format!("/duties/{place}");
        if !role.duties().contains(duty) {
            faults.push(Fault::body(
                &pointer,
                "duty_not_of_role",
                text!(
                    "« {duty} » n’est pas une attribution du rôle « {role} ».",
                    "`{duty}` is not a duty of the role `{role}`."
                ),
            ));
        } else if duty.is_personal() {
            faults.push(Fault::body(
                &pointer,
                "duty_of_persons",
                text!(
                    "« {duty} » est exercée par des personnes, que les règles séparent : aucun système ne l’a.",
                    "`{duty}` is for persons, whom the rules keep apart: no system has it."
                ),
            ));
        } else if !(kept.contains(duty) || (manager.role == role && manager.has(*duty))) {
            faults.push(Fault::body(
                &pointer,
                "duty_not_yours",
                text!(
                    "Nul ne donne une attribution qu’il n’a pas : « {duty} ».",
                    "Nobody gives a duty they lack: `{duty}`."
                ),
            ));
        }
        if details.duties.iter().take(place).any(|other| other == duty) {
            faults.push(Fault::body(
                &pointer,
                "not_unique",
                text!("« {duty} » figure deux fois.", "`{duty}` appears twice."),
            ));
        }
    }
    let last = last_instant(now, max_days);
    if details.expires_at <= now || details.expires_at > last {
        faults.push(Fault::body(
            "/expires_at",
            "out_of_range",
            text!("Un instant à venir, au plus tard {last}.", "An instant to come, {last} at the latest."),
        ));
    }
    faults
}

/// When an account made now expires at the latest.
pub fn last_instant(now: Instant, max_days: i64) -> Instant {
    Instant(now.0 + TimeDelta::days(max_days))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_over_at_its_instant_and_revoked_for_good() {
        let at = |seconds: i64| Instant::from_micros(seconds * 1_000_000).expect("an instant");
        assert_eq!(status(None, at(10), at(9)), ServiceAccountStatus::Active);
        assert_eq!(status(None, at(10), at(10)), ServiceAccountStatus::Expired);
        assert_eq!(status(Some(at(1)), at(10), at(9)), ServiceAccountStatus::Revoked);
        assert_eq!(status(Some(at(1)), at(10), at(11)), ServiceAccountStatus::Revoked);
    }

    fn person(role: Role, duties: &[Duty]) -> Principal {
        Principal {
            issuer: "i".to_owned(),
            subject: "s".to_owned(),
            role,
            duties: duties.to_vec(),
            organisation: None,
            siret: None,
            confirms_organisation: false,
            service_account: None,
        }
    }

    #[test]
    fn an_account_has_the_role_of_who_makes_it_or_one_the_organisation_allows() {
        let vendor = person(Role::Vendor, &[]);
        let operator = person(Role::Operator, &[]);
        let both = [Role::Vendor, Role::Buyer];
        assert_eq!(role(&vendor, &both, None), Ok(Role::Vendor));
        assert!(role(&vendor, &both, Some(Role::Buyer)).is_err());
        assert!(role(&operator, &both, None).is_err(), "which?");
        assert_eq!(role(&operator, &both, Some(Role::Buyer)), Ok(Role::Buyer));
        assert!(role(&operator, &both, Some(Role::Operator)).is_err());
        assert_eq!(role(&operator, &[Role::Operator], None), Ok(Role::Operator));
        assert!(role(&operator, &[], None).is_err());
    }

    proptest::proptest! {
        #[test]
        fn nobody_gives_a_duty_they_lack(
            role in proptest::sample::select(Role::ALL), own in 0usize..1024, given in 0usize..1024, kept in 0usize..1024,
        ) {
            let of = |bits: usize| -> Vec<Duty> {
                Duty::ALL.iter().enumerate().filter(|(place, _)| bits >> place & 1 == 1).map(|(_, duty)| *duty).collect()
            };
            let now = Instant::from_micros(0).expect("an instant");
            let details = ServiceAccountDetails { name: "x".to_owned(), duties: of(given), expires_at: now.plus_days(1) };
            let (manager, kept) = (person(role, &of(own)), of(kept));
            let is_good = faults(&details, role, &manager, &kept, now, 365).is_empty();
            let may = |duty: &Duty| role.duties().contains(duty) && !duty.is_personal() && (manager.has(*duty) || kept.contains(duty));
            proptest::prop_assert_eq!(is_good, details.duties.iter().all(may));
        }
    }
}
