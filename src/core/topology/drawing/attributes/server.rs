//! Who it is, what it runs, where it replicates from, whether it is writable.

use super::super::draft::{Draft, PERCONA_COMMENT, Scope, new_link};
use super::super::lines::{DEFAULT_PORT, Mark};
use super::super::names::short;
use super::super::values::quote;
use super::{Attribute, Misread, Needs, Said};
use crate::domain::{GroupMember, InstanceKey, SourceAddress};

pub(super) const ROWS: &[Attribute] = &[
    Attribute {
        names: &["not-known"],
        expects: "without a value",
        needs: Needs::Nothing,
        write: |draft, _| (!draft.is_known).then(|| "not-known".to_owned()),
        read: |draft, _, said| {
            draft.is_known = false;
            said.none()
        },
    },
    Attribute {
        names: &["never-seen"],
        expects: "without a value",
        needs: Needs::Record,
        write: |draft, _| (!draft.is_seen).then(|| "never-seen".to_owned()),
        read: |draft, _, said| {
            draft.is_seen = false;
            draft.record.last_checked_at = None;
            draft.record.last_seen_at = None;
            said.none()
        },
    },
    Attribute {
        names: &[],
        expects: "as the server says it, with '/percona' after it for Percona Server",
        needs: Needs::Seen,
        write: |draft, _| {
            let identity = &draft.seen.identity;
            let is_word = identity.version.starts_with(|c: char| c.is_ascii_digit())
                && !identity.version.contains([' ', '=', ']', '\n']);
            if !is_word {
                return None;
            }
            let mark = match identity.version_comment.contains("Percona") {
                true => "/percona",
                false => "",
            };
            Some(format!("{}{mark}", identity.version))
        },
        read: |draft, scope, said| {
            said.none()?;
            let (version, comment) = match said.name.strip_suffix("/percona") {
                Some(version) => (version, PERCONA_COMMENT),
                None => (said.name, ""),
            };
            draft.wear_version(version, comment, scope);
            Ok(())
        },
    },
    Attribute {
        names: &["group"],
        expects: "NAME/primary or NAME/secondary, with /STATE after it when that is not ONLINE",
        needs: Needs::Seen,
        write: write_group,
        read: read_group,
    },
    Attribute {
        names: &["source", "detached", "invalid-source"],
        expects: "source=HOST:PORT, detached (from the server above), detached=HOST:PORT or invalid-source=TEXT, and not on a secondary of a group",
        needs: Needs::Seen,
        write: |draft, scope| {
            Some(match &draft.link()?.source {
                SourceAddress::Attached(key) => format!("source={}", quote(&short(key))),
                SourceAddress::Detached(key) if Some(key) == scope.source => "detached".to_owned(),
                SourceAddress::Detached(key) => format!("detached={}", quote(&short(key))),
                SourceAddress::Invalid(text) => format!("invalid-source={}", quote(text)),
            })
        },
        read: read_source,
    },
    Attribute {
        names: &["rw", "ro", "super-ro"],
        expects: "without a value",
        needs: Needs::Seen,
        write: |draft, _| {
            let word = match (draft.seen.read_only, draft.seen.super_read_only) {
                (_, Some(true)) => "super-ro",
                (true, _) => "ro",
                (false, _) => "rw",
            };
            Some(word.to_owned())
        },
        read: |draft, _, said| {
            draft.seen.read_only = said.name != "rw";
            if let Some(super_read_only) = &mut draft.seen.super_read_only {
                *super_read_only = said.name == "super-ro";
            } else if said.name == "super-ro" {
                draft.seen.super_read_only = Some(true);
            }
            said.none()
        },
    },
    Attribute {
        names: &["uuid"],
        expects: "uuid=TEXT",
        needs: Needs::Seen,
        write: |draft, _| Some(format!("uuid={}", quote(&draft.seen.identity.server_uuid))),
        read: |draft, _, said| {
            said.some()?
                .clone_into(&mut draft.seen.identity.server_uuid);
            Ok(())
        },
    },
    Attribute {
        names: &["server-id"],
        expects: "server-id=NUMBER",
        needs: Needs::Seen,
        write: |draft, _| Some(format!("server-id={}", draft.seen.identity.server_id)),
        read: |draft, _, said| {
            draft.seen.identity.server_id = said.parsed(|text| text.parse().ok())?;
            Ok(())
        },
    },
    Attribute {
        names: &["alias"],
        expects: "alias=TEXT",
        needs: Needs::Seen,
        write: |draft, _| Some(format!("alias={}", quote(&draft.seen.identity.alias))),
        read: |draft, _, said| {
            said.some()?.clone_into(&mut draft.seen.identity.alias);
            Ok(())
        },
    },
    Attribute {
        names: &["dc"],
        expects: "dc=TEXT",
        needs: Needs::Seen,
        write: |draft, _| Some(format!("dc={}", quote(&draft.seen.placement.data_center))),
        read: |draft, _, said| {
            said.some()?
                .clone_into(&mut draft.seen.placement.data_center);
            Ok(())
        },
    },
    Attribute {
        names: &["region"],
        expects: "region=TEXT",
        needs: Needs::Seen,
        write: |draft, _| Some(format!("region={}", quote(&draft.seen.placement.region))),
        read: |draft, _, said| {
            said.some()?.clone_into(&mut draft.seen.placement.region);
            Ok(())
        },
    },
    Attribute {
        names: &["env"],
        expects: "env=TEXT",
        needs: Needs::Seen,
        write: |draft, _| {
            let environment = &draft.seen.placement.physical_environment;
            Some(format!("env={}", quote(environment)))
        },
        read: |draft, _, said| {
            let environment = &mut draft.seen.placement.physical_environment;
            said.some()?.clone_into(environment);
            Ok(())
        },
    },
];

fn write_group(draft: &Draft, _: &Scope<'_>) -> Option<String> {
    let group = draft.seen.group.as_ref()?;
    let state = match group.state.as_str() {
        "ONLINE" => String::new(),
        state => format!("/{state}"),
    };
    let role = group.role.to_ascii_lowercase();
    Some(format!(
        "group={}",
        quote(&format!("{}/{role}{state}", group.group_name))
    ))
}

fn read_group(draft: &mut Draft, scope: &Scope<'_>, said: Said<'_>) -> Result<(), Misread> {
    let parts: Vec<&str> = said.some()?.split('/').collect();
    let (name, role, state) = match parts[..] {
        [name, role] => (name, role, "ONLINE"),
        [name, role, state] if !state.is_empty() => (name, role, state),
        _ => return Err(Misread::Value),
    };
    // The head of two co-primaries replicates from the other by a link, which a secondary has not.
    if role == "secondary" && scope.mark == Mark::Head && scope.source.is_some() {
        return Err(Misread::Value);
    }
    let primary = match role {
        "primary" => Some(draft.seen.key.clone()),
        "secondary" => scope.source.cloned(),
        _ => return Err(Misread::Value),
    };
    if role == "secondary" {
        draft.seen.replication = None;
        draft.seen.lag_seconds = None;
    }
    draft.seen.group = Some(GroupMember {
        group_name: name.to_owned(),
        is_single_primary: true,
        state: state.to_owned(),
        role: role.to_ascii_uppercase(),
        members: Vec::new(),
        primary,
    });
    Ok(())
}

fn read_source(draft: &mut Draft, scope: &Scope<'_>, said: Said<'_>) -> Result<(), Misread> {
    let key = |text: &str| InstanceKey::parse(text, DEFAULT_PORT).map_err(|_| Misread::Value);
    let group = draft.seen.group.as_ref();
    if group.is_some_and(|group| group.role != "PRIMARY") {
        // A secondary takes data from its group only.
        return Err(Misread::Value);
    }
    let source = match (said.name, said.value) {
        ("source", Some(text)) => SourceAddress::Attached(key(text)?),
        ("detached", Some(text)) => SourceAddress::Detached(key(text)?),
        ("detached", None) => SourceAddress::Detached(scope.source.cloned().ok_or(Misread::Value)?),
        ("invalid-source", Some(text)) => SourceAddress::Invalid(text.to_owned()),
        _ => return Err(Misread::Value),
    };
    match &mut draft.seen.replication {
        Some(link) => link.source = source,
        None => draft.seen.replication = Some(new_link(source, scope)),
    }
    draft.reckon_lag();
    let mode = draft.seen.gtid.mode.clone();
    draft.wear_gtid_mode(&mode, scope);
    Ok(())
}
