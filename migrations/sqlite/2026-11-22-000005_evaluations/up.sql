CREATE TABLE evaluations (
    id BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    solution_id BLOB NOT NULL REFERENCES solutions (id),
    organisation_id BLOB NOT NULL REFERENCES organisations (id),
    set_id BLOB NOT NULL REFERENCES criteria_sets (id),
    solution_version INTEGER NOT NULL,
    status TEXT NOT NULL,
    traits TEXT NOT NULL,
    attestation TEXT,
    moderation TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    submitted_at BIGINT,
    published_at BIGINT,
    expires_at BIGINT
);
CREATE UNIQUE INDEX one_open_evaluation ON evaluations (solution_id, set_id) WHERE status IN ('draft', 'submitted');
CREATE UNIQUE INDEX one_evaluation_in_force ON evaluations (solution_id) WHERE status IN ('published', 'contested');
CREATE INDEX evaluations_by_solution ON evaluations (solution_id, id);
CREATE INDEX evaluations_by_status ON evaluations (status, id);

CREATE TABLE answers (
    evaluation_id BLOB NOT NULL REFERENCES evaluations (id),
    criterion TEXT NOT NULL,
    value TEXT NOT NULL,
    justification TEXT,
    evidence TEXT NOT NULL,
    to_confirm BOOLEAN NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (evaluation_id, criterion)
);

-- Scores, computed once and kept with the formula that made them; the last one counts.
CREATE TABLE evaluation_results (
    evaluation_id BLOB NOT NULL REFERENCES evaluations (id),
    number INTEGER NOT NULL,
    cause TEXT NOT NULL,
    scores TEXT NOT NULL,
    computed_at BIGINT NOT NULL,
    PRIMARY KEY (evaluation_id, number)
);
CREATE TRIGGER evaluation_results_never_updated BEFORE UPDATE ON evaluation_results
BEGIN
    SELECT RAISE(ABORT, 'evaluation_results is append-only');
END;
CREATE TRIGGER evaluation_results_never_deleted BEFORE DELETE ON evaluation_results
BEGIN
    SELECT RAISE(ABORT, 'evaluation_results is append-only');
END;
-- INSERT OR REPLACE deletes without a word to the trigger above.
CREATE TRIGGER evaluation_results_never_replaced BEFORE INSERT ON evaluation_results
WHEN EXISTS (SELECT 1 FROM evaluation_results o WHERE o.evaluation_id = NEW.evaluation_id AND o.number = NEW.number)
BEGIN
    SELECT RAISE(ABORT, 'evaluation_results is append-only');
END;

CREATE TABLE contestations (
    id BLOB NOT NULL PRIMARY KEY,
    evaluation_id BLOB NOT NULL REFERENCES evaluations (id),
    criterion TEXT NOT NULL,
    status TEXT NOT NULL,
    reason TEXT NOT NULL,
    resolution TEXT,
    actor_id BLOB NOT NULL,
    role TEXT NOT NULL,
    organisation_id BLOB,
    created_at BIGINT NOT NULL,
    resolved_at BIGINT
);
CREATE INDEX contestations_by_evaluation ON contestations (evaluation_id, id);

CREATE TRIGGER answers_fixed_on_update BEFORE UPDATE ON answers
WHEN EXISTS (SELECT 1 FROM evaluations e WHERE e.id = OLD.evaluation_id AND e.status <> 'draft') OR EXISTS (SELECT 1 FROM evaluations e WHERE e.id = NEW.evaluation_id AND e.status <> 'draft')
BEGIN
    SELECT RAISE(ABORT, 'the answers of a submitted evaluation never change');
END;
CREATE TRIGGER answers_fixed_on_delete BEFORE DELETE ON answers
WHEN EXISTS (SELECT 1 FROM evaluations e WHERE e.id = OLD.evaluation_id AND e.status <> 'draft')
BEGIN
    SELECT RAISE(ABORT, 'the answers of a submitted evaluation never change');
END;
CREATE TRIGGER answers_fixed_on_insert BEFORE INSERT ON answers
WHEN EXISTS (SELECT 1 FROM evaluations e WHERE e.id = NEW.evaluation_id AND e.status <> 'draft')
BEGIN
    SELECT RAISE(ABORT, 'the answers of a submitted evaluation never change');
END;
