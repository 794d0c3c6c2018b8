//! Topologies as text, drawn as orchestrator prints them.
//!
//! ```text
//! a
//! + b [read_only=0]
//!   + c
//! + d
//! ```
//!
//! A server without a plus sign is a source; each level below it is two more spaces and a plus sign. What stands in
//! brackets goes into that server's option file.

use super::settings::Settings;
use anyhow::{Context as _, Result, bail, ensure};

/// One server of a drawing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// Its name in the test.
    pub name: String,
    /// Which server it replicates from: the number of an earlier line. `None` for a source.
    pub source: Option<usize>,
    /// Options of this server only.
    pub settings: Settings,
}

/// Reads a drawing. Common indentation and empty lines do not count.
///
/// # Errors
/// When a line is no server, hangs below nothing, or repeats a name; the sentence names the line.
pub fn parse_drawing(text: &str) -> Result<Vec<Drawn>> {
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .collect();
    let margin = lines.iter().map(|line| indentation(line)).min();
    let margin = margin.context("the drawing is empty")?;
    let mut servers: Vec<Drawn> = Vec::new();
    // The latest server of each depth: what a line one level deeper hangs below.
    let mut latest: Vec<usize> = Vec::new();
    for line in lines {
        let (depth, rest) = depth_of(&line[margin..]).with_context(|| {
            format!("line \"{line}\" is not drawn as `name`, `+ name`, `  + name` …")
        })?;
        ensure!(
            depth <= latest.len(),
            "line \"{line}\" hangs below no server"
        );
        let (name, settings) =
            name_and_settings(rest).with_context(|| format!("line \"{line}\" cannot be read"))?;
        if servers.iter().any(|server| server.name == name) {
            bail!("line \"{line}\" repeats the name {name}");
        }
        latest.truncate(depth);
        let source = latest.last().copied();
        latest.push(servers.len());
        servers.push(Drawn {
            name,
            source,
            settings,
        });
    }
    Ok(servers)
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// How deep a line is drawn, and what follows the drawing.
fn depth_of(line: &str) -> Option<(usize, &str)> {
    let spaces = indentation(line);
    match line[spaces..].strip_prefix("+ ") {
        Some(rest) if spaces.is_multiple_of(2) => Some((spaces / 2 + 1, rest)),
        None if spaces == 0 => Some((0, line)),
        _ => None,
    }
}

fn name_and_settings(text: &str) -> Result<(String, Settings)> {
    let (name, list) = match text.split_once(" [") {
        Some((name, list)) => (name, list.strip_suffix(']').context("no closing bracket")?),
        None => (text, ""),
    };
    let is_name = |text: &str| !text.is_empty() && text.chars().all(char::is_alphanumeric);
    ensure!(is_name(name), "\"{name}\" is no name of letters and digits");
    let mut settings = Settings::new();
    for option in list.split_whitespace() {
        let (option, value) = option
            .split_once('=')
            .with_context(|| format!("option \"{option}\" has no value"))?;
        settings.set(option, value);
    }
    Ok((name.to_owned(), settings))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(text: &str) -> Vec<(String, Option<usize>)> {
        let drawn = parse_drawing(text).unwrap();
        drawn
            .into_iter()
            .map(|server| (server.name, server.source))
            .collect()
    }

    fn refusal(text: &str) -> String {
        format!("{:#}", parse_drawing(text).unwrap_err())
    }

    #[test]
    fn depth_tells_who_replicates_from_whom() {
        let expected = [
            ("a", None),
            ("b", Some(0)),
            ("c", Some(1)),
            ("d", Some(0)),
            ("e", None),
            ("f", Some(4)),
        ];
        let expected = expected.map(|(name, source)| (name.to_owned(), source));
        assert_eq!(shape("a\n+ b\n  + c\n+ d\ne\n+ f"), expected);
    }

    #[test]
    fn a_drawing_may_be_indented_as_a_whole() {
        let text = "
            a
            + b
              + c
        ";
        assert_eq!(shape(text), shape("a\n+ b\n  + c"));
    }

    #[test]
    fn brackets_hold_options_of_one_server() {
        let drawn = parse_drawing("a\n+ b [read-only=0 server_id=9]").unwrap();
        assert_eq!(drawn[0].settings, Settings::new());
        assert_eq!(
            drawn[1].settings,
            Settings::of(&[("read_only", "0"), ("server_id", "9")])
        );
    }

    #[test]
    fn a_wrong_drawing_is_refused_with_its_line() {
        assert!(refusal("\n \n").contains("the drawing is empty"));
        assert!(refusal("a\n  + b").contains("\"  + b\" hangs below no server"));
        assert!(refusal("a\n + b").contains("\" + b\" is not drawn"));
        assert!(refusal("a\n  b").contains("\"  b\" is not drawn"));
        assert!(refusal("a\n+ a").contains("repeats the name a"));
        assert!(refusal("a b").contains("\"a b\" is no name"));
        assert!(refusal("a [x]").contains("option \"x\" has no value"));
        assert!(refusal("a [x=1").contains("no closing bracket"));
    }
}
