//! What happens to a request before and after its handler: a row of steps, each of which may answer by itself or let the rest
//! of the row answer.
//!
//! Each would do as a layer of its own. But a layer is a service in a box that holds the next one, and the router copies the
//! whole nest for each request, each layer what is inside of it once more: of eight layers that is more than what they do. A row is
//! shared by all requests and copied by none.

use std::sync::Arc;

use axum::extract::Request;
use axum::middleware;
use axum::response::Response;
use orchestrator_core::ports::BoxFuture;

/// One step. It holds what it needs, for all requests.
pub(super) trait Step: Send + Sync {
    /// Answers, or lets `next` answer.
    fn answer<'a>(&'a self, request: Request, next: Next<'a>) -> BoxFuture<'a, Response>;
}

/// The steps that are left, and what is behind them.
pub(super) struct Next<'a> {
    rest: &'a [Box<dyn Step>],
    last: middleware::Next,
}

impl Next<'_> {
    /// Lets them answer.
    pub(super) async fn run(self, request: Request) -> Response {
        match self.rest.split_first() {
            Some((first, rest)) => {
                let last = self.last;
                first.answer(request, Next { rest, last }).await
            }
            None => self.last.run(request).await,
        }
    }
}

/// Steps in the order in which a request comes to them.
#[derive(Clone)]
pub(super) struct Steps(Arc<[Box<dyn Step>]>);

impl Steps {
    pub(super) fn new(steps: Vec<Box<dyn Step>>) -> Self {
        Self(steps.into())
    }

    /// Takes a request through all of them, to `last`.
    pub(super) async fn run(self, request: Request, last: middleware::Next) -> Response {
        let rest = &self.0;
        Next { rest, last }.run(request).await
    }
}
