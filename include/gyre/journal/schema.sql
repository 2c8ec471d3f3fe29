-- The journal: what was decided and done. Rows are added and never changed.
CREATE TABLE IF NOT EXISTS journal (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    use_case text        NOT NULL,
    kind     text        NOT NULL,
    key      text        NOT NULL,
    body     jsonb       NOT NULL,
    UNIQUE (use_case, kind, key)
);

CREATE OR REPLACE FUNCTION journal_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'The journal is append-only: add an entry that says what changed instead.';
END $$;

CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON journal
    FOR EACH STATEMENT EXECUTE FUNCTION journal_is_append_only();
