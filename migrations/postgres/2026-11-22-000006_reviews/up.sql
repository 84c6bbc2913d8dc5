CREATE TABLE reviews (
    id uuid PRIMARY KEY,
    version integer NOT NULL,
    solution_id uuid NOT NULL REFERENCES solutions (id),
    organisation_id uuid NOT NULL REFERENCES organisations (id),
    actor_id uuid NOT NULL,
    status text NOT NULL,
    content jsonb NOT NULL,
    -- The overall rating (0 while none is given) and those of the axes, apart from the text: averages and orders need no more.
    rating integer NOT NULL,
    ratings jsonb NOT NULL,
    is_counted boolean NOT NULL,
    offers_same_family boolean NOT NULL,
    reply jsonb,
    moderation jsonb,
    reported_by uuid,
    moderated_by uuid,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    submitted_at timestamptz,
    published_at timestamptz,
    -- When it was published or, until then, entered, so that every row has a place in the order.
    listed_at timestamptz NOT NULL,
    UNIQUE (solution_id, actor_id)
);
CREATE INDEX reviews_by_solution ON reviews (solution_id, listed_at, id);
CREATE INDEX reviews_by_status ON reviews (status, listed_at, id);
CREATE INDEX reviews_by_age ON reviews (is_counted, published_at);
CREATE INDEX reviews_by_organisation ON reviews (organisation_id, id);

-- Earlier texts of an edited review, kept privately.
CREATE TABLE review_edits (
    review_id uuid NOT NULL REFERENCES reviews (id),
    number integer NOT NULL,
    content jsonb NOT NULL,
    replaced_at timestamptz NOT NULL,
    PRIMARY KEY (review_id, number)
);
CREATE TRIGGER review_edits_never_change BEFORE UPDATE OR DELETE ON review_edits
    FOR EACH ROW EXECUTE FUNCTION refuse_change('review_edits is append-only');
CREATE TRIGGER review_edits_never_truncated BEFORE TRUNCATE ON review_edits
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('review_edits is append-only');

CREATE TABLE review_reports (
    id uuid PRIMARY KEY,
    review_id uuid NOT NULL REFERENCES reviews (id),
    actor_id uuid NOT NULL,
    reason text NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX review_reports_by_review ON review_reports (review_id, id);
