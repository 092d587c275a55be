//! What agents and balancers say to each other arrives whole, and what is no message does no harm.

use evenkeel_core::facts;
use evenkeel_core::settings::Care;
use evenkeel_core::supervise::ServiceState;
use evenkeel_core::time::WallTime;
use proptest::prelude::*;

use super::*;
use crate::Stamp;
use crate::admin::{BeatState, RecoveryPoint};

fn hello() -> Hello {
    Hello {
        protocol: PROTOCOL,
        agent: "host-1".into(),
        version: "0.1.0".into(),
        instance: 7,
        token: Some(Token("hunter2".into())),
        actions: vec!["restart".into()],
        fence: 3,
        interval_ms: 1000,
    }
}

fn service(name: &str) -> ServiceReport {
    ServiceReport {
        name: name.into(),
        state: "ready".into(),
        ..ServiceReport::default()
    }
}

fn taken(message: &FromAgent) -> Result<FromAgent, String> {
    read(&serde_json::to_vec(message).unwrap())
}

#[test]
fn what_is_sent_arrives_as_it_was_however_it_is_cut() {
    let messages = [
        FromAgent::Hello(hello()),
        FromAgent::Services {
            services: vec![service("api"), service("db")],
        },
        FromAgent::Beat(Beat {
            sequence: 1,
            interval_ms: 1000,
            services: vec![ServiceBeat {
                name: "api".into(),
                state: BeatState::Ready,
            }],
        }),
        FromAgent::Bye { why: "TERM".into() },
    ];
    let bytes: Vec<u8> = messages.iter().flat_map(|m| encode(m).unwrap()).collect();
    for step in [1, 2, 3, 7, bytes.len()] {
        let mut frames = Frames::new(FRAME_BYTES_MAX);
        let mut got = Vec::new();
        for piece in bytes.chunks(step) {
            frames.push(piece);
            while let Some(frame) = frames.take().unwrap() {
                got.push(read::<FromAgent>(&frame).unwrap());
            }
        }
        assert_eq!(got, messages, "in pieces of {step}");
    }
}

#[test]
fn a_message_that_is_too_long_is_refused_by_its_head_alone() {
    let mut frames = Frames::new(FIRST_FRAME_BYTES_MAX);
    frames.push(&(FIRST_FRAME_BYTES_MAX as u32 + 1).to_be_bytes());
    assert!(matches!(frames.take(), Err(FrameError::TooLong { .. })));
    let mut frames = Frames::new(FIRST_FRAME_BYTES_MAX);
    frames.push(b"GET / HTTP/1.1\r\n");
    let error = frames.take().unwrap_err().to_string();
    assert!(error.contains("wanted at most 16384"), "{error}");
    frames = Frames::new(10);
    frames.push(&[0, 0, 0, 0]);
    assert_eq!(frames.take(), Err(FrameError::Empty));
    let long = FromAgent::Bye {
        why: "x".repeat(FRAME_BYTES_MAX),
    };
    assert!(matches!(encode(&long), Err(FrameError::TooLong { .. })));
}

#[test]
fn names_numbers_and_texts_are_checked_before_anybody_acts_on_them() {
    let refused = [
        FromAgent::Hello(Hello {
            agent: "host/1".into(),
            ..hello()
        }),
        FromAgent::Hello(Hello {
            actions: vec!["restart".into(); 65],
            ..hello()
        }),
        FromAgent::Hello(Hello {
            interval_ms: 0,
            ..hello()
        }),
        FromAgent::Services {
            services: vec![service("api"), service("api")],
        },
        FromAgent::Service(service("a b")),
        FromAgent::Service(ServiceReport {
            state: "up".into(),
            ..service("api")
        }),
        FromAgent::Done {
            order: 1,
            done: true,
            words: "x".repeat(5000),
            kept_aside: None,
            fence: 0,
        },
    ];
    for message in &refused {
        assert!(taken(message).is_err(), "{message:?}");
    }
    let many: Vec<_> = (0..1001).map(|n| service(&format!("s{n}"))).collect();
    let error = taken(&FromAgent::Services { services: many }).unwrap_err();
    assert!(error.contains("1001"), "{error}");
}

#[test]
fn a_version_begins_no_line_and_moves_no_cursor() {
    let with = |version: &str| {
        taken(&FromAgent::Hello(Hello {
            version: version.into(),
            ..hello()
        }))
    };
    for good in ["0.1.0", "0.2.0-rc.1+abc", ""] {
        assert!(with(good).is_ok(), "{good}");
    }
    for bad in [
        "0\n2026-01-01 ERROR fake line",
        "0\r",
        "\u{1b}[2J",
        "0\t1",
        "0\u{7f}",
        "0\u{2028}1",
        "0\u{202e}1",
    ] {
        let why = with(bad).unwrap_err();
        assert!(why.contains("printable ASCII"), "{why}");
        assert!(why.bytes().all(|b| matches!(b, b' '..=b'~')), "{why:?}");
    }
    assert!(with(&"0".repeat(65)).is_err());
}

#[test]
fn a_token_is_never_printed() {
    let shown = format!("{:?}", FromAgent::Hello(hello()));
    assert!(
        !shown.contains("hunter2") && shown.contains("host-1"),
        "{shown}"
    );
}

#[test]
fn words_of_another_host_move_no_cursor_and_begin_no_line() {
    let report = ServiceReport {
        why: "ended\n2026 ERROR \u{1b}[31mforged".into(),
        ..service("api")
    };
    let why = report.report().unwrap().why;
    assert_eq!(why, "ended 2026 ERROR  [31mforged");
}

#[test]
fn a_field_that_is_not_known_yet_is_passed_over() {
    let text = br#"{"say":"beat","sequence":1,"interval_ms":1000,"services":[],"mood":"good"}"#;
    assert!(read::<FromAgent>(text).is_ok());
    assert!(read::<FromAgent>(br#"{"say":"sing"}"#).is_err());
}

#[test]
fn facts_and_reports_come_back_as_core_knows_them() {
    let facts = facts::Facts {
        services: vec![facts::ServiceFacts {
            release: Some("/releases/7".into()),
            name: "api".into(),
            pid: 7,
            process: facts::ProcessState::Stopped,
            processes: 2,
            threads: 3,
            cpu_millicores: Some(4),
            throttled_permille: None,
            waiting_permille: None,
            memory_bytes: 5,
            swap_bytes: 6,
            descriptors: Some(7),
            descriptors_max: Some(8),
            oom_kills: Some(9),
            memory_limit: Some(facts::Limit {
                max: 10,
                way: facts::LimitWay::Cgroup1,
                why: "x".into(),
            }),
            cpu_limit: None,
            disks: vec![facts::DiskFacts {
                path: "/".into(),
                bytes: 1,
                free_bytes: 1,
                inodes: 1,
                free_inodes: 1,
            }],
        }],
        ..facts::Facts::default()
    };
    let back = FactsReport::new(Stamp::default(), &facts).facts("host-1");
    assert_eq!(&*back.services[0].name, "host-1/api");
    let mut named = facts.clone();
    named.services[0].name = "host-1/api".into();
    assert_eq!(back, named);

    let care = Care {
        memory_max: Some(1),
        disk_paths: vec!["/tmp/x".into()],
        ..Care::default()
    };
    let report = ServiceReport {
        care: CareReport::new(&care),
        ..service("api")
    };
    let report = report.report().unwrap();
    assert_eq!(report.state, ServiceState::Ready);
    assert_eq!(report.care, care);
}

proptest! {
    /// Whatever comes: no panic, no more kept than one message and one push.
    #[test]
    fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut frames = Frames::new(64);
        frames.push(&bytes);
        while let Ok(Some(frame)) = frames.take() {
            prop_assert!(frame.len() <= 64);
            let _ = read::<FromAgent>(&frame);
            let _ = read::<ToAgent>(&frame);
        }
    }
}

fn kept(n: u64) -> RecoveryPoint {
    RecoveryPoint {
        service: "api".into(),
        id: format!("20260101T000000Z-{n}"),
        made: Stamp(WallTime(1000 - n)),
        directory: "/data".into(),
        bytes: 7,
        files: 2,
        left_out: (0..20).map(|n| format!("socket-{n}")).collect(),
        as_of: None,
    }
}

#[test]
fn recovery_points_arrive_newest_first_as_many_as_fit_and_the_rest_is_counted() {
    let points: Vec<_> = (1..30).map(kept).collect();
    let report = PointsReport::new(&points, None, 8192);
    assert!(report.weight() <= 8192);
    assert!(serde_json::to_vec(&report).unwrap().len() <= 8192 + 64);
    let told = report.points.len();
    assert!(told > 3 && report.older == 29 - told as u64, "{report:?}");
    let message = FromAgent::Service(ServiceReport {
        points: Some(report),
        ..service("api")
    });
    let Ok(FromAgent::Service(arrived)) = taken(&message) else {
        panic!("{message:?}");
    };
    let shown: Vec<_> = arrived.points.unwrap().points("h/api", None).collect();
    assert_eq!(shown[0].service, "h/api");
    assert_eq!(
        (&shown[0].id, shown[0].made),
        (&points[0].id, points[0].made)
    );
    assert_eq!(shown[0].left_out.last().unwrap(), "and 4 more");
    assert_eq!(shown[0].left_out.len(), 17);
}

#[test]
fn recovery_points_that_no_agent_of_ours_would_tell_of_are_refused() {
    let good = PointsReport::new(&[kept(1)], None, 8192).points.remove(0);
    let with = |points: Vec<PointReport>| {
        let points = PointsReport {
            points,
            ..PointsReport::default()
        };
        taken(&FromAgent::Service(ServiceReport {
            points: Some(points),
            ..service("api")
        }))
    };
    assert!(with(vec![good.clone()]).is_ok());
    let odd = |change: fn(&mut PointReport)| {
        let mut point = good.clone();
        change(&mut point);
        vec![point]
    };
    let refused = [
        vec![good.clone(), good.clone()],
        odd(|point| point.id = "../other".into()),
        odd(|point| point.made_ms = u64::MAX),
        odd(|point| point.directory = "x".repeat(5000)),
        odd(|point| point.left_out = vec!["x".into(); 17]),
        (0..1001)
            .map(|n| PointReport {
                id: format!("p{n}"),
                ..good.clone()
            })
            .collect(),
    ];
    for points in refused {
        assert!(with(points.clone()).is_err(), "{:?}", points.first());
    }
}

#[test]
fn a_report_of_an_older_agent_says_nothing_of_points() {
    let text = br#"{"say":"service","name":"api","state":"ready","age_ms":1,"why":"","pid":null,"restarts":0}"#;
    let Ok(FromAgent::Service(report)) = read(text) else {
        panic!("it is a good report");
    };
    assert_eq!(report.points, None);
}
