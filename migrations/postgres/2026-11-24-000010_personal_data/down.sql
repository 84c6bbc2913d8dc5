DROP TABLE evidence_accesses;
DROP TABLE erasure_keys;
DROP TABLE erased_persons;
DROP INDEX changes_by_actor;
ALTER TABLE reviews DROP COLUMN anonymised_at;
DROP TRIGGER review_edits_never_updated ON review_edits;
CREATE TRIGGER review_edits_never_change BEFORE UPDATE OR DELETE ON review_edits
    FOR EACH ROW EXECUTE FUNCTION refuse_change('review_edits is append-only');
