-- distrack: tasks_expire
UPDATE tasks SET state = 6, finished_at = now()
WHERE id = ANY(ARRAY(
    SELECT id FROM tasks WHERE state = 0 AND expires_at IS NOT NULL AND expires_at <= now()
    ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED
)) AND state + 0 = 0 -- the sum: by ids, and not by whatever else is pending
RETURNING queue
