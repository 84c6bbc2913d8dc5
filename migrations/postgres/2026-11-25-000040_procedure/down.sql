DROP TABLE appeal_opinions;
DROP TABLE appeals;

-- Of each criterion and of each case what was found and reported last.
ALTER TABLE audit_reports DISABLE TRIGGER audit_reports_never_change;
DELETE FROM audit_reports r
WHERE EXISTS (SELECT 1 FROM audit_reports o WHERE o.application_id = r.application_id AND o.round > r.round);
ALTER TABLE audit_reports ENABLE TRIGGER audit_reports_never_change;
ALTER TABLE audit_reports DROP CONSTRAINT audit_reports_pkey;
ALTER TABLE audit_reports DROP COLUMN round;
ALTER TABLE audit_reports ADD PRIMARY KEY (application_id);

ALTER TABLE findings DISABLE TRIGGER findings_frozen;
DELETE FROM findings f
WHERE EXISTS (SELECT 1 FROM findings o WHERE o.application_id = f.application_id AND o.criterion = f.criterion AND o.round > f.round);
ALTER TABLE findings ENABLE TRIGGER findings_frozen;
ALTER TABLE findings DROP CONSTRAINT findings_pkey;
ALTER TABLE findings DROP COLUMN round;
ALTER TABLE findings ADD PRIMARY KEY (application_id, criterion);
CREATE OR REPLACE FUNCTION findings_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' AND EXISTS (SELECT 1 FROM label_applications a WHERE a.id = OLD.application_id AND a.status <> 'in_audit')
       OR TG_OP <> 'DELETE' AND EXISTS (SELECT 1 FROM label_applications a WHERE a.id = NEW.application_id AND a.status <> 'in_audit') THEN
        RAISE EXCEPTION 'findings never change once the report is in' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN COALESCE(NEW, OLD);
END $$;

DROP INDEX label_applications_by_due;
ALTER TABLE label_applications DROP COLUMN round;
ALTER TABLE label_applications DROP COLUMN due_at;
ALTER TABLE label_applications DROP COLUMN procedure;
