CREATE TABLE organisations (
    id BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    status TEXT NOT NULL,
    name_folded TEXT NOT NULL,
    is_vendor BOOLEAN NOT NULL,
    is_public_body BOOLEAN NOT NULL,
    is_audit_body BOOLEAN NOT NULL,
    is_operator BOOLEAN NOT NULL,
    siren TEXT UNIQUE,
    register_key TEXT UNIQUE,
    details TEXT NOT NULL,
    source TEXT,
    source_id TEXT,
    identifier_verified_at BIGINT,
    moderation TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (source, source_id)
);
CREATE INDEX organisations_by_name ON organisations (name_folded, id);
CREATE INDEX organisations_by_status ON organisations (status, name_folded, id);
