use std::fmt;

use serde::{Deserialize, Serialize};

use super::Timestamp;

/// The public half of an access token: names it, and lets whoever knows it claim the token once. 64 hexadecimal digits,
/// drawn at random.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PublicToken([u8; 32]);

/// A text that is no public token. It does not show the text: it may be somebody's other secret, pasted by mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a public token is 64 hexadecimal digits (0-9, a-f); copy it as it was handed out")]
pub struct NotAPublicToken;

impl PublicToken {
    /// The token with these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads its 64 digits. Capital letters are refused, so that a token has one form only.
    ///
    /// # Errors
    /// [`NotAPublicToken`].
    pub fn parse(text: &str) -> Result<Self, NotAPublicToken> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(NotAPublicToken),
        };
        let pairs = text.as_bytes();
        if pairs.len() != 64 {
            return Err(NotAPublicToken);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(pairs.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(Self(bytes))
    }
}

/// 64 hexadecimal digits.
impl fmt::Display for PublicToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Its first digits only: until it is claimed, whoever knows all of them may claim it.
impl fmt::Debug for PublicToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicToken({:02x}{:02x}…)", self.0[0], self.0[1])
    }
}

/// SHA-256 of the secret half of an access token; the secret itself is kept by its holder only. It may be stored and
/// shown to operators: the secret is random and as long as the digest. Its equality compares states; whether a caller's
/// secret is the right one is decided in constant time, in the one place of the service that compares secrets.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretDigest([u8; 32]);

impl SecretDigest {
    /// The digest with these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Prints nothing of it.
impl fmt::Debug for SecretDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretDigest(…)")
    }
}

/// A right to change things, made beforehand on the machine of the service and claimed once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessToken {
    /// Who it was made for; the user in whose name its holder changes things.
    pub owner: String,
    /// When it was made, by the proposer's clock.
    pub created_at: Timestamp,
    /// From then on it cannot be claimed any more.
    pub claim_by: Timestamp,
    /// `None` until it is claimed, and worth nothing until then.
    pub claim: Option<TokenClaim>,
}

/// How a token was claimed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenClaim {
    /// What its holder's secret is checked against.
    pub secret_digest: SecretDigest,
    /// When, by the proposer's clock.
    pub claimed_at: Timestamp,
    /// From then on it is worth nothing.
    pub expires_at: Timestamp,
}

impl AccessToken {
    /// Whether it is worth nothing any more: expired, or not claimed in time.
    pub fn is_over_at(&self, now: Timestamp) -> bool {
        let ends_at = self.claim.as_ref().map(|claim| claim.expires_at);
        now >= ends_at.unwrap_or(self.claim_by)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGITS: &str = "00ff0123456789abcdef00000000000000000000000000000000000000000001";

    #[test]
    fn a_public_token_is_printed_as_it_is_read() {
        let token = PublicToken::parse(DIGITS).unwrap();
        assert_eq!(token.to_string(), DIGITS);
        assert_eq!(token.as_bytes()[..3], [0x00, 0xff, 0x01]);
        assert_eq!(PublicToken::from_bytes(*token.as_bytes()), token);
    }

    #[test]
    fn what_is_not_64_small_hexadecimal_digits_is_no_token() {
        let capital = DIGITS.to_uppercase();
        let longer = format!("{DIGITS}0");
        let wide = "é".repeat(32);
        let sign = format!("+{}", &DIGITS[1..]);
        for text in ["", &DIGITS[1..], &capital, &longer, &wide, &sign] {
            assert_eq!(PublicToken::parse(text), Err(NotAPublicToken), "{text}");
        }
    }

    #[test]
    fn debug_shows_neither_a_digest_nor_enough_of_a_token_to_claim_it() {
        let token = PublicToken::parse(DIGITS).unwrap();
        assert_eq!(format!("{token:?}"), "PublicToken(00ff…)");
        let digest = SecretDigest::from_bytes([7; 32]);
        assert_eq!(format!("{digest:?}"), "SecretDigest(…)");
    }

    #[test]
    fn a_token_is_over_when_nobody_claimed_it_in_time_or_its_life_ends() {
        let at = Timestamp::from_seconds;
        let mut token = AccessToken {
            owner: "ann".to_owned(),
            created_at: at(0),
            claim_by: at(60),
            claim: None,
        };
        assert!(!token.is_over_at(at(59)) && token.is_over_at(at(60)));
        token.claim = Some(TokenClaim {
            secret_digest: SecretDigest::from_bytes([7; 32]),
            claimed_at: at(10),
            expires_at: at(100),
        });
        assert!(!token.is_over_at(at(99)) && token.is_over_at(at(100)));
    }
}
