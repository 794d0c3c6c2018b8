use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::config::settings::{
    AuthMethod, HostNameResolve, ServerName, StoreChoice, TlsPolicy, UnappliedRelayLog,
};
use crate::config::{Kind, Settings, SystemSource, table};

#[test]
fn no_file_at_all_is_a_useful_single_node() {
    let loaded = read_from(&FakeSource::default()).unwrap();
    assert!(loaded.warnings.is_empty() && loaded.files.is_empty());
    let Settings { startup, live } = loaded.settings;
    assert_eq!(
        format!("{:?}", startup.listen),
        "Tcp(ListenAddress { host: \"\", port: 3000 })"
    );
    assert_eq!(
        (
            startup.routes.prefix.as_str(),
            startup.routes.status_path.as_str()
        ),
        ("", "/api/status")
    );
    assert!(matches!(startup.store.choice, StoreChoice::Unsaid));
    assert_eq!(
        (startup.workers.probes_max, startup.workers.queue_max),
        (300, 100_000)
    );
    assert!(
        startup.tls.is_none()
            && startup.topology_tls.identity.is_none()
            && startup.raft.data_dir.is_none()
    );
    assert_eq!(live.auth.method, AuthMethod::Unsaid);
    assert_eq!(live.auth.power_users, ["*"]);
    assert_eq!(live.auth.user_header, "x-forwarded-user");
    assert_eq!(live.mysql.tls, TlsPolicy::WhenRefused);
    assert_eq!(live.mysql.connect_timeout, Duration::from_secs(2));
    assert_eq!(live.mysql.connection_life, None);
    assert_eq!(live.discovery.poll_interval, Duration::from_secs(5));
    assert_eq!(live.discovery.default_port, 3306);
    assert_eq!(live.discovery.forget_after, Duration::from_secs(240 * 3600));
    assert!(!live.discovery.checks_for_max_scale);
    assert_eq!(
        (live.naming.resolve, live.naming.server_name),
        (HostNameResolve::Default, ServerName::HostName)
    );
    assert_eq!(live.recovery.block_period, Duration::from_secs(3600));
    assert_eq!(
        live.recovery.locked_semi_sync_after,
        Duration::from_secs(10)
    );
    assert_eq!(live.recovery.unapplied, UnappliedRelayLog::Bounded);
    assert!(
        live.recovery.detaches_lost_replicas,
        "the old name is true by default"
    );
    assert_eq!(live.hooks.shell, "bash");
    assert_eq!(live.kv.prefix, "mysql/master/");
}

#[test]
fn the_default_settings_are_those_of_no_file_and_have_no_problem() {
    let loaded = read_from(&FakeSource::default()).unwrap();
    assert_eq!(
        format!("{:?}", Settings::default()),
        format!("{:?}", loaded.settings)
    );
}

#[test]
fn later_files_replace_values_and_lists_and_extend_the_map_of_aliases() {
    let source = FakeSource::default()
        .file(
            "/etc/orchestrator.conf.json",
            r#"{"InstancePollSeconds": 7, "debug": true, "OSCIgnoreHostnameFilters": ["a", "b"],
                "ClusterNameToAlias": {"^one": "1", "^two": "2"}}"#,
        )
        .file(
            "orchestrator.conf.json",
            r#"{"instancepollseconds": 9, "OSCIgnoreHostnameFilters": ["c"], "ClusterNameToAlias": {"^two": "zwei", "^three": "3"}}"#,
        );
    let loaded = read_from(&source).unwrap();
    assert_eq!(
        loaded.files,
        [PathBuf::from(FILE), PathBuf::from("orchestrator.conf.json")]
    );
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    let live = loaded.settings.live;
    assert_eq!(live.discovery.poll_interval, Duration::from_secs(9));
    assert!(live.log.is_debug, "kept from the first file");
    assert_eq!(live.problems.osc_ignore.len(), 1);
    let aliases: Vec<_> = live
        .detection
        .cluster_aliases
        .iter()
        .map(|a| (a.pattern.as_str(), a.alias.as_str()))
        .collect();
    assert_eq!(aliases, [("^one", "1"), ("^two", "zwei"), ("^three", "3")]);
}

#[test]
fn the_named_file_is_the_only_one_read() {
    let source = FakeSource::default()
        .file(FILE, r#"{"ReadOnly": true}"#)
        .file("/my.json", r#"{"Debug": true}"#);
    let loaded = load(
        &source,
        &FileList::Only("/my.json".into()),
        Overrides::default(),
    )
    .unwrap();
    assert!(loaded.settings.live.log.is_debug);
    assert!(!loaded.settings.live.http.is_read_only);
}

#[test]
fn null_empties_lists_and_leaves_the_rest() {
    let source = FakeSource::default()
        .file(FILE, r#"{"InstancePollSeconds": 7, "PowerAuthUsers": ["amy"], "ClusterNameToAlias": {"a": "b"}, "ReadOnly": true}"#)
        .file(
            "orchestrator.conf.json",
            r#"{"InstancePollSeconds": null, "PowerAuthUsers": null, "ClusterNameToAlias": null, "ReadOnly": null}"#,
        );
    let live = read_from(&source).unwrap().settings.live;
    assert_eq!(live.discovery.poll_interval, Duration::from_secs(7));
    assert!(live.auth.power_users.is_empty() && live.detection.cluster_aliases.is_empty());
    assert!(live.http.is_read_only);
    let source = source.file("orchestrator.conf.json", r#"{"ClusterNameToAlias": {}}"#);
    assert_eq!(
        read_from(&source)
            .unwrap()
            .settings
            .live
            .detection
            .cluster_aliases
            .len(),
        1,
        "no entries add none"
    );
}

#[test]
fn what_is_odd_but_harmless_is_warned_about() {
    let cases: &[(&str, &[&str])] = &[
        (
            "{} and more",
            &[
                "/etc/orchestrator.conf.json has text after the configuration's closing brace, from line 1, which is ignored",
            ],
        ),
        (
            r#"{"debug": true, "Debug": false}"#,
            &["/etc/orchestrator.conf.json: Debug is written more than once; the last one counts"],
        ),
        (
            r#"{"InstancePolSeconds": 1, "Wunderbar": 2}"#,
            &[
                "/etc/orchestrator.conf.json: InstancePolSeconds is not a key and has no effect; did you mean InstancePollSeconds?",
                "/etc/orchestrator.conf.json: Wunderbar is not a key and has no effect",
            ],
        ),
        (
            r#"{"AuditPageSize": "x"}"#,
            &[
                "/etc/orchestrator.conf.json: AuditPageSize was retired and has no effect; remove it. Fixed at 20 entries.",
            ],
        ),
        (
            r#"{"EnableSyslog": true}"#,
            &["/etc/orchestrator.conf.json: EnableSyslog is not in effect in this release"],
        ),
        (
            r#"{"EnableSyslog": false, "GraphiteAddr": ""}"#,
            &[
                "EnableSyslog, GraphiteAddr (set to their defaults) are not in effect in this release",
            ],
        ),
        (
            r#"{"ServeAgentsHttp": true, "AgentsUseSSL": false}"#,
            &[
                "/etc/orchestrator.conf.json: ServeAgentsHttp has no effect: orchestrator-agent is not supported.",
            ],
        ),
        (
            r#"{"OAuthClientId": "x"}"#,
            &[
                "/etc/orchestrator.conf.json: OAuthClientId has no effect, and had none in the predecessor; remove it",
            ],
        ),
        (
            r#"{"SlaveLagQuery": "select 1"}"#,
            &[
                "/etc/orchestrator.conf.json: SlaveLagQuery is the old name of ReplicationLagQuery; rename it",
            ],
        ),
        (
            r#"{"DiscoverySeeds": ["db1", "a,b"]}"#,
            &[
                "/etc/orchestrator.conf.json: DiscoverySeeds[1] is 'a,b', which is no host or host:port; it is left out",
            ],
        ),
        (
            r#"{"DetachLostReplicasAfterMasterFailover": false}"#,
            &[
                "/etc/orchestrator.conf.json: DetachLostReplicasAfterMasterFailover is false, but DetachLostSlavesAfterMasterFailover is true \
                 (its default), so lost replicas are detached; set both to false to turn it off",
            ],
        ),
        (
            r#"{"RecoveryPeriodBlockMinutes": 5}"#,
            &[
                "/etc/orchestrator.conf.json: RecoveryPeriodBlockMinutes has no effect while RecoveryPeriodBlockSeconds (3600 by default) \
                 is not 0; set that one instead",
            ],
        ),
        (
            r#"{"HTTPAuthUser": "amy"}"#,
            &[
                "/etc/orchestrator.conf.json: HTTPAuthUser has no effect, because AuthenticationMethod is neither basic nor multi",
            ],
        ),
        (
            r#"{"BackendDB": "sqlite", "MySQLOrchestratorPort": 3306, "MySQLOrchestratorUser": "orc"}"#,
            &[
                "/etc/orchestrator.conf.json: MySQLOrchestratorUser has no effect, because BackendDB is sqlite",
            ],
        ),
    ];
    for (content, expected) in cases {
        assert_eq!(warnings(&right(content)), *expected, "{content}");
    }
}

#[test]
fn old_names_carry_their_values_over() {
    let lag = |content| right(content).settings.live.detection.lag_query;
    assert_eq!(
        lag(r#"{"SlaveLagQuery": "select 1"}"#).as_deref(),
        Some("select 1")
    );
    assert_eq!(
        lag(r#"{"SlaveLagQuery": "select 1", "ReplicationLagQuery": "select 1"}"#).as_deref(),
        Some("select 1")
    );
    let source = FakeSource::default()
        .file(FILE, r#"{"SlaveLagQuery": "select 1"}"#)
        .file(
            "orchestrator.conf.json",
            r#"{"ReplicationLagQuery": "select 2"}"#,
        );
    let loaded = read_from(&source).unwrap();
    assert_eq!(
        loaded.settings.live.detection.lag_query.as_deref(),
        Some("select 2"),
        "a later file wins under either name"
    );

    let recovery = |content| right(content).settings.live.recovery;
    assert!(recovery(r#"{"MasterFailoverDetachSlaveMasterHost": true}"#).detaches_promoted);
    assert!(!recovery(r#"{"DetachLostSlavesAfterMasterFailover": false}"#).detaches_lost_replicas);
    let postponed = recovery(r#"{"PostponeSlaveRecoveryOnLagMinutes": 5}"#).postpone_on_delay;
    assert_eq!(postponed, Some(Duration::from_secs(300)));
    let blocked = recovery(r#"{"RecoveryPeriodBlockSeconds": 0, "RecoveryPeriodBlockMinutes": 5}"#)
        .block_period;
    assert_eq!(blocked, Duration::from_secs(300));
}

#[test]
fn paths_of_the_service_are_put_in_order() {
    for (prefix, status, expected_prefix, expected_status) in [
        ("", "/api/status", "", "/api/status"),
        ("orc", "/api/status", "/orc", "/orc/api/status"),
        ("/orc/", "/api/status", "/orc", "/orc/api/status"),
        ("/", "/health", "", "/health"),
        ("/a/b/", "/health", "/a/b", "/health"),
        ("orc", "", "/orc", "/orc/api/status"),
    ] {
        let routes = right(&format!(
            r#"{{"URLPrefix": "{prefix}", "StatusEndpoint": "{status}"}}"#
        ))
        .settings
        .startup
        .routes;
        assert_eq!(
            (routes.prefix.as_str(), routes.status_path.as_str()),
            (expected_prefix, expected_status)
        );
        let written = if status.is_empty() {
            "/api/status"
        } else {
            status
        };
        assert_eq!(routes.status_endpoint, written);
    }
}

#[test]
fn the_store_is_where_the_keys_say() {
    for (content, choice) in [
        (
            r#"{"SQLite3DataFile": "/a/b.db"}"#,
            StoreChoice::File("/a/b.db".into()),
        ),
        (
            r#"{"SQLite3DataFile": "/a/b.db", "RaftDataDir": "/r"}"#,
            StoreChoice::File("/a/b.db".into()),
        ),
        (r#"{"SQLite3DataFile": ":memory:"}"#, StoreChoice::Memory),
        (
            r#"{"RaftDataDir": "/r"}"#,
            StoreChoice::Directory("/r".into()),
        ),
        (r#"{"BackendDB": "SQLite3"}"#, StoreChoice::Unsaid),
        (
            r#"{"BackendDB": "sqlite", "MySQLOrchestratorHost": "db"}"#,
            StoreChoice::Unsaid,
        ),
    ] {
        assert_eq!(
            format!("{:?}", right(content).settings.startup.store.choice),
            format!("{choice:?}"),
            "{content}"
        );
    }
}

#[test]
fn the_store_is_on_a_mysql_server_when_it_is_asked_for_or_its_keys_are_set() {
    let keys = r#""MySQLOrchestratorHost": "db", "MySQLOrchestratorDatabase": "orc", "MySQLOrchestratorUser": "o""#;
    let store = |more: &str| match right(&format!("{{{keys}{more}}}"))
        .settings
        .startup
        .store
        .choice
    {
        StoreChoice::Mysql(store) => *store,
        other => panic!("{more}: {other:?}"),
    };
    let plain = store("");
    assert_eq!(
        format!("{plain:?}"),
        format!(
            "{:?}",
            store(r#", "BackendDB": "mysql", "SQLite3DataFile": "/a""#)
        )
    );
    assert_eq!(plain.server.to_string(), "db:3306");
    assert_eq!((plain.database.as_str(), plain.user.as_str()), ("orc", "o"));
    assert_eq!(plain.read_timeout, Duration::from_secs(30));
    assert_eq!(plain.connections_max, 128);
    let other = store(
        r#", "MySQLOrchestratorReadTimeoutSeconds": 0, "MySQLOrchestratorMaxPoolConnections": -1, "MySQLOrchestratorRejectReadOnly": true,
            "MySQLOrchestratorUseMutualTLS": true, "MySQLOrchestratorPort": 3307, "MySQLConnectTimeoutSeconds": 7"#,
    );
    assert_eq!(other.read_timeout, Duration::from_secs(30), "0 is no bound");
    assert_eq!(other.connections_max, usize::MAX);
    assert_eq!(other.connect_timeout, Duration::from_secs(7));
    assert!(other.rejects_read_only && other.uses_tls);
    assert_eq!(other.server.port(), 3307);
}

#[test]
fn the_flag_overrides_the_key_that_would_refuse_the_start() {
    let source = FakeSource::default().file(FILE, r#"{"SkipOrchestratorDatabaseUpdate": true}"#);
    assert_eq!(problems(read_from(&source)).len(), 1);
    let overrides = Overrides {
        enable_database_update: true,
    };
    assert!(load(&source, &FileList::Standard, overrides).is_ok());
}

#[test]
fn names_that_browsers_may_use_are_compared_without_port_and_case() {
    let content = r#"{"HTTPAllowedHosts": ["Orc.Example.com:443", " orc ", "[::1]:3000", ""], "HTTPTrustedProxies": ["10.0.0.0/8", "::1"]}"#;
    let live = right(content).settings.live;
    assert_eq!(live.http.allowed_hosts, ["orc.example.com", "orc", "::1"]);
    assert_eq!(
        live.auth
            .trusted_proxies
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["10.0.0.0/8", "::1/128"]
    );
}

#[test]
fn every_word_that_a_key_knows_has_a_meaning() {
    for key in table::keys() {
        let Kind::Word { allowed, .. } = key.kind else {
            continue;
        };
        for word in allowed.iter().filter(|word| **word != "mysql") {
            let word = word.to_uppercase();
            let loaded = right(&format!(
                r#"{{"{}": "{word}", "HTTPAuthUser": "amy"}}"#,
                key.name
            ));
            assert_eq!(loaded.files.len(), 1, "{} {word}", key.name);
        }
    }
    let method = |word| {
        right(&format!(r#"{{"AuthenticationMethod": "{word}"}}"#))
            .settings
            .live
            .auth
            .method
    };
    assert_eq!(method("none"), AuthMethod::None);
    assert_eq!(method(""), AuthMethod::Unsaid);
    assert_eq!(method(" Token "), AuthMethod::Token);
}

#[test]
fn the_sample_file_is_read_without_a_warning() {
    let sample = include_str!("../../../../deploy/orchestrator.conf.json");
    let source = FakeSource::default()
        .file_with_mode(FILE, 0o644, sample)
        .file(
            "/etc/orchestrator-topology.cnf",
            "[client]\nuser=o\npassword=p\n",
        );
    let loaded = read_from(&source).unwrap();
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    assert_eq!(
        loaded.settings.live.discovery.seeds,
        ["db1.example.com:3306"]
    );
    let pattern = loaded.settings.live.detection.data_center.unwrap();
    assert_eq!(
        pattern
            .captures("db1.east.example.com")
            .and_then(|c| c.get(1))
            .map(|m| m.as_str()),
        Some("east")
    );
}

#[test]
fn a_real_file_is_read_from_the_disk() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("o.json");
    std::fs::write(&path, r#"{"InstancePollSeconds": 3}"#).unwrap();
    let loaded = load(&SystemSource, &FileList::Only(path), Overrides::default()).unwrap();
    assert_eq!(
        loaded.settings.live.discovery.poll_interval,
        Duration::from_secs(3)
    );
    let gone = directory.path().join("gone.json");
    let errors = load(
        &SystemSource,
        &FileList::Only(gone.clone()),
        Overrides::default(),
    )
    .expect_err("no such file");
    assert_eq!(
        errors.to_string(),
        format!(
            "{} cannot be read: No such file or directory (os error 2)",
            gone.display()
        )
    );
}
