//! The flags, with the rules of Go's flag package (its documentation, "Command line flag syntax"): one or two dashes,
//! `-name value` or `-name=value`, booleans only `-name` or `-name=value`, and no flag behind the first other word or
//! behind `--`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::config::{FileList, Overrides};

/// What a flag takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// A text, with the default.
    Text(&'static str),
    /// `true` or `false`, with the default.
    Boolean(bool),
}

/// A row of the table of flags.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flag {
    pub name: &'static str,
    pub takes: Takes,
    pub meaning: &'static str,
}

const fn text(name: &'static str, meaning: &'static str) -> Flag {
    Flag {
        name,
        takes: Takes::Text(""),
        meaning,
    }
}

const fn switch(name: &'static str, meaning: &'static str) -> Flag {
    Flag {
        name,
        takes: Takes::Boolean(false),
        meaning,
    }
}

/// Every flag of the predecessor (3.2.6), so that no start script breaks on one that does nothing yet; then ours.
pub(super) const FLAGS: &[Flag] = &[
    text("config", "configuration file; replaces the standard list"),
    text("c", "command"),
    switch("strict", "search exhaustively (last-pseudo-gtid)"),
    text(
        "i",
        "instance, host:port; several separated by commas or blanks",
    ),
    text("s", "the same as -d"),
    text("d", "destination instance, host:port"),
    text("owner", "who does it; your user name by default"),
    text("reason", "why it is done"),
    text("duration", "how long: a whole number and s, m, h, d or w"),
    text("pattern", "pattern, as the command needs it"),
    text("alias", "alias of a cluster"),
    text("pool", "name of a pool"),
    text("hostname", "host name, as the command needs it"),
    Flag {
        name: "discovery",
        takes: Takes::Boolean(true),
        meaning: "probe servers (http)",
    },
    switch(
        "quiet",
        "log errors only; wins over -verbose, -debug and the key Debug",
    ),
    switch("verbose", "log at level INFO"),
    switch("debug", "log at level DEBUG"),
    switch("stack", "add a stack trace to logged errors"),
    switch("skip-binlog-search", "Pseudo-GTID: use relay logs only"),
    switch("skip-unresolve", "do not use virtual names"),
    switch(
        "skip-unresolve-check",
        "accept a virtual name that leads elsewhere",
    ),
    switch("noop", "dry run: change nothing on any server"),
    text("binlog", "binary log file, or file:position"),
    text("statement", "statement (restart-replica-statements)"),
    switch("grab-election", "become the active node at start"),
    Flag {
        name: "promotion-rule",
        takes: Takes::Text("prefer"),
        meaning: "prefer, neutral, prefer_not or must_not (register-candidate)",
    },
    switch("version", "print version and commit, and end"),
    switch(
        "skip-continuous-registration",
        "do not register this process in the store",
    ),
    switch(
        "enable-database-update",
        "as if SkipOrchestratorDatabaseUpdate were false",
    ),
    switch(
        "ignore-raft-setup",
        "allow commands although RaftEnabled is set",
    ),
    text("tag", "tag"),
    // Ours.
    switch(
        "raft-start-without-silent",
        "begin a new raft group although some of RaftNodes do not answer",
    ),
    text(
        "lose-the-others",
        "confirm raft-recover, with the text that it asks for",
    ),
    text(
        "of-group",
        "confirm raft-adopt-store: the group that the store belongs to",
    ),
];

/// Values of all flags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    texts: BTreeMap<&'static str, String>,
    booleans: BTreeMap<&'static str, bool>,
}

/// Why arguments are no flags. Exit code 2.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlagError {
    /// No flag has this name.
    #[error("-{} is not a flag", name.escape_debug())]
    Unknown {
        /// The name.
        name: String,
    },
    /// Nothing follows a flag that takes a text.
    #[error("-{name} needs a value: -{name} VALUE or -{name}=VALUE")]
    NoValue {
        /// The flag.
        name: &'static str,
    },
    /// Something else than a boolean.
    #[error("-{name} is true or false, not '{}'; write -{name} or -{name}=false", value.escape_debug())]
    NotBoolean {
        /// The flag.
        name: &'static str,
        /// What was written.
        value: String,
    },
    /// Dashes without a name, or three of them.
    #[error("'{}' is not a flag; a flag is one or two dashes and its name", text.escape_debug())]
    Syntax {
        /// The argument.
        text: String,
    },
    /// Not text.
    #[error("'{}' is not UTF-8 text", lossy.escape_debug())]
    NotText {
        /// The argument, with what is not text replaced.
        lossy: String,
    },
    /// A flag behind the mode, which Go would pass over.
    #[error("'{}' stands behind '{}', where it would have no effect; put it before", flag.escape_debug(), mode.escape_debug())]
    BehindMode {
        /// The argument.
        flag: String,
        /// The mode.
        mode: String,
    },
    /// `-h` or `-help`: not wrong, but answered with the same text.
    #[error("the flags of orchestrator")]
    HelpWanted,
}

impl Flags {
    /// Takes the flags from the front of the arguments and returns what follows them.
    pub(super) fn take(arguments: &[String]) -> Result<(Self, &[String]), FlagError> {
        let mut flags = Self::default();
        let mut rest = arguments;
        while let Some((first, behind)) = rest.split_first() {
            if first == "--" {
                return Ok((flags, behind));
            }
            if !first.starts_with('-') || first == "-" {
                break;
            }
            let used = flags.take_one(first, behind)?;
            rest = &rest[used..];
        }
        Ok((flags, rest))
    }

    /// Takes one flag and returns how many arguments it is.
    fn take_one(&mut self, first: &str, behind: &[String]) -> Result<usize, FlagError> {
        let body = first
            .strip_prefix("--")
            .or_else(|| first.strip_prefix('-'))
            .unwrap_or(first);
        if body.is_empty() || body.starts_with(['-', '=']) {
            return Err(FlagError::Syntax {
                text: first.to_owned(),
            });
        }
        let (name, value) = body
            .split_once('=')
            .map_or((body, None), |(name, value)| (name, Some(value)));
        let Some(flag) = FLAGS.iter().find(|flag| flag.name == name) else {
            let is_help = name == "h" || name == "help";
            return Err(if is_help {
                FlagError::HelpWanted
            } else {
                FlagError::Unknown {
                    name: name.to_owned(),
                }
            });
        };
        match (flag.takes, value, behind.first()) {
            (Takes::Boolean(_), value, _) => {
                let value = value.unwrap_or("true");
                let not_boolean = || FlagError::NotBoolean {
                    name: flag.name,
                    value: value.to_owned(),
                };
                self.booleans
                    .insert(flag.name, boolean(value).ok_or_else(not_boolean)?);
                Ok(1)
            }
            (Takes::Text(_), Some(value), _) => {
                self.texts.insert(flag.name, value.to_owned());
                Ok(1)
            }
            (Takes::Text(_), None, Some(value)) => {
                self.texts.insert(flag.name, value.clone());
                Ok(2)
            }
            (Takes::Text(_), None, None) => Err(FlagError::NoValue { name: flag.name }),
        }
    }

    /// Value of a flag that takes a text, `""` for a name that is none.
    pub fn text(&self, name: &str) -> &str {
        let default = FLAGS.iter().find_map(|flag| match flag.takes {
            Takes::Text(default) if flag.name == name => Some(default),
            _ => None,
        });
        self.texts
            .get(name)
            .map(String::as_str)
            .or(default)
            .unwrap_or_default()
    }

    /// Value of a flag that is true or false, `false` for a name that is none.
    pub fn is(&self, name: &str) -> bool {
        let default = FLAGS
            .iter()
            .any(|flag| flag.name == name && flag.takes == Takes::Boolean(true));
        self.booleans.get(name).copied().unwrap_or(default)
    }

    /// Which configuration files are read.
    pub fn files(&self) -> FileList {
        let config =
            Some(PathBuf::from(self.text("config"))).filter(|path| !path.as_os_str().is_empty());
        FileList::from_flag(config.as_deref())
    }

    /// What the flags say over the files.
    pub fn overrides(&self) -> Overrides {
        Overrides {
            enable_database_update: self.is("enable-database-update"),
        }
    }

    /// Whether servers are probed.
    pub fn discovers(&self) -> bool {
        self.is("discovery")
    }
}

/// The words that Go's `strconv.ParseBool` takes.
fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}
