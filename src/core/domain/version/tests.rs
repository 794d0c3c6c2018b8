use super::*;

fn version(text: &str, comment: &str) -> ServerVersion {
    ServerVersion::parse(text, comment).unwrap_or_else(|e| panic!("{text}: {e}"))
}

#[test]
fn real_version_texts_are_understood() {
    let release = Release::new;
    for (text, comment, flavor, numbers) in [
        (
            "5.7.44-log",
            "MySQL Community Server (GPL)",
            Flavor::MySql,
            release(5, 7, 44),
        ),
        (
            "8.0.36",
            "Source distribution",
            Flavor::MySql,
            release(8, 0, 36),
        ),
        (
            "8.0.35-27",
            "Percona Server (GPL), Release 27, Revision 2f8eeab",
            Flavor::Percona,
            release(8, 0, 35),
        ),
        (
            "8.0.41-32.1",
            "Percona XtraDB Cluster (GPL), Release rel32",
            Flavor::Percona,
            release(8, 0, 41),
        ),
        ("9.7.4-2", "(Debian)", Flavor::MySql, release(9, 7, 4)),
        (
            "26.7.0",
            "MySQL Community Server - GPL",
            Flavor::MySql,
            release(26, 7, 0),
        ),
        (
            "10.11.19-MariaDB-0+deb12u1-log",
            "Debian 12",
            Flavor::MariaDb,
            release(10, 11, 19),
        ),
        (
            "5.5.5-10.11.6-MariaDB",
            "",
            Flavor::MariaDb,
            release(10, 11, 6),
        ),
        (
            "11.4.2",
            "mariadb.org binary distribution",
            Flavor::MariaDb,
            release(11, 4, 2),
        ),
        (
            "10.6.9-5-MariaDB-enterprise-log",
            "MariaDB Enterprise Server",
            Flavor::MariaDb,
            release(10, 6, 9),
        ),
        (
            "8.0.mysql_aurora.3.04.0",
            "Source distribution",
            Flavor::MySql,
            release(8, 0, 0),
        ),
        ("1.1.0-maxscale", "", Flavor::MaxScale, release(1, 1, 0)),
        (
            "8.0.11-TiDB-v7.5.1",
            "TiDB Server (Apache License 2.0)",
            Flavor::Unknown,
            release(8, 0, 11),
        ),
        (" 8.4.0\n", "", Flavor::MySql, release(8, 4, 0)),
        ("5.5.5-m3", "", Flavor::MySql, release(5, 5, 5)),
    ] {
        let parsed = version(text, comment);
        assert_eq!(
            (parsed.flavor(), parsed.release()),
            (flavor, numbers),
            "{text}"
        );
        assert_eq!(parsed.as_str(), text.trim());
    }
}

#[test]
fn texts_without_a_version_are_refused_with_the_reason() {
    for (text, reason) in [
        ("", "the server's version is empty"),
        ("  ", "the server's version is empty"),
        (
            "Unknown",
            "'Unknown' is not a server version; one begins with numbers, like 8.0.36",
        ),
        (
            "8",
            "'8' is not a server version; one begins with numbers, like 8.0.36",
        ),
        (
            "8.",
            "'8.' is not a server version; one begins with numbers, like 8.0.36",
        ),
        (
            ".8.0",
            "'.8.0' is not a server version; one begins with numbers, like 8.0.36",
        ),
        (
            "v8.0.1",
            "'v8.0.1' is not a server version; one begins with numbers, like 8.0.36",
        ),
        (
            "99999.1.1",
            "'99999.1.1' is not a server version; one begins with numbers, like 8.0.36",
        ),
        (
            "8x.0.1",
            "'8x.0.1' is not a server version; one begins with numbers, like 8.0.36",
        ),
    ] {
        assert_eq!(
            ServerVersion::parse(text, "").expect_err(text).to_string(),
            reason
        );
    }
    assert_eq!(
        ServerVersion::parse(&"8.0".repeat(100), ""),
        Err(VersionError::TooLong { length: 300 })
    );
}

#[test]
fn lines_are_long_term_or_innovation() {
    for (text, support) in [
        ("5.6.51", Support::LongTerm),
        ("5.7.44", Support::LongTerm),
        ("8.0.11", Support::LongTerm),
        ("8.1.0", Support::Innovation),
        ("8.3.0", Support::Innovation),
        ("8.4.3", Support::LongTerm),
        ("9.0.1", Support::Innovation),
        ("9.6.0", Support::Innovation),
        ("9.7.0", Support::LongTerm),
        ("9.8.0", Support::Unknown),
        ("26.7.0", Support::Unknown),
        ("10.5.4-MariaDB", Support::LongTerm),
        ("10.6.3-MariaDB", Support::LongTerm),
        ("10.7.2-MariaDB", Support::Innovation),
        ("10.10.2-MariaDB", Support::Innovation),
        ("10.11.2-MariaDB", Support::LongTerm),
        ("11.3.2-MariaDB", Support::Innovation),
        ("11.4.2-MariaDB", Support::LongTerm),
        ("11.7.2-MariaDB", Support::Innovation),
        ("11.8.2-MariaDB", Support::LongTerm),
        ("12.2.2-MariaDB", Support::Innovation),
        ("12.3.2-MariaDB", Support::LongTerm),
        ("13.0.2-MariaDB", Support::Unknown),
        ("2.1.0-maxscale", Support::Unknown),
    ] {
        assert_eq!(version(text, "").support(), support, "{text}");
    }
}

#[test]
fn maturity_follows_from_the_text_and_else_from_the_numbers() {
    for (text, maturity) in [
        ("8.0.4-rc-log", Maturity::ReleaseCandidate),
        ("8.0.0-dmr", Maturity::Preview),
        ("5.7.5-m15", Maturity::Preview),
        ("5.7.8-rc", Maturity::ReleaseCandidate),
        ("5.7.9", Maturity::GenerallyAvailable),
        ("8.0.11", Maturity::GenerallyAvailable),
        ("8.4.0", Maturity::GenerallyAvailable),
        ("8.1.0", Maturity::Innovation),
        ("9.1.0", Maturity::Innovation),
        ("10.9.1-MariaDB", Maturity::ReleaseCandidate),
        ("10.9.2-MariaDB", Maturity::Innovation),
        ("9.7.4-2", Maturity::GenerallyAvailable),
        ("10.11.0-MariaDB", Maturity::Preview),
        ("10.11.1-MariaDB", Maturity::ReleaseCandidate),
        (
            "10.11.19-MariaDB-0+deb12u1-log",
            Maturity::GenerallyAvailable,
        ),
        ("10.6.2-MariaDB", Maturity::ReleaseCandidate),
        ("11.3.2-MariaDB", Maturity::Innovation),
        ("11.4.1-MariaDB", Maturity::ReleaseCandidate),
        ("5.1.73", Maturity::Unknown),
        ("2.1.0-maxscale", Maturity::Unknown),
    ] {
        assert_eq!(version(text, "").maturity(), maturity, "{text}");
    }
}

#[test]
fn capabilities_are_asked_by_family_and_compared_as_numbers() {
    let (mysql, maria) = (version("8.0.22", ""), version("10.11.2-MariaDB", ""));
    assert!(
        mysql.is_mysql_at_least(8, 0, 22)
            && !mysql.is_mysql_at_least(8, 0, 23)
            && mysql.is_mysql_at_least(5, 99, 99)
    );
    assert!(
        !maria.is_mysql_at_least(8, 0, 22),
        "MariaDB 10 is not above MySQL 8"
    );
    assert!(
        maria.is_mariadb_at_least(10, 2, 0),
        "10.11 is above 10.2, which text order denies"
    );
    assert!(!mysql.is_mariadb_at_least(5, 5, 0));
    assert!(version("26.7.0", "").is_mysql_at_least(9, 7, 0));
    assert!(version("8.0.35-27", "Percona Server").is_mysql_at_least(8, 0, 35));
    assert_eq!(maria.major_version(), "10.11");
    assert_eq!(mysql.major_version(), "8.0");
}

#[test]
fn a_replica_may_be_newer_than_its_source_and_not_older() {
    let percona = "Percona Server (GPL)";
    for (replica, source, fit) in [
        (
            version("8.0.36", ""),
            version("8.0.36", ""),
            VersionFit::SameLine,
        ),
        (
            version("8.0.36", ""),
            version("8.0.30", ""),
            VersionFit::SameLine,
        ),
        (
            version("8.0.35-27", percona),
            version("8.0.35", ""),
            VersionFit::SameLine,
        ),
        (
            version("8.0.30", ""),
            version("8.0.36", ""),
            VersionFit::OlderPatch {
                line_is_frozen: false,
            },
        ),
        (
            version("8.0.34", ""),
            version("8.0.36", ""),
            VersionFit::OlderPatch {
                line_is_frozen: true,
            },
        ),
        (
            version("9.7.1", ""),
            version("9.7.5", ""),
            VersionFit::OlderPatch {
                line_is_frozen: true,
            },
        ),
        (
            version("9.1.0", ""),
            version("9.1.1", ""),
            VersionFit::OlderPatch {
                line_is_frozen: false,
            },
        ),
        (
            version("9.7.1", ""),
            version("8.4.9", ""),
            VersionFit::NewerLine,
        ),
        (
            version("8.0.36", ""),
            version("8.4.0", ""),
            VersionFit::OlderLine,
        ),
        (
            version("9.7.1", ""),
            version("26.7.0", ""),
            VersionFit::OlderLine,
        ),
        (
            version("10.11.2-MariaDB", ""),
            version("10.6.3-MariaDB", ""),
            VersionFit::NewerLine,
        ),
        (
            version("10.6.3-MariaDB", ""),
            version("10.11.2-MariaDB", ""),
            VersionFit::OlderLine,
        ),
        (
            version("10.11.2-MariaDB", ""),
            version("8.0.36", ""),
            VersionFit::OtherFamily,
        ),
        (
            version("8.0.36", ""),
            version("10.11.2-MariaDB", ""),
            VersionFit::OtherFamily,
        ),
        (
            version("2.1.0-maxscale", ""),
            version("8.0.36", ""),
            VersionFit::NotComparable,
        ),
        (
            version("8.0.36", ""),
            version("8.0.11-TiDB-v7.5.1", ""),
            VersionFit::NotComparable,
        ),
    ] {
        assert_eq!(replica.fit_below(&source), fit, "{replica} below {source}");
    }
}

#[test]
fn ndb_cluster_is_recognised() {
    assert!(version("8.0.34-cluster", "").is_ndb_cluster());
    assert!(version("5.7.33-ndb-7.6.17-cluster-gpl", "").is_ndb_cluster());
    assert!(!version("8.0.34", "MySQL Community Server").is_ndb_cluster());
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,40}", comment in "\\PC{0,20}") {
        if let Ok(version) = ServerVersion::parse(&text, &comment) {
            let _used = (version.support(), version.maturity(), version.fit_below(&version), version.major_version());
        }
    }

    #[test]
    fn fit_agrees_with_its_reverse(a in numbers(), b in numbers()) {
        let text = |(major, minor, patch): (u16, u16, u16)| version(&format!("{major}.{minor}.{patch}"), "");
        let (down, up) = (text(a).fit_below(&text(b)), text(b).fit_below(&text(a)));
        let expected = match down {
            VersionFit::NewerLine => up == VersionFit::OlderLine,
            VersionFit::OlderLine => up == VersionFit::NewerLine,
            VersionFit::SameLine => a == b || matches!(up, VersionFit::OlderPatch { .. }),
            VersionFit::OlderPatch { .. } => up == VersionFit::SameLine,
            VersionFit::OtherFamily | VersionFit::NotComparable => false,
        };
        proptest::prop_assert!(expected, "{a:?} {b:?}: {down:?} {up:?}");
    }
}

fn numbers() -> impl proptest::strategy::Strategy<Value = (u16, u16, u16)> {
    (5_u16..11, 0_u16..8, 0_u16..40)
}
