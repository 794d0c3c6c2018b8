//! What analysis answers beside codes: evidence, order, what is muted and left out, and its memory of stalled logs.

use std::sync::Arc;
use std::time::Duration;

use regex::Regex;

use super::fixtures::told;
use super::{NOW, Stage, analysis, analyze, drawn};
use crate::analysis::{AnalysisPolicy, Evidence, Finding, Muted, Stalls, asserted_dead};
use crate::domain::{FindingCode, InstanceKey, InstanceRecord, Picture, Timestamp};

fn the_finding(text: &str) -> Finding {
    let mut findings = analysis(text, &AnalysisPolicy::default()).findings;
    assert_eq!(findings.len(), 1, "{text}");
    findings.remove(0)
}

fn sentences(finding: &Finding) -> Vec<String> {
    finding.evidence.iter().map(Evidence::to_string).collect()
}

#[test]
fn a_healthy_cluster_has_no_findings() {
    for text in [
        "a\n+ b\n+ c",
        "a [10.11.6-MariaDB]\n+ b\n  + c",
        "a\n<-> b\n+ c",
        "a [group=g/primary]\n+ b [group=g/secondary]\n+ c [group=g/secondary]",
        "a\n+ b [lag=1h]\n+ c [delay=1h lag=1h]",
    ] {
        let told = told(&analysis(text, &AnalysisPolicy::default()));
        assert_eq!(told, "=> nothing", "{text}");
    }
}

#[test]
fn a_dead_primary_is_told_with_its_evidence() {
    let finding =
        the_finding("a [unreachable seen=12s]\n+ b [io=connecting]\n+ c [io=no io-errno=2003]");
    assert_eq!(finding.code, FindingCode::DeadPrimary);
    assert_eq!(&*finding.cluster, "a:3306");
    assert_eq!(finding.muted, None);
    assert_eq!(
        sentences(&finding),
        [
            "The last probe failed (connection refused or reset); it was last seen 12 s ago.",
            "Of 2 known replicas, 2 can be probed and 0 replicate.",
            "Nobody answers the receivers of b:3306, c:3306, and no other receiver is connected.",
        ]
    );
}

#[test]
fn an_unreachable_primary_says_who_still_receives() {
    let finding = the_finding("a [unreachable=timeout]\n+ b [io=connecting]\n+ c");
    assert_eq!(
        sentences(&finding).last().map(String::as_str),
        Some("Receivers connected: c:3306; receivers that nobody answers: b:3306.")
    );
    let refusing = the_finding("a [unreachable=refuses-us]\n+ b [io=connecting]");
    assert_eq!(
        sentences(&refusing)[0],
        "The server answers, and the probe fails (the server refuses us)."
    );
}

#[test]
fn a_hanging_probe_is_told_as_one() {
    let finding = the_finding("a [probing=2500ms seen=7s]\n+ b [io=connecting]");
    assert_eq!(
        sentences(&finding)[0],
        "A probe has been under way for 2.5 s; it was last seen 7 s ago."
    );
}

#[test]
fn a_probe_that_failed_is_told_as_such_while_the_next_one_hangs() {
    let finding = the_finding("a [unreachable probing=2500ms seen=7s]\n+ b [io=connecting]");
    assert_eq!(
        sentences(&finding)[0],
        "The last probe failed (connection refused or reset); it was last seen 7 s ago."
    );
}

#[test]
fn lagging_replicas_and_a_log_that_stands_still_are_told_with_their_limits() {
    let lagging = the_finding("a [unreachable]\n+ b [lag=11s]\n+ c [lag=1m delay=30s]");
    assert_eq!(
        sentences(&lagging)[1],
        "Replicas that lag by more than 10 s: 2; delayed on purpose: 1."
    );
    for (words, told) in [
        (
            "on:0/1 stalled=12s",
            "The end of its binary log has not moved for 12 s; 10 s count as locked.",
        ),
        (
            "on:0/1",
            "Whether its binary log moves is not known yet; 10 s without count as locked.",
        ),
    ] {
        let waiting = the_finding(&format!("a [semi-sync-source={words}]\n+ b"));
        assert_eq!(
            sentences(&waiting),
            [
                "Semi-sync is on: it waits for 1 replicas, and 0 are connected.",
                told
            ]
        );
    }
}

#[test]
fn replicas_without_common_positions_are_told_with_how_many_could_be_asked() {
    let told = |text: &str| {
        let warnings = analysis(text, &AnalysisPolicy::default()).warnings;
        let [warning] = &warnings[..] else {
            panic!("{warnings:?}");
        };
        assert_eq!(warning.code, FindingCode::NoFailoverSupport);
        sentences(warning).pop()
    };
    assert_eq!(
        told("a [no-gtid]\n+ b [no-gtid]\n+ c [no-gtid]").as_deref(),
        Some(
            "Of its 2 replicas that can be probed, not all use GTIDs; Pseudo-GTID is not in use, and they are no binlog servers."
        )
    );
    assert_eq!(
        told("a\n+ b [unreachable]\n+ c [unreachable]").as_deref(),
        Some(
            "None of its replicas can be probed, so none is known to have positions in common with another."
        )
    );
}

#[test]
fn a_check_is_valid_up_to_a_poll_and_the_time_allowed_for_a_probe() {
    let is_found = |text: &str| {
        let found = analysis(text, &AnalysisPolicy::default());
        !found.findings.is_empty()
    };
    assert!(!is_found("a [probing=2s seen=6s]\n+ b"));
    assert!(is_found("a [probing=2s seen=6001ms]\n+ b"));
    assert!(
        !is_found("a [seen=1h]\n+ b"),
        "nobody probes it: nothing is known to be wrong"
    );
    let patient = AnalysisPolicy {
        instance_poll: Duration::from_secs(60),
        ..AnalysisPolicy::default()
    };
    let text = "a [probing=2s seen=61s]\n+ b";
    assert!(analysis(text, &patient).findings.is_empty());
}

#[test]
fn evidence_of_every_fixture_is_there_and_in_sentences() {
    for case in super::fixtures::cases() {
        let found = analyze(&Stage::of(&case.drawing).scene(), &case.policy);
        for finding in found.findings.iter().chain(&found.warnings) {
            let evidence = sentences(finding);
            assert!(!evidence.is_empty(), "{}", case.place);
            for sentence in evidence {
                let is_sentence = sentence.ends_with('.') && !sentence.contains("..");
                assert!(is_sentence, "{}: {sentence}", case.place);
            }
        }
    }
}

#[test]
fn a_long_list_of_replicas_is_cut_in_a_sentence_and_whole_in_the_evidence() {
    let replicas: Vec<String> = (10..23)
        .map(|i| format!("+ r{i} [io=connecting]"))
        .collect();
    let finding = the_finding(&format!("a [unreachable]\n{}", replicas.join("\n")));
    let last = finding.evidence.last().expect("evidence");
    assert!(
        last.to_string().contains("r19:3306 and 3 more, and"),
        "{last}"
    );
    let Evidence::CutOff { replicas, .. } = last else {
        panic!("{last:?}");
    };
    assert_eq!(replicas.len(), 13);
}

#[test]
fn a_server_in_downtime_has_its_finding_muted_with_the_reason() {
    let text = "a [unreachable downtime downtime-owner=ann downtime-reason=\"new disk\"]\n+ b [io=connecting]";
    let finding = the_finding(text);
    let muted = finding.muted.expect("it is muted");
    assert_eq!(muted.to_string(), "ann has put it in downtime: new disk");
    let over = the_finding("a [unreachable downtime=over]\n+ b [io=connecting]");
    assert_eq!(over.muted, None);
    let below = the_finding("a\n+ b [unreachable downtime]");
    assert_eq!(below.muted, Some(Muted::AllReplicasInDowntime));
    let dead = the_finding("a [unreachable]\n+ b [io=connecting downtime]");
    assert_eq!(
        dead.muted, None,
        "downtime of replicas does not hide a dead primary"
    );
}

#[test]
fn an_ignored_host_is_left_out_and_named() {
    let policy = AnalysisPolicy {
        ignored_hosts: vec![Regex::new("^z").unwrap(), Regex::new("^a$").unwrap()],
        ..AnalysisPolicy::default()
    };
    let found = analysis(
        "a [unreachable]\n+ b [io=connecting]\nc [unreachable]",
        &policy,
    );
    assert_eq!(told(&found), "=> c DeadMasterWithoutReplicas");
    let left_out: Vec<String> = found
        .left_out
        .iter()
        .map(|left| format!("{} by {}", left.subject, left.filter))
        .collect();
    assert_eq!(left_out, ["a:3306 by ^a$"]);
    assert!(
        analysis("a\n+ b", &policy).left_out.is_empty(),
        "nothing to leave out"
    );
}

#[test]
fn primaries_come_first_then_those_with_many_replicas() {
    let text = "a [unreachable]\nm [ro]\n+ n [errant]\n+ o\n  + p [errant]\nz [unreachable]\n+ y";
    let found = analysis(text, &AnalysisPolicy::default());
    assert_eq!(
        told(&found),
        "=> z UnreachableMaster\n=> a DeadMasterWithoutReplicas\n~> m ErrantGTIDStructureWarning\n\
         ~> m NoWriteableMasterStructureWarning\n~> o ErrantGTIDStructureWarning"
    );
}

#[test]
fn a_detached_replica_is_a_primary_and_one_of_no_host_is_not() {
    let policy = AnalysisPolicy::default();
    let found = analysis("a\n+ b [detached unreachable rw]", &policy);
    assert_eq!(told(&found), "=> b DeadMasterWithoutReplicas");
    let found = analysis("a\nb [invalid-source=_ unreachable]", &policy);
    assert_eq!(told(&found), "=> nothing");
}

#[test]
fn secondaries_of_a_group_are_no_replicas_of_its_primary() {
    let text = "a [group=g/primary]\n+ b [group=g/secondary]\n+ r";
    let stage = Stage::of(text);
    let facts = super::fixtures::all_facts(&stage, &AnalysisPolicy::default());
    let a = facts.iter().find(|facts| facts.key.host().as_str() == "a");
    let a = a.expect("facts of a");
    let hosts: Vec<&str> = a
        .replicas
        .all
        .iter()
        .map(|key| key.host().as_str())
        .collect();
    assert_eq!(hosts, ["r"]);
    assert!(a.is_primary && a.is_group_member);
}

#[test]
fn a_member_that_is_offline_in_its_group_is_judged_like_any_other_server() {
    let told = |group: &str| {
        let text = format!("a [unreachable group={group}]");
        told(&analysis(&text, &AnalysisPolicy::default()))
    };
    assert_eq!(told("g/primary"), "=> nothing");
    assert_eq!(told("g/primary/OFFLINE"), "=> a DeadMasterWithoutReplicas");
}

#[test]
fn a_probe_that_got_its_first_answer_is_a_success_in_part() {
    let is_in_part = |words: &str| {
        let stage = Stage::of(&format!("a [{words}]"));
        let facts = super::fixtures::all_facts(&stage, &AnalysisPolicy::default());
        facts[0].check.is_partial_success
    };
    assert!(is_in_part("seen=1s") && is_in_part("partial"));
    assert!(!is_in_part("unreachable") && !is_in_part("unreachable=refuses-us"));
}

#[test]
fn replicas_are_counted_by_what_they_are_set_to() {
    let stage = Stage::of(
        "a\n+ b [semi-sync-replica=on]\n+ c [semi-sync-replica=on downtime]\n+ d [delay=1h log-updates=off]",
    );
    let facts = super::fixtures::all_facts(&stage, &AnalysisPolicy::default());
    let replicas = &facts[0].replicas;
    assert_eq!(replicas.semi_sync_enabled, 2);
    assert_eq!((replicas.in_downtime, replicas.delayed), (1, 1));
    assert_eq!(replicas.logging, 2);
}

/// A picture in which the head was seen at `seconds` with its log at `offset`.
fn seen_at(text: &str, seconds: i64, offset: u64) -> Picture {
    let drawing = drawn(text);
    let at = Timestamp::from_seconds(seconds);
    let records = drawing.picture.records().map(|record| {
        let mut seen = (**record.observation.as_ref().expect("seen")).clone();
        seen.observed_at = at;
        seen.binlog.position.as_mut().expect("a position").offset = offset;
        InstanceRecord {
            observation: Some(Arc::new(seen)),
            ..(**record).clone()
        }
    });
    records.collect()
}

#[test]
fn a_waiting_primary_stalls_from_the_first_look_until_its_log_moves() {
    let text = "a [semi-sync-source=on:0/1]";
    let stalled = |stalls: &Stalls, picture: &Picture| {
        let record = picture.records().next().expect("a");
        let seen = record.observation.as_ref().expect("seen");
        stalls.stalled_for(seen).map(|length| length.as_secs())
    };
    let first = seen_at(text, 100, 4);
    assert_eq!(stalled(&Stalls::default(), &first), None, "not watched yet");
    let stalls = Stalls::default().after(&first);
    assert_eq!(stalled(&stalls, &first), Some(0));
    let second = seen_at(text, 112, 4);
    let stalls = stalls.after(&second);
    assert_eq!(stalled(&stalls, &second), Some(12));
    let moved = seen_at(text, 120, 5);
    assert_eq!(stalled(&stalls, &moved), None);
    let stalls = stalls.after(&moved);
    assert_eq!(stalled(&stalls, &moved), Some(0));
    let served = seen_at("a [semi-sync-source=on:1/1]", 130, 5);
    assert_eq!(stalls.after(&served), Stalls::default(), "it waits no more");
    // Whose log stood still for other reasons has not waited for so long when it begins to.
    for idle in ["idle:0/1", "disabled-but-on:0/1", "on:1/1"] {
        let text = format!("a [semi-sync-source={idle}]");
        let stalls = Stalls::default().after(&seen_at(&text, 100, 4));
        assert_eq!(stalls, Stalls::default(), "{idle}");
    }
}

#[test]
fn what_stalls_makes_a_hypothesis_a_fact() {
    let text = "a [semi-sync-source=on:0/1]\n+ b";
    let policy = AnalysisPolicy::default();
    let mut stage = Stage::of(text);
    stage.stalls = Stalls::default().after(&stage.drawing.picture);
    let hypothesis = analyze(&stage.scene(), &policy);
    assert_eq!(told(&hypothesis), "=> a LockedSemiSyncMasterHypothesis");
    let seen = stage.drawing.picture.records().next().expect("a").clone();
    let position = seen
        .observation
        .as_ref()
        .and_then(|seen| seen.binlog.position.clone());
    stage.stalls = Stalls::default().with(
        seen.key.clone(),
        position.expect("a position"),
        NOW.minus(Duration::from_secs(10)),
    );
    assert_eq!(
        told(&analyze(&stage.scene(), &policy)),
        "=> a LockedSemiSyncMaster"
    );
}

#[test]
fn ten_thousand_servers_are_analysed_without_recursion() {
    let mut text = String::from("a [unreachable]\n");
    for i in 0..10_000 {
        text.push_str(&format!("+ r{i} [io=connecting]\n"));
    }
    let found = analysis(&text, &AnalysisPolicy::default());
    assert_eq!(told(&found), "=> a DeadMaster");
    assert_eq!(found.findings[0].facts.replicas.cut_off.len(), 10_000);
}

#[test]
fn an_operators_word_makes_a_dead_primary_of_any_primary_and_of_nothing_else() {
    let text = "a\n+ b\n+ c";
    let stage = Stage::of(text);
    let asserted = |name: &str| {
        let key = InstanceKey::parse(name, 3306).unwrap();
        asserted_dead(&stage.scene(), &key, &AnalysisPolicy::default())
    };
    let finding = asserted("a").expect("it is a primary");
    assert_eq!(finding.code, FindingCode::DeadPrimary);
    assert_eq!(finding.sentence, "", "nothing was found");
    assert_eq!(finding.facts.replicas.all.len(), 2);
    assert!(asserted("b").is_none(), "it replicates");
    assert!(asserted("z").is_none(), "nobody knows it");
}
