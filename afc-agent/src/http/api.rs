//! Paths and their answers. Everything is made from what the source says at that moment.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;
use serde_json::json;

use super::{HttpSource, page, stream};
use crate::metrics;

/// Which events a client wants.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct After {
    /// Only those with a greater id.
    pub(super) after: u64,
}

pub(super) fn router<S: HttpSource>(source: Arc<S>) -> Router {
    Router::new()
        .route("/", get(page::page))
        .route("/metrics", get(metrics::<S>))
        .route("/healthz", get(healthz::<S>))
        .route("/readyz", get(readyz::<S>))
        .route("/api/v1/status", get(status::<S>))
        .route("/api/v1/lists", get(lists::<S>))
        .route("/api/v1/events", get(events::<S>))
        .route("/api/v1/explain/{service}", get(explain::<S>))
        .route("/api/v1/stream", get(stream::stream::<S>))
        .fallback(unknown)
        .with_state(source)
}

async fn metrics<S: HttpSource>(State(source): State<Arc<S>>) -> Response {
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], source.metrics()).into_response()
}

async fn healthz<S: HttpSource>(State(source): State<Arc<S>>) -> Response {
    verdict(source.is_healthy())
}

async fn readyz<S: HttpSource>(State(source): State<Arc<S>>) -> Response {
    verdict(source.is_healthy().and_then(|()| source.is_ready()))
}

async fn status<S: HttpSource>(State(source): State<Arc<S>>) -> Response {
    fresh(Json(source.status()))
}

async fn lists<S: HttpSource>(State(source): State<Arc<S>>) -> Response {
    fresh(Json(source.lists()))
}

async fn events<S: HttpSource>(State(source): State<Arc<S>>, Query(wanted): Query<After>) -> Response {
    fresh(Json(source.events().after(wanted.after)))
}

async fn explain<S: HttpSource>(State(source): State<Arc<S>>, Path(service): Path<String>) -> Response {
    match source.explain(&service) {
        Ok(explanation) => fresh(Json(explanation)),
        Err(refusal) => refused(StatusCode::NOT_FOUND, &refusal),
    }
}

async fn unknown() -> Response {
    let paths = "there are /, /metrics, /healthz, /readyz, and /api/v1/ with status, lists, events, explain/SERVICE, stream";
    refused(StatusCode::NOT_FOUND, paths)
}

fn verdict(verdict: Result<(), String>) -> Response {
    match verdict {
        Ok(()) => (StatusCode::OK, "ok\n").into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

/// An answer that no cache may keep.
fn fresh(answer: impl IntoResponse) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], answer).into_response()
}

fn refused(status: StatusCode, why: &str) -> Response {
    (status, Json(json!({ "error": why }))).into_response()
}
