//! What finding a route costs: `route_cost KIND ROUTES FINDS` builds a table and searches it, over requests that reach all of it
//! in no order a cache could learn, and prints nanoseconds. Instructions, which are the same each time, are counted so:
//!
//! ```console
//! $ cargo build --release -p evenkeel-proxy --example route_cost
//! $ valgrind --tool=callgrind --toggle-collect='*RouteTable*find*' target/release/examples/route_cost mixed 10000 20000
//! ```
#![allow(
    clippy::print_stdout,
    reason = "a command line tool speaks to its user on standard output"
)]

use std::fmt::Write;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use evenkeel_core::route::{RouteTable, Wanted};
use evenkeel_core::settings::{HostPattern, PathPattern, ROUTE_TIMEOUT, RouteAction, RouteSpec};

/// A request, written anew for each search: what was read from a client lies in the nearest cache too.
#[derive(Default)]
struct Asked {
    host: String,
    path: String,
    method: &'static str,
    tenant: &'static str,
}

impl Asked {
    /// The request that route `i` is for.
    fn write(&mut self, kind: &str, i: usize) {
        self.host.clear();
        self.path.clear();
        self.method = "GET";
        self.tenant = TENANTS[i % 2];
        let (host, path) = (&mut self.host, &mut self.path);
        // Writing to a string cannot fail.
        let _ = match of_mix(kind, i) {
            "hosts" => write!(host, "h{i}.shop.example"),
            "suffixes" => write!(host, "www.h{i}.example"),
            "paths" => write!(path, "/service-{i}/v1/items/42"),
            "methods" => {
                self.method = METHODS[i % 2];
                write!(path, "/s{}/items", i / 2)
            }
            _ => write!(host, "t{}.example", i / 2),
        };
        if host.is_empty() {
            host.push_str("shop.example");
        }
        if path.is_empty() {
            path.push_str("/index.html");
        }
    }
}

const KINDS: [&str; 5] = ["hosts", "suffixes", "paths", "methods", "headers"];
const METHODS: [&str; 2] = ["GET", "POST"];
const TENANTS: [&str; 2] = ["blue", "green"];

fn of_mix(kind: &str, i: usize) -> &str {
    match kind {
        "mixed" => KINDS[i % KINDS.len()],
        other => other,
    }
}

fn spec(kind: &str, i: usize) -> RouteSpec {
    let mut spec = RouteSpec {
        listener: None,
        host: None,
        path: None,
        methods: Vec::new(),
        headers: Vec::new(),
        action: RouteAction::Pool("app".into()),
        timeout: ROUTE_TIMEOUT,
        max_body: 0,
        journal: false,
    };
    match of_mix(kind, i) {
        "hosts" => spec.host = Some(HostPattern::Exact(format!("h{i}.shop.example"))),
        "suffixes" => spec.host = Some(HostPattern::Suffix(format!(".h{i}.example"))),
        "paths" => spec.path = Some(PathPattern::Prefix(format!("/service-{i}/v1/"))),
        "methods" => {
            spec.path = Some(PathPattern::Prefix(format!("/s{}", i / 2)));
            spec.methods = vec![METHODS[i % 2].to_owned()];
        }
        _ => {
            spec.host = Some(HostPattern::Exact(format!("t{}.example", i / 2)));
            spec.headers = vec![("x-tenant".to_owned(), TENANTS[i % 2].to_owned())];
        }
    }
    spec
}

/// Nanoseconds of one round of a loop that writes requests and does `work` with each.
fn timed(
    kind: &str,
    routes: usize,
    finds: usize,
    mut work: impl FnMut(usize, &Wanted<'_>, &str),
) -> f64 {
    let mut asked = Asked::default();
    let mut at = 0;
    let start = Instant::now();
    for _ in 0..finds {
        // A step that is prime to the table's size reaches all of it.
        at = (at + 7919) % routes;
        asked.write(kind, at);
        let wanted = Wanted {
            listener: "web",
            host: &asked.host,
            path: &asked.path,
            method: asked.method,
        };
        work(at, black_box(&wanted), asked.tenant);
    }
    start.elapsed().as_nanos() as f64 / finds.max(1) as f64
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| arguments.get(at)?.parse::<usize>().ok().filter(|n| *n > 0);
    let kind = arguments.first().map(String::as_str).unwrap_or_default();
    let known = kind == "mixed" || KINDS.contains(&kind);
    let (true, Some(routes), Some(finds)) = (known, number(1), number(2)) else {
        println!("wanted: hosts|suffixes|paths|methods|headers|mixed ROUTES FINDS");
        return ExitCode::FAILURE;
    };
    let specs: Vec<RouteSpec> = (0..routes).map(|i| spec(kind, i)).collect();
    let table = RouteTable::build(&specs);
    let mut wrong = 0;
    let all = timed(kind, routes, finds, |at, wanted, tenant| {
        let found = table.find(wanted, |name, value| name == "x-tenant" && value == tenant);
        wrong += usize::from(found != Some(at));
    });
    let without = timed(kind, routes, finds, |_, _, _| {});
    let find = all - without;
    println!("{kind} {routes}: {find:.1} ns for a find, {wrong} of {finds} wrong");
    ExitCode::from(u8::from(wrong > 0))
}
