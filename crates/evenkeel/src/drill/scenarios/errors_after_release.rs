//! `errors_after_release`: a new release is shipped, and everything it answers is an error.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use evenkeel_core::diagnose::Cause;

use super::super::fault::Fault;
use super::super::site::Site;
use super::super::{knobs, seen_by};
use super::{Inject, Scenario};
use crate::sample::release::FILE;

const FOLDER: &str = "drill-errors";

pub(super) const SCENARIO: Scenario = Scenario {
    name: "errors_after_release",
    summary: "Ships a release that answers everything with 500, and restarts the service.",
    cause: Cause::BadRelease,
    needs: "`release` of a sample service, or an allowed command drill_errors_after_release",
    felt: None,
    prepare,
};

/// The two links and where they lead to.
struct Links {
    current: PathBuf,
    previous: PathBuf,
    current_to: PathBuf,
    previous_to: PathBuf,
    bad: PathBuf,
}

fn prepare(site: &Site) -> Result<Inject<'_>, String> {
    if let Some(command) = knobs::command(site, SCENARIO.name) {
        return Ok(knobs::by_command(site, command));
    }
    let name = &site.service.name;
    let release = site.service.care.release.as_ref();
    let (Some(release), Some(_)) = (release, &site.sample) else {
        return Err(format!(
            "service {name} is no sample with a `release`: how a bad release of it is made only its operator \
             knows; allow a command drill_errors_after_release (and …_end, which takes it back)"
        ));
    };
    let links = Links::read(site.status.pid, &release.current, &release.previous)?;
    Ok(Box::new(move || {
        links.ship()?;
        let what = format!("release {FOLDER} was shipped, {name} restarted with it");
        let shipped = Fault::lasting(what, move || links.take_back(site));
        site.act(&site.service.name, "restart", None)?;
        Ok(shipped)
    }))
}

impl Links {
    fn read(pid: u32, current: &Path, previous: &Path) -> Result<Links, String> {
        let (current, previous) = (seen_by(pid, current), seen_by(pid, previous));
        let to = |link: &Path| {
            fs::read_link(link).map_err(|e| format!("release {}: {e}", link.display()))
        };
        let (current_to, previous_to) = (to(&current)?, to(&previous)?);
        let beside = current_to.parent().unwrap_or(Path::new(""));
        Ok(Links {
            bad: beside.join(FOLDER),
            current_to,
            previous_to,
            current,
            previous,
        })
    }

    /// What a deployment does: the new folder, then the links; the one that ran becomes the one before.
    fn ship(&self) -> Result<(), String> {
        let above = self.current.parent().unwrap_or(Path::new("/"));
        let folder = above.join(&self.bad);
        let made = fs::create_dir_all(&folder).and_then(|()| fs::write(folder.join(FILE), "500\n"));
        made.map_err(|e| format!("{}: {e}", folder.display()))?;
        point(&self.previous, &self.current_to)?;
        point(&self.current, &self.bad)
    }

    /// evenkeel may have gone back already; then only the link to the bad one is left.
    fn take_back(&self, site: &Site) -> Result<(), String> {
        let is_bad = fs::read_link(&self.current).is_ok_and(|to| to == self.bad);
        point(&self.current, &self.current_to)?;
        point(&self.previous, &self.previous_to)?;
        let above = self.current.parent().unwrap_or(Path::new("/"));
        let _ = fs::remove_dir_all(above.join(&self.bad));
        match is_bad {
            true => site.act(&site.service.name, "restart", None),
            false => Ok(()),
        }
    }
}

/// In one step: at no moment there is no link.
fn point(link: &Path, to: &Path) -> Result<(), String> {
    let new = link.with_extension("drill");
    let _ = fs::remove_file(&new);
    symlink(to, &new)
        .and_then(|()| fs::rename(&new, link))
        .map_err(|e| format!("{}: {e}", link.display()))
}
