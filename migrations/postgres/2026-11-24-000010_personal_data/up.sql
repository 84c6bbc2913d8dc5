-- Earlier texts of a review go with the link to their author: they may be deleted, still never altered.
DROP TRIGGER review_edits_never_change ON review_edits;
CREATE TRIGGER review_edits_never_updated BEFORE UPDATE ON review_edits
    FOR EACH ROW EXECUTE FUNCTION refuse_change('review_edits is append-only');
ALTER TABLE reviews ADD COLUMN anonymised_at timestamptz;
CREATE INDEX changes_by_actor ON changes (actor_id, position);

-- Whose identity was erased but whose opaque id must still be found again, so
-- that nobody decides on their own case under a new id: a keyed hash of issuer
-- and subject, kept as long as such a case lives.
CREATE TABLE erased_persons (
    fingerprint text COLLATE "C" PRIMARY KEY,
    actor_id uuid NOT NULL UNIQUE,
    erased_at timestamptz NOT NULL
);
CREATE TABLE erasure_keys (
    name text COLLATE "C" PRIMARY KEY,
    secret text NOT NULL
);

-- Who outside its own organisation was shown restricted evidence.
CREATE TABLE evidence_accesses (
    id uuid PRIMARY KEY,
    -- No reference: a draft that was read may be deleted, the record stays.
    solution_id uuid NOT NULL,
    -- Whose evidence it is.
    organisation_id uuid,
    resource text NOT NULL,
    resource_id uuid NOT NULL,
    actor_id uuid NOT NULL,
    role text NOT NULL,
    reader_organisation_id uuid,
    accessed_at timestamptz NOT NULL
);
CREATE INDEX evidence_accesses_by_solution ON evidence_accesses (solution_id, id);
CREATE INDEX evidence_accesses_by_age ON evidence_accesses (accessed_at);
CREATE TRIGGER evidence_accesses_never_updated BEFORE UPDATE ON evidence_accesses
    FOR EACH ROW EXECUTE FUNCTION refuse_change('an access to evidence never changes');
