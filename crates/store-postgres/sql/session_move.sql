-- distrack: session_move
-- A restarted worker's undelivered results go on under its new session.
UPDATE tasks SET session_id = $2
FROM unnest($3::uuid[], $4::bigint[]) AS u (task_id, task_epoch)
WHERE id = task_id AND epoch = task_epoch AND session_id = $1 AND state IN (1, 2)
