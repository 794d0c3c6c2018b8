//! How long the largest answer takes. The bound is for unoptimised code on a busy machine; `--release --no-capture` shows
//! what it really is, next to the 5 ms that are to be reached.

use std::time::{Duration, Instant};

use orchestrator_core::domain::{BinlogPosition, InstanceRecord};

use super::Service;
use super::analysis::gone;
use crate::api::dto::InstanceList;
use crate::api::view::samples::{NOW, Sample, key, server, with};

/// Forty clusters of a source and 24 replicas, filled as real ones are.
fn thousand() -> Sample {
    let instances = (0..1000_u32).map(|number| {
        let (cluster, member) = (number / 25, number % 25);
        let name = |member: u32| format!("db-{cluster:02}-{member:02}.example.net:3306");
        let source = (member > 0).then(|| name(0));
        let record = server(&name(member), source.as_deref());
        fill(record, number, (0..25).map(name).collect())
    });
    Sample::of(instances.collect())
}

fn fill(record: InstanceRecord, number: u32, names: Vec<String>) -> InstanceRecord {
    with(record, |seen| {
        seen.identity.server_id = number;
        seen.identity.server_uuid = format!("00020192-1111-1111-1111-{number:012}");
        seen.identity.version_comment = "MySQL Community Server - GPL".into();
        seen.identity.uptime = Duration::from_secs(86_400);
        seen.binlog.enabled = true;
        seen.binlog.format = "ROW".into();
        seen.binlog.row_image = "FULL".into();
        seen.binlog.position = Some(BinlogPosition {
            file: "mysql-bin.000123".into(),
            offset: 123_456_789,
        });
        seen.gtid.mode = "ON".into();
        let head = number / 25 * 25;
        seen.gtid.executed = format!("00020192-1111-1111-1111-{head:012}:1-123456789");
        match &mut seen.replication {
            Some(link) => {
                link.uses_oracle_gtid = true;
                link.applied.file = "mysql-bin.000123".into();
                link.received.file = "mysql-bin.000123".into();
                link.relay_log.file = "relay-bin.000042".into();
            }
            None => seen.replicas = names[1..].iter().map(|name| key(name)).collect(),
        }
    })
}

#[tokio::test]
#[allow(clippy::disallowed_methods, reason = "measures real time")]
async fn a_thousand_instances_are_listed_quickly() {
    let service = Service::of(thousand());
    let (mut fastest, mut deriving) = (Duration::MAX, Duration::MAX);
    for round in 0..20 {
        // A changed picture, so that the view is derived anew as it is while probing goes on.
        let record = with(server("db-99-00.example.net", None), |seen| {
            seen.latency = Duration::from_micros(round);
        });
        service.fakes.change_picture(|picture| picture.put(record));
        let began = Instant::now();
        let view = service.state.view();
        deriving = deriving.min(began.elapsed());
        let began = Instant::now();
        let list = InstanceList::new(view.at(NOW), view.by_depth());
        let body = list.render().into_bytes();
        fastest = fastest.min(began.elapsed());
        assert!(body.len() > 2_000_000, "{}", body.len());
    }
    println!("1,000 instances: {deriving:?} to derive the view, {fastest:?} to write them");
    assert!(fastest < Duration::from_secs(2), "{fastest:?}");
    let view = service.state.view();
    assert!(
        std::sync::Arc::ptr_eq(&view, &service.state.view()),
        "nothing changed: it is shared"
    );
    assert_eq!(view.at(NOW).with_problems(None).len(), 0);
}

#[tokio::test]
#[allow(clippy::disallowed_methods, reason = "measures real time")]
async fn a_thousand_instances_are_analysed_quickly() {
    let mut sample = thousand();
    // Every primary is gone, so that there is as much to tell as can be.
    let (heads, replicas) = sample
        .records
        .into_iter()
        .partition::<Vec<_>, _>(|record| record.key.host().as_str().ends_with("-00.example.net"));
    sample.records = heads.into_iter().map(gone).chain(replicas).collect();
    let service = Service::of(sample);
    let (mut fastest, mut again) = (Duration::MAX, Duration::MAX);
    for round in 0..10 {
        let record = with(server("db-99-00.example.net", None), |seen| {
            seen.latency = Duration::from_micros(round);
        });
        service.fakes.change_picture(|picture| picture.put(record));
        service.state.view();
        let began = Instant::now();
        let answer = service.get("/api/replication-analysis").await;
        fastest = fastest.min(began.elapsed());
        assert_eq!(answer.json()["Details"].as_array().unwrap().len(), 40);
        let began = Instant::now();
        service.get("/api/v2/why-not").await;
        again = again.min(began.elapsed());
    }
    println!("1,000 instances: {fastest:?} to analyse and write, {again:?} when nothing changed");
    assert!(fastest < Duration::from_secs(2), "{fastest:?}");
    let examined = service.state.examined();
    assert!(
        std::sync::Arc::ptr_eq(&examined, &service.state.examined()),
        "nothing changed: it is shared"
    );
}
