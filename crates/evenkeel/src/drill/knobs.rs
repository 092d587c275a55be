//! Faults that only the service itself can have: asked of the sample at its own port, of any other service by a command its
//! operator has allowed for it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use super::fault::Fault;
use super::scenarios::Inject;
use super::site::Site;

const WITHIN: Duration = Duration::from_secs(2);

/// The operator's command for a scenario, and for taking it back.
pub(super) struct Command {
    name: String,
    end: Option<String>,
}

/// `drill_SCENARIO`, and `drill_SCENARIO_end` if there is one, of the service's `commands`.
pub(super) fn command(site: &Site, scenario: &str) -> Option<Command> {
    let has = |name: &String| site.service.care.commands.iter().any(|(n, _)| n == name);
    let (name, end) = (format!("drill_{scenario}"), format!("drill_{scenario}_end"));
    has(&name).then(|| Command {
        name,
        end: Some(end).filter(has),
    })
}

/// A fault by the operator's command.
pub(super) fn by_command(site: &Site, command: Command) -> Inject<'_> {
    let service = site.service.name.to_string();
    Box::new(move || {
        site.act(&service, "run", Some(&command.name))?;
        let what = format!("command {} of service {service} was run", command.name);
        let Some(end) = command.end else {
            return Ok(Fault::done(what));
        };
        Ok(Fault::lasting(what, move || {
            site.act(&service, "run", Some(&end))
        }))
    })
}

/// A fault of the sample's own.
pub(super) fn by_knob<'s>(port: u16, fault: &'static str, query: String) -> Inject<'s> {
    Box::new(move || {
        let said = post(port, &format!("/_drill/{fault}?{query}"))?;
        let what = format!("the sample was told: {}", said.trim());
        Ok(Fault::lasting(what, move || end(port)))
    })
}

/// One that has been restarted since has nothing to end; one that is gone neither.
fn end(port: u16) -> Result<(), String> {
    match TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))) {
        Ok(_) => post(port, "/_drill/end").map(drop),
        Err(_) => Ok(()),
    }
}

fn post(port: u16, target: &str) -> Result<String, String> {
    let failed = |e: std::io::Error| format!("the sample at port {port}: {e}");
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&at, WITHIN).map_err(failed)?;
    stream.set_read_timeout(Some(WITHIN)).map_err(failed)?;
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).map_err(failed)?;
    let mut answer = String::new();
    let read = stream.take(16 << 10).read_to_string(&mut answer);
    read.map_err(failed)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    match head.starts_with("HTTP/1.1 200") {
        true => Ok(body.to_owned()),
        false => Err(format!(
            "the sample at port {port} answered: {}",
            head.lines().next().unwrap_or_default()
        )),
    }
}
