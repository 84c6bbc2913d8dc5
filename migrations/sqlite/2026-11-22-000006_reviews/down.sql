DROP TABLE review_reports;
DROP TABLE review_edits;
DROP TABLE reviews;
