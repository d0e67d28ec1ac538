//! Each method × each kind of credentials.

use distrack_transport::{Role, Rule, Security};

use crate::authority::{Authority, Rogue};
use crate::services::{Served, TOKEN, Taken, honest, methods, over, serve, taken, token};

const ROLES: [Role; 2] = [Role::Coordinator, Role::Worker];
const WRONG: &str = "a-token-of-another-one";

fn caller_of(server: Role) -> Role {
    match server {
        Role::Coordinator => Role::Worker,
        Role::Worker => Role::Coordinator,
    }
}

/// Calls each method that `served` serves.
async fn each(served: &Served, dialer: &distrack_transport::Dialer, expected: Taken, who: &str) {
    let mut called = 0;
    for (path, _) in methods().iter().filter(|(_, role)| *role == served.role) {
        assert_eq!(taken(dialer, served, path).await, expected, "{path} by {who}");
        called += 1;
    }
    assert!(called > 1, "the methods were not found");
}

#[test]
fn every_method_has_a_rule_and_is_for_the_other_role() {
    let methods = methods();
    assert_eq!(methods.len(), 6, "a new method: has it a rule?");
    for (path, server) in methods {
        assert_eq!(Rule::of(&path), Some(Rule::Role(caller_of(server))), "{path}");
    }
    for nobody in ["/distrack.v1.WorkerService/", "/distrack.v1.WorkerService/Dispatch/", "/x.Y/Z", "/", ""] {
        assert_eq!(Rule::of(nobody), None, "{nobody}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_token_each_method_is_for_those_who_say_it() {
    for role in ROLES {
        let served = serve(role, Security { token: token(TOKEN), tls: None }).await;
        let with = |token| honest(Security { token, tls: None });
        each(&served, &with(None), Taken::Unauthenticated, "nobody").await;
        each(&served, &with(token(WRONG)), Taken::Unauthenticated, "a stranger").await;
        each(&served, &with(token(TOKEN)), Taken::In, "a friend").await;
        each(&served, &with(token(&format!("{TOKEN}\n{WRONG}"))), Taken::In, "one who changes its token")
            .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_certificates_each_method_is_for_the_other_role_of_the_same_authority() {
    let (authority, other) = (Authority::new(), Authority::new());
    for role in ROLES {
        let served = serve(role, Security { token: None, tls: Some(authority.tls(role)) }).await;
        let shows = |own| over(Rogue::new(&authority, role, own), Security::default());
        let caller = caller_of(role);
        each(&served, &honest(Security::default()), Taken::Cut, "one without TLS").await;
        each(&served, &shows(None), Taken::Cut, "one without a certificate").await;
        let forged = other.sign(&[caller.name()]);
        each(&served, &shows(Some(forged)), Taken::Cut, "one of another authority").await;
        each(&served, &shows(Some(authority.sign(&[role.name()]))), Taken::Denied, "its own kind").await;
        let neither = authority.sign(&["example.org", "worker.distrack.example.org"]);
        each(&served, &shows(Some(neither)), Taken::Denied, "one of neither kind").await;
        each(&served, &shows(Some(authority.sign(&[caller.name()]))), Taken::In, "the other kind").await;
        let honest = honest(Security { token: None, tls: Some(authority.tls(caller)) });
        each(&served, &honest, Taken::In, "one of ours").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_both_are_given_both_are_asked_for() {
    let authority = Authority::new();
    for role in ROLES {
        let served = serve(role, Security { token: token(TOKEN), tls: Some(authority.tls(role)) }).await;
        let with = |token| honest(Security { token, tls: Some(authority.tls(caller_of(role))) });
        each(&served, &with(None), Taken::Unauthenticated, "one with a certificate alone").await;
        each(&served, &with(token(WRONG)), Taken::Unauthenticated, "one with a wrong token").await;
        each(
            &served,
            &honest(Security { token: token(TOKEN), tls: None }),
            Taken::Cut,
            "one with a token alone",
        )
        .await;
        each(&served, &with(token(TOKEN)), Taken::In, "one with both").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_dials_a_service_wants_its_role_and_its_authority() {
    let (authority, other) = (Authority::new(), Authority::new());
    for role in ROLES {
        let caller = caller_of(role);
        let client = honest(Security { token: None, tls: Some(authority.tls(caller)) });
        // It has a good certificate, of the kind that calls and is not called.
        let mut posing = serve(role, Security { token: None, tls: Some(authority.tls(caller)) }).await;
        posing.role = role;
        each(&posing, &client, Taken::Cut, "one who is fooled").await;
        let forged = serve(role, Security { token: None, tls: Some(other.tls(role)) }).await;
        each(&forged, &client, Taken::Cut, "one who is fooled").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_is_for_everybody_and_a_method_that_nobody_serves_for_nobody() {
    for role in ROLES {
        let served = serve(role, Security { token: token(TOKEN), tls: None }).await;
        let nobody = honest(Security::default());
        assert_eq!(taken(&nobody, &served, "/grpc.health.v1.Health/Check").await, Taken::In);
        assert_eq!(taken(&nobody, &served, "/distrack.v1.Made/Up").await, Taken::Unauthenticated);
        let friend = honest(Security { token: token(TOKEN), tls: None });
        let made_up = crate::services::call(&friend, &served, "/distrack.v1.Made/Up").await.unwrap_err();
        assert_eq!(made_up.code(), tonic::Code::Unimplemented);
    }
}
