//! "What if there were four of them, and one person to repair?": the Markov model on what was measured, with what it
//! assumed and how little it knows said beside it.

use super::markov::{ENDPOINTS_MAX, Fleet, unavailability};
use super::reliability::{CONFIDENCE, Truncated, interval, mean};

/// With fewer failures than this the mean is hardly more than a guess: at 10 its interval is still from 0.6 to 1.8 of it.
const FEW: u64 = 10;

/// What is asked; what is left out is as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Question {
    /// How many endpoints.
    pub endpoints: Option<u32>,
    /// How many of them are needed; else one.
    pub needed: Option<u32>,
    /// How many are repaired at a time; else all that are down.
    pub crews: Option<u32>,
    /// Mean time to failure of one, seconds.
    pub mttf_s: Option<f64>,
    /// Mean time to repair, seconds.
    pub mttr_s: Option<f64>,
}

/// What was measured, over all endpoints of a pool together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measured {
    /// How many there are.
    pub endpoints: u32,
    /// Seconds up, all together.
    pub up_s: f64,
    /// Seconds down.
    pub down_s: f64,
    /// Failures.
    pub failures: u64,
    /// Repairs.
    pub repairs: u64,
}

/// What the model says.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// How many endpoints.
    pub endpoints: u32,
    /// How many of them are needed.
    pub needed: u32,
    /// How many are repaired at a time.
    pub crews: u32,
    /// Mean time to failure of one, seconds; `None` if none was measured or given.
    pub mttf_s: Option<f64>,
    /// Mean time to repair, seconds.
    pub mttr_s: Option<f64>,
    /// The share of time in which too few work; `None` without the two above. Not its complement, which has too few digits.
    pub unavailability: Option<f64>,
    /// The availability at both ends of what the mean time to failure may be, nine times in ten; with a given one there is no such
    /// doubt.
    pub availability_interval: (Option<f64>, Option<f64>),
    /// What was assumed, and how little is known: for people.
    pub notes: Vec<String>,
}

impl Answer {
    /// Outage in a year of 365 days, seconds.
    pub fn down_per_year_s(&self) -> Option<f64> {
        self.unavailability.map(|u| u * 365.0 * 86_400.0)
    }
}

/// Asks the model.
///
/// # Errors
/// What does not go together, for a person.
pub fn ask(question: &Question, measured: &Measured) -> Result<Answer, String> {
    let endpoints = question.endpoints.unwrap_or(measured.endpoints);
    if !(1..=ENDPOINTS_MAX).contains(&endpoints) {
        return Err(format!(
            "endpoints is {endpoints}, wanted 1 to {ENDPOINTS_MAX}"
        ));
    }
    let needed = question.needed.unwrap_or(1);
    if !(1..=endpoints).contains(&needed) {
        return Err(format!(
            "needed is {needed}, wanted 1 to {endpoints}, the number of endpoints"
        ));
    }
    let crews = question.crews.unwrap_or(endpoints);
    if crews == 0 {
        return Err("crews is 0, and nothing would ever be repaired: wanted 1 or more".into());
    }
    let mut notes = assumptions(question, needed);
    let mttf_s = question.mttf_s.or(mean(measured.up_s, measured.failures));
    let mttr_s = question.mttr_s.or(mean(measured.down_s, measured.repairs));
    if question.mttf_s.is_none() {
        notes.push(how_sure_of_failures(measured));
    }
    if question.mttr_s.is_none() {
        notes.push(how_sure_of_repairs(measured));
    }
    let out = |mttf: Option<f64>| {
        let fleet = Fleet {
            endpoints,
            needed,
            crews,
            mttf: mttf?,
            mttr: mttr_s?,
        };
        unavailability(&fleet)
    };
    let (low, high) = match question.mttf_s {
        Some(_) => (None, None),
        None => interval(
            measured.up_s,
            measured.failures,
            Truncated::ByTime,
            CONFIDENCE,
        ),
    };
    Ok(Answer {
        endpoints,
        needed,
        crews,
        mttf_s,
        mttr_s,
        unavailability: out(mttf_s),
        availability_interval: (out(low).map(|u| 1.0 - u), out(high).map(|u| 1.0 - u)),
        notes,
    })
}

fn assumptions(question: &Question, needed: u32) -> Vec<String> {
    let mut notes = vec![
        "endpoints are taken to be alike and to fail independently of each other, at a constant rate; what takes several at once (a bad release, a shared disk or network) comes on top".to_owned(),
    ];
    if question.needed.is_none() {
        notes.push(format!("the pool is taken to work while {needed} endpoint does, whatever the load: say needed=N if one cannot carry it"));
    }
    if question.crews.is_none() {
        notes.push(
            "every fault is taken to be repaired at once: say crews=1 for one after the other"
                .to_owned(),
        );
    }
    notes
}

fn how_sure_of_failures(measured: &Measured) -> String {
    match measured.failures {
        0 => "no failure was seen yet, so the mean time to failure is not known, only its lower end: say mttf=30d to try one".to_owned(),
        few @ 1..FEW => format!("little data: only {few} of its endpoints' failures were seen, so the true figure may be far off, as the interval says"),
        many => format!("the mean time to failure is that of {many} failures seen"),
    }
}

fn how_sure_of_repairs(measured: &Measured) -> String {
    match measured.repairs {
        0 => "no repair was seen yet, so the mean time to repair is not known: say mttr=5m to try one".to_owned(),
        few @ 1..FEW => format!("little data: the mean time to repair is that of only {few} repairs"),
        many => format!("the mean time to repair is that of {many} repairs seen"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEASURED: Measured = Measured {
        endpoints: 2,
        up_s: 20_000.0,
        down_s: 80.0,
        failures: 20,
        repairs: 20,
    };

    #[test]
    fn the_model_is_asked_with_what_was_measured() {
        let answer = ask(&Question::default(), &MEASURED).unwrap();
        assert_eq!((answer.mttf_s, answer.mttr_s), (Some(1000.0), Some(4.0)));
        assert!((answer.unavailability.unwrap() - 1.5873e-5).abs() < 1e-9);
        let one_crew = Question {
            crews: Some(1),
            ..Question::default()
        };
        let answer = ask(&one_crew, &MEASURED).unwrap();
        let found = 1.0 - answer.unavailability.unwrap();
        assert!((1.0 - found - 3.1745e-5).abs() < 1e-9);
        let (low, high) = answer.availability_interval;
        assert!(low.unwrap() < found && found < high.unwrap());
        assert!(answer.notes.iter().any(|note| note.contains("20 failures")));
    }

    #[test]
    fn too_little_data_is_said_and_nothing_is_made_up() {
        let nothing = Measured {
            endpoints: 2,
            up_s: 5000.0,
            ..Measured::default()
        };
        let answer = ask(&Question::default(), &nothing).unwrap();
        assert_eq!(
            (answer.mttf_s, answer.mttr_s, answer.unavailability),
            (None, None, None)
        );
        let notes = answer.notes.join("\n");
        assert!(notes.contains("no failure was seen") && notes.contains("no repair was seen"));
        // A given time to repair and the lower end of the time to failure give a lower end.
        let repaired = Question {
            mttr_s: Some(60.0),
            ..Question::default()
        };
        let answer = ask(&repaired, &nothing).unwrap();
        assert_eq!(answer.unavailability, None);
        assert!(answer.availability_interval.0.is_some_and(|low| low > 0.99));
        assert_eq!(answer.availability_interval.1, None);
        let few = Measured {
            failures: 2,
            repairs: 2,
            ..MEASURED
        };
        let notes = ask(&Question::default(), &few).unwrap().notes.join("\n");
        assert!(
            notes.contains("only 2 of its endpoints' failures") && notes.contains("only 2 repairs")
        );
    }

    #[test]
    fn given_times_are_used_and_what_does_not_go_together_is_refused() {
        let given = Question {
            endpoints: Some(5),
            needed: Some(3),
            mttf_s: Some(1000.0),
            mttr_s: Some(4.0),
            ..Question::default()
        };
        let answer = ask(&given, &Measured::default()).unwrap();
        assert!((answer.unavailability.unwrap() - 6.2861e-7).abs() < 1e-11);
        assert_eq!(answer.availability_interval, (None, None));
        for wrong in [
            Question {
                endpoints: Some(0),
                ..given
            },
            Question {
                endpoints: Some(1001),
                ..given
            },
            Question {
                needed: Some(6),
                ..given
            },
            Question {
                needed: Some(0),
                ..given
            },
            Question {
                crews: Some(0),
                ..given
            },
        ] {
            assert!(ask(&wrong, &MEASURED).is_err(), "{wrong:?}");
        }
    }
}
