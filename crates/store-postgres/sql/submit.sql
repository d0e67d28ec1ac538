-- distrack: submit
-- A task whose key is taken is left out and looked up by submission_keys; of two with one key in this
-- call, the first is stored. Keys are inserted in order, so that two callers cannot deadlock.
-- Who asked for it is written down with each task that is stored.
WITH input AS (
    SELECT * FROM unnest(
        $1::uuid[], $2::text[], $3::smallint[], $4::timestamptz[], $5::bigint[], $6::timestamptz[], $7::integer[],
        $8::bigint[], $9::bigint[], $10::smallint[], $11::text[], $12::jsonb[], $13::jsonb[], $14::text[], $15::text[],
        $16::uuid[], $17::text[], $18::bytea[]
    ) WITH ORDINALITY AS u (
        id, queue, priority, at, delay_ms, expires_at, max_attempts,
        backoff_initial_ms, backoff_max_ms, on_lost, spec, labels, requires, traceparent, tracestate,
        retry_of, key, request_hash, n
    )
),
fresh AS (
    INSERT INTO idempotency_keys (key, request_hash, task_id, expires_at)
    SELECT DISTINCT ON (key) key, request_hash, id, now() + interval '24 hours'
    FROM input WHERE key IS NOT NULL ORDER BY key, n
    ON CONFLICT (key) DO UPDATE
    SET request_hash = excluded.request_hash, task_id = excluded.task_id, expires_at = excluded.expires_at
    WHERE idempotency_keys.expires_at <= now()
    RETURNING task_id
),
stored AS (
    INSERT INTO tasks (
        id, queue, priority, scheduled_at, due_at, expires_at, max_attempts,
        backoff_initial_ms, backoff_max_ms, on_lost, spec, labels, requires, traceparent, tracestate, retry_of
    )
    SELECT
        id, queue, priority,
        COALESCE(at, now() + delay_ms * interval '1 millisecond'),
        GREATEST(COALESCE(at, now() + delay_ms * interval '1 millisecond'), now()),
        expires_at, max_attempts,
        backoff_initial_ms, backoff_max_ms, on_lost, spec, labels, requires, traceparent, tracestate, retry_of
    FROM input
    WHERE key IS NULL OR id IN (SELECT task_id FROM fresh)
    RETURNING id, created_at, scheduled_at
),
noted AS (
    INSERT INTO audit (
        action, task_id, other_task_id, count, token_id, token_name, address, queue, command_hash, trace_id
    )
    SELECT action, task_id, other_task_id, count, token_id, token_name, address, queue, command_hash, trace_id
    FROM unnest(
        $19::smallint[], $20::uuid[], $21::uuid[], $22::integer[], $23::text[], $24::text[], $25::text[], $26::text[],
        $27::bytea[], $28::text[]
    ) AS n (action, task_id, other_task_id, count, token_id, token_name, address, queue, command_hash, trace_id)
    WHERE task_id IN (SELECT id FROM stored)
)
SELECT id, created_at, scheduled_at FROM stored
