use super::Section;
use crate::config::key::Key;

pub(super) const SECTION: Section = Section {
    title: "Key-value stores",
    about: "Consul and ZooKeeper, told which server is the primary of each cluster.",
    keys: &[
        Key::text(
            "KVClusterMasterPrefix",
            "mysql/master",
            "Prefix of the keys; the alias of the cluster follows.",
        )
        .not_yet(),
        Key::text("ConsulAddress", "", "Consul's HTTP address; empty: none.").not_yet(),
        Key::text("ConsulScheme", "http", "http or https.").not_yet(),
        Key::text("ConsulAclToken", "", "Consul's token.")
            .not_yet()
            .secret(),
        Key::boolean(
            "ConsulCrossDataCenterDistribution",
            false,
            "Write to all data centres that Consul knows.",
        )
        .not_yet(),
        Key::text(
            "ConsulKVStoreProvider",
            "consul",
            "consul, or consul-txn for transactions.",
        )
        .not_yet(),
        Key::integer(
            "ConsulMaxKVsPerTransaction",
            5,
            0..=1000,
            "operations",
            "Most operations in one Consul transaction, from 5 to 64.",
        )
        .not_yet(),
        Key::text(
            "ZkAddress",
            "",
            "ZooKeeper servers, separated by commas; empty: none.",
        )
        .not_yet(),
    ],
};
