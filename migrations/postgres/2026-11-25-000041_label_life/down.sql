DELETE FROM counters WHERE name = 'notifications';
DROP TABLE reminders;
DROP TABLE notifications;
DROP TABLE complaints;
DROP TABLE label_acts;
DROP INDEX labels_by_body;
DROP INDEX labels_by_end;
ALTER TABLE labels DROP COLUMN banned_until;
ALTER TABLE labels DROP COLUMN standing;
