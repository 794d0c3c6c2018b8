//! What the README tells people to do, for tests that do it.

use anyhow::{Context as _, Result};

const README: &str = include_str!("../../README.md");

/// The account that stands for the README's `orchestrator`, and its password.
pub const ACCOUNT: [&str; 2] = ["documented", "documented_pw"];

/// The statements of the README's first block of SQL that `word` stands in, for [`ACCOUNT`].
///
/// # Errors
/// When there is no such block.
pub fn documented(word: &str) -> Result<Vec<String>> {
    let [user, password] = ACCOUNT;
    let blocks = README
        .split("```sql\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next());
    let block = blocks
        .into_iter()
        .find(|block| block.contains(word))
        .with_context(|| format!("the README has no block of SQL with {word}"))?;
    let statements = block.lines().map(|line| {
        line.trim_end_matches(';')
            .replace("'orchestrator'", &format!("'{user}'"))
            .replace('…', password)
    });
    Ok(statements.filter(|line| !line.is_empty()).collect())
}
