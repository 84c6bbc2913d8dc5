-- The transparency log: every entry in the order of the log, as canonical JSON.
CREATE TABLE log_entries (
    position BIGINT NOT NULL PRIMARY KEY,
    -- Number of the label or thumbprint of the key it is about; empty: neither.
    subject TEXT NOT NULL,
    -- Counts the entries of a subject from 1.
    subject_seq INTEGER NOT NULL,
    entry TEXT NOT NULL,
    logged_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX log_entries_by_subject ON log_entries (subject, subject_seq) WHERE subject <> '';
CREATE TRIGGER log_entries_never_updated BEFORE UPDATE ON log_entries
BEGIN
    SELECT RAISE(ABORT, 'log_entries is append-only');
END;
CREATE TRIGGER log_entries_never_deleted BEFORE DELETE ON log_entries
BEGIN
    SELECT RAISE(ABORT, 'log_entries is append-only');
END;
-- INSERT OR REPLACE deletes without a word to the trigger above.
CREATE TRIGGER log_entries_never_replaced BEFORE INSERT ON log_entries
WHEN EXISTS (SELECT 1 FROM log_entries o WHERE o.position = NEW.position)
BEGIN
    SELECT RAISE(ABORT, 'log_entries is append-only');
END;

-- The hash of every complete subtree over the entries: 2^level leaves each.
CREATE TABLE log_nodes (
    level INTEGER NOT NULL,
    position BIGINT NOT NULL,
    hash TEXT NOT NULL,
    PRIMARY KEY (level, position)
);
CREATE TRIGGER log_nodes_never_updated BEFORE UPDATE ON log_nodes
BEGIN
    SELECT RAISE(ABORT, 'log_nodes is append-only');
END;
CREATE TRIGGER log_nodes_never_deleted BEFORE DELETE ON log_nodes
BEGIN
    SELECT RAISE(ABORT, 'log_nodes is append-only');
END;
CREATE TRIGGER log_nodes_never_replaced BEFORE INSERT ON log_nodes
WHEN EXISTS (SELECT 1 FROM log_nodes o WHERE o.level = NEW.level AND o.position = NEW.position)
BEGIN
    SELECT RAISE(ABORT, 'log_nodes is append-only');
END;

-- Attestations as they were signed, under the hash by which an entry names them.
CREATE TABLE attestations (
    hash TEXT NOT NULL PRIMARY KEY,
    label TEXT NOT NULL REFERENCES labels (number),
    credential TEXT NOT NULL,
    issued_at BIGINT NOT NULL
);
CREATE INDEX attestations_by_label ON attestations (label, issued_at);
CREATE TRIGGER attestations_never_updated BEFORE UPDATE ON attestations
BEGIN
    SELECT RAISE(ABORT, 'attestations is append-only');
END;
CREATE TRIGGER attestations_never_deleted BEFORE DELETE ON attestations
BEGIN
    SELECT RAISE(ABORT, 'attestations is append-only');
END;
CREATE TRIGGER attestations_never_replaced BEFORE INSERT ON attestations
WHEN EXISTS (SELECT 1 FROM attestations o WHERE o.hash = NEW.hash)
BEGIN
    SELECT RAISE(ABORT, 'attestations is append-only');
END;

-- How many entries there are; its row is locked by who appends.
INSERT INTO counters (name, value) VALUES ('log', 0);
