//! What each product and version calls its statements and variables. The one place that knows: elsewhere they have one
//! name. Chosen from the version that the server reports about itself, never by trying.
//!
//! Sources: MySQL 8.0, 8.4 and 9.x reference manuals ("SHOW REPLICA STATUS" since 8.0.22, new variable names since 8.0.26,
//! "SHOW BINARY LOG STATUS" since 8.2.0, `master_info_repository` gone in 8.3.0); MariaDB knowledge base ("SHOW ALL SLAVES
//! STATUS" since 10.0.2, semi-sync built in since 10.3.3); seen on MariaDB 10.11, MySQL 9.7 and MySQL 5.6.

use orchestrator_core::domain::Flavor;

/// Product and version of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dialect {
    flavor: Flavor,
    version: (u32, u32, u32),
}

/// A column or variable that has a name of old and one of today.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names {
    pub(super) new: &'static str,
    pub(super) old: &'static str,
}

/// Columns of the status of a replica that were renamed.
pub(super) mod column {
    use super::Names;

    const fn names(new: &'static str, old: &'static str) -> Names {
        Names { new, old }
    }

    pub(in crate::mysql) const SOURCE_HOST: Names = names("Source_Host", "Master_Host");
    pub(in crate::mysql) const SOURCE_PORT: Names = names("Source_Port", "Master_Port");
    pub(in crate::mysql) const SOURCE_USER: Names = names("Source_User", "Master_User");
    pub(in crate::mysql) const SOURCE_UUID: Names = names("Source_UUID", "Master_UUID");
    pub(in crate::mysql) const SOURCE_TLS: Names =
        names("Source_SSL_Allowed", "Master_SSL_Allowed");
    pub(in crate::mysql) const RECEIVER: Names = names("Replica_IO_Running", "Slave_IO_Running");
    pub(in crate::mysql) const APPLIER: Names = names("Replica_SQL_Running", "Slave_SQL_Running");
    pub(in crate::mysql) const RECEIVED_FILE: Names = names("Source_Log_File", "Master_Log_File");
    pub(in crate::mysql) const RECEIVED_OFFSET: Names =
        names("Read_Source_Log_Pos", "Read_Master_Log_Pos");
    pub(in crate::mysql) const APPLIED_FILE: Names =
        names("Relay_Source_Log_File", "Relay_Master_Log_File");
    pub(in crate::mysql) const APPLIED_OFFSET: Names =
        names("Exec_Source_Log_Pos", "Exec_Master_Log_Pos");
    pub(in crate::mysql) const SECONDS_BEHIND: Names =
        names("Seconds_Behind_Source", "Seconds_Behind_Master");
    /// MariaDB names a connection, MySQL a channel; both leave the default one's name empty.
    pub(in crate::mysql) const CHANNEL: Names = names("Channel_Name", "Connection_name");
}

/// Variables and counters of semi-synchronous replication: MySQL's plugins of today and of old; MariaDB has the old names.
pub(super) mod semi_sync {
    use super::Names;

    const fn names(new: &'static str, old: &'static str) -> Names {
        Names { new, old }
    }

    pub(in crate::mysql) const SOURCE_ENABLED: Names = names(
        "rpl_semi_sync_source_enabled",
        "rpl_semi_sync_master_enabled",
    );
    pub(in crate::mysql) const SOURCE_TIMEOUT: Names = names(
        "rpl_semi_sync_source_timeout",
        "rpl_semi_sync_master_timeout",
    );
    pub(in crate::mysql) const WAIT_COUNT: Names = names(
        "rpl_semi_sync_source_wait_for_replica_count",
        "rpl_semi_sync_master_wait_for_slave_count",
    );
    pub(in crate::mysql) const WAIT_POINT: Names = names(
        "rpl_semi_sync_source_wait_point",
        "rpl_semi_sync_master_wait_point",
    );
    pub(in crate::mysql) const WAIT_FOR_ABSENT: Names = names(
        "rpl_semi_sync_source_wait_no_replica",
        "rpl_semi_sync_master_wait_no_slave",
    );
    pub(in crate::mysql) const REPLICA_ENABLED: Names = names(
        "rpl_semi_sync_replica_enabled",
        "rpl_semi_sync_slave_enabled",
    );
    pub(in crate::mysql) const SOURCE_STATUS: Names =
        names("Rpl_semi_sync_source_status", "Rpl_semi_sync_master_status");
    pub(in crate::mysql) const SOURCE_CLIENTS: Names = names(
        "Rpl_semi_sync_source_clients",
        "Rpl_semi_sync_master_clients",
    );
    pub(in crate::mysql) const WAITING_COMMITS: Names = names(
        "Rpl_semi_sync_source_wait_sessions",
        "Rpl_semi_sync_master_wait_sessions",
    );
    pub(in crate::mysql) const REPLICA_STATUS: Names =
        names("Rpl_semi_sync_replica_status", "Rpl_semi_sync_slave_status");
}

impl Dialect {
    /// From `@@version` and `@@version_comment`.
    pub(super) fn detect(version: &str, comment: &str) -> Self {
        let holds = |text: &str, word: &str| {
            text.to_ascii_lowercase()
                .contains(&word.to_ascii_lowercase())
        };
        let flavor = if holds(version, "MariaDB") || holds(comment, "MariaDB") {
            Flavor::MariaDb
        } else if holds(comment, "Percona") {
            Flavor::Percona
        } else {
            Flavor::MySql
        };
        Self {
            flavor,
            version: numbers(version),
        }
    }

    pub(super) fn flavor(&self) -> Flavor {
        self.flavor
    }

    pub(super) fn is_mariadb(&self) -> bool {
        self.flavor == Flavor::MariaDb
    }

    fn is_mysql_since(&self, major: u32, minor: u32, patch: u32) -> bool {
        !self.is_mariadb() && self.version >= (major, minor, patch)
    }

    fn is_mariadb_since(&self, major: u32, minor: u32, patch: u32) -> bool {
        self.is_mariadb() && self.version >= (major, minor, patch)
    }

    /// Whether a session that was ended may be listed for ever, doing nothing: `change::ended` says why.
    pub(super) fn may_keep_ended_sessions(&self) -> bool {
        !self.is_mariadb() && !self.is_mysql_since(8, 0, 0)
    }

    pub(super) fn show_replica_status(&self) -> &'static str {
        if self.is_mariadb_since(10, 0, 2) {
            "SHOW ALL SLAVES STATUS"
        } else if self.is_mysql_since(8, 0, 22) {
            "SHOW REPLICA STATUS"
        } else {
            "SHOW SLAVE STATUS"
        }
    }

    pub(super) fn show_binlog_status(&self) -> &'static str {
        if self.is_mysql_since(8, 2, 0) {
            "SHOW BINARY LOG STATUS"
        } else {
            "SHOW MASTER STATUS"
        }
    }

    pub(super) fn show_replicas(&self) -> &'static str {
        if self.is_mysql_since(8, 0, 22) {
            "SHOW REPLICAS"
        } else {
            "SHOW SLAVE HOSTS"
        }
    }

    /// What `START`, `STOP` and `RESET` call a replica.
    pub(super) fn replica(&self) -> &'static str {
        if self.is_mysql_since(8, 0, 22) {
            "REPLICA"
        } else {
            "SLAVE"
        }
    }

    /// The statement that names a replica's source.
    pub(super) fn change_source(&self) -> &'static str {
        if self.is_mysql_since(8, 0, 23) {
            "CHANGE REPLICATION SOURCE TO"
        } else {
            "CHANGE MASTER TO"
        }
    }

    /// What the options of that statement call the source.
    pub(super) fn source(&self) -> &'static str {
        if self.is_mysql_since(8, 0, 23) {
            "SOURCE"
        } else {
            "MASTER"
        }
    }

    /// Whether that statement has an option that MySQL has since some version, and MariaDB perhaps.
    pub(super) fn has_source_option(&self, since: (u32, u32, u32), in_mariadb: bool) -> bool {
        match self.is_mariadb() {
            true => in_mariadb,
            false => self.version >= since,
        }
    }

    /// Whether a statement may end in `FOR CHANNEL`. MariaDB names the connection by a session variable.
    pub(super) fn has_channels(&self) -> bool {
        self.is_mysql_since(5, 7, 6)
    }

    /// The variable that says whether a replica logs what it applies.
    pub(super) fn log_replica_updates(&self) -> &'static str {
        if self.is_mysql_since(8, 0, 26) {
            "log_replica_updates"
        } else {
            "log_slave_updates"
        }
    }

    pub(super) fn has_super_read_only(&self) -> bool {
        self.is_mysql_since(5, 7, 8)
            || (self.flavor == Flavor::Percona && self.version >= (5, 6, 21))
    }

    /// `gtid_mode`, `server_uuid`, `gtid_executed`, `gtid_purged`, `binlog_row_image`.
    pub(super) fn has_oracle_gtid(&self) -> bool {
        self.is_mysql_since(5, 6, 5)
    }

    pub(super) fn has_mariadb_gtid(&self) -> bool {
        self.is_mariadb_since(10, 0, 2)
    }

    pub(super) fn has_binlog_row_image(&self) -> bool {
        self.is_mysql_since(5, 6, 5) || self.is_mariadb_since(10, 1, 6)
    }

    /// Whether the variables of semi-sync always exist, so that they can be selected.
    pub(super) fn has_semi_sync_built_in(&self) -> bool {
        self.is_mariadb_since(10, 3, 3)
    }

    /// Where replication credentials are kept is a choice in these versions only; later it is always a table.
    pub(super) fn has_repository_choice(&self) -> bool {
        self.is_mysql_since(5, 6, 5) && !self.is_mysql_since(8, 3, 0)
    }

    /// Percona Server has it too; the predecessor did not ask there.
    pub(super) fn has_group_replication(&self) -> bool {
        self.is_mysql_since(8, 0, 2)
    }

    /// The process list that takes no global lock, where the performance schema is on.
    pub(super) fn has_light_process_list(&self) -> bool {
        self.is_mysql_since(8, 0, 22)
    }
}

/// `10.11.19-MariaDB-log` is (10, 11, 19); `5.5.5-10.4.2-MariaDB`, as MariaDB announces itself to old clients, is (10, 4, 2).
fn numbers(version: &str) -> (u32, u32, u32) {
    let version = version.strip_prefix("5.5.5-").unwrap_or(version);
    let mut parts = version
        .split(|c: char| !c.is_ascii_digit())
        .map(|part| part.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    (next(), next(), next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_choose_their_words() {
        for (version, comment, flavor, status, log, replicas, updates) in [
            (
                "10.11.19-MariaDB-log",
                "Debian 12",
                Flavor::MariaDb,
                "SHOW ALL SLAVES STATUS",
                "SHOW MASTER STATUS",
                "SHOW SLAVE HOSTS",
                "log_slave_updates",
            ),
            (
                "5.6.24-log",
                "MySQL Community Server (GPL)",
                Flavor::MySql,
                "SHOW SLAVE STATUS",
                "SHOW MASTER STATUS",
                "SHOW SLAVE HOSTS",
                "log_slave_updates",
            ),
            (
                "8.0.36-28",
                "Percona Server (GPL), Release 28",
                Flavor::Percona,
                "SHOW REPLICA STATUS",
                "SHOW MASTER STATUS",
                "SHOW REPLICAS",
                "log_replica_updates",
            ),
            (
                "8.0.21",
                "MySQL Community Server - GPL",
                Flavor::MySql,
                "SHOW SLAVE STATUS",
                "SHOW MASTER STATUS",
                "SHOW SLAVE HOSTS",
                "log_slave_updates",
            ),
            (
                "9.7.4-1",
                "(Debian)",
                Flavor::MySql,
                "SHOW REPLICA STATUS",
                "SHOW BINARY LOG STATUS",
                "SHOW REPLICAS",
                "log_replica_updates",
            ),
        ] {
            let dialect = Dialect::detect(version, comment);
            assert_eq!(dialect.flavor(), flavor, "{version}");
            assert_eq!(dialect.show_replica_status(), status, "{version}");
            assert_eq!(dialect.show_binlog_status(), log, "{version}");
            assert_eq!(dialect.show_replicas(), replicas, "{version}");
            assert_eq!(dialect.log_replica_updates(), updates, "{version}");
        }
    }

    #[test]
    fn changing_statements_follow_the_version() {
        for (version, replica, change, source, channels) in [
            ("5.6.24", "SLAVE", "CHANGE MASTER TO", "MASTER", false),
            ("5.7.44", "SLAVE", "CHANGE MASTER TO", "MASTER", true),
            ("8.0.22", "REPLICA", "CHANGE MASTER TO", "MASTER", true),
            (
                "8.0.23",
                "REPLICA",
                "CHANGE REPLICATION SOURCE TO",
                "SOURCE",
                true,
            ),
            (
                "9.7.4",
                "REPLICA",
                "CHANGE REPLICATION SOURCE TO",
                "SOURCE",
                true,
            ),
            (
                "11.8.2-MariaDB",
                "SLAVE",
                "CHANGE MASTER TO",
                "MASTER",
                false,
            ),
        ] {
            let dialect = Dialect::detect(version, "");
            assert_eq!(dialect.replica(), replica, "{version}");
            assert_eq!(dialect.change_source(), change, "{version}");
            assert_eq!(dialect.source(), source, "{version}");
            assert_eq!(dialect.has_channels(), channels, "{version}");
        }
    }

    #[test]
    fn capabilities_follow_the_version() {
        let of = |version| Dialect::detect(version, "");
        assert!(of("9.7.4").has_super_read_only() && !of("5.6.24").has_super_read_only());
        assert!(Dialect::detect("5.6.51-91.0", "Percona Server").has_super_read_only());
        assert!(of("5.6.24").has_oracle_gtid() && !of("5.5.62").has_oracle_gtid());
        assert!(of("5.7.44").has_repository_choice() && !of("8.4.0").has_repository_choice());
        assert!(of("8.0.36").has_group_replication() && !of("5.7.44").has_group_replication());
        let mariadb = of("10.11.19-MariaDB");
        assert!(mariadb.has_semi_sync_built_in() && mariadb.has_mariadb_gtid());
        assert!(!mariadb.has_super_read_only() && !mariadb.has_oracle_gtid());
        assert!(!mariadb.has_group_replication() && !mariadb.has_light_process_list());
        assert!(!of("10.2.9-MariaDB").has_semi_sync_built_in());
    }

    #[test]
    fn odd_version_texts_become_numbers() {
        for (text, version) in [
            ("5.5.5-10.4.2-MariaDB", (10, 4, 2)),
            ("8.0.36-28.1", (8, 0, 36)),
            ("9.7", (9, 7, 0)),
            ("", (0, 0, 0)),
            ("99999999999.1", (0, 1, 0)),
        ] {
            assert_eq!(numbers(text), version, "{text}");
        }
    }
}
