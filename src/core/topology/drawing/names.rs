//! Names of servers in GTID sets: `..` for the head of the tree, `<b>` for the drawn server b.

use std::collections::BTreeMap;

use super::lines::DEFAULT_PORT;
use super::values::fnv;
use crate::domain::InstanceKey;

/// UUIDs of all drawn servers, both ways.
#[derive(Debug, Default)]
pub(super) struct Names {
    uuids: BTreeMap<InstanceKey, String>,
    keys: BTreeMap<String, InstanceKey>,
}

/// The server without the port that goes without saying.
pub(super) fn short(key: &InstanceKey) -> String {
    let text = key.to_string();
    match text.strip_suffix(&format!(":{DEFAULT_PORT}")) {
        Some(host) => host.to_owned(),
        None => text,
    }
}

/// The UUID of a drawn server that does not say its own; always the same for the same key.
pub(super) fn default_uuid(key: &InstanceKey) -> String {
    let text = key.to_string();
    let (high, low) = (fnv(1, &text), fnv(2, &text));
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    )
}

impl Names {
    /// Adds a drawn server; without a UUID of its own it gets the default one.
    pub(super) fn add(&mut self, key: &InstanceKey, uuid: Option<&str>) {
        let uuid = uuid
            .filter(|uuid| !uuid.is_empty())
            .map_or_else(|| default_uuid(key), str::to_ascii_lowercase);
        self.keys.entry(uuid.clone()).or_insert_with(|| key.clone());
        self.uuids.insert(key.clone(), uuid);
    }

    /// UUID of a server, drawn or not.
    pub(super) fn uuid_of(&self, key: &InstanceKey) -> String {
        self.uuids
            .get(key)
            .cloned()
            .unwrap_or_else(|| default_uuid(key))
    }

    /// A set as drawn, with UUIDs in the place of names. The error is the name that nobody has.
    pub(super) fn spell_out(&self, drawn: &str, head: &InstanceKey) -> Result<String, String> {
        let parts = drawn.split(',').map(|part| self.spell_out_part(part, head));
        Ok(parts.collect::<Result<Vec<_>, _>>()?.join(","))
    }

    fn spell_out_part(&self, part: &str, head: &InstanceKey) -> Result<String, String> {
        if let Some(numbers) = part.strip_prefix("..") {
            return Ok(format!("{}:{numbers}", self.uuid_of(head)));
        }
        let Some((name, rest)) = part.strip_prefix('<').and_then(|t| t.split_once('>')) else {
            return Ok(part.to_owned());
        };
        let key = InstanceKey::parse(name, DEFAULT_PORT).map_err(|_| name.to_owned())?;
        match self.uuids.get(&key) {
            Some(uuid) => Ok(format!("{uuid}{rest}")),
            None => Err(name.to_owned()),
        }
    }

    /// The set as it is drawn.
    pub(super) fn abridge(&self, set: &str, head: &InstanceKey) -> String {
        let own = self.uuid_of(head);
        let parts = set.split(',').map(|part| {
            let (uuid, rest) = part.split_once(':').unwrap_or((part, ""));
            match self.keys.get(uuid) {
                _ if rest.is_empty() => part.to_owned(),
                _ if uuid == own => format!("..{rest}"),
                Some(key) => format!("<{}>:{rest}", short(key)),
                None => part.to_owned(),
            }
        });
        parts.collect::<Vec<_>>().join(",")
    }
}
