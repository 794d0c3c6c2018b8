//! From arguments to what the process is to do.

use std::ffi::OsString;

use super::flags::{FlagError, Flags};
use super::text;

/// What the process is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invocation {
    /// Read the configuration and serve.
    Serve(Flags),
    /// Read the configuration, and begin a group without the majority that was lost.
    RaftRecover(Flags),
    /// Read the configuration, and give up what was decided in its store.
    RaftAdoptStore(Flags),
    /// Read the configuration (a mistake in it is a failure here too), then say this.
    CheckThenSay(Flags, Saying),
    /// Say this and end, without reading anything.
    Say(Saying),
}

/// A text to print, and the exit code to end with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saying {
    /// Where to print it.
    pub stream: Stream,
    /// The text, with its last line break.
    pub text: String,
    /// The exit code.
    pub code: u8,
}

/// One of the two output streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Results.
    Stdout,
    /// Logs, complaints and the list of help topics.
    Stderr,
}

/// Promotion rules that may be registered.
const PROMOTION_RULES: &[&str] = &["prefer", "neutral", "prefer_not", "must_not"];

/// As [`parse()`], for the arguments as the system hands them over, which need not be text.
pub fn parse_os(arguments: impl IntoIterator<Item = OsString>) -> Invocation {
    let texts: Result<Vec<String>, OsString> =
        arguments.into_iter().map(OsString::into_string).collect();
    match texts {
        Ok(texts) => parse(&texts),
        Err(argument) => wrong_flag(&FlagError::NotText {
            lossy: argument.to_string_lossy().into_owned(),
        }),
    }
}

/// Decides what the arguments (without the program's name) ask for.
pub fn parse(arguments: &[String]) -> Invocation {
    match Flags::take(arguments) {
        Err(FlagError::HelpWanted) => say(Stream::Stderr, text::flags(), 0),
        Err(error) => wrong_flag(&error),
        Ok((flags, rest)) => mode(flags, rest),
    }
}

fn mode(flags: Flags, rest: &[String]) -> Invocation {
    if flags.is("version") {
        return say(Stream::Stdout, text::version(), 0);
    }
    if let Some(complaint) = complaint(&flags) {
        return say(Stream::Stderr, complaint, 1);
    }
    let words: Vec<&str> = rest.iter().map(String::as_str).collect();
    let command = flags.text("c").to_owned();
    match (command.as_str(), words.as_slice()) {
        ("help", [] | ["cli", ..]) | ("", ["help"]) => {
            say(Stream::Stderr, text::HELP.to_owned(), 0)
        }
        ("", ["help", topic, ..]) => say(Stream::Stdout, text::topic(topic), 0),
        (topic, ["help", ..]) => say(Stream::Stdout, text::topic(topic), 0),
        ("", ["http", behind @ ..]) => in_mode("http", behind, flags, Invocation::Serve),
        ("", ["raft-recover", behind @ ..]) => {
            in_mode("raft-recover", behind, flags, Invocation::RaftRecover)
        }
        ("", ["raft-adopt-store", behind @ ..]) => in_mode(
            "raft-adopt-store",
            behind,
            flags,
            Invocation::RaftAdoptStore,
        ),
        ("", [] | ["cli", ..]) => {
            let overview = Saying {
                stream: Stream::Stdout,
                text: text::OVERVIEW.to_owned(),
                code: 0,
            };
            Invocation::CheckThenSay(flags, overview)
        }
        (command, [] | ["cli" | "http", ..]) => say(Stream::Stderr, text::no_commands(command), 1),
        (_, [word, ..]) => say(Stream::Stderr, text::usage(word), 1),
    }
}

fn in_mode(
    mode: &str,
    behind: &[&str],
    flags: Flags,
    invocation: fn(Flags) -> Invocation,
) -> Invocation {
    match behind.iter().find(|word| word.starts_with('-')) {
        Some(flag) => wrong_flag(&FlagError::BehindMode {
            flag: (*flag).to_owned(),
            mode: mode.to_owned(),
        }),
        None => invocation(flags),
    }
}

/// What is wrong with flags that are each right in themselves.
fn complaint(flags: &Flags) -> Option<String> {
    let rule = flags.text("promotion-rule");
    if !flags.text("s").is_empty() && !flags.text("d").is_empty() {
        Some("orchestrator: -s and -d mean the same; give only one of them\n".to_owned())
    } else if !PROMOTION_RULES.contains(&rule) {
        let rules = PROMOTION_RULES.join(", ");
        Some(format!(
            "orchestrator: -promotion-rule is '{}'; it must be one of {rules}\n",
            rule.escape_debug()
        ))
    } else {
        None
    }
}

fn wrong_flag(error: &FlagError) -> Invocation {
    say(
        Stream::Stderr,
        format!("orchestrator: {error}\n{}", text::flags()),
        2,
    )
}

fn say(stream: Stream, text: String, code: u8) -> Invocation {
    Invocation::Say(Saying { stream, text, code })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::LogLevel;
    use super::super::flags::FLAGS;
    use super::*;
    use crate::config::FileList;

    fn invoke(line: &str) -> Invocation {
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parse(&arguments)
    }

    fn said(line: &str) -> (Stream, String, u8) {
        match invoke(line) {
            Invocation::Say(saying) => (saying.stream, saying.text, saying.code),
            other => panic!("{line}: {other:?}"),
        }
    }

    fn served(line: &str) -> Flags {
        match invoke(line) {
            Invocation::Serve(flags) => flags,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn every_flag_of_the_predecessor_is_known() {
        // And three of ours.
        assert_eq!(FLAGS.len(), 34);
    }

    #[test]
    fn flags_are_written_in_all_of_gos_forms() {
        for line in [
            "-config=/a/b http",
            "--config=/a/b http",
            "-config /a/b http",
            "--config /a/b http",
            "-config /a/b -- http",
        ] {
            assert_eq!(
                served(line).files(),
                FileList::Only(PathBuf::from("/a/b")),
                "{line}"
            );
        }
        for (line, debug, discovery) in [
            ("http", false, true),
            ("-debug http", true, true),
            ("--debug=T -discovery=0 http", true, false),
            ("-debug -debug=false --discovery=FALSE http", false, false),
        ] {
            let flags = served(line);
            assert_eq!(
                (flags.is("debug"), flags.discovers()),
                (debug, discovery),
                "{line}"
            );
        }
        assert_eq!(
            served("-i -x http").text("i"),
            "-x",
            "whatever follows is the value"
        );
        assert_eq!(served("-config= http").files(), FileList::Standard);
        assert_eq!(served("-reason a=b http").text("reason"), "a=b");
        assert!(
            served("-enable-database-update http")
                .overrides()
                .enable_database_update
        );
        assert_eq!(served("http").text("promotion-rule"), "prefer");
    }

    #[test]
    fn wrong_flags_end_with_code_two_and_the_usage_on_stderr() {
        for (line, sentence) in [
            ("-nonsense http", "-nonsense is not a flag"),
            (
                "-config",
                "-config needs a value: -config VALUE or -config=VALUE",
            ),
            (
                "-debug=maybe http",
                "-debug is true or false, not 'maybe'; write -debug or -debug=false",
            ),
            (
                "---debug http",
                "'---debug' is not a flag; a flag is one or two dashes and its name",
            ),
            (
                "-=x http",
                "'-=x' is not a flag; a flag is one or two dashes and its name",
            ),
            (
                "http -debug",
                "'-debug' stands behind 'http', where it would have no effect; put it before",
            ),
            (
                "raft-recover -lose-the-others=n1/g",
                "'-lose-the-others=n1/g' stands behind 'raft-recover', where it would have no effect; put it before",
            ),
        ] {
            let (stream, text, code) = said(line);
            assert_eq!((stream, code), (Stream::Stderr, 2), "{line}");
            let (first, usage) = text.split_once('\n').unwrap();
            assert_eq!(first, format!("orchestrator: {sentence}"), "{line}");
            assert!(usage.contains("-config string"), "{line}: the flags follow");
        }
        let (stream, text, code) = said("--help");
        assert_eq!((stream, code), (Stream::Stderr, 0));
        assert!(text.starts_with("Usage of orchestrator"));
    }

    #[test]
    fn arguments_that_are_no_text_are_refused() {
        use std::os::unix::ffi::OsStringExt;
        let invoked = parse_os([OsString::from_vec(vec![b'-', 0xff])]);
        let Invocation::Say(saying) = invoked else {
            panic!("{invoked:?}");
        };
        assert_eq!(saying.code, 2);
        assert!(
            saying
                .text
                .starts_with("orchestrator: '-\u{fffd}' is not UTF-8 text"),
            "{}",
            saying.text
        );
        assert!(matches!(
            parse_os([OsString::from("http")]),
            Invocation::Serve(_)
        ));
    }

    #[test]
    fn modes_answer_on_their_stream_with_their_code() {
        for (line, stream, code, beginning) in [
            (
                "-version",
                Stream::Stdout,
                0,
                concat!(env!("CARGO_PKG_VERSION"), "\n"),
            ),
            (
                "-version nonsense",
                Stream::Stdout,
                0,
                concat!(env!("CARGO_PKG_VERSION"), "\n"),
            ),
            ("help", Stream::Stderr, 0, "Modes:\n"),
            ("-c help", Stream::Stderr, 0, "Modes:\n"),
            ("-c help cli", Stream::Stderr, 0, "Modes:\n"),
            ("help relocate", Stream::Stdout, 0, "relocate:\n"),
            ("-c relocate help", Stream::Stdout, 0, "relocate:\n"),
            (
                "help readonly",
                Stream::Stdout,
                0,
                "readonly:\nRefuse every request",
            ),
            (
                "nonsense",
                Stream::Stderr,
                1,
                "orchestrator: 'nonsense' is not a mode",
            ),
            (
                "-debug nonsense http",
                Stream::Stderr,
                1,
                "orchestrator: 'nonsense' is not a mode",
            ),
            ("-", Stream::Stderr, 1, "orchestrator: '-' is not a mode"),
            (
                "-s a -d b -c move-below",
                Stream::Stderr,
                1,
                "orchestrator: -s and -d mean the same",
            ),
            (
                "-promotion-rule must -c register-candidate",
                Stream::Stderr,
                1,
                "orchestrator: -promotion-rule is 'must'; it must be one of prefer,",
            ),
        ] {
            let said = said(line);
            assert_eq!((said.0, said.2), (stream, code), "{line}");
            assert!(said.1.starts_with(beginning), "{line}: {}", said.1);
        }
        assert_eq!(said("-version").1.lines().count(), 2);
        assert_eq!(
            said("help relocate").1,
            "relocate:\n",
            "nothing is known about it"
        );
    }

    #[test]
    fn what_is_given_up_is_given_up_by_modes_of_their_own() {
        let Invocation::RaftRecover(flags) = invoke("-lose-the-others n1:10008/ab raft-recover")
        else {
            panic!("it is a mode");
        };
        assert_eq!(flags.text("lose-the-others"), "n1:10008/ab");
        let Invocation::RaftAdoptStore(flags) = invoke("-of-group=ab raft-adopt-store") else {
            panic!("it is a mode");
        };
        assert_eq!(flags.text("of-group"), "ab");
    }

    #[test]
    fn nothing_asked_is_answered_with_an_overview_once_the_configuration_was_read() {
        for line in ["", "-debug", "cli"] {
            let Invocation::CheckThenSay(_, saying) = invoke(line) else {
                panic!("{line}");
            };
            assert_eq!((saying.stream, saying.code), (Stream::Stdout, 0));
            assert!(saying.text.contains("orchestrator http"));
        }
    }

    #[test]
    fn a_command_is_refused_in_one_sentence_that_names_the_client() {
        for line in [
            "-c topology -i a:3306",
            "-c topology cli",
            "-ignore-raft-setup -c topology",
        ] {
            let (stream, text, code) = said(line);
            assert_eq!((stream, code), (Stream::Stderr, 1), "{line}");
            assert_eq!(
                text,
                "orchestrator: commands are not there in this release; call the running service instead: orchestrator-client -c topology …\n"
            );
        }
    }

    #[test]
    fn quiet_wins_over_debug_and_debug_over_verbose() {
        for (line, configured, level) in [
            ("http", false, LogLevel::Info),
            ("-verbose http", false, LogLevel::Info),
            ("-verbose -debug http", false, LogLevel::Debug),
            ("http", true, LogLevel::Debug),
            ("-verbose http", true, LogLevel::Debug),
            ("-quiet -debug http", true, LogLevel::Error),
        ] {
            assert_eq!(
                LogLevel::decide(&served(line), configured),
                level,
                "{line} {configured}"
            );
        }
    }
}
