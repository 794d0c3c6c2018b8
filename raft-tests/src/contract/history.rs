use std::time::Duration;

use orchestrator::store::{AppliedEntry, LoggedEntry};
use orchestrator::wire::Envelope;
use orchestrator_core::decided::{
    Acknowledged, Applied, Command, Decided, GroupId, Origin, Proposal, RecoveryStepCommand, apply,
    apply_once,
};
use orchestrator_core::domain::{
    Fence, InstanceKey, Phase, PromotionRule, PublicToken, RecoveryId, SecretDigest, Timestamp,
};

use super::recoveries;

/// When histories begin.
pub const START: Timestamp = Timestamp::from_seconds(1_700_000_000);

/// One minute.
pub const MINUTE: Duration = Duration::from_secs(60);

/// A sequence of proposals that a seed decides, and the state they lead to.
pub struct History {
    group: GroupId,
    state: Decided,
    chance: u64,
}

impl History {
    /// The history of this seed, from the beginning.
    pub fn new(group: GroupId, seed: u64) -> Self {
        Self::from(group, seed, Decided::default())
    }

    /// The same from a state on.
    pub fn from(group: GroupId, seed: u64, state: Decided) -> Self {
        Self {
            group,
            state,
            chance: seed,
        }
    }

    /// The state after all entries so far.
    pub fn state(&self) -> &Decided {
        &self.state
    }

    /// Applies a command, proposed at `at`.
    pub fn entry(&mut self, at: Timestamp, command: Command) -> AppliedEntry {
        let index = self.state.applied_index + 1;
        let proposal = proposal(index, at, command);
        let applied = apply(&self.state, &proposal);
        self.absorb(index, &proposal, applied)
    }

    /// The same as a node of a group applies it: the answer is decided state too.
    pub fn entry_of_a_group(&mut self, at: Timestamp, command: Command) -> AppliedEntry {
        let index = self.state.applied_index + 1;
        let proposal = proposal(index, at, command);
        let once = apply_once(&self.state, index, &proposal);
        self.absorb(index, &proposal, once.applied)
    }

    fn absorb(&mut self, index: u64, proposal: &Proposal, applied: Applied) -> AppliedEntry {
        let envelope = Envelope::local(self.group, index, proposal).expect("a small command");
        self.state
            .absorb(index, applied.decided_at, &applied.changes);
        AppliedEntry {
            index,
            envelope: envelope.to_bytes(),
            reply: applied.reply,
            changes: applied.changes,
            effects: applied.effects,
            decided_at: applied.decided_at,
        }
    }

    /// The next `count` entries of the seed: every command, on few instances, so that they meet.
    pub fn entries(&mut self, count: usize) -> Vec<AppliedEntry> {
        (0..count)
            .map(|_| {
                // Mostly forward in time, at times back.
                let minutes = self.draw(50);
                let at = START.plus(MINUTE * (self.state.applied_index as u32 + minutes as u32));
                let command = self.command(at);
                self.entry(at, command)
            })
            .collect()
    }

    fn command(&mut self, at: Timestamp) -> Command {
        let port = 3306 + self.draw(2);
        let host = format!("db{}", self.draw(6));
        let key = InstanceKey::from_parts(&host, &port.to_string()).expect("a valid key");
        let later = at.plus(MINUTE * self.draw(90) as u32);
        let public = PublicToken::from_bytes([self.draw(4) as u8; 32]);
        match self.draw(17) {
            16 => Command::SetClusterAlias {
                cluster: key.to_string(),
                alias: ["", "shop", "\u{fc}ber"][self.draw(3) as usize].to_owned(),
                by: "ann".to_owned(),
            },
            0 => Command::Discover { key },
            1 => Command::Forget { key },
            2 | 3 => Command::BeginDowntime {
                key,
                owner: format!("owner {}", self.draw(9)),
                reason: "Grund: \u{fc}ben \u{1f980}".to_owned(),
                ends_at: later,
            },
            4 => Command::EndDowntime { key },
            5 => Command::RegisterCandidate {
                key,
                rule: match self.draw(5) {
                    0 => PromotionRule::Must,
                    1 => PromotionRule::Prefer,
                    2 => PromotionRule::Neutral,
                    3 => PromotionRule::PreferNot,
                    _ => PromotionRule::MustNot,
                },
                expires_at: later,
            },
            6 | 7 => Command::CreateAccessToken {
                public,
                owner: format!("owner {}", self.draw(9)),
                claim_by: later,
            },
            8 => Command::ClaimAccessToken {
                public,
                secret_digest: SecretDigest::from_bytes([self.draw(256) as u8; 32]),
                expires_at: later.plus(MINUTE * 60),
            },
            9 if self.draw(2) == 0 => Command::SetGroupNodes {
                old: vec![],
                new: vec![format!("orc{}:1", self.draw(3))],
                reported: vec![],
            },
            9 => Command::Expire,
            _ => self.recovery_command(key, at, later),
        }
    }

    /// A command of recoveries: few ids and fences, so that they meet, are refused, resumed and ended.
    fn recovery_command(&mut self, key: InstanceKey, at: Timestamp, later: Timestamp) -> Command {
        let id = RecoveryId::from_number(u128::from(self.draw(4)) << 100);
        let fence = Fence::from_number(1 + self.draw(2));
        let note = (at, "Schritt: \u{fc}ber \u{1f980}".to_owned());
        let news = recoveries::news(&key, at, self.draw(3));
        let step = |step| Command::RecoveryStep {
            id,
            step: Box::new(step),
        };
        match self.draw(12) {
            0 => recoveries::detection(id, key, self.draw(2) == 0, later),
            1..=4 => recoveries::registration(id, key, self.draw(3) == 0, fence),
            5 => step(RecoveryStepCommand::TakeOver {
                fence: Fence::from_number(2),
                node: "m".to_owned(),
            }),
            6 => step(RecoveryStepCommand::Enter {
                fence,
                phase: [Phase::ReceiversStopped, Phase::Promoted][self.draw(2) as usize],
                news,
            }),
            7 if self.draw(2) == 0 => step(RecoveryStepCommand::Publish {
                fence,
                promoted: key,
                news,
            }),
            7 if self.draw(3) == 0 => step(RecoveryStepCommand::LeaveStopped {
                fence,
                servers: vec![key],
            }),
            7 => step(RecoveryStepCommand::Record { fence, news }),
            8 if self.draw(2) == 0 => step(RecoveryStepCommand::Watch {
                opened: news.opened,
                ended: news.ended,
            }),
            8 => step(RecoveryStepCommand::Note { notes: vec![note] }),
            9 => recoveries::end(id, key, fence, later, news),
            10 => Command::AcknowledgeRecoveries {
                which: Acknowledged::Instance(key),
                by: "ann".to_owned(),
                comment: "seen".to_owned(),
            },
            _ if self.draw(2) == 0 => Command::DisableRecoveries {
                by: "ann".to_owned(),
            },
            _ => Command::EnableRecoveries,
        }
    }

    /// A number below `bound`: splitmix64 of Steele, Lea and Flood, "Fast splittable pseudorandom number generators".
    fn draw(&mut self, bound: u64) -> u64 {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.chance;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

fn proposal(index: u64, at: Timestamp, command: Command) -> Proposal {
    Proposal {
        request: u128::from(index),
        proposed_at: at,
        origin: Origin {
            who: "contract".to_owned(),
            whence: String::new(),
        },
        command,
    }
}

/// The state that the entries of a log lead to, from nothing, decided anew.
pub fn replay(log: &[LoggedEntry]) -> Decided {
    let mut state = Decided::default();
    for entry in log {
        let envelope = Envelope::from_bytes(&entry.envelope).expect("a stored entry is readable");
        assert_eq!(envelope.index, entry.index, "an entry knows its place");
        let proposal = envelope.proposal().expect("a local log has commands only");
        let applied = apply(&state, &proposal);
        assert_eq!(applied.reply, entry.reply, "entry {}", entry.index);
        assert_eq!(applied.effects, entry.effects, "entry {}", entry.index);
        state.absorb(entry.index, applied.decided_at, &applied.changes);
    }
    state
}
