use super::Section;
use crate::config::key::Key;

const WHY: &str = "orchestrator-agent is not supported.";

pub(super) const SECTION: Section = Section {
    title: "Agents",
    about: "The predecessor's orchestrator-agent, which is not supported. The keys are recognised and do nothing.",
    keys: &[
        Key::boolean("ServeAgentsHttp", false, "Listen for agents.").not_carried_over(WHY),
        Key::text(
            "AgentsServerPort",
            ":3001",
            "Address to listen on for agents.",
        )
        .not_carried_over(WHY),
        Key::boolean("AgentsUseSSL", false, "TLS for agents.").not_carried_over(WHY),
        Key::boolean("AgentsUseMutualTLS", false, "Ask agents for a certificate.")
            .not_carried_over(WHY),
        Key::boolean(
            "AgentSSLSkipVerify",
            false,
            "Accept any certificate of an agent.",
        )
        .not_carried_over(WHY),
        Key::text("AgentSSLPrivateKeyFile", "", "Private key for agents.").not_carried_over(WHY),
        Key::text("AgentSSLCertFile", "", "Certificate for agents.").not_carried_over(WHY),
        Key::text("AgentSSLCAFile", "", "Authorities for agents.").not_carried_over(WHY),
        Key::texts("AgentSSLValidOUs", "Organisational units of agents.").not_carried_over(WHY),
        Key::integer(
            "AgentPollMinutes",
            60,
            0..=525_600,
            "minutes",
            "Time between polls of an agent.",
        )
        .not_carried_over(WHY),
        Key::integer(
            "UnseenAgentForgetHours",
            6,
            0..=876_000,
            "hours",
            "Forget silent agents.",
        )
        .not_carried_over(WHY),
        Key::integer(
            "StaleSeedFailMinutes",
            60,
            0..=525_600,
            "minutes",
            "Give up a copy without progress.",
        )
        .not_carried_over(WHY),
        Key::integer(
            "SeedWaitSecondsBeforeSend",
            2,
            0..=86_400,
            "seconds",
            "Wait between receiving and sending a copy.",
        )
        .not_carried_over(WHY),
        Key::integer(
            "SeedAcceptableBytesDiff",
            8192,
            0..=i64::MAX,
            "bytes",
            "Difference in size of a copy.",
        )
        .no_effect(),
    ],
};
