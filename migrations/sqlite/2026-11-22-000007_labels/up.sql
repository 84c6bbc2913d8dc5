CREATE TABLE label_applications (
    id BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    solution_id BLOB NOT NULL REFERENCES solutions (id),
    organisation_id BLOB NOT NULL REFERENCES organisations (id),
    status TEXT NOT NULL,
    solution_version INTEGER,
    evaluation_id BLOB REFERENCES evaluations (id),
    set_id BLOB REFERENCES criteria_sets (id),
    audit_body_id BLOB REFERENCES organisations (id),
    evaluator_id BLOB,
    details TEXT NOT NULL,
    moderation TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    submitted_at BIGINT,
    admission_due_at BIGINT,
    decided_at BIGINT
);
CREATE UNIQUE INDEX one_open_application ON label_applications (solution_id)
    WHERE status NOT IN ('inadmissible', 'abandoned', 'decided');
CREATE INDEX label_applications_by_organisation ON label_applications (organisation_id, id);
CREATE INDEX label_applications_by_body ON label_applications (audit_body_id, id);
CREATE INDEX label_applications_by_status ON label_applications (status, id);

-- The auditor's own result for each criterion, beside the declared one.
CREATE TABLE findings (
    application_id BLOB NOT NULL REFERENCES label_applications (id),
    criterion TEXT NOT NULL,
    result TEXT NOT NULL,
    value TEXT,
    score INTEGER,
    comment TEXT NOT NULL,
    evidence TEXT NOT NULL,
    actor_id BLOB NOT NULL,
    recorded_at BIGINT NOT NULL,
    PRIMARY KEY (application_id, criterion)
);

CREATE TABLE audit_reports (
    application_id BLOB NOT NULL PRIMARY KEY REFERENCES label_applications (id),
    recommendation TEXT NOT NULL,
    summary TEXT NOT NULL,
    scores TEXT NOT NULL,
    actor_id BLOB NOT NULL,
    submitted_at BIGINT NOT NULL
);
CREATE TRIGGER audit_reports_never_updated BEFORE UPDATE ON audit_reports
BEGIN
    SELECT RAISE(ABORT, 'audit_reports is append-only');
END;
CREATE TRIGGER audit_reports_never_deleted BEFORE DELETE ON audit_reports
BEGIN
    SELECT RAISE(ABORT, 'audit_reports is append-only');
END;
-- INSERT OR REPLACE deletes without a word to the trigger above.
CREATE TRIGGER audit_reports_never_replaced BEFORE INSERT ON audit_reports
WHEN EXISTS (SELECT 1 FROM audit_reports o WHERE o.application_id = NEW.application_id)
BEGIN
    SELECT RAISE(ABORT, 'audit_reports is append-only');
END;

CREATE TABLE label_decisions (
    id BLOB NOT NULL PRIMARY KEY,
    application_id BLOB NOT NULL REFERENCES label_applications (id),
    organisation_id BLOB NOT NULL REFERENCES organisations (id),
    outcome TEXT NOT NULL,
    content TEXT NOT NULL,
    label_number TEXT,
    corrects BLOB REFERENCES label_decisions (id),
    actor_id BLOB NOT NULL,
    decided_at BIGINT NOT NULL
);
CREATE INDEX label_decisions_by_application ON label_decisions (application_id, id);
CREATE TRIGGER label_decisions_never_updated BEFORE UPDATE ON label_decisions
BEGIN
    SELECT RAISE(ABORT, 'label_decisions is append-only');
END;
CREATE TRIGGER label_decisions_never_deleted BEFORE DELETE ON label_decisions
BEGIN
    SELECT RAISE(ABORT, 'label_decisions is append-only');
END;
-- INSERT OR REPLACE deletes without a word to the trigger above.
CREATE TRIGGER label_decisions_never_replaced BEFORE INSERT ON label_decisions
WHEN EXISTS (SELECT 1 FROM label_decisions o WHERE o.id = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'label_decisions is append-only');
END;

CREATE TABLE labels (
    number TEXT NOT NULL PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    version INTEGER NOT NULL,
    solution_id BLOB NOT NULL REFERENCES solutions (id),
    application_id BLOB NOT NULL REFERENCES label_applications (id),
    decision_id BLOB NOT NULL REFERENCES label_decisions (id),
    audit_body_id BLOB NOT NULL REFERENCES organisations (id),
    status TEXT NOT NULL,
    content TEXT NOT NULL,
    valid_from DATE NOT NULL,
    valid_until DATE NOT NULL,
    granted_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX labels_by_solution ON labels (solution_id, number);
CREATE INDEX labels_by_status ON labels (status, number);

CREATE TRIGGER findings_fixed_on_update BEFORE UPDATE ON findings
WHEN EXISTS (SELECT 1 FROM label_applications a WHERE a.id = OLD.application_id AND a.status <> 'in_audit') OR EXISTS (SELECT 1 FROM label_applications a WHERE a.id = NEW.application_id AND a.status <> 'in_audit')
BEGIN
    SELECT RAISE(ABORT, 'findings never change once the report is in');
END;
CREATE TRIGGER findings_fixed_on_delete BEFORE DELETE ON findings
WHEN EXISTS (SELECT 1 FROM label_applications a WHERE a.id = OLD.application_id AND a.status <> 'in_audit')
BEGIN
    SELECT RAISE(ABORT, 'findings never change once the report is in');
END;
CREATE TRIGGER findings_fixed_on_insert BEFORE INSERT ON findings
WHEN EXISTS (SELECT 1 FROM label_applications a WHERE a.id = NEW.application_id AND a.status <> 'in_audit')
BEGIN
    SELECT RAISE(ABORT, 'findings never change once the report is in');
END;
