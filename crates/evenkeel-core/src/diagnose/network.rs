//! A Bayesian network over a few dozen variables with few values each, and exact inference in it.
//!
//! A variable has a table: how probable each of its values is, given the values of its parents. What was seen is a
//! likelihood for each value of a variable: `[0, 1]` for a plain observation, less extreme for one that is doubtful or
//! old (Pearl's virtual evidence, "Probabilistic Reasoning in Intelligent Systems", 1988, 2.2.2). Asked for one variable,
//! the others are summed out one after the other, always next the one that leaves the smallest table (variable
//! elimination: Zhang and Poole, 1996; Koller and Friedman, "Probabilistic Graphical Models", 9.3). Variables without
//! anything seen below them sum to one and are left out from the start.
//!
//! All tables of one question lie in one buffer that is kept, so that a question does not allocate table by table.

/// Variables of one network: their sets are the bits of a `u64`.
pub const VARIABLES_MAX: usize = 64;
/// Entries of one table: far more than a readable network needs, and a bound on what one question costs.
const TABLE_MAX: usize = 1 << 20;

/// A variable, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Variable(u8);

/// Why a variable was not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// There are [`VARIABLES_MAX`] already.
    TooMany,
    /// A variable has 2 to 255 values.
    Values,
    /// A parent that is not there, or is named twice.
    Parents,
    /// The table has another length, or a row that is not a distribution.
    Table,
}

#[derive(Clone, Debug)]
struct Node {
    values: usize,
    parents: Vec<u8>,
    /// Rows by the parents' values, the last parent's the fastest; in a row by the own value.
    table: Vec<f64>,
}

/// A network.
#[derive(Clone, Debug, Default)]
pub struct Network {
    nodes: Vec<Node>,
}

/// The buffers of a question, kept for the next.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    data: Vec<f64>,
    factors: Vec<Factor>,
    touching: Vec<Factor>,
    strides: Vec<[usize; VARIABLES_MAX]>,
}

/// A table over a set of variables: the one with the lowest number is the slowest.
#[derive(Clone, Copy, Debug)]
struct Factor {
    scope: u64,
    begin: usize,
    len: usize,
}

impl Network {
    /// No variable.
    pub fn new() -> Network {
        Network::default()
    }

    /// Adds a variable below `parents`. `table` has a row for each combination of their values (the last parent's
    /// value is the fastest), and in each row `values` probabilities that sum to one.
    ///
    /// # Errors
    /// What is wrong with it; then nothing is added.
    pub fn add(
        &mut self,
        values: usize,
        parents: &[Variable],
        table: Vec<f64>,
    ) -> Result<Variable, Malformed> {
        if self.nodes.len() >= VARIABLES_MAX {
            return Err(Malformed::TooMany);
        }
        if !(2..=255).contains(&values) {
            return Err(Malformed::Values);
        }
        let there = |p: &Variable| usize::from(p.0) < self.nodes.len();
        let set = parents.iter().fold(0u64, |set, p| set | 1 << p.0);
        if !parents.iter().all(there) || set.count_ones() as usize != parents.len() {
            return Err(Malformed::Parents);
        }
        let rows = parents.iter().try_fold(1usize, |rows, p| {
            rows.checked_mul(self.nodes[usize::from(p.0)].values)
        });
        let fits = rows.and_then(|rows| rows.checked_mul(values));
        let sums = |row: &[f64]| {
            let proper = row.iter().all(|p| (0.0..=1.0).contains(p));
            proper && (row.iter().sum::<f64>() - 1.0).abs() < 1e-9
        };
        if fits != Some(table.len()) || table.len() > TABLE_MAX || !table.chunks(values).all(sums) {
            return Err(Malformed::Table);
        }
        self.nodes.push(Node {
            values,
            parents: parents.iter().map(|p| p.0).collect(),
            table,
        });
        Ok(Variable((self.nodes.len() - 1) as u8))
    }

    /// How many values a variable has.
    pub fn values(&self, variable: Variable) -> usize {
        self.nodes[usize::from(variable.0)].values
    }

    /// The joint probability of `query`'s values and what was `seen`, up to one factor common to all: divided by their
    /// sum it is the posterior. `seen` has a likelihood for each value of a variable.
    pub fn ask(
        &self,
        query: Variable,
        seen: &[(Variable, &[f64])],
        scratch: &mut Scratch,
        answer: &mut Vec<f64>,
    ) {
        let relevant = self.relevant(query, seen);
        let above = self.parents_of(relevant);
        scratch.data.clear();
        scratch.factors.clear();
        for number in 0..self.nodes.len() {
            if relevant & 1 << number != 0 {
                let seen = seen.iter().filter(|(v, _)| usize::from(v.0) == number);
                // What nobody depends on is summed out at once: only its own table knows it.
                let leaf = above & 1 << number == 0 && number != usize::from(query.0);
                let factor = self.factor(number, leaf, seen.map(|(_, l)| *l), scratch);
                scratch.factors.push(factor);
            }
        }
        let mut left = relevant & above & !(1 << query.0);
        while left != 0 {
            let next = self.cheapest(left, &scratch.factors);
            self.sum_out(next, scratch);
            left &= !(1 << next);
        }
        answer.clear();
        answer.resize(self.values(query), 1.0);
        for factor in &scratch.factors {
            let table = &scratch.data[factor.begin..factor.begin + factor.len];
            // What is left is over the query, or over nothing.
            for (value, p) in answer.iter_mut().enumerate() {
                *p *= table[if factor.len == 1 { 0 } else { value }];
            }
        }
    }

    /// The query, what was seen, and all above them: the rest sums to one.
    fn relevant(&self, query: Variable, seen: &[(Variable, &[f64])]) -> u64 {
        let mut set = seen
            .iter()
            .fold(1u64 << query.0, |set, (v, _)| set | 1 << v.0);
        for (number, node) in self.nodes.iter().enumerate().rev() {
            if set & 1 << number != 0 {
                set = node.parents.iter().fold(set, |set, p| set | 1 << p);
            }
        }
        set
    }

    /// Everything some variable of the set depends on.
    fn parents_of(&self, set: u64) -> u64 {
        let inside = self.nodes.iter().enumerate();
        let inside = inside.filter(|(number, _)| set & 1 << number != 0);
        let parents = inside.flat_map(|(_, node)| &node.parents);
        parents.fold(0, |set, parent| set | 1 << parent)
    }

    /// A variable's table in the order of the variables' numbers, with what was seen of it multiplied in; of a `leaf`
    /// with its own values summed out.
    fn factor<'a>(
        &self,
        number: usize,
        leaf: bool,
        seen: impl Iterator<Item = &'a [f64]> + Clone,
        scratch: &mut Scratch,
    ) -> Factor {
        let begin = scratch.data.len();
        let node = &self.nodes[number];
        let parents = node.parents.iter().map(|p| usize::from(*p));
        let own = if leaf { 0 } else { 1u64 << number };
        let scope = parents.clone().fold(own, |set, p| set | 1 << p);
        let len = self.size(scope);
        scratch.data.resize(begin + len, 0.0);
        let strides = self.strides(scope);
        for (at, p) in node.table.iter().enumerate() {
            let (own, mut row) = (at % node.values, at / node.values);
            let mut place = own * strides[number];
            for parent in parents.clone().rev() {
                let values = self.nodes[parent].values;
                place += (row % values) * strides[parent];
                row /= values;
            }
            let likelihood = seen.clone().fold(1.0, |l, of| l * of[own]);
            scratch.data[begin + place] += p * likelihood;
        }
        Factor { scope, begin, len }
    }

    /// By how much the place in a table over `scope` moves with each variable's value.
    fn strides(&self, scope: u64) -> [usize; VARIABLES_MAX] {
        let mut strides = [0; VARIABLES_MAX];
        let mut stride = 1;
        for number in (0..self.nodes.len()).rev() {
            if scope & 1 << number != 0 {
                strides[number] = stride;
                stride *= self.nodes[number].values;
            }
        }
        strides
    }

    fn size(&self, scope: u64) -> usize {
        let all = self.nodes.iter().enumerate();
        let inside = all.filter(|(number, _)| scope & 1 << number != 0);
        inside.fold(1, |size, (_, node)| size.saturating_mul(node.values))
    }

    /// The variable whose summing out leaves the smallest table; of equals the one with the highest number.
    fn cheapest(&self, left: u64, factors: &[Factor]) -> usize {
        let cost = |number: &usize| {
            let touching = factors.iter().filter(|f| f.scope & 1 << *number != 0);
            let scope = touching.fold(0, |scope, f| scope | f.scope);
            self.size(scope & !(1 << *number))
        };
        let numbers = (0..self.nodes.len()).rev().filter(|n| left & 1 << n != 0);
        numbers.min_by_key(cost).unwrap_or(0)
    }

    /// Multiplies all tables that know the variable and sums over its values.
    fn sum_out(&self, number: usize, scratch: &mut Scratch) {
        let Scratch {
            data,
            factors,
            touching,
            strides,
        } = scratch;
        touching.clear();
        factors.retain(|factor| {
            let touches = factor.scope & 1 << number != 0;
            if touches {
                touching.push(*factor);
            }
            !touches
        });
        let scope = touching.iter().fold(0, |scope, f| scope | f.scope) & !(1 << number);
        let (begin, len) = (data.len(), self.size(scope));
        data.resize(begin + len, 0.0);
        let target = self.strides(scope);
        let values = self.nodes[number].values;
        strides.clear();
        strides.extend(touching.iter().map(|f| self.strides(f.scope)));
        for place in 0..len {
            let mut sum = 0.0;
            for value in 0..values {
                let mut product = 1.0;
                for (factor, strides) in touching.iter().zip(strides.iter()) {
                    let mut at = value * strides[number];
                    let mut inside = scope & factor.scope;
                    while inside != 0 {
                        let other = inside.trailing_zeros() as usize;
                        inside &= inside - 1;
                        let digit = place / target[other] % self.nodes[other].values;
                        at += digit * strides[other];
                    }
                    product *= data[factor.begin + at];
                }
                sum += product;
            }
            data[begin + place] = sum;
        }
        factors.push(Factor { scope, begin, len });
    }
}

#[cfg(test)]
mod tests;
