-- Which audit bodies may examine what, until when.
CREATE TABLE accreditations (
    id uuid PRIMARY KEY,
    version integer NOT NULL,
    organisation_id uuid NOT NULL REFERENCES organisations (id),
    status text NOT NULL,
    scope jsonb NOT NULL,
    valid_from date,
    valid_until date,
    -- What was done and why, oldest first.
    steps jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX one_accreditation ON accreditations (organisation_id) WHERE status <> 'withdrawn';
CREATE INDEX accreditations_by_organisation ON accreditations (organisation_id, id);
CREATE INDEX accreditations_by_status ON accreditations (status, id);

-- Public keys with which a body signs what it decides.
CREATE TABLE signing_keys (
    id uuid PRIMARY KEY,
    accreditation_id uuid NOT NULL REFERENCES accreditations (id),
    kid text COLLATE "C" NOT NULL UNIQUE,
    name text NOT NULL,
    public_key text NOT NULL,
    valid_from timestamptz NOT NULL,
    valid_until timestamptz NOT NULL,
    revoked_at timestamptz,
    created_at timestamptz NOT NULL
);
CREATE INDEX signing_keys_by_accreditation ON signing_keys (accreditation_id, id);
-- A function and not a WHEN: a dump writes the condition otherwise than it was given.
CREATE FUNCTION signing_key_only_revoked() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.revoked_at IS NOT NULL OR NEW.revoked_at IS NULL
       OR (NEW.id, NEW.accreditation_id, NEW.kid, NEW.name, NEW.public_key, NEW.valid_from, NEW.valid_until, NEW.created_at)
       IS DISTINCT FROM (OLD.id, OLD.accreditation_id, OLD.kid, OLD.name, OLD.public_key, OLD.valid_from, OLD.valid_until, OLD.created_at) THEN
        RAISE EXCEPTION 'a signing key is only ever revoked' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER signing_keys_never_altered BEFORE UPDATE ON signing_keys
    FOR EACH ROW EXECUTE FUNCTION signing_key_only_revoked();
CREATE TRIGGER signing_keys_never_deleted BEFORE DELETE ON signing_keys
    FOR EACH ROW EXECUTE FUNCTION refuse_change('a signing key is only ever revoked');
CREATE TRIGGER signing_keys_never_truncated BEFORE TRUNCATE ON signing_keys
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('a signing key is only ever revoked');

-- Which persons may examine or decide for a body.
CREATE TABLE qualifications (
    id uuid PRIMARY KEY,
    version integer NOT NULL,
    organisation_id uuid NOT NULL REFERENCES organisations (id),
    actor_id uuid NOT NULL,
    status text NOT NULL,
    themes jsonb NOT NULL,
    duties jsonb NOT NULL,
    reason text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX one_qualification ON qualifications (organisation_id, actor_id) WHERE status <> 'ended';
CREATE INDEX qualifications_by_organisation ON qualifications (organisation_id, id);
CREATE INDEX qualifications_by_person ON qualifications (actor_id, id);

-- Which opaque ids are one person.
CREATE TABLE person_identities (
    actor_id uuid PRIMARY KEY,
    person_id uuid NOT NULL,
    linked_at timestamptz NOT NULL
);
CREATE INDEX person_identities_by_person ON person_identities (person_id);

-- Which organisations belong together.
CREATE TABLE organisation_links (
    id uuid PRIMARY KEY,
    version integer NOT NULL,
    organisation_id uuid NOT NULL REFERENCES organisations (id),
    other_id uuid NOT NULL REFERENCES organisations (id),
    kind text NOT NULL,
    since date NOT NULL,
    until date,
    -- The party that declared it; null when the operator recorded it.
    declarant_id uuid REFERENCES organisations (id),
    end_reason text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX organisation_links_by_organisation ON organisation_links (organisation_id, id);
CREATE INDEX organisation_links_by_other ON organisation_links (other_id, id);

-- What bodies and their persons declared about a vendor, case by case.
CREATE TABLE interest_declarations (
    id uuid PRIMARY KEY,
    application_id uuid NOT NULL REFERENCES label_applications (id),
    organisation_id uuid NOT NULL REFERENCES organisations (id),
    vendor_id uuid NOT NULL REFERENCES organisations (id),
    actor_id uuid NOT NULL,
    holder text NOT NULL,
    kind text NOT NULL,
    description text NOT NULL,
    since date NOT NULL,
    until date,
    declared_at timestamptz NOT NULL
);
CREATE INDEX interest_declarations_by_application ON interest_declarations (application_id, id);
CREATE INDEX interest_declarations_by_parties ON interest_declarations (organisation_id, vendor_id, id);
CREATE TRIGGER interest_declarations_never_change BEFORE UPDATE OR DELETE ON interest_declarations
    FOR EACH ROW EXECUTE FUNCTION refuse_change('interest_declarations is append-only');
CREATE TRIGGER interest_declarations_never_truncated BEFORE TRUNCATE ON interest_declarations
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('interest_declarations is append-only');

ALTER TABLE label_applications ADD COLUMN accepted_at timestamptz;
-- Why the case stands still; null when it does not.
ALTER TABLE label_applications ADD COLUMN frozen jsonb;
-- Interests that do not exclude and are disclosed with the label.
ALTER TABLE label_applications ADD COLUMN disclosures jsonb NOT NULL DEFAULT '[]';
CREATE INDEX label_applications_by_evaluator ON label_applications (evaluator_id, solution_id);
