-- distrack: cancel_held
-- A mark: the task ends when its worker confirms, or when its session is gone.
UPDATE tasks SET cancel_requested_at = COALESCE(cancel_requested_at, $2)
WHERE id = $1 AND state IN (1, 2)
