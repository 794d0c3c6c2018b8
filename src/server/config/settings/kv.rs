use orchestrator_core::domain::Secret;

use crate::config::values::Values;

/// Consul and ZooKeeper, told who is primary. Not in effect in this release.
#[derive(Clone, Debug)]
pub struct KeyValueStores {
    /// Prefix of the keys, ending in one slash (`KVClusterMasterPrefix`).
    pub prefix: String,
    /// Consul, when it has an address.
    pub consul: Option<Consul>,
    /// Addresses of ZooKeeper servers (`ZkAddress`).
    pub zookeeper: Vec<String>,
}

/// How Consul is reached and written to.
#[derive(Clone, Debug)]
pub struct Consul {
    /// `ConsulAddress`.
    pub address: String,
    /// `ConsulScheme`.
    pub scheme: String,
    /// `ConsulAclToken`.
    pub token: Secret,
    /// Write to all data centres (`ConsulCrossDataCenterDistribution`).
    pub distributes: bool,
    /// Write in transactions (`ConsulKVStoreProvider` is consul-txn).
    pub uses_transactions: bool,
    /// Operations in one transaction, 5 to 64 (`ConsulMaxKVsPerTransaction`).
    pub transaction_max: usize,
}

impl KeyValueStores {
    pub(super) fn resolve(values: &Values) -> Self {
        let servers = values.text("ZkAddress");
        let servers = servers
            .split(',')
            .map(str::trim)
            .filter(|server| !server.is_empty());
        Self {
            prefix: format!(
                "{}/",
                values.text("KVClusterMasterPrefix").trim_end_matches('/')
            ),
            consul: values
                .some_text("ConsulAddress")
                .map(|address| Consul::resolve(values, address)),
            zookeeper: servers.map(str::to_owned).collect(),
        }
    }
}

impl Consul {
    fn resolve(values: &Values, address: String) -> Self {
        let provider = values.text("ConsulKVStoreProvider").to_ascii_lowercase();
        Self {
            address,
            scheme: values.text("ConsulScheme"),
            token: values.secret("ConsulAclToken"),
            distributes: values.boolean("ConsulCrossDataCenterDistribution"),
            uses_transactions: provider == "consul-txn" || provider == "consul_txn",
            // Consul takes no more than 64 operations in a transaction.
            transaction_max: values.size("ConsulMaxKVsPerTransaction").clamp(5, 64),
        }
    }
}
