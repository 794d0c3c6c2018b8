use std::borrow::Cow;

use orchestrator_core::domain::{BinlogPosition, InstanceKey, ReplicationLink, SourceAddress};
use orchestrator_core::legacy::DETACH_MARK;
use serde::Serialize;

use crate::api::json::{Put, put_list};

/// `InstanceKey` of the API; the empty key is `{"Hostname":"","Port":0}`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct KeyDto<'a> {
    #[serde(rename = "Hostname")]
    host: Cow<'a, str>,
    #[serde(rename = "Port")]
    port: u16,
}

impl<'a> From<&'a InstanceKey> for KeyDto<'a> {
    fn from(key: &'a InstanceKey) -> Self {
        Self {
            host: Cow::Borrowed(key.host().as_str()),
            port: key.port(),
        }
    }
}

impl<'a> From<Option<&'a InstanceKey>> for KeyDto<'a> {
    fn from(key: Option<&'a InstanceKey>) -> Self {
        key.map_or_else(Self::default, Self::from)
    }
}

impl<'a> KeyDto<'a> {
    /// `MasterKey`: empty for a server that replicates from nobody, with the mark in front when detached.
    pub fn of_source(link: Option<&'a ReplicationLink>) -> Self {
        match link.map(|link| &link.source) {
            None => Self::default(),
            Some(SourceAddress::Attached(key)) => Self::from(key),
            Some(SourceAddress::Detached(key)) => Self {
                host: Cow::Owned(format!("{DETACH_MARK}{}", key.host())),
                port: key.port(),
            },
            Some(SourceAddress::Invalid(text)) => Self {
                host: Cow::Borrowed(text),
                port: 0,
            },
        }
    }
}

/// A list of keys; `[]` when empty.
#[derive(Clone, Copy, Debug)]
pub struct Keys<'a>(pub &'a [InstanceKey]);

impl Put for Keys<'_> {
    fn put(&self, out: &mut Vec<u8>) {
        put_list(self.0.iter().map(KeyDto::from), out);
    }
}

impl Put for KeyDto<'_> {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"Hostname":"#);
        self.host.put(out);
        out.extend_from_slice(br#","Port":"#);
        self.port.put(out);
        out.push(b'}');
    }
}

/// `BinlogCoordinates` of the API.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct CoordinatesDto<'a> {
    #[serde(rename = "LogFile")]
    file: &'a str,
    #[serde(rename = "LogPos")]
    offset: u64,
    #[serde(rename = "Type")]
    kind: u32,
}

impl Put for CoordinatesDto<'_> {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"LogFile":"#);
        self.file.put(out);
        out.extend_from_slice(br#","LogPos":"#);
        self.offset.put(out);
        out.extend_from_slice(br#","Type":"#);
        self.kind.put(out);
        out.push(b'}');
    }
}

impl<'a> CoordinatesDto<'a> {
    /// In a binary log; empty when there is none.
    pub fn binary(position: Option<&'a BinlogPosition>) -> Self {
        position.map_or_else(Self::default, |position| Self {
            file: &position.file,
            offset: position.offset,
            kind: 0,
        })
    }

    /// In a relay log; the type stays when there is none.
    pub(super) fn relay(position: Option<&'a BinlogPosition>) -> Self {
        Self {
            kind: 1,
            ..Self::binary(position)
        }
    }
}
