//! The handshake itself, over any stream; its bytes are described in the header of the parent module.

use std::io;

use hmac::{Hmac, Mac};
use orchestrator_core::decided::GroupId;
use orchestrator_core::domain::Secret;
use sha2::Sha256;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::error::Distrust;
use super::io::is_over_bound;
use super::message::{Card, HEADER, Header, Message, ParseError, Reason, Trust};

/// What a proof is about, so that the secret proves nothing anywhere else.
const CONTEXT: &[u8] = b"orchestrator peer handshake v1\0";

/// This node in a handshake.
pub(super) struct Me<'a> {
    pub card: Card,
    /// Used where the card says so: a dialer shows the first, an acceptor takes any.
    pub secrets: &'a [Secret],
}

#[derive(Clone, Copy)]
enum Role {
    Dialer = 1,
    Acceptor = 2,
}

/// The accepting side: who the other is. `veto` is what is known against it already (its address, its certificate); it is
/// told, so that its own log says why. Not cancel-safe: a connection whose handshake was dropped is of no use.
///
/// # Errors
/// [`Distrust`].
pub(super) async fn accept<S>(
    stream: &mut S,
    me: &Me<'_>,
    veto: Option<Reason>,
) -> Result<Card, Distrust>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (hello, hello_bytes) = match receive(stream).await? {
        Ok(message) => message,
        Err(ParseError::Version) => return refuse(stream, Reason::Version).await,
        // It waits for TLS, and tells by these bytes that there is none.
        Err(ParseError::Tls) => return refuse(stream, Reason::OtherTrust(me.card.trust)).await,
        Err(error) => return Err(malformed(error)),
    };
    let Message::Hello(peer) = hello else {
        return Err(malformed(ParseError::Kind));
    };
    if let Some(reason) = veto.or_else(|| objection(&me.card, &peer)) {
        return refuse(stream, reason).await;
    }
    if me.card.trust != Trust::Secret && is_other_group(&me.card, &peer) {
        return refuse(stream, Reason::OtherGroup).await;
    }
    let answer_bytes = send(stream, &Message::Answer(me.card.clone())).await?;
    if me.card.trust != Trust::Secret {
        return Ok(peer);
    }
    let transcript = [hello_bytes.as_slice(), &answer_bytes];
    let secret = match receive(stream).await?.map_err(malformed)?.0 {
        Message::DialerProof(proof) => {
            let shown = me
                .secrets
                .iter()
                .find(|secret| is_proof(secret, Role::Dialer, &transcript, &proof));
            match shown {
                Some(secret) => secret,
                None => return refuse(stream, Reason::WrongProof).await,
            }
        }
        Message::Refusal(reason) => return Err(Distrust::RefusedUs(reason)),
        _ => return Err(malformed(ParseError::Kind)),
    };
    // Only now is it known that the group it names is its own word.
    if is_other_group(&me.card, &peer) {
        return refuse(stream, Reason::OtherGroup).await;
    }
    let proof = proof(secret, Role::Acceptor, &transcript);
    send(stream, &Message::AcceptorProof(proof)).await?;
    Ok(peer)
}

/// The dialing side. It proves itself first: whoever merely connects to a member gets nothing from which the secret could
/// be guessed.
///
/// # Errors
/// [`Distrust`].
pub(super) async fn dial<S>(stream: &mut S, me: &Me<'_>) -> Result<Card, Distrust>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let hello_bytes = send(stream, &Message::Hello(me.card.clone())).await?;
    let (peer, answer_bytes) = match receive(stream).await?.map_err(malformed)? {
        (Message::Answer(peer), bytes) => (peer, bytes),
        (Message::Refusal(reason), _) => return Err(Distrust::RefusedUs(reason)),
        _ => return Err(malformed(ParseError::Kind)),
    };
    if let Some(reason) = objection(&me.card, &peer) {
        return refuse(stream, reason).await;
    }
    if me.card.trust == Trust::Secret {
        let transcript = [hello_bytes.as_slice(), &answer_bytes];
        let Some(secret) = me.secrets.first() else {
            return refuse(stream, Reason::WrongProof).await;
        };
        let ours = proof(secret, Role::Dialer, &transcript);
        send(stream, &Message::DialerProof(ours)).await?;
        match receive(stream).await?.map_err(malformed)?.0 {
            Message::AcceptorProof(theirs)
                if is_proof(secret, Role::Acceptor, &transcript, &theirs) => {}
            Message::AcceptorProof(_) => return Err(Distrust::WeRefuse(Reason::WrongProof)),
            Message::Refusal(reason) => return Err(Distrust::RefusedUs(reason)),
            _ => return Err(malformed(ParseError::Kind)),
        }
    }
    match is_other_group(&me.card, &peer) {
        true => Err(Distrust::WeRefuse(Reason::OtherGroup)),
        false => Ok(peer),
    }
}

/// Tells the other side and ends.
async fn refuse<S, T>(stream: &mut S, reason: Reason) -> Result<T, Distrust>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // Telling is a courtesy; a side that is gone already is refused all the same.
    drop(send(stream, &Message::Refusal(reason)).await);
    drop(stream.shutdown().await);
    Err(Distrust::WeRefuse(reason))
}

fn objection(ours: &Card, theirs: &Card) -> Option<Reason> {
    if ours.process == theirs.process {
        return Some(Reason::Itself);
    }
    (ours.trust != theirs.trust).then_some(Reason::OtherTrust(ours.trust))
}

/// Two nodes with a group each; a node without one may speak with any.
fn is_other_group(ours: &Card, theirs: &Card) -> bool {
    let pair: Option<(GroupId, GroupId)> = ours.group.zip(theirs.group);
    pair.is_some_and(|(ours, theirs)| ours != theirs)
}

async fn send<S: AsyncWrite + Unpin>(
    stream: &mut S,
    message: &Message,
) -> Result<Vec<u8>, Distrust> {
    let bytes = message.to_bytes();
    stream.write_all(&bytes).await.map_err(closed)?;
    stream.flush().await.map_err(closed)?;
    Ok(bytes)
}

/// The next message and its bytes. The outer error is the stream's, the inner one the message's.
async fn receive<S: AsyncRead + Unpin>(
    stream: &mut S,
) -> Result<Result<(Message, Vec<u8>), ParseError>, Distrust> {
    let mut head = [0; HEADER];
    if let Err(error) = stream.read_exact(&mut head).await {
        // An alert of TLS is shorter than a header, and the end comes after it.
        let is_end = error.kind() == io::ErrorKind::UnexpectedEof;
        return match Header::parse(&head) {
            Err(ParseError::Tls) if is_end => Ok(Err(ParseError::Tls)),
            _ => Err(closed(error)),
        };
    }
    let header = match Header::parse(&head) {
        Ok(header) => header,
        Err(error) => return Ok(Err(error)),
    };
    let mut bytes = head.to_vec();
    bytes.resize(HEADER + header.length, 0);
    stream
        .read_exact(&mut bytes[HEADER..])
        .await
        .map_err(closed)?;
    Ok(Message::parse(header, &bytes[HEADER..]).map(|message| (message, bytes)))
}

fn malformed(error: ParseError) -> Distrust {
    match error {
        ParseError::Version => Distrust::WeRefuse(Reason::Version),
        other => Distrust::Malformed(other.sentence()),
    }
}

/// A stream that failed during the handshake.
pub(super) fn closed(error: io::Error) -> Distrust {
    if let Some(bytes) = is_over_bound(&error) {
        return Distrust::TooMuch { bytes };
    }
    match error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
    {
        Some(tls) => Distrust::Tls(super::tls::reason(tls)),
        None => Distrust::Closed(error.to_string()),
    }
}

fn mac(secret: &Secret, role: Role, transcript: &[&[u8]; 2]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes())
        .expect("HMAC takes keys of any length (RFC 2104, section 3)");
    mac.update(CONTEXT);
    mac.update(&[role as u8]);
    // Each message says its own length, so that no other pair has the same bytes.
    for message in transcript {
        mac.update(message);
    }
    mac
}

fn proof(secret: &Secret, role: Role, transcript: &[&[u8]; 2]) -> [u8; 32] {
    mac(secret, role, transcript).finalize().into_bytes().into()
}

/// Compared in constant time.
fn is_proof(secret: &Secret, role: Role, transcript: &[&[u8]; 2], given: &[u8; 32]) -> bool {
    mac(secret, role, transcript).verify_slice(given).is_ok()
}

#[cfg(test)]
#[path = "exchange_tests.rs"]
mod tests;
