//! The reference page `docs/configuration.md`, written from the table of keys.

use std::fmt::Write as _;

use super::key::{Change, Key, Kind, State};
use super::table;

/// The hand-written beginning of the page.
const HEAD: &str = include_str!("reference_head.md");

/// The example, which is also the file that packages install.
const EXAMPLE: &str = include_str!("../../../deploy/orchestrator.conf.json");

/// The whole page.
pub fn markdown() -> String {
    let mut page = HEAD.replace("{{example}}", EXAMPLE.trim_end());
    page.push_str("\n## Not in effect in this release\n\n");
    page.push_str("Setting one of these is warned about; those marked *refuses the start* do that when set to other than their default.\n\n");
    for (title, names) in not_in_effect() {
        writes(&mut page, format_args!("- {title}: {names}\n"));
    }
    page.push_str("\n## Keys\n");
    for section in table::SECTIONS {
        writes(
            &mut page,
            format_args!("\n### {}\n\n{}\n\n", section.title, section.about),
        );
        page.push_str(
            "| key | type, default | range | counts after | meaning |\n|---|---|---|---|---|\n",
        );
        for key in section.keys {
            page.push_str(&row(key));
        }
    }
    page
}

/// One key for people who ask on the command line: its line of the page as plain text.
pub fn describe(name: &str) -> Option<String> {
    let key = table::find(name)?;
    let range = range(key);
    let details = [default(key), range, remark(key)];
    let details: Vec<_> = details
        .iter()
        .filter(|text| !text.is_empty())
        .map(|text| text.replace(['*', '`'], ""))
        .collect();
    Some(format!("{}\n{}", key.meaning, details.join("; ")))
}

fn writes(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text)
        .expect("writing to a String does not fail");
}

fn not_in_effect() -> Vec<(&'static str, String)> {
    let section = |section: &'static table::Section| {
        let keys = section
            .keys
            .iter()
            .filter(|key| matches!(key.state, State::NotYet | State::Restricts));
        let names: Vec<_> = keys
            .map(|key| format!("`{}`{}", key.name, refusal(key)))
            .collect();
        (section.title, names.join(", "))
    };
    table::SECTIONS
        .iter()
        .map(section)
        .filter(|(_, names)| !names.is_empty())
        .collect()
}

fn refusal(key: &Key) -> &'static str {
    let refuses = key.state == State::Restricts;
    if refuses {
        " (*refuses the start*)"
    } else {
        ""
    }
}

fn row(key: &Key) -> String {
    let counts = match (key.state, key.change) {
        (State::Removed | State::NoEffect | State::NotCarriedOver, _) => "–",
        (_, Change::Live) => "reload",
        (_, Change::Restart) => "restart",
    };
    let mut meaning = key.meaning.to_owned();
    let remark = remark(key);
    let remark = remark.trim();
    if !remark.is_empty() {
        meaning = format!("{meaning} {remark}");
    }
    let cells = [
        format!("`{}`", key.name),
        default(key),
        range(key),
        counts.to_owned(),
        meaning,
    ];
    format!(
        "| {} |\n",
        cells.map(|cell| cell.replace('|', "\\|")).join(" | ")
    )
}

fn default(key: &Key) -> String {
    match key.kind {
        Kind::Boolean { default } => format!("boolean, `{default}`"),
        Kind::Integer { default, .. } if key.unit.is_empty() => format!("number, `{default}`"),
        Kind::Integer { default, .. } => format!("number, `{default}` {}", key.unit),
        Kind::Text { default } | Kind::Word { default, .. } => format!("text, `\"{default}\"`"),
        Kind::Pattern => "regular expression, `\"\"`".to_owned(),
        Kind::Secrets { max } => format!("text, or list of at most {max}; `\"\"`"),
        Kind::Texts { default: [] } => "list, `[]`".to_owned(),
        Kind::Texts { default } => format!("list, `{default:?}`"),
        Kind::HostFilters | Kind::Patterns | Kind::ClusterFilters => {
            "list of patterns, `[]`".to_owned()
        }
        Kind::PatternMap => "object, `{}`".to_owned(),
        Kind::ClusterNumbers { .. } => format!("object, `{{}}`; {}", key.unit),
        Kind::Anything => "–".to_owned(),
    }
}

fn range(key: &Key) -> String {
    match key.kind {
        Kind::Integer {
            min, max: i64::MAX, ..
        } => format!("{min} or more"),
        Kind::Integer { min, max, .. } => format!("{min} to {max}"),
        Kind::ClusterNumbers { min, max } => format!("{min} to {max} each"),
        Kind::Word { allowed, .. } => allowed.join(", "),
        _ => String::new(),
    }
}

fn remark(key: &Key) -> String {
    let state = match key.state {
        State::InEffect => "",
        State::NotYet => "*Not in effect in this release.*",
        State::Restricts => {
            "*Not in effect in this release; refuses the start when set to other than its default.*"
        }
        State::NotCarriedOver => "*Not carried over.*",
        State::NoEffect => "*Never had an effect.*",
        State::Removed => "*No effect.*",
    };
    let old = key
        .old_name_of
        .map(|newer| format!("Old name of `{newer}`."))
        .unwrap_or_default();
    let new = if key.is_new {
        "(New; unknown to the predecessor.)"
    } else {
        ""
    };
    let parts = [state, &old, key.note, new];
    parts
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_page_in_docs_is_the_one_the_table_writes() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, markdown()).unwrap();
        }
        let present = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            present == markdown(),
            "docs/configuration.md is stale; run the tests once with UPDATE_DOCS=1 in the environment and commit it"
        );
    }

    #[test]
    fn a_key_is_described_in_any_case() {
        let text = describe("instancepollseconds").expect("a known key");
        assert_eq!(
            text,
            "Time from one probe of a server to the next.\nnumber, 5 seconds; 1 to 86400"
        );
        assert_eq!(describe("nothing"), None);
    }
}
