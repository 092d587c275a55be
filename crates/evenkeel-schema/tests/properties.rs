//! What holds for every text: quantities come back as they were written, and nothing that is handed in panics, takes
//! long, or runs out of stack.

use std::path::Path;
use std::time::Duration;

use evenkeel_core::settings::{Nines, Share};
use evenkeel_schema::records::{EndpointRecord, Record, RevisionRecord};
use evenkeel_schema::text::{
    DURATION_MAX, NINES_MIN, duration, nines, parse_duration, parse_nines, parse_share, parse_size,
    share, size,
};
use evenkeel_schema::{Config, Stamp};
use proptest::prelude::*;

fn parse(text: &str) -> usize {
    let result = Config::parse(text, Path::new("c.toml"));
    let mistakes = result.err().unwrap_or_default();
    for mistake in &mistakes {
        assert!(!mistake.to_string().contains('\n'), "{mistake}");
    }
    mistakes.len()
}

const EXAMPLE: &str = include_str!("data/example.toml");

/// Pieces of configurations, so that what is put together gets past the syntax.
fn piece() -> impl Strategy<Value = String> {
    let lines: Vec<&'static str> = EXAMPLE.lines().filter(|line| !line.is_empty()).collect();
    prop_oneof![
        8 => proptest::sample::select(lines).prop_map(str::to_owned),
        1 => "[a-z_]{1,8} = (\"\\PC{0,8}\"|-?[0-9]{1,20}|true|\\[\\]|\\{\\}|\\[1, \"x\"\\]|1979-05-27|nan)",
        1 => "\\[\\[?[a-z.]{1,12}\\]\\]?",
        1 => "\\PC{0,20}",
    ]
}

proptest! {
    #[test]
    fn durations_come_back(ms in 0..=DURATION_MAX.as_millis() as u64) {
        let value = Duration::from_millis(ms);
        prop_assert_eq!(parse_duration(&duration(value)), Ok(value));
    }

    #[test]
    fn sizes_come_back(bytes in any::<u64>()) {
        prop_assert_eq!(parse_size(&size(bytes)), Ok(bytes));
    }

    #[test]
    fn sizes_with_a_unit_come_back(n in 0..1u64 << 20, unit in 0..5u32) {
        let bytes = n << (10 * unit);
        prop_assert_eq!(parse_size(&size(bytes)), Ok(bytes));
    }

    #[test]
    fn availabilities_come_back(billionths in NINES_MIN.0..Nines::WHOLE) {
        prop_assert_eq!(parse_nines(&nines(Nines(billionths))), Ok(Nines(billionths)));
    }

    #[test]
    fn shares_come_back(hundredths in any::<u32>()) {
        prop_assert_eq!(parse_share(&share(Share(hundredths))), Ok(Share(hundredths)));
    }

    #[test]
    fn no_quantity_panics(text in "\\PC{0,30}|[0-9.]{0,25}[a-zA-Z%]{0,4}") {
        let _ = (parse_duration(&text), parse_size(&text), parse_share(&text), text.parse::<Stamp>());
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        parse(&String::from_utf8_lossy(&bytes));
        let _ = (EndpointRecord::decode(&bytes), RevisionRecord::decode(&bytes));
    }

    #[test]
    fn no_configuration_panics(pieces in proptest::collection::vec(piece(), 0..40)) {
        parse(&pieces.join("\n"));
    }

    #[test]
    fn no_cut_and_no_flipped_byte_panics(cut in 0..EXAMPLE.len(), at in 0..EXAMPLE.len(), byte in any::<u8>()) {
        let mut bytes = EXAMPLE.as_bytes()[..cut].to_vec();
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        parse(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn no_flipped_byte_of_a_record_panics_or_changes_the_text(at in any::<proptest::sample::Index>(), byte in any::<u8>()) {
        let record = RevisionRecord::new(7, Stamp::default(), "[node]\nname = \"a\"\n");
        let mut bytes = record.encode().unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(read) = RevisionRecord::decode(&bytes) {
            prop_assert_eq!(read.text, record.text);
        }
    }
}

/// Depth and number, as far as 4 MiB go: each would take minutes, gigabytes or the stack if something were not bounded.
#[test]
fn neither_depth_nor_number_costs_much() {
    let key = vec!["a"; 79].join(".");
    let many = |n: usize, line: &dyn Fn(usize) -> String| (0..n).map(line).collect::<String>();
    let hostile = [
        "x = ".to_owned() + &"[".repeat(1 << 20),
        "x = ".to_owned() + &"{a = ".repeat(1 << 18),
        format!("x = {}\ny = {}", "]".repeat(1 << 16), "[".repeat(1 << 16)),
        format!(
            "x = [{}\ny = {}",
            "}]".repeat(1 << 16),
            "[{a=".repeat(1 << 16)
        ),
        vec!["a"; 1 << 20].join(".") + " = 1",
        format!(
            "[{key}]\n{key} = {}1{}",
            format!("{{{key} = ").repeat(79),
            "}".repeat(79)
        ),
        format!("a = {{{}}}", "b=1,".repeat(1 << 18)),
        "[a\n".repeat(1 << 18),
        "\0".repeat(1 << 21),
        "a = 'ä\n".repeat(1 << 16),
        many(30_000, &|n| {
            format!("[[listener]]\nname='a{n}'\nbind=['127.0.0.1:1']\n")
        }),
        many(30_000, &|n| {
            format!("[[route]]\npool='a{n}'\n[pool.b{n}]\n")
        }),
        many(30_000, &|n| {
            format!("[[pool.p.endpoint]]\nname='a{n}'\nstandby='b{n}'\n")
        }) + "[pool.p.failover]\nmode = 'static'\n",
    ];
    for text in hostile {
        assert!(text.len() <= 4 * 1024 * 1024);
        let told = parse(&text);
        assert!(
            (1..=1001).contains(&told),
            "{told} mistakes in {:.40}",
            text
        );
    }
}
