//! A leader whose own link to servers is down, and a data centre that takes most servers with it: the first is no reason to replace
//! anybody, the second is.

use anyhow::{Result, ensure};
use raft_tests::lab::{Cut, Flavour, Part, wait_until};

use crate::record::recovery_of;
use crate::sites::{Sites, each_time, others};
use crate::world::SOON;

/// The leader reaches its peers, and no server; whoever does reach them takes over, and nothing else is done.
async fn link_of_the_leader_is_down() -> Result<()> {
    let sites = Sites::build(Flavour::MariaDb).await?;
    sites.lead(1).await?;
    for server in sites.world.fleet.servers() {
        let server = Part::Server(server.host());
        sites
            .centres
            .cut_both_ways(Part::Node(1), server, Cut::Silent)?;
    }
    wait_until("a leader that reaches servers", SOON, async || {
        let leader = sites.group.leader().await?;
        ensure!(leader != 1, "the node without a link leads");
        Ok(())
    })
    .await?;
    sites
        .nothing_is_done("the link of the node that led is down")
        .await?;
    let leader = sites.group.leader().await?;
    ensure!(leader != 1, "the node without a link leads again");
    sites.changed_nothing(&[0, 1, 2])?;
    let log = sites.group[1].log()?;
    ensure!(
        log.contains("own link"),
        "it does not say why it hands over"
    );
    sites.centres.heal()?;
    sites.works_again().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_whose_link_is_down_hands_over_and_nothing_is_done() -> Result<()> {
    each_time("the leader's own link is down", link_of_the_leader_is_down).await
}

/// Most servers are where the primary is, and are lost with it: not the leader's own link, because other nodes do not hear them either.
async fn most_servers_are_cut_off() -> Result<()> {
    let tree = "a [read_only=0]\n+ b\n+ c\n+ d\n+ e";
    let sites = Sites::of(Flavour::MariaDb, tree, &[0, 1, 2, 0, 0], |_, plan| plan).await?;
    sites.lead(1).await?;
    let a = sites.server("a");
    let began = sites.world.sampler.now();
    sites.centres.cut_off(0, Cut::Silent)?;
    let outside = sites.leader_among(&others(0)).await?;
    let record = recovery_of(&sites.group[outside], a).await?;
    ensure!(record["end"]["outcome"] == "succeeded", "{record:#}");
    let promoted = sites.world.promoted(&record)?;
    ensure!(
        ["b", "c"].contains(&promoted.name()),
        "{} was promoted",
        promoted.name()
    );
    let writable = sites.world.sampler.first_open(promoted.name(), began)? - began;
    println!("most servers cut off: writable after {writable:?}");
    sites.changed_nothing(&[0])?;
    sites.centres.heal()?;
    wait_until("the old primary to be closed", SOON, async || {
        let open = sites.world.sampler.open_now();
        ensure!(open == [promoted.name()], "open: {open:?}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_centre_with_most_servers_that_is_cut_off_is_not_our_own_link() -> Result<()> {
    each_time(
        "most servers are cut off with the primary",
        most_servers_are_cut_off,
    )
    .await
}
