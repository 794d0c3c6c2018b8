//! Single statements over one connection: which answers are kept, and which end the connection.

use std::time::Duration;

use orchestrator::mysql::{Conn, DriverError, Purpose};
use tokio::time::timeout;

use crate::servers::{Product, Server};
use crate::world::{config, world};

async fn connect(server: &Server) -> Conn {
    let world = world(config());
    world
        .connector
        .connect(&server.key(), Purpose::Operation)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_result_set_is_kept_and_the_rest_is_read_away() {
    let servers = Server::start(Product::MariaDb, 1, &[]).await;
    let mut conn = connect(&servers[0]).await;
    let answer = conn
        .query(
            "BEGIN NOT ATOMIC SELECT 1 AS a, NULL AS b; SELECT 2 AS c; END",
            10,
        )
        .await
        .unwrap();
    let row = answer.first().unwrap();
    assert_eq!(row.text("A").as_deref(), Some("1"));
    assert!(row.has("b") && row.text("b").is_none() && !row.has("c"));
    assert_eq!(
        conn.query_text("SELECT CONNECTION_ID()")
            .await
            .unwrap()
            .as_deref(),
        Some(conn.id().to_string().as_str()),
        "the connection goes on"
    );
    assert!(conn.query("SET @x = 1", 10).await.unwrap().is_empty());

    let refused = conn
        .query(
            "BEGIN NOT ATOMIC SELECT 1 AS a; SIGNAL SQLSTATE '45000'; END",
            10,
        )
        .await
        .unwrap_err();
    assert_eq!(
        refused.code(),
        1644,
        "a refusal after the first set: {refused}"
    );
    let refused = conn.query("SELEKT", 10).await.unwrap_err();
    assert_eq!(refused.code(), 1064);
    assert!(conn.is_usable(), "an error packet is an answer");

    let sets = |count| {
        format!(
            "BEGIN NOT ATOMIC DECLARE i INT DEFAULT 0; WHILE i < {count} DO SELECT i; SET i = i + 1; END WHILE; END"
        )
    };
    // The end of the block counts as one more.
    assert!(conn.query(&sets(15), 10).await.is_ok());
    let endless = conn.query(&sets(40), 10).await.unwrap_err();
    assert!(
        matches!(
            endless,
            DriverError::TooLarge {
                what: "result sets",
                ..
            }
        ),
        "{endless}"
    );
    assert!(!conn.is_usable());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_beyond_its_bounds_or_given_up_ends_the_connection() {
    let servers = Server::start(Product::MariaDb, 1, &[]).await;
    let too_large = [
        ("SELECT 1 UNION SELECT 2 UNION SELECT 3", "rows"),
        ("SELECT REPEAT('x', 1024 * 1024 + 1)", "a text"),
        ("SELECT REPEAT('x', 5 * 1024 * 1024)", "a packet"),
    ];
    for (statement, thing) in too_large {
        let mut conn = connect(&servers[0]).await;
        let refused = conn.query(statement, 2).await.unwrap_err();
        assert!(
            matches!(refused, DriverError::TooLarge { what, .. } if what == thing),
            "{refused}"
        );
        assert!(!conn.is_usable());
        let again = conn.query("SELECT 1", 2).await.unwrap_err();
        assert!(matches!(again, DriverError::Io(_)), "{again}");
    }
    let mut conn = connect(&servers[0]).await;
    assert_eq!(
        conn.query("SELECT 1 UNION SELECT 2", 2)
            .await
            .unwrap()
            .len(),
        2
    );
    let given_up = timeout(Duration::from_millis(100), conn.query("SELECT SLEEP(2)", 1)).await;
    assert!(given_up.is_err() && !conn.is_usable());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_told_what_the_connection_is_for() {
    let servers = Server::start(Product::MySql9, 1, &[]).await;
    let mut conn = connect(&servers[0]).await;
    let program = conn
        .query_text(
            "SELECT ATTR_VALUE FROM performance_schema.session_account_connect_attrs \
             WHERE ATTR_NAME = 'program_name' AND PROCESSLIST_ID = CONNECTION_ID()",
        )
        .await
        .unwrap();
    assert_eq!(program.as_deref(), Some("orchestrator"));
    assert_eq!(conn.server_version().0, 9);
}
