//! Rows and queries of appeals.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use serde_json::json;

use super::rules::{ANSWER, AppealStatus, FILING, Opinion, after, majority};
use super::view::{AppealFilter, AppealView, FileAppeal, GiveOpinion};
use crate::auth::Role;
use crate::db::journal::of_solution;
use crate::db::schema::{appeal_opinions, appeals, changes, label_acts, label_applications};
use crate::db::{Db, Id, Instant, Json, MultiBackend, Resource, Tx};
use crate::error::{Error, Fault, Result};
use crate::http::{After, Key, Page, Slice};
use crate::labels::acts::LabelAct;
use crate::labels::audit::person;
use crate::labels::model::{Application, Label};
use crate::labels::rules::{ApplicationCommand, DecisionOutcome, LabelStatus};
use crate::notifications;
use crate::organisations::Viewer;
use crate::organisations::links::OrganisationLink;
use crate::persons::identities;
use crate::proof::entry::EventKind;
use crate::{keyset, text, versioned};

/// An appeal of a vendor.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = appeals, treat_none_as_default_value = false, treat_none_as_null = true)]
pub struct Appeal {
    pub id: Id,
    pub version: i32,
    pub application_id: Id,
    pub organisation_id: Id,
    pub audit_body_id: Id,
    /// The decision or the act that it is against.
    pub subject_id: Id,
    pub label_number: Option<String>,
    pub status: AppealStatus,
    pub grounds: String,
    pub filed_at: Instant,
    pub due_at: Instant,
    pub closed_at: Option<Instant>,
    pub updated_at: Instant,
}

versioned!(Appeal, appeals);

/// What a member of the panel holds.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = appeal_opinions)]
pub struct OpinionRow {
    pub id: Id,
    pub appeal_id: Id,
    pub opinion: Opinion,
    pub reasons: String,
    pub actor_id: Id,
    pub given_at: Instant,
}

/// What an appeal is against.
struct Subject {
    at: Instant,
    audit_body: Id,
    label: Option<String>,
}

/// The decision or act with this id, where it harms the vendor.
fn subject(db: &mut Db, application: &Application, id: Id) -> Result<Option<Subject>> {
    let last = application.decisions(db)?.pop();
    let decision = last.filter(|one| one.id == id && one.outcome != DecisionOutcome::Granted);
    if let Some(one) = decision {
        return Ok(Some(Subject { at: one.decided_at, audit_body: one.organisation_id, label: one.label_number }));
    }
    let Some(label) = Label::of_application(db, application.id)? else { return Ok(None) };
    let acts = LabelAct::of(db, std::slice::from_ref(&label.number))?;
    // What still holds: the last act that led to where the label stands.
    let harms = acts.into_iter().rev().find(|act| match label.status {
        LabelStatus::Suspended => act.kind == EventKind::Suspended,
        LabelStatus::Withdrawn => act.kind == EventKind::Withdrawn,
        _ => false,
    });
    let harms = harms.filter(|act| act.id == id);
    Ok(harms.map(|act| Subject { at: act.acted_at, audit_body: label.audit_body_id, label: Some(label.number) }))
}

impl Appeal {
    /// Files an appeal against what harms the vendor, in time and once.
    pub fn file(tx: &mut Tx<'_>, application: &Application, given: FileAppeal) -> Result<Self> {
        let refuse = |code, detail| Error::invalid(vec![Fault::body("/subject_id", code, detail)]);
        let found = subject(tx.db, application, given.subject_id)?.ok_or_else(|| {
            let detail = text!(
                "Aucune décision de ce dossier qui vous nuise et tienne encore n’a cet identifiant.",
                "No decision of this case that harms you and still holds has this identifier."
            );
            refuse("nothing_to_appeal", detail)
        })?;
        if after(found.at, FILING) <= tx.now {
            let detail = text!("Les deux mois pour faire recours sont passés.", "The two months to appeal are over.");
            return Err(refuse("too_late", detail));
        }
        if appeals::table.filter(appeals::subject_id.eq(given.subject_id)).count().get_result::<i64>(tx.db)? > 0 {
            return Err(Error::duplicate(text!(
                "Cette décision a déjà fait l’objet d’un recours.",
                "There was an appeal against this decision already."
            )));
        }
        let appeal = Self {
            id: Id::new(),
            version: 1,
            application_id: application.id,
            organisation_id: application.organisation_id,
            audit_body_id: found.audit_body,
            subject_id: given.subject_id,
            label_number: found.label,
            status: AppealStatus::Filed,
            grounds: given.grounds,
            filed_at: tx.now,
            due_at: after(tx.now, ANSWER),
            closed_at: None,
            updated_at: tx.now,
        };
        appeal.insert(tx.db)?;
        let changed = json!({"application": application.id, "subject": appeal.subject_id});
        let changed = of_solution(changed, application.solution_id);
        tx.record("file_appeal", Resource::Appeal, appeal.id, 1, changed)?;
        notifications::of_appeal(tx, &appeal)?;
        Ok(appeal)
    }

    /// Closes it, and does what the panel wants.
    pub fn close(&mut self, tx: &mut Tx<'_>, status: AppealStatus, action: &str, rule: Option<&str>) -> Result<()> {
        self.status = status;
        self.closed_at = Some(tx.now);
        let application = self.store(tx, action, rule)?;
        if status == AppealStatus::SentBack && application.decisions(tx.db)?.iter().any(|one| one.id == self.subject_id)
        {
            send_back(tx, application)?;
        }
        Ok(())
    }

    fn store(&mut self, tx: &mut Tx<'_>, action: &str, rule: Option<&str>) -> Result<Application> {
        self.updated_at = tx.now;
        self.change(tx)?;
        let application = Application::find(tx.db, &self.application_id.to_string())?;
        let mut changed = json!({"status": ["filed", self.status], "application": self.application_id});
        if let (Some(rule), Some(members)) = (rule, changed.as_object_mut()) {
            members.insert("rule".to_owned(), json!(rule));
        }
        let changed = of_solution(changed, application.solution_id);
        tx.record(action, Resource::Appeal, self.id, self.version, changed)?;
        // How far the panel has come is the panel's affair.
        if self.closed_at.is_some() {
            notifications::of_appeal(tx, self)?;
        }
        Ok(application)
    }

    /// Refuses what does not start from where it stands.
    pub fn refuse_closed(&self) -> Result<()> {
        if self.status == AppealStatus::Filed {
            return Ok(());
        }
        let status = self.status;
        Err(Error::conflict(text!("Le recours est « {status} ».", "The appeal is `{status}`.")))
    }

    /// Takes a member's opinion; when more than half of the panel agree, it is decided.
    pub fn hear(&mut self, tx: &mut Tx<'_>, given: GiveOpinion) -> Result<()> {
        let actor_id = person(tx)?;
        let member = identities::of(tx.db, actor_id)?;
        let before = self.opinions(tx.db)?;
        if before.iter().any(|one| member.contains(&one.actor_id)) {
            return Err(Error::conflict(text!("Vous avez déjà donné votre avis.", "You have given your opinion.")));
        }
        if !took_part(tx.db, self)?.is_disjoint(&member) {
            return Err(Error::forbidden_for(vec![Fault::body(
                "",
                "took_part",
                text!(
                    "Qui a pris part au dossier ne juge pas du recours.",
                    "Who took part in the case does not judge the appeal."
                ),
            )]));
        }
        if acted_for_a_party(tx, self, &member)? {
            return Err(Error::forbidden_for(vec![Fault::body(
                "",
                "acted_for_a_party",
                text!(
                    "Qui a agi ici pour le vendeur, pour l’organisme ou pour qui leur est lié ne juge pas du recours.",
                    "Who acted here for the vendor, the body or whoever is linked to them does not judge the appeal."
                ),
            )]));
        }
        let row = OpinionRow {
            id: Id::new(),
            appeal_id: self.id,
            opinion: given.opinion,
            reasons: given.reasons,
            actor_id,
            given_at: tx.now,
        };
        let opinions: Vec<Opinion> = before.iter().map(|one| one.opinion).chain([row.opinion]).collect();
        diesel::insert_into(appeal_opinions::table).values(row).execute(tx.db)?;
        match majority(&opinions) {
            Some(AppealStatus::SentBack) => self.close(tx, AppealStatus::SentBack, "send_back_decision", None),
            Some(status) => self.close(tx, status, "uphold_decision", None),
            None => self.store(tx, "give_opinion", None).map(|_| ()),
        }
    }

    pub fn opinions(&self, db: &mut Db) -> Result<Vec<OpinionRow>> {
        Ok(opinions(db, &[self.id])?.remove(&self.id).unwrap_or_default())
    }

    /// As a party: the vendor, the audit body, the operator's panel and label officers.
    pub fn for_party(db: &mut Db, id: &str, viewer: &Viewer) -> Result<Self> {
        let id = Id::parse(id).ok_or_else(Error::not_found)?;
        let found: Option<Self> = appeals::table.find(id).select(Self::as_select()).first(db).optional()?;
        let is_party = |appeal: &Self| match viewer.role() {
            Some(Role::Operator) => true,
            Some(Role::Vendor) => viewer.owns(Some(appeal.organisation_id)),
            Some(Role::Auditor) => viewer.acting_as(Role::Auditor) == Some(appeal.audit_body_id),
            _ => false,
        };
        found.filter(is_party).ok_or_else(Error::not_found)
    }

    /// Those of these labels whose withdrawal a panel sent back: no ban holds.
    pub fn annulled(db: &mut Db, labels: &[String]) -> Result<Vec<String>> {
        let acts = label_acts::table.filter(label_acts::kind.eq(EventKind::Withdrawn)).select(label_acts::id);
        let numbers: Vec<Option<String>> = appeals::table
            .filter(appeals::status.eq(AppealStatus::SentBack).and(appeals::subject_id.eq_any(acts)))
            .filter(appeals::label_number.eq_any(labels.to_vec()))
            .select(appeals::label_number)
            .load(db)?;
        Ok(numbers.into_iter().flatten().collect())
    }

    /// Whether one on an application of this solution waits for the panel.
    pub fn is_open_for(db: &mut Db, solution: Id) -> Result<bool> {
        let cases = label_applications::table.filter(label_applications::solution_id.eq(solution));
        let open = appeals::table
            .filter(appeals::application_id.eq_any(cases.select(label_applications::id)))
            .filter(appeals::status.eq(AppealStatus::Filed))
            .count()
            .get_result::<i64>(db)?;
        Ok(open > 0)
    }

    pub fn page(db: &mut Db, filter: &AppealFilter, viewer: &Viewer, slice: &Slice) -> Result<Page<AppealView>> {
        use appeals as a;
        let (vendor, auditor) = (viewer.acting_as(Role::Vendor), viewer.acting_as(Role::Auditor));
        let matching = || {
            let mut query = a::table.into_boxed::<MultiBackend>();
            query = match (vendor, auditor) {
                _ if viewer.is_operator() => query,
                (Some(own), _) => query.filter(a::organisation_id.eq(own)),
                (_, Some(own)) => query.filter(a::audit_body_id.eq(own)),
                (None, None) => query.filter(a::id.ne(a::id)),
            };
            if let Some(application) = filter.application {
                query = query.filter(a::application_id.eq(application));
            }
            if !filter.status.is_empty() {
                query = query.filter(a::status.eq_any(filter.status.clone()));
            }
            query
        };
        let total = matching().count().get_result(db)?;
        let rows: Vec<Self> =
            keyset!(matching(), slice, a::id, a::id, false, |after| after.id).select(Self::as_select()).load(db)?;
        let page = slice.page(rows, total, |row: &Self| After { key: Key::Number(0), id: row.id });
        let ids: Vec<Id> = page.items.iter().map(|row| row.id).collect();
        let mut opinions = opinions(db, &ids)?;
        Ok(page.map(|row| {
            let own = opinions.remove(&row.id).unwrap_or_default();
            AppealView::new(row, own)
        }))
    }

    pub fn view(self, db: &mut Db) -> Result<AppealView> {
        let opinions = self.opinions(db)?;
        Ok(AppealView::new(self, opinions))
    }
}

/// Opinions on these appeals, oldest first.
fn opinions(db: &mut Db, appeals: &[Id]) -> Result<BTreeMap<Id, Vec<OpinionRow>>> {
    let rows: Vec<OpinionRow> = appeal_opinions::table
        .filter(appeal_opinions::appeal_id.eq_any(appeals.to_vec()))
        .order(appeal_opinions::id)
        .select(OpinionRow::as_select())
        .load(db)?;
    let mut by_appeal: BTreeMap<Id, Vec<OpinionRow>> = BTreeMap::new();
    for row in rows {
        by_appeal.entry(row.appeal_id).or_default().push(row);
    }
    Ok(by_appeal)
}

/// Who acted in the case or on its label, in whatever role.
fn took_part(db: &mut Db, appeal: &Appeal) -> Result<BTreeSet<Id>> {
    let application = Application::find(db, &appeal.application_id.to_string())?;
    let mut resources = vec![application.id];
    resources.extend(Label::of_application(db, application.id)?.map(|label| label.id));
    let acted: Vec<Id> = changes::table
        .filter(changes::resource_id.eq_any(resources).and(changes::actor_id.is_not_null()))
        .filter(changes::resource.eq_any([Resource::LabelApplication, Resource::Label]))
        .select(changes::actor_id.assume_not_null())
        .load(db)?;
    Ok(application.examiners(db)?.into_iter().chain(acted).collect())
}

/// Whether a member of the panel ever acted for the vendor, the body, or whoever is linked to them.
fn acted_for_a_party(tx: &mut Tx<'_>, appeal: &Appeal, member: &BTreeSet<Id>) -> Result<bool> {
    let today = tx.now.day();
    let parties = OrganisationLink::group(tx.db, &[appeal.organisation_id, appeal.audit_body_id], today)?;
    let acted = changes::table
        .filter(changes::actor_id.eq_any(member.iter().copied().collect::<Vec<_>>()))
        .filter(changes::organisation_id.eq_any(parties.into_iter().collect::<Vec<_>>()))
        .select(changes::position)
        .first::<i64>(tx.db)
        .optional()?;
    Ok(acted.is_some())
}

/// The case is to be decided again; a draft that was begun meanwhile gives way.
fn send_back(tx: &mut Tx<'_>, mut application: Application) -> Result<()> {
    if let Some(mut later) = Application::open_for(tx.db, application.solution_id)? {
        let from = later.status;
        later.advance(ApplicationCommand::Abandon)?;
        later.moderation = Some(Json("La demande précédente reprend. / The earlier application goes on.".to_owned()));
        later.store(tx, "abandon_label_application", json!({"status": [from, later.status], "rule": "appeal"}))?;
    }
    application.advance(ApplicationCommand::SendBack)?;
    application.due_at = None;
    application.store(tx, "send_back_decision", json!({"status": ["decided", "report_submitted"]}))
}

/// Appeals that nobody answered in time keep the decision; how many.
pub fn keep(tx: &mut Tx<'_>) -> Result<usize> {
    let late: Vec<Appeal> = appeals::table
        .filter(appeals::status.eq(AppealStatus::Filed).and(appeals::due_at.le(tx.now)))
        .select(Appeal::as_select())
        .load(tx.db)?;
    let count = late.len();
    for mut appeal in late {
        appeal.close(tx, AppealStatus::Upheld, "uphold_decision", Some("silence"))?;
    }
    Ok(count)
}
