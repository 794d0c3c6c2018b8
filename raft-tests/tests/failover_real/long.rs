//! What runs in the long lane only.

use anyhow::Result;
use raft_tests::lab::Flavour;

use crate::leader_stopped::How;
use crate::{encrypted, hung, refused, sites, together, vetoes};

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_has_blocked_our_host_is_left_alone_on_mariadb() -> Result<()> {
    refused::blocked(Flavour::MariaDb).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_is_left_alone_by_a_leader_whose_own_link_is_down() -> Result<()> {
    vetoes::own_link_down().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_with_an_expired_certificate_is_left_alone_on_mariadb() -> Result<()> {
    refused::expired(Flavour::MariaDb).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_with_an_expired_certificate_is_left_alone_on_mysql_9() -> Result<()> {
    refused::expired(Flavour::MySql).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orderly_restart_is_left_alone_over_tls_on_mariadb() -> Result<()> {
    encrypted::told_apart(Flavour::MariaDb).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orderly_restart_is_left_alone_over_tls_on_mysql_9() -> Result<()> {
    encrypted::told_apart(Flavour::MySql).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_is_left_alone_while_a_third_of_the_fleet_hangs() -> Result<()> {
    hung::primaries_left_alone().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_is_replaced_across_three_sites_on_mariadb() -> Result<()> {
    sites::killed(Flavour::MariaDb).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_is_replaced_across_three_sites_on_mysql_9() -> Result<()> {
    sites::killed(Flavour::MySql).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_and_a_primary_that_are_killed_together_are_both_replaced_on_mysql_9() -> Result<()>
{
    together::each_time(Flavour::MySql, How::Killed).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_and_a_primary_that_freeze_together_are_both_replaced_on_mysql_9() -> Result<()> {
    together::each_time(Flavour::MySql, How::Frozen).await
}
