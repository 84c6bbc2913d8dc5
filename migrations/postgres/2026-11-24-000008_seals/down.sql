DROP TABLE seals;
DELETE FROM counters WHERE name = 'journal without hashes';
ALTER TABLE changes DROP COLUMN hash;
