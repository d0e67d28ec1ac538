-- distrack: audit
SELECT
    id AS "id!", at AS "at!: Instant", action AS "action!: i16", task_id AS "task_id: Uuid",
    other_task_id AS "other_task_id: Uuid", count AS "count!: i32", token_id, token_name, address, queue, command_hash,
    trace_id AS "trace_id!"
FROM audit WHERE id < $1 ORDER BY id DESC LIMIT $2
