-- Who acted, behind an opaque id: erasing a row here leaves the journal as it is.
CREATE TABLE actors (
    id BLOB NOT NULL PRIMARY KEY,
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (issuer, subject)
);

-- Every state change, in the order of its position, written with the change itself.
CREATE TABLE changes (
    position INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at BIGINT NOT NULL,
    actor_id BLOB,
    role TEXT NOT NULL,
    organisation_id BLOB,
    action TEXT NOT NULL,
    resource TEXT NOT NULL,
    resource_id BLOB NOT NULL,
    resource_version INTEGER NOT NULL,
    changed TEXT NOT NULL,
    transaction_id BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX changes_by_resource ON changes (resource_id, position);
CREATE INDEX changes_by_transaction ON changes (transaction_id, position);
CREATE TRIGGER changes_never_updated BEFORE UPDATE ON changes
BEGIN
    SELECT RAISE(ABORT, 'changes is append-only');
END;
CREATE TRIGGER changes_never_deleted BEFORE DELETE ON changes
BEGIN
    SELECT RAISE(ABORT, 'changes is append-only');
END;
-- INSERT OR REPLACE deletes without a word to the trigger above.
CREATE TRIGGER changes_never_replaced BEFORE INSERT ON changes
WHEN EXISTS (SELECT 1 FROM changes o WHERE o.position = NEW.position)
BEGIN
    SELECT RAISE(ABORT, 'changes is append-only');
END;

-- Numbers given out in order and never again.
CREATE TABLE counters (
    name TEXT NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);
