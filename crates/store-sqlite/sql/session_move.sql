-- distrack: session_move
-- A restarted worker's undelivered results go on under its new session.
-- Differs from postgres: the unary plus has tasks found by their ids.
UPDATE tasks SET session_id = $2
FROM (SELECT unhex(value ->> 0, '-') AS task_id, value ->> 1 AS task_epoch FROM json_each($3)) AS u
WHERE id = task_id AND epoch = task_epoch AND +session_id = $1 AND state IN (1, 2)
