//! Which route has which path; products' routes stand behind ours.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware;
use axum::routing::{get, post};
use stepwell_engine::Engine;

use crate::error::ApiError;
use crate::guard::operators_only;
use crate::routes;
use crate::settings::Settings;

/// What routes work with.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) engine: Engine,
    pub(crate) settings: Arc<Settings>,
}

/// The routes of `engine`, and those of `settings.product` for every path that none of ours has.
pub fn router(engine: Engine, mut settings: Settings) -> Router {
    let product = std::mem::take(&mut settings.product);
    let token = settings.operator_token.clone().map(Arc::new);
    let api = Api {
        engine,
        settings: Arc::new(settings),
    };
    let operators = Router::new()
        .route("/events/{id}", get(routes::event::show))
        .route("/events/{id}/runs", get(routes::event_runs::list))
        .route("/runs", get(routes::runs::list).post(routes::start::start))
        .route("/runs/bulk", post(routes::bulk::ask))
        .route("/runs/{id}", get(routes::run::show))
        .route("/runs/{id}/journal", get(routes::journal::show))
        .route("/runs/{id}/cancel", post(routes::cancel::cancel))
        .route("/runs/{id}/resume", post(routes::resume::resume))
        .route("/runs/{id}/pause", post(routes::pause::pause))
        .route("/runs/{id}/retry", post(routes::retry::retry))
        .route("/runs/{id}/fork", post(routes::fork::fork))
        .route("/runs/{id}/export", get(routes::export::show))
        .route("/runs/{id}/kill", post(routes::kill::kill))
        .route("/runs/{id}/signals/{name}", post(routes::signal::signal))
        .route(
            "/workflows/{workflow}/keys/{key}/signals/{name}",
            post(routes::signal_by_key::signal),
        )
        .route("/workflows", get(routes::workflows::list))
        .route("/store", get(routes::store::show))
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(no_such_route)
        .layer(middleware::from_fn_with_state(token, operators_only));
    Router::new()
        .route("/e/{key}", post(routes::send::send))
        .route("/health", get(routes::health::show))
        .method_not_allowed_fallback(method_not_allowed)
        .nest("/v1", operators)
        .fallback_service(product.fallback(no_such_route))
        .with_state(api)
}

async fn no_such_route() -> ApiError {
    ApiError::NoSuchRoute
}

async fn method_not_allowed(request: Request) -> ApiError {
    ApiError::MethodNotAllowed {
        method: request.method().to_string(),
    }
}
