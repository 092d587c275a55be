//! Services: they outlive the child, end with their groups, and are started as who they should be.

use super::*;

pub(super) fn a_service_outlives_the_child_and_is_adopted_by_the_next() {
    let (world, mut puppet) = World::ready();
    let pid = puppet.start("s", &["sleep"]);
    kill(puppet.pid, Signal::KILL);
    let mut puppet = world.puppet();
    let kept = puppet.wait_adopted();
    let [
        FromKeeper::Adopted {
            name,
            pid: adopted,
            epoch: 1,
            since_ns,
            ran_ns,
            restarts: 0,
            ..
        },
    ] = &kept[..]
    else {
        panic!("{kept:?}")
    };
    assert_eq!((name.as_str(), *adopted), ("s", pid));
    assert!(*since_ns > 0 && *ran_ns > 0);
    assert!(!is_gone(pid));
    // It obeys the new child.
    puppet.send(&ToKeeper::Signal {
        name: "s".to_owned(),
        signal: 15,
        epoch: 2,
    });
    assert_eq!(puppet.expect(exited("s")), (pid, Ending::Signal(15)));
}

pub(super) fn exits_while_no_child_listened_are_told_to_the_next() {
    let (world, mut puppet) = World::ready();
    let one = puppet.start("one", &["sleep"]);
    puppet.start("two", &["sleep"]);
    use_up_free_deaths(&world, puppet);
    kill(one, Signal::KILL);
    let kept = world.puppet().wait_adopted();
    let exits: Vec<_> = kept
        .iter()
        .filter_map(|message| exited("one")(message, 0))
        .collect();
    assert_eq!(exits, [(one, Ending::Signal(9))], "{kept:?}");
    assert!(
        kept.iter()
            .any(|message| matches!(message, FromKeeper::Adopted { name, .. } if name == "two")),
        "{kept:?}"
    );
}

pub(super) fn a_killed_keeper_takes_the_child_and_the_services_with_it() {
    let (mut world, mut puppet) = World::ready();
    let services = [
        puppet.start("one", &["sleep"]),
        puppet.start("two", &["sleep"]),
    ];
    world.keeper.kill().unwrap();
    world.keeper.wait().unwrap();
    for pid in services.into_iter().chain([puppet.pid]) {
        until("its processes ended", || is_gone(pid).then_some(()));
    }
}

/// A service with a helper in its group and a daemon outside it.
fn start_family(world: &World, puppet: &mut crate::world::Puppet) -> [u32; 3] {
    let pids = world.path("pids");
    let leader = puppet.start("family", &["family", pids.to_str().unwrap()]);
    let text = until("the family is complete", || {
        std::fs::read_to_string(&pids).ok()
    });
    let (helper, daemon) = text.split_once(' ').unwrap();
    [leader, helper.parse().unwrap(), daemon.parse().unwrap()]
}

pub(super) fn an_orderly_end_leaves_no_process_not_even_a_daemon() {
    let (mut world, mut puppet) = World::ready();
    let family = start_family(&world, &mut puppet);
    world.signal(Signal::TERM);
    puppet.expect(|message, _| (*message == FromKeeper::Shutdown).then_some(()));
    puppet.exit(0);
    assert_eq!(world.wait_end().code(), Some(0));
    for pid in family {
        assert!(is_gone(pid), "{pid} of {family:?} is left");
    }
}

pub(super) fn an_orderly_end_kills_what_does_not_care_to_be_asked() {
    let (mut world, mut puppet) = World::ready();
    let pids = world.path("pids");
    puppet.start("s", &["stubborn", pids.to_str().unwrap()]);
    let text = until("the daemon runs", || std::fs::read_to_string(&pids).ok());
    let daemons: Vec<u32> = text
        .split_ascii_whitespace()
        .map(|pid| pid.parse().unwrap())
        .collect();
    puppet.send(&ToKeeper::Bye);
    puppet.exit(0);
    assert_eq!(world.wait_end().code(), Some(0));
    assert_eq!(daemons.len(), 2);
    for pid in daemons {
        assert!(is_gone(pid), "{pid} is left");
    }
}

pub(super) fn a_service_that_ends_takes_its_process_group_with_it() {
    let (world, mut puppet) = World::ready();
    let [leader, helper, daemon] = start_family(&world, &mut puppet);
    kill(leader, Signal::KILL);
    puppet.expect(exited("family"));
    until("the helper ended", || is_gone(helper).then_some(()));
    assert!(
        !is_gone(daemon),
        "a daemon that left its group lives until the keeper's own end"
    );
    kill(daemon, Signal::KILL);
    until("the keeper reaped it", || {
        (!std::path::Path::new(&format!("/proc/{daemon}")).exists()).then_some(())
    });
}

pub(super) fn a_second_start_of_a_running_name_is_refused() {
    let (_world, mut puppet) = World::ready();
    let pid = puppet.start("s", &["sleep"]);
    puppet.send(&ToKeeper::Start(service("s", &["sleep"])));
    assert_eq!(
        puppet.expect(start_failed),
        StartRefusal::AlreadyRunning { pid }
    );
}

pub(super) fn commands_older_than_the_newest_are_refused() {
    let (world, mut puppet) = World::ready();
    let pid = puppet.start("s", &["sleep"]);
    puppet.send(&ToKeeper::Signal {
        name: "s".to_owned(),
        signal: 18,
        epoch: 7,
    });
    puppet.send(&ToKeeper::Signal {
        name: "s".to_owned(),
        signal: 9,
        epoch: 6,
    });
    let refused = |message: &FromKeeper, _: usize| match message {
        FromKeeper::SignalRefused { why, .. } => Some(why.clone()),
        _ => None,
    };
    assert!(puppet.expect(refused).contains("older than epoch 7"));
    puppet.send(&ToKeeper::Signal {
        name: "nobody".to_owned(),
        signal: 9,
        epoch: 9,
    });
    assert_eq!(puppet.expect(refused), "there is no service of this name");
    puppet.send(&ToKeeper::Signal {
        name: "s".to_owned(),
        signal: 4711,
        epoch: 9,
    });
    assert_eq!(puppet.expect(refused), "there is no signal 4711");
    assert!(!is_gone(pid));
    // The fence outlives the child that set it.
    kill(puppet.pid, Signal::KILL);
    let mut puppet = world.puppet();
    let kept = puppet.wait_adopted();
    assert!(
        matches!(kept[..], [FromKeeper::Adopted { epoch: 7, .. }]),
        "{kept:?}"
    );
    puppet.send(&ToKeeper::Start(service("s", &["sleep"])));
    assert_eq!(
        puppet.expect(start_failed),
        StartRefusal::Stale { newest: 7 }
    );
}

/// Only root can show that it refuses to use it.
fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        println!("  (left out: needs root)");
    }
    root
}

pub(super) fn after_restrict_nothing_is_started_as_root_even_by_a_later_child() {
    if !is_root() {
        return;
    }
    let (world, mut puppet) = World::ready();
    puppet.send(&ToKeeper::Restrict);
    for again in [false, true] {
        let mut start = service("s", &["sleep"]);
        for uid in [None, Some(0)] {
            start.uid = uid;
            puppet.send(&ToKeeper::Start(start.clone()));
            let why = puppet.expect(start_failed);
            assert!(matches!(why, StartRefusal::Forbidden(_)), "{why:?}");
            assert!(why.to_string().contains("user 0"), "{why}");
        }
        // A group the user is not in is worth as much as its rights.
        (start.uid, start.gid) = (Some(65534), Some(0));
        puppet.send(&ToKeeper::Start(start));
        let why = puppet.expect(start_failed).to_string();
        assert_eq!(why, "cannot become user 65534: it is not in group 0");
        if !again {
            kill(puppet.pid, Signal::KILL);
            puppet = world.puppet();
            let restricted = puppet.expect(|message, _| match message {
                FromKeeper::AdoptionDone {
                    restricted,
                    replaced: 1,
                    ..
                } => Some(*restricted),
                _ => None,
            });
            assert!(restricted);
        }
    }
}

pub(super) fn a_service_gets_its_directory_environment_user_and_group() {
    use std::os::unix::fs::PermissionsExt;
    let (world, mut puppet) = World::ready();
    let folder = world.path("home");
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
    std::fs::set_permissions(world.folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let users = if is_root() {
        vec![None, Some(65534)]
    } else {
        vec![None]
    };
    for uid in users {
        let facts = folder.join(format!("facts{uid:?}"));
        let mut start = service(&format!("s{uid:?}"), &["facts", facts.to_str().unwrap()]);
        // The test program may lie where another user cannot look; the keeper's own file it can always execute.
        start.program = "/proc/self/exe".into();
        (start.directory, start.uid) = (Some(folder.clone()), uid);
        start.environment = vec![("FACT".into(), "a fact".into())];
        puppet.send(&ToKeeper::Start(start));
        let pid = puppet.expect(|message, _| match message {
            FromKeeper::Started { pid, .. } => Some(*pid),
            FromKeeper::StartFailed { why, .. } => panic!("{why}"),
            _ => None,
        });
        let got = until("the service told its facts", || {
            std::fs::read_to_string(&facts).ok()
        });
        let user = uid.unwrap_or(rustix::process::geteuid().as_raw());
        assert_eq!(
            got,
            format!("{} a fact {user} true /dev/null", folder.display())
        );
        // Changing users had cleared what ties it to the keeper, unless the order was right.
        let signal = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        assert!(signal.contains("SigBlk:\t0000000000000000"), "{signal}");
    }
    let (keeper, services) = (world.keeper.id(), children_of(world.keeper.id()));
    kill(keeper, Signal::KILL);
    for pid in services {
        until("the services ended with the keeper", || {
            is_gone(pid).then_some(())
        });
    }
}

fn children_of(parent: u32) -> Vec<u32> {
    let list = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap();
    list.split_ascii_whitespace()
        .map(|pid| pid.parse().unwrap())
        .collect()
}
