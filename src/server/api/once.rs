//! A change that is asked for again with the same `Idempotency-Key` takes effect once and gets the first answer.
//!
//! Two memories work together. The ids of a request's proposals follow from its key, so decided state carries each of them
//! out once, on whatever node leads. The node that carried a request out also keeps its whole answer, for answers that say more
//! than a single proposal's reply, and notices when one key is used for two different requests.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use orchestrator_core::decided::KeyedRequest;
use orchestrator_core::ports::{BoxFuture, Ids};
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use super::input::InputError;
use super::steps::{Next, Step};
use super::{ApiError, AppState, Caller, ERROR_HEADER};

/// Header that names a change over its retries.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Header of an answer that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("x-orchestrator-replayed");

/// Longest key.
const KEY_BYTES_MAX: usize = 128;

/// How long an answer is kept: as long as decided state remembers requests, and longer than any client retries.
const KEPT_FOR: Duration = Duration::from_secs(600);

/// Most answers that are kept. Decided state remembers ten times as many requests, with short answers.
const KEPT_MAX: usize = 10_000;

/// Largest answer that is kept: answers to changes are a sentence and an instance.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Most bytes of all answers together.
const ALL_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The key of a request, when it has one.
///
/// # Errors
/// [`InputError::IdempotencyKey`] when it is none, or there are several.
pub fn key_of(headers: &HeaderMap) -> Result<Option<&[u8]>, InputError> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let bytes = value.as_bytes();
    let is_one = values.next().is_none()
        && (1..=KEY_BYTES_MAX).contains(&bytes.len())
        && bytes.iter().all(u8::is_ascii_graphic);
    match is_one {
        true => Ok(Some(bytes)),
        false => Err(InputError::IdempotencyKey),
    }
}

/// Gives a request a key of ours where it has none.
pub fn give_key(headers: &mut HeaderMap, ids: &dyn Ids) {
    if !headers.contains_key(IDEMPOTENCY_KEY) {
        let key = format!("{:032x}", ids.unique());
        let value = HeaderValue::from_str(&key).expect("digits are fit for a header");
        headers.insert(IDEMPOTENCY_KEY, value);
    }
}

/// SHA-256 over parts, none of which can run into the next.
pub fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let hash = parts.iter().fold(Sha256::new(), |hash, part| {
        hash.chain_update((part.len() as u64).to_be_bytes())
            .chain_update(part)
    });
    hash.finalize().into()
}

/// Path and query as every node of a group has them, whatever its URL prefix is.
pub fn route_of<'a>(uri: &'a Uri, prefix: &str) -> &'a str {
    let whole = uri.path_and_query().map_or("", |target| target.as_str());
    whole.strip_prefix(prefix).unwrap_or(whole)
}

/// Answers of changes that had a key.
#[derive(Default)]
pub struct Answers(Mutex<Table>);

#[derive(Default)]
struct Table {
    known: HashMap<[u8; 32], Known>,
    /// Answered requests by the time of their answers.
    order: VecDeque<(Duration, [u8; 32])>,
    bytes: usize,
}

struct Known {
    request: [u8; 32],
    state: KnownState,
}

enum KnownState {
    /// Its sender is gone when the request has ended.
    UnderWay(watch::Receiver<()>),
    Answered(Kept),
}

#[derive(Clone)]
struct Kept {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

enum Begin {
    /// It is new; the guard ends it.
    New(UnderWay),
    Answered(Kept),
    /// The same is being worked on.
    Wait(watch::Receiver<()>),
    /// The key belongs to another request.
    Different,
}

/// A request that is being worked on. Dropped without an answer, it is forgotten.
struct UnderWay {
    answers: Arc<Answers>,
    id: [u8; 32],
    _ends: watch::Sender<()>,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut table = self.answers.table();
        if matches!(table.known.get(&self.id), Some(known) if matches!(known.state, KnownState::UnderWay(_)))
        {
            table.known.remove(&self.id);
        }
    }
}

impl Answers {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(self: &Arc<Self>, Named { id, request }: Named, now: Duration) -> Begin {
        let mut table = self.table();
        table.drop_old(now);
        match table.known.get(&id) {
            Some(known) if known.request != request => Begin::Different,
            Some(known) => match &known.state {
                KnownState::UnderWay(ends) => Begin::Wait(ends.clone()),
                KnownState::Answered(kept) => Begin::Answered(kept.clone()),
            },
            None => {
                let (sender, ends) = watch::channel(());
                let state = KnownState::UnderWay(ends);
                table.known.insert(id, Known { request, state });
                Begin::New(UnderWay {
                    answers: self.clone(),
                    id,
                    _ends: sender,
                })
            }
        }
    }

    fn keep(&self, id: [u8; 32], kept: Kept, now: Duration) {
        let mut table = self.table();
        let bytes = kept.body.len();
        let Some(known) = table.known.get_mut(&id) else {
            return;
        };
        known.state = KnownState::Answered(kept);
        table.bytes += bytes;
        table.order.push_back((now, id));
        table.drop_old(now);
    }
}

impl Table {
    fn drop_old(&mut self, now: Duration) {
        while let Some((at, id)) = self.order.front().copied() {
            let is_over = now.saturating_sub(at) > KEPT_FOR;
            if !is_over && self.order.len() <= KEPT_MAX && self.bytes <= ALL_BYTES_MAX {
                return;
            }
            self.order.pop_front();
            if let Some(Known {
                state: KnownState::Answered(kept),
                ..
            }) = self.known.remove(&id)
            {
                self.bytes -= kept.body.len();
            }
        }
    }
}

/// Around each changing route, on the node that carries it out.
pub(super) struct Once(pub AppState);

impl Step for Once {
    fn answer<'a>(&'a self, request: Request, next: Next<'a>) -> BoxFuture<'a, Response> {
        Box::pin(once(&self.0, request, next))
    }
}

async fn once(state: &AppState, request: Request, next: Next<'_>) -> Response {
    let named = match named_in(state, &request) {
        Ok(Some(named)) => named,
        Ok(None) => return next.run(request).await,
        Err(error) => return ApiError::from(error).into_response(),
    };
    loop {
        match state.answers().begin(named, state.clock.monotonic()) {
            Begin::New(_) if named.is_of_another(state) => {
                return ApiError::from(InputError::KeyOfAnotherRequest).into_response();
            }
            Begin::New(under_way) => {
                let answer = next.run(request).await;
                return kept(state, under_way, answer).await;
            }
            Begin::Answered(kept) => return kept.replayed(),
            // An error says that the sender is gone: the request has ended.
            Begin::Wait(mut ends) => while ends.changed().await.is_ok() {},
            Begin::Different => {
                return ApiError::from(InputError::KeyOfAnotherRequest).into_response();
            }
        }
    }
}

/// A request with a key.
#[derive(Clone, Copy)]
pub struct Named {
    /// Digest of key and caller.
    id: [u8; 32],
    /// Digest of method and route.
    request: [u8; 32],
}

impl Named {
    /// As decided state knows it.
    fn keyed(&self) -> KeyedRequest {
        let [a, b, ..] = self.request;
        KeyedRequest::new(front(&self.id), u16::from_be_bytes([a, b]))
    }

    /// Id of one proposal of it, the same in every retry; `part` tells them apart.
    pub fn proposal(&self, part: &str) -> u128 {
        // Caller, method and route are part of it: a key used twice for different things must not mix them up.
        let step = digest(&[&self.id, &self.request, part.as_bytes()]);
        self.keyed().step(front(&step))
    }

    /// Whether decided state has an answer to another request with this key: of this node or of an earlier leader.
    fn is_of_another(&self, state: &AppState) -> bool {
        let decided = state.decisions.decided();
        let now = decided.decided_at.max(state.clock.now());
        decided.is_key_of_another(self.keyed(), now)
    }
}

fn front(digest: &[u8; 32]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *digest;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// How a request is known over its retries; `None` when it has no key.
///
/// # Errors
/// [`InputError::IdempotencyKey`].
pub fn named(
    state: &AppState,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    user: &str,
) -> Result<Option<Named>, InputError> {
    let Some(key) = key_of(headers)? else {
        return Ok(None);
    };
    let config = state.config();
    let route = route_of(uri, &config.url_prefix);
    Ok(Some(Named {
        id: digest(&[key, user.as_bytes()]),
        request: digest(&[method.as_str().as_bytes(), route.as_bytes()]),
    }))
}

fn named_in(state: &AppState, request: &Request) -> Result<Option<Named>, InputError> {
    let caller = request.extensions().get::<Caller>();
    let user = caller.map_or("", |caller| caller.user.as_str());
    named(
        state,
        request.method(),
        request.uri(),
        request.headers(),
        user,
    )
}

/// Keeps an answer that says that the change was made; whatever was not done may be tried again with the same key.
async fn kept(state: &AppState, under_way: UnderWay, answer: Response) -> Response {
    let is_done = (answer.status().is_success() || answer.status().is_redirection())
        && !answer.headers().contains_key(ERROR_HEADER);
    let size = answer.body().size_hint().exact();
    let is_small = size.is_some_and(|bytes| bytes <= ANSWER_BYTES_MAX as u64);
    if !is_done || !is_small {
        return answer;
    }
    let (parts, body) = answer.into_parts();
    let Ok(body) = to_bytes(body, ANSWER_BYTES_MAX).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let kept = Kept {
        status: parts.status,
        headers: parts.headers.clone(),
        body: body.clone(),
    };
    state
        .answers()
        .keep(under_way.id, kept, state.clock.monotonic());
    Response::from_parts(parts, Body::from(body))
}

impl Kept {
    fn replayed(self) -> Response {
        let mut answer = Response::new(Body::from(self.body));
        *answer.status_mut() = self.status;
        *answer.headers_mut() = self.headers;
        answer
            .headers_mut()
            .insert(REPLAYED, HeaderValue::from_static("true"));
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(number: u32) -> Named {
        Named {
            id: digest(&[&number.to_be_bytes()]),
            request: [0; 32],
        }
    }

    fn answered(answers: &Arc<Answers>, number: u32, bytes: usize, now: Duration) {
        let Begin::New(under_way) = answers.begin(named(number), now) else {
            panic!("{number} is new");
        };
        let kept = Kept {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: vec![b'x'; bytes].into(),
        };
        answers.keep(under_way.id, kept, now);
    }

    fn is_kept(answers: &Arc<Answers>, number: u32, now: Duration) -> bool {
        matches!(answers.begin(named(number), now), Begin::Answered(_))
    }

    #[test]
    fn answers_are_kept_for_ten_minutes_and_so_many_and_so_large_at_most() {
        let second = Duration::from_secs(1);
        let answers = Arc::new(Answers::default());
        answered(&answers, 0, 1, Duration::ZERO);
        answered(&answers, 1, 1, second);
        assert!(is_kept(&answers, 0, KEPT_FOR));
        assert!(!is_kept(&answers, 0, KEPT_FOR + second));
        assert!(is_kept(&answers, 1, KEPT_FOR + second));

        let answers = Arc::new(Answers::default());
        for number in 0..=10_000 {
            answered(&answers, number, 0, second);
        }
        assert!(!is_kept(&answers, 0, second));
        assert!(is_kept(&answers, 1, second) && is_kept(&answers, 10_000, second));

        let answers = Arc::new(Answers::default());
        let most = u32::try_from(ALL_BYTES_MAX / ANSWER_BYTES_MAX).unwrap();
        for number in 0..=most {
            answered(&answers, number, ANSWER_BYTES_MAX, second);
        }
        assert!(!is_kept(&answers, 0, second) && is_kept(&answers, 1, second));
        assert!(answers.table().bytes <= ALL_BYTES_MAX);
    }
}
