//! Every route of the table, behind the real gate, asked by every kind of caller with every method: the answer must be
//! what the route's access class says, and what is refused must have decided nothing.

use axum::http::StatusCode;

use super::callers::{May, Who, callers, certified, remote, who};
use super::evidence::{cases, sample};
use super::{Answer, Service, gated};
use crate::api::access::Authentication;
use crate::api::{Access, routes};

const METHODS: [&str; 3] = ["GET", "POST", "HEAD"];

<<<<<<< HEAD
/// `admin:s3cret`, `admin:guessed` and `readonly:x`.
const RIGHT: (&str, &str) = ("authorization", "Basic YWRtaW46czNjcmV0");
const WRONG: (&str, &str) = ("authorization", "Basic YWRtaW46Z3Vlc3NlZA==");
const READ_ONLY: (&str, &str) = ("authorization", "Basic cmVhZG9ubHk6eA==");

struct Nobody;
impl GroupLookup for Nobody {
    fn is_in_any(&self, _: &str, _: &[String]) -> bool {
        false
    }
}

struct OneToken;
impl TokenLookup for OneToken {
    fn owner(&self, public: &str, secret: &str) -> Option<String> {
        (public == "pub" && secret == "sec").then(|| "ann".to_owned())
    }
}

pub(crate) fn config(authentication: Authentication) -> AccessConfig {
    AccessConfig {
        read_only: false,
        authentication,
        certificates: None,
        allowed_hosts: vec![],
        own_hosts: vec!["node1".into()],
        status_path: "/api/status".into(),
        audit: None,
    }
}

fn read_only(authentication: Authentication) -> AccessConfig {
    AccessConfig {
        read_only: true,
        ..config(authentication)
    }
}

fn certified(authentication: Authentication, on_status_path: bool) -> AccessConfig {
    AccessConfig {
        certificates: Some(CertificateRule {
            valid_units: vec!["ops".into()],
            on_status_path,
        }),
        ..config(authentication)
    }
}

pub(crate) fn basic() -> Authentication {
    Authentication::Basic {
        user: "admin".into(),
        password: Secret::new("s3cret"),
    }
}

fn multi() -> Authentication {
    Authentication::Multi {
        user: "admin".into(),
        password: Secret::new("s3cret"),
    }
}

fn proxy() -> Authentication {
    Authentication::Proxy(ProxyUsers {
        header: HeaderName::from_static("x-user"),
        power_users: vec!["ann".into()],
        power_groups: vec!["dba".into()],
        trusted: vec![TrustedProxy::parse("10.0.0.0/24").expect("a network")],
        groups: Arc::new(Nobody),
    })
}

pub(crate) fn token() -> Authentication {
    Authentication::Token(Arc::new(OneToken))
}

fn from(address: &str) -> Peer {
    Peer {
        remote: Some(address.parse().unwrap()),
        local: Some("10.9.9.9:3000".parse().unwrap()),
        certificate: None,
    }
}

pub(crate) fn remote() -> Peer {
    from("10.0.0.7:40000")
}

pub(crate) fn local() -> Peer {
    from("127.0.0.1:40000")
}

fn with_unit(unit: &str) -> Peer {
    Peer {
        certificate: Some(ClientCertificate {
            organizational_units: vec![unit.into()],
        }),
        ..remote()
    }
}

/// What a caller may do.
#[derive(Clone, Copy)]
enum May {
    /// Not even come in.
    Nothing,
    /// Come in at the status path, and nowhere else.
    AskStatus,
    /// Read.
    Read,
    /// Read, and take what was handed out.
    Claim,
    /// The same, and make tokens on this machine.
    ClaimAndAdminister,
    /// Read, claim, and change.
    Change,
    /// Everything.
    Everything,
}

struct Who {
    name: &'static str,
    config: AccessConfig,
    peer: Peer,
    headers: Vec<(&'static str, &'static str)>,
    may: May,
}

fn who(
    name: &'static str,
    config: AccessConfig,
    peer: Peer,
    headers: &[(&'static str, &'static str)],
    may: May,
) -> Who {
    Who {
        name,
        config,
        peer,
        headers: headers.to_vec(),
        may,
    }
}

fn callers() -> Vec<Who> {
    use Authentication::{Nobody, OAuth, Unset};
    use May::{AskStatus, Change, Claim, ClaimAndAdminister, Everything, Nothing, Read};
    let user = |name| [("x-user", name)];
    let through = [("x-forwarded-for", "10.0.0.8")];
    let cookie = [("cookie", "access-token=pub:sec")];
    let stale = [("cookie", "access-token=pub:other")];
    vec![
        who("unset, loopback", config(Unset), local(), &[], Everything),
        who(
            "unset, unix socket",
            config(Unset),
            Peer::default(),
            &[],
            Everything,
        ),
        who(
            "unset, through a proxy here",
            config(Unset),
            local(),
            &through,
            Claim,
        ),
        who("unset, elsewhere", config(Unset), remote(), &[], Claim),
        who("none, elsewhere", config(Nobody), remote(), &[], Change),
        who("none, loopback", config(Nobody), local(), &[], Everything),
        who(
            "none, through a proxy here",
            config(Nobody),
            local(),
            &through,
            Change,
        ),
        who("basic, right", config(basic()), remote(), &[RIGHT], Change),
        who(
            "basic, right, loopback",
            config(basic()),
            local(),
            &[RIGHT],
            Everything,
        ),
        who("basic, wrong", config(basic()), local(), &[WRONG], Nothing),
        who("basic, absent", config(basic()), local(), &[], Nothing),
        who(
            "basic, readonly",
            config(basic()),
            remote(),
            &[READ_ONLY],
            Nothing,
        ),
        who("multi, admin", config(multi()), remote(), &[RIGHT], Change),
        who(
            "multi, readonly",
            config(multi()),
            remote(),
            &[READ_ONLY],
            Claim,
        ),
        who("multi, wrong", config(multi()), remote(), &[WRONG], Nothing),
        who(
            "proxy, power",
            config(proxy()),
            from("10.0.0.1:9"),
            &user("ann"),
            Change,
        ),
        who(
            "proxy, no power",
            config(proxy()),
            from("10.0.0.1:9"),
            &user("bob"),
            Claim,
        ),
        who(
            "proxy, untrusted",
            config(proxy()),
            from("10.0.1.1:9"),
            &user("ann"),
            Claim,
        ),
        who(
            "proxy, power, here",
            config(proxy()),
            local(),
            &user("ann"),
            Change,
        ),
        who(
            "proxy, empty name, here",
            config(proxy()),
            local(),
            &user(""),
            Claim,
        ),
        who(
            "proxy, nobody, here",
            config(proxy()),
            local(),
            &[],
            ClaimAndAdminister,
        ),
        who("token, held", config(token()), remote(), &cookie, Change),
        who("token, wrong", config(token()), remote(), &stale, Claim),
        who("token, none", config(token()), remote(), &[], Claim),
        who(
            "token, none, loopback",
            config(token()),
            local(),
            &[],
            ClaimAndAdminister,
        ),
        who("oauth", config(OAuth), local(), &[], ClaimAndAdminister),
        who("read-only, none", read_only(Nobody), local(), &[], Read),
        who("read-only, unset", read_only(Unset), local(), &[], Read),
        who(
            "read-only, basic",
            read_only(basic()),
            local(),
            &[RIGHT],
            Read,
        ),
        who(
            "read-only, token",
            read_only(token()),
            local(),
            &cookie,
            Read,
        ),
        who(
            "mTLS, valid",
            certified(Nobody, false),
            with_unit("ops"),
            &[],
            Change,
        ),
        who(
            "mTLS, other unit",
            certified(Nobody, false),
            with_unit("dev"),
            &[],
            AskStatus,
        ),
        who(
            "mTLS, none",
            certified(Nobody, false),
            remote(),
            &[],
            AskStatus,
        ),
        who(
            "mTLS, none, loopback",
            certified(Unset, false),
            local(),
            &[],
            AskStatus,
        ),
        who(
            "mTLS, none, status too",
            certified(Nobody, true),
            remote(),
            &[],
            Nothing,
        ),
        who(
            "mTLS, valid, no password",
            certified(basic(), false),
            with_unit("ops"),
            &[],
            Nothing,
        ),
        who(
            "mTLS, none, password",
            certified(basic(), false),
            remote(),
            &[RIGHT],
            AskStatus,
        ),
    ]
}

=======
>>>>>>> tokens
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// 401.
    TurnedAway,
    /// 500 as the predecessor, kind unauthorized.
    Unauthorized,
    /// 403, kind unauthorized.
    Forbidden,
    /// 404: the route does not have this method.
    NotThere,
    /// 405: asked for the headers of a change.
    NoHead,
    /// The handler did it.
    Done,
}

fn expected(may: May, access: Access, method: &str, is_status: bool) -> Verdict {
    use Verdict::{Done, Forbidden, NoHead, NotThere, TurnedAway, Unauthorized};
    let come_in = match may {
        May::Nothing => false,
        May::AskStatus => is_status,
        _ => true,
    };
    if !come_in {
        return TurnedAway;
    }
    let may_claim = !matches!(may, May::Read);
    let may_change = matches!(may, May::Change | May::Everything);
    let may_administer = matches!(may, May::ClaimAndAdminister | May::Everything);
    match (access, method) {
        (Access::Health | Access::Reads, "POST") => NotThere,
        (Access::Health | Access::Reads, _) => Done,
        (Access::LocalOnly, "GET" | "HEAD") => NotThere,
        (Access::LocalOnly, _) if may_administer => Done,
        (Access::LocalOnly, _) => Forbidden,
        (Access::Changes | Access::Claims, "HEAD") => NoHead,
        (Access::Changes, _) if may_change => Done,
        (Access::Claims, _) if may_claim => Done,
        (Access::Changes | Access::Claims, _) => Unauthorized,
    }
}

fn verdict(answer: &Answer) -> Result<Verdict, String> {
    let kind = answer.header("orchestrator-error");
    let message = || {
        let json = answer.json();
        let of_envelope = json["Message"].as_str().unwrap_or_default();
        let message = json["error"]["message"].as_str().unwrap_or(of_envelope);
        message.starts_with("Unauthorized")
    };
    match (answer.status, kind) {
        (StatusCode::UNAUTHORIZED, "") => Ok(Verdict::TurnedAway),
        (StatusCode::INTERNAL_SERVER_ERROR, "unauthorized") if message() => {
            Ok(Verdict::Unauthorized)
        }
        (StatusCode::FORBIDDEN, "unauthorized") if message() => Ok(Verdict::Forbidden),
        (StatusCode::NOT_FOUND, "") if answer.header("content-type").starts_with("text/plain") => {
            Ok(Verdict::NotThere)
        }
        (StatusCode::METHOD_NOT_ALLOWED, "") => Ok(Verdict::NoHead),
        _ if answer.is_done() => Ok(Verdict::Done),
        _ => Err(format!("{} {kind} {}", answer.status, answer.body)),
    }
}

/// The routes as this caller meets them.
pub(crate) fn service(who: &Who) -> Service {
    let (config, peer) = (who.config.clone(), who.peer.clone());
    Service::assembled(sample(), |state| gated(state, config, peer))
}

#[tokio::test]
async fn every_route_answers_every_caller_as_its_access_class_says() {
    let cases = cases();
    let mut asked = 0;
    for who in callers() {
        let refusing = service(&who);
        for route in routes() {
            let case = cases.iter().find(|case| case.path == route.path);
            let uri = case.expect("every route has a case").success;
            let is_status = route.path == who.config.status_path;
            for method in METHODS {
                let expected = expected(who.may, route.access, method, is_status);
                let what = format!("{}: {method} {uri}", who.name);
                let changing = matches!(
                    route.access,
                    Access::Changes | Access::Claims | Access::LocalOnly
                );
                // What takes effect would change what the next one is asked of.
                let fresh;
                let service = match expected == Verdict::Done && changing {
                    true => {
                        fresh = service(&who);
                        &fresh
                    }
                    false => &refusing,
                };
                let answer = service.ask(method, uri, &who.headers).await;
                assert_eq!(verdict(&answer), Ok(expected), "{what}");
                asked += 1;
            }
        }
        let decided = refusing.fakes.proposals.lock().unwrap().len();
        assert_eq!(decided, 0, "{}: a refusal decided something", who.name);
    }
    // docs/api-evidence.md names this number.
    assert_eq!(callers().len(), 37);
    assert_eq!(asked, 37 * METHODS.len() * cases.len());
}

#[tokio::test]
async fn what_is_not_in_the_table_is_not_there_and_says_nothing_to_strangers() {
    for who in callers() {
        let service = service(&who);
        for uri in [
            "/",
            "/web",
            "/api/v2/access-tokens/x",
            "/api/grab-election",
            "/debug/vars",
        ] {
            for method in ["GET", "POST", "HEAD", "DELETE"] {
                let expected = match who.may {
                    May::Nothing | May::AskStatus => Verdict::TurnedAway,
                    _ => Verdict::NotThere,
                };
                let answer = service.ask(method, uri, &who.headers).await;
                assert_eq!(
                    verdict(&answer),
                    Ok(expected),
                    "{}: {method} {uri}",
                    who.name
                );
            }
        }
    }
}

#[tokio::test]
async fn no_writing_of_a_path_takes_the_exception_of_the_status_path_for_another_route() {
    let who = who(
        "mTLS, none",
        certified(Authentication::Nobody, false),
        remote(),
        &[],
        May::AskStatus,
    );
    let service = service(&who);
    for case in cases() {
        if case.path == "/api/status" {
            continue;
        }
        let path = case.success.split('?').next().unwrap();
        for uri in [
            format!("{path}?x=/api/status"),
            format!("{path}?/api/status"),
            format!("/api/status/..{path}"),
            format!("/api/status/%2e%2e{path}"),
            format!("/api/status;{path}"),
            format!("/api/status%00{path}"),
        ] {
            for method in METHODS {
                let answer = service.ask(method, &uri, &[]).await;
                assert_eq!(verdict(&answer), Ok(Verdict::TurnedAway), "{method} {uri}");
            }
        }
    }
}
