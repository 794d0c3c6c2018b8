use crate::recovery::plan::{
    Action, DataLoss, Progress, StepState, data_loss, data_loss_when_read, plan,
};
use crate::recovery::ranking::rank;
use crate::recovery::testing::{NOW, Stage, key};
use crate::recovery::{Ground, Holdings, RecoveryPolicy, Unapplied};

fn loss(text: &str) -> DataLoss {
    let stage = Stage::of(text);
    let policy = RecoveryPolicy::default();
    let ranking = rank(&stage.scene(), &key("a"), &policy).expect("one history");
    let plan = plan(&stage.scene(), &key("a"), &policy).expect("a plan");
    let dead = stage.drawing.picture.observation(&key("a"));
    let progress = Progress::registered();
    let dead = dead.map(AsRef::as_ref);
    let told = data_loss(Some(&ranking), &plan, &progress, dead, NOW);
    let unknown_standing = data_loss(None, &plan, &progress, dead, NOW);
    assert_ne!(unknown_standing, DataLoss::NoneProven);
    told
}

/// How a source waits that tells nobody what no replica has.
const WAITS: &str = "seen=2s semi-sync-timeout=10s semi-sync-point=after-sync semi-sync-absent=wait semi-sync-waiting=0";

fn semi_sync(source: &str, b: &str, c: &str) -> String {
    waiting(WAITS, source, b, c)
}

fn waiting(waits: &str, source: &str, b: &str, c: &str) -> String {
    format!(
        "a [unreachable semi-sync-source={source} {waits}]\n+ b [io=connecting semi-sync-replica=on {b}]\n+ c [io=connecting semi-sync-replica=on {c}]"
    )
}

#[test]
fn nothing_is_lost_where_every_acknowledgement_is_covered() {
    let proven = |text: &str| loss(text) == DataLoss::NoneProven;
    assert!(proven(&semi_sync("on:2/1", "", "")));
    assert!(proven(&semi_sync("on:2/2", "", "unreachable")));
    assert!(!proven(&semi_sync("on:2/1", "", "unreachable")));
    assert!(!proven(&semi_sync("idle:2/1", "", "")));
    assert!(!proven(&semi_sync("off:2/1", "", "")));
    assert!(!proven(&semi_sync("disabled-but-on:2/1", "", "")));
    // What nobody had to acknowledge, and nobody can be asked for, was promised to nobody.
    assert!(proven(&format!(
        "a [unreachable semi-sync-source=on:1/1 {WAITS}]\n+ b [io=connecting semi-sync-replica=on]\n+ c [unreachable received=..1-105]"
    )));
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
fn a_primary_that_may_have_gone_on_without_acknowledgements_proves_nothing() {
    for (is, instead) in [
        ("semi-sync-point=after-sync", "semi-sync-point=after-commit"),
        ("semi-sync-point=after-sync", ""),
        ("semi-sync-absent=wait", "semi-sync-absent=go-on"),
        ("semi-sync-absent=wait", ""),
        // A wait that had begun may have ended at any moment.
        ("semi-sync-waiting=0", "semi-sync-waiting=1"),
        ("semi-sync-waiting=0", ""),
        // A wait that has begun since may have ended.
        ("semi-sync-timeout=10s", "semi-sync-timeout=2s"),
        // The probe took a millisecond, and may have asked at its beginning.
        ("semi-sync-timeout=10s", "semi-sync-timeout=2001ms"),
        ("seen=2s", "seen=10s"),
    ] {
        let told = loss(&waiting(&WAITS.replace(is, instead), "on:2/1", "", ""));
        assert!(
            matches!(told, DataLoss::Unknown { .. }),
            "{instead}: {told}"
        );
    }
}

#[test]
fn the_unknown_is_bounded_by_the_last_sight_and_names_what_is_lost_for_certain() {
    let told = loss(
        "a [unreachable seen=10s]\n+ b [io=connecting gtid=..1-99]\n+ c [io=connecting delay=1h gtid=..1-50 received=..1-100]",
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
    let told = loss("a [never-seen unreachable]\n+ b [io=connecting]");
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

#[test]
fn an_applier_that_was_given_up_and_applied_all_the_same_has_lost_nothing() {
    let stage = Stage::of(&semi_sync("on:2/1", "", ""));
    let policy = RecoveryPolicy::default();
    let ranking = rank(&stage.scene(), &key("a"), &policy).expect("one history");
    let plan = plan(&stage.scene(), &key("a"), &policy).expect("a plan");
    let dead = stage.drawing.picture.observation(&key("a"));
    let loss = |given_up: &Action| {
        let is_it = |number: &usize| plan.steps[*number].action == *given_up;
        let number = (0..plan.steps.len()).find(is_it).expect("a step");
        let mut progress = Progress::registered();
        let unapplied = Some(Unapplied::Transactions(10));
        let state = StepState::GivenUp { at: NOW, unapplied };
        progress.steps.insert(number, state);
        let dead = dead.map(AsRef::as_ref);
        data_loss(Some(&ranking), &plan, &progress, dead, NOW)
    };
    assert_eq!(loss(&Action::StartApplier), DataLoss::NoneProven);
    assert_ne!(loss(&Action::AwaitApplied), DataLoss::NoneProven);
}
