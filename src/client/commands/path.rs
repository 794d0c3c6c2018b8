//! From a path template and the settings to the path that is asked for.
//!
//! A template is text with `{placeholders}`: `{instance}` and `{destination}` give two segments (host and port),
//! `{cluster}` the alias or else the instance as it was written, `{named}` the instance as it was written, `{owner}` and every
//! other name the value of the option with that long name. A value that is not given leaves an empty segment; the table's `needs` say what may not be missing.
//! `{/destination}` and `{/cluster}` give a slash and the segments, or nothing at all when the value is not given.

use crate::args::{Flag, SPECS};
use crate::encode::encode;
use crate::instance;
use crate::settings::Settings;

/// A path that cannot be built.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A text that is no instance.
    #[error(transparent)]
    Instance(#[from] instance::Error),
    /// A value of dots only would be taken for a relative path by every URL parser.
    #[error("'{0}' cannot be used as a name")]
    Dots(String),
    /// A fault of the table, which a test excludes.
    #[error("the placeholder {0} is not known")]
    Placeholder(String),
}

/// The placeholder whose value is the user of this machine when no option gives it.
pub const OWNER: &str = "{owner}";

/// Fills a template in. `owner` is who owns what is created.
///
/// # Errors
/// When a value cannot be part of a path.
pub fn expand(template: &str, settings: &Settings, owner: &str) -> Result<String, Error> {
    let mut path = String::new();
    let mut rest = template;
    while let Some((plain, tail)) = rest.split_once('{') {
        let (name, tail) = tail
            .split_once('}')
            .ok_or_else(|| Error::Placeholder(tail.to_owned()))?;
        path.push_str(plain);
        path.push_str(&fill(name, settings, owner)?);
        rest = tail;
    }
    path.push_str(rest);
    Ok(path)
}

fn fill(name: &str, settings: &Settings, owner: &str) -> Result<String, Error> {
    let server = |flag| {
        let port = settings.value(Flag::DefaultPort);
        Ok(instance::segments(settings.value(flag), port)?)
    };
    match name {
        "instance" => server(Flag::Instance),
        "destination" => server(Flag::Destination),
        "/destination" if settings.value(Flag::Destination).is_empty() => Ok(String::new()),
        "/destination" => Ok(format!("/{}", server(Flag::Destination)?)),
        "/cluster" if settings.cluster().is_empty() => Ok(String::new()),
        "/cluster" => Ok(format!("/{}", segment(settings.cluster())?)),
        "cluster" => segment(settings.cluster()),
        "named" => segment(settings.value(Flag::Instance)),
        "owner" => segment(owner),
        other => match SPECS.iter().find(|spec| spec.long == Some(other)) {
            Some(spec) => segment(settings.value(spec.flag)),
            None => Err(Error::Placeholder(other.to_owned())),
        },
    }
}

fn segment(text: &str) -> Result<String, Error> {
    match text {
        "." | ".." => Err(Error::Dots(text.to_owned())),
        text => Ok(encode(text)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Error, expand};
    use crate::args::Args;
    use crate::commands::{Action, ROWS};
    use crate::settings::Settings;

    fn settings(words: &[&str]) -> Settings {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Settings::new(Args::parse(&words), &BTreeMap::new()).expect("settings")
    }

    #[test]
    fn placeholders_are_filled_and_encoded() {
        let settings = settings(&[
            "-i",
            "db1",
            "-d",
            "[::1]:3307",
            "-r",
            "disk / full",
            "-R",
            "prefer_not",
            "-t",
            "a=b",
        ]);
        for (template, expected) in [
            ("discover/{instance}", "discover/db1/3306"),
            (
                "relocate/{instance}/{destination}",
                "relocate/db1/3306/::1/3307",
            ),
            ("topology/{cluster}", "topology/db1"),
            (
                "x/{instance}/{owner}/{reason}/{duration}",
                "x/db1/3306/me/disk%20%2F%20full/10m",
            ),
            ("x/{promotion-rule}", "x/prefer_not"),
            ("tag/{instance}?tag={tag}", "tag/db1/3306?tag=a%3Db"),
            ("downtimed/{alias}", "downtimed/"),
            ("x/{named}?alias={tag}", "x/db1?alias=a%3Db"),
            (
                "recover/{instance}{/destination}",
                "recover/db1/3306/::1/3307",
            ),
            ("v2/why-not{/cluster}", "v2/why-not/db1"),
        ] {
            assert_eq!(expand(template, &settings, "me").as_deref(), Ok(expected));
        }
    }

    #[test]
    fn what_may_be_missing_leaves_nothing_behind() {
        let nothing = settings(&["-i", "db1"]);
        let expanded = expand("recover/{instance}{/destination}", &nothing, "");
        assert_eq!(expanded.as_deref(), Ok("recover/db1/3306"));
        let nothing = settings(&[]);
        let expanded = expand("v2/why-not{/cluster}", &nothing, "");
        assert_eq!(expanded.as_deref(), Ok("v2/why-not"));
        let dots = settings(&["-a", ".."]);
        assert_eq!(
            expand("v2/why-not{/cluster}", &dots, ""),
            Err(Error::Dots("..".into()))
        );
    }

    #[test]
    fn names_of_dots_are_refused() {
        let settings = settings(&["-a", ".."]);
        assert_eq!(
            expand("topology/{cluster}", &settings, ""),
            Err(Error::Dots("..".into()))
        );
    }

    #[test]
    fn every_template_of_the_table_can_be_filled_in() {
        let settings = settings(&[
            "-i", "db1", "-d", "db2", "-r", "x", "-R", "prefer", "-H", "orc2", "-q", "7",
        ]);
        for row in ROWS {
            if let Action::Call { path, .. } | Action::OfLeader { path, .. } = row.action {
                let expanded = expand(path, &settings, "me").expect(row.name);
                assert!(!expanded.contains(['{', '}']), "{expanded}");
                assert!(
                    !expanded.contains("//") && !expanded.starts_with('/'),
                    "{expanded}"
                );
            }
        }
    }
}
