//! What seals session cookies: the keys that the configuration names, or one that evenkeel makes once and keeps.
//!
//! Its own is a file in `state_dir` in the same form as a `secret` of the configuration, one key a line. Whoever wants to
//! replace it puts another line before the first; sessions sealed with the old one hold.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use evenkeel_proxy::Sessions;
use evenkeel_schema::config::{Config, Secret, Session, SessionBy, session_keys};
use evenkeel_tls::TokenKeys;

/// In `state_dir`.
const FILE: &str = "session.key";

/// Where its own key is.
pub(super) struct SessionKeys {
    path: PathBuf,
}

impl SessionKeys {
    pub(super) fn new(state_dir: &Path) -> SessionKeys {
        SessionKeys {
            path: state_dir.join(FILE),
        }
    }

    /// How the pools of this configuration know their clients again, by name.
    pub(super) fn sessions(
        &self,
        config: &Config,
    ) -> Result<BTreeMap<Arc<str>, Arc<Sessions>>, String> {
        let sessions = config.sessions.iter();
        let sessions = sessions.map(|(pool, session)| {
            let sessions = self.of(pool, session);
            let sessions = sessions.map_err(|why| format!("pool {pool}: session: {why}"))?;
            Ok((pool.clone(), Arc::new(sessions)))
        });
        sessions.collect()
    }

    fn of(&self, pool: &str, session: &Session) -> Result<Sessions, String> {
        let (name, keys) = match &session.by {
            SessionBy::Cookie { name, keys } => (name, keys),
            SessionBy::Token(token) => {
                let keys = session.jwt_key.as_ref();
                let keys = keys.map(|key| TokenKeys::read(key.reveal())).transpose();
                let keys = keys.map_err(|found| format!("jwt_key: found {found}"))?;
                return Ok(Sessions::by_token(token.clone(), session.ttl, keys));
            }
        };
        let own;
        let keys = match keys {
            Some(keys) => keys,
            None => {
                own = self.own()?;
                &own
            }
        };
        let keys: Vec<&str> = keys.iter().map(Secret::reveal).collect();
        Sessions::new(pool, name, session.ttl, &keys).map_err(|e| e.to_string())
    }

    /// Its own keys; made now if there are none yet.
    fn own(&self) -> Result<Vec<Secret>, String> {
        let fail = |e: std::io::Error| format!("{}: {e}", self.path.display());
        let text = match fs::read_to_string(&self.path) {
            Err(e) if e.kind() == ErrorKind::NotFound => self.make().map_err(fail)?,
            read => read.map_err(fail)?,
        };
        session_keys(&text).map_err(|found| {
            let wanted =
                "one to four lines, each a key of at least 16 characters of printable ASCII";
            let hint =
                "mend it, or remove it: then a new key is made, and every session begins anew";
            format!(
                "{}: found {found}, wanted {wanted}; {hint}",
                self.path.display()
            )
        })
    }

    /// Whole or not at all: half a key would be one that is easily guessed.
    fn make(&self) -> std::io::Result<String> {
        let key = Sessions::new_key().ok_or_else(|| {
            std::io::Error::other("this machine has no randomness to make a key from")
        })?;
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        let draft = self.path.with_extension("key.new");
        match fs::remove_file(&draft) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let mut open = OpenOptions::new();
        let mut file = open.write(true).create_new(true).mode(0o600).open(&draft)?;
        writeln!(file, "{key}")?;
        file.sync_all()?;
        fs::rename(&draft, &self.path)?;
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    fn revealed(keys: &SessionKeys) -> Vec<String> {
        let own = keys.own().unwrap();
        own.iter().map(|key| key.reveal().to_owned()).collect()
    }

    #[test]
    fn its_own_key_is_made_once_and_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let keys = SessionKeys::new(&folder.path().join("state"));
        let first = revealed(&keys);
        assert_eq!((first.len(), first[0].len()), (1, 64));
        assert_eq!(revealed(&keys), first);
        let mode = fs::metadata(&keys.path).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600);
        let other = SessionKeys::new(&folder.path().join("other"));
        assert_ne!(revealed(&other), first);
    }

    #[test]
    fn a_line_before_the_first_makes_a_new_key_and_keeps_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let keys = SessionKeys::new(folder.path());
        let old = revealed(&keys).remove(0);
        fs::write(&keys.path, format!("a-new-key-of-an-operator\n{old}\n")).unwrap();
        assert_eq!(
            revealed(&keys),
            ["a-new-key-of-an-operator".to_owned(), old]
        );
    }

    #[test]
    fn a_file_that_holds_no_key_is_said_to() {
        let folder = tempfile::tempdir().unwrap();
        let keys = SessionKeys::new(folder.path());
        fs::write(&keys.path, "short\n").unwrap();
        let why = keys.own().unwrap_err();
        assert!(
            why.contains("session.key: found a key of 5 characters"),
            "{why}"
        );
    }
}
