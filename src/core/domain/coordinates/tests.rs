use proptest::prelude::*;

use super::*;

fn file(name: &str) -> LogFile {
    LogFile::parse(name).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn place(text: &str) -> LogCoordinates {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

#[test]
fn a_name_has_a_base_and_a_number() {
    for (name, base, number) in [
        ("mysql-bin.000004", "mysql-bin", 4),
        ("mysql-bin.1000000", "mysql-bin", 1_000_000),
        ("db1.example.com-bin.000017", "db1.example.com-bin", 17),
        ("relay-bin-channel@1.000002", "relay-bin-channel@1", 2),
        ("b.2147483647", "b", 2_147_483_647),
        ("b.7", "b", 7),
    ] {
        let parsed = file(name);
        assert_eq!(
            (parsed.base(), parsed.number(), parsed.to_string().as_str()),
            (base, number, name)
        );
    }
}

#[test]
fn what_is_no_log_file_is_refused_with_the_reason() {
    for (name, reason) in [
        ("", "the log file name is empty"),
        (
            "mysql-bin",
            "the log file name 'mysql-bin' does not end with a number, like mysql-bin.000004",
        ),
        (
            "mysql-bin.index",
            "the log file name 'mysql-bin.index' does not end with a number, like mysql-bin.000004",
        ),
        (
            "mysql-bin.",
            "the log file name 'mysql-bin.' does not end with a number, like mysql-bin.000004",
        ),
        (
            ".000001",
            "the log file name '.000001' does not end with a number, like mysql-bin.000004",
        ),
        (
            "b.+00001",
            "the log file name 'b.+00001' does not end with a number, like mysql-bin.000004",
        ),
        (
            "b.2147483648",
            "the number of log file 'b.2147483648' is too large; the largest is 2147483647",
        ),
        (
            "b.99999999999999",
            "the number of log file 'b.99999999999999' is too large; the largest is 2147483647",
        ),
        (
            "./b.000001",
            "'./b.000001' is not the name of a log file; give it without a directory, like mysql-bin.000004",
        ),
        (
            "b\n.000001",
            "'b\\n.000001' is not the name of a log file; give it without a directory, like mysql-bin.000004",
        ),
    ] {
        assert_eq!(LogFile::parse(name).expect_err(name).to_string(), reason);
    }
    assert_eq!(
        LogFile::parse(&"b".repeat(600)),
        Err(CoordinatesError::NameTooLong { length: 600 })
    );
}

#[test]
fn the_order_follows_the_number_past_six_digits() {
    assert!(
        "b.1000000" < "b.999999",
        "the trap: text order is the other way round"
    );
    assert_eq!(
        file("b.1000000").compare(&file("b.999999")),
        Some(Ordering::Greater)
    );
    assert_eq!(file("b.999999").next(), Some(file("b.1000000")));
    assert_eq!(file("b.1000000").previous(), Some(file("b.999999")));
    assert_eq!(file("b.1000000").files_after(&file("b.999998")), Some(2));
    assert_eq!(file("b.000009").next(), Some(file("b.000010")));
    assert_eq!(
        file("b.000001").previous(),
        None,
        "a log begins with 000001"
    );
    assert_eq!(file("b.2147483647").next(), None, "a server ends there too");
}

#[test]
fn places_compare_by_file_and_then_offset() {
    assert_eq!(
        place("b.000002:4").compare(&place("b.000001:900")),
        Some(Ordering::Greater)
    );
    assert_eq!(
        place("b.000002:4").compare(&place("b.000002:5")),
        Some(Ordering::Less)
    );
    assert_eq!(
        place("b.000002:4").compare(&place("b.000002:4")),
        Some(Ordering::Equal)
    );
    assert!(place("b.1000000:4").has_reached(&place("b.999999:154")));
    assert!(!place("b.999999:154").has_reached(&place("b.1000000:4")));
}

#[test]
fn places_in_different_logs_have_no_order() {
    assert_eq!(place("a.000002:4").compare(&place("b.000001:4")), None);
    assert_eq!(file("a.000002").files_after(&file("b.000001")), None);
    assert!(!place("a.000002:4").has_reached(&place("b.000001:4")));
    assert!(
        !file("B.000001").is_same_log(&file("b.000001")),
        "names are compared byte for byte"
    );
}

#[test]
fn places_are_read_with_their_offset_and_refused_without() {
    assert_eq!(
        place("mysql-bin.000004:154"),
        LogCoordinates::new("mysql-bin.000004", 154).unwrap()
    );
    for text in [
        "mysql-bin.000004",
        "mysql-bin.000004:",
        "mysql-bin.000004:x",
        "b.000001:+4",
        "b.000001:99999999999999999999",
    ] {
        let reason = format!("'{text}' is not FILE:OFFSET, like mysql-bin.000004:154");
        assert_eq!(
            text.parse::<LogCoordinates>().expect_err(text).to_string(),
            reason
        );
    }
}

#[test]
fn detached_marks_are_recognised_and_printed_back() {
    let detached = ReportedLogFile::parse("//mysql-bin.000004:154").unwrap();
    assert_eq!(
        detached,
        ReportedLogFile::Detached(place("mysql-bin.000004:154"))
    );
    assert!(detached.is_detached());
    assert_eq!(detached.to_string(), "//mysql-bin.000004:154");
    assert_eq!(
        ReportedLogFile::parse("mysql-bin.000004").unwrap(),
        ReportedLogFile::Attached(file("mysql-bin.000004"))
    );
    assert_eq!(ReportedLogFile::parse("").unwrap(), ReportedLogFile::None);
    assert!(
        ReportedLogFile::parse("//mysql-bin.000004").is_err(),
        "a mark carries the offset too"
    );

    for (text, source) in [
        ("db1", ReportedSource::Attached("db1")),
        ("//db1", ReportedSource::Detached("db1")),
        ("", ReportedSource::None),
        ("_", ReportedSource::None),
    ] {
        assert_eq!(ReportedSource::read(text), source);
    }
    assert_eq!(ReportedSource::read("//db1").to_string(), "//db1");
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[a-z./:0-9\\PC]{0,24}") {
        if let Ok(file) = LogFile::parse(&text) {
            prop_assert_eq!(file.as_str(), text.as_str());
            let _used = (file.next(), file.previous());
        }
        if let Ok(place) = text.parse::<LogCoordinates>() {
            prop_assert_eq!(place.to_string().parse::<LogCoordinates>().unwrap(), place);
        }
        if let Ok(reported) = ReportedLogFile::parse(&text) {
            prop_assert_eq!(ReportedLogFile::parse(&reported.to_string()).unwrap(), reported);
        }
    }

    #[test]
    fn next_and_previous_undo_each_other(number in 1..MAX_LOG_NUMBER) {
        let start = file(&format!("bin.{number:06}"));
        let next = start.next().unwrap();
        prop_assert_eq!(next.compare(&start), Some(Ordering::Greater));
        prop_assert_eq!(next.previous(), Some(start));
    }

    #[test]
    fn the_order_is_that_of_the_numbers(a in 1_u32..2_000_000, b in 1_u32..2_000_000, x: u64, y: u64) {
        let (left, right) = (format!("bin.{a:06}"), format!("bin.{b:06}"));
        let (left, right) = (LogCoordinates::new(&left, x).unwrap(), LogCoordinates::new(&right, y).unwrap());
        prop_assert_eq!(left.compare(&right), Some((a, x).cmp(&(b, y))));
    }
}
