CREATE TABLE solutions (
    id uuid PRIMARY KEY,
    version integer NOT NULL,
    slug text NOT NULL UNIQUE,
    organisation_id uuid REFERENCES organisations (id),
    status text NOT NULL,
    revision_status text,
    published_version integer,
    draft jsonb,
    draft_origins jsonb,
    moderation jsonb,
    -- Byte order, as on SQLite: the text is folded already.
    name_folded text COLLATE "C" NOT NULL,
    search_text text NOT NULL,
    score integer NOT NULL,
    rating integer NOT NULL,
    review_summary jsonb,
    provenance jsonb,
    source text,
    source_id text,
    suspended_by uuid,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    submitted_at timestamptz,
    -- Until the first publication: when it was entered, so that every row has a place in the order.
    published_at timestamptz NOT NULL,
    confirmed_at timestamptz,
    archived_at timestamptz,
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
    slug text PRIMARY KEY,
    solution_id uuid NOT NULL
);

CREATE TABLE solution_versions (
    solution_id uuid NOT NULL REFERENCES solutions (id),
    number integer NOT NULL,
    organisation_id uuid,
    sheet jsonb NOT NULL,
    origins jsonb NOT NULL,
    published_at timestamptz NOT NULL,
    PRIMARY KEY (solution_id, number)
);
CREATE TRIGGER solution_versions_never_change BEFORE UPDATE OR DELETE ON solution_versions
    FOR EACH ROW EXECUTE FUNCTION refuse_change('solution_versions is append-only');
CREATE TRIGGER solution_versions_never_truncated BEFORE TRUNCATE ON solution_versions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('solution_versions is append-only');

-- What the published sheet can be filtered by, one row per value.
CREATE TABLE solution_facets (
    solution_id uuid NOT NULL REFERENCES solutions (id),
    facet text NOT NULL,
    value text NOT NULL,
    PRIMARY KEY (facet, value, solution_id)
);
CREATE INDEX solution_facets_by_solution ON solution_facets (solution_id);

CREATE TABLE solution_claims (
    id uuid PRIMARY KEY,
    version integer NOT NULL,
    solution_id uuid NOT NULL REFERENCES solutions (id),
    organisation_id uuid NOT NULL REFERENCES organisations (id),
    actor_id uuid NOT NULL,
    status text NOT NULL,
    statement text NOT NULL,
    decision_reason text,
    created_at timestamptz NOT NULL,
    decided_at timestamptz
);
CREATE UNIQUE INDEX one_pending_claim ON solution_claims (solution_id, organisation_id) WHERE status = 'pending';
CREATE INDEX solution_claims_by_status ON solution_claims (status, id);
