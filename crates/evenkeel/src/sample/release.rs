//! The release a sample is: a folder with a file `answers`, found by a link when it starts.
//!
//! A release is a program in real life. Here it is a word that says how well the program works, which is all that matters
//! to whoever stands in front of it: `ok`, `500` (every answer is an error), `slow MS`, or `exit CODE` (it does not start).

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

/// The file in a release's folder.
pub(crate) const FILE: &str = "answers";

/// How well a release works.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Release {
    /// Its folder's name; empty where there are no releases.
    pub(crate) name: String,
    /// Every answer is an error.
    pub(crate) broken: bool,
    /// Every answer takes so much longer.
    pub(crate) slow: Duration,
}

impl Release {
    /// Reads what `link` leads to. Where not even its folder is there, releases are made: a sample has nobody who ships some.
    ///
    /// # Errors
    /// For a person: it leads nowhere, says what is not understood, or that it does not start.
    pub(crate) fn read(link: &Path) -> Result<Release, String> {
        if link.parent().is_some_and(|folder| !folder.exists()) {
            lay_out(link).map_err(|e| format!("release {}: {e}", link.display()))?;
        }
        let folder =
            fs::canonicalize(link).map_err(|e| format!("release {}: {e}", link.display()))?;
        let file = folder.join(FILE);
        let text = fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let mut release = Release {
            name: name.to_string(),
            ..Release::default()
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        match words.as_slice() {
            ["ok"] => {}
            ["500"] => release.broken = true,
            ["slow", ms] if ms.parse::<u16>().is_ok() => {
                release.slow = Duration::from_millis(ms.parse().unwrap_or(0));
            }
            ["exit", code] => {
                return Err(format!(
                    "release {name} does not start: it gives up with {code}"
                ));
            }
            _ => {
                let found: String = text.chars().take(40).collect();
                let wanted = "wanted ok, 500, slow MS or exit CODE";
                return Err(format!("{}: found {found:?}, {wanted}", file.display()));
            }
        }
        Ok(release)
    }
}

/// One that works and one that does not, to be shipped for a try; both links lead to the first.
fn lay_out(link: &Path) -> io::Result<()> {
    let folder = link.parent().unwrap_or(Path::new("/"));
    for (name, answers) in [("good", "ok\n"), ("bad", "500\n")] {
        fs::create_dir_all(folder.join(name))?;
        fs::write(folder.join(name).join(FILE), answers)?;
    }
    symlink("good", folder.join("previous"))?;
    symlink("good", link)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_what_its_link_leads_to_when_it_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for (name, answers) in [
            ("1", "ok\n"),
            ("2", "500"),
            ("3", "slow 250"),
            ("4", "exit 3"),
        ] {
            std::fs::create_dir(at(name)).unwrap();
            std::fs::write(at(name).join(FILE), answers).unwrap();
        }
        let read = |name: &str| {
            let _ = std::fs::remove_file(at("current"));
            symlink(name, at("current")).unwrap();
            Release::read(&at("current"))
        };
        assert_eq!(read("1").unwrap().name, "1");
        assert!(read("2").unwrap().broken);
        assert_eq!(read("3").unwrap().slow, Duration::from_millis(250));
        assert!(read("4").unwrap_err().contains("gives up with 3"));
        assert!(read("nowhere").unwrap_err().contains("No such file"));
        let made = at("releases").join("current");
        assert_eq!(Release::read(&made).unwrap().name, "good");
        assert!(at("releases").join("previous/answers").exists());
        assert!(at("releases").join("bad/answers").exists());
    }
}
