-- The transparency log: every entry in the order of the log, as canonical JSON.
CREATE TABLE log_entries (
    position bigint PRIMARY KEY,
    -- Number of the label or thumbprint of the key it is about; empty: neither.
    subject text COLLATE "C" NOT NULL,
    -- Counts the entries of a subject from 1.
    subject_seq integer NOT NULL,
    entry text NOT NULL,
    logged_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX log_entries_by_subject ON log_entries (subject, subject_seq) WHERE subject <> '';
CREATE TRIGGER log_entries_never_change BEFORE UPDATE OR DELETE ON log_entries
    FOR EACH ROW EXECUTE FUNCTION refuse_change('log_entries is append-only');
CREATE TRIGGER log_entries_never_truncated BEFORE TRUNCATE ON log_entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('log_entries is append-only');

-- The hash of every complete subtree over the entries: 2^level leaves each.
CREATE TABLE log_nodes (
    level integer NOT NULL,
    position bigint NOT NULL,
    hash text COLLATE "C" NOT NULL,
    PRIMARY KEY (level, position)
);
CREATE TRIGGER log_nodes_never_change BEFORE UPDATE OR DELETE ON log_nodes
    FOR EACH ROW EXECUTE FUNCTION refuse_change('log_nodes is append-only');
CREATE TRIGGER log_nodes_never_truncated BEFORE TRUNCATE ON log_nodes
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('log_nodes is append-only');

-- Attestations as they were signed, under the hash by which an entry names them.
CREATE TABLE attestations (
    hash text COLLATE "C" PRIMARY KEY,
    label text COLLATE "C" NOT NULL REFERENCES labels (number),
    credential text NOT NULL,
    issued_at timestamptz NOT NULL
);
CREATE INDEX attestations_by_label ON attestations (label, issued_at);
CREATE TRIGGER attestations_never_change BEFORE UPDATE OR DELETE ON attestations
    FOR EACH ROW EXECUTE FUNCTION refuse_change('attestations is append-only');
CREATE TRIGGER attestations_never_truncated BEFORE TRUNCATE ON attestations
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('attestations is append-only');

-- How many entries there are; its row is locked by who appends.
INSERT INTO counters (name, value) VALUES ('log', 0);
