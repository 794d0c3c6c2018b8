use std::collections::BTreeSet;
use std::sync::Arc;

use orchestrator_core::domain::Timestamp;
use orchestrator_core::legacy::tables::{LEFT_BEHIND, OLD_LANDMARK, OLD_TABLES};
use orchestrator_core::ports::{BoxFuture, Clock, OldRows, OldState, OldTables, OldTablesError};

use super::super::MysqlOptions;
use super::super::mysql::quoted_name;
use super::{cut, select};
use crate::mysql::{Answer, Bounds, Conn, Connector, Purpose};

/// What the old tables may bring: the rows that are read at most, with the longest texts that were ever seen in them.
const BOUNDS: Bounds = Bounds {
    rows: 200_000,
    cell_bytes: 1024 * 1024,
    answer_bytes: 256 * 1024 * 1024,
    result_sets: 16,
};

/// The predecessor's tables in a database of a MySQL or MariaDB server.
pub struct OldTablesOnServer {
    options: MysqlOptions,
    connector: Arc<Connector>,
}

impl OldTablesOnServer {
    /// Those in the database that the options name.
    pub fn new(options: MysqlOptions, clock: Arc<dyn Clock>) -> Self {
        let connector = options.connector(clock);
        Self { options, connector }
    }

    async fn state(&self) -> Result<Option<OldState>, String> {
        let connecting = self.connector.connect(&self.options.server, Purpose::Store);
        let mut conn = connecting.await.map_err(|failure| failure.message)?;
        let limit = self.options.read_timeout;
        let reading = tokio::time::timeout(limit, read(&mut conn, &self.options.database));
        let read = reading.await;
        read.unwrap_or_else(|_| Err(format!("no answer within {} s", limit.as_secs())))
    }
}

impl OldTables for OldTablesOnServer {
    fn place(&self) -> String {
        self.options.place()
    }

    fn read(&self) -> BoxFuture<'_, Result<Option<OldState>, OldTablesError>> {
        Box::pin(async {
            self.state().await.map_err(|reason| OldTablesError {
                place: self.place(),
                reason,
            })
        })
    }
}

async fn ask(conn: &mut Conn, statements: &str) -> Result<Answer, String> {
    let answers = conn.query_all(statements, &BOUNDS).await;
    let answers = answers.map_err(|error| error.to_string())?;
    Ok(answers.into_iter().last().unwrap_or_default())
}

/// The transaction ends with the connection.
async fn read(conn: &mut Conn, database: &str) -> Result<Option<OldState>, String> {
    let begin = format!(
        "SET NAMES utf8mb4;USE {};START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY;\
         SELECT table_name FROM information_schema.tables WHERE table_schema=DATABASE()",
        quoted_name(database)
    );
    let answer = ask(conn, &begin).await?;
    let there: BTreeSet<String> = answer.rows().filter_map(|row| row.at(0)).collect();
    if !there.contains(OLD_LANDMARK) {
        return Ok(None);
    }
    let mut state = OldState {
        read_at: Timestamp::from_seconds(number(&ask(conn, "SELECT UNIX_TIMESTAMP()").await?)?),
        ..OldState::default()
    };
    for table in OLD_TABLES.iter().filter(|table| there.contains(table.name)) {
        let answer = ask(conn, &select(table, moment)).await?;
        let mut rows: Vec<Vec<Option<String>>> = answer
            .rows()
            .map(|row| {
                (0..table.columns.len())
                    .map(|column| row.at(column))
                    .collect()
            })
            .collect();
        let has_more = cut(&mut rows, table);
        state.tables.insert(table.name, OldRows { rows, has_more });
    }
    for (table, _) in LEFT_BEHIND
        .iter()
        .filter(|(table, _)| there.contains(*table))
    {
        let count = number(&ask(conn, &format!("SELECT COUNT(*) FROM {table}")).await?)?;
        state.counts.insert(table, count.unsigned_abs());
    }
    Ok(Some(state))
}

fn number(answer: &Answer) -> Result<i64, String> {
    let text = answer.first().and_then(|row| row.at(0)).unwrap_or_default();
    let number = text.parse();
    number.map_err(|_| {
        format!(
            "the server says '{}' where a number belongs",
            text.escape_debug()
        )
    })
}

/// Right for columns of both types, whatever the time zone of the session is: one keeps the moment itself, the other was written in the
/// server's zone, which this session has too.
fn moment(column: &str) -> String {
    format!("NULLIF(UNIX_TIMESTAMP({column}),0)")
}
