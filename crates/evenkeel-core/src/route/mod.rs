//! Which route a request takes: the first in file order that fits, found without trying them one by one.
//!
//! Routes are filed under their host, then under their path. A request looks up its own host, each of its suffixes
//! (`*.example.com` is filed under `.example.com`) and "any host", and under each of those every prefix of its path that ends
//! on a segment border. All suffixes of a host and all prefixes of a path are hashed in one pass. What is found is a short list
//! of candidates; the least number among those whose method and fields fit wins. So the cost depends on how long host and
//! path are, not on how many routes there are; only regular expressions, and routes that differ in nothing but method and
//! fields, are tried in turn.

mod build;
mod keys;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use regex::Regex;

use keys::{Hash, Keys, Lengths};

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
    /// (scope, host pattern) → the routes there.
    hosts: Keys<Node>,
    /// (node, path) → the routes there.
    paths: Keys<Option<Leaf>>,
    /// How many nodes there are.
    nodes: u32,
    /// Chained by node.
    regexes: Vec<(Entry, Regex)>,
    /// Entries that are not the first of their leaf.
    more: Vec<Entry>,
    /// Each different set once: what many routes ask is looked at in one place.
    conditions: Vec<Conditions>,
    /// The number of each set.
    condition_numbers: BTreeMap<Conditions, u32>,
}

/// The routes of one listener.
#[derive(Clone, Debug)]
struct Scope {
    listener: Option<Arc<str>>,
    any_host: Option<Node>,
    /// Least route with a host.
    hosts_from: u32,
    host_lengths: Lengths,
}

/// The routes under one host pattern of one scope.
#[derive(Clone, Debug)]
struct Node {
    number: u32,
    /// Least route.
    from: u32,
    /// Least route with a path that is not a regular expression.
    paths_from: u32,
    path_lengths: Lengths,
    any_path: Option<Leaf>,
    /// The first and the last, in `RouteTable::regexes`.
    regexes: [u32; 2],
}

/// Entries filed at the same place, in file order. The first lies here, because mostly there is no other.
#[derive(Clone, Copy, Debug)]
struct Leaf {
    first: Entry,
    /// The last of those behind the first, in `RouteTable::more`.
    last: u32,
}

/// One route, where it is filed.
#[derive(Clone, Copy, Debug)]
struct Entry {
    route: u32,
    /// Its set of conditions; `NONE`: it has none.
    conditions: u32,
    /// The next of the same leaf, in `RouteTable::more`.
    next: u32,
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

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
            let mut host = search.wanted.host.as_bytes();
            let (whole, lengths) = (host, scope.host_lengths);
            let mut hash = Hash::START;
            // Label by label from the right, each with the dot before it. At least one label stands before a suffix; the
            // whole host is looked up as it is.
            while !host.is_empty() {
                let at = host.iter().rposition(|&b| b == b'.').unwrap_or(0);
                let suffix = &whole[at..];
                if suffix.len() > lengths.longest() {
                    break;
                }
                hash.add(&host[at..]);
                host = &host[..at];
                let labels_before = at > 0 || suffix[0] != b'.';
                if labels_before
                    && lengths.has(suffix.len())
                    && let Some(node) = self.hosts.find(hash, number as u32, suffix)
                {
                    self.search_node(node, search);
                }
            }
        }
        if let Some(node) = &scope.any_host {
            self.search_node(node, search);
        }
    }

    fn search_node(&self, node: &Node, search: &mut Search<'_, impl Fn(&str, &str) -> bool>) {
        if node.from >= search.best {
            return;
        }
        if let Some(leaf) = &node.any_path {
            self.consider(leaf, search, |_| true);
        }
        if node.paths_from < search.best {
            self.search_paths(node, search);
        }
        let mut number = node.regexes[0];
        while let Some((entry, regex)) = self.regexes.get(number as usize)
            && entry.route < search.best
        {
            if regex.is_match(search.wanted.path) {
                let alone = Entry {
                    next: NONE,
                    ..*entry
                };
                self.consider(&Leaf::of(alone), search, |_| true);
            }
            number = entry.next;
        }
    }

    /// Every prefix of the path that ends before a slash or at its end, and the whole path.
    fn search_paths(&self, node: &Node, search: &mut Search<'_, impl Fn(&str, &str) -> bool>) {
        let path = search.wanted.path.as_bytes();
        let lengths = node.path_lengths;
        let mut hash = Hash::START;
        let mut end = 0;
        // Before the first slash lies the prefix of no bytes, which is how `/` is filed.
        let mut at_border = path.first().is_none_or(|&b| b == b'/');
        loop {
            let whole = end == path.len();
            if at_border
                && lengths.has(end)
                && let Some(Some(leaf)) = self.paths.find(hash, node.number, &path[..end])
            {
                self.consider(leaf, search, |fits| match fits {
                    Fits::Exact => whole,
                    Fits::Prefix => true,
                    Fits::PrefixSlash => !whole,
                });
            }
            if whole {
                return;
            }
            let next = segment_end(path, end, lengths.longest());
            if next > lengths.longest() {
                return;
            }
            hash.add(&path[end..next]);
            end = next;
            at_border = true;
        }
    }

    /// Takes the first of these, which are in file order, that fits and is better than the best so far.
    fn consider(
        &self,
        leaf: &Leaf,
        search: &mut Search<'_, impl Fn(&str, &str) -> bool>,
        fits: impl Fn(Fits) -> bool,
    ) {
        let mut entry = &leaf.first;
        while entry.route < search.best {
            #[cfg(test)]
            tests::LOOKED_AT.with(|n| n.set(n.get() + 1));
            let conditions = self.conditions.get(entry.conditions as usize);
            let wanted = search.wanted;
            if fits(entry.fits) && conditions.is_none_or(|c| c.hold(wanted.method, &search.has)) {
                search.best = entry.route;
                return;
            }
            match self.more.get(entry.next as usize) {
                Some(next) => entry = next,
                None => return,
            }
        }
    }
}

/// Where the segment that begins at `from` ends: before the next slash, or at the path's end. No further than just behind
/// `longest`, where it does not matter any more.
fn segment_end(path: &[u8], from: usize, longest: usize) -> usize {
    // The slash at `from` is the segment's own.
    let after = (from + usize::from(path.get(from) == Some(&b'/'))).min(path.len());
    let until = path.len().min(longest + 2).max(after);
    path[after..until]
        .iter()
        .position(|&b| b == b'/')
        .map_or(until, |at| after + at)
}

impl Conditions {
    fn hold(&self, method: &str, has: impl Fn(&str, &str) -> bool) -> bool {
        (self.methods.is_empty() || self.methods.iter().any(|m| m == method))
            && self.headers.iter().all(|(name, value)| has(name, value))
    }
}
