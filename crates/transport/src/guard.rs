//! Who may call what, decided before anything of a call is read but its head.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::{Either, Ready, ready};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response, header};
use tower::{Layer, Service};

use crate::incoming::Peer;
use crate::role::{Role, Rule};
use crate::token::ClusterToken;

/// Refuses calls by the rules of [`Rule`]. Where there are no credentials to ask for, whoever reaches the listener is
/// trusted: it is a loopback address then, or an operator wanted it so.
#[derive(Clone, Debug)]
pub struct GuardLayer {
    pub(crate) token: Option<Arc<ClusterToken>>,
    pub(crate) certificates: bool,
}

impl GuardLayer {
    fn judge<B>(&self, request: &Request<B>) -> Result<(), Status> {
        match Rule::of(request.uri().path()) {
            Some(Rule::Open) => Ok(()),
            Some(Rule::Known) if is_here(request) => Ok(()),
            Some(Rule::Known) => self.credentials(request),
            Some(Rule::Role(role)) => {
                self.credentials(request)?;
                self.role(request, role)
            }
            None => {
                self.credentials(request)?;
                Err(Status::unimplemented("there is no such method"))
            }
        }
    }

    fn credentials<B>(&self, request: &Request<B>) -> Result<(), Status> {
        let Some(token) = &self.token else { return Ok(()) };
        let sent = request.headers().get(header::AUTHORIZATION);
        if sent.is_some_and(|sent| token.accepts(sent.as_bytes())) {
            Ok(())
        } else {
            Err(Status::unauthenticated("the cluster token is missing or wrong"))
        }
    }

    fn role<B>(&self, request: &Request<B>, role: Role) -> Result<(), Status> {
        let certified = request.extensions().get::<Peer>().and_then(|peer| peer.certified);
        if !self.certificates || certified.is_some_and(|certified| certified.is(role)) {
            Ok(())
        } else {
            Err(Status::permission_denied(format!("only for certificates of {}", role.name())))
        }
    }
}

fn is_here<B>(request: &Request<B>) -> bool {
    request.extensions().get::<Peer>().is_some_and(Peer::is_here)
}

impl<S> Layer<S> for GuardLayer {
    type Service = Guard<S>;

    fn layer(&self, inner: S) -> Guard<S> {
        Guard { inner, layer: self.clone() }
    }
}

/// Services behind a [`GuardLayer`].
#[derive(Clone, Debug)]
pub struct Guard<S> {
    inner: S,
    layer: GuardLayer,
}

impl<S> Service<Request<Body>> for Guard<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Either<Ready<Result<Response<Body>, S::Error>>, S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        match self.layer.judge(&request) {
            Ok(()) => {
                // Nobody behind needs it, so that nobody can show it.
                request.headers_mut().remove(header::AUTHORIZATION);
                Either::Right(self.inner.call(request))
            }
            Err(status) => Either::Left(ready(Ok(status.into_http()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    const TOKEN: &str = "0123456789abcdef";

    fn code(path: &str, from: &str, said: Option<&str>) -> Code {
        let token = Some(Arc::new(ClusterToken::new(TOKEN).unwrap()));
        let guard = GuardLayer { token, certificates: false };
        let mut request = Request::builder().uri(path).body(()).unwrap();
        request
            .extensions_mut()
            .insert(Peer { address: format!("{from}:1").parse().unwrap(), certified: None });
        if let Some(said) = said {
            request.headers_mut().insert(header::AUTHORIZATION, said.parse().unwrap());
        }
        guard.judge(&request).err().map_or(Code::Ok, |status| status.code())
    }

    #[test]
    fn what_a_service_serves_is_told_to_this_machine_and_to_those_who_know_the_token() {
        assert_eq!(code(REFLECTION, "127.0.0.1", None), Code::Ok);
        assert_eq!(code(REFLECTION, "192.0.2.1", None), Code::Unauthenticated);
        assert_eq!(code(REFLECTION, "192.0.2.1", Some(&format!("Bearer {TOKEN}"))), Code::Ok);
    }

    #[test]
    fn being_on_this_machine_is_no_credential() {
        for path in ["/distrack.v1.WorkerService/Dispatch", "/distrack.v1.CoordinatorService/RegisterWorker"]
        {
            assert_eq!(code(path, "127.0.0.1", None), Code::Unauthenticated, "{path}");
            assert_eq!(
                code(path, "127.0.0.1", Some(TOKEN)),
                Code::Unauthenticated,
                "{path}: without the scheme"
            );
        }
    }
}
