use std::net::IpAddr;

use mysql_async::{Opts, OptsBuilder};
use orchestrator_core::domain::Secret;

use super::caught::caught;
use super::{Conn, DriverError, Tls};

/// Longest packet of an answer: a row of several texts. During the login the driver's own bound of 4 MiB is in force.
pub(in crate::mysql) const PACKET_LIMIT: usize = 4 * 1024 * 1024;

/// Who logs in, where and how.
pub(in crate::mysql) struct Login<'a> {
    /// The name that a certificate is compared with.
    pub(in crate::mysql) host: &'a str,
    /// Its addresses, tried in this order.
    pub(in crate::mysql) addresses: &'a [IpAddr],
    pub(in crate::mysql) port: u16,
    pub(in crate::mysql) user: &'a str,
    pub(in crate::mysql) password: &'a Secret,
    pub(in crate::mysql) tls: Option<&'a Tls>,
    /// Shown by the server in `performance_schema.session_connect_attrs`.
    pub(in crate::mysql) program: &'a str,
    /// Longest packet that is read or sent after the login.
    pub(in crate::mysql) packet_limit: usize,
}

/// Connects and logs in. Has no deadline of its own: the caller bounds it; dropping the future closes the socket.
pub(in crate::mysql) async fn login(login: &Login<'_>) -> Result<Conn, DriverError> {
    let conn = caught(mysql_async::Conn::new(options(login))).await??;
    // With TLS asked for, the driver goes on over TLS or fails.
    Ok(Conn::new(conn, login.tls.is_some()))
}

/// No compression, no clear text or old passwords, no file of ours for a server that asks for one. With the two sizes given, the
/// driver does not ask the server for them.
fn options(login: &Login<'_>) -> Opts {
    let builder = match login.tls {
        Some(tls) => OptsBuilder::from_opts(tls.options().clone()),
        None => OptsBuilder::default(),
    };
    builder
        .ip_or_hostname(login.host)
        .resolved_ips(Some(login.addresses))
        .tcp_port(login.port)
        .tcp_nodelay(true)
        .user(Some(login.user))
        .pass(Some(login.password.expose()))
        .connect_attribute("program_name", login.program)
        .max_allowed_packet(Some(login.packet_limit))
        // Only a pool looks at it, to drop idle connections.
        .wait_timeout(Some(0))
        .prefer_socket(false)
        .stmt_cache_size(0)
        .secure_auth(true)
        .enable_cleartext_plugin(false)
        .into()
}
