use tokio::net::TcpStream;

use orchestrator_core::domain::Secret;

use super::auth::{self, Plugin};
use super::conn::error_packet;
use super::error::printable;
use super::packet::PacketStream;
use super::reader::Reader;
use super::{Conn, TlsTarget, WireError};

/// Packets of the login are small; the largest is a public key.
const LOGIN_PACKET_LIMIT: usize = 64 * 1024;
/// Packets a server may send until the login ends: switch, key and result are four.
const LOGIN_ROUNDS: usize = 8;
/// What we announce to accept at most; the real bounds are those of the reader.
const ANNOUNCED_PACKET: u32 = 16 * 1024 * 1024;
/// `utf8mb4_general_ci`, known to every server since 5.5.3.
const CHARACTER_SET: u8 = 45;

// Capability flags, as far as they are used. `LOCAL_FILES` and `MULTI_STATEMENTS` are missing on purpose.
const LONG_PASSWORD: u32 = 1;
const PROTOCOL_41: u32 = 1 << 9;
const TLS: u32 = 1 << 11;
const TRANSACTIONS: u32 = 1 << 13;
const SECURE_CONNECTION: u32 = 1 << 15;
const MULTI_RESULTS: u32 = 1 << 17;
const PLUGIN_AUTH: u32 = 1 << 19;
const CONNECT_ATTRS: u32 = 1 << 20;
const DEPRECATE_EOF: u32 = 1 << 24;

const WANTED: u32 = LONG_PASSWORD
    | PROTOCOL_41
    | TRANSACTIONS
    | SECURE_CONNECTION
    | MULTI_RESULTS
    | PLUGIN_AUTH
    | CONNECT_ATTRS
    | DEPRECATE_EOF;
const NEEDED: u32 = PROTOCOL_41 | SECURE_CONNECTION | PLUGIN_AUTH;

/// Who logs in, and how.
pub(in crate::mysql) struct Login<'a> {
    pub(in crate::mysql) user: &'a str,
    pub(in crate::mysql) password: &'a Secret,
    pub(in crate::mysql) tls: Option<&'a TlsTarget>,
    /// Shown by the server in `performance_schema.session_connect_attrs`.
    pub(in crate::mysql) program: &'a str,
}

/// What a server says first.
struct Greeting {
    version: String,
    id: u32,
    nonce: Vec<u8>,
    capabilities: u32,
    plugin: Vec<u8>,
}

/// Logs in over a connected socket. Has no deadline of its own: the caller bounds it; dropping the future closes the socket.
pub(in crate::mysql) async fn login(
    socket: TcpStream,
    login: &Login<'_>,
) -> Result<Conn, WireError> {
    let mut stream = PacketStream::new(socket);
    let packet = stream.read(LOGIN_PACKET_LIMIT).await?;
    let greeting = Greeting::parse(&packet)?;
    let mut capabilities = WANTED & greeting.capabilities;
    if capabilities & NEEDED != NEEDED {
        return Err(WireError::Protocol(
            "the greeting of a version too old to talk to (before 5.5.7)",
        ));
    }
    if let Some(target) = login.tls {
        if greeting.capabilities & TLS == 0 {
            return Err(WireError::Tls(
                "the server has no TLS, and it is required here".to_owned(),
            ));
        }
        capabilities |= TLS;
        stream.write(&response_head(capabilities)).await?;
        stream.encrypt(target).await?;
    }
    let plugin = Plugin::named(&greeting.plugin).unwrap_or(Plugin::Native);
    let scramble = auth::scramble(plugin, &greeting.nonce, login.password);
    let mut response = response_head(capabilities);
    response.extend_from_slice(login.user.as_bytes());
    response.push(0);
    push_short(&mut response, &scramble);
    response.extend_from_slice(plugin.name().as_bytes());
    response.push(0);
    if capabilities & CONNECT_ATTRS != 0 {
        push_attributes(&mut response, login.program);
    }
    stream.write(&response).await?;
    finish(&mut stream, plugin, greeting.nonce, login.password).await?;
    Ok(Conn {
        stream,
        has_short_end: capabilities & DEPRECATE_EOF != 0,
        server_version: greeting.version,
        id: greeting.id,
        is_idle: true,
    })
}

/// Answers what the server asks until it accepts or refuses.
async fn finish(
    stream: &mut PacketStream,
    mut plugin: Plugin,
    mut nonce: Vec<u8>,
    password: &Secret,
) -> Result<(), WireError> {
    let mut has_switched = false;
    for _ in 0..LOGIN_ROUNDS {
        let packet = stream.read(LOGIN_PACKET_LIMIT).await?;
        let mut reader = Reader::new(&packet);
        match reader.u8()? {
            0x00 => return Ok(()),
            0xff => return Err(error_packet(&packet, true)),
            0xfe if !has_switched => {
                has_switched = true;
                let name = reader.until_zero();
                plugin = Plugin::named(name)
                    .ok_or_else(|| WireError::UnsupportedAuth(plugin_name(name)))?;
                nonce = trimmed_nonce(reader.rest());
                stream
                    .write(&auth::scramble(plugin, &nonce, password))
                    .await?;
            }
            0x01 if plugin == Plugin::CachingSha2 => match reader.rest() {
                [0x03] => {}
                [0x04] if stream.is_encrypted() => {
                    let mut text = password.expose().as_bytes().to_vec();
                    text.push(0);
                    stream.write(&text).await?;
                }
                [0x04] => {
                    stream.write(&[0x02]).await?;
                    let key = stream.read(LOGIN_PACKET_LIMIT).await?;
                    if key.first() == Some(&0xff) {
                        return Err(error_packet(&key, true));
                    }
                    let pem = key.strip_prefix(&[0x01]).unwrap_or(&key);
                    stream.write(&auth::sealed(password, &nonce, pem)?).await?;
                }
                _ => return Err(WireError::Protocol("an unknown step of the login")),
            },
            _ => return Err(WireError::Protocol("an unknown step of the login")),
        }
    }
    Err(WireError::Protocol("a login without an end"))
}

fn plugin_name(name: &[u8]) -> String {
    if name.is_empty() {
        return "mysql_old_password".to_owned();
    }
    printable(name, 64)
}

/// The challenge has 20 bytes and may be followed by a zero.
fn trimmed_nonce(bytes: &[u8]) -> Vec<u8> {
    bytes.strip_suffix(&[0]).unwrap_or(bytes).to_vec()
}

fn response_head(capabilities: u32) -> Vec<u8> {
    let mut head = Vec::with_capacity(256);
    head.extend_from_slice(&capabilities.to_le_bytes());
    head.extend_from_slice(&ANNOUNCED_PACKET.to_le_bytes());
    head.push(CHARACTER_SET);
    head.extend_from_slice(&[0; 23]);
    head
}

fn push_short(to: &mut Vec<u8>, text: &[u8]) {
    // Scrambles and attributes are far shorter than 250 bytes, so one byte is the whole length encoding.
    let text = &text[..text.len().min(250)];
    to.push(u8::try_from(text.len()).expect("it was cut to 250 above"));
    to.extend_from_slice(text);
}

fn push_attributes(to: &mut Vec<u8>, program: &str) {
    let mut attributes = Vec::new();
    push_short(&mut attributes, b"program_name");
    push_short(&mut attributes, program.as_bytes());
    push_short(to, &attributes);
}

impl Greeting {
    fn parse(packet: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(packet);
        match reader.u8()? {
            10 => {}
            0xff => return Err(error_packet(packet, true)),
            _ => return Err(WireError::Protocol("what is no greeting of a MySQL server")),
        }
        let version = printable(reader.until_zero(), 128);
        let id = reader.u32()?;
        let mut nonce = reader.bytes(8)?.to_vec();
        reader.u8()?;
        let low = reader.u16()?;
        let (mut high, mut nonce_length) = (0, 0);
        let mut plugin = Vec::new();
        if !reader.is_empty() {
            reader.bytes(3)?;
            high = reader.u16()?;
            nonce_length = usize::from(reader.u8()?);
            reader.bytes(10)?;
        }
        if !reader.is_empty() {
            let rest = nonce_length.saturating_sub(8).max(13);
            let rest = reader.bytes(rest.min(reader.rest().len()))?;
            nonce.extend_from_slice(&trimmed_nonce(rest));
            plugin = reader.until_zero().to_vec();
        }
        Ok(Self {
            version,
            id,
            nonce,
            capabilities: u32::from(low) | (u32::from(high) << 16),
            plugin,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As MariaDB 10.11 sends it.
    fn greeting() -> Vec<u8> {
        let mut packet = vec![10];
        packet.extend_from_slice(b"5.5.5-10.11.19-MariaDB\0");
        packet.extend_from_slice(&7u32.to_le_bytes());
        packet.extend_from_slice(b"abcdefgh\0");
        packet.extend_from_slice(&0xf7feu16.to_le_bytes());
        packet.extend_from_slice(&[45, 2, 0]);
        packet.extend_from_slice(&0x81bfu16.to_le_bytes());
        packet.push(21);
        packet.extend_from_slice(&[0; 10]);
        packet.extend_from_slice(b"ijklmnopqrst\0mysql_native_password\0");
        packet
    }

    #[test]
    fn a_greeting_is_read_in_all_its_parts() {
        let greeting = Greeting::parse(&greeting()).unwrap();
        assert_eq!(greeting.version, "5.5.5-10.11.19-MariaDB");
        assert_eq!(greeting.id, 7);
        assert_eq!(greeting.nonce, b"abcdefghijklmnopqrst");
        assert_eq!(greeting.plugin, b"mysql_native_password");
        assert_eq!(greeting.capabilities & NEEDED, NEEDED);
    }

    #[test]
    fn a_server_that_refuses_before_its_greeting_is_understood() {
        let packet = b"\xff\x10\x04Too many connections";
        match Greeting::parse(packet).err().unwrap() {
            WireError::Server { code, message } => {
                assert_eq!((code, message.as_str()), (1040, "Too many connections"));
            }
            other => panic!("{other}"),
        }
    }

    #[test]
    fn every_shortened_greeting_is_refused_or_read_but_never_panics() {
        let whole = greeting();
        for length in 0..whole.len() {
            if let Ok(greeting) = Greeting::parse(&whole[..length]) {
                assert!(greeting.nonce.len() <= 20, "{length}");
            }
        }
    }
}
