//! Preparing a new configuration, off the control loop because it touches files: read, check, open its addresses, and,
//! where it came from outside, put it in the place of FILE. If any step fails nothing has changed.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use evenkeel_schema::admin::{ErrorAnswer, ErrorCode};
use evenkeel_schema::{Config, Mistake};

use crate::tls::{Certificate, News};
use crate::{Host, Tls};

/// Where the new configuration comes from.
pub(crate) enum Source {
    /// FILE.
    File,
    /// From outside, over FILE as it was applied.
    Text(String),
    /// A revision that was right once, over FILE whatever it holds now.
    Revision(String),
}

/// A configuration to prepare.
pub(crate) struct Plan {
    pub(crate) source: Source,
    pub(crate) file: PathBuf,
    pub(crate) current: Arc<Config>,
    pub(crate) tls: Arc<Tls>,
    pub(crate) host: Arc<dyn Host>,
}

/// A configuration that may be taken in.
pub(crate) struct Prepared {
    pub(crate) config: Arc<Config>,
    pub(crate) tls: Arc<Tls>,
    /// What is in use with it.
    pub(crate) certificates: Vec<Certificate>,
    /// Of certificates that changed on the disk since they were read last.
    pub(crate) news: Vec<News>,
}

impl Plan {
    /// Does it all; blocks.
    pub(crate) fn run(self) -> Result<Prepared, ErrorAnswer> {
        let (config, tls) = match &self.source {
            Source::File => {
                let (config, tls) =
                    Tls::load(&self.file, Some(&self.tls)).map_err(ErrorAnswer::config_rejected)?;
                self.accept(&config)?;
                (config, tls)
            }
            Source::Text(text) => {
                self.refuse_if_edited()?;
                self.write(text)?
            }
            Source::Revision(text) => self.write(text)?,
        };
        // What stays as it was is read again all the same: whoever reloads has just put a new certificate there.
        let news = tls.refresh();
        Ok(Prepared {
            config: Arc::new(config),
            certificates: tls.certificates(),
            tls: Arc::new(tls),
            news,
        })
    }

    /// What can only be said of a configuration beside the one in force.
    fn accept(&self, config: &Config) -> Result<(), ErrorAnswer> {
        let mut needs: Vec<String> = config
            .restart_needed(&self.current)
            .iter()
            .map(ToString::to_string)
            .collect();
        let (old, new) = (&self.current.admin.bind, &config.admin.bind);
        if old != new {
            needs.push(format!(
                "admin.bind changed from {old} to {new}: that needs a restart"
            ));
        }
        if !needs.is_empty() {
            return Err(ErrorAnswer::new(
                ErrorCode::RestartNeeded,
                needs.join("\n"),
                "nothing was changed; take this back, or stop evenkeel and run it again",
            ));
        }
        self.host.open(config).map_err(|reasons| {
            ErrorAnswer::new(
                ErrorCode::AddressTaken,
                reasons.join("\n"),
                "nothing was changed; free the address or choose another",
            )
        })
    }

    /// Edits of FILE that were never applied are somebody's work.
    fn refuse_if_edited(&self) -> Result<(), ErrorAnswer> {
        match fs::read(&self.file) {
            Ok(bytes) if bytes != self.current.text.as_bytes() => Err(ErrorAnswer::new(
                ErrorCode::ConfigChanged,
                format!(
                    "{} was edited and is not the configuration in force",
                    self.file.display()
                ),
                "apply it first (`evenkeel reload`) or put it back (`evenkeel rollback`)",
            )),
            _ => Ok(()),
        }
    }

    /// Writes beside FILE, loads that exactly as FILE will be loaded, and renames it: FILE is whole at any moment.
    fn write(&self, text: &str) -> Result<(Config, Tls), ErrorAnswer> {
        // A link stays a link; what it points to is replaced.
        let file = fs::canonicalize(&self.file).unwrap_or_else(|_| self.file.clone());
        let refuse = |error: io::Error| not_writable(&file, &error);
        let beside = Beside::write(&file, text).map_err(refuse)?;
        let loaded = Tls::load(&beside.path, Some(&self.tls));
        let (config, tls) = loaded.map_err(|mistakes| {
            let own = |mistake: Mistake| Mistake {
                file: self.file.clone(),
                ..mistake
            };
            ErrorAnswer::config_rejected(mistakes.into_iter().map(own).collect())
        })?;
        self.keep_unapplied(&file).map_err(refuse)?;
        self.accept(&config)?;
        beside.replace(&file).map_err(refuse)?;
        Ok((config, tls))
    }

    /// What FILE holds but was never applied is kept beside it.
    fn keep_unapplied(&self, file: &Path) -> io::Result<()> {
        match fs::read(file) {
            Ok(bytes) if bytes != self.current.text.as_bytes() => {
                let aside = with_suffix(file, ".unapplied");
                tracing::warn!(
                    "{} holds edits that were never applied; they are kept as {}",
                    file.display(),
                    aside.display()
                );
                fs::copy(file, aside).map(|_| ())
            }
            _ => Ok(()),
        }
    }
}

fn not_writable(file: &Path, error: &io::Error) -> ErrorAnswer {
    ErrorAnswer::new(
        ErrorCode::FileNotWritable,
        format!("{} cannot be replaced: {error}", file.display()),
        "nothing was changed; let the balancer's user write FILE and its folder, or edit FILE by hand and reload",
    )
}

fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The new text in a file beside FILE, deleted unless it takes FILE's place.
struct Beside {
    path: PathBuf,
    replaced: bool,
}

impl Beside {
    fn write(file: &Path, text: &str) -> io::Result<Beside> {
        // FILE itself must be writable too: a rename would go around a read-only FILE.
        let mode = match OpenOptions::new().append(true).open(file) {
            Ok(file) => file.metadata()?.permissions().mode() & 0o7777,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0o600,
            Err(error) => return Err(error),
        };
        let path = with_suffix(file, &format!(".new-{}", std::process::id()));
        // One left behind by a death in the middle.
        let _ = fs::remove_file(&path);
        let mut new = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        let beside = Beside {
            path,
            replaced: false,
        };
        new.write_all(text.as_bytes())?;
        new.set_permissions(Permissions::from_mode(mode))?;
        new.sync_all()?;
        Ok(beside)
    }

    fn replace(mut self, file: &Path) -> io::Result<()> {
        fs::rename(&self.path, file)?;
        self.replaced = true;
        // The rename itself reaches the disk with its folder.
        match file.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if !self.replaced {
            let _ = fs::remove_file(&self.path);
        }
    }
}
