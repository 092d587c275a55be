//! Panics of the library below, taken as what they are here: a file that contradicts itself.
//!
//! They are caught, and what they say becomes part of one line that a person can use; so their own report (place, backtrace)
//! would only frighten. It is kept back for the thread that is being guarded, as long as it is, and for nobody else.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    /// How many guarded calls this thread is in.
    static INSIDE: Cell<u32> = const { Cell::new(0) };
}

/// What `work` returns, or what it said when it panicked.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    keep_quiet();
    let _inside = Inside::enter();
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()))
            .unwrap_or_else(|| "it contradicts itself".to_owned())
    })
}

/// Once for the whole process: before whatever reports panics it is asked whether they are ours.
fn keep_quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            // A thread that ends has no such number any more: then it is not inside either.
            if INSIDE.try_with(Cell::get).unwrap_or(0) == 0 {
                report(panic);
            }
        }));
    });
}

struct Inside;

impl Inside {
    fn enter() -> Inside {
        INSIDE.set(INSIDE.get() + 1);
        Inside
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.set(INSIDE.get() - 1);
    }
}
