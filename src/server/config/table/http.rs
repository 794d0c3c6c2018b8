use super::Section;
use crate::config::key::Key;

pub(super) const SECTION: Section = Section {
    title: "HTTP service",
    about: "Where the API listens and how its paths look.",
    keys: &[
        Key::text("ListenAddress", ":3000", "TCP address of the HTTP service: host:port, or :port for all addresses.").restart(),
        Key::text(
            "ListenSocket",
            "",
            "Path of a unix socket to serve on instead of TCP. TLS is not used there; file permissions decide who may connect.",
        )
        .restart(),
        Key::text(
            "HTTPAdvertise",
            "",
            "URL under which the other members of a raft group reach this node: scheme, host and port, no path.",
        )
        .restart(),
        Key::text("URLPrefix", "", "Path in front of all paths of the service. A leading / is added, a trailing one dropped.")
            .restart(),
        Key::text(
            "StatusEndpoint",
            "/api/status",
            "Path of the status check. Any other value than the default is taken as it is, without the URLPrefix, and replaces /api/status.",
        )
        .restart(),
        Key::texts(
            "HTTPAllowedHosts",
            "Further names, without port, that a browser may have in the Host header: the names under which people open this service, \
             when these are not its own name, an address or loopback.",
        )
        .ours(),
        Key::boolean("ReadOnly", false, "Refuse every request that changes something."),
        Key::text("RemoveTextFromHostnameDisplay", "", "Text cut from host names on web pages.").not_yet(),
        Key::text("WebMessage", "", "Line shown at the top of web pages.").not_yet(),
    ],
};
