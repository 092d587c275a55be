//! Which route a request takes: the first in file order that fits, found without trying them one by one.
//!
//! Routes are filed under their host, then under their path. A request looks up its own host, each of its suffixes
//! (`*.example.com` is filed under `.example.com`) and "any host", and under each of those every prefix of its path that ends
//! on a segment border. All suffixes of a host and all prefixes of a path are hashed in one pass. What is found is a short list
//! of candidates; the least number among those whose method and fields fit wins. So the cost depends on how long host and
//! path are, not on how many routes there are; only regular expressions, and routes that differ in nothing but method and
//! fields, are tried in turn.

mod keys;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use regex::Regex;

use crate::settings::{HostPattern, PathPattern, RouteSpec};
use keys::{Hash, Keys};

/// What of a request decides its route.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The listener's name.
    pub listener: &'a str,
    /// Lower case, without port.
    pub host: &'a str,
    /// Normalised, without query.
    pub path: &'a str,
    /// As sent.
    pub method: &'a str,
}

/// All routes, indexed. Built at a reload, read by every worker.
#[derive(Clone, Debug, Default)]
pub struct RouteTable {
    /// By listener's name; the first is for routes of every listener.
    scopes: Vec<Scope>,
    /// (scope, host pattern) → number of the pattern.
    hosts: Keys,
    /// The node of each key of `hosts`.
    host_nodes: Vec<usize>,
    nodes: Vec<Node>,
    /// (node, path) → number of the leaf.
    paths: Keys,
    leaves: Vec<Vec<Entry>>,
    conditions: Vec<Conditions>,
}

/// The routes of one listener.
#[derive(Clone, Debug)]
struct Scope {
    listener: Option<Arc<str>>,
    any_host: Option<usize>,
    /// Least route with a host.
    hosts_from: u32,
}

/// The routes under one host pattern of one scope.
#[derive(Clone, Debug)]
struct Node {
    /// Least route.
    from: u32,
    /// Least route with a path that is not a regular expression.
    paths_from: u32,
    /// Most slashes in such a path: no need to look deeper.
    depth: usize,
    any_path: Vec<Entry>,
    regexes: Vec<(Entry, Regex)>,
}

/// One route, where it is filed.
#[derive(Clone, Copy, Debug)]
struct Entry {
    route: u32,
    /// Has it conditions to be checked?
    conditional: bool,
    fits: Fits,
}

/// Which paths a leaf's entry fits. Both forms of a prefix are filed without its trailing slash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fits {
    /// The whole path is the key.
    Exact,
    /// The key ends a segment of the path.
    Prefix,
    /// … and is followed by a slash.
    PrefixSlash,
}

#[derive(Clone, Debug)]
struct Conditions {
    methods: Vec<String>,
    headers: Vec<(String, String)>,
}

/// A search under way: the best route so far, and how to check the rest.
struct Search<'a, H> {
    wanted: &'a Wanted<'a>,
    has: H,
    best: u32,
}

const NONE: u32 = u32::MAX;

impl RouteTable {
    /// Builds the index; `find` answers with positions in `routes`.
    pub fn build(routes: &[RouteSpec]) -> RouteTable {
        let mut table = RouteTable {
            scopes: vec![Scope::new(None)],
            ..RouteTable::default()
        };
        for (route, spec) in routes.iter().enumerate() {
            table.file(route as u32, spec);
        }
        table
    }

    fn file(&mut self, route: u32, spec: &RouteSpec) {
        let scope = self.scope(spec.listener.as_ref());
        let node = self.node(scope, spec.host.as_ref(), route);
        let entry = Entry {
            route,
            conditional: !(spec.methods.is_empty() && spec.headers.is_empty()),
            fits: Fits::Prefix,
        };
        self.conditions.push(Conditions {
            methods: spec.methods.clone(),
            headers: spec.headers.clone(),
        });
        match &spec.path {
            None => self.nodes[node].any_path.push(entry),
            Some(PathPattern::Regex(regex)) => {
                self.nodes[node].regexes.push((entry, regex.clone()));
            }
            Some(PathPattern::Exact(path)) => self.file_path(node, path, Fits::Exact, entry),
            Some(PathPattern::Prefix(path)) => match path.strip_suffix('/') {
                _ if path.is_empty() => self.nodes[node].any_path.push(entry),
                Some(key) => self.file_path(node, key, Fits::PrefixSlash, entry),
                None => self.file_path(node, path, Fits::Prefix, entry),
            },
        }
    }

    fn scope(&mut self, listener: Option<&Arc<str>>) -> usize {
        let found = self
            .scopes
            .iter()
            .position(|s| s.listener.as_ref() == listener);
        found.unwrap_or_else(|| {
            self.scopes.push(Scope::new(listener.cloned()));
            self.scopes.len() - 1
        })
    }

    fn node(&mut self, scope: usize, host: Option<&HostPattern>, route: u32) -> usize {
        let Some(host) = host else {
            let nodes = &mut self.nodes;
            return *self.scopes[scope].any_host.get_or_insert_with(|| {
                nodes.push(Node::new(route));
                nodes.len() - 1
            });
        };
        // A suffix begins with its dot, which no exact host does: one table serves both.
        let (HostPattern::Exact(text) | HostPattern::Suffix(text)) = host;
        let hash = Hash::of(text.bytes().rev());
        let before = self.hosts.len();
        let key = self.hosts.insert(hash, scope as u32, text);
        if key == before {
            self.host_nodes.push(self.nodes.len());
            self.nodes.push(Node::new(route));
        }
        let from = &mut self.scopes[scope].hosts_from;
        *from = (*from).min(route);
        self.host_nodes[key]
    }

    fn file_path(&mut self, node: usize, key: &str, fits: Fits, entry: Entry) {
        let hash = Hash::of(key.bytes());
        let leaf = self.paths.insert(hash, node as u32, key);
        if leaf == self.leaves.len() {
            self.leaves.push(Vec::new());
        }
        self.leaves[leaf].push(Entry { fits, ..entry });
        let node = &mut self.nodes[node];
        node.paths_from = node.paths_from.min(entry.route);
        node.depth = node.depth.max(key.bytes().filter(|&b| b == b'/').count());
    }

    /// The first route in file order that fits. `has(name, value)` says whether the request has a field line of this
    /// (lower-case) name with exactly this value. Allocates nothing.
    pub fn find(&self, wanted: &Wanted<'_>, has: impl Fn(&str, &str) -> bool) -> Option<usize> {
        let mut search = Search {
            wanted,
            has,
            best: NONE,
        };
        for (number, scope) in self.scopes.iter().enumerate() {
            if scope
                .listener
                .as_deref()
                .is_none_or(|l| l == wanted.listener)
            {
                self.search_scope(number, scope, &mut search);
            }
        }
        (search.best != NONE).then_some(search.best as usize)
    }

    fn search_scope(
        &self,
        number: usize,
        scope: &Scope,
        search: &mut Search<'_, impl Fn(&str, &str) -> bool>,
    ) {
        if scope.hosts_from < search.best {
            let host = search.wanted.host.as_bytes();
            let mut hash = Hash::START;
            for at in (0..host.len()).rev() {
                hash.add(host[at]);
                // At least one label stands before a suffix; the whole host is looked up as it is.
                let border = at == 0 || host[at] == b'.';
                if border && let Some(key) = self.hosts.find(hash, number as u32, &host[at..]) {
                    self.search_node(self.host_nodes[key], search);
                }
            }
        }
        if let Some(node) = scope.any_host {
            self.search_node(node, search);
        }
    }

    fn search_node(&self, number: usize, search: &mut Search<'_, impl Fn(&str, &str) -> bool>) {
        let node = &self.nodes[number];
        if node.from >= search.best {
            return;
        }
        self.consider(&node.any_path, search, |_| true);
        if node.paths_from < search.best {
            self.search_paths(number, node.depth, search);
        }
        for (entry, regex) in &node.regexes {
            if entry.route >= search.best {
                break;
            }
            if regex.is_match(search.wanted.path) {
                self.consider(std::slice::from_ref(entry), search, |_| true);
            }
        }
    }

    /// Every prefix of the path that ends before a slash or at its end, and the whole path.
    fn search_paths(
        &self,
        node: usize,
        depth: usize,
        search: &mut Search<'_, impl Fn(&str, &str) -> bool>,
    ) {
        let path = search.wanted.path.as_bytes();
        let mut hash = Hash::START;
        let mut slashes = 0;
        for at in 0..=path.len() {
            let next = path.get(at);
            if matches!(next, None | Some(b'/')) {
                if let Some(leaf) = self.paths.find(hash, node as u32, &path[..at]) {
                    let end = next.is_none();
                    self.consider(&self.leaves[leaf], search, |fits| match fits {
                        Fits::Exact => end,
                        Fits::Prefix => true,
                        Fits::PrefixSlash => !end,
                    });
                }
                slashes += 1;
                if slashes > depth + 1 {
                    break;
                }
            }
            if let Some(&b) = next {
                hash.add(b);
            }
        }
    }

    /// Takes the first of these, which are in file order, that fits and is better than the best so far.
    fn consider(
        &self,
        entries: &[Entry],
        search: &mut Search<'_, impl Fn(&str, &str) -> bool>,
        fits: impl Fn(Fits) -> bool,
    ) {
        for entry in entries {
            if entry.route >= search.best {
                return;
            }
            #[cfg(test)]
            tests::LOOKED_AT.with(|n| n.set(n.get() + 1));
            let wanted = search.wanted;
            if fits(entry.fits)
                && (!entry.conditional
                    || self.conditions[entry.route as usize].hold(wanted.method, &search.has))
            {
                search.best = entry.route;
                return;
            }
        }
    }
}

impl Conditions {
    fn hold(&self, method: &str, has: impl Fn(&str, &str) -> bool) -> bool {
        (self.methods.is_empty() || self.methods.iter().any(|m| m == method))
            && self.headers.iter().all(|(name, value)| has(name, value))
    }
}

impl Scope {
    fn new(listener: Option<Arc<str>>) -> Scope {
        Scope {
            listener,
            any_host: None,
            hosts_from: NONE,
        }
    }
}

impl Node {
    fn new(from: u32) -> Node {
        Node {
            from,
            paths_from: NONE,
            depth: 0,
            any_path: Vec::new(),
            regexes: Vec::new(),
        }
    }
}
