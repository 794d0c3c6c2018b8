use super::Section;
use crate::config::key::Key;

pub(super) const SECTION: Section = Section {
    title: "MySQL as store",
    about: "A MySQL or MariaDB server with a database that belongs to this node alone, for what it decides and what it observed. Used with BackendDB mysql, and without BackendDB when one of these \
            keys is set to other than its default; then host, database and user must be set. MySQLConnectTimeoutSeconds counts here too. See operations/mysql-store.md.",
    keys: &[
        Key::text("MySQLOrchestratorHost", "", "Host of the server.")
            .restart(),
        Key::integer(
            "MySQLOrchestratorPort",
            3306,
            1..=65_535,
            "",
            "Port of the server.",
        )
        .restart(),
        Key::text(
            "MySQLOrchestratorDatabase",
            "",
            "Database, made when it is missing. Tables of the predecessor in it are left alone.",
        )
        .restart(),
        Key::text("MySQLOrchestratorUser", "", "User.")
            .restart(),
        Key::text(
            "MySQLOrchestratorPassword",
            "",
            "Password. ${NAME} takes it from an environment variable.",
        )
        .restart()
        .secret(),
        Key::text(
            "MySQLOrchestratorCredentialsConfigFile",
            "",
            "INI file whose section [client] holds user and password, which replace the two keys above. Must not be accessible to others.",
        )
        .restart(),
        Key::text(
            "MySQLOrchestratorSSLPrivateKeyFile",
            "",
            "Private key of our client certificate, PEM. Must not be accessible to others.",
        )
        .restart(),
        Key::text(
            "MySQLOrchestratorSSLCertFile",
            "",
            "Our client certificate, PEM.",
        )
        .restart(),
        Key::text(
            "MySQLOrchestratorSSLCAFile",
            "",
            "Authorities that its certificate is checked against, PEM.",
        )
        .restart(),
        Key::boolean(
            "MySQLOrchestratorSSLSkipVerify",
            false,
            "Accept any certificate.",
        )
        .restart(),
        Key::boolean("MySQLOrchestratorUseMutualTLS", false, "Use TLS, with the certificate of the keys above where one is given.")
            .restart(),
        Key::integer(
            "MySQLOrchestratorMaxPoolConnections",
            128,
            -1..=100_000,
            "connections",
            "Most connections; 0 or less sets no limit. Two are used, or one where only one is allowed.",
        )
        .restart(),
        Key::integer(
            "MySQLOrchestratorReadTimeoutSeconds",
            30,
            0..=86_400,
            "seconds",
            "Longest wait for the answer to a statement; 0 counts as 30.",
        )
        .restart(),
        Key::boolean(
            "MySQLOrchestratorRejectReadOnly",
            false,
            "Close the connection to a server that turns out to be read-only, so that the next try looks its name up anew.",
        )
        .restart(),
    ],
};
