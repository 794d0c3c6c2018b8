//! What a node promises when something of its own fails, each told as one story.

use std::time::Duration;

use raft_tests::group_simulation::{Mood, tell};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_leader_whose_store_takes_no_writes_hands_over_after_5_s_and_ends_after_30() {
    tell(3, async |story| {
        story.write().await?;
        let old = story.leader();
        story.set_store(old, Mood::Full);
        story.may_end(old);
        // Decided by the log of a majority, and answered; the store does not take it, so no other is answered.
        story.write().await?;
        story.pass(Duration::from_millis(200)).await?;
        let change = story.order(old);
        story.pass(SECOND * 4).await?;
        assert_eq!(story.leader(), old, "it has some time to recover");
        assert!(!change.is_finished());
        let took = story
            .until("another leads", SECOND * 5, |story| {
                story.is_led_by_another_than(old)
            })
            .await?;
        assert!(took < SECOND * 4, "handed over after {took:?}");
        // The change is decided: what is not stored here is by the others.
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
        assert!(change.is_finished());
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
        assert!(!change.is_finished());
        story.set_store(old, Mood::Well);
        story
            .until("the change is answered", SECOND, |_| change.is_finished())
            .await?;
        assert!(change.await.unwrap(), "acknowledged");
        story.pass(SECOND * 10).await?;
        assert_eq!(story.leader(), old);
        Ok(())
    });
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
