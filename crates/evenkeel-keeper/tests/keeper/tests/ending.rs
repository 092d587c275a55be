//! Signals, and how it ends.

use super::*;

pub(super) fn term_asks_the_child_and_its_exit_ends_the_keeper() {
    let (mut world, mut puppet) = World::ready();
    let pid = puppet.start("s", &["sleep"]);
    world.signal(Signal::INT);
    puppet.expect(|message, _| (*message == FromKeeper::Shutdown).then_some(()));
    puppet.send(&ToKeeper::Signal {
        name: "s".to_owned(),
        signal: 15,
        epoch: 1,
    });
    assert_eq!(puppet.expect(exited("s")), (pid, Ending::Signal(15)));
    puppet.exit(0);
    assert_eq!(world.wait_end().code(), Some(0));
}

pub(super) fn a_second_term_ends_everything_at_once() {
    let (mut world, mut puppet) = World::ready();
    let pid = puppet.start("s", &["sleep"]);
    world.signal(Signal::TERM);
    puppet.expect(|message, _| (*message == FromKeeper::Shutdown).then_some(()));
    world.signal(Signal::TERM);
    assert_eq!(world.wait_end().code(), Some(1));
    assert!(is_gone(pid) && is_gone(puppet.pid));
}

pub(super) fn a_child_that_dies_while_shutting_down_leaves_the_services_to_the_keeper() {
    let (mut world, mut puppet) = World::ready();
    let pid = puppet.start("s", &["sleep"]);
    kill(pid, Signal::STOP); // a stopped one ends too
    world.signal(Signal::TERM);
    puppet.expect(|message, _| (*message == FromKeeper::Shutdown).then_some(()));
    let killed = Instant::now();
    kill(puppet.pid, Signal::KILL);
    assert_eq!(world.wait_end().code(), Some(1));
    assert!(is_gone(pid));
    assert!(
        killed.elapsed() < Duration::from_secs(8),
        "it was asked in vain, and killed when its 10 s were over"
    );
}

pub(super) fn hup_is_passed_on_even_if_the_child_did_not_listen_yet() {
    let (world, mut puppet) = World::ready();
    let reload = |message: &FromKeeper, _: usize| (*message == FromKeeper::Reload).then_some(());
    world.signal(Signal::HUP);
    puppet.expect(reload);
    use_up_free_deaths(&world, puppet);
    world.signal(Signal::HUP);
    world.puppet().expect(reload);
}

pub(super) fn what_the_keeper_was_told_to_ignore_is_its_own_affair() {
    let launched = r#"trap '' HUP CHLD USR2; exec "$0" "$@""#;
    let mut launcher = std::process::Command::new("sh");
    launcher
        .args(["-c", launched])
        .arg(std::env::current_exe().unwrap());
    let world = World::started_by(&mut launcher);
    let mut puppet = world.first_served();
    puppet.start("short", &["exit", "3"]);
    assert_eq!(puppet.expect(exited("short")).1, Ending::Code(3));
    puppet.start("long", &["sleep"]);
    kill(world.keeper.id(), Signal::USR2);
    world.signal(Signal::HUP);
    puppet.expect(|message, _| (*message == FromKeeper::Reload).then_some(()));
    // A service that has not asked to ignore it dies of it, as anywhere.
    puppet.send(&ToKeeper::Signal {
        name: "long".to_owned(),
        signal: Signal::HUP.as_raw(),
        epoch: 1,
    });
    assert_eq!(
        puppet.expect(exited("long")).1,
        Ending::Signal(Signal::HUP.as_raw())
    );
}

pub(super) fn a_child_that_says_bye_is_not_replaced() {
    let (mut world, mut puppet) = World::ready();
    puppet.send(&ToKeeper::Bye);
    puppet.exit(3);
    assert_eq!(world.wait_end().code(), Some(3));
}
