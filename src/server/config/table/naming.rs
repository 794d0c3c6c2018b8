use super::Section;
use crate::config::key::Key;

pub(super) const SECTION: Section = Section {
    title: "Host names",
    about: "Under which name a server is known when it has several.",
    keys: &[
        Key::word(
            "HostnameResolveMethod",
            "default",
            &["none", "default", "cname", "ip"],
            "How a host name is normalised: none or default leave it, cname takes the DNS CNAME, ip the address.",
        ),
        Key::word(
            "MySQLHostnameResolveMethod",
            "@@hostname",
            &[
                "none",
                "default",
                "hostname",
                "@@hostname",
                "report_host",
                "@@report_host",
            ],
            "Which name a server reports for itself: none keeps the one it was reached by; default, hostname and \
             @@hostname take @@hostname; report_host and @@report_host take @@report_host.",
        ),
        Key::integer(
            "ExpiryHostnameResolvesMinutes",
            60,
            1..=525_600,
            "minutes",
            "How long a resolved name is remembered.",
        ),
        Key::pattern(
            "RejectHostnameResolvePattern",
            "Resolved names that match are not used.",
        ),
        Key::boolean(
            "SkipBinlogServerUnresolveCheck",
            true,
            "Do not check virtual names of binlog servers.",
        )
        .not_yet(),
    ],
};
