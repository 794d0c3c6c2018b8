//! Certificates and secrets of the members, replaced while clients write all the time.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use raft_tests::lab::{Authority, Group, Life, MemberFiles, NodePlan, wait_until};
use serde_json::{Value, json};

use super::SOON;
use super::writers::Writers;

/// The longest time in which nobody is answered.
const STALL_MAX: Duration = Duration::from_secs(2);

/// Files are looked at every ten seconds.
const FOLLOWED_WITHIN: Duration = Duration::from_secs(25);

const OLD: &str = "the old secret of this group, long enough";
const NEW: &str = "the new secret of this group, long enough";

/// A group whose members have certificates, and their files.
struct Certified {
    group: Group,
    files: Vec<MemberFiles>,
    _folders: Vec<tempfile::TempDir>,
}

impl Certified {
    async fn by(authority: &Authority, life: impl Fn(usize) -> Life) -> Result<Self> {
        let folders: Vec<_> = (0..3)
            .map(|_| tempfile::tempdir())
            .collect::<Result<_, _>>()?;
        let files: Vec<_> = folders
            .iter()
            .map(|folder| MemberFiles::in_folder(folder.path()))
            .collect();
        let with_files = |number: usize, plan: NodePlan| {
            let of = &files[number];
            plan.with("RaftSSLCertFile", of.certificate.display().to_string())
                .with(
                    "RaftSSLPrivateKeyFile",
                    of.private_key.display().to_string(),
                )
                .with("RaftSSLCAFile", of.authority.display().to_string())
        };
        let group = Group::prepared(with_files)?;
        for (number, of) in files.iter().enumerate() {
            of.trust(&[authority])?;
            authority.issue(of, group[number].host().into(), life(number))?;
        }
        for node in group.nodes() {
            node.launch()?;
        }
        group.settled().await?;
        Ok(Self {
            group,
            files,
            _folders: folders,
        })
    }

    fn address(&self, number: usize) -> std::net::IpAddr {
        self.group[number].host().into()
    }
}

async fn reload(group: &Group, number: usize) -> Result<()> {
    let answer = group[number].get("/api/reload-configuration").await?;
    ensure!(answer.is_ok(), "{}", answer.text);
    Ok(())
}

/// A follower leaves and comes back: every connection of it is made anew, by what is in force now.
async fn a_follower_comes_back(group: &Group) -> Result<()> {
    let follower = (group.leader().await? + 1) % 3;
    ensure!(group[follower].terminate().await?.success());
    group[follower].start_again().await?;
    group.settled().await?;
    Ok(())
}

async fn ends_well(group: &Group, writers: Writers) -> Result<()> {
    let ledger = writers.end().await?;
    println!(
        "{} acknowledged, longest time without an answer {:?}",
        ledger.hosts.len(),
        ledger.longest_gap
    );
    group.agree(&[0, 1, 2]).await?;
    for node in 0..3 {
        let stored = group.downtimed_hosts(node)?;
        let lost: Vec<_> = ledger.hosts.difference(&stored).take(9).collect();
        ensure!(lost.is_empty(), "node {node} lost {lost:?}");
    }
    ensure!(ledger.longest_gap <= STALL_MAX, "{:?}", ledger.longest_gap);
    Ok(())
}

async fn status(group: &Group, number: usize) -> Result<Value> {
    Ok(group[number].get("/api/raft-status").await?.json)
}

fn days(status: &Value) -> Result<Vec<f64>> {
    let members = status["Members"].as_array().context("no members")?;
    let days = members
        .iter()
        .map(|member| member["CertificateExpiresInDays"].as_f64());
    days.collect::<Option<_>>()
        .with_context(|| status.to_string())
}

/// The authority changes: first both count, then each member gets a certificate of the new one, then the old one goes. Nobody is told but
/// by the files.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_authority_and_all_certificates_are_replaced_under_writers() -> Result<()> {
    let (old, new) = (Authority::new("old")?, Authority::new("new")?);
    let ground = Certified::by(&old, |_| Life::YEAR).await?;
    let (group, files) = (&ground.group, &ground.files);
    let writers = Writers::start(group)?;
    writers.go_on().await?;
    let read_anew = async |times: usize| {
        wait_until("files to be read anew", FOLLOWED_WITHIN, async || {
            for node in group.nodes() {
                let log = node.log()?;
                let seen = log
                    .matches("certificates of the peer port were read anew")
                    .count();
                ensure!(seen >= times, "{seen} of {times}");
            }
            Ok(())
        })
        .await
    };
    for of in files {
        of.trust(&[&old, &new])?;
    }
    read_anew(1).await?;
    writers.go_on().await?;
    for (number, of) in files.iter().enumerate() {
        new.issue(of, ground.address(number), Life::YEAR)?;
    }
    read_anew(2).await?;
    a_follower_comes_back(group).await?;
    writers.go_on().await?;
    for of in files {
        of.trust(&[&new])?;
    }
    read_anew(3).await?;
    a_follower_comes_back(group).await?;
    let leader = group.leader().await?;
    ensure!(group[leader].terminate().await?.success());
    group[leader].start_again().await?;
    group.settled().await?;
    writers.go_on().await?;
    ends_well(group, writers).await
}

/// What cannot be used changes nothing and is said, by the call and in the log; the expiry of everybody's certificate can be seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_certificate_changes_nothing_and_expiry_is_seen_of_all_members() -> Result<()> {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    let authority = Authority::new("authority")?;
    // Of a year ten days are left: that is soon. Of thirty days eleven are: a machine renews it soon.
    let ground = Certified::by(&authority, |number| match number {
        0 => Life {
            began: 355 * DAY,
            left: 10 * DAY + DAY / 2,
        },
        1 => Life {
            began: 19 * DAY,
            left: 11 * DAY,
        },
        _ => Life::YEAR,
    })
    .await?;
    let (group, files) = (&ground.group, &ground.files);
    wait_until("days of everybody", SOON, async || {
        for number in 0..3 {
            let status = status(group, number).await?;
            let mut days = days(&status)?;
            days.sort_by(f64::total_cmp);
            ensure!((10.0..=10.5).contains(&days[0]), "{days:?}");
            ensure!((10.5..=11.0).contains(&days[1]), "{days:?}");
            ensure!((364.0..=365.0).contains(&days[2]), "{days:?}");
            let warnings = status["Warnings"].to_string();
            let expected = match number {
                0 => format!(
                    "the certificate in RaftSSLCertFile ({}) expires in 10 days",
                    files[0].certificate.display()
                ),
                _ => format!(
                    "the certificate that {} showed last expires in 10 days",
                    group[0].host()
                ),
            };
            ensure!(warnings.contains(&expected), "{warnings}");
            ensure!(!warnings.contains("expires in 11 days"), "{warnings}");
        }
        Ok(())
    })
    .await?;
    let health = group[0].get("/api/health").await?;
    ensure!(
        health.is_ok()
            && health.json["Details"]["Warnings"]
                .to_string()
                .contains("expires in 10 days"),
        "{}",
        health.text
    );

    let good = std::fs::read(&files[0].certificate)?;
    std::fs::write(&files[0].certificate, "no certificate")?;
    let answer = group[0].get("/api/reload-configuration").await?;
    ensure!(
        !answer.is_ok()
            && answer.text.contains("RaftSSLCertFile")
            && answer.text.contains("member.pem"),
        "{}",
        answer.text
    );
    wait_until("the log to say so", FOLLOWED_WITHIN, async || {
        let log = group[0].log()?;
        let sentence = "certificates of the peer port have changed and cannot be used; the ones read before stay in force";
        ensure!(log.contains(sentence), "{log}");
        Ok(())
    })
    .await?;
    group.downtime(0, "db1").await?;
    std::fs::write(&files[0].certificate, good)?;
    authority.issue(&files[0], ground.address(0), Life::YEAR)?;
    reload(group, 0).await?;
    wait_until("no warning of its own", SOON, async || {
        let warnings = status(group, 0).await?["Warnings"].to_string();
        ensure!(!warnings.contains("RaftSSLCertFile"), "{warnings}");
        Ok(())
    })
    .await?;
    group.settled().await?;
    group.agree(&[0, 1, 2]).await
}

/// Two steps on every node: the new one before the old one, then the new one alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shared_secret_is_changed_under_writers() -> Result<()> {
    let group = Group::start(|_, plan| plan.with("RaftSharedSecret", OLD)).await?;
    group.settled().await?;
    let writers = Writers::start(&group)?;
    writers.go_on().await?;
    for number in 0..3 {
        group[number].configure("RaftSharedSecret", json!([NEW, OLD]))?;
        group[number].signal("HUP")?;
        // In between some have both, and some the old one only.
        a_follower_comes_back(&group).await?;
        writers.go_on().await?;
    }
    let warnings = status(&group, 0).await?["Warnings"].to_string();
    ensure!(
        warnings.contains("RaftSharedSecret is being changed"),
        "{warnings}"
    );
    for number in 0..3 {
        group[number].configure("RaftSharedSecret", NEW)?;
        reload(&group, number).await?;
        a_follower_comes_back(&group).await?;
        writers.go_on().await?;
    }
    let warnings = status(&group, 0).await?["Warnings"].to_string();
    ensure!(!warnings.contains("RaftSharedSecret"), "{warnings}");
    ends_well(&group, writers).await?;
    // Who has the old one only is shut out.
    let late = (group.leader().await? + 1) % 3;
    ensure!(group[late].terminate().await?.success());
    group[late].configure("RaftSharedSecret", OLD)?;
    group[late].launch()?;
    wait_until("it to be refused", SOON, async || {
        let log = group[late].log()?;
        ensure!(
            log.contains("RaftSharedSecret is not the same on both"),
            "{log}"
        );
        Ok(())
    })
    .await?;
    // Nor does a running node give its authentication up.
    let other = (late + 1) % 3;
    group[other].configure("RaftSharedSecret", "")?;
    let answer = group[other].get("/api/reload-configuration").await?;
    ensure!(
        !answer.is_ok() && answer.text.contains("does not give up its authentication"),
        "{}",
        answer.text
    );
    Ok(())
}
