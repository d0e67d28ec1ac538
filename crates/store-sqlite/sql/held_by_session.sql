-- distrack: held_by_session
SELECT id AS "id!: Uuid", epoch AS "epoch!", state AS "state!: i16", (cancel_requested_at IS NOT NULL) AS "cancel_requested!: bool"
FROM tasks WHERE session_id = $1 AND state IN (1, 2) ORDER BY id
