-- Credentials of systems: what is kept of a secret is a slow hash and its visible beginning.
CREATE TABLE service_accounts (
    id BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    organisation_id BLOB NOT NULL REFERENCES organisations (id),
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    duties TEXT NOT NULL,
    prefix TEXT NOT NULL,
    hash TEXT NOT NULL,
    -- The secret before, until its time is over.
    previous_prefix TEXT,
    previous_hash TEXT,
    previous_until BIGINT,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT,
    last_used_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX service_accounts_by_organisation ON service_accounts (organisation_id, id);
