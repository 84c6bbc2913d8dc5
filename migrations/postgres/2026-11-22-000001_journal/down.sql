DROP TABLE counters;
DROP TABLE changes;
DROP TABLE actors;
DROP FUNCTION refuse_change();
