//! From a picture to lines.

use std::collections::{BTreeMap, BTreeSet};

use super::attributes::{self, Needs, Said};
use super::draft::{Draft, Inherited, Scope};
use super::lines::Mark;
use super::names::{Names, short};
use super::{Drawing, values};
use crate::domain::{InstanceKey, InstanceRecord, Observation, SourceAddress};

/// Prints a drawing in its normal form.
pub(super) fn print(drawing: &Drawing) -> String {
    let printer = Printer::new(drawing);
    let mut text = String::new();
    for head in printer.heads() {
        printer.print_tree(&head, &mut text);
    }
    text
}

struct Printer<'a> {
    drawing: &'a Drawing,
    names: Names,
    /// The server each one is drawn below of.
    above: BTreeMap<InstanceKey, InstanceKey>,
    below: BTreeMap<InstanceKey, Vec<InstanceKey>>,
    /// Everything drawn, also what the picture does not hold.
    drawn: BTreeSet<InstanceKey>,
}

impl<'a> Printer<'a> {
    fn new(drawing: &'a Drawing) -> Self {
        let mut above: BTreeMap<InstanceKey, InstanceKey> = BTreeMap::new();
        let mut drawn = BTreeSet::new();
        let mut names = Names::default();
        for record in drawing.picture.records() {
            drawn.insert(record.key.clone());
            let seen = record.observation.as_deref();
            names.add(&record.key, seen.map(|seen| &*seen.identity.server_uuid));
            if let Some(server) = seen.and_then(drawn_above) {
                above.insert(record.key.clone(), server.clone());
            }
        }
        // What a server reports and nobody has seen is drawn below the first that reports it.
        for record in drawing.picture.records() {
            let reported = record.observation.iter().flat_map(|seen| &seen.replicas);
            for key in reported.filter(|key| drawing.picture.observation(key).is_none()) {
                if *key != record.key {
                    above
                        .entry(key.clone())
                        .or_insert_with(|| record.key.clone());
                }
            }
        }
        let mut below: BTreeMap<InstanceKey, Vec<InstanceKey>> = BTreeMap::new();
        for (key, server) in &above {
            drawn.extend([key.clone(), server.clone()]);
            below.entry(server.clone()).or_default().push(key.clone());
        }
        Self {
            drawing,
            names,
            above,
            below,
            drawn,
        }
    }

    /// First servers of all trees: those below nobody, and the smallest of each ring.
    fn heads(&self) -> Vec<InstanceKey> {
        let mut settled: BTreeSet<&InstanceKey> = BTreeSet::new();
        let mut heads = BTreeSet::new();
        for start in &self.drawn {
            let mut path: Vec<&InstanceKey> = Vec::new();
            let mut on_path: BTreeSet<&InstanceKey> = BTreeSet::new();
            let mut at = start;
            loop {
                if settled.contains(at) {
                    break;
                }
                if !on_path.insert(at) {
                    let ring = path.iter().skip_while(|key| **key != at);
                    heads.extend(ring.min().map(|key| (*key).clone()));
                    break;
                }
                path.push(at);
                match self.above.get(at) {
                    Some(above) => at = above,
                    None => {
                        heads.insert(at.clone());
                        break;
                    }
                }
            }
            settled.extend(path);
        }
        heads.into_iter().collect()
    }

    fn print_tree(&self, head: &InstanceKey, text: &mut String) {
        let pair = self.pair_of(head);
        let top = Inherited::at_top(&self.names.uuid_of(head));
        let mut open = vec![(head.clone(), 0usize, top)];
        while let Some((key, level, inherited)) = open.pop() {
            let is_pair = Some(&key) == pair.as_ref();
            let mark = match level {
                0 => Mark::Head,
                _ if is_pair => Mark::Pair,
                _ => Mark::Below,
            };
            let source = match level {
                0 => pair.as_ref(),
                _ => self.above.get(&key),
            };
            let scope = Scope {
                now: self.drawing.now,
                mark,
                source,
                head,
                inherited: &inherited,
                names: &self.names,
            };
            let draft = self.draft(&key, &scope);
            write_line(text, level, mark, &draft, &scope);
            let handed_down = inherited.below(&draft);
            let below = self.below.get(&key).map_or(&[][..], Vec::as_slice);
            for next in below.iter().rev().filter(|next| *next != head) {
                open.push((next.clone(), level + 1, handed_down.clone()));
            }
        }
    }

    /// The server that `head` and it replicate from each other.
    fn pair_of(&self, head: &InstanceKey) -> Option<InstanceKey> {
        let seen = self.drawing.picture.observation(head)?;
        let source = seen.source().filter(|source| *source != head)?;
        (self.above.get(source) == Some(head)).then(|| source.clone())
    }

    fn draft(&self, key: &InstanceKey, scope: &Scope<'_>) -> Draft {
        let mut draft = Draft::healthy(key, scope);
        let Some(record) = self.drawing.picture.get(key) else {
            draft.is_known = false;
            return draft;
        };
        draft.is_seen = record.observation.is_some();
        draft.record = InstanceRecord {
            observation: None,
            ..(**record).clone()
        };
        if let Some(seen) = &record.observation {
            draft.seen = (**seen).clone();
        }
        draft.downtime = self.drawing.downtimes.get(key).cloned();
        draft.candidate = self.drawing.candidates.get(key).cloned();
        draft.stalled_since = self.drawing.stalled_since.get(key).copied();
        draft
    }
}

/// The server that `seen` is drawn below of: its source, also one it is detached from, or the primary of its group.
fn drawn_above(seen: &Observation) -> Option<&InstanceKey> {
    let above = match seen.replication.as_ref().map(|link| &link.source) {
        Some(SourceAddress::Attached(key) | SourceAddress::Detached(key)) => Some(key),
        Some(SourceAddress::Invalid(_)) => None,
        None => seen.group.as_ref().and_then(|group| group.primary.as_ref()),
    };
    above.filter(|key| **key != seen.key)
}

fn write_line(text: &mut String, level: usize, mark: Mark, draft: &Draft, scope: &Scope<'_>) {
    text.push_str(&"  ".repeat(level.saturating_sub(1)));
    text.push_str(match mark {
        Mark::Head => "",
        Mark::Below => "+ ",
        Mark::Pair => "<-> ",
    });
    text.push_str(&short(&draft.record.key));
    let words = words(draft, scope);
    if !words.is_empty() {
        text.push_str(&format!(" [{}]", words.join(" ")));
    }
    text.push('\n');
}

/// The words that make a healthy server in this place into `draft`.
fn words(draft: &Draft, scope: &Scope<'_>) -> Vec<String> {
    let mut said = Draft::healthy(&draft.record.key, scope);
    let mut words = Vec::new();
    for row in attributes::rows() {
        let applies = match row.needs {
            Needs::Nothing => true,
            Needs::Record => draft.is_known,
            Needs::Seen => draft.is_known && draft.is_seen,
            Needs::Link => draft.link().is_some() && said.link().is_some(),
        };
        let wanted = applies.then(|| (row.write)(draft, scope)).flatten();
        let Some(word) = wanted.filter(|word| (row.write)(&said, scope).as_ref() != Some(word))
        else {
            continue;
        };
        let (name, value) = split(&word);
        let result = (row.read)(
            &mut said,
            scope,
            Said {
                name,
                value: value.as_deref(),
            },
        );
        // A word that does not read back would spoil the whole text; the notation cannot say this state.
        if result.is_ok() {
            words.push(word);
        }
    }
    words
}

/// A written word in its parts, as the reader of lines takes it apart.
fn split(word: &str) -> (&str, Option<String>) {
    match word.split_once('=') {
        Some((name, value)) => (name, Some(values::unquote(value))),
        None => (word, None),
    }
}
