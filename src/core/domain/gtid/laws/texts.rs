//! What is read, what is refused and how, and how sets are printed.

use proptest::prelude::*;

use crate::domain::gtid::{
    GtidSet, MAX_TEXT_BYTES, MariadbPosition, OracleGtid, OracleGtidSet, Problem, Relation,
    ServerUuid, Tag,
};

const U: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
const V: &str = "00000000-0000-0000-0000-000000000001";

/// `U` and `V` stand for UUIDs.
fn write(pattern: &str) -> String {
    pattern.replace('U', U).replace('V', V)
}

fn set(pattern: &str) -> OracleGtidSet {
    OracleGtidSet::parse(&write(pattern)).unwrap_or_else(|e| panic!("{pattern}: {e}"))
}

#[test]
fn what_mysql_reads_is_read_and_printed_as_mysql_does() {
    for (text, printed) in [
        ("", ""),
        (" ,\n,", ""),
        ("U:1-5", "U:1-5"),
        ("U:5", "U:5"),
        ("U:5-5", "U:5"),
        ("U:01-005", "U:1-5"),
        ("U:1-9223372036854775806", "U:1-9223372036854775806"),
        ("U:1,U:3", "U:1:3"),
        ("U:1-3:4-5:2-9", "U:1-9"),
        ("U:9:1:5:3:7", "U:1:3:5:7:9"),
        ("U:1,V:3", "V:3,\nU:1"),
        (" U : 1 - 5 : 7 ,\n V : 3 ", "V:3,\nU:1-5:7"),
        ("U:1,,V:1,", "V:1,\nU:1"),
        ("{U}:1", "U:1"),
        ("3E11FA4771CA11E19E33C80AA9429562:1", "U:1"),
        ("U:1-5:tag:1-3", "U:1-5:tag:1-3"),
        ("U:tag:1-3", "U:tag:1-3"),
        ("U:TAG:1-3:1", "U:tag:1-3"),
        ("U: tag : 1 ", "U:tag:1"),
        ("U:tag:4-5,U:tag:1-3,U:1", "U:1:tag:1-5"),
        ("U:b:1:a:2", "U:a:2:b:1"),
        (
            "U:z:1:aa:1:a_:1:a1:1:a:1:_a:1:1",
            "U:_a:1:a:1:a1:1:a_:1:aa:1:z:1",
        ),
        ("U:1:2:3:tag:1,V:1", "V:1,\nU:1-3:tag:1"),
        ("U:tag:1:tag:2", "U:tag:1-2"),
    ] {
        assert_eq!(set(text).to_string(), write(printed), "{text}");
        assert_eq!(
            OracleGtidSet::parse(&write(printed)).unwrap(),
            set(text),
            "{text}: the print reads back"
        );
    }
    assert_eq!(
        format!("{:#}", set("U:1,V:3:a:5")),
        write("V:3:a:5,U:1"),
        "one line"
    );
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let uuid = "a server UUID is expected, like 3e11fa47-71ca-11e1-9e33-c80aa9429562";
    let numbers =
        "a UUID or tag without transaction numbers; write ':' and a number or range after it";
    let largest = "transaction number too large; the largest is 9223372036854775806";
    let tag =
        "a tag is at most 32 letters, digits and underscores, and does not begin with a digit";
    for (text, problem, place) in [
        ("none", uuid, "character 1, at 'none'"),
        ("U:1,zz", uuid, "character 40, at 'zz'"),
        (
            "3e11fa47-71ca-11e1-9e33-c80aa942956:1",
            uuid,
            "character 36, at ':1'",
        ),
        (
            "3e11fa47-71ca11e1-9e33-c80aa9429562:1",
            uuid,
            "character 14, at '11e1-9e33-c80aa9429562:1'",
        ),
        (
            "3e11fa4771ca-11e1-9e33-c80aa9429562:1",
            uuid,
            "character 13, at '-11e1-9e33-c80aa9429562:'",
        ),
        ("{U:1", uuid, "character 38, at ':1'"),
        (
            "{3e11fa4771ca11e19e33c80aa9429562}:1",
            uuid,
            "character 10, at '71ca11e19e33c80aa9429562'",
        ),
        ("U", numbers, "character 37, at the end"),
        (
            "U,V:1",
            numbers,
            "character 37, at ',00000000-0000-0000-0000'",
        ),
        ("U0:1", numbers, "character 37, at '0:1'"),
        ("U:tag", numbers, "character 41, at the end"),
        (
            "U:tag,V:1",
            numbers,
            "character 41, at ',00000000-0000-0000-0000'",
        ),
        ("U:1:tag", numbers, "character 43, at the end"),
        ("U:a-b:1", numbers, "character 39, at '-b:1'"),
        ("U:t ag:1", numbers, "character 40, at 'ag:1'"),
        (
            "U:",
            "a transaction number or a tag is expected",
            "character 38, at the end",
        ),
        (
            "U:1:",
            "a transaction number or a tag is expected",
            "character 40, at the end",
        ),
        (
            "U::1",
            "a transaction number or a tag is expected",
            "character 38, at ':1'",
        ),
        (
            "U:+1",
            "a transaction number or a tag is expected",
            "character 38, at '+1'",
        ),
        (
            "U:1:*",
            "a transaction number or a tag is expected",
            "character 40, at '*'",
        ),
        (
            "U:tag:",
            "a transaction number is expected",
            "character 42, at the end",
        ),
        ("U:a:b:1", numbers, "character 40, at 'b:1'"),
        (
            "U:1-",
            "a transaction number is expected",
            "character 40, at the end",
        ),
        (
            "U:1-+5",
            "a transaction number is expected",
            "character 40, at '+5'",
        ),
        (
            "U:0",
            "transaction number 0; numbers begin at 1",
            "character 38, at '0'",
        ),
        (
            "U:0-5",
            "transaction number 0; numbers begin at 1",
            "character 38, at '0-5'",
        ),
        (
            "U:3-0",
            "the range 3-0 runs backwards; write the smaller number first",
            "character 38, at '3-0'",
        ),
        (
            "U:1:a:0",
            "transaction number 0; numbers begin at 1",
            "character 42, at '0'",
        ),
        (
            "U:9223372036854775807",
            largest,
            "character 38, at '9223372036854775807'",
        ),
        (
            "U:1-9223372036854775807",
            largest,
            "character 40, at '9223372036854775807'",
        ),
        (
            "U:99999999999999999999",
            largest,
            "character 38, at '99999999999999999999'",
        ),
        (
            "U:5-1",
            "the range 5-1 runs backwards; write the smaller number first",
            "character 38, at '5-1'",
        ),
        (
            "U:tag:9-8:1",
            "the range 9-8 runs backwards; write the smaller number first",
            "character 42, at '9-8:1'",
        ),
        (
            "U:1 2",
            "',' or the end is expected",
            "character 40, at '2'",
        ),
        (
            "U:1-2-3",
            "',' or the end is expected",
            "character 41, at '-3'",
        ),
        ("U:1;", "',' or the end is expected", "character 39, at ';'"),
        (
            "U:1a:1",
            "',' or the end is expected",
            "character 39, at 'a:1'",
        ),
        (
            "V:1,\nU:1é",
            "',' or the end is expected",
            "character 79, at 'é'",
        ),
        ("U:té:1", numbers, "character 39, at 'é:1'"),
        (
            "U:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:1",
            tag,
            "character 38, at 'aaaaaaaaaaaaaaaaaaaaaaaa'",
        ),
    ] {
        let error = OracleGtidSet::parse(&write(text)).expect_err(text);
        assert_eq!(error.to_string(), format!("{problem} ({place})"), "{text}");
    }
}

#[test]
fn a_text_beyond_the_bound_is_not_read() {
    let text = " ".repeat(MAX_TEXT_BYTES + 1);
    let error = OracleGtidSet::parse(&text).expect_err("too long");
    assert_eq!(
        error.problem,
        Problem::TextTooLong {
            bytes: MAX_TEXT_BYTES + 1
        }
    );
    assert!(MariadbPosition::parse(&text).is_err());
}

#[test]
fn single_parts_are_read_from_text() {
    assert_eq!(
        format!(" {} ", U.to_uppercase())
            .parse::<ServerUuid>()
            .unwrap()
            .to_string(),
        U
    );
    assert!("".parse::<ServerUuid>().is_err() && format!("{U}x").parse::<ServerUuid>().is_err());
    assert_eq!(" My_Tag1 ".parse::<Tag>().unwrap().as_str(), "my_tag1");
    for bad in ["", "1a", "a-b", "a b", "é", &"a".repeat(33)] {
        assert!(bad.parse::<Tag>().is_err(), "{bad}");
    }
    let gtid: OracleGtid = write("U:Tag:7").parse().unwrap();
    assert_eq!(gtid.to_string(), write("U:tag:7"));
    assert!(set("U:tag:1-9").contains_gtid(&gtid) && !set("U:1-9").contains_gtid(&gtid));
    for (text, problem) in [
        ("", Problem::BadUuid),
        ("U:1-2", Problem::NotOneTransaction),
        ("U:1,V:1", Problem::NotOneTransaction),
    ] {
        assert_eq!(
            write(text).parse::<OracleGtid>().expect_err(text).problem,
            problem
        );
    }
}

#[test]
fn a_summary_is_short_and_says_how_many() {
    for (text, summary) in [
        ("", "no transactions"),
        ("U:5", "1 transaction (U:5)"),
        ("U:6-17", "12 transactions (U:6-17)"),
        ("U:1:3:t:5-6", "4 transactions (U:1, U:3, U:t:5-6)"),
        (
            "U:1:3:5:7",
            "4 transactions (U:1, U:3, U:5 and 1 more range)",
        ),
        (
            "U:1:3:5:7,V:1-9223372036854775806",
            "9223372036854775810 transactions (V:1-9223372036854775806, U:1, U:3 and 2 more ranges)",
        ),
    ] {
        assert_eq!(set(text).summary().to_string(), write(summary));
    }
}

#[test]
fn counts_do_not_overflow() {
    let full = "1-9223372036854775806";
    let huge = set(&format!("U:{full}:a:{full}:b:{full},V:{full}"));
    assert_eq!(huge.count(), 4 * 9_223_372_036_854_775_806);
    assert_eq!(
        OracleGtidSet::new().relation(&huge),
        Relation::Behind { by: huge.count() }
    );
    assert!(huge.gaps().is_empty() && huge.subtract(&huge).is_empty());
}

#[test]
fn errant_transactions_are_found_past_a_source_read_earlier() {
    // The source was read at 90, the replica later, at 100; 3 transactions were written on the replica itself.
    let (source, replica) = (set("U:1-90"), set("U:1-100,V:1-3"));
    let source_uuid = U.parse().unwrap();
    assert_eq!(replica.errant(&source, &[source_uuid]), set("V:1-3"));
    assert_eq!(
        replica.errant(&source, &[]),
        set("U:91-100,V:1-3"),
        "without ancestors a late reading looks errant"
    );
    assert!(
        set("U:1-100:app:1-5")
            .errant(&source, &[source_uuid])
            .is_empty(),
        "tagged ones are the source's too"
    );
    assert!(
        set("U:1-90,V:1-3")
            .errant(&set("U:1-90,V:1-3"), &[source_uuid])
            .is_empty(),
        "what the source has is not errant"
    );
}

#[test]
fn sets_and_positions_are_not_compared_with_each_other() {
    let (set, position) = (
        GtidSet::parse_oracle(&write("U:1-5")).unwrap(),
        GtidSet::parse_mariadb("0-1-5").unwrap(),
    );
    assert_eq!(set.relation(&position), None);
    assert_eq!(
        set.relation(&GtidSet::parse_oracle("").unwrap()),
        Some(Relation::Ahead { by: 5 })
    );
    assert_eq!(
        position.relation(&GtidSet::parse_mariadb("0-1-7").unwrap()),
        Some(Relation::Behind { by: 2 })
    );
    assert_eq!(
        (set.to_string(), position.to_string()),
        (write("U:1-5"), "0-1-5".to_owned())
    );
    assert!(GtidSet::parse_mariadb(U).is_err() && GtidSet::parse_oracle("0-1-5").is_err());
}

/// Texts made of what GTIDs are made of, so that the parser gets deep before something is wrong.
fn nearly_a_set() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec![
        U,
        V,
        ":",
        ":",
        ":",
        "-",
        ",",
        ",",
        "1",
        "2",
        "7",
        "0",
        "9223372036854775806",
        "9223372036854775807",
        "tag",
        "_B2",
        " ",
        "\n",
        "{",
        "}",
        "é",
        "x",
    ]);
    prop::collection::vec(token, 0..14).prop_map(|tokens| tokens.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn no_text_makes_a_parser_panic(text in prop_oneof!["\\PC{0,60}", nearly_a_set()]) {
        match OracleGtidSet::parse(&text) {
            Ok(set) => prop_assert_eq!(OracleGtidSet::parse(&set.to_string()).unwrap(), set),
            Err(error) => {
                prop_assert!(error.position >= 1 && error.position <= text.chars().count() + 1);
                let rest: String = text.chars().skip(error.position - 1).take(24).collect();
                prop_assert_eq!(error.rest, rest);
            }
        }
    }
}
