use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use orchestrator_core::ports::{BoxFuture, ForwardHandler, ForwardedRequest, ForwardedResponse};
use tower::ServiceExt;

use super::message;
use crate::api::serve::Limits;
use crate::api::{AppState, ErrorKind, envelope};

/// Serves what other nodes pass on with this node's own routes.
struct Received {
    router: Router,
    state: AppState,
    limits: Limits,
}

/// What the group calls for requests that followers pass on: `router` is what [`assemble`](crate::api::assemble) made, the
/// same that serves this node's own clients, so that places and limits are shared.
pub fn forward_handler(
    router: Router,
    state: AppState,
    limits: &Limits,
) -> Arc<dyn ForwardHandler> {
    Arc::new(Received {
        router,
        state,
        limits: limits.clone(),
    })
}

impl Received {
    async fn answer(&self, request: ForwardedRequest) -> Response {
        let config = self.state.config();
        match message::incoming(request, &config, &self.limits) {
            Ok(request) => {
                let answer = self.router.clone().oneshot(request).await;
                answer.unwrap_or_else(|never| match never {})
            }
            Err(why) => {
                tracing::warn!(%why, "a request that another node passed on was refused");
                envelope::error(ErrorKind::Unavailable, &why.to_string(), &())
            }
        }
    }
}

impl ForwardHandler for Received {
    fn handle(&self, request: ForwardedRequest) -> BoxFuture<'_, ForwardedResponse> {
        Box::pin(async move {
            if let Some(answer) = message::answered(self.answer(request).await).await {
                return answer;
            }
            let text = "the answer is too large to be passed on; ask the leader itself";
            let short = envelope::error(ErrorKind::Unavailable, text, &());
            let short = message::answered(short).await;
            short.expect("a sentence is below the limit")
        })
    }
}
