//! tmp
pub(crate) mod health;
pub(crate) async fn run(plan: crate::cli::Plan) -> u8 {
    match plan {
        crate::cli::Plan::Health(health) => health.run().await,
        crate::cli::Plan::Client(client) => crate::client::run(client).await,
        _ => 1,
    }
}
