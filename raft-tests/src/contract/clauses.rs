//! The clauses. Each takes an empty place and panics where the store does not keep its word.

use orchestrator::store::{DecisionStore, Error, ErrorKind, InstallMode};
use orchestrator_core::decided::{
    Command, Decided, Digest, Effect, GroupId, ImportPortion, ImportedRow, RowChange, Snapshot,
};
use orchestrator_core::domain::{
    AccessToken, Downtime, InstanceKey, PublicToken, SecretDigest, Timestamp, TokenClaim,
};

use super::{History, MINUTE, START, StorePlace, replay};

/// More than any clause commits.
const ALL: u64 = 10_000;

fn key(text: &str) -> InstanceKey {
    InstanceKey::parse(text, 3306).expect("a valid key")
}

fn group(store: &dyn DecisionStore) -> GroupId {
    store.identity().expect("an identity").group
}

fn history(store: &dyn DecisionStore, seed: u64) -> History {
    History::new(group(store), seed)
}

fn assert_holds(store: &dyn DecisionStore, state: &Decided) {
    assert_eq!(store.load().as_ref(), Ok(state));
    assert_eq!(store.applied_index(), Ok(state.applied_index));
    let loaded = store.load().expect("it was just loaded");
    assert_eq!(Digest::of(&loaded), Digest::of(state));
}

/// Nothing is decided in a new store; its ids are drawn once.
pub fn a_new_store_is_empty_and_keeps_its_identity(place: &dyn StorePlace) {
    let store = place.open(ALL);
    assert_holds(store.as_ref(), &Decided::default());
    assert_eq!(store.log_tail(10), Ok(vec![]));
    assert_eq!(store.owed_after(0, 10), Ok(vec![]));
    assert_eq!(store.performed_index(), Ok(0));
    let identity = store.identity().expect("an identity");
    assert_ne!(identity.store.as_bytes(), identity.group.as_bytes());
    drop(store);
    assert_eq!(place.open(ALL).identity(), Ok(identity));
}

/// What was committed is what is loaded, from this store and after opening it again.
pub fn committed_state_is_loaded_exactly(place: &dyn StorePlace) {
    let mut store = place.open(ALL);
    let mut history = history(store.as_ref(), 1);
    for round in 0..40 {
        let batch = history.entries(1 + round % 7);
        assert_eq!(store.commit(batch), Ok(()));
        assert_holds(store.as_ref(), history.state());
        if round % 10 == 9 {
            drop(store);
            store = place.open(ALL);
            assert_holds(store.as_ref(), history.state());
        }
    }
    // What the predecessor decided is taken once: with nothing before, under way, and complete.
    for (rows, is_last) in [
        (vec![], false),
        (vec![imported_alias("\u{fc}ber:3306")], false),
        (vec![], true),
    ] {
        let portion = ImportPortion {
            source: "/old: \u{fc}ber \u{1f980}".to_owned(),
            node: "n".to_owned(),
            rows,
            is_last,
        };
        let entry = history.entry(START, Command::Import(Box::new(portion)));
        assert_eq!(store.commit(vec![entry]), Ok(()));
        assert_holds(store.as_ref(), history.state());
        drop(store);
        store = place.open(ALL);
        assert_holds(store.as_ref(), history.state());
    }
    let tables: Vec<&str> = history.state().rows().map(|row| row.table()).collect();
    for table in [
        "import",
        "downtime",
        "candidate",
        "forgotten",
        "access_token",
        "cluster_alias",
    ] {
        assert!(
            tables.contains(&table),
            "the history leaves rows in {table}"
        );
    }
}

fn imported_alias(cluster: &str) -> ImportedRow {
    ImportedRow::ClusterAlias {
        cluster: cluster.to_owned(),
        alias: "imported".to_owned(),
    }
}

/// A batch with an entry that cannot be written leaves nothing of those before it.
pub fn a_batch_is_written_whole_or_not_at_all(place: &dyn StorePlace) {
    let store = place.open(ALL);
    let mut history = history(store.as_ref(), 2);
    store.commit(history.entries(20)).expect("it is committed");
    let before = history.state().clone();
    let log = store.log_tail(100).expect("a log");
    let mut batch = history.entries(20);
    batch[19].index += 1;
    let refused = store.commit(batch).expect_err("it has a gap");
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    assert_holds(store.as_ref(), &before);
    assert_eq!(store.log_tail(100), Ok(log));
}

/// Only the next entry can be committed.
pub fn entries_come_in_order_without_gaps(place: &dyn StorePlace) {
    let store = place.open(ALL);
    let mut history = history(store.as_ref(), 3);
    let entries = history.entries(3);
    let gap = |applied, found| Err(Error::Gap { applied, found });
    assert_eq!(store.commit(vec![entries[1].clone()]), gap(0, 2));
    assert_eq!(store.commit(vec![entries[0].clone()]), Ok(()));
    assert_eq!(store.commit(vec![entries[0].clone()]), gap(1, 1));
    let crossed = vec![entries[2].clone(), entries[1].clone()];
    assert_eq!(store.commit(crossed), gap(1, 3));
    assert_eq!(store.commit(entries[1..].to_vec()), Ok(()));
    assert_holds(store.as_ref(), history.state());
}

/// Nothing to do is done.
pub fn an_empty_batch_changes_nothing(place: &dyn StorePlace) {
    let store = place.open(ALL);
    assert_eq!(store.commit(vec![]), Ok(()));
    assert_holds(store.as_ref(), &Decided::default());
}

/// No collation makes two keys one.
pub fn keys_differ_by_their_bytes(place: &dyn StorePlace) {
    let store = place.open(ALL);
    let mut history = history(store.as_ref(), 4);
    let names = [
        "db1", "DB1", "Db1", "db1.", "db_1", "db1:3307", "[::1]", "10.0.0.1",
    ];
    let entries = names.map(|name| history.entry(START, Command::Forget { key: key(name) }));
    store.commit(entries.to_vec()).expect("it is committed");
    assert_eq!(history.state().forgotten.len(), names.len());
    assert_holds(store.as_ref(), history.state());
}

/// Any text that a caller may give is kept as it is.
pub fn texts_come_back_byte_by_byte(place: &dyn StorePlace) {
    let store = place.open(ALL);
    let mut history = history(store.as_ref(), 5);
    let texts = [
        "",
        " leading and trailing ",
        "nul \0 inside",
        "quotes ' \" ` \\ %s ; --",
        "\u{1f980} e\u{301} \u{fffd} \u{202e}",
        &"long ".repeat(10_000),
    ];
    for (number, text) in texts.into_iter().enumerate() {
        let command = Command::BeginDowntime {
            key: key(&format!("db{number}")),
            owner: text.to_owned(),
            reason: text.chars().rev().collect(),
            ends_at: START.plus(MINUTE),
        };
        let entry = history.entry(START, command);
        store.commit(vec![entry]).expect("it is committed");
    }
    assert_holds(store.as_ref(), history.state());
}

/// Microseconds, the far past and the far future are kept.
pub fn time_and_index_have_their_full_range(place: &dyn StorePlace) {
    let store = place.open(ALL);
    let row = Downtime {
        owner: String::new(),
        reason: String::new(),
        begins_at: Timestamp::from_micros(i64::MIN),
        ends_at: Timestamp::from_micros(i64::MAX),
    };
    let rows = [
        RowChange::PutDowntime(key("a:1"), row),
        RowChange::PutForgotten(key("a:65535"), Timestamp::from_micros(-1)),
        RowChange::PutAccessToken(
            PublicToken::from_bytes([0xff; 32]),
            AccessToken {
                owner: String::new(),
                created_at: Timestamp::from_micros(i64::MIN),
                claim_by: Timestamp::from_micros(i64::MAX),
                claim: Some(TokenClaim {
                    secret_digest: SecretDigest::from_bytes([0xff; 32]),
                    claimed_at: Timestamp::from_micros(i64::MIN),
                    expires_at: Timestamp::from_micros(i64::MAX),
                }),
            },
        ),
    ];
    let last = i64::MAX as u64;
    let state = Decided::from_rows(last, Timestamp::from_micros(i64::MAX), &rows);
    let snapshot = Snapshot::of(group(store.as_ref()), &state, vec![]);
    assert_eq!(store.install(&snapshot, InstallMode::SameGroup), Ok(()));
    assert_holds(store.as_ref(), &state);
}

/// Envelopes, replies, effects and times come back as they went in.
pub fn the_log_gives_back_what_was_committed(place: &dyn StorePlace) {
    let store = place.open(ALL);
    let entries = history(store.as_ref(), 6).entries(50);
    store.commit(entries.clone()).expect("it is committed");
    drop(store);
    let store = place.open(ALL);
    let tail = store.log_tail(20).expect("a log");
    assert_eq!(tail.len(), 20);
    for (found, entry) in tail.iter().zip(&entries[30..]) {
        assert_eq!(found.index, entry.index);
        assert_eq!(found.envelope, entry.envelope);
        assert_eq!(found.reply, entry.reply);
        assert_eq!(found.effects, entry.effects);
        assert_eq!(found.decided_at, entry.decided_at);
    }
    assert_eq!(store.log_tail(1_000).map(|log| log.len()), Ok(50));
}

/// The log stays within its bound; rows of old entries stay.
pub fn the_log_is_trimmed_and_the_state_is_not(place: &dyn StorePlace) {
    let store = place.open(10);
    let mut history = history(store.as_ref(), 7);
    for _ in 0..9 {
        store.commit(history.entries(5)).expect("it is committed");
    }
    let indices: Vec<u64> = store
        .log_tail(1_000)
        .expect("a log")
        .iter()
        .map(|entry| entry.index)
        .collect();
    assert_eq!(indices, (36..=45).collect::<Vec<u64>>());
    assert_holds(store.as_ref(), history.state());
}

/// The log is the truth: apply over it gives the stored state.
pub fn the_log_replayed_from_the_beginning_gives_the_same_digest(place: &dyn StorePlace) {
    let store = place.open(ALL);
    let mut history = history(store.as_ref(), 8);
    for _ in 0..10 {
        store.commit(history.entries(50)).expect("it is committed");
    }
    let replayed = replay(&store.log_tail(1_000).expect("a log"));
    let loaded = store.load().expect("a state");
    assert_eq!(replayed, loaded);
    assert_eq!(Digest::of(&replayed), Digest::of(&loaded));
}

/// Owed work is found after a restart, and how far it is never goes back.
pub fn owed_effects_are_listed_until_they_are_performed(place: &dyn StorePlace) {
    let store = place.open(ALL);
    let mut history = history(store.as_ref(), 9);
    let entries = [
        history.entry(START, Command::Discover { key: key("a") }),
        history.entry(START, Command::Expire),
        history.entry(START, Command::Forget { key: key("b") }),
    ];
    store.commit(entries.to_vec()).expect("it is committed");
    drop(store);
    let store = place.open(ALL);
    let owed = |after, max| -> Vec<(u64, Vec<Effect>)> {
        let entries = store.owed_after(after, max).expect("a log");
        let owed = entries
            .into_iter()
            .map(|entry| (entry.index, entry.effects));
        owed.collect()
    };
    let discover = (1, vec![Effect::Discover(key("a"))]);
    let forget = (3, vec![Effect::Forget(key("b"))]);
    assert_eq!(owed(0, 10), [discover.clone(), forget.clone()]);
    assert_eq!(owed(0, 1), [discover]);
    assert_eq!(owed(1, 10), [forget]);
    assert_eq!(owed(3, 10), []);
    for (noted, found) in [(2, 2), (1, 2), (3, 3)] {
        assert_eq!(store.set_performed_index(noted), Ok(()));
        assert_eq!(store.performed_index(), Ok(found));
    }
    drop(store);
    assert_eq!(place.open(ALL).performed_index(), Ok(3));
}

/// State, group and known instances arrive whole, by way of bytes.
pub fn a_snapshot_carries_everything_to_another_store(place: &dyn StorePlace) {
    let store = place.open(ALL);
    // Written by another store of another group.
    let theirs = GroupId::from_number(0xfeed);
    let mut other = History::new(theirs, 10);
    other.entries(200);
    let known = vec![key("a"), key("b:3307")];
    let bytes = Snapshot::of(theirs, other.state(), known.clone())
        .to_bytes()
        .expect("a small snapshot");
    let snapshot = Snapshot::from_bytes(&bytes).expect("what was written");
    assert_eq!(store.install(&snapshot, InstallMode::Adopt), Ok(()));
    assert_holds(store.as_ref(), other.state());
    assert_eq!(group(store.as_ref()), theirs);
    drop(store);
    let store = place.open(ALL);
    assert_holds(store.as_ref(), other.state());
    assert_eq!(store.export(known), Ok(snapshot));
}

/// Rows, log and owed effects of before are gone; the store's own id stays.
pub fn a_snapshot_replaces_everything_and_nothing_of_the_old_state_stays(place: &dyn StorePlace) {
    let store = place.open(ALL);
    let identity = store.identity().expect("an identity");
    let mut history = history(store.as_ref(), 11);
    store.commit(history.entries(100)).expect("it is committed");
    let index = 500;
    let empty = Decided::from_rows(index, START, &[]);
    let snapshot = Snapshot::of(identity.group, &empty, vec![]);
    assert_eq!(store.install(&snapshot, InstallMode::SameGroup), Ok(()));
    assert_holds(store.as_ref(), &empty);
    assert_eq!(store.log_tail(1_000), Ok(vec![]));
    assert_eq!(store.owed_after(0, 10), Ok(vec![]));
    assert_eq!(store.performed_index(), Ok(index));
    assert_eq!(store.identity(), Ok(identity));
}

/// What would take a store back, or elsewhere, needs to be asked for.
pub fn a_snapshot_of_another_group_or_an_older_one_is_refused(place: &dyn StorePlace) {
    let store = place.open(ALL);
    let ours = group(store.as_ref());
    let mut history = history(store.as_ref(), 12);
    store.commit(history.entries(10)).expect("it is committed");
    let at = |index| Decided::from_rows(index, START, &[]);
    let theirs = GroupId::from_number(1);
    let foreign = Snapshot::of(theirs, &at(99), vec![]);
    assert_eq!(
        store.install(&foreign, InstallMode::SameGroup),
        Err(Error::OtherGroup { ours, theirs })
    );
    let older = Snapshot::of(ours, &at(9), vec![]);
    assert_eq!(
        store.install(&older, InstallMode::SameGroup),
        Err(Error::Older {
            applied: 10,
            found: 9
        })
    );
    assert_holds(store.as_ref(), history.state());
    assert_eq!(store.install(&older, InstallMode::Adopt), Ok(()));
    assert_holds(store.as_ref(), &at(9));
}

/// A snapshot is a place to go on from.
pub fn committing_goes_on_after_a_snapshot(place: &dyn StorePlace) {
    let store = place.open(ALL);
    let ours = group(store.as_ref());
    let mut other = History::new(ours, 13);
    other.entries(77);
    let snapshot = Snapshot::of(ours, other.state(), vec![]);
    store
        .install(&snapshot, InstallMode::SameGroup)
        .expect("it is installed");
    store.commit(other.entries(30)).expect("entry 78 is next");
    assert_holds(store.as_ref(), other.state());
    let first = store.log_tail(1_000).expect("a log")[0].index;
    assert_eq!(first, 78);
}

/// Health checks leave no trace in what is decided.
pub fn a_sign_of_life_changes_no_decision(place: &dyn StorePlace) {
    let store = place.open(ALL);
    let mut history = history(store.as_ref(), 14);
    store.commit(history.entries(10)).expect("it is committed");
    for minute in 0..3 {
        assert_eq!(store.beat(START.plus(MINUTE * minute)), Ok(()));
    }
    assert_holds(store.as_ref(), history.state());
    assert_eq!(store.log_tail(100).map(|log| log.len()), Ok(10));
}
