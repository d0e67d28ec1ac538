//! Being there for whoever asks, and going without delay.

use crate::support::coordinator;
use tokio::io::AsyncReadExt;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

const SERVICE: &str = "distrack.v1.CoordinatorService";

#[tokio::test]
async fn its_health_is_told_by_service_and_as_a_whole() {
    let served = coordinator().await;
    let channel = Endpoint::from_shared(format!("http://{}", served.address)).unwrap().connect_lazy();
    let mut health = HealthClient::new(channel);
    for service in [SERVICE, ""] {
        let request = HealthCheckRequest { service: service.to_owned() };
        let status = health.check(request).await.unwrap().into_inner().status();
        assert_eq!(status, ServingStatus::Serving, "{service:?}");
    }
}

#[tokio::test]
async fn its_protocol_is_told_by_reflection() {
    let served = coordinator().await;
    let channel = Endpoint::from_shared(format!("http://{}", served.address)).unwrap().connect_lazy();
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut reflection = ServerReflectionClient::new(channel);
    let answers = reflection.server_reflection_info(tokio_stream::iter([request])).await.unwrap();
    let answer = answers.into_inner().message().await.unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
        panic!("{answer:?}");
    };
    assert!(list.service.iter().any(|service| service.name == SERVICE), "{list:?}");
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_up_the_stop() {
    let mut served = coordinator().await;
    let mut idle = tokio::net::TcpStream::connect(served.address).await.unwrap();
    // The server has it once it says something: its HTTP/2 settings.
    idle.read_exact(&mut [0; 9]).await.unwrap();
    served.stop().await;
}
