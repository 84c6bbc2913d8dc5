CREATE TABLE criteria_sets (
    id uuid PRIMARY KEY,
    version integer NOT NULL,
    content jsonb NOT NULL,
    based_on uuid REFERENCES criteria_sets (id),
    published_at timestamptz,
    in_force_on date,
    retired_on date,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX criteria_sets_by_day ON criteria_sets (in_force_on, id);

CREATE TABLE criteria (
    set_id uuid NOT NULL REFERENCES criteria_sets (id),
    code text COLLATE "C" NOT NULL,
    position integer NOT NULL,
    theme text NOT NULL,
    content jsonb NOT NULL,
    PRIMARY KEY (set_id, code)
);

CREATE TRIGGER criteria_sets_fixed_once_public BEFORE UPDATE ON criteria_sets
    FOR EACH ROW WHEN (OLD.published_at IS NOT NULL AND (OLD.content <> NEW.content OR OLD.published_at IS DISTINCT FROM NEW.published_at OR OLD.in_force_on IS DISTINCT FROM NEW.in_force_on))
    EXECUTE FUNCTION refuse_change('the content of a published criteria set never changes');
CREATE TRIGGER criteria_sets_kept_once_public BEFORE DELETE ON criteria_sets
    FOR EACH ROW WHEN (OLD.published_at IS NOT NULL)
    EXECUTE FUNCTION refuse_change('the content of a published criteria set never changes');

CREATE FUNCTION criteria_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' AND EXISTS (SELECT 1 FROM criteria_sets s WHERE s.id = OLD.set_id AND s.published_at IS NOT NULL)
       OR TG_OP <> 'DELETE' AND EXISTS (SELECT 1 FROM criteria_sets s WHERE s.id = NEW.set_id AND s.published_at IS NOT NULL) THEN
        RAISE EXCEPTION 'the criteria of a published set never change' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN COALESCE(NEW, OLD);
END $$;
CREATE TRIGGER criteria_frozen BEFORE INSERT OR UPDATE OR DELETE ON criteria
    FOR EACH ROW EXECUTE FUNCTION criteria_frozen();
CREATE TRIGGER criteria_sets_never_truncated BEFORE TRUNCATE ON criteria_sets
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('the content of a published criteria set never changes');
CREATE TRIGGER criteria_never_truncated BEFORE TRUNCATE ON criteria
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('the criteria of a published set never change');
