//! The SQLite store when processes are killed, disks are full, and others want the same file.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(
    clippy::disallowed_methods,
    reason = "these tests start the processes that they kill"
)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use orchestrator::store::{
    DecisionStore, Error, LocalOptions, LocalProposer, Place, SqliteOptions, SqliteStore,
};
use orchestrator::wire::Envelope;
use orchestrator_core::decided::{Digest, Proposal};
use orchestrator_core::ports::{DecisionReader, Ids, Proposer};
use raft_tests::contract::{History, START, replay};
use raft_tests::lab::RealClock;

const CHILD: &str = env!("CARGO_BIN_EXE_store-child");

struct NoNewIds;

impl Ids for NoNewIds {
    fn unique(&self) -> u128 {
        0
    }
    fn fraction(&self) -> f64 {
        0.0
    }
}

/// Ends the process when the test is over, however it ends.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(args: &[&str]) -> Killed {
    let child = Command::new(CHILD)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    Killed(child)
}

fn open(path: &Path) -> Result<SqliteStore, Error> {
    let options = SqliteOptions::new(Place::File(path.to_owned()));
    SqliteStore::open(&options, &NoNewIds, START)
}

fn store_path(dir: &tempfile::TempDir) -> PathBuf {
    dir.path().join("orchestrator.sqlite3")
}

fn acknowledged(line: &str) -> (u128, u64) {
    let (request, index) = line.split_once(' ').unwrap();
    (request.parse().unwrap(), index.parse().unwrap())
}

fn proposals(store: &dyn DecisionStore) -> BTreeMap<u64, Proposal> {
    let log = store.log_tail(usize::MAX).unwrap();
    log.iter()
        .map(|entry| {
            let envelope = Envelope::from_bytes(&entry.envelope).unwrap();
            (entry.index, envelope.proposal().unwrap())
        })
        .collect()
}

#[test]
fn killed_at_any_moment_it_has_every_acknowledged_change_and_nothing_by_halves() {
    let dir = tempfile::tempdir().unwrap();
    let path = store_path(&dir);
    let mut all_acknowledged = BTreeMap::new();
    for (round, acknowledgements) in [1_usize, 7, 60, 300, 45].into_iter().enumerate() {
        let first_request = (1 + round as u64 * 1_000_000).to_string();
        let mut child = start(&["write", path.to_str().unwrap(), &first_request]);
        let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
        for _ in 0..acknowledgements {
            let (request, index) = acknowledged(&lines.next().unwrap().unwrap());
            all_acknowledged.insert(request, index);
        }
        child.0.kill().unwrap();
        child.0.wait().unwrap();
        // What it still said before it died counts too. It writes whole lines, so none is cut.
        for line in lines {
            let (request, index) = acknowledged(&line.unwrap());
            all_acknowledged.insert(request, index);
        }

        let store = open(&path).unwrap();
        let log = store.log_tail(usize::MAX).unwrap();
        let state = store.load().unwrap();
        let whole = log.first().is_none_or(|entry| entry.index == 1);
        assert!(whole, "the log reaches back to the first entry");
        assert_eq!(replay(&log), state, "rows are what the log leads to");
        assert_eq!(log.len() as u64, state.applied_index);
        let proposals = proposals(&store);
        for (request, index) in &all_acknowledged {
            let found = proposals.get(index).map(|proposal| proposal.request);
            assert_eq!(found, Some(*request), "request {request} at {index}");
        }
    }
    assert!(all_acknowledged.len() >= 400);
}

#[tokio::test]
async fn a_request_acknowledged_before_a_kill_is_answered_as_before_and_takes_no_effect_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = store_path(&dir);
    let mut child = start(&["write", path.to_str().unwrap(), "1"]);
    let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    let (request, index) = acknowledged(&lines.nth(20).unwrap().unwrap());
    child.0.kill().unwrap();
    child.0.wait().unwrap();

    let store = Arc::new(open(&path).unwrap());
    let proposal = proposals(store.as_ref()).remove(&index).unwrap();
    assert_eq!(proposal.request, request);
    let proposer =
        LocalProposer::start(store.clone(), RealClock::start(), LocalOptions::default()).unwrap();
    let before = Digest::of(&proposer.decided());
    let answer = proposer.propose(proposal).await.unwrap();
    assert_eq!(answer.index, index);
    assert_eq!(Digest::of(&proposer.decided()), before);
    proposer.stop().await;
}

#[test]
fn another_process_is_told_who_has_the_store_until_that_one_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let path = store_path(&dir);
    let mut child = start(&["hold", path.to_str().unwrap()]);
    let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "held");
    let error = open(&path).err().unwrap();
    assert_eq!(
        error.to_string(),
        format!(
            "the store {} is in use by process {}; stop that one first, or give this one a store of its own (SQLite3DataFile)",
            path.canonicalize().unwrap().display(),
            child.0.id()
        )
    );
    child.0.kill().unwrap();
    child.0.wait().unwrap();
    assert!(open(&path).is_ok());
}

#[test]
fn a_write_that_the_system_refuses_is_said_in_one_sentence_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = store_path(&dir);
    // A limit on the size of files (in blocks of 512 or 1024 bytes), with its signal ignored, makes writes fail.
    let script = "trap '' XFSZ; ulimit -f 2000; exec \"$0\" fill \"$1\"";
    let output = Command::new("sh")
        .args(["-c", script, CHILD, path.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let (refusal, acknowledgements) = lines.split_last().unwrap();
    let sentence = refusal
        .split_once(": ")
        .unwrap_or_else(|| panic!("the last line is the refusal: {refusal}"))
        .1;
    let store_name = path.canonicalize().unwrap().display().to_string();
    assert!(
        sentence.starts_with(&format!(
            "the change could not be stored: the store {store_name} "
        )),
        "{sentence}"
    );
    assert!(
        acknowledgements.len() > 10,
        "{} were stored",
        acknowledgements.len()
    );

    let store = open(&path).unwrap();
    let proposals = proposals(&store);
    for line in acknowledgements {
        let (request, index) = acknowledged(line);
        assert_eq!(proposals[&index].request, request);
    }
    assert_eq!(store.applied_index(), Ok(acknowledgements.len() as u64));
}

#[test]
fn the_same_history_gives_the_same_digest_in_processes_with_other_surroundings() {
    let digest = |surroundings: &[(&str, &str)]| {
        let output = Command::new(CHILD)
            .args(["digest", "42"])
            .env_clear()
            .envs(surroundings.iter().copied())
            .current_dir("/")
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let mut here = History::new(orchestrator_core::decided::GroupId::from_number(1), 42);
    here.entries(2_000);
    assert!(here.state().rows().count() > 5, "the history leaves rows");
    let expected = Digest::of(here.state()).to_string();
    assert_eq!(
        digest(&[("TZ", "Pacific/Apia"), ("LANG", "tr_TR.UTF-8")]),
        expected
    );
    assert_eq!(
        digest(&[("TZ", "UTC"), ("HOSTNAME", "other"), ("HOME", "/x")]),
        expected
    );
}
