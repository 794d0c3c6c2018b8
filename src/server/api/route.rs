use axum::routing::MethodRouter;

use super::AppState;

/// What a route does, which decides who may call it and by which methods. Every route says it; there is no default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Tells load balancers and monitors how this node is. Answered by this node, from memory, on reserved capacity.
    Health,
    /// Reads. `GET` and `HEAD`.
    Reads,
    /// Changes something. `POST`, and `GET` for the predecessor's clients, never from a page of another site.
    Changes,
}

/// One route: its place below the URL prefix, what it does, and its handler.
pub struct Route {
    /// Path in axum's notation, for example `/api/cluster/{hint}`. Without trailing slash; one is accepted everywhere.
    pub path: &'static str,
    /// What it does.
    pub access: Access,
    /// Whether a follower of a group answers it itself instead of asking the leader.
    pub answered_locally: bool,
    /// Handlers by method. Made with [`Route::reads`] and its siblings, so that methods follow from the access.
    pub(crate) handler: MethodRouter<AppState>,
}

impl Route {
    /// A reading route.
    pub fn reads<H, T>(path: &'static str, handler: H) -> Self
    where
        H: axum::handler::Handler<T, AppState>,
        T: 'static,
    {
        Self {
            path,
            access: Access::Reads,
            answered_locally: false,
            handler: axum::routing::get(handler),
        }
    }

    /// A changing route: the same handler for `POST` and `GET`.
    pub fn changes<H, T>(path: &'static str, handler: H) -> Self
    where
        H: axum::handler::Handler<T, AppState>,
        T: 'static,
    {
        Self {
            path,
            access: Access::Changes,
            answered_locally: false,
            handler: axum::routing::get(handler.clone()).post(handler),
        }
    }

    /// A health route.
    pub fn health<H, T>(path: &'static str, handler: H) -> Self
    where
        H: axum::handler::Handler<T, AppState>,
        T: 'static,
    {
        Self {
            path,
            access: Access::Health,
            answered_locally: true,
            handler: axum::routing::get(handler),
        }
    }

    /// The same route, answered by this node also when it follows a leader.
    #[must_use]
    pub fn locally(mut self) -> Self {
        self.answered_locally = true;
        self
    }
}
