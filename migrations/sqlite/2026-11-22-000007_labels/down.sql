DROP TABLE labels;
DROP TABLE label_decisions;
DROP TABLE audit_reports;
DROP TABLE findings;
DROP TABLE label_applications;
