use proptest::prelude::*;
use std::time::Duration;

use super::*;
use crate::domain::{
    InstanceKey, Observation, ReplicationLink, SourceAddress, ThreadState, Timestamp,
};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const ALIVE: Heard = Heard::Packet {
    over: Over::New,
    refusal: None,
    keeps: true,
};

fn nothing(over: Over, asked: u64) -> Heard {
    let asked = ms(asked);
    Heard::Nothing { over, asked }
}

/// What was heard, each with its time in milliseconds.
fn watch(heard: &[(u64, Heard)]) -> Watch {
    let mut watch = Watch::default();
    for (at, heard) in heard {
        watch.hear(*heard, ms(*at));
    }
    watch
}

fn standing(heard: &[(u64, Heard)], at: u64) -> Standing {
    watch(heard).standing(ms(at), &BeatPolicy::default())
}

const WELL: Standing = Standing::Alive { refusal: None };
const CLOSED: Heard = Heard::Closed(Farewell::None);

#[test]
fn each_story_ends_as_it_should() {
    let refusal = |refusal| Heard::Packet {
        over: Over::New,
        refusal: Some(refusal),
        keeps: false,
    };
    use Over::{Kept, New};
    /// Its name, what is heard and when, the moment that is looked at, and how it stands then.
    type Story<'a> = (&'a str, &'a [(u64, Heard)], u64, Standing);
    let stories: &[Story] = &[
        ("never asked", &[], 9000, Standing::Unknown),
        (
            "never heard",
            &[
                (0, Heard::Refused),
                (100, Heard::Refused),
                (200, Heard::Refused),
            ],
            9000,
            Standing::Unknown,
        ),
        ("answers", &[(0, ALIVE)], 9000, WELL),
        (
            "killed",
            &[(0, ALIVE), (700, CLOSED), (701, Heard::Refused)],
            701,
            Standing::Gone,
        ),
        (
            "our session was ended",
            &[(0, ALIVE), (700, CLOSED), (702, refusal(1045))],
            702,
            Standing::Alive {
                refusal: Some(1045),
            },
        ),
        (
            "closed, not tried again yet",
            &[(0, ALIVE), (700, CLOSED)],
            9000,
            Standing::Doubt,
        ),
        (
            "closed, and the host is gone",
            &[(0, ALIVE), (700, CLOSED), (1200, nothing(New, 701))],
            2699,
            Standing::Mute,
        ),
        (
            "closed, and the host stays gone",
            &[(0, ALIVE), (700, CLOSED), (1200, nothing(New, 701))],
            2700,
            Standing::Silent,
        ),
        (
            "frozen for less than it takes",
            &[
                (0, ALIVE),
                (1500, nothing(Kept, 1000)),
                (2000, nothing(New, 1500)),
            ],
            2999,
            Standing::Mute,
        ),
        (
            "frozen",
            &[
                (0, ALIVE),
                (1500, nothing(Kept, 1000)),
                (2000, nothing(New, 1500)),
            ],
            3000,
            Standing::Silent,
        ),
        (
            "one connection is not enough",
            &[(0, ALIVE), (1500, nothing(Kept, 1000))],
            60_000,
            Standing::Doubt,
        ),
        (
            "thawed",
            &[
                (0, ALIVE),
                (1500, nothing(Kept, 1000)),
                (2000, nothing(New, 1500)),
                (3100, ALIVE),
            ],
            3100,
            WELL,
        ),
        (
            "the old connection is dead, a new one answers",
            &[
                (0, ALIVE),
                (1500, nothing(Kept, 1000)),
                (1510, refusal(1040)),
            ],
            9000,
            Standing::Alive {
                refusal: Some(1040),
            },
        ),
        (
            "refuses us, then is killed",
            &[
                (0, refusal(1040)),
                (1000, Heard::Refused),
                (1100, Heard::Refused),
                (1200, Heard::Refused),
            ],
            1200,
            Standing::Gone,
        ),
        (
            "refuses us, one refused connection",
            &[(0, refusal(1040)), (1000, Heard::Refused)],
            1001,
            Standing::Doubt,
        ),
        (
            "refuses us, then is frozen",
            &[(0, refusal(1040)), (1500, nothing(New, 1000))],
            3000,
            Standing::Silent,
        ),
        (
            "we cannot try",
            &[(0, ALIVE), (1000, Heard::NotTried)],
            9000,
            WELL,
        ),
        (
            "closed and we cannot try",
            &[(0, ALIVE), (1000, CLOSED), (1100, Heard::NotTried)],
            9000,
            Standing::Doubt,
        ),
        (
            "no more listening, the connection is open",
            &[
                (0, ALIVE),
                (1500, nothing(Kept, 1000)),
                (1600, Heard::Refused),
            ],
            9000,
            Standing::Doubt,
        ),
    ];
    for (story, heard, at, expected) in stories {
        assert_eq!(standing(heard, *at), *expected, "{story}");
    }
}

#[test]
fn who_goes_down_in_an_orderly_way_gets_time_to_come_back_and_who_crashes_none() {
    let policy = BeatPolicy::default();
    let left = |heard: &[(u64, Heard)], at: u64| watch(heard).restart_left(ms(at), None, &policy);
    let said = Heard::Closed(Farewell::Error(1053));
    let orderly = [(0, ALIVE), (700, said), (701, Heard::Refused)];
    assert_eq!(left(&orderly, 701), Some(ms(9999)));
    assert_eq!(left(&orderly, 10_700), None, "the time is over");
    assert_eq!(standing(&orderly, 701), Standing::Gone);
    let back = [
        (0, ALIVE),
        (700, said),
        (701, Heard::Refused),
        (5000, ALIVE),
        (6000, CLOSED),
        (6001, Heard::Refused),
    ];
    assert_eq!(left(&back, 6001), None, "it came back, and then it crashed");
    let crashed = [(0, ALIVE), (700, CLOSED), (701, Heard::Refused)];
    assert_eq!(left(&crashed, 701), None);
    let killed_session = [
        (0, ALIVE),
        (700, Heard::Closed(Farewell::Error(1927))),
        (701, Heard::Refused),
    ];
    assert_eq!(
        left(&killed_session, 701),
        None,
        "somebody ended our session"
    );
    let listener_first = [(0, ALIVE), (700, Heard::Refused), (900, CLOSED)];
    assert_eq!(left(&listener_first, 900), Some(ms(9800)));
}

/// A primary with a kept connection and a vigil, and what comes then.
fn guarded(then: &[(u64, Heard)]) -> Watch {
    watch(&[&[(0, ALIVE), (10, Heard::VigilStands)], then].concat())
}

const IN_ORDER: Heard = Heard::VigilEnded(VigilEnd::InOrder);
const CUT: Heard = Heard::VigilEnded(VigilEnd::Cut);
const PONG: Heard = Heard::Packet {
    over: Over::Kept,
    refusal: None,
    keeps: true,
};

/// What is heard when, with the end of the vigil in one of its places.
type Order = fn(Heard) -> [(u64, Heard); 3];

#[test]
fn the_vigil_tells_an_orderly_end_from_a_crash_whatever_is_heard_first() {
    let policy = BeatPolicy::default();
    let left = |watch: &Watch, at| watch.restart_left(ms(at), None, &policy);
    let orders: [Order; 3] = [
        |end| [(700, end), (701, CLOSED), (702, Heard::Refused)],
        |end| [(700, CLOSED), (701, end), (702, Heard::Refused)],
        |end| [(700, Heard::Refused), (701, CLOSED), (702, end)],
    ];
    for order in orders {
        let orderly = guarded(&order(IN_ORDER));
        assert_eq!(orderly.standing(ms(702), &policy), Standing::Gone);
        assert!(left(&orderly, 702).is_some());
        let crashed = guarded(&order(CUT));
        assert_eq!(crashed.standing(ms(702), &policy), Standing::Gone);
        assert_eq!(left(&crashed, 702), None);
    }
    // MySQL closes idle connections only two seconds after it stopped listening, and answers over them.
    let slow = guarded(&[(700, IN_ORDER), (800, PONG), (2700, CLOSED)]);
    assert_eq!(left(&slow, 2700), Some(ms(8000)));
    let served = Some(ms(8700));
    let later = slow.restart_left(ms(9000), served, &policy);
    assert_eq!(
        later,
        Some(ms(9700)),
        "its replicas were connected until then"
    );
    assert_eq!(
        slow.restart_left(ms(9000), Some(ms(100)), &policy),
        Some(ms(1700))
    );
}

#[test]
fn who_ends_our_sessions_does_not_take_the_server_down() {
    let policy = BeatPolicy::default();
    let killed = guarded(&[(700, IN_ORDER), (701, CLOSED), (702, ALIVE)]);
    assert_eq!(killed.standing(ms(702), &policy), WELL);
    assert_eq!(killed.restart_left(ms(702), None, &policy), None);
    let mut then = killed;
    then.hear(Heard::VigilStands, ms(710));
    for (at, heard) in [(900, CLOSED), (901, CUT), (902, Heard::Refused)] {
        then.hear(heard, ms(at));
    }
    assert_eq!(then.standing(ms(902), &policy), Standing::Gone);
    assert_eq!(
        then.restart_left(ms(902), None, &policy),
        None,
        "it crashed"
    );
}

#[test]
fn nobody_is_gone_before_the_vigil_has_had_its_say_or_its_time() {
    let policy = BeatPolicy::default();
    let unsaid = guarded(&[(700, CLOSED), (701, Heard::Refused)]);
    assert_eq!(unsaid.standing(ms(899), &policy), Standing::Doubt);
    assert_eq!(unsaid.standing(ms(900), &policy), Standing::Gone);
    assert_eq!(unsaid.restart_left(ms(900), None, &policy), None);
}

#[test]
fn a_listener_that_dies_with_its_process_is_not_closed_on_purpose() {
    let policy = BeatPolicy::default();
    let crashed = watch(&[(0, ALIVE), (700, Heard::Refused), (720, CLOSED)]);
    assert_eq!(crashed.restart_left(ms(720), None, &policy), None);
    let closed = watch(&[(0, ALIVE), (700, Heard::Refused), (900, CLOSED)]);
    assert_eq!(closed.restart_left(ms(900), None, &policy), Some(ms(9800)));
}

fn any_over() -> impl Strategy<Value = Over> {
    prop_oneof![Just(Over::Kept), Just(Over::New)]
}

fn any_heard() -> impl Strategy<Value = Heard> {
    let end = prop_oneof![
        Just(VigilEnd::InOrder),
        Just(VigilEnd::Cut),
        Just(VigilEnd::Unknown)
    ];
    prop_oneof![
        (
            any_over(),
            any::<bool>(),
            proptest::option::of(1000_u16..2000)
        )
            .prop_map(|(over, keeps, refusal)| Heard::Packet {
                over,
                refusal,
                keeps
            }),
        Just(Heard::VigilStands),
        end.prop_map(Heard::VigilEnded),
        prop_oneof![Just(Farewell::None), Just(Farewell::Error(1053))].prop_map(Heard::Closed),
        Just(Heard::Refused),
        (any_over(), 0_u64..20_000).prop_map(|(over, asked)| nothing(over, asked)),
        Just(Heard::NotTried),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn a_packet_always_makes_it_alive(
        heard in proptest::collection::vec((0_u64..20_000, any_heard()), 0..12),
        over in any_over(),
        refusal in proptest::option::of(1000_u16..2000),
        keeps in any::<bool>(),
    ) {
        let mut watch = watch(&heard);
        watch.hear(Heard::Packet { over, refusal, keeps }, ms(20_000));
        prop_assert_eq!(watch.standing(ms(90_000), &BeatPolicy::default()), Standing::Alive { refusal });
        let may_go_down = over == Over::Kept || refusal == Some(1053);
        let left = watch.restart_left(ms(20_000), None, &BeatPolicy::default());
        prop_assert!(left.is_none() || may_go_down, "{left:?}");
    }

    #[test]
    fn nothing_short_of_a_refused_or_a_silent_new_connection_is_evidence(
        heard in proptest::collection::vec((0_u64..20_000, any_heard()), 0..12),
    ) {
        let since = heard.iter().rposition(|(_, heard)| matches!(heard, Heard::Packet { .. }));
        let later = since.map_or(&heard[..], |at| &heard[at + 1..]);
        let is_new_tried = later.iter().any(|(_, heard)| {
            matches!(heard, Heard::Refused | Heard::Nothing { over: Over::New, .. })
        });
        let standing = watch(&heard).standing(ms(90_000), &BeatPolicy::default());
        prop_assert!(!standing.is_against() || (is_new_tried && since.is_some()), "{standing:?}");
    }

    #[test]
    fn silence_shorter_than_policy_says_is_never_evidence_of_silence(
        heard in proptest::collection::vec((0_u64..1_999, any_heard()), 0..12),
    ) {
        let standing = watch(&heard).standing(ms(1_999), &BeatPolicy::default());
        prop_assert_ne!(standing, Standing::Silent);
    }

    #[test]
    fn our_link_is_never_blamed_while_half_of_all_answer(
        silent in proptest::collection::vec(0_u64..3000, 0..20),
        more in 0_usize..5,
    ) {
        let answering = std::iter::repeat_n(None, silent.len() + more);
        let all = silent.iter().map(|at| Some(ms(*at))).chain(answering);
        prop_assert!(!is_own_link(all));
    }
}

#[test]
fn our_own_link_is_more_than_half_of_all_and_at_least_three_together() {
    let at = |times: &[u64]| -> Vec<Option<Duration>> {
        times
            .iter()
            .map(|time| (*time < 9000).then(|| ms(*time)))
            .collect()
    };
    // 9000 stands for one that answers.
    let cases: &[(&[u64], bool)] = &[
        (&[], false),
        (&[10], false),
        (&[10, 20], false),
        (&[10, 20, 900], true),
        (&[10, 20, 900, 9000], true),
        (&[10, 20, 900, 9000, 9000], true),
        (&[10, 20, 900, 9000, 9000, 9000], false),
        (&[10, 20, 5000], false),
        (&[0, 2000, 4000, 6000], false),
        (&[0, 5000, 5100, 5200], true),
    ];
    for (times, expected) in cases {
        assert_eq!(is_own_link(at(times)), *expected, "{times:?}");
    }
}

fn replica(offset: u64, heartbeats: Option<u64>, period: Option<u64>) -> Observation {
    let key = |name: &str| InstanceKey::parse(name, 3306).unwrap();
    let mut seen = Observation::blank(key("b"), Timestamp::from_seconds(1));
    let mut link = ReplicationLink::running(SourceAddress::Attached(key("a")));
    link.received.offset = offset;
    link.heartbeats_received = heartbeats;
    link.heartbeat_period = period.map(ms);
    seen.replication = Some(link);
    seen
}

#[test]
fn nothing_received_for_two_heartbeat_periods_is_standing_still() {
    let period = Some(1000);
    let mut passive = Passive::first(&replica(7, Some(3), period), ms(100)).unwrap();
    assert_eq!(passive.due_in(ms(100)), Some(ms(2000)));
    passive.again(&replica(7, Some(3), period), ms(2099));
    assert!(!passive.stands_still());
    passive.again(&replica(7, Some(3), period), ms(2100));
    assert!(passive.stands_still());
    passive.again(&replica(7, Some(4), period), ms(2200));
    assert!(!passive.stands_still(), "a heartbeat: it lives");
    assert!(passive.moves(ms(4199)) && !passive.moves(ms(4200)));
    passive.again(&replica(8, Some(4), period), ms(3000));
    passive.again(&replica(8, Some(4), period), ms(4999));
    assert!(!passive.stands_still(), "an event a short while ago");
    passive.again(&replica(8, Some(4), period), ms(5000));
    assert!(passive.stands_still());
}

#[test]
fn the_time_in_which_a_receiver_was_not_connected_does_not_count() {
    let period = Some(1000);
    let stopped = |state| {
        let mut seen = replica(7, Some(3), period);
        seen.replication.as_mut().unwrap().receiver = state;
        seen
    };
    for state in [ThreadState::Stopped, ThreadState::Other] {
        let mut passive = Passive::first(&stopped(state), ms(100)).unwrap();
        for at in [2000, 4000, 8000] {
            passive.again(&stopped(state), ms(at));
            assert!(!passive.stands_still());
        }
        // Somebody starts it, and it connects: there is a source.
        passive.again(&replica(7, Some(3), period), ms(8200));
        assert!(!passive.stands_still() && passive.moves(ms(8200)));
        passive.again(&replica(7, Some(3), period), ms(10_199));
        assert!(!passive.stands_still());
        passive.again(&replica(7, Some(3), period), ms(10_200));
        assert!(passive.stands_still(), "nothing has come since");
        passive.again(&stopped(state), ms(10_400));
        assert!(!passive.stands_still());
    }
}

#[test]
fn what_came_is_remembered_of_a_receiver_that_is_not_connected_any_more() {
    let lost = |offset| {
        let mut seen = replica(offset, None, None);
        seen.replication.as_mut().unwrap().receiver = ThreadState::Other;
        seen
    };
    let mut passive = Passive::first(&replica(7, None, None), ms(100)).unwrap();
    passive.again(&lost(7), ms(300));
    assert!(!passive.has_moved_within(ms(9000), ms(300)), "nothing came");
    passive.again(&replica(8, None, None), ms(500));
    // It brought something more before it was lost.
    passive.again(&lost(9), ms(700));
    passive.again(&lost(9), ms(900));
    for (now, is) in [(900, true), (3699, true), (3700, false)] {
        assert_eq!(passive.has_moved_within(ms(3000), ms(now)), is, "{now}");
    }
}

#[test]
fn without_a_known_heartbeat_period_nothing_is_said() {
    for period in [None, Some(0)] {
        let mut passive = Passive::first(&replica(7, None, period), ms(100)).unwrap();
        passive.again(&replica(7, None, period), ms(3_600_000));
        assert!(!passive.stands_still());
        assert_eq!(passive.due_in(ms(0)), None);
    }
}

#[test]
fn what_was_not_looked_at_does_not_stand_still() {
    let mut passive = Passive::first(&replica(7, None, Some(100)), ms(100)).unwrap();
    assert!(!passive.stands_still());
    passive.again(&replica(7, None, Some(100)), ms(299));
    assert!(!passive.stands_still());
    assert_eq!(passive.due_in(ms(9000)), Some(Duration::ZERO));
}
