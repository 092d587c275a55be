//! What a request is expected to take, and how that is learned.

use super::guard::Guard;
use super::kinds::{Kinds, Known};
use super::mean::{Mean, Moment, left};
use super::slope::Slope;
use super::turns::{Lasted, Takes, Turn};
use crate::balance::{Ask, Candidate, End, Ended, Group, Kept, Kind};

/// How long is remembered what an endpoint takes, in seconds: a minute of even a few requests a second tells endpoints apart, and
/// within it what has changed is found out.
pub(super) const TAU: f32 = 60.0;
/// And what happened lately.
const LATELY: f32 = 2.0;
/// A mean of fewer observations than this is more chance than knowledge.
const FEW: f32 = 8.0;
/// One that takes more times what is expected counts as so many times: a single one must not make a whole mean.
const MOST: f32 = 20.0;
/// A try that failed counts as so many times what it lasted, and so many times what is expected: enough to go elsewhere if that can
/// bear it. With more, all leave one that loses a few, and the others lose more under what they cannot bear.
const LOST: (f32, f32) = (5.0, 8.0);
/// Cells at most, of a dozen bytes each: a megabyte for each worker and pool, however many endpoints there are.
const CELLS_MAX: usize = 1 << 16;
/// Who owes an answer so many times as long as one is expected there has stopped answering.
const SILENT: f32 = 2.0;
/// If all who waited there have left without an answer, it is tried again after so many seconds.
const AGAIN: f32 = 30.0;
/// Never less than this of what its sort takes.
const LEAST: f32 = 0.02;

/// What is known of one endpoint, whatever the sort of request; shares of what that takes on the whole.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Own {
    pub(super) all: Mean,
    /// Beyond what was expected.
    lately: Mean,
    /// How far it lies from the others by all, and lately: as of the last look.
    by_all: f32,
    by_lately: f32,
    /// Since when it owes answers and gave none.
    owes: Option<Moment>,
}

/// What is known of an endpoint for one sort.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cell {
    pub(super) mean: Mean,
    /// How far it lies from what is expected of its endpoint: as of the last look.
    by_kind: f32,
}

/// What was known when a try was picked: how far its endpoint lies from the others, before it is asked how much of that is to be
/// believed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lean {
    /// In flight there, per weight.
    load: f32,
    all: f32,
    kind: f32,
    lately: f32,
}

impl Lean {
    /// Whoever waited there has left, and that long ago: perhaps nothing is wrong.
    fn is_tried_again(&self, since: Moment, now: Moment) -> bool {
        self.load <= 0.0 && now.since(since) > AGAIN
    }
}

/// How much more there is to do with something in flight: the share that each adds.
#[derive(Clone, Copy, Debug)]
struct ByLoad {
    n: f64,
    loads: f64,
    squares: f64,
    took: f64,
    both: f64,
    at: Moment,
    each: f32,
}

impl Default for ByLoad {
    fn default() -> ByLoad {
        ByLoad {
            n: 0.0,
            loads: 0.0,
            squares: 0.0,
            took: 0.0,
            both: 0.0,
            at: Moment::default(),
            each: ByLoad::RANGE.1,
        }
    }
}

impl ByLoad {
    /// At least what keeps everybody from running to the same endpoint, at most what a single core takes.
    const RANGE: (f32, f32) = (0.05, 1.0);

    fn learn(&mut self, load: f32, took: f32, counts: f32, now: Moment) {
        let left = f64::from(left(now.since(self.at), 2.0 * TAU));
        let [load, took, counts] = [load, took, counts].map(f64::from);
        self.at = now;
        for sum in [
            (&mut self.n, 1.0),
            (&mut self.loads, load),
            (&mut self.squares, load * load),
            (&mut self.took, took),
            (&mut self.both, load * took),
        ] {
            *sum.0 = *sum.0 * left + counts * sum.1;
        }
        let spread = self.n * self.squares - self.loads * self.loads;
        let slope = self.n * self.both - self.loads * self.took;
        // Of the line through all of it: its slope by where it begins.
        let begins = self.took * self.squares - self.loads * self.both;
        let (least, most) = ByLoad::RANGE;
        let unknown = self.n < 30.0 || spread <= 1e-6 * self.n * self.squares;
        self.each = match unknown || begins <= 0.0 {
            true => most,
            false => ((slope / begins) as f32).clamp(least, most),
        };
    }

    fn factor(&self, load: f32) -> f32 {
        1.0 + self.each * load
    }

    /// How much an answer tells of its request's own work: little where most of its time was others' (weighted least squares;
    /// what scatters does so in proportion to the factor). Else a queue's speed would be taken for everybody's own, and those
    /// who gain nothing by a fast endpoint would crowd out those who do.
    fn counts(&self, load: f32) -> f32 {
        let factor = self.factor(load).max(1.0);
        1.0 / (factor * factor)
    }
}

/// All that is known.
#[derive(Debug, Default)]
pub(super) struct Model {
    kinds: Kinds,
    pub(super) own: Kept<Own>,
    /// By sort, by endpoint: what that takes for it.
    cells: Vec<Kept<Cell>>,
    all: Slope,
    lately: Slope,
    by_load: ByLoad,
    pub(super) guard: Guard,
    /// Nanoseconds, of all sorts together, whatever else their endpoints had to do.
    took: Mean,
}

impl Model {
    /// Where a sort is found.
    pub(super) fn find(&self, kind: Kind) -> usize {
        self.kinds.find(kind)
    }

    /// A pick is made, and this is an endpoint by lot. Which turn it belongs to, and whether it is gone by what was learned.
    pub(super) fn pick(&mut self, lot: usize, group: &Group, ask: &Ask<'_>) -> (Turn, bool) {
        let by_load = &self.by_load;
        let load = || ask.load_each(group, &group.candidates()[lot]) as f32;
        let now = Moment::of(ask.now());
        let takes = Takes {
            mean_s: self.took.value() / 1e9,
            each: by_load.each,
        };
        self.guard.pick(now, takes, || by_load.factor(load()))
    }

    pub(super) fn best(&self, kind: usize) -> usize {
        self.kinds.of(kind).best
    }

    pub(super) fn known(&self) -> impl Iterator<Item = (&Known, &Kept<Cell>)> {
        self.kinds.iter().zip(&self.cells)
    }

    /// The share that each request in flight adds.
    pub(super) fn each(&self) -> f32 {
        self.by_load.each
    }

    /// How long a request of this sort is expected to take there now, as a share of what its sort takes.
    pub(super) fn wait(&self, kind: usize, position: usize, group: &Group, ask: &Ask<'_>) -> f32 {
        let lean = self.lean(kind, position, group, ask);
        let wait = self.by_load.factor(lean.load) * self.foretold(kind, &lean).2;
        let silent = self.silent(kind, position, &lean, Moment::of(ask.now()));
        match silent > SILENT * wait {
            true => silent,
            false => wait,
        }
    }

    /// How long it owes answers and gave none, as a share of what this sort takes: whoever stands still for so long is to be expected
    /// to stand for as long again, and nobody learns from answers that do not come. `p2c` sees its queue grow no more than
    /// others'; who goes by its speed would fill it.
    fn silent(&self, kind: usize, position: usize, lean: &Lean, now: Moment) -> f32 {
        let mean = self.kinds.of(kind).mean.value();
        match self.own[position].owes {
            Some(since) if mean > 0.0 && !lean.is_tried_again(since, now) => {
                now.since_surely(since) * 1e9 / mean
            }
            _ => 0.0,
        }
    }

    /// A try is given to it, of which this was known.
    pub(super) fn given(&mut self, position: usize, lean: &Lean, now: Moment) {
        let owes = &mut self.own[position].owes;
        let since = owes.filter(|since| !lean.is_tried_again(*since, now));
        *owes = since.or(Some(now));
    }

    /// What is known of it now.
    pub(super) fn lean(&self, kind: usize, position: usize, group: &Group, ask: &Ask<'_>) -> Lean {
        Lean {
            load: ask.load_each(group, &group.candidates()[position]) as f32,
            ..self.unloaded(kind, position)
        }
    }

    fn unloaded(&self, kind: usize, position: usize) -> Lean {
        let own = &self.own[position];
        Lean {
            load: 0.0,
            all: own.by_all,
            kind: self.cells[kind][position].by_kind,
            lately: own.by_lately,
        }
    }

    /// Looks at an endpoint again: what was known of it fades, and there it is done outside of a pick.
    fn look(&mut self, kind: usize, position: usize, now: Moment) {
        let own = &mut self.own[position];
        own.by_all = own.all.apart(1.0, FEW, now, TAU);
        own.by_lately = own.lately.apart(1.0, FEW / 2.0, now, LATELY);
        let expected = 1.0 + self.all.value() * own.by_all;
        let cell = &mut self.cells[kind][position];
        cell.by_kind = cell.mean.apart(expected, FEW, now, TAU);
    }

    /// What an endpoint takes there with nothing else to do, step by step: going by all its requests, by those of this sort too,
    /// by the last seconds too.
    fn foretold(&self, kind: usize, lean: &Lean) -> (f32, f32, f32) {
        let by_all = 1.0 + self.all.value() * lean.all;
        let by_kind = by_all + self.kinds.of(kind).slope.value() * lean.kind;
        let by_kind = by_kind.max(LEAST);
        let lately = 1.0 + self.lately.value() * lean.lately;
        (by_all, by_kind, (by_kind * lately).max(LEAST))
    }

    /// The same for one that may be told of.
    pub(super) fn expected(&self, kind: usize, position: usize) -> f32 {
        self.foretold(kind, &self.unloaded(kind, position)).2
    }

    /// A try ended.
    pub(super) fn ended(&mut self, position: usize, how: &Ended) {
        let now = Moment::of(how.at);
        if !matches!(how.end, End::Abandoned(_)) {
            self.own[position].owes = None;
        }
        let (kind, fresh) = self.kinds.seen(how.note.kind, now);
        let endpoints = self.own.len();
        if fresh {
            self.cells
                .resize_with(self.cells.len().max(kind + 1), || Kept::new(endpoints));
            self.cells[kind] = Kept::new(endpoints);
        }
        let lean = how.note.lean;
        let factor = self.by_load.factor(lean.load);
        let lasted = how.lasted_ns() as f32;
        let alone = lasted / factor;
        let known = self.kinds.of_mut(kind);
        let mean = known.mean.value();
        if known.mean.weight(now, TAU) >= FEW {
            let whole = (lasted / mean).min(MOST * factor);
            let felt = Lasted {
                took: whole * mean / 1e9,
                expected: mean / 1e9,
                failed: !matches!(how.end, End::Answered(_)),
            };
            self.guard.took(how.note.turn, &felt);
            self.took.observe(lasted, now, TAU);
            let times = match how.end {
                End::Answered(_) => Some(alone / mean),
                End::Failed => Some(LOST.0 * (alone / mean) + LOST.1),
                // Who is given too much is left by its clients too, and would be left alone for long after it.
                End::Abandoned(_) => None,
            };
            if let Some(times) = times {
                self.learn(kind, position, times.min(MOST), &lean, now);
            }
        }
        if let End::Answered(_) = how.end {
            let known = self.kinds.of_mut(kind);
            let most = match known.mean.weight(now, TAU) >= FEW {
                true => MOST * mean,
                false => f32::INFINITY,
            };
            let counts = self.by_load.counts(lean.load);
            let known = self.kinds.of_mut(kind);
            known.mean.weigh(alone.min(most), counts, now, TAU);
        }
    }

    /// It took so much of what its sort takes, but for what was in flight.
    fn learn(&mut self, kind: usize, position: usize, took: f32, lean: &Lean, now: Moment) {
        let (by_all, by_kind, foretold) = self.foretold(kind, lean);
        let counts = self.by_load.counts(lean.load);
        self.all.learn(lean.all, took - 1.0, counts, now);
        self.lately
            .learn(lean.lately, took / by_kind - 1.0, counts, now);
        let known = self.kinds.of_mut(kind);
        known.slope.learn(lean.kind, took - by_all, counts, now);
        known.skill.foretold(foretold, took, counts, now);
        self.guard.skill.foretold(foretold, took, counts, now);
        let whole = took * self.by_load.factor(lean.load) / foretold;
        self.by_load.learn(lean.load, whole, counts, now);
        let own = &mut self.own[position];
        own.all.weigh(took, counts, now, TAU);
        own.lately.weigh(took / by_kind, counts, now, LATELY);
        self.cells[kind][position]
            .mean
            .weigh(took, counts, now, TAU);
        self.look(kind, position, now);
        let known = self.kinds.of_mut(kind);
        known.turn = (known.turn + 1) % self.own.len();
        let turn = known.turn;
        self.look(kind, turn, now);
        for position in [position, turn] {
            let best = self.kinds.of(kind).best;
            if self.expected(kind, position) < self.expected(kind, best) {
                self.kinds.of_mut(kind).best = position;
            }
        }
    }

    /// Who stays keeps what was learned of it.
    pub(super) fn rebuilt(&mut self, before: &[Candidate], after: &Group) {
        self.own.rebuilt(before, after);
        if self.cells.is_empty() {
            self.cells.push(Kept::default());
        }
        self.cells
            .iter_mut()
            .for_each(|of| of.rebuilt(before, after));
        self.kinds
            .limit(CELLS_MAX / after.candidates().len().max(1));
        self.kinds.forget_positions();
    }
}
