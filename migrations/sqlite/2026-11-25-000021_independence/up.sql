-- Which audit bodies may examine what, until when.
CREATE TABLE accreditations (
    id BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    organisation_id BLOB NOT NULL REFERENCES organisations (id),
    status TEXT NOT NULL,
    scope TEXT NOT NULL,
    valid_from DATE,
    valid_until DATE,
    -- What was done and why, oldest first.
    steps TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX one_accreditation ON accreditations (organisation_id) WHERE status <> 'withdrawn';
CREATE INDEX accreditations_by_organisation ON accreditations (organisation_id, id);
CREATE INDEX accreditations_by_status ON accreditations (status, id);

-- Public keys with which a body signs what it decides.
CREATE TABLE signing_keys (
    id BLOB NOT NULL PRIMARY KEY,
    accreditation_id BLOB NOT NULL REFERENCES accreditations (id),
    kid TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    public_key TEXT NOT NULL,
    valid_from BIGINT NOT NULL,
    valid_until BIGINT NOT NULL,
    revoked_at BIGINT,
    created_at BIGINT NOT NULL
);
CREATE INDEX signing_keys_by_accreditation ON signing_keys (accreditation_id, id);
CREATE TRIGGER signing_keys_never_altered BEFORE UPDATE ON signing_keys
WHEN OLD.revoked_at IS NOT NULL OR NEW.revoked_at IS NULL OR NEW.id <> OLD.id OR NEW.accreditation_id <> OLD.accreditation_id
    OR NEW.kid <> OLD.kid OR NEW.name <> OLD.name OR NEW.public_key <> OLD.public_key OR NEW.valid_from <> OLD.valid_from
    OR NEW.valid_until <> OLD.valid_until OR NEW.created_at <> OLD.created_at
BEGIN
    SELECT RAISE(ABORT, 'a signing key is only ever revoked');
END;
CREATE TRIGGER signing_keys_never_deleted BEFORE DELETE ON signing_keys
BEGIN
    SELECT RAISE(ABORT, 'a signing key is only ever revoked');
END;
-- INSERT OR REPLACE deletes without a word to the trigger above.
CREATE TRIGGER signing_keys_never_replaced BEFORE INSERT ON signing_keys
WHEN EXISTS (SELECT 1 FROM signing_keys o WHERE o.id = NEW.id OR o.kid = NEW.kid)
BEGIN
    SELECT RAISE(ABORT, 'a signing key is only ever revoked');
END;

-- Which persons may examine or decide for a body.
CREATE TABLE qualifications (
    id BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    organisation_id BLOB NOT NULL REFERENCES organisations (id),
    actor_id BLOB NOT NULL,
    status TEXT NOT NULL,
    themes TEXT NOT NULL,
    duties TEXT NOT NULL,
    reason TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX one_qualification ON qualifications (organisation_id, actor_id) WHERE status <> 'ended';
CREATE INDEX qualifications_by_organisation ON qualifications (organisation_id, id);
CREATE INDEX qualifications_by_person ON qualifications (actor_id, id);

-- Which opaque ids are one person.
CREATE TABLE person_identities (
    actor_id BLOB NOT NULL PRIMARY KEY,
    person_id BLOB NOT NULL,
    linked_at BIGINT NOT NULL
);
CREATE INDEX person_identities_by_person ON person_identities (person_id);

-- Which organisations belong together.
CREATE TABLE organisation_links (
    id BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    organisation_id BLOB NOT NULL REFERENCES organisations (id),
    other_id BLOB NOT NULL REFERENCES organisations (id),
    kind TEXT NOT NULL,
    since DATE NOT NULL,
    until DATE,
    -- The party that declared it; null when the operator recorded it.
    declarant_id BLOB REFERENCES organisations (id),
    end_reason TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX organisation_links_by_organisation ON organisation_links (organisation_id, id);
CREATE INDEX organisation_links_by_other ON organisation_links (other_id, id);

-- What bodies and their persons declared about a vendor, case by case.
CREATE TABLE interest_declarations (
    id BLOB NOT NULL PRIMARY KEY,
    application_id BLOB NOT NULL REFERENCES label_applications (id),
    organisation_id BLOB NOT NULL REFERENCES organisations (id),
    vendor_id BLOB NOT NULL REFERENCES organisations (id),
    actor_id BLOB NOT NULL,
    holder TEXT NOT NULL,
    kind TEXT NOT NULL,
    description TEXT NOT NULL,
    since DATE NOT NULL,
    until DATE,
    declared_at BIGINT NOT NULL
);
CREATE INDEX interest_declarations_by_application ON interest_declarations (application_id, id);
CREATE INDEX interest_declarations_by_parties ON interest_declarations (organisation_id, vendor_id, id);
CREATE TRIGGER interest_declarations_never_updated BEFORE UPDATE ON interest_declarations
BEGIN
    SELECT RAISE(ABORT, 'interest_declarations is append-only');
END;
CREATE TRIGGER interest_declarations_never_deleted BEFORE DELETE ON interest_declarations
BEGIN
    SELECT RAISE(ABORT, 'interest_declarations is append-only');
END;
-- INSERT OR REPLACE deletes without a word to the trigger above.
CREATE TRIGGER interest_declarations_never_replaced BEFORE INSERT ON interest_declarations
WHEN EXISTS (SELECT 1 FROM interest_declarations o WHERE o.id = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'interest_declarations is append-only');
END;

ALTER TABLE label_applications ADD COLUMN accepted_at BIGINT;
-- Why the case stands still; null when it does not.
ALTER TABLE label_applications ADD COLUMN frozen TEXT;
-- Interests that do not exclude and are disclosed with the label.
ALTER TABLE label_applications ADD COLUMN disclosures TEXT NOT NULL DEFAULT '[]';
CREATE INDEX label_applications_by_evaluator ON label_applications (evaluator_id, solution_id);
