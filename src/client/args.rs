//! The command line, by the rules of the shell's `getopts`.
//!
//! Short options may carry their value in the same word (`-ax`) or in the next one. Long names have one or two dashes.
//! A word that is no option ends the parsing, and so do `-` and `--`. Every option takes a value; the last one given wins.

use std::collections::BTreeMap;

/// What an option sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flag {
    /// Name of the command.
    Command,
    /// The instance, `host[:port]`.
    Instance,
    /// The second instance of commands that take two.
    Destination,
    /// Cluster alias.
    Alias,
    /// Port for instances written without one.
    DefaultPort,
    /// Endpoints, instead of those in the environment.
    Api,
    /// Path for the raw call.
    Path,
    /// Owner of a downtime or maintenance.
    Owner,
    /// Reason or comment.
    Reason,
    /// Length of a downtime.
    Duration,
    /// Promotion rule of a candidate.
    PromotionRule,
    /// Tag.
    Tag,
    /// Pool name.
    Pool,
    /// Virtual host name, or hint for an election.
    Hostname,
    /// SQL statement.
    Query,
    /// `user:password`.
    Auth,
    /// `Header:value`.
    HeadersAuth,
    /// Binary log file.
    Binlog,
    /// Seconds of delay.
    Seconds,
}

/// How an option is written and what it is for.
pub struct Spec {
    /// What it sets.
    pub flag: Flag,
    /// Its letters; the first one is the one to document.
    pub letters: &'static str,
    /// Its long name, if it has one.
    pub long: Option<&'static str>,
    /// What its value is, for the help text.
    pub value: &'static str,
    /// One line of help.
    pub help: &'static str,
}

const fn spec(
    flag: Flag,
    letters: &'static str,
    long: Option<&'static str>,
    value: &'static str,
    help: &'static str,
) -> Spec {
    Spec {
        flag,
        letters,
        long,
        value,
        help,
    }
}

/// All options but help, in the order of the help text.
pub static SPECS: &[Spec] = &[
    spec(
        Flag::Command,
        "c",
        Some("command"),
        "name",
        "what to do (see below)",
    ),
    spec(
        Flag::Instance,
        "i",
        None,
        "host[:port]",
        "instance; default $ORCHESTRATOR_INSTANCE",
    ),
    spec(
        Flag::Destination,
        "ds",
        None,
        "host[:port]",
        "destination instance, for commands that take two (-s is the same)",
    ),
    spec(
        Flag::Alias,
        "a",
        Some("alias"),
        "alias",
        "cluster alias; wins over -i",
    ),
    spec(
        Flag::DefaultPort,
        "D",
        None,
        "port",
        "port for -i and -d without one; default 3306",
    ),
    spec(
        Flag::Api,
        "U",
        Some("api"),
        "urls",
        "endpoints, separated by spaces; default $ORCHESTRATOR_API, then http://localhost:3000",
    ),
    spec(
        Flag::Path,
        "P",
        Some("path"),
        "path",
        "API path, for -c api",
    ),
    spec(
        Flag::Auth,
        "b",
        Some("auth"),
        "user:password",
        "basic authentication; default from the environment",
    ),
    spec(
        Flag::HeadersAuth,
        "e",
        Some("headers-auth"),
        "name:value",
        "header sent with every call; default from the environment",
    ),
    spec(
        Flag::Owner,
        "o",
        Some("owner"),
        "name",
        "owner of a downtime; default the user who runs this",
    ),
    spec(
        Flag::Reason,
        "r",
        Some("reason"),
        "text",
        "reason or comment",
    ),
    spec(
        Flag::Duration,
        "u",
        Some("duration"),
        "time",
        "length of a downtime, as 30s, 10m, 2h, 1d; default 10m",
    ),
    spec(
        Flag::PromotionRule,
        "R",
        Some("promotion-rule"),
        "rule",
        "prefer, neutral, prefer_not or must_not",
    ),
    spec(Flag::Tag, "t", Some("tag"), "tag", "name, or name=value"),
    spec(Flag::Pool, "l", Some("pool"), "name", "pool"),
    spec(
        Flag::Hostname,
        "H",
        Some("hostname"),
        "name",
        "host name, virtual or as a hint",
    ),
    spec(
        Flag::Query,
        "q",
        Some("query"),
        "statement",
        "SQL statement; or the UID or number of a recovery",
    ),
    spec(Flag::Binlog, "n", Some("binlog"), "file", "binary log file"),
    spec(
        Flag::Seconds,
        "S",
        Some("seconds"),
        "number",
        "seconds of delay",
    ),
];

/// The command that help options stand for.
pub const HELP: &str = "help";

/// The parsed command line.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Args {
    values: BTreeMap<Flag, String>,
    /// What was wrong but does not end the run, as `getopts` reports it.
    pub complaints: Vec<Complaint>,
}

/// A fault of the command line that parsing survives.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Complaint {
    /// No option has this letter.
    #[error("illegal option -- {0}")]
    UnknownLetter(char),
    /// No option has this long name.
    #[error("illegal option {0}")]
    UnknownName(String),
    /// The last word is an option without its value.
    #[error("option requires an argument -- {0}")]
    NoValue(char),
}

impl Args {
    /// Parses the words after the program's name.
    pub fn parse(words: &[String]) -> Args {
        let mut args = Args::default();
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            if !word.starts_with('-') || word == "-" || word == "--" {
                break;
            }
            if let Some((letter, joined)) = long_name(word) {
                let value = joined.or_else(|| rest.next().cloned());
                args.set(letter, value);
            } else if word.starts_with("--") {
                args.complaints.push(Complaint::UnknownName(word.clone()));
            } else {
                args.letters(word, &mut rest);
            }
        }
        args
    }

    /// The value of an option, if it was given.
    pub fn get(&self, flag: Flag) -> Option<&str> {
        self.values.get(&flag).map(String::as_str)
    }

    /// One word of short options: the first known letter takes what is left of the word, or the next one.
    fn letters<'a>(&mut self, word: &str, rest: &mut impl Iterator<Item = &'a String>) {
        for (at, letter) in word.char_indices().skip(1) {
            if letter != 'h' && spec_of(letter).is_none() {
                self.complaints.push(Complaint::UnknownLetter(letter));
                continue;
            }
            let joined = &word[at + letter.len_utf8()..];
            let value = if joined.is_empty() {
                rest.next().cloned()
            } else {
                Some(joined.to_owned())
            };
            self.set(letter, value);
            return;
        }
    }

    fn set(&mut self, letter: char, value: Option<String>) {
        match (spec_of(letter), value) {
            // The predecessor declared help with a value, so that a bare -h was an error. The value, if any, is dropped.
            (None, _) => drop(self.values.insert(Flag::Command, HELP.to_owned())),
            (Some(spec), Some(value)) => drop(self.values.insert(spec.flag, value)),
            (Some(_), None) => self.complaints.push(Complaint::NoValue(letter)),
        }
    }
}

fn spec_of(letter: char) -> Option<&'static Spec> {
    SPECS.iter().find(|spec| spec.letters.contains(letter))
}

/// The letter that a long option stands for, and its value when that is joined with `=`.
fn long_name(word: &str) -> Option<(char, Option<String>)> {
    let name = word.strip_prefix("--").or_else(|| word.strip_prefix('-'))?;
    let (name, joined) = match name.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (name, None),
    };
    if name == "help" {
        return Some(('h', joined));
    }
    let spec = SPECS.iter().find(|spec| spec.long == Some(name))?;
    Some((spec.letters.chars().next()?, joined))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Args {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        Args::parse(&words)
    }

    #[test]
    fn values_are_found_in_the_same_word_and_in_the_next() {
        for line in [
            "-c topology -a main",
            "-ctopology -amain",
            "-command topology --alias main",
            "--command topology -alias main",
            "--command=topology --alias=main",
            "-a other -c clusters -a main -c topology",
        ] {
            let args = parse(line);
            assert_eq!(args.get(Flag::Command), Some("topology"), "{line}");
            assert_eq!(args.get(Flag::Alias), Some("main"), "{line}");
            assert!(args.complaints.is_empty(), "{line}");
        }
    }

    #[test]
    fn every_option_has_its_letter_and_its_long_name() {
        for spec in SPECS {
            for letter in spec.letters.chars() {
                assert_eq!(parse(&format!("-{letter} x")).get(spec.flag), Some("x"));
            }
            if let Some(long) = spec.long {
                assert_eq!(parse(&format!("-{long} x")).get(spec.flag), Some("x"));
                assert_eq!(parse(&format!("--{long} x")).get(spec.flag), Some("x"));
            }
        }
        let letters: String = SPECS.iter().map(|spec| spec.letters).collect();
        assert_eq!(letters, "cidsaDUPbeoruRtlHqnS");
    }

    #[test]
    fn destination_has_two_letters_and_the_last_one_wins() {
        assert_eq!(parse("-d a -s b").get(Flag::Destination), Some("b"));
        assert_eq!(parse("-s b -d a").get(Flag::Destination), Some("a"));
    }

    #[test]
    fn an_option_may_take_a_value_that_looks_like_an_option() {
        assert_eq!(parse("-r -c").get(Flag::Reason), Some("-c"));
    }

    #[test]
    fn a_word_that_is_no_option_ends_the_parsing() {
        for line in ["word -c topology", "- -c topology", "-- -c topology"] {
            assert_eq!(parse(line), Args::default(), "{line}");
        }
    }

    #[test]
    fn unknown_options_are_reported_and_parsing_goes_on() {
        let args = parse("-x -zc topology --nothing -i db1 -a");
        assert_eq!(args.get(Flag::Command), Some("topology"));
        assert_eq!(args.get(Flag::Instance), Some("db1"));
        assert_eq!(
            args.complaints,
            [
                Complaint::UnknownLetter('x'),
                Complaint::UnknownLetter('z'),
                Complaint::UnknownName("--nothing".into()),
                Complaint::NoValue('a'),
            ]
        );
    }

    #[test]
    fn help_needs_no_value_and_swallows_one() {
        for line in [
            "-h",
            "--help",
            "-help",
            "-h x",
            "-hx",
            "-h -c",
            "-c topology -h",
        ] {
            let args = parse(line);
            assert_eq!(args.get(Flag::Command), Some(HELP), "{line}");
            assert!(args.complaints.is_empty(), "{line}");
        }
        assert_eq!(
            parse("-h x -c clusters").get(Flag::Command),
            Some("clusters")
        );
    }
}
