//! How a replica connects stays as it was, and an old primary gets it from a replica.

use std::fs;
use std::path::Path;

use anyhow::{Result, bail, ensure};
use orchestrator_core::ports::{Change, ChangeError};
use raft_tests::lab::{Flavour, Fleet, Plan, Server, wait_until};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::world::{
    DEADLINE, SOON, config, everywhere, key, open, rows, servers, servers_with, source_host,
    status, table, twice, write,
};

/// An authority with a certificate for all servers of a fleet, whatever their addresses.
fn certificates(dir: &Path) {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let name = &mut params.distinguished_name;
    name.push(DnType::CommonName, "authority");
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    fs::write(dir.join("ca.pem"), ca.pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["fleet".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "fleet");
    let cert = params.signed_by(&key, &ca).unwrap();
    fs::write(dir.join("server.pem"), cert.pem()).unwrap();
    fs::write(dir.join("server.key"), key.serialize_pem()).unwrap();
}

/// Servers with TLS whose replicas have to use it.
async fn with_tls(flavour: Flavour, dir: &Path) -> Result<Fleet> {
    certificates(dir);
    let at = |name: &str| dir.join(name).display().to_string();
    let fleet = Plan::of(flavour, "a\n+ b\n+ c")
        .with("ssl_ca", at("ca.pem"))
        .with("ssl_cert", at("server.pem"))
        .with("ssl_key", at("server.key"))
        .build()
        .await?;
    table(&fleet).await?;
    fleet["a"]
        .run(match flavour {
            Flavour::MySql56 => "GRANT USAGE ON *.* TO repl@'%' REQUIRE SSL",
            _ => "ALTER USER repl@'%' REQUIRE SSL",
        })
        .await?;
    everywhere(&fleet).await?;
    for server in &fleet.servers()[1..] {
        let statements = match flavour {
            Flavour::MySql => [
                "STOP REPLICA".to_owned(),
                format!(
                    "CHANGE REPLICATION SOURCE TO SOURCE_SSL = 1, SOURCE_SSL_CA = '{}', GET_SOURCE_PUBLIC_KEY = 0",
                    at("ca.pem")
                ),
                "START REPLICA".to_owned(),
            ],
            _ => [
                "STOP SLAVE".to_owned(),
                format!(
                    "CHANGE MASTER TO MASTER_SSL = 1, MASTER_SSL_CA = '{}'",
                    at("ca.pem")
                ),
                "START SLAVE".to_owned(),
            ],
        };
        for statement in statements {
            server.run(&statement).await?;
        }
    }
    fleet.replicating().await?;
    Ok(fleet)
}

/// That a server replicates from another, over TLS, by that authority.
async fn follows_over_tls(server: &Server, source: &Server, ca: &Path) -> Result<()> {
    ensure!(source_host(server).await? == source.host().to_string());
    ensure!(status(server, "Source_SSL_Allowed", "Master_SSL_Allowed").await? == "Yes");
    let file = status(server, "Source_SSL_CA_File", "Master_SSL_CA_File").await?;
    ensure!(file == ca.display().to_string(), "{file}");
    wait_until("it to replicate", SOON, async || {
        server.is_replicating().await
    })
    .await
}

async fn tls_stays(flavour: Flavour) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let ca = dir.path().join("ca.pem");
    let fleet = with_tls(flavour, dir.path()).await?;
    let (a, b, c) = (&fleet["a"], &fleet["b"], &fleet["c"]);
    let servers = servers();
    let mut session = open(&servers, b).await?;
    let below_c = Change::Repoint {
        source: key(c),
        profile_of: None,
    };
    twice(&mut session, below_c).await?;
    twice(&mut session, Change::StartReplication).await?;
    follows_over_tls(b, c, &ca).await?;
    write(a).await?;
    everywhere(&fleet).await?;
    the_old_primary_follows(&fleet, &ca).await
}

/// `c` is promoted, and `a`, which never had a profile and has a transaction of its own last, comes below it.
async fn the_old_primary_follows(fleet: &Fleet, ca: &Path) -> Result<()> {
    let (a, b, c) = (&fleet["a"], &fleet["b"], &fleet["c"]);
    let servers = servers();
    let mut promoted = open(&servers, c).await?;
    for change in [
        Change::StopReceiver,
        Change::ForgetSource,
        Change::MakeWritable,
    ] {
        promoted.make(&change, DEADLINE).await?;
    }
    write(c).await?;
    let mut old = open(&servers, a).await?;
    let nobody = Change::Repoint {
        source: key(c),
        profile_of: None,
    };
    let refused = old.make(&nobody, DEADLINE).await;
    ensure!(
        matches!(refused, Err(ChangeError::Unsupported { .. })),
        "{refused:?}"
    );
    let like_b = Change::Repoint {
        source: key(c),
        profile_of: Some(key(b)),
    };
    let mut servers = servers;
    if a.flavour() == Flavour::MariaDb {
        // Its password is in a file that no statement reads.
        match old.make(&like_b, DEADLINE).await {
            Err(ChangeError::Unsupported { server, reason }) => {
                ensure!(server == key(b) && reason.contains("ReplicationCredentialsQuery"));
            }
            other => bail!("{other:?}"),
        }
        ensure!(a.replica_status().await?.is_none(), "nothing was changed");
        let mut config = config();
        config.replication_credentials_query = "SELECT 'repl', 'repl_pw'".to_owned();
        servers = servers_with(config);
        old = open(&servers, a).await?;
    }
    twice(&mut old, like_b).await?;
    twice(&mut old, Change::StartReplication).await?;
    follows_over_tls(a, c, ca).await?;
    let at = c.position().await?;
    for server in [a, b] {
        server.applied(&at, SOON).await?;
        ensure!(rows(server).await? == 2);
    }
    drop(servers);
    Ok(())
}

#[tokio::test]
async fn tls_stays_with_a_replica_and_an_old_primary_gets_it_on_mariadb() -> Result<()> {
    tls_stays(Flavour::MariaDb).await
}

#[tokio::test]
async fn tls_stays_with_a_replica_and_an_old_primary_gets_it_on_mysql_9() -> Result<()> {
    tls_stays(Flavour::MySql).await
}

/// Without TLS the public key has to be asked for: an old primary that is not told so cannot log in.
#[tokio::test]
async fn an_old_primary_asks_for_the_public_key_on_mysql_9() -> Result<()> {
    let fleet = Plan::mysql("a\n+ b\n+ c").build().await?;
    table(&fleet).await?;
    let (a, b, c) = (&fleet["a"], &fleet["b"], &fleet["c"]);
    for statement in [
        "STOP REPLICA",
        "CHANGE REPLICATION SOURCE TO SOURCE_SSL = 0",
        "START REPLICA",
    ] {
        b.run(statement).await?;
    }
    let servers = servers();
    let mut promoted = open(&servers, c).await?;
    for change in [
        Change::StopReceiver,
        Change::ForgetSource,
        Change::MakeWritable,
    ] {
        promoted.make(&change, DEADLINE).await?;
    }
    let mut old = open(&servers, a).await?;
    let like_b = Change::Repoint {
        source: key(c),
        profile_of: Some(key(b)),
    };
    twice(&mut old, like_b).await?;
    twice(&mut old, Change::StartReplication).await?;
    ensure!(status(a, "Get_Source_public_key", "Get_Source_public_key").await? == "1");
    wait_until("a to replicate", SOON, async || a.is_replicating().await).await
}

/// With its credentials in a file, as MySQL 5.6 has them unless told otherwise, an old primary needs the configured query.
#[tokio::test]
async fn credentials_in_a_file_are_not_made_up_on_mysql_56() -> Result<()> {
    let fleet = Plan::mysql56("a\n+ b\n+ c")
        .with("master_info_repository", "FILE")
        .build()
        .await?;
    let (a, b, c) = (&fleet["a"], &fleet["b"], &fleet["c"]);
    let servers = servers();
    let mut promoted = open(&servers, c).await?;
    for change in [Change::StopReceiver, Change::ForgetSource] {
        promoted.make(&change, DEADLINE).await?;
    }
    let like_b = Change::Repoint {
        source: key(c),
        profile_of: Some(key(b)),
    };
    let mut old = open(&servers, a).await?;
    let refused = old.make(&like_b, DEADLINE).await;
    ensure!(
        matches!(refused, Err(ChangeError::Unsupported { .. })),
        "{refused:?}"
    );
    let mut config = config();
    config.replication_credentials_query = "SELECT 'repl', 'repl_pw', '', '', ''".to_owned();
    let servers = servers_with(config);
    let mut old = open(&servers, a).await?;
    twice(&mut old, like_b).await?;
    twice(&mut old, Change::StartReplication).await?;
    wait_until("a to replicate", SOON, async || a.is_replicating().await).await
}
