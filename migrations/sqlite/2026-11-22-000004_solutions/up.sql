CREATE TABLE solutions (
    id BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    slug TEXT NOT NULL UNIQUE,
    organisation_id BLOB REFERENCES organisations (id),
    status TEXT NOT NULL,
    revision_status TEXT,
    published_version INTEGER,
    draft TEXT,
    draft_origins TEXT,
    moderation TEXT,
    name_folded TEXT NOT NULL,
    search_text TEXT NOT NULL,
    score INTEGER NOT NULL,
    rating INTEGER NOT NULL,
    review_summary TEXT,
    provenance TEXT,
    source TEXT,
    source_id TEXT,
    suspended_by BLOB,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    submitted_at BIGINT,
    -- Until the first publication: when it was entered, so that every row has a place in the order.
    published_at BIGINT NOT NULL,
    confirmed_at BIGINT,
    archived_at BIGINT,
    UNIQUE (source, source_id)
);
CREATE INDEX solutions_by_name ON solutions (status, name_folded, id);
CREATE INDEX solutions_by_publication ON solutions (status, published_at, id);
CREATE INDEX solutions_by_update ON solutions (status, updated_at, id);
CREATE INDEX solutions_by_score ON solutions (status, score, id);
CREATE INDEX solutions_by_rating ON solutions (status, rating, id);
CREATE INDEX solutions_by_organisation ON solutions (organisation_id, id);
CREATE INDEX solutions_by_folded_name ON solutions (name_folded);
CREATE INDEX solutions_by_confirmation ON solutions (status, confirmed_at);

-- A slug is given once, for ever, also when its solution is gone.
CREATE TABLE solution_slugs (
    slug TEXT NOT NULL PRIMARY KEY,
    solution_id BLOB NOT NULL
);

CREATE TABLE solution_versions (
    solution_id BLOB NOT NULL REFERENCES solutions (id),
    number INTEGER NOT NULL,
    organisation_id BLOB,
    sheet TEXT NOT NULL,
    origins TEXT NOT NULL,
    published_at BIGINT NOT NULL,
    PRIMARY KEY (solution_id, number)
);
CREATE TRIGGER solution_versions_never_updated BEFORE UPDATE ON solution_versions
BEGIN
    SELECT RAISE(ABORT, 'solution_versions is append-only');
END;
CREATE TRIGGER solution_versions_never_deleted BEFORE DELETE ON solution_versions
BEGIN
    SELECT RAISE(ABORT, 'solution_versions is append-only');
END;
-- INSERT OR REPLACE deletes without a word to the trigger above.
CREATE TRIGGER solution_versions_never_replaced BEFORE INSERT ON solution_versions
WHEN EXISTS (SELECT 1 FROM solution_versions o WHERE o.solution_id = NEW.solution_id AND o.number = NEW.number)
BEGIN
    SELECT RAISE(ABORT, 'solution_versions is append-only');
END;

-- What the published sheet can be filtered by, one row per value.
CREATE TABLE solution_facets (
    solution_id BLOB NOT NULL REFERENCES solutions (id),
    facet TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (facet, value, solution_id)
);
CREATE INDEX solution_facets_by_solution ON solution_facets (solution_id);

CREATE TABLE solution_claims (
    id BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    solution_id BLOB NOT NULL REFERENCES solutions (id),
    organisation_id BLOB NOT NULL REFERENCES organisations (id),
    actor_id BLOB NOT NULL,
    status TEXT NOT NULL,
    statement TEXT NOT NULL,
    decision_reason TEXT,
    created_at BIGINT NOT NULL,
    decided_at BIGINT
);
CREATE UNIQUE INDEX one_pending_claim ON solution_claims (solution_id, organisation_id) WHERE status = 'pending';
CREATE INDEX solution_claims_by_status ON solution_claims (status, id);
