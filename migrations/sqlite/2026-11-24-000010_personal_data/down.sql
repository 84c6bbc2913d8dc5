DROP TABLE evidence_accesses;
DROP TABLE erasure_keys;
DROP TABLE erased_persons;
DROP INDEX changes_by_actor;
ALTER TABLE reviews DROP COLUMN anonymised_at;
CREATE TRIGGER review_edits_never_deleted BEFORE DELETE ON review_edits
BEGIN
    SELECT RAISE(ABORT, 'review_edits is append-only');
END;
