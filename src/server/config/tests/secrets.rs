use super::*;
use crate::config::settings::StoreChoice;

fn mysql(source: &FakeSource) -> (String, String) {
    let loaded = read_from(source).unwrap_or_else(|errors| panic!("{errors}"));
    let mysql = loaded.settings.live.mysql;
    (mysql.user, mysql.password.expose().to_owned())
}

const WITH_FILE: &str = r#"{"MySQLTopologyUser": "json", "MySQLTopologyPassword": "json", "MySQLTopologyCredentialsConfigFile": "/c.cnf"}"#;

#[test]
fn the_credentials_file_wins_over_json_and_the_environment_is_asked_last() {
    let source = FakeSource::default()
        .file(FILE, WITH_FILE)
        .variable_is("PW", "from env");
    for (content, user, password) in [
        ("[client]\nuser=u\npassword=p", "u", "p"),
        ("[client]\nuser=\npassword=", "", ""),
        ("[client]\nuser=u", "u", "json"),
        ("[client]\npassword=${PW}", "json", "from env"),
        ("[client]\npassword=a ${PW} b", "json", "from env"),
    ] {
        assert_eq!(
            mysql(&source.clone().file("/c.cnf", content)),
            (user.to_owned(), password.to_owned()),
            "{content}"
        );
    }
}

#[test]
fn a_variable_that_is_not_set_empties_the_password_loudly() {
    let source = FakeSource::default().file(FILE, r#"{"MySQLTopologyPassword": "x${ORC_PW}"}"#);
    let loaded = read_from(&source).unwrap();
    assert!(loaded.settings.live.mysql.password.is_empty());
    assert_eq!(
        warnings(&loaded),
        [
            "/etc/orchestrator.conf.json: MySQLTopologyPassword takes its value from the environment variable ORC_PW, which is not set: it is EMPTY now"
        ]
    );
    let source = source.variable_is("ORC_PW", "secret");
    assert!(read_from(&source).unwrap().warnings.is_empty());
}

#[test]
fn only_the_documented_passwords_are_expanded() {
    let content = r#"{"AuthenticationMethod": "basic", "HTTPAuthUser": "${A}", "HTTPAuthPassword": "${A}", "MySQLTopologyUser": "${A}"}"#;
    let source = FakeSource::default()
        .file(FILE, content)
        .variable_is("A", "expanded");
    let live = read_from(&source).unwrap().settings.live;
    assert_eq!(
        (
            live.auth.user.as_str(),
            live.auth.password.expose(),
            live.mysql.user.as_str()
        ),
        ("${A}", "${A}", "${A}")
    );
}

#[test]
fn credentials_files_that_are_open_absent_or_broken_refuse_the_start() {
    let source = FakeSource::default().file(FILE, WITH_FILE);
    let key =
        "/etc/orchestrator.conf.json: MySQLTopologyCredentialsConfigFile names '/c.cnf', which";
    let about = |source: FakeSource| problems(read_from(&source)).join("\n");
    assert_eq!(
        about(source.clone()),
        format!("{key} cannot be read: entity not found")
    );
    assert_eq!(
        about(
            source
                .clone()
                .file_with_mode("/c.cnf", 0o644, "[client]\nuser=u")
        ),
        format!(
            "{key} every user of this machine can access (mode 0644); run: chmod o-rwx '/c.cnf'"
        )
    );
    assert_eq!(
        about(source.clone().file("/c.cnf", "[mysql]")),
        format!("{key} is not understood: it has no section [client]")
    );
    let loaded =
        read_from(&source.file("/c.cnf", "[client]\nuser=u\nport=1\n[mysqld]\nx")).unwrap();
    assert_eq!(
        warnings(&loaded),
        [format!(
            "{} of which only user and password in [client] are read; ignored: port, [mysqld]",
            key.replace("which", "").trim_end()
        )]
    );
}

#[test]
fn private_keys_that_are_open_refuse_the_start_and_certificates_may_be() {
    let content = r#"{"UseSSL": true, "SSLPrivateKeyFile": "/k.pem", "SSLCertFile": "/c.pem"}"#;
    let source = FakeSource::default()
        .file(FILE, content)
        .file_with_mode("/c.pem", 0o644, "");
    for (mode, accepted) in [
        (0o600, true),
        (0o640, true),
        (0o660, true),
        (0o644, false),
        (0o601, false),
        (0o602, false),
    ] {
        let outcome = read_from(&source.clone().file_with_mode("/k.pem", mode, ""));
        assert_eq!(outcome.is_ok(), accepted, "{mode:o}");
    }
    assert_eq!(
        problems(read_from(&source.file("/k.pem", "").without_file("/c.pem"))),
        [
            "/etc/orchestrator.conf.json: SSLCertFile names '/c.pem', which cannot be read: entity not found"
        ]
    );
    let content = r#"{"MySQLTopologySSLPrivateKeyFile": "/k.pem"}"#;
    assert_eq!(
        problems(read_from(
            &FakeSource::default()
                .file(FILE, content)
                .file_with_mode("/k.pem", 0o604, "")
        )),
        [
            "/etc/orchestrator.conf.json: MySQLTopologySSLPrivateKeyFile names '/k.pem', which every user of this machine can access \
             (mode 0604); run: chmod o-rwx '/k.pem'",
            "/etc/orchestrator.conf.json: MySQLTopologySSLPrivateKeyFile needs MySQLTopologySSLCertFile; set it too",
        ]
    );
}

#[test]
fn the_account_of_the_store_comes_from_its_own_file_and_from_the_environment() {
    let content = r#"{"MySQLOrchestratorHost": "db", "MySQLOrchestratorDatabase": "orc", "MySQLOrchestratorCredentialsConfigFile": "/s.cnf"}"#;
    let source = FakeSource::default()
        .file(FILE, content)
        .file_with_mode("/s.cnf", 0o600, "[client]\nuser=keeper\npassword=${PW}\n")
        .variable_is("PW", "canary-9");
    let settings = read_from(&source).unwrap().settings;
    let StoreChoice::Mysql(store) = &settings.startup.store.choice else {
        panic!("{:?}", settings.startup.store.choice);
    };
    assert_eq!(store.user, "keeper");
    assert_eq!(store.password.expose(), "canary-9");
    assert!(!format!("{settings:?}").contains("canary-9"));
    assert_eq!(
        problems(read_from(&source.without_file("/s.cnf"))),
        [
            "/etc/orchestrator.conf.json: MySQLOrchestratorCredentialsConfigFile names '/s.cnf', which cannot be read: entity not found",
            "/etc/orchestrator.conf.json: MySQLOrchestratorHost needs MySQLOrchestratorUser; set it too",
        ]
    );
}

#[test]
fn a_password_written_out_in_an_open_file_is_warned_about() {
    let content = r#"{"MySQLTopologyPassword": "plain", "MySQLOrchestratorPassword": "${X}", "BackendDB": "sqlite"}"#;
    let source = FakeSource::default()
        .file_with_mode(FILE, 0o644, content)
        .variable_is("X", "");
    let loaded = read_from(&source).unwrap();
    let found = warnings(&loaded);
    assert_eq!(
        found
            .iter()
            .filter(|text| text.contains("is written out"))
            .count(),
        1,
        "{found:?}"
    );
    assert!(found[0].starts_with(
        "/etc/orchestrator.conf.json: MySQLTopologyPassword is written out in a file"
    ));
    assert!(
        right(r#"{"MySQLTopologyPassword": "plain"}"#)
            .warnings
            .is_empty(),
        "a private file may have it"
    );
}

#[test]
fn no_secret_is_in_what_is_said_or_printed() {
    const SECRET: &str = "canary-7f3a";
    let content = format!(
        r#"{{"MySQLTopologyPassword": "{SECRET}", "HTTPAuthPassword": "{SECRET}", "RaftSharedSecret": "{SECRET}", "ConsulAclToken": "{SECRET}",
            "ConsulAddress": "c:1", "OAuthClientSecret": "{SECRET}", "AuthenticationMethod": "basic", "HTTPAuthUser": "u"}}"#
    );
    let loaded = read_from(&FakeSource::default().file_with_mode(FILE, 0o644, &content)).unwrap();
    assert!(
        !format!(
            "{:?} {:?} {:?}",
            loaded.settings,
            loaded.warnings,
            warnings(&loaded)
        )
        .contains(SECRET)
    );
    let wrong = content.replacen('{', r#"{"Debug": 1,"#, 1);
    let errors = read(&wrong).expect_err("Debug is wrong");
    assert!(!format!("{errors:?} {errors}").contains(SECRET));
}

#[test]
fn a_shared_secret_may_be_a_text_or_a_list_of_two_and_each_may_come_from_the_environment() {
    let loaded = |json: &str| {
        let source = FakeSource::default()
            .file_with_mode(FILE, 0o600, format!(r#"{{"RaftSharedSecret": {json}}}"#))
            .variable_is("NEW", "from the environment");
        read_from(&source)
    };
    let secrets = |json: &str| -> Vec<String> {
        let settings = loaded(json).unwrap().settings;
        let secrets = settings.live.raft_credentials.shared_secrets.into_iter();
        secrets.map(|secret| secret.expose().to_owned()).collect()
    };
    assert_eq!(secrets(r#""one""#), ["one"]);
    assert_eq!(secrets(r#""${NEW}""#), ["from the environment"]);
    assert_eq!(
        secrets(r#"["${NEW}", "old"]"#),
        ["from the environment", "old"]
    );
    assert_eq!(secrets(r#"["", "old"]"#), ["old"]);
    assert!(secrets(r#""""#).is_empty());
    for (json, problem) in [
        (r#"["a", "b", "c"]"#, "has 3 texts; it takes 2 at most"),
        ("7", "a text, or a list of texts"),
    ] {
        let refused = problems(loaded(json));
        assert!(refused[0].contains(problem), "{refused:?}");
    }
}
