//! Small readings of texts that come from servers.

/// Longest short text kept: names, aliases, file names, placements.
pub(super) const NAME_MAX: usize = 255;

/// Longest error text kept. MySQL's `Last_IO_Error` has at most 1,024 bytes.
pub(super) const ERROR_MAX: usize = 2048;

/// `text`, cut to at most `max` bytes.
pub(super) fn bounded(mut text: String, max: usize) -> String {
    if text.len() > max {
        let end = (0..=max)
            .rev()
            .find(|i| text.is_char_boundary(*i))
            .unwrap_or(0);
        text.truncate(end);
    }
    text
}

/// A short text.
pub(super) fn name(text: Option<String>) -> String {
    bounded(text.unwrap_or_default(), NAME_MAX)
}

/// Whether a variable is on: servers say `1`, `ON` or `YES`, and MariaDB 12 has further words for a read-only server.
pub(super) fn is_on(text: &str) -> bool {
    !matches!(
        text.to_ascii_uppercase().as_str(),
        "" | "0" | "OFF" | "NO" | "FALSE"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(bounded("aé".into(), 2), "a");
        assert_eq!(bounded("aé".into(), 3), "aé");
        assert_eq!(bounded(String::new(), 0), "");
    }

    #[test]
    fn words_for_on_and_off() {
        for (text, on) in [
            ("1", true),
            ("ON", true),
            ("0", false),
            ("off", false),
            ("", false),
        ] {
            assert_eq!(is_on(text), on, "{text}");
        }
    }
}
