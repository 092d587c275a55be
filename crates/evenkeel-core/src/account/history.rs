//! How long something was up, down, planned and unknown: the intervals of the last while, in bounded memory.
//!
//! A history is a row of [`Piece`]s, oldest first; the last one is open and grows. Each piece is one interval of one kind,
//! until there are more than `PIECES_MAX` (256): then two neighbours become one sum, those that are shortest for their age, so
//! that old history grows coarse and the last hour stays exact (the idea of exponential histograms, Datar et al. 2002).
//! Sums are never rounded: what leaves one kind of a cut piece is given back to another, so everything still adds up.

use std::collections::VecDeque;
use std::time::Duration;

use crate::table::State;
use crate::time::Time;

/// What a stretch of time was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// It served, or could have.
    Up,
    /// It should have served, and could not.
    Down,
    /// Somebody took it out on purpose: draining or in maintenance.
    Planned,
    /// Nobody looked: not probed yet, or the balancer did not run.
    #[default]
    Unknown,
}

impl Kind {
    /// All, in the order of their numbers.
    pub const ALL: [Kind; 4] = [Kind::Up, Kind::Down, Kind::Planned, Kind::Unknown];

    /// The word in the API and in records.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Up => "up",
            Kind::Down => "down",
            Kind::Planned => "planned",
            Kind::Unknown => "unknown",
        }
    }

    /// What the time of an endpoint in this state is. A trial serves, if only a little.
    pub const fn of(state: State) -> Kind {
        match state {
            State::Unknown => Kind::Unknown,
            State::Up | State::Trial => Kind::Up,
            State::Down => Kind::Down,
            State::Draining | State::Maintenance => Kind::Planned,
        }
    }

    /// What the time of a pool with these endpoints is: up while one is; else down if a fault took one of them (the others
    /// may be planned or unknown: nobody is known to serve); else unknown if one is not known; planned only if all are.
    pub fn of_pool(endpoints: impl Iterator<Item = Kind>) -> Kind {
        let worst = |kind| match kind {
            Kind::Up => 3,
            Kind::Down => 2,
            Kind::Unknown => 1,
            Kind::Planned => 0,
        };
        endpoints
            .max_by_key(|kind| worst(*kind))
            .unwrap_or(Kind::Unknown)
    }
}

/// More pieces than a quiet year has, and little enough for thousands of endpoints (12 KiB each at worst).
pub(super) const PIECES_MAX: usize = 256;

/// A stretch of time: one interval, or the sum of several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// Nanoseconds, by [`Kind`].
    pub ns: [u64; 4],
    /// Failures in it: times it went down, or was found so at first. An interval's own is at its beginning.
    pub failures: u64,
    /// Times it came up after it had been down.
    pub repairs: u64,
}

impl Piece {
    fn pure(kind: Kind, ns: u64) -> Piece {
        let mut piece = Piece::default();
        piece.ns[kind as usize] = ns;
        piece
    }

    /// All of it, in nanoseconds.
    pub fn len(&self) -> u64 {
        self.ns.iter().fold(0, |sum, ns| sum.saturating_add(*ns))
    }

    /// Is it of no length?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Nanoseconds of one kind.
    pub fn of(&self, kind: Kind) -> u64 {
        self.ns[kind as usize]
    }

    /// Seconds of one kind.
    pub fn seconds(&self, kind: Kind) -> f64 {
        self.of(kind) as f64 / 1e9
    }

    /// up / (up + down); `None` while neither was seen. Planned and unknown time is nobody's fault and left out.
    pub fn availability(&self) -> Option<f64> {
        let (up, down) = (self.seconds(Kind::Up), self.seconds(Kind::Down));
        (up + down > 0.0).then(|| up / (up + down))
    }

    pub(super) fn add(&mut self, other: &Piece) {
        for (sum, ns) in self.ns.iter_mut().zip(other.ns) {
            *sum = sum.saturating_add(ns);
        }
        self.failures = self.failures.saturating_add(other.failures);
        self.repairs = self.repairs.saturating_add(other.repairs);
    }

    /// Its newest `left` nanoseconds, fewer than it has. Of an interval the event at its beginning is cut off with it; a sum
    /// is cut in proportion.
    fn tail(&self, left: u64) -> Piece {
        let len = self.len();
        let part = |value: u64| (u128::from(value) * u128::from(left) / u128::from(len)) as u64;
        let mut tail = Piece {
            ns: self.ns.map(part),
            ..Piece::default()
        };
        // What rounding took goes to kinds that still have room, so that nothing is lost.
        let mut lost = left - tail.len();
        for (kept, had) in tail.ns.iter_mut().zip(self.ns) {
            let more = lost.min(had - *kept);
            *kept += more;
            lost -= more;
        }
        if self.ns.iter().filter(|ns| **ns > 0).count() > 1 {
            tail.failures = nearest(self.failures, left, len);
            tail.repairs = nearest(self.repairs, left, len);
        }
        tail
    }
}

fn nearest(events: u64, left: u64, len: u64) -> u64 {
    let half = u128::from(len) / 2;
    ((u128::from(events) * u128::from(left) + half) / u128::from(len)) as u64
}

/// The history of one endpoint or pool.
#[derive(Clone, Debug)]
pub struct History {
    pieces: VecDeque<Piece>,
    /// Of all pieces, nanoseconds.
    total: u64,
    /// The open piece's.
    kind: Kind,
    /// Accounted up to here.
    at: Time,
    /// Up or down, whichever was seen last: what decides whether going down is a failure.
    known: Option<Kind>,
    /// How far back it is kept, nanoseconds.
    keep: u64,
}

impl History {
    /// One that begins now, knowing nothing, and is kept for `keep`.
    pub fn new(keep: Duration, at: Time) -> History {
        History {
            pieces: VecDeque::from([Piece::default()]),
            total: 0,
            kind: Kind::Unknown,
            at,
            known: None,
            keep: nanos(keep),
        }
    }

    /// What it is now.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Keeps more or less of it from now on.
    pub fn set_keep(&mut self, keep: Duration) {
        self.keep = nanos(keep);
        self.trim();
    }

    /// From now on it is of this kind.
    pub fn change(&mut self, kind: Kind, at: Time) {
        self.settle(at);
        if kind == self.kind {
            return;
        }
        let mut piece = Piece::default();
        match (self.known, kind) {
            // Still down after a time nobody looked is still the same fault.
            (None | Some(Kind::Up), Kind::Down) => piece.failures = 1,
            (Some(Kind::Down), Kind::Up) => piece.repairs = 1,
            _ => {}
        }
        if matches!(kind, Kind::Up | Kind::Down) {
            self.known = Some(kind);
        }
        self.kind = kind;
        self.pieces.push_back(piece);
        self.coalesce();
    }

    /// Accounts the time until now.
    pub fn settle(&mut self, at: Time) {
        let ns = nanos(at.since(self.at));
        self.at = self.at.max(at);
        self.grow(ns);
        self.trim();
    }

    /// The time since it was last accounted until `at` is unknown, whatever it was before: nobody looked.
    pub fn blind(&mut self, at: Time) {
        let (kind, from) = (self.kind, self.at);
        self.change(Kind::Unknown, from);
        self.change(kind, at);
    }

    /// Puts what an earlier process knew in front, and the gap in between.
    pub fn remember(&mut self, before: &[Piece], known: Option<Kind>, gap: Duration) {
        self.known = self.known.or(known);
        for piece in [Piece::pure(Kind::Unknown, nanos(gap))]
            .iter()
            .chain(before.iter().rev())
        {
            self.total = self.total.saturating_add(piece.len());
            self.pieces.push_front(*piece);
        }
        self.trim();
        while self.pieces.len() > PIECES_MAX {
            self.coalesce();
        }
    }

    /// The sum of the last `window` until `at`, or of all there is.
    pub fn sum(&self, window: Duration, at: Time) -> Piece {
        let mut left = nanos(window);
        let open = nanos(at.since(self.at)).min(left);
        let mut sum = Piece::pure(self.kind, open);
        left -= open;
        for piece in self.pieces.iter().rev() {
            let len = piece.len();
            if len > left {
                if left > 0 {
                    sum.add(&piece.tail(left));
                }
                break;
            }
            sum.add(piece);
            left -= len;
        }
        sum
    }

    /// All pieces, oldest first, as of the last settling.
    pub fn pieces(&self) -> impl Iterator<Item = &Piece> {
        self.pieces.iter()
    }

    /// Up or down, whichever was seen last.
    pub fn known(&self) -> Option<Kind> {
        self.known
    }

    fn grow(&mut self, ns: u64) {
        if let Some(open) = self.pieces.back_mut() {
            let sum = &mut open.ns[self.kind as usize];
            *sum = sum.saturating_add(ns);
            self.total = self.total.saturating_add(ns);
        }
    }

    fn trim(&mut self) {
        let mut excess = self.total.saturating_sub(self.keep);
        while excess > 0 {
            let only = self.pieces.len() == 1;
            let Some(oldest) = self.pieces.front_mut() else {
                return;
            };
            let len = oldest.len();
            let cut = len.min(excess);
            self.total -= cut;
            excess -= cut;
            if cut < len {
                *oldest = oldest.tail(len - cut);
            } else if only {
                *oldest = Piece::default();
                return;
            } else {
                self.pieces.pop_front();
            }
        }
    }

    /// Makes two neighbours one where there are too many: those that are shortest for their age. The open one stays.
    fn coalesce(&mut self) {
        if self.pieces.len() <= PIECES_MAX {
            return;
        }
        let mut best: Option<(usize, u64, u64)> = None;
        let mut age = 0u64;
        for older in (0..self.pieces.len() - 2).rev() {
            let newer = self.pieces[older + 1].len();
            let both = self.pieces[older].len().saturating_add(newer);
            // Its older end's age, so that nothing is divided by zero.
            let end = age.saturating_add(both).max(1);
            let shorter = |(_, len, old): (usize, u64, u64)| {
                u128::from(both) * u128::from(old) <= u128::from(len) * u128::from(end)
            };
            if best.is_none_or(shorter) {
                best = Some((older, both, end));
            }
            age = age.saturating_add(newer);
        }
        let Some((older, ..)) = best else { return };
        if let Some(newer) = self.pieces.remove(older + 1)
            && let Some(sum) = self.pieces.get_mut(older)
        {
            sum.add(&newer);
        }
    }
}

pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
