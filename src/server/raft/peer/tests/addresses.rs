use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::support::*;
use crate::raft::peer::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn with(nodes: &[&str], names: &Arc<Names>) -> PeerLinks {
    let config = Config {
        nodes: nodes.iter().map(|node| (*node).to_owned()).collect(),
        ..config("127.0.1.1:0")
    };
    PeerLinks::with_names(config, TestClock::start(), names.clone()).unwrap()
}

async fn may_call(links: &PeerLinks, remote: &str, local: &str) -> bool {
    let policy = links.0.policy.load_full();
    let may = links.0.is_member_address(&policy, ip(remote), ip(local));
    may.await
}

#[tokio::test]
async fn a_member_on_loopback_is_served_and_the_weak_trust_is_said() {
    let node = Node::start(links(config("127.0.1.1:0")));
    let peer = links(config("127.0.1.2:0"));
    let channel = peer.dialer().channel(node.target());
    let answer = echo(&channel, "hello").await.unwrap();
    assert_eq!(answer, "hello from nobody by addresses only");
    let status = node.links.status();
    assert_eq!(status.warnings.len(), 1);
    assert!(status.warnings[0].starts_with("members are trusted by their address only"));
}

#[tokio::test]
async fn a_caller_from_no_address_of_raft_nodes_is_refused_and_told_what_helps() {
    let names = Names::of(&[("node1", "192.0.2.1"), ("node2", "192.0.2.2")]);
    let node = Node::start(with(&["node1", "node2:10008"], &names));
    let peer = links(config("127.0.1.2:0"));
    let error = failure(echo(&peer.dialer().channel(node.target()), "hello").await);
    assert_eq!(
        error.to_string(),
        format!(
            "{}: it refused this node: the calling address is none that RaftNodes resolves to; behind NAT, RaftSharedSecret or certificates (RaftSSLCertFile, RaftSSLPrivateKeyFile, RaftSSLCAFile) are needed",
            node.address
        )
    );
    node.refused(1).await;
    let error = peer
        .dialer()
        .connect(&node.target_as("node9"))
        .await
        .err()
        .unwrap();
    assert!(matches!(error, DialError::NotMember { .. }), "{error}");
}

#[tokio::test]
async fn addresses_of_members_may_call_and_no_others() {
    let names = Names::of(&[("node1", "192.0.2.1"), ("node2", "2001:db8::2")]);
    let links = with(&["Node1.:10008", "node2", "192.0.2.3:7", "unknown"], &names);
    for member in ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8::2", "192.0.2.3"] {
        assert!(may_call(&links, member, "192.0.2.9").await, "{member}");
    }
    for stranger in ["192.0.2.4", "2001:db8::3", "127.0.0.1", "::1"] {
        assert!(!may_call(&links, stranger, "192.0.2.9").await, "{stranger}");
    }
    assert!(
        !may_call(&links, "127.0.0.1", "127.0.0.1").await,
        "no member is on loopback"
    );
    links.set_members(&["192.0.2.4:10008".to_owned()]);
    assert!(
        may_call(&links, "192.0.2.4", "192.0.2.9").await,
        "a member by the log"
    );
    assert!(
        may_call(&links, "192.0.2.1", "192.0.2.9").await,
        "and those of RaftNodes still"
    );
    let on_loopback = with(&["127.0.1.1", "127.0.1.2"], &names);
    assert!(may_call(&on_loopback, "127.0.3.4", "127.0.1.1").await);
    assert!(
        !may_call(&on_loopback, "127.0.1.2", "192.0.2.9").await,
        "forged on another interface"
    );
}

#[tokio::test(start_paused = true)]
async fn a_moved_member_is_known_soon_and_strangers_do_not_load_the_name_service() {
    let names = Names::of(&[("node1", "192.0.2.1")]);
    let links = with(&["node1"], &names);
    assert!(may_call(&links, "192.0.2.1", "192.0.2.9").await);
    for _ in 0..1_000 {
        assert!(!may_call(&links, "192.0.2.66", "192.0.2.9").await);
    }
    assert_eq!(names.asked.load(Ordering::SeqCst), 1, "asked a moment ago");
    names.set("node1", "192.0.2.7");
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(
        may_call(&links, "192.0.2.7", "192.0.2.9").await,
        "a caller that is not known is a reason to ask"
    );
    assert!(
        !may_call(&links, "192.0.2.1", "192.0.2.9").await,
        "the old address is no member's any more"
    );
}

#[tokio::test(start_paused = true)]
async fn members_are_known_through_an_outage_of_the_name_service_but_not_for_ever() {
    let names = Names::of(&[("node1", "192.0.2.1")]);
    let links = with(&["node1"], &names);
    assert!(may_call(&links, "192.0.2.1", "192.0.2.9").await);
    names.hangs.store(true, Ordering::SeqCst);
    for _ in 0..10 {
        tokio::time::advance(Duration::from_secs(25)).await;
        assert!(may_call(&links, "192.0.2.1", "192.0.2.9").await);
    }
    assert_eq!(
        names.asked.load(Ordering::SeqCst),
        2,
        "one question hangs, and no second is asked beside it"
    );
    tokio::time::advance(Duration::from_secs(60)).await;
    assert!(!may_call(&links, "192.0.2.1", "192.0.2.9").await);
}

#[test]
fn compulsory_authentication_refuses_addresses() {
    let compulsory = Config {
        require_authentication: true,
        ..config("127.0.1.1:0")
    };
    let error = PeerLinks::with_names(compulsory, TestClock::start(), Names::of(&[]))
        .err()
        .unwrap();
    assert_eq!(
        error.to_string(),
        "RaftRequireAuthentication is true, but neither RaftSharedSecret nor RaftSSLCertFile, RaftSSLPrivateKeyFile and RaftSSLCAFile are set"
    );
}
