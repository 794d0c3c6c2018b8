use super::Section;
use crate::config::key::Key;

pub(super) const SECTION: Section = Section {
    title: "Connections to MySQL and MariaDB servers",
    about: "How servers of the topologies are reached. A changed user or password counts from the next connection.",
    keys: &[
        Key::text("MySQLTopologyUser", "", "User on the servers."),
        Key::text(
            "MySQLTopologyPassword",
            "",
            "Password on the servers. ${NAME} takes it from an environment variable.",
        )
        .secret(),
        Key::text(
            "MySQLTopologyCredentialsConfigFile",
            "",
            "INI file whose section [client] holds user and password, which replace the two keys above. Must not be accessible to others.",
        ),
        Key::text(
            "MySQLTopologySSLPrivateKeyFile",
            "",
            "Private key of our client certificate, PEM. Must not be accessible to others.",
        )
        .restart(),
        Key::text(
            "MySQLTopologySSLCertFile",
            "",
            "Our client certificate, PEM.",
        )
        .restart(),
        Key::text(
            "MySQLTopologySSLCAFile",
            "",
            "Authorities that certificates of servers are checked against, PEM.",
        )
        .restart(),
        Key::boolean(
            "MySQLTopologySSLSkipVerify",
            false,
            "Accept any certificate of a server.",
        )
        .restart(),
        Key::boolean(
            "MySQLTopologyUseMutualTLS",
            false,
            "Use TLS to every server.",
        ),
        Key::boolean(
            "MySQLTopologyUseMixedTLS",
            true,
            "Try a server without TLS first and use TLS when it refuses us so (error 3159, or access denied); remembered per server.",
        ),
        Key::integer(
            "TLSCacheTTLFactor",
            100,
            0..=1_000_000,
            "times InstancePollSeconds",
            "How long it is remembered that a server wants TLS.",
        )
        .not_yet(),
        Key::integer(
            "MySQLConnectTimeoutSeconds",
            2,
            1..=600,
            "seconds",
            "Longest time to connect to a server.",
        ),
        Key::integer(
            "MySQLDiscoveryReadTimeoutSeconds",
            10,
            1..=3600,
            "seconds",
            "Longest wait for an answer while probing.",
        ),
        Key::integer(
            "MySQLTopologyReadTimeoutSeconds",
            600,
            1..=86_400,
            "seconds",
            "Longest wait for an answer in other work on servers.",
        )
        .not_yet(),
        Key::integer(
            "MySQLConnectionLifetimeSeconds",
            0,
            0..=31_536_000,
            "seconds",
            "Age at which a connection is replaced; 0 keeps it as long as it works.",
        ),
        Key::integer(
            "DefaultInstancePort",
            3306,
            1..=65_535,
            "",
            "Port of a server that is named without one.",
        ),
    ],
};
