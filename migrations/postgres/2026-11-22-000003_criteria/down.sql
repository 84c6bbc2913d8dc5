DROP TABLE criteria;
DROP TABLE criteria_sets;
DROP FUNCTION criteria_frozen();
