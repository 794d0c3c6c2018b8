use orchestrator_core::domain::Secret;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Whether a text from outside is the secret. The only place where secrets are compared: in constant time, over digests,
/// so that neither content nor length shows in how long it takes.
pub fn same_secret(expected: &Secret, given: &str) -> bool {
    let expected = Sha256::digest(expected.expose().as_bytes());
    let given = Sha256::digest(given.as_bytes());
    expected.ct_eq(&given).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_same_text_is_the_same() {
        let secret = Secret::new("pässword");
        assert!(same_secret(&secret, "pässword"));
        for other in ["", "password", "pässword ", "pässwor", "pässwordd"] {
            assert!(!same_secret(&secret, other), "{other:?}");
        }
    }
}
