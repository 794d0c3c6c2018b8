use orchestrator_core::domain::{Secret, SecretDigest};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

// The only place where secrets are compared: in constant time, over digests, so that neither content nor length shows in
// how long it takes.

/// Whether a text from outside is the secret.
pub fn same_secret(expected: &Secret, given: &str) -> bool {
    same_as_digest(&digest_of(expected), given)
}

/// Whether a text from outside is the secret of which only the digest is known.
pub fn same_as_digest(expected: &SecretDigest, given: &str) -> bool {
    let given = Sha256::digest(given.as_bytes());
    expected.as_bytes().ct_eq(given.as_slice()).into()
}

/// The digest by which a secret is known where it is not kept. For secrets that are drawn at random; a password that a
/// person chose can be guessed from it.
pub fn digest_of(secret: &Secret) -> SecretDigest {
    SecretDigest::from_bytes(Sha256::digest(secret.expose().as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_same_text_is_the_same() {
        let secret = Secret::new("pässword");
        let digest = digest_of(&secret);
        assert!(same_secret(&secret, "pässword") && same_as_digest(&digest, "pässword"));
        for other in ["", "password", "pässword ", "pässwor", "pässwordd"] {
            assert!(!same_secret(&secret, other), "{other:?}");
            assert!(!same_as_digest(&digest, other), "{other:?}");
        }
    }

    #[test]
    fn a_digest_is_sha_256_of_the_text() {
        // FIPS 180-2, appendix B.1.
        let digest = digest_of(&Secret::new("abc"));
        assert_eq!(digest.as_bytes()[..4], [0xba, 0x78, 0x16, 0xbf]);
    }
}
