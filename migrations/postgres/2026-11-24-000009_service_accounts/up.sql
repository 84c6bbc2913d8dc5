-- Credentials of systems: what is kept of a secret is a slow hash and its visible beginning.
CREATE TABLE service_accounts (
    id uuid PRIMARY KEY,
    version integer NOT NULL,
    organisation_id uuid NOT NULL REFERENCES organisations (id),
    name text NOT NULL,
    role text NOT NULL,
    duties jsonb NOT NULL,
    prefix text NOT NULL,
    hash text NOT NULL,
    -- The secret before, until its time is over.
    previous_prefix text,
    previous_hash text,
    previous_until timestamptz,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    last_used_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX service_accounts_by_organisation ON service_accounts (organisation_id, id);
