//! Statements of a probe that are sent together: a probe of a server far away costs one round trip, not one for each.
//!
//! What a probe asks depends on what the server answers. So it is asked ahead for all that it may need; on the same connection, later
//! only for what the probe before did need. Whoever asks takes the answer that has come already, and sends the statement alone where
//! there is none: nothing depends on what was guessed.

use std::borrow::Cow;

use super::replicas::MAX_REPLICAS;
use crate::mysql::{Answer, Bounds, DriverError};

/// A statement that a probe may need; it has to bring exactly one result set.
pub(super) struct Statement {
    pub(super) step: &'static str,
    pub(super) text: Cow<'static, str>,
    /// Whether a probe that is the first on its connection is likely to need it.
    pub(super) is_usual: bool,
}

impl Statement {
    pub(super) fn usual(step: &'static str, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            step,
            text: text.into(),
            is_usual: true,
        }
    }

    pub(super) fn rare(step: &'static str, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            is_usual: false,
            ..Self::usual(step, text)
        }
    }

    /// A query of configuration; `None` where it may bring more or less than one result set.
    pub(super) fn configured(step: &'static str, query: &str) -> Option<Self> {
        let query_word = query.trim_start().get(..7)?;
        let is_select = query_word.to_ascii_lowercase().starts_with("select")
            && query_word.ends_with(|c: char| c.is_ascii_whitespace());
        // A second statement, or a comment that would swallow what follows. Within quotes they do no harm, and are left out all the same.
        let may_be_more = [";", "--", "#", "/*"]
            .iter()
            .any(|mark| query.contains(mark));
        (is_select && !may_be_more).then(|| Self::usual(step, query.to_owned()))
    }
}

/// What is known of the statements that probes over one connection need, between them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Habits {
    /// A bit for each statement that the last probe needed; `None` before the first. After a change of configuration they may stand for
    /// other ones, which costs one probe some round trips.
    needed: Option<u32>,
    /// Whoever is at the other end does not take several statements at once.
    is_one_by_one: bool,
}

/// The statements of one probe, and what came of those that were sent ahead.
#[derive(Default)]
pub(in crate::mysql) struct Ahead {
    statements: Vec<Statement>,
    is_one_by_one: bool,
    /// Those that are sent, by their number.
    sent: Vec<usize>,
    /// How many of them are answered.
    answered: usize,
    answers: Vec<Option<Result<Answer, DriverError>>>,
    needed: u32,
    /// The first one was refused. Where it is answered when it is asked alone, several at once were what was refused.
    is_in_doubt: bool,
}

impl Ahead {
    pub(super) fn of(mut statements: Vec<Statement>, habits: Habits) -> Self {
        // As many as there are bits to remember them by; there are no more than twenty.
        statements.truncate(32);
        let is_wanted = |(number, statement): &(usize, &Statement)| match habits.needed {
            Some(needed) => needed & (1 << number) != 0,
            None => statement.is_usual,
        };
        let wanted = statements.iter().enumerate().filter(is_wanted);
        let sent: Vec<usize> = wanted.map(|(number, _)| number).collect();
        Self {
            sent: match habits.is_one_by_one {
                true => Vec::new(),
                false => sent,
            },
            is_one_by_one: habits.is_one_by_one,
            answers: statements.iter().map(|_| None).collect(),
            statements,
            ..Self::default()
        }
    }

    /// The text to send; `None` where it would have fewer than two statements.
    pub(in crate::mysql) fn text(&self) -> Option<String> {
        let texts: Vec<&str> = self
            .sent
            .iter()
            .map(|number| &*self.statements[*number].text)
            .collect();
        (texts.len() > 1).then(|| texts.join(";\n"))
    }

    pub(in crate::mysql) fn bounds(&self) -> Bounds {
        // Rows as of the longest answer among them; whoever takes one has a bound of its own.
        Bounds::of_several(MAX_REPLICAS, self.sent.len())
    }

    /// What is asked by the first statement that is not answered.
    pub(super) fn step(&self) -> &'static str {
        let under_way = self.sent.get(self.answered).or(self.sent.last());
        under_way.map_or("", |number| self.statements[*number].step)
    }

    pub(in crate::mysql) fn answered(&mut self, answer: Answer) {
        if let Some(number) = self.sent.get(self.answered) {
            self.answers[*number] = Some(Ok(answer));
        }
        self.answered += 1;
    }

    /// All has come.
    pub(in crate::mysql) fn ended(&mut self) {
        if self.answered != self.sent.len() {
            // Nobody knows which answer belongs to which statement.
            self.answers.iter_mut().for_each(|answer| *answer = None);
            self.is_one_by_one = true;
        }
    }

    /// The server refused the first that is not answered, and left out those after it.
    pub(in crate::mysql) fn refused(&mut self, error: DriverError) {
        self.is_in_doubt = self.answered == 0;
        if let (false, Some(number)) = (self.is_in_doubt, self.sent.get(self.answered)) {
            self.answers[*number] = Some(Err(error));
        }
    }

    /// What a statement came to, where that is known.
    pub(super) fn take(&mut self, statement: &str) -> Option<Result<Answer, DriverError>> {
        let number = self.number(statement)?;
        let answer = self.answers[number].take()?;
        self.needed |= u32::from(answer.is_ok()) << number;
        Some(answer)
    }

    /// A statement was sent alone and answered.
    pub(super) fn was_answered_alone(&mut self, statement: &str) {
        let Some(number) = self.number(statement) else {
            return;
        };
        self.needed |= 1 << number;
        self.is_one_by_one |= self.is_in_doubt && self.sent.first() == Some(&number);
    }

    fn number(&self, statement: &str) -> Option<usize> {
        self.statements.iter().position(|one| one.text == statement)
    }

    /// For the next probe.
    pub(super) fn habits(&self) -> Habits {
        Habits {
            needed: Some(self.needed),
            is_one_by_one: self.is_one_by_one,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statements() -> Vec<Statement> {
        vec![
            Statement::usual("variables", "SELECT 1"),
            Statement::usual("status", "SHOW SLAVE STATUS"),
            Statement::rare("group", "SELECT 3"),
            Statement::usual("credentials", "SELECT 4"),
        ]
    }

    fn answer(text: &str) -> Answer {
        Answer::table(&["x"], &[&[Some(text)]])
    }

    fn no() -> DriverError {
        DriverError::Server {
            code: 1142,
            message: "no".to_owned(),
        }
    }

    fn taken(ahead: &mut Ahead, statement: &str) -> Option<String> {
        ahead.take(statement)?.ok()?.first()?.at(0)
    }

    #[test]
    fn what_a_probe_needed_is_asked_ahead_by_the_next() {
        let mut ahead = Ahead::of(statements(), Habits::default());
        let text = "SELECT 1;\nSHOW SLAVE STATUS;\nSELECT 4";
        assert_eq!(ahead.text().as_deref(), Some(text));
        for (step, text) in [("variables", "1"), ("status", "2"), ("credentials", "4")] {
            assert_eq!(ahead.step(), step);
            ahead.answered(answer(text));
        }
        ahead.ended();
        assert_eq!(taken(&mut ahead, "SELECT 1").as_deref(), Some("1"));
        assert_eq!(taken(&mut ahead, "SELECT 1"), None, "once");
        assert_eq!(taken(&mut ahead, "SELECT 3"), None, "it was not sent");
        ahead.was_answered_alone("SELECT 3");
        assert_eq!(taken(&mut ahead, "SELECT 4").as_deref(), Some("4"));
        assert_eq!(taken(&mut ahead, "SELECT 5"), None, "it is none of them");
        ahead.was_answered_alone("SELECT 5");
        let next = Ahead::of(statements(), ahead.habits());
        let text = "SELECT 1;\nSELECT 3;\nSELECT 4";
        assert_eq!(next.text().as_deref(), Some(text));
    }

    #[test]
    fn a_statement_that_the_server_refuses_is_left_out_afterwards_and_the_others_are_not() {
        let mut ahead = Ahead::of(statements(), Habits::default());
        ahead.answered(answer("1"));
        ahead.refused(no());
        assert_eq!(ahead.step(), "status");
        assert!(ahead.take("SELECT 1").is_some_and(|answer| answer.is_ok()));
        let refused = ahead.take("SHOW SLAVE STATUS");
        assert!(refused.is_some_and(|answer| answer.is_err()), "it is known");
        assert!(ahead.take("SELECT 4").is_none(), "the server left it out");
        ahead.was_answered_alone("SELECT 4");
        let next = Ahead::of(statements(), ahead.habits());
        assert_eq!(next.text().as_deref(), Some("SELECT 1;\nSELECT 4"));
    }

    #[test]
    fn who_takes_one_at_a_time_is_asked_one_by_one() {
        let mut ahead = Ahead::of(statements(), Habits::default());
        ahead.refused(no());
        for statement in ["SELECT 1", "SHOW SLAVE STATUS"] {
            assert!(ahead.take(statement).is_none());
            ahead.was_answered_alone(statement);
        }
        let next = Ahead::of(statements(), ahead.habits());
        assert_eq!(next.text(), None);
        assert!(next.habits().is_one_by_one, "for good");
    }

    #[test]
    fn answers_that_cannot_be_told_apart_are_nobodys() {
        let mut ahead = Ahead::of(statements(), Habits::default());
        ahead.answered(answer("1"));
        ahead.ended();
        assert!(ahead.take("SELECT 1").is_none());
        assert_eq!(Ahead::of(statements(), ahead.habits()).text(), None);
    }

    #[test]
    fn queries_of_configuration_that_may_bring_more_than_one_answer_are_asked_alone() {
        for (query, is_ahead) in [
            ("SELECT cluster_name FROM meta.cluster LIMIT 1", true),
            ("  select\n1", true),
            ("SELECT 1; SELECT 2", false),
            ("SELECT 1 -- one", false),
            ("SELECT 1 # one", false),
            ("SELECT 1 /* one */", false),
            ("CALL meta.cluster()", false),
            ("selection", false),
            ("sélect 1", false),
            ("", false),
        ] {
            let found = Statement::configured("step", query);
            assert_eq!(found.is_some(), is_ahead, "{query}");
        }
    }
}
