//! Tokens and certificates change while services run.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use distrack_testkit::eventually;
use distrack_transport::{ClusterToken, Dialer, Reach, Role, Security, Tls};
use tonic::transport::Endpoint;

use crate::authority::{Authority, replace};
use crate::services::{Served, TOKEN, Taken, call_on, honest, serve, taken, token};

const LIMIT: Duration = Duration::from_secs(30);
const NEXT: &str = "the-next-token-of-this-one";
const METHOD: &str = "/distrack.v1.CoordinatorService/Heartbeat";

async fn comes(dialer: &Dialer, served: &Served, expected: Taken, what: &str) {
    eventually(LIMIT, what, || async {
        let found = taken(dialer, served, METHOD).await;
        if found == expected { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
}

/// For longer than a file goes without being looked at, which each call does anew: nothing may change by it.
async fn stays(dialer: &Dialer, served: &Served, expected: Taken, what: &str) {
    let until = tokio::time::Instant::now() + Duration::from_secs(2);
    while tokio::time::Instant::now() < until {
        assert_eq!(taken(dialer, served, METHOD).await, expected, "{what}");
    }
}

fn of_file(path: &Path) -> Security {
    Security { token: Some(Arc::new(ClusterToken::file(path.to_owned()).unwrap())), tls: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_changes_without_a_restart_and_without_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    replace(&file, TOKEN);
    let served = serve(Role::Coordinator, of_file(&file)).await;
    let (old, next) = (token(TOKEN), token(NEXT));
    let (old, next) = (Security { token: old, tls: None }, Security { token: next, tls: None });
    let (old, next, same) = (honest(old), honest(next), honest(of_file(&file)));
    assert_eq!(taken(&next, &served, METHOD).await, Taken::Unauthenticated);

    replace(&file, &format!("{NEXT}\n{TOKEN}\n"));
    comes(&next, &served, Taken::In, "the next token to be accepted").await;
    assert_eq!(taken(&old, &served, METHOD).await, Taken::In, "the old one is good for a while");
    assert_eq!(taken(&same, &served, METHOD).await, Taken::In);

    replace(&file, NEXT);
    comes(&old, &served, Taken::Unauthenticated, "the old token to be refused").await;
    comes(&same, &served, Taken::In, "the client to say the next token").await;

    replace(&file, "short");
    stays(&next, &served, Taken::In, "what cannot be used changes nothing").await;
    std::fs::remove_file(&file).unwrap();
    stays(&Dialer::tcp(), &served, Taken::Unauthenticated, "no file is never no token").await;
    assert_eq!(taken(&next, &served, METHOD).await, Taken::In, "the last that was read is good");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_connections_get_the_new_certificate_and_open_ones_stay() {
    let (first, second) = (Authority::new(), Authority::new());
    let files = first.files(Role::Coordinator);
    let tls = Arc::new(Tls::new(files.clone(), Role::Coordinator).unwrap());
    let served = serve(Role::Coordinator, Security { token: None, tls: Some(tls) }).await;
    let by = |authority: &Authority| honest(Security { token: None, tls: Some(authority.tls(Role::Worker)) });
    let (old, new) = (by(&first), by(&second));
    let endpoint = Endpoint::from_shared(format!("http://{}", served.address)).unwrap();
    let mut open = tonic::client::Grpc::new(old.channel(&endpoint, Role::Coordinator, Reach::Anywhere));
    assert_eq!(call_on(&mut open, METHOD).await.unwrap_err().code(), tonic::Code::InvalidArgument);
    assert_eq!(taken(&new, &served, METHOD).await, Taken::Cut);

    // Nothing that is broken is used, and nothing is lost by it.
    replace(&files.cert, "rubbish");
    stays(&old, &served, Taken::In, "the old certificate is kept").await;
    second.write(&files, Role::Coordinator);
    comes(&new, &served, Taken::In, "the new certificate").await;
    assert_eq!(taken(&old, &served, METHOD).await, Taken::Cut, "who trusts the old authority alone");
    assert_eq!(
        call_on(&mut open, METHOD).await.unwrap_err().code(),
        tonic::Code::InvalidArgument,
        "it is open still"
    );
}
