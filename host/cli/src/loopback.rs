//! A small server on this machine only, until Ctrl-C.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context as _;
use axum::Router;
use tokio::net::TcpListener;

/// Listens on a port of 127.0.0.1; 0 takes any free port. Fails with the next step if the port is taken.
pub async fn bind(port: u16) -> anyhow::Result<TcpListener> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = TcpListener::bind(address).await;
    listener.with_context(|| format!("cannot listen on {address}: choose another port with --port, or 0 for any free port"))
}

/// Serves until Ctrl-C, which cuts open connections.
pub async fn serve(listener: TcpListener, router: Router) -> anyhow::Result<()> {
    tokio::select! {
        served = axum::serve(listener, router) => served.context("cannot accept connections"),
        stopped = tokio::signal::ctrl_c() => stopped.context("cannot wait for Ctrl-C"),
    }
}
