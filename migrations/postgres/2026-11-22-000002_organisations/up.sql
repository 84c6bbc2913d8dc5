CREATE TABLE organisations (
    id uuid PRIMARY KEY,
    version integer NOT NULL,
    status text NOT NULL,
    -- Byte order, as on SQLite: the text is folded already.
    name_folded text COLLATE "C" NOT NULL,
    is_vendor boolean NOT NULL,
    is_public_body boolean NOT NULL,
    is_audit_body boolean NOT NULL,
    is_operator boolean NOT NULL,
    siren text UNIQUE,
    register_key text UNIQUE,
    details jsonb NOT NULL,
    source text,
    source_id text,
    identifier_verified_at timestamptz,
    moderation jsonb,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    UNIQUE (source, source_id)
);
CREATE INDEX organisations_by_name ON organisations (name_folded, id);
CREATE INDEX organisations_by_status ON organisations (status, name_folded, id);
