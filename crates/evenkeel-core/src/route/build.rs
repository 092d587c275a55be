//! Files the routes of a configuration; done once at a reload, so that a search has little to do.

use std::sync::Arc;

use super::keys::{Hash, Keys, Lengths};
use super::{Conditions, Entry, Fits, Leaf, NONE, Node, RouteTable, Scope, segment_end};
use crate::settings::{HostPattern, PathPattern, RouteSpec};

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
        let entry = Entry {
            route,
            conditions: self.conditions_of(spec),
            next: NONE,
            fits: Fits::Prefix,
        };
        let scope = self.scope(spec.listener.as_ref());
        let node = node(
            &mut self.hosts,
            &mut self.nodes,
            (scope, &mut self.scopes[scope]),
            spec.host.as_ref(),
            route,
        );
        match &spec.path {
            None => add(&mut node.any_path, &mut self.more, entry),
            Some(PathPattern::Regex(regex)) => {
                let number = self.regexes.len() as u32;
                match self.regexes.get_mut(node.regexes[1] as usize) {
                    Some((last, _)) => last.next = number,
                    None => node.regexes[0] = number,
                }
                node.regexes[1] = number;
                self.regexes.push((entry, regex.clone()));
            }
            Some(PathPattern::Prefix(path)) if path.is_empty() => {
                add(&mut node.any_path, &mut self.more, entry);
            }
            Some(PathPattern::Exact(path) | PathPattern::Prefix(path)) => {
                let exact = matches!(spec.path, Some(PathPattern::Exact(_)));
                let (key, fits) = match path.strip_suffix('/') {
                    _ if exact => (path.as_str(), Fits::Exact),
                    Some(key) => (key, Fits::PrefixSlash),
                    None => (path.as_str(), Fits::Prefix),
                };
                node.paths_from = node.paths_from.min(route);
                node.path_lengths.add(key.len());
                let hash = path_hash(key.as_bytes());
                let leaf = self.paths.entry(hash, node.number, key.as_bytes(), || None);
                add(leaf, &mut self.more, Entry { fits, ..entry });
            }
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

    fn conditions_of(&mut self, spec: &RouteSpec) -> u32 {
        if spec.methods.is_empty() && spec.headers.is_empty() {
            return NONE;
        }
        let wanted = Conditions {
            methods: spec.methods.clone(),
            headers: spec.headers.clone(),
        };
        let all = &mut self.conditions;
        *self
            .condition_numbers
            .entry(wanted)
            .or_insert_with_key(|new| {
                all.push(new.clone());
                all.len() as u32 - 1
            })
    }
}

/// The routes under this host pattern of this scope, where those of `route` are filed.
fn node<'a>(
    hosts: &'a mut Keys<Node>,
    nodes: &mut u32,
    (number, scope): (usize, &'a mut Scope),
    host: Option<&HostPattern>,
    route: u32,
) -> &'a mut Node {
    let new = || {
        *nodes += 1;
        Node::new(*nodes, route)
    };
    let Some(host) = host else {
        return scope.any_host.get_or_insert_with(new);
    };
    // A suffix begins with its dot, which no exact host does: one table serves both.
    let (HostPattern::Exact(text) | HostPattern::Suffix(text)) = host;
    scope.hosts_from = scope.hosts_from.min(route);
    scope.host_lengths.add(text.len());
    hosts.entry(host_hash(text), number as u32, text.as_bytes(), new)
}

/// Adds an entry, whose route is greater than all before, to those filed at a place.
fn add(leaf: &mut Option<Leaf>, more: &mut Vec<Entry>, entry: Entry) {
    let Some(leaf) = leaf else {
        *leaf = Some(Leaf::of(entry));
        return;
    };
    let number = more.len() as u32;
    match more.get_mut(leaf.last as usize) {
        Some(last) => last.next = number,
        None => leaf.first.next = number,
    }
    leaf.last = number;
    more.push(entry);
}

fn path_hash(path: &[u8]) -> Hash {
    let mut hash = Hash::START;
    let mut from = 0;
    while from < path.len() {
        let end = segment_end(path, from, path.len());
        hash.add(&path[from..end]);
        from = end;
    }
    hash
}

fn host_hash(host: &str) -> Hash {
    let mut hash = Hash::START;
    let mut left = host.as_bytes();
    while !left.is_empty() {
        let at = left.iter().rposition(|&b| b == b'.').unwrap_or(0);
        hash.add(&left[at..]);
        left = &left[..at];
    }
    hash
}

impl Scope {
    fn new(listener: Option<Arc<str>>) -> Scope {
        Scope {
            listener,
            any_host: None,
            hosts_from: NONE,
            host_lengths: Lengths::default(),
        }
    }
}

impl Node {
    fn new(number: u32, from: u32) -> Node {
        Node {
            number,
            from,
            paths_from: NONE,
            path_lengths: Lengths::default(),
            any_path: None,
            regexes: [NONE; 2],
        }
    }
}

impl Leaf {
    pub(super) fn of(first: Entry) -> Leaf {
        Leaf { first, last: NONE }
    }
}
