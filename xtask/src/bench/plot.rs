//! The picture of a benchmark: for each kind of work evenkeel's CPU time as a share of each other proxy's, with the share
//! that is wanted, and its p99 at a fixed rate as a share of the better of the others. Written by hand, because bars and
//! lines are all of it.

use super::report::{P99_WANTED, Spread};
use super::{Plan, Results};
use std::fmt::Write;

/// Left of it are names.
const LEFT: f64 = 215.0;
/// Pixels from 0 to the end of the scale.
const WIDE: f64 = 540.0;
/// The end of the scale; what is larger ends there and is still written as a number.
const RATIO_MAX: f64 = 2.0;
const BAR: f64 = 15.0;
const GAP: f64 = 14.0;
const TOP: f64 = 84.0;

/// One bar.
struct Bar {
    label: String,
    colour: &'static str,
    ratio: Spread,
    wanted: Option<f64>,
}

/// The picture, as SVG.
pub(super) fn svg(plan: &Plan, results: &Results) -> String {
    let ours = plan.proxies[0].name;
    let groups: Vec<(&str, Vec<Bar>)> = plan
        .works
        .iter()
        .map(|work| {
            let mut bars: Vec<Bar> = plan.proxies[1..]
                .iter()
                .filter_map(|proxy| {
                    Some(Bar {
                        label: format!("CPU × {}", proxy.name),
                        colour: colour(proxy.name),
                        ratio: results.cost(work, ours, proxy.name)?,
                        wanted: work
                            .wanted
                            .to(proxy.name)
                            .filter(|_| plan.proxies[0].is_ours()),
                    })
                })
                .collect();
            bars.extend(results.p99(work, ours).map(|ratio| Bar {
                label: "p99 × the better".to_owned(),
                colour: "#9a9a9a",
                ratio,
                wanted: Some(P99_WANTED),
            }));
            (work.name, bars)
        })
        .filter(|(_, bars)| !bars.is_empty())
        .collect();
    drawn(ours, &groups)
}

fn colour(proxy: &str) -> &'static str {
    match proxy {
        "haproxy" => "#2f6db3",
        "nginx" => "#3a9a5c",
        _ => "#c9862b",
    }
}

fn drawn(ours: &str, groups: &[(&str, Vec<Bar>)]) -> String {
    let bars: usize = groups.iter().map(|(_, bars)| bars.len()).sum();
    let height = TOP + bars as f64 * BAR + groups.len() as f64 * GAP + 20.0;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"900\" height=\"{height}\" viewBox=\"0 0 900 {height}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"900\" height=\"{height}\" fill=\"white\"/>\n\
         <text x=\"12\" y=\"24\" font-size=\"16\" font-weight=\"bold\">{ours} beside other proxies</text>\n\
         <text x=\"12\" y=\"43\" fill=\"#555\">CPU time per request, and p99 at a fixed rate: its share of the other's. Shorter is better; 1 is even.</text>\n\
         <text x=\"12\" y=\"59\" fill=\"#555\">Bar: median over rounds. Thin line: smallest to largest round. Red mark: at most this is wanted.</text>\n"
    );
    for tenth in (0..=20).step_by(5) {
        let ratio = f64::from(tenth) / 10.0;
        let (x, colour) = (at(ratio), if tenth == 10 { "#333" } else { "#ddd" });
        let _ = writeln!(
            out,
            "<line x1=\"{x}\" y1=\"{TOP}\" x2=\"{x}\" y2=\"{}\" stroke=\"{colour}\"/><text x=\"{x}\" y=\"{}\" text-anchor=\"middle\" fill=\"#555\">{ratio}</text>",
            height - 16.0,
            TOP - 6.0
        );
    }
    let mut y = TOP + GAP / 2.0;
    for (name, bars) in groups {
        let _ = writeln!(
            out,
            "<text x=\"12\" y=\"{}\" font-weight=\"bold\">{name}</text>",
            y + BAR - 4.0
        );
        for bar in bars {
            draw(&mut out, bar, y);
            y += BAR;
        }
        y += GAP;
    }
    out.push_str("</svg>\n");
    out
}

fn draw(out: &mut String, bar: &Bar, y: f64) {
    let (start, end, text) = (at(0.0), at(bar.ratio.middle), y + BAR - 4.0);
    let (low, high, middle) = (at(bar.ratio.low), at(bar.ratio.high), y + BAR / 2.0);
    let _ = writeln!(
        out,
        "<text x=\"{}\" y=\"{text}\" text-anchor=\"end\">{}</text>\
         <rect x=\"{start}\" y=\"{}\" width=\"{:.1}\" height=\"{}\" fill=\"{}\"/>\
         <line x1=\"{low:.1}\" y1=\"{middle}\" x2=\"{high:.1}\" y2=\"{middle}\" stroke=\"black\" stroke-opacity=\"0.55\"/>\
         <text x=\"{}\" y=\"{text}\">{:.2}{}</text>",
        start - 6.0,
        bar.label,
        y + 1.0,
        end - start,
        BAR - 3.0,
        bar.colour,
        at(RATIO_MAX) + 12.0,
        bar.ratio.middle,
        bar.wanted
            .map_or_else(String::new, |wanted| format!(" (wanted ≤ {wanted:.2})")),
    );
    if let Some(wanted) = bar.wanted {
        let x = at(wanted);
        let _ = writeln!(
            out,
            "<line x1=\"{x:.1}\" y1=\"{}\" x2=\"{x:.1}\" y2=\"{}\" stroke=\"#c02020\" stroke-width=\"2\"/>",
            y - 0.5,
            y + BAR - 1.0
        );
    }
}

/// Where a ratio lies.
fn at(ratio: f64) -> f64 {
    LEFT + WIDE * ratio.clamp(0.0, RATIO_MAX) / RATIO_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(middle: f64) -> Bar {
        Bar {
            label: "CPU × haproxy".to_owned(),
            colour: colour("haproxy"),
            ratio: Spread {
                low: middle / 2.0,
                middle,
                high: middle * 2.0,
            },
            wanted: Some(0.5),
        }
    }

    #[test]
    fn every_bar_has_its_number_and_none_leaves_the_scale() {
        let drawn = drawn("evenkeel", &[("small", vec![bar(0.4), bar(7.0)])]);
        assert!(drawn.contains("0.40 (wanted ≤ 0.50)") && drawn.contains("7.00 (wanted ≤ 0.50)"));
        assert_eq!(drawn.matches("#c02020").count(), 2);
        assert!(at(7.0) == at(RATIO_MAX) && at(1.0) == LEFT + WIDE / 2.0);
        assert!(drawn.starts_with("<svg") && drawn.ends_with("</svg>\n"));
    }
}
