//! Access as tables: who may do what, from where.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use orchestrator_core::domain::Secret;

use super::authentication::check_certificate;
use super::authorization::may_change;
use super::standing::NotLetIn;
use super::*;

struct Groups;
impl GroupLookup for Groups {
    fn is_in_any(&self, user: &str, groups: &[String]) -> bool {
        user == "dba1" && groups.iter().any(|group| group == "dba")
    }
}

struct Tokens;
impl TokenLookup for Tokens {
    fn owner(&self, public: &str, secret: &str) -> Option<String> {
        (public == "pub" && secret == "sec").then(|| "ann".to_owned())
    }
}

fn config(authentication: Authentication) -> AccessConfig {
    AccessConfig {
        read_only: false,
        authentication,
        certificates: None,
        allowed_hosts: vec!["orc.example.com".into()],
        own_hosts: vec!["node1".into()],
        status_path: "/api/status".into(),
        audit: None,
    }
}

fn proxy(power_users: &[&str]) -> Authentication {
    Authentication::Proxy(ProxyUsers {
        header: HeaderName::from_static("x-forwarded-user"),
        power_users: power_users.iter().map(|user| (*user).to_owned()).collect(),
        power_groups: vec!["dba".into()],
        trusted: vec![TrustedProxy::parse("10.0.0.0/24").unwrap()],
        groups: Arc::new(Groups),
    })
}

fn basic() -> Authentication {
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

fn from(address: &str) -> Peer {
    Peer {
        remote: (address != "unix").then(|| format!("{address}:40000").parse().unwrap()),
        local: (address != "unix").then(|| "10.9.9.9:3000".parse().unwrap()),
        certificate: None,
    }
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(
            name.parse::<HeaderName>().unwrap(),
            HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        );
    }
    map
}

/// What becomes of a changing request: `401`, `yes USER`, or why not.
fn outcome(config: &AccessConfig, peer: &Peer, pairs: &[(&str, &str)]) -> String {
    match Standing::direct(config, peer, &Method::POST, &headers(pairs)) {
        Err(NotLetIn::Rejected(_)) => "401".into(),
        Err(other) => format!("{other:?}"),
        Ok(standing) => judged(config, &standing),
    }
}

fn judged(config: &AccessConfig, standing: &Standing) -> String {
    match may_change(config, standing) {
        Ok(()) => format!("yes {}", standing.identity.user),
        Err(denied) => format!("{denied:?}"),
    }
}

#[test]
fn without_authentication_changes_come_from_this_machine_unless_one_key_opens_them() {
    use Authentication::{Nobody, Unset};
    let through_proxy = [("x-forwarded-for", "1.2.3.4")];
    for (method, read_only, address, pairs, expected) in [
        (Unset, false, "127.0.0.1", &[][..], "yes "),
        (Unset, false, "127.9.0.1", &[][..], "yes "),
        (Unset, false, "[::1]", &[][..], "yes "),
        (Unset, false, "[::ffff:127.0.0.1]", &[][..], "yes "),
        (Unset, false, "unix", &[][..], "yes "),
        (Unset, false, "10.0.0.7", &[][..], "NotLocal"),
        (Unset, false, "[fe80::1]", &[][..], "NotLocal"),
        (Unset, false, "127.0.0.1", &through_proxy[..], "NotLocal"),
        (
            Unset,
            false,
            "127.0.0.1",
            &[("x-forwarded-proto", "https")][..],
            "NotLocal",
        ),
        (Unset, false, "unix", &[("via", "1.1 p")][..], "NotLocal"),
        (Unset, true, "127.0.0.1", &[][..], "ReadOnly"),
        (Nobody, false, "10.0.0.7", &[][..], "yes "),
        (Nobody, false, "127.0.0.1", &through_proxy[..], "yes "),
        (Nobody, true, "127.0.0.1", &[][..], "ReadOnly"),
        (
            Authentication::OAuth,
            false,
            "127.0.0.1",
            &[][..],
            "NotPermitted",
        ),
    ] {
        let config = AccessConfig {
            read_only,
            ..config(method)
        };
        assert_eq!(
            outcome(&config, &from(address), pairs),
            expected,
            "{address} {pairs:?} read-only {read_only}"
        );
    }
}

#[test]
fn passwords_open_every_path_and_malformed_ones_are_wrong_ones() {
    let encoded = |text: &str| {
        use base64::Engine;
        format!(
            "Basic {}",
            base64::engine::general_purpose::STANDARD.encode(text)
        )
    };
    let right = encoded("admin:s3cret");
    for (header, in_basic, in_multi) in [
        (Some(right.clone()), "yes admin", "yes admin"),
        (
            Some(right.replace("Basic", "bAsIc")),
            "yes admin",
            "yes admin",
        ),
        (None, "401", "401"),
        (Some(encoded("admin:")), "401", "401"),
        (Some(encoded("admin:s3cret2")), "401", "401"),
        (Some(encoded("Admin:s3cret")), "401", "401"),
        (Some(encoded("admin")), "401", "401"),
        (Some(encoded(":s3cret")), "401", "401"),
        (Some("Basic".into()), "401", "401"),
        (Some("Basic !!!!".into()), "401", "401"),
        (Some("Basic /////w==".into()), "401", "401"),
        (Some("Bearer s3cret".into()), "401", "401"),
        (Some(encoded("readonly:whatever")), "401", "NotPermitted"),
        (Some(encoded("readonly:")), "401", "NotPermitted"),
    ] {
        let pairs: Vec<(&str, &str)> = header
            .iter()
            .map(|value| ("authorization", value.as_str()))
            .collect();
        assert_eq!(
            outcome(&config(basic()), &from("10.0.0.7"), &pairs),
            in_basic,
            "basic {header:?}"
        );
        assert_eq!(
            outcome(&config(multi()), &from("10.0.0.7"), &pairs),
            in_multi,
            "multi {header:?}"
        );
    }
    let twice = [
        ("authorization", right.as_str()),
        ("authorization", right.as_str()),
    ];
    assert_eq!(
        outcome(&config(basic()), &from("10.0.0.7"), &twice),
        "401",
        "two headers are no header"
    );
}

#[test]
fn a_proxys_word_counts_from_trusted_places_only_and_an_empty_name_is_nobody() {
    let everybody = config(proxy(&["*"]));
    let ann = config(proxy(&["ann"]));
    let user = |name: &'static str| [("X-Forwarded-User", name)];
    assert_eq!(
        outcome(&everybody, &from("127.0.0.1"), &user("bob")),
        "yes bob"
    );
    assert_eq!(
        outcome(&everybody, &from("10.0.0.9"), &user("bob")),
        "yes bob",
        "listed in HTTPTrustedProxies"
    );
    assert_eq!(
        outcome(&everybody, &from("10.0.1.9"), &user("bob")),
        "UntrustedProxy"
    );
    assert_eq!(
        outcome(&everybody, &from("127.0.0.1"), &user("")),
        "NotPermitted"
    );
    assert_eq!(
        outcome(&everybody, &from("127.0.0.1"), &user("  ")),
        "NotPermitted"
    );
    assert_eq!(outcome(&everybody, &from("127.0.0.1"), &[]), "NotPermitted");
    assert_eq!(outcome(&ann, &from("127.0.0.1"), &user("ann")), "yes ann");
    assert_eq!(
        outcome(&ann, &from("127.0.0.1"), &user("bob")),
        "NotPermitted"
    );
    assert_eq!(
        outcome(&ann, &from("127.0.0.1"), &user("dba1")),
        "yes dba1",
        "by unix group"
    );
    let two = [("X-Forwarded-User", "ann"), ("X-Forwarded-User", "bob")];
    assert_eq!(
        outcome(&ann, &from("127.0.0.1"), &two),
        "NotPermitted",
        "two names are no name"
    );
    let certified = Peer {
        certificate: Some(ClientCertificate::default()),
        ..from("10.0.1.9")
    };
    assert_eq!(
        outcome(&ann, &certified, &user("ann")),
        "yes ann",
        "its certificate was verified"
    );
}

#[test]
fn tokens_come_in_a_cookie_and_broken_cookies_are_no_token() {
    let config = config(Authentication::Token(Arc::new(Tokens)));
    for (cookie, expected) in [
        ("access-token=pub:sec", "yes ann"),
        ("a=b; access-token=pub:sec; c=d", "yes ann"),
        ("access-token=\"pub:sec\"", "yes ann"),
        ("access-token=pub:wrong", "NotPermitted"),
        ("access-token=pubsec", "NotPermitted"),
        ("access-token=", "NotPermitted"),
        ("access-token", "NotPermitted"),
        ("=;=;;", "NotPermitted"),
        ("access-token=\u{e9}\u{fffd}", "NotPermitted"),
    ] {
        assert_eq!(
            outcome(&config, &from("10.0.0.7"), &[("cookie", cookie)]),
            expected,
            "{cookie}"
        );
    }
}

#[test]
fn certificates_are_asked_for_on_every_path_but_the_exact_status_path() {
    let with = |units: &[&str]| Peer {
        certificate: Some(ClientCertificate {
            organizational_units: units.iter().map(|u| (*u).to_owned()).collect(),
        }),
        ..from("10.0.0.7")
    };
    let valid = vec!["ops".to_owned()];
    let lenient = AccessConfig {
        certificates: Some(CertificateRule {
            valid_units: valid.clone(),
            on_status_path: false,
        }),
        ..config(Authentication::Nobody)
    };
    let strict = AccessConfig {
        certificates: Some(CertificateRule {
            valid_units: valid,
            on_status_path: true,
        }),
        ..config(Authentication::Nobody)
    };
    let off = config(Authentication::Nobody);
    let none = from("10.0.0.7");
    for path in [
        "/api/clusters",
        "/api/status/x",
        "/api/status2",
        "/x/api/status",
        "/",
        "/api/forget/api/status",
        "/api/%73tatus",
    ] {
        for (peer, ok) in [
            (&none, false),
            (&with(&[]), false),
            (&with(&["dev"]), false),
            (&with(&["opsx"]), false),
            (&with(&["dev", "ops"]), true),
        ] {
            assert_eq!(
                check_certificate(&lenient, peer, path).is_ok(),
                ok,
                "{path} {peer:?}"
            );
            assert_eq!(
                check_certificate(&strict, peer, path).is_ok(),
                ok,
                "{path} {peer:?}"
            );
            assert!(check_certificate(&off, peer, path).is_ok());
        }
    }
    assert!(check_certificate(&lenient, &none, "/api/status").is_ok());
    assert!(check_certificate(&strict, &none, "/api/status").is_err());
}

#[test]
fn pages_of_other_sites_change_nothing_and_scripts_pass() {
    let config = config(Authentication::Nobody);
    let peer = from("10.0.0.7");
    let verdict = |method: Method, pairs: &[(&str, &str)], changes: bool| {
        super::browser::check(&config, &peer, &method, &headers(pairs), changes).err()
    };
    let get = Method::GET;
    let post = Method::POST;
    let own = ("host", "10.9.9.9:3000");
    // Scripts, load balancers, clients: none of a browser's headers, whatever the host.
    for pairs in [
        &[][..],
        &[own][..],
        &[("host", "anything")][..],
        &[("host", "evil.example")][..],
    ] {
        assert_eq!(verdict(get.clone(), pairs, true), None);
        assert_eq!(verdict(post.clone(), pairs, true), None);
    }
    let foreign = Some(CrossSite::ForeignPage);
    let unknown = Some(CrossSite::UnknownHost);
    let navigation = Some(CrossSite::Navigation);
    type Case<'a> = (&'a Method, &'a [(&'a str, &'a str)], Option<CrossSite>);
    let cases: &[Case<'_>] = &[
        (&get, &[own, ("sec-fetch-site", "cross-site")], foreign),
        (&post, &[own, ("sec-fetch-site", "cross-site")], foreign),
        (&get, &[own, ("sec-fetch-site", "same-site")], foreign),
        (&post, &[own, ("sec-fetch-site", "same-site")], foreign),
        (&get, &[own, ("sec-fetch-site", "nonsense")], foreign),
        (&get, &[own, ("origin", "https://evil.example")], foreign),
        (&post, &[own, ("origin", "https://evil.example")], foreign),
        (&post, &[own, ("origin", "null")], foreign),
        (&post, &[own, ("origin", "")], foreign),
        (
            &get,
            &[own, ("referer", "https://evil.example/page")],
            foreign,
        ),
        (
            &get,
            &[own, ("referer", "https://evil.example/10.9.9.9:3000")],
            foreign,
        ),
        (
            &get,
            &[own, ("referer", "http://10.9.9.9:3000@evil.example/")],
            foreign,
        ),
        (
            &get,
            &[own, ("referer", "http://10.9.9.9:3000.evil.example/")],
            foreign,
        ),
        (&get, &[own, ("referer", "http://10.9.9.9:3001/")], foreign),
        (&get, &[own, ("referer", "about:blank")], foreign),
        (
            &get,
            &[
                own,
                ("sec-fetch-site", "same-origin"),
                ("origin", "https://evil.example"),
            ],
            foreign,
        ),
        (
            &get,
            &[
                own,
                ("sec-fetch-mode", "navigate"),
                ("sec-fetch-site", "none"),
            ],
            navigation,
        ),
        (
            &get,
            &[
                own,
                ("sec-fetch-mode", "navigate"),
                ("sec-fetch-site", "same-origin"),
            ],
            navigation,
        ),
        (&get, &[own, ("sec-fetch-mode", "navigate")], navigation),
        (
            &get,
            &[
                ("host", "evil.example:3000"),
                ("sec-fetch-site", "same-origin"),
            ],
            unknown,
        ),
        (
            &post,
            &[("host", "evil.example"), ("origin", "http://evil.example")],
            unknown,
        ),
        (
            &post,
            &[("host", "8.8.8.8"), ("origin", "http://8.8.8.8")],
            unknown,
        ),
        (&post, &[("origin", "http://10.9.9.9:3000")], unknown),
        (
            &post,
            &[("host", "a b"), ("sec-fetch-site", "same-origin")],
            unknown,
        ),
        (
            &post,
            &[
                own,
                ("sec-fetch-site", "same-origin"),
                ("origin", "http://10.9.9.9:3000"),
            ],
            None,
        ),
        (
            &get,
            &[
                own,
                ("sec-fetch-site", "same-origin"),
                ("sec-fetch-mode", "cors"),
                ("referer", "http://10.9.9.9:3000/web"),
            ],
            None,
        ),
        (
            &post,
            &[
                ("host", "orc.example.com"),
                ("origin", "https://orc.example.com"),
            ],
            None,
        ),
        (
            &post,
            &[("host", "NODE1:3000"), ("origin", "http://node1:3000")],
            None,
        ),
        (
            &post,
            &[
                ("host", "localhost:3000"),
                ("origin", "http://localhost:3000"),
            ],
            None,
        ),
        (
            &post,
            &[("host", "[::1]:3000"), ("origin", "http://[::1]:3000")],
            None,
        ),
        (
            &post,
            &[
                ("host", "127.0.0.1:3000"),
                ("sec-fetch-site", "none"),
                ("sec-fetch-mode", "navigate"),
            ],
            None,
        ),
    ];
    for (method, pairs, expected) in cases {
        assert_eq!(
            verdict((*method).clone(), pairs, true),
            *expected,
            "{method} {pairs:?}"
        );
    }
    // Reading by link is what a browser is for, but only under a name of ours.
    assert_eq!(
        verdict(
            get.clone(),
            &[
                own,
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", "navigate")
            ],
            false
        ),
        None
    );
    assert_eq!(
        verdict(
            get,
            &[("host", "evil.example"), ("sec-fetch-mode", "navigate")],
            false
        ),
        unknown
    );
}

/// What becomes of a changing request on the leader when another node passed it on: `401`, `yes USER`, or why not.
fn passed_on(
    follower: &AccessConfig,
    leader: &AccessConfig,
    peer: &Peer,
    pairs: &[(&str, &str)],
) -> String {
    let found = Standing::direct(follower, peer, &Method::POST, &headers(pairs));
    let Ok(found) = found else {
        return "not let in by the follower".into();
    };
    let sent = Vouched::from_bytes(&found.vouch("node2").to_bytes()).unwrap();
    match Standing::vouched(leader, &sent) {
        Err(NotLetIn::Rejected(_)) => "401".into(),
        Err(other) => format!("{other:?}"),
        Ok(standing) => judged(leader, &standing),
    }
}

#[test]
fn with_one_configuration_every_caller_gets_the_same_verdict_through_another_node() {
    let right = [("authorization", "Basic YWRtaW46czNjcmV0")];
    let reader = [("authorization", "Basic cmVhZG9ubHk6eA==")];
    let ann = [("x-forwarded-user", "ann")];
    let dba = [("x-forwarded-user", "dba1")];
    let cookie = [("cookie", "access-token=pub:sec")];
    let through = [("x-forwarded-for", "1.2.3.4")];
    for (authentication, peer, pairs, expected) in [
        (Authentication::Unset, "127.0.0.1", &[][..], "yes "),
        (Authentication::Unset, "unix", &[][..], "yes "),
        (Authentication::Unset, "127.0.0.1", &through[..], "NotLocal"),
        (Authentication::Unset, "10.0.0.7", &[][..], "NotLocal"),
        (Authentication::Nobody, "10.0.0.7", &[][..], "yes "),
        (Authentication::OAuth, "127.0.0.1", &[][..], "NotPermitted"),
        (basic(), "10.0.0.7", &right[..], "yes admin"),
        (multi(), "10.0.0.7", &right[..], "yes admin"),
        (multi(), "10.0.0.7", &reader[..], "NotPermitted"),
        (proxy(&["ann"]), "10.0.0.1", &ann[..], "yes ann"),
        (proxy(&[]), "10.0.0.1", &ann[..], "NotPermitted"),
        (proxy(&[]), "10.0.0.1", &dba[..], "yes dba1"),
        (proxy(&["*"]), "10.0.0.1", &[][..], "NotPermitted"),
        (
            Authentication::Token(Arc::new(Tokens)),
            "10.0.0.7",
            &cookie[..],
            "yes ann",
        ),
        (
            Authentication::Token(Arc::new(Tokens)),
            "10.0.0.7",
            &[][..],
            "NotPermitted",
        ),
    ] {
        let config = config(authentication);
        let peer = from(peer);
        assert_eq!(outcome(&config, &peer, pairs), expected, "{peer:?}");
        let passed_on = passed_on(&config, &config, &peer, pairs);
        assert_eq!(passed_on, expected, "{peer:?} {pairs:?}");
    }
}

#[test]
fn the_leader_decides_by_its_own_configuration_and_a_proof_counts_only_where_it_would_be_asked_for()
{
    let right = [("authorization", "Basic YWRtaW46czNjcmV0")];
    let ann = [("x-forwarded-user", "ann")];
    let cookie = [("cookie", "access-token=pub:sec")];
    let token = || Authentication::Token(Arc::new(Tokens));
    let other_user = Authentication::Basic {
        user: "root".into(),
        password: Secret::new("s3cret"),
    };
    type Case<'a> = (
        Authentication,
        Authentication,
        &'a str,
        &'a [(&'a str, &'a str)],
        &'a str,
    );
    let cases: [Case<'_>; 11] = [
        // The leader is stricter than the node that vouches.
        (Authentication::Nobody, basic(), "10.0.0.7", &[], "401"),
        (Authentication::Nobody, multi(), "10.0.0.7", &right, "401"),
        (
            Authentication::Nobody,
            Authentication::Unset,
            "10.0.0.7",
            &[],
            "NotLocal",
        ),
        (basic(), other_user, "10.0.0.7", &right, "401"),
        (
            proxy(&["ann"]),
            proxy(&["bob"]),
            "10.0.0.1",
            &ann,
            "NotPermitted",
        ),
        (proxy(&["ann"]), basic(), "10.0.0.1", &ann, "401"),
        (proxy(&["ann"]), token(), "10.0.0.1", &ann, "NotPermitted"),
        (token(), proxy(&["*"]), "10.0.0.1", &cookie, "NotPermitted"),
        (basic(), token(), "10.0.0.7", &right, "NotPermitted"),
        (
            basic(),
            Authentication::OAuth,
            "10.0.0.7",
            &right,
            "NotPermitted",
        ),
        // And laxer: the name is nobody's then.
        (basic(), Authentication::Nobody, "10.0.0.7", &right, "yes "),
    ];
    for (follower, leader, peer, pairs, expected) in cases {
        let passed_on = passed_on(&config(follower), &config(leader), &from(peer), pairs);
        assert_eq!(passed_on, expected, "{pairs:?}");
    }
    let read_only = AccessConfig {
        read_only: true,
        ..config(basic())
    };
    let local = from("127.0.0.1");
    assert_eq!(
        passed_on(&config(basic()), &read_only, &local, &right),
        "ReadOnly"
    );
}

#[test]
fn what_a_browser_may_do_goes_along() {
    let config = config(Authentication::Nobody);
    let own = ("host", "10.9.9.9:3000");
    for (pairs, is_of_a_browser, may_change) in [
        (&[own][..], false, true),
        (&[own, ("sec-fetch-site", "same-origin")][..], true, true),
        (&[own, ("sec-fetch-site", "cross-site")][..], true, false),
        (&[own, ("origin", "http://evil.example")][..], true, false),
    ] {
        let peer = from("10.0.0.7");
        let found = Standing::direct(&config, &peer, &Method::POST, &headers(pairs)).unwrap();
        let there = Standing::vouched(&config, &found.vouch("node2")).unwrap();
        assert_eq!(there.is_of_a_browser, is_of_a_browser, "{pairs:?}");
        assert_eq!(there.browser_may_change.is_ok(), may_change, "{pairs:?}");
    }
}
