//! GTIDs: mode, what was applied, received, purged.

use super::super::draft::{Draft, Scope};
use super::super::values::quote;
use super::{Attribute, Misread, Needs, Said};
use crate::domain::Flavor;

pub(super) const ROWS: &[Attribute] = &[
    Attribute {
        names: &["gtid-mode", "no-gtid"],
        expects: "no-gtid or gtid-mode=ON, OFF, ON_PERMISSIVE or OFF_PERMISSIVE",
        needs: Needs::Seen,
        write: |draft, _| {
            Some(match draft.seen.gtid.mode.as_str() {
                "OFF" => "no-gtid".to_owned(),
                mode => format!("gtid-mode={}", quote(mode)),
            })
        },
        read: |draft, scope, said| {
            let mode = match said.name {
                "no-gtid" => {
                    said.none()?;
                    "OFF"
                }
                _ => said.parsed(|text| {
                    ["ON", "OFF", "ON_PERMISSIVE", "OFF_PERMISSIVE", ""]
                        .into_iter()
                        .find(|mode| *mode == text)
                })?,
            };
            draft.wear_gtid_mode(mode, scope);
            Ok(())
        },
    },
    Attribute {
        names: &["gtid", "errant"],
        expects: "gtid=SET (.. stands for the first server of the tree, <b> for server b), errant, or errant=NUMBER of own transactions of MySQL",
        needs: Needs::Seen,
        write: |draft, scope| Some(format!("gtid={}", quote(&drawn(draft.gtids(), scope)))),
        read: read_gtid,
    },
    Attribute {
        names: &["purged"],
        expects: "purged=SET",
        needs: Needs::Seen,
        write: |draft, scope| {
            Some(format!(
                "purged={}",
                quote(&drawn(&draft.seen.gtid.purged, scope))
            ))
        },
        read: |draft, scope, said| {
            draft.seen.gtid.purged = spelled(said.some()?, scope)?;
            Ok(())
        },
    },
    Attribute {
        names: &["received"],
        expects: "received=SET",
        needs: Needs::Link,
        write: |draft, scope| {
            let link = draft.link()?;
            let set = match draft.seen.identity.flavor {
                Flavor::MariaDb => &link.mariadb_received,
                _ => &link.retrieved,
            };
            Some(format!("received={}", quote(&drawn(set, scope))))
        },
        read: |draft, scope, said| {
            let set = spelled(said.some()?, scope)?;
            draft.wear_received(&set);
            Ok(())
        },
    },
    Attribute {
        names: &["auto-position"],
        expects: "auto-position=on or auto-position=off",
        needs: Needs::Link,
        write: |draft, _| {
            let link = draft.link()?;
            let state = match link.uses_oracle_gtid || link.uses_mariadb_gtid {
                true => "on",
                false => "off",
            };
            Some(format!("auto-position={state}"))
        },
        read: |draft, _, said| {
            let is_on = said.parsed(|text| match text {
                "on" => Some(true),
                "off" => Some(false),
                _ => None,
            })?;
            let is_mariadb = draft.seen.identity.flavor == Flavor::MariaDb;
            if let Some(link) = &mut draft.seen.replication {
                link.uses_mariadb_gtid = is_on && is_mariadb;
                link.uses_oracle_gtid = is_on && !is_mariadb;
            }
            Ok(())
        },
    },
    Attribute {
        names: &["pseudo-gtid"],
        expects: "without a value",
        needs: Needs::Seen,
        write: |draft, _| {
            draft
                .seen
                .uses_pseudo_gtid
                .then(|| "pseudo-gtid".to_owned())
        },
        read: |draft, _, said| {
            draft.seen.uses_pseudo_gtid = true;
            said.none()
        },
    },
];

fn drawn(set: &str, scope: &Scope<'_>) -> String {
    scope.names.abridge(set, scope.head)
}

fn spelled(text: &str, scope: &Scope<'_>) -> Result<String, Misread> {
    scope
        .names
        .spell_out(text, scope.head)
        .map_err(Misread::Name)
}

fn read_gtid(draft: &mut Draft, scope: &Scope<'_>, said: Said<'_>) -> Result<(), Misread> {
    if said.name == "gtid" {
        let set = spelled(said.some()?, scope)?;
        draft.wear_gtids(&set);
        return Ok(());
    }
    let count: u64 = match said.value {
        None => 1,
        Some(text) => text
            .parse()
            .ok()
            .filter(|count| *count > 0)
            .ok_or(Misread::Value)?,
    };
    let identity = &draft.seen.identity;
    if identity.flavor == Flavor::MariaDb || identity.server_uuid.is_empty() {
        // Only Oracle GTIDs name the server where a transaction began by its UUID.
        return Err(Misread::Value);
    }
    let own = match count {
        1 => "1".to_owned(),
        _ => format!("1-{count}"),
    };
    let mut set = draft.gtids().to_owned();
    if !set.is_empty() {
        set.push(',');
    }
    set.push_str(&format!("{}:{own}", draft.seen.identity.server_uuid));
    // Received stays as it was: own transactions come from nobody.
    draft.seen.gtid.executed = set;
    Ok(())
}
