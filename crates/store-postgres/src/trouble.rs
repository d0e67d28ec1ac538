//! What goes wrong between here and the database, and what may be done about it: the one table of codes.

use distrack_store::StoreError;

/// A kind of trouble, by what is to be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The server took the statement back because of another one: a deadlock, a serialization failure, a lock
    /// that did not come in time. The next try may succeed at once.
    TakenBack,
    /// The connection is gone, or its server is going. Another one may be had.
    Broken,
    /// The server only reads: it was the primary once. Every connection of that age leads to it.
    ReadOnly,
    /// Nothing that another try at once would mend: a statement that took too long, a server that is full or
    /// away, a schema that is not there yet.
    Lasting,
    /// A statement that should have been right.
    Bug,
}

/// SQLSTATEs, or the beginning of them, and what they are. The first that fits counts.
const CODES: [(&str, Trouble); 24] = [
    ("40001", Trouble::TakenBack), // serialization failure
    ("40P01", Trouble::TakenBack), // deadlock
    ("55P03", Trouble::TakenBack), // lock_timeout
    ("25006", Trouble::ReadOnly),  // a statement that writes, on a server that only reads
    ("25P02", Trouble::Broken),    // a transaction that failed before: the connection is not where we think
    ("25P03", Trouble::Broken),    // idle_in_transaction_session_timeout
    ("25P04", Trouble::Broken),    // transaction_timeout
    ("40003", Trouble::Broken),    // it is not known whether the statement was completed
    ("08", Trouble::Broken),       // the connection
    ("57P01", Trouble::Broken),    // the server shuts down, or somebody ended this connection
    ("57P02", Trouble::Broken),    // another connection's process crashed
    ("57P05", Trouble::Broken),    // idle_session_timeout
    ("57P03", Trouble::Lasting),   // the server starts, or shuts down: said to new connections
    ("57P04", Trouble::Lasting),   // the database was dropped
    ("57014", Trouble::Lasting),   // statement_timeout
    ("57", Trouble::Lasting),
    ("53", Trouble::Lasting),    // no room: connections, memory, disk
    ("58", Trouble::Broken),     // the server's own input and output
    ("XX", Trouble::Broken),     // the server's own trouble
    ("42P01", Trouble::Lasting), // no such table: not migrated yet
    ("42703", Trouble::Lasting), // no such column: not migrated yet
    ("3D000", Trouble::Lasting), // no such database
    ("28", Trouble::Lasting),    // not let in
    ("", Trouble::Bug),
];

/// What an SQLSTATE is.
pub(crate) fn of_code(code: &str) -> Trouble {
    CODES.iter().find(|(start, _)| code.starts_with(start)).map_or(Trouble::Bug, |(_, trouble)| *trouble)
}

/// What an error of sqlx is.
pub(crate) fn of(error: &sqlx::Error) -> Trouble {
    use sqlx::Error::{Io, PoolClosed, PoolTimedOut, Protocol, Tls, WorkerCrashed};
    if let Some(database) = error.as_database_error() {
        return database.code().map_or(Trouble::Bug, |code| of_code(&code));
    }
    if matches!(error, Io(_) | Tls(_) | Protocol(_) | WorkerCrashed) {
        Trouble::Broken
    } else if matches!(error, PoolTimedOut | PoolClosed) {
        Trouble::Lasting
    } else {
        Trouble::Bug
    }
}

/// What an error of the contract was before it was one.
pub(crate) fn of_store(error: &StoreError) -> Trouble {
    match error {
        StoreError::Unavailable(source) | StoreError::Unanswered(source) | StoreError::Refused(source) => {
            source.downcast_ref::<sqlx::Error>().map_or(Trouble::Lasting, of)
        }
        StoreError::Conflict(_) | StoreError::Corrupt(_) => Trouble::Bug,
    }
}

/// An error of a statement that changed nothing: one that looks, or one of a transaction whose `COMMIT` was not
/// sent.
pub(crate) fn store_error(error: sqlx::Error) -> StoreError {
    match of(&error) {
        Trouble::TakenBack | Trouble::Broken | Trouble::ReadOnly | Trouble::Lasting => {
            StoreError::Unavailable(error.into())
        }
        Trouble::Bug => StoreError::Refused(error.into()),
    }
}

/// An error of a `COMMIT`, or of a statement that is a transaction of its own. With the connection goes the
/// answer, which may have been that it is committed.
pub(crate) fn commit_error(error: sqlx::Error) -> StoreError {
    match of(&error) {
        Trouble::Broken => StoreError::Unanswered(error.into()),
        Trouble::TakenBack | Trouble::ReadOnly | Trouble::Lasting | Trouble::Bug => store_error(error),
    }
}

/// A setting that should have been right.
pub(crate) fn refused(error: sqlx::Error) -> StoreError {
    StoreError::Refused(error.into())
}

/// A reason in a few words on one line. PostgreSQL's own never have a password in them, and neither have sqlx's.
pub(crate) fn in_words(error: &sqlx::Error) -> String {
    let words = if let sqlx::Error::Database(database) = error {
        database.message().to_owned()
    } else if let sqlx::Error::Io(error) = error {
        format!("no connection: {error}")
    } else {
        error.to_string()
    };
    words.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_the_table_is_what_it_says() {
        for (code, trouble) in [
            ("40001", Trouble::TakenBack),
            ("40P01", Trouble::TakenBack),
            ("55P03", Trouble::TakenBack),
            ("25006", Trouble::ReadOnly),
            ("25P03", Trouble::Broken),
            ("08006", Trouble::Broken),
            ("57P01", Trouble::Broken),
            ("57P02", Trouble::Broken),
            ("57P03", Trouble::Lasting),
            ("57014", Trouble::Lasting),
            ("53300", Trouble::Lasting),
            ("53100", Trouble::Lasting),
            ("58030", Trouble::Broken),
            ("42P01", Trouble::Lasting),
            ("28P01", Trouble::Lasting),
            ("42601", Trouble::Bug),
            ("23505", Trouble::Bug),
        ] {
            assert_eq!(of_code(code), trouble, "{code}");
        }
    }

    #[test]
    fn no_entry_is_hidden_behind_an_earlier_one() {
        for (n, (code, _)) in CODES.iter().enumerate() {
            assert!(CODES[..n].iter().all(|(earlier, _)| !code.starts_with(earlier)), "{code}");
        }
    }

    #[test]
    fn an_answer_that_went_with_its_connection_is_unknown_only_if_something_may_be_committed() {
        let hung_up = || sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into());
        assert!(matches!(store_error(hung_up()), StoreError::Unavailable(_)));
        assert!(matches!(commit_error(hung_up()), StoreError::Unanswered(_)));
        assert!(matches!(commit_error(sqlx::Error::PoolTimedOut), StoreError::Unavailable(_)));
        assert!(matches!(commit_error(sqlx::Error::RowNotFound), StoreError::Refused(_)));
    }
}
