-- What vendor, operator and audit body say to each other in a case, and until when one of them has to act.
ALTER TABLE label_applications ADD COLUMN procedure jsonb NOT NULL DEFAULT '{}';
ALTER TABLE label_applications ADD COLUMN due_at timestamptz;
-- 0: the first examination; 1: the one after corrective action.
ALTER TABLE label_applications ADD COLUMN round integer NOT NULL DEFAULT 0;
CREATE INDEX label_applications_by_due ON label_applications (status, due_at);

-- What was found before a corrective action stays beside what was found after it.
ALTER TABLE findings ADD COLUMN round integer NOT NULL DEFAULT 0;
ALTER TABLE findings DROP CONSTRAINT findings_pkey;
ALTER TABLE findings ADD PRIMARY KEY (application_id, criterion, round);
CREATE OR REPLACE FUNCTION findings_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' AND NOT EXISTS (SELECT 1 FROM label_applications a WHERE a.id = OLD.application_id AND a.status = 'in_audit' AND a.round = OLD.round)
       OR TG_OP <> 'DELETE' AND NOT EXISTS (SELECT 1 FROM label_applications a WHERE a.id = NEW.application_id AND a.status = 'in_audit' AND a.round = NEW.round) THEN
        RAISE EXCEPTION 'findings never change once the report is in' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN COALESCE(NEW, OLD);
END $$;
ALTER TABLE audit_reports ADD COLUMN round integer NOT NULL DEFAULT 0;
ALTER TABLE audit_reports DROP CONSTRAINT audit_reports_pkey;
ALTER TABLE audit_reports ADD PRIMARY KEY (application_id, round);

-- Appeals of vendors against what harms them.
CREATE TABLE appeals (
    id uuid PRIMARY KEY,
    version integer NOT NULL,
    application_id uuid NOT NULL REFERENCES label_applications (id),
    organisation_id uuid NOT NULL REFERENCES organisations (id),
    audit_body_id uuid NOT NULL REFERENCES organisations (id),
    subject_id uuid NOT NULL UNIQUE,
    label_number text COLLATE "C",
    status text NOT NULL,
    grounds text NOT NULL,
    filed_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    closed_at timestamptz,
    updated_at timestamptz NOT NULL
);
CREATE INDEX appeals_by_organisation ON appeals (organisation_id, id);
CREATE INDEX appeals_by_body ON appeals (audit_body_id, id);
CREATE INDEX appeals_by_application ON appeals (application_id, id);
CREATE INDEX appeals_by_status ON appeals (status, due_at);

-- What the members of the panel hold, each once.
CREATE TABLE appeal_opinions (
    id uuid PRIMARY KEY,
    appeal_id uuid NOT NULL REFERENCES appeals (id),
    opinion text NOT NULL,
    reasons text NOT NULL,
    actor_id uuid NOT NULL,
    given_at timestamptz NOT NULL
);
CREATE INDEX appeal_opinions_by_appeal ON appeal_opinions (appeal_id, id);
CREATE TRIGGER appeal_opinions_never_change BEFORE UPDATE OR DELETE ON appeal_opinions
    FOR EACH ROW EXECUTE FUNCTION refuse_change('appeal_opinions is append-only');
CREATE TRIGGER appeal_opinions_never_truncated BEFORE TRUNCATE ON appeal_opinions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('appeal_opinions is append-only');
