use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mysql_common::scramble::{scramble_native, scramble_sha256};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use orchestrator_core::domain::Secret;

use super::WireError;

/// Keys of MySQL servers have 2048 bits. Fewer than 1024 protect nothing; more than 8192 only cost us time.
const KEY_BITS: std::ops::RangeInclusive<usize> = 1024..=8192;

/// What OAEP with SHA-1 adds to a text.
const OAEP_BYTES: usize = 42;

/// The authentications that are offered. `mysql_clear_password` is not among them: it would hand the password to whoever
/// asks. `mysql_old_password` is not either: it protects nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plugin {
    Native,
    CachingSha2,
}

impl Plugin {
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        match name {
            b"mysql_native_password" => Some(Self::Native),
            b"caching_sha2_password" => Some(Self::CachingSha2),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Native => "mysql_native_password",
            Self::CachingSha2 => "caching_sha2_password",
        }
    }
}

/// The answer to a challenge; empty for an empty password.
pub(super) fn scramble(plugin: Plugin, nonce: &[u8], password: &Secret) -> Vec<u8> {
    let password = password.expose().as_bytes();
    let answer = match plugin {
        Plugin::Native => scramble_native(nonce, password).map(Vec::from),
        Plugin::CachingSha2 => scramble_sha256(nonce, password).map(Vec::from),
    };
    answer.unwrap_or_default()
}

/// The password, encrypted with the public key that the server sent over an open connection. Who sits between could
/// send a key of its own: only TLS with verified certificates excludes that.
pub(super) fn sealed(password: &Secret, nonce: &[u8], pem: &[u8]) -> Result<Vec<u8>, WireError> {
    if nonce.is_empty() {
        return Err(WireError::Protocol("an empty challenge"));
    }
    let mut text = password.expose().as_bytes().to_vec();
    text.push(0);
    for (byte, mask) in text.iter_mut().zip(nonce.iter().cycle()) {
        *byte ^= mask;
    }
    let key = canonical_key(pem, text.len())?;
    Ok(mysql_common::crypto::encrypt(&text, key.as_bytes()))
}

/// The key in the one form that the encryption takes without fail, after it was found to be an RSA key that is large
/// enough for `length` bytes.
fn canonical_key(pem: &[u8], length: usize) -> Result<String, WireError> {
    let broken = || WireError::Protocol("a public key that is none");
    let (_, block) = x509_parser::pem::parse_x509_pem(pem).map_err(|_| broken())?;
    let (_, info) = SubjectPublicKeyInfo::from_der(&block.contents).map_err(|_| broken())?;
    let Ok(PublicKey::RSA(key)) = info.parsed() else {
        return Err(broken());
    };
    let modulus = significant(key.modulus);
    let exponent = significant(key.exponent);
    let is_odd = |number: &[u8]| number.last().is_some_and(|byte| byte & 1 == 1);
    if !KEY_BITS.contains(&(modulus.len() * 8))
        || modulus.len() < length + OAEP_BYTES
        || exponent.len() > 8
        || !is_odd(modulus)
        || !is_odd(exponent)
    {
        return Err(WireError::Protocol(
            "a public key that the password is not encrypted with",
        ));
    }
    let mut body = der(0x02, &positive(modulus));
    body.extend(der(0x02, &positive(exponent)));
    let body = STANDARD.encode(der(0x30, &body));
    let lines: Vec<&str> = body
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).expect("base64 is ASCII"))
        .collect();
    Ok(format!(
        "-----BEGIN RSA PUBLIC KEY-----\n{}\n-----END RSA PUBLIC KEY-----\n",
        lines.join("\n")
    ))
}

fn significant(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}

/// A DER integer is signed: a leading bit needs a zero before it.
fn positive(number: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(number.len() + 1);
    if number.first().is_some_and(|byte| byte & 0x80 != 0) {
        bytes.push(0);
    }
    bytes.extend_from_slice(number);
    bytes
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    match content.len() {
        short @ 0..=127 => bytes.push(short as u8),
        long => {
            let length = long.to_be_bytes();
            let length = significant(&length);
            bytes.push(0x80 | length.len() as u8);
            bytes.extend_from_slice(length);
        }
    }
    bytes.extend_from_slice(content);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key that a MySQL 9.7 server made for itself.
    const KEY: &str = include_str!("testdata/mysql97-public-key.pem");

    #[test]
    fn a_real_key_seals_and_the_seal_differs_each_time() {
        let password = Secret::new("correct horse");
        let first = sealed(&password, b"abcdefghijklmnopqrst", KEY.as_bytes()).unwrap();
        let second = sealed(&password, b"abcdefghijklmnopqrst", KEY.as_bytes()).unwrap();
        assert_eq!(first.len(), 256);
        assert_ne!(first, second, "OAEP is randomised");
    }

    #[test]
    fn hostile_keys_and_challenges_are_refused() {
        let password = Secret::new("x".repeat(300));
        let long = sealed(&password, b"abcdefghijklmnopqrst", KEY.as_bytes());
        assert!(long.is_err(), "the password does not fit the key");
        let password = Secret::new("short");
        assert!(sealed(&password, b"", KEY.as_bytes()).is_err());
        for pem in [
            "",
            "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
            "-----BEGIN PUBLIC KEY-----\nMAA=\n-----END PUBLIC KEY-----\n",
            "-----BEGIN PUBLIC KEY-----\n////\n-----END PUBLIC KEY-----\n",
        ] {
            assert!(sealed(&password, b"abc", pem.as_bytes()).is_err(), "{pem}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_damaged_key_never_panics(position in 0usize..451, byte: u8) {
            let mut pem = KEY.as_bytes().to_vec();
            let position = position % pem.len();
            pem[position] = byte;
            // Either outcome is right; what is tested is that there is one.
            let _ = sealed(&Secret::new("x"), b"abc", &pem);
        }
    }

    #[test]
    fn known_answers_to_known_challenges() {
        let nonce: Vec<u8> = (1..=20).collect();
        assert!(scramble(Plugin::Native, &nonce, &Secret::default()).is_empty());
        assert_eq!(
            scramble(Plugin::Native, &nonce, &Secret::new("secret")).len(),
            20
        );
        assert_eq!(
            scramble(Plugin::CachingSha2, &nonce, &Secret::new("secret")).len(),
            32
        );
    }
}
