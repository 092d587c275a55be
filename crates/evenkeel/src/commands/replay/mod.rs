//! `evenkeel replay JOURNAL`: a recorded journal through the same engine. It prints what was decided and why, and says whether
//! all of it is what was decided then, byte for byte.
//!
//! Nothing is asked of a running evenkeel: the files are enough.

mod incident;
mod words;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use evenkeel_core::engine::{Command, Engine};
use evenkeel_core::time::WallTime;
use evenkeel_journal::{
    Begins, Difference, Ending, Ends, FOLDER, ReadError, Replayed, Segment, Turn, replay, segments,
};
use evenkeel_schema::Stamp;
use serde_json::{Value, json};

use crate::End;
use crate::cli::Replay;
use crate::style::{Out, complain};
use incident::Interest;

/// No segment of ours is longer: what is does not have to fill the memory to be refused.
const BYTES_MAX: u64 = 1 << 30;

/// Where the lines go.
struct Teller {
    out: Out,
    json: bool,
    interest: Option<Interest>,
    /// For `--json`.
    decisions: Vec<Value>,
    /// The day that the last line was of.
    day: String,
}

/// `replay`.
pub(crate) fn run(asked: &Replay) -> End {
    let files = match files(&asked.journal) {
        Ok(files) => files,
        Err(wrong) => {
            complain(&format!("evenkeel: {wrong}"));
            return End::Usage;
        }
    };
    quiet_panics();
    let interest = match asked.incident.map(|id| incident::find(&files, id)) {
        None => None,
        Some(Ok(interest)) => Some(interest),
        Some(Err(wrong)) => {
            complain(&format!("evenkeel: {wrong}"));
            return End::Failed;
        }
    };
    let mut teller = Teller {
        out: Out::new(),
        json: asked.json,
        interest,
        decisions: Vec::new(),
        day: String::new(),
    };
    teller.headline();
    let told: Vec<Value> = files.iter().map(|file| teller.segment(file)).collect();
    let equal = told.iter().all(|segment| segment["equal"] == true);
    if asked.json {
        let decisions = std::mem::take(&mut teller.decisions);
        let all = json!({ "equal": equal, "segments": told, "decisions": decisions });
        teller.out.line(&all.to_string());
    }
    match equal {
        true => End::Done,
        false => End::Failed,
    }
}

/// A file is itself; a folder, or a `state_dir`, all segments in it.
fn files(journal: &Path) -> Result<Vec<PathBuf>, String> {
    let shown = journal.display();
    let about = fs::metadata(journal).map_err(|error| {
        format!(
            "{shown}: {error}; wanted a segment of a journal or its folder, `state_dir`/{FOLDER}"
        )
    })?;
    if about.is_file() {
        return Ok(vec![journal.to_owned()]);
    }
    let read = |folder: &Path| segments(folder).map_err(|error| format!("{shown}: {error}"));
    let mut found = read(journal)?;
    let below = journal.join(FOLDER);
    if found.is_empty() && below.is_dir() {
        found = read(&below)?;
    }
    match found.is_empty() {
        true => Err(format!(
            "{shown}: there is no segment of a journal in it; evenkeel keeps them in `state_dir`/{FOLDER}"
        )),
        false => Ok(found.into_iter().map(|(_, path)| path).collect()),
    }
}

fn bytes(file: &Path) -> io::Result<Vec<u8>> {
    if fs::metadata(file)?.len() > BYTES_MAX {
        return Err(io::Error::other("it is longer than any segment is"));
    }
    fs::read(file)
}

/// A state that no engine was ever in may make it panic; that is caught and told as damage, and needs no other words.
fn quiet_panics() {
    std::panic::set_hook(Box::new(|_| ()));
}

impl Teller {
    fn headline(&self) {
        if let (Some(interest), false) = (&self.interest, self.json) {
            self.out.line(&interest.headline());
        }
    }

    /// One file: its decisions as they come, and what it came to.
    fn segment(&mut self, file: &Path) -> Value {
        let name = file.display().to_string();
        let bytes = match bytes(file) {
            Ok(bytes) => bytes,
            Err(error) => return self.broken(&name, &error.to_string()),
        };
        let mut segment = match Segment::open(&bytes) {
            Ok(segment) => segment,
            // Whoever wrote it was killed before anything happened: nothing is missing.
            Err(ReadError::Unborn) => {
                self.line(&format!("{name}: {}", ReadError::Unborn));
                return json!({ "file": name, "equal": true, "events": 0 });
            }
            Err(error) => return self.broken(&name, &error.to_string()),
        };
        let header = segment.header().clone();
        let begins = match header.begins {
            Begins::Start => "the balancer began".to_owned(),
            Begins::Full => "it goes on from the segment before".to_owned(),
            Begins::Gap(lost) => format!("{lost} events before it were not kept"),
        };
        self.line(&format!(
            "{name}: evenkeel {}, process {}, from {}: {begins}",
            header.build,
            header.pid,
            Stamp(header.now.wall)
        ));
        let replayed = replay(&mut segment, |turn, commands, engine| {
            self.turn(turn, commands, engine);
        });
        let replayed = match replayed {
            Ok(replayed) => replayed,
            Err(error) => return self.broken(&name, &error.to_string()),
        };
        self.verdict(&name, &replayed);
        json!({
            "file": name,
            "build": header.build,
            "engine": header.engine,
            "pid": header.pid,
            "from": Stamp(header.now.wall),
            "begins": begins,
            "events": replayed.turns,
            "commands": replayed.commands,
            "equal": replayed.difference.is_none(),
            "difference": replayed.difference.as_ref().map(different),
            "ending": ending(&replayed),
        })
    }

    fn turn(&mut self, turn: &Turn, commands: &[Command], engine: &Engine) {
        let interesting = |command: &&Command| match &self.interest {
            Some(interest) => interest.concerns(command, turn.now.wall),
            None => true,
        };
        let decided = commands.iter().filter(interesting);
        let decided: Vec<_> = decided.filter_map(|c| words::command(c, engine)).collect();
        if decided.is_empty() {
            return;
        }
        let event = words::event(&turn.event, engine);
        if self.json {
            let at = Stamp(turn.now.wall);
            self.decisions
                .push(json!({ "at": at, "event": event, "decided": decided }));
            return;
        }
        let (day, time) = moment(turn.now.wall);
        if day != self.day {
            self.out.line(&self.out.bold(&day));
            self.day = day;
        }
        self.out.line(&format!("{time}  {}", self.out.dim(&event)));
        for text in decided {
            self.out.line(&format!("{:14}{text}", ""));
        }
    }

    fn verdict(&self, name: &str, replayed: &Replayed) {
        let same = match &replayed.difference {
            None => format!(
                "{} events, {} commands: the same as recorded, byte for byte",
                replayed.turns, replayed.commands
            ),
            Some(difference) => different(difference),
        };
        let ending = ending(replayed).map_or(String::new(), |ending| format!("; {ending}"));
        let text = format!("{name}: {same}{ending}");
        match replayed.difference {
            None => self.line(&text),
            Some(_) => complain(&format!("evenkeel: {text}")),
        }
    }

    fn broken(&self, name: &str, why: &str) -> Value {
        complain(&format!("evenkeel: {name}: {why}"));
        json!({ "file": name, "equal": false, "error": why })
    }

    fn line(&self, text: &str) {
        if !self.json {
            self.out.line(text);
        }
    }
}

fn different(difference: &Difference) -> String {
    let count = |decided: Option<evenkeel_journal::Decided>| decided.map_or(0, |d| d.count);
    format!(
        "NOT the same: event {} at {} ({}) was followed by {} commands then and by {} now, or by others",
        difference.turn,
        Stamp(difference.recorded.now.wall),
        words::kind(&difference.recorded.event),
        count(difference.recorded.decided),
        count(difference.replayed),
    )
}

fn ending(replayed: &Replayed) -> Option<String> {
    match replayed.ending {
        _ if replayed.difference.is_some() => None,
        Ending::Ordered(Ends::Full) => None,
        Ending::Ordered(Ends::Shutdown) => Some("then the balancer shut down".into()),
        Ending::Open => {
            Some("there it breaks off: it is still written, or its writer was killed".into())
        }
        Ending::Torn(bytes) => Some(format!(
            "{bytes} bytes after it are no whole record and were cut off: its writer was killed, or the machine"
        )),
    }
}

/// The day, and the time of day to the millisecond.
fn moment(wall: WallTime) -> (String, String) {
    let whole = Stamp(WallTime(wall.0 / 1000 * 1000)).to_string();
    let (day, time) = whole.split_once('T').unwrap_or((&whole, ""));
    let time = format!("{}.{:03}", time.trim_end_matches('Z'), wall.0 % 1000);
    (day.to_owned(), time)
}
