//! From lines to a picture.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::attributes::{self, Attribute, Misread, Needs, Said};
use super::draft::{Draft, Inherited, Scope};
use super::lines::{self, Line, Mark, Word};
use super::names::Names;
use super::{Drawing, DrawingError, Problem};
use crate::domain::{InstanceKey, SourceAddress, Timestamp};

/// Reads a drawing.
pub(super) fn parse(text: &str, now: Timestamp) -> Result<Drawing, DrawingError> {
    let lines = lines::read(text)?;
    refuse_repeated_servers(&lines)?;
    let places = places(&lines)?;
    let names = names(&lines);
    let mut drafts: Vec<Draft> = Vec::with_capacity(lines.len());
    let mut inherited: Vec<Inherited> = Vec::with_capacity(lines.len());
    for (line, place) in lines.iter().zip(&places) {
        let head = &lines[place.head].key;
        let from_above = match place.above {
            Some(above) => inherited[above].below(&drafts[above]),
            None => Inherited::at_top(&names.uuid_of(head)),
        };
        let scope = Scope {
            now,
            mark: line.mark,
            source: place.source.map(|source| &lines[source].key),
            head,
            inherited: &from_above,
            names: &names,
        };
        let mut draft = Draft::healthy(&line.key, &scope);
        read_words(line, &mut draft, &scope)?;
        drafts.push(draft);
        inherited.push(from_above);
    }
    let below: Vec<Option<usize>> = places.iter().map(|place| place.above).collect();
    tell_replicas(&mut drafts, &below);
    tell_group_members(&mut drafts);
    Ok(gather(drafts, now))
}

/// Where a line stands, as indexes of lines.
struct Place {
    head: usize,
    above: Option<usize>,
    source: Option<usize>,
}

fn error_at(line: &Line, problem: Problem) -> DrawingError {
    DrawingError {
        line: line.number,
        column: line.column,
        problem,
    }
}

fn refuse_repeated_servers(lines: &[Line]) -> Result<(), DrawingError> {
    let mut first: BTreeMap<&InstanceKey, usize> = BTreeMap::new();
    for line in lines {
        if let Some(before) = first.insert(&line.key, line.number) {
            let key = line.key.to_string();
            return Err(error_at(line, Problem::Twice { key, first: before }));
        }
    }
    Ok(())
}

fn places(lines: &[Line]) -> Result<Vec<Place>, DrawingError> {
    let mut places: Vec<Place> = Vec::with_capacity(lines.len());
    // The last line of each level, from the head down.
    let mut path: Vec<usize> = Vec::new();
    for (i, line) in lines.iter().enumerate() {
        if line.level > path.len() {
            return Err(error_at(line, Problem::NothingAbove));
        }
        path.truncate(line.level);
        let above = path.last().copied();
        let head = path.first().copied().unwrap_or(i);
        if line.mark == Mark::Pair {
            if line.level != 1 || places[head].source.is_some() {
                return Err(error_at(line, Problem::MisplacedPair));
            }
            places[head].source = Some(i);
        }
        path.push(i);
        places.push(Place {
            head,
            above,
            source: above,
        });
    }
    Ok(places)
}

fn names(lines: &[Line]) -> Names {
    let mut names = Names::default();
    for line in lines {
        let own = line.words.iter().find(|word| word.name == "uuid");
        names.add(&line.key, own.and_then(|word| word.value.as_deref()));
    }
    names
}

/// Lets the words of a line take effect, in the order of the table.
fn read_words(line: &Line, draft: &mut Draft, scope: &Scope<'_>) -> Result<(), DrawingError> {
    let mut found: Vec<(usize, &Attribute, &Word)> = Vec::with_capacity(line.words.len());
    for word in &line.words {
        let at = |problem| DrawingError {
            line: line.number,
            column: word.column,
            problem,
        };
        let (order, row) = attributes::find(&word.name).ok_or_else(|| {
            at(Problem::UnknownAttribute {
                word: word.name.clone(),
                nearest: attributes::nearest(&word.name),
            })
        })?;
        if let Some((.., before)) = found.iter().find(|(known, ..)| *known == order) {
            return Err(at(Problem::Repeated {
                word: word.name.clone(),
                before: before.name.clone(),
            }));
        }
        found.push((order, row, word));
    }
    found.sort_by_key(|(order, ..)| *order);
    for (_, row, word) in found {
        read_word(row, word, draft, scope).map_err(|problem| DrawingError {
            line: line.number,
            column: word.column,
            problem,
        })?;
    }
    Ok(())
}

fn read_word(
    row: &Attribute,
    word: &Word,
    draft: &mut Draft,
    scope: &Scope<'_>,
) -> Result<(), Problem> {
    let name = || word.name.clone();
    if !draft.is_known && row.needs != Needs::Nothing {
        return Err(Problem::NotKnown { name: name() });
    }
    if !draft.is_seen && matches!(row.needs, Needs::Seen | Needs::Link) {
        return Err(Problem::NeverSeen { name: name() });
    }
    if row.needs == Needs::Link && draft.link().is_none() {
        return Err(Problem::NoLink { name: name() });
    }
    let said = Said {
        name: &word.name,
        value: word.value.as_deref(),
    };
    (row.read)(draft, scope, said).map_err(|misread| match misread {
        Misread::Value => Problem::Value {
            name: name(),
            expected: row.expects,
        },
        Misread::Name(unknown) => Problem::UnknownName { name: unknown },
    })
}

/// Each server reports the replicas whose receivers are connected, and those drawn below it that were never seen.
fn tell_replicas(drafts: &mut [Draft], above: &[Option<usize>]) {
    let mut reported: BTreeMap<InstanceKey, Vec<InstanceKey>> = BTreeMap::new();
    for (i, draft) in drafts.iter().enumerate() {
        let key = draft.record.key.clone();
        let source = match draft.link() {
            Some(link) if link.receiver.is_running() => match &link.source {
                SourceAddress::Attached(source) => Some(source.clone()),
                SourceAddress::Detached(_) | SourceAddress::Invalid(_) => None,
            },
            Some(_) => None,
            None if draft.is_known && draft.is_seen => None,
            None => above[i].map(|above| drafts[above].record.key.clone()),
        };
        if let Some(source) = source {
            reported.entry(source).or_default().push(key);
        }
    }
    for draft in drafts {
        if let Some(mut replicas) = reported.remove(&draft.record.key) {
            replicas.sort();
            draft.seen.replicas = replicas;
        }
    }
}

fn tell_group_members(drafts: &mut [Draft]) {
    let mut groups: BTreeMap<String, Vec<InstanceKey>> = BTreeMap::new();
    for draft in drafts.iter() {
        if let Some(group) = &draft.seen.group {
            let members = groups.entry(group.group_name.clone()).or_default();
            members.push(draft.seen.key.clone());
        }
    }
    for draft in drafts {
        if let Some(group) = &mut draft.seen.group {
            let mut members = groups.get(&group.group_name).cloned().unwrap_or_default();
            members.retain(|member| *member != draft.seen.key);
            members.sort();
            group.members = members;
        }
    }
}

fn gather(drafts: Vec<Draft>, now: Timestamp) -> Drawing {
    let mut drawing = Drawing {
        now,
        ..Drawing::default()
    };
    for draft in drafts.into_iter().filter(|draft| draft.is_known) {
        let key = draft.record.key.clone();
        let mut record = draft.record;
        record.observation = draft.is_seen.then(|| Arc::new(draft.seen));
        drawing.picture.put(record);
        if let Some(downtime) = draft.downtime {
            drawing.downtimes.insert(key.clone(), downtime);
        }
        if let Some(candidate) = draft.candidate {
            drawing.candidates.insert(key.clone(), candidate);
        }
        if let Some(since) = draft.stalled_since {
            drawing.stalled_since.insert(key, since);
        }
    }
    drawing
}
