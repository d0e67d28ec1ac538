-- distrack: session_end
UPDATE sessions SET ended_at = now() WHERE id = $1 AND ended_at IS NULL
