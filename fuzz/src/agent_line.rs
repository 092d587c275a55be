//! Lines of agents at endpoints: whatever they say, no endpoint becomes better than it was found to be.

use evenkeel_core::health::AgentCheck;
use evenkeel_core::id::Epoch;
use evenkeel_core::settings::AgentCheckSettings;
use evenkeel_core::table::State;
use evenkeel_core::time::{Time, WallTime};
use std::time::Duration;

/// The line of an agent, as it is read: what is no text is replaced before.
pub fn agent_line(data: &[u8]) {
    let line = String::from_utf8_lossy(data);
    let settings = AgentCheckSettings {
        port: 1,
        interval: Duration::from_secs(2),
    };
    let mut agent = AgentCheck::new(0);
    let sent = agent.send(|| Epoch(1), Duration::from_secs(1), Time::ZERO);
    assert_eq!(sent, Some(Epoch(1)));
    assert!(agent.on(Epoch(1), Ok(&line), &settings, Time::ZERO, WallTime(0)));
    assert!(agent.percent().is_none_or(|percent| percent <= 100));
    assert!(agent.why().len() < 300);
    for seen in [State::Unknown, State::Trial, State::Draining, State::Down] {
        let shown = agent.covers(seen);
        assert!(
            shown == seen || !shown.usable(),
            "{seen:?} became {shown:?}"
        );
    }
    assert_ne!(agent.covers(State::Down), State::Draining);
}
