//! The literal bytes of everything that is stored. A failure here means that logs and stores written by an earlier
//! release would be read wrongly: give the type a new format instead of changing these lines.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use serde::de::{Deserialize, DeserializeOwned, Visitor};
use serde::forward_to_deserialize_any;

use super::codec::{Stored, decode, encode};
use super::{
    Acknowledged, Answer, Command, Decided, Effect, EffectScope, GroupId, GroupNode, ImportPortion,
    ImportedRow, Origin, Proposal, RecoveryStepCommand, Refusal, Reply, RowChange, Snapshot,
    golden_recoveries,
};
use crate::domain::{
    AccessToken, BinlogPosition, Candidate, ClusterAlias, DataLoss, Downtime, FindingCode, Flavor,
    Import, ImportPosition, InstanceKey, InstanceRecord, MovedAlias, Observation, Phase,
    ProbeFailure, ProbeFailureKind, PromotionRule, PublicToken, RecoveriesDisabled, RecoveryId,
    RecoveryKind, RecoveryOutcome, ReplicationLink, SecretDigest, SourceAddress, ThreadState,
    Timestamp, TokenClaim,
};

pub(super) fn key() -> InstanceKey {
    InstanceKey::parse("db1:3307", 1).unwrap()
}

pub(super) const fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn downtime() -> Downtime {
    Downtime {
        owner: "ann".to_owned(),
        reason: "disk".to_owned(),
        begins_at: at(1),
        ends_at: at(1_800_000_000),
    }
}

fn candidate(rule: PromotionRule) -> Candidate {
    Candidate {
        rule,
        registered_at: at(1),
        expires_at: at(3600),
    }
}

const PUBLIC: PublicToken = PublicToken::from_bytes([0xa7; 32]);
const DIGEST: SecretDigest = SecretDigest::from_bytes([0xd1; 32]);

fn access_token(claim: Option<TokenClaim>) -> AccessToken {
    AccessToken {
        owner: "ann".to_owned(),
        created_at: at(1),
        claim_by: at(60),
        claim,
    }
}

fn alias(set_by: Option<&str>, moved_by: Option<u128>) -> ClusterAlias {
    ClusterAlias {
        alias: "a".to_owned(),
        set_by: set_by.map(str::to_owned),
        at: at(1),
        moved: moved_by.map(|number| MovedAlias {
            from: "f".to_owned(),
            recovery: RecoveryId::from_number(number),
        }),
    }
}

fn import(rows: Vec<ImportedRow>) -> Command {
    Command::Import(Box::new(ImportPortion {
        source: "s".to_owned(),
        node: "n".to_owned(),
        rows,
        is_last: true,
    }))
}

fn decided_rows() -> Vec<ImportedRow> {
    vec![
        ImportedRow::RecoveriesDisabled(RecoveriesDisabled {
            by: "ann".to_owned(),
            at: at(1),
        }),
        ImportedRow::ClusterAlias {
            cluster: "c".to_owned(),
            alias: "a".to_owned(),
        },
        ImportedRow::Downtime(key(), downtime()),
        ImportedRow::Candidate(key(), candidate(PromotionRule::Prefer)),
        ImportedRow::Instance(key()),
    ]
}

fn imported(through: Option<&str>, ended_at: Option<Timestamp>) -> Import {
    Import {
        source: "s".to_owned(),
        node: "n".to_owned(),
        begun_at: at(1),
        through: through.map(|key| ImportPosition {
            kind: 3,
            key: key.to_owned(),
        }),
        taken: 7,
        kept: 2,
        ended_at,
    }
}

fn register(rule: PromotionRule) -> Command {
    Command::RegisterCandidate {
        key: key(),
        rule,
        expires_at: at(3600),
    }
}

/// Each value is written as these bytes, and these bytes read as the value.
pub(crate) fn check<T: Stored + Debug + PartialEq>(golden: &[(&str, T, &str)]) {
    for (name, value, hex) in golden {
        let bytes = encode(value).unwrap();
        let written: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(&written, hex, "{} {name}", T::NAME);
        assert_eq!(&decode::<T>(&bytes).unwrap(), value, "{} {name}", T::NAME);
    }
}

/// The names in `golden` are all variants of `T`, so a new variant fails until its bytes are here.
fn complete<'a, T: DeserializeOwned>(golden: impl IntoIterator<Item = &'a str>) {
    let named: BTreeSet<&str> = golden
        .into_iter()
        .map(|name| name.split(' ').next().unwrap())
        .collect();
    let all: BTreeSet<&str> = variants::<T>().iter().copied().collect();
    assert_eq!(named, all, "variants of {}", std::any::type_name::<T>());
}

/// Asks serde for the variants of an enum.
pub(crate) fn variants<T: DeserializeOwned>() -> &'static [&'static str] {
    T::deserialize(Shape)
        .err()
        .and_then(|Found(variants)| variants)
        .expect("only enums are asked for")
}

struct Shape;

#[derive(Debug)]
struct Found(Option<&'static [&'static str]>);

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl std::error::Error for Found {}

impl serde::de::Error for Found {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Self(None)
    }
}

impl<'de> serde::Deserializer<'de> for Shape {
    type Error = Found;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Found> {
        Err(Found(None))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Found> {
        Err(Found(Some(variants)))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

fn commands() -> Vec<(&'static str, Command, &'static str)> {
    vec![
        (
            "Discover",
            Command::Discover { key: key() },
            "010003646231fbeb0c",
        ),
        (
            "Forget",
            Command::Forget { key: key() },
            "010103646231fbeb0c",
        ),
        (
            "BeginDowntime",
            Command::BeginDowntime {
                key: key(),
                owner: "ann".to_owned(),
                reason: "disk".to_owned(),
                ends_at: at(1_800_000_000),
            },
            "010203646231fbeb0c03616e6e046469736bfd000031512eca0c00",
        ),
        (
            "EndDowntime",
            Command::EndDowntime { key: key() },
            "010303646231fbeb0c",
        ),
        (
            "RegisterCandidate must",
            register(PromotionRule::Must),
            "010403646231fbeb0c00fd004827ad01000000",
        ),
        (
            "RegisterCandidate prefer",
            register(PromotionRule::Prefer),
            "010403646231fbeb0c01fd004827ad01000000",
        ),
        (
            "RegisterCandidate neutral",
            register(PromotionRule::Neutral),
            "010403646231fbeb0c02fd004827ad01000000",
        ),
        (
            "RegisterCandidate prefer_not",
            register(PromotionRule::PreferNot),
            "010403646231fbeb0c03fd004827ad01000000",
        ),
        (
            "RegisterCandidate must_not",
            register(PromotionRule::MustNot),
            "010403646231fbeb0c04fd004827ad01000000",
        ),
        ("Expire", Command::Expire, "0105"),
        (
            "SetClusterAlias",
            Command::SetClusterAlias {
                cluster: "c".to_owned(),
                alias: "a".to_owned(),
                by: "ann".to_owned(),
            },
            "01100163016103616e6e",
        ),
        (
            "Import decisions",
            import(decided_rows()),
            "01110173016e050003616e6efc80841e0001016301610203646231fbeb0c03616e6e046469736bfc80841e00fd000031512eca0c000303646231fbeb0c01fc80841e00fd004827ad010000000603646231fbeb0c01",
        ),
        (
            "Import detection",
            import(vec![ImportedRow::Detection {
                old: 5,
                row: Box::new(golden_recoveries::detection()),
            }]),
            "01110173016e010405feefcdab8967452301efcdab89674523010103646231fbeb0c016301610103646231fbeb0c010164fc80841e00016efc00093d00fc808d5b0001",
        ),
        (
            "Import recovery",
            import(vec![ImportedRow::Recovery {
                old: 5,
                id: RecoveryId::from_number(6),
                row: Box::new(golden_recoveries::recovery(true)),
                notes: vec![(at(1), "t".to_owned())],
            }]),
            "01110173016e0105050603000103646231fbeb0c016301610103646231fbeb0c0103646231fbeb0c017503616e6e0203010203fc80841e00016e0402030200fc80841e0003fc00093d000103646231fbeb0c070103646231fbeb0c08fc803a09000001fc808d5b00010103646231fbeb0c01730103646231fbeb0c0103646231fbeb0c010165010101fc80841e000103646231fbeb0c05302d312d350100fc40420f0000010200000001fc00127a0003616e6e016301fc80841e00017401",
        ),
        (
            "CreateAccessToken",
            Command::CreateAccessToken {
                public: PUBLIC,
                owner: "ann".to_owned(),
                claim_by: at(60),
            },
            "0106a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a703616e6efc000e2707",
        ),
        (
            "ClaimAccessToken",
            Command::ClaimAccessToken {
                public: PUBLIC,
                secret_digest: DIGEST,
                expires_at: at(3600),
            },
            "0107a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1fd004827ad01000000",
        ),
    ]
}

#[test]
fn commands_keep_their_bytes() {
    let golden = [commands(), golden_recoveries::commands()].concat();
    check(&golden);
    complete::<Command>(golden.iter().map(|(name, ..)| *name));
    assert_eq!(
        variants::<PromotionRule>(),
        ["Must", "Prefer", "Neutral", "PreferNot", "MustNot"],
        "a new rule needs a command with its bytes above"
    );
    assert_eq!(
        variants::<ImportedRow>(),
        [
            "RecoveriesDisabled",
            "ClusterAlias",
            "Downtime",
            "Candidate",
            "Detection",
            "Recovery",
            "Instance"
        ],
        "a new kind of row needs a command with its bytes above"
    );
}

#[test]
fn a_proposal_keeps_its_bytes() {
    let proposal = Proposal {
        request: 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef,
        proposed_at: at(1_700_000_000),
        origin: Origin {
            who: "ann".to_owned(),
            whence: "10.0.0.1".to_owned(),
        },
        command: Command::Expire,
    };
    check(&[(
        "Proposal",
        proposal,
        "01feefcdab8967452301efcdab8967452301fd00803c3048140c0003616e6e0831302e302e302e3105",
    )]);
}

#[test]
fn replies_keep_their_bytes() {
    let golden = [
        ("Done", Reply::Done, "0100"),
        ("Unchanged", Reply::Unchanged, "0101"),
        (
            "Refused over",
            Reply::Refused(Refusal::AlreadyOver),
            "010200",
        ),
        (
            "Refused must",
            Reply::Refused(Refusal::MustIsNotRegistrable),
            "010201",
        ),
        (
            "Refused unknown token",
            Reply::Refused(Refusal::UnknownToken),
            "010202",
        ),
        (
            "Refused claimed token",
            Reply::Refused(Refusal::TokenIsClaimed),
            "010203",
        ),
        (
            "Refused late claim",
            Reply::Refused(Refusal::TokenClaimTooLate),
            "010204",
        ),
        (
            "Refused token exists",
            Reply::Refused(Refusal::TokenExists),
            "010205",
        ),
        (
            "Refused unclaimed tokens",
            Reply::Refused(Refusal::TooManyUnclaimedTokens),
            "010206",
        ),
        (
            "Refused tokens",
            Reply::Refused(Refusal::TooManyTokens),
            "010207",
        ),
        (
            "Refused alias",
            Reply::Refused(Refusal::AliasIsTaken {
                cluster: "c".to_owned(),
            }),
            "0102140163",
        ),
        (
            "Imported",
            Reply::Imported { taken: 7, kept: 2 },
            "01040702",
        ),
    ];
    let golden = [golden.to_vec(), golden_recoveries::replies()].concat();
    check(&golden);
    complete::<Reply>(golden.iter().map(|(name, ..)| *name));
    assert_eq!(
        variants::<Refusal>(),
        [
            "AlreadyOver",
            "MustIsNotRegistrable",
            "UnknownToken",
            "TokenIsClaimed",
            "TokenClaimTooLate",
            "TokenExists",
            "TooManyUnclaimedTokens",
            "TooManyTokens",
            "RecoveryUnderWay",
            "InBlockPeriod",
            "RecoveriesDisabled",
            "RecoveryExists",
            "UnknownRecovery",
            "RecoveryHasEnded",
            "RecoveryHasNotEnded",
            "OtherFence",
            "PhaseOutOfOrder",
            "TooLong",
            "OtherGroupNodes",
            "BadGroupNodes",
            "AliasIsTaken",
        ],
        "a new refusal needs its bytes above"
    );
}

#[test]
fn row_changes_keep_their_bytes() {
    let golden = [
        (
            "PutDowntime",
            RowChange::PutDowntime(key(), downtime()),
            "010003646231fbeb0c03616e6e046469736bfc80841e00fd000031512eca0c00",
        ),
        (
            "DeleteDowntime",
            RowChange::DeleteDowntime(key()),
            "010103646231fbeb0c",
        ),
        (
            "PutCandidate",
            RowChange::PutCandidate(key(), candidate(PromotionRule::PreferNot)),
            "010203646231fbeb0c03fc80841e00fd004827ad01000000",
        ),
        (
            "DeleteCandidate",
            RowChange::DeleteCandidate(key()),
            "010303646231fbeb0c",
        ),
        (
            "PutForgotten",
            RowChange::PutForgotten(key(), at(1)),
            "010403646231fbeb0cfc80841e00",
        ),
        (
            "DeleteForgotten",
            RowChange::DeleteForgotten(key()),
            "010503646231fbeb0c",
        ),
        (
            "PutAccessToken unclaimed",
            RowChange::PutAccessToken(PUBLIC, access_token(None)),
            "0106a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a703616e6efc80841e00fc000e270700",
        ),
        (
            "PutAccessToken claimed",
            RowChange::PutAccessToken(
                PUBLIC,
                access_token(Some(TokenClaim {
                    secret_digest: DIGEST,
                    claimed_at: at(2),
                    expires_at: at(3600),
                })),
            ),
            "0106a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a703616e6efc80841e00fc000e270701d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1fc00093d00fd004827ad01000000",
        ),
        (
            "DeleteAccessToken",
            RowChange::DeleteAccessToken(PUBLIC),
            "0107a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7",
        ),
        (
            "PutAnswer",
            RowChange::PutAnswer(
                5,
                Answer {
                    index: 300,
                    reply: Reply::Done,
                    at: at(1),
                },
            ),
            "011205fb2c0100fc80841e00",
        ),
        ("DeleteAnswer", RowChange::DeleteAnswer(5), "011305"),
        (
            "PutGroupNode",
            RowChange::PutGroupNode(
                "a:1".to_owned(),
                GroupNode {
                    reported: vec!["b:1".to_owned()],
                },
            ),
            "011603613a310103623a31",
        ),
        (
            "DeleteGroupNode",
            RowChange::DeleteGroupNode("a:1".to_owned()),
            "011703613a31",
        ),
        (
            "PutClusterAlias set",
            RowChange::PutClusterAlias("c".to_owned(), alias(Some("ann"), None)),
            "0118016301610103616e6efc80841e0000",
        ),
        (
            "PutClusterAlias moved",
            RowChange::PutClusterAlias("c".to_owned(), alias(None, Some(5))),
            "01180163016100fc80841e0001016605",
        ),
        (
            "DeleteClusterAlias",
            RowChange::DeleteClusterAlias("c".to_owned()),
            "01190163",
        ),
        (
            "PutImport begun",
            RowChange::PutImport(imported(None, None)),
            "011a0173016efc80841e0000070200",
        ),
        (
            "PutImport ended",
            RowChange::PutImport(imported(Some("k"), Some(at(2)))),
            "011a0173016efc80841e000103016b070201fc00093d00",
        ),
    ];
    let golden = [golden.to_vec(), golden_recoveries::row_changes()].concat();
    check(&golden);
    complete::<RowChange>(golden.iter().map(|(name, ..)| *name));
}

#[test]
fn records_of_recoveries_keep_their_bytes() {
    let (recoveries, detections) = golden_recoveries::records();
    check(&recoveries);
    check(&detections);
    assert_eq!(
        variants::<RecoveryStepCommand>(),
        [
            "TakeOver",
            "Enter",
            "Record",
            "StateLoss",
            "Note",
            "Replan",
            "Watch",
            "LeaveStopped",
            "Settled",
            "Publish",
        ],
        "a new step of a recovery needs a command with its bytes"
    );
    assert_eq!(
        variants::<Acknowledged>(),
        ["All", "Number", "Id", "Cluster", "Instance"]
    );
    assert_eq!(
        variants::<Phase>(),
        [
            "Registered",
            "ReceiversStopped",
            "Promoted",
            "Published",
            "Ended"
        ]
    );
    assert_eq!(
        variants::<RecoveryOutcome>(),
        ["Succeeded", "Failed", "CalledOff"]
    );
    assert_eq!(variants::<DataLoss>(), ["NoneProven", "Unknown", "Exactly"]);
    assert_eq!(variants::<RecoveryKind>().len(), 5);
    let codes: Vec<String> = FindingCode::ALL
        .iter()
        .map(|it| format!("{it:?}"))
        .collect();
    assert_eq!(
        variants::<FindingCode>(),
        codes,
        "the order of findings is in their bytes: append only"
    );
}

#[test]
fn effects_keep_their_bytes() {
    let golden = [
        ("Discover", Effect::Discover(key()), "010003646231fbeb0c"),
        ("Forget", Effect::Forget(key()), "010103646231fbeb0c"),
    ];
    check(&golden);
    complete::<Effect>(golden.iter().map(|(name, ..)| *name));
    check(&[
        ("none", vec![], "0100"),
        (
            "two",
            vec![Effect::Discover(key()), Effect::Forget(key())],
            "01020003646231fbeb0c0103646231fbeb0c",
        ),
    ]);
    assert_eq!(variants::<EffectScope>(), ["LeaderOnly", "EveryNode"]);
}

#[test]
fn a_snapshot_keeps_its_bytes() {
    let rows = [
        RowChange::PutDowntime(key(), downtime()),
        RowChange::PutForgotten(key(), at(1)),
    ];
    let state = Decided::from_rows(300, at(5), &rows);
    let snapshot = Snapshot::of(GroupId::from_bytes([0xa5; 16]), &state, vec![key()]);
    check(&[(
        "Snapshot",
        snapshot,
        "01a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5fb2c01fc80969800020003646231fbeb0c03616e6e046469736bfc80841e00fd000031512eca0c000403646231fbeb0cfc80841e000103646231fbeb0ca7414a33c3470f3718e48e168879937318f826803b9f9352332b6912bd600005",
    )]);
}

fn observation() -> Observation {
    let mut seen = Observation::blank(key(), at(9));
    seen.identity.flavor = Flavor::MariaDb;
    seen.identity.version = "10.11".to_owned();
    seen.latency = Duration::from_millis(1);
    seen.promotion_rule = Some(PromotionRule::Prefer);
    seen.replicas = vec![key()];
    seen.replication = Some(ReplicationLink {
        source: SourceAddress::Detached(key()),
        source_uuid: String::new(),
        receiver: ThreadState::Running,
        applier: ThreadState::Other,
        received: BinlogPosition {
            file: "b.1".to_owned(),
            offset: 400,
        },
        applied: BinlogPosition::default(),
        relay_log: BinlogPosition::default(),
        receiver_error: String::new(),
        receiver_errno: 0,
        applier_error: "no".to_owned(),
        applier_errno: 1062,
        delay: Duration::ZERO,
        seconds_behind: Some(3),
        uses_oracle_gtid: false,
        uses_mariadb_gtid: true,
        mariadb_received: "0-1-5".to_owned(),
        retrieved: String::new(),
        has_filters: false,
        has_credentials: true,
        tls_allowed: false,
        channel: String::new(),
        heartbeat_period: None,
        heartbeats_received: None,
    });
    seen
}

/// Observations may be lost without harm, but never be misread: after a change of `Observation`, `InstanceRecord` or what
/// they hold, raise the format of the instance record and renew these bytes.
#[test]
fn an_instance_record_keeps_its_bytes_or_takes_a_new_format() {
    let mut record = InstanceRecord::heard_of(key(), at(1));
    record.observation = Some(Arc::new(observation()));
    record.last_checked_at = Some(at(10));
    record.last_seen_at = Some(at(9));
    record.failure = Some(ProbeFailure {
        kind: ProbeFailureKind::AccessDenied,
        code: 1045,
        message: "denied".to_owned(),
        is_partial: false,
    });
    record.failures_in_a_row = 1;
    check(&[
        (
            "heard of",
            InstanceRecord::heard_of(key(), at(1)),
            "0203646231fbeb0c00fc80841e000000000000",
        ),
        (
            "probed",
            record,
            "0203646231fbeb0c0103646231fbeb0cfc80a8120100fc40420f0000000531302e31310002000000000000000000000000000000010103646231fbeb0c00010203622e31fb9001000000000000026e6ffb260400000103000105302d312d350000010000000000000000000000000000000000000103646231fbeb0c00000000000001010000fc80841e0001fc002d310101fc80a81201000104fb15040664656e6965640001",
        ),
    ]);
}

#[test]
fn the_variant_walk_sees_what_serde_sees() {
    assert!(variants::<Command>().contains(&"Expire"));
    assert!(<Origin as Deserialize>::deserialize(Shape).is_err());
}
