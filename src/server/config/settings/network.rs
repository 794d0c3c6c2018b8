use std::fmt;
use std::net::IpAddr;

/// A range of addresses: an address and how many of its leading bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// The address as written, bits behind the prefix included.
    pub address: IpAddr,
    /// Leading bits that count, at most 32 or 128.
    pub prefix: u8,
}

impl Network {
    /// Parses `10.0.0.0/8`, `fd00::/8`, or one address.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.trim().split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u8>().ok()?)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().ok()?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(bits);
        (prefix <= bits).then_some(Self { address, prefix })
    }
}

/// Always with the prefix; parses back.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_and_print_back() {
        for (text, printed) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            (" 10.1.2.3 ", "10.1.2.3/32"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("fd00::/8", "fd00::/8"),
            ("::1", "::1/128"),
        ] {
            let network = Network::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(network.to_string(), printed);
            assert_eq!(Network::parse(printed), Some(network));
        }
        for text in [
            "",
            "10.0.0.0/33",
            "10.0.0/8",
            "host",
            "::/129",
            "10.0.0.0/",
            "1.2.3.4/-1",
        ] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }
}
