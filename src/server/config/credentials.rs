//! Credentials files: the user and password in section `[client]` of an INI file.
//!
//! The rules are those of the reader the predecessor used (gcfg, scanner of release 1.2): names ignore case, `#` and
//! `;` start a comment wherever they stand outside double quotes, and inside quotes `\\`, `\"`, `\n` and `\t` are the
//! escapes. Unlike there, other sections and names are passed over, so that a general my.cnf can be shared, and an
//! unquoted backslash is just a character.

use std::fmt;

use orchestrator_core::domain::Secret;

/// What a credentials file says.
#[derive(Clone, Debug, Default)]
pub(super) struct Credentials {
    /// User, when the file names one; may be empty.
    pub user: Option<String>,
    /// Password, when the file names one; may be empty.
    pub password: Option<Secret>,
    /// Other sections, and other names in the section, which are not read.
    pub ignored: Vec<String>,
}

/// Why a credentials file is not understood. Holds nothing of the file's values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialsError {
    /// Not text.
    NotText,
    /// There is no `[client]`.
    NoClientSection,
    /// A line that is neither section, setting nor comment.
    BadLine {
        /// Line, from 1.
        line: usize,
    },
    /// A quoted value without its end.
    OpenQuote {
        /// Line, from 1.
        line: usize,
    },
    /// A backslash before a character that has no such form.
    BadEscape {
        /// Line, from 1.
        line: usize,
    },
}

impl fmt::Display for CredentialsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotText => f.write_str("it is not UTF-8 text"),
            Self::NoClientSection => f.write_str("it has no section [client]"),
            Self::BadLine { line } => {
                write!(f, "line {line} is neither [section] nor name = value")
            }
            Self::OpenQuote { line } => write!(f, "line {line} has a double quote without its end"),
            Self::BadEscape { line } => {
                write!(
                    f,
                    "line {line} has a backslash in quotes that is not one of \\\\, \\\", \\n, \\t; write \\\\ for a backslash"
                )
            }
        }
    }
}

/// Reads the content of a credentials file.
///
/// # Errors
/// The first line that is not understood, or that there is no `[client]`. Lines of other sections are not judged.
pub(super) fn parse(content: &[u8]) -> Result<Credentials, CredentialsError> {
    let text = std::str::from_utf8(content).map_err(|_| CredentialsError::NotText)?;
    let mut found = Credentials::default();
    let (mut has_client, mut in_client, mut in_other) = (false, false, false);
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let (line, number) = (line.trim(), index + 1);
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(rest) = line.strip_prefix('[') {
            let name = rest
                .split_once(']')
                .ok_or(CredentialsError::BadLine { line: number })?
                .0
                .trim();
            in_client = name.eq_ignore_ascii_case("client");
            in_other = !in_client;
            has_client |= in_client;
            if in_other {
                found.ignored.push(format!("[{}]", name.escape_debug()));
            }
        } else if in_client {
            take(&mut found, line, number)?;
        } else if !in_other {
            return Err(CredentialsError::BadLine { line: number });
        }
    }
    if has_client {
        Ok(found)
    } else {
        Err(CredentialsError::NoClientSection)
    }
}

fn take(found: &mut Credentials, line: &str, number: usize) -> Result<(), CredentialsError> {
    let (name, value) = match line.split_once('=') {
        Some((name, value)) => (name.trim(), Some(value)),
        None => (
            line.split(['#', ';']).next().unwrap_or_default().trim(),
            None,
        ),
    };
    match (name.to_ascii_lowercase().as_str(), value) {
        ("user", Some(value)) => found.user = Some(unquote(value, number)?),
        ("password", Some(value)) => found.password = Some(Secret::new(unquote(value, number)?)),
        ("user" | "password", None) => return Err(CredentialsError::BadLine { line: number }),
        _ => found.ignored.push(name.escape_debug().to_string()),
    }
    Ok(())
}

/// The value without comment, quotes and surrounding blanks; blanks inside quotes stay.
fn unquote(text: &str, line: usize) -> Result<String, CredentialsError> {
    let mut value = String::new();
    // Blanks outside quotes count only when more of the value follows them.
    let mut blanks = String::new();
    let mut quoted = false;
    let mut characters = text.trim().chars();
    while let Some(character) = characters.next() {
        match (quoted, character) {
            (_, '"') => quoted = !quoted,
            (false, '#' | ';') => break,
            (false, ' ' | '\t') => {
                blanks.push(character);
                continue;
            }
            (true, '\\') => {
                value.push(escaped(characters.next()).ok_or(CredentialsError::BadEscape { line })?);
                continue;
            }
            _ => {
                value.push_str(&std::mem::take(&mut blanks));
                value.push(character);
                continue;
            }
        }
        value.push_str(&std::mem::take(&mut blanks));
    }
    if quoted {
        Err(CredentialsError::OpenQuote { line })
    } else {
        Ok(value)
    }
}

fn escaped(character: Option<char>) -> Option<char> {
    match character? {
        'n' => Some('\n'),
        't' => Some('\t'),
        same @ ('\\' | '"') => Some(same),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(line: &str) -> Result<String, CredentialsError> {
        let found = parse(format!("[client]\n{line}\n").as_bytes())?;
        Ok(found.password.expect("a password").expose().to_owned())
    }

    #[test]
    fn values_lose_comments_and_quotes_but_nothing_else() {
        for (line, value) in [
            ("password = secret", "secret"),
            ("password=secret", "secret"),
            ("  PassWord =  two words  ", "two words"),
            ("password = secret # comment", "secret"),
            ("password = sec;ret", "sec"),
            ("password = \"sec;r#t\" ; comment", "sec;r#t"),
            ("password = \" a b \"", " a b "),
            ("password = ab\"#c\"d", "ab#cd"),
            ("password = a=b", "a=b"),
            ("password = back\\slash", "back\\slash"),
            ("password = \"a\\\\b\\\"c\\n\\t\"", "a\\b\"c\n\t"),
            ("password =", ""),
            ("password = \"\"", ""),
            ("password = ${NAME}", "${NAME}"),
            ("password = p'w", "p'w"),
        ] {
            assert_eq!(password(line).as_deref(), Ok(value), "{line}");
        }
    }

    #[test]
    fn other_sections_and_names_are_passed_over_and_named() {
        let file = "# my.cnf\n[mysqld]\nskip-name-resolve\n[Client]\nuser=orc\nport = 3306\nssl\n[mysql]\nprompt=\"\n";
        let found = parse(file.as_bytes()).unwrap();
        assert_eq!(found.user.as_deref(), Some("orc"));
        assert!(found.password.is_none());
        assert_eq!(found.ignored, ["[mysqld]", "port", "ssl", "[mysql]"]);
    }

    #[test]
    fn what_is_not_understood_is_named_by_line_without_its_text() {
        for (file, text) in [
            ("[mysql]\nuser=x", "it has no section [client]"),
            ("", "it has no section [client]"),
            ("user=x", "line 1 is neither [section] nor name = value"),
            (
                "[client]\npassword",
                "line 2 is neither [section] nor name = value",
            ),
            ("[client", "line 1 is neither [section] nor name = value"),
            (
                "[client]\n\npassword=\"hunter2",
                "line 3 has a double quote without its end",
            ),
            (
                "[client]\npassword=\"hunter\\2\"",
                "line 2 has a backslash in quotes that is not one of \\\\, \\\", \\n, \\t; write \\\\ for a backslash",
            ),
        ] {
            let error = parse(file.as_bytes()).expect_err(file).to_string();
            assert_eq!(error, text, "{file}");
            assert!(!error.contains("hunter"));
        }
        assert_eq!(parse(b"\xff").unwrap_err(), CredentialsError::NotText);
    }
}
