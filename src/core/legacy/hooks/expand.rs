//! A line of the configuration and the values of its placeholders become a text for a shell.
//!
//! The line is the operator's and is trusted: it comes from a file on this machine. The values are not: an alias or a cluster
//! domain is what a MySQL server answers. So a value is put in with nothing that means something to a shell, wherever in
//! the line it stands, quoted or not; whoever needs the exact value takes it from the environment.

/// What kind of value a placeholder has, which says what it may hold beside the plainest characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// A sentence of ours: spaces, as long as it is plainly a sentence, of words and `.` `,` `:` only. In an assignment or
    /// unquoted, a space makes words, so that nothing that could come from elsewhere may keep one.
    Prose,
    /// Addresses of servers, which were parsed as such: the brackets of IPv6.
    Addresses,
    /// Anything else: nothing.
    Word,
}

impl ValueKind {
    /// Of a placeholder.
    pub fn of(placeholder: &str) -> Self {
        match placeholder {
            "failureDescription" => Self::Prose,
            "failureCluster" | "lostSlaves" | "lostReplicas" | "slaveHosts" | "replicaHosts" => {
                Self::Addresses
            }
            _ => Self::Word,
        }
    }
}

/// Puts values into the placeholders of `line`. One pass: a `{` that begins a known name and its `}` is replaced, all else is
/// kept as it is, and what was put in is not looked at again.
pub fn expand<K: AsRef<str>, V: AsRef<str>>(line: &str, values: &[(K, V)]) -> String {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        match placeholder(after, values) {
            Some((name, value, left)) => {
                text.push_str(&safe_text(value, ValueKind::of(name)));
                rest = left;
            }
            None => {
                text.push('{');
                rest = after;
            }
        }
    }
    text.push_str(rest);
    text
}

/// The placeholder whose name `after` begins with, its value, and what follows its closing brace.
fn placeholder<'a, K: AsRef<str>, V: AsRef<str>>(
    after: &'a str,
    values: &'a [(K, V)],
) -> Option<(&'a str, &'a str, &'a str)> {
    let (name, left) = after.split_once('}')?;
    let (_, value) = values.iter().find(|(own, _)| own.as_ref() == name)?;
    Some((name, value.as_ref(), left))
}

/// A value with nothing in it that means something to a shell: everything but ASCII letters, digits and `.` `,` `:` `-` `_`
/// `@` `%` `+` becomes `_`, except what its kind allows. A `-` that begins a word would be taken for an option, and becomes
/// `_` as well. A slash is not kept either: a value in a file name must not lead elsewhere.
pub fn safe_text(value: &str, kind: ValueKind) -> String {
    let keeps_spaces = kind == ValueKind::Prose && value.chars().all(|c| c == ' ' || is_plain(c));
    let mut begins_word = true;
    let safe = value.chars().map(|c| {
        let kept = match c {
            '-' => !begins_word,
            ' ' => keeps_spaces,
            '[' | ']' => kind == ValueKind::Addresses,
            _ => is_plain(c),
        };
        begins_word = c == ' ' && kept;
        if kept { c } else { '_' }
    });
    safe.collect()
}

/// What means nothing to a shell, wherever it stands but for a `-` that begins a word.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | ',' | ':' | '-' | '_' | '@' | '%' | '+')
}

/// The command of a line, and whether it is to run on in the background: a line that ends in `&` loses all of them.
pub fn command_of(line: &str) -> (&str, bool) {
    let line = line.trim();
    match line.strip_suffix('&') {
        Some(_) => (line.trim_end_matches('&').trim_end(), true),
        None => (line, false),
    }
}
