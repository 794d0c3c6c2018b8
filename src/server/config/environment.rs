//! `${NAME}` in a password.

/// The variable that a text names: what stands between the first `${` and the last `}` after it on the same line, as
/// in the predecessor, where text around it was lost too.
pub(super) fn variable_in(text: &str) -> Option<&str> {
    text.split('\n').find_map(|line| {
        let start = line.find("${")? + 2;
        let end = line.rfind('}').filter(|end| *end >= start)?;
        Some(&line[start..end])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_found_anywhere_and_as_long_as_possible() {
        for (text, name) in [
            ("${NAME}", Some("NAME")),
            ("before ${NAME} after", Some("NAME")),
            ("${A}${B}", Some("A}${B")),
            ("${}", Some("")),
            ("x}${N}", Some("N")),
            ("$NAME", None),
            ("${NAME", None),
            ("}${", None),
            ("${A\nB}", None),
            ("a\n${B}", Some("B")),
        ] {
            assert_eq!(variable_in(text), name, "{text:?}");
        }
    }
}
