//! Access tokens: made on the machine of the service, claimed once by whoever is to change things from elsewhere.

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use orchestrator_core::decided::Command;
use orchestrator_core::domain::{PublicToken, Secret};
use orchestrator_core::ports::Ids;

use super::access::{TOKEN_COOKIE, digest_of};
use super::change::commit;
use super::dto::AccessTokenDto;
use super::input::{InputError, Requester, owner, query_value};
use super::state::TokenTimes;
use super::{ApiError, AppState, V2Error, envelope};

/// Where a claim leads: a page that everybody may read, and that shows that the service answers. There is no page for
/// people yet; the predecessor leads to its first one.
const AFTER_CLAIM: &str = "/api/clusters";

/// `v2/access-tokens?owner=NAME`: makes a token. A retry makes another one, because what was drawn for the first is gone;
/// a token that nobody claims is worth nothing.
pub async fn create(
    State(state): State<AppState>,
    requester: Requester,
    uri: Uri,
) -> Result<Response, V2Error> {
    let times = times(&state)?;
    let owner = owner(&query_value(&uri, "owner")?.unwrap_or_default())?;
    let public = PublicToken::from_bytes(drawn(state.ids.as_ref()));
    let claim_by = state.clock.now().plus(times.claim_within);
    let command = Command::CreateAccessToken {
        public,
        owner,
        claim_by,
    };
    commit(&state, &requester.once(), "create", command).await?;
    let token = AccessTokenDto::new(public, claim_by);
    let answer = envelope::bare_with(StatusCode::CREATED, &token);
    Ok(not_to_be_kept(answer))
}

/// `/web/access-token?publicToken=…`: claims a token, and hands its secret to the caller in a cookie. Refusals have status
/// 200, as the predecessor's.
pub async fn claim(
    State(state): State<AppState>,
    requester: Requester,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let answer = match claimed(&state, &requester.once(), &uri).await {
        Ok((public, secret)) => welcome(&state, &headers, public, &secret),
        Err(error) => {
            let mut answer = error.into_response();
            *answer.status_mut() = StatusCode::OK;
            answer
        }
    };
    not_to_be_kept(answer)
}

async fn claimed(
    state: &AppState,
    requester: &Requester,
    uri: &Uri,
) -> Result<(PublicToken, Secret), ApiError> {
    let times = times(state)?;
    let text = query_value(uri, "publicToken")?.unwrap_or_default();
    let public = match text.trim() {
        "" => {
            return Err(InputError::Empty {
                what: "publicToken",
            }
            .into());
        }
        text => PublicToken::parse(text).map_err(InputError::from)?,
    };
    let now = state.clock.now();
    // Guesses of strangers end here and cost no write.
    state.decisions.decided().check_claim(&public, now)?;
    let secret = Secret::new(hex(&drawn(state.ids.as_ref())));
    let command = Command::ClaimAccessToken {
        public,
        secret_digest: digest_of(&secret),
        expires_at: now.plus(times.life),
    };
    commit(state, requester, "claim", command).await?;
    Ok((public, secret))
}

fn times(state: &AppState) -> Result<TokenTimes, ApiError> {
    state.config().tokens.ok_or(ApiError::TokensAreOff)
}

fn welcome(
    state: &AppState,
    headers: &HeaderMap,
    public: PublicToken,
    secret: &Secret,
) -> Response {
    let config = state.config();
    let is_secure = config.serves_tls || came_over_tls(headers);
    let mut answer = StatusCode::FOUND.into_response();
    let place = HeaderValue::from_str(&format!("{}{AFTER_CLAIM}", config.url_prefix))
        .expect("a prefix that is no path is refused when the configuration is read");
    answer.headers_mut().insert(LOCATION, place);
    answer
        .headers_mut()
        .insert(SET_COOKIE, cookie(public, secret, is_secure));
    answer
}

/// Scripts of pages cannot read it, and browsers send it with requests of our own pages only. Following a link to us
/// without it breaks nothing: what links may open, everybody may read.
fn cookie(public: PublicToken, secret: &Secret, is_secure: bool) -> HeaderValue {
    let secure = if is_secure { "; Secure" } else { "" };
    let text = format!(
        "{TOKEN_COOKIE}={public}:{}; Path=/; HttpOnly; SameSite=Strict{secure}",
        secret.expose()
    );
    let mut value = HeaderValue::from_str(&text).expect("hexadecimal digits are fit for a header");
    value.set_sensitive(true);
    value
}

/// Whether a proxy in front of us says that its client spoke TLS. A caller who says so without one has a cookie that its
/// own browser does not send in clear.
fn came_over_tls(headers: &HeaderMap) -> bool {
    headers
        .get("x-forwarded-proto")
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"https"))
}

fn not_to_be_kept(mut answer: Response) -> Response {
    answer
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// 32 random bytes, of which 244 bits are chance: two version 4 ids.
fn drawn(ids: &dyn Ids) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(&ids.unique().to_be_bytes());
    bytes[16..].copy_from_slice(&ids.unique().to_be_bytes());
    bytes
}

fn hex(bytes: &[u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
