use std::time::Duration;

/// The fewest servers that must fall silent together: two may share a host or a switch.
const FEWEST: usize = 3;

/// What counts as together: beats are a second apart, and what happened in one moment is noticed within one.
const TOGETHER: Duration = Duration::from_millis(1500);

/// Whether so many servers fell silent together that it is our own link. `silent_since` has an entry for each server that
/// was asked: since when it is silent, `None` when it answers (a refusal is an answer: it came over our link).
pub fn is_own_link(silent_since: impl IntoIterator<Item = Option<Duration>>) -> bool {
    let mut asked = 0_usize;
    let mut silent = Vec::new();
    for since in silent_since {
        asked += 1;
        silent.extend(since);
    }
    silent.sort_unstable();
    let mut first = 0;
    let most = silent.iter().enumerate().map(|(last, since)| {
        while since.saturating_sub(silent[first]) > TOGETHER {
            first += 1;
        }
        last - first + 1
    });
    let most = most.max().unwrap_or(0);
    most >= FEWEST && most * 2 > asked
}
