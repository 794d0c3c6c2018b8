use std::time::Duration;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;

const SECRET: &str = "a secret of the group, long enough";

fn card(trust: Trust, process: u8) -> Card {
    Card {
        trust,
        process: [process; 16],
        group: None,
        nonce: [process.wrapping_add(100); 32],
        name: format!("node{process}:10008"),
    }
}

fn secret(text: &str) -> Secret {
    Secret::new(text)
}

async fn both(
    dialer: (Card, &str),
    acceptor: (Card, &str),
) -> (Result<Card, Distrust>, Result<Card, Distrust>) {
    let (mut a, mut b) = duplex(4096);
    let (dialer_secret, acceptor_secret) = (secret(dialer.1), secret(acceptor.1));
    let dialing = async move {
        let me = Me {
            card: dialer.0,
            secrets: std::slice::from_ref(&dialer_secret),
        };
        dial(&mut a, &me).await
    };
    let accepting = async move {
        let me = Me {
            card: acceptor.0,
            secrets: std::slice::from_ref(&acceptor_secret),
        };
        accept(&mut b, &me, None).await
    };
    tokio::join!(dialing, accepting)
}

#[tokio::test]
async fn two_that_know_the_secret_learn_of_each_other() {
    let (dialer, acceptor) = (card(Trust::Secret, 1), card(Trust::Secret, 2));
    let (of_acceptor, of_dialer) = both((dialer.clone(), SECRET), (acceptor.clone(), SECRET)).await;
    assert_eq!(of_acceptor, Ok(acceptor));
    assert_eq!(of_dialer, Ok(dialer));
}

#[tokio::test]
async fn a_wrong_or_empty_secret_is_refused_and_both_sides_say_so() {
    for wrong in [
        "another secret, just as long as it",
        "",
        "a secret of the group, long enougH",
    ] {
        for (dialers, acceptors) in [(wrong, SECRET), (SECRET, wrong)] {
            let (dialer, acceptor) = (card(Trust::Secret, 1), card(Trust::Secret, 2));
            let (at_dialer, at_acceptor) = both((dialer, dialers), (acceptor, acceptors)).await;
            assert_eq!(at_dialer, Err(Distrust::RefusedUs(Reason::WrongProof)));
            assert_eq!(at_acceptor, Err(Distrust::WeRefuse(Reason::WrongProof)));
        }
    }
}

#[tokio::test]
async fn other_trust_other_group_and_the_process_itself_are_refused() {
    let trusts = [Trust::Addresses, Trust::Secret, Trust::Certificates];
    for (ours, theirs) in trusts.iter().flat_map(|a| trusts.map(|b| (*a, b))) {
        let (dialer, acceptor) = (card(ours, 1), card(theirs, 2));
        let (at_dialer, at_acceptor) = both((dialer, SECRET), (acceptor, SECRET)).await;
        if ours == theirs {
            assert!(at_dialer.is_ok() && at_acceptor.is_ok());
        } else {
            assert_eq!(
                at_dialer,
                Err(Distrust::RefusedUs(Reason::OtherTrust(theirs)))
            );
            assert_eq!(
                at_acceptor,
                Err(Distrust::WeRefuse(Reason::OtherTrust(theirs)))
            );
        }
    }
    for trust in trusts {
        let (mut dialer, mut acceptor) = (card(trust, 1), card(trust, 2));
        dialer.group = Some(GroupId::from_number(1));
        let (at_dialer, at_acceptor) =
            both((dialer.clone(), SECRET), (acceptor.clone(), SECRET)).await;
        assert!(
            at_dialer.is_ok() && at_acceptor.is_ok(),
            "one has no group yet"
        );
        acceptor.group = Some(GroupId::from_number(2));
        let (at_dialer, at_acceptor) = both((dialer, SECRET), (acceptor, SECRET)).await;
        assert_eq!(at_dialer, Err(Distrust::RefusedUs(Reason::OtherGroup)));
        assert_eq!(at_acceptor, Err(Distrust::WeRefuse(Reason::OtherGroup)));

        let (at_dialer, _) = both((card(trust, 1), SECRET), (card(trust, 1), SECRET)).await;
        assert_eq!(at_dialer, Err(Distrust::RefusedUs(Reason::Itself)));
    }
}

/// Runs one side against a script; what it ends with, and the script's end of the stream.
async fn against<F, S>(side: F, script: S) -> Result<Card, Distrust>
where
    F: AsyncFnOnce(&mut DuplexStream) -> Result<Card, Distrust>,
    S: AsyncFnOnce(&mut DuplexStream),
{
    let (mut ours, mut theirs) = duplex(4096);
    let side = async {
        let outcome = side(&mut ours).await;
        drop(ours);
        outcome
    };
    let script = async {
        script(&mut theirs).await;
        drop(theirs);
    };
    let both = async { tokio::join!(side, script).0 };
    tokio::time::timeout(Duration::from_secs(5), both)
        .await
        .expect("neither side waits for ever")
}

async fn acceptor(stream: &mut DuplexStream, nonce: u8) -> Result<Card, Distrust> {
    let secret = secret(SECRET);
    let card = Card {
        nonce: [nonce; 32],
        ..card(Trust::Secret, 2)
    };
    let me = Me {
        card,
        secrets: std::slice::from_ref(&secret),
    };
    accept(stream, &me, None).await
}

async fn dialer(stream: &mut DuplexStream) -> Result<Card, Distrust> {
    let secret = secret(SECRET);
    let me = Me {
        card: card(Trust::Secret, 1),
        secrets: std::slice::from_ref(&secret),
    };
    dial(stream, &me).await
}

#[tokio::test]
async fn a_recorded_handshake_does_not_open_a_second_connection() {
    let hello = Message::Hello(card(Trust::Secret, 1)).to_bytes();
    let mut recorded = Vec::new();
    let first = against(
        async |stream| acceptor(stream, 7).await,
        async |stream| {
            stream.write_all(&hello).await.unwrap();
            let (_, answer) = receive(stream).await.unwrap().unwrap();
            let proof = proof(&secret(SECRET), Role::Dialer, &[&hello, &answer]);
            recorded = Message::DialerProof(proof).to_bytes();
            stream.write_all(&recorded).await.unwrap();
            drop(receive(stream).await);
        },
    );
    assert!(first.await.is_ok(), "the honest one gets in");
    let replayed = against(
        async |stream| acceptor(stream, 8).await,
        async |stream| {
            stream.write_all(&hello).await.unwrap();
            stream.write_all(&recorded).await.unwrap();
            drop(stream.read_to_end(&mut Vec::new()).await);
        },
    );
    assert_eq!(replayed.await, Err(Distrust::WeRefuse(Reason::WrongProof)));
}

#[tokio::test]
async fn what_a_dialer_sends_back_to_it_proves_nothing() {
    // The impostor knows no secret: it answers with a card of its own and returns the dialer's proof.
    let reflected = against(
        async |stream| dialer(stream).await,
        async |stream| {
            drop(receive(stream).await);
            let answer = Message::Answer(card(Trust::Secret, 9));
            stream.write_all(&answer.to_bytes()).await.unwrap();
            let (Message::DialerProof(proof), _) = receive(stream).await.unwrap().unwrap() else {
                panic!("a proof is due");
            };
            let echo = Message::AcceptorProof(proof);
            stream.write_all(&echo.to_bytes()).await.unwrap();
        },
    );
    assert_eq!(reflected.await, Err(Distrust::WeRefuse(Reason::WrongProof)));
    // The card itself returned is known by the process.
    let mirrored = against(
        async |stream| dialer(stream).await,
        async |stream| {
            let (Message::Hello(card), _) = receive(stream).await.unwrap().unwrap() else {
                panic!("a hello is due");
            };
            let answer = Message::Answer(card);
            stream.write_all(&answer.to_bytes()).await.unwrap();
            drop(receive(stream).await);
        },
    );
    assert_eq!(mirrored.await, Err(Distrust::WeRefuse(Reason::Itself)));
}

#[tokio::test]
async fn a_member_that_skips_the_proof_is_not_believed() {
    let skipped = against(
        async |stream| acceptor(stream, 7).await,
        async |stream| {
            let hello = Message::Hello(card(Trust::Secret, 1));
            stream.write_all(&hello.to_bytes()).await.unwrap();
            drop(receive(stream).await);
            stream
                .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
                .await
                .unwrap();
            drop(stream.read_to_end(&mut Vec::new()).await);
        },
    );
    assert_eq!(skipped.await, Err(malformed(ParseError::Magic)));
    let downgraded = against(
        async |stream| dialer(stream).await,
        async |stream| {
            drop(receive(stream).await);
            let answer = Message::Answer(card(Trust::Addresses, 2));
            stream.write_all(&answer.to_bytes()).await.unwrap();
            drop(receive(stream).await);
        },
    );
    let reason = Reason::OtherTrust(Trust::Secret);
    assert_eq!(downgraded.await, Err(Distrust::WeRefuse(reason)));
}

#[tokio::test]
async fn nothing_a_stranger_gets_depends_on_the_secret() {
    let mut got = Vec::new();
    for text in [SECRET, "quite another one"] {
        let (mut ours, mut theirs) = duplex(4096);
        let secret = secret(text);
        let me = Me {
            card: card(Trust::Secret, 2),
            secrets: std::slice::from_ref(&secret),
        };
        let hello = Message::Hello(card(Trust::Secret, 1)).to_bytes();
        let guess = Message::DialerProof([0; 32]).to_bytes();
        let script = async {
            theirs.write_all(&[hello, guess].concat()).await.unwrap();
            let mut all = Vec::new();
            theirs.read_to_end(&mut all).await.unwrap();
            all
        };
        let (refused, all) = tokio::join!(accept(&mut ours, &me, None), script);
        assert!(refused.is_err());
        got.push(all);
    }
    assert_eq!(got[0], got[1]);
}

#[test]
fn the_bytes_are_those_of_the_description() {
    let mut hello = card(Trust::Secret, 3);
    hello.group = Some(GroupId::from_bytes([9; 16]));
    let bytes = Message::Hello(hello).to_bytes();
    let mut expected = b"ORCP\x01\x01\x00\x4c\x01".to_vec();
    expected.extend([3; 16]);
    expected.extend([9; 16]);
    expected.extend([103; 32]);
    expected.extend(b"node3:10008");
    assert_eq!(bytes, expected);
    assert_eq!(
        Message::Refusal(Reason::OtherTrust(Trust::Certificates)).to_bytes(),
        b"ORCP\x01\x05\x00\x02\x02\x02"
    );
    // Computed with: python3 -c 'import hmac; print(hmac.new(b"k", b"orchestrator peer handshake v1\0\x01AB", "sha256").hexdigest())'
    let proof = proof(&secret("k"), Role::Dialer, &[b"A", b"B"]);
    assert_eq!(
        hex(&proof),
        "57b1bc7b91c897dbe821a73963f22ffa027868146d42f04dee9865b4e104c0ef"
    );
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn what_is_not_a_message_is_told_apart() {
    let head = |bytes: &[u8; 8]| Header::parse(bytes).map(|_| ());
    assert_eq!(head(b"GET / HT"), Err(ParseError::Magic));
    assert_eq!(
        head(b"\x16\x03\x01\x02\x00\x01\x00\x01"),
        Err(ParseError::Tls)
    );
    assert_eq!(head(b"ORCP\x02\x01\x00\x20"), Err(ParseError::Version));
    assert_eq!(head(b"ORCP\x01\x01\xff\xff"), Err(ParseError::Length));
    assert_eq!(head(b"ORCP\x01\x01\x01\x6d"), Ok(()), "365");
    assert_eq!(
        head(b"ORCP\x01\x01\x01\x6e"),
        Err(ParseError::Length),
        "366"
    );
    let odd = Header::parse(b"ORCP\x01\x09\x00\x00").unwrap();
    assert_eq!(Message::parse(odd, &[]), Err(ParseError::Kind));
    let mut evil = card(Trust::Secret, 1);
    evil.name = "node\n1".into();
    let bytes = Message::Hello(evil).to_bytes();
    let header = Header::parse(bytes[..8].try_into().unwrap()).unwrap();
    assert_eq!(Message::parse(header, &bytes[8..]), Err(ParseError::Body));
}

fn any_message() -> impl Strategy<Value = Message> {
    let trust = prop_oneof![
        Just(Trust::Addresses),
        Just(Trust::Secret),
        Just(Trust::Certificates)
    ];
    let group = prop::option::of((1..=u128::MAX).prop_map(GroupId::from_number));
    let card = (
        trust,
        any::<[u8; 16]>(),
        group,
        any::<[u8; 32]>(),
        "[!-~]{0,300}",
    )
        .prop_map(|(trust, process, group, nonce, name)| Card {
            trust,
            process,
            group,
            nonce,
            name,
        });
    prop_oneof![
        card.clone().prop_map(Message::Hello),
        card.prop_map(Message::Answer),
        any::<[u8; 32]>().prop_map(Message::DialerProof),
        any::<[u8; 32]>().prop_map(Message::AcceptorProof),
        (9..=u8::MAX).prop_map(|code| Message::Refusal(Reason::Other(code))),
    ]
}

fn read_back(bytes: &[u8]) -> Result<Message, ParseError> {
    let Some((head, body)) = bytes.split_first_chunk::<HEADER>() else {
        return Err(ParseError::Length);
    };
    let header = Header::parse(head)?;
    let body = body.get(..header.length).ok_or(ParseError::Body)?;
    Message::parse(header, body)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn every_message_is_read_as_it_was_written(message in any_message()) {
        prop_assert_eq!(read_back(&message.to_bytes()), Ok(message));
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        drop(read_back(&bytes));
    }

    #[test]
    fn a_message_with_changed_bytes_is_read_as_what_it_says_or_refused(
        message in any_message(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = message.to_bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.index(bytes.len() + 1));
        if let Ok(read) = read_back(&bytes) {
            let again = read.to_bytes();
            // What is understood is also written so: nothing of it went unread. A refusal may have a detail that means nothing.
            let is_refusal = matches!(read, Message::Refusal(_));
            prop_assert!(is_refusal || bytes.starts_with(&again));
        }
    }

    #[test]
    fn no_bytes_open_a_connection(bytes in prop::collection::vec(any::<u8>(), 0..600), is_hello in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let outcome = runtime.block_on(against(
            async |stream| acceptor(stream, 7).await,
            async |stream| {
                if is_hello {
                    let hello = Message::Hello(card(Trust::Secret, 1));
                    stream.write_all(&hello.to_bytes()).await.unwrap();
                }
                drop(stream.write_all(&bytes).await);
            },
        ));
        prop_assert!(outcome.is_err());
    }
}
