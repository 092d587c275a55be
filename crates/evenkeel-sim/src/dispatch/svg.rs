//! The picture of a simulation: quantiles over load where several loads were run, and of the last one how response times are
//! distributed and how many requests were in the fleet over time. Written by hand, because lines are all of it.

use std::fmt::Write;

use super::{LoadRun, Outcome};

/// A panel, and the room for its axes and the legend.
const WIDE: f64 = 640.0;
const HIGH: f64 = 260.0;
const LEFT: f64 = 80.0;
const TOP: f64 = 70.0;
const STEP: f64 = HIGH + 80.0;
const LEGEND: f64 = 200.0;
/// As many colours as policies; more begin again.
const COLOURS: [&str; 14] = [
    "#2f6db3", "#c9862b", "#3a9a5c", "#c02020", "#7d55a8", "#8a5a3c", "#d273b0", "#6e6e6e",
    "#a5a52a", "#2aa5a5", "#0b3d6b", "#e0559a", "#5c8a00", "#000000",
];

/// An axis from here to there.
struct Axis {
    label: &'static str,
    from: f64,
    to: f64,
    log: bool,
}

/// One line.
struct Line {
    policy: usize,
    dashed: bool,
    points: Vec<(f64, f64)>,
}

struct Panel {
    title: String,
    x: Axis,
    y: Axis,
    lines: Vec<Line>,
}

/// The picture, as SVG.
pub fn svg(title: &str, runs: &[LoadRun]) -> String {
    let Some(last) = runs.last() else {
        return String::new();
    };
    let mut panels = Vec::new();
    if runs.len() > 1 {
        panels.push(over_load(runs));
    }
    panels.push(distribution(&last.outcomes));
    panels.push(over_time(last));
    let (width, height) = (LEFT + WIDE + LEGEND, TOP + STEP * panels.len() as f64);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n\
         <text x=\"12\" y=\"24\" font-size=\"15\" font-weight=\"bold\">{}</text>\n",
        escaped(title)
    );
    for (number, panel) in panels.iter().enumerate() {
        panel.draw(&mut out, TOP + STEP * number as f64);
    }
    for (number, outcome) in last.outcomes.iter().enumerate() {
        let y = TOP + 16.0 * number as f64;
        let x = LEFT + WIDE + 20.0;
        let _ = writeln!(
            out,
            "<line x1=\"{x}\" y1=\"{y}\" x2=\"{}\" y2=\"{y}\" stroke=\"{}\" stroke-width=\"2\"/><text x=\"{}\" y=\"{}\">{}</text>",
            x + 22.0,
            colour(number),
            x + 28.0,
            y + 4.0,
            escaped(&outcome.policy)
        );
    }
    out.push_str("</svg>\n");
    out
}

fn over_load(runs: &[LoadRun]) -> Panel {
    let policies = runs[0].outcomes.len();
    let line = |policy: usize, dashed: bool| Line {
        policy,
        dashed,
        points: runs
            .iter()
            .filter_map(|run| {
                let outcome = &run.outcomes[policy];
                let time = if dashed { outcome.p50_s } else { outcome.p99_s };
                // Where it was overloaded there is no such time.
                (outcome.overloaded_s.is_none() && time > 0.0).then_some((run.load?, time))
            })
            .collect(),
    };
    let lines = (0..policies).flat_map(|policy| [line(policy, false), line(policy, true)]);
    Panel::around(
        "p99 over load (dashed: p50)".to_owned(),
        ("load", false),
        ("seconds", true),
        lines.collect(),
    )
}

fn distribution(outcomes: &[Outcome]) -> Panel {
    let lines = outcomes.iter().enumerate().map(|(policy, outcome)| Line {
        policy,
        dashed: false,
        points: outcome
            .curves
            .quantiles
            .iter()
            .filter(|point| point[1] > 0.0)
            .map(|&[share, seconds]| (seconds, share))
            .collect(),
    });
    Panel::around(
        "share of answers that took at most so long".to_owned(),
        ("seconds", true),
        ("share", false),
        lines.collect(),
    )
}

fn over_time(run: &LoadRun) -> Panel {
    let lines = run
        .outcomes
        .iter()
        .enumerate()
        .map(|(policy, outcome)| Line {
            policy,
            dashed: false,
            points: outcome
                .curves
                .in_flight
                .iter()
                .map(|&[at, count]| (at, count.max(1.0)))
                .collect(),
        });
    Panel::around(
        "requests in the fleet over time".to_owned(),
        ("second", false),
        ("requests", true),
        lines.collect(),
    )
}

impl Panel {
    /// With axes around all points.
    fn around(
        title: String,
        x: (&'static str, bool),
        y: (&'static str, bool),
        lines: Vec<Line>,
    ) -> Panel {
        let points = || lines.iter().flat_map(|line| line.points.iter().copied());
        Panel {
            x: Axis::around(x, points().map(|point| point.0)),
            y: Axis::around(y, points().map(|point| point.1)),
            title,
            lines,
        }
    }

    fn draw(&self, out: &mut String, top: f64) {
        let bottom = top + HIGH;
        let at = |(x, y): (f64, f64)| {
            let (right, up) = (self.x.place(x), self.y.place(y));
            (LEFT + WIDE * right, bottom - HIGH * up)
        };
        let _ = writeln!(
            out,
            "<text x=\"{LEFT}\" y=\"{}\" font-weight=\"bold\">{}</text>",
            top - 10.0,
            self.title
        );
        for x in self.x.ticks() {
            let (place, _) = at((x, self.y.from));
            let _ = writeln!(
                out,
                "<line x1=\"{place:.1}\" y1=\"{top}\" x2=\"{place:.1}\" y2=\"{bottom}\" stroke=\"#ddd\"/><text x=\"{place:.1}\" y=\"{}\" text-anchor=\"middle\" fill=\"#555\">{}</text>",
                bottom + 14.0,
                number(x)
            );
        }
        for y in self.y.ticks() {
            let (_, place) = at((self.x.from, y));
            let _ = writeln!(
                out,
                "<line x1=\"{LEFT}\" y1=\"{place:.1}\" x2=\"{}\" y2=\"{place:.1}\" stroke=\"#ddd\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#555\">{}</text>",
                LEFT + WIDE,
                LEFT - 6.0,
                place + 4.0,
                number(y)
            );
        }
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\" fill=\"#555\">{}</text><text x=\"12\" y=\"{}\" fill=\"#555\">{}</text>",
            LEFT + WIDE,
            bottom + 28.0,
            self.x.label,
            top - 10.0,
            self.y.label
        );
        for line in &self.lines {
            let points = line.points.iter().map(|&point| at(point));
            let points: Vec<String> = points.map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            let dash = if line.dashed {
                " stroke-dasharray=\"4 3\""
            } else {
                ""
            };
            let _ = writeln!(
                out,
                "<polyline fill=\"none\" stroke=\"{}\" stroke-width=\"1.6\"{dash} points=\"{}\"/>",
                colour(line.policy),
                points.join(" ")
            );
        }
    }
}

impl Axis {
    fn around((label, log): (&'static str, bool), values: impl Iterator<Item = f64>) -> Axis {
        let (least, most) = values.fold((f64::MAX, f64::MIN), |(least, most), value| {
            (least.min(value), most.max(value))
        });
        let (from, to) = match (least <= most, log) {
            (false, _) => (1.0, 10.0),
            (true, true) => (
                10_f64.powf(least.log10().floor()),
                10_f64.powf((most * 1.0001).log10().ceil()),
            ),
            (true, false) => (least.min(0.0), most.max(least + 1e-9)),
        };
        Axis {
            label,
            from,
            to,
            log,
        }
    }

    /// From 0 to 1.
    fn place(&self, value: f64) -> f64 {
        match self.log {
            true => (value / self.from).ln() / (self.to / self.from).ln(),
            false => (value - self.from) / (self.to - self.from),
        }
    }

    fn ticks(&self) -> Vec<f64> {
        if self.log {
            let decades = (self.to / self.from).log10().round() as i32;
            return (0..=decades).map(|n| self.from * 10_f64.powi(n)).collect();
        }
        (0..=5)
            .map(|n| self.from + (self.to - self.from) * f64::from(n) / 5.0)
            .collect()
    }
}

fn colour(policy: usize) -> &'static str {
    COLOURS[policy % COLOURS.len()]
}

/// Short, without zeros that say nothing.
fn number(value: f64) -> String {
    let text = format!("{value:.6}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    match value.abs() >= 100.0 {
        true => format!("{value:.0}"),
        false => text.chars().take(7).collect(),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
