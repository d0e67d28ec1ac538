//! The one place where the testkit reads the environment.

/// Names the PostgreSQL that tests use: a URL of a database whose user may create databases.
pub(crate) const TEST_POSTGRES_URL: &str = "DISTRACK_TEST_POSTGRES_URL";

/// Returns a variable's value, or `None` if it is unset or empty.
#[expect(clippy::disallowed_methods, reason = "tests are told by the environment which PostgreSQL to use")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Returns the URL of the PostgreSQL that tests are to use instead of a throw-away one.
pub fn test_postgres_url() -> Option<String> {
    variable(TEST_POSTGRES_URL)
}
