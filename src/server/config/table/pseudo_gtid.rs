use super::Section;
use crate::config::key::Key;

pub(super) const SECTION: Section = Section {
    title: "Pseudo-GTID",
    about: "Marks in the binary logs that let servers without GTID be moved.",
    keys: &[
        Key::text(
            "DetectPseudoGTIDQuery",
            "",
            "Query that gives 1 on a server that uses Pseudo-GTID.",
        ),
        Key::boolean(
            "AutoPseudoGTID",
            false,
            "Write the marks ourselves, every five seconds on each primary.",
        )
        .not_yet(),
        Key::text(
            "PseudoGTIDPattern",
            "",
            "What a mark looks like; empty: none.",
        )
        .not_yet(),
        Key::boolean(
            "PseudoGTIDPatternIsFixedSubstring",
            false,
            "The pattern is plain text.",
        )
        .not_yet(),
        Key::text("PseudoGTIDMonotonicHint", "", "Text in marks that ascend.").not_yet(),
        Key::integer(
            "BinlogEventsChunkSize",
            10_000,
            1..=10_000_000,
            "events",
            "Events of a binary log read at once.",
        )
        .not_yet(),
        Key::texts(
            "SkipBinlogEventsContaining",
            "Texts of events that are passed over.",
        )
        .not_yet(),
    ],
};
