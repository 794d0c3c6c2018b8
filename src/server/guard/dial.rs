use std::io;
use std::time::Duration;

use orchestrator_core::isolation::Tried;
use orchestrator_core::ports::{BoxFuture, Dialer};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

/// Tries addresses over TCP. Names are looked up each time.
#[derive(Clone, Copy, Debug, Default)]
pub struct TcpDialer;

impl Dialer for TcpDialer {
    fn dial<'a>(&'a self, address: &'a str, within: Duration) -> BoxFuture<'a, Tried> {
        Box::pin(async move {
            let looked_up = match timeout(within, lookup_host(address)).await {
                Ok(Ok(addresses)) => addresses.collect::<Vec<_>>(),
                Ok(Err(why)) => return not(format!("{address} has no address now: {why}")),
                Err(_) => return not(format!("{address} could not be looked up in time")),
            };
            if looked_up.is_empty() {
                return not(format!("{address} has no address"));
            }
            for address in looked_up {
                match timeout(within, TcpStream::connect(address)).await {
                    Err(_) => {}
                    Ok(Ok(_)) => return Tried::Answered,
                    Ok(Err(why)) => match of_error(&why) {
                        Tried::Nothing => {}
                        other => return other,
                    },
                }
            }
            Tried::Nothing
        })
    }
}

fn not(why: String) -> Tried {
    Tried::Not { why }
}

/// What a connection that failed says.
fn of_error(why: &io::Error) -> Tried {
    match why.kind() {
        // A host, or something before it that knows it, sent that back.
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted => Tried::Answered,
        io::ErrorKind::TimedOut
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::NetworkDown => Tried::Nothing,
        _ => not(why.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net::TcpListener;

    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn who_lets_in_and_who_refuses_both_answer() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        assert_eq!(TcpDialer.dial(&address, SOON).await, Tried::Answered);
        drop(listener);
        assert_eq!(TcpDialer.dial(&address, SOON).await, Tried::Answered);
    }

    #[tokio::test]
    async fn a_name_without_an_address_was_not_tried() {
        let tried = TcpDialer.dial("no such name:3306", SOON).await;
        assert!(matches!(tried, Tried::Not { .. }), "{tried:?}");
    }

    #[test]
    fn what_a_router_says_is_no_answer() {
        for kind in [
            io::ErrorKind::HostUnreachable,
            io::ErrorKind::NetworkUnreachable,
            io::ErrorKind::TimedOut,
        ] {
            assert_eq!(of_error(&kind.into()), Tried::Nothing, "{kind}");
        }
        let own = of_error(&io::Error::other("no more sockets"));
        assert!(matches!(own, Tried::Not { .. }), "{own:?}");
    }
}
