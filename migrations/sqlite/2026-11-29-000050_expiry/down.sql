DROP INDEX evaluations_by_set;
DROP INDEX evaluations_by_expiry;
