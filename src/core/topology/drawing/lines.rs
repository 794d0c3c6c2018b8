//! From text to lines: level, mark, server, attributes, each with its column. Knows no attribute.

use super::{DrawingError, Problem};
use crate::domain::InstanceKey;

/// The port that goes without saying.
pub(super) const DEFAULT_PORT: u16 = 3306;

/// How a line hangs on the one above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// First line of a tree.
    Head,
    /// `+ `: replicates from the server one level above.
    Below,
    /// `<-> `: the head and this one replicate from each other.
    Pair,
}

/// One attribute as written.
#[derive(Clone, Debug)]
pub(super) struct Word {
    pub column: usize,
    pub name: String,
    pub value: Option<String>,
}

/// One server as written.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub number: usize,
    pub column: usize,
    pub level: usize,
    pub mark: Mark,
    pub key: InstanceKey,
    pub words: Vec<Word>,
}

/// All lines that draw a server; blank lines and comments (`#`) are left out.
pub(super) fn read(text: &str) -> Result<Vec<Line>, DrawingError> {
    let mut lines = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let start = line.trim_start();
        if start.is_empty() || start.starts_with('#') {
            continue;
        }
        lines.push(Reader::new(i + 1, line).line()?);
    }
    Ok(lines)
}

struct Reader {
    number: usize,
    chars: Vec<char>,
    at: usize,
}

impl Reader {
    fn new(number: usize, line: &str) -> Self {
        Self {
            number,
            chars: line.chars().collect(),
            at: 0,
        }
    }

    fn error<T>(&self, at: usize, problem: Problem) -> Result<T, DrawingError> {
        Err(DrawingError {
            line: self.number,
            column: at + 1,
            problem,
        })
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn skip_spaces(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    fn take_while(&mut self, fits: impl Fn(char) -> bool) -> String {
        let start = self.at;
        while self.peek().is_some_and(&fits) {
            self.at += 1;
        }
        self.chars[start..self.at].iter().collect()
    }

    fn line(mut self) -> Result<Line, DrawingError> {
        let spaces = self.take_while(|c| c == ' ').len();
        let mark = self.mark();
        let level = match mark {
            Mark::Head => 0,
            Mark::Below | Mark::Pair => spaces / 2 + 1,
        };
        let is_tab = self.peek().is_some_and(char::is_whitespace);
        if !spaces.is_multiple_of(2) || (mark == Mark::Head && spaces > 0) || is_tab {
            return self.error(spaces, Problem::Indentation);
        }
        let column = self.at;
        let text = self.take_while(|c| !c.is_whitespace());
        let key = match InstanceKey::parse(&text, DEFAULT_PORT) {
            Ok(key) => key,
            Err(why) => return self.error(column, Problem::Key(why)),
        };
        self.skip_spaces();
        let words = match self.peek() {
            Some('[') => self.words()?,
            _ => Vec::new(),
        };
        self.skip_spaces();
        match self.peek() {
            None | Some('#') => Ok(Line {
                number: self.number,
                column: column + 1,
                level,
                mark,
                key,
                words,
            }),
            Some(_) => self.error(self.at, Problem::Trailing),
        }
    }

    fn mark(&mut self) -> Mark {
        let rest: String = self.chars[self.at..].iter().take(4).collect();
        if rest.starts_with("+ ") {
            self.at += 2;
            Mark::Below
        } else if rest.starts_with("<-> ") {
            self.at += 4;
            Mark::Pair
        } else {
            Mark::Head
        }
    }

    fn words(&mut self) -> Result<Vec<Word>, DrawingError> {
        self.at += 1;
        let mut words = Vec::new();
        loop {
            self.skip_spaces();
            match self.peek() {
                None => return self.error(self.at, Problem::Unclosed),
                Some(']') => {
                    self.at += 1;
                    return Ok(words);
                }
                Some(_) => words.push(self.word()?),
            }
        }
    }

    fn word(&mut self) -> Result<Word, DrawingError> {
        let column = self.at + 1;
        let name = self.take_while(|c| !c.is_whitespace() && c != '=' && c != ']');
        let value = match self.peek() {
            Some('=') => {
                self.at += 1;
                Some(self.value()?)
            }
            _ => None,
        };
        Ok(Word {
            column,
            name,
            value,
        })
    }

    fn value(&mut self) -> Result<String, DrawingError> {
        if self.peek() != Some('"') {
            return Ok(self.take_while(|c| !c.is_whitespace() && c != ']'));
        }
        self.at += 1;
        let mut value = String::new();
        while let Some(c) = self.peek() {
            self.at += 1;
            match c {
                '"' => return Ok(value),
                '\\' => {
                    let escaped = self.peek();
                    self.at += 1;
                    match escaped {
                        Some('n') => value.push('\n'),
                        Some('r') => value.push('\r'),
                        Some(other) => value.push(other),
                        None => break,
                    }
                }
                _ => value.push(c),
            }
        }
        self.error(self.chars.len(), Problem::UnclosedQuote)
    }
}
