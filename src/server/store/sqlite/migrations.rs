use orchestrator_core::domain::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::super::fault::Fault;
use super::super::migration::{self, Migration};

/// Schema of decided state.
pub(super) const DECISIONS: &[Migration] = &[
    Migration {
        number: 1,
        sql: include_str!("migrations/0001_decided_state.sql"),
    },
    Migration {
        number: 2,
        sql: include_str!("migrations/0002_access_token.sql"),
    },
    Migration {
        number: 3,
        sql: include_str!("migrations/0003_recovery.sql"),
    },
    Migration {
        number: 4,
        sql: include_str!("migrations/0004_answer.sql"),
    },
    Migration {
        number: 5,
        sql: include_str!("migrations/0005_left_stopped.sql"),
    },
    Migration {
        number: 6,
        sql: include_str!("migrations/0006_group_node.sql"),
    },
    Migration {
        number: 7,
        sql: include_str!("migrations/0007_cluster_alias.sql"),
    },
    Migration {
        number: 8,
        sql: include_str!("migrations/0008_import.sql"),
    },
];

/// Schema of observations.
pub(super) const OBSERVATIONS: &[Migration] = &[Migration {
    number: 1,
    sql: include_str!("migrations/observations_0001.sql"),
}];

/// Schema of the log of a group.
pub(super) const GROUP_LOG: &[Migration] = &[Migration {
    number: 1,
    sql: include_str!("migrations/group_log_0001.sql"),
}];

const CREATE_TABLE: &str = "CREATE TABLE IF NOT EXISTS store_migration (
    number INTEGER PRIMARY KEY,
    checksum TEXT NOT NULL,
    applied_at_micros INTEGER NOT NULL
) STRICT";

/// Brings the schema up to date, all in one transaction. A schema from a later release, or from other statements, is
/// left untouched and refused.
pub(super) fn migrate(
    connection: &Connection,
    migrations: &[Migration],
    now: Timestamp,
) -> Result<(), Fault> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let done = missing(connection, migrations).and_then(|missing| {
        missing
            .iter()
            .try_for_each(|migration| apply(connection, migration, now))
    });
    match done {
        Ok(()) => Ok(connection.execute_batch("COMMIT")?),
        Err(fault) => {
            if !connection.is_autocommit() {
                connection.execute_batch("ROLLBACK")?;
            }
            Err(fault)
        }
    }
}

fn missing<'a>(
    connection: &Connection,
    migrations: &'a [Migration],
) -> Result<&'a [Migration], Fault> {
    if !has_table(connection)? {
        return Ok(migrations);
    }
    let mut statement =
        connection.prepare("SELECT number, checksum FROM store_migration ORDER BY number")?;
    let present = statement
        .query_map([], |row| {
            Ok((row.get::<_, u32>(0)?, row.get::<_, String>(1)?))
        })?
        .collect::<Result<Vec<_>, _>>()?;
    migration::missing(migrations, &present)
}

fn has_table(connection: &Connection) -> Result<bool, Fault> {
    let found: Option<i64> = connection
        .query_row(
            "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'store_migration'",
            [],
            |row| row.get(0),
        )
        .optional()?;
    Ok(found.is_some())
}

fn apply(connection: &Connection, migration: &Migration, now: Timestamp) -> Result<(), Fault> {
    connection.execute_batch(CREATE_TABLE)?;
    connection.execute_batch(migration.sql)?;
    connection.execute(
        "INSERT INTO store_migration (number, checksum, applied_at_micros) VALUES (?1, ?2, ?3)",
        params![migration.number, migration.checksum(), now.as_micros()],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(5);
    const ONE: Migration = Migration {
        number: 1,
        sql: "CREATE TABLE one (a INTEGER)",
    };
    const TWO: Migration = Migration {
        number: 2,
        sql: "CREATE TABLE two (a INTEGER)",
    };

    fn tables(connection: &Connection) -> Vec<String> {
        let mut statement = connection
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
            .unwrap();
        let names = statement.query_map([], |row| row.get(0)).unwrap();
        names.map(Result::unwrap).collect()
    }

    #[test]
    fn steps_are_made_once_and_later_ones_are_added() {
        let connection = Connection::open_in_memory().unwrap();
        migrate(&connection, &[ONE], NOW).unwrap();
        migrate(&connection, &[ONE], NOW).unwrap();
        migrate(&connection, &[ONE, TWO], NOW).unwrap();
        assert_eq!(tables(&connection), ["one", "store_migration", "two"]);
    }

    #[test]
    fn a_store_from_before_access_tokens_keeps_its_rows() {
        let connection = Connection::open_in_memory().unwrap();
        migrate(&connection, &DECISIONS[..1], NOW).unwrap();
        let insert = "INSERT INTO decided_forgotten VALUES ('db1', 3306, 5)";
        connection.execute(insert, []).unwrap();
        migrate(&connection, DECISIONS, NOW).unwrap();
        let rows = super::super::rows::load(&connection).unwrap();
        assert_eq!(rows.len(), 1, "{rows:?}");
    }

    #[test]
    fn a_later_schema_is_refused_and_left_alone() {
        let connection = Connection::open_in_memory().unwrap();
        migrate(&connection, &[ONE, TWO], NOW).unwrap();
        let error = migrate(&connection, &[ONE], NOW).unwrap_err().at("/s");
        assert_eq!(
            error.to_string(),
            "the store /s was written by a newer release (its schema is 2, this release knows 1); \
             use that release, or a newer one"
        );
        assert_eq!(tables(&connection), ["one", "store_migration", "two"]);
    }

    #[test]
    fn a_step_with_other_statements_is_refused() {
        let connection = Connection::open_in_memory().unwrap();
        migrate(&connection, &[ONE], NOW).unwrap();
        let other = Migration {
            number: 1,
            sql: "CREATE TABLE other (a INTEGER)",
        };
        assert!(matches!(
            migrate(&connection, &[other, TWO], NOW),
            Err(Fault::ForeignMigration { number: 1 })
        ));
        assert_eq!(tables(&connection), ["one", "store_migration"]);
    }

    #[test]
    fn a_step_that_fails_leaves_nothing_of_itself() {
        let connection = Connection::open_in_memory().unwrap();
        let broken = Migration {
            number: 2,
            sql: "CREATE TABLE half (a INTEGER); CREATE TABLE one (a INTEGER)",
        };
        assert!(migrate(&connection, &[ONE, broken], NOW).is_err());
        assert_eq!(tables(&connection), Vec::<String>::new());
        migrate(&connection, &[ONE], NOW).unwrap();
    }

    #[test]
    fn released_steps_are_never_changed() {
        let checksums = |migrations: &[Migration]| -> Vec<(u32, String)> {
            let entries = migrations.iter().map(|m| (m.number, m.checksum()));
            entries.collect()
        };
        assert_eq!(
            checksums(DECISIONS),
            [
                (
                    1,
                    "7525545402d16e735c12fe3bea24d0b1dc23783ad722f5ebbfcd67f245603535".to_owned()
                ),
                (
                    2,
                    "ef91213f4999df9dc836301f356c6fb147276597cbd5e856451ebf22b8545049".to_owned()
                ),
                (
                    3,
                    "4d2df2365c5deda922470a5cf20ee529eb5d63ad0b16fabced2700369deb6e99".to_owned()
                ),
                (
                    4,
                    "f27dc0de74394f5938f5af26ff1a9ee6b4252557812d984e9170cdc604fb8c0d".to_owned()
                ),
                (
                    5,
                    "fcc1430a4eace545beca1bba149e4bf7d64d4b83adf689166bbe7779cba1ab5a".to_owned()
                ),
                (
                    6,
                    "6182fe2cac29158814eac26ad50bf2ab3353008e049226ce2881169ab18bc1cc".to_owned()
                ),
                (
                    7,
                    "ffa189f7f1feb0a228320529d958ef304d1bc28b4168ec56d1bf038c073415ef".to_owned()
                ),
                (
                    8,
                    "87031433826f9d3ea3db2699c496ec10f6c23362c1227e9f575dd87ea9d51595".to_owned()
                ),
            ]
        );
        assert_eq!(
            checksums(OBSERVATIONS),
            [(
                1,
                "a3878b05c68259aa845145ca320c31ae1ba0b0d8ece754daddd28fcd3229b373".to_owned()
            )]
        );
        assert_eq!(
            checksums(GROUP_LOG),
            [(
                1,
                "9f54e8964b1dfce116964dae63d978578fdb0b2af8b4c9595425b319fc14ad94".to_owned()
            )]
        );
    }

    #[test]
    fn no_step_reads_a_clock_or_randomness() {
        for migration in DECISIONS.iter().chain(OBSERVATIONS).chain(GROUP_LOG) {
            assert_eq!(super::super::rows::impure_word(migration.sql), None);
        }
    }
}
