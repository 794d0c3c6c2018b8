use super::Section;
use crate::config::key::Key;

pub(super) const SECTION: Section = Section {
    title: "Audit",
    about: "The record of what was changed, by whom and with what outcome.",
    keys: &[
        Key::text(
            "AuditLogFile",
            "",
            "File to which each change is appended, one line, separated by tabs. Empty: none.",
        )
        .restart(),
        Key::boolean("AuditToSyslog", false, "Send the record to syslog.").not_yet(),
        Key::boolean("AuditToBackendDB", false, "Keep the record in the store.").not_yet(),
        Key::integer(
            "AuditPurgeDays",
            7,
            0..=36_500,
            "days",
            "How long ended recoveries with their steps, and detections, are kept. A recovery stays for a day at least, as long as \
             it holds back others, and as long as a server that it left behind is in downtime.",
        ),
    ],
};
