//! The settings file `/etc/profile.d/orchestrator-client.sh`, read as data.
//!
//! The predecessor ran this file in its shell. We read it: a line may assign variables, with or without `export`, with the
//! shell's quotes and escapes. A line that is more than that (an expansion, a command, a test) is skipped and reported;
//! nothing in the file is ever run.

use std::collections::BTreeMap;

/// Where the predecessor's packages put it.
pub const DEFAULT_PATH: &str = "/etc/profile.d/orchestrator-client.sh";

/// Names the file to read instead of [`DEFAULT_PATH`]; for tests.
pub const PATH_VARIABLE: &str = "ORCHESTRATOR_CLIENT_PROFILE";

/// What a settings file holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// The variables it sets; the last assignment of a name counts.
    pub variables: BTreeMap<String, String>,
    /// Numbers of the lines that were skipped, from 1.
    pub skipped: Vec<usize>,
}

impl Profile {
    /// Reads the text of a settings file. Cannot fail: what is not understood is in `skipped`.
    pub fn parse(text: &str) -> Profile {
        let mut profile = Profile::default();
        for (index, line) in text.lines().enumerate() {
            match assignments(line) {
                Some(found) => profile.variables.extend(found),
                None => profile.skipped.push(index + 1),
            }
        }
        profile
    }
}

/// The assignments of one line, or `None` when the line is more than assignments.
fn assignments(line: &str) -> Option<Vec<(String, String)>> {
    let words = words(line.trim())?;
    let exported = words.first().is_some_and(|word| word.text == "export");
    let mut found = Vec::new();
    for word in &words[usize::from(exported)..] {
        match word.name_and_value() {
            Some(pair) => found.push(pair),
            // `export NAME` marks a variable that is set elsewhere: nothing to do, since all are read.
            None if exported && is_name(&word.text) => {}
            None => return None,
        }
    }
    Some(found)
}

fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text
            .chars()
            .all(|next| next.is_ascii_alphanumeric() || next == '_')
}

/// A word after its quotes are taken away.
#[derive(Default)]
struct Word {
    text: String,
    /// Bytes at the start that were not quoted: only there does a name or its `=` count.
    bare: usize,
    quoted: bool,
}

impl Word {
    fn push(&mut self, character: char) {
        self.text.push(character);
        if !self.quoted {
            self.bare = self.text.len();
        }
    }

    fn name_and_value(&self) -> Option<(String, String)> {
        let equals = self.text[..self.bare].find('=')?;
        let (name, value) = (&self.text[..equals], &self.text[equals + 1..]);
        is_name(name).then(|| (name.to_owned(), value.to_owned()))
    }
}

/// Splits a line as the shell does; `None` when it holds anything that a shell would carry out or expand.
fn words(line: &str) -> Option<Vec<Word>> {
    let mut words = Vec::new();
    let mut current: Option<Word> = None;
    let mut rest = line.chars();
    while let Some(character) = rest.next() {
        match character {
            ' ' | '\t' => words.extend(current.take()),
            '#' if current.is_none() => break,
            '\'' => single_quoted(quote(&mut current), &mut rest)?,
            '"' => double_quoted(quote(&mut current), &mut rest)?,
            '\\' => quote(&mut current).push(rest.next()?),
            '$' | '`' | ';' | '&' | '|' | '<' | '>' | '(' | ')' => return None,
            // A shell puts the home directory here.
            '~' if current.as_ref().is_some_and(ends_like_a_path_start) => return None,
            plain => current.get_or_insert_default().push(plain),
        }
    }
    words.extend(current);
    Some(words)
}

fn ends_like_a_path_start(word: &Word) -> bool {
    word.text.ends_with(['=', ':'])
}

/// The word that a quote belongs to: a new one, or the one that is being read.
fn quote(current: &mut Option<Word>) -> &mut Word {
    let word = current.get_or_insert_default();
    word.quoted = true;
    word
}

fn single_quoted(word: &mut Word, rest: &mut std::str::Chars<'_>) -> Option<()> {
    loop {
        match rest.next()? {
            '\'' => return Some(()),
            plain => word.push(plain),
        }
    }
}

fn double_quoted(word: &mut Word, rest: &mut std::str::Chars<'_>) -> Option<()> {
    loop {
        match rest.next()? {
            '"' => return Some(()),
            '$' | '`' => return None,
            '\\' => match rest.next()? {
                escaped @ ('"' | '\\' | '$' | '`') => word.push(escaped),
                other => {
                    word.push('\\');
                    word.push(other);
                }
            },
            plain => word.push(plain),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Profile;

    #[test]
    fn plain_assignments_are_read() {
        for (line, expected) in [
            ("export A=b", "b"),
            ("A=b", "b"),
            ("  export\tA=b  ", "b"),
            ("export A=b # why", "b"),
            ("export A=b#c", "b#c"),
            ("export A=", ""),
            ("export A=''", ""),
            ("export A='x y'", "x y"),
            ("export A=\"x y\"", "x y"),
            ("export A=x\" \"y' 'z", "x y z"),
            ("export A='$B `c`'", "$B `c`"),
            (r#"export A="a\"b\$c\\d\e""#, r#"a"b$c\d\e"#),
            (r"export A=a\ b", "a b"),
            ("export A=b=c", "b=c"),
            ("export B=1 A=b C=2", "b"),
            ("A=b\r", "b"),
            ("A=1\nA=b", "b"),
            ("A=b\nexport A", "b"),
            ("export A=a~b", "a~b"),
        ] {
            let profile = Profile::parse(line);
            assert_eq!(profile.skipped, [0usize; 0], "{line}");
            assert_eq!(
                profile.variables.get("A").map(String::as_str),
                Some(expected),
                "{line}"
            );
        }
    }

    #[test]
    fn a_line_that_is_more_than_assignments_is_skipped() {
        for line in [
            "export A=$B",
            "export A=\"$B\"",
            "export A=\"`date`\"",
            "export A=`date`",
            "export A=$(date)",
            "export A=b; echo c",
            "export A=b && true",
            "export A=b > /tmp/c",
            "export A=~/c",
            "if [ -z \"\" ]",
            "fi",
            "source /etc/other",
            "A=b command",
            "export A='b",
            "export A=\"b",
            "export A=b\\",
            "export 1A=b",
            "export 'A=b'",
            "A+=b",
            "export -n A",
        ] {
            let profile = Profile::parse(line);
            assert_eq!(profile.skipped, [1], "{line}");
            assert!(profile.variables.is_empty(), "{line}");
        }
    }

    #[test]
    fn the_lines_around_a_skipped_one_count() {
        let profile = Profile::parse("# settings\n\nexport A=1\nexport B=$A\nexport C=3\n");
        assert_eq!(profile.skipped, [4]);
        assert_eq!(
            profile.variables,
            [("A".into(), "1".into()), ("C".into(), "3".into())].into()
        );
    }
}
