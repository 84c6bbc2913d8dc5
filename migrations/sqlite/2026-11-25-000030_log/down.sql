DELETE FROM counters WHERE name = 'log';
DROP TABLE attestations;
DROP TABLE log_nodes;
DROP TABLE log_entries;
