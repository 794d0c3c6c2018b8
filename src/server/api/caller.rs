use std::net::IpAddr;

use orchestrator_core::decided::Origin;

/// Who sent a request, as established before its handler runs. A request extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// User name by the authentication method in force; empty when there is none.
    pub user: String,
    /// Address of the connection; `None` on a unix socket, whose callers are local by nature.
    pub address: Option<IpAddr>,
}

impl Caller {
    /// For the record of a change; `node` stands in for a caller without a name.
    pub fn origin(&self, node: &str) -> Origin {
        let who = if self.user.is_empty() {
            node
        } else {
            &self.user
        };
        let whence = self
            .address
            .map_or_else(|| "unix socket".to_owned(), |address| address.to_string());
        Origin {
            who: who.to_owned(),
            whence,
        }
    }
}
