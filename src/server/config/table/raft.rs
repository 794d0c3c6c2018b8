use super::Section;
use crate::config::key::Key;

pub(super) const SECTION: Section = Section {
    title: "Raft group",
    about: "Several nodes that agree: docs/raft.md. RaftDataDir without RaftEnabled says where a single node keeps its store.",
    keys: &[
        Key::boolean("RaftEnabled", false, "Be a member of a raft group.").restart(),
        Key::text("RaftDataDir", "", "Directory of the node's own data. Without SQLite3DataFile, the store is the file orchestrator.sqlite3 in it.")
            .restart(),
        Key::text("RaftBind", "127.0.0.1:10008", "Address on which other members are answered.").restart(),
        Key::text("RaftAdvertise", "", "Address told to the other members; empty takes RaftBind.").restart(),
        Key::integer("DefaultRaftPort", 10008, 0..=65_535, "", "Port of a raft address written without one; 0 adds none.")
            .restart(),
        Key::texts("RaftNodes", "All members of the group, this node included; the same list on all of them."),
        Key::text("RaftSSLCertFile", "", "Certificate for calls between members, PEM. With its key and RaftSSLCAFile, members prove themselves by certificates.").ours(),
        Key::text("RaftSSLPrivateKeyFile", "", "Its private key, PEM.").ours(),
        Key::text("RaftSSLCAFile", "", "Authorities that certificates of members are checked against, PEM.").ours(),
        Key::secrets("RaftSharedSecret", 2, "Secret that all members know, where there are no certificates; while it is changed a list of the new one and the old one. ${NAME} takes one from an environment variable.").ours(),
        Key::boolean("RaftRequireAuthentication", false, "Refuse to run without certificates or secret between members.").ours(),
        Key::integer("RaftHeartbeatMilliseconds", 0, 0..=60_000, "milliseconds", "Time between heartbeats of the leader; 0 follows measured round trips.")
            .restart()
            .ours(),
        Key::integer("RaftElectionMilliseconds", 0, 0..=600_000, "milliseconds", "Silence of the leader after which an election begins; 0 follows the heartbeat.")
            .restart()
            .ours(),
        Key::boolean("IsolationGuard", false, "Close writable primaries of this node's own data centre while this node is cut off and no replica elsewhere receives from them: docs/operations/partitions.md.")
            .ours(),
        Key::text("IsolationGuardDataCenter", "", "This node's own data centre, as DataCenterPattern or DetectDataCenterQuery name that of its servers.")
            .ours(),
        Key::integer("IsolationGuardAfterSeconds", 10, 3..=3_600, "seconds", "For how long nothing outside must have answered before the guard closes anything.")
            .ours(),
        Key::integer("IsolationGuardMaxPrimaries", 1, 1..=1_000, "", "How many primaries the guard closes at most while the node is cut off.")
            .ours(),
    ],
};
