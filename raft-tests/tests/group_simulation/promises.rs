//! What a node promises when something of its own fails, each told as one story.

use std::time::Duration;

use orchestrator_core::ports::GroupRole;
use raft_tests::group_simulation::{Mood, tell};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_leader_whose_store_takes_no_writes_hands_over_after_5_s_and_ends_after_30() {
    tell(3, async |story| {
        story.write().await?;
        let old = story.leader();
        story.set_store(old, Mood::Full);
        story.may_end(old);
        // Decided by the log of a majority, and answered; the store does not take it, and nobody waits for that.
        story.write().await?;
        story.pass(Duration::from_millis(200)).await?;
        let change = story.order(old);
        story.pass(SECOND * 4).await?;
        assert_eq!(story.leader(), old, "it has some time to recover");
        assert!(change.is_finished() && change.await.unwrap());
        let took = story
            .until("another leads", SECOND * 5, |story| {
                story.is_led_by_another_than(old)
            })
            .await?;
        assert!(took < SECOND * 4, "handed over after {took:?}");
        assert!(!story.may_be_elected(old));
        // What is not stored here is by the others.
        story.write().await?;
        story.pass(SECOND * 18).await?;
        assert_eq!(story.ended(old), None, "it is tried for 30 s");
        story
            .until("it gives up", SECOND * 8, |story| {
                story.ended(old).is_some()
            })
            .await?;
        let why = story.ended(old).unwrap();
        assert!(why.contains("its disk is full"), "{why}");
        // With some space it has everything again.
        story.restart(old).await?;
        story
            .until("it has what the others have", SECOND * 20, |story| {
                story.status(old).applied_index == story.status((old + 1) % 3).applied_index
            })
            .await?;
        Ok(())
    });
}

#[test]
fn a_store_that_takes_writes_again_in_time_costs_nothing() {
    tell(3, async |story| {
        story.write().await?;
        let old = story.leader();
        story.set_store(old, Mood::Full);
        story.write().await?;
        story.pass(Duration::from_millis(200)).await?;
        let change = story.order(old);
        story.pass(SECOND * 3).await?;
        assert!(change.is_finished(), "nobody waits for the store");
        assert!(change.await.unwrap(), "acknowledged");
        story.set_store(old, Mood::Well);
        story.pass(SECOND * 10).await?;
        assert_eq!(story.leader(), old);
        assert!(story.may_be_elected(old));
        Ok(())
    });
}

#[test]
fn a_node_that_was_ill_asks_to_be_elected_when_it_has_been_well_for_10_s() {
    tell(3, async |story| {
        story.write().await?;
        // What a node notes a moment after its start, and ends where it cannot, is noted.
        story.pass(SECOND * 2).await?;
        let (leader, ill) = (story.leader(), (story.leader() + 1) % 3);
        story.set_full_disk(ill, true);
        story.write().await?;
        story
            .until("its trouble is seen", SECOND, |story| {
                !story.may_be_elected(ill)
            })
            .await?;
        let told = story.status(ill).warnings.join("; ");
        assert!(told.contains("its disk is full"), "{told}");
        story.pass(SECOND * 3).await?;
        story.write().await?;
        story.set_full_disk(ill, false);
        story.pass(SECOND).await?;
        let told = story.status(ill).warnings.join("; ");
        assert!(told.contains("asks to be elected in"), "{told}");
        // It has all that is decided, and is not the one that is elected.
        story.crash(leader);
        let took = story
            .until("another leads", SECOND * 3, |story| {
                story.is_led_by_another_than(leader)
            })
            .await?;
        assert_ne!(story.leader(), ill, "after {took:?}");
        story.write().await?;
        story.pass(SECOND * 7).await?;
        assert!(!story.may_be_elected(ill));
        story
            .until("it is well for long enough", SECOND * 3, |story| {
                story.may_be_elected(ill)
            })
            .await?;
        assert_eq!(story.status(ill).warnings, Vec::<String>::new());
        // That it waited for its disk made nobody slower: another is elected as quickly as before.
        story.restart(leader).await?;
        story.pass(SECOND * 8).await?;
        let leader = story.leader();
        story.crash(leader);
        let took = story
            .until("another leads", SECOND * 3, |story| {
                story.is_led_by_another_than(leader)
            })
            .await?;
        assert!(took < SECOND * 2, "{took:?}");
        Ok(())
    });
}

#[test]
fn a_leader_whose_log_has_no_space_or_hangs_is_replaced_within_two_seconds() {
    for hangs in [true, false] {
        tell(3, async |story| {
            story.write().await?;
            let old = story.leader();
            match hangs {
                true => story.set_sync(old, SECOND * 60),
                false => story.set_full_disk(old, true),
            }
            // Where it cannot even note for whom it votes, it ends.
            story.may_end(old);
            let change = story.order(old);
            let took = story
                .until("another leads", SECOND * 3, |story| {
                    story.is_led_by_another_than(old)
                })
                .await?;
            assert!(took < SECOND * 2, "handed over after {took:?}");
            let answered = story.until("whoever asked it hears of it", SECOND, |_| {
                change.is_finished()
            });
            answered.await?;
            assert!(!story.may_be_elected(old));
            story.write().await
        });
    }
}

#[test]
fn a_leader_whose_clock_is_more_than_5_s_off_hands_over_and_gets_it_not_back() {
    tell(3, async |story| {
        let old = story.leader();
        story.set_clock(old, Duration::from_millis(4_500));
        story.pass(SECOND * 15).await?;
        assert_eq!(story.leader(), old, "4.5 s are borne");
        story.set_clock(old, Duration::from_millis(6_000));
        story
            .until("another leads", SECOND * 12, |story| {
                story.is_led_by_another_than(old)
            })
            .await?;
        let warnings = story.status(old).warnings.join("; ");
        assert!(
            warnings.contains("its clock is 6 s ahead of the median")
                || warnings.contains("its clock is 5 s ahead of the median"),
            "{warnings}"
        );
        story.pass(SECOND * 20).await?;
        assert_ne!(story.leader(), old);
        story.write().await
    });
}

#[test]
fn a_node_whose_log_cannot_be_synced_has_to_end_and_another_leads() {
    tell(3, async |story| {
        story.write().await?;
        let old = story.leader();
        story.may_end(old);
        story.fail_disk(old);
        let change = story.order(old);
        story
            .until("it ends", SECOND * 5, |story| story.ended(old).is_some())
            .await?;
        let why = story.ended(old).unwrap();
        assert!(why.contains("a sync failed"), "{why}");
        story
            .until("another leads", SECOND * 5, |story| {
                story.is_led_by_another_than(old)
            })
            .await?;
        story.write().await?;
        assert!(!story.serves(old));
        story
            .until("its change has an end", SECOND * 15, |_| {
                change.is_finished()
            })
            .await?;
        Ok(())
    });
}

#[test]
fn a_node_whose_core_panics_has_to_end_and_another_leads() {
    tell(3, async |story| {
        story.write().await?;
        let old = story.leader();
        story.may_end(old);
        story.panic_disk(old);
        let _change = story.order(old);
        story
            .until("it ends", SECOND * 5, |story| story.ended(old).is_some())
            .await?;
        let why = story.ended(old).unwrap();
        assert!(why.contains("the raft core"), "{why}");
        story
            .until("another leads", SECOND * 5, |story| {
                story.is_led_by_another_than(old)
            })
            .await?;
        story.write().await
    });
}

#[test]
fn a_node_that_crashes_before_its_own_log_has_what_others_committed_starts_again() {
    tell(3, async |story| {
        story.write().await?;
        let old = story.leader();
        // The others are a majority without it.
        story.set_sync(old, SECOND * 2);
        let change = story.order(old);
        let behind = story.status(old).applied_index;
        story
            .until("another has it applied", SECOND, |story| {
                story.status((old + 1) % 3).applied_index > behind
            })
            .await?;
        assert_eq!(
            story.status(old).applied_index,
            behind,
            "its store is not ahead of its log"
        );
        story.restart(old).await?;
        story.set_sync(old, Duration::from_micros(300));
        story
            .until("it has it again", SECOND * 10, |story| {
                story.status(old).applied_index > behind
            })
            .await?;
        drop(change);
        Ok(())
    });
}

#[test]
fn a_change_of_voters_that_its_leader_did_not_end_is_ended_so_that_one_node_may_be_lost_again() {
    tell(3, async |story| {
        story.write().await?;
        let old = story.leader();
        let (other, wiped) = ((old + 1) % 3, (old + 2) % 3);
        let name = story.status(wiped).me.name.clone();
        story.wipe(wiped).await?;
        story
            .until("the wiped node is let in", SECOND * 15, |story| {
                let status = story.status(old);
                let mut members = status.members.iter();
                members.any(|member| member.name == name && !member.is_voter)
            })
            .await?;
        // Its directory takes the place of the former one in two entries, which slow disks keep apart.
        for node in [old, other] {
            story.set_sync(node, Duration::from_millis(100));
        }
        story
            .until("two sets of voters decide", SECOND * 3, |story| {
                story.voter_sets(other) == 2
            })
            .await?;
        story.restart(old).await?;
        for node in [old, other] {
            story.set_sync(node, Duration::from_micros(300));
        }
        // Of the former set one is gone, so both others are needed.
        story
            .until("somebody leads", SECOND * 5, |story| story.is_led())
            .await?;
        story.pass(SECOND * 3).await?;
        for node in 0..3 {
            assert_eq!(story.voter_sets(node), 1, "as {node} sees it");
            assert!(!story.is_changing_voters(node), "as {node} sees it");
        }
        let lost = story.leader();
        story.crash(lost);
        story
            .until("the others decide without it", SECOND * 3, |story| {
                story.is_led_by_another_than(lost)
            })
            .await?;
        story.write().await
    });
}

#[test]
fn a_wiped_node_begins_nothing_with_a_member_that_is_being_started() {
    tell(3, async |story| {
        story.write().await?;
        story.pass(SECOND * 2).await?;
        let (gone, wiped, other) = (0, 1, 2);
        let id = story.status(wiped).me.id;
        story.crash(gone);
        story.crash(other);
        story.wipe(wiped).await?;
        story.pass(SECOND).await?;
        assert_eq!(story.status(wiped).role, GroupRole::Waiting);
        // It looks around before it is a member again, and is asked meanwhile; the third refuses connections.
        story.slow(other, Duration::from_millis(50));
        story.start(other).await?;
        story.pass(SECOND * 3).await?;
        story.slow(other, Duration::ZERO);
        let status = story.status(wiped);
        assert_ne!(status.me.id, id);
        assert!(
            matches!(status.role, GroupRole::Waiting | GroupRole::Learner),
            "{:?}: one of three that remembers decides nothing with one that does not",
            status.role
        );
        assert_ne!(story.status(other).role, GroupRole::Leader);
        story.start(gone).await?;
        story
            .until("it votes with a new id", SECOND * 30, |story| {
                let status = story.status(wiped);
                status.role == GroupRole::Follower && status.me.id != id
            })
            .await?;
        story.write().await
    });
}

#[test]
fn an_entry_that_a_lost_disk_acknowledged_is_committed_with_the_next_one_and_stays() {
    tell(5, async |story| {
        story.write().await?;
        // What nodes note of their first entries, and end where they cannot, is noted.
        story.pass(SECOND * 2).await?;
        let leader = story.leader();
        let others: Vec<usize> = (1..5).map(|step| (leader + step) % 5).collect();
        let [lost, next, ..] = others[..] else {
            unreachable!("there are four others");
        };
        for without_space in &others[1..] {
            story.set_full_disk(*without_space, true);
            story.may_end(*without_space);
        }
        let change = story.order(leader);
        story.pass(SECOND / 5).await?;
        assert!(!change.is_finished(), "two of five have it");
        story.wipe(lost).await?;
        // Long after the answer of the disk that is gone.
        story.pass(SECOND * 3).await?;
        assert!(!change.is_finished(), "one of five has it");
        story.set_full_disk(next, false);
        story
            .until("it is acknowledged", SECOND * 2, |_| change.is_finished())
            .await?;
        assert!(change.await.unwrap());
        // Whoever leads without the one that had it first has it.
        let index = story.status(leader).applied_index;
        story.crash(leader);
        for without_space in &others[2..] {
            story.set_full_disk(*without_space, false);
        }
        story
            .until("another leads", SECOND * 15, |story| {
                story.is_led_by_another_than(leader)
            })
            .await?;
        assert!(story.status(story.leader()).applied_index >= index);
        Ok(())
    });
}

#[test]
fn a_founder_that_is_lost_a_moment_after_the_group_began_comes_back_with_another_id() {
    tell(3, async |story| {
        // Nobody else has heard much of it: it led, and has voted for itself.
        let lost = story.leader();
        let before = story.status(lost).me.id;
        story.crash(lost);
        story
            .until(
                "another leads, and the group has its name",
                SECOND * 5,
                |story| {
                    let mut others = (1..3).map(|step| (lost + step) % 3);
                    story.is_led_by_another_than(lost)
                        && others.all(|node| story.status(node).group.is_some())
                },
            )
            .await?;
        story.wipe(lost).await?;
        story
            .until("it votes again", SECOND * 30, |story| {
                let status = story.status(lost);
                status.me.is_voter && status.role == GroupRole::Follower
            })
            .await?;
        assert_ne!(story.status(lost).me.id, before);
        story.write().await
    });
}
