//! Lines as agents write them, and what they change.

use super::*;

const SETTINGS: AgentCheckSettings = AgentCheckSettings {
    port: 9990,
    interval: Duration::from_secs(2),
};

fn at(ms: u64) -> Time {
    Time::from_millis(ms)
}

/// An agent that has said these lines, one after the other; an empty one stands for no answer.
fn having_said(lines: &[&str]) -> AgentCheck {
    let mut agent = AgentCheck::new(0);
    for (n, line) in (1..).zip(lines) {
        let now = at(n * 10_000);
        let epoch = agent.send(|| Epoch(n), Duration::from_secs(1), now);
        let answer = if line.is_empty() {
            Err("no answer within 1s")
        } else {
            Ok(*line)
        };
        assert!(agent.on(epoch.unwrap(), answer, &SETTINGS, now, WallTime(n)));
    }
    agent
}

#[test]
fn each_word_changes_what_it_is_about_and_nothing_else() {
    for (lines, seen, shown, why) in [
        (&["up"][..], State::Up, State::Up, ""),
        (&["ready up 100%"], State::Up, State::Up, ""),
        (&["75%"], State::Up, State::Up, ""),
        (
            &["drain"],
            State::Up,
            State::Draining,
            "its agent says drain",
        ),
        (
            &["drain", "75%"],
            State::Up,
            State::Draining,
            "its agent says drain",
        ),
        (
            &["drain", "up"],
            State::Up,
            State::Draining,
            "its agent says drain",
        ),
        (&["drain", "ready"], State::Up, State::Up, ""),
        (&["0%"], State::Up, State::Draining, "its agent says 0%"),
        (&["0%", "1%"], State::Up, State::Up, ""),
        (
            &["maint"],
            State::Up,
            State::Maintenance,
            "its agent says maint",
        ),
        (
            &["maint"],
            State::Down,
            State::Maintenance,
            "its agent says maint",
        ),
        (
            &["maint", "drain"],
            State::Up,
            State::Draining,
            "its agent says drain",
        ),
        (&["down"], State::Up, State::Down, "its agent says down"),
        (
            &["FAIL#disk 3 is dead"],
            State::Up,
            State::Down,
            "its agent says fail: disk 3 is dead",
        ),
        (
            &["stopped # for the night "],
            State::Up,
            State::Down,
            "its agent says stopped: for the night",
        ),
        (
            &["down", "ready"],
            State::Up,
            State::Down,
            "its agent says down",
        ),
        (
            &["down", "50%"],
            State::Up,
            State::Down,
            "its agent says down",
        ),
        (&["down", "up"], State::Up, State::Up, ""),
        (
            &["down,maint", "up"],
            State::Up,
            State::Maintenance,
            "its agent says maint",
        ),
        (
            &["drain,up\t30%"],
            State::Up,
            State::Draining,
            "its agent says drain",
        ),
    ] {
        let agent = having_said(lines);
        assert_eq!(agent.covers(seen), shown, "{lines:?}");
        if !why.is_empty() {
            assert_eq!(agent.why(), why, "{lines:?}");
        }
    }
}

#[test]
fn it_never_makes_an_endpoint_better_than_its_check_finds_it() {
    for line in ["up", "ready up 100%", "drain", "down", "0%", "50%"] {
        let agent = having_said(&[line]);
        assert_eq!(agent.covers(State::Down), State::Down, "{line}");
    }
    for line in ["up", "100%"] {
        for seen in [State::Unknown, State::Trial, State::Draining] {
            assert_eq!(having_said(&[line]).covers(seen), seen, "{line}");
        }
    }
}

#[test]
fn who_falls_silent_or_talks_nonsense_has_changed_nothing() {
    for nonsense in [
        "",
        "hello",
        "HTTP/1.1 400 Bad Request",
        "75",
        "%",
        "-5%",
        "7 5 %",
        "maxconn:",
        "maxconn:-1",
        "# down",
        "updown",
    ] {
        let agent = having_said(&["drain 40% maxconn:7", nonsense]);
        assert_eq!(agent.covers(State::Up), State::Draining, "{nonsense}");
        assert_eq!(
            (agent.percent(), agent.limit()),
            (Some(40), 7),
            "{nonsense}"
        );
        let view = agent.view().unwrap();
        assert_eq!(view.line, Some("drain 40% maxconn:7"));
        assert!(view.trouble.is_some(), "{nonsense}");
        let again = having_said(&["drain", nonsense, "ready"]);
        assert_eq!(again.view().unwrap().trouble, None);
        assert_eq!(again.covers(State::Up), State::Up);
    }
}

#[test]
fn numbers_have_a_bound() {
    for (line, percent, limit) in [
        ("75%", Some(75), 0),
        ("250%", Some(100), 0),
        ("99999999999999999999%", Some(100), 0),
        ("MAXCONN:30 5%", Some(5), 30),
        ("maxconn:99999999999", None, u32::MAX),
        ("maxconn:0", None, 0),
    ] {
        let agent = having_said(&[line]);
        assert_eq!((agent.percent(), agent.limit()), (percent, limit), "{line}");
    }
    let long = format!("down#{}", "x".repeat(100_000));
    assert!(having_said(&[&long]).why().len() < 300);
    let many = "up ".repeat(100_000);
    assert_eq!(having_said(&[&many]).covers(State::Up), State::Up);
}

#[test]
fn it_is_asked_once_an_interval_and_again_when_an_answer_is_lost() {
    let mut agent = AgentCheck::new(500);
    let mut epochs = 0;
    let mut send = |agent: &mut AgentCheck, ms| {
        epochs += 1;
        agent.send(|| Epoch(epochs), Duration::from_secs(1), at(ms))
    };
    let first = send(&mut agent, 0).unwrap();
    assert_eq!(send(&mut agent, 1999), None, "one at a time");
    let second = send(&mut agent, 2000).unwrap();
    let answer = |agent: &mut AgentCheck, epoch, ms| {
        agent.on(epoch, Ok("up"), &SETTINGS, at(ms), WallTime(0))
    };
    assert!(!answer(&mut agent, first, 2001), "it was given up");
    assert!(answer(&mut agent, second, 2002));
    assert!(!answer(&mut agent, second, 2003), "one answer is enough");
    assert_eq!(send(&mut agent, 3000), None);
    let third = send(&mut agent, 3502).unwrap();
    assert!(answer(&mut agent, third, 3510));
    assert_eq!(agent.next_wakeup(), at(5510));
}

#[test]
fn what_was_said_before_a_restart_holds_until_the_agent_was_asked() {
    for answer in [Ok("50%"), Err("connection refused")] {
        let mut agent = AgentCheck::new(0);
        agent.carry(State::Down, "its agent says fail: disk");
        assert_eq!(agent.covers(State::Up), State::Down);
        assert_eq!(agent.why(), "its agent says fail: disk");
        let epoch = agent
            .send(|| Epoch(1), Duration::from_secs(1), at(0))
            .unwrap();
        agent.on(epoch, answer, &SETTINGS, at(5), WallTime(0));
        assert_eq!(agent.covers(State::Up), State::Up);
    }
}
