use std::net::IpAddr;

use orchestrator_core::decided::Origin;

/// Who sent a request, as established before its handler runs. A request extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// User name by the authentication method in force; empty when there is none.
    pub user: String,
    /// Address of the connection; `None` on a unix socket, whose callers are local by nature.
    pub address: Option<IpAddr>,
    /// The node that passed the request on, and found out who the caller is; `None` when the caller asked this node.
    pub through: Option<String>,
}

impl Caller {
    /// For the record of a change. The node that the caller asked, `node` unless another one passed the request on, stands
    /// in for a caller without a name.
    pub fn origin(&self, node: &str) -> Origin {
        let who = match self.user.as_str() {
            "" => self.through.as_deref().unwrap_or(node),
            user => user,
        };
        let address = self
            .address
            .map_or_else(|| "unix socket".to_owned(), |address| address.to_string());
        let whence = match &self.through {
            Some(through) => format!("{address} through {through}"),
            None => address,
        };
        Origin {
            who: who.to_owned(),
            whence,
        }
    }
}
