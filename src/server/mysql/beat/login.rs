//! A login, as far as beats need it, over a connection that is plain or becomes encrypted before.

use std::collections::HashMap;
use std::io;

use mysql_common::constants::CapabilityFlags;
use mysql_common::crypto;
use mysql_common::io::ParseBuf;
use mysql_common::packets::{
    AuthPlugin, AuthSwitchRequest, HandshakePacket, HandshakeResponse, SslRequest,
};
use mysql_common::proto::MySerialize;
use tokio::io::{AsyncRead, AsyncWrite};

use super::wire::{Wire, error_number};
use crate::mysql::driver::caught;

/// Why there is no login.
#[derive(Debug)]
pub(super) enum NoLogin {
    /// The server refuses us.
    Refused(u16),
    /// The connection failed.
    Io,
    /// The server has no TLS.
    NoTls,
    /// It takes what is not spoken here: the SQL driver may.
    NotSpoken,
}

impl From<io::Error> for NoLogin {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // What cannot be read is nothing that is spoken here.
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => Self::NotSpoken,
            _ => Self::Io,
        }
    }
}

/// What is sent to log in.
pub(super) struct Account<'a> {
    pub(super) user: &'a str,
    pub(super) password: &'a str,
    /// Shown by the server in `performance_schema.session_connect_attrs`.
    pub(super) program: &'a str,
    /// Over an encrypted connection: the password may be sent as it is where the server wants that.
    pub(super) is_encrypted: bool,
}

/// `utf8mb4_general_ci`: nothing that depends on it is ever sent.
const CHARACTER_SET: u8 = 45;

/// Longest packet that we say we take. What is read at most is the wire's matter.
const PACKET_MAX: u32 = 1 << 20;

/// The packet that asks for the key to encrypt a password with.
const WANTS_KEY: u8 = 0x02;
/// `caching_sha2_password` knows the password: an OK follows.
const IS_KNOWN: u8 = 0x03;
/// It does not, and wants all of it.
const WANTS_PASSWORD: u8 = 0x04;
/// Packets of one login at most: a switch of plugins, a key, a password, an OK.
const PACKETS_MAX: usize = 8;

/// Logs in after `greeting`, the server's first packet.
///
/// # Errors
/// [`NoLogin`].
pub(super) async fn log_in<S: AsyncRead + AsyncWrite + Unpin>(
    wire: &mut Wire<S>,
    greeting: &[u8],
    account: &Account<'_>,
) -> Result<(), NoLogin> {
    let greeting = ParseBuf(greeting).parse::<HandshakePacket>(())?;
    if account.password.is_empty() {
        return Err(NoLogin::NotSpoken);
    }
    let mut plugin = match greeting.auth_plugin() {
        Some(AuthPlugin::CachingSha2Password) => AuthPlugin::CachingSha2Password,
        // Whatever else the account has, the server will say.
        _ => AuthPlugin::MysqlNativePassword,
    };
    let mut nonce = greeting.nonce();
    wire.answer(&response(&greeting, &plugin, &nonce, account))
        .await?;
    for _ in 0..PACKETS_MAX {
        let packet = wire.read().await?;
        if let Some(refused) = error_number(&packet) {
            return Err(NoLogin::Refused(refused));
        }
        match packet[..] {
            [0x00, ..] => return Ok(()),
            [0xfe, _, ..] => {
                let switch = ParseBuf(&packet).parse::<AuthSwitchRequest<'_>>(())?;
                nonce = switch.plugin_data().to_vec();
                plugin = switch.auth_plugin().into_owned();
                wire.answer(&scrambled(&plugin, &nonce, account)?).await?;
            }
            [0x01, IS_KNOWN] => {}
            [0x01, WANTS_PASSWORD] if plugin == AuthPlugin::CachingSha2Password => {
                match account.is_encrypted {
                    true => {
                        let password = [account.password.as_bytes(), &[0]].concat();
                        wire.answer(&password).await?;
                    }
                    false => wire.answer(&[WANTS_KEY]).await?,
                }
            }
            [0x01, ..] if plugin == AuthPlugin::CachingSha2Password => {
                let encrypted = encrypted(account.password, &nonce, packet[1..].to_vec()).await?;
                wire.answer(&encrypted).await?;
            }
            _ => return Err(NoLogin::NotSpoken),
        }
    }
    Err(NoLogin::NotSpoken)
}

/// Asks the server, after its `greeting`, to go on encrypted.
///
/// # Errors
/// [`NoLogin`].
pub(super) async fn ask_for_tls<S: AsyncRead + AsyncWrite + Unpin>(
    wire: &mut Wire<S>,
    greeting: &[u8],
) -> Result<(), NoLogin> {
    let greeting = ParseBuf(greeting).parse::<HandshakePacket>(())?;
    if !greeting
        .capabilities()
        .contains(CapabilityFlags::CLIENT_SSL)
    {
        return Err(NoLogin::NoTls);
    }
    let request = SslRequest::new(capabilities(&greeting, true), PACKET_MAX, CHARACTER_SET);
    let mut bytes = Vec::new();
    request.serialize(&mut bytes);
    Ok(wire.answer(&bytes).await?)
}

/// What of the server's offers is taken. It is said twice where the connection becomes encrypted, and has to be the same.
fn capabilities(greeting: &HandshakePacket<'_>, is_encrypted: bool) -> CapabilityFlags {
    let mut wanted = CapabilityFlags::CLIENT_PROTOCOL_41
        | CapabilityFlags::CLIENT_SECURE_CONNECTION
        | CapabilityFlags::CLIENT_LONG_PASSWORD
        | CapabilityFlags::CLIENT_PLUGIN_AUTH
        | CapabilityFlags::CLIENT_CONNECT_ATTRS;
    wanted.set(CapabilityFlags::CLIENT_SSL, is_encrypted);
    greeting.capabilities() & wanted
}

fn response(
    greeting: &HandshakePacket<'_>,
    plugin: &AuthPlugin<'_>,
    nonce: &[u8],
    account: &Account<'_>,
) -> Vec<u8> {
    let capabilities = capabilities(greeting, account.is_encrypted);
    let attributes = capabilities
        .contains(CapabilityFlags::CLIENT_CONNECT_ATTRS)
        .then(|| HashMap::from([("program_name".to_owned(), account.program.to_owned())]));
    let scrambled = plugin.gen_data(Some(account.password), nonce);
    let response = HandshakeResponse::new(
        scrambled.as_deref(),
        greeting.server_version_parsed().unwrap_or((5, 6, 0)),
        Some(account.user.as_bytes()),
        None::<&[u8]>,
        Some(plugin.borrow()),
        capabilities,
        attributes,
        PACKET_MAX,
    );
    let mut bytes = Vec::new();
    response.serialize(&mut bytes);
    bytes
}

/// The proof of the password for a plugin that is spoken here.
fn scrambled(
    plugin: &AuthPlugin<'_>,
    nonce: &[u8],
    account: &Account<'_>,
) -> Result<Vec<u8>, NoLogin> {
    if !matches!(
        plugin,
        AuthPlugin::CachingSha2Password | AuthPlugin::MysqlNativePassword
    ) {
        return Err(NoLogin::NotSpoken);
    }
    let proof = plugin.gen_data(Some(account.password), nonce);
    Ok(proof.ok_or(NoLogin::NotSpoken)?.to_vec())
}

/// The password, encrypted by the server's key, as the driver does it over a plain connection.
async fn encrypted(password: &str, nonce: &[u8], key: Vec<u8>) -> Result<Vec<u8>, NoLogin> {
    if nonce.is_empty() {
        return Err(NoLogin::NotSpoken);
    }
    let bytes = password.bytes().chain([0]);
    let masked: Vec<u8> = bytes
        .zip(nonce.iter().cycle())
        .map(|(byte, mask)| byte ^ mask)
        .collect();
    // A key that is none makes the library panic.
    let encrypted = caught(async move { crypto::encrypt(&masked, &key) }).await;
    encrypted.map_err(|_| NoLogin::NotSpoken)
}
