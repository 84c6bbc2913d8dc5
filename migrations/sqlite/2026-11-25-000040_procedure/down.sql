DROP TABLE appeal_opinions;
DROP TABLE appeals;

-- Of each criterion and of each case what was found and reported last.
CREATE TABLE audit_reports_of_one (
    application_id BLOB NOT NULL PRIMARY KEY REFERENCES label_applications (id),
    recommendation TEXT NOT NULL,
    summary TEXT NOT NULL,
    scores TEXT NOT NULL,
    actor_id BLOB NOT NULL,
    submitted_at BIGINT NOT NULL
);
INSERT INTO audit_reports_of_one
SELECT application_id, recommendation, summary, scores, actor_id, submitted_at FROM audit_reports r
WHERE NOT EXISTS (SELECT 1 FROM audit_reports o WHERE o.application_id = r.application_id AND o.round > r.round);
DROP TABLE audit_reports;
ALTER TABLE audit_reports_of_one RENAME TO audit_reports;
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

CREATE TABLE findings_of_one (
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
INSERT INTO findings_of_one
SELECT application_id, criterion, result, value, score, comment, evidence, actor_id, recorded_at FROM findings f
WHERE NOT EXISTS (SELECT 1 FROM findings o WHERE o.application_id = f.application_id AND o.criterion = f.criterion AND o.round > f.round);
DROP TABLE findings;
ALTER TABLE findings_of_one RENAME TO findings;
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

DROP INDEX label_applications_by_due;
ALTER TABLE label_applications DROP COLUMN round;
ALTER TABLE label_applications DROP COLUMN due_at;
ALTER TABLE label_applications DROP COLUMN procedure;
