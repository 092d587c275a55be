//! The simulator against what is known exactly, with fixed seeds, as far as it takes a few seconds; `cargo xtask score dispatch` runs
//! every shipped scenario in full.

use super::beside::Beside;
use super::shipped::{SHIPPED, shipped};
use super::*;

/// A shipped scenario, shorter.
fn for_seconds(name: &str, seconds: f64) -> Scenario {
    let mut scenario = shipped(name).unwrap().scenario().unwrap();
    scenario.run.seconds = seconds;
    scenario
}

/// Everything that it expects, and how it came out.
fn verdicts(scenario: &Scenario) -> Vec<Verdict> {
    report::judge(scenario).unwrap().verdicts
}

/// A short run scatters more: twice as far off is allowed. What is not scattered, a bound, is not moved.
fn assert_all_hold(name: &str, seconds: f64) {
    let mut scenario = for_seconds(name, seconds);
    for expect in &mut scenario.expect {
        expect.within = expect.within.map(|within| within * 2.0);
    }
    let verdicts = verdicts(&scenario);
    assert!(!verdicts.is_empty());
    let broken: Vec<_> = verdicts.iter().filter(|v| !v.holds).collect();
    assert!(broken.is_empty(), "{name}: {broken:#?}");
}

#[test]
fn every_shipped_scenario_can_be_read_and_ends() {
    for shipped in SHIPPED {
        let mut scenario = shipped
            .scenario()
            .unwrap_or_else(|wrong| panic!("{}: {wrong}", shipped.name));
        scenario.run.seconds = 10.0 * scenario.work.mean_s;
        scenario.run.warm_up = 0.0;
        for policy in policies(&scenario, &[]).unwrap() {
            let outcome = run(&scenario, &policy, 1, &|_| {}).unwrap();
            assert!(outcome.answered > 0, "{}: {outcome:?}", shipped.name);
            assert!(outcome.mean_s > 0.0 && outcome.p50_s <= outcome.p99_s);
        }
    }
}

#[test]
fn two_choices_are_as_good_as_theory_says() {
    assert_all_hold("theory-two-choices", 4_000.0);
}

#[test]
fn three_choices_are_as_good_as_theory_says() {
    assert_all_hold("theory-three-choices", 3_000.0);
}

#[test]
fn a_fixed_split_by_square_roots_is_as_good_as_theory_says() {
    assert_all_hold("theory-square-root", 10_000.0);
}

#[test]
fn endpoints_that_share_do_not_care_how_work_is_distributed() {
    for name in [
        "theory-sharing-constant",
        "theory-sharing-bimodal",
        "theory-sharing-pareto",
    ] {
        assert_all_hold(name, 15_000.0);
    }
}

#[test]
fn a_zone_keeps_what_it_can_carry_and_gives_away_the_rest() {
    assert_all_hold("zones", 60.0);
}

#[test]
fn failing_fast_attracts_no_work() {
    assert_all_hold("fast-failing", 60.0);
}

#[test]
fn a_storm_of_retries_outlives_its_fault_unless_there_is_a_budget_and_a_limit() {
    assert_all_hold("metastable", 85.0);
    assert_all_hold("metastable-protected", 85.0);
}

/// A shipped scenario under these of its loads, shorter.
fn assert_holds_under(name: &str, loads: &[f64], seconds: f64) {
    let mut scenario = for_seconds(name, seconds);
    let chosen = |expect: &Expect| expect.load.is_some_and(|load| loads.contains(&load));
    scenario.expect.retain(chosen);
    let verdicts = verdicts(&scenario);
    assert!(verdicts.len() >= loads.len());
    let broken: Vec<_> = verdicts.iter().filter(|v| !v.holds).collect();
    assert!(broken.is_empty(), "{name}: {broken:#?}");
}

#[test]
fn prequal_carries_what_is_far_beyond_what_is_allotted_where_a_turn_for_each_does_not() {
    assert_holds_under("prequal-load-ramp", &[1.27, 1.74], 25.0);
}

#[test]
fn who_knows_all_requests_in_flight_has_half_the_tail_of_who_knows_only_its_own() {
    assert_holds_under("prequal-rules", &[0.9], 40.0);
}

#[test]
fn where_half_are_half_as_fast_latencies_help_at_every_quantile() {
    assert_all_hold("prequal-two-speeds", 30.0);
    assert_all_hold("prequal-two-speeds-tight", 30.0);
}

#[test]
fn a_policy_is_named_with_settings_where_it_is_held_against_itself() {
    let known = |name| chooser::spec(name).map(|spec| (spec.prequal.quantile, spec.prequal.pools));
    let share = evenkeel_core::settings::Share::percent;
    assert_eq!(known("prequal"), Some((share(84), 1)));
    assert_eq!(known("prequal(quantile=0,pools=3)"), Some((share(0), 3)));
    for wrong in [
        "prequal(quantile)",
        "prequal(q=1)",
        "p2c(quantile=0)",
        "prequal)",
        "x()",
    ] {
        assert_eq!(known(wrong), None, "{wrong}");
    }
}

#[test]
fn a_load_that_only_an_expectation_names_is_run_and_an_odd_one_is_refused() {
    let rest = "[run]\nseconds = 5000\n[arrival]\nload = 0.5\n[[endpoints]]\ncount = 1\n[[expect]]\npolicy = \"p2c\"\nfigure = \"at_least_1\"\nload = 0.9\nat_least = 0.8\n[[expect]]\npolicy = \"random\"\nfigure = \"mean\"\nat_most = 1.01\nthan = \"p2c\"\n";
    let policies = "policies = [\"p2c\", \"random\"]\n";
    let verdicts = verdicts(&scenario(&format!("{policies}{rest}")));
    assert!(verdicts.iter().all(|v| v.holds), "{verdicts:?}");
    assert_eq!(verdicts[0].load, Some(0.9));
    assert!(verdicts[1].wanted.ends_with("of `p2c`"), "{verdicts:?}");
    let odd = rest.replace("load = 0.9", "load = -1");
    let wrong = Scenario::parse(&format!("summary = \"x\"\n{odd}")).unwrap_err();
    assert!(wrong.contains("a load above 0"), "{wrong}");
}

#[test]
fn learned_is_never_worse_than_its_guard_in_any_shipped_scenario() {
    for shipped in SHIPPED {
        let scenario = shipped.scenario().unwrap();
        let beside = Beside::run(&scenario, 60_000.0, 1).unwrap();
        let (mean, p99) = (beside.mean(), beside.p99());
        assert!(
            beside.holds(),
            "{}: mean {mean:.3}, p99 {p99:.3}",
            shipped.name
        );
    }
}

/// With the seeds of the page.
fn not_worse(fleet: u64) {
    let among = among::Among::run(fleet, "learned", 0, among::SEEDS).unwrap();
    assert!(!among.is_worse(), "fleet {fleet}: {among:?}");
}

/// As long as a failure was a penalty to the guard, and whoever did far worse was tried out as often as others, it was out of bounds in
/// 35, 41 and 57. It is not in these; those in which it still is are in `bench/DRAWN.md`.
#[test]
fn to_avoid_failures_does_not_pay_for_longer_answers_in_fleets_by_lot() {
    for fleet in [1, 8, 25, 35, 41, 57, 64, 90] {
        not_worse(fleet);
    }
}

/// It was surely out of bounds in all of these, by up to 38 %: in 11 and 192 its best endpoint stands still for minutes, in 47 all
/// wait for seconds, in 61, 103 and 196 those who fail were avoided at the price of the tail. In 21 one turn while all waited made tries
/// time out for seconds after it.
#[test]
fn what_is_not_proven_better_is_left_to_p2c_in_fleets_by_lot() {
    for fleet in [11, 21, 47, 61, 103, 192, 196] {
        not_worse(fleet);
    }
}

/// In 412 clients left before failures came, and no policy heard of it: 19 % failed instead of 11. In 711 two of four lose some tries at
/// once, and left alone for it they left the others with more than these could bear: p99 +11 %.
#[test]
fn neither_those_that_clients_leave_nor_those_that_lose_a_few_tries_mislead_it() {
    for fleet in [412, 711] {
        not_worse(fleet);
    }
}

#[test]
fn a_fleet_by_lot_is_the_same_for_ever_and_can_be_read() {
    assert_eq!(drawn::text(17), drawn::text(17));
    assert_ne!(drawn::text(17), drawn::text(18));
    for number in 0..500 {
        let fleet = drawn::fleet(number).unwrap_or_else(|wrong| panic!("{number}: {wrong}"));
        assert!(fleet.requests() < 400_000.0, "{number}");
    }
}

#[test]
fn learned_is_much_better_where_endpoints_differ_by_the_sort_of_request() {
    for (name, mean, p99) in [("slow-uploads", 0.85, 0.8), ("cold-cache", 0.4, 0.5)] {
        let scenario = shipped(name).unwrap().scenario().unwrap();
        let beside = Beside::run(&scenario, 60_000.0, 2).unwrap();
        assert!(
            beside.mean() < mean && beside.p99() < p99,
            "{name}: {} {}",
            beside.mean(),
            beside.p99()
        );
    }
}

#[test]
fn a_seed_tells_the_same_story_on_any_number_of_cores_and_another_seed_another() {
    let scenario = for_seconds("theory-two-choices", 500.0);
    let policies = ["p2c", "random", "peak_ewma"].map(String::from);
    let of = |seed| run_all(&scenario, &policies, seed, &|_| {}).unwrap();
    let alone = |seed| -> Vec<Outcome> {
        let each = policies.iter();
        each.map(|policy| run(&scenario, policy, seed, &|_| {}).unwrap())
            .collect()
    };
    assert_eq!(of(7), alone(7));
    assert_ne!(of(7), of(8));
}

/// A small fleet: what is not said is theory's.
fn scenario(rest: &str) -> Scenario {
    let text = format!("summary = \"a test\"\n{rest}");
    Scenario::parse(&text).unwrap()
}

#[test]
fn several_cores_behind_one_queue_are_the_same_as_one_line_for_all() {
    let scenario = scenario(
        "[run]\nseconds = 150000\nwarm_up = 1000\n[arrival]\nload = 0.5\n[[endpoints]]\ncount = 1\ncores = 2\n",
    );
    let outcome = run(&scenario, "random", 1, &|_| {}).unwrap();
    // M/M/2: 1 / (1 - load²).
    let off = outcome.mean_s / (4.0 / 3.0) - 1.0;
    assert!(off.abs() < 0.015, "{outcome:?}");
}

#[test]
fn users_who_wait_for_their_answers_never_send_more_than_they_are() {
    let scenario = scenario(
        "[run]\nseconds = 2000\n[arrival]\nprocess = \"closed\"\nusers = 3\nthink_s = 1\n[[endpoints]]\ncount = 1\ndiscipline = \"sharing\"\n",
    );
    let outcome = run(&scenario, "p2c", 1, &|_| {}).unwrap();
    // The machine-repair model with three users, one server, and as much thinking as work: 15 of 16 of the time busy.
    assert!(
        (outcome.at_least[0] - 15.0 / 16.0).abs() < 0.02,
        "{outcome:?}"
    );
    assert_eq!(outcome.at_least[3], 0.0);
}

#[test]
fn an_endpoint_that_stands_still_goes_on_where_it_was() {
    let scenario = scenario(
        "[run]\nseconds = 100\n[arrival]\nprocess = \"constant\"\nrate = 0.1\n[work]\ndistribution = \"constant\"\nmean_s = 4\n[[endpoints]]\ncount = 1\ncapacity = [[12, 0], [17, 1]]\n",
    );
    let outcome = run(&scenario, "first", 1, &|_| {}).unwrap();
    // Nine requests of 4 s; the first, from 10 s on, is held up for 5 s.
    assert_eq!(outcome.answered, 9);
    assert!((outcome.max_s - 9.0).abs() < 0.01, "{outcome:?}");
    assert!((outcome.mean_s - 41.0 / 9.0).abs() < 1e-6, "{outcome:?}");
}

#[test]
fn who_is_never_answered_counts_as_waiting() {
    let scenario = scenario(
        "[arrival]\nprocess = \"constant\"\nrate = 0.1\n[work]\ndistribution = \"constant\"\nmean_s = 1\n[[endpoints]]\ncount = 1\ncapacity = [[0, 0]]\n[[endpoints]]\ncount = 1\n[run]\nseconds = 95\n",
    );
    let outcome = run(&scenario, "round_robin", 1, &|_| {}).unwrap();
    // Of nine every other one stands still, since 85, 65, 45, 25 and 5 s when the run ends.
    assert_eq!((outcome.answered, outcome.errors), (4, 0));
    assert!((outcome.mean_s - 1.0).abs() < 1e-6, "{outcome:?}");
    let waited = (85.0 + 65.0 + 45.0 + 25.0 + 5.0 + 4.0) / 9.0;
    assert!((outcome.wait_mean_s - waited).abs() < 1e-6, "{outcome:?}");
}

#[test]
fn a_try_that_takes_too_long_is_made_again_elsewhere() {
    let rest = "[arrival]\nprocess = \"constant\"\nrate = 0.1\n[work]\ndistribution = \"constant\"\nmean_s = 1\n[[endpoints]]\ncount = 1\ncapacity = [[0, 0]]\n[[endpoints]]\ncount = 1\n[run]\nseconds = 95\n";
    let with = scenario(&format!("{rest}[tries]\ntimeout_s = 2\nretries = 1\n"));
    let outcome = run(&with, "first", 1, &|_| {}).unwrap();
    assert_eq!((outcome.answered, outcome.errors), (9, 0));
    assert!((outcome.max_s - 3.0).abs() < 0.01, "{outcome:?}");
    let without = scenario(&format!("{rest}[tries]\ntimeout_s = 2\n"));
    let outcome = run(&without, "first", 1, &|_| {}).unwrap();
    assert_eq!((outcome.answered, outcome.errors), (0, 9));
}

#[test]
fn who_waits_too_long_in_line_gives_up_and_a_full_line_refuses() {
    let rest = "[run]\nseconds = 50\n[arrival]\nprocess = \"constant\"\nrate = 1\n[work]\ndistribution = \"constant\"\n[[endpoints]]\ncount = 1\ncapacity = [[0, 0]]\n";
    let line = "[balancers]\nper_endpoint = 1\nqueue = 5\nqueue_timeout_s = 10\n";
    let outcome = run(&scenario(&format!("{rest}{line}")), "p2c", 1, &|_| {}).unwrap();
    // One is held by the endpoint, five wait at the end; all others were sent away.
    assert_eq!((outcome.answered, outcome.errors), (0, 49 - 1 - 5));
}

#[test]
fn a_load_that_cannot_be_carried_ends_the_run_and_says_when() {
    let scenario =
        scenario("[run]\nseconds = 100\n[arrival]\nrate = 50000\n[[endpoints]]\ncount = 1\n");
    let outcome = run(&scenario, "p2c", 1, &|_| {}).unwrap();
    let at = outcome.overloaded_s.unwrap();
    assert!((19.0..21.5).contains(&at), "{at}");
}

#[test]
fn every_mistake_is_told_at_once_and_unknown_keys_are_refused() {
    let wrong = Scenario::parse(
        "summary = \"x\"\npolicies = [\"p3c\"]\n[run]\nseconds = 0\n[arrival]\nload = 0.5\nrate = 3\n[[endpoints]]\ncount = 20000\n",
    )
    .unwrap_err();
    for part in ["run.seconds", "no policy `p3c`", "load", "10,000"] {
        assert!(wrong.contains(part), "{part}: {wrong}");
    }
    let unknown = Scenario::parse(
        "summary = \"x\"\n[run]\nseconds = 1\n[arrival]\nlod = 0.5\n[[endpoints]]\ncount = 1\n",
    );
    let unknown = unknown.unwrap_err();
    assert!(
        unknown.contains("lod") && unknown.contains("load"),
        "{unknown}"
    );
}

#[test]
fn the_scenario_of_the_readme_can_be_run() {
    let readme = include_str!("../../../../README.md");
    let (_, section) = readme.split_once("## Which policy fits").unwrap();
    let (_, block) = section.split_once("```toml\n").unwrap();
    let (text, _) = block.split_once("```").unwrap();
    let mut scenario = Scenario::parse(text).unwrap();
    scenario.run.seconds = 30.0;
    let outcome = run(&scenario, "p2c", 1, &|_| {}).unwrap();
    assert!(
        outcome.errors == 0 && outcome.answered > 1000,
        "{outcome:?}"
    );
}

#[test]
fn a_picture_has_a_line_for_each_policy_and_says_nothing_of_what_was_overloaded() {
    let scenario = for_seconds("theory-two-choices", 500.0);
    let policies = ["p2c", "random"].map(String::from);
    let runs: Vec<LoadRun> = [0.5, 0.8]
        .map(|load| LoadRun {
            load: Some(load),
            outcomes: run_all(&scenario.at_load(load).unwrap(), &policies, 1, &|_| {}).unwrap(),
        })
        .into();
    let p99 = |run: usize, policy: usize| runs[run].outcomes[policy].p99_s;
    assert!(p99(0, 0) < p99(1, 0) && p99(1, 0) < p99(1, 1));
    let picture = svg("a <title>", &runs).unwrap();
    assert!(picture.starts_with("<svg") && picture.ends_with("</svg>\n"));
    assert!(picture.contains("a &lt;title&gt;"));
    // In the legend, p99 over load, the dashes of p50, the distribution, and requests over time.
    for colour in ["#2F6DB3", "#C9862B"] {
        let drawn = picture.matches(&format!("stroke=\"{colour}\"")).count();
        assert!(drawn > 4, "{colour}: {drawn}");
    }
    assert!(!picture.contains("NaN") && !picture.contains("inf"));
    let curves = &runs[1].outcomes[0].curves;
    assert!(curves.quantiles.is_sorted() && curves.in_flight.len() >= 199);
}
