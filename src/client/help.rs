//! The help text.

use crate::args::{SPECS, Spec};
use crate::commands::{ROWS, Row};

/// How to call the program, its options and its commands.
pub fn text(program: &str) -> String {
    let mut lines = vec![
        format!("Usage: {program} -c <command> [options]"),
        String::new(),
        "Options:".to_owned(),
    ];
    lines.extend(SPECS.iter().map(option));
    lines.push(format!("  {:<42} {}", "-h, --help", "print this"));
    lines.push(String::new());
    lines.push("Commands:".to_owned());
    lines.extend(ROWS.iter().map(command));
    lines.push(String::new());
    lines.join("\n")
}

fn option(spec: &Spec) -> String {
    let mut names: Vec<String> = spec.letters.chars().map(|l| format!("-{l}")).collect();
    names.extend(spec.long.map(|long| format!("--{long}")));
    let left = format!("{} <{}>", names.join(", "), spec.value);
    format!("  {left:<42} {}", spec.help)
}

fn command(row: &Row) -> String {
    let needs: Vec<&str> = row.needs.iter().map(|need| need.hint()).collect();
    let needs = needs.join(", ");
    let old_name = row.old_name.map(|name| format!(" (also {name})"));
    let old_name = old_name.unwrap_or_default();
    let there = if row.is_there() {
        ""
    } else {
        " (not there yet)"
    };
    format!(
        "  {:<40} {needs:<14} {}{old_name}{there}",
        row.name, row.summary
    )
}

#[cfg(test)]
mod tests {
    use super::text;
    use crate::commands::ROWS;

    #[test]
    fn every_command_has_one_line_that_begins_with_its_name() {
        let help = text("orchestrator-client");
        for row in ROWS {
            let lines = help
                .lines()
                .filter(|line| line.split_whitespace().next() == Some(row.name));
            let lines: Vec<&str> = lines.collect();
            assert_eq!(lines.len(), 1, "{}", row.name);
            assert_eq!(!lines[0].contains("(not there yet)"), row.is_there());
        }
        assert!(help.contains("-d, -s <host[:port]>"));
        assert!(help.lines().all(|line| line == line.trim_end()));
    }
}
