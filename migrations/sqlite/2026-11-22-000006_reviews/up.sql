CREATE TABLE reviews (
    id BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    solution_id BLOB NOT NULL REFERENCES solutions (id),
    organisation_id BLOB NOT NULL REFERENCES organisations (id),
    actor_id BLOB NOT NULL,
    status TEXT NOT NULL,
    content TEXT NOT NULL,
    -- The overall rating (0 while none is given) and those of the axes, apart from the text: averages and orders need no more.
    rating INTEGER NOT NULL,
    ratings TEXT NOT NULL,
    is_counted BOOLEAN NOT NULL,
    offers_same_family BOOLEAN NOT NULL,
    reply TEXT,
    moderation TEXT,
    reported_by BLOB,
    moderated_by BLOB,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    submitted_at BIGINT,
    published_at BIGINT,
    -- When it was published or, until then, entered, so that every row has a place in the order.
    listed_at BIGINT NOT NULL,
    UNIQUE (solution_id, actor_id)
);
CREATE INDEX reviews_by_solution ON reviews (solution_id, listed_at, id);
CREATE INDEX reviews_by_status ON reviews (status, listed_at, id);
CREATE INDEX reviews_by_age ON reviews (is_counted, published_at);
CREATE INDEX reviews_by_organisation ON reviews (organisation_id, id);

-- Earlier texts of an edited review, kept privately.
CREATE TABLE review_edits (
    review_id BLOB NOT NULL REFERENCES reviews (id),
    number INTEGER NOT NULL,
    content TEXT NOT NULL,
    replaced_at BIGINT NOT NULL,
    PRIMARY KEY (review_id, number)
);
CREATE TRIGGER review_edits_never_updated BEFORE UPDATE ON review_edits
BEGIN
    SELECT RAISE(ABORT, 'review_edits is append-only');
END;
CREATE TRIGGER review_edits_never_deleted BEFORE DELETE ON review_edits
BEGIN
    SELECT RAISE(ABORT, 'review_edits is append-only');
END;
-- INSERT OR REPLACE deletes without a word to the trigger above.
CREATE TRIGGER review_edits_never_replaced BEFORE INSERT ON review_edits
WHEN EXISTS (SELECT 1 FROM review_edits o WHERE o.review_id = NEW.review_id AND o.number = NEW.number)
BEGIN
    SELECT RAISE(ABORT, 'review_edits is append-only');
END;

CREATE TABLE review_reports (
    id BLOB NOT NULL PRIMARY KEY,
    review_id BLOB NOT NULL REFERENCES reviews (id),
    actor_id BLOB NOT NULL,
    reason TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX review_reports_by_review ON review_reports (review_id, id);
