-- distrack: hint
SELECT pg_notify('distrack', kind) AS "notified!: ()" FROM unnest($1::text[]) AS u (kind)
