//! The binary log.

use super::super::values::{quote, read_position};
use super::{Attribute, Needs};

pub(super) const ROWS: &[Attribute] = &[
    Attribute {
        names: &["binlog"],
        expects: "binlog=off, binlog=unknown or binlog=FILE:OFFSET",
        needs: Needs::Seen,
        write: |draft, _| {
            let binlog = &draft.seen.binlog;
            let text = match (&binlog.position, binlog.enabled) {
                (_, false) => "off".to_owned(),
                (None, true) => "unknown".to_owned(),
                (Some(position), true) => quote(&position.to_string()),
            };
            Some(format!("binlog={text}"))
        },
        read: |draft, _, said| {
            let binlog = &mut draft.seen.binlog;
            let text = said.some()?;
            binlog.enabled = text != "off";
            binlog.position = match text {
                "off" | "unknown" => None,
                _ => Some(said.parsed(read_position)?),
            };
            // A server without a binary log has nowhere to write what it replicates.
            binlog.logs_replica_updates = binlog.enabled;
            Ok(())
        },
    },
    Attribute {
        names: &["log-updates"],
        expects: "log-updates=on or log-updates=off",
        needs: Needs::Seen,
        write: |draft, _| {
            let state = match draft.seen.binlog.logs_replica_updates {
                true => "on",
                false => "off",
            };
            Some(format!("log-updates={state}"))
        },
        read: |draft, _, said| {
            draft.seen.binlog.logs_replica_updates = said.parsed(|text| match text {
                "on" => Some(true),
                "off" => Some(false),
                _ => None,
            })?;
            Ok(())
        },
    },
    Attribute {
        names: &["format"],
        expects: "format=ROW, format=MIXED or format=STATEMENT",
        needs: Needs::Seen,
        write: |draft, _| Some(format!("format={}", quote(&draft.seen.binlog.format))),
        read: |draft, _, said| {
            said.some()?.clone_into(&mut draft.seen.binlog.format);
            Ok(())
        },
    },
    Attribute {
        names: &["image"],
        expects: "image=FULL, image=MINIMAL or image=NOBLOB",
        needs: Needs::Seen,
        write: |draft, _| Some(format!("image={}", quote(&draft.seen.binlog.row_image))),
        read: |draft, _, said| {
            said.some()?.clone_into(&mut draft.seen.binlog.row_image);
            Ok(())
        },
    },
];
