use super::codec::{self, DecodeError, EncodeError, Stored as _};
use super::{Command, Proposal};

/// The first format that proposals had.
const FIRST: u8 = 1;

/// The formats of proposals that a release reads, and in which it writes each command.
///
/// Variants of [`Command`] are only ever appended, so an older one has the same bytes in every later format, but for the
/// format itself. Each command is written in the first format that has it: so a member that reads older formats only goes on with
/// the group as long as nobody needs what it does not know.
#[derive(Clone, Copy, Debug)]
pub struct CommandFormats {
    newest: u8,
    needed: fn(&Command) -> u8,
}

impl CommandFormats {
    /// Those of this release.
    pub const fn of_this_release() -> Self {
        Self {
            newest: Proposal::FORMAT,
            needed: needed_by,
        }
    }

    /// Those of another release, for groups of several releases in one process: it reads formats up to `newest`, and writes
    /// a command in the one that `needed` says.
    pub const fn of_release(newest: u8, needed: fn(&Command) -> u8) -> Self {
        Self { newest, needed }
    }

    /// The newest format that is read.
    pub const fn newest(&self) -> u8 {
        self.newest
    }

    /// The format in which this command is written: the first that has it.
    pub fn needed_by(&self, command: &Command) -> u8 {
        (self.needed)(command)
    }

    /// The format and the bytes of a proposal.
    ///
    /// # Errors
    /// [`EncodeError`] when it is too large.
    pub fn encode(&self, proposal: &Proposal) -> Result<(u8, Vec<u8>), EncodeError> {
        let format = self.needed_by(&proposal.command);
        Ok((format, codec::encode_in(format, proposal)?))
    }

    /// The proposal of bytes that some release wrote in `format`.
    ///
    /// # Errors
    /// [`DecodeError`]: a format that is not read, or damaged bytes. A command that is not understood is never skipped.
    pub fn decode(&self, format: u32, bytes: &[u8]) -> Result<Proposal, DecodeError> {
        let what = Proposal::NAME;
        match u8::try_from(format) {
            Ok(format) if (FIRST..=self.newest).contains(&format) => {
                codec::decode_in(format, bytes)
            }
            Ok(_) | Err(_) => Err(DecodeError::NewerFormat {
                what,
                found: format,
                newest: self.newest,
            }),
        }
    }
}

/// The first format that has this command. A new variant raises [`Proposal::FORMAT`](codec::Stored::FORMAT), and needs that.
fn needed_by(command: &Command) -> u8 {
    match command {
        Command::Discover { .. }
        | Command::Forget { .. }
        | Command::BeginDowntime { .. }
        | Command::EndDowntime { .. }
        | Command::RegisterCandidate { .. }
        | Command::Expire
        | Command::CreateAccessToken { .. }
        | Command::ClaimAccessToken { .. }
        | Command::RegisterDetection(_)
        | Command::RegisterRecovery(_)
        | Command::RecoveryStep { .. }
        | Command::EndRecovery(_)
        | Command::AcknowledgeRecoveries { .. }
        | Command::DisableRecoveries { .. }
        | Command::EnableRecoveries
        | Command::SetGroupNodes { .. }
        | Command::SetClusterAlias { .. }
        | Command::Import(_) => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decided::Origin;
    use crate::domain::Timestamp;

    const OLDER: CommandFormats = CommandFormats::of_release(1, |_| 1);
    const NEWER: CommandFormats = CommandFormats::of_release(2, |command| match command {
        Command::EnableRecoveries => 2,
        _ => 1,
    });

    fn proposal(command: Command) -> Proposal {
        Proposal {
            request: 5,
            proposed_at: Timestamp::from_seconds(1),
            origin: Origin::default(),
            command,
        }
    }

    #[test]
    fn what_an_older_release_has_is_written_as_it_wrote_it() {
        let proposal = proposal(Command::Expire);
        let (format, bytes) = NEWER.encode(&proposal).unwrap();
        assert_eq!((format, &bytes), (1, &OLDER.encode(&proposal).unwrap().1));
        assert_eq!(OLDER.decode(1, &bytes), Ok(proposal.clone()));
        assert_eq!(NEWER.decode(1, &bytes), Ok(proposal));
    }

    #[test]
    fn what_it_has_not_is_written_in_a_format_that_it_refuses() {
        let proposal = proposal(Command::EnableRecoveries);
        let (format, bytes) = NEWER.encode(&proposal).unwrap();
        assert_eq!(format, 2);
        assert_eq!(NEWER.decode(2, &bytes), Ok(proposal));
        assert_eq!(
            OLDER.decode(2, &bytes).unwrap_err().to_string(),
            "the proposal is in format 2, and this release reads formats up to 1 only; \
             use the release of orchestrator that wrote it, or a newer one"
        );
        // Neither does it believe an envelope that says otherwise.
        assert!(matches!(
            OLDER.decode(1, &bytes),
            Err(DecodeError::UnknownFormat { found: 2, .. })
        ));
    }

    #[test]
    fn no_format_that_was_never_written_is_read() {
        let (_, bytes) = OLDER.encode(&proposal(Command::Expire)).unwrap();
        for format in [0, 3, 256, 257, u32::MAX] {
            assert!(
                matches!(
                    NEWER.decode(format, &bytes),
                    Err(DecodeError::NewerFormat { found, .. }) if found == format
                ),
                "{format}"
            );
        }
    }

    #[test]
    fn this_release_reads_what_it_writes() {
        let ours = CommandFormats::of_this_release();
        let proposal = proposal(Command::Expire);
        let (format, bytes) = ours.encode(&proposal).unwrap();
        assert!(format <= ours.newest());
        assert_eq!(ours.decode(u32::from(format), &bytes), Ok(proposal));
    }
}
