//! How values and names are shown in messages, and what was probably meant.

use toml::de::DeValue;

/// Longer texts are cut: a message is one line.
const SHOWN_MAX: usize = 60;

/// Among more names than these nothing is sought: the first will do, and hostile input shall not cost time.
const COMPARED_MAX: usize = 500;

/// A value as it is shown: short ones as they stand.
pub(super) fn show(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => quote(text),
        DeValue::Integer(number) => cut(&number.to_string()),
        DeValue::Float(number) => cut(&number.to_string()),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(date) => date.to_string(),
        DeValue::Array(_) => "a list".into(),
        DeValue::Table(_) => "a table".into(),
    }
}

/// A text in quotes, control characters escaped.
pub(super) fn quote(text: &str) -> String {
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// A key as it is shown in a sentence.
pub(super) fn tick(name: &str) -> String {
    let shown: String = name.escape_debug().collect();
    format!("`{}`", cut(&shown))
}

/// A key as a part of a path: quoted where TOML would.
pub(super) fn segment(name: &str) -> String {
    let bare = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if !name.is_empty() && name.len() <= SHOWN_MAX && name.bytes().all(bare) {
        name.to_owned()
    } else {
        quote(name)
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// `one of "a", "b"`, or `"a"` alone.
pub(super) fn one_of<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<String> = words.map(|w| format!("{w:?}")).collect();
    choice(words)
}

/// ``one of `a`, `b` ``, or `` `a` `` alone.
pub(super) fn one_key_of<'a>(words: impl Iterator<Item = &'a str>) -> String {
    choice(words.map(tick).collect())
}

fn choice(words: Vec<String>) -> String {
    match words.as_slice() {
        [only] => only.clone(),
        words => format!("one of {}", words.join(", ")),
    }
}

/// The nearest of `known`, if it is near enough that it was probably meant: one slip in three letters, two at most in
/// short words.
pub(super) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let fold = |s: &str| s.to_ascii_lowercase().replace('-', "_");
    if word.len() > SHOWN_MAX {
        return None;
    }
    let word = fold(word);
    let slips_max = |name: &str| (name.len() / 3).max(1);
    known
        .take(COMPARED_MAX)
        .filter(|name| name.len().abs_diff(word.len()) <= slips_max(name))
        .map(|name| (strsim::damerau_levenshtein(&word, &fold(name)), name))
        .filter(|(slips, name)| *slips <= slips_max(name) && *slips < word.len())
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, name)| name)
}

/// `did you mean "p2c"?`
pub(super) fn did_you_mean<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    nearest(word, known).map(|name| format!("did you mean {name:?}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_is_meant_and_what_is_far_is_not() {
        let policies = ["round_robin", "random", "p2c", "first"];
        let meant = |word| nearest(word, policies.into_iter());
        assert_eq!(meant("roundrobin"), Some("round_robin"));
        assert_eq!(meant("ROUND-ROBIN"), Some("round_robin"));
        assert_eq!(meant("p2x"), Some("p2c"));
        assert_eq!(meant("fisrt"), Some("first"));
        assert_eq!(meant("leastconn"), None);
        assert_eq!(meant(""), None);
        assert_eq!(meant(&"p".repeat(100_000)), None);
    }

    #[test]
    fn what_is_shown_is_one_short_line() {
        assert_eq!(quote("a\nb"), r#""a\nb""#);
        assert!(quote(&"ä".repeat(1000)).chars().count() < 70);
        assert_eq!(segment("a-1"), "a-1");
        assert_eq!(segment("a.b"), r#""a.b""#);
    }
}
