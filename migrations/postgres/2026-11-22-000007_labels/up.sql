CREATE TABLE label_applications (
    id uuid PRIMARY KEY,
    version integer NOT NULL,
    solution_id uuid NOT NULL REFERENCES solutions (id),
    organisation_id uuid NOT NULL REFERENCES organisations (id),
    status text NOT NULL,
    solution_version integer,
    evaluation_id uuid REFERENCES evaluations (id),
    set_id uuid REFERENCES criteria_sets (id),
    audit_body_id uuid REFERENCES organisations (id),
    evaluator_id uuid,
    details jsonb NOT NULL,
    moderation jsonb,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    submitted_at timestamptz,
    admission_due_at timestamptz,
    decided_at timestamptz
);
CREATE UNIQUE INDEX one_open_application ON label_applications (solution_id)
    WHERE status NOT IN ('inadmissible', 'abandoned', 'decided');
CREATE INDEX label_applications_by_organisation ON label_applications (organisation_id, id);
CREATE INDEX label_applications_by_body ON label_applications (audit_body_id, id);
CREATE INDEX label_applications_by_status ON label_applications (status, id);

-- The auditor's own result for each criterion, beside the declared one.
CREATE TABLE findings (
    application_id uuid NOT NULL REFERENCES label_applications (id),
    criterion text COLLATE "C" NOT NULL,
    result text NOT NULL,
    value text,
    score integer,
    comment text NOT NULL,
    evidence jsonb NOT NULL,
    actor_id uuid NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (application_id, criterion)
);

CREATE TABLE audit_reports (
    application_id uuid PRIMARY KEY REFERENCES label_applications (id),
    recommendation text NOT NULL,
    summary text NOT NULL,
    scores jsonb NOT NULL,
    actor_id uuid NOT NULL,
    submitted_at timestamptz NOT NULL
);
CREATE TRIGGER audit_reports_never_change BEFORE UPDATE OR DELETE ON audit_reports
    FOR EACH ROW EXECUTE FUNCTION refuse_change('audit_reports is append-only');
CREATE TRIGGER audit_reports_never_truncated BEFORE TRUNCATE ON audit_reports
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('audit_reports is append-only');

CREATE TABLE label_decisions (
    id uuid PRIMARY KEY,
    application_id uuid NOT NULL REFERENCES label_applications (id),
    organisation_id uuid NOT NULL REFERENCES organisations (id),
    outcome text NOT NULL,
    content jsonb NOT NULL,
    label_number text,
    corrects uuid REFERENCES label_decisions (id),
    actor_id uuid NOT NULL,
    decided_at timestamptz NOT NULL
);
CREATE INDEX label_decisions_by_application ON label_decisions (application_id, id);
CREATE TRIGGER label_decisions_never_change BEFORE UPDATE OR DELETE ON label_decisions
    FOR EACH ROW EXECUTE FUNCTION refuse_change('label_decisions is append-only');
CREATE TRIGGER label_decisions_never_truncated BEFORE TRUNCATE ON label_decisions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('label_decisions is append-only');

CREATE TABLE labels (
    number text COLLATE "C" PRIMARY KEY,
    id uuid NOT NULL UNIQUE,
    version integer NOT NULL,
    solution_id uuid NOT NULL REFERENCES solutions (id),
    application_id uuid NOT NULL REFERENCES label_applications (id),
    decision_id uuid NOT NULL REFERENCES label_decisions (id),
    audit_body_id uuid NOT NULL REFERENCES organisations (id),
    status text NOT NULL,
    content jsonb NOT NULL,
    valid_from date NOT NULL,
    valid_until date NOT NULL,
    granted_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX labels_by_solution ON labels (solution_id, number);
CREATE INDEX labels_by_status ON labels (status, number);

CREATE FUNCTION findings_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' AND EXISTS (SELECT 1 FROM label_applications a WHERE a.id = OLD.application_id AND a.status <> 'in_audit')
       OR TG_OP <> 'DELETE' AND EXISTS (SELECT 1 FROM label_applications a WHERE a.id = NEW.application_id AND a.status <> 'in_audit') THEN
        RAISE EXCEPTION 'findings never change once the report is in' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN COALESCE(NEW, OLD);
END $$;
CREATE TRIGGER findings_frozen BEFORE INSERT OR UPDATE OR DELETE ON findings
    FOR EACH ROW EXECUTE FUNCTION findings_frozen();
CREATE TRIGGER findings_never_truncated BEFORE TRUNCATE ON findings
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('findings never change once the report is in');
