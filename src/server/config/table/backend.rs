use super::Section;
use crate::config::key::Key;

pub(super) const SECTION: Section = Section {
    title: "MySQL as store",
    about: "A MySQL server that keeps decided state. Not built yet: with BackendDB mysql, or without BackendDB when one of these keys is set to other than its default, the start is refused.",
    keys: &[
        Key::text("MySQLOrchestratorHost", "", "Host of the server.")
            .restart()
            .not_yet(),
        Key::integer(
            "MySQLOrchestratorPort",
            3306,
            1..=65_535,
            "",
            "Port of the server.",
        )
        .restart()
        .not_yet(),
        Key::text(
            "MySQLOrchestratorDatabase",
            "",
            "Schema; created when missing.",
        )
        .restart()
        .not_yet(),
        Key::text("MySQLOrchestratorUser", "", "User.")
            .restart()
            .not_yet(),
        Key::text(
            "MySQLOrchestratorPassword",
            "",
            "Password. ${NAME} takes it from an environment variable.",
        )
        .restart()
        .not_yet()
        .secret(),
        Key::text(
            "MySQLOrchestratorCredentialsConfigFile",
            "",
            "INI file whose section [client] holds user and password.",
        )
        .restart()
        .not_yet(),
        Key::text(
            "MySQLOrchestratorSSLPrivateKeyFile",
            "",
            "Private key of our client certificate, PEM.",
        )
        .restart()
        .not_yet(),
        Key::text(
            "MySQLOrchestratorSSLCertFile",
            "",
            "Our client certificate, PEM.",
        )
        .restart()
        .not_yet(),
        Key::text(
            "MySQLOrchestratorSSLCAFile",
            "",
            "Authorities that its certificate is checked against, PEM.",
        )
        .restart()
        .not_yet(),
        Key::boolean(
            "MySQLOrchestratorSSLSkipVerify",
            false,
            "Accept any certificate.",
        )
        .restart()
        .not_yet(),
        Key::boolean("MySQLOrchestratorUseMutualTLS", false, "Use TLS.")
            .restart()
            .not_yet(),
        Key::integer(
            "MySQLOrchestratorMaxPoolConnections",
            128,
            -1..=100_000,
            "connections",
            "Most connections; 0 or less sets no limit.",
        )
        .restart()
        .not_yet(),
        Key::integer(
            "MySQLOrchestratorReadTimeoutSeconds",
            30,
            0..=86_400,
            "seconds",
            "Longest wait for an answer.",
        )
        .restart()
        .not_yet(),
        Key::boolean(
            "MySQLOrchestratorRejectReadOnly",
            false,
            "Drop connections to a server that is read-only.",
        )
        .restart()
        .not_yet(),
    ],
};
