//! Settings of a server: writable, and the two halves of semi-sync.

use std::time::Duration;

use orchestrator_core::ports::ChangeError;

use super::session::ServerClock;
use super::statements::Statements;
use crate::mysql::Answer;
use crate::mysql::dialect::{Dialect, Names, semi_sync};

/// For how long it is relied on that a server's clock goes as ours does: most recoveries are over by then.
const CLOCK_LASTS: Duration = Duration::from_secs(30);

/// Takes writes. The statement has no effect when the server reads it after the deadline, by its own clock: a hanging server that
/// goes on must not become writable because of what it was told before. (Sessions have a time zone without summer time, so that no hour comes twice.)
///
/// Its clock was read when the session was opened, or is read now where that is long ago. Where it has been set since, the statement may have no
/// effect, and is sent once more by what it shows then.
pub(super) async fn make_writable(
    on: &mut Statements<'_>,
    clock: &mut ServerClock,
) -> Result<(), ChangeError> {
    let ends_at = on.ends_at;
    if on.now().saturating_sub(clock.at) > CLOCK_LASTS {
        let question = read_only_question(on.dialect);
        let answer = on.read_one(&question).await?;
        *clock = server_clock(on, &answer)?;
    }
    let answer = try_to_make_writable(on, clock.at(ends_at)).await?;
    if ReadOnly::of(&answer) == ReadOnly::OFF {
        return Ok(());
    }
    *clock = server_clock(on, &answer)?;
    let answer = try_to_make_writable(on, clock.at(ends_at)).await?;
    match ReadOnly::of(&answer) {
        ReadOnly::OFF => Ok(()),
        _ => Err(on.not_seen("it is still read-only")),
    }
}

fn server_clock(on: &Statements<'_>, answer: &Answer) -> Result<ServerClock, ChangeError> {
    let showed = answer.first().and_then(|row| row.text("now"));
    let showed = showed.and_then(|text| text.parse().ok());
    Ok(ServerClock {
        showed: showed.ok_or_else(|| on.not_seen("a clock that cannot be read"))?,
        at: on.now(),
    })
}

/// Says so, to mean something until the server's clock shows `until`, and reads what came of it.
async fn try_to_make_writable(on: &mut Statements<'_>, until: f64) -> Result<Answer, ChangeError> {
    let off = |variable: &str| {
        format!("{variable} = IF(UNIX_TIMESTAMP(NOW(6)) < {until:.6}, 0, @@global.{variable})")
    };
    let mut settings = Vec::new();
    if on.dialect.has_super_read_only() {
        settings.push(off("super_read_only"));
    }
    settings.push(off("read_only"));
    let set = format!("SET GLOBAL {}", settings.join(", GLOBAL "));
    let question = read_only_question(on.dialect);
    on.change_and_read(&set, &question, 1).await
}

/// `read_only` and `super_read_only`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReadOnly {
    pub(super) plain: bool,
    /// False where the server has no such variable.
    pub(super) of_all: bool,
}

impl ReadOnly {
    const OFF: Self = Self {
        plain: false,
        of_all: false,
    };

    fn of(answer: &Answer) -> Self {
        let row = answer.first();
        let is_on = |name: &str| {
            let text = row.and_then(|row| row.text(name)).unwrap_or_default();
            !matches!(text.as_str(), "" | "0" | "OFF")
        };
        Self {
            plain: is_on("plain"),
            of_all: is_on("of_all"),
        }
    }
}

/// The question that [`ReadOnly::of`] reads the answer of, with the server's clock.
fn read_only_question(dialect: &Dialect) -> String {
    let of_all = match dialect.has_super_read_only() {
        true => "@@global.super_read_only",
        false => "0",
    };
    format!("SELECT @@global.read_only AS plain, {of_all} AS of_all, UNIX_TIMESTAMP(NOW(6)) AS now")
}

pub(super) async fn is_read_only(on: &mut Statements<'_>) -> Result<ReadOnly, ChangeError> {
    let answer = on.read_one(&read_only_question(on.dialect)).await?;
    Ok(ReadOnly::of(&answer))
}

pub(super) async fn semi_sync_source(
    on: &mut Statements<'_>,
    wanted: bool,
) -> Result<(), ChangeError> {
    switch(on, semi_sync::SOURCE_ENABLED, wanted).await
}

pub(super) async fn semi_sync_replica(
    on: &mut Statements<'_>,
    wanted: bool,
) -> Result<(), ChangeError> {
    switch(on, semi_sync::REPLICA_ENABLED, wanted).await
}

/// Whether a half of semi-sync is on, with the name that the variable has on this server: plugins of today and of old differ, and
/// either may be loaded. `None` where it is not there.
pub(super) async fn semi_sync_half(
    on: &mut Statements<'_>,
    names: Names,
) -> Result<Option<(&'static str, bool)>, ChangeError> {
    let answer = on.read(&half_question(names), 2).await?;
    Ok(half_in(&answer, names))
}

/// The question that [`half_in`] reads the answer of.
pub(super) fn half_question(names: Names) -> String {
    let Names { new, old } = names;
    format!("SHOW GLOBAL VARIABLES WHERE Variable_name IN ('{new}', '{old}')")
}

/// The variable of a half of semi-sync, and whether it is on; `None` where there is none.
pub(super) fn half_in(answer: &Answer, names: Names) -> Option<(&'static str, bool)> {
    let row = answer.first()?;
    let is_new = row
        .at(0)
        .is_some_and(|name| name.eq_ignore_ascii_case(names.new));
    let is_on = row
        .at(1)
        .is_some_and(|value| value.eq_ignore_ascii_case("ON"));
    Some((if is_new { names.new } else { names.old }, is_on))
}

async fn switch(on: &mut Statements<'_>, names: Names, wanted: bool) -> Result<(), ChangeError> {
    let Some((name, is_on)) = semi_sync_half(on, names).await? else {
        return match wanted {
            true => Err(on.unsupported("it has no semi-synchronous replication")),
            // What is not there is off.
            false => Ok(()),
        };
    };
    if is_on == wanted {
        return Ok(());
    }
    let set = format!("SET GLOBAL {name} = {}", u8::from(wanted));
    let answer = on.change_and_read(&set, &half_question(names), 2).await?;
    match half_in(&answer, names) {
        Some((_, is_on)) if is_on == wanted => Ok(()),
        _ => Err(on.not_seen(format!("{name} is not what it was set to"))),
    }
}
