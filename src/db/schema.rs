//! The tables, as queries see them; a test compares them with what the migrations make.

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Date, Integer, Nullable, Text};
    use crate::db::types::sql::{Id, Instant, Json};

    actors (id) {
        id -> Id,
        issuer -> Text,
        subject -> Text,
        created_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Date, Integer, Nullable, Text};
    use crate::db::types::sql::{Id, Instant, Json};

    changes (position) {
        position -> BigInt,
        at -> Instant,
        actor_id -> Nullable<Id>,
        role -> Text,
        organisation_id -> Nullable<Id>,
        action -> Text,
        resource -> Text,
        resource_id -> Id,
        resource_version -> Integer,
        changed -> Json,
        hash -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Date, Integer, Nullable, Text};
    use crate::db::types::sql::{Id, Instant, Json};

    counters (name) {
        name -> Text,
        value -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Date, Integer, Nullable, Text};
    use crate::db::types::sql::{Id, Instant, Json};

    idempotency_keys (id) {
        id -> Text,
        request -> Text,
        answer -> Json,
        created_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Date, Integer, Nullable, Text};
    use crate::db::types::sql::{Id, Instant, Json};

    seals (kind, id, number) {
        kind -> Text,
        id -> Id,
        number -> Integer,
        hash -> Text,
        sealed_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Date, Integer, Nullable, Text};
    use crate::db::types::sql::{Id, Instant, Json};

    organisations (id) {
        id -> Id,
        version -> Integer,
        status -> Text,
        name_folded -> Text,
        is_vendor -> Bool,
        is_public_body -> Bool,
        is_audit_body -> Bool,
        is_operator -> Bool,
        siren -> Nullable<Text>,
        register_key -> Nullable<Text>,
        details -> Json,
        source -> Nullable<Text>,
        source_id -> Nullable<Text>,
        identifier_verified_at -> Nullable<Instant>,
        moderation -> Nullable<Json>,
        created_at -> Instant,
        updated_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Date, Integer, Nullable, Text};
    use crate::db::types::sql::{Id, Instant, Json};

    service_accounts (id) {
        id -> Id,
        version -> Integer,
        organisation_id -> Id,
        name -> Text,
        role -> Text,
        duties -> Json,
        prefix -> Text,
        hash -> Text,
        previous_prefix -> Nullable<Text>,
        previous_hash -> Nullable<Text>,
        previous_until -> Nullable<Instant>,
        expires_at -> Instant,
        revoked_at -> Nullable<Instant>,
        last_used_at -> Nullable<Instant>,
        created_at -> Instant,
        updated_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Date, Integer, Nullable, Text};
    use crate::db::types::sql::{Id, Instant, Json};

    criteria_sets (id) {
        id -> Id,
        version -> Integer,
        content -> Json,
        based_on -> Nullable<Id>,
        published_at -> Nullable<Instant>,
        in_force_on -> Nullable<Date>,
        retired_on -> Nullable<Date>,
        created_at -> Instant,
        updated_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Date, Integer, Nullable, Text};
    use crate::db::types::sql::{Id, Instant, Json};

    criteria (set_id, code) {
        set_id -> Id,
        code -> Text,
        position -> Integer,
        theme -> Text,
        content -> Json,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Date, Integer, Nullable, Text};
    use crate::db::types::sql::{Id, Instant, Json};

    solutions (id) {
        id -> Id,
        version -> Integer,
        slug -> Text,
        organisation_id -> Nullable<Id>,
        status -> Text,
        revision_status -> Nullable<Text>,
        published_version -> Nullable<Integer>,
        draft -> Nullable<Json>,
        draft_origins -> Nullable<Json>,
        moderation -> Nullable<Json>,
        name_folded -> Text,
        search_text -> Text,
        score -> Integer,
        rating -> Integer,
        review_summary -> Nullable<Json>,
        provenance -> Nullable<Json>,
        source -> Nullable<Text>,
        source_id -> Nullable<Text>,
        suspended_by -> Nullable<Id>,
        created_at -> Instant,
        updated_at -> Instant,
        submitted_at -> Nullable<Instant>,
        published_at -> Instant,
        confirmed_at -> Nullable<Instant>,
        archived_at -> Nullable<Instant>,
        is_listed -> Bool,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Date, Integer, Nullable, Text};
    use crate::db::types::sql::{Id, Instant, Json};

    solution_slugs (slug) {
        slug -> Text,
        solution_id -> Id,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Date, Integer, Nullable, Text};
    use crate::db::types::sql::{Id, Instant, Json};

    solution_versions (solution_id, number) {
        solution_id -> Id,
        number -> Integer,
        organisation_id -> Nullable<Id>,
        sheet -> Json,
        origins -> Json,
        published_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Date, Integer, Nullable, Text};
    use crate::db::types::sql::{Id, Instant, Json};

    solution_facets (facet, value, solution_id) {
        solution_id -> Id,
        facet -> Text,
        value -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Date, Integer, Nullable, Text};
    use crate::db::types::sql::{Id, Instant, Json};

    solution_claims (id) {
        id -> Id,
        version -> Integer,
        solution_id -> Id,
        organisation_id -> Id,
        actor_id -> Id,
        status -> Text,
        statement -> Text,
        decision_reason -> Nullable<Text>,
        created_at -> Instant,
        decided_at -> Nullable<Instant>,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Date, Integer, Nullable, Text};
    use crate::db::types::sql::{Id, Instant, Json};

    evaluations (id) {
        id -> Id,
        version -> Integer,
        solution_id -> Id,
        organisation_id -> Id,
        set_id -> Id,
        solution_version -> Integer,
        status -> Text,
        traits -> Json,
        attestation -> Nullable<Json>,
        moderation -> Nullable<Json>,
        created_at -> Instant,
        updated_at -> Instant,
        submitted_at -> Nullable<Instant>,
        published_at -> Nullable<Instant>,
        expires_at -> Nullable<Instant>,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Date, Integer, Nullable, Text};
    use crate::db::types::sql::{Id, Instant, Json};

    answers (evaluation_id, criterion) {
        evaluation_id -> Id,
        criterion -> Text,
        value -> Text,
        justification -> Nullable<Text>,
        evidence -> Json,
        to_confirm -> Bool,
        updated_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Date, Integer, Nullable, Text};
    use crate::db::types::sql::{Id, Instant, Json};

    evaluation_results (evaluation_id, number) {
        evaluation_id -> Id,
        number -> Integer,
        cause -> Text,
        scores -> Json,
        computed_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Date, Integer, Nullable, Text};
    use crate::db::types::sql::{Id, Instant, Json};

    contestations (id) {
        id -> Id,
        evaluation_id -> Id,
        criterion -> Text,
        status -> Text,
        reason -> Text,
        resolution -> Nullable<Text>,
        actor_id -> Id,
        role -> Text,
        organisation_id -> Nullable<Id>,
        created_at -> Instant,
        resolved_at -> Nullable<Instant>,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Date, Integer, Nullable, Text};
    use crate::db::types::sql::{Id, Instant, Json};

    reviews (id) {
        id -> Id,
        version -> Integer,
        solution_id -> Id,
        organisation_id -> Id,
        actor_id -> Id,
        status -> Text,
        content -> Json,
        rating -> Integer,
        ratings -> Json,
        is_counted -> Bool,
        offers_same_family -> Bool,
        reply -> Nullable<Json>,
        moderation -> Nullable<Json>,
        reported_by -> Nullable<Id>,
        moderated_by -> Nullable<Id>,
        created_at -> Instant,
        updated_at -> Instant,
        submitted_at -> Nullable<Instant>,
        published_at -> Nullable<Instant>,
        listed_at -> Instant,
        anonymised_at -> Nullable<Instant>,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Date, Integer, Nullable, Text};
    use crate::db::types::sql::{Id, Instant, Json};

    review_edits (review_id, number) {
        review_id -> Id,
        number -> Integer,
        content -> Json,
        replaced_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Date, Integer, Nullable, Text};
    use crate::db::types::sql::{Id, Instant, Json};

    review_reports (id) {
        id -> Id,
        review_id -> Id,
        actor_id -> Id,
        reason -> Text,
        created_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Date, Integer, Nullable, Text};
    use crate::db::types::sql::{Id, Instant, Json};

    label_applications (id) {
        id -> Id,
        version -> Integer,
        solution_id -> Id,
        organisation_id -> Id,
        status -> Text,
        solution_version -> Nullable<Integer>,
        evaluation_id -> Nullable<Id>,
        set_id -> Nullable<Id>,
        audit_body_id -> Nullable<Id>,
        evaluator_id -> Nullable<Id>,
        details -> Json,
        moderation -> Nullable<Json>,
        created_at -> Instant,
        updated_at -> Instant,
        submitted_at -> Nullable<Instant>,
        admission_due_at -> Nullable<Instant>,
        decided_at -> Nullable<Instant>,
        accepted_at -> Nullable<Instant>,
        frozen -> Nullable<Json>,
        disclosures -> Json,
        procedure -> Json,
        due_at -> Nullable<Instant>,
        round -> Integer,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Date, Integer, Nullable, Text};
    use crate::db::types::sql::{Id, Instant, Json};

    findings (application_id, criterion, round) {
        application_id -> Id,
        criterion -> Text,
        round -> Integer,
        result -> Text,
        value -> Nullable<Text>,
        score -> Nullable<Integer>,
        comment -> Text,
        evidence -> Json,
        actor_id -> Id,
        recorded_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Date, Integer, Nullable, Text};
    use crate::db::types::sql::{Id, Instant, Json};

    audit_reports (application_id, round) {
        application_id -> Id,
        round -> Integer,
        recommendation -> Text,
        summary -> Text,
        scores -> Json,
        actor_id -> Id,
        submitted_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Date, Integer, Nullable, Text};
    use crate::db::types::sql::{Id, Instant, Json};

    label_decisions (id) {
        id -> Id,
        application_id -> Id,
        organisation_id -> Id,
        outcome -> Text,
        content -> Json,
        label_number -> Nullable<Text>,
        corrects -> Nullable<Id>,
        actor_id -> Id,
        decided_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Date, Integer, Nullable, Text};
    use crate::db::types::sql::{Id, Instant, Json};

    labels (number) {
        number -> Text,
        id -> Id,
        version -> Integer,
        solution_id -> Id,
        application_id -> Id,
        decision_id -> Id,
        audit_body_id -> Id,
        status -> Text,
        content -> Json,
        valid_from -> Date,
        valid_until -> Date,
        granted_at -> Instant,
        updated_at -> Instant,
        standing -> Json,
        banned_until -> Nullable<Date>,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Date, Integer, Nullable, Text};
    use crate::db::types::sql::{Id, Instant, Json};

    erased_persons (fingerprint) {
        fingerprint -> Text,
        actor_id -> Id,
        erased_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Date, Integer, Nullable, Text};
    use crate::db::types::sql::{Id, Instant, Json};

    erasure_keys (name) {
        name -> Text,
        secret -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Date, Integer, Nullable, Text};
    use crate::db::types::sql::{Id, Instant, Json};

    evidence_accesses (id) {
        id -> Id,
        solution_id -> Id,
        organisation_id -> Nullable<Id>,
        resource -> Text,
        resource_id -> Id,
        actor_id -> Id,
        role -> Text,
        reader_organisation_id -> Nullable<Id>,
        accessed_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Date, Integer, Nullable, Text};
    use crate::db::types::sql::{Id, Instant, Json};

    log_entries (position) {
        position -> BigInt,
        subject -> Text,
        subject_seq -> Integer,
        entry -> Text,
        logged_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Date, Integer, Nullable, Text};
    use crate::db::types::sql::{Id, Instant, Json};

    accreditations (id) {
        id -> Id,
        version -> Integer,
        organisation_id -> Id,
        status -> Text,
        scope -> Json,
        valid_from -> Nullable<Date>,
        valid_until -> Nullable<Date>,
        steps -> Json,
        created_at -> Instant,
        updated_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Date, Integer, Nullable, Text};
    use crate::db::types::sql::{Id, Instant, Json};

    log_nodes (level, position) {
        level -> Integer,
        position -> BigInt,
        hash -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Date, Integer, Nullable, Text};
    use crate::db::types::sql::{Id, Instant, Json};

    log_cosignatures (size, witness) {
        size -> BigInt,
        witness -> Text,
        line -> Text,
        received_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Date, Integer, Nullable, Text};
    use crate::db::types::sql::{Id, Instant, Json};

    signing_keys (id) {
        id -> Id,
        accreditation_id -> Id,
        kid -> Text,
        name -> Text,
        public_key -> Text,
        valid_from -> Instant,
        valid_until -> Instant,
        revoked_at -> Nullable<Instant>,
        created_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Date, Integer, Nullable, Text};
    use crate::db::types::sql::{Id, Instant, Json};

    attestations (hash) {
        hash -> Text,
        label -> Text,
        credential -> Text,
        issued_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Date, Integer, Nullable, Text};
    use crate::db::types::sql::{Id, Instant, Json};

    qualifications (id) {
        id -> Id,
        version -> Integer,
        organisation_id -> Id,
        actor_id -> Id,
        status -> Text,
        themes -> Json,
        duties -> Json,
        reason -> Nullable<Text>,
        created_at -> Instant,
        updated_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Date, Integer, Nullable, Text};
    use crate::db::types::sql::{Id, Instant, Json};

    person_identities (actor_id) {
        actor_id -> Id,
        person_id -> Id,
        linked_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Date, Integer, Nullable, Text};
    use crate::db::types::sql::{Id, Instant, Json};

    organisation_links (id) {
        id -> Id,
        version -> Integer,
        organisation_id -> Id,
        other_id -> Id,
        kind -> Text,
        since -> Date,
        until -> Nullable<Date>,
        declarant_id -> Nullable<Id>,
        end_reason -> Nullable<Text>,
        created_at -> Instant,
        updated_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Date, Integer, Nullable, Text};
    use crate::db::types::sql::{Id, Instant, Json};

    interest_declarations (id) {
        id -> Id,
        application_id -> Id,
        organisation_id -> Id,
        vendor_id -> Id,
        actor_id -> Id,
        holder -> Text,
        kind -> Text,
        description -> Text,
        since -> Date,
        until -> Nullable<Date>,
        declared_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Date, Integer, Nullable, Text};
    use crate::db::types::sql::{Id, Instant, Json};

    appeals (id) {
        id -> Id,
        version -> Integer,
        application_id -> Id,
        organisation_id -> Id,
        audit_body_id -> Id,
        subject_id -> Id,
        label_number -> Nullable<Text>,
        status -> Text,
        grounds -> Text,
        filed_at -> Instant,
        due_at -> Instant,
        closed_at -> Nullable<Instant>,
        updated_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{Nullable, Text};
    use crate::db::types::sql::{Id, Instant, Json};

    label_acts (id) {
        id -> Id,
        label_number -> Text,
        kind -> Text,
        reason -> Nullable<Text>,
        details -> Json,
        actor_id -> Nullable<Id>,
        organisation_id -> Nullable<Id>,
        role -> Text,
        acted_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{Integer, Nullable, Text};
    use crate::db::types::sql::{Id, Instant, Json};

    complaints (id) {
        id -> Id,
        version -> Integer,
        label_number -> Text,
        organisation_id -> Id,
        actor_id -> Id,
        status -> Text,
        text -> Text,
        evidence -> Json,
        answer -> Nullable<Text>,
        created_at -> Instant,
        updated_at -> Instant,
        answered_at -> Nullable<Instant>,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Date, Integer, Nullable, Text};
    use crate::db::types::sql::{Id, Instant, Json};

    appeal_opinions (id) {
        id -> Id,
        appeal_id -> Id,
        opinion -> Text,
        reasons -> Text,
        actor_id -> Id,
        given_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Date, Nullable, Text};
    use crate::db::types::sql::{Id, Instant};

    notifications (position) {
        position -> BigInt,
        recipient_id -> Nullable<Id>,
        change_position -> BigInt,
        address -> Text,
        due_on -> Nullable<Date>,
        reminder -> Nullable<Text>,
        created_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::{Date, Text};
    use crate::db::types::sql::Id;

    reminders (resource_id, kind, about, due_on) {
        kind -> Text,
        resource_id -> Id,
        about -> Text,
        due_on -> Date,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    label_acts,
    complaints,
    notifications,
    reminders,
    log_entries,
    log_nodes,
    log_cosignatures,
    attestations,
    actors,
    changes,
    counters,
    organisations,
    idempotency_keys,
    seals,
    criteria_sets,
    criteria,
    solutions,
    solution_slugs,
    solution_versions,
    solution_facets,
    solution_claims,
    evaluations,
    answers,
    evaluation_results,
    contestations,
    reviews,
    review_edits,
    review_reports,
    label_applications,
    findings,
    audit_reports,
    label_decisions,
    labels,
    erased_persons,
    erasure_keys,
    evidence_accesses,
    accreditations,
    signing_keys,
    qualifications,
    person_identities,
    organisation_links,
    interest_declarations,
    appeals,
    appeal_opinions,
);
