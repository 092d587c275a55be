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
    /// In the order of their numbers.
    parents: Vec<u8>,
    /// Rows by the parents' values, the last parent's the fastest; in a row by the own value. So it is a table over the
    /// variable and its parents like any other ([`Factor`]): the own number is the highest.
    table: Vec<f64>,
}

/// A table that is being multiplied with others, and the place in it where the others are.
#[derive(Clone, Copy, Debug)]
struct Touching {
    factor: Factor,
    strides: [usize; VARIABLES_MAX],
    at: usize,
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
    touching: Vec<Touching>,
    likelihood: Vec<f64>,
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
        let mut parents: Vec<u8> = parents.iter().map(|p| p.0).collect();
        let table = self.arranged(&parents, values, table);
        parents.sort_unstable();
        self.nodes.push(Node {
            values,
            parents,
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

    /// A table by the parents' values in this order, as one by them in the order of their numbers.
    fn arranged(&self, parents: &[u8], values: usize, table: Vec<f64>) -> Vec<f64> {
        if parents.is_sorted() {
            return table;
        }
        let strides = self.strides(parents.iter().fold(0, |set, p| set | 1 << p));
        let mut arranged = vec![0.0; table.len()];
        for (number, row) in table.chunks(values).enumerate() {
            let (mut rest, mut place) = (number, 0);
            for parent in parents.iter().rev().map(|p| usize::from(*p)) {
                let values = self.nodes[parent].values;
                place += (rest % values) * strides[parent];
                rest /= values;
            }
            arranged[place * values..][..values].copy_from_slice(row);
        }
        arranged
    }

    /// A variable's table with what was seen of it multiplied in; of a `leaf` with its own values summed out.
    fn factor<'a>(
        &self,
        number: usize,
        leaf: bool,
        seen: impl Iterator<Item = &'a [f64]> + Clone,
        scratch: &mut Scratch,
    ) -> Factor {
        let node = &self.nodes[number];
        let Scratch {
            data, likelihood, ..
        } = scratch;
        likelihood.clear();
        likelihood.extend((0..node.values).map(|own| seen.clone().fold(1.0, |l, of| l * of[own])));
        let begin = data.len();
        let rows = node.table.chunks(node.values);
        let rows = rows.map(|row| row.iter().zip(likelihood.iter()).map(|(p, l)| p * l));
        match leaf {
            true => data.extend(rows.map(Iterator::sum::<f64>)),
            false => data.extend(rows.flatten()),
        }
        let own = if leaf { 0 } else { 1u64 << number };
        Factor {
            scope: node.parents.iter().fold(own, |set, p| set | 1 << p),
            begin,
            len: data.len() - begin,
        }
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
            ..
        } = scratch;
        touching.clear();
        factors.retain(|factor| {
            let touches = factor.scope & 1 << number != 0;
            if touches {
                let (strides, at) = (self.strides(factor.scope), factor.begin);
                touching.push(Touching {
                    factor: *factor,
                    strides,
                    at,
                });
            }
            !touches
        });
        let scope = touching.iter().fold(0, |scope, t| scope | t.factor.scope) & !(1 << number);
        let (begin, len) = (data.len(), self.size(scope));
        data.reserve(len);
        let values = self.nodes[number].values;
        for place in 1..=len {
            let product = |value: usize| {
                let of = |t: &Touching| data[t.at + value * t.strides[number]];
                touching.iter().map(of).product::<f64>()
            };
            let sum = (0..values).map(product).sum();
            data.push(sum);
            self.step(place, scope, touching);
        }
        factors.push(Factor { scope, begin, len });
    }

    /// On to this place of the table over `scope`: like a counter, of which the highest variable is the fastest digit.
    fn step(&self, place: usize, scope: u64, touching: &mut [Touching]) {
        let (mut rest, mut left) = (place, scope);
        while left != 0 {
            let digit = u64::BITS as usize - 1 - left.leading_zeros() as usize;
            left &= !(1 << digit);
            let values = self.nodes[digit].values;
            let over = rest % values == 0;
            for t in touching.iter_mut() {
                t.at += t.strides[digit];
                if over {
                    t.at -= values * t.strides[digit];
                }
            }
            if !over {
                return;
            }
            rest /= values;
        }
    }
}

#[cfg(test)]
mod tests;
