//! What the workers' policies have learned, put together.

use std::collections::BTreeMap;

use evenkeel_core::balance::{Kind, Learned, LearnedKind as Told};
use evenkeel_core::engine::PoolView;
use evenkeel_core::id::EndpointId;
use evenkeel_schema::admin::{LearnedEndpoint, LearnedKind, LearnedStatus};

use super::Driver;

/// A mean of means, each by its weight.
#[derive(Clone, Copy, Debug, Default)]
struct Weighed {
    sum: f64,
    weight: f64,
}

impl Weighed {
    fn add(&mut self, value: f64, weight: f64) {
        self.sum += value * weight;
        self.weight += weight;
    }

    fn mean(self) -> f64 {
        match self.weight > 0.0 {
            true => self.sum / self.weight,
            false => 0.0,
        }
    }
}

/// One sort, over all workers.
#[derive(Default)]
struct Sort {
    mean_s: Weighed,
    skill: Weighed,
    endpoints: BTreeMap<EndpointId, Of>,
}

#[derive(Default)]
struct Of {
    answers: f64,
    expected_s: Weighed,
}

impl Sort {
    fn add(&mut self, told: &Told) {
        self.mean_s.add(told.mean_s, told.answers);
        self.skill.add(told.skill, told.answers);
        for endpoint in &told.endpoints {
            let of = self.endpoints.entry(endpoint.id).or_default();
            of.answers += endpoint.answers;
            // A worker that has seen nothing of it still expects something.
            of.expected_s
                .add(endpoint.expected_s, endpoint.answers + 0.01);
        }
    }
}

impl Driver {
    /// Of a pool whose policy learns what can be told.
    pub(super) fn learned_of(&self, pool: &PoolView<'_>) -> Option<LearnedStatus> {
        let told = self.host.learned(&pool.spec.name);
        if told.is_empty() {
            return None;
        }
        let counters = self.host.counters();
        let labels = counters.routes.keys();
        let routes = labels.map(|label| (Kind::route_number(&label.route), &*label.route));
        Some(together(&told, &routes.collect(), pool))
    }
}

fn together(told: &[Learned], routes: &BTreeMap<u32, &str>, pool: &PoolView<'_>) -> LearnedStatus {
    let mut sorts: BTreeMap<Kind, Sort> = BTreeMap::new();
    let (mut skill, mut ratio, mut each) =
        (Weighed::default(), Weighed::default(), Weighed::default());
    for worker in told {
        let answers: f64 = worker.kinds.iter().map(|kind| kind.answers).sum();
        skill.add(worker.skill, answers);
        each.add(worker.each_in_flight, answers);
        if let Some(known) = worker.ratio {
            ratio.add(known, answers);
        }
        for kind in &worker.kinds {
            sorts.entry(kind.kind).or_default().add(kind);
        }
    }
    let using = told.iter().filter(|worker| worker.used).count();
    let mut kinds: Vec<_> = sorts
        .into_iter()
        .map(|(kind, sort)| named(kind, &sort, routes, pool))
        .collect();
    kinds.sort_by(|a, b| b.answers.total_cmp(&a.answers));
    LearnedStatus {
        workers: told.len() as u32,
        using: using as u32,
        skill: skill.mean(),
        ratio: (ratio.weight > 0.0).then(|| ratio.mean()),
        each_in_flight: each.mean(),
        kinds,
    }
}

fn named(
    kind: Kind,
    sort: &Sort,
    routes: &BTreeMap<u32, &str>,
    pool: &PoolView<'_>,
) -> LearnedKind {
    let endpoints = pool.endpoints.iter().filter_map(|endpoint| {
        let of = sort.endpoints.get(&endpoint.id)?;
        Some(LearnedEndpoint {
            name: endpoint.name.to_string(),
            answers: of.answers,
            expected_ms: of.expected_s.mean() * 1e3,
        })
    });
    LearnedKind {
        route: routes.get(&kind.route).copied().unwrap_or("*").to_owned(),
        method: kind.method.name().to_owned(),
        body: kind.size.name().to_owned(),
        answers: sort.mean_s.weight,
        mean_ms: sort.mean_s.mean() * 1e3,
        skill: sort.skill.mean(),
        endpoints: endpoints.collect(),
    }
}
