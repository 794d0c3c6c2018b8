use crate::recovery::plan::{DataLoss, Progress, data_loss, data_loss_when_read, plan};
use crate::recovery::ranking::rank;
use crate::recovery::testing::{Stage, key};
use crate::recovery::{Ground, Holdings, RecoveryPolicy};

fn loss(text: &str, waits_after_sync: Option<bool>) -> DataLoss {
    let stage = Stage::of(text);
    let policy = RecoveryPolicy::default();
    let ranking = rank(&stage.scene(), &key("a"), &policy).expect("one history");
    let plan = plan(&stage.scene(), &key("a"), &policy).expect("a plan");
    let dead = stage.drawing.picture.observation(&key("a"));
    let progress = Progress::registered();
    let dead = dead.map(AsRef::as_ref);
    data_loss(&ranking, &plan, &progress, dead, waits_after_sync)
}

fn semi_sync(source: &str, b: &str, c: &str) -> String {
    format!(
        "a [unreachable semi-sync-source={source}]\n+ b [io=connecting semi-sync-replica=on {b}]\n+ c [io=connecting semi-sync-replica=on {c}]"
    )
}

#[test]
fn nothing_is_lost_where_every_acknowledgement_is_covered() {
    let proven = |text: &str| loss(text, Some(true)) == DataLoss::NoneProven;
    assert!(proven(&semi_sync("on:2/1", "", "")));
    assert!(proven(&semi_sync("on:2/2", "", "unreachable")));
    assert!(!proven(&semi_sync("on:2/1", "", "unreachable")));
    assert!(!proven(&semi_sync("idle:2/1", "", "")));
    assert!(!proven(&semi_sync("off:2/1", "", "")));
    // A reachable replica that is left has more.
    assert!(!proven(&semi_sync(
        "on:2/1",
        "gtid=..1-99",
        "delay=1h gtid=..1-50 received=..1-100"
    )));
    assert!(!proven(
        "a [never-seen unreachable]\n+ b [io=connecting semi-sync-replica=on]"
    ));
}

#[test]
fn where_the_primary_does_not_wait_after_sync_or_that_is_unknown_nothing_is_proven() {
    let text = semi_sync("on:2/1", "", "");
    for waits in [None, Some(false)] {
        assert!(matches!(loss(&text, waits), DataLoss::Unknown { .. }));
    }
}

#[test]
fn the_unknown_is_bounded_by_the_last_sight_and_names_what_is_lost_for_certain() {
    let told = loss(
        "a [unreachable seen=10s]\n+ b [io=connecting gtid=..1-99]\n+ c [io=connecting delay=1h gtid=..1-50 received=..1-100]",
        None,
    );
    let DataLoss::Unknown {
        at_most_since,
        at_least,
    } = &told
    else {
        panic!("{told}");
    };
    assert_eq!(
        at_most_since.expect("it was seen").as_seconds(),
        1_699_999_990
    );
    assert_eq!(at_least.len(), 1);
    assert!(
        told.to_string().contains("only c:3306 has 1 transaction ("),
        "{told}"
    );
    let told = loss("a [never-seen unreachable]\n+ b [io=connecting]", None);
    assert_eq!(told.to_string(), "unknown; the old primary was never seen");
}

#[test]
fn an_old_primary_that_can_be_read_makes_it_exact() {
    let stage = Stage::of("x\n+ a [gtid=..1-105]\n+ b [gtid=..1-100]");
    let read = |name: &str| {
        let seen = stage.drawing.picture.observation(&key(name)).expect("seen");
        Holdings::read(seen, Ground::Oracle).expect("it can be read")
    };
    let told = data_loss_when_read(&read("a"), &read("b")).to_string();
    assert!(told.starts_with("lost: 5 transactions ("), "{told}");
    assert_eq!(
        data_loss_when_read(&read("b"), &read("a")),
        DataLoss::NoneProven
    );
}
