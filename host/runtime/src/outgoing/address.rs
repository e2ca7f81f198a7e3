//! Decides to which addresses a granted name may resolve. A name that resolves to the host's own network, by DNS rebinding or by a
//! permanent record, must not give a plugin access to servers that only the host can reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::grant::Host;

/// Returns whether a request to the granted `host` may go to `address`.
pub fn allowed(host: &Host, address: IpAddr) -> bool {
    match host {
        // The manifest grants this address itself.
        Host::Ip(_) => true,
        Host::Name(name) if name == "localhost" => address.is_loopback(),
        Host::Name(_) => is_public(address),
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
        || ip.is_link_local() // 169.254/16, with the metadata services of clouds
        || ip.is_multicast()
        || ip.is_documentation()
        || (a == 100 && b & 0xc0 == 64) // 100.64/10, carrier-grade NAT
        || (a == 192 && b == 0 && c == 0) // IETF protocol assignments
        || (a == 192 && b == 88 && c == 99) // 6to4 relays
        || (a == 198 && b & 0xfe == 18) // benchmarks
        || a >= 240; // reserved, and broadcast
    !special
}

/// Follows the IANA registry of special-purpose IPv6 addresses. An address that contains an IPv4 address is as public as that address.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    let segments = ip.segments();
    match segments {
        // ::/96 IPv4-compatible (with :: and ::1), ::ffff:0:0/96 IPv4-mapped, 64:ff9b::/96 NAT64, 2002::/16 6to4.
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            is_public_v4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
        }
        // Global unicast is 2000::/3, without 2001::/23 (Teredo, ORCHID and others), 2001:db8::/32 and 3fff::/20
        // (documentation). All others are refused: fe80::/10, fc00::/7, fec0::/10, ff00::/8, 64:ff9b:1::/48, 100::/64.
        [0x2001, second, ..] => second >= 0x200 && second != 0xdb8,
        [0x3fff, second, ..] => second >= 0x1000,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests;
