-- distrack: attempt_ended
-- Whether an attempt of this number ended with a report: it may have printed nothing, and then has no output row.
SELECT EXISTS (
    SELECT 1 FROM tasks WHERE id = $1 AND attempt = $2 AND (cause IS NOT NULL OR exit_code IS NOT NULL)
    UNION ALL
    SELECT 1 FROM attempts WHERE task_id = $1 AND attempt = $2
) AS "ended!: bool"
