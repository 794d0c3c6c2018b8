use super::Section;
use crate::config::key::Key;

pub(super) const SECTION: Section = Section {
    title: "TLS of the HTTP service",
    about: "Certificates of the service and of its callers. The private key must not be accessible to others (mode 0640 or stricter).",
    keys: &[
        Key::boolean("UseSSL", false, "Serve HTTPS, TLS 1.2 and newer. Needs SSLCertFile and SSLPrivateKeyFile.").restart(),
        Key::text("SSLPrivateKeyFile", "", "Private key of the service, PEM, without a passphrase.").restart(),
        Key::text("SSLCertFile", "", "Certificate chain of the service, PEM.").restart(),
        Key::text("SSLCAFile", "", "Certificate authorities that client certificates are checked against, PEM.").restart(),
        Key::boolean(
            "UseMutualTLS",
            false,
            "Answer only callers with a certificate from SSLCAFile whose organisational unit is in SSLValidOUs. Needs UseSSL.",
        )
        .restart(),
        Key::texts("SSLValidOUs", "Organisational units (OU) of client certificates that may call."),
        Key::boolean("StatusOUVerify", false, "With UseMutualTLS, ask for a certificate on the status path too."),
        Key::boolean("SSLSkipVerify", false, "Do not verify the certificates of other members of the raft group.").not_yet(),
    ],
};
