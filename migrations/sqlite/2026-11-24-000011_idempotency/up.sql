-- Answers to writes that were sent with an Idempotency-Key, for 24 hours.
CREATE TABLE idempotency_keys (
    id TEXT NOT NULL PRIMARY KEY,
    request TEXT NOT NULL,
    answer TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
