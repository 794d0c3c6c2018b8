//! What nodes showed in the last seconds of a run, and what became of calls between them: the story behind a broken promise.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::time::Duration;

use super::invariants::View;
use super::network::Ways;
use super::node::Node;

/// How far back it goes: longer than a group waits for anything, be it a node that was ill or the silence of one that is replaced.
const KEPT: Duration = Duration::from_secs(15);

/// Most lines: five nodes that are another at each of 20 looks in a second have fewer. The last ones count.
const LINES_MAX: usize = 4_000;

/// Time between two lines about the calls between nodes.
const WAYS_EVERY: Duration = Duration::from_secs(1);

/// Lines of the last seconds. What a node shows is written down when it is another than before.
#[derive(Default)]
pub(super) struct Recorder {
    lines: VecDeque<(Duration, String)>,
    /// What each node showed last.
    shown: Vec<String>,
    ways: Ways,
    ways_at: Duration,
}

impl Recorder {
    /// Writes a line down.
    pub fn note(&mut self, now: Duration, line: String) {
        self.lines.push_back((now, line));
        while self.lines.len() > LINES_MAX
            || self
                .lines
                .front()
                .is_some_and(|(at, _)| now.saturating_sub(*at) > KEPT)
        {
            self.lines.pop_front();
        }
    }

    /// Looks at all nodes and at what the network did so far.
    pub fn look(&mut self, view: &View<'_>, nodes: &[Node], ways: impl FnOnce() -> Ways) {
        let ids = names_of_ids(view);
        self.shown.resize(nodes.len(), String::new());
        for (number, node) in nodes.iter().enumerate() {
            let shown = show(node, &view.nodes[number], &ids);
            if self.shown[number] != shown {
                self.note(view.now, format!("  {}: {shown}", node.name));
                self.shown[number] = shown;
            }
        }
        if view.now.saturating_sub(self.ways_at) >= WAYS_EVERY {
            let now = ways();
            let line = self.ways.until(&now);
            self.note(view.now, format!("  calls: {line}"));
            (self.ways, self.ways_at) = (now, view.now);
        }
    }

    /// All lines, how the nodes were at last, and how it ended.
    pub fn tell(&self, end: &str) -> String {
        let mut text = String::new();
        for (at, line) in &self.lines {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{:>6} ms  {line}", at.as_millis());
        }
        for (number, shown) in self.shown.iter().enumerate() {
            let _ = writeln!(text, "at last, node{}: {shown}", number + 1);
        }
        text.push_str(end);
        text.push('\n');
        text
    }
}

/// Writes a story to a file in the temporary directory, and says where, or why not.
pub(super) fn keep(of: &str, story: &str) -> String {
    let process = std::process::id();
    let path = std::env::temp_dir().join(format!("group-simulation-{of}-{process}.txt"));
    match std::fs::write(&path, story) {
        Ok(()) => path.display().to_string(),
        Err(why) => format!("not written to {}: {why}", path.display()),
    }
}

/// Names by id, with the end of it, because a wiped node comes back under its name: `node2'1a2b`. Those of former directories as long as
/// somebody counts them as members.
fn names_of_ids(view: &View<'_>) -> BTreeMap<u64, String> {
    let mut names = BTreeMap::new();
    for (_, seen) in view.running() {
        for member in &seen.status.members {
            let host = member.name.split(':').next().unwrap_or_default();
            names.insert(member.id, format!("{host}'{:04x}", member.id & 0xffff));
        }
    }
    names
}

fn show(
    node: &Node,
    view: &super::invariants::NodeView<'_>,
    ids: &BTreeMap<u64, String>,
) -> String {
    let name = |id: u64| match ids.get(&id) {
        Some(name) => name.clone(),
        None => format!("'{:04x}", id & 0xffff),
    };
    let (vote, last) = node.disk.look(|synced| {
        let vote = synced.vote();
        let last = synced.entries.last_key_value();
        (vote, last.map_or(synced.purged, |(index, _)| *index))
    });
    let vote = vote.map_or("none".to_owned(), |(term, node)| {
        format!("{term} {}", name(node))
    });
    let disk = format!("disk: vote {vote}, entries to {last}{}", node.disk.faults());
    let (Some(running), Some(seen)) = (&node.running, &view.running) else {
        return format!("does not run; {disk}");
    };
    let status = &seen.status;
    let sets: Vec<String> = running
        .group
        .voter_sets()
        .into_iter()
        .map(|set| set.into_iter().map(name).collect::<Vec<_>>().join("+"))
        .collect();
    let fit = match running.group.may_be_elected() {
        true => "",
        false => ", unfit",
    };
    let serves = match seen.is_serving {
        true => ", serves",
        false => "",
    };
    format!(
        "{:?} {} term {} leader {} log {} committed {} applied {}{serves}{fit}; voters {}; {disk}; {:?}",
        status.role,
        name(status.me.id),
        status.term,
        status.leader.map_or("none".to_owned(), name),
        status.last_log_index,
        status.committed_index,
        status.applied_index,
        sets.join(" and "),
        status.warnings
    )
}
