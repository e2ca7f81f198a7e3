//! Decides to which addresses a host may connect. A manifest names hosts; only the operator allows addresses.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;

/// The word for all public addresses.
const PUBLIC: &str = "public";

/// Blocks with services that hand the machine's credentials to whoever asks. Only a network inside of such a block allows its addresses:
/// an operator who writes `0.0.0.0/0` does not mean them.
const GUARDED: [IpNet; 6] = [
    net(IpAddr::V4(Ipv4Addr::new(169, 254, 0, 0)), 16), // link-local, with the metadata services of most clouds
    net(IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0)), 10), // link-local
    net(IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0)), 32), // AWS
    net(IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0)), 32), // Google Cloud
    net(IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)), 32), // Azure
    net(IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)), 32), // Alibaba Cloud
];

const fn net(address: IpAddr, prefix: u8) -> IpNet {
    IpNet::new_assert(address, prefix)
}

/// The addresses that the operator allows. The default is all public ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Egress {
    public: bool,
    loopback: bool,
    networks: Vec<IpNet>,
}

/// A part of the operator's list cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    #[error("{0:?} is no network: write it as 10.1.0.0/16, as fd00::/8, as one address, or as the word {PUBLIC}")]
    Network(String),
    #[error("{0:?} contains IPv4 addresses: write the IPv4 network")]
    Carried(String),
    #[error("the list is empty: name networks, or the word {PUBLIC}")]
    Empty,
}

impl Default for Egress {
    fn default() -> Self {
        Self { public: true, loopback: false, networks: Vec::new() }
    }
}

impl Egress {
    /// Returns the default of a server on a laptop: public addresses, and loopback for URLs that name it as an address or as `localhost`.
    /// Another name that leads to loopback is DNS rebinding.
    pub fn laptop() -> Self {
        Self { loopback: true, ..Self::default() }
    }

    /// Returns whether a connection to `host`, an address or a name, may go to `address`.
    pub fn allows(&self, host: &str, address: IpAddr) -> bool {
        let address = carried(address);
        let guard = GUARDED.iter().find(|block| block.contains(&address));
        let is_named = |network: &IpNet| network.contains(&address) && guard.is_none_or(|block| block.contains(network));
        self.networks.iter().any(is_named)
            || self.public && guard.is_none() && is_public(address)
            || self.loopback && address.is_loopback() && is_local(host)
    }
}

impl FromStr for Egress {
    type Err = EgressError;

    /// Parses networks, addresses, and the word `public`, separated by commas.
    fn from_str(text: &str) -> Result<Self, EgressError> {
        let mut egress = Self { public: false, loopback: false, networks: Vec::new() };
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            if part == PUBLIC {
                egress.public = true;
                continue;
            }
            let network = part.parse::<IpNet>().or_else(|_| part.parse::<IpAddr>().map(IpNet::from));
            let network = network.map_err(|_| EgressError::Network(part.to_owned()))?.trunc();
            if carried(network.network()) != network.network() {
                return Err(EgressError::Carried(part.to_owned()));
            }
            egress.networks.push(network);
        }
        if egress.public || !egress.networks.is_empty() { Ok(egress) } else { Err(EgressError::Empty) }
    }
}

impl fmt::Display for Egress {
    /// Writes the list in the form that [`FromStr`] reads, with the word `loopback` for a laptop's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [(self.public, PUBLIC), (self.loopback, "loopback")].into_iter().filter(|(is, _)| *is).map(|(_, word)| word.to_owned());
        let parts: Vec<String> = words.chain(self.networks.iter().map(ToString::to_string)).collect();
        f.write_str(&parts.join(","))
    }
}

/// Returns whether a URL with this host names loopback itself.
fn is_local(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost") || host.parse::<IpAddr>().is_ok()
}

/// Returns the IPv4 address that an IPv6 address stands for: IPv4-mapped (`::ffff:0:0/96`), IPv4-compatible (`::/96`), NAT64
/// (`64:ff9b::/96`) and 6to4 (`2002::/16`). Returns any other address unchanged.
fn carried(address: IpAddr) -> IpAddr {
    let IpAddr::V6(ip) = address else { return address };
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => address,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)).into()
        }
        _ => address,
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

/// Follows the IANA registry of special-purpose IPv4 addresses (RFC 6890 and updates).
fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let special = a == 0 // this network
        || ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_multicast()
        || ip.is_documentation()
        || (a == 100 && b & 0xc0 == 64) // 100.64/10, carrier-grade NAT
        || (a == 192 && b == 0 && c == 0) // IETF protocol assignments
        || (a == 192 && b == 88 && c == 99) // 6to4 relays
        || (a == 198 && b & 0xfe == 18) // benchmarks
        || a >= 240; // reserved, and broadcast
    !special
}

/// Follows the IANA registry of special-purpose IPv6 addresses.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    match ip.segments() {
        // Global unicast is 2000::/3, without 2001::/23 (Teredo, ORCHID and others), 2001:db8::/32 and 3fff::/20
        // (documentation). All others are refused: ::/128, ::1/128, fe80::/10, fc00::/7, fec0::/10, ff00::/8, 64:ff9b:1::/48, 100::/64.
        [0x2001, second, ..] => second >= 0x200 && second != 0xdb8,
        [0x3fff, second, ..] => second >= 0x1000,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests;
