//! The host's environment as a guest sees it. Tests expect none: no variables, no directories, no network.

use postdate_plugin::serde_json::{Value, json};
use wasip2::{
    filesystem::preopens,
    sockets::{
        instance_network::instance_network,
        network::{IpAddressFamily, IpSocketAddress, Ipv4SocketAddress},
        tcp_create_socket::create_tcp_socket,
    },
};

pub fn seen() -> Value {
    let variables: Vec<_> = std::env::vars().map(|(name, _)| name).collect();
    let arguments: Vec<_> = std::env::args().collect();
    let directories: Vec<_> = preopens::get_directories().into_iter().map(|(_, path)| path).collect();
    json!({
        "variables": variables, "arguments": arguments, "directories": directories,
        "readDir": outcome(std::fs::read_dir("/").map(drop)), "tcp": connect(),
    })
}

/// Tries a TCP connection to port 80 of this machine. Returns `connected` or the name of the error.
fn connect() -> String {
    let address = IpSocketAddress::Ipv4(Ipv4SocketAddress { port: 80, address: (127, 0, 0, 1) });
    let attempt = || -> Result<(), wasip2::sockets::network::ErrorCode> {
        let socket = create_tcp_socket(IpAddressFamily::Ipv4)?;
        socket.start_connect(&instance_network(), address)?;
        socket.subscribe().block();
        socket.finish_connect().map(drop)
    };
    attempt().map_or_else(|code| code.name().to_owned(), |()| "connected".to_owned())
}

fn outcome(result: std::io::Result<()>) -> String {
    result.map_or_else(|error| error.kind().to_string(), |()| "readable".to_owned())
}
