-- Who asked for what: written in the transaction of what was done, never changed, removed only by its own retention.
-- action: 1 submit, 2 cancel, 3 retry, 4 token_create, 5 token_revoke.
CREATE TABLE audit (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at            timestamptz NOT NULL DEFAULT now(),
    action        smallint NOT NULL,
    -- The task that was made or cancelled; the first one of a batch.
    task_id       uuid,
    -- The last task of a batch, or the one that a retry repeats.
    other_task_id uuid,
    count         integer NOT NULL DEFAULT 1,
    token_id      text,
    token_name    text,
    address       text,
    queue         text,
    command_hash  bytea,
    trace_id      text NOT NULL
) WITH (autovacuum_vacuum_insert_scale_factor = 0.05);

-- Ids of tasks rise with their submission, as these rows do: almost nothing to keep, and enough to find a task's.
CREATE INDEX audit_task ON audit USING brin (task_id uuid_minmax_multi_ops) WITH (pages_per_range = 16, autosummarize = on);
-- The few that name another task than their own.
CREATE INDEX audit_retried ON audit (other_task_id) WHERE action = 3;

CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit is append-only';
END
$$;
-- For each statement: an insert does not know of it.
CREATE TRIGGER audit_append_only BEFORE UPDATE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
