//! Rows and queries of criteria sets.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use diesel::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use super::content::{AnswerType, Criterion, FrameworkReference, LabelRule, Level, Named, SetContent, Theme};
use super::rules::{self, SetStatus};
use crate::db::schema::{criteria, criteria_sets};
use crate::db::{Db, Id, Instant, Json, MultiBackend, Resource, Tx};
use crate::error::{Error, Result};
use crate::evaluations::rules::Score;
use crate::http::text::Text;
use crate::http::{After, Key, Page, Slice};
use crate::{keyset, versioned};

/// A criteria set.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = criteria_sets, treat_none_as_default_value = false, treat_none_as_null = true)]
pub struct CriteriaSet {
    pub id: Id,
    pub version: i32,
    pub content: Json<SetContent>,
    pub based_on: Option<Id>,
    pub published_at: Option<Instant>,
    pub in_force_on: Option<NaiveDate>,
    pub retired_on: Option<NaiveDate>,
    pub created_at: Instant,
    pub updated_at: Instant,
}

versioned!(CriteriaSet, criteria_sets);

#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = criteria)]
struct CriterionRow {
    set_id: Id,
    code: String,
    position: i32,
    theme: String,
    content: Json<Criterion>,
}

impl CriteriaSet {
    /// A draft.
    pub fn draft(content: SetContent, based_on: Option<Id>, now: Instant) -> Self {
        Self {
            id: Id::new(),
            version: 1,
            content: Json(content),
            based_on,
            published_at: None,
            in_force_on: None,
            retired_on: None,
            created_at: now,
            updated_at: now,
        }
    }

    pub fn status(&self, today: NaiveDate) -> SetStatus {
        rules::status(self.in_force_on, self.retired_on, today)
    }

    pub fn find(db: &mut Db, id: Id) -> Result<Self> {
        criteria_sets::table.find(id).select(Self::as_select()).first(db).optional()?.ok_or_else(Error::not_found)
    }

    pub fn find_all(db: &mut Db, ids: &[Id]) -> Result<Vec<Self>> {
        Ok(criteria_sets::table.filter(criteria_sets::id.eq_any(ids.to_vec())).select(Self::as_select()).load(db)?)
    }

    /// A published set: what others are made from.
    pub fn published(db: &mut Db, id: Id) -> Result<Option<Self>> {
        Ok(criteria_sets::table
            .find(id)
            .filter(criteria_sets::published_at.is_not_null())
            .select(Self::as_select())
            .first(db)
            .optional()?)
    }

    /// A page of sets, the latest made first.
    pub fn page(db: &mut Db, with_drafts: bool, slice: &Slice) -> Result<Page<Self>> {
        use criteria_sets as c;
        let matching = || {
            let query = c::table.into_boxed::<MultiBackend>();
            if with_drafts { query } else { query.filter(c::published_at.is_not_null()) }
        };
        let total = matching().count().get_result(db)?;
        let rows =
            keyset!(matching(), slice, c::id, c::id, true, |after| after.id).select(Self::as_select()).load(db)?;
        Ok(slice.page(rows, total, |row: &Self| After { key: Key::Number(0), id: row.id }))
    }

    /// Themes of the set in force on a day, by code; none when no set is.
    pub fn themes_in_force(db: &mut Db, today: NaiveDate) -> Result<Vec<String>> {
        let set = Self::in_force(db, today)?;
        Ok(set.map(|set| set.content.themes.iter().map(|theme| theme.code.clone()).collect()).unwrap_or_default())
    }

    /// The set in force on a day.
    pub fn in_force(db: &mut Db, today: NaiveDate) -> Result<Option<Self>> {
        Ok(criteria_sets::table
            .filter(criteria_sets::in_force_on.le(today))
            .order((criteria_sets::in_force_on.desc(), criteria_sets::id.desc()))
            .select(Self::as_select())
            .load::<Self>(db)?
            .into_iter()
            .find(|set| set.status(today) == SetStatus::InForce))
    }

    /// Its criteria, in order.
    pub fn criteria(&self, db: &mut Db) -> Result<Vec<Criterion>> {
        Ok(criteria::table
            .filter(criteria::set_id.eq(self.id))
            .order((criteria::position, criteria::code))
            .select(criteria::content)
            .load::<Json<Criterion>>(db)?
            .into_iter()
            .map(|row| row.0)
            .collect())
    }

    pub fn criterion(&self, db: &mut Db, code: &str) -> Result<Criterion> {
        criteria::table
            .find((self.id, code))
            .select(criteria::content)
            .first::<Json<Criterion>>(db)
            .optional()?
            .map(|row| row.0)
            .ok_or_else(Error::not_found)
    }

    /// Writes all criteria of a new set.
    pub fn insert_criteria(&self, db: &mut Db, all: Vec<Criterion>) -> Result<()> {
        let rows: Vec<CriterionRow> =
            all.into_iter().zip(1..).map(|(criterion, position)| self.row(criterion, position)).collect();
        crate::insert_all!(db, criteria::table, &rows);
        Ok(())
    }

    /// Adds a criterion at the end of its theme's.
    pub fn insert_criterion(&self, db: &mut Db, criterion: Criterion) -> Result<()> {
        let last: Option<i32> = criteria::table
            .filter(criteria::set_id.eq(self.id))
            .select(diesel::dsl::max(criteria::position))
            .first(db)?;
        diesel::insert_into(criteria::table).values(self.row(criterion, last.unwrap_or_default() + 1)).execute(db)?;
        Ok(())
    }

    pub fn change_criterion(&self, db: &mut Db, criterion: Criterion) -> Result<()> {
        diesel::update(criteria::table.find((self.id, criterion.code.clone())))
            .set((criteria::theme.eq(criterion.theme.clone()), criteria::content.eq(Json(criterion))))
            .execute(db)?;
        Ok(())
    }

    pub fn delete_criterion(&self, db: &mut Db, code: &str) -> Result<()> {
        match diesel::delete(criteria::table.find((self.id, code))).execute(db)? {
            0 => Err(Error::not_found()),
            _ => Ok(()),
        }
    }

    /// Takes away a draft with its criteria.
    pub fn delete(&self, tx: &mut Tx<'_>) -> Result<()> {
        diesel::delete(criteria::table.filter(criteria::set_id.eq(self.id))).execute(tx.db)?;
        let rows = diesel::delete(
            criteria_sets::table.filter(criteria_sets::id.eq(self.id).and(criteria_sets::version.eq(self.version))),
        )
        .execute(tx.db)?;
        crate::http::conditional::changed_one(rows, self.version)?;
        tx.record("delete_criteria_set", Resource::CriteriaSet, self.id, self.version, json!({}))
    }

    /// Writes a change and its journal entry.
    pub fn store(&mut self, tx: &mut Tx<'_>, action: &str, changed: Value) -> Result<()> {
        self.updated_at = tx.now;
        self.change(tx)?;
        tx.record(action, Resource::CriteriaSet, self.id, self.version, changed)
    }

    fn row(&self, criterion: Criterion, position: i32) -> CriterionRow {
        CriterionRow {
            set_id: self.id,
            code: criterion.code.clone(),
            position,
            theme: criterion.theme.clone(),
            content: Json(criterion),
        }
    }
}

/// Traits of the set in force; none without a set.
pub fn known_traits(db: &mut Db, now: Instant) -> Result<Option<BTreeSet<String>>> {
    let set = CriteriaSet::in_force(db, now.day())?;
    Ok(set.map(|set| set.content.0.traits.into_iter().map(|one| one.code).collect()))
}

/// Enters the bundled set into a catalogue that has none, in force at once.
pub fn seed(tx: &mut Tx<'_>) -> Result<()> {
    if criteria_sets::table.count().get_result::<i64>(tx.db)? > 0 {
        return Ok(());
    }
    let (content, criteria) = bundled()?;
    let mut set = CriteriaSet::draft(content, None, tx.now);
    set.insert(tx.db)?;
    set.insert_criteria(tx.db, criteria)?;
    tx.record("create_criteria_set", Resource::CriteriaSet, set.id, set.version, json!({}))?;
    set.published_at = Some(tx.now);
    set.in_force_on = Some(tx.now.day());
    set.store(tx, "publish_criteria_set", json!({"in_force_on": set.in_force_on}))?;
    tx.seal(crate::db::seals::Sealed::CriteriaSet, &[(set.id, 0)])
}

/// The set that comes with the program.
pub fn bundled() -> Result<(SetContent, Vec<Criterion>)> {
    let file: BundledFile = serde_json::from_str(include_str!("../../data/criteria.json"))?;
    let BundledFile { meta, themes, criteria } = file;
    let named = |all: std::collections::BTreeMap<String, BundledLabel>| {
        all.into_iter()
            .map(|(code, label)| Named { code, name: Text { fr: label.label_fr, en: label.label_en } })
            .collect::<Vec<_>>()
    };
    let content = SetContent {
        label: meta.version,
        name: Text { fr: meta.name_fr, en: meta.name_en },
        note: Some(Text { fr: meta.note_fr, en: meta.note_en }),
        themes: themes
            .into_iter()
            .map(|theme| Theme {
                code: theme.code,
                prefix: theme.prefix,
                name: Text { fr: theme.name_fr, en: theme.name_en },
                description: Text { fr: theme.description_fr, en: theme.description_en },
            })
            .collect(),
        traits: named(meta.applies_to_tags).into_iter().filter(|one| one.code != "all").collect(),
        objectives: named(meta.circular_2026_objectives),
        label_rule: LabelRule { min_overall: Score::from_unit(0.6), min_theme: Score::from_unit(0.4) },
    };
    let criteria = criteria
        .into_iter()
        .map(|one| Criterion {
            code: one.code,
            theme: one.theme,
            title: Text { fr: one.title_fr, en: one.title_en },
            question: Text { fr: one.question_fr, en: one.question_en },
            guidance: Text { fr: one.guidance_fr, en: one.guidance_en },
            answer_type: one.answer_type,
            weight: one.weight,
            mandatory_for_label: one.mandatory_for_label,
            label_min_score: one.label_min_score,
            na_allowed: one.na_allowed,
            levels: one
                .levels
                .into_iter()
                .map(|level| Level {
                    code: level.code,
                    label: Text { fr: level.label_fr, en: level.label_en },
                    score: level.score,
                })
                .collect(),
            evidence_expected: Text { fr: one.evidence_expected_fr, en: one.evidence_expected_en },
            references: one
                .references
                .into_iter()
                .map(|reference| FrameworkReference {
                    framework: Text { fr: reference.framework, en: reference.framework_en },
                    clause: Text { fr: reference.clause, en: reference.clause_en },
                    url: reference.url,
                })
                .collect(),
            applies_to: one.applies_to,
            objectives: one.circular_2026_objectives,
        })
        .collect();
    Ok((content, criteria))
}

#[derive(Deserialize)]
struct BundledFile {
    meta: BundledMeta,
    themes: Vec<BundledTheme>,
    criteria: Vec<BundledCriterion>,
}

#[derive(Deserialize)]
struct BundledMeta {
    name_fr: String,
    name_en: String,
    version: String,
    note_fr: String,
    note_en: String,
    applies_to_tags: std::collections::BTreeMap<String, BundledLabel>,
    circular_2026_objectives: std::collections::BTreeMap<String, BundledLabel>,
}

#[derive(Deserialize)]
struct BundledLabel {
    label_fr: String,
    label_en: String,
}

#[derive(Deserialize)]
struct BundledTheme {
    code: String,
    prefix: String,
    name_fr: String,
    name_en: String,
    description_fr: String,
    description_en: String,
}

#[derive(Deserialize)]
struct BundledCriterion {
    code: String,
    theme: String,
    title_fr: String,
    title_en: String,
    question_fr: String,
    question_en: String,
    guidance_fr: String,
    guidance_en: String,
    answer_type: AnswerType,
    weight: i32,
    mandatory_for_label: bool,
    label_min_score: Score,
    na_allowed: bool,
    #[serde(default)]
    levels: Vec<BundledLevel>,
    evidence_expected_fr: String,
    evidence_expected_en: String,
    references: Vec<BundledReference>,
    applies_to: Vec<String>,
    circular_2026_objectives: Vec<String>,
}

#[derive(Deserialize)]
struct BundledLevel {
    code: String,
    label_fr: String,
    label_en: String,
    score: Score,
}

#[derive(Deserialize)]
struct BundledReference {
    framework: String,
    framework_en: String,
    clause: String,
    clause_en: String,
    url: String,
}
