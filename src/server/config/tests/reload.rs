use std::path::Path;
use std::time::Duration;

use super::*;
use crate::config::{ReloadError, Reloaded};

fn reload(loaded: &Loaded, source: &FakeSource) -> Result<Reloaded, ReloadError> {
    loaded.reload(source, None)
}

#[test]
fn live_values_change_and_the_rest_waits_for_a_restart() {
    let source = FakeSource::default().file(
        FILE,
        r#"{"InstancePollSeconds": 5, "ListenAddress": ":3000", "ReadOnly": true}"#,
    );
    let loaded = read_from(&source).unwrap();
    let changed = source.clone().file(
        FILE,
        r#"{"InstancePollSeconds": 7, "ListenAddress": ":4000"}"#,
    );
    let first = reload(&loaded, &changed).unwrap();
    assert_eq!(
        first.changed,
        ["ListenAddress", "ReadOnly", "InstancePollSeconds"]
    );
    assert_eq!(first.needs_restart, ["ListenAddress"]);
    assert_eq!(
        first.sentences(),
        ["ListenAddress has changed and counts after a restart"]
    );
    let settings = &first.loaded.settings;
    assert_eq!(
        settings.live.discovery.poll_interval,
        Duration::from_secs(7)
    );
    assert!(
        !settings.live.http.is_read_only,
        "a key that was removed goes back to its default"
    );
    assert_eq!(settings.startup.listen, loaded.settings.startup.listen);

    let again = reload(&first.loaded, &changed).unwrap();
    assert!(again.changed.is_empty(), "nothing changed since");
    assert_eq!(
        again.needs_restart,
        ["ListenAddress"],
        "still not what the process started with"
    );
    let back = reload(&again.loaded, &source).unwrap();
    assert_eq!(
        back.changed,
        ["ListenAddress", "ReadOnly", "InstancePollSeconds"]
    );
    assert!(back.needs_restart.is_empty());
}

#[test]
fn a_bad_or_missing_file_changes_nothing_and_says_everything() {
    let source = FakeSource::default().file(
        FILE,
        r#"{"AuthenticationMethod": "basic", "HTTPAuthUser": "amy", "HTTPAuthPassword": "x"}"#,
    );
    let loaded = read_from(&source).unwrap();
    let bad = source.clone().file(FILE, r#"{"Debug": 1, "ReadOnly": 2}"#);
    let error = reload(&loaded, &bad).expect_err("two mistakes");
    assert_eq!(
        error.to_string(),
        "/etc/orchestrator.conf.json: Debug is a number; it must be true or false\n\
         /etc/orchestrator.conf.json: ReadOnly is a number; it must be true or false"
    );
    let error = reload(&loaded, &source.without_file(FILE)).expect_err("it was there before");
    assert_eq!(
        error.to_string(),
        "/etc/orchestrator.conf.json cannot be read: entity not found"
    );
}

#[test]
fn passwords_are_read_again_from_file_and_environment() {
    let source = FakeSource::default()
        .file(FILE, r#"{"MySQLTopologyCredentialsConfigFile": "/c.cnf"}"#)
        .file("/c.cnf", "[client]\nuser=u\npassword=${PW}")
        .variable_is("PW", "one");
    let loaded = read_from(&source).unwrap();
    let reloaded = reload(&loaded, &source.variable_is("PW", "two")).unwrap();
    assert_eq!(reloaded.changed, ["MySQLTopologyPassword"]);
    assert_eq!(reloaded.loaded.settings.live.mysql.password.expose(), "two");
}

/// What a reload with one more file says: the value it set, or the refusal.
fn extra(loaded: &Loaded, source: &FakeSource, path: &str) -> Result<bool, String> {
    let reloaded = loaded.reload(source, Some(Path::new(path)));
    reloaded
        .map(|reloaded| reloaded.loaded.settings.live.http.is_read_only)
        .map_err(|error| error.to_string())
}

#[test]
fn one_more_file_is_taken_from_permitted_directories_only() {
    let on = r#"{"ReadOnly": true}"#;
    let source = FakeSource::default()
        .file(
            "/etc/orc/o.json",
            r#"{"ConfigReloadDirectories": ["/srv/extra", "/nowhere"]}"#,
        )
        .file("/etc/orc/more.json", on)
        .file("/etc/orc/sub/more.json", on)
        .file("/etc/secret", on)
        .file("/srv/extra/x.json", on)
        .file("/srv/other/x.json", on)
        .file("/cwd/here.json", on)
        .file("/etc/orc/escape.json", "")
        .link("/etc/orc/escape.json", "/etc/secret")
        .link("/elsewhere.json", "/etc/orc/more.json");
    let loaded = load(
        &source,
        &FileList::Only("/etc/orc/o.json".into()),
        Overrides::default(),
    )
    .unwrap();
    assert_eq!(extra(&loaded, &source, "/etc/orc/more.json"), Ok(true));
    assert_eq!(extra(&loaded, &source, "/srv/extra/x.json"), Ok(true));
    assert_eq!(
        extra(&loaded, &source, "/etc/orc/../orc/more.json"),
        Ok(true)
    );
    for path in [
        "/etc/secret",
        "/etc/orc/../secret",
        "/etc/orc/sub/more.json",
        "/etc/orc/escape.json",
        "/srv/other/x.json",
        "/absent/x.json",
        "/etc/absent",
        "here.json",
        "/",
        "",
    ] {
        assert_eq!(
            extra(&loaded, &source, path),
            Err(format!(
                "'{path}' is not in a directory from which a configuration may be taken; put it beside the configuration file, or list its \
                 directory in ConfigReloadDirectories"
            )),
            "{path}"
        );
    }
    assert_eq!(
        extra(&loaded, &source, "/etc/orc/absent.json"),
        Err("'/etc/orc/absent.json' cannot be read: entity not found".to_owned())
    );

    let with_extra = loaded
        .reload(&source, Some(Path::new("/etc/orc/more.json")))
        .unwrap()
        .loaded;
    let without = with_extra.reload(&source, None).unwrap();
    assert!(
        !without.loaded.settings.live.http.is_read_only,
        "one more file counts until the next reload"
    );
}

#[test]
fn the_directory_behind_a_linked_file_is_permitted_too() {
    let source = FakeSource::default()
        .file("/etc/orc/..2026/o.json", "{}")
        .file("/etc/orc/..2026/more.json", r#"{"ReadOnly": true}"#)
        .link("/etc/orc/o.json", "/etc/orc/..2026/o.json")
        .link("/etc/orc/more.json", "/etc/orc/..2026/more.json");
    let loaded = load(
        &source,
        &FileList::Only("/etc/orc/o.json".into()),
        Overrides::default(),
    )
    .unwrap();
    assert_eq!(extra(&loaded, &source, "/etc/orc/more.json"), Ok(true));
}

#[test]
fn without_files_no_further_file_is_taken() {
    let source = FakeSource::default().file("x.json", "{}");
    let loaded = read_from(&source).unwrap();
    assert!(extra(&loaded, &source, "x.json").is_err());
}
