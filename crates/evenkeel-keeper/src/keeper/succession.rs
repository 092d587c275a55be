//! One child after another: starting it, noticing its end, and deciding what follows.

use std::time::Duration;

use rustix::process::Pid;

use super::{Keeper, Phase};
use crate::balancer::Balancer;
use crate::children::{self, number};
use crate::wire::{Ending, Launch, Start};

/// Messages of a child that has ended that are still heard.
const LAST_WORDS: usize = 4096;

impl Keeper {
    pub(super) fn start_child(&mut self) {
        let again = self.ever_ready;
        let args = if again {
            &self.settings.replacement_args
        } else {
            &self.settings.first_args
        };
        let start = Start {
            name: self.settings.called.to_owned(),
            program: self.settings.program.clone(),
            args: args.clone(),
            directory: None,
            environment: self.settings.environment.clone(),
            uid: None,
            gid: None,
            memory_max: None,
            cpu_max: None,
            epoch: 0,
        };
        // `Restrict` is about what the child asks for; the child itself is the keeper's own wish, and drops its privileges itself.
        let launch = Launch {
            keeper_pid: std::process::id(),
            restricted: false,
            keep_stdin: true,
            start,
        };
        match children::launch(&self.settings.trampoline, &launch, false, |_| {}) {
            Ok(launched) => {
                let called = self.settings.called;
                self.log
                    .say(&format!("{called} started as pid {}", number(launched.pid)));
                self.children_started += 1;
                self.child = Some(Balancer::new(launched, self.now));
            }
            Err(error) => {
                let called = self.settings.called;
                self.log
                    .say(&format!("the {called} cannot be started: {error}"));
                self.died(Duration::ZERO, Ending::Code(1));
            }
        }
    }

    /// Reaps everything that has ended: the child, services, and what they left behind.
    pub(super) fn reap(&mut self) {
        let known: Vec<Pid> = self
            .child
            .iter()
            .map(|child| child.pid)
            .chain(self.services.pids())
            .collect();
        for pid in known {
            if let Some(ending) = children::reap(pid) {
                self.on_exit(pid, ending);
            }
        }
        while let Some((pid, ending)) = children::reap_any() {
            self.on_exit(pid, ending);
        }
    }

    fn on_exit(&mut self, pid: Pid, ending: Ending) {
        if self.child.as_ref().is_some_and(|child| child.pid == pid) {
            self.on_child_exit(ending);
        } else if let Some(name) = self.services.name_of(pid) {
            let news = self
                .services
                .on_exit(&name, ending, self.now, &mut self.log);
            self.tell_all(news);
        }
    }

    fn on_child_exit(&mut self, ending: Ending) {
        // Its last words count, such as `Bye` or a service it still started; more than this a link's buffer does not hold.
        if let Some(child) = &mut self.child {
            child.ended = true;
        }
        self.listen(LAST_WORDS);
        let Some(child) = self.child.take() else {
            return;
        };
        let lived = self.now.saturating_sub(child.started);
        let ended = format!(
            "{} (pid {}) ended after {:.1} s: {ending}",
            self.settings.called,
            child.number(),
            lived.as_secs_f64()
        );
        if child.leaving {
            self.log.say(&ended);
        } else {
            self.log.warn(&ended);
        }
        if child.leaving {
            self.clean(exit_code(ending));
        } else {
            self.last_death = Some((self.now, child.died_of(ending)));
            self.died(lived, ending);
        }
    }

    /// What follows when a child is gone that did not say it would go.
    fn died(&mut self, lived: Duration, ending: Ending) {
        match self.phase {
            Phase::Running if self.ever_ready => {
                let pause = self.pauses.on_death(lived);
                self.due = self.now + pause;
                match pause.as_millis() {
                    0 => self.start_child(),
                    ms => self.log.warn(&format!(
                        "the balancer died quickly several times: starting the next in {ms} ms"
                    )),
                }
            }
            Phase::Running | Phase::Draining => self.clean(exit_code(ending)),
            Phase::Cleaning { .. } => {}
        }
    }
}

/// What the keeper itself exits with.
fn exit_code(ending: Ending) -> u8 {
    match ending {
        Ending::Code(code) => u8::try_from(code).unwrap_or(1),
        Ending::Signal(_) => 1,
    }
}
