-- What public lists show, as one value: an order within it can be read from an index, where one
-- within several states would have to be sorted.
ALTER TABLE solutions ADD COLUMN is_listed boolean NOT NULL
    GENERATED ALWAYS AS (status IN ('published', 'outdated')) STORED;
CREATE INDEX listed_solutions_by_name ON solutions (is_listed, name_folded, id);
CREATE INDEX listed_solutions_by_publication ON solutions (is_listed, published_at, id);
CREATE INDEX listed_solutions_by_update ON solutions (is_listed, updated_at, id);
CREATE INDEX listed_solutions_by_score ON solutions (is_listed, score, id);
CREATE INDEX listed_solutions_by_rating ON solutions (is_listed, rating, id);
CREATE INDEX listed_solutions_by_vendor ON solutions (is_listed, organisation_id, name_folded, id);
DROP INDEX solutions_by_publication;
DROP INDEX solutions_by_update;
DROP INDEX solutions_by_score;
DROP INDEX solutions_by_rating;

CREATE INDEX vendors_by_name ON organisations (is_vendor, name_folded, id);
CREATE INDEX public_bodies_by_name ON organisations (is_public_body, name_folded, id);
CREATE INDEX audit_bodies_by_name ON organisations (is_audit_body, name_folded, id);
CREATE INDEX operators_by_name ON organisations (is_operator, name_folded, id);

CREATE INDEX reviews_by_rating ON reviews (solution_id, rating, id);
