-- What has come over a label since it was granted: reservations lifted, suspension, change to assess.
ALTER TABLE labels ADD COLUMN standing TEXT NOT NULL DEFAULT '{}';
-- Up to and with which day its vendor and its solution may not apply again.
ALTER TABLE labels ADD COLUMN banned_until DATE;
CREATE INDEX labels_by_end ON labels (valid_until);
CREATE INDEX labels_by_body ON labels (audit_body_id, number);

-- What was done to a label after it was granted, and why.
CREATE TABLE label_acts (
    id BLOB NOT NULL PRIMARY KEY,
    label_number TEXT NOT NULL REFERENCES labels (number),
    kind TEXT NOT NULL,
    reason TEXT,
    details TEXT NOT NULL,
    -- Null when the catalogue itself acted.
    actor_id BLOB,
    organisation_id BLOB REFERENCES organisations (id),
    role TEXT NOT NULL,
    acted_at BIGINT NOT NULL
);
CREATE INDEX label_acts_by_label ON label_acts (label_number, id);
CREATE INDEX label_acts_by_person ON label_acts (actor_id);
CREATE TRIGGER label_acts_never_updated BEFORE UPDATE ON label_acts
BEGIN
    SELECT RAISE(ABORT, 'label_acts is append-only');
END;
CREATE TRIGGER label_acts_never_deleted BEFORE DELETE ON label_acts
BEGIN
    SELECT RAISE(ABORT, 'label_acts is append-only');
END;
-- INSERT OR REPLACE deletes without a word to the trigger above.
CREATE TRIGGER label_acts_never_replaced BEFORE INSERT ON label_acts
WHEN EXISTS (SELECT 1 FROM label_acts o WHERE o.id = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'label_acts is append-only');
END;

-- What third parties hold against a label.
CREATE TABLE complaints (
    id BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    label_number TEXT NOT NULL REFERENCES labels (number),
    -- Who complains.
    organisation_id BLOB NOT NULL REFERENCES organisations (id),
    actor_id BLOB NOT NULL,
    status TEXT NOT NULL,
    text TEXT NOT NULL,
    evidence TEXT NOT NULL,
    answer TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    answered_at BIGINT
);
CREATE UNIQUE INDEX one_open_complaint ON complaints (label_number, organisation_id) WHERE status = 'open';
CREATE INDEX complaints_by_organisation ON complaints (organisation_id, id);
CREATE INDEX complaints_by_label ON complaints (label_number, id);
CREATE INDEX complaints_by_person ON complaints (actor_id);

-- Who has to know of which entry of the journal; in the order in which they were committed.
CREATE TABLE notifications (
    position BIGINT NOT NULL PRIMARY KEY,
    -- Null: the operator.
    recipient_id BLOB REFERENCES organisations (id),
    change_position BIGINT NOT NULL,
    -- Where what it is about is found.
    address TEXT NOT NULL,
    due_on DATE,
    reminder TEXT,
    created_at BIGINT NOT NULL
);
CREATE INDEX notifications_by_recipient ON notifications (recipient_id, position);
CREATE INDEX notifications_by_age ON notifications (created_at);

-- What was reminded of, so that it is once.
CREATE TABLE reminders (
    kind TEXT NOT NULL,
    resource_id BLOB NOT NULL,
    -- Which part of it, such as the criterion of a reservation; empty: all of it.
    about TEXT NOT NULL,
    due_on DATE NOT NULL,
    PRIMARY KEY (resource_id, kind, about, due_on)
);
CREATE INDEX reminders_by_day ON reminders (due_on);

INSERT INTO counters (name, value) VALUES ('notifications', 0);
