//! Asks every node again and again whether it leads, and judges whether two ever did at once.

use super::group::Group;
use super::wait::Stopwatch;
use anyhow::{Context as _, Result, ensure};
use reqwest::Client;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Time between two questions to one node.
const EVERY: Duration = Duration::from_millis(10);

/// An answer that takes longer says nothing about now. `leader-check` promises one within 200 ms.
const WITHIN: Duration = Duration::from_millis(250);

/// Answers further apart than this do not show what was between them: shorter than the shortest election (150 ms), so
/// that leadership cannot have gone to another node and come back.
const UNBROKEN: Duration = Duration::from_millis(140);

/// One answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When the question was sent.
    pub asked: Duration,
    /// When the answer was there.
    pub answered: Duration,
    /// Whether it was 200.
    pub leads: bool,
}

/// Sampling tasks, one per node.
#[derive(Debug)]
pub struct LeaderWatch {
    clock: Stopwatch,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<Vec<Sample>>>,
}

impl LeaderWatch {
    /// Begins to ask all nodes of a group, every 10 ms each.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn start(group: &Group) -> Result<Self> {
        let (clock, stop) = (Stopwatch::start(), CancellationToken::new());
        let client = Client::builder()
            .no_proxy()
            .timeout(WITHIN)
            .build()
            .context("cannot make an HTTP client")?;
        let tasks = group.nodes().iter().map(|node| {
            let url = node.at("/api/leader-check");
            tokio::spawn(sample(client.clone(), url, clock, stop.clone()))
        });
        Ok(Self {
            clock,
            tasks: tasks.collect(),
            stop: stop.clone(),
        })
    }

    /// The time that samples count in.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.clock.elapsed()
    }

    /// Ends, and returns what each node answered, in order.
    ///
    /// # Errors
    /// When a sampling task panicked.
    pub async fn end(self) -> Result<Vec<Vec<Sample>>> {
        self.stop.cancel();
        let mut all = Vec::new();
        for task in self.tasks {
            all.push(task.await?);
        }
        Ok(all)
    }
}

async fn sample(
    client: Client,
    url: String,
    clock: Stopwatch,
    stop: CancellationToken,
) -> Vec<Sample> {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut samples = Vec::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return samples,
            _ = ticks.tick() => {}
        }
        let asked = clock.elapsed();
        if let Ok(answer) = client.get(&url).send().await {
            samples.push(Sample {
                asked,
                answered: clock.elapsed(),
                leads: answer.status() == reqwest::StatusCode::OK,
            });
        }
    }
}

/// Fails when the answers prove that two nodes led at once.
///
/// A node that answered 200 led at some moment between question and answer. One that did so again and again, with nothing
/// else and no pause between, led from its first such answer to its last such question. Another node that led within that
/// time is one too many.
///
/// # Errors
/// Names both nodes and the times.
pub fn never_two(answers: &[Vec<Sample>]) -> Result<()> {
    for (node, samples) in answers.iter().enumerate() {
        for (from, to) in reigns(samples) {
            for (other, theirs) in answers.iter().enumerate().filter(|(n, _)| *n != node) {
                let within = theirs
                    .iter()
                    .find(|s| s.leads && s.asked >= from && s.answered <= to);
                ensure!(
                    within.is_none(),
                    "node {node} led from {from:?} to {to:?}, and node {other} answered 200 meanwhile: {within:?}"
                );
            }
        }
    }
    Ok(())
}

/// Times in which a node certainly led.
fn reigns(samples: &[Sample]) -> Vec<(Duration, Duration)> {
    let mut reigns: Vec<(Duration, Duration)> = Vec::new();
    let mut last: Option<Sample> = None;
    for sample in samples {
        if sample.leads {
            match (reigns.last_mut(), last) {
                (Some(reign), Some(last))
                    if last.leads && sample.answered.saturating_sub(last.asked) < UNBROKEN =>
                {
                    reign.1 = sample.asked;
                }
                _ => reigns.push((sample.answered, sample.asked)),
            }
        }
        last = Some(*sample);
    }
    reigns
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(asked: u64, leads: bool) -> Sample {
        Sample {
            asked: Duration::from_millis(asked),
            answered: Duration::from_millis(asked + 2),
            leads,
        }
    }

    #[test]
    fn one_after_the_other_is_fine_and_two_at_once_are_found() {
        let first: Vec<Sample> = (0..10).map(|n| at(n * 10, true)).collect();
        let next: Vec<Sample> = (10..20).map(|n| at(n * 10, true)).collect();
        never_two(&[first.clone(), next.clone()]).unwrap();
        let mut stale = first.clone();
        stale.push(at(155, true));
        assert!(never_two(&[next.clone(), stale]).is_err());
        let stale = vec![at(0, true), at(100, false), at(155, true)];
        assert!(never_two(&[next, stale]).is_err());
    }

    #[test]
    fn a_slow_answer_proves_nothing_about_its_end() {
        let reign: Vec<Sample> = (10..20).map(|n| at(n * 10, true)).collect();
        let slow = Sample {
            asked: Duration::from_millis(50),
            answered: Duration::from_millis(150),
            leads: true,
        };
        never_two(&[reign, vec![slow]]).unwrap();
    }

    #[test]
    fn a_pause_or_another_answer_ends_a_reign() {
        let ms = Duration::from_millis;
        let samples = [at(0, true), at(10, true), at(200, true), at(210, false)];
        assert_eq!(reigns(&samples), [(ms(2), ms(10)), (ms(202), ms(200))]);
    }
}
