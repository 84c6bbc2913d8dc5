-- The hash of every entry, to find one that was altered past its triggers.
ALTER TABLE changes ADD COLUMN hash text;
-- Entries up to here were written before there were hashes.
INSERT INTO counters (name, value) SELECT 'journal without hashes', coalesce(max(position), 0) FROM changes;

-- The hash of everything that never changes, written when it comes into being.
CREATE TABLE seals (
    kind text NOT NULL,
    id uuid NOT NULL,
    number integer NOT NULL,
    hash text NOT NULL,
    sealed_at timestamptz NOT NULL,
    PRIMARY KEY (kind, id, number)
);
CREATE TRIGGER seals_never_change BEFORE UPDATE OR DELETE ON seals
    FOR EACH ROW EXECUTE FUNCTION refuse_change('seals is append-only');
CREATE TRIGGER seals_never_truncated BEFORE TRUNCATE ON seals
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('seals is append-only');
