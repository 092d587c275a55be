//! What was learned, for a person.

use super::mean::Moment;
use super::model::{Model, TAU};
use crate::balance::{Candidate, Kind};
use crate::id::EndpointId;

/// Sorts that are told of, those seen most often.
const KINDS: usize = 16;
/// Endpoints of each: where there are more, the fastest and the slowest.
const ENDPOINTS: usize = 32;

/// What a worker has learned of the endpoints of a pool, or of a tier of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Learned {
    /// So much longer a request takes for each that is in flight at its endpoint, as a share.
    pub each_in_flight: f64,
    /// The share of the plain means' squared error that is gone if one knows the endpoint.
    pub skill: f64,
    /// Are requests given out by what was learned?
    pub used: bool,
    /// How many times as long requests take if they are given out so, beside `p2c`; none = not known yet.
    pub ratio: Option<f64>,
    /// The sorts of requests seen most often.
    pub kinds: Vec<LearnedKind>,
}

/// Of one sort of requests.
#[derive(Clone, Debug, PartialEq)]
pub struct LearnedKind {
    /// Which; the default stands for everything else.
    pub kind: Kind,
    /// Answers that this is known by; older ones count for less.
    pub answers: f64,
    /// What one takes where nothing else is in flight, in seconds.
    pub mean_s: f64,
    /// The share of the plain mean's squared error that is gone if one knows the endpoint.
    pub skill: f64,
    /// By endpoint.
    pub endpoints: Vec<LearnedEndpoint>,
}

/// What an endpoint takes for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LearnedEndpoint {
    /// Whose.
    pub id: EndpointId,
    /// Answers that this is known by; older ones count for less.
    pub answers: f64,
    /// What one is expected to take where nothing else is in flight, in seconds.
    pub expected_s: f64,
}

/// All of it.
pub(super) fn learned(model: &Model, candidates: &[Candidate], now: Moment) -> Learned {
    let mut seen: Vec<_> = model
        .known()
        .enumerate()
        .map(|(at, (known, cells))| (known.mean.weight(now, TAU), at, known, cells))
        .filter(|&(answers, ..)| answers >= 0.5)
        .collect();
    seen.sort_by(|a, b| b.0.total_cmp(&a.0));
    let kinds = seen
        .into_iter()
        .take(KINDS)
        .map(|(answers, at, known, cells)| {
            let mean_s = f64::from(known.mean.value()) / 1e9;
            let seconds = |share: f32| f64::from(share) * mean_s;
            let endpoint = |(position, candidate): (usize, &Candidate)| LearnedEndpoint {
                id: candidate.id,
                answers: cells[position].mean.weight(now, TAU).into(),
                expected_s: seconds(model.expected(at, position)),
            };
            let mut endpoints: Vec<_> = candidates.iter().enumerate().map(endpoint).collect();
            if endpoints.len() > ENDPOINTS {
                endpoints.sort_by(|a, b| a.expected_s.total_cmp(&b.expected_s));
                let slowest = endpoints.len() - ENDPOINTS / 2;
                endpoints.drain(ENDPOINTS / 2..slowest);
            }
            LearnedKind {
                kind: known.kind,
                answers: answers.into(),
                mean_s,
                skill: known.skill.value().into(),
                endpoints,
            }
        });
    Learned {
        each_in_flight: model.each().into(),
        skill: model.guard.skill.value().into(),
        used: model.guard.lets(),
        ratio: model.guard.ratio(now).map(f64::from),
        kinds: kinds.collect(),
    }
}
