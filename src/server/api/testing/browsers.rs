//! Every route that does something, asked as a browser asks it.

use super::Answer;
use super::callers::{May, config, local, remote, token, who};
use super::evidence::cases;
use super::matrix::{service, service_for};
use crate::api::access::Authentication;
use crate::api::{Access, routes};

/// What a browser sends with a request that a page of another site, or a link, made it send; and by which method.
const FOREIGN: [(&str, &[(&str, &str)]); 12] = [
    ("GET", &[OWN, ("sec-fetch-site", "cross-site")]),
    ("POST", &[OWN, ("sec-fetch-site", "cross-site")]),
    ("POST", &[OWN, ("sec-fetch-site", "same-site")]),
    ("GET", &[OWN, ("origin", "https://evil.example")]),
    ("POST", &[OWN, ("origin", "https://evil.example")]),
    ("POST", &[OWN, ("origin", "null")]),
    ("GET", &[OWN, ("referer", "https://evil.example/page")]),
    ("GET", &[OWN, ("referer", "http://10.9.9.9:3001/")]),
    (
        "GET",
        &[
            OWN,
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-site", "none"),
        ],
    ),
    (
        "GET",
        &[
            OWN,
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-site", "same-origin"),
        ],
    ),
    (
        "POST",
        &[("host", "evil.example"), ("origin", "http://evil.example")],
    ),
    (
        "GET",
        &[
            ("host", "evil.example:3000"),
            ("sec-fetch-site", "same-origin"),
        ],
    ),
];

const OWN: (&str, &str) = ("host", "10.9.9.9:3000");

/// What it sends with a request of a page of ours.
const OURS: [(&str, &str); 3] = [
    OWN,
    ("origin", "http://10.9.9.9:3000"),
    ("sec-fetch-site", "same-origin"),
];

#[tokio::test]
async fn pages_of_other_sites_and_links_change_nothing_on_any_route() {
    let who = who(
        "none, loopback",
        config(Authentication::Nobody),
        local(),
        &[],
        May::Everything,
    );
    let refusing = service(&who);
    let cases = cases();
    for route in routes() {
        let case = cases.iter().find(|case| case.path == route.path);
        let case = case.expect("every route has a case");
        let uri = case.success;
        match route.access {
            Access::Health | Access::Reads => continue,
            // Opened as a link; see the next test.
            Access::Claims => continue,
            Access::Changes => {
                let answer = service_for(&who, case).ask("POST", uri, &OURS).await;
                assert!(answer.is_done(), "{uri}: {}", answer.body);
            }
            Access::LocalOnly => {
                let answer = refusing.ask("POST", uri, &OURS).await;
                assert_cross_site(&answer, uri);
            }
        }
        for (method, headers) in FOREIGN {
            // A route for this machine has no GET.
            let method = match route.access {
                Access::LocalOnly => "POST",
                _ => method,
            };
            let answer = refusing.ask(method, uri, headers).await;
            assert_cross_site(&answer, &format!("{method} {uri} {headers:?}"));
        }
    }
    assert!(refusing.fakes.proposals.lock().unwrap().is_empty());
}

fn assert_cross_site(answer: &Answer, what: &str) {
    let kind = answer.header("orchestrator-error");
    assert_eq!(
        (answer.status.as_u16(), kind),
        (403, "cross-site"),
        "{what}"
    );
}

#[tokio::test]
async fn a_claim_is_opened_as_a_link_from_anywhere_but_under_a_name_of_ours() {
    let uri = "/web/access-token?publicToken=1111111111111111111111111111111111111111111111111111111111111111";
    let who = who("token, none", config(token()), remote(), &[], May::Claim);
    let link = [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "navigate"),
        ("referer", "https://chat.example/"),
    ];
    let foreign_name = [[("host", "evil.example")].as_slice(), &link].concat();
    let refusing = service(&who);
    assert_cross_site(&refusing.ask("GET", uri, &foreign_name).await, uri);
    assert!(refusing.fakes.proposals.lock().unwrap().is_empty());
    let answer = refusing
        .ask("GET", uri, &[[OWN].as_slice(), &link].concat())
        .await;
    assert_eq!(answer.status, 302, "{}", answer.body);
}
