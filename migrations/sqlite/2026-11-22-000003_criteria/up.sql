CREATE TABLE criteria_sets (
    id BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    content TEXT NOT NULL,
    based_on BLOB REFERENCES criteria_sets (id),
    published_at BIGINT,
    in_force_on DATE,
    retired_on DATE,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX criteria_sets_by_day ON criteria_sets (in_force_on, id);

CREATE TABLE criteria (
    set_id BLOB NOT NULL REFERENCES criteria_sets (id),
    code TEXT NOT NULL,
    position INTEGER NOT NULL,
    theme TEXT NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (set_id, code)
);

CREATE TRIGGER criteria_sets_fixed_on_update BEFORE UPDATE ON criteria_sets
WHEN OLD.published_at IS NOT NULL AND (OLD.content <> NEW.content OR OLD.published_at IS NOT NEW.published_at OR OLD.in_force_on IS NOT NEW.in_force_on)
BEGIN
    SELECT RAISE(ABORT, 'the content of a published criteria set never changes');
END;
-- INSERT OR REPLACE deletes without a word to the trigger on DELETE.
CREATE TRIGGER criteria_sets_fixed_on_replace BEFORE INSERT ON criteria_sets
WHEN EXISTS (SELECT 1 FROM criteria_sets o WHERE o.id = NEW.id AND o.published_at IS NOT NULL)
BEGIN
    SELECT RAISE(ABORT, 'the content of a published criteria set never changes');
END;
CREATE TRIGGER criteria_sets_fixed_on_delete BEFORE DELETE ON criteria_sets
WHEN OLD.published_at IS NOT NULL
BEGIN
    SELECT RAISE(ABORT, 'the content of a published criteria set never changes');
END;

CREATE TRIGGER criteria_fixed_on_update BEFORE UPDATE ON criteria
WHEN EXISTS (SELECT 1 FROM criteria_sets s WHERE s.id = OLD.set_id AND s.published_at IS NOT NULL) OR EXISTS (SELECT 1 FROM criteria_sets s WHERE s.id = NEW.set_id AND s.published_at IS NOT NULL)
BEGIN
    SELECT RAISE(ABORT, 'the criteria of a published set never change');
END;
CREATE TRIGGER criteria_fixed_on_delete BEFORE DELETE ON criteria
WHEN EXISTS (SELECT 1 FROM criteria_sets s WHERE s.id = OLD.set_id AND s.published_at IS NOT NULL)
BEGIN
    SELECT RAISE(ABORT, 'the criteria of a published set never change');
END;
CREATE TRIGGER criteria_fixed_on_insert BEFORE INSERT ON criteria
WHEN EXISTS (SELECT 1 FROM criteria_sets s WHERE s.id = NEW.set_id AND s.published_at IS NOT NULL)
BEGIN
    SELECT RAISE(ABORT, 'the criteria of a published set never change');
END;
