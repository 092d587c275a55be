//! What a node says of its own faults, in `evenkeel status`: they are counted against no endpoint.

use evenkeel_schema::Stamp;
use serde_json::Value;

use crate::commands::status::{age, seconds_since};
use crate::style::Out;

/// A pause of the balancer's own is news for so long.
const PAUSE_NEWS_S: u64 = 600;

pub(crate) fn print(out: &Out, own: &Value) {
    if let Some(why) = own["alone"].as_str() {
        let since = age(&own["alone_since"]);
        let text = format!(
            "{why} for {since}: this node's own fault, or its network's; endpoints keep their states"
        );
        out.line(&out.state("down", &text));
    }
    if let Some(why) = own["store"].as_str() {
        let since = age(&own["store_since"]);
        let text = format!(
            "nothing is stored for {since}: {why}; orders of now are forgotten if the balancer ends before that is mended"
        );
        out.line(&out.state("down", &text));
    }
    print_replaced(out, &own["replaced"]);
    let ended = own["paused_last"]
        .as_str()
        .and_then(|at| at.parse::<Stamp>().ok());
    let news = ended.is_some_and(|at| seconds_since(at) < PAUSE_NEWS_S);
    let long = own["paused_last_ms"].as_u64().filter(|ms| *ms >= 1000);
    if let (true, Some(ms)) = (news, long) {
        let text = format!(
            "the balancer itself did not run for {:.1} s, {} ago; no endpoint is blamed for that",
            ms as f64 / 1000.0,
            age(&own["paused_last"])
        );
        out.line(&out.state("trial", &text));
    }
}

/// "balancer replaced 2 times, last 7 s ago (killed by signal 9); 3 services adopted".
fn print_replaced(out: &Out, replaced: &Value) {
    let count = |n: &Value, one: &str| {
        let plural = if n.as_u64() == Some(1) { "" } else { "s" };
        format!("{n} {one}{plural}")
    };
    if !replaced["times"].is_u64() {
        return;
    }
    let mut line = format!("balancer replaced {}", count(&replaced["times"], "time"));
    if replaced["last"].is_string() {
        line += &format!(", last {} ago", age(&replaced["last"]));
    }
    if let Some(why) = replaced["why"].as_str() {
        line += &format!(" ({why})");
    }
    if replaced["adopted"].as_u64() > Some(0) {
        line += &format!("; {} adopted", count(&replaced["adopted"], "service"));
    }
    out.line(&out.state("trial", &line));
}
