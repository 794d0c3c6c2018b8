use orchestrator_core::domain::Flavor;

/// When relay logs may be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// A thread is started while the other one runs.
    StartBesideTheOther,
    /// A thread is started while none runs, or both are.
    StartFromNone,
    /// The server starts.
    Restart {
        /// `relay_log_recovery`.
        recovers: bool,
    },
    /// Another source is given while the applier runs.
    RepointWhileApplying,
    /// Another source is given, or none, while no thread runs.
    Repoint,
}

/// A product and release, with what differs between them here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Product {
    /// Which product.
    pub flavor: Flavor,
    /// `version`.
    pub version: &'static str,
    /// `version_comment`.
    pub comment: &'static str,
}

impl Product {
    /// The releases that simulations draw from, older ones first within a family.
    pub const MYSQL: [Self; 5] = [
        Self::mysql("5.6.51-log"),
        Self::mysql("5.7.44-log"),
        Self::mysql("8.0.36"),
        Self::mysql("8.4.6"),
        Self::mysql("9.7.0"),
    ];

    /// The same of MariaDB.
    pub const MARIADB: [Self; 3] = [
        Self::mariadb("10.5.27-MariaDB-log"),
        Self::mariadb("10.11.14-MariaDB-log"),
        Self::mariadb("11.8.3-MariaDB-log"),
    ];

    const fn mysql(version: &'static str) -> Self {
        Self {
            flavor: Flavor::MySql,
            version,
            comment: "MySQL Community Server - GPL",
        }
    }

    const fn mariadb(version: &'static str) -> Self {
        Self {
            flavor: Flavor::MariaDb,
            version,
            comment: "MariaDB Server",
        }
    }

    /// Whether it is MariaDB.
    pub fn is_mariadb(&self) -> bool {
        self.flavor == Flavor::MariaDb
    }

    /// Whether it has `super_read_only` (MySQL 5.7.8 and later).
    pub fn has_super_read_only(&self) -> bool {
        !self.is_mariadb() && !self.version.starts_with("5.6")
    }

    /// Whether a receiver that waits for a greeting is ended by a second signal only: so does 9.7.4, and MariaDB 10.11 and MySQL 5.6.24 do not.
    /// Those in between are taken for slow.
    pub fn ends_receivers_slowly(&self) -> bool {
        !self.is_mariadb() && !self.version.starts_with("5.6")
    }

    /// Whether it tells others that a session is ending a receiver, without making them wait for that. 9.7.4 does; 5.7 is taken for one that does
    /// not, so that such are there too.
    pub fn tells_who_ends_receivers(&self) -> bool {
        !self.is_mariadb() && !self.version.starts_with("5.")
    }

    /// Whether what was received and not applied is still there afterwards.
    ///
    /// MariaDB, measured on 10.11 with GTID: relay logs begin anew whenever a thread starts while none runs, and so on a
    /// restart, whatever `relay_log_recovery` says. MySQL keeps them through stops and starts, and through a restart unless
    /// `relay_log_recovery` is on; it keeps them when another source is given while the applier runs (manual, `CHANGE
    /// REPLICATION SOURCE TO`).
    pub fn keeps_relay_logs(&self, moment: Moment) -> bool {
        match (moment, self.is_mariadb()) {
            (Moment::StartBesideTheOther, _) => true,
            (Moment::Repoint, _) => false,
            (_, true) => false,
            (Moment::StartFromNone | Moment::RepointWhileApplying, false) => true,
            (Moment::Restart { recovers }, false) => !recovers,
        }
    }
}
