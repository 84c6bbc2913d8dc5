-- Answers to writes that were sent with an Idempotency-Key, for 24 hours.
CREATE TABLE idempotency_keys (
    id text COLLATE "C" PRIMARY KEY,
    request text COLLATE "C" NOT NULL,
    answer jsonb NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
