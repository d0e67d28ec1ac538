-- distrack: tokens_touch
UPDATE tokens SET last_used_at = now() WHERE id = ANY($1)
