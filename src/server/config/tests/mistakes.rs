use super::*;
use crate::config::FILE_BYTES_MAX;

/// A content, and every sentence said about it, without the file's name in front.
const MISTAKES: &[(&str, &[&str])] = &[
    // types
    (
        r#"{"InstancePollSeconds": "5"}"#,
        &["InstancePollSeconds is a text; it must be a whole number"],
    ),
    (
        r#"{"InstancePollSeconds": 5.0}"#,
        &["InstancePollSeconds is a number with a fraction or exponent; it must be a whole number"],
    ),
    (
        r#"{"InstancePollSeconds": 5e0}"#,
        &["InstancePollSeconds is a number with a fraction or exponent; it must be a whole number"],
    ),
    (
        r#"{"Debug": "true"}"#,
        &["Debug is a text; it must be true or false"],
    ),
    (
        r#"{"Debug": 1}"#,
        &["Debug is a number; it must be true or false"],
    ),
    (
        r#"{"ListenAddress": 3000}"#,
        &["ListenAddress is a number; it must be a text"],
    ),
    (
        r#"{"MySQLTopologyPassword": 12345}"#,
        &["MySQLTopologyPassword is a number; it must be a text"],
    ),
    (
        r#"{"DiscoverySeeds": "db1"}"#,
        &["DiscoverySeeds is a text; it must be a list of texts"],
    ),
    (
        r#"{"DiscoverySeeds": ["db1", 2, null]}"#,
        &[
            "DiscoverySeeds[1] is a number; it must be a text",
            "DiscoverySeeds[2] is null; it must be a text",
        ],
    ),
    (
        r#"{"ClusterNameToAlias": []}"#,
        &["ClusterNameToAlias is a list; it must be an object from regular expression to text"],
    ),
    (
        r#"{"ClusterNameToAlias": {"a": 1}}"#,
        &["ClusterNameToAlias.a is a number; it must be a text"],
    ),
    (
        r#"{"debug": {}}"#,
        &["Debug is an object; it must be true or false"],
    ),
    // also of keys that do nothing
    (
        r#"{"GraphitePollSeconds": "x"}"#,
        &["GraphitePollSeconds is a text; it must be a whole number"],
    ),
    // ranges
    (
        r#"{"InstancePollSeconds": 0}"#,
        &["InstancePollSeconds is 0; it must be from 1 to 86400 seconds"],
    ),
    (
        r#"{"InstancePollSeconds": -5}"#,
        &["InstancePollSeconds is -5; it must be from 1 to 86400 seconds"],
    ),
    (
        r#"{"DefaultInstancePort": 65536}"#,
        &["DefaultInstancePort is 65536; it must be from 1 to 65535"],
    ),
    (
        r#"{"DiscoveryMaxConcurrency": 0}"#,
        &["DiscoveryMaxConcurrency is 0; it must be from 1 to 10000 probes"],
    ),
    (
        r#"{"DiscoveryQueueCapacity": 18446744073709551615}"#,
        &["DiscoveryQueueCapacity is 18446744073709551615; it must be from 1 to 10000000 servers"],
    ),
    // words
    (
        r#"{"AuthenticationMethod": "basik"}"#,
        &[
            "AuthenticationMethod is 'basik'; it must be one of none, basic, multi, proxy, token, oauth",
        ],
    ),
    (
        r#"{"HostnameResolveMethod": "dns"}"#,
        &["HostnameResolveMethod is 'dns'; it must be one of none, default, cname, ip"],
    ),
    (
        r#"{"BackendDB": "postgres"}"#,
        &["BackendDB is 'postgres'; it must be one of sqlite, sqlite3, mysql"],
    ),
    // forms
    (
        r#"{"DataCenterPattern": "[.]([^.]+"}"#,
        &["DataCenterPattern is not a regular expression ('[.]([^.]+'): unclosed group"],
    ),
    (
        r#"{"DiscoveryIgnoreHostnameFilters": ["ok", "*bad"]}"#,
        &[
            "DiscoveryIgnoreHostnameFilters[1] is not a regular expression ('*bad'): repetition operator missing expression",
        ],
    ),
    (
        r#"{"PrimarySilenceSecondsByCluster": {"shop": "2", "alias~=(": 3, "crm": 0, "x": 1.5}}"#,
        &[
            "PrimarySilenceSecondsByCluster.shop is a text; it must be a whole number",
            "PrimarySilenceSecondsByCluster.alias~=( is not a regular expression ('('): unclosed group",
            "PrimarySilenceSecondsByCluster.crm is 0; it must be from 1 to 86400 seconds",
            "PrimarySilenceSecondsByCluster.x is a number with a fraction or exponent; it must be a whole number",
        ],
    ),
    (
        r#"{"PrimaryRestartGraceSecondsByCluster": 5}"#,
        &[
            "PrimaryRestartGraceSecondsByCluster is a number; it must be an object from cluster filter to whole number",
        ],
    ),
    (
        r#"{"ClusterNameToAlias": {"(": "x"}}"#,
        &["ClusterNameToAlias.( is not a regular expression ('('): unclosed group"],
    ),
    (
        r#"{"RecoverMasterClusterFilters": ["*", "alias=(", "alias~=("]}"#,
        &["RecoverMasterClusterFilters[2] is not a regular expression ('('): unclosed group"],
    ),
    (
        r#"{"ListenAddress": "3000"}"#,
        &["ListenAddress is '3000'; write host:port, or :port for all addresses"],
    ),
    (
        r#"{"ListenAddress": ""}"#,
        &["ListenAddress is ''; write host:port, or :port for all addresses"],
    ),
    (
        r#"{"StatusEndpoint": "health"}"#,
        &[
            "StatusEndpoint is 'health'; a path begins with / and consists of letters, digits and - . _ ~ /",
        ],
    ),
    (
        r#"{"URLPrefix": "/a?b\n"}"#,
        &[
            "URLPrefix is '/a?b\\n'; a path begins with / and consists of letters, digits and - . _ ~ /",
        ],
    ),
    (
        r#"{"AuthUserHeader": "X User"}"#,
        &[
            "AuthUserHeader is 'X User', which is no name of an HTTP header; use letters, digits and -",
        ],
    ),
    (
        r#"{"HTTPTrustedProxies": ["10.0.0.1", "proxy1"]}"#,
        &["HTTPTrustedProxies[1] is 'proxy1'; write an IP address, or a network as in 10.0.0.0/8"],
    ),
    (
        r#"{"HTTPAdvertise": "http://node1:3000/"}"#,
        &[
            "HTTPAdvertise is 'http://node1:3000/'; write scheme, host and port without a path, as in http://node1:3000",
        ],
    ),
    // together
    (
        r#"{"FailMasterPromotionIfSQLThreadNotUpToDate": true, "DelayMasterPromotionIfSQLThreadNotUpToDate": true}"#,
        &[
            "FailMasterPromotionIfSQLThreadNotUpToDate cannot be set together with DelayMasterPromotionIfSQLThreadNotUpToDate; remove one of the two",
        ],
    ),
    (
        r#"{"FailMasterPromotionOnLagMinutes": 1}"#,
        &["FailMasterPromotionOnLagMinutes needs ReplicationLagQuery; set it too"],
    ),
    (
        r#"{"SlaveLagQuery": "a", "ReplicationLagQuery": "b"}"#,
        &[
            "SlaveLagQuery is the old name of ReplicationLagQuery, which has another value; remove SlaveLagQuery",
        ],
    ),
    (
        r#"{"PostponeSlaveRecoveryOnLagMinutes": 1, "PostponeReplicaRecoveryOnLagMinutes": 2}"#,
        &[
            "PostponeSlaveRecoveryOnLagMinutes is the old name of PostponeReplicaRecoveryOnLagMinutes, which has another value; \
           remove PostponeSlaveRecoveryOnLagMinutes",
        ],
    ),
    (
        r#"{"GraphiteAddr": "g:2003"}"#,
        &["GraphiteAddr needs GraphitePath; set it too"],
    ),
    (
        r#"{"AuthenticationMethod": "basic"}"#,
        &["AuthenticationMethod needs HTTPAuthUser; set it too"],
    ),
    (
        r#"{"AuthenticationMethod": "Multi"}"#,
        &["AuthenticationMethod needs HTTPAuthUser; set it too"],
    ),
    (
        r#"{"UseSSL": true}"#,
        &[
            "UseSSL needs SSLCertFile; set it too",
            "UseSSL needs SSLPrivateKeyFile; set it too",
        ],
    ),
    (
        r#"{"UseMutualTLS": true}"#,
        &[
            "UseMutualTLS needs UseSSL; set it too",
            "UseMutualTLS needs SSLCAFile; set it too",
        ],
    ),
    (
        r#"{"UseMutualTLS": true, "ListenSocket": "/s"}"#,
        &["UseMutualTLS cannot be set together with ListenSocket; remove one of the two"],
    ),
    // not built
    (
        r#"{"RaftEnabled": true, "RaftNodes": ["a"]}"#,
        &["RaftEnabled needs RaftDataDir; set it too"],
    ),
    (
        r#"{"RaftEnabled": true, "RaftDataDir": "/d"}"#,
        &[
            "RaftEnabled is true, but RaftNodes is empty; list all members of the group in it, this node included",
        ],
    ),
    (
        r#"{"RaftSSLCertFile": "/c", "RaftSSLPrivateKeyFile": "/k"}"#,
        &[
            "RaftSSLCertFile needs RaftSSLCAFile; set it too",
            "RaftSSLPrivateKeyFile needs RaftSSLCAFile; set it too",
        ],
    ),
    (
        r#"{"BackendDB": "mysql", "MySQLOrchestratorHost": "db"}"#,
        &[
            "BackendDB needs MySQLOrchestratorDatabase; set it too",
            "BackendDB needs MySQLOrchestratorUser; set it too",
        ],
    ),
    (
        r#"{"MySQLOrchestratorUser": "orc", "MySQLOrchestratorDatabase": "a\u0007"}"#,
        &[
            "MySQLOrchestratorDatabase needs MySQLOrchestratorHost; set it too",
            "MySQLOrchestratorDatabase is 'a\\u{7}', which is no name of a database: 1 to 64 characters, none of them a control character, no blank at the end",
        ],
    ),
    (
        r#"{"MySQLOrchestratorHost": "d b", "MySQLOrchestratorUser": "orc", "MySQLOrchestratorDatabase": "o", "MySQLOrchestratorSSLCertFile": "/c"}"#,
        &[
            "MySQLOrchestratorSSLCertFile names '/c', which cannot be read: entity not found",
            "MySQLOrchestratorHost names no host: 'd b' is not a host name or address",
            "MySQLOrchestratorSSLCertFile needs MySQLOrchestratorSSLPrivateKeyFile; set it too",
        ],
    ),
    (
        r#"{"SkipOrchestratorDatabaseUpdate": true}"#,
        &[
            "SkipOrchestratorDatabaseUpdate is not in effect in this release, and running without it would do what it forbids; remove it to start. \
           This release always brings its own tables up to date; those of the predecessor are never altered.",
        ],
    ),
    // all at once
    (
        r#"{"Debug": 1, "InstancePollSeconds": 0, "RegionPattern": "("}"#,
        &[
            "Debug is a number; it must be true or false",
            "InstancePollSeconds is 0; it must be from 1 to 86400 seconds",
            "RegionPattern is not a regular expression ('('): unclosed group",
        ],
    ),
];

#[test]
fn every_mistake_has_its_sentence() {
    for (content, expected) in MISTAKES {
        let expected: Vec<_> = expected
            .iter()
            .map(|text| format!("{FILE}: {text}"))
            .collect();
        assert_eq!(problems(read(content)), expected, "{content}");
    }
}

#[test]
fn a_file_that_is_no_json_is_named_with_line_and_column() {
    assert_eq!(
        problems(read("{\n  \"Debug\": true,\n}")),
        ["/etc/orchestrator.conf.json is not valid JSON at line 3, column 1: trailing comma"]
    );
    assert_eq!(
        problems(read("[]")),
        [
            "/etc/orchestrator.conf.json holds a list; it must be one object of keys and values, in braces"
        ]
    );
}

#[test]
fn mistakes_in_several_files_are_told_together() {
    let source = FakeSource::default()
        .file(FILE, r#"{"Debug": 1}"#)
        .file("conf/orchestrator.conf.json", "{")
        .file("orchestrator.conf.json", r#"{"ReadOnly": 2}"#);
    assert_eq!(
        problems(read_from(&source)),
        [
            "/etc/orchestrator.conf.json: Debug is a number; it must be true or false",
            "conf/orchestrator.conf.json is not valid JSON at line 1, column 1: EOF while parsing an object",
            "orchestrator.conf.json: ReadOnly is a number; it must be true or false",
        ]
    );
}

#[test]
fn files_that_cannot_be_read_refuse_the_start_and_absent_standard_ones_do_not() {
    let source = FakeSource::default().unreadable(FILE);
    assert_eq!(
        problems(read_from(&source)),
        ["/etc/orchestrator.conf.json cannot be read: permission denied"]
    );
    let missing = load(
        &FakeSource::default(),
        &FileList::Only("/x.json".into()),
        Overrides::default(),
    );
    assert_eq!(
        problems(missing),
        ["/x.json cannot be read: entity not found"]
    );
    let huge = vec![b' '; usize::try_from(FILE_BYTES_MAX).unwrap() + 1];
    let source = FakeSource::default().file(FILE, huge);
    assert_eq!(
        problems(read_from(&source)),
        [
            "/etc/orchestrator.conf.json is larger than 1048576 bytes, which no configuration is; is it the right file?"
        ]
    );
}

#[test]
fn control_characters_of_a_file_do_not_reach_the_terminal() {
    let loaded = right("{\"bad\\u001b[31mkey\": 1}");
    assert_eq!(
        warnings(&loaded),
        ["/etc/orchestrator.conf.json: bad\\u{1b}[31mkey is not a key and has no effect"]
    );
}
