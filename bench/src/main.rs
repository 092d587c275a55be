//! The programs `cargo xtask bench proxy` puts around a proxy: what loads it, what answers behind it, and a plain TCP
//! relay that shows what forwarding costs when nothing is parsed. Each is one thread over bare epoll, so that what is
//! measured is the proxy and not the bench, and so that none of it shares code with what it measures.
#![allow(
    clippy::print_stdout,
    reason = "results go to whoever started this over standard output"
)]

mod attack;
mod endpoint;
mod histogram;
mod idle;
mod load;
mod pace;
mod poll;
mod relay;
mod request;
mod response;
mod rng;
mod servers;
mod sink;
mod wire;

use clap::{Parser, Subcommand};
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;

#[derive(Parser)]
#[command(about = "Load generator, endpoint and relay of the benchmark")]
struct Arguments {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// Answers `/bytes/N` with N bytes, at once or after some time, on as many ports as wanted; prints their addresses.
    Endpoint {
        /// How many ports.
        #[arg(long, default_value_t = 2)]
        ports: u16,
        /// What the kernel may hold of each answer; 0 = as much as it likes.
        #[arg(long, default_value_t = 0)]
        send_bytes: usize,
        #[command(flatten)]
        service: servers::Service,
    },
    /// Forwards TCP connections and parses nothing; prints its address.
    Relay {
        /// Where to listen; port 0 takes any that is free.
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// Where to, in turn.
        #[arg(required = true)]
        endpoints: Vec<SocketAddr>,
    },
    /// Opens connections, asks once on each, prints `idle`, and keeps them until its input ends.
    Idle {
        /// The proxy.
        #[arg(long)]
        target: SocketAddr,
        /// How many.
        #[arg(long)]
        connections: usize,
    },
    /// Takes everything and never answers; prints its address.
    Sink,
    /// Holds on to the proxy with many connections; prints one line of JSON.
    Attack(attack::Options),
    /// Sends requests, in a closed loop or at a rate; prints `warm`, waits for a line, measures, prints one line of JSON.
    Load(load::Options),
}

fn main() -> ExitCode {
    // A thousand clients need more descriptors than a shell gives by default; too few show up as errors of the run.
    let mut limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current = limit.maximum;
    let raised = rustix::process::setrlimit(rustix::process::Resource::Nofile, limit);
    let done = raised
        .map_err(std::io::Error::from)
        .and_then(|()| match Arguments::parse().role {
            Role::Endpoint {
                ports,
                send_bytes,
                service,
            } => endpoint::run(ports, send_bytes, &service),
            Role::Relay { listen, endpoints } => relay::run(listen, &endpoints),
            Role::Idle {
                target,
                connections,
            } => idle::run(target, connections),
            Role::Sink => sink::run(),
            Role::Attack(options) => attack::run(&options),
            Role::Load(options) => load::run(&options),
        });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Listens and says on standard output where.
fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    // The standard library's queue is too short for a thousand clients that come at once.
    rustix::net::listen(&listener, 4096)?;
    println!("{}", listener.local_addr()?);
    Ok(listener)
}
