-- What has come over a label since it was granted: reservations lifted, suspension, change to assess.
ALTER TABLE labels ADD COLUMN standing jsonb NOT NULL DEFAULT '{}';
-- Up to and with which day its vendor and its solution may not apply again.
ALTER TABLE labels ADD COLUMN banned_until date;
CREATE INDEX labels_by_end ON labels (valid_until);
CREATE INDEX labels_by_body ON labels (audit_body_id, number);

-- What was done to a label after it was granted, and why.
CREATE TABLE label_acts (
    id uuid PRIMARY KEY,
    label_number text COLLATE "C" NOT NULL REFERENCES labels (number),
    kind text NOT NULL,
    reason text,
    details jsonb NOT NULL,
    -- Null when the catalogue itself acted.
    actor_id uuid,
    organisation_id uuid REFERENCES organisations (id),
    role text NOT NULL,
    acted_at timestamptz NOT NULL
);
CREATE INDEX label_acts_by_label ON label_acts (label_number, id);
CREATE INDEX label_acts_by_person ON label_acts (actor_id);
CREATE TRIGGER label_acts_never_change BEFORE UPDATE OR DELETE ON label_acts
    FOR EACH ROW EXECUTE FUNCTION refuse_change('label_acts is append-only');
CREATE TRIGGER label_acts_never_truncated BEFORE TRUNCATE ON label_acts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('label_acts is append-only');

-- What third parties hold against a label.
CREATE TABLE complaints (
    id uuid PRIMARY KEY,
    version integer NOT NULL,
    label_number text COLLATE "C" NOT NULL REFERENCES labels (number),
    -- Who complains.
    organisation_id uuid NOT NULL REFERENCES organisations (id),
    actor_id uuid NOT NULL,
    status text NOT NULL,
    text text NOT NULL,
    evidence jsonb NOT NULL,
    answer text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    answered_at timestamptz
);
CREATE UNIQUE INDEX one_open_complaint ON complaints (label_number, organisation_id) WHERE status = 'open';
CREATE INDEX complaints_by_organisation ON complaints (organisation_id, id);
CREATE INDEX complaints_by_label ON complaints (label_number, id);
CREATE INDEX complaints_by_person ON complaints (actor_id);

-- Who has to know of which entry of the journal; in the order in which they were committed.
CREATE TABLE notifications (
    position bigint PRIMARY KEY,
    -- Null: the operator.
    recipient_id uuid REFERENCES organisations (id),
    change_position bigint NOT NULL,
    -- Where what it is about is found.
    address text NOT NULL,
    due_on date,
    reminder text,
    created_at timestamptz NOT NULL
);
CREATE INDEX notifications_by_recipient ON notifications (recipient_id, position);
CREATE INDEX notifications_by_age ON notifications (created_at);

-- What was reminded of, so that it is once.
CREATE TABLE reminders (
    kind text COLLATE "C" NOT NULL,
    resource_id uuid NOT NULL,
    -- Which part of it, such as the criterion of a reservation; empty: all of it.
    about text COLLATE "C" NOT NULL,
    due_on date NOT NULL,
    PRIMARY KEY (resource_id, kind, about, due_on)
);
CREATE INDEX reminders_by_day ON reminders (due_on);

INSERT INTO counters (name, value) VALUES ('notifications', 0);
