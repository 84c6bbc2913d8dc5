CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'integrity_constraint_violation';
END $$;

-- Who acted, behind an opaque id: erasing a row here leaves the journal as it is.
CREATE TABLE actors (
    id uuid PRIMARY KEY,
    issuer text NOT NULL,
    subject text NOT NULL,
    created_at timestamptz NOT NULL,
    UNIQUE (issuer, subject)
);

-- Every state change, in the order of its position, written with the change itself.
CREATE TABLE changes (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    actor_id uuid,
    role text NOT NULL,
    organisation_id uuid,
    action text NOT NULL,
    resource text NOT NULL,
    resource_id uuid NOT NULL,
    resource_version integer NOT NULL,
    changed jsonb NOT NULL,
    transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX changes_by_resource ON changes (resource_id, position);
CREATE INDEX changes_by_transaction ON changes (transaction_id, position);
CREATE TRIGGER changes_never_change BEFORE UPDATE OR DELETE ON changes
    FOR EACH ROW EXECUTE FUNCTION refuse_change('changes is append-only');
CREATE TRIGGER changes_never_truncated BEFORE TRUNCATE ON changes
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('changes is append-only');

-- Numbers given out in order and never again.
CREATE TABLE counters (
    name text PRIMARY KEY,
    value bigint NOT NULL
);
