use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::PathBuf;

use tokio::net::{TcpListener, UnixListener};

use crate::sockets::listen;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenPlace {
    /// `ListenAddress`: `host:port`, or `:port` for all addresses.
    Tcp(String),
    /// `ListenSocket`: a path.
    Unix(PathBuf),
}

impl fmt::Display for ListenPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// A place where nothing can be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The text is no address.
    #[error("ListenAddress '{address}' is not host:port or :port")]
    BadAddress {
        /// The text.
        address: String,
    },
    /// Somebody listens there already.
    #[error(
        "{place} is taken by another process; stop it, or choose another ListenAddress or ListenSocket"
    )]
    Taken {
        /// The place.
        place: String,
    },
    /// The system refuses.
    #[error("cannot listen on {place}: {source}")]
    System {
        /// The place.
        place: String,
        /// Its reason.
        source: io::Error,
    },
}

/// A bound socket.
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// A unix socket, whose file is removed when it is dropped.
    Unix(UnixListener, SocketFile),
}

/// The file of a unix socket.
pub struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // It may have been removed by hand; there is nothing to do about it then.
        drop(std::fs::remove_file(&self.0));
    }
}

impl Listener {
    /// Binds `place`.
    ///
    /// # Errors
    /// [`BindError`], a sentence for the operator.
    pub fn bind(place: &ListenPlace) -> Result<Self, BindError> {
        match place {
            ListenPlace::Tcp(address) => bind_tcp(address).map(Self::Tcp),
            ListenPlace::Unix(path) => bind_unix(path),
        }
    }

    /// The address it got, when it is one.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            Self::Unix(..) => None,
        }
    }
}

fn bind_tcp(address: &str) -> Result<TcpListener, BindError> {
    let bad = || BindError::BadAddress {
        address: address.to_owned(),
    };
    if let Some(port) = address.strip_prefix(':') {
        let port: u16 = port.parse().map_err(|_| bad())?;
        let all_v6 = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port);
        // Machines without IPv6 have no such family; all IPv4 addresses are all there are then.
        return match listen(all_v6) {
            Err(error) if is_missing_family(&error) => {
                listen(SocketAddr::from(([0, 0, 0, 0], port)))
            }
            other => other,
        }
        .map_err(|source| bind_error(address, source));
    }
    if address
        .rsplit_once(':')
        .is_none_or(|(_, port)| port.parse::<u16>().is_err())
    {
        return Err(bad());
    }
    let resolved = address
        .to_socket_addrs()
        .map_err(|source| bind_error(address, source))?
        .next()
        .ok_or_else(bad)?;
    listen(resolved).map_err(|source| bind_error(address, source))
}

fn is_missing_family(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL)
    )
}

fn bind_error(place: &str, source: io::Error) -> BindError {
    match source.kind() {
        io::ErrorKind::AddrInUse => BindError::Taken {
            place: place.to_owned(),
        },
        _ => BindError::System {
            place: place.to_owned(),
            source,
        },
    }
}

fn bind_unix(path: &PathBuf) -> Result<Listener, BindError> {
    let place = path.display().to_string();
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    if is_socket {
        // A socket file outlives its process; it is only taken when somebody answers.
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(BindError::Taken { place });
        }
        std::fs::remove_file(path).map_err(|source| BindError::System {
            place: place.clone(),
            source,
        })?;
    }
    let listener = UnixListener::bind(path).map_err(|source| bind_error(&place, source))?;
    let file = SocketFile(path.clone());
    // Whoever may connect counts as local, so only the owner and its group may.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))
        .map_err(|source| BindError::System { place, source })?;
    Ok(Listener::Unix(listener, file))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(address: &str) -> String {
        Listener::bind(&ListenPlace::Tcp(address.to_owned()))
            .err()
            .expect(address)
            .to_string()
    }

    #[tokio::test]
    async fn wrong_and_taken_addresses_are_said_in_one_sentence() {
        assert_eq!(
            error("3000"),
            "ListenAddress '3000' is not host:port or :port"
        );
        assert_eq!(error(":x"), "ListenAddress ':x' is not host:port or :port");
        assert_eq!(
            error("127.0.0.1:70000"),
            "ListenAddress '127.0.0.1:70000' is not host:port or :port"
        );
        let first = Listener::bind(&ListenPlace::Tcp("127.0.0.1:0".into())).unwrap();
        let taken = first.local_addr().unwrap().to_string();
        assert_eq!(
            error(&taken),
            format!(
                "{taken} is taken by another process; stop it, or choose another ListenAddress or ListenSocket"
            )
        );
        assert!(error("192.0.2.1:0").starts_with("cannot listen on 192.0.2.1:0: "));
    }

    #[tokio::test]
    async fn a_left_over_socket_file_is_replaced_and_a_live_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let place = ListenPlace::Unix(dir.path().join("orc.sock"));
        let live = Listener::bind(&place).unwrap();
        assert!(matches!(
            Listener::bind(&place),
            Err(BindError::Taken { .. })
        ));
        drop(live);
        assert!(!dir.path().join("orc.sock").exists());
        drop(std::os::unix::net::UnixListener::bind(dir.path().join("orc.sock")).unwrap());
        Listener::bind(&place).unwrap();
    }
}
