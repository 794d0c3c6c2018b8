//! Printing and reading undo each other, for drawings nobody thought of.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::super::{Drawing, DrawingError, Problem};
use super::{drawn, parse};
use crate::domain::{InstanceRecord, Observation};

/// Words that can be drawn; at least one for each attribute.
const WORDS: [&str; 89] = [
    "not-known",
    "never-seen",
    "8.0.36",
    "5.7.44",
    "8.0.36/percona",
    "10.11.6-MariaDB",
    "10.5.1-MariaDB-log",
    "2.5.1-maxscale",
    "group=g/primary",
    "group=g/secondary",
    "group=h/secondary/ERROR",
    "source=a",
    "source=zz:3307",
    "source=c",
    "detached",
    "detached=d",
    "invalid-source=_",
    "invalid-source=\"no host\"",
    "rw",
    "ro",
    "super-ro",
    "uuid=u-1",
    "uuid=\"\"",
    "server-id=7",
    "server-id=0",
    "alias=\"the [first]\"",
    "dc=east",
    "region=\"no rth\"",
    "env=prod",
    "binlog=off",
    "binlog=unknown",
    "binlog=mysql-bin.000007:4",
    "log-updates=off",
    "log-updates=on",
    "format=MIXED",
    "format=STATEMENT",
    "image=MINIMAL",
    "no-gtid",
    "gtid-mode=ON_PERMISSIVE",
    "gtid-mode=OFF",
    "gtid=..1-90",
    "gtid=<b>:1-3,..1-5",
    "gtid=0-1-5,1-2-9",
    "gtid=\"\"",
    "errant",
    "errant=3",
    "purged=..1-10",
    "received=..1-95",
    "received=<c>:7",
    "auto-position=off",
    "auto-position=on",
    "pseudo-gtid",
    "io=no",
    "io=connecting",
    "io-errno=1045",
    "io-error=\"it \\\"said\\\"\\n\\\\ ü\"",
    "sql=no",
    "sql=connecting",
    "sql-errno=1062",
    "sql-error=Duplicate",
    "read=b.000003:120",
    "exec=b.000002:7",
    "lag=5s",
    "lag=unknown",
    "delay=90m",
    "filters",
    "channel=ch",
    "semi-sync",
    "semi-sync-source=on:1/2",
    "semi-sync-source=idle:0/1",
    "semi-sync-timeout=1500ms",
    "semi-sync-point=after-sync",
    "semi-sync-point=after-commit",
    "semi-sync-absent=wait",
    "semi-sync-absent=go-on",
    "semi-sync-waiting=2",
    "semi-sync-replica=on",
    "semi-sync-priority=2",
    "unreachable",
    "partial=timeout",
    "failures=4",
    "checked=3s",
    "seen=1m",
    "probing=2500ms",
    "stalled=12s",
    "promotion=prefer_not",
    "downtime=30m",
    "downtime-owner=ann",
    "downtime-reason=\"x y\"",
];

#[derive(Clone, Debug)]
struct DrawnLine {
    /// How far up or down from the line before; bounded when drawn.
    level: usize,
    is_pair: bool,
    words: Vec<&'static str>,
}

fn a_line() -> impl Strategy<Value = DrawnLine> {
    let words = proptest::collection::vec(proptest::sample::select(&WORDS[..]), 0..6);
    (0..4usize, any::<bool>(), words).prop_map(|(level, is_pair, words)| DrawnLine {
        level,
        is_pair,
        words,
    })
}

fn text(lines: &[DrawnLine]) -> String {
    let mut text = String::new();
    let mut before = None;
    let mut has_pair = false;
    for (i, line) in lines.iter().enumerate() {
        let level = before.map_or(0, |before: usize| line.level.min(before + 1));
        before = Some(level);
        if level == 0 {
            has_pair = false;
        }
        let is_pair = level == 1 && line.is_pair && !has_pair;
        has_pair |= is_pair;
        let mark = match level {
            0 => "",
            _ if is_pair => "<-> ",
            _ => "+ ",
        };
        let name = char::from(b'a' + u8::try_from(i).expect("few lines"));
        text.push_str(&"  ".repeat(level.saturating_sub(1)));
        text.push_str(&format!("{mark}{name} [{}]\n", line.words.join(" ")));
    }
    text
}

/// Drops words that make no sense beside the others, until the rest is a drawing.
fn sensible(mut text: String) -> (String, Drawing) {
    loop {
        let why = match parse(&text) {
            Ok(drawing) => return (text, drawing),
            Err(why) => why,
        };
        text = without_word(&text, &why);
    }
}

fn without_word(text: &str, why: &DrawingError) -> String {
    let is_about_a_word = matches!(
        why.problem,
        Problem::Repeated { .. }
            | Problem::Value { .. }
            | Problem::UnknownName { .. }
            | Problem::NoLink { .. }
            | Problem::NeverSeen { .. }
            | Problem::NotKnown { .. }
    );
    assert!(is_about_a_word, "{why}\n{text}");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let chars: Vec<char> = lines[why.line - 1].chars().collect();
    let start = why.column - 1;
    let mut is_quoted = false;
    let mut end = start;
    while is_quoted || !matches!(chars[end], ' ' | ']') {
        match chars[end] {
            '\\' => end += 1,
            '"' => is_quoted = !is_quoted,
            _ => {}
        }
        end += 1;
    }
    let kept = chars[..start].iter().chain(&chars[end..]);
    lines[why.line - 1] = kept.collect();
    lines.join("\n")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_printed_reads_back_as_it_was(lines in proptest::collection::vec(a_line(), 1..8)) {
        let (text, drawing) = sensible(text(&lines));
        let printed = drawing.to_string();
        let back = parse(&printed);
        prop_assert!(back.is_ok(), "{}\n{}\nfrom\n{}", back.unwrap_err(), printed, text);
        let back = back.expect("it was read");
        prop_assert_eq!(&back, &drawing, "{}\nfrom\n{}", printed, text);
        prop_assert_eq!(back.to_string(), printed);
    }

    #[test]
    fn a_picture_that_the_notation_cannot_hold_prints_what_reads_back_to_the_same_text(
        lines in proptest::collection::vec(a_line(), 1..8),
        extra in any::<u32>(),
    ) {
        let (_, drawing) = sensible(text(&lines));
        let spoiled = spoil(&drawing, extra);
        let printed = spoiled.to_string();
        let back = parse(&printed);
        prop_assert!(back.is_ok(), "{}\n{}", back.unwrap_err(), printed);
        prop_assert_eq!(back.expect("it was read").to_string(), printed);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "(\\PC|[ \\n+\\[\\]<>\"=-]){0,80}") {
        // Either answer is right; that there is one is the property.
        match parse(&text) {
            Ok(drawing) => prop_assert!(parse(&drawing.to_string()).is_ok()),
            Err(why) => prop_assert!(why.line >= 1 && why.column >= 1),
        }
    }
}

/// The same with much that no line can say.
fn spoil(drawing: &Drawing, extra: u32) -> Drawing {
    let mut spoiled = drawing.clone();
    for record in drawing.picture.records() {
        let observation = record.observation.as_ref().map(|seen| {
            let mut seen: Observation = (**seen).clone();
            seen.latency = Duration::from_micros(u64::from(extra));
            seen.identity.uptime = Duration::from_secs(u64::from(extra));
            seen.identity.version_comment = "a comment".to_owned();
            seen.cluster_alias = "main".to_owned();
            seen.gtid.mariadb_binlog = format!("0-{extra}-1");
            seen.replication_credentials_available = extra.is_multiple_of(2);
            if extra.is_multiple_of(5) {
                seen.super_read_only = None;
            }
            Arc::new(seen)
        });
        spoiled.picture.put(InstanceRecord {
            observation,
            probing_since: Some(spoiled.now.plus(Duration::from_secs(5))),
            ..(**record).clone()
        });
    }
    spoiled
}

#[test]
fn every_attribute_is_among_the_words_drawn_at_random() {
    for row in super::super::attributes::rows() {
        let is_drawn = WORDS.iter().any(|word| {
            let name = word.split('=').next().unwrap_or_default();
            super::super::attributes::find(name).is_some_and(|(_, found)| std::ptr::eq(found, row))
        });
        assert!(is_drawn, "{:?}", row.names);
    }
    assert_eq!(drawn("a").to_string(), "a\n");
}
