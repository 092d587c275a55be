//! How quantities are written: durations `"500ms"`, sizes `"64KiB"`, shares `"20%"`. One whole number and one unit, so
//! that a value has one reading only; the way back prints the largest unit that is exact.

use std::time::Duration;

use evenkeel_core::settings::{Decimal, Nines, Share};

/// Longer names make no label and no line of a table.
pub const NAME_MAX: usize = 64;

/// Is it a name: 1 to 64 letters, digits, `_`, `-` and `.`, the first no mark? It stands in URLs, metrics and commands, so it is
/// kept plain.
pub fn is_name(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    let first = text.bytes().next();
    text.len() <= NAME_MAX
        && text.bytes().all(plain)
        && first.is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The longest duration a configuration may ask for: a year. Nothing sensible is longer, and sums of such never overflow.
pub const DURATION_MAX: Duration = Duration::from_secs(365 * 86_400);

/// What a duration looks like, for messages.
pub const DURATION_WANTED: &str = "a duration like \"500ms\", \"2s\", \"5m\", \"1h\" or \"1d\"";
/// What a size looks like, for messages.
pub const SIZE_WANTED: &str = "a size like \"512\", \"64KiB\", \"1MiB\" or \"2GiB\"";
/// What a share looks like, for messages.
pub const SHARE_WANTED: &str = "a share like \"20%\" or \"99.9%\"";

/// Half of the time: whoever promises less promises nothing.
pub const NINES_MIN: Nines = Nines(500_000_000);
/// What an availability looks like, for messages.
pub const NINES_WANTED: &str = "a share from \"50%\" to below \"100%\", like \"99.9%\"";

/// Units of time in milliseconds, longest first.
const TIMES: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// Units of size in bytes, largest first.
const SIZES: [(&str, u64); 5] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

/// Reads a duration; what is wrong with it as a hint, where more can be said than [`DURATION_WANTED`].
pub fn parse_duration(text: &str) -> Result<Duration, Option<String>> {
    let (number, unit) = split(text);
    let known = |unit: &str| TIMES.iter().find(|(name, _)| *name == unit);
    let Some((_, ms)) = known(unit) else {
        return Err(time_hint(text, number, unit));
    };
    let total = match number.parse::<u64>() {
        Ok(n) => n.checked_mul(*ms).map(Duration::from_millis),
        Err(_) if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) => None,
        Err(_) => return Err(None),
    };
    match total {
        Some(total) if total <= DURATION_MAX => Ok(total),
        _ => Err(Some("at most \"365d\" can be asked for".into())),
    }
}

/// Did the writer forget the unit, use a fraction, or another word for the unit?
fn time_hint(text: &str, number: &str, unit: &str) -> Option<String> {
    if number.is_empty() {
        return None;
    }
    if unit.is_empty() {
        return Some(format!("add a unit: \"{number}s\" or \"{number}ms\""));
    }
    if unit.starts_with('.') {
        return Some(match fraction_of_time(text) {
            Some(exact) => format!("write it without a fraction: \"{exact}\""),
            None => "write it without a fraction, in a smaller unit".into(),
        });
    }
    let unit = match unit.trim().to_ascii_lowercase().as_str() {
        "msec" | "msecs" | "millis" | "millisecond" | "milliseconds" | "ms" => "ms",
        "sec" | "secs" | "second" | "seconds" | "s" => "s",
        "min" | "mins" | "minute" | "minutes" | "m" => "m",
        "hour" | "hours" | "hr" | "hrs" | "h" => "h",
        "day" | "days" | "d" => "d",
        _ => return None,
    };
    Some(format!("did you mean \"{number}{unit}\"?"))
}

/// `1.5s` as `1500ms`, if it comes out whole.
fn fraction_of_time(text: &str) -> Option<String> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(end);
    let (whole, part) = number.split_once('.')?;
    let (_, ms) = TIMES.iter().find(|(name, _)| *name == unit)?;
    let scale = 10u64.checked_pow(u32::try_from(part.len()).ok()?)?;
    let digits: u64 = format!("{whole}{part}").parse().ok()?;
    let scaled = digits.checked_mul(*ms)?;
    (scaled % scale == 0).then(|| duration(Duration::from_millis(scaled / scale)))
}

/// Reads a size in bytes.
pub fn parse_size(text: &str) -> Result<u64, Option<String>> {
    let (number, unit) = split(text);
    let unit_bytes = match SIZES.iter().find(|(name, _)| *name == unit) {
        Some((_, bytes)) => *bytes,
        None if unit.is_empty() => 1,
        None => return Err(size_hint(number, unit)),
    };
    let too_large = || Some("it does not fit 64 bits".to_owned());
    match number.parse::<u64>() {
        Ok(n) => n.checked_mul(unit_bytes).ok_or_else(too_large),
        Err(_) if number.is_empty() => Err(None),
        Err(_) => Err(too_large()),
    }
}

/// Decimal units and other spellings are refused, with the binary one as the hint.
fn size_hint(number: &str, unit: &str) -> Option<String> {
    if number.is_empty() {
        return None;
    }
    let unit = match unit.trim().to_ascii_lowercase().as_str() {
        "b" | "byte" | "bytes" => "B",
        "k" | "kb" | "ki" | "kib" => "KiB",
        "m" | "mb" | "mi" | "mib" => "MiB",
        "g" | "gb" | "gi" | "gib" => "GiB",
        "t" | "tb" | "ti" | "tib" => "TiB",
        _ => return None,
    };
    Some(format!("did you mean \"{number}{unit}\"?"))
}

/// Reads a share, exact to a hundredth of a percent.
pub fn parse_share(text: &str) -> Result<Share, Option<String>> {
    let Some(number) = text.strip_suffix('%') else {
        let whole = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        return Err(whole.then(|| format!("did you mean \"{text}%\"?")));
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(part) {
        return Err(None);
    }
    if part.len() > 2 {
        return Err(Some("at most two digits after the point".into()));
    }
    let hundredths = format!("{whole}{part:0<2}");
    let hundredths = hundredths.parse::<u32>();
    hundredths
        .map(Share)
        .map_err(|_| Some("it is out of all proportion".into()))
}

/// Reads a number with up to three decimals, as it stands in the file.
///
/// # Errors
/// It is none; with a hint where one helps.
pub fn parse_decimal(text: &str) -> Result<Decimal, Option<String>> {
    let plain = text.replace('_', "");
    let (whole, part) = plain.split_once('.').unwrap_or((&plain, "0"));
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(part) {
        return Err(None);
    }
    if part.len() > 3 {
        return Err(Some("at most three digits after the point".into()));
    }
    let thousandths = format!("{whole}{part:0<3}").parse::<u32>();
    thousandths
        .map(Decimal)
        .map_err(|_| Some("it is out of all proportion".into()))
}

/// Writes a number so that [`parse_decimal`] reads the same.
pub fn decimal(number: Decimal) -> String {
    let (whole, part) = (number.0 / 1000, number.0 % 1000);
    let digits = format!("{part:03}");
    match digits.trim_end_matches('0') {
        "" => whole.to_string(),
        digits => format!("{whole}.{digits}"),
    }
}

/// Reads an availability, exact to a part of a billion.
pub fn parse_nines(text: &str) -> Result<Nines, Option<String>> {
    let Some(number) = text.strip_suffix('%') else {
        let fraction = text.parse::<f64>().ok().filter(|f| (0.5..1.0).contains(f));
        let shown = fraction.map(|f| format!("did you mean \"{}%\"?", f * 100.0));
        let percent = text
            .parse::<f64>()
            .ok()
            .filter(|f| (50.0..100.0).contains(f));
        return Err(shown.or(percent.map(|_| format!("did you mean \"{text}%\"?"))));
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(part) {
        return Err(None);
    }
    if part.len() > 7 {
        return Err(Some("at most seven digits after the point".into()));
    }
    let billionths = format!("{whole}{part:0<7}").parse::<u32>();
    match billionths.map(Nines) {
        Ok(found) if found.0 == Nines::WHOLE => Err(Some(
            "nothing is always up, and no error budget would be left: say \"99.99%\"".into(),
        )),
        Ok(found) if found >= NINES_MIN && found.0 < Nines::WHOLE => Ok(found),
        _ => Err(None),
    }
}

/// Writes an availability so that [`parse_nines`] reads the same.
pub fn nines(value: Nines) -> String {
    let (whole, part) = (value.0 / 10_000_000, value.0 % 10_000_000);
    match part {
        0 => format!("{whole}%"),
        part => format!("{whole}.{}%", format!("{part:07}").trim_end_matches('0')),
    }
}

/// The leading digits and what follows them.
fn split(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}

/// Writes a duration so that [`parse_duration`] reads the same (whole milliseconds).
pub fn duration(value: Duration) -> String {
    let ms = u64::try_from(value.as_millis()).unwrap_or(u64::MAX);
    match TIMES
        .iter()
        .find(|(_, unit)| ms != 0 && ms.is_multiple_of(*unit))
    {
        Some((name, unit)) => format!("{}{name}", ms / unit),
        None => "0s".into(),
    }
}

/// Writes a size so that [`parse_size`] reads the same.
pub fn size(bytes: u64) -> String {
    match SIZES
        .iter()
        .find(|(_, unit)| bytes != 0 && bytes.is_multiple_of(*unit))
    {
        Some((name, unit)) => format!("{}{name}", bytes / unit),
        None => "0".into(),
    }
}

/// Writes a share so that [`parse_share`] reads the same.
pub fn share(share: Share) -> String {
    match (share.0 / 100, share.0 % 100) {
        (whole, 0) => format!("{whole}%"),
        (whole, part) => format!("{whole}.{part:02}%"),
    }
}

/// For `#[serde(with = "crate::text::state")]`: a state as its word.
pub(crate) mod state {
    use evenkeel_core::table::State;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        state: &State,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(state.name())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<State, D::Error> {
        let word = String::deserialize(deserializer)?;
        let known = State::ALL.into_iter().find(|state| state.name() == word);
        known.ok_or_else(|| serde::de::Error::custom(format!("no state is called {word:?}")))
    }
}
