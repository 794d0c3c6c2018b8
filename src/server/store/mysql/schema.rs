//! Our tables, and how they come about. Statements that change tables commit by themselves, so each step may be found half done; each
//! of its statements may be repeated.

use orchestrator_core::domain::Timestamp;

use super::super::Error;
use super::super::fault::Fault;
use super::super::migration::{Migration, missing};
use super::super::rows::ReadRow;
use super::literal;
use super::session::Session;

/// Statements of a step, separated by `;` at the ends of lines.
fn statements(step: &Migration) -> impl Iterator<Item = &'static str> + use<> {
    let statements = step.sql.split(";\n").map(str::trim);
    statements.filter(|statement| !statement.is_empty())
}

const MIGRATIONS: &[Migration] = &[
    Migration {
        number: 1,
        sql: include_str!("migrations/0001_store.sql"),
    },
    Migration {
        number: 2,
        sql: include_str!("migrations/0002_import.sql"),
    },
];

const CREATE_TABLE: &str = "CREATE TABLE IF NOT EXISTS store_migration (\
     number INT UNSIGNED NOT NULL,checksum VARBINARY(64) NOT NULL,applied_at_micros BIGINT NOT NULL,\
     PRIMARY KEY (number)) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";

/// Brings the tables up to date. Tables of a later release, or from other statements, are left untouched and refused.
///
/// # Errors
/// [`Error`].
pub(super) fn migrate(session: &mut Session, now: Timestamp) -> Result<(), Error> {
    if !has_table(session, "store_migration")? {
        if has_table(session, "store_meta")? {
            return Err(Error::Damaged {
                store: session.place.clone(),
                detail: "it has a table store_meta that is not of orchestrator".to_owned(),
            });
        }
        session.ask(CREATE_TABLE)?;
    }
    let answer = session.ask("SELECT number,checksum FROM store_migration ORDER BY number")?;
    let number = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let present: Result<Vec<(u32, String)>, Fault> = answer
        .rows()
        .map(|row| Ok((number(ReadRow::unsigned(&row, 0)?), ReadRow::text(&row, 1)?)))
        .collect();
    let place = session.place.clone();
    let missing = present
        .and_then(|present| missing(MIGRATIONS, &present))
        .map_err(|fault| fault.at(&place))?;
    for migration in missing {
        for statement in statements(migration) {
            session.ask(statement)?;
        }
        session.ask(&format!(
            "INSERT INTO store_migration (number,checksum,applied_at_micros) VALUES ({},{},{})",
            migration.number,
            literal::bytes(migration.checksum().as_bytes()),
            now.as_micros()
        ))?;
        tracing::info!(
            store = session.place,
            number = migration.number,
            "brought the tables of the store up to date"
        );
    }
    Ok(())
}

/// Whether the database has a table of that name.
///
/// # Errors
/// [`Error`].
pub(super) fn has_table(session: &mut Session, name: &str) -> Result<bool, Error> {
    let answer = session.ask(&format!(
        "SELECT 1 FROM information_schema.tables WHERE table_schema=DATABASE() AND table_name='{name}'"
    ))?;
    Ok(!answer.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::super::rows::{DECIDED, LOG, OBSERVED};
    use super::*;

    const ONE: Migration = Migration {
        number: 1,
        sql: "A;\nB\n(c);\n",
    };
    const TWO: Migration = Migration {
        number: 2,
        sql: "C;\n",
    };

    fn present(migrations: &[Migration]) -> Vec<(u32, String)> {
        let rows = migrations.iter().map(|m| (m.number, m.checksum()));
        rows.collect()
    }

    #[test]
    fn a_step_is_its_statements_and_steps_that_are_there_are_not_made_again() {
        assert_eq!(statements(&ONE).collect::<Vec<_>>(), ["A", "B\n(c)"]);
        let both = [ONE, TWO];
        let missing_after = |present: &[(u32, String)]| -> Vec<u32> {
            let missing = missing(&both, present).unwrap();
            missing.iter().map(|m| m.number).collect()
        };
        assert_eq!(missing_after(&[]), [1, 2]);
        assert_eq!(missing_after(&present(&both[..1])), [2]);
        assert_eq!(missing_after(&present(&both)), Vec::<u32>::new());
    }

    #[test]
    fn later_and_other_steps_are_refused() {
        let later = present(&[ONE, TWO]);
        assert!(matches!(
            missing(&[ONE], &later),
            Err(Fault::Newer { found: 2, known: 1 })
        ));
        let other = [(1, "other".to_owned())];
        assert!(matches!(
            missing(&[ONE, TWO], &other),
            Err(Fault::ForeignMigration { number: 1 })
        ));
    }

    #[test]
    fn every_table_of_the_rows_is_made_with_all_its_columns_on_innodb() {
        let made: Vec<&str> = MIGRATIONS.iter().flat_map(statements).collect();
        let decided = DECIDED.iter().map(|decided| &decided.table);
        for table in decided.chain([&LOG, &OBSERVED]) {
            let head = format!("CREATE TABLE IF NOT EXISTS {} (", table.name);
            let statement = made.iter().find(|statement| statement.contains(&head));
            let statement = statement.unwrap_or_else(|| panic!("no table {}", table.name));
            for column in table.columns() {
                let definition = format!("\n    {} ", literal::name(column));
                assert!(statement.contains(&definition), "{}.{column}", table.name);
            }
        }
        for statement in made {
            assert!(
                statement
                    .ends_with("ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"),
                "{statement}"
            );
        }
    }

    #[test]
    fn released_steps_are_never_changed() {
        let checksums: Vec<String> = MIGRATIONS.iter().map(Migration::checksum).collect();
        assert_eq!(
            checksums,
            [
                "710002862921fc03e0f06c797c1c04e3680a77f3737739ca8c87f36d3a35b9df",
                "22363b49b3eefce279a1a38832e4f21b0aff1fba5708bc4cf2ed4c7a74947923"
            ]
        );
    }
}
