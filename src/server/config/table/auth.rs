use super::Section;
use crate::config::key::Key;

const METHODS: &[&str] = &["none", "basic", "multi", "proxy", "token", "oauth"];

pub(super) const SECTION: Section = Section {
    title: "Authentication",
    about: "Who may read and who may change. Without any of these keys reading is open, and changes are taken from \
            loopback and from a unix socket only.",
    keys: &[
        Key::word(
            "AuthenticationMethod",
            "",
            METHODS,
            "none: everyone may do everything; basic: one user, for everything; multi: the same, and user readonly with \
             any password may read; proxy: a proxy names the user in AuthUserHeader; token: a token claimed from \
             the API; oauth: everyone may read, nobody may change. Empty: everyone may read, changes from loopback only.",
        ),
        Key::text("HTTPAuthUser", "", "User of basic and multi; both need one."),
        Key::text("HTTPAuthPassword", "", "Password of basic and multi.").secret(),
        Key::text("AuthUserHeader", "X-Forwarded-User", "Header in which a proxy names the user. Case does not matter."),
        Key::texts(
            "HTTPTrustedProxies",
            "Addresses or networks (10.0.0.0/8) of the proxies whose AuthUserHeader is believed, for method proxy. \
             Loopback, the unix socket and callers with a verified certificate are always believed.",
        )
        .ours(),
        Key::texts_with("PowerAuthUsers", &["*"], "Users who may change things with method proxy; * stands for every named user."),
        Key::texts("PowerAuthGroups", "Unix groups whose members may change things with method proxy."),
        Key::integer(
            "AccessTokenUseExpirySeconds",
            60,
            1..=86_400,
            "seconds",
            "Time within which a token must be claimed after it was made.",
        ),
        Key::integer("AccessTokenExpiryMinutes", 1440, 1..=525_600, "minutes", "Life of a claimed token."),
        Key::text("OAuthClientId", "", "Meant for OAuth, which the predecessor never had.").no_effect(),
        Key::text("OAuthClientSecret", "", "Meant for OAuth, which the predecessor never had.").no_effect().secret(),
        Key::texts("OAuthScopes", "Meant for OAuth, which the predecessor never had.").no_effect(),
    ],
};
