-- Earlier texts of a review go with the link to their author: they may be deleted, still never altered.
DROP TRIGGER review_edits_never_deleted;
ALTER TABLE reviews ADD COLUMN anonymised_at BIGINT;
CREATE INDEX changes_by_actor ON changes (actor_id, position);

-- Whose identity was erased but whose opaque id must still be found again, so
-- that nobody decides on their own case under a new id: a keyed hash of issuer
-- and subject, kept as long as such a case lives.
CREATE TABLE erased_persons (
    fingerprint TEXT NOT NULL PRIMARY KEY,
    actor_id BLOB NOT NULL UNIQUE,
    erased_at BIGINT NOT NULL
);
CREATE TABLE erasure_keys (
    name TEXT NOT NULL PRIMARY KEY,
    secret TEXT NOT NULL
);

-- Who outside its own organisation was shown restricted evidence.
CREATE TABLE evidence_accesses (
    id BLOB NOT NULL PRIMARY KEY,
    -- No reference: a draft that was read may be deleted, the record stays.
    solution_id BLOB NOT NULL,
    -- Whose evidence it is.
    organisation_id BLOB,
    resource TEXT NOT NULL,
    resource_id BLOB NOT NULL,
    actor_id BLOB NOT NULL,
    role TEXT NOT NULL,
    reader_organisation_id BLOB,
    accessed_at BIGINT NOT NULL
);
CREATE INDEX evidence_accesses_by_solution ON evidence_accesses (solution_id, id);
CREATE INDEX evidence_accesses_by_age ON evidence_accesses (accessed_at);
CREATE TRIGGER evidence_accesses_never_updated BEFORE UPDATE ON evidence_accesses
BEGIN
    SELECT RAISE(ABORT, 'an access to evidence never changes');
END;
