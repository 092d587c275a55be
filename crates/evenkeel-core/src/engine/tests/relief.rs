//! Weight that moves off an endpoint for a while, and comes back.

use super::*;
use crate::prevent::Reliever;

fn row(bench: &Bench, name: &str) -> (u32, u32) {
    let id = bench.id(name);
    let found = bench.table("app").endpoints.iter().find(|row| row.id == id);
    let row = found.unwrap();
    (row.weight, row.relief)
}

#[test]
fn a_relieved_endpoint_keeps_its_weight_and_gets_less_of_it_until_nobody_wants_that_any_more() {
    let mut bench = three();
    bench.run(1.0);
    let (a1, published) = (bench.id("a1"), bench.published);
    let wanted = Some((600, "memory full in about 4 min at this rate"));
    bench.relieve(a1, Reliever::Prevention, wanted);
    bench.handle(Event::Tick);
    assert_eq!(row(&bench, "a1"), (100, 600));
    assert_eq!(row(&bench, "a2"), (100, 1000));
    assert_eq!(bench.published, published + 1);
    let view = bench.engine.endpoint(a1).unwrap();
    assert_eq!((view.weight, view.effective_weight()), (100, 60));
    let why = "memory full in about 4 min at this rate";
    assert_eq!(view.relief.why(), Some((Reliever::Prevention, why)));

    // The same again is no news, and another's mind is his own.
    bench.relieve(a1, Reliever::Prevention, wanted);
    bench.handle(Event::Tick);
    assert_eq!(bench.published, published + 1);
    let cure = Some((500, "relieve_cpu"));
    bench.relieve(a1, Reliever::Recovery, cure);
    bench.relieve(a1, Reliever::Prevention, None);
    bench.handle(Event::Tick);
    assert_eq!(row(&bench, "a1"), (100, 500));

    // An operator's weight and the relief multiply.
    bench.handle(Event::Weight {
        endpoint: a1,
        weight: Some(50),
    });
    assert_eq!(bench.engine.endpoint(a1).unwrap().effective_weight(), 25);
    bench.relieve(a1, Reliever::Recovery, None);
    bench.handle(Event::Tick);
    assert_eq!(row(&bench, "a1"), (50, 1000));
}
