-- distrack: audit_note
-- Also what was submitted. Differs from postgres: there, that is a part of submit.
INSERT INTO audit (
    at, action, task_id, other_task_id, count, token_id, token_name, address, queue, command_hash, trace_id
)
SELECT
    $2, value ->> 'action', unhex(value ->> 'task_id', '-'), unhex(value ->> 'other_task_id', '-'), value ->> 'count',
    value ->> 'token_id', value ->> 'token_name', value ->> 'address',
    COALESCE(
        value ->> 'queue',
        (SELECT queue FROM tasks WHERE id = unhex(value ->> 'task_id', '-') AND value ->> 'count' = 1)
    ),
    unhex(value ->> 'command_hash'), value ->> 'trace_id'
FROM json_each($1)
