use super::support::*;
use crate::raft::peer::*;
use orchestrator_core::decided::GroupId;
use orchestrator_core::domain::Secret;

const SECRET: &str = "a secret of the group, long enough";

fn refused(address: std::net::SocketAddr, reason: Reason) -> String {
    let reason = Distrust::RefusedUs(reason);
    DialError::NotTrusted { address, reason }.to_string()
}

#[tokio::test]
async fn a_member_with_the_secret_is_served_and_called_nobody() {
    let node = Node::start(links(secret_config("127.0.1.1:0", SECRET)));
    let peer = links(secret_config("127.0.1.2:0", SECRET));
    let channel = peer.dialer().channel(node.target());
    let answer = echo(&channel, "hello").await.unwrap();
    assert_eq!(answer, "hello from nobody by a shared secret");
    assert_eq!(node.links.status().open, 1);
    node.refused(0).await;
    let direct = peer.dialer().connect(&node.target()).await.unwrap();
    assert_eq!(direct.identity().called, "127.0.1.1:0");
}

#[tokio::test]
async fn neither_a_wrong_secret_nor_none_gets_a_byte_through() {
    let node = Node::start(links(secret_config("127.0.1.1:0", SECRET)));
    let wrong = links(secret_config(
        "127.0.1.2:0",
        "another one, long enough as well",
    ));
    let error = failure(echo(&wrong.dialer().channel(node.target()), "hello").await);
    assert_eq!(error.to_string(), refused(node.address, Reason::WrongProof));
    assert!(!error.is_absent());
    let none = links(config("127.0.1.2:0"));
    let error = failure(echo(&none.dialer().channel(node.target()), "hello").await);
    let reason = Reason::OtherTrust(Trust::Secret);
    assert_eq!(error.to_string(), refused(node.address, reason));
    node.refused(2).await;
    let status = node.links.status();
    assert!(status.last_refusal.unwrap().starts_with(
        "a connection from 127.0.1.2 to the peer port was refused: the two are configured differently"
    ));
}

#[tokio::test]
async fn a_node_of_another_group_and_the_node_itself_are_refused() {
    let node = Node::start(links(secret_config("127.0.1.1:0", SECRET)));
    node.links.set_group(Some(GroupId::from_number(1)));
    let peer = links(secret_config("127.0.1.2:0", SECRET));
    assert!(
        peer.dialer().connect(&node.target()).await.is_ok(),
        "it has no group yet"
    );
    peer.set_group(Some(GroupId::from_number(2)));
    let error = peer.dialer().connect(&node.target()).await.err().unwrap();
    assert_eq!(error.to_string(), refused(node.address, Reason::OtherGroup));
    peer.set_group(Some(GroupId::from_number(1)));
    let peer = peer.dialer().connect(&node.target()).await.unwrap();
    assert_eq!(peer.identity().group, Some(GroupId::from_number(1)));
    let error = node
        .links
        .dialer()
        .connect(&node.target())
        .await
        .err()
        .unwrap();
    assert_eq!(error.to_string(), refused(node.address, Reason::Itself));
}

#[tokio::test]
async fn a_secret_is_changed_without_ending_what_is_open() {
    let node = Node::start(links(secret_config("127.0.1.1:0", SECRET)));
    let peer = links(secret_config("127.0.1.2:0", SECRET));
    let channel = peer.dialer().channel(node.target());
    echo(&channel, "before").await.unwrap();
    let next = "the next secret, long enough too";
    node.links
        .reload(secret_config("127.0.1.1:0", next))
        .unwrap();
    echo(&channel, "between").await.unwrap();
    assert!(peer.dialer().connect(&node.target()).await.is_err());
    peer.reload(secret_config("127.0.1.2:0", next)).unwrap();
    assert!(peer.dialer().connect(&node.target()).await.is_ok());
    echo(&channel, "after").await.unwrap();
}

#[tokio::test]
async fn while_a_secret_is_changed_members_with_either_or_both_reach_each_other() {
    let next = "the next secret, long enough too";
    let stages: [&[&str]; 3] = [&[SECRET], &[next, SECRET], &[next]];
    for (at_node, at_peer) in [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (2, 1), (2, 2)] {
        let node = Node::start(links(secrets_config("127.0.1.1:0", stages[at_node])));
        let peer = links(secrets_config("127.0.1.2:0", stages[at_peer]));
        let channel = peer.dialer().channel(node.target());
        let answer = echo(&channel, "hello").await;
        assert!(answer.is_ok(), "{at_node} {at_peer}: {:?}", answer.err());
    }
    for (at_node, at_peer) in [(0, 2), (2, 0)] {
        let node = Node::start(links(secrets_config("127.0.1.1:0", stages[at_node])));
        let peer = links(secrets_config("127.0.1.2:0", stages[at_peer]));
        let error = peer.dialer().connect(&node.target()).await.err().unwrap();
        assert_eq!(error.to_string(), refused(node.address, Reason::WrongProof));
    }
    let both = links(secrets_config("127.0.1.1:0", stages[1]));
    assert!(
        both.status().warnings[0].starts_with("RaftSharedSecret is being changed"),
        "{:?}",
        both.status()
    );
}

#[test]
fn a_running_node_does_not_give_up_its_authentication() {
    let node = links(secret_config("127.0.1.1:0", SECRET));
    let none = node.prepare(Vec::new(), Access::default()).err();
    assert!(
        matches!(none, Some(Error::GivesUpAuthentication)),
        "{none:?}"
    );
    let other = Access {
        shared_secrets: vec![Secret::new("the next secret, long enough too")],
        ..Access::default()
    };
    let prepared = node.prepare(Vec::new(), other).unwrap();
    node.take(prepared);
    assert_eq!(node.status().trust, Trust::Secret);
}

#[test]
fn a_guessable_secret_and_a_missing_one_are_said() {
    let short = links(secret_config("127.0.1.1:0", "short"));
    let [warning] = &short.status().warnings[..] else {
        panic!("one warning: {:?}", short.status());
    };
    assert!(warning.starts_with("RaftSharedSecret has fewer than 16 characters"));
    assert!(
        links(secret_config("127.0.1.1:0", SECRET))
            .status()
            .warnings
            .is_empty()
    );
    // An empty text is no secret: it must not open the port to whoever has none either.
    let compulsory = Config {
        require_authentication: true,
        ..secret_config("127.0.1.1:0", "")
    };
    let error = PeerLinks::with_names(compulsory, TestClock::start(), Names::of(&[])).err();
    assert!(matches!(error, Some(Error::NoAuthentication)), "{error:?}");
    assert_eq!(
        links(secret_config("127.0.1.1:0", "")).status().trust,
        Trust::Addresses
    );
}

#[test]
fn no_secret_shows_in_what_is_printed() {
    let config = secret_config("127.0.1.1:0", SECRET);
    assert!(!format!("{config:?}").contains("long enough"));
}

#[tokio::test]
async fn every_connection_has_a_number_of_its_own_to_prove_over() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let node = Node::start(links(secret_config("127.0.1.1:0", SECRET)));
    let mut hello = b"ORCP\x01\x01\x00\x4c\x01".to_vec();
    hello.extend([b'x'; 75]);
    let mut nonces = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let mut stream = tokio::net::TcpStream::connect(node.address).await.unwrap();
        stream.write_all(&hello).await.unwrap();
        // Header, trust, process and group come before it.
        let mut answer = [0; 8 + 1 + 16 + 16 + 32];
        stream.read_exact(&mut answer).await.unwrap();
        nonces.insert(answer[41..].to_vec());
    }
    assert_eq!(nonces.len(), 20);
}
