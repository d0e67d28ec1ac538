//! Query parameters and the id in a path: each is read once, and what is left over is refused by name.

use std::fmt::Display;
use std::str::FromStr;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use distrack_core::TaskId;

use crate::problem::{Code, Problem};

/// The parameters of a request that are still to be read.
#[derive(Debug)]
pub(crate) struct Params(Vec<(String, String)>);

impl<S: Sync> FromRequestParts<S> for Params {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self::of(parts.uri.query().unwrap_or_default()))
    }
}

impl Params {
    /// Reads a query string.
    pub(crate) fn of(query: &str) -> Self {
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// Takes a parameter that may be given once.
    pub(crate) fn take(&mut self, name: &str) -> Result<Option<String>, Problem> {
        let mut values = self.take_all(name);
        match values.len() {
            0 | 1 => Ok(values.pop()),
            _ => Err(Problem::field(name, "may be given once")),
        }
    }

    /// Takes a parameter that may be given once, read as a `T`.
    pub(crate) fn take_as<T: FromStr<Err: Display>>(&mut self, name: &str) -> Result<Option<T>, Problem> {
        let Some(text) = self.take(name)? else { return Ok(None) };
        text.parse().map(Some).map_err(|error: T::Err| Problem::field(name, error.to_string()))
    }

    /// Takes every value of a parameter that may be repeated.
    pub(crate) fn take_all(&mut self, name: &str) -> Vec<String> {
        let (taken, rest) = std::mem::take(&mut self.0).into_iter().partition(|(key, _)| key == name);
        self.0 = rest;
        let taken: Vec<(String, String)> = taken;
        taken.into_iter().map(|(_, value)| value).collect()
    }

    /// Refuses what nobody took: a misspelt filter would otherwise answer everything.
    pub(crate) fn finish(self) -> Result<(), Problem> {
        let unknown = |(name, _): (String, String)| Problem::field(name, "is not a parameter of this route");
        self.0.into_iter().next().map_or(Ok(()), |left| Err(unknown(left)))
    }
}

/// The task id in a path.
pub(crate) struct PathTask(pub(crate) TaskId);

impl<S: Send + Sync> FromRequestParts<S> for PathTask {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let id = Path::<String>::from_request_parts(parts, state).await;
        let Path(id) = id.map_err(|_| Problem::new(Code::BadId, "the path is not UTF-8"))?;
        task_id(&id).map(Self)
    }
}

/// Reads a task id.
pub(crate) fn task_id(text: &str) -> Result<TaskId, Problem> {
    let bad = || Problem { errors: vec![field()], ..Problem::new(Code::BadId, "task_id: must be a UUID") };
    text.parse().map_err(|_| bad())
}

fn field() -> distrack_core::FieldError {
    distrack_core::FieldError { field: "task_id".to_owned(), message: "must be a UUID".to_owned() }
}
