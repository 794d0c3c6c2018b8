//! Sockets that the service listens on, made the same way for HTTP and for the other members.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

/// Connections waiting to be accepted; the kernel cuts it to its own bound.
const BACKLOG: i32 = 1024;

/// Listens on a TCP address; the unspecified IPv6 address stands for all addresses of both families.
///
/// Must be called within a runtime.
///
/// # Errors
/// The system's, such as an address that is taken or not of this machine.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    // Restarting must not wait for old connections to be forgotten by the kernel.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}
