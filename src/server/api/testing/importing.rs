//! Taking over what the predecessor decided, as it is asked for over HTTP.

use axum::http::StatusCode;
use orchestrator_core::domain::Timestamp;
use orchestrator_core::ports::{ImportError, ImportReport, LeftRow, OldPlace, ProposeError};
use serde_json::json;

use super::Service;
use crate::api::view::samples::two_clusters;

const PATH: &str = "/api/v2/import-predecessor";

#[tokio::test]
async fn what_was_asked_for_is_handed_on_and_the_report_is_the_answer() {
    let service = Service::of(two_clusters());
    *service.fakes.import.lock().unwrap() = Ok(ImportReport {
        source: "/old".to_owned(),
        node: "n1".to_owned(),
        completed_at: Some(Timestamp::from_seconds(1_700_000_000)),
        was_done: false,
        offered: vec![("downtimes", 3), ("candidates", 0)],
        taken: 2,
        kept: 1,
        refused: vec![LeftRow {
            table: "database_instance_downtime",
            row: "hostname=''".to_owned(),
            why: "hostname is empty".to_owned(),
        }],
        left: vec![],
    });
    let answer = service
        .ask("POST", &format!("{PATH}?from=mysql&force=true"), &[])
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(
        answer.json(),
        json!({
            "outcome": "imported",
            "source": "/old",
            "node": "n1",
            "completedAt": "2023-11-14T22:13:20Z",
            "rows": {"candidates": 0, "downtimes": 3},
            "taken": 2,
            "kept": 1,
            "refused": [{
                "table": "database_instance_downtime",
                "row": "hostname=''",
                "why": "hostname is empty",
            }],
            "refusedMore": 0,
            "leftBehind": [],
        })
    );
    service
        .get(&format!("{PATH}?dryRun=true&from=sqlite"))
        .await;
    service.get(PATH).await;
    let orders = service.fakes.import_orders.lock().unwrap();
    let asked: Vec<_> = orders
        .iter()
        .map(|it| (it.from, it.is_dry_run, it.is_forced))
        .collect();
    assert_eq!(
        asked,
        [
            (OldPlace::Database, false, true),
            (OldPlace::File, true, false),
            (OldPlace::Own, false, false)
        ]
    );
    assert_eq!(orders[0].who, "ada");
    assert_eq!(orders[0].whence, "127.0.0.1");
}

#[tokio::test]
async fn an_import_made_before_and_a_dry_run_say_so() {
    let service = Service::of(two_clusters());
    let answer = service.get(&format!("{PATH}?dryRun=true")).await.json();
    assert_eq!(answer["outcome"], "would-import");
    service
        .fakes
        .import
        .lock()
        .unwrap()
        .as_mut()
        .unwrap()
        .was_done = true;
    let answer = service.get(PATH).await.json();
    assert_eq!(answer["outcome"], "already-imported");
}

#[tokio::test]
async fn refusals_have_statuses_of_their_own() {
    let service = Service::of(two_clusters());
    let place = || "/old".to_owned();
    for (error, status, kind) in [
        (
            ImportError::NothingThere { place: place() },
            404,
            "not-found",
        ),
        (
            ImportError::StillRuns {
                place: place(),
                process: "orc1".to_owned(),
                age_seconds: 1,
                wait_seconds: 10,
            },
            409,
            "refused",
        ),
        (ImportError::UnderWay, 503, "busy"),
        (
            ImportError::CutShort {
                taken: 7,
                source: ProposeError::NotLeader { leader: None },
            },
            503,
            "not-leader",
        ),
    ] {
        let sentence = error.to_string();
        *service.fakes.import.lock().unwrap() = Err(error);
        let answer = service.get(PATH).await;
        assert_eq!(answer.status.as_u16(), status, "{sentence}");
        let json = answer.json();
        assert_eq!(json["error"], json!({"kind": kind, "message": sentence}));
    }
    for wrong in ["from=/etc/passwd", "force=yes", "dryRun=1"] {
        let answer = service.get(&format!("{PATH}?{wrong}")).await;
        assert_eq!(answer.status.as_u16(), 422, "{wrong}: {}", answer.body);
    }
}
