//! Every kind of caller: how they come, what they show, what is configured, and what they may do.

use std::sync::Arc;

use axum::http::HeaderName;
use orchestrator_core::domain::Secret;

use crate::api::access::{
    AccessConfig, Authentication, CertificateRule, ClientCertificate, GroupLookup, Peer,
    ProxyUsers, TokenLookup, TrustedProxy,
};

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

pub(crate) fn certified(authentication: Authentication, on_status_path: bool) -> AccessConfig {
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
pub(crate) enum May {
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

pub(crate) struct Who {
    pub(crate) name: &'static str,
    pub(crate) config: AccessConfig,
    pub(crate) peer: Peer,
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    pub(crate) may: May,
}

pub(crate) fn who(
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

pub(crate) fn callers() -> Vec<Who> {
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
