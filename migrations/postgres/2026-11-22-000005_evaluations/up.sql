CREATE TABLE evaluations (
    id uuid PRIMARY KEY,
    version integer NOT NULL,
    solution_id uuid NOT NULL REFERENCES solutions (id),
    organisation_id uuid NOT NULL REFERENCES organisations (id),
    set_id uuid NOT NULL REFERENCES criteria_sets (id),
    solution_version integer NOT NULL,
    status text NOT NULL,
    traits jsonb NOT NULL,
    attestation jsonb,
    moderation jsonb,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    submitted_at timestamptz,
    published_at timestamptz,
    expires_at timestamptz
);
CREATE UNIQUE INDEX one_open_evaluation ON evaluations (solution_id, set_id) WHERE status IN ('draft', 'submitted');
CREATE UNIQUE INDEX one_evaluation_in_force ON evaluations (solution_id) WHERE status IN ('published', 'contested');
CREATE INDEX evaluations_by_solution ON evaluations (solution_id, id);
CREATE INDEX evaluations_by_status ON evaluations (status, id);

CREATE TABLE answers (
    evaluation_id uuid NOT NULL REFERENCES evaluations (id),
    criterion text COLLATE "C" NOT NULL,
    value text NOT NULL,
    justification text,
    evidence jsonb NOT NULL,
    to_confirm boolean NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (evaluation_id, criterion)
);

-- Scores, computed once and kept with the formula that made them; the last one counts.
CREATE TABLE evaluation_results (
    evaluation_id uuid NOT NULL REFERENCES evaluations (id),
    number integer NOT NULL,
    cause text NOT NULL,
    scores jsonb NOT NULL,
    computed_at timestamptz NOT NULL,
    PRIMARY KEY (evaluation_id, number)
);
CREATE TRIGGER evaluation_results_never_change BEFORE UPDATE OR DELETE ON evaluation_results
    FOR EACH ROW EXECUTE FUNCTION refuse_change('evaluation_results is append-only');
CREATE TRIGGER evaluation_results_never_truncated BEFORE TRUNCATE ON evaluation_results
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('evaluation_results is append-only');

CREATE TABLE contestations (
    id uuid PRIMARY KEY,
    evaluation_id uuid NOT NULL REFERENCES evaluations (id),
    criterion text COLLATE "C" NOT NULL,
    status text NOT NULL,
    reason text NOT NULL,
    resolution text,
    actor_id uuid NOT NULL,
    role text NOT NULL,
    organisation_id uuid,
    created_at timestamptz NOT NULL,
    resolved_at timestamptz
);
CREATE INDEX contestations_by_evaluation ON contestations (evaluation_id, id);

CREATE FUNCTION answers_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' AND EXISTS (SELECT 1 FROM evaluations e WHERE e.id = OLD.evaluation_id AND e.status <> 'draft')
       OR TG_OP <> 'DELETE' AND EXISTS (SELECT 1 FROM evaluations e WHERE e.id = NEW.evaluation_id AND e.status <> 'draft') THEN
        RAISE EXCEPTION 'the answers of a submitted evaluation never change' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN COALESCE(NEW, OLD);
END $$;
CREATE TRIGGER answers_frozen BEFORE INSERT OR UPDATE OR DELETE ON answers
    FOR EACH ROW EXECUTE FUNCTION answers_frozen();
CREATE TRIGGER answers_never_truncated BEFORE TRUNCATE ON answers
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('the answers of a submitted evaluation never change');
