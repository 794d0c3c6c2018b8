//! What a follower passes on, and what the leader makes of it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use orchestrator_core::ports::{Clock, ForwardedRequest, GroupRole};

use super::callers::{basic, config, local, remote, token};
use super::group::FakeGroup;
use super::{Answer, Service, gated, sample};
use crate::api::access::{
    AccessConfig, AuditEntry, AuditSink, Authentication, BrowserWord, Peer, Vouched, VouchedProof,
};
use crate::api::view::samples::Sample;

pub(super) const DOWNTIME: &str = "/api/begin-downtime/db1/3306/ada/disk/30m";

/// A leader, and a follower that passes on to it.
pub(super) struct Pair {
    pub(super) leader: Service,
    pub(super) leaders_group: Arc<FakeGroup>,
    pub(super) follower: Service,
    pub(super) group: Arc<FakeGroup>,
}

pub(super) fn placed(
    sample: Sample,
    group: &Arc<FakeGroup>,
    access: AccessConfig,
    peer: Peer,
) -> Service {
    Service::placed(sample, Some(group.clone()), |state| {
        gated(state, access, peer)
    })
}

impl Pair {
    /// Nobody has to say who he is; the caller of the follower is on its machine.
    pub(super) fn open() -> Self {
        Self::of(
            config(Authentication::Unset),
            config(Authentication::Unset),
            local(),
        )
    }

    fn of(leaders: AccessConfig, followers: AccessConfig, peer: Peer) -> Self {
        let leaders_group = FakeGroup::leading();
        let leader = placed(sample(), &leaders_group, leaders, remote());
        let group = FakeGroup::following(Some(leader.handler()));
        let mut knows_nothing = sample();
        knows_nothing.records.clear();
        let follower = placed(knows_nothing, &group, followers, peer);
        Self {
            leader,
            leaders_group,
            follower,
            group,
        }
    }

    pub(super) fn now(&self) -> Duration {
        self.follower.fakes.monotonic()
    }

    pub(super) fn made(&self) -> usize {
        let own = self.follower.fakes.proposals.lock().unwrap().len();
        assert_eq!(own, 0, "a follower proposes nothing itself");
        self.leader.fakes.proposals.lock().unwrap().len()
    }

    pub(super) fn sent(&self) -> ForwardedRequest {
        let forwarded = self.group.forwarded.lock().unwrap();
        forwarded.last().expect("something was passed on").0.clone()
    }
}

pub(super) fn header<'a>(request: &'a ForwardedRequest, name: &str) -> Option<&'a str> {
    let found = request.headers.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| std::str::from_utf8(value).unwrap())
}

pub(super) fn kind(answer: &Answer) -> &str {
    answer.header("orchestrator-error")
}

#[tokio::test]
async fn reads_and_changes_of_a_follower_are_answered_by_the_leader() {
    let pair = Pair::open();
    let answer = pair.follower.get("/api/cluster/main").await;
    assert_eq!(
        answer.keys().split(' ').count(),
        5,
        "the follower itself knows none"
    );
    assert_eq!(
        answer.header("content-type"),
        "application/json; charset=UTF-8"
    );
    let answer = pair.follower.ask("POST", DOWNTIME, &[]).await;
    assert!(answer.is_done(), "{}", answer.body);
    assert_eq!(pair.made(), 1);
    let head = pair.follower.ask("HEAD", "/api/clusters", &[]).await;
    assert_eq!((head.status.as_u16(), head.body.as_str()), (200, ""));
    let missing = pair.follower.get("/api/instance/new/3306").await;
    assert_eq!(
        (missing.status.as_u16(), kind(&missing)),
        (500, "not-found")
    );
}

#[tokio::test]
async fn what_a_node_says_of_itself_is_not_passed_on() {
    let pair = Pair::open();
    for uri in [
        "/api/health",
        "/api/status",
        "/api/lb-check",
        "/api/leader-check",
        "/api/raft-state",
        "/api/raft-status",
        "/api/raft-snapshot",
        "/api/reload-configuration",
        "/api/v2/probes",
        "/api/no-such-thing",
    ] {
        pair.follower.get(uri).await;
        assert_eq!(pair.group.passed_on(), 0, "{uri}");
    }
}

#[tokio::test]
async fn the_record_of_a_change_names_the_caller_and_the_node_that_vouched() {
    let pair = Pair::of(config(token()), config(token()), remote());
    let cookie = [("cookie", "access-token=pub:sec")];
    assert!(pair.follower.ask("POST", DOWNTIME, &cookie).await.is_done());
    let proposals = pair.leader.fakes.proposals.lock().unwrap();
    assert_eq!(proposals[0].origin.who, "ann");
    assert_eq!(proposals[0].origin.whence, "10.0.0.7 through orc1");
}

#[derive(Default)]
struct Recorded(Mutex<Vec<AuditEntry>>);

impl AuditSink for Recorded {
    fn record(&self, entry: AuditEntry) {
        self.0.lock().unwrap().push(entry);
    }
}

#[tokio::test]
async fn the_audit_names_the_caller_on_both_nodes_and_on_the_leader_the_node_between() {
    let records = [Arc::new(Recorded::default()), Arc::new(Recorded::default())];
    let [leaders, followers] = records.clone().map(|audit| AccessConfig {
        audit: Some(audit),
        ..config(token())
    });
    let pair = Pair::of(leaders, followers, remote());
    let cookie = ("cookie", "access-token=pub:sec");
    let forged = ("x-forwarded-for", "192.0.2.1\u{85}x");
    assert!(
        pair.follower
            .ask("POST", DOWNTIME, &[cookie])
            .await
            .is_done()
    );
    pair.follower.ask("POST", DOWNTIME, &[forged]).await;
    pair.follower
        .ask(
            "POST",
            DOWNTIME,
            &[cookie, ("x-forwarded-for", "192.0.2.1")],
        )
        .await;
    let [of_leader, of_follower] = records.map(|audit| {
        let entries = audit.0.lock().unwrap();
        let messages = entries.iter().map(|entry| entry.message.clone());
        messages.collect::<Vec<_>>()
    });
    let path = "asked for /api/begin-downtime/db1/3306/ada/disk/30m";
    assert_eq!(
        of_leader,
        [
            format!("ann from 10.0.0.7 (X-Forwarded-For: 10.0.0.7) through orc1 {path}: done"),
            format!(
                "ann from 10.0.0.7 (X-Forwarded-For: 192.0.2.1, 10.0.0.7) through orc1 {path}: done"
            ),
        ]
    );
    assert_eq!(
        of_follower,
        [
            format!("ann from 10.0.0.7 {path}: done"),
            format!("nobody from 10.0.0.7 {path}: refused: Unauthorized"),
            format!("ann from 10.0.0.7 (X-Forwarded-For: 192.0.2.1) {path}: done"),
        ]
    );
}

#[tokio::test]
async fn no_credential_leaves_the_node_and_no_header_of_a_caller_says_who_it_is() {
    let pair = Pair::of(config(basic()), config(basic()), remote());
    let headers = [
        ("authorization", "Basic YWRtaW46czNjcmV0"),
        ("cookie", "access-token=pub:sec"),
        ("proxy-authorization", "Basic x"),
        ("x-user", "root"),
        ("x-forwarded-for", "192.0.2.1"),
        ("x-forwarded-user", "root"),
        ("x-orchestrator-caller", "root"),
        ("x-orchestrator-node", "orc1"),
        ("host", "orc2:3000"),
        ("connection", "upgrade"),
        ("accept-encoding", "gzip"),
        ("idempotency-key", "k1"),
    ];
    assert!(
        pair.follower
            .ask("POST", DOWNTIME, &headers)
            .await
            .is_done()
    );
    let sent = pair.sent();
    let mut names: Vec<&str> = sent.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["idempotency-key", "x-forwarded-for"]);
    assert_eq!(
        header(&sent, "x-forwarded-for"),
        Some("192.0.2.1, 10.0.0.7")
    );
    assert_eq!(sent.target, DOWNTIME);
    let caller = Vouched::from_bytes(&sent.caller).unwrap();
    assert_eq!(
        (caller.user.as_str(), caller.proof),
        ("admin", VouchedProof::Password)
    );
    assert_eq!(caller.address, Some([10, 0, 0, 7].into()));
    let everything = format!("{sent:?}{caller:?}");
    assert!(!everything.contains("s3cret") && !everything.contains("YWRtaW46"));
}

#[tokio::test]
async fn headers_from_outside_make_nobody_somebody() {
    // As a client of the leader itself might try, and as a client of a follower might.
    let pair = Pair::of(config(basic()), config(Authentication::Nobody), remote());
    let vouched = hex(&vouched().to_bytes());
    let tries = [
        ("x-orchestrator-caller", vouched.as_str()),
        ("x-orchestrator-vouched", "admin"),
        ("x-forwarded-user", "admin"),
        ("x-user", "admin"),
        ("forwarded", "for=127.0.0.1"),
        ("x-forwarded-for", "127.0.0.1"),
    ];
    for service in [&pair.leader, &pair.follower] {
        let answer = service.ask("POST", DOWNTIME, &tries).await;
        assert_eq!(answer.status, 401, "{}", answer.body);
    }
    assert_eq!(pair.made(), 0);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn vouched() -> Vouched {
    Vouched {
        node: "orc2".into(),
        user: "admin".into(),
        proof: VouchedProof::Password,
        reads_only: false,
        address: Some([10, 0, 0, 7].into()),
        units: None,
        is_through_proxy: false,
        names_a_user: false,
        browser: BrowserWord::NoBrowser,
    }
}

fn request(uri: &str, caller: Vec<u8>) -> ForwardedRequest {
    ForwardedRequest {
        method: "POST".into(),
        target: uri.into(),
        headers: vec![],
        body: vec![],
        caller,
    }
}

#[tokio::test]
async fn a_request_without_a_readable_caller_or_form_is_refused_and_decides_nothing() {
    let service = placed(
        sample(),
        &FakeGroup::leading(),
        config(Authentication::Nobody),
        local(),
    );
    let handler = service.handler();
    let good = vouched().to_bytes();
    let mut hostile = vec![
        request(DOWNTIME, vec![]),
        request(DOWNTIME, vec![0; 40]),
        request(DOWNTIME, vec![255; 40]),
        request(DOWNTIME, vec![1; 1_000_000]),
        request(DOWNTIME, good[..good.len() - 1].to_vec()),
        request(DOWNTIME, [good.as_slice(), &[0]].concat()),
        request("begin-downtime", good.clone()),
        request("http://evil.example/api/clusters", good.clone()),
        request("/api/\u{0} x", good.clone()),
        request(&format!("/api/{}", "x".repeat(9_000)), good.clone()),
    ];
    for (name, value) in [("a b", "x"), ("", "x")] {
        hostile.push(ForwardedRequest {
            headers: vec![(name.into(), value.into())],
            ..request(DOWNTIME, good.clone())
        });
    }
    hostile.push(ForwardedRequest {
        headers: vec![("x-forwarded-for".into(), b"a\r\nb".to_vec())],
        ..request(DOWNTIME, good.clone())
    });
    hostile.push(ForwardedRequest {
        headers: vec![("x-forwarded-for".into(), vec![b'1'; 20_000])],
        ..request(DOWNTIME, good.clone())
    });
    hostile.push(ForwardedRequest {
        method: "PO ST".into(),
        ..request(DOWNTIME, good.clone())
    });
    hostile.push(ForwardedRequest {
        body: vec![0; 65 * 1024],
        ..request(DOWNTIME, good.clone())
    });
    for request in hostile {
        let what = format!("{:.200}", format!("{request:?}"));
        let answer = handler.handle(request).await;
        assert_eq!(answer.status, 500, "{what}");
        let kind = answer
            .headers
            .iter()
            .find(|(name, _)| name == "orchestrator-error");
        assert_eq!(kind.expect("a kind").1, b"unavailable", "{what}");
    }
    assert!(service.fakes.proposals.lock().unwrap().is_empty());
    assert_eq!(handler.handle(request(DOWNTIME, good)).await.status, 200);
}

#[tokio::test]
async fn credentials_in_a_request_that_was_passed_on_count_for_nothing() {
    let service = placed(sample(), &FakeGroup::leading(), config(basic()), local());
    let nobody = Vouched {
        user: String::new(),
        proof: VouchedProof::None,
        ..vouched()
    };
    let right = (
        "authorization".to_owned(),
        b"Basic YWRtaW46czNjcmV0".to_vec(),
    );
    let request = ForwardedRequest {
        headers: vec![right],
        ..request(DOWNTIME, nobody.to_bytes())
    };
    assert_eq!(service.handler().handle(request).await.status, 401);
    assert!(service.fakes.proposals.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_leader_does_for_other_nodes_only_what_followers_pass_on() {
    let service = placed(
        sample(),
        &FakeGroup::leading(),
        config(Authentication::Nobody),
        local(),
    );
    for uri in [
        "/api/reload-configuration",
        "/api/raft-snapshot",
        "/api/raft-yield/orc2",
        "/api/health",
        "/api/v2/probes",
        "/metrics",
    ] {
        for method in ["GET", "POST"] {
            let request = ForwardedRequest {
                method: method.into(),
                ..request(uri, vouched().to_bytes())
            };
            let answer = service.handler().handle(request).await;
            assert_eq!(answer.status, 404, "{method} {uri}");
        }
    }
}

#[tokio::test]
async fn a_request_that_was_passed_on_once_is_not_passed_on_again() {
    let third = Pair::open();
    // The node that is taken for the leader follows a third one by now.
    let former = FakeGroup::following(Some(third.leader.handler()));
    let service = placed(sample(), &former, config(Authentication::Unset), local());
    let group = FakeGroup::following(Some(service.handler()));
    let follower = placed(sample(), &group, config(Authentication::Unset), local());
    tokio::time::pause();
    let answer = follower.ask("POST", DOWNTIME, &[]).await;
    assert_eq!((answer.status.as_u16(), kind(&answer)), (500, "not-leader"));
    assert_eq!(
        answer.json()["Message"],
        "nothing was changed: this node is not the leader; the leader is http://10.0.0.1:3000"
    );
    assert_eq!(former.passed_on(), 0);
    assert_eq!(third.made(), 0);
    // And a read is answered by whom it was asked of.
    let answer = follower.get("/api/clusters").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("x-orchestrator-age-seconds"), "0.120");
    assert_eq!(former.passed_on(), 0);
}

#[tokio::test]
async fn two_nodes_that_take_each_other_for_the_leader_do_not_send_a_request_round() {
    let (one, two) = (FakeGroup::following(None), FakeGroup::following(None));
    let first = placed(sample(), &one, config(Authentication::Unset), local());
    let second = placed(sample(), &two, config(Authentication::Unset), local());
    *one.leader.lock().unwrap() = Some(second.handler());
    *two.leader.lock().unwrap() = Some(first.handler());
    tokio::time::pause();
    let answer = first.ask("POST", DOWNTIME, &[]).await;
    assert_eq!(kind(&answer), "not-leader");
    assert_eq!(two.passed_on(), 0);
    assert!(one.passed_on() <= 7, "the first one's own attempts");
}

#[tokio::test]
async fn url_prefixes_may_differ_and_cookies_come_through() {
    let (mut leaders, mut followers) = (sample(), sample());
    leaders.config.url_prefix = "/leader".into();
    followers.config.url_prefix = "/orc".into();
    followers.config.serves_tls = true;
    let leader = placed(leaders, &FakeGroup::leading(), config(token()), remote());
    let group = FakeGroup::following(Some(leader.handler()));
    let follower = placed(followers, &group, config(token()), remote());
    assert_eq!(follower.get("/orc/api/clusters").await.status, 200);
    let uri = format!(
        "/orc/web/access-token?publicToken={}",
        super::evidence::PUBLIC
    );
    let answer = follower.get(&uri).await;
    assert_eq!(answer.status, 302, "{}", answer.body);
    let cookie = answer.header("set-cookie");
    assert!(
        cookie.ends_with("; Secure"),
        "the caller spoke TLS: {cookie}"
    );
    assert!(answer.headers["set-cookie"].is_sensitive());
}

#[tokio::test]
async fn a_caller_of_a_learner_or_of_a_new_candidate_is_served_as_well_as_can_be() {
    let pair = Pair::open();
    pair.group.change(|status| status.role = GroupRole::Learner);
    assert!(pair.follower.ask("POST", DOWNTIME, &[]).await.is_done());
    pair.group
        .change(|status| status.role = GroupRole::Candidate);
    let answer = pair.follower.ask("POST", DOWNTIME, &[]).await;
    assert_eq!(kind(&answer), "not-leader");
    assert_eq!(pair.follower.get("/api/clusters").await.status, 200);
}
