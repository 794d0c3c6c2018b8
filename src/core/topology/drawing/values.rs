//! Values of attributes: lengths of time, quoted texts, log positions.

use std::time::Duration;

use crate::domain::BinlogPosition;

/// Units of time, longest first.
const UNITS: [(&str, u64); 7] = [
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("m", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
    ("us", 1),
    // So that zero is found by its own unit, not by the longest.
    ("", 0),
];

/// Reads `5s`, `500ms`, `2h`; whole numbers only.
pub(super) fn read_duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let (_, micros) = UNITS
        .iter()
        .find(|(name, micros)| *name == unit && *micros > 0)?;
    let number: u64 = number.parse().ok()?;
    number.checked_mul(*micros).map(Duration::from_micros)
}

/// The shortest way to write a length of time exactly.
pub(super) fn write_duration(length: Duration) -> String {
    let micros = u64::try_from(length.as_micros()).unwrap_or(u64::MAX);
    if micros == 0 {
        return "0s".to_owned();
    }
    let (unit, size) = UNITS
        .iter()
        .find(|(_, size)| *size > 0 && micros.is_multiple_of(*size))
        .expect("every number is a multiple of one microsecond");
    format!("{}{unit}", micros / size)
}

/// A length of time in whole seconds.
pub(super) fn read_seconds(text: &str) -> Option<u64> {
    let length = read_duration(text)?;
    (length.subsec_nanos() == 0).then_some(length.as_secs())
}

/// Reads `FILE:OFFSET`.
pub(super) fn read_position(text: &str) -> Option<BinlogPosition> {
    let (file, offset) = text.rsplit_once(':')?;
    (!file.is_empty()).then_some(BinlogPosition {
        file: file.to_owned(),
        offset: offset.parse().ok()?,
    })
}

/// The value as it is written after `=`: in quotes where it would not end where it ends.
pub(super) fn quote(value: &str) -> String {
    let is_plain = !value.is_empty()
        && !value.starts_with('"')
        && !value
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || c == ']');
    if is_plain {
        return value.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in value.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            _ => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// 64-bit FNV-1a: stable over releases, so that a drawn server keeps its ids.
pub(super) fn fnv(seed: u64, text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325 ^ seed, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
}

/// The value without the quotes of [`quote`].
pub(super) fn unquote(written: &str) -> String {
    let Some(inner) = written
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    else {
        return written.to_owned();
    };
    let mut value = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => value.push('\n'),
                Some('r') => value.push('\r'),
                Some(other) => value.push(other),
                None => {}
            },
            _ => value.push(c),
        }
    }
    value
}
