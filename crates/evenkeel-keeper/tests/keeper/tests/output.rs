//! What services print.

use super::*;

pub(super) fn output_lines_carry_the_services_name() {
    let (world, mut puppet) = World::ready();
    puppet.start("api-1", &["print", "hello", "oh no"]);
    world.wait_said("api-1 | hello\n");
    world.wait_said("api-1 | oh no\n");
    assert!(
        !world.said.lock().unwrap().contains("without end"),
        "a line is whole or not there"
    );
    puppet.send(&ToKeeper::Signal {
        name: "api-1".to_owned(),
        signal: 9,
        epoch: 1,
    });
    world.wait_said("api-1 | hello without end\n");
}

pub(super) fn json_output_is_one_object_per_line() {
    let (world, mut puppet) = World::ready();
    puppet.send(&ToKeeper::LogFormat(LogFormat::Json));
    puppet.start("api-1", &["print", "say \"hi\"", "oh no"]);
    world.wait_said("\"target\":\"service\",\"service\":\"api-1\",\"stream\":\"stdout\",\"message\":\"say \\\"hi\\\"\"}\n");

    world.wait_said("\"stream\":\"stderr\",\"message\":\"oh no\"}\n");
}

pub(super) fn a_service_that_floods_its_output_does_not_stall_the_keeper() {
    let (world, mut puppet) = World::ready();
    puppet.start("flood", &["flood"]);
    world.wait_said("flood | xxx");
    let mut slowest = Duration::ZERO;
    for _ in 0..20 {
        let began = Instant::now();
        puppet.start("s", &["exit", "0"]);
        puppet.expect(exited("s"));
        slowest = slowest.max(began.elapsed());
    }
    println!("  slowest start and exit beside a flood: {slowest:?}");
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    assert!(
        !world.said.lock().unwrap().contains("killing"),
        "the child was heard all the time"
    );
}

pub(super) fn a_service_that_floods_its_output_is_cut_to_its_allowance_and_told_of() {
    let (world, mut puppet) = World::ready();
    puppet.start("flood", &["flood"]);
    world.wait_said("lines of service flood were dropped: it writes more than 256 KiB a second");
    let said = world.said.lock().unwrap().len();
    assert!(
        said < 6 << 20,
        "{said} bytes, with a burst of 4 MiB allowed"
    );
}
