-- distrack: schema_version
SELECT COALESCE(max(version), 0) AS "version!: i64" FROM _sqlx_migrations WHERE success
