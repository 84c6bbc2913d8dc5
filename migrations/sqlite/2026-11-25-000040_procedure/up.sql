-- What vendor, operator and audit body say to each other in a case, and until when one of them has to act.
ALTER TABLE label_applications ADD COLUMN procedure TEXT NOT NULL DEFAULT '{}';
ALTER TABLE label_applications ADD COLUMN due_at BIGINT;
-- 0: the first examination; 1: the one after corrective action.
ALTER TABLE label_applications ADD COLUMN round INTEGER NOT NULL DEFAULT 0;
CREATE INDEX label_applications_by_due ON label_applications (status, due_at);

-- What was found before a corrective action stays beside what was found after it.
CREATE TABLE findings_of_rounds (
    application_id BLOB NOT NULL REFERENCES label_applications (id),
    criterion TEXT NOT NULL,
    round INTEGER NOT NULL DEFAULT 0,
    result TEXT NOT NULL,
    value TEXT,
    score INTEGER,
    comment TEXT NOT NULL,
    evidence TEXT NOT NULL,
    actor_id BLOB NOT NULL,
    recorded_at BIGINT NOT NULL,
    PRIMARY KEY (application_id, criterion, round)
);
INSERT INTO findings_of_rounds SELECT application_id, criterion, 0, result, value, score, comment, evidence, actor_id, recorded_at FROM findings;
DROP TABLE findings;
ALTER TABLE findings_of_rounds RENAME TO findings;
CREATE TRIGGER findings_fixed_on_update BEFORE UPDATE ON findings
WHEN NOT EXISTS (SELECT 1 FROM label_applications a WHERE a.id = OLD.application_id AND a.status = 'in_audit' AND a.round = OLD.round) OR NOT EXISTS (SELECT 1 FROM label_applications a WHERE a.id = NEW.application_id AND a.status = 'in_audit' AND a.round = NEW.round)
BEGIN
    SELECT RAISE(ABORT, 'findings never change once the report is in');
END;
CREATE TRIGGER findings_fixed_on_delete BEFORE DELETE ON findings
WHEN NOT EXISTS (SELECT 1 FROM label_applications a WHERE a.id = OLD.application_id AND a.status = 'in_audit' AND a.round = OLD.round)
BEGIN
    SELECT RAISE(ABORT, 'findings never change once the report is in');
END;
CREATE TRIGGER findings_fixed_on_insert BEFORE INSERT ON findings
WHEN NOT EXISTS (SELECT 1 FROM label_applications a WHERE a.id = NEW.application_id AND a.status = 'in_audit' AND a.round = NEW.round)
BEGIN
    SELECT RAISE(ABORT, 'findings never change once the report is in');
END;

CREATE TABLE audit_reports_of_rounds (
    application_id BLOB NOT NULL REFERENCES label_applications (id),
    round INTEGER NOT NULL DEFAULT 0,
    recommendation TEXT NOT NULL,
    summary TEXT NOT NULL,
    scores TEXT NOT NULL,
    actor_id BLOB NOT NULL,
    submitted_at BIGINT NOT NULL,
    PRIMARY KEY (application_id, round)
);
INSERT INTO audit_reports_of_rounds SELECT application_id, 0, recommendation, summary, scores, actor_id, submitted_at FROM audit_reports;
DROP TABLE audit_reports;
ALTER TABLE audit_reports_of_rounds RENAME TO audit_reports;
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
WHEN EXISTS (SELECT 1 FROM audit_reports o WHERE o.application_id = NEW.application_id AND o.round = NEW.round)
BEGIN
    SELECT RAISE(ABORT, 'audit_reports is append-only');
END;

-- Appeals of vendors against what harms them.
CREATE TABLE appeals (
    id BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    application_id BLOB NOT NULL REFERENCES label_applications (id),
    organisation_id BLOB NOT NULL REFERENCES organisations (id),
    audit_body_id BLOB NOT NULL REFERENCES organisations (id),
    subject_id BLOB NOT NULL UNIQUE,
    label_number TEXT,
    status TEXT NOT NULL,
    grounds TEXT NOT NULL,
    filed_at BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    closed_at BIGINT,
    updated_at BIGINT NOT NULL
);
CREATE INDEX appeals_by_organisation ON appeals (organisation_id, id);
CREATE INDEX appeals_by_body ON appeals (audit_body_id, id);
CREATE INDEX appeals_by_application ON appeals (application_id, id);
CREATE INDEX appeals_by_status ON appeals (status, due_at);

-- What the members of the panel hold, each once.
CREATE TABLE appeal_opinions (
    id BLOB NOT NULL PRIMARY KEY,
    appeal_id BLOB NOT NULL REFERENCES appeals (id),
    opinion TEXT NOT NULL,
    reasons TEXT NOT NULL,
    actor_id BLOB NOT NULL,
    given_at BIGINT NOT NULL
);
CREATE INDEX appeal_opinions_by_appeal ON appeal_opinions (appeal_id, id);
CREATE TRIGGER appeal_opinions_never_updated BEFORE UPDATE ON appeal_opinions
BEGIN
    SELECT RAISE(ABORT, 'appeal_opinions is append-only');
END;
CREATE TRIGGER appeal_opinions_never_deleted BEFORE DELETE ON appeal_opinions
BEGIN
    SELECT RAISE(ABORT, 'appeal_opinions is append-only');
END;
-- INSERT OR REPLACE deletes without a word to the trigger above.
CREATE TRIGGER appeal_opinions_never_replaced BEFORE INSERT ON appeal_opinions
WHEN EXISTS (SELECT 1 FROM appeal_opinions o WHERE o.id = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'appeal_opinions is append-only');
END;
