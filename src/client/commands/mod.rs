//! The commands: what each needs, asks and prints. `table` holds one row for each.

mod path;
mod table;

pub use path::{Error as PathError, OWNER, expand};
pub use table::ROWS;

use crate::args::Flag;
use crate::filters::Filter;
use crate::settings::Settings;

/// One command.
pub struct Row {
    /// The name that users type.
    pub name: &'static str,
    /// Its older name, which still works.
    pub old_name: Option<&'static str>,
    /// What must be given.
    pub needs: &'static [Need],
    /// One line of help.
    pub summary: &'static str,
    /// What it does.
    pub action: Action,
}

/// What a command does.
#[derive(Clone, Copy)]
pub enum Action {
    /// Prints the help text.
    Help,
    /// Prints the endpoint that would be used.
    WhichApi,
    /// Calls the path of `-P` and prints the body.
    RawCall,
    /// Calls a path and prints what a filter makes of the answer.
    Call {
        /// Template of the path, see [`expand`].
        path: &'static str,
        /// Whether it may change anything.
        changes: bool,
        /// From answer to output.
        filter: Filter,
    },
    /// The same, of a node that leads its group by its own word.
    OfLeader {
        /// Template of the path, see [`expand`].
        path: &'static str,
        /// Whether it may change anything.
        changes: bool,
        /// From answer to output.
        filter: Filter,
    },
    /// Known, and not there yet.
    NotYet,
}

/// Something that a command cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// An alias or an instance.
    Cluster,
    /// The value of this option.
    Value(Flag),
}

/// What is missing, in the predecessor's form `<what> must be provided`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} must be provided ({hint})")]
pub struct Missing {
    what: &'static str,
    hint: &'static str,
}

impl Need {
    /// Name and options, for messages and help.
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Need::Cluster => ("instance|alias", "-i or -a"),
            Need::Value(flag) => match flag {
                Flag::Command => ("command", "-c"),
                Flag::Instance => ("instance", "-i"),
                Flag::Destination => ("destination", "-d"),
                Flag::Alias => ("alias", "-a"),
                Flag::DefaultPort => ("default port", "-D"),
                Flag::Api => ("api", "-U"),
                Flag::Path => ("path", "-P"),
                Flag::Owner => ("owner", "-o"),
                Flag::Reason => ("reason", "-r"),
                Flag::Duration => ("duration", "-u"),
                Flag::PromotionRule => ("promotion rule", "-R"),
                Flag::Tag => ("tag", "-t"),
                Flag::Pool => ("pool", "-l"),
                Flag::Hostname => ("hostname", "-H"),
                Flag::Query => ("query", "-q"),
                Flag::Auth => ("auth", "-b"),
                Flag::HeadersAuth => ("headers-auth", "-e"),
                Flag::Binlog => ("binlog", "-n"),
                Flag::Seconds => ("seconds", "-S"),
            },
        }
    }

    /// The options that fill it.
    pub const fn hint(self) -> &'static str {
        self.words().1
    }

    /// Says what is missing when this is not given.
    pub const fn missing(self) -> Missing {
        let (what, hint) = self.words();
        Missing { what, hint }
    }

    fn is_met(self, settings: &Settings) -> bool {
        match self {
            Need::Cluster => !settings.cluster().is_empty(),
            Need::Value(flag) => !settings.value(flag).is_empty(),
        }
    }
}

impl Row {
    const fn new(name: &'static str, needs: &'static [Need], summary: &'static str) -> Row {
        Row {
            name,
            old_name: None,
            needs,
            summary,
            action: Action::NotYet,
        }
    }

    const fn was(self, old_name: &'static str) -> Row {
        Row {
            old_name: Some(old_name),
            ..self
        }
    }

    const fn does(self, action: Action) -> Row {
        Row { action, ..self }
    }

    const fn reads(self, path: &'static str, filter: Filter) -> Row {
        self.does(Action::Call {
            path,
            changes: false,
            filter,
        })
    }

    const fn changes(self, path: &'static str, filter: Filter) -> Row {
        self.does(Action::Call {
            path,
            changes: true,
            filter,
        })
    }

    const fn of_leader(self, path: &'static str, changes: bool, filter: Filter) -> Row {
        self.does(Action::OfLeader {
            path,
            changes,
            filter,
        })
    }

    /// Whether this release carries it out.
    pub const fn is_there(&self) -> bool {
        !matches!(self.action, Action::NotYet)
    }

    /// Refuses when something that it needs is not given.
    ///
    /// # Errors
    /// Names the first thing that is missing.
    pub fn check(&self, settings: &Settings) -> Result<(), Missing> {
        match self.needs.iter().find(|need| !need.is_met(settings)) {
            Some(need) => Err(need.missing()),
            None => Ok(()),
        }
    }
}

/// The name as it is looked up: the first `slave` in it becomes `replica`, so that all old names work.
pub fn canonical(name: &str) -> String {
    name.trim().replacen("slave", "replica", 1)
}

/// The row of a canonical name.
pub fn find(canonical: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.name == canonical)
}
