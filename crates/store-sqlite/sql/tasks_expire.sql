-- distrack: tasks_expire
UPDATE tasks SET state = 6, finished_at = $2
WHERE id IN (
    SELECT id FROM tasks WHERE state = 0 AND expires_at IS NOT NULL AND expires_at <= $2
    ORDER BY expires_at LIMIT $1
) AND state = 0
RETURNING queue AS "queue!: String"
