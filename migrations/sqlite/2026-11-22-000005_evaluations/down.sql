DROP TABLE contestations;
DROP TABLE evaluation_results;
DROP TABLE answers;
DROP TABLE evaluations;
