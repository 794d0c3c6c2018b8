//! What the guard of a cut-off data centre says of itself.

use std::sync::Arc;

use orchestrator_core::domain::{InstanceKey, Timestamp};
use orchestrator_core::ports::{GuardReport, GuardedPrimary};
use serde_json::json;

use super::Service;
use crate::api::view::samples::two_clusters;

#[tokio::test]
async fn what_it_did_and_why_it_did_nothing_else_is_shown() {
    let service = Service::of(two_clusters());
    let one = |host: &str, closed: Option<i64>, why: Option<&str>| GuardedPrimary {
        server: InstanceKey::parse(host, 3306).unwrap(),
        closed_at: closed.map(Timestamp::from_seconds),
        why_not: why.map(ToOwned::to_owned),
    };
    *service.fakes.guard.lock().unwrap() = Arc::new(GuardReport {
        is_on: true,
        data_center: "north".to_owned(),
        cut_off_since: Some(Timestamp::from_seconds(1_700_000_000)),
        why_not: None,
        primaries: vec![
            one("db1", Some(1_700_000_010), None),
            one("db9", None, Some("db9:3306 is in downtime")),
        ],
    });
    let answer = service.get("/api/v2/isolation-guard").await.json();
    assert_eq!(
        answer,
        json!({
            "is_on": true,
            "data_center": "north",
            "cut_off_since": "2023-11-14T22:13:20.000Z",
            "why_nothing_is_closed": null,
            "primaries": [
                {
                    "server": {"hostname": "db1", "port": 3306},
                    "closed_at": "2023-11-14T22:13:30.000Z",
                    "why_it_is_not_closed": null,
                },
                {
                    "server": {"hostname": "db9", "port": 3306},
                    "closed_at": null,
                    "why_it_is_not_closed": "db9:3306 is in downtime",
                },
            ],
        })
    );
}
