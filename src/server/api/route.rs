use axum::http::StatusCode;
use axum::http::header::{ALLOW, HeaderName};
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
    /// Takes something that was handed out before, by whoever has it. `GET` and `POST`, also as a link that a browser opens;
    /// not while `ReadOnly` is on.
    Claims,
    /// For the machine of the service only, over loopback without a proxy or over the unix socket, whatever the method of
    /// authentication; never from a browser, and not while `ReadOnly` is on. `POST`.
    LocalOnly,
}

/// One route: its place below the URL prefix, what it does, and its handler.
pub struct Route {
    /// Path in axum's notation, for example `/api/cluster/{hint}`. Without trailing slash; one is accepted everywhere.
    pub path: &'static str,
    /// What it does.
    pub access: Access,
    /// Whether a follower of a group answers it itself instead of asking the leader.
    pub answered_locally: bool,
    /// Whether a change may be asked for again, with the same key, when nobody knows whether it was made. So it is when all
    /// that it does follows from proposals.
    pub is_repeatable: bool,
    /// Whether its answer may take minutes: it waits for servers.
    pub is_lengthy: bool,
    /// What it is for, in a line of the reference page.
    pub meaning: &'static str,
    /// What a success answers, in a line of the reference page.
    pub answer: &'static str,
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
            is_repeatable: true,
            is_lengthy: false,
            meaning: "",
            answer: "",
            handler: axum::routing::get(handler),
        }
    }

    /// A changing route: the same handler for `POST` and `GET`. `HEAD` asks for headers and must change nothing, so it
    /// does not reach the handler.
    pub fn changes<H, T>(path: &'static str, handler: H) -> Self
    where
        H: axum::handler::Handler<T, AppState>,
        T: 'static,
    {
        Self {
            path,
            access: Access::Changes,
            answered_locally: false,
            is_repeatable: true,
            is_lengthy: false,
            meaning: "",
            answer: "",
            handler: axum::routing::get(handler.clone())
                .post(handler)
                .head(refuse_head),
        }
    }

    /// A route that takes something handed out before: `GET` and `POST`. `HEAD`, which programs that show a preview of a
    /// link send, does not reach the handler.
    pub fn claims<H, T>(path: &'static str, handler: H) -> Self
    where
        H: axum::handler::Handler<T, AppState>,
        T: 'static,
    {
        Self {
            access: Access::Claims,
            is_repeatable: false,
            ..Self::changes(path, handler)
        }
    }

    /// A route for the machine of the service only: `POST`.
    pub fn local_only<H, T>(path: &'static str, handler: H) -> Self
    where
        H: axum::handler::Handler<T, AppState>,
        T: 'static,
    {
        Self {
            path,
            access: Access::LocalOnly,
            answered_locally: false,
            is_repeatable: false,
            is_lengthy: false,
            meaning: "",
            answer: "",
            handler: axum::routing::post(handler),
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
            is_repeatable: true,
            is_lengthy: false,
            meaning: "",
            answer: "",
            handler: axum::routing::get(handler),
        }
    }

    /// The same route, with its lines of the reference page: what it is for, and what a success answers.
    #[must_use]
    pub fn about(mut self, meaning: &'static str, answer: &'static str) -> Self {
        self.meaning = meaning;
        self.answer = answer;
        self
    }

    /// The same route, answered by the leader also when it is asked of a follower.
    #[must_use]
    pub fn by_the_leader(mut self) -> Self {
        self.answered_locally = false;
        self
    }

    /// The same route, whose work is no proposal: it is never asked for again by a node.
    #[must_use]
    pub fn not_repeated(mut self) -> Self {
        self.is_repeatable = false;
        self
    }

    /// The same route, whose answer may take minutes.
    #[must_use]
    pub fn lengthy(mut self) -> Self {
        self.is_lengthy = true;
        self
    }

    /// The handlers by method, for the router.
    pub fn into_handler(self) -> MethodRouter<AppState> {
        self.handler
    }

    /// The same route, answered by this node also when it follows a leader.
    #[must_use]
    pub fn locally(mut self) -> Self {
        self.answered_locally = true;
        self
    }
}

async fn refuse_head() -> (StatusCode, [(HeaderName, &'static str); 1]) {
    (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET, POST")])
}
