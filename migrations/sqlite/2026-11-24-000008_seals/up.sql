-- The hash of every entry, to find one that was altered past its triggers.
ALTER TABLE changes ADD COLUMN hash TEXT;
-- Entries up to here were written before there were hashes.
INSERT INTO counters (name, value) SELECT 'journal without hashes', coalesce(max(position), 0) FROM changes;

-- The hash of everything that never changes, written when it comes into being.
CREATE TABLE seals (
    kind TEXT NOT NULL,
    id BLOB NOT NULL,
    number INTEGER NOT NULL,
    hash TEXT NOT NULL,
    sealed_at BIGINT NOT NULL,
    PRIMARY KEY (kind, id, number)
);
CREATE TRIGGER seals_never_updated BEFORE UPDATE ON seals
BEGIN
    SELECT RAISE(ABORT, 'seals is append-only');
END;
CREATE TRIGGER seals_never_deleted BEFORE DELETE ON seals
BEGIN
    SELECT RAISE(ABORT, 'seals is append-only');
END;
-- INSERT OR REPLACE deletes without a word to the trigger above.
CREATE TRIGGER seals_never_replaced BEFORE INSERT ON seals
WHEN EXISTS (SELECT 1 FROM seals o WHERE o.kind = NEW.kind AND o.id = NEW.id AND o.number = NEW.number)
BEGIN
    SELECT RAISE(ABORT, 'seals is append-only');
END;
