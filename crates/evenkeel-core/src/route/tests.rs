//! The index against the definition: try every route in order.

use std::cell::Cell;
use std::sync::Arc;

use proptest::prelude::*;

use super::{RouteTable, Wanted};
use crate::settings::{HostPattern, PathPattern, ROUTE_TIMEOUT, RouteAction, RouteSpec};

thread_local! {
    /// Entries that searches of this thread looked at.
    pub(super) static LOOKED_AT: Cell<u32> = const { Cell::new(0) };
}

fn spec(listener: Option<&str>, host: Option<HostPattern>, path: Option<PathPattern>) -> RouteSpec {
    RouteSpec {
        listener: listener.map(Arc::from),
        host,
        path,
        methods: Vec::new(),
        headers: Vec::new(),
        action: RouteAction::Pool("p".into()),
        timeout: ROUTE_TIMEOUT,
        max_body: 0,
        journal: false,
    }
}

fn host(pattern: &str) -> Option<HostPattern> {
    Some(match pattern.strip_prefix('*') {
        Some(suffix) => HostPattern::Suffix(suffix.to_owned()),
        None => HostPattern::Exact(pattern.to_owned()),
    })
}

fn path(pattern: &str) -> Option<PathPattern> {
    Some(match pattern.split_at(1) {
        ("=", exact) => PathPattern::Exact(exact.to_owned()),
        ("~", regex) => PathPattern::Regex(regex::Regex::new(regex).unwrap()),
        _ => PathPattern::Prefix(pattern.to_owned()),
    })
}

fn wanted<'a>(host: &'a str, path: &'a str) -> Wanted<'a> {
    Wanted {
        listener: "web",
        host,
        path,
        method: "GET",
    }
}

/// The definition, written down without any thought of speed.
fn naive(
    routes: &[RouteSpec],
    wanted: &Wanted<'_>,
    has: impl Fn(&str, &str) -> bool,
) -> Option<usize> {
    routes.iter().position(|r| {
        r.listener.as_deref().is_none_or(|l| l == wanted.listener)
            && match &r.host {
                None => true,
                Some(HostPattern::Exact(h)) => h == wanted.host,
                Some(HostPattern::Suffix(s)) => {
                    wanted.host.len() > s.len() && wanted.host.ends_with(s.as_str())
                }
            }
            && match &r.path {
                None => true,
                Some(PathPattern::Exact(p)) => p == wanted.path,
                Some(PathPattern::Prefix(p)) => {
                    wanted.path.strip_prefix(p.as_str()).is_some_and(|rest| {
                        rest.is_empty() || p.is_empty() || p.ends_with('/') || rest.starts_with('/')
                    })
                }
                Some(PathPattern::Regex(x)) => x.is_match(wanted.path),
            }
            && (r.methods.is_empty() || r.methods.iter().any(|m| m == wanted.method))
            && r.headers.iter().all(|(n, v)| has(n, v))
    })
}

#[test]
fn the_first_route_in_file_order_that_fits_is_taken() {
    let mut canary = spec(None, host("a.example"), path("/api"));
    canary.headers = vec![("x-canary".into(), "1".into())];
    let mut post = spec(None, None, path("/api"));
    post.methods = vec!["POST".into()];
    let routes = [
        canary,                                         // 0
        spec(None, host("a.example"), path("=/api/x")), // 1
        post,                                           // 2
        spec(None, host("*.example"), path("/api/")),   // 3
        spec(None, None, path("~^/v[0-9]+/")),          // 4
        spec(Some("other"), None, None),                // 5
        spec(None, host("*.b.example"), path("/")),     // 6
        spec(None, None, path("/static")),              // 7
        spec(Some("web"), host("a.example"), None),     // 8
    ];
    let table = RouteTable::build(&routes);
    let find = |host, path| table.find(&wanted(host, path), |_, _| false);
    assert_eq!(find("a.example", "/api/x"), Some(1));
    assert_eq!(find("a.example", "/api/x/y"), Some(3));
    assert_eq!(find("a.example", "/api"), Some(8));
    assert_eq!(find("a.example", "/apix"), Some(8));
    assert_eq!(find("c.b.example", "/"), Some(6));
    assert_eq!(find("b.example", "/"), None);
    assert_eq!(find("example", "/api/"), None);
    assert_eq!(find("x", "/v12/"), Some(4));
    assert_eq!(find("x", "/static"), Some(7));
    assert_eq!(find("x", "/static/a"), Some(7));
    assert_eq!(find("x", "/statics"), None);
    assert_eq!(find("", "*"), None);
    let canary = |name: &str, value: &str| (name, value) == ("x-canary", "1");
    assert_eq!(table.find(&wanted("a.example", "/api/x"), canary), Some(0));
    let mut request = wanted("x", "/api");
    request.method = "POST";
    assert_eq!(table.find(&request, |_, _| false), Some(2));
    request.listener = "other";
    request.path = "/";
    assert_eq!(table.find(&request, |_, _| false), Some(5));
}

#[test]
fn an_empty_table_finds_nothing() {
    let nowhere = RouteTable::build(&[]).find(&wanted("a", "/"), |_, _| true);
    assert_eq!(nowhere, None);
    assert_eq!(
        RouteTable::default().find(&wanted("a", "/"), |_, _| true),
        None
    );
}

/// Typical tables: many hosts; one host with many paths; both, with a fallback.
fn typical(n: usize) -> [Vec<RouteSpec>; 3] {
    [
        (0..n)
            .map(|i| spec(None, host(&format!("h{i}.example")), None))
            .collect(),
        (0..n)
            .map(|i| spec(None, None, path(&format!("/s{i}/api/"))))
            .collect(),
        (0..n)
            .map(|i| {
                spec(
                    None,
                    host(&format!("*.h{}.example", i / 4)),
                    path(&format!("/p{}", i % 4)),
                )
            })
            .chain([spec(None, None, None)])
            .collect(),
    ]
}

#[test]
fn ten_thousand_routes_cost_no_more_looks_than_ten() {
    let cost = |n: usize| {
        typical(n).map(|routes| {
            let table = RouteTable::build(&routes);
            let before = LOOKED_AT.get();
            for i in [0, n / 2, n - 1] {
                let own = format!("h{i}.example");
                let below = format!("a.h{}.example", i / 4);
                for (host, path) in [
                    (own.as_str(), "/"),
                    ("x", format!("/s{i}/api/users").as_str()),
                    (below.as_str(), format!("/p{}/y", i % 4).as_str()),
                    ("nobody", "/nothing/here"),
                ] {
                    let request = wanted(host, path);
                    let found = table.find(&request, |_, _| false);
                    assert_eq!(found, naive(&routes, &request, |_, _| false));
                }
            }
            LOOKED_AT.get() - before
        })
    };
    assert_eq!(cost(10), cost(10_000));
}

#[test]
fn a_path_of_slashes_is_not_looked_at_deeper_than_the_table() {
    let table = RouteTable::build(&[spec(None, None, path("/a/b")), spec(None, None, path("/"))]);
    let deep = "/".repeat(30_000);
    assert_eq!(table.find(&wanted("a", &deep), |_, _| false), Some(1));
}

fn hosts() -> impl Strategy<Value = String> {
    proptest::sample::select(vec![
        "a", "b.a", "c.b.a", "x.c.b.a", "aa", "b.aa", "", "d", ".a",
    ])
    .prop_map(str::to_owned)
}

fn paths() -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(vec!["a", "b", "", "ab"]), 1..4)
        .prop_map(|segments| segments.iter().flat_map(|s| ["/", s]).collect())
}

fn routes() -> impl Strategy<Value = RouteSpec> {
    let host = prop_oneof![
        Just(None),
        hosts()
            .prop_filter("a host", |h| !h.is_empty() && !h.starts_with('.'))
            .prop_map(|h| Some(HostPattern::Exact(h))),
        proptest::sample::select(vec![".a", ".b.a", ".aa"])
            .prop_map(|s| Some(HostPattern::Suffix(s.to_owned()))),
    ];
    let path = prop_oneof![
        1 => Just(None),
        4 => paths().prop_map(|p| Some(PathPattern::Prefix(p))),
        2 => paths().prop_map(|p| Some(PathPattern::Exact(p))),
        1 => Just(path("~^/a+/?b?$")),
    ];
    let listener = proptest::sample::select(vec![None, None, Some("web"), Some("other")]);
    let methods = proptest::sample::select(vec![vec![], vec![], vec!["GET"], vec!["POST", "PUT"]]);
    let headers = proptest::sample::select(vec![
        vec![],
        vec![],
        vec![("x", "1")],
        vec![("x", "1"), ("y", "2")],
    ]);
    (listener, host, path, methods, headers).prop_map(|(listener, host, path, methods, headers)| {
        let owned = |(n, v): (&str, &str)| (n.to_owned(), v.to_owned());
        RouteSpec {
            methods: methods.into_iter().map(str::to_owned).collect(),
            headers: headers.into_iter().map(owned).collect(),
            ..spec(listener, host, path)
        }
    })
}

proptest! {
    #[test]
    fn the_index_finds_what_trying_every_route_finds(
        routes in proptest::collection::vec(routes(), 0..24),
        requests in proptest::collection::vec((hosts(), paths(), any::<[bool; 4]>()), 1..16),
    ) {
        let table = RouteTable::build(&routes);
        for (host, path, [post, other, x, y]) in &requests {
            let request = Wanted {
                listener: if *other { "other" } else { "web" },
                host,
                path,
                method: if *post { "POST" } else { "GET" },
            };
            let has = |name: &str, value: &str| *x && (name, value) == ("x", "1") || *y && (name, value) == ("y", "2");
            prop_assert_eq!(table.find(&request, has), naive(&routes, &request, has), "{:?}", request);
        }
    }
}

#[test]
fn a_key_and_the_routes_behind_it_share_a_line_of_cache() {
    assert!(super::keys::entry_size::<super::Node>() <= 64);
}

/// A bound for a machine that is busy with other things; `evenkeel-proxy`'s example `route_cost` measures. The clock is the
/// test's, not core's.
#[test]
#[allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "what is measured here is time"
)]
fn a_route_among_ten_thousand_is_found_in_five_times_the_time_of_one_among_ten() {
    let fastest = |n: usize| {
        let tables = typical(n).map(|routes| RouteTable::build(&routes));
        let hosts: Vec<String> = (0..200)
            .map(|i| format!("h{}.example", i * 7919 % n))
            .collect();
        let rounds = (0..20).map(|_| {
            let start = std::time::Instant::now();
            for host in &hosts {
                for table in &tables {
                    std::hint::black_box(table.find(&wanted(host, "/s3/api/users"), |_, _| false));
                }
            }
            start.elapsed()
        });
        rounds.min().unwrap()
    };
    let (few, many) = (fastest(10), fastest(10_000));
    assert!(
        many < few * 5,
        "{few:?} among ten, {many:?} among ten thousand"
    );
}
