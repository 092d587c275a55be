//! The picture of a simulation: quantiles over load where several loads were run, and of the last one how response times are
//! distributed and how many requests were in the fleet over time.

use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;

use super::{LoadRun, Outcome};

/// A panel, and the room for its axes and the legend, in pixels.
const WIDE: u32 = 760;
const HIGH: u32 = 340;
const TITLE: u32 = 44;
const LEGEND: u32 = 180;
const ROW: i32 = 16;
/// As many colours as policies, each dark enough for a thin line; more begin again.
const COLOURS: [u32; 16] = [
    0x2f6db3, 0xc9862b, 0x3a9a5c, 0xc02020, 0x7d55a8, 0x8a5a3c, 0xd273b0, 0x6e6e6e, 0xa5a52a,
    0x2aa5a5, 0x0b3d6b, 0xe0559a, 0x5c8a00, 0x000000, 0xff6a00, 0x00c8ff,
];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn std::error::Error>>;

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
    title: &'static str,
    x: Axis,
    y: Axis,
    lines: Vec<Line>,
}

/// The picture, as SVG.
///
/// # Errors
/// What could not be drawn.
pub fn svg(title: &str, runs: &[LoadRun]) -> Result<String, String> {
    let mut picture = String::new();
    if let Some(last) = runs.last() {
        draw(&mut picture, title, runs, last).map_err(|error| error.to_string())?;
    }
    Ok(picture)
}

fn draw(picture: &mut String, title: &str, runs: &[LoadRun], last: &LoadRun) -> Drawn {
    let mut panels = Vec::new();
    if runs.len() > 1 {
        panels.push(over_load(runs));
    }
    panels.push(distribution(&last.outcomes));
    panels.push(over_time(last));
    let size = (WIDE + LEGEND, TITLE + HIGH * panels.len() as u32);
    let whole = SVGBackend::with_string(picture, size).into_drawing_area();
    whole.fill(&WHITE)?;
    let bold = ("sans-serif", 17).into_font().style(FontStyle::Bold);
    whole.draw(&Text::new(title.to_owned(), (12, 14), bold))?;
    let (_, below) = whole.split_vertically(TITLE);
    let (plots, names) = below.split_horizontally(WIDE);
    for (panel, area) in panels.iter().zip(plots.split_evenly((panels.len(), 1))) {
        panel.draw(&area)?;
    }
    legend(&names, &last.outcomes)?;
    whole.present()?;
    Ok(())
}

fn legend(area: &Area<'_>, outcomes: &[Outcome]) -> Drawn {
    for (policy, outcome) in outcomes.iter().enumerate() {
        let y = 40 + ROW * policy as i32;
        let style = colour(policy).stroke_width(2);
        area.draw(&PathElement::new([(8, y), (30, y)], style))?;
        let font = ("sans-serif", 12);
        area.draw(&Text::new(outcome.policy.clone(), (36, y - 6), font))?;
    }
    Ok(())
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
        "p99 over load (dashed: p50)",
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
        "share of answers that took at most so long",
        ("seconds", true),
        ("share", false),
        lines.collect(),
    )
}

fn over_time(run: &LoadRun) -> Panel {
    let lines = run.outcomes.iter().enumerate().map(|(policy, outcome)| {
        let points = outcome.curves.in_flight.iter();
        Line {
            policy,
            dashed: false,
            points: points.map(|&[at, count]| (at, count.max(1.0))).collect(),
        }
    });
    Panel::around(
        "requests in the fleet over time",
        ("second", false),
        ("requests", true),
        lines.collect(),
    )
}

impl Panel {
    /// With axes around all points.
    fn around(
        title: &'static str,
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

    fn draw(&self, area: &Area<'_>) -> Drawn {
        let (x, y) = (self.x.from..self.x.to, self.y.from..self.y.to);
        match (self.x.log, self.y.log) {
            (true, true) => self.draw_on(area, x.log_scale(), y.log_scale()),
            (true, false) => self.draw_on(area, x.log_scale(), y),
            (false, true) => self.draw_on(area, x, y.log_scale()),
            (false, false) => self.draw_on(area, x, y),
        }
    }

    fn draw_on<X, Y>(&self, area: &Area<'_>, x: X, y: Y) -> Drawn
    where
        X: AsRangedCoord<Value = f64>,
        Y: AsRangedCoord<Value = f64>,
        X::CoordDescType: ValueFormatter<f64>,
        Y::CoordDescType: ValueFormatter<f64>,
    {
        let mut chart = ChartBuilder::on(area)
            .caption(self.title, ("sans-serif", 14))
            .margin(10)
            .x_label_area_size(40)
            .y_label_area_size(70)
            .build_cartesian_2d(x, y)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .x_desc(self.x.label)
            .y_desc(self.y.label)
            .x_label_formatter(&|value| number(*value))
            .y_label_formatter(&|value| number(*value))
            .draw()?;
        for line in &self.lines {
            let points = line.points.iter().copied();
            let style = colour(line.policy).stroke_width(2);
            if line.dashed {
                chart.draw_series(DashedLineSeries::new(points, 4, 3, style))?;
            } else {
                chart.draw_series(LineSeries::new(points, style))?;
            }
        }
        Ok(())
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
}

fn colour(policy: usize) -> RGBColor {
    let [_, red, green, blue] = COLOURS[policy % COLOURS.len()].to_be_bytes();
    RGBColor(red, green, blue)
}

/// Short, without zeros that say nothing.
fn number(value: f64) -> String {
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
